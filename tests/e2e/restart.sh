#!/usr/bin/env bash
# The broker is killed and a new one started: nobody goes on as if nothing had been.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=2s
broker_start

start recv runnel recv gone --wait 30 >"$work/out"
receiver=$pid
mkfifo "$work/in"
start send runnel send gone --close --wait 30 "$work/in"
sender=$pid
exec {in}>"$work/in"
seq 100 >&"$in"
eventually "the lines are taken" channel_is gone TAKEN 100
kill -KILL "$broker"
wait "$broker" || true
broker_start "$RUNNEL_URL"
eventually "both are bound again" channel_is gone RECEIVERS 1
eventually "both are bound again" grep -q "going on" "$work/recv.err"
seq 101 200 >&"$in"
exec {in}>&-
ends_with 1 "$sender" "the sender, whose channel was lost,"
ends_with 1 "$receiver" "the receiver, whose channel was lost,"
grep -q 'lost channel "gone"' "$work/send.err" || fail "the sender said nothing"
grep -q 'lost channel "gone"' "$work/recv.err" || fail "the receiver said nothing"
cmp <(seq 200) "$work/out" || fail "what came out is not what went in"
balanced
