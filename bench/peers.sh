#!/usr/bin/env bash
# The same work through Runnel, NATS, Redis and raw ZeroMQ, in turn: a table of ratios and a plot.   SPDX-License-Identifier: MIT
#
#   bench/peers.sh [--rounds N] [--seconds S] [--only ROW]... [--write]
#
#   --rounds N    the median of so many; 5 unless told
#   --seconds S   that each run counts; 2 unless told
#   --only ROW    this one (again: and this one), of: 16B 128B 1KiB 16KiB 1MiB 4to4 channels by-hand curve latency
#   --write       put table and plot into docs/BENCHMARKS.md and docs/benchmarks-peers.svg
#
# Installs nats-server, redis-server and their clients from Debian's packages, and builds Runnel for release, without tests, in
# build/bench.  In each round every system does the work of a row once, one after the other, so that what the machine does
# besides meets all alike; a ratio is the median of the rounds' ratios.  Each server is started for its run, on the loopback
# interface, and ended.  Exit status 1: something failed, or Runnel lost an element.
set -uo pipefail
export LC_ALL=C
cd "${0%/*}/.." || exit 1

systems=(runnel nats redis zeromq zeromq-proxy)
rows=(16B 128B 1KiB 16KiB 1MiB 4to4 channels by-hand curve latency)
chosen=()
rounds=5
seconds=2
write=no
build=build/bench
. bench/lib.sh

usage() {
  sed -n '4,9s/^# \{0,1\}//p' "$0"
}

while (($#)); do
  case $1 in
  -h | --help) usage && exit 0 ;;
  --write) write=yes ;;
  *)
    shared_option "$1" "${2:-}" "${rows[@]}" || wrong_use "unknown argument '$1'"
    shift
    ;;
  esac
  shift
done
((${#chosen[@]} > 0)) || chosen=("${rows[@]}")

work=$(mktemp -d "${TMPDIR:-/tmp}/peers.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# ---- installing and building ----
packages=(nats-server redis-server libnats-dev libhiredis-dev)

# Debian starts a server that it installs; the systems' own are none of our business, and none is wanted.
install_peers() {
  local as_root=() missing=() package
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  ((EUID == 0)) || as_root=(sudo -n)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -qq install -y --no-install-recommends "${missing[@]}" </dev/null
}

build_peers() {
  "${CC:-cc}" -std=gnu17 -O2 -g -D_GNU_SOURCE= -I. -Wall -Wextra -o "$build/peers" bench/peers/*.c node/ctl/measure/*.c \
    -lnats -lhiredis -lzmq -lpthread -lm
}

steps install_peers build_runnel build_peers

# ---- running ----
work_of() { # ROW: the arguments that both programs take
  case $1 in
  16B) echo throughput --size 16 ;;
  128B) echo throughput --size 128 ;;
  1KiB) echo throughput --size 1024 ;;
  16KiB) echo throughput --size 16384 ;;
  1MiB) echo throughput --size 1048576 ;;
  4to4) echo throughput --size 128 --producers 4 --consumers 4 ;;
  channels) echo throughput --size 128 --channels 10000 ;;
  by-hand) echo throughput --size 128 ;;
  curve) echo throughput --size 128 --curve ;;
  latency) echo latency --size 128 ;;
  esac
}

value() { # NAME: of the object that was printed
  json_number "$1" "$work/out"
}

# Who can do it.  NATS without JetStream and ZeroMQ have no acknowledgements; Redis has them for streams.
does() { # ROW SYSTEM
  case $1 in
  channels) [[ $2 == runnel || $2 == nats || $2 == zeromq ]] ;;
  by-hand) [[ $2 == runnel || $2 == redis ]] ;;
  curve) [[ $2 == runnel || $2 == zeromq ]] ;;
  esac
}

failed=0
one() { # ROUND ROW SYSTEM
  local command=("$build/peers" "$3") arguments
  [[ $3 == runnel ]] && command=("$build/bin/runnel" bench)
  read -ra arguments <<<"$(work_of "$2")"
  if [[ $3 == runnel ]]; then
    arguments+=(--json)
    [[ $2 == by-hand ]] && arguments+=(--manual-ack)
  fi
  [[ $2,$3 == by-hand,redis ]] && command=("$build/peers" redis-stream)
  if ! timeout 120 "${command[@]}" "${arguments[@]}" --runs 1 --seconds "$seconds" >"$work/out" 2>"$work/err"; then
    echo "bench/peers.sh: $3 failed at $2: $(tail -n 1 "$work/err")" >&2
    failed=1
    return
  fi
  echo "$1 $2 $3 $(value elements_per_s) $(value cpu_s_per_million) $(value broker_rss_mb) $(value lost) $(value p50_us)" \
    "$(value p99_us)" >>"$work/results"
}

for ((round = 1; round <= rounds; round++)); do
  for row in "${chosen[@]}"; do
    [[ -t 2 ]] && printf '\r\033[Kround %d of %d: %s' "$round" "$rounds" "$row" >&2
    for system in "${systems[@]}"; do
      does "$row" "$system" || continue
      one "$round" "$row" "$system"
    done
  done
done
[[ -t 2 ]] && printf '\r\033[K' >&2
touch "$work/results"

# ---- the table ----
version() { # PACKAGE
  dpkg-query -W -f '${Version}' "$1" 2>/dev/null | sed -E 's/^[0-9]+://; s/-.*//'
}

heading() {
  cat <<TEXT
Measured $(date -u +%F) on $(machine): $rounds rounds, in each all systems in turn, $seconds s each. Runnel
$("$build/bin/runnel" --version | cut -d' ' -f2), NATS $(version nats-server) (client for C $(version libnats-dev)), Redis
$(version redis-server) (lists, streams for what is acknowledged; hiredis $(version libhiredis-dev)), ZeroMQ $(version libzmq5) (PUSH to PULL, direct and through a
proxy; XPUB to SUB for channels). Per second: medians; the ratios, medians of the rounds' ratios, say more than the figures do.

TEXT
}

awk_common=$awk_numbers'
  # round row system rate cpu rss lost p50 p99
  {
    if (!($2 in seen)) { seen[$2] = 1; rows[++n_rows] = $2 }
    rate[$2, $3] = rate[$2, $3] " " $4; cpu[$2, $3] = cpu[$2, $3] " " $5; rss[$2, $3] = rss[$2, $3] " " $6
    lost[$2, $3] += $7; p50[$2, $3] = p50[$2, $3] " " $8; p99[$2, $3] = p99[$2, $3] " " $9
    r[$1, $2, $3] = $4; c[$1, $2, $3] = $5; l[$1, $2, $3] = $8
    if ($1 > n_rounds) n_rounds = $1
  }
  # Of ours to that of another system, within each round: how many times as fast, how much of its CPU time, of its latency.
  function figure(format, x) { return x == 0 ? "-" : sprintf(format, x) }
  function times(x) { return x == 0 ? "-" : sprintf("%.2f", x) }
  # What is acknowledged by hand is compared with what is not.
  function ratio(what, row, other,   k, list, a, b, its) {
    its = row == "by-hand" ? "128B" : row
    for (k = 1; k <= n_rounds; k++) {
      a = what == "rate" ? r[k, row, "runnel"] : what == "cpu" ? c[k, row, "runnel"] : l[k, row, "runnel"]
      b = what == "rate" ? r[k, its, other] : what == "cpu" ? c[k, its, other] : l[k, its, other]
      if (a > 0 && b > 0) list = list " " a / b
    }
    return median(list)
  }
  BEGIN { n_systems = split("runnel nats redis zeromq zeromq-proxy", systems, " ")
          title["runnel"] = "Runnel"; title["nats"] = "NATS"; title["redis"] = "Redis"; title["zeromq"] = "ZeroMQ"
          title["zeromq-proxy"] = "ZeroMQ, proxy"
          label["16B"] = "16 B"; label["128B"] = "128 B"; label["1KiB"] = "1 KiB"; label["16KiB"] = "16 KiB"
          label["1MiB"] = "1 MiB"; label["4to4"] = "4 to 4, 128 B"; label["curve"] = "128 B, encrypted"
          label["channels"] = "10,000 channels, 128 B"; label["by-hand"] = "128 B, acknowledged by hand"
          label["latency"] = "round trip" }
'

table() {
  awk "$awk_common"'
    END {
      print "| elements per second | Runnel | NATS | Redis | ZeroMQ | through a proxy | ours / NATS | ours / ZeroMQ |"
      print "|---|---|---|---|---|---|---|---|"
      for (i = 1; i <= n_rows; i++) {
        row = rows[i]
        if (row == "latency") continue
        printf "| %s", label[row]
        for (s = 1; s <= n_systems; s++) printf " | %s", human(median(rate[row, systems[s]]))
        printf " | %s | %s |\n", times(ratio("rate", row, "nats")), times(ratio("rate", row, "zeromq"))
      }
      print "\n| CPU seconds per million | Runnel | NATS | Redis | ZeroMQ | through a proxy | ours / NATS | ours / ZeroMQ |"
      print "|---|---|---|---|---|---|---|---|"
      for (i = 1; i <= n_rows; i++) {
        row = rows[i]
        if (row == "latency") continue
        printf "| %s", label[row]
        for (s = 1; s <= n_systems; s++) printf " | %s", figure("%.3g", median(cpu[row, systems[s]]))
        printf " | %s | %s |\n", times(ratio("cpu", row, "nats")), times(ratio("cpu", row, "zeromq"))
      }
      print "\n| memory of what stands in between, MB | Runnel | NATS | Redis | ZeroMQ | through a proxy |"
      print "|---|---|---|---|---|---|"
      for (i = 1; i <= n_rows; i++) {
        row = rows[i]
        if (row == "latency") continue
        printf "| %s", label[row]
        for (s = 1; s <= n_systems; s++) printf " | %s", systems[s] == "zeromq" ? "-" : figure("%.1f", median(rss[row, systems[s]]))
        print " |"
      }
      if (seen["latency"]) {
        print "\n| round trip, 1,000 a second, us | Runnel | NATS | Redis | ZeroMQ | through a proxy | ours / NATS |"
        print "|---|---|---|---|---|---|---|"
        printf "| p50"
        for (s = 1; s <= n_systems; s++) printf " | %.0f", median(p50["latency", systems[s]])
        printf " | %.2f |\n| p99", ratio("p50", "latency", "nats")
        for (s = 1; s <= n_systems; s++) printf " | %.0f", median(p99["latency", systems[s]])
        print " | |"
      }
      for (i = 1; i <= n_rows; i++)
        for (s = 1; s <= n_systems; s++)
          if (lost[rows[i], systems[s]] > 0)
            printf "\nLost by %s at %s: %d elements.\n", title[systems[s]], label[rows[i]], lost[rows[i], systems[s]]
    }' "$work/results"
}

# Bars of what each system does in a second, NATS being 1.
plot() {
  awk "$awk_common"'
    END {
      split("#1b6ca8 #27ae60 #c0392b #8e44ad #b39ddb", colour, " ")
      for (i = 1; i <= n_rows; i++) if (rows[i] != "latency" && rows[i] != "curve" && rows[i] != "by-hand") bar_rows[++n] = rows[i]
      bar = 12; gap = 18; left = 160; width = 530; top = 56
      group = n_systems * bar + gap
      for (i = 1; i <= n; i++)
        for (s = 1; s <= n_systems; s++) {
          base = median(rate[bar_rows[i], "nats"])
          v = base > 0 ? median(rate[bar_rows[i], systems[s]]) / base : 0
          if (v > most) most = v
        }
      if (most <= 0) most = 1
      height = top + n * group + 30
      printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", \
        left + width + 60, height
      printf "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
      printf "<text x=\"10\" y=\"18\" font-size=\"14\">Elements per second, NATS = 1 (longer is better)</text>\n"
      for (s = 1; s <= n_systems; s++)
        printf "<rect x=\"%d\" y=\"28\" width=\"11\" height=\"11\" fill=\"%s\"/><text x=\"%d\" y=\"38\">%s</text>\n", \
          10 + (s - 1) * 120, colour[s], 26 + (s - 1) * 120, title[systems[s]]
      x = left + width / most
      printf "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#999\" stroke-dasharray=\"3,3\"/>\n", x, top - 6, x, height - 24
      for (i = 1; i <= n; i++) {
        y = top + (i - 1) * group
        printf "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left - 8, y + n_systems * bar / 2 + 4, label[bar_rows[i]]
        for (s = 1; s <= n_systems; s++) {
          base = median(rate[bar_rows[i], "nats"]); v = base > 0 ? median(rate[bar_rows[i], systems[s]]) / base : 0
          if (v == 0) continue
          printf "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", left, y + (s - 1) * bar, v / most * width, bar - 1, colour[s]
          printf "<text x=\"%.1f\" y=\"%.1f\" font-size=\"10\">%.2f</text>\n", left + v / most * width + 4, y + s * bar - 3, v
        }
      }
      print "</svg>"
    }' "$work/results"
}

{
  heading
  table
} >"$work/table"
cat "$work/table"

if [[ $write == yes ]]; then
  plot >docs/benchmarks-peers.svg
  {
    echo "![Elements per second beside other systems](benchmarks-peers.svg)"
    echo
    cat "$work/table"
  } >"$work/section"
  doc_put peers "$work/section"
fi

awk '$3 == "runnel" && $7 > 0 { bad = 1 } END { exit bad }' "$work/results" || failed=1
exit $failed
