#!/usr/bin/env bash
# A stopped receiver parks the sender, and the broker's memory stays flat.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=30s
broker_start
capacity=1000 width=1000

start recv runnel recv park >"$work/out"
receiver=$pid
eventually "the receiver is bound" channel_is park RECEIVERS 1
kill -STOP "$receiver"
eventually "the receiver is stopped" state_is "$receiver" T
before=$(rss_kib "$broker")

# Without an end, so that only the channel can stop it; when it is cut, whole lines have been sent.
generate() { awk -v w="$width" 'BEGIN { for (;;) printf "%0*d\n", w, ++n }'; }
start send runnel send park --capacity "$capacity" < <(generate 2>/dev/null)
sender=$pid
eventually "the channel is full" channel_is park ACCEPTED "$capacity"
parked=$(rss_kib "$broker")

# Each look is a whole session with the broker: plenty of time for a sender that is not parked.
for ((i = 0; i < 20; i++)); do
  channel_is park ACCEPTED "$capacity" || fail "the channel accepted more than it holds"
done
state_is "$sender" S || fail "the sender is not parked"
grows_less "$broker" "$parked" 2048 "while the sender was parked"
grows_less "$broker" "$before" 16384 "for a channel of 1 MB"

kill -CONT "$receiver"
eventually "the stream goes on" channel_above park TAKEN $((5 * capacity))
grows_less "$broker" "$before" 16384 "while the stream ran"

kill -TERM "$sender"
ends_with 143 "$sender" "the sender"
accepted=$(column park ACCEPTED)
close_channel park
ends_with 0 "$receiver" "the receiver"
awk -v w="$width" 'length($0) != w || $1 + 0 != NR { exit 1 }' "$work/out" || fail "lines are missing or out of order"
lines=$(wc -l <"$work/out")
((lines == accepted)) || fail "$accepted lines were accepted and $lines received"
grep -q "interrupted: $accepted lines were accepted" "$work/send.err" || fail "the sender did not say how far it got"
balanced
