#!/usr/bin/env bash
# Dead letters from the command line: listed, shown, sent again, dropped; each is accounted for.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=500ms
broker_start

# No program here rejects anything, so elements die of receivers that die: with max_deliveries 1, of the first.
letters() { runnel dead ls | awk -v name="$1" '$1 == name { print $2; found = 1 } END { if (!found) print 0 }'; }
letters_are() { [[ $(letters "$1") -eq $2 ]]; }
delivered() { runnel audit "$1" | awk '/^  receiver/ && $NF >= 5 { found = 1 } END { exit !found }'; }
dies() { # NAME: five elements are with a receiver that is killed
  start dying runnel recv "$1" --ack >"$work/fifo"
  local dying=$pid
  eventually "five are delivered" delivered "$1"
  kill_hard "$dying"
  eventually "five have died" letters_are "$1" 5
}
mkfifo "$work/fifo"
exec 3<>"$work/fifo" # a pipe that is full: its writer waits, and has acknowledged nothing
head -c 65536 /dev/zero >&3

[[ $(runnel dead ls) == CHANNEL*LETTERS*BYTES ]] || fail "dead ls prints no heading"

mkfifo "$work/lines"
exec 4<>"$work/lines" # a sender that has more to send, perhaps
seq 5 >&4
start keep runnel send orders --capacity 100 --max-deliveries 1 <&4
eventually "five are sent" channel_is orders ACCEPTED 5
runnel dead show orders >"$work/shown" || fail "show of a channel without dead letters"
cmp "$work/shown" /dev/null || fail "show finds letters where none are"
[[ $(runnel dead purge orders) == "0 dead letters dropped" ]] || fail "purge of nothing"
dies orders
letters_are orders 5 || fail "ls does not show five"

# Shown, they stay, in their order.
runnel dead show orders >"$work/shown"
grep '^  ' "$work/shown" | cmp - <(seq -f '  %.0f' 5) || fail "show does not print the elements"
[[ $(grep -c 'delivered 1 time, died 2.*Z, delivered too often' "$work/shown") -eq 5 ]] || fail "show does not tell why: $(cat "$work/shown")"
runnel dead show orders -n 2 | grep -c '^  ' | cmp - <(echo 2) || fail "show -n 2"
eventually "all are there again" letters_are orders 5

# Sent again, they are as they were; what is left is dropped.
[[ $(runnel dead replay orders -n 3) == "3 dead letters sent again" ]] || fail "replay -n 3"
runnel recv orders --ack -n 3 | sort | cmp - <(seq 3) || fail "what was sent again did not come"
eventually "two are left" letters_are orders 2
[[ $(runnel dead purge orders) == "2 dead letters dropped" ]] || fail "purge"
letters_are orders 0 || fail "purge has left something"

# Dead letters are a channel like any other: what dies later comes to whoever waits there, as it was.
start late runnel recv orders.dead -n 1 >"$work/late"
late=$pid
echo six >&4
eventually "the sixth is sent" channel_is orders ACCEPTED 9
start dying runnel recv orders --ack >"$work/fifo"
eventually "it is delivered" channel_is orders BUFFERED 0
kill_hard "$pid"
ends_with 0 "$late" "who waited"
cmp <(echo six) "$work/late" || fail "the dead letter is not what was sent"

# What is said wrongly is said so.
says() { # STATUS WORDS COMMAND...
  local status=0 want=$1 words=$2
  shift 2
  "$@" >/dev/null 2>"$work/said" || status=$?
  [[ $status -eq $want ]] || fail "$* ended with $status, not $want"
  grep -q "$words" "$work/said" || fail "$* said: $(cat "$work/said")"
}
says 2 "ls, show, replay or purge" runnel dead
says 2 "not 'bury'" runnel dead bury orders
says 2 "NAME is missing" runnel dead show
says 2 "not 'orders'" runnel dead ls orders
says 1 "reserved" runnel dead show orders.dead
says 1 "reserved" runnel send orders.dead
runnel dead --help >"$work/help"
grep -q 'replay' "$work/help" || fail "dead --help"
balanced
