#!/usr/bin/env bash
# A trace context goes with its element from shell to shell, also by way of the dead letters.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
broker_start
trace=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01

# 1. Those that carry one, and those that do not, one after the other.
seq 1 3 | runnel send mixed --traceparent "$trace"
seq 4 5 | runnel send mixed
seq 6 6 | runnel send mixed --traceparent "$trace" --close
{
  seq -f "$trace"$'\t%g' 1 3
  seq -f $'-\t%g' 4 5
  seq -f "$trace"$'\t%g' 6 6
} >"$work/expected"
runnel recv mixed --headers -n 3 >"$work/got"
runnel recv mixed --headers --ack >>"$work/got"
cmp "$work/expected" "$work/got" || fail "the lines did not come with their trace contexts"
balanced

# 2. Who has no use for it gets what was sent.
echo plain | runnel send quiet --traceparent "$trace" --close
[[ $(runnel recv quiet) == plain ]] || fail "a line came with its header"

# 3. Something else is refused, with a sentence.
status=0
echo no | runnel send quiet --traceparent "${trace^^}" 2>"$work/refused" || status=$?
[[ $status -eq 1 ]] || fail "a wrong trace context ended with status $status"
grep -q "no trace context" "$work/refused" || fail "a wrong trace context was refused without a word"

# 4. What dies of a receiver that is killed is sent again with it.
export RUNNEL_LEASE=500ms
letters_are() { [[ $(runnel dead ls | awk -v name="$1" '$1 == name { print $2 }') == "$2" ]]; }
delivered() { runnel audit "$1" | awk '/^  receiver/ && $NF >= 1 { found = 1 } END { exit !found }'; }
mkfifo "$work/fifo"
exec 3<>"$work/fifo" # a pipe that is full: its writer waits, and has acknowledged nothing
head -c 65536 /dev/zero >&3
echo once more | runnel send dying --traceparent "$trace" --max-deliveries 1
start dying runnel recv dying --ack >"$work/fifo"
eventually "it is delivered" delivered dying
kill_hard "$pid"
eventually "it has died" letters_are dying 1
[[ $(runnel dead replay dying) == "1 dead letter sent again" ]] || fail "it was not sent again"
[[ $(runnel recv dying --headers -n 1) == "$trace"$'\t'"once more" ]] || fail "it was sent again without its trace context"
balanced
