#!/usr/bin/env bash
# Spoilt ZMTP sessions against a live broker: it goes on serving those that keep to the protocol, in bounded memory.
# Without arguments some seconds of it; tests/run.sh does more; `vandals --help` says what there is.
# SPDX-License-Identifier: MIT
set -euo pipefail
build=${RUNNEL_BUILD:-${0%/*}/../../build/release}
export RUNNEL_BIN=${RUNNEL_BIN:-$build/bin}
if (($# == 0)); then
  set -- --seconds 3 --seed 1
fi
exec "$build/tests/e2e/vandals" "$@"
