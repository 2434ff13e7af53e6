#!/usr/bin/env bash
# Measures the runtime: builds a release build without tests in build/bench, and runs bench/*.c.   SPDX-License-Identifier: MIT
#
#   bench/run.sh [--workers 1,2] [--rounds N] [--only NAME]... [--go]
#
#   --workers N,N   with so many workers each; 1,2 unless told
#   --rounds N      the median of so many; 5 unless told
#   --only NAME     this one (again: and this one), of bench/NAME.c
#   --go            the same in Go beside it (from Debian's package golang-go), and a table of both
#
# Prints "name/workers value unit", one a line.  In each round all that is to be compared runs once, one after the other, so
# that what the machine does besides meets all alike; the ratio to Go is the median of the rounds' ratios.  NAME_cpu is what
# the process took of all CPUs from beginning to end: on a busy machine that moves by a few percent where the rest doubles.
# Exit status 1: one failed.
set -uo pipefail
export LC_ALL=C
cd "${0%/*}/.." || exit 1

names=(pingpong spsc_unbuf spsc_buf128 mpmc_buf128 select4 threadring sieve yield waitgroup mutex spawn_join skynet mem_1M
  timers timer_ops deadlock serve_echo serve_http)
chosen=()
workers=(1 2)
rounds=5
sides=(ours)
build=build/bench
connections=100
requests=100000
. bench/lib.sh

usage() {
  sed -n '4,9s/^# \{0,1\}//p' "$0"
}

while (($#)); do
  case $1 in
  -h | --help) usage && exit 0 ;;
  --go) sides=(ours go) ;;
  --workers)
    [[ ${2:-} =~ ^[0-9]+(,[0-9]+)*$ ]] || wrong_use "--workers needs numbers: 1,2"
    IFS=, read -ra workers <<<"$2"
    shift
    ;;
  --rounds | --only)
    shared_option "$1" "${2:-}" "${names[@]}"
    shift
    ;;
  *) wrong_use "unknown argument '$1'" ;;
  esac
  shift
done
((${#chosen[@]} > 0)) || chosen=("${names[@]}")

work=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# ---- building ----
install_go() {
  local as_root=()
  command -v go >/dev/null && return
  ((EUID == 0)) || as_root=(sudo -n)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends golang-go </dev/null
}

# Without cgo, with which Go reports no deadlock and hangs.
build_go() {
  local out=$PWD/$build
  (cd bench/go && CGO_ENABLED=0 GOPROXY=off GOFLAGS=-buildvcs=false GOCACHE=$out/go-cache go build -o "$out/bench/in-go" .)
}

if ! build_runnel all >"$work/log" 2>&1; then
  tail -n 20 "$work/log" >&2
  exit 1
fi
if ((${#sides[@]} > 1)); then
  if ! install_go >"$work/log" 2>&1; then
    echo "bench/run.sh: Go cannot be had here (golang-go): without it" >&2
    sides=(ours)
  elif ! build_go >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
  fi
fi

# ---- running ----
# What hangs is a failure, not a measurement.
timed() {
  timeout 120 "$@"
}

# From the line that the program prints last to where it has exited; both sides exit with 2.
deadlock() { # COMMAND...
  local start now status=0
  start=$(timed "$@" 2>"$work/report") || status=$?
  now=${EPOCHREALTIME/./}
  if ((status != 2)) || ! grep -q "all goroutines are asleep" "$work/report"; then
    cat "$work/report" >&2
    return 1
  fi
  start=${start#deadlock_t0 }
  awk -v us=$((now - ${start% ns} / 1000)) 'BEGIN { printf "deadlock_exit %.2f ms\n", us / 1000 }'
}

run() { # NAME COMMAND...
  local name=$1
  shift
  case $name in
  deadlock) deadlock "$@" ;;
  serve_*) timed "$build/bench/load" "${name#serve_}" $connections $requests "$@" ;;
  *) timed "$@" ;;
  esac
}

TIMEFORMAT='%U %S'
failed=0
one() { # ROUND NAME WORKERS SIDE
  local command=("$build/bench/$2" "$3")
  [[ $4 == ours ]] || command=(env GOMAXPROCS="$3" "$build/bench/in-go" "$2")
  local cpu
  if ! cpu=$({ time run "$2" "${command[@]}" >"$work/out" 2>"$work/err"; } 2>&1); then
    echo "bench/run.sh: $2 failed ($4, $3 workers): $(tail -n 1 "$work/err")" >&2
    failed=1
    return
  fi
  awk -v name="$2" '{ print name "_cpu", $1 + $2, "s" }' <<<"$cpu" >>"$work/out"
  sed "s/^/$1 $3 $4 /" "$work/out" >>"$work/results" # round workers side name value unit
}

for ((round = 1; round <= rounds; round++)); do
  for name in "${chosen[@]}"; do
    for n in "${workers[@]}"; do
      for side in "${sides[@]}"; do
        one "$round" "$name" "$n" "$side"
      done
    done
  done
done

# ---- medians ----
touch "$work/results"
awk -v compare=$((${#sides[@]} > 1)) "$awk_numbers"'
  {
    row = $4 "/" $2
    if (!(row in unit)) rows[++count] = row
    unit[row] = $6
    values[row, $3] = values[row, $3] " " $5
    if ($3 == "ours") ours[row, $1] = $5
    else if ($5 > 0 && ours[row, $1] > 0)
      ratios[row] = ratios[row] " " ($6 ~ /\/s$/ ? ours[row, $1] / $5 : $5 / ours[row, $1])
  }
  END {
    for (i = 1; i <= count; i++)
      if (values[rows[i], "ours"] != "") printf "%s %.2f %s\n", rows[i], median(values[rows[i], "ours"]), unit[rows[i]]
    if (!compare) exit
    printf "\n%-34s %12s %12s %8s  %s\n", "name/workers", "ours", "Go", "better", "(times; below 1: Go is better)"
    for (i = 1; i <= count; i++)
      printf "%-34s %12.2f %12.2f %8.2f  %s\n", rows[i], median(values[rows[i], "ours"]), median(values[rows[i], "go"]),
        median(ratios[rows[i]]), unit[rows[i]]
  }' "$work/results"
exit $failed
