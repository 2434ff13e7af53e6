/* test_signal.c - signals that become elements of channels.   SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/runtime/inside.h"

enum { FLOOD = 200 };

static int in_each(void *arg)
{
    rn_chan *one = rn_signal_chan(SIGUSR1), *two = rn_signal_chan(SIGUSR1),
            *other = rn_signal_chan(SIGUSR2);
    int signo = 0;

    (void)arg;
    check(one && two && other);
    check_equal(kill(getpid(), SIGUSR1), 0);
    check_equal(rn_chan_recv(one, &signo, RN_FOREVER), 0);
    check_equal(signo, SIGUSR1);
    signo = 0;
    check_equal(rn_chan_recv(two, &signo, RN_FOREVER), 0);
    check_equal(signo, SIGUSR1);
    check_equal(raise(SIGUSR2), 0);
    check_equal(rn_chan_recv(other, &signo, RN_FOREVER), 0);
    check_equal(signo, SIGUSR2);
    check_equal(rn_chan_recv(one, &signo, RN_NOWAIT), RN_ETIMEDOUT);
    rn_chan_unref(one);
    rn_chan_unref(two);
    rn_chan_unref(other);
    return 0;
}

static void signal_reaches_each_of_its_channels(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        run_inside(in_each, NULL);
}

static int in_select(void *arg)
{
    rn_chan *usr1 = rn_signal_chan(SIGUSR1), *usr2 = rn_signal_chan(SIGUSR2);
    int a = 0, b = 0;
    rn_case cases[] = { { usr1, &a, RN_RECV, 0 }, { usr2, &b, RN_RECV, 0 } };

    (void)arg;
    check_equal(raise(SIGUSR2), 0);
    check_equal(rn_select(cases, RN_LEN(cases), RN_FOREVER), 1);
    check_equal(b, SIGUSR2);
    check_equal(raise(SIGUSR1), 0);
    check_equal(rn_select(cases, RN_LEN(cases), RN_FOREVER), 0);
    check_equal(a, SIGUSR1);
    rn_chan_unref(usr1);
    rn_chan_unref(usr2);
    return 0;
}

static void select_waits_for_signals(void **state)
{
    (void)state;
    run_inside(in_select, NULL);
}

/* Nobody receives from the first channel; the second proves that signals go on being handed on. */
static int in_flood(void *arg)
{
    rn_chan *full = rn_signal_chan(SIGUSR1), *live = rn_signal_chan(SIGUSR1);
    int signo;

    (void)arg;
    for (int i = 0; i < FLOOD; i++) {
        check_equal(raise(SIGUSR1), 0);
        check_equal(rn_chan_recv(live, &signo, RN_FOREVER), 0);
    }
    check_equal(rn_chan_len(full), rn_chan_cap(full));
    check(rn_chan_cap(full) < FLOOD);
    rn_chan_unref(full);
    rn_chan_unref(live);
    return 0;
}

static void full_channel_misses_signals_and_stops_nobody(void **state)
{
    (void)state;
    run_inside(in_flood, NULL);
}

static int in_wrong(void *arg)
{
    (void)arg;
    check(!rn_signal_chan(SIGKILL));
    check(!rn_signal_chan(SIGSTOP));
    check(!rn_signal_chan(SIGSEGV));
    check(!rn_signal_chan(0));
    check(!rn_signal_chan(-1));
    check(!rn_signal_chan(1000));
    return 0;
}

static void what_cannot_be_caught_has_no_channel(void **state)
{
    (void)state;
    assert_null(rn_signal_chan(SIGUSR1)); /* no scheduler */
    run_inside(in_wrong, NULL);
}

static volatile int survived; /* never set */

static int in_unsubscribed(void *arg)
{
    rn_chan *c = rn_signal_chan(SIGUSR1);

    (void)arg;
    rn_chan_unref(c);
    kill(getpid(), SIGUSR1);
    wait_until(survived); /* it kills us, as if nobody had ever subscribed */
    return 0;
}

static int in_nothing(void *arg)
{
    rn_chan *c = rn_signal_chan(SIGUSR1);

    (void)arg;
    rn_chan_unref(c);
    return 0;
}

static int death_of(int (*first)(void *), int then)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        rn_main(inside_workers(), first, NULL);
        raise(then);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void signal_whose_channels_are_gone_acts_as_before(void **state)
{
    (void)state;
    assert_int_equal(death_of(in_unsubscribed, SIGTERM), SIGUSR1);
}

static void signals_act_as_before_once_main_has_returned(void **state)
{
    (void)state;
    assert_int_equal(death_of(in_nothing, SIGUSR1), SIGUSR1);
    assert_int_equal(death_of(in_nothing, SIGQUIT), SIGQUIT);
    assert_int_equal(death_of(in_nothing, SIGPIPE), SIGPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signal_reaches_each_of_its_channels),
        cmocka_unit_test(select_waits_for_signals),
        cmocka_unit_test(full_channel_misses_signals_and_stops_nobody),
        cmocka_unit_test(what_cannot_be_caught_has_no_channel),
        cmocka_unit_test(signal_whose_channels_are_gone_acts_as_before),
        cmocka_unit_test(signals_act_as_before_once_main_has_returned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
