#!/usr/bin/env bash
# A large element crosses between two processes as it is, and whole; a receiver is killed while it comes, and another gets
# all of it; the broker's memory stays within its bound, and pings beside it go on.   SPDX-License-Identifier: MIT
# $RUNNEL_LARGE_MIB: how large, 256 MiB unless it says otherwise.
. "${0%/*}/lib.sh"
mib=${RUNNEL_LARGE_MIB:-256}
bytes=$((mib << 20))
broker_start
rss=$(rss_kib "$broker")

# Bytes that tell where they are.
awk -v n=$((bytes / 16)) 'BEGIN { for (i = 0; i < n; i++) printf "%015d\n", i }' >"$work/element"
sum=$(md5sum <"$work/element")
send_it() { # NAME CHANNEL
  start "$1" runnel send "$2" --whole --capacity 1 --capacity-bytes $bytes "$work/element"
}

start receiver runnel recv plain --raw -n 1 >"$work/got"
receiver=$pid
send_it sender plain
ends_with 0 "$pid" "the sender"
ends_with 0 "$receiver" "the receiver"
[[ $(md5sum <"$work/got") == "$sum" ]] || fail "the element was changed on its way"
rm "$work/got"

# Whoever is killed while it comes has not acknowledged it: nobody reads what he would write.
mkfifo "$work/nobody"
exec {nobody}<>"$work/nobody"
RUNNEL_LEASE=300ms start victim runnel recv killed --raw --ack -n 1 >&"$nobody"
victim=$pid
eventually "the victim is bound" channel_is killed RECEIVERS 1
send_it sender killed
sender=$pid
eventually "the home has it" channel_is killed ACCEPTED 1
kill_hard "$victim"
start heir runnel recv killed --raw -n 1 >"$work/got"
heir=$pid
ends_with 0 "$sender" "the sender"
ends_with 0 "$heir" "the other receiver"
[[ $(md5sum <"$work/got") == "$sum" ]] || fail "what came after the death of another was changed, or not all of it"
rm "$work/got"

# A sender that is killed half way has sent nothing, or all of it.
RUNNEL_LEASE=300ms send_it mortal torn
eventually "the sender is bound" channel_is torn SENDERS 1
kill_hard "$pid"
eventually "the dead one is gone" channel_is torn SENDERS 0
start heir runnel recv torn --raw -n 1 >"$work/got"
heir=$pid
send_it sender torn
sender=$pid
ends_with 0 "$heir" "the receiver after the death of a sender"
[[ $(md5sum <"$work/got") == "$sum" ]] || fail "what came after the death of a sender was changed, or not all of it"
kill_hard "$sender" || true # if the dead one had sent all of it there is one more

# docs/SEMANTICS.md: twice the bytes of a channel's capacity at most; of these one at a time held an element, and `torn` perhaps
# while it was coming once more.
peak=$(awk '/^VmHWM:/ { print $2 }' "/proc/$broker/status")
bound=$((2 * bytes / 1024 + 8 * 1024))
echo "broker: $rss KiB at first, $peak KiB at most, for elements of $mib MiB; bound $bound KiB more"
! plain_memory "$broker" || ((peak - rss < bound)) || fail "the broker took more than its channels may"

"$RUNNEL_BUILD/bench/large" $((mib / 4)) 2 >"$work/figures" || fail "pings beside a large element"
cat "$work/figures"
balanced
