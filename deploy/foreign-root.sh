#!/usr/bin/env bash
# The libraries and headers of Debian for another architecture, in a directory of their own.   SPDX-License-Identifier: MIT
#
#   deploy/foreign-root.sh ARCHITECTURE DIRECTORY     such as: arm64 build/aarch64-root
#
# For a cross compiler (its --sysroot) and for qemu-user (its -L); see deploy/cmake/aarch64.cmake.  The machine's own packages
# are left alone: apt works on a state of its own there, so no foreign architecture is added and nothing is upgraded to match
# one.  It needs no root.  What is there already is not fetched again; an interrupted run begins anew.
set -euo pipefail

packages=(libc6-dev libcmocka-dev libzmq3-dev libprotobuf-c-dev uthash-dev)

if (($# != 2)); then
  sed -n '4s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
architecture=$1 root=$2
finished=$root/.complete # what was asked for when it was made
[[ -f $finished && $(<"$finished") == "$architecture ${packages[*]}" ]] && exit 0

rm -rf "$root"
state=$root/.apt
mkdir -p "$state"/{lists,cache/archives}/partial
state=$(cd "$state" && pwd)
: >"$state/status"

apt() {
  apt-get -qq -y -o Acquire::Retries=3 -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
    -o APT::Sandbox::User= -o Dir::State="$state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
    -o Dir::Cache="$state/cache" "$@" </dev/null
}

apt update
apt --no-install-recommends --download-only install "${packages[@]}"
for package in "$state"/cache/archives/*.deb; do
  dpkg-deb -x "$package" "$root"
done
# Links that begin at / would lead out of it.
find "$root" -type l -lname '/*' -printf '%p\t%l\n' | while IFS=$'\t' read -r link to; do
  ln -sfn "$(realpath -ms --relative-to="${link%/*}" "$root$to")" "$link"
done
rm -rf "$state"
echo "$architecture ${packages[*]}" >"$finished"
