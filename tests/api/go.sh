#!/usr/bin/env bash
# The C of docs/GO.md is one program that compiles and does what is said, and its other words exist in the headers.
# SPDX-License-Identifier: MIT
. "${0%/*}/../e2e/lib.sh"
. "${0%/*}/lib.sh"
install_runnel
page=$here/../../docs/GO.md

awk '/^```c$/ { in_it = 1; print "#line", NR + 1, "\"docs/GO.md\""; next } /^```$/ { in_it = 0 } in_it' "$page" >"$work/page.c"
grep -q rn_send "$work/page.c" || fail "docs/GO.md has no C"
compile cc "$here/go.c" "$work/go" -I"$work"
timeout 60 "$work/go" >"$work/out" || fail "the program ended with status $?"
grep -qx "hello you" "$work/out" || fail "it printed: $(<"$work/out")"

grep -oE '\b(rn|RN)_[A-Za-z_]+' "$page" | sort -u | while read -r name; do
  grep -qw -- "$name" "$prefix/include/runnel/"{rn,sync}.h || fail "docs/GO.md speaks of $name, which no header has"
done

# The whole programs that it points to are there.
grep -oE '\]\([^)#:]+' "$page" | cut -c 3- | sort -u | while read -r path; do
  [[ -e $here/../../docs/$path ]] || fail "docs/GO.md points to $path, which is not there"
done
