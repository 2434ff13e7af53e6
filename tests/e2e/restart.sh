#!/usr/bin/env bash
# The broker is killed and a new one started: nobody goes on as if nothing had been, all are told that what the channel
# held is gone, and nobody waits for the end of a lease to be told.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=30s
broker_start

start recv runnel recv gone --wait 30 >"$work/out"
receiver=$pid
mkfifo "$work/in"
start send runnel send gone --close --wait 30 "$work/in"
sender=$pid
exec 9>"$work/in"
seq 100 >&9
eventually "the lines are taken" channel_is gone TAKEN 100
begin=$SECONDS
kill_hard "$broker"
broker_start "$RUNNEL_URL" 9>&-
eventually "the receiver is bound again" channel_is gone RECEIVERS 1
seq 101 200 >&9
exec 9>&-
ends_with 1 "$sender" "the sender, which has to say that lines are lost,"
ends_with 1 "$receiver" "the receiver, which has to say that lines are lost,"
((SECONDS - begin < 20)) || fail "they were told only after $((SECONDS - begin)) s"
for who in send recv; do
  grep -q 'lost channel "gone"' "$work/$who.err" || fail "runnel $who did not say that the channel is lost"
done
cmp <(seq 200) "$work/out" || fail "what came out is not what went in"
balanced
