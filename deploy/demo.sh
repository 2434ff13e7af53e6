#!/usr/bin/env bash
# demo.sh - on a bare Debian 12: installs what is needed, builds, and shows what Runnel does.   SPDX-License-Identifier: MIT
#
#   ./deploy/demo.sh        as root or with sudo rights, from any directory; takes a minute or two the first time
#
# Real work: the licence texts that every Debian carries go line by line from one node to two workers that compete for
# them; a fourth node adds up what they count.  The result must equal what tr, sort and uniq count.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
texts=/usr/share/common-licenses
bin=$top/build/release/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/runnel-demo.XXXXXX")
log=$work/log
started=()

finish() {
  local status=$? pid
  trap - EXIT INT TERM
  for pid in "${started[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
  done
  wait 2>/dev/null || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

die() {
  echo "demo: $*" >&2
  exit 1
}

case ${1:-} in
'') ;;
-h | --help) sed -n '4,7s/^# \{0,1\}//p' "$0" && exit 0 ;;
*)
  echo "demo: no argument is known but --help, not '$1'" >&2
  exit 2
  ;;
esac

say() {
  printf '\n== %s\n' "$*"
}

# A line per step; what the step prints is shown only when it fails.
step() { # WHAT COMMAND...
  local what=$1 begin=$SECONDS
  shift
  printf '   %-58s' "$what"
  if "$@" >"$log" 2>&1; then
    printf 'ok, %d s\n' $((SECONDS - begin))
  else
    printf 'failed\n'
    tail -n 25 "$log" >&2
    die "failed: $*"
  fi
}

start() { # COMMAND...: in the background, its pid in $pid
  "$@" <&0 &
  pid=$!
  started+=("$pid")
}

# Waits until `runnel ls` shows so many receivers at a channel.
bound() { # CHANNEL RECEIVERS
  local tries
  for ((tries = 0; tries < 200; tries++)); do
    [[ $(runnel ls | awk -v name="$1" '$1 == name { print $4 }') == "$2" ]] && return
    sleep 0.05
  done
  die "nobody receives from the channel $1"
}

build() {
  cd "$top" && cmake --preset release &&
    cmake --build --preset release --target runnel-broker runnel-node runnel tutorial \
      wordcount_lines wordcount_worker wordcount_collect
}

broker_start() {
  local line
  mkfifo "$work/broker"
  exec {from_broker}<>"$work/broker"
  start runnel-broker --listen tcp://127.0.0.1:0 >&"$from_broker"
  read -r -t 20 line <&"$from_broker" || die "the broker did not start"
  export RUNNEL_URL=${line##* }
  unset RUNNEL_KEY RUNNEL_BROKER_KEY
  echo "   $line"
}

node() { # NAME MODULE [ARGS...]: becomes a node that runs a module
  exec runnel-node --name "$1" --module "$bin/wordcount_$2.so" -- "${@:3}"
}

# ---- the main job ----
count_words() {
  local files=("$texts"/*) workers=() collector

  start node collector collect 2 "$work/counted" >"$work/report"
  collector=$pid
  for n in 1 2; do
    start node "worker-$n" worker
    workers+=("$pid")
  done
  bound lines 2
  bound counts 1
  # A sender that says nothing keeps the channel `lines`, and so its ledger, until we have looked at it.
  mkfifo "$work/nothing"
  # shellcheck disable=SC2034
  exec {nothing}<>"$work/nothing"
  start runnel send lines "$work/nothing" 2>"$log"
  (node reader lines "${files[@]}") || die "the reader failed"
  wait "${workers[0]}" || die "worker 1 failed"
  wait "${workers[1]}" || die "worker 2 failed"
  wait "$collector" || die "the collector failed"
  cat "$work/report"
}

compare() {
  cat "$texts"/* | tr '[:upper:]' '[:lower:]' | tr -cs '[:lower:]' '\n' | sed '/^$/d' | sort | uniq -c |
    awk '{ print $1, $2 }' | sort >"$work/expected"
  sort "$work/counted" | cmp - "$work/expected" || die "the result differs from what tr, sort and uniq count"
  echo "   $(wc -l <"$work/expected") different words: every count equals that of tr | sort | uniq -c"
}

[[ -n $(find "$texts" -maxdepth 1 -type f -print -quit 2>/dev/null) ]] ||
  die "$texts is missing: the texts that are counted are part of Debian's package base-files"

say "Installing and building"
step "libraries and compiler (deploy/install-deps.sh)" "$top/deploy/install-deps.sh" build
step "runnel-broker, runnel-node, runnel, the examples" build
PATH=$bin:$PATH

say "A broker, and four nodes: reader -> lines -> 2 workers -> counts -> collector"
broker_start
count_words

say "Is it right?"
compare

say "Is every element accounted for? (runnel audit)"
runnel audit || die "the ledgers do not balance"

say "Go's tutorial in one process, unbuffered"
tutorial || die "the tutorial failed"

say "The same two functions over the broker, unbuffered too"
tutorial numbers || die "the tutorial failed over the broker"
echo

say "Now you"
cat <<END
   PATH=$bin:\$PATH
   runnel-broker &
   runnel recv greetings &
   echo hello | runnel send greetings --close
   and then README.md, or runnel --help
END
