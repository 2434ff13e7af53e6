#!/usr/bin/env bash
# examples/orders: protobuf messages of a user's own, in C and in C++, between two nodes; another message is refused.
# SPDX-License-Identifier: MIT
. "${0%/*}/../e2e/lib.sh"
. "${0%/*}/lib.sh"
install_runnel

cmake -G Ninja -S "$here/../../examples/orders" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_C_FLAGS="-Wall -Wextra -Werror" -DCMAKE_CXX_FLAGS="-Wall -Wextra -pedantic -Werror" >"$work/cmake.err" 2>&1 ||
  fail "examples/orders cannot be configured"
cmake --build "$work/build" >"$work/build.err" 2>&1 || fail "examples/orders does not build: $(<"$work/build.err")"
PATH=$work/build:$PATH
broker_start
printf '%s\n' "Ada wants 1" "Grace wants 2" "Edsger wants 3" >"$work/want"

for server in orders_c orders_cc; do
  for client in orders_c orders_cc; do
    start serve "$server" serve >"$work/came"
    serve=$pid
    eventually "$server is bound" channel_is orders RECEIVERS 1
    for biller in orders_c orders_cc; do
      status=0
      "$biller" bill 2>"$work/refused" || status=$?
      [[ $status -eq 1 ]] || fail "$biller bill ended with status $status"
      grep -q 'orders.*type.*shop\.Order.*shop\.Bill' "$work/refused" || fail "$biller was told '$(<"$work/refused")'"
    done
    "$client" place || fail "$client place ended with status $?"
    ends_with 0 "$serve" "$server serve"
    cmp "$work/came" "$work/want" || fail "from $client to $server: $(<"$work/came")"
  done
done
balanced
