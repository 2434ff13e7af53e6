#!/usr/bin/env bash
# Rounds of kill -9 and SIGSTOP of nodes and brokers under load: nothing is lost, nothing comes twice while sessions live.
# Without arguments a few of each kind; tests/run.sh does more; `rounds --help` says what there is.
# SPDX-License-Identifier: MIT
set -euo pipefail
build=${RUNNEL_BUILD:-${0%/*}/../../build/release}
export RUNNEL_BIN=${RUNNEL_BIN:-$build/bin}
if (($# == 0)); then
  set -- --rounds 2 --seed 2
fi
exec "$build/tests/e2e/rounds" "$@"
