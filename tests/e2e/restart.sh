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
exec 9>"$work/in"
seq 100 >&9
eventually "the lines are taken" channel_is gone TAKEN 100
kill_hard "$broker"
broker_start "$RUNNEL_URL" 9>&-
eventually "the receiver is bound again" channel_is gone RECEIVERS 1
seq 101 200 >&9
exec 9>&-
# Status 1 is right as well: it says that what the old broker held is gone.
wait "$sender" || [[ $? -eq 1 ]] || fail "the sender ended with status $?"
wait "$receiver" || [[ $? -eq 1 ]] || fail "the receiver ended with status $?"
for who in send recv; do
  grep -Eq 'session with the broker ended|lost channel "gone"' "$work/$who.err" || fail "runnel $who said nothing"
done
cmp <(seq 200) "$work/out" || fail "what came out is not what went in"
balanced
