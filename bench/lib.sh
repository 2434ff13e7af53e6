# shellcheck shell=bash
# lib.sh - what the scripts that measure share.   SPDX-License-Identifier: MIT
# Sourced, in the root of the tree; $work is a directory for files of the moment.

wrong_use() {
  echo "bench/${0##*/}: $*" >&2
  usage >&2
  exit 2
}

# An option that several have, and its value: --rounds, --seconds, or --only NAME, which is one of NAMES.  Status 1: it is another.
shared_option() { # OPTION VALUE NAMES...
  local option=$1 value=$2
  shift 2
  case $option in
  --rounds)
    [[ $value =~ ^[1-9][0-9]*$ ]] || wrong_use "--rounds needs a number"
    rounds=$value
    ;;
  --seconds)
    [[ $value =~ ^[0-9]+(\.[0-9]+)?$ ]] || wrong_use "--seconds needs a number"
    seconds=$value
    ;;
  --only)
    [[ " $* " == *" ${value:-none} "* ]] || wrong_use "--only needs one of: $*"
    chosen+=("$value")
    ;;
  *) return 1 ;;
  esac
}

machine() {
  local model
  model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1 | sed -E 's/ +[0-9].*//; s/\(R\)|\(TM\)//g')
  echo "$(nproc) CPUs (${model:-of an unknown model}), Linux $(uname -r | sed 's/-.*//')"
}

json_number() { # NAME FILE: of the object in the file; nothing if it is null
  grep -oE "\"$1\":-?[0-9.]+" "$2" | cut -d: -f2
}

# For release, without tests, in $build: the broker and its tool, or these.
build_runnel() { # [TARGET...]
  (($# > 0)) || set -- runnel runnel-broker
  cmake --preset release -B "$build" -DRUNNEL_TESTS=OFF && cmake --build "$build" -j "$(nproc)" --target "$@"
}

# Runs these functions, in turn; says what the first that fails has said.
steps() { # FUNCTION...
  local step
  for step in "$@"; do
    if ! "$step" >"$work/log" 2>&1; then
      tail -n 20 "$work/log" >&2
      echo "${0##*/}: $step failed" >&2
      exit 1
    fi
  done
}

# Puts a file between <!-- MARK: begin --> and <!-- MARK: end --> in docs/BENCHMARKS.md.
doc_put() { # MARK FILE
  awk -v begin="<!-- $1: begin -->" -v end="<!-- $1: end -->" -v file="$2" '
    $0 == end { within = 0 }
    !within { print }
    $0 == begin {
      within = 1
      print ""
      while ((getline line < file) > 0) print line
      print ""
    }' docs/BENCHMARKS.md >"$work/new" && cat "$work/new" >docs/BENCHMARKS.md
}

# Of awk programs: of numbers in a string the median, the least and the most; a figure for people.
# shellcheck disable=SC2034
awk_numbers='
  function sorted(list, v,   n, i, j, t) {
    n = split(list, v, " ")
    for (i = 2; i <= n; i++)
      for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return n
  }
  function median(list,   v, n) {
    n = sorted(list, v)
    return n == 0 ? 0 : n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
  }
  function least_of(list,   v) { return sorted(list, v) == 0 ? 0 : v[1] }
  function most_of(list,   v, n) { n = sorted(list, v); return n == 0 ? 0 : v[n] }
  function human(x) { return x == 0 ? "-" : x >= 1e6 ? sprintf("%.2f M", x / 1e6) : x >= 1e4 ? sprintf("%.0f k", x / 1e3) : sprintf("%.0f", x) }
'
