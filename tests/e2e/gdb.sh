#!/usr/bin/env bash
# gdb lists goroutines and goes to one, in a process and in its core file.   SPDX-License-Identifier: MIT
#
# The program is tests/e2e/parked.c.  It stops where all but the first goroutine wait; what is looked at changes nothing, so
# that it ends as it would have.
. "${0%/*}/lib.sh"
parked=$RUNNEL_BUILD/tests/e2e/parked
script=$RUNNEL_SOURCE/deploy/gdb/runnel-gdb.py

debug() { # FILE-OF-COMMANDS ARG...; what gdb says is in $work/said
  if ! timeout 120 gdb -q -batch -nx -iex 'set debuginfod enabled off' -iex 'set pagination off' -iex 'set width 0' \
    -ex "source $script" -x "$1" "${@:2}" >"$work/said" 2>&1 </dev/null; then
    cat "$work/said" >&2
    fail "gdb gave up"
  fi
}

# Lines of what it said between "== PART" and the next "== ".
part() { # PART
  awk -v part="== $1" '/^== / { on = $0 == part; next } on' "$work/said"
}

must_say() { # PART REGEX...: each in a line of its own, in this order
  local text
  text=$(part "$1")
  awk -v n="$#" 'BEGIN { for (i = 2; i < ARGC; i++) want[i - 1] = ARGV[i]; ARGC = 1; at = 1 }
    at < n && $0 ~ want[at] { at++ } END { exit at < n }' "$@" <<<"$text" || {
    cat "$work/said" >&2
    fail "it does not say under $1, in this order: ${*:2}"
  }
}

must_not_say() { # PART REGEX
  part "$1" | grep -qE "$2" && {
    cat "$work/said" >&2
    fail "it says under $1: $2"
  }
  return 0
}

cat >"$work/look" <<'END'
echo == list\n
rn goroutines
echo == some\n
rn goroutines alpha
echo == bt\n
rn bt 2
echo == all\n
rn bt all
echo == go\n
rn goroutine 2
frame function receives
print marker
rn goroutine 3
backtrace
echo == back\n
rn goroutine off
backtrace
echo == first\n
rn goroutine 1
backtrace
echo == none\n
python
try:
    gdb.execute("rn goroutine 99")
except gdb.error as error:
    print(error)
end
echo == end\n
END

looks() { # of a process or a core
  must_say list '1 "main" \[running\] ' '2 "alpha" \[chan receive 0x[0-9a-f]+, [0-9.]+ m?s( or more)?\] receives at parked.c:[0-9]+' \
    '3 "beta" \[mutex 0x[0-9a-f]+, .*\] locks at parked.c:' '4 \[sleep, .*\] sleeps_fn'
  must_say some '2 "alpha"'
  must_not_say some '"beta"'
  must_say bt 'goroutine +2 "alpha"' ' receives \(marker=4242\)' ' alpha_fn ' ' g_main ' ' rn(__|[.])ctx_entry '
  must_not_say bt 'everybody_waits|corrupt'
  must_say all ' everybody_waits ' 'goroutine +2 ' ' alpha_fn ' 'goroutine +3 ' ' locks ' 'goroutine +4 ' ' rn_sleep '
  must_say go '2 "alpha"' ' receives ' '= 4242$' '3 "beta"' ' locks '
  must_not_say go 'corrupt|alpha_fn .*beta'
  must_say back '^#0 .*everybody_waits ' '^#1 .*run '
  must_say first '1 "main"' '^#0 .*everybody_waits ' '^#1 .*run ' ' first_main '
  must_say none 'there is no goroutine 99'
}

# A process; then it goes on and ends with 0.
{
  printf '%s\n' 'break everybody_waits' 'run'
  cat "$work/look"
  printf '%s\n' "rn gcore $work/core" 'continue' 'echo == after\n' 'print $_exitcode'
} >"$work/live"
debug "$work/live" "$parked"
looks
must_say end 'Saved corefile' 'exited normally'
must_say after '= 0$'

# What gdb has kept of it.
debug "$work/look" "$parked" "$work/core"
looks
