#!/usr/bin/env bash
# A command serves requests from the shell: its output is the reply, its failure is another try, and in the end a dead letter.   SPDX-License-Identifier: MIT
. "${0%/*}/lib.sh"
export RUNNEL_LEASE=500ms
broker_start

start shout runnel serve shout -- tr a-z A-Z
shout=$pid
[[ $(runnel call shout hello) == HELLO ]] || fail "hello"
[[ -z $(runnel call shout "") ]] || fail "an empty request"
head -c 300000 /dev/zero | tr '\0' 'x' >"$work/large"
runnel call shout <"$work/large" | cmp - <(tr x X <"$work/large"; echo) || fail "a large request"
echo "no request" | runnel send shout # wants no reply, and does no harm
[[ $(runnel call shout again) == AGAIN ]] || fail "again"

# Killed in the middle of it: another serves the request.
start sleeps runnel serve slow -- sh -c "echo \$\$ >'$work/begun'; exec sleep 600"
sleeps=$pid
start call runnel call slow x --wait 60 >"$work/answer"
calling=$pid
eventually "it is being served" test -s "$work/begun"
started+=("$(<"$work/begun")")
kill_hard "$sleeps"
start quick runnel serve slow -- sed s/x/y/
quick=$pid
ends_with 0 "$calling" "who calls"
[[ $(<"$work/answer") == y ]] || fail "the answer is $(<"$work/answer")"

# A command that fails: the request comes again, and after max_deliveries it is dead.
start fails runnel serve hopeless -- false
eventually "it serves" channel_is hopeless RECEIVERS 1
: | runnel send hopeless --max-deliveries 2
status=0
runnel call hopeless x --wait 3 2>"$work/no" || status=$?
[[ $status -eq 1 ]] || fail "a call that nobody can serve ended with $status"
dead() { [[ $(runnel dead ls | awk '$1 == "hopeless" { print $2 }') == 1 ]]; }
eventually "the request is dead" dead
grep -q 'false ended with status 1; the request comes again' "$work/fails.err" || fail "nobody said that it failed"

# It ends when the channel is closed, and by a signal.
close_channel slow
ends_with 0 "$quick" "one whose channel is closed"
kill -TERM "$shout"
ends_with 143 "$shout" "one that got SIGTERM"

# A command that is there at first, and is not when a request comes.
ln -s "$(command -v cat)" "$work/gone"
start gone runnel serve gone -- "$work/gone"
gone=$pid
eventually "it serves" channel_is gone RECEIVERS 1
rm "$work/gone"
runnel call gone x --wait 0.5 2>/dev/null || true
ends_with 1 "$gone" "one whose command has gone"
grep -q "cannot run $work/gone: No such file" "$work/gone.err" || fail "it said: $(cat "$work/gone.err")"
balanced
