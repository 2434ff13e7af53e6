#!/usr/bin/env bash
# The example of the README compiles as it stands there, and prints what it should.   SPDX-License-Identifier: MIT
. "${0%/*}/../e2e/lib.sh"
. "${0%/*}/lib.sh"
install_runnel

awk '/^```c$/ { in_it = 1; next } /^```$/ && in_it { exit } in_it' "$here/../../README.md" >"$work/readme.c"
grep -q rn_main "$work/readme.c" || fail "README.md has no C example"
compile cc "$work/readme.c" "$work/readme"
broker_start
timeout 60 "$work/readme" >"$work/out" || fail "the example ended with status $?"
[[ -s $work/out ]] || fail "the example printed nothing"
balanced
