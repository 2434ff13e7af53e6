#!/usr/bin/env bash
# Lines of 60 MiB and of 1 byte share a channel: all come, and neither kind keeps the other waiting for ever.
# SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
broker_start
large=$((60 << 20)) larges=3 smalls=4 each=20000

start recv runnel recv sizes >"$work/out"
receiver=$pid
eventually "the receiver is bound" channel_is sizes RECEIVERS 1
senders=()
for ((i = 0; i < smalls; i++)); do
  start "small$i" runnel send sizes < <(yes s | head -n "$each")
  senders+=("$pid")
done
start large runnel send sizes < <(
  for ((i = 0; i < larges; i++)); do
    head -c "$large" /dev/zero | tr '\0' L
    echo
  done
)
senders+=("$pid")
for p in "${senders[@]}"; do
  ends_with 0 "$p" "a sender"
done
close_channel sizes
ends_with 0 "$receiver" "the receiver"
[[ $(grep -cx s "$work/out") -eq $((smalls * each)) ]] || fail "$(grep -cx s "$work/out") small lines came"
[[ $(grep -cv '^s$' "$work/out") -eq $larges ]] || fail "$(grep -cv '^s$' "$work/out") other lines came"
[[ $(tr -cd L <"$work/out" | wc -c) -eq $((larges * large)) ]] || fail "the large lines are not what was sent"
balanced

# What no channel can hold is refused at the sender, which says so.
status=0
head -c $((65 << 20)) /dev/zero | tr '\0' L | runnel send sizes 2>"$work/refused" || status=$?
((status == 1)) || fail "a line of 65 MiB: exit status $status"
[[ -s $work/refused ]] || fail "a line of 65 MiB was refused without a word"
