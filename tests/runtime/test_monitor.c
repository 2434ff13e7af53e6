/* test_monitor.c - goroutines that do not give way.   SPDX-License-Identifier: MIT
 *
 * A goroutine spins, or is in a blocking call, until another one has done something, which it can only on another thread.
 * What does not work does not end.  Reports are read by the program that they are about: its standard error is a pipe. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/crew.h"
#include "runtime/fiber.h"
#include "runtime/monitor.h"
#include "runtime/state.h"
#include "tests/runtime/locks.h"

static _Atomic int done;

static void set_done(void *arg)
{
    (void)arg;
    atomic_fetch_add(&done, 1);
}

static __attribute__((noinline)) void spin_until_done(int n)
{
    while (atomic_load(&done) < n)
        ;
}

static void make_pipe(int fds[2])
{
    check_equal(pipe(fds), 0);
    check_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
}

/* ---- who computes ----------------------------------------------------------------------------------- */

static int in_spin(void *arg)
{
    (void)arg;
    atomic_store(&done, 0);
    check_equal(rn_go(set_done, NULL), 0);
    spin_until_done(1);
    /* It gives way now, and soon again to nobody but those who are to run beside it. */
    wait_until(atomic_load(&rn__sched.on_duty) == 1);
    return 0;
}

static void who_computes_does_not_stop_others(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_spin, NULL), 0);
}

static void hog_main(void *arg)
{
    (void)arg;
    spin_until_done(1);
}

static int in_hogs(void *arg)
{
    int hogs = *(int *)arg;
    rn_group *g = rn_group_new();

    atomic_store(&done, 0);
    for (int i = 0; i < hogs; i++)
        check_equal(rn_group_go(g, hog_main, NULL, 0), 0);
    check_equal(rn_group_go(g, set_done, NULL, 0), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void more_of_them_than_workers_do_not_stop_others(void **state)
{
    int hogs = 5;

    (void)state;
    assert_int_equal(rn_main(1, in_hogs, &hogs), 0);
    assert_int_equal(rn_main(2, in_hogs, &hogs), 0);
}

static void read_then_done(void *arg)
{
    char c;

    check_equal(rn_read(*(int *)arg, &c, 1, RN_FOREVER), 1);
    atomic_fetch_add(&done, 1);
}

static int in_served(void *arg)
{
    int fds[2];

    (void)arg;
    atomic_store(&done, 0);
    make_pipe(fds);
    check_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    check_equal(rn_later(RN_MS, set_done, NULL), 0);
    check_equal(rn_go(read_then_done, &fds[0]), 0);
    wait_until(atomic_load(&rn__sched.external_real) == 1); /* it waits for the descriptor */
    check_equal(write(fds[1], "x", 1), 1);
    spin_until_done(2);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void timers_and_descriptors_are_served_while_all_compute(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_served, NULL), 0);
}

static int in_plain(void *arg)
{
    rn_chan *c = arg;

    check_equal(rn_chan_send(c, NULL, RN_FOREVER), 0); /* we are running */
    spin_until_done(1);
    return 0;
}

static void recv_then_done(void *arg)
{
    check_equal(rn_chan_recv(arg, NULL, RN_FOREVER), 0);
    atomic_fetch_add(&done, 1);
}

static void in_plain_main(void *arg)
{
    (void)in_plain(arg);
}

static void what_a_plain_thread_sends_arrives_while_all_compute(void **state)
{
    rn_chan *running = rn_chan_new(0, 0, NULL), *wanted = rn_chan_new(0, 0, NULL);

    (void)state;
    atomic_store(&done, 0);
    assert_int_equal(rn_start(1), 0);
    assert_int_equal(rn_go(recv_then_done, wanted), 0);
    assert_int_equal(rn_go(in_plain_main, running), 0);
    assert_int_equal(rn_chan_recv(running, NULL, RN_FOREVER), 0);
    assert_int_equal(rn_chan_send(wanted, NULL, RN_FOREVER), 0);
    assert_int_equal(rn_stop(RN_FOREVER), 0);
    rn_chan_unref(running);
    rn_chan_unref(wanted);
}

/* ---- who is in a blocking call ------------------------------------------------------------------------ */

static __attribute__((noinline)) char block_in_read(int fd)
{
    char c = 0;

    check_equal(read(fd, &c, 1), 1);
    __asm__ volatile(""); /* this is no tail call */
    return c;
}

static void write_it(void *arg)
{
    check_equal(write(*(int *)arg, "x", 1), 1);
}

static int in_read(void *arg)
{
    int fds[2];

    (void)arg;
    make_pipe(fds);
    check_equal(rn_go(write_it, &fds[1]), 0);
    check_equal(block_in_read(fds[0]), 'x');
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void who_is_in_a_blocking_call_does_not_stop_others(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_read, NULL), 0);
    assert_int_equal(rn_main(2, in_read, NULL), 0);
}

/* Each is let go by the next one, who must not be where the first ones have got stuck. */
static void read_then_write(void *arg)
{
    const int *fds = arg;

    check_equal(block_in_read(fds[0]), 'x');
    check_equal(write(fds[1], "x", 1), 1);
}

#define CALLS 20

static int in_many_reads(void *arg)
{
    int fds[CALLS + 1][2];
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i <= CALLS; i++)
        make_pipe(fds[i]);
    for (int i = 0; i < CALLS; i++) {
        int ends[2] = { fds[i][0], fds[i + 1][1] };

        check_equal(rn_group_go(g, read_then_write, ends, sizeof ends), 0);
    }
    check_equal(rn_go(write_it, &fds[0][1]), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    for (int i = 0; i <= CALLS; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    return 0;
}

static void many_blocking_calls_do_not_stop_others(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_many_reads, NULL), 0);
}

/* ---- what is still known -------------------------------------------------------------------------------- */

static int in_late_deadlock(void *arg)
{
    check_equal(in_spin(arg), 0);
    check_equal(rn_go(set_done, NULL), 0);
    spin_until_done(2);
    return rn_chan_recv(NULL, NULL,
                        RN_FOREVER); /* the one that stands in for us sleeps by now, or soon */
}

static void a_deadlock_is_found_when_the_last_one_comes_back(void **state)
{
    static const char *const words[] = { "[for ever", NULL };

    (void)state;
    setenv("RN_TEST_WORKERS", "1", 1);
    deadlocks(in_late_deadlock, words);
    unsetenv("RN_TEST_WORKERS");
}

/* As if the monitor had taken somebody out of a queue and not put him into the next one yet. */
static void *empty_hands_when_all_sleep(void *arg)
{
    (void)arg;
    while (atomic_load(&rn__sched.n_idle) + 1 < atomic_load(&rn__sched.on_duty))
        sched_yield();
    rn__lock(&rn__sched.lock); /* under which they look */
    rn__unlock(&rn__sched.lock);
    check_equal(write(2, "now\n", 4), 4);
    rn__crew_hands_empty();
    return NULL;
}

static int in_full_hands(void *arg)
{
    pthread_t thread;

    (void)arg;
    rn__crew_hands_full();
    check_equal(pthread_create(&thread, NULL, empty_hands_when_all_sleep, NULL), 0);
    check_equal(pthread_detach(thread), 0);
    return rn_chan_recv(NULL, NULL, RN_FOREVER);
}

static void who_is_being_handed_over_is_not_asleep(void **state)
{
    static const char *const words[] = { "now\nfatal error", NULL };

    (void)state;
    deadlocks(in_full_hands, words);
}

static void *write_when_monitor_sleeps(void *arg)
{
    while (atomic_load(&rn__monitor_state) != RN__MONITOR_ASLEEP)
        sched_yield();
    check_equal(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

static int in_idle(void *arg)
{
    pthread_t thread;
    int fds[2];
    char c;

    (void)arg;
    make_pipe(fds);
    check_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 3; i++) {
        check_equal(pthread_create(&thread, NULL, write_when_monitor_sleeps, &fds[1]), 0);
        check_equal(rn_read(fds[0], &c, 1, RN_FOREVER), 1);
        check_equal(pthread_join(thread, NULL), 0);
    }
    close(fds[0]);
    close(fds[1]);
    return in_spin(NULL); /* it has been woken again */
}

static void nobody_watches_while_all_are_idle(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_idle, NULL), 0);
}

/* ---- reports ---------------------------------------------------------------------------------------------- */

static int told[2];                 /* what the child says: it reads that itself */
static const char *const *expected; /* ends with NULL */

static bool all_told(const char *text)
{
    for (const char *const *word = expected; *word != NULL; word++)
        if (strstr(text, *word) == NULL)
            return false;
    return true;
}

static void read_report(void *arg)
{
    char text[4096];
    size_t len = 0;
    ssize_t n;

    do {
        n = rn_read(told[0], text + len, sizeof text - 1 - len, RN_FOREVER);
        check(n > 0);
        len += (size_t)n;
        text[len] = '\0';
    } while (!all_told(text));
    atomic_store(&done, 1);
    check_equal(write(*(int *)arg, "x", 1), 1);
}

static int in_reported(void *spins)
{
    int fds[2];

    make_pipe(fds);
    rn_set_name("wheel");
    check_equal(rn_go(read_report, &fds[1]), 0);
    if (spins != NULL)
        spin_until_done(1);
    return block_in_read(fds[0]) != 'x';
}

static void reports(const char *const *words, bool spins)
{
    int status;
    pid_t pid;

    expected = words;
    atomic_store(&done, 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        setenv("RN_MONITOR", "20", 1);
        if (pipe(told) != 0 || fcntl(told[0], F_SETFL, O_NONBLOCK) != 0 || dup2(told[1], 2) != 2)
            _exit(3);
        _exit(rn_main(1, in_reported, spins ? &done : NULL));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void who_computes_is_reported_by_name_and_place(void **state)
{
    static const char *const words[] = { "\"wheel\" has not given way for ", ": it computes\n",
#ifndef RN__TSAN /* it holds the signal back while nothing is called */
                                         "spin_until_done", "in_reported",
#endif
                                         NULL };

    (void)state;
    reports(words, /* spins= */ true);
}

static void who_is_in_a_blocking_call_is_reported_by_name_and_place(void **state)
{
    static const char *const words[] = { "\"wheel\" has not given way for ",
                                         "see rn_block\n",
#ifndef RN__TSAN
                                         "read",
                                         "block_in_read+",
                                         "in_reported+",
#endif
                                         NULL };

    (void)state;
    reports(words, /* spins= */ false);
}

static void on_urgent(int signo)
{
    (void)signo;
    abort();
}

static void whoever_uses_the_signal_is_not_sent_it(void **state)
{
    static const char *const words[] = { "\"wheel\" has not given way for ", ": it computes\n",
                                         NULL };

    (void)state;
    signal(SIGURG, on_urgent);
    reports(words, /* spins= */ true);
    signal(SIGURG, SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_computes_does_not_stop_others),
        cmocka_unit_test(more_of_them_than_workers_do_not_stop_others),
        cmocka_unit_test(timers_and_descriptors_are_served_while_all_compute),
        cmocka_unit_test(what_a_plain_thread_sends_arrives_while_all_compute),
        cmocka_unit_test(who_is_in_a_blocking_call_does_not_stop_others),
        cmocka_unit_test(many_blocking_calls_do_not_stop_others),
        cmocka_unit_test(a_deadlock_is_found_when_the_last_one_comes_back),
        cmocka_unit_test(who_is_being_handed_over_is_not_asleep),
        cmocka_unit_test(nobody_watches_while_all_are_idle),
        cmocka_unit_test(who_computes_is_reported_by_name_and_place),
        cmocka_unit_test(who_is_in_a_blocking_call_is_reported_by_name_and_place),
        cmocka_unit_test(whoever_uses_the_signal_is_not_sent_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
