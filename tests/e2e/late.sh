#!/usr/bin/env bash
# The broker is absent at first, then started: who waits for it goes on as soon as it is there.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"

# A port that was free a moment ago.
broker_start
kill -TERM "$broker"
wait "$broker" || true

tries() { grep -qs ZMQbg "/proc/$1/task"/*/comm; } # libzmq is at work in it
start recv runnel recv late --wait 30 >"$work/out"
receiver=$pid
start send runnel send late --close --wait 30 < <(seq 1000)
sender=$pid
eventually "the receiver tries to connect" tries "$receiver"
eventually "the sender tries to connect" tries "$sender"
kill -0 "$receiver" "$sender" || fail "somebody did not wait"
broker_start "$RUNNEL_URL"
begin=$SECONDS
ends_with 0 "$sender" "the sender"
ends_with 0 "$receiver" "the receiver"
((SECONDS - begin <= 10)) || fail "they went on only $((SECONDS - begin)) s after the broker came"
cmp <(seq 1000) "$work/out" || fail "what came out is not what went in"
balanced
