#!/usr/bin/env bash
# Installs what Runnel needs from Debian's packages; says nothing when everything is there.   SPDX-License-Identifier: MIT
#
#   deploy/install-deps.sh [build]    what building and running needs
#   deploy/install-deps.sh test       and what the tests need
#   deploy/install-deps.sh cross      and what building for aarch64 and running that needs
#   deploy/install-deps.sh --list [build|test|cross]    only prints the packages that are missing
set -euo pipefail

build=(gcc libc6-dev cmake ninja-build pkg-config libzmq3-dev libprotobuf-c-dev protobuf-c-compiler uthash-dev)
test=(g++ clang clang-format libclang-rt-14-dev gdb libcmocka-dev binutils diffutils procps iproute2 spin libprotobuf-dev protobuf-compiler python3-protobuf python3-zmq)
cross=(gcc-aarch64-linux-gnu qemu-user)

usage() {
  sed -n '4,7s/^# \{0,1\}//p' "$0"
}

say() {
  echo "install-deps: $*" >&2
}

missing() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

log=
as_root=()
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$log" 2>&1
}

# A mirror that hiccups is no reason to fail.
retried() {
  local try
  for try in 1 2 3; do
    "$@" && return 0
    ((try == 3)) || sleep $((try * 3))
  done
  return 1
}

give_up() {
  tail -n 15 "$log" >&2
  say "$1; these packages are missing: ${packages[*]}"
  exit 1
}

what=build
list=no
for arg in "$@"; do
  case $arg in
  build | test | cross) what=$arg ;;
  --list) list=yes ;;
  -h | --help) usage && exit 0 ;;
  *)
    say "unknown argument '$arg'"
    usage >&2
    exit 2
    ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "this is not Debian (no apt-get), so install the counterparts of these packages yourself: ${build[*]} ${test[*]}"
  exit 1
fi

wanted=("${build[@]}")
[[ $what == build ]] || wanted+=("${test[@]}")
[[ $what != cross ]] || wanted+=("${cross[@]}")
mapfile -t packages < <(missing "${wanted[@]}")
if [[ $list == yes ]]; then
  ((${#packages[@]} == 0)) || printf '%s\n' "${packages[@]}"
  exit 0
fi
((${#packages[@]} > 0)) || exit 0

if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    say "run me as root (there is no sudo): apt-get install ${packages[*]}"
    exit 1
  fi
  as_root=(sudo)
  if ! sudo -n true 2>/dev/null && [[ ! -t 0 ]]; then
    say "run me as root (sudo wants a password, and there is no terminal): apt-get install ${packages[*]}"
    exit 1
  fi
fi
log=$(mktemp "${TMPDIR:-/tmp}/install-deps.XXXXXX")
trap 'rm -f "$log"' EXIT
say "installing ${packages[*]}"
retried apt update || give_up "apt-get update failed"
retried apt install --no-install-recommends "${packages[@]}" || give_up "apt-get install failed"
mapfile -t packages < <(missing "${packages[@]}")
((${#packages[@]} == 0)) || give_up "apt-get said that it had installed everything, but had not"
