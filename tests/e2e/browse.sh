#!/usr/bin/env bash
# Looking into live channels from the command line; what is done to them is in the ledger.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=500ms
broker_start

shows() { # PATTERN COMMAND...: standard output has a line that matches
  local pattern=$1
  shift
  "$@" >"$work/shown" || fail "$* ended with $?"
  grep -Eq -- "$pattern" "$work/shown" || fail "$* shows nothing that matches '$pattern': $(<"$work/shown")"
}

# A line for each that is told of; a pipe keeps the sender, who waits for its end.
mkfifo "$work/lines"
exec 4<>"$work/lines"
seq 5 >&4
start sender runnel send orders --capacity 100 <&4
eventually "five are sent" channel_is orders ACCEPTED 5

# info
shows '^orders: open, queue in memory, incarnation [0-9a-f]{16} \(epoch 1\), made .* ago$' runnel info orders
shows '^  capacity: 100 elements, 67108864 bytes$' runnel info orders
shows '^  accepted 5 = taken 0 \+ buffered 5$' runnel info orders
shows '^  senders: 1$' runnel info orders
shows '^    .*: 5 accepted; sent' runnel info orders
shows '^  receivers: 0$' runnel info orders
shows '"ledger": \{"accepted": 5, "taken": 0, "buffered": 5,' runnel info --json orders
if command -v python3 >/dev/null; then
  runnel info orders --json | python3 -c '
import json, sys
c = json.load(sys.stdin)
assert c["name"] == "orders" and c["capacity"] == 100 and c["senders"][0]["accepted"] == 5, c
' || fail "what --json prints is not what it should be"
fi

balanced
