#!/usr/bin/env bash
# Modules: a reader, two workers that compete, a collector.  What they count is what tr, sort and uniq count; a module's
# status is runnel-node's; SIGTERM ends a module that waits.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
broker_start
worker=(runnel-node --module "$RUNNEL_BIN/wordcount_worker.so")
reader=(runnel-node --module "$RUNNEL_BIN/wordcount_lines.so" --name reader --)
collect=(runnel-node --module "$RUNNEL_BIN/wordcount_collect.so" --name collector -- 2 "$work/counted")

for ((i = 0; i < 2000; i++)); do
  echo "The $i quick brown FOXES jump; the lazy dog (number$((i % 7))) sleeps, sleeps."
done >"$work/text"
tr '[:upper:]' '[:lower:]' <"$work/text" | tr -cs '[:lower:]' '\n' | sed '/^$/d' | sort | uniq -c | awk '{ print $1, $2 }' >"$work/expected"

start collect "${collect[@]}" >"$work/top"
collector=$pid
start worker1 "${worker[@]}" --name worker-1
worker1=$pid
start worker2 "${worker[@]}" --name worker-2
worker2=$pid
eventually "both workers are bound" channel_is lines RECEIVERS 2
"${reader[@]}" "$work/text"
ends_with 0 "$worker1" "a worker"
ends_with 0 "$worker2" "a worker"
ends_with 0 "$collector" "the collector"
same_lines "$work/expected" "$work/counted" || fail "the modules have counted something else"
head -n 1 "$work/top" | grep -Eq '^ *4000  (sleeps|the)$' || fail "the most frequent word is '$(head -n 1 "$work/top")'"
grep -q 'elements per second' "$work/top" || fail "the collector did not say how fast it was"

status=0
"${reader[@]}" "$work/text" "$work/missing" 2>"$work/missing.err" || status=$?
[[ $status -eq 1 ]] || fail "the reader of a missing file ended with status $status"

start waiting "${worker[@]}" --name waiting
waiting=$pid
eventually "the worker is bound" channel_is lines RECEIVERS 1
kill -TERM "$waiting"
ends_with 143 "$waiting" "a module that got SIGTERM"
eventually "its binding is gone" channel_is lines RECEIVERS 0
balanced
