#!/usr/bin/env bash
# Encrypted links: nothing can be read on the wire, what breaks is resumed, and who may not connect is told why, at both
# ends.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
relay=$RUNNEL_BUILD/tests/e2e/relay
cd "$work" || exit
export RUNNEL_LEASE=5s

# One sentence that matches the pattern, and the status; never a hang.
gives() { # STATUS PATTERN COMMAND...
  local status=0 want=$1 pattern=$2
  shift 2
  timeout -k 1 30 "$@" >out 2>err </dev/null || status=$?
  [[ $status -eq $want ]] || fail "exit status $status, not $want: $* ($(<err))"
  [[ $want -eq 0 ]] || grep -Eq -- "$pattern" err || fail "says '$(<err)', nothing that matches '$pattern': $*"
  [[ $want -ne 1 || $(wc -l <err) -eq 1 ]] || fail "says more than one sentence: $* ($(<err))"
}

told() { # PATTERN: the broker has said it
  eventually "the broker says '$1'" grep -Eq -- "$1" broker.err
}

# ---- keys ----
for name in broker other a b; do
  [[ $(runnel keygen "$name.key") == "$(<"$name.key.pub")" ]] || fail "the public key that is printed is not that of the file"
  [[ $(stat -c %a "$name.key") == 600 ]] || fail "others may read $name.key"
  [[ $(<"$name.key.pub") =~ ^[^[:space:]]{40}$ ]] || fail "$name.key.pub is no key: $(<"$name.key.pub")"
done
[[ $(sort -u ./*.pub | wc -l) -eq 4 ]] || fail "two pairs are the same"
cp broker.key before
gives 1 '"broker.key" is there already' runnel keygen broker.key
cmp -s before broker.key || fail "a key was overwritten"
gives 1 "No such file"          runnel keygen nowhere/x.key
gives 2 "FILE is missing"       runnel keygen
broker_key=$(<broker.key.pub)

# What is no key is refused by the name of its file and the line.
cp a.key loose.key
chmod 640 loose.key
{ echo; echo "secret abc"; } >short.key
{ sed '$d' a.key; sed -n '$s/..$/~~/p' a.key; } >odd.key
chmod 600 short.key odd.key
node=(runnel ls --broker tcp://127.0.0.1:1 --wait 1 --broker-key "$broker_key" --keyfile)
broker=(runnel-broker --listen tcp://127.0.0.1:0 --keyfile)
for program in node broker; do
  declare -n command=$program
  gives 1 '"missing.key": No such file'            "${command[@]}" missing.key
  gives 1 '"loose.key": .*mode is 0640.*chmod 600' "${command[@]}" loose.key
  gives 1 '"short.key": line 2: .*40 characters, not 3' "${command[@]}" short.key
  gives 1 '"odd.key": line 3: .*not Z85'           "${command[@]}" odd.key
  gives 1 '"a.key.pub": '                          "${command[@]}" a.key.pub
done
unset -n command
gives 1 "has 3 characters, and a key 40"  runnel ls --broker-key abc
gives 1 "no public key of the broker"     runnel ls --keyfile a.key
echo nobody >bad
gives 1 '"bad": line 1: .*40 characters, not 6' "${broker[@]}" broker.key --clients bad
gives 2 "--clients needs --keyfile"       runnel-broker --clients bad

# ---- the wire ----
relay_start() { # FILE [PORT]: between $RUNNEL_URL and who comes after
  [[ -p relay.out ]] || mkfifo relay.out
  exec {relay_out}<>relay.out
  start relay "$relay" "$1" "${RUNNEL_URL##*:}" ${2:+"$2"} >&"$relay_out"
  relay_pid=$pid
  read -r -t 30 relay_port <&"$relay_out" || fail "the relay said nothing"
}

marked() { # through the relay: as many lines
  local through=tcp://127.0.0.1:$relay_port
  start recv runnel recv marked-name --broker "$through" >got
  receiver=$pid
  seq -f 'a marked line %.0f' 2000 >lines
  runnel send marked-name --close --broker "$through" <lines || fail "cannot send through the relay"
  ends_with 0 "$receiver" "the receiver"
  cmp -s lines got || fail "what came out is not what went in"
}

broker_start
relay_start plain.wire
marked
grep -aq "a marked line 1999" plain.wire || fail "the relay does not see what passes, so it proves nothing"
grep -aq "marked-name" plain.wire || fail "the relay does not see what passes, so it proves nothing"
kill_hard "$relay_pid"
kill_hard "$broker"

broker_start tcp://127.0.0.1:0 --keyfile broker.key
relay_start wire
export RUNNEL_BROKER_KEY=$broker_key # a node without a key of its own is as good as any
marked
RUNNEL_KEY=$PWD/a.key runnel ls >out || fail "a node with a key of its own"
[[ $(stat -c %s wire) -gt 60000 ]] || fail "less has passed than was sent"
if grep -aq "marked" wire; then fail "elements or names can be read on the wire"; fi

# ---- a link that breaks ----
start recv runnel recv stream --broker "tcp://127.0.0.1:$relay_port" >got
receiver=$pid
start send runnel send stream --close --broker "tcp://127.0.0.1:$relay_port" < <(numbers)
sender=$pid
for size in 200000 400000 600000; do
  eventually "it is in full stream" larger got "$size"
  kill_hard "$relay_pid"
  relay_start wire "$relay_port"
done
enough
ends_with 0 "$sender" "the sender"
ends_with 0 "$receiver" "the receiver"
awk '$0 + 0 != NR { exit 1 } END { exit NR == 0 }' got || fail "lines were lost, doubled or out of order"
balanced

# ---- a receiver that is killed ----
start dead runnel recv held >dead
dead=$pid
eventually "the receiver is bound" channel_is held RECEIVERS 1
kill -STOP "$dead"
seq 1000 | runnel send held --capacity 2000 --close
start heir runnel recv held >heir
heir=$pid
kill_hard "$dead"
ends_with 0 "$heir" "the other receiver"
same_lines <(seq 1000) heir || fail "the other receiver did not get what the dead one had not taken"
balanced

# ---- a broker that is killed ----
start recv runnel recv gone --wait 30 >got
receiver=$pid
eventually "the receiver is bound" channel_is gone RECEIVERS 1
kill_hard "$broker"
broker_start "$RUNNEL_URL" --keyfile broker.key
eventually "the receiver is bound again" channel_is gone RECEIVERS 1
seq 10 | runnel send gone --close
ends_with 1 "$receiver" "the receiver, which has to say that the channel was lost,"
grep -q 'lost channel "gone"' recv.err || fail "it says '$(<recv.err)'"
cmp -s <(seq 10) got || fail "what came out is not what went in"

# ---- who may not connect ----
begin=$SECONDS
gives 1 "the broker wants an encrypted link"     env -u RUNNEL_BROKER_KEY runnel ls
gives 1 "wants an encrypted link"                env -u RUNNEL_BROKER_KEY runnel recv stream
told "not encrypted|before it was encrypted"
gives 1 "its key is another"                     runnel ls --broker-key "$(<other.key.pub)" --wait 0.5
gives 1 "its key is another"                     runnel ls --broker-key "$(<other.key.pub)" --wait 60
told "another public key for this broker"
kill_hard "$broker"
broker_start
gives 1 "links are not encrypted|its key is another" runnel ls
gives 1 "links are not encrypted|its key is another" runnel ls --keyfile a.key
env -u RUNNEL_BROKER_KEY runnel ls >out || fail "a plain node at a plain broker"
((SECONDS - begin < 50)) || fail "took $((SECONDS - begin)) s"
kill_hard "$broker"

# ---- only those of a list ----
{ echo "# who may"; echo "$(<a.key.pub) a node of its own"; } >list
broker_start tcp://127.0.0.1:0 --keyfile broker.key --clients list
export RUNNEL_KEY=$PWD/a.key
runnel ls >out || fail "a node of the list"
gives 1 "refuses this node's key"                runnel ls --keyfile b.key
eventually "the broker says whom it refused" grep -Fq "node at 127.0.0.1: its key $(<b.key.pub) is not in the list" broker.err
gives 1 "refuses this node's key"                env -u RUNNEL_KEY runnel ls
start recv runnel recv kept >got
receiver=$pid
eventually "the receiver is bound" channel_is kept RECEIVERS 1

# The list is read again on SIGHUP; one that cannot be changes nothing; who is connected stays.
cp list good
echo nonsense >>list
kill -HUP "$broker"
told '"list": line 3: .*the former list goes on'
runnel ls >out || fail "the former list does not go on"
cp b.key.pub list
kill -HUP "$broker"
told 'read "list": 1 client$'
gives 1 "refuses this node's key"                runnel ls
export RUNNEL_KEY=$PWD/b.key
seq 10 | runnel send kept --close || fail "a node that was added to the list"
ends_with 0 "$receiver" "the receiver that was struck off while it was connected"
cmp -s <(seq 10) got || fail "what came out is not what went in"
balanced
