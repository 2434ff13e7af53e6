#!/usr/bin/env bash
# kill -9 of a receiver loses nothing that it had not taken: another receiver gets it.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=2s
broker_start

# 1. The dead one held elements that it had not taken.  It has printed 50 lines, reported them, and waits for more
#    when it is stopped; of the next 1000 some are delivered to it.  Then it is killed.  Exactly the 1000 come to others.
start dead runnel recv held >"$work/dead"
dead=$pid
eventually "the receiver is bound" channel_is held RECEIVERS 1
seq 50 | runnel send held --capacity 2000
eventually "50 are taken" channel_is held TAKEN 50
cmp <(seq 50) "$work/dead" || fail "the receiver did not print what it took before it waited"
kill -STOP "$dead"
eventually "the receiver is stopped" state_is "$dead" T
seq 51 1050 | runnel send held --close
delivered() { runnel audit held | awk '/^  receiver/ && $NF > 0 { found = 1 } END { exit !found }'; }
eventually "some are delivered to the stopped one" delivered
start heir runnel recv held >"$work/heir"
heir=$pid
kill -KILL "$dead"
ends_with 0 "$heir" "the other receiver"
cmp <(seq 50) "$work/dead" || fail "the dead receiver has printed more than it took"
same_lines <(seq 51 1050) "$work/heir" || fail "the other receiver did not get exactly what the dead one had not taken"

# 2. Killed in full stream.  Whatever it had not taken comes to the others; twice only what it printed at the end and
#    had not reported; missing only what it had taken and not printed, which is less than its output buffer holds.
total=200000
start dead runnel recv stream >"$work/dead"
dead=$pid
start send runnel send stream --close < <(seq -w "$total")
sender=$pid
printed() { [[ $(stat -c %s "$work/dead") -gt 200000 ]]; }
eventually "it is in full stream" printed
kill -KILL "$dead"
start heir runnel recv stream >"$work/heir"
heir=$pid
ends_with 0 "$sender" "the sender"
ends_with 0 "$heir" "the other receiver"
# The last line of a process that was killed may have been cut.
awk 'length($0) == 6' "$work/dead" >"$work/whole"
cmp -s <(head -n "$(wc -l <"$work/whole")" <(seq -w "$total")) "$work/whole" ||
  fail "the dead receiver's lines were not in order"
comm -23 <(seq -w "$total") <(sort -u "$work/whole" "$work/heir") >"$work/missing"
comm -12 <(sort "$work/whole") <(sort "$work/heir") >"$work/twice"
missing=$(wc -c <"$work/missing")
((missing <= 65536 + 7)) || fail "$missing bytes of lines were lost, more than an output buffer"
if [[ -s $work/missing ]]; then
  last=$(tail -n 1 "$work/whole")
  next=$(head -n 1 "$work/missing")
  ((10#$next == 10#$last + 1)) || fail "line $next was lost, and the dead receiver had printed up to $last"
fi
tail -n "$(wc -l <"$work/twice")" "$work/whole" | cmp -s - "$work/twice" ||
  fail "lines came twice that are not the last that the dead receiver printed"
[[ $(sort "$work/heir" | uniq -d | wc -l) -eq 0 ]] || fail "one receiver got a line twice"
balanced
