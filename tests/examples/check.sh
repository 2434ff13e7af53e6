#!/usr/bin/env bash
# Runs one example and checks what it prints: exactly, or what must hold whoever is scheduled first.
# SPDX-License-Identifier: MIT
#   check.sh [EMULATOR...] PROGRAM
set -uo pipefail
export LC_ALL=C
program=${*: -1} # the example, by its path
emulated=("$@")
work=$(mktemp -d "${TMPDIR:-/tmp}/runnel-example.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
  echo "$program: $*" >&2
  head -n 40 "$work"/{out,err} >&2
  exit 1
}

run() { # STATUS [ARGUMENTS...]
  local status=0
  "${emulated[@]}" "${@:2}" >"$work/out" 2>"$work/err" </dev/null || status=$?
  ((status == $1)) || fail "ended with status $status, not $1"
}

# The standard output is this text, or the lines of it that match are.
prints() { # TEXT [REGEX]
  [[ $(grep -E "${2:-}" "$work/out") == "$1" ]] || fail "should have printed${2:+ as /$2/}: $1"
}

says() { # REGEX, on standard error
  grep -Eq "$1" "$work/err" || fail "should have said: $1"
}

case ${program##*/} in
tutorial)
  run 0
  prints "0 1 2 3 4 5 6 7 8 9 closed"
  ;;
producer_consumer)
  run 0
  prints $'number 1\nnumber 2\nnumber 3' '^number'
  prints $'word ready\nword steady\nword go' '^word'
  [[ $(tail -n 1 "$work/out") == "both closed" ]] || fail "it should end with the close"
  ;;
counter)
  run 0
  prints "counted to 100000"
  ;;
deadlock)
  run 2
  prints ""
  says '^fatal error: all goroutines are asleep - deadlock!$'
  says '^goroutine [0-9]+ "bank" \[group wait '
  (($(grep -Ec '^goroutine [0-9]+ \[mutex ' "$work/err") == 2)) || fail "two should wait for a mutex"
  run 0 ordered
  prints "100 and 100"
  ;;
worker_pool)
  run 0
  prints "$(for job in {0..9}; do echo "job $job: $((job * job))"; done)"
  ;;
pipeline)
  run 0
  prints "1 9 25 49 81 done"
  ;;
fan_in)
  run 0
  for source in a b c; do
    prints "$(printf "$source %d\n" 1 2 3)" "^$source "
  done
  [[ $(tail -n 1 "$work/out") == "all said" ]] || fail "it should end with the close"
  ;;
timeouts)
  run 0
  prints "not waiting: deadline passed
waiting a little: deadline passed
until the deadline: 1
until the deadline: 2
until the deadline: deadline passed
the timer"
  ;;
rate_limiter)
  run 0
  # The fourth has waited for the first tick, the sixth for the third; how late a tick comes is the machine's.
  awk '$1 != "request" || $2 != NR || $4 < 20 * (NR - 3) { exit 1 } END { exit NR != 6 }' "$work/out" ||
    fail "six requests, and not before their ticks"
  ;;
prime_sieve)
  run 0
  prints "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97 "
  run 0 100
  grep -q ' 523 541 $' "$work/out" || fail "the hundredth prime is 541"
  ;;
cancellation)
  run 0
  prints "the first is quick
a slow one has tidied up
a slow one has tidied up
a late one has tidied up"
  ;;
race)
  run 1
  says '^the balance is -30$'
  seed=$(sed -n 's/^seed \([0-9]*\) failed: exit status 1; replay with RN_SEED=\1 .*/\1/p' "$work/err")
  [[ -n $seed ]] || fail "it should name the seed that failed, and tell how to see it again"
  paid=$(grep paid "$work/err")
  RN_SEED=$seed run 1
  prints "$paid" 'paid' # at the same times
  prints "the balance is -30" 'balance'
  RN_SEEDS=100 run 0 cured
  prints "the balance was never below zero"
  ;;
*)
  fail "nobody has said what this example prints: tests/examples/check.sh"
  ;;
esac
