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
kill_hard "$dead"
ends_with 0 "$heir" "the other receiver"
cmp <(seq 50) "$work/dead" || fail "the dead receiver has printed more than it took"
same_lines <(seq 51 1050) "$work/heir" || fail "the other receiver did not get exactly what the dead one had not taken"

# 2. Killed in full stream.  Whatever it had not taken comes to the others; twice only what it printed at the end and
#    had not reported; missing only what it had taken and not printed, which is less than its output buffer holds.
start dead runnel recv stream >"$work/dead"
dead=$pid
start send runnel send stream --close < <(numbers)
sender=$pid
eventually "it is in full stream" larger "$work/dead" 1000000
kill_hard "$dead"
start heir runnel recv stream >"$work/heir"
heir=$pid
eventually "the other receiver prints" larger "$work/heir" 200000
enough
ends_with 0 "$sender" "the sender"
ends_with 0 "$heir" "the other receiver"
awk 'length($0) == 9' "$work/dead" >"$work/whole" # the last line of a process that was killed may have been cut
awk '$0 + 0 != NR { print "line", NR, "is", $0; exit 1 }' "$work/whole" || fail "the dead receiver's lines were not in order"
[[ $(sort "$work/heir" | uniq -d | wc -l) -eq 0 ]] || fail "one receiver got a line twice"

seq -f %09.0f "$(sort "$work/heir" | tail -n 1 | sed 's/^0*//')" >"$work/sent"
comm -23 "$work/sent" <(sort -u "$work/whole" "$work/heir") >"$work/missing"
comm -12 "$work/whole" <(sort "$work/heir") >"$work/twice"
(($(wc -c <"$work/missing") <= 65536 + 10)) || fail "more lines were lost than an output buffer holds"
if [[ -s $work/missing ]]; then
  tail -n 1 "$work/whole" | cat - "$work/missing" | awk 'NR > 1 && $0 + 0 != last + 1 { exit 1 } { last = $0 }' ||
    fail "lines were lost that the dead receiver had not taken"
fi
tail -n "$(wc -l <"$work/twice")" "$work/whole" | cmp -s - "$work/twice" ||
  fail "lines came twice that are not the last that the dead receiver printed"
balanced
