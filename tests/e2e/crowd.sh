#!/usr/bin/env bash
# 8 senders and 8 receivers: each line comes to exactly one receiver.  8 senders and one receiver: each sender's lines come
# in its order.  (Of several receivers, one may be handed what another had not touched, after newer lines.)
# SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
broker_start
parties=8 each=5000

# Sends from all, closes, and waits for the receivers; $work/sent and $work/received are what went in and came out.
crowd() { # NAME RECEIVERS
  local i p receivers=() senders=()
  rm -f "$work"/in* "$work"/out*
  for ((i = 1; i <= $2; i++)); do
    start "recv$i" runnel recv "$1" >"$work/out$i"
    receivers+=("$pid")
  done
  eventually "all receivers are bound" channel_is "$1" RECEIVERS "$2"
  for ((i = 1; i <= parties; i++)); do
    seq -f "$i %.0f" "$each" >"$work/in$i"
    start "send$i" runnel send "$1" --capacity 64 "$work/in$i"
    senders+=("$pid")
  done
  for p in "${senders[@]}"; do
    ends_with 0 "$p" "a sender"
  done
  close_channel "$1"
  for p in "${receivers[@]}"; do
    ends_with 0 "$p" "a receiver"
  done
  cat "$work"/in* >"$work/sent"
  cat "$work"/out* >"$work/received"
  same_lines "$work/sent" "$work/received" || fail "the lines received are not the lines sent"
}

crowd many "$parties"
crowd one 1
awk '$2 != last[$1] + 1 { print "got", $0, "after", last[$1]; exit 1 } { last[$1] = $2 }' "$work/received" ||
  fail "a sender's order was broken"
balanced
