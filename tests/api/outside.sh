#!/usr/bin/env bash
# Ten lines, built outside the tree against the installed library, in C and C++, by pkg-config and by CMake.
# SPDX-License-Identifier: MIT
. "${0%/*}/../e2e/lib.sh"
. "${0%/*}/lib.sh"
install_runnel

compile cc "$here/ten.c" "$work/ten_c"
compile c++ "$here/ten.cc" "$work/ten_cc"
compile cc "$here/locks.c" "$work/locks_c"
compile c++ "$here/locks.c" "$work/locks_cc" -x c++
compile cc "$here/remote.c" "$work/remote_c"
compile c++ "$here/remote.c" "$work/remote_cc" -x c++
for compiler in c++ clang++; do # headers and what their macros become, as strict users have them
  ! command -v "$compiler" >/dev/null || compile "$compiler" "$here/ten.cc" "$work/strict" -std=c++17 -pedantic -Wshadow
done
"$work/ten_c" || fail "the program in C does not work"
"$work/ten_cc" || fail "the program in C++ does not work"
"$work/locks_c" || fail "the program with locks in C does not work"
"$work/locks_cc" || fail "the program with locks in C++ does not work"

broker_start
for language in c cc; do
  "$work/remote_$language" >"$work/out" || fail "the .$language program that uses a broker does not work: $(<"$work/out")"
done

cmake -G Ninja -S "$here/project" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.err" 2>&1 ||
  fail "find_package(runnel) does not work"
cmake --build "$work/build" >"$work/build.err" 2>&1 || fail "a CMake project does not build"
"$work/build/ten_c" || fail "the CMake program in C does not work"
"$work/build/ten_cc" || fail "the CMake program in C++ does not work"

# The installed programs run from where they are, and find the library.
PATH=$prefix/bin:$PATH
[[ $(type -P runnel) == "$prefix/bin/runnel" ]] || fail "runnel was not installed"
echo hello | runnel send installed --close
[[ $(runnel recv installed) == hello ]] || fail "the installed runnel does not work"
balanced
