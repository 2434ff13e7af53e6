#!/usr/bin/env bash
# Fanout: every receiver gets every line, or is told how many it has lost, or that it was cut off; also with receivers that are
# stopped or killed.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=30s
broker_start

listen() { # NAME CHANNEL [ARGUMENT...]
  start "$1" runnel recv "${@:2}" >"$work/$1"
}

bound() { # CHANNEL N
  eventually "$2 receivers of $1" channel_is "$1" RECEIVERS "$2"
}

lost_of() { # NAME: what it was told
  sed -n 's/^runnel: \([0-9]*\) elements\{0,1\} of channel .* lost here.*/\1/p' "$work/$1.err"
}

# 1. Each gets all, in the one order of two senders.
for i in 1 2 3; do
  listen "all$i" news
  all[i]=$pid
done
bound news 3
seq 1 20000 | runnel send news --fanout --capacity 100 &
other=$!
started+=("$other")
seq 20001 40000 | runnel send news --fanout --capacity 100
ends_with 0 "$other" "a sender"
close_channel news
for i in 1 2 3; do
  ends_with 0 "${all[i]}" "receiver $i"
  cmp "$work/all1" "$work/all$i" || fail "receivers 1 and $i do not agree"
done
sort -n "$work/all1" | cmp -s - <(seq 40000) || fail "lines were lost"

# 2. One that is stopped stops who waits for it; killed, its window is free when its lease ends.
listen fast wait
fast=$pid
RUNNEL_LEASE=1s listen dies wait
dies=$pid
listen slow wait
slow=$pid
bound wait 3
kill -STOP "$slow"
start send runnel send wait --fanout --capacity 50 --close < <(seq 30000)
sender=$pid
eventually "the channel is full" channel_is wait ACCEPTED 50
for _ in 1 2 3 4 5; do
  channel_is wait ACCEPTED 50 || fail "more was accepted than the slowest has room for"
done
kill_hard "$dies"
kill -CONT "$slow"
ends_with 0 "$sender" "the sender"
ends_with 0 "$fast" "the fast receiver"
ends_with 0 "$slow" "the slow receiver"
seq 30000 | cmp - "$work/fast" || fail "the fast receiver did not get all"
seq 30000 | cmp - "$work/slow" || fail "the slow receiver did not get all"

# 3. With drop-oldest one that is stopped stops nobody, and is told what it has lost: the oldest.
listen quick drop
quick=$pid
listen lazy drop
lazy=$pid
bound drop 2
kill -STOP "$lazy"
for _ in 1 2 3 4 5; do
  seq 20000 | runnel send drop --fanout --slow drop-oldest --capacity 1000
done
close_channel drop
kill -CONT "$lazy"
ends_with 0 "$quick" "the quick receiver"
ends_with 0 "$lazy" "the lazy receiver"
lost=$(lost_of lazy)
[[ ${lost:-0} -gt 0 ]] || fail "the lazy receiver was not told of what it has lost"
[[ $(wc -l <"$work/lazy") -eq $((100000 - lost)) ]] || fail "lines and losses are not what was sent"
tail -n 1 "$work/lazy" | cmp -s - <(echo 20000) || fail "the newest line was lost"
missed=$(lost_of quick)
[[ $(($(wc -l <"$work/quick") + ${missed:-0})) -eq 100000 ]] || fail "lines and losses of the quick receiver are not what was sent"

# 4. With cut it ends with a failure, and has no gap.
listen keen cut
keen=$pid
listen idle cut
idle=$pid
bound cut 2
kill -STOP "$idle"
for _ in 1 2 3 4 5; do
  seq 100000 | runnel send cut --fanout --slow cut --capacity 100000
done
listen last cut # so that the channel is known still when both have gone
last=$pid
kill -CONT "$idle"
ends_with 1 "$idle" "the idle receiver"
grep -q 'has cut this receiver off' "$work/idle.err" || fail "it was not told that it was cut off"
awk '$1 != (NR - 1) % 100000 + 1 { exit 1 }' "$work/idle" || fail "what it got has a gap"
balanced
grep -q 'dropped(slow)' "$work/audit" || fail "the audit does not know what was lost"
close_channel cut
ends_with 0 "$last" "who came last"
wait "$keen" || true # it may have been too slow, too

# 5. Who comes late gets what comes from then on, without a gap.
listen first late
first=$pid
bound late 1
start send runnel send late --fanout --capacity 100 < <(numbers)
sender=$pid
eventually "something has come" larger "$work/first" 100000
listen second late
second=$pid
eventually "something has come, late" larger "$work/second" 100000
enough
ends_with 0 "$sender" "the sender"
close_channel late
ends_with 0 "$first" "the first receiver"
ends_with 0 "$second" "the second receiver"
n=$(wc -l <"$work/second")
tail -n "$n" "$work/first" | cmp - "$work/second" || fail "what came late has a gap"
[[ $n -lt $(wc -l <"$work/first") ]] || fail "nothing came before"

# 6. With nobody there senders wait, unless they drop.
start waits runnel send nobody --fanout --close < <(seq 5)
waits=$pid
eventually "a sender" channel_is nobody SENDERS 1
runnel recv nobody | cmp - <(seq 5) || fail "what waited did not come"
ends_with 0 "$waits" "the sender that waited"
seq 5 | runnel send void --fanout --slow drop-oldest
balanced
grep -q 'dropped(nobody) 5' "$work/audit" || fail "the audit does not know that nobody was there"
[[ $(column void KIND) == fanout,drop-oldest ]] || fail "ls does not say what kind it is"

# 7. What is delayed comes to those who are there by then; a close ends the delay.
listen early delayed
early=$pid
bound delayed 1
seq 5 | runnel send delayed --fanout --delay 1h
listen later delayed
later=$pid
bound delayed 2
balanced
grep -q 'delayed 5' "$work/audit" || fail "the audit does not know what is delayed"
close_channel delayed
ends_with 0 "$early" "who was there when it was sent"
ends_with 0 "$later" "who came later"
seq 5 | cmp - "$work/early" || fail "who was there did not get what was delayed"
seq 5 | cmp - "$work/later" || fail "who came later did not get what was delayed"

# 8. What is too old for one that is stopped does not stop its senders: it lies at the home, for only two go ahead to it.
listen halted old -n 2
halted=$pid
bound old 1
kill -STOP "$halted"
seq 60 | runnel send old --fanout --capacity 20 --channel-ttl 200ms
balanced
grep -q 'expired' "$work/audit" || fail "the audit does not know what has expired"
kill -CONT "$halted"
close_channel old
wait "$halted" || true # it may have had two in their time, or none

# 9. What cannot be is refused.
seq 1 | runnel send queue
status=0
seq 1 | runnel send queue --fanout 2>"$work/refused" || status=$?
[[ $status -eq 1 ]] || fail "a queue was taken for a fanout"
grep -q 'kind is queue, not fanout' "$work/refused" || fail "the refusal says: $(cat "$work/refused")"
status=0
runnel send queue --slow cut </dev/null 2>"$work/refused" || status=$?
[[ $status -eq 64 || $status -eq 2 ]] || fail "--slow without --fanout ended with status $status"
balanced
