#!/usr/bin/env bash
# Lines that expire, and lines that are to be had later: from the command line, over kill -9 and SIGSTOP, each accounted
# for.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=500ms
broker_start

says() { # STATUS WORDS COMMAND...
  local status=0 want=$1 words=$2
  shift 2
  "$@" </dev/null >/dev/null 2>"$work/said" || status=$?
  [[ $status -eq $want ]] || fail "$* ended with $status, not $want"
  grep -q -- "$words" "$work/said" || fail "$* says: $(cat "$work/said")"
}

# A line that nobody receives in its time is gone, and counted; one without a time stays.
seq 5 | runnel send short --ttl 100ms --capacity 10
echo stays | runnel send short
eventually "five have expired" channel_is short EXPIRED 5
[[ $(runnel recv short -n 1) == stays ]] || fail "what has no time has expired"
[[ $(runnel why short) == *"5 have expired"* ]] || fail "why does not say that they have expired"
[[ $(runnel audit short) == *"accepted 6 = taken 1 + expired 5: balanced"* ]] || fail "audit: $(runnel audit short)"

# A sender that waits for a slot gets that of what has expired.
seq 20 | runnel send narrow --channel-ttl 50ms --capacity 4
eventually "all have expired" channel_is narrow EXPIRED 20
channel_is narrow TTL 50ms || fail "ls does not show the time to live"
[[ $(runnel audit narrow) == *"time to live: 50ms"* ]] || fail "nor does audit"
says 1 "ttl_ms is 50, not 2000" runnel send narrow --channel-ttl 2s

# What is delayed is accepted at once, outlives its sender, and comes in its time, behind what is there.
mkfifo "$work/lines"
exec 3<>"$work/lines" # a sender that has more to send, perhaps
seq 3 >&3
start late runnel send later --delay 4s <&3
late=$pid
eventually "three are delayed" channel_is later DELAYED 3
[[ $(runnel why later) == *"3 are delayed"* ]] || fail "why does not say that they are delayed"
kill_hard "$late"
seq 4 6 | runnel send later
runnel recv later -n 6 | cmp - <(seq 4 6; seq 3) || fail "they came in another order"
channel_is later DELAYED 0 || fail "something is still delayed"

# At a time: what is past is at once; a close ends what would never come.
echo now | runnel send someday --at 2001-02-03T04:05:06.7+01:00
echo never | runnel send someday --at 2199-01-01T00:00:00Z
channel_is someday DELAYED 1 || fail "what is to be had in 2199 is not delayed"
[[ $(runnel recv someday -n 1) == now ]] || fail "what is past does not come"
echo last | runnel send someday --close
runnel recv someday | cmp - <(echo last; echo never) || fail "a close has not ended the delay"

# A receiver that is killed had them in its prefetch: they are too old to come again.
mkfifo "$work/full"
exec 4<>"$work/full" # a pipe that is full: its writer waits
head -c 65536 /dev/zero >&4
delivered() { runnel audit "$1" | awk '/^  receiver/ && $NF >= 50 { found = 1 } END { exit !found }'; }
seq 100 | runnel send dies --ttl 3s
start dying runnel recv dies --ack >"$work/full"
eventually "they are with the receiver" delivered dies
kill_hard "$pid"
eventually "they have expired" channel_is dies EXPIRED 100
[[ $(runnel audit dies) == *"accepted 100 = taken 0 + expired 100: balanced"* ]] || fail "audit: $(runnel audit dies)"

# One that is stopped has them too, and only it knows what it did receive: when it goes on, it drops what is too old.
export RUNNEL_LEASE=20s
seq -f %05000.0f 100 | runnel send sleeps --ttl 3s # so long that it cannot take them all
start sleeper runnel recv sleeps >"$work/full"
sleeper=$pid
eventually "they are with the receiver" delivered sleeps
kill -STOP "$sleeper"
echo awake | runnel send clock --at "$(date -d "4 seconds" +%FT%T%:z)" # a time to wait for is one to be had at
[[ $(runnel recv clock -n 1) == awake ]] || fail "no clock"
delivered sleeps || fail "somebody has decided about what is with a receiver that lives"
kill -CONT "$sleeper"
all_gone() { runnel audit sleeps | awk '/ accepted 100 = / { for (i = 1; i < NF; i++) n[$i] = $(i + 1) + 0
  found = n["taken"] + n["expired"] == 100 && n["expired"] >= 50 } END { exit !found }'; }
eventually "all are taken or expired" all_gone
kill_hard "$sleeper"

# What is said wrongly is said so.
says 2 "must be a time such as 500ms"     runnel send x --ttl soon
says 2 "must be a time such as 500ms"     runnel send x --delay -5s
says 2 "must be a time such as 500ms"     runnel send x --ttl 0
says 2 "such as 2027-01-31T08:00:00Z"     runnel send x --at tomorrow
says 2 "such as 2027-01-31T08:00:00Z"     runnel send x --at 2027-02-30T08:00:00Z
says 2 "such as 2027-01-31T08:00:00Z"     runnel send x --at 2027-02-03T08:00:00
says 2 "not both"                         runnel send x --delay 5s --at 2027-01-31T08:00:00Z

balanced
