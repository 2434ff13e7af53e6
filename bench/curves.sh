#!/usr/bin/env bash
# How cost grows: `runnel bench` along one axis after the other; tables and plots.   SPDX-License-Identifier: MIT
#
#   bench/curves.sh [--rounds N] [--seconds S] [--only AXIS]... [--quick] [--bin DIRECTORY] [--write]
#
#   --rounds N    the median of so many; 3 unless told
#   --seconds S   that each run counts; 0.7 unless told
#   --only AXIS   this one (again: and this one), of: size capacity producers consumers both channels connections
#   --quick       a few small values of each axis, one round of a moment: does everything work?
#   --bin DIR     the programs there; else Runnel is built for release, without tests, in build/bench
#   --write       put tables and plots into docs/BENCHMARKS.md and docs/benchmarks-curves.svg
#
# In each round every value of an axis has its turn, so that what the machine does besides meets all alike.  What was measured
# of an axis stays in build/curves until the axis is measured again, and --write takes all that is there.  Exit status 1: a
# run failed, an element was lost.
set -uo pipefail
export LC_ALL=C
cd "${0%/*}/.." || exit 1

axes=(size capacity producers consumers both channels connections)
chosen=()
rounds=3
seconds=0.7
quick=no
write=no
bin=
build=build/bench
results=build/curves
export RUNNEL_LEASE=60s # ten thousand nodes on one machine take turns, and a link that is late is not what is measured
. bench/lib.sh

usage() {
  sed -n '4,11s/^# \{0,1\}//p' "$0"
}

while (($#)); do
  case $1 in
  -h | --help) usage && exit 0 ;;
  --bin)
    [[ -x ${2:-}/runnel ]] || wrong_use "--bin needs the directory of runnel and runnel-broker"
    bin=$2
    shift
    ;;
  --quick) quick=yes ;;
  --write) write=yes ;;
  *)
    shared_option "$1" "${2:-}" "${axes[@]}" || wrong_use "unknown argument '$1'"
    shift
    ;;
  esac
  shift
done
((${#chosen[@]} > 0)) || chosen=("${axes[@]}")

work=$(mktemp -d "${TMPDIR:-/tmp}/curves.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

if [[ $quick == yes ]]; then
  [[ $write == no ]] || wrong_use "--write is not for what --quick measures"
  rounds=1
  seconds=0.05
  results=$work # not among what counts
fi
if [[ -z $bin ]]; then
  steps build_runnel
  bin=$build/bin
fi
mkdir -p "$results"

# ---- running ----
values_of() { # AXIS
  case $1,$quick in
  size,yes) echo 16 65536 ;;
  capacity,yes) echo 0 1 64 ;;
  channels,yes | connections,yes) echo 1 10 ;;
  *,yes) echo 1 3 ;;
  size,*) echo 16 64 256 1024 4096 16384 65536 262144 1048576 ;;
  capacity,*) echo 0 1 4 16 64 256 1024 4096 16384 65536 ;;
  channels,*) echo 1 10 100 1000 10000 100000 ;;
  connections,*) echo 1 10 100 1000 10000 ;;
  *) echo 1 2 4 8 16 32 64 ;;
  esac
}

arguments_of() { # AXIS VALUE
  case $1 in
  size | capacity | producers | consumers) echo "throughput --$1 $2" ;;
  both) echo "throughput --producers $2 --consumers $2" ;;
  channels) echo "channels --channels $2 --wait 60" ;;
  connections) echo "throughput --connections $2 --wait 60" ;;
  esac
}

# Half a minute goes into getting so many there.
heavy() { # AXIS VALUE
  [[ $1 == channels && $2 -ge 100000 || $1 == connections && $2 -ge 10000 ]]
}

number() { # NAME
  local n
  n=$(json_number "$1" "$work/out")
  echo "${n:--}"
}

failed=0
one() { # ROUND AXIS VALUE
  local arguments
  read -ra arguments <<<"$(arguments_of "$2" "$3")"
  if ! timeout 300 "$bin/runnel" bench "${arguments[@]}" --runs 1 --seconds "$seconds" --json >"$work/out" 2>"$work/err"; then
    echo "bench/curves.sh: runnel bench ${arguments[*]} failed: $(tail -n 1 "$work/err")" >&2
    failed=1
    return
  fi
  echo "$2 $3 $(number elements_per_s) $(number mb_per_s) $(number cpu_s_per_million) $(number cpu_s_per_million_producers)" \
    "$(number cpu_s_per_million_broker) $(number cpu_s_per_million_consumers) $(number broker_rss_mb) $(number p50_us)" \
    "$(number broker_bytes_per_channel) $(number broker_kib_per_connection) $(number broker_idle_percent)" >>"$work/$2"
}

for axis in "${chosen[@]}"; do
  : >"$work/$axis"
  for ((round = 1; round <= rounds; round++)); do
    for value in $(values_of "$axis"); do
      [[ -t 2 ]] && printf '\r\033[K%s %s, round %d of %d' "$axis" "$value" "$round" "$rounds" >&2
      heavy "$axis" "$value" && ((round > 1)) && continue
      one "$round" "$axis" "$value"
    done
  done
  [[ $results == "$work" ]] || mv "$work/$axis" "$results/$axis"
  echo "$(date -u +%F) $rounds $seconds" >"$results/$axis.how"
done
[[ -t 2 ]] && printf '\r\033[K' >&2

for axis in "${axes[@]}"; do
  [[ -s $results/$axis ]] && cat "$results/$axis"
done >"$work/all"

# ---- tables ----
awk_curves=$awk_numbers'
  # axis value rate mb cpu cpu_producers cpu_broker cpu_consumers rss p50 bytes_per_channel kib_per_connection idle
  {
    if (!(($1, $2) in seen)) { seen[$1, $2] = 1; values[$1] = values[$1] " " $2 }
    for (i = 3; i <= NF; i++) if ($i != "-") of[$1, $2, i] = of[$1, $2, i] " " $i
  }
  BEGIN { RATE = 3; MB = 4; CPU = 5; CPU_P = 6; CPU_B = 7; CPU_C = 8; RSS = 9; P50 = 10; PER_CHANNEL = 11; PER_CONNECTION = 12; IDLE = 13 }
  function bytes(x) { return x >= 1048576 ? x / 1048576 " MiB" : x >= 1024 ? x / 1024 " KiB" : x " B" }
  function thousands(x) { return x >= 1000 ? int(x / 1000) "," sprintf("%03d", x % 1000) : x }
  function label(axis, x) { return axis == "size" ? bytes(x) : axis == "capacity" && x == 0 ? "rendezvous" : thousands(x) }
'

tables() {
  awk "$awk_curves"'
    function row(axis, x,   line) {
      line = sprintf("| %s | %s | %.3g | %.3g + %.3g + %.3g | %.1f |", label(axis, x), human(median(of[axis, x, RATE])),
        median(of[axis, x, CPU]), median(of[axis, x, CPU_P]), median(of[axis, x, CPU_B]), median(of[axis, x, CPU_C]),
        median(of[axis, x, RSS]))
      if (axis == "size") line = line sprintf(" %.1f |", median(of[axis, x, MB]))
      if (axis == "capacity") line = line sprintf(" %.0f |", median(of[axis, x, P50]))
      if (axis == "channels") line = line (x > 1 ? sprintf(" %.0f |", median(of[axis, x, PER_CHANNEL])) : " - |")
      if (axis == "connections") line = line sprintf(" %.1f | %.2f |", median(of[axis, x, PER_CONNECTION]), median(of[axis, x, IDLE]))
      return line
    }
    function table(axis, head, more, columns,   v, n, i) {
      n = split(values[axis], v, " ")
      if (n == 0) return
      printf "\n| %s | elements/s | CPU s/million | producers + broker + consumers | broker, MB |%s\n|---|---|---|---|---|", head, more
      for (i = 0; i < columns; i++) printf "---|"
      print ""
      for (i = 1; i <= n; i++) print row(axis, v[i])
    }
    END {
      table("size", "bytes of an element", " MB/s |", 1)
      table("capacity", "capacity", " waits in the channel, p50 us |", 1)
      table("producers", "producers, to 1 consumer", "", 0)
      table("consumers", "consumers, of 1 producer", "", 0)
      table("both", "producers and consumers, each", "", 0)
      table("channels", "channels, one consumer each", " bytes of a channel |", 1)
      table("connections", "idle connections", " KiB of a connection | CPU when idle, % |", 2)
    }' "$work/all"
}

# ---- plots: a row of panels for each kind of axis, both scales logarithmic, so that what is linear is a straight line ----
plots() {
  awk "$awk_curves"'
    function log10(x) { return log(x) / log(10) }
    function floor(x) { return int(x) - (x < int(x)) }
    # A rendezvous stands left of 1.
    function place(x) { return x == 0 ? log10(0.25) : log10(x) }
    function short(x) { return x >= 1e6 ? x / 1e6 " M" : x >= 1e3 ? x / 1e3 " k" : x "" }
    function tick(axis, x) {
      return axis == "size" ? (x >= 1048576 ? x / 1048576 "M" : x >= 1024 ? x / 1024 "K" : x) : x == 0 ? "r" : axis == "capacity" && x >= 1024 ? x / 1024 "K" : x >= 1000 ? x / 1000 "k" : x
    }
    function scale(which,   a, n, v, i, k, lo, hi, x) {
      x_lo = y_lo = 1e9; x_hi = y_hi = -1e9
      for (a = 1; a <= n_axes; a++) {
        n = split(values[axes[a]], v, " ")
        for (i = 1; i <= n; i++) {
          if (of[axes[a], v[i], which] == "") continue
          lo = least_of(of[axes[a], v[i], which]); hi = most_of(of[axes[a], v[i], which]); x = place(v[i])
          if (lo <= 0) lo = 1e-3
          if (hi <= 0) hi = 1e-3
          if (x < x_lo) x_lo = x
          if (x > x_hi) x_hi = x
          if (log10(lo) < y_lo) y_lo = log10(lo)
          if (log10(hi) > y_hi) y_hi = log10(hi)
        }
      }
      y_lo = floor(y_lo); y_hi = -floor(-y_hi)
      if (y_hi <= y_lo) y_hi = y_lo + 1
      if (x_hi <= x_lo) x_hi = x_lo + 1
    }
    function px(x) { return left + (place(x) - x_lo) / (x_hi - x_lo) * width }
    function py(y) { return top + height - (log10(y > 0 ? y : 1e-3) - y_lo) / (y_hi - y_lo) * height }
    function frame(title,   d, n, v, i) {
      printf "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s</text>\n", left, top - 8, title
      for (d = y_lo; d <= y_hi; d++) {
        printf "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>", left, py(10 ^ d), left + width, py(10 ^ d)
        printf "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" font-size=\"10\">%s</text>\n", left - 4, py(10 ^ d) + 3, short(10 ^ d)
      }
      n = split(values[axes[1]], v, " ")
      for (i = 1; i <= n; i++)
        if (n <= 9 || i % 2 == 1 || i == n)
          printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" font-size=\"9\">%s</text>\n", px(v[i]), top + height + 12, tick(axes[1], v[i])
    }
    # What it would be if it were proportional to x (or to its inverse), through the last point.
    function guide(axis, which, slope,   n, v, x, y, from, to) {
      n = split(values[axis], v, " ")
      while (n > 0 && of[axis, v[n], which] == "") n--
      if (n == 0) return
      x = place(v[n]); y = log10(median(of[axis, v[n], which]))
      from = x_lo; to = y + slope * (x_lo - x)
      if (to < y_lo) { from = x + (y_lo - y) / slope; to = y_lo }
      if (to > y_hi) { from = x + (y_hi - y) / slope; to = y_hi }
      printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#999\" stroke-dasharray=\"4,3\"/>\n",
        left + (from - x_lo) / (x_hi - x_lo) * width, py(10 ^ to), px(v[n]), py(10 ^ y)
    }
    function curve(axis, which, colour,   n, v, i, path) {
      n = split(values[axis], v, " ")
      for (i = 1; i <= n; i++) {
        if (of[axis, v[i], which] == "") continue
        path = path sprintf("%s%.1f,%.1f", path == "" ? "" : " ", px(v[i]), py(median(of[axis, v[i], which])))
        printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-opacity=\"0.4\" stroke-width=\"3\"/>\n",
          px(v[i]), py(least_of(of[axis, v[i], which])), px(v[i]), py(most_of(of[axis, v[i], which])), colour
      }
      printf "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>\n", path, colour
    }
    function panel(column, title, which, slope,   a) {
      left = 60 + column * 275
      scale(which)
      frame(title)
      if (slope != 0) guide(axes[1], which, slope)
      for (a = 1; a <= n_axes; a++) curve(axes[a], which, colours[a])
    }
    function panels(names, what, rate_slope, cpu_slope, rss_slope, legend,   a, words) {
      n_axes = split(names, axes, " ")
      if (values[axes[1]] == "") return
      top += 62
      printf "<text x=\"10\" y=\"%d\" font-size=\"13\">%s</text>\n", top - 28, what
      split(legend, words, ",")
      for (a = 1; a <= n_axes && legend != ""; a++)
        printf "<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n", 190 + (a - 1) * 70, top - 28, colours[a], words[a]
      panel(0, "elements per second", RATE, rate_slope)
      panel(1, "CPU seconds per million", CPU, cpu_slope)
      panel(2, "memory of the broker, MB", RSS, rss_slope)
      top += height + 22
    }
    END {
      split("#1b6ca8 #c0392b #27ae60", colours, " ")
      width = 205; height = 120; top = 30
      n_rows = (values["size"] != "") + (values["capacity"] != "") + (values["producers"] != "")
      n_rows += (values["channels"] != "") + (values["connections"] != "")
      printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"840\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", \
        top + n_rows * (62 + height + 22) + 10
      print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
      print "<text x=\"10\" y=\"20\" font-size=\"14\">How cost grows (median; least to most). Dashed: in proportion, through the last point</text>"
      panels("size", "Bytes of an element", -1, 1, 0)
      panels("capacity", "Capacity (r: rendezvous)", 0, 0, 0)
      panels("producers consumers both", "Producers, consumers", 0, 0, 0, "N to 1,1 to N,N to N")
      panels("channels", "Channels", 0, 0, 1)
      panels("connections", "Idle connections", 0, 0, 1)
      print "</svg>"
    }' "$work/all"
}

# What all axes have in common of a column of their .how, or from the least to the most.
spread() { # COLUMN
  cut -d' ' -f"$1" "$results"/*.how | sort -n | sed -n '1p;$p' | uniq | paste -sd' ' | sed 's/ / to /'
}

heading() {
  cat <<TEXT
![How cost grows](benchmarks-curves.svg)

Measured $(spread 1) on $(machine), Runnel $("$bin/runnel" --version | cut -d' ' -f2): medians of $(spread 2) rounds of $(spread 3) s
(100,000 channels, 10,000 connections: of one). Elements of 128 bytes, one producer, one consumer, capacity 16,384, unless the table says so.
TEXT
}

{
  heading
  tables
} >"$work/section"
tail -n +3 "$work/section" # without the picture
plots >"$work/curves.svg" || failed=1
if [[ $write == yes ]]; then
  cat "$work/curves.svg" >docs/benchmarks-curves.svg
  doc_put curves "$work/section"
fi
exit $failed
