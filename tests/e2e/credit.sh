#!/usr/bin/env bash
# A stopped holder of credit delays a close by its lease, not by more; and what it had sent comes before the close.
# SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=2s
broker_start

start recv runnel recv held --wait 30 >"$work/out"
receiver=$pid
mkfifo "$work/in"
start send runnel send held --wait 30 "$work/in"
holder=$pid
exec 9>"$work/in"
seq 100 >&9
eventually "the lines are taken" channel_is held TAKEN 100
lent() { runnel audit held | grep -Eq '\([1-9][0-9]* lent to senders\)'; }
eventually "the sender holds credit" lent
kill -STOP "$holder"
eventually "the sender is stopped" state_is "$holder" T
begin=${EPOCHREALTIME/./}
close_channel held 9>&-
ends_with 0 "$receiver" "the receiver"
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
((took > 1000)) || fail "the close came after $took ms, while a sender could still have sent under its credit"
((took < 5000)) || fail "the close came only $took ms after a sender with a lease of 2 s was stopped"
cmp <(seq 100) "$work/out" || fail "what was sent before the close is not all there"

# The holder wakes up: its session is over, and it is told so.
kill -CONT "$holder"
echo late >&9
exec 9>&-
wait "$holder" || true
grep -q "session with the broker ended" "$work/send.err" || fail "the stopped sender was not told: $(<"$work/send.err")"
start rest runnel recv held --wait 30 -n 1 >"$work/rest"
ends_with 0 "$pid" "a receiver of the next channel of that name"
[[ $(<"$work/rest") == late ]] || fail "what it sent afterwards is not there"
echo "the close came after $took ms, under a lease of 2000 ms"
balanced
