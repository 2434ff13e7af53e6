#!/usr/bin/env bash
# SIGTERM and SIGINT end a receiver in order: nothing is lost and nothing comes twice.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
broker_start
total=200000

start send runnel send orderly --close < <(seq "$total")
sender=$pid
rm -f "$work"/out*
for signal in TERM INT; do
  # A background job of a script ignores SIGINT unless it is given back its default.
  start "recv$signal" env --default-signal=INT runnel recv orderly >"$work/out$signal"
  receiver=$pid
  printed() { [[ $(stat -c %s "$work/out$signal") -gt 10000 ]]; }
  eventually "the receiver prints" printed
  kill -"$signal" "$receiver"
  ends_with $((128 + $(kill -l "$signal"))) "$receiver" "the receiver that got SIG$signal"
done
runnel recv orderly >"$work/outrest"
ends_with 0 "$sender" "the sender"
cat "$work"/out* >"$work/all"
same_lines <(seq "$total") "$work/all" || fail "lines were lost or came twice"
balanced
