#!/usr/bin/env bash
# One receiver stalls, of 100 in one process, and another is stopped: what is sent to them stays within their channels'
# capacity, the broker's memory within its bound, and all others go on.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
broker_start
rss=$(rss_kib "$broker")
capacity=256 # that of bench/stalled.c, too, whose elements and capacity_bytes are 1 KiB each

start stopped runnel recv stopped >"$work/stopped"
stopped=$pid
eventually "the receiver is bound" channel_is stopped RECEIVERS 1
kill -STOP "$stopped"
eventually "the receiver is stopped" state_is "$stopped" T
start send runnel send stopped --capacity $capacity --close < <(numbers)
sender=$pid
eventually "the channel is full" channel_is stopped ACCEPTED $capacity

"$RUNNEL_BUILD/bench/stalled" 100 3 200 >"$work/figures" || fail "the other channels"
cat "$work/figures"
figure() { awk -v name="$1" '$1 == name { print int($2) }' "$work/figures"; }
(($(figure sent_to_the_stalled) <= capacity)) || fail "more was sent to the stalled receiver than its channel holds"
(($(figure others_beside_a_stalled) > 0)) || fail "one stalled receiver stopped all others"
channel_is stopped ACCEPTED $capacity || fail "more was accepted for the stopped receiver than its channel holds"
# docs/SEMANTICS.md: twice the bytes with their lengths and 1 KiB for each element; 1 MiB for what is on its way to a session.
bound=$((100 * (2 * capacity * (1024 + 4) + capacity * 1024) / 1024 + capacity * 2 + 4 * 1024))
echo "broker: $((rss)) KiB at first, $(rss_kib "$broker") KiB now, bound $bound KiB more"
grows_less "$broker" "$rss" "$bound" "beside a stalled and a stopped receiver"

kill -CONT "$stopped"
enough
ends_with 0 "$sender" "the sender"
ends_with 0 "$stopped" "the receiver that had been stopped"
awk '$0 + 0 != NR { print "line", NR, "is", $0; exit 1 }' "$work/stopped" || fail "a line was lost or came twice"
balanced
