#!/usr/bin/env bash
# `runnel why` and `runnel dump` say who waits for whom, also when a node is frozen.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=30s
broker_start

says() { # FILE TEXT...: each is in it, one after the other, in one line or several
  local text rest
  rest=$(<"$1")
  shift
  for text in "$@"; do
    [[ $rest == *"$text"* ]] || return 1
    rest=${rest#*"$text"}
  done
}

must_say() { # FILE TEXT...
  says "$@" || {
    cat "$1" >&2
    fail "it does not say, in this order: ${*:2}"
  }
}

why_says() { # CHANNEL TEXT...
  runnel why "$1" >"$work/why" && says "$work/why" "${@:2}"
}

# A worker between two channels that does not receive, because nobody receives what it sends.
runnel send counts --capacity 1 </dev/null # it stays so for a minute, with nobody bound
start worker runnel-node --name worker-1 --module "$RUNNEL_BIN/wordcount_worker.so"
worker=$pid
eventually "the worker is bound" channel_is lines RECEIVERS 1
start send runnel send lines --capacity 10 < <(yes one two three | head -n 200)
sender=$pid
eventually "the channel is full" channel_is lines ACCEPTED 11
eventually "the worker is stuck" why_says counts "waiting to send (1), for a slot, and nobody is bound to receive:" "node worker-1"
eventually "the sender waits" why_says lines "waiting to send (1)"
must_say "$work/why" "lines: full, capacity 10; 1 sender, 1 receiver" \
  "waiting to send (1), for a slot" "(pid $sender on " "waits to send to lines, for " "send_" \
  "waiting to receive: nobody" \
  "receivers, and what they do:" "node worker-1 (pid $worker on " "has 10 elements that it has not taken" \
  "waits to send to counts, for " "runnel_module" \
  "senders, and what they do:" "1 waits in it: see above"

runnel dump >"$work/dump"
must_say "$work/dump" "node worker-1 (pid $worker on " "waits to send to counts" "runnel_module"
must_say "$work/dump" "(pid $sender on " "waits to send to lines"
runnel dump worker-1 >"$work/dump"
must_say "$work/dump" "node worker-1 (pid $worker on " " goroutines: " " running, " " waiting"
! says "$work/dump" "(pid $sender on " || fail "a dump of one node has another in it"
runnel dump --all-frames worker-1 >"$work/dump"
must_say "$work/dump" "rn__ctx_entry"

# Nobody was stopped for it, and a frozen node keeps nobody waiting.
kill -STOP "$worker"
eventually "the worker is frozen" state_is "$worker" T
begin=$EPOCHREALTIME
runnel why lines >"$work/why"
end=$EPOCHREALTIME
awk -v a="$begin" -v b="$end" 'BEGIN { exit !(b - a < 4) }' || fail "a frozen node kept why waiting from $begin to $end"
must_say "$work/why" "waits to send to lines" "node worker-1, has 10 elements" \
  "gave no answer for 1 s: it is frozen or very busy; the broker last heard of it"
kill -CONT "$worker"
eventually "the worker answers again" why_says lines "node worker-1 (pid $worker on "

status=0
runnel why nothing 2>"$work/err" || status=$?
[[ $status -eq 1 ]] || fail "why of an unknown channel ended with status $status"
grep -q 'has no channel "nothing"' "$work/err" || fail "why of an unknown channel said: $(<"$work/err")"
status=0
runnel dump nobody 2>"$work/err" || status=$?
[[ $status -eq 1 ]] || fail "dump of an unknown node ended with status $status"
grep -q 'is called "nobody"' "$work/err" || fail "dump of an unknown node said: $(<"$work/err")"
runnel why --help | grep -q 'all-frames' || fail "why does not help"
runnel dump --help | grep -q 'every goroutine' || fail "dump does not help"

# It goes on where it was as soon as somebody receives.
start counter runnel recv counts >"$work/counts"
counter=$pid
ends_with 0 "$sender" "the sender"
close_channel lines
ends_with 0 "$worker" "the worker"
close_channel counts
ends_with 0 "$counter" "the counter"
[[ $(wc -l <"$work/counts") -eq 601 ]] || fail "600 counts and an end were to come, not $(wc -l <"$work/counts")"
balanced
