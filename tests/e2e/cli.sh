#!/usr/bin/env bash
# What the programs say when they cannot: exit status 2 and a hint for a wrong command line; exit status 1 and one
# sentence that names the thing for a world that is not as it should be.  Never a hang.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
cd "$work" || exit
absent=tcp://127.0.0.1:1
libc=$(awk '/libc\.so|libc-/ { print $6; exit }' /proc/self/maps)
echo 'no shared object' >text.so
seq 3 >three
head -c 2000 /dev/zero | tr '\0' x >long
cases=0

# STATUS, a pattern that standard error must match, a command.
gives() {
  local status=0 want=$1 pattern=$2
  shift 2
  cases=$((cases + 1))
  timeout -k 1 20 "$@" >out 2>err </dev/null || status=$?
  [[ $status -ne 124 ]] || fail "hangs: $*"
  [[ $status -eq $want ]] || fail "exit status $status, not $want: $* ($(<err))"
  [[ $want -eq 0 ]] || grep -Eq -- "$pattern" err || fail "says '$(<err)', nothing that matches '$pattern': $*"
  [[ $want -ne 1 || $(wc -l <err) -eq 1 ]] || fail "says more than one sentence: $* ($(<err))"
  [[ $want -ne 1 ]] || grep -q "^$1: " err || fail "does not say who speaks: $* ($(<err))"
}

# Standard output must match the pattern, standard error be empty.
says() {
  local pattern=$1 status=0
  shift
  cases=$((cases + 1))
  timeout -k 1 20 "$@" >out 2>err </dev/null || status=$?
  [[ $status -eq 0 ]] || fail "exit status $status: $* ($(<err))"
  [[ ! -s err ]] || fail "says '$(<err)' on standard error: $*"
  grep -Eq -- "$pattern" out || fail "prints nothing that matches '$pattern': $* ($(<out))"
}

# Wrong command lines.
gives 2 "which verb"                 runnel
gives 2 "no verb 'sned'"             runnel sned lines
gives 2 "runnel --help"              runnel sned
gives 2 "frobnicate"                 runnel --frobnicate
gives 2 "frobnicate"                 runnel send lines --frobnicate
gives 2 "which channel"              runnel send
gives 2 "which channel"              runnel recv
gives 2 "not also 'b'"               runnel recv a b
gives 2 "positive whole number"      runnel recv a -n 0
gives 2 "positive whole number"      runnel recv a -n ten
gives 2 "positive whole number"      runnel recv a -n 10x
gives 2 "positive whole number"      runnel send a --capacity -3
gives 2 "at least 1"                 runnel send a --capacity 0 --fanout
gives 2 "--wait takes seconds"       runnel send a --wait soon
gives 2 "needs --autoclose"          runnel send a --senders-min 2
gives 2 "positive whole number"      runnel send a --autoclose --senders-min 0
gives 2 "too large"                  runnel send a --autoclose --senders-min 5000000000
gives 2 "no argument"                runnel ls lines
gives 2 "not also 'b'"               runnel audit a b
gives 2 "which channel"              runnel info
gives 2 "not also 'b'"               runnel info a b
gives 2 "frobnicate"                 runnel info a --frobnicate
gives 2 "not also 'b'"               runnel peek a b
gives 2 "positive whole number"      runnel peek a -n 0
gives 2 "frobnicate"                 runnel peek a --frobnicate
gives 2 "say --yes"                  runnel purge a
gives 2 "frobnicate"                 runnel purge a -y --frobnicate
gives 2 "not also 'b'"               runnel rm a b
gives 2 "frobnicate"                 runnel rm a --frobnicate
gives 2 "not also 'b'"               runnel tap a b
gives 2 "positive whole number"      runnel tap a --rate 0
gives 2 "frobnicate"                 runnel tap a --frobnicate
gives 2 "requires an argument"       runnel ls --broker
gives 2 "--name is missing"          runnel-node --module x.so
gives 2 "--module is missing"        runnel-node --name n
gives 2 "frobnicate"                 runnel-node --frobnicate
gives 2 "frobnicate"                 runnel-broker --frobnicate
gives 2 "nothing to be done with 'x'" runnel-broker x
gives 2 "0\.2 to 30, not '0'"         runnel-broker --lease-max 0

# Help that a stranger understands, and versions.
says "channel"                       runnel --help
says "channel"                       runnel help
says "channel"                       runnel help help
# Every verb is in the help, in one line of its own: argp breaks what is too long.
gives 2 "only .* and "               runnel sned
for verb in $(sed -n "s/.*, only //p" err | tr -d , | sed 's/ and / /'); do
  says "^  $verb "                     runnel --help
  runnel "$verb" --help >out || fail "runnel $verb --help"
  ! awk 'before ~ /^  [^ ]/ && before !~ /^  or:/ && /^[^ ]/ { bad = 1 } { before = $0 } END { exit !bad }' out ||
    fail "a line of the help is broken: runnel $verb --help"
done
says "lines? .*FILE|FILEs"           runnel send --help
says "lines? .*FILE|FILEs"           runnel help send
says "until the channel is closed"   runnel recv --help
says "channels of the broker"        runnel ls --help
says "accounted for"                 runnel audit --help
says "each sender and"                runnel info --help
says "nothing is taken"               runnel peek --help
says "with no receiver"               runnel purge --help
says "is only removed with"           runnel rm --help
says "never slows the channel"        runnel tap --help
says "runnel_module"                 runnel-node --help
says "latency"                       runnel bench --help
says "listen"                        runnel-broker --help
says "as root or with sudo"          bash "$RUNNEL_SOURCE/deploy/demo.sh" --help
gives 2 "not 'fast'"                 bash "$RUNNEL_SOURCE/deploy/demo.sh" fast
says "^runnel [0-9]+\.[0-9]+"        runnel --version
says "[0-9]+\.[0-9]+"                runnel-node --version
says "[0-9]+\.[0-9]+"                runnel-broker --version

# A broker that is not there; five seconds at most unless something else is asked for.
for verb in "send a" "recv a" "ls" "audit"; do
  # shellcheck disable=SC2086
  gives 1 "$absent" runnel $verb --broker "$absent" --wait 0.2
  gives 1 "$absent" runnel $verb -b "$absent" -w 0.2
done
begin=$SECONDS
export RUNNEL_URL=$absent
gives 1 "$absent"                    runnel ls
((SECONDS - begin <= 7)) || fail "took $((SECONDS - begin)) s to give up"
unset RUNNEL_URL
gives 1 "127.0.0.1:1"                runnel-node --broker "$absent" --wait 0.2 --name n --module "$RUNNEL_BIN/wordcount_worker.so"

# Names, URLs and files that are none, told before anything else is tried.
# shellcheck disable=SC2086 # the words of a verb
for verb in send recv audit info peek purge "purge -y" rm "rm -f" tap; do
  gives 1 "a name"                   runnel $verb "a name" --broker "$absent"
  gives 1 "name \"\" "               runnel $verb "" --broker "$absent"
  gives 1 "a\.\.b"                   runnel $verb "a..b" --broker "$absent"
  gives 1 "actor:x"                  runnel $verb "actor:x" --broker "$absent"
done
gives 1 "x\.dead"                    runnel send "x.dead" --broker "$absent"
gives 1 "nonsense"                   runnel ls --broker nonsense
gives 1 "\"\" is not the URL"         runnel ls --broker ""
gives 1 "an\?odd\?\[1mone"            runnel ls --broker $'an\nodd\e[1mone'
RUNNEL_LEASE=soon gives 1 "RUNNEL_LEASE is not a time" runnel ls --broker "$absent"
gives 1 "tcp://"                     runnel ls --broker tcp://
gives 1 "tcp://h:99999"              runnel ls --broker tcp://h:99999
gives 1 "missing.txt: No such file"  runnel send a missing.txt --broker "$absent"
gives 1 "cannot run /no/such: No such file" runnel serve --broker "$absent" a -- /no/such
gives 1 "cannot run no-such: No such file" runnel serve --broker "$absent" a -- no-such
gives 1 "cannot run : No such file"  runnel serve --broker "$absent" a -- ""
gives 1 "cannot run ./three: Perm"   runnel serve --broker "$absent" a -- ./three
gives 1 "cannot run /etc: Perm"      runnel serve --broker "$absent" a -- /etc
PATH=$PATH:. gives 1 "cannot run three: Perm" runnel serve --broker "$absent" a -- three
gives 1 "$absent"                    runnel serve --broker "$absent" --wait 0.2 a -- true

broker_start

gives 1 "listen|use"                 runnel-broker --listen "$RUNNEL_URL"
gives 1 "${RUNNEL_URL##*:}"          runnel-broker --listen "$RUNNEL_URL"
gives 1 "nonsense"                   runnel-broker --listen nonsense
gives 1 "listen on \"\": .* not a URL" runnel-broker --listen ""

gives 1 "/etc: Is a directory"       runnel send a /etc
gives 1 "/etc: Is a directory"       runnel send a --whole /etc
gives 1 "no channel \"nobody\""      runnel audit nobody
gives 1 "no channel \"nobody\""      runnel info nobody
for verb in show replay purge; do
  gives 1 "no channel \"nobody\""      runnel dead "$verb" nobody
done
gives 1 "missing.so: No such file"   runnel-node --name n --module missing.so
gives 1 "text.so"                    runnel-node --name n --module text.so
gives 1 "does not define runnel_module" runnel-node --name n --module "$libc"

# What a channel is was fixed by its first bind: a capacity or type that differs is named, with both values.
start keeper runnel recv fixed >keeper
keeper=$pid
eventually "the receiver is bound" channel_is fixed RECEIVERS 1
runnel send fixed --capacity 7 --type acme.Order three
gives 1 "fixed.*capacity.*(7.*8|8.*7)"      runnel send fixed --capacity 8
gives 1 "fixed.*type.*acme.Order.*acme.Bill|fixed.*type.*acme.Bill.*acme.Order" runnel send fixed --type acme.Bill
gives 1 "fixed.*type"                       runnel recv fixed --type acme.Bill
close_channel fixed
ends_with 0 "$keeper" "runnel recv"

# The examples name what is wrong, too.
status=0
runnel-node --name n --module "$RUNNEL_BIN/wordcount_collect.so" -- 1 nowhere/x 2>err || status=$?
[[ $status -eq 1 ]] && grep -q "^wordcount_collect: cannot write nowhere/x" err || fail "status $status, '$(<err)' from the collector"
start keeper runnel recv nine >keeper
keeper=$pid
eventually "the receiver is bound" channel_is nine RECEIVERS 1
runnel send nine --capacity 9 three
gives 1 "nine.*capacity is 9, not rendezvous"        tutorial nine
gives 1 "nobody there.*a character"         tutorial "nobody there"
close_channel nine
ends_with 0 "$keeper" "runnel recv"

# A closed channel still gives what is in it, and then ends.
gives 0 ""                           runnel send -c short long
gives 1 "\"short\" is closed; line 1 of three" runnel send short three

says "^NAME +CAPACITY +SENDERS +RECEIVERS +BUFFERED +ACCEPTED +TAKEN +DELAYED +EXPIRED +TTL +STATE" runnel ls
says "^balanced"                     runnel audit
says "^x{2000}$"                      runnel recv short

# A broker that is there and does not answer.
kill -STOP "$broker"
eventually "the broker is stopped" state_is "$broker" T
gives 1 "${RUNNEL_URL##*:}"          runnel ls --wait 0.5
gives 1 "${RUNNEL_URL##*:}"          runnel send a three --wait 0.5
kill -CONT "$broker"

# A line that is too long is named, and so is that nothing follows it.
{
  echo first
  head -c $(((64 << 20) + 1)) /dev/zero | tr '\0' y
  printf '\nlast\n'
} >huge
gives 1 "line 2 of huge has 67108865 bytes.*what follows were not sent" runnel send huge huge
rm huge

# Standard descriptors that are closed: nothing is taken for a standard output that is not there, and no socket gets
# what we print.
seq 10 | runnel send shut --close
for verb in "recv shut" ls audit; do
  status=0
  # shellcheck disable=SC2086
  runnel $verb >&- 2>err || status=$?
  [[ $status -eq 1 ]] || fail "exit status $status with standard output closed: runnel $verb"
  grep -q "^runnel: cannot write to standard output" err || fail "says '$(<err)' about a closed standard output: $verb"
done
channel_is shut TAKEN 0 || fail "lines were taken for a standard output that is closed"
runnel recv shut | cmp - <(seq 10) || fail "the lines are not all there"
status=0
runnel send shut2 <&- 2>err || status=$?
[[ $status -eq 1 ]] && grep -q "cannot read standard input" err || fail "status $status, '$(<err)' with standard input closed"
for verb in ls audit; do
  status=0
  runnel $verb >/dev/full 2>err || status=$?
  [[ $status -eq 1 ]] && grep -q "No space left" err || fail "status $status, '$(<err)' with a full disk: runnel $verb"
done
start mute runnel-broker --listen tcp://127.0.0.1:0 >&-
mute=$pid
eventually "the broker tells its URL all the same" grep -q "listening on tcp://127.0.0.1:[0-9]" mute.err
runnel ls --broker "$(sed -n 's/.*listening on \([^ ]*\).*/\1/p' mute.err)" >out || fail "the broker without standard output does not serve"
kill -TERM "$mute"
ends_with 0 "$mute" "the broker without standard output"

# The name of a node cannot look like a line of ours.
start odd runnel-node --name $'odd\nbalanced' --module "$RUNNEL_BIN/wordcount_worker.so"
odd=$pid
eventually "the node is bound" channel_is lines RECEIVERS 1
runnel audit lines | grep -q "receiver odd?balanced: " || fail "prints a node's name as it is"
kill -TERM "$odd"
ends_with 143 "$odd" "a module that got SIGTERM"

# A file that is an element is one as it is, also when it is empty, and is told of by its name.
: >empty
runnel send whole --whole empty three --close
runnel recv whole --raw -n 1 | cmp - empty || fail "an empty file is not an empty element"
runnel recv whole --raw | cmp - three || fail "a file is not an element as it is"
gives 1 "^runnel: long has 2000 bytes, more than" runnel send little --whole --capacity-bytes 1000 long

# A capacity of 0 is a rendezvous; one that is too large is told with what is not.
start meet runnel recv meet >met
meet=$pid
runnel send meet --capacity 0 three --close
ends_with 0 "$meet" "the receiver of a rendezvous"
cmp met three || fail "not all lines have met a receive"
gives 1 "at most 2147483648"         runnel send vast --capacity 99999999999 three

# Standard output that takes nothing.
seq 10 | runnel send full --close
status=0
runnel recv full >/dev/full 2>err || status=$?
[[ $status -eq 1 ]] || fail "exit status $status with a full disk"
grep -q "10 lines were taken .* not printed" err || fail "says '$(<err)' about a full disk"

[[ $cases -gt 60 ]] || fail "only $cases cases ran"
balanced
