#!/usr/bin/env bash
# kill -9 of `runnel recv --ack` loses nothing, at whatever moment; what comes twice is what nobody had acknowledged.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=500ms
broker_start

# 1. Rounds: a receiver is killed in full stream, and the next goes on.  (A file may end in the middle of a line: that was not
#    acknowledged.)
rounds=12
start send runnel send stream --capacity 5000 --max-deliveries 1000 --close < <(numbers)
sender=$pid
for ((i = 1; i <= rounds; i++)); do
  start "recv$i" runnel recv stream --ack >"$work/out$i"
  eventually "receiver $i prints" larger "$work/out$i" $((i * 7919))
  kill_hard "$pid"
done
start last runnel recv stream --ack >"$work/out$i"
last=$pid
eventually "the last receiver prints" larger "$work/out$i" 100000
enough
ends_with 0 "$sender" "the sender"
ends_with 0 "$last" "the last receiver"
for ((i = 1; i <= rounds + 1; i++)); do
  awk 'length($0) == 9' "$work/out$i" >"$work/whole$i"
  [[ $(sort "$work/whole$i" | uniq -d | wc -l) -eq 0 ]] || fail "receiver $i got a line twice"
done
sort -u "$work"/whole* >"$work/came"
seq -f %09.0f "$(tail -n 1 "$work/came" | sed 's/^0*//')" | cmp - "$work/came" || fail "lines were lost"
balanced

# 2. Nobody reads its output any more: what is not written goes back, and all of it comes to another.
seq 100000 | runnel send pipe --capacity 200000 --close
(set +e +o pipefail; runnel recv pipe --ack 2>"$work/pipe.err" | head -n 3 >"$work/head")
runnel recv pipe --ack >"$work/rest"
sort -n -u "$work/head" "$work/rest" | cmp -s - <(seq 100000) || {
  # What was written to the pipe was written, even if nobody has read it: it is the beginning, without a gap.
  awk 'NR == 1 { first = $1 } $1 != first + NR - 1 { exit 1 } END { exit $1 != 100000 }' "$work/rest" ||
    fail "lines were lost that were not written"
}

# 3. It ends after N, with the others left, and takes no more than that from the channel.
seq 10 | runnel send few --close
runnel recv few --ack -n 4 | cmp - <(seq 4) || fail "-n 4 did not print 4"
channel_is few TAKEN 4 || fail "-n 4 took something else than 4"
runnel recv few --ack | cmp - <(seq 5 10) || fail "the others did not come"
balanced
