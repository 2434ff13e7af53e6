#!/usr/bin/env bash
# No goroutine hangs on a dead broker, killed or silent: whatever it was doing comes back by the end of the lease.
# SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
build=${RUNNEL_BUILD:?the build directory}

is_ready() { grep -q ready "$work/out"; }
for death in KILL STOP; do
  broker_start
  : >"$work/out"
  start stranded "$build/tests/e2e/stranded" >"$work/out"
  stranded=$pid
  eventually "all are under way" is_ready
  if [[ $death == KILL ]]; then
    kill_hard "$broker"
  else
    kill -STOP "$broker"
    eventually "the broker is stopped" state_is "$broker" T
  fi
  kill -USR1 "$stranded"
  status=0
  wait "$stranded" || status=$?
  sed "s/^/SIG$death: /" "$work/out"
  [[ $status -eq 0 ]] || fail "SIG$death: exit status $status: somebody came back late, or with what is not true"
done

# The one that was silent goes on, and nothing is left in it that does not balance.
kill -CONT "$broker"
balanced
