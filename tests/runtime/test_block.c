/* test_block.c - calls that block a thread.   SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "runtime/block.h"
#include "tests/runtime/inside.h"

enum { MANY = 40, CALLS = 2000 };

static void note_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
}

static int in_elsewhere(void *arg)
{
    pthread_t there = pthread_self();

    (void)arg;
    check_equal(rn_block(note_thread, &there), 0);
    check(!pthread_equal(there, pthread_self()));
    check(rn__block_threads() >= 1);
    return 0;
}

static void call_runs_on_another_thread(void **state)
{
    (void)state;
    run_inside(in_elsewhere, NULL);
}

/* A byte through a blocking pipe: the call ends only when another goroutine has run. */
static void read_byte(void *arg)
{
    int *fds = arg;
    char byte;

    check_equal(read(fds[0], &byte, 1), 1);
}

static void write_byte(void *arg)
{
    int *fds = arg;

    check_equal(write(fds[1], "x", 1), 1);
}

static int in_others_run(void *arg)
{
    int fds[2];

    (void)arg;
    check(pipe2(fds, O_CLOEXEC) == 0);
    check_equal(rn_go_copy(write_byte, fds, sizeof fds), 0);
    check_equal(rn_block(read_byte, fds), 0);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void other_goroutines_run_meanwhile_with_one_worker(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_others_run, NULL), 0);
    assert_int_equal(rn_sim(1, in_others_run, NULL), 0);
}

struct meeting {
    pthread_barrier_t *barrier;
    rn_chan *done;
};

static void meet(void *arg)
{
    pthread_barrier_wait(arg);
}

static void meet_fn(void *arg)
{
    struct meeting *m = arg;

    check_equal(rn_block(meet, m->barrier), 0);
    check_equal(rn_chan_send(m->done, NULL, RN_FOREVER), 0);
}

static int in_grows(void *arg)
{
    struct meeting m = { .done = rn_chan_new(0, 0, NULL) };
    pthread_barrier_t barrier;
    pthread_t there;

    (void)arg;
    m.barrier = &barrier;
    pthread_barrier_init(&barrier, NULL, MANY);
    for (int i = 0; i < MANY; i++)
        check_equal(rn_go_copy(meet_fn, &m, sizeof m), 0);
    for (int i = 0; i < MANY; i++)
        check_equal(rn_chan_recv(m.done, NULL, RN_FOREVER), 0);
    check(rn__block_threads() <= MANY);
    pthread_barrier_destroy(&barrier);
    wait_until(rn__block_threads() == 0);          /* all were idle for long enough */
    check_equal(rn_block(note_thread, &there), 0); /* and grows again */
    rn_chan_unref(m.done);
    return 0;
}

static void pool_grows_while_calls_wait_for_one_another_and_shrinks_when_idle(void **state)
{
    int64_t before = rn__block_idle_ns;

    (void)state;
    rn__block_idle_ns = RN_MS;
    run_inside(in_grows, NULL);
    rn__block_idle_ns = before;
}

static void add_one(void *arg)
{
    ++*(int *)arg;
}

static void calls_fn(void *arg)
{
    struct meeting *m = arg;
    int n = 0;

    for (int i = 0; i < CALLS / 10; i++)
        check_equal(rn_block(add_one, &n), 0);
    check_equal(n, CALLS / 10);
    check_equal(rn_chan_send(m->done, NULL, RN_FOREVER), 0);
}

static int in_many_calls(void *arg)
{
    struct meeting m = { .done = rn_chan_new(0, 0, NULL) };

    (void)arg;
    for (int i = 0; i < 10; i++)
        check_equal(rn_go_copy(calls_fn, &m, sizeof m), 0);
    for (int i = 0; i < 10; i++)
        check_equal(rn_chan_recv(m.done, NULL, RN_FOREVER), 0);
    rn_chan_unref(m.done);
    return 0;
}

static void every_call_is_made_once(void **state)
{
    (void)state;
    run_inside(in_many_calls, NULL);
}

static void blocks_cancelled(void *arg)
{
    int n = 0;

    (void)arg;
    while (!rn_cancelled())
        rn_yield();
    check_equal(rn_block(add_one, &n), 0);
    check_equal(n, 1);
}

static int in_cancelled(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, blocks_cancelled, NULL, 0), 0);
    rn_group_cancel(g);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void cancellation_does_not_reach_a_call(void **state)
{
    (void)state;
    run_inside(in_cancelled, NULL);
}

static void plain_thread_makes_the_call_itself(void **state)
{
    pthread_t there;

    (void)state;
    assert_int_equal(rn_block(note_thread, &there), 0);
    assert_true(pthread_equal(there, pthread_self()));
}

/* ---- the scheduler ends meanwhile ------------------------------------------------------ */

struct late {
    int in[2], out[2]; /* in: the call may go on; out: it has begun, it is done */
};

static struct late late;

static void late_call(void *arg)
{
    char byte;

    (void)arg;
    check_equal(write(late.out[1], "b", 1), 1);
    check_equal(read(late.in[0], &byte, 1), 1);
    check_equal(write(late.out[1], "e", 1), 1);
}

static void late_fn(void *arg)
{
    (void)arg;
    rn_block(late_call, NULL);
}

static int in_late(void *arg)
{
    char byte;

    (void)arg;
    check_equal(rn_go(late_fn, NULL), 0);
    check_equal(rn_read(late.out[0], &byte, 1, RN_FOREVER), 1);
    return 0;
}

static void main_returns_while_a_call_runs_on(void **state)
{
    char byte;

    (void)state;
    assert_int_equal(pipe2(late.in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(late.out, O_CLOEXEC), 0);
    assert_int_equal(fcntl(late.out[0], F_SETFL, O_NONBLOCK), 0);
    run_inside(in_late, NULL);
    assert_int_equal(fcntl(late.out[0], F_SETFL, 0), 0);
    run_inside(in_many_calls, NULL); /* a new pool beside the old thread */
    assert_int_equal(write(late.in[1], "x", 1), 1);
    assert_int_equal(read(late.out[0], &byte, 1), 1);
    assert_int_equal(byte, 'e');
    for (int i = 0; i < 2; i++) {
        close(late.in[i]);
        close(late.out[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_runs_on_another_thread),
        cmocka_unit_test(other_goroutines_run_meanwhile_with_one_worker),
        cmocka_unit_test(pool_grows_while_calls_wait_for_one_another_and_shrinks_when_idle),
        cmocka_unit_test(every_call_is_made_once),
        cmocka_unit_test(cancellation_does_not_reach_a_call),
        cmocka_unit_test(plain_thread_makes_the_call_itself),
        cmocka_unit_test(main_returns_while_a_call_runs_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
