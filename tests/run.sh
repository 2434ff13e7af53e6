#!/usr/bin/env bash
# All tests, on a bare Debian 12, as root or with sudo: installs what is needed, builds, runs.   SPDX-License-Identifier: MIT
#
#   tests/run.sh [--long] [--only STAGE]...
#
#   --long        many more seeds, more fuzzing, repeated suites (hours)
#   --only STAGE  this stage (again: and this one), of:
#                   lint   who includes whom, formatting
#                   model  the protocol of the rendezvous, every state of it
#                   gcc    release build with gcc, all suites
#                   clang  build with clang and slow checks, all suites
#                   asan   the suites under AddressSanitizer and UBSan
#                   tsan   the suites under ThreadSanitizer; programs that race, and a storm of operations that does not
#                   e2e    whole processes, and the installed library, on the release build; spoilt sessions against it
#                   sim    the simulator: whole clusters from a seed
#                   loom   the runtime's own code under every schedule that matters, in virtual threads
#                   mutants  faults put into the core, the session and the node: the simulator finds them; into the
#                          runtime: loom does
#                   fuzz   what decodes bytes from outside, and what acts on what they say
#                   aarch64  the suites built for 64-bit ARM, under qemu-user; by itself only with --long
#
# A line per stage while all is well; the failing log when not (all logs stay in build/logs).  The last line counts the
# tests: the cases of each suite in each stage, scripts, configurations and mutants of the model, simulated clusters in one,
# mutants of the code, fuzzers.  Exit status 1: one failed.
set -uo pipefail
export LC_ALL=C
cd "${0%/*}/.." || exit 1

stages=(lint model gcc clang asan tsan e2e sim loom mutants fuzz aarch64)

# How much, and what is too little to count as tested.
sim_seeds=2000 sim_seconds=90 sim_floor=200 sim_from=1
graphs=10000 graphs_seconds=40 graphs_floor=1000
loom_seconds=30 loom_schedules=0 # all units together; 0: as many as there is time for
# How many of each at least, also when that takes longer, as on a busy machine.
loom_units=(
  "block 20000"
  "chan_buffer 20000"
  "chan_close 20000"
  "chan_close_crowd 20000"
  "chan_close_late 20000"
  "chan_drain 20000"
  "chan_meet 20000"
  "chan_refuse 20000"
  "chan_thread 20000"
  "chan_timeout 20000"
  "claim 200000"
  "claim_fire 100000"
  "claim_knock 100000"
  "claim_talks 100000"
  "claim_timeout 200000"
  "cond 20000"
  "cond_broadcast 20000"
  "cond_timeout 20000"
  "group_cancel 20000"
  "group_deadline 20000"
  "group_wait 20000"
  "idle_blocked 20000"
  "idle_newborn 20000"
  "idle_one 20000"
  "idle_push 20000"
  "idle_ready 20000"
  "idle_spread 20000"
  "lock 80000"
  "mutex 20000"
  "mutex_asked 20000"
  "mutex_calm 20000"
  "mutex_kept 20000"
  "mutex_starved 20000"
  "mutex_threads 20000"
  "mutex_wiped 40000"
  "note_fd 20000"
  "note_order 20000"
  "note_set 20000"
  "once_goroutines 20000"
  "once_threads 40000"
  "newborns_last 200000"
  "newborns_room 100000"
  "park 20000"
  "park_thread 20000"
  "poll_close 20000"
  "poll_evict 20000"
  "poll_ready 20000"
  "poll_timeout 20000"
  "relief 20000"
  "relief_ends 20000"
  "relief_rest 20000"
  "runq_full 50000"
  "runq_idle 200000"
  "runq_next 100000"
  "runq_steal 50000"
  "rwmutex 20000"
  "rwmutex_threads 20000"
  "select_cancel 20000"
  "select_close 20000"
  "select_cross 20000"
  "select_crowd 20000"
  "select_recv 20000"
  "select_timeout 20000"
  "sem 20000"
  "sem_give 20000"
  "sem_timeout 20000"
  "stop_waits 20000"
  "take_over 50000"
  "take_over_full 100000"
  "timer_move 20000"
  "timer_sleep 20000"
  "timer_stop 20000"
  "timer_thread 60000"
  "waitgroup 20000"
  "yield 20000"
)
mutants_seconds=25 mutants_floor=4
runtime_mutants_seconds=18 runtime_mutants_floor=5
fuzz_seconds=60 # all targets at once
# What each does at least in that time, what it does in a long run (100 million in all), and its longest input.
fuzz_targets=(
  "core       4000  1200000 1024"
  "envelope  10000  4000000 4096"
  "frame     20000  8000000 4096"
  "name     100000 71350000  300"
  "node        400    50000  512"
  "section   40000 12000000 1024"
  "session   10000  3000000  512"
  "shard      2000   400000 1024"
)
vandals_seconds=12 vandals_floor=4000 vandals_mib=64 # sessions; memory of the broker, and 1 KiB for each of them
rounds=200 rounds_seconds=30 rounds_floor=4 rounds_seed=1 # of each kind; of all kinds together
storm_ops=1000000000 storm_seconds=10 storm_floor=2000000
repeat=1

usage() {
  sed -n '4,20s/^# \{0,1\}//p' "$0"
}

wrong_use() {
  echo "tests/run.sh: $*" >&2
  usage >&2
  exit 2
}

chosen=()
long=no
while (($#)); do
  case $1 in
  -h | --help) usage && exit 0 ;;
  --long) long=yes ;;
  --only)
    [[ " ${stages[*]} " == *" ${2:-none} "* ]] || wrong_use "--only needs a stage: ${stages[*]}"
    chosen+=("$2")
    shift
    ;;
  *) wrong_use "unknown argument '$1'" ;;
  esac
  shift
done
if [[ $long == yes ]]; then
  sim_seeds=100000 sim_seconds=7200 sim_floor=100000 sim_from=$((RANDOM * 1000000 + 1))
  graphs=100000 graphs_seconds=3600 graphs_floor=10000
  loom_schedules=1000000
  mutants_seconds=0 mutants_floor=0 # all of them
  runtime_mutants_seconds=0 runtime_mutants_floor=0
  fuzz_seconds=0 # as long as it takes
  vandals_seconds=600 vandals_floor=150000
  rounds_seconds=0 rounds_floor=200 rounds_seed=$((RANDOM * 1000000 + 1)) # as long as it takes
  storm_seconds=0 storm_floor=$storm_ops # as long as it takes
  repeat=5
  export RUNNEL_LARGE_MIB=1024 # of tests/e2e/large.sh
fi
if ((${#chosen[@]} == 0)); then
  chosen=("${stages[@]}")
  [[ $long == yes ]] || unset 'chosen[-1]'
fi

jobs=$(nproc)
logs=$PWD/build/logs
if ! mkdir -p "$logs" || [[ ! -w $logs || ! -w build ]]; then
  echo "tests/run.sh: cannot write to $PWD/build (built by another user? remove it)" >&2
  exit 1
fi
# Nothing of the caller's surroundings decides.
unset CORE_SEED CORE_RUNS RUNNEL_URL RUNNEL_LEASE RUNNEL_KEY RUNNEL_BROKER_KEY RUNNEL_BIN RUNNEL_BUILD RN_TEST_WORKERS RN_WORKERS
unset CFLAGS CXXFLAGS LDFLAGS CC CXX ASAN_OPTIONS TSAN_OPTIONS UBSAN_OPTIONS

passed=0
failed=0
log= # of the stage that runs
note=

count() { # PASSED FAILED
  passed=$((passed + $1))
  failed=$((failed + $2))
}

# One test: a command, whose output goes to the log.
one() { # WHAT COMMAND...
  local what=$1
  shift
  echo "== $what: $*" >>"$log"
  if "$@" >>"$log" 2>&1; then
    count 1 0
  else
    echo "== $what: FAILED" >>"$log"
    count 0 1
    return 1
  fi
}

# Sanitizers of that age do not know the widest address space randomization of newer kernels.
steady=()
setarch -R true 2>/dev/null && steady=(setarch -R)

build() { # DIRECTORY COMPILER PRESET [TARGET]
  {
    CC=$2 cmake --preset "$3" -B "$1" -DRUNNEL_TESTS=ON -DRUNNEL_WERROR=ON &&
      cmake --build "$1" -j "$jobs" --target "${4:-all}"
  } >>"$log" 2>&1 || {
    echo "== the build in $1 failed" >>"$log"
    count 0 1
    return 1
  }
}

# Cases from ctest's own report: those of cmocka where a program says them, else the program is one.
count_cases() { # JUNIT-FILE; prints "passed failed skipped"
  awk '
    /<testcase / { cases_ok = cases_bad = listed = 0; status = $0; sub(/.* status="/, "", status); sub(/".*/, "", status) }
    /\[       OK \]/ { listed++ }
    match($0, /\[  PASSED  \] [0-9]+ test/) { cases_ok += substr($0, RSTART + 13) + 0 }
    match($0, /\[  FAILED  \] [0-9]+ test/) { cases_bad += substr($0, RSTART + 13) + 0 }
    /<\/testcase>/ {
      if (status == "run") ok += cases_ok ? cases_ok : 1
      else if (status == "fail") { ok += cases_ok ? cases_ok : listed; bad += cases_bad ? cases_bad : 1 }
      else skipped++
    }
    END { print ok + 0, bad + 0, skipped + 0 }' "$1"
}

suites() { # DIRECTORY CTEST-ARGUMENTS...
  local dir=$1 report status=0 ok bad skipped
  shift
  report=$logs/${log##*/}
  report=${report%.log}.xml
  rm -f "$report"
  "${steady[@]}" ctest --test-dir "$dir" -j "$jobs" --no-tests=error --output-on-failure --output-junit "$report" \
    --test-output-size-passed 1048576 --test-output-size-failed 1048576 --repeat "until-fail:$repeat" "$@" >>"$log" 2>&1 || status=1
  [[ -s $report ]] || {
    count 0 1
    return 1
  }
  read -r ok bad skipped < <(count_cases "$report")
  ((status == 0 || bad > 0)) || bad=1
  count "$ok" "$bad"
  ((skipped == 0)) || note=" ($skipped skipped)"
  return "$status"
}

stage_lint() {
  local status=0
  one layers tests/lint/layers || status=1
  one layers_test tests/lint/layers_test || status=1
  one format tests/lint/format || status=1
  one go_tests tests/lint/go_tests || status=1
  return $status
}

stage_model() {
  local long_model=() status=0 ok found bad
  [[ $long == no ]] || long_model=(--long)
  echo "== model: tests/model/check ${long_model[*]}" >>"$log"
  tests/model/check "${long_model[@]}" >>"$log" 2>&1 || status=1
  read -r ok found bad < <(awk '/ states$/ && $3 == "ok" { ok++ } $3 == "found" { found++ } $3 == "FAILED:" { bad++ }
    END { print ok + 0, found + 0, bad + 0 }' "$log")
  ((status == 0 || bad > 0)) || bad=1
  count $((ok + found)) "$bad"
  note=$(sed -n 's/^model: [0-9]* configurations, \([0-9]* states\), \([0-9]* mutants\) found$/ (\1, \2)/p' "$log")
  ((bad == 0))
}

stage_gcc() {
  build build/release gcc release || return 1
  suites build/release -LE 'e2e|sim' || return 1
  [[ $long == no ]] || RN_TEST_WORKERS=1 suites build/release -L runtime || return 1
  [[ $long == no ]] || RN_TEST_WORKERS=8 suites build/release -L runtime
}

stage_clang() {
  build build/clang clang dev && suites build/clang -LE e2e
}

stage_asan() {
  local status=0
  build build/asan gcc asan || return 1
  # The builds without sanitizers do more random runs of the core in the same time.
  [[ $long == yes ]] || export CORE_RUNS=100
  suites build/asan -LE e2e || status=1
  unset CORE_RUNS
  ((status == 0)) || return 1
  [[ $long == no ]] || RUNNEL_BUILD=$PWD/build/asan one vandals "${steady[@]}" env ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=0 \
    tests/e2e/vandals.sh --seconds "$vandals_seconds" --floor "$((vandals_floor / 10))"
}

stage_tsan() {
  local status=0
  # The core has no threads: few of its random runs.
  build build/tsan clang tsan && CORE_RUNS=30 suites build/tsan -LE e2e || status=1
  build build/race clang race races && suites build/race -L race || status=1
  one storm "${steady[@]}" build/race/tests/storm --ops "$storm_ops" --seconds "$storm_seconds" --floor "$storm_floor" || status=1
  ((status != 0)) || note+=$(sed -n 's/^storm: \([0-9]* operations\) in .*/ (storm: \1)/p' "$log" | tail -n 1)
  return $status
}

stage_e2e() {
  local status=0
  build build/release gcc release || return 1
  suites build/release -L e2e || status=1
  RUNNEL_BUILD=$PWD/build/release one rounds tests/e2e/rounds.sh \
    --rounds "$rounds" --seconds "$rounds_seconds" --floor "$rounds_floor" --seed "$rounds_seed" || status=1
  RUNNEL_BUILD=$PWD/build/release one vandals tests/e2e/vandals.sh \
    --seconds "$vandals_seconds" --floor "$vandals_floor" --rss "$vandals_mib" || status=1
  ((status != 0)) || note+=$(awk '/^rounds: .* rounds, / { rounds += $3; sent += $5 } END {
    printf " (%d rounds of faults, %d sent, 0 lost, 0 doubled)", rounds, sent }' "$log")
  ((status != 0)) || note+=$(sed -n 's/^vandals: \([0-9]* \)\(sessions\) in .* the broker at most \([0-9]* MiB\).*/ (\1spoilt \2, the broker at most \3)/p' "$log")
  return $status
}

# Every branch that is marked as rare must have been taken, by one of the programs whose output is in the log; unless the time
# was too short for all seeds.
all_reached() {
  local never
  grep -q "^sim: $sim_seeds seeds" "$log" && grep -q "^sim_graphs: $graphs graphs" "$log" || return 0
  never=$(awk '/^ +[0-9]+  [a-z]+: / { n = $1; sub(/^ +[0-9]+  /, ""); sum[$0] += n }
    END { for (phrase in sum) if (sum[phrase] == 0) print phrase }' "$log")
  [[ -n $never ]] || return 0
  echo "== never reached, FAILED: $never" >>"$log"
  count 0 1
  return 1
}

stage_sim() {
  local status=0
  build build/release gcc release || return 1
  # The simulator stops by itself; a run that does not end is a failure as well.
  one simulator timeout -s ABRT $((sim_seconds + 60)) \
    build/release/tests/sim --from "$sim_from" --seeds "$sim_seeds" --seconds "$sim_seconds" --floor "$sim_floor" || status=1
  one "random graphs" timeout -s ABRT $((graphs_seconds + 60)) \
    build/release/tests/sim_graphs --from 1 --seeds "$graphs" --seconds "$graphs_seconds" --floor "$graphs_floor" || status=1
  all_reached || status=1
  note=$(sed -n 's/^sim: \([0-9]* seeds\) in .*: \([0-9]* sent\).*/ (\1, \2/p; s/^sim_graphs: \([0-9]* graphs\) in .*/; \1)/p' "$log" | tr -d '\n')
  return $status
}

# One after another, as many at a time as there are processors.  A unit prints a line, which is kept in its log.
loom_lane() { # NUMBER
  local i name floor rest much status=0
  for ((i = $1; i < ${#loom_units[@]}; i += jobs)); do
    read -r name floor rest <<<"${loom_units[i]}"
    much=(--seconds "$(((loom_seconds * 1000 * jobs) / ${#loom_units[@]}))e-3" --floor "$floor")
    ((loom_schedules == 0)) || much=(--schedules "$loom_schedules")
    timeout -s ABRT 3600 build/release/tests/loom --unit "$name" "${much[@]}" >"$logs/loom_$name.log" 2>&1 || status=1
  done
  return $status
}

stage_loom() {
  local status=0 lane pid pids=() row name floor rest sum=0 n known
  build build/release gcc release loom || return 1
  known=$(build/release/tests/loom --list | wc -l)
  if ((known != ${#loom_units[@]})); then
    echo "tests/loom has $known units, tests/run.sh knows ${#loom_units[@]}" >>"$log"
    count 0 1
    return 1
  fi
  for ((lane = 0; lane < jobs; lane++)); do
    loom_lane "$lane" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || status=1; done
  for row in "${loom_units[@]}"; do
    read -r name floor rest <<<"$row"
    cat "$logs/loom_$name.log" >>"$log"
    n=$(awk '/ schedules of about / { print $3 }' "$logs/loom_$name.log")
    if [[ -n $n ]] && ! grep -q FAILED "$logs/loom_$name.log"; then
      count 1 0
    else
      echo "== loom $name: FAILED" >>"$log"
      count 0 1
      status=1
    fi
    sum=$((sum + ${n:-0}))
  done
  note=" ($sum schedules of ${#loom_units[@]} units, each at least its floor)"
  return $status
}

# Each commit begins elsewhere in the list, so that all have their turn.
stage_mutants() {
  local status=0 from
  from=$((16#$(git rev-parse --short=7 HEAD 2>/dev/null || echo 1)))
  tests/mutants/run --from "$from" --seconds "$mutants_seconds" --floor "$mutants_floor" >>"$log" 2>&1 || status=1
  tests/mutants/run --loom --from "$from" --seconds "$runtime_mutants_seconds" --floor "$runtime_mutants_floor" >>"$log" 2>&1 || status=1
  count "$(grep -c '^found ' "$log")" "$(grep -cE '^(survived|stale|broken|invalid) ' "$log")"
  note=$(sed -n 's/^mutants: \(.*\)/ (\1)/p' "$log" | tr -d '\n')
  return $status
}

# Executions are what counts: in a long run so many of them, in a normal one as many as there is time for.
fuzz() { # TARGET FLOOR LONG-RUN LONGEST-INPUT
  local name=${1##*/} floor=$2 work status=0 done_units corpus=() much=("-max_total_time=$fuzz_seconds")
  [[ $long == no ]] || floor=$3 much=("-runs=$3")
  work=$(mktemp -d "${TMPDIR:-/tmp}/runnel-fuzz.XXXXXX")
  [[ -d tests/fuzz/corpus/${name#fuzz_} ]] && corpus=("tests/fuzz/corpus/${name#fuzz_}")
  "${steady[@]}" env ASAN_OPTIONS=detect_stack_use_after_return=0:quarantine_size_mb=32 "$1" "${much[@]}" -max_len="$4" \
    -len_control=10 -timeout=30 -rss_limit_mb=512 -malloc_limit_mb=16 -print_final_stats=1 -artifact_prefix="$logs/" "$work" "${corpus[@]}" \
    >"$logs/$name.log" 2>&1 || status=$?
  rm -rf "$work"
  done_units=$(awk '/^stat::number_of_executed_units:/ { print $2 }' "$logs/$name.log")
  if ((status == 0 && ${done_units:-0} < floor)); then
    echo "$name: only ${done_units:-0} executions, fewer than $floor" >>"$logs/$name.log"
    status=1
  fi
  return $status
}

stage_fuzz() {
  local found row name target pid pids=() status=0 units sum=0
  build build/fuzz clang fuzz fuzzers || return 1
  found=(tests/fuzz/fuzz_*.c)
  if ((${#found[@]} != ${#fuzz_targets[@]})); then
    echo "tests/fuzz has ${#found[@]} targets, tests/run.sh knows ${#fuzz_targets[@]}" >>"$log"
    count 0 1
    return 1
  fi
  for row in "${fuzz_targets[@]}"; do # all at once: they share the processors
    read -r name row <<<"$row"
    # shellcheck disable=SC2086 # the columns of the row
    fuzz "build/fuzz/fuzz/fuzz_$name" $row &
    pids+=("$!:fuzz_$name")
  done
  for pid in "${pids[@]}"; do
    target=${pid#*:}
    if wait "${pid%%:*}"; then
      count 1 0
    else
      echo "== $target FAILED:" >>"$log"
      tail -n 60 "$logs/$target.log" >>"$log"
      count 0 1
      status=1
    fi
    units=$(awk '/^stat::number_of_executed_units:/ { print $2 }' "$logs/$target.log")
    sum=$((sum + ${units:-0}))
    note+=" ${target#fuzz_} ${units:-0}"
  done
  note=" ($sum executions:$note)"
  return $status
}

# What is not run there, and why.  The programs of tests/e2e and tests/api are started by their paths, which the kernel does
# only with a binfmt_misc that a test has no business to register.
stage_aarch64() {
  local repeat=1 # an emulated machine is slow, and shows no more the second time
  {
    deploy/install-deps.sh cross && deploy/foreign-root.sh arm64 build/aarch64-root
  } >>"$log" 2>&1 || return 1
  build build/aarch64 aarch64-linux-gnu-gcc aarch64 || return 1
  # What a machine may do differently shows in a few of the core's random runs, or in none.
  [[ $long == yes ]] || local -x CORE_RUNS=50
  suites build/aarch64 -LE e2e
}

# What a reader needs of a log: not the tests that passed.
show() {
  echo "---- $log:"
  grep -vE '^ *[0-9]+/[0-9]+ Test +#.* Passed |^ *Start +[0-9]+: |^\[[0-9]+/[0-9]+\] |^-- |^Preset CMake |^  [A-Z_]+="|^$|^\[ RUN      \]|^\[       OK \]' "$log" | tail -n 200
  echo "----"
}

run_stage() { # NAME
  local begin=$SECONDS before_passed=$passed before_failed=$failed verdict=ok
  log=$logs/$1.log
  note=
  : >"$log"
  "stage_$1" || verdict=FAILED
  ((failed == before_failed)) || verdict=FAILED
  [[ $verdict == ok || $failed -gt $before_failed ]] || count 0 1
  printf '%-7s %-6s %5d passed, %d failed  %4d s%s\n' "$1" "$verdict" $((passed - before_passed)) $((failed - before_failed)) \
    $((SECONDS - begin)) "$note"
  [[ $verdict == ok ]] || show
}

begin=$SECONDS
if ! deploy/install-deps.sh test 2>"$logs/deps.log"; then
  cat "$logs/deps.log" >&2
  exit 1
fi
((SECONDS - begin < 3)) || printf '%-7s %-6s %29d s\n' deps ok $((SECONDS - begin))
for stage in "${chosen[@]}"; do
  run_stage "$stage"
done
printf 'total %37d s\n' $((SECONDS - begin))
echo "$passed passed, $failed failed"
((failed == 0))
