#!/usr/bin/env bash
# 200,000 lines through `runnel send | runnel recv` come out identical, whatever the lines are.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
broker_start

# Empty lines, a line of 300 kB, bytes that are no text, and 200,000 ordinary ones.
{
  echo
  head -c 300000 /dev/zero | tr '\0' x
  echo
  printf 'a\0b\377c\n\n'
  seq -f 'line %.0f of the two hundred thousand' 200000
} >"$work/in"

start recv runnel recv lines >"$work/out"
receiver=$pid
runnel send lines --close <"$work/in"
ends_with 0 "$receiver" "runnel recv"
cmp "$work/in" "$work/out" || fail "what came out is not what went in"

# Files are sent one after the other, "-" is standard input, and a last line without newline is a line.
printf 'one\ntwo' >"$work/a"
printf 'four' >"$work/b"
start recv runnel recv files >"$work/out"
receiver=$pid
echo three | runnel send files --close "$work/a" - "$work/b"
ends_with 0 "$receiver" "runnel recv"
printf '%s\n' one two three four | cmp - "$work/out" || fail "files came out wrong"

# -n takes as many and leaves the rest to others, in order.
seq 1000 | runnel send counted --close
runnel recv counted -n 10 >"$work/first"
runnel recv counted >"$work/rest"
cmp <(seq 10) "$work/first" || fail "-n 10 did not print the first ten"
cmp <(seq 11 1000) "$work/rest" || fail "-n 10 took more than ten"

# A full pipe and one that is cut: head takes what it wants, the others get the rest.
seq 100000 | runnel send pipe --close &
started+=($!)
sender=$!
seen=$(runnel recv pipe 2>"$work/cut.err" | head -n 1) || true
[[ $seen == 1 ]] || fail "the first line was '$seen'"
runnel recv pipe >"$work/rest"
ends_with 0 "$sender" "runnel send"
tail -n 1 "$work/rest" | grep -qx 100000 || fail "the last line is missing"
balanced
