#!/usr/bin/env bash
# `runnel bench`: runs of a moment give well-formed figures and exact counts, what goes wrong is one sentence, and no
# process is left behind.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
cd "$work" || exit
absent=tcp://127.0.0.1:1
export RUNNEL_URL=$absent # not heeded

# The number that a name has in the object that was printed.
value() { # NAME
  grep -oE "\"$1\":(-?[0-9.]+|null|true|false|\"[a-z]*\")" out | head -n 1 | cut -d: -f2
}

is() { # NAME VALUE
  [[ $(value "$1") == "$2" ]] || fail "$1 is '$(value "$1")', not '$2': $(<out)"
}

positive() { # NAME...
  local name
  for name in "$@"; do
    awk -v x="$(value "$name")" 'BEGIN { exit !(x + 0 > 0) }' || fail "$name is '$(value "$name")': $(<out)"
  done
}

# Of a run of a moment on a busy machine there may be nothing to tell: then it is tried again.
measured() { # KIND [OPTIONS]...
  local try
  for try in 1 2 3 4 5; do
    measured_once "$@"
    [[ $(value elements_per_s) == 0 || $(value p50_us) =~ ^(null|0\.0)$ ]] || break
  done
  positive elements_per_s p50_us p99_us p999_us p9999_us
}

# One object in one line, and nothing lost; several consumers may see something out of order.
measured_once() { # KIND [OPTIONS]...
  timeout -k 1 120 runnel bench "$@" --json >out 2>err || fail "exit status $?: runnel bench $* ($(<err))"
  [[ ! -s err ]] || fail "says '$(<err)': runnel bench $*"
  [[ $(wc -l <out) -eq 1 && $(head -c 1 out) == "{" && $(tail -c 2 out) == "}" ]] || fail "no object in one line: $(<out)"
  is system '"runnel"'
  is kind "\"$1\""
  is lost 0
  is doubled 0
  [[ $(value consumers) -gt 1 ]] || is disordered 0
}

short=(--seconds 0.1 --runs 1)
measured throughput "${short[@]}"
is capacity 16384
is size 128
positive mb_per_s cpu_s_per_million cpu_s_per_million_producers cpu_s_per_million_broker cpu_s_per_million_consumers broker_rss_mb
measured throughput "${short[@]}" --size 16 --producers 3 --consumers 2 --capacity 64 --channels 2
is capacity 64
is producers 3
is consumers 2
measured throughput "${short[@]}" --size 65536
measured throughput "${short[@]}" --capacity 0 --confirm
is capacity 0
is confirm true
measured throughput "${short[@]}" --manual-ack
is manual_ack true
RUNNEL_KEY=missing RUNNEL_BROKER_KEY=none measured throughput "${short[@]}" # not heeded
is curve false
TMPDIR=$work measured throughput "${short[@]}" --curve
is curve true
[[ -z $(find "$work" -name 'runnel-bench*') ]] || fail "leaves keys behind: $(find "$work" -name 'runnel-bench*')"
measured latency "${short[@]}" --rate 200
measured latency "${short[@]}" --load --size 100
is load true
measured fanin "${short[@]}" --keep memory
is producers 8
measured channels "${short[@]}" --channels 50
positive broker_bytes_per_channel
measured connections "${short[@]}" --connections 60
positive broker_kib_per_connection
measured slow --seconds 0.3 --runs 2
is runs 2

# A table for people, medians with least and most; the figures of a broker that is not ours are not known.
broker_start
runnel bench throughput --seconds 0.05 --runs 3 --broker "$RUNNEL_URL" >out || fail "a broker that runs is not used: $(<out)"
grep -q "^runnel throughput: elements of 128 bytes, 1 -> 1, capacity 16384, 3 runs of 0.05 s" out || fail "prints $(<out)"
grep -Eq "^  elements +[0-9]+ 1/s +\([0-9]+ \.\. [0-9]+\)" out || fail "prints $(<out)"
if grep -q "peak memory" out; then fail "knows the memory of a broker that it did not start: $(<out)"; fi
runnel ls | awk 'NR > 1 && $NF == "open"' >left
[[ ! -s left ]] || fail "leaves channels behind: $(<left)"

# On a terminal it says how far it is; what is above has nothing on standard error, which is none.
script -qec "runnel bench throughput --seconds 0.6 --runs 1" /dev/null </dev/null >out || fail "exit status $? on a terminal"
grep -q "run 1: [0-9.]* s, [0-9]* elements/s" out || fail "does not say on a terminal how far it is: $(<out)"

# The script that measures along axes, with next to nothing along each.
"${RUNNEL_SOURCE:?the root of the tree}/bench/curves.sh" --quick --bin "$RUNNEL_BIN" >out 2>err || fail "exit status $?: curves.sh ($(<err))"
for row in "64 KiB" rendezvous 3 10; do
  grep -Eq "^\| $row \| [0-9.]+( [kM])? \| [0-9.e+]+ \|" out || fail "curves.sh has no row for $row: $(<out)"
done

gives() { # STATUS PATTERN ARGUMENT...
  local status=0 want=$1 pattern=$2
  shift 2
  timeout -k 1 60 runnel bench "$@" >out 2>err || status=$?
  [[ $status -eq $want ]] || fail "exit status $status, not $want: runnel bench $* ($(<err))"
  grep -Eq -- "$pattern" err || fail "says '$(<err)', nothing that matches '$pattern': runnel bench $*"
  [[ $want -ne 1 || $(wc -l <err) -eq 1 ]] || fail "says more than one sentence: runnel bench $* ($(<err))"
  [[ ! -s out ]] || fail "prints $(<out): runnel bench $*"
}

gives 2 "what is to be measured"
gives 2 "not 'speed'"              speed
gives 2 "not also 'latency'"       throughput latency
gives 2 "at least 16"              throughput --size 15
gives 2 "at most 67108864"         throughput --size 67108865
gives 2 "positive whole number"    throughput --producers none
gives 2 "size.* not '0'"           throughput --size 0
gives 2 "consumers.* not '0'"      throughput --consumers 0
gives 2 "capacity takes 0 .*'-1'"  throughput --capacity -1
gives 2 "capacity takes 0 .*648"   throughput --capacity 2147483649
gives 2 "0\.05 to 86400"           throughput --seconds 0
gives 2 "seconds.* not '-1'"       throughput --seconds -1
gives 2 "manual-ack needs a buffer" throughput --manual-ack --capacity 0
gives 2 "rate is for latency"      fanin --rate 10
gives 2 "channels is not for lat"  latency --channels 1
gives 2 "producers and --consumers" latency --consumers 2
gives 2 "consumers times --chan"   channels --consumers 10000 --channels 1000000
gives 2 "at most 99"               throughput --runs 100
gives 2 "memory or disk"           throughput --keep safe
gives 2 "load is for latency"      throughput --load
gives 1 "cannot keep elements on disk" throughput --keep disk
gives 1 "for a broker of the run's own" throughput --curve --broker "$absent"
gives 1 "no broker answers at $absent" throughput --broker "$absent" --wait 0.2
gives 1 "nonsense.*tcp://HOST:PORT" latency --broker nonsense

some_taken() {
  runnel ls 2>/dev/null | awk 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "TAKEN") at = i }
                               NR > 1 && $at + 0 > 0 { some = 1 } END { exit !some }'
}

# The broker of a run is killed: one sentence.  What the processes are called is how we find those of this run.
children() { # PID
  cat "/proc/$1/task/$1/children" 2>/dev/null
}
named() { # PID NAME: the child of PID that has this name
  local child
  for child in $(children "$1"); do
    [[ $(<"/proc/$child/comm") == "$2" ]] 2>/dev/null && echo "$child" && return
  done
  return 1
}
start bench runnel bench throughput --seconds 60 --runs 1 >out
bench=$pid
eventually "the producer is there" named "$bench" bench-producer >producer
kill_hard "$(named "$bench" runnel-broker)"
ends_with 1 "$bench" "a measurement whose broker was killed"
grep -Eq "^runnel: the broker ended before the run did: signal 9 \(Killed\)$" bench.err || fail "says '$(<bench.err)'"
[[ $(wc -l <bench.err) -eq 1 ]] || fail "says more than one sentence: $(<bench.err)"

# So is one that was there before, of which its nodes learn nothing until their lease is over.
broker_start
start bench env RUNNEL_LEASE=500ms runnel bench throughput --seconds 60 --runs 1 --broker "$RUNNEL_URL" >out
bench=$pid
eventually "the producer is there" named "$bench" bench-producer >producer
eventually "elements are under way" some_taken
kill_hard "$broker"
ends_with 1 "$bench" "a measurement whose broker was killed"
grep -Eq "^runnel: the broker at $RUNNEL_URL has ended, or has not answered for too long$" bench.err || fail "says '$(<bench.err)'"
[[ $(wc -l <bench.err) -eq 1 ]] || fail "says more than one sentence: $(<bench.err)"

# The tool itself is killed: nobody stays.
gone() { # PID...
  local p
  for p in "$@"; do
    [[ ! -e /proc/$p ]] || state_is "$p" Z || return 1
  done
}
start bench runnel bench latency --seconds 60 >out
bench=$pid
eventually "the producer is there" named "$bench" bench-ping >producer
read -ra all <<<"$(children "$bench")"
[[ ${#all[@]} -eq 3 ]] || fail "there are ${#all[@]} processes, not a broker, a ping and an echo"
kill_hard "$bench"
eventually "all processes are gone" gone "${all[@]}"

# It is interrupted, as by Ctrl-C: the signal comes to all of them.  (A shell's background jobs do not heed it by default.)
start bench setsid env --default-signal=INT runnel bench throughput --seconds 60 >out
bench=$pid
eventually "the producer is there" named "$bench" bench-producer >producer
read -ra all <<<"$(children "$bench")"
kill -INT -- "-$bench"
ends_with 130 "$bench" "a measurement that is interrupted"
eventually "all processes are gone" gone "${all[@]}"
broker_start
balanced
