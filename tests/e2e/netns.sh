#!/usr/bin/env bash
# The broker in one network namespace, nodes in another, and the link between them cut and healed: rounds of cuts, in both
# directions and in one, shorter and longer than the lease; and a node whose machine vanished and came back while the
# broker still has its old connection.  Arguments are those of `rounds`.
# Skipped where the kernel lets us have no namespace.   SPDX-License-Identifier: MIT
set -euo pipefail

# Before all else: into a namespace of our own, which is that of the nodes.
if [[ ${RUNNEL_NETNS:-} != yes ]]; then
  for way in "unshare --net" "unshare --user --map-root-user --net"; do
    # shellcheck disable=SC2086
    if $way ip link add probe type veth peer name eborp 2>/dev/null; then
      # shellcheck disable=SC2086
      RUNNEL_NETNS=yes exec $way bash "$0" "$@"
    fi
  done
  echo "netns.sh: skipped: no network namespaces here (they need root, or a kernel that gives them to users)"
  exit 77
fi

. "${0%/*}/lib.sh"
build=${RUNNEL_BUILD:?the build directory}

# A namespace that lives as long as a process; its pid is in $pid afterwards.
namespace() { # NAME
  start "$1" unshare --net sleep infinity
  local ours
  ours=$(readlink /proc/self/ns/net)
  apart() { [[ $(readlink "/proc/$pid/ns/net") != "$ours" && $(<"/proc/$pid/comm") == sleep ]]; }
  eventually "$1 has a namespace of its own" apart
}

# A link from here (.2) to the broker's namespace (.1).
join() { # NUMBER
  ip link add "here$1" type veth peer name "there$1" netns "$home"
  ip addr add "10.77.$1.2/24" dev "here$1"
  nsenter -t "$home" -n ip addr add "10.77.$1.1/24" dev "there$1"
  ip link set "here$1" up
  nsenter -t "$home" -n ip link set "there$1" up
}

namespace home
home=$pid
ip link set lo up
nsenter -t "$home" -n ip link set lo up
join 1

# What rounds calls to cut link 1.  One way: the others are given a hardware address that nobody has, so they send into
# the void.
cat >"$work/link" <<END
#!/bin/sh
set -e
case \$1\$2 in
cut0) nsenter -t $home -n ip link set there1 down ;;
heal0) nsenter -t $home -n ip link set there1 up ;;
cut1) ip neigh replace 10.77.1.1 lladdr 02:00:00:00:00:77 dev here1 nud permanent ;;
heal1) ip neigh del 10.77.1.1 dev here1 ;;
cut2) nsenter -t $home -n ip neigh replace 10.77.1.2 lladdr 02:00:00:00:00:77 dev there1 nud permanent ;;
heal2) nsenter -t $home -n ip neigh del 10.77.1.2 dev there1 ;;
esac
END
chmod +x "$work/link"
(($# > 0)) || set -- --rounds 3 --seed 2
"$build/tests/e2e/rounds" --link "$work/link" --netns "$home" --listen tcp://10.77.1.1:0 "$@"

# A machine that vanishes: its namespace goes, and nobody is told.  The one that comes back has its address and its
# name; the broker still holds the old connection and the old session, whose lease is long.
export RUNNEL_LEASE=8s
runnel-broker() { exec nsenter -t "$home" -n runnel-broker "$@"; }
broker_start tcp://0.0.0.0:0
port=${RUNNEL_URL##*:}
export RUNNEL_URL=tcp://10.77.1.1:$port

# The machine with the node; link 2 goes there.
machine() {
  namespace machine
  machine=$pid
  nsenter -t "$machine" -n ip link set lo up
  nsenter -t "$home" -n ip link add there2 type veth peer name here2 netns "$machine"
  nsenter -t "$home" -n ip addr add 10.77.2.1/24 dev there2
  nsenter -t "$home" -n ip link set there2 up
  nsenter -t "$machine" -n ip addr add 10.77.2.2/24 dev here2
  nsenter -t "$machine" -n ip link set here2 up
}

machine
start before nsenter -t "$machine" -n runnel recv back --broker "tcp://10.77.2.1:$port" >"$work/before"
before=$pid
eventually "the node is bound" channel_is back RECEIVERS 1
nsenter -t "$machine" -n ip link del here2
kill_hard "$before"
kill_hard "$machine"
begin=$SECONDS
machine
start after nsenter -t "$machine" -n runnel recv back --broker "tcp://10.77.2.1:$port" --wait 30 >"$work/after"
after=$pid
eventually "the node is bound again" channel_is back RECEIVERS 2 # so its past is still there
((SECONDS - begin < 6)) || fail "the node was bound again only after $((SECONDS - begin)) s"
seq 1000 | runnel send back
eventually "the node that came back receives" larger "$work/after" 0
channel_is back RECEIVERS 2 || fail "the node that came back received only when its past was over"
close_channel back
ends_with 0 "$after" "the node that came back"
same_lines <(seq 1000) "$work/after" || fail "what was sent is not what the node that came back received"
balanced
