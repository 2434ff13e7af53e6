# shellcheck shell=bash
# lib.sh - what the whole-process tests share.   SPDX-License-Identifier: MIT
# Sourced.  $RUNNEL_BIN: the directory of the programs.  Each test has a directory of its own in $work, ends what it
# started by its pid, and calls `balanced` at its end.  A test waits for conditions (`eventually`), never for a time.
set -euo pipefail
export LC_ALL=C

RUNNEL_BIN=${RUNNEL_BIN:?the directory of runnel, runnel-node and runnel-broker}
PATH=$RUNNEL_BIN:$PATH
unset RUNNEL_KEY RUNNEL_BROKER_KEY # the brokers of the tests have none
work=$(mktemp -d "${TMPDIR:-/tmp}/runnel-e2e.XXXXXX")
started=()

# Every program leaves the tree as it found it, also when the test fails.
finish() {
  local status=$? pid
  trap - EXIT INT TERM
  if [[ $status -ne 0 && $status -ne 77 ]]; then
    for f in "$work"/*.err; do
      [[ -s $f ]] && { echo "-- ${f##*/}:"; head -n 40 "$f"; } >&2
    done
  fi
  exec 2>/dev/null # the shell's word on each process that is killed
  for pid in "${started[@]}"; do
    kill -CONT "$pid" || true
    kill -KILL "$pid" || true
  done
  wait || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "${0##*/}: FAILED: $*" >&2
  exit 1
}

# Runs a command in the background; its pid is in $pid afterwards.  Standard error goes to $work/NAME.err.
start() { # NAME COMMAND...
  local name=$1
  shift
  "$@" <&0 2>"$work/$name.err" & # <&0: else the shell gives it /dev/null
  pid=$!
  started+=("$pid")
}


# kill -9, without the shell's word on it.
kill_hard() { # PID
  {
    kill -KILL "$1"
    wait "$1" || true
  } 2>/dev/null
}

ends_with() { # STATUS PID WHAT
  local status=0
  wait "$2" || status=$?
  [[ $status -eq $1 ]] || fail "$3 ended with status $status, not $1"
}

# Tries until the command succeeds; the time between two tries is no part of what is tested.
eventually() { # WHAT COMMAND...
  local what=$1 until=$((SECONDS + 60))
  shift
  until "$@"; do
    ((SECONDS < until)) || fail "never came true: $what"
    sleep 0.05
  done
}

# Starts a broker on a free port; exports RUNNEL_URL; its pid is in $broker.
broker_start() { # [URL [OPTION...]]
  local line
  if [[ ! -p $work/broker.out ]]; then
    mkfifo "$work/broker.out"
    exec {broker_out}<>"$work/broker.out" # both ends, so that opening it waits for nobody
  fi
  start broker runnel-broker --listen "${1:-tcp://127.0.0.1:0}" "${@:2}" >&"$broker_out"
  broker=$pid
  read -r -t 30 line <&"$broker_out" || fail "the broker said nothing"
  [[ $line == "runnel-broker: listening on "* ]] || fail "the broker said: $line"
  export RUNNEL_URL=${line#runnel-broker: listening on }
}

# The value of a column of `runnel ls` for a channel; nothing if there is no such channel.
column() { # CHANNEL CAPACITY|SENDERS|RECEIVERS|BUFFERED|ACCEPTED|TAKEN|DELAYED|EXPIRED|TTL|STATE
  runnel ls | awk -v name="$1" -v want="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == want) at = i }
                                              NR > 1 && $1 == name { print $at }'
}

channel_is() { # CHANNEL COLUMN VALUE
  [[ $(column "$1" "$2") == "$3" ]]
}

channel_above() { # CHANNEL COLUMN VALUE
  local value
  value=$(column "$1" "$2")
  [[ ${value:-0} -gt $3 ]]
}

# The state of a process: R, S, T ...
state_is() { # PID STATE
  local stat
  stat=$(<"/proc/$1/stat") 2>/dev/null && stat=${stat##*) } && [[ ${stat%% *} == "$2" ]]
}

rss_kib() { # PID
  awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

# May its memory be judged?  The sanitizers keep what was freed.
plain_memory() { # PID
  ! grep -Eq 'lib[at]san' "/proc/$1/maps"
}

grows_less() { # PID KIB_BEFORE KIB WHEN
  local now
  plain_memory "$1" || return 0
  now=$(rss_kib "$1")
  ((now - $2 < $3)) || fail "memory grew from $2 to $now KiB $4"
}

# Numbers of nine digits, one after the other, until `enough`.
numbers() {
  awk -v stop="$work/enough" 'BEGIN {
    while ((getline x < stop) < 0)
      for (k = 0; k < 100; k++)
        printf "%09d\n", ++n
  }'
}

enough() {
  echo enough >"$work/enough"
}

larger() { # FILE BYTES
  [[ $(stat -c %s "$1") -gt $2 ]]
}

same_lines() { # FILE FILE: the same lines in any order
  cmp -s <(sort "$1") <(sort "$2") || {
    diff <(sort "$1") <(sort "$2") | head -n 10 >&2 || true
    return 1
  }
}

close_channel() { # NAME
  runnel send "$1" --close </dev/null
}

balanced() {
  runnel audit >"$work/audit" || {
    cat "$work/audit" >&2
    fail "the ledgers do not balance"
  }
}
