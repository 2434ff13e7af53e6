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

# peek
runnel peek orders | cmp - <(seq 5) || fail "peek does not show what is there"
runnel peek orders -n 2 | cmp - <(seq 2) || fail "peek -n 2"
runnel peek orders --from 4 | cmp - <(seq 4 5) || fail "peek --from 4"
runnel peek orders --from 6 | cmp - /dev/null || fail "peek --from behind the last"
shows '^3: buffered, delivered 0 times, 1 byte, accepted [0-9]+ m?s ago$' runnel peek orders --details
[[ $(grep -c '^  ' "$work/shown") -eq 5 ]] || fail "peek --details does not show the elements: $(<"$work/shown")"
channel_is orders BUFFERED 5 || fail "peek has taken something"

# What receivers have is shown as well, and stays theirs.
mkfifo "$work/fifo"
exec 3<>"$work/fifo" # a pipe that is full: its writer waits, and has acknowledged nothing
head -c 65536 /dev/zero >&3
start holder runnel recv orders --ack >"$work/fifo"
holder=$pid
held() { runnel peek orders -d | grep -c 'by .* and not acknowledged'; }
eventually "five are with a receiver" channel_is orders BUFFERED 0
shows '^1: (delivered to|taken by) .* and not (taken|acknowledged), delivered 1 time, ' runnel peek orders -d
runnel peek orders | cmp - <(seq 5) || fail "peek does not show what a receiver holds"
kill_hard "$holder"
eventually "five are back" channel_is orders BUFFERED 5
shows '^1: buffered, delivered 1 time, ' runnel peek orders -d

# Larger than an answer, and many: it comes in pieces and pages.
{ head -c 300000 /dev/zero | tr '\0' x; echo; seq 20000; } >"$work/many"
start many runnel send many --capacity 30000 "$work/many"
ends_with 0 "$pid" "who sends many"
runnel peek many -n 30000 | cmp - "$work/many" || fail "peek does not show many"
runnel peek many -n 1 | cmp - <(head -n 1 "$work/many") || fail "peek does not show a large one"
says() { # STATUS WORDS COMMAND...
  local status=0 want=$1 words=$2
  shift 2
  "$@" >/dev/null 2>"$work/said" || status=$?
  [[ $status -eq $want ]] || fail "$* ended with $status, not $want"
  grep -q "$words" "$work/said" || fail "$* said: $(cat "$work/said")"
}
says 1 'no channel "nobody"' runnel peek nobody
says 2 "NAME is missing" runnel peek
says 2 "positive whole number" runnel peek orders --from 0
runnel peek many -n 30000 | head -n 1 >/dev/null || true # who stops reading is no news

# purge
[[ $(runnel purge many --yes) == "20001 elements dropped, 388894 bytes" ]] || fail "purge does not say how much it was"
runnel peek many | cmp - /dev/null || fail "purge has left something"
shows '^  accepted 20001 = taken 0 \+ dropped\(purged\) 20001: balanced$' runnel audit many
[[ $(runnel purge many --yes) == "0 elements dropped, 0 bytes" ]] || fail "purge of nothing"
says 1 'no channel "nobody"' runnel purge nobody --yes
says 2 "say --yes" runnel purge orders
says 2 "NAME is missing" runnel purge --yes
channel_is orders BUFFERED 5 || fail "a purge that was refused has dropped something"

# A sender that waits for a full channel goes on, and so does a receiver with what it has.
seq 300 >"$work/300"
start waits runnel send full --capacity 100 "$work/300"
waits=$pid
eventually "the channel is full" channel_is full ACCEPTED 100
[[ $(runnel purge full --yes) == "100 elements dropped, 192 bytes" ]] || fail "purge of a full channel"
eventually "the sender goes on" channel_is full ACCEPTED 200
start holder runnel recv full --ack >"$work/fifo"
holder=$pid
eventually "all is with a receiver" channel_is full BUFFERED 0
runnel purge full --yes >/dev/null
runnel peek full -n 1 | cmp - <(echo 101) || fail "purge has taken away what a receiver has"
kill_hard "$holder"
eventually "what it had is back" channel_is full BUFFERED 100
runnel purge full --yes >/dev/null
ends_with 0 "$waits" "who sends 300"

# rm
says 1 'in use, by 1 sender and 0 receivers; --force' runnel rm orders
says 1 'no channel "nobody"' runnel rm nobody
says 2 "NAME is missing" runnel rm
[[ $(runnel rm full) == "100 elements dropped, 300 bytes" ]] || fail "rm of a channel that nobody is bound to"
[[ $(runnel rm many) == "" ]] || fail "rm of an empty channel says something"
runnel ls | grep -q '^full ' && fail "what was removed is listed"
seq 7 | runnel send left
before=$(runnel info left --json)
[[ $(runnel rm left) == "7 elements dropped, 7 bytes" ]] || fail "rm does not say how much was in it"
seq 3 | runnel send left --capacity 50
after=$(runnel info left --json)
[[ ${before#*incarnation} != "${after#*incarnation}" && $after == *'"capacity": 50'* ]] || fail "the next bind made no new channel"

# By force: who sends and who receives are told, and go on with a new one.
start reader runnel recv orders >"$work/read"
reader=$pid
eventually "it reads" channel_is orders TAKEN 5
runnel rm orders --force >"$work/shown"
eventually "the receiver is told" grep -q 'has lost channel "orders"' "$work/reader.err"
echo again >&4
eventually "the sender is told when it sends" grep -q 'lost' "$work/sender.err"
eventually "the new one is used" grep -q again "$work/read"
eventually "it is another" channel_is orders ACCEPTED 1
kill -TERM "$reader"
wait "$reader" || true

# tap
mkfifo "$work/source"
exec 5<>"$work/source"
start source runnel send live --capacity 100000 <&5
eventually "it is there" channel_is live SENDERS 1
tapped() { runnel info live | grep -q '^  tapped by '; }
start tap runnel tap live >"$work/tapped"
tap=$pid
eventually "it is tapped" tapped
start short runnel tap live -n 3 --rate 100/s >"$work/three"
short=$pid
two() { [[ $(runnel info live | grep -c '^  tapped by ') -eq 2 ]]; }
eventually "it is tapped twice" two
seq 10 >&5
ten() { cmp -s "$work/tapped" <(seq 10); }
eventually "ten are shown" ten
ends_with 0 "$short" "who wants three"
cmp "$work/three" <(seq 3) || fail "tap -n 3 shows $(<"$work/three")"
channel_is live BUFFERED 10 || fail "a tap has taken something"
channel_is live RECEIVERS 0 || fail "a tap counts as a receiver"
shows '"taps": \[\{"node": ".*", "tapped": 10, "skipped": 0, "rate": 1000\}\]' runnel info live --json

# Nobody reads what this one prints: it skips, and the channel does not wait.  What it has skipped is told.
mkfifo "$work/stuck"
exec 6<>"$work/stuck"
start slow runnel tap live --rate 100000/s >"$work/stuck"
slow=$pid
eventually "it is tapped again" two
seq 11 50000 >&5
eventually "all are accepted" channel_is live ACCEPTED 50000
skipping() { grep -q 'skipped$' "$work/tap.err"; }
eventually "the first is told that it has missed some" skipping
cat <&6 >"$work/read" &
started+=("$!")
eventually "the slow one is told when it reads on" grep -Eq '^\.\.\. [0-9]+(,[0-9]{3})+ skipped$' "$work/slow.err"
runnel info live >"$work/shown"
[[ $(awk '/tapped by/ { sub(",", ""); n++; if ($4 + $6 != 50000 && $4 + $6 != 49990) bad++ } END { print n, bad + 0 }' "$work/shown") == "2 0" ]] ||
  fail "what was tapped and skipped is not all: $(<"$work/shown")"

# It ends with the channel.
kill_hard "$slow"
runnel recv live -n 50000 >"$work/live"
cmp "$work/live" <(seq 50000) || fail "what was tapped did not come as it was sent"
close_channel live
ends_with 0 "$tap" "who taps"
start end runnel send brief --capacity 5 <&5
eventually "brief is there" channel_is brief SENDERS 1
start tap runnel tap brief
tap=$pid
brief() { runnel info brief | grep -q '^  tapped by '; }
eventually "brief is tapped" brief
runnel rm brief --force >/dev/null
ends_with 1 "$tap" "who taps what is removed"
grep -q 'it was removed' "$work/tap.err" || fail "who taps is not told of the removal: $(<"$work/tap.err")"
says 1 'no channel "nobody"' runnel tap nobody
says 2 "positive whole number" runnel tap orders --rate fast
says 2 "at most 100000" runnel tap orders --rate 1000000/s

balanced
