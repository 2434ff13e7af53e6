#!/usr/bin/env bash
# SIGTERM and SIGINT end a receiver in order: nothing is lost and nothing comes twice.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
broker_start

start send runnel send orderly --close < <(numbers)
sender=$pid
for signal in TERM INT; do
  # A background job of a script ignores SIGINT unless it is given back its default.
  start "recv$signal" env --default-signal=INT runnel recv orderly >"$work/out$signal"
  receiver=$pid
  eventually "the receiver prints" larger "$work/out$signal" 200000
  kill -"$signal" "$receiver"
  ends_with $((128 + $(kill -l "$signal"))) "$receiver" "the receiver that got SIG$signal"
done
start recv runnel recv orderly >"$work/outrest"
receiver=$pid
eventually "the last receiver prints" larger "$work/outrest" 200000
enough
ends_with 0 "$receiver" "the last receiver"
ends_with 0 "$sender" "the sender"
cat "$work"/out* >"$work/all"
sort "$work/all" | awk '$0 + 0 != NR { print "line", NR, "is", $0; exit 1 }' || fail "lines were lost or came twice"
balanced
