#!/usr/bin/env bash
# Under way, broker, producer and consumer take memory fewer than three times for a frame, ZeroMQ included, and never for an
# element: real processes, with their calls counted.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
build=${RUNNEL_BUILD:?the build directory}

# The sanitizers have allocators of their own.
if nm -D "$RUNNEL_BIN/runnel-broker" 2>/dev/null | grep -Eq '__(asan|tsan)_init'; then
  echo "this build is sanitized: nothing to count"
  exit 77
fi
"$build/tests/e2e/steady" "$RUNNEL_BIN/runnel-broker" "$build/tests/e2e/libcounting.so" "$work" >"$work/out" ||
  fail "exit status $?: $(<"$work/out")"
cat "$work/out"
