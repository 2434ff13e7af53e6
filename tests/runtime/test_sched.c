/* test_sched.c - starting, running and ending: rn_main, rn_start, plain threads, many goroutines.
 *   SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "runtime/crew.h"
#include "runtime/sched.h"
#include "runtime/state.h"
#include "tests/runtime/channels.h"

/* ---- rn_main ------------------------------------------------------------------------------ */

static void forever_fn(void *arg)
{
    (void)arg;
    for (;;)
        rn_yield();
}

static void asleep_fn(void *arg)
{
    (void)arg;
    /* Who still runs when main returns finds itself cancelled; who sleeps does not come back. */
    check_equal(rn_sleep(RN_FOREVER), RN_ECANCELED);
}

static int in_status(void *arg)
{
    for (int i = 0; i < 20; i++) {
        check_equal(rn_go(forever_fn, NULL), 0);
        check_equal(rn_go(asleep_fn, NULL), 0);
    }
    rn_yield();
    return *(int *)arg;
}

static void main_returns_what_its_function_returned_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        assert_int_equal(rn_main(i % 3 + 1, in_status, &i), i);
}

static int in_nested(void *arg)
{
    check_equal(rn_main(1, in_status, arg), -EBUSY);
    check_equal(rn_start(1), -EBUSY);
    check(rn_stop(RN_NOWAIT) < 0);
    return 0;
}

static void second_scheduler_is_refused(void **state)
{
    (void)state;
    run_inside(in_nested, NULL);
}

/* ---- many ------------------------------------------------------------------------------------ */

static _Atomic int arrived;

static void gate_fn(void *arg)
{
    arrived++;
    check_equal(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER), RN_ECLOSED);
}

#ifdef RN__TSAN
enum { CROWD = 500 }; /* ThreadSanitizer has room for about 8000, and is slow to make them */
#else
enum { CROWD = 40000 }; /* more than vm.max_map_count would allow with mprotect */
#endif

static int in_crowd(void *arg)
{
    rn_chan *gate = rn_chan_new(0, 0, NULL);
    rn_group *g = rn_group_new();

    (void)arg;
    arrived = 0;
    for (int i = 0; i < CROWD; i++)
        check_equal(rn_group_go(g, gate_fn, &gate, sizeof gate), 0);
    wait_until(arrived == CROWD);
    rn_chan_close(gate);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(gate);
    return 0;
}

static void many_goroutines_park_and_wake(void **state)
{
    (void)state;
    run_inside(in_crowd, NULL);
}

static void tree_fn(void *arg)
{
    int depth = *(int *)arg - 1;

    arrived++;
    if (depth > 0)
        for (int i = 0; i < 4; i++)
            check_equal(rn_go_copy(tree_fn, &depth, sizeof depth), 0);
}

static int in_tree(void *arg)
{
    rn_group *g = rn_group_new();
    int depth = 6;

    (void)arg;
    arrived = 0;
    check_equal(rn_group_go(g, tree_fn, &depth, sizeof depth), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(arrived, (4096 - 1) / 3); /* 1 + 4 + ... + 1024 */
    rn_group_free(g);
    return 0;
}

static void every_goroutine_runs_exactly_once(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        run_inside(in_tree, NULL);
}

/* A pair that hands on to each other all the time must not starve the rest, nor timers. */
static void pair_fn(void *arg)
{
    rn_chan **c = *(rn_chan ***)arg;

    while (rn_chan_recv(c[0], NULL, RN_FOREVER) == 0 && rn_chan_send(c[1], NULL, RN_FOREVER) == 0)
        ;
}

static void run_fn(void *arg)
{
    (*(_Atomic int **)arg)[0]++;
}

static int in_pair(void *arg)
{
    rn_chan *c[2] = { rn_chan_new(0, 0, NULL), rn_chan_new(0, 0, NULL) }, **there = c;
    rn_chan *back[2] = { c[1], c[0] }, **backp = back;
    rn_group *g = rn_group_new();
    _Atomic int count = 0, *p = &count;

    (void)arg;
    check_equal(rn_group_go(g, pair_fn, &there, sizeof there), 0);
    check_equal(rn_group_go(g, pair_fn, &backp, sizeof backp), 0);
    check_equal(rn_chan_send(c[0], NULL, RN_FOREVER), 0);
    for (int i = 0; i < 100; i++)
        check_equal(rn_go_copy(run_fn, &p, sizeof p), 0);
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    wait_until(count == 100);
    rn_chan_close(c[0]);
    rn_chan_close(c[1]);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(c[0]);
    rn_chan_unref(c[1]);
    return 0;
}

static void pair_that_hands_on_starves_nobody(void **state)
{
    (void)state;
    run_inside(in_pair, NULL);
}

/* One that never gives way holds only its own worker: who it made runnable last goes on elsewhere. */
static void answer_fn(void *arg)
{
    rn_chan *c = *(rn_chan **)arg;

    check_equal(rn_chan_recv(c, NULL, RN_FOREVER), 0);
    arrived = 1;
}

static int in_hog(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 20; i++) {
        arrived = 0;
        check_equal(rn_group_go(g, answer_fn, &c, sizeof c), 0);
        await_waiting(c, RN_RECV, 1);
        check_equal(rn_chan_send(c, NULL, RN_NOWAIT), 0);
        while (!arrived)
            ;
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
    }
    rn_group_free(g);
    rn_chan_unref(c);
    return 0;
}

static void busy_goroutine_does_not_keep_those_it_woke(void **state)
{
    (void)state;
    assert_int_equal(rn_main(2, in_hog, NULL), 0);
}

/* ---- plain threads ------------------------------------------------------------------------------ */

enum { THREADS = 4, MESSAGES = 2000 };

struct pipes {
    rn_chan *in, *out;
};

static void *thread_echo(void *arg)
{
    struct pipes *p = arg;
    int n;

    while (rn_chan_recv(p->in, &n, RN_FOREVER) == 0)
        check_equal(rn_chan_send(p->out, &n, RN_FOREVER), 0);
    return NULL;
}

static void feed_fn(void *arg)
{
    rn_chan *c = *(rn_chan **)arg;

    for (int i = 1; i <= MESSAGES; i++)
        check_equal(rn_chan_send(c, &i, RN_FOREVER), 0);
    rn_chan_close(c);
}

static int in_threads(void *arg)
{
    size_t cap = *(size_t *)arg;
    struct pipes p = { rn_chan_new(sizeof(int), cap, NULL), rn_chan_new(sizeof(int), cap, NULL) };
    rn_group *g = rn_group_new();
    pthread_t threads[THREADS];
    long sum = 0;

    rn_hold();
    for (int i = 0; i < THREADS; i++)
        check_equal(pthread_create(&threads[i], NULL, thread_echo, &p), 0);
    check_equal(rn_group_go(g, feed_fn, &p.in, sizeof p.in), 0);
    for (int i = 0; i < MESSAGES; i++) {
        int n;

        check_equal(rn_chan_recv(p.out, &n, RN_FOREVER), 0);
        sum += n;
    }
    check_equal(sum, (long)MESSAGES * (MESSAGES + 1) / 2);
    check_equal(rn_group_wait(g, RN_FOREVER), 0); /* it has closed: a join holds up our worker */
    rn_group_free(g);
    for (int i = 0; i < THREADS; i++)
        check_equal(pthread_join(threads[i], NULL), 0);
    rn_release();
    rn_chan_unref(p.in);
    rn_chan_unref(p.out);
    return 0;
}

static void plain_threads_use_channels_like_goroutines(void **state)
{
    static size_t caps[] = { 0, 16 };

    (void)state;
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++)
        run_inside(in_threads, &caps[i]);
}

/* That a plain thread has once been in a call that can block is enough, even if it did not have to. */
static rn_chan *ready, *later;

static void *thread_unblocked_then_late(void *arg)
{
    check_equal(rn_chan_send(ready, NULL, RN_FOREVER), 0); /* buffered: it never waits */
    check_equal(read(*(int *)arg, &(char){ 0 }, 1), 1);
    check_equal(rn_chan_send(later, NULL, RN_FOREVER), 0);
    return NULL;
}

static void *thread_writes_when_asleep(void *arg)
{
    /* A wrong report would come when the last worker goes to sleep. */
    while (!rn__crew_all_idle())
        sched_yield();
    rn__lock(&rn__sched.lock); /* under which it looks */
    rn__unlock(&rn__sched.lock);
    check_equal(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

static int in_seen(void *arg)
{
    pthread_t thread, other;
    int fds[2];

    (void)arg;
    ready = rn_chan_new(0, 1, NULL);
    later = rn_chan_new(0, 0, NULL);
    check_equal(pipe(fds), 0);
    rn_hold();
    check_equal(pthread_create(&thread, NULL, thread_unblocked_then_late, &fds[0]), 0);
    check_equal(rn_chan_recv(ready, NULL, RN_FOREVER), 0);
    check_equal(pthread_create(&other, NULL, thread_writes_when_asleep, &fds[1]), 0);
    rn_release();
    check_equal(rn_chan_recv(later, NULL, RN_FOREVER), 0); /* no deadlock is reported */
    check_equal(pthread_join(thread, NULL), 0);
    check_equal(pthread_join(other, NULL), 0);
    close(fds[0]);
    close(fds[1]);
    rn_chan_unref(ready);
    rn_chan_unref(later);
    return 0;
}

static void plain_thread_that_was_here_once_is_no_deadlock(void **state)
{
    (void)state;
    run_inside(in_seen, NULL);
}

/* ---- rn_start and rn_stop ------------------------------------------------------------------------- */

static void start(void)
{
    assert_int_equal(rn_start(inside_workers()), 0);
}

static void start_and_stop_may_be_repeated(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        start();
        assert_int_equal(rn_start(1), -EBUSY);
        if (i % 2)
            assert_int_equal(
                rn_go_copy(run_fn, &(_Atomic int *){ &arrived }, sizeof(_Atomic int *)), 0);
        assert_int_equal(rn_stop(RN_FOREVER), 0);
        assert_true(rn_stop(RN_FOREVER) < 0);
    }
}

static void cancelled_fn(void *arg)
{
    int rc = rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER);

    check_equal(rc, RN_ECANCELED);
    check_equal(rn_cancelled(), RN_ECANCELED);
    arrived++;
}

static void group_member_fn(void *arg)
{
    rn_group *g = rn_group_new();
    int rc;

    check_equal(rn_group_go(g, cancelled_fn, arg, sizeof(rn_chan *)), 0);
    rc = rn_group_wait(g, RN_FOREVER);
    check(rc == RN_ECANCELED || rc == 0); /* the member may have heard of it, and left, first */
    rn_group_free(g);
    arrived++;
}

static void stop_cancels_everybody_and_waits_for_them(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        rn_chan *c = rn_chan_new(0, 0, NULL);

        arrived = 0;
        start();
        for (int k = 0; k < 5; k++) {
            assert_int_equal(rn_go_copy(cancelled_fn, &c, sizeof c), 0);
            assert_int_equal(rn_go_copy(group_member_fn, &c, sizeof c), 0);
        }
        await_waiting(c, RN_RECV, 10);
        assert_int_equal(rn_stop(RN_FOREVER), 0);
        assert_int_equal(arrived, 15);
        rn_chan_unref(c);
    }
}

static void stubborn_fn(void *arg)
{
    rn_shield(1);
    check_equal(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
    rn_shield(0);
}

static void stop_that_times_out_leaves_it_running(void **state)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);

    (void)state;
    start();
    assert_int_equal(rn_go_copy(stubborn_fn, &c, sizeof c), 0);
    await_waiting(c, RN_RECV, 1);
    assert_int_equal(rn_stop(rn_after(RN_MS)), RN_ETIMEDOUT);
    assert_int_equal(rn_chan_send(c, NULL, RN_FOREVER), 0);
    assert_int_equal(rn_stop(RN_FOREVER), 0);
    rn_chan_unref(c);
}

static void *thread_until_shutdown(void *arg)
{
    check_equal(rn_chan_recv(arg, NULL, RN_FOREVER), -ESHUTDOWN);
    check_equal(rn_chan_recv(arg, NULL, RN_FOREVER), -ESHUTDOWN);
    return NULL;
}

static void *thread_selects_until_shutdown(void *arg)
{
    rn_case cases[] = { { arg, NULL, RN_RECV, 0 }, { arg, NULL, RN_SEND, 0 } };

    check_equal(rn_select(cases, 1, RN_FOREVER), -ESHUTDOWN);
    return NULL;
}

static void stop_ends_the_calls_of_plain_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        rn_chan *c = rn_chan_new(0, 0, NULL);
        pthread_t a[3], b;

        start();
        for (int k = 0; k < 3; k++)
            assert_int_equal(pthread_create(&a[k], NULL, thread_until_shutdown, c), 0);
        assert_int_equal(pthread_create(&b, NULL, thread_selects_until_shutdown, c), 0);
        await_waiting(c, RN_RECV, 4);
        assert_int_equal(rn_stop(RN_FOREVER), 0);
        for (int k = 0; k < 3; k++)
            pthread_join(a[k], NULL);
        pthread_join(b, NULL);
        rn_chan_unref(c);
    }
}

/* A thread that goes on calling while the scheduler comes and goes. */
static _Atomic bool enough;

static void nothing_fn(void *arg)
{
    (void)arg;
}

static void *thread_calls_all_the_time(void *arg)
{
    while (!enough) {
        int rc = rn_chan_send(arg, NULL, rn_after(20 * RN_US));

        check(rc == 0 || rc == RN_ETIMEDOUT || rc == -ESHUTDOWN);
        rc = rn_go(nothing_fn, NULL);
        check(rc == 0 || rc == -ESHUTDOWN);
        rc = rn_later(RN_US, nothing_fn, NULL);
        check(rc == 0 || rc == -ESHUTDOWN);
    }
    return NULL;
}

static void drain_fn(void *arg)
{
    while (rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER) == 0)
        ;
}

static void plain_threads_may_call_while_the_scheduler_ends(void **state)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    pthread_t threads[2];

    (void)state;
    enough = false;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_calls_all_the_time, c), 0);
    for (int i = 0; i < 200; i++) {
        start();
        assert_int_equal(rn_go_copy(drain_fn, &c, sizeof c), 0);
        for (int k = 0; k < i % 10; k++)
            sched_yield();
        assert_int_equal(rn_stop(RN_FOREVER), 0);
    }
    enough = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    rn_chan_unref(c);
}

/* ---- figures --------------------------------------------------------------------------------------- */

static int in_stats(void *arg)
{
    rn_chan *c = rn_chan_new(0, 1, NULL);
    rn_stats a, b;

    (void)arg;
    rn_stats_read(&a);
    check_equal(a.goroutines, 1);
    check_equal(rn_chan_send(c, NULL, RN_NOWAIT), 0);
    check_equal(rn_chan_send(c, NULL, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), 0);
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), RN_ETIMEDOUT);
    rn_stats_read(&b);
    check_equal(b.sends - a.sends, 1); /* what was not sent does not count */
    check_equal(b.recvs - a.recvs, 1);
    rn_chan_unref(c);
    return 0;
}

static void figures_count_what_was_done(void **state)
{
    (void)state;
    run_inside(in_stats, NULL);
}

/* ---- what reviews have found -------------------------------------------------------------- */

static void spin_fn(void *arg)
{
    while (!atomic_load(*(_Atomic bool **)arg))
        ;
}

/* All workers fall fast asleep, so that only the poller can see what happens; and then it gets a goroutine that keeps it. */
static int in_keep_the_poller(void *arg)
{
    _Atomic bool over = false, *p = &over;
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 3; i++) {
        over = false;
        check_equal(rn_sleep(rn_after(50 * RN_MS)), 0);
        check_equal(rn_group_go(g, spin_fn, &p, sizeof p), 0);
        check_equal(rn_sleep(rn_after(RN_MS)), 0);
        over = true;
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
    }
    rn_group_free(g);
    return 0;
}

static void who_keeps_the_poller_does_not_keep_its_timers(void **state)
{
    (void)state;
    assert_int_equal(rn_main(2, in_keep_the_poller, NULL), 0);
    assert_int_equal(rn_main(3, in_keep_the_poller, NULL), 0);
}

static void *thread_stop(void *arg)
{
    *(int *)arg = rn_stop(RN_FOREVER);
    return NULL;
}

static void two_threads_that_stop_end_it_once(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        int rc[2];
        pthread_t threads[2];

        start();
        for (int k = 0; k < 2; k++)
            assert_int_equal(pthread_create(&threads[k], NULL, thread_stop, &rc[k]), 0);
        for (int k = 0; k < 2; k++)
            assert_int_equal(pthread_join(threads[k], NULL), 0);
        assert_int_equal(rc[0] + rc[1], -ESHUTDOWN);
        assert_true(rc[0] == 0 || rc[1] == 0);
    }
}

static void stop_behind_another_stop_keeps_its_own_deadline(void **state)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    pthread_t thread;
    int rc = -1;

    (void)state;
    start();
    assert_int_equal(rn_go_copy(stubborn_fn, &c, sizeof c), 0);
    await_waiting(c, RN_RECV, 1);
    assert_int_equal(pthread_create(&thread, NULL, thread_stop, &rc), 0);
    while (!atomic_load(&rn__sched.stop_waits))
        sched_yield();
    assert_int_equal(rn_stop(RN_NOWAIT), RN_ETIMEDOUT);
    assert_int_equal(rn_stop(rn_after(RN_MS)), RN_ETIMEDOUT);
    assert_int_equal(rn_chan_send(c, NULL, RN_FOREVER), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rc, 0);
    rn_chan_unref(c);
}

static int in_huge(void *arg)
{
    rn_go_opts huge = { .stack_bytes = SIZE_MAX }, wraps = { .stack_bytes = SIZE_MAX / 4 + 2 };

    (void)arg;
    check_equal(rn_go_with(&huge, nothing_fn, NULL, 0), -ENOMEM);
    check_equal(rn_go_with(&wraps, nothing_fn, NULL, 0), -ENOMEM);
    return 0;
}

static void stack_that_cannot_be_is_refused(void **state)
{
    (void)state;
    run_inside(in_huge, NULL);
}

static void *thread_sleeps(void *arg)
{
    (void)arg;
    while (!enough) {
        int rc = rn_sleep(RN_FOREVER);

        check_equal(rc, -ESHUTDOWN);
    }
    return NULL;
}

static void thread_that_falls_asleep_while_the_scheduler_ends_wakes(void **state)
{
    pthread_t thread;

    (void)state;
    enough = false;
    assert_int_equal(pthread_create(&thread, NULL, thread_sleeps, NULL), 0);
    for (int i = 0; i < 200; i++) {
        start();
        for (int k = 0; k < i % 10; k++)
            sched_yield();
        assert_int_equal(rn_stop(RN_FOREVER), 0);
    }
    enough = true;
    pthread_join(thread, NULL);
}

/* ---- giving way to those who were readied ------------------------------------------------------ */

static atomic_int taken;
static atomic_bool go_on;

static void take_fn(void *arg)
{
    check_equal(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
    taken++;
}

static void take_and_compute_fn(void *arg)
{
    take_fn(arg);
    while (!atomic_load(&go_on))
        ;
}

/* n of them wait, and are readied. */
static rn_group *ready_some(rn_chan *c, rn_fn *fn, int n)
{
    rn_group *g = rn_group_new();

    taken = 0;
    for (int i = 0; i < n; i++)
        check_equal(rn_group_go(g, fn, &c, sizeof c), 0);
    await_waiting(c, RN_RECV, n);
    for (int i = 0; i < n; i++)
        check_equal(rn_chan_send(c, NULL, RN_NOWAIT), 0);
    return g;
}

static void end_some(rn_group *g, rn_chan *c)
{
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(c);
}

/* To three of whom it says that it has readied so many. */
struct give_way {
    unsigned readied;
    int taken; /* by them, then */
};

static int in_give_way(void *arg)
{
    const struct give_way *to = arg;
    rn_chan *c = rn_chan_new(0, 0, NULL);
    rn_group *g = ready_some(c, take_fn, 3);

    check_equal(taken, 0);
    rn__give_way(to->readied);
    check_equal(taken, to->taken);
    end_some(g, c);
    return 0;
}

static void who_gives_way_lets_those_go_first_whom_it_has_readied(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_give_way, &(struct give_way){ 3, 3 }), 0);
}

static void who_gives_way_does_not_wait_for_others(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_give_way, &(struct give_way){ 2, 0 }), 0);
}

static int in_give_way_to_a_computation(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        rn_chan *c = rn_chan_new(0, 0, NULL);
        rn_group *g;

        atomic_store(&go_on, false);
        g = ready_some(c, take_and_compute_fn, 1);
        rn__give_way(1);
        atomic_store(&go_on, true);
        end_some(g, c);
    }
    return 0;
}

static void who_gives_way_goes_on_while_the_other_computes(void **state)
{
    (void)state;
    assert_int_equal(rn_main(2, in_give_way_to_a_computation, NULL), 0);
}

/* A worker that sleeps for milliseconds between picks of microseconds. */
static int in_naps(void *arg)
{
    uint32_t pick_ns;

    (void)arg;
    do {
        check_equal(rn_sleep(rn_after(5 * RN_MS)), 0);
        pick_ns = atomic_load(&rn__worker()->pick_ns);
    } while (pick_ns == 0 || pick_ns >= 50 * RN_US);
    return 0;
}

static void time_asleep_is_not_taken_for_picks(void **state)
{
    (void)state;
    assert_int_equal(rn_main(2, in_naps, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(main_returns_what_its_function_returned_again_and_again),
        cmocka_unit_test(second_scheduler_is_refused),
        cmocka_unit_test(many_goroutines_park_and_wake),
        cmocka_unit_test(every_goroutine_runs_exactly_once),
        cmocka_unit_test(pair_that_hands_on_starves_nobody),
        cmocka_unit_test(busy_goroutine_does_not_keep_those_it_woke),
        cmocka_unit_test(plain_threads_use_channels_like_goroutines),
        cmocka_unit_test(plain_thread_that_was_here_once_is_no_deadlock),
        cmocka_unit_test(start_and_stop_may_be_repeated),
        cmocka_unit_test(stop_cancels_everybody_and_waits_for_them),
        cmocka_unit_test(stop_that_times_out_leaves_it_running),
        cmocka_unit_test(stop_ends_the_calls_of_plain_threads),
        cmocka_unit_test(plain_threads_may_call_while_the_scheduler_ends),
        cmocka_unit_test(figures_count_what_was_done),
        cmocka_unit_test(who_keeps_the_poller_does_not_keep_its_timers),
        cmocka_unit_test(two_threads_that_stop_end_it_once),
        cmocka_unit_test(stop_behind_another_stop_keeps_its_own_deadline),
        cmocka_unit_test(stack_that_cannot_be_is_refused),
        cmocka_unit_test(thread_that_falls_asleep_while_the_scheduler_ends_wakes),
        cmocka_unit_test(who_gives_way_lets_those_go_first_whom_it_has_readied),
        cmocka_unit_test(who_gives_way_does_not_wait_for_others),
        cmocka_unit_test(who_gives_way_goes_on_while_the_other_computes),
        cmocka_unit_test(time_asleep_is_not_taken_for_picks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
