#!/usr/bin/env bash
# Receivers end when the last sender has gone; when one of them died they end with a failure, after everything that was
# accepted.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=1s
broker_start

says_died() { # NAME
  grep -q "^runnel: a sender of channel \"$2\" has died" "$work/$1.err" || fail "the receiver said '$(<"$work/$1.err")'"
}

# 1. Three senders, one after the other and not before three; the two receivers share their lines.
start recv1 runnel recv jobs >"$work/out1"
recv1=$pid
start recv2 runnel recv jobs >"$work/out2"
recv2=$pid
eventually "both receive" channel_is jobs RECEIVERS 2
for i in 1 2 3; do
  channel_is jobs STATE open || fail "the channel closed when $((i - 1)) of 3 senders had gone"
  seq $((i * 1000)) $((i * 1000 + 999)) | runnel send jobs --autoclose --senders-min 3
done
ends_with 0 "$recv1" "the first receiver"
ends_with 0 "$recv2" "the second receiver"
same_lines <(seq 1000 3999) <(cat "$work/out1" "$work/out2") || fail "the receivers did not get what was sent"

# 2. Of two senders one is killed in full stream.  The other ends in order; then the receiver has everything that both had
#    accepted, and fails.
start recv runnel recv stream >"$work/out"
recv=$pid
start killed runnel send stream --autoclose < <(numbers)
killed=$pid
eventually "it is in full stream" larger "$work/out" 1000000
start other runnel send stream --autoclose < <(seq -f other%.0f 1000)
other=$pid
ends_with 0 "$other" "the other sender"
kill_hard "$killed"
ends_with 1 "$recv" "the receiver of a sender that was killed"
says_died recv stream
same_lines <(seq -f other%.0f 1000) <(grep other "$work/out") || fail "lines of the sender that lived are missing"
grep -v other "$work/out" | awk '$0 + 0 != NR { print "line", NR, "is", $0; exit 1 }' ||
  fail "the lines of the sender that was killed have a hole"
enough

# 3. One that was interrupted, or could not send all, has died; its replacement does not undo that.
for death in interrupted refused; do
  start "$death" runnel recv "$death" >"$work/out"
  recv=$pid
  eventually "it receives" channel_is "$death" RECEIVERS 1
  if [[ $death == interrupted ]]; then
    mkfifo "$work/pipe"
    exec {pipe}<>"$work/pipe"
    start sender runnel send interrupted --autoclose --senders-min 2 <&"$pipe"
    echo first >&"$pipe"
    eventually "a line is taken" channel_is interrupted TAKEN 1
    kill -TERM "$pid"
    ends_with 143 "$pid" "the sender that was interrupted"
  else
    status=0
    { echo first; head -c 70000000 /dev/zero; } | runnel send refused --autoclose --senders-min 2 2>"$work/big.err" || status=$?
    [[ $status -eq 1 ]] || fail "a line of 70 MB was sent"
  fi
  echo second | runnel send "$death" --autoclose
  eventually "the dead one is known to be" channel_is "$death" SENDERS 0
  channel_is "$death" STATE open || fail "the dead one counts"
  echo third | runnel send "$death" --autoclose
  ends_with 1 "$recv" "the receiver"
  says_died "$death" "$death"
  cmp <(printf 'first\nsecond\nthird\n') "$work/out" || fail "not every line came"
done

# 4. A sender that did not ask for it is closed as by any close.
start recv runnel recv mixed >"$work/out"
recv=$pid
start plain runnel send mixed <&"$pipe"
plain=$pid
eventually "it is bound" channel_is mixed SENDERS 1
echo asked | runnel send mixed --autoclose
ends_with 0 "$recv" "the receiver of a mixed channel"
echo late >&"$pipe"
ends_with 1 "$plain" "the sender that did not ask"
grep -q 'channel "mixed" is closed' "$work/plain.err" || fail "the sender said '$(<"$work/plain.err")'"
balanced
