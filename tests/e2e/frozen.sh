#!/usr/bin/env bash
# The broker frozen for 3 s under load: nothing is lost, nothing comes twice.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
broker_start

start recv runnel recv frozen >"$work/out"
receiver=$pid
start send runnel send frozen --close < <(numbers)
sender=$pid
eventually "the stream runs" channel_above frozen TAKEN 1000
kill -STOP "$broker"
eventually "the broker is stopped" state_is "$broker" T
sleep 3 # the fault itself, not a wait for something
kill -CONT "$broker"
now=$(column frozen TAKEN)
eventually "the stream goes on" channel_above frozen TAKEN $((now + 1000))
enough
ends_with 0 "$sender" "the sender"
ends_with 0 "$receiver" "the receiver"
awk '$0 + 0 != NR { print "line", NR, "is", $0; exit 1 }' "$work/out" || fail "a line was lost or came twice"
[[ ! -s $work/send.err && ! -s $work/recv.err ]] || fail "somebody noticed more than a pause"
balanced
