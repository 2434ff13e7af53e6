#!/usr/bin/env bash
# Requests and replies between processes: each gets its own, servers are killed, and nothing is left behind.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=500ms
broker_start
serve=(runnel-node --name server --module "$RUNNEL_BIN/squares.so" -- serve)
ask=(runnel-node --name asker --module "$RUNNEL_BIN/squares.so" -- ask)
only_squares() { [[ $(runnel ls | awk 'NR > 1 { printf "%s ", $1 }') == "squares " ]]; }

# 1. Nobody serves it: the request waits for somebody who does, as long as its caller does.
status=0
runnel call squares 7 --wait 0.3 >"$work/out" 2>"$work/said" || status=$?
[[ $status -eq 1 && ! -s $work/out ]] || fail "a call that nobody serves ended with $status"
grep -q 'no reply from "squares" (waited 0.3 s)' "$work/said" || fail "it said: $(cat "$work/said")"
eventually "the request has expired" channel_is squares BUFFERED 0
start early runnel call squares 9 --wait 60 >"$work/early"
early=$pid
eventually "the request waits" channel_is squares BUFFERED 1

# 2. By hand: what is asked as an argument, and what comes from standard input.
start serve1 "${serve[@]}"
server=$pid
ends_with 0 "$early" "who came before the server"
cmp "$work/early" <(echo 81) || fail "9 * 9"
[[ $(runnel call squares 12) == 144 ]] || fail "12 * 12"
[[ $(echo 11 | runnel call squares) == 121 ]] || fail "11 * 11"
[[ $(runnel call squares 1) == 1 ]] || fail "1 * 1"
eventually "the replies' channels are gone" only_squares

# 3. A hundred thousand, of one process; then broker and server are as before.
"${ask[@]}" 10000 | cmp - <(echo "10000 of 10000 squares") || fail "ten thousand"
eventually "nothing of it is left" only_squares
before=$(rss_kib "$broker") served=$(rss_kib "$server")
"${ask[@]}" 100000 | cmp - <(echo "100000 of 100000 squares") || fail "a hundred thousand"
eventually "nothing of those is left" only_squares
channel_is squares SENDERS 0 || fail "somebody still has the requests' channel bound"
grows_less "$broker" "$before" 2048 "in the broker, for 100000 calls"
grows_less "$server" "$served" 2048 "in the server, for 100000 calls"

# 4. Servers are killed in full work, and others come in their place: whoever asks only waits longer.
start ask "${ask[@]}" 60000 >"$work/asked"
asking=$pid
for ((i = 2; i <= 4; i++)); do
  start "serve$i" "${serve[@]}"
  next=$pid
  taken=$(column squares TAKEN)
  eventually "some are served" channel_above squares TAKEN $((taken + 2000))
  kill_hard "$server"
  server=$next
done
ends_with 0 "$asking" "who asks"
cmp "$work/asked" <(echo "60000 of 60000 squares") || fail "not all were answered"
eventually "nothing is left" only_squares

# 5. The caller is killed: what was meant for it is dropped, and its name means nothing any more.
start gone "${ask[@]}" 100000000 >/dev/null
gone=$pid
replies() { runnel ls | awk '$1 ~ /^reply:/ { print $1 }'; }
has_replies() { [[ $(replies) == reply:* ]]; }
eventually "it has a reply channel" has_replies
name=$(replies)
kill_hard "$gone"
eventually "it is gone" only_squares
status=0
echo late | runnel send "$name" 2>"$work/late" || status=$?
[[ $status -eq 1 ]] || fail "a reply channel that is gone was bound"
[[ $(runnel call squares 5) == 25 ]] || fail "5 * 5, afterwards"
balanced
