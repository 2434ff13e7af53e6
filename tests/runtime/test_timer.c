/* test_timer.c - what happens at a time.   SPDX-License-Identifier: MIT
 *
 * What must be exact is tested under rn_sim, whose clock is virtual; with workers: never early, and races. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/sched.h"
#include "runtime/sim.h"
#include "tests/runtime/inside.h"

/* ---- exact, under rn_sim --------------------------------------------------------------- */

#define SOON (100 * RN_US) /* scheduling steps are a microsecond each */

static void run_sim(int (*fn)(void *))
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        assert_int_equal(rn_sim(seed, fn, NULL), 0);
}

static int in_sleep(void *arg)
{
    rn_time start = rn_now();

    (void)arg;
    check_equal(rn_sleep(rn_after(3600 * RN_SEC)), 0);
    check(rn_now() >= start + 3600 * RN_SEC && rn_now() < start + 3600 * RN_SEC + SOON);
    check_equal(rn_sleep(rn_now() - 1), 0);
    check_equal(rn_sleep(RN_NOWAIT), 0);
    check_equal(rn_after(INT64_MAX), RN_FOREVER);
    return 0;
}

static int in_glance(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        check_equal(rn__boottime_glance(), rn__boottime());
        rn__sim_suspend(RN_SEC);
        check_equal(rn__boottime_glance(), rn__boottime());
        check(!rn__boottime_before(rn__boottime()) && rn__boottime_before(rn__boottime() + 1));
        check_equal(rn_sleep(rn_after(1)), 0);
    }
    return 0;
}

static void glance_at_the_clock_is_exact_in_a_simulation(void **state)
{
    (void)state;
    run_sim(in_glance);
}

static void glance_at_the_clock_is_never_late_and_goes_on(void **state)
{
    int64_t first = rn__boottime(), seen = 0;

    (void)state;
    do {
        int64_t before = seen, now = rn__boottime();
        seen = rn__boottime_glance();
        assert_true(seen >= before);
        assert_true(seen > now - RN__GLANCE_NS);
        assert_true(seen <= rn__boottime());
    } while (seen < first + RN_MS);
}

static void what_is_seconds_away_is_before_and_what_was_is_not(void **state)
{
    int64_t first = rn__boottime(), now = first;

    (void)state;
    for (; now < first + RN_MS; now = rn__boottime())
        for (int64_t ns = 1; ns <= 64 * RN_SEC; ns *= 2) {
            assert_false(rn__boottime_before(now - ns));
            if (ns > RN_SEC) /* unless this thread is held up for as long */
                assert_true(rn__boottime_before(now + ns));
        }
    assert_true(rn__boottime_before(INT64_MAX));
    assert_false(rn__boottime_before(0));
}

static int in_timer(void *arg)
{
    rn_time start = rn_now(), at = 0;
    rn_chan *t = rn_timer(5 * RN_SEC), *now = rn_timer(0), *before = rn_timer(-7);

    (void)arg;
    check_equal(rn_chan_recv(t, &at, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(now, &at, rn_after(RN_MS)), 0);
    check_equal(rn_chan_recv(before, &at, rn_after(RN_MS)), 0);
    check_equal(rn_chan_recv(t, &at, RN_FOREVER), 0);
    check(at >= start + 5 * RN_SEC && at < start + 5 * RN_SEC + SOON);
    check_equal(rn_chan_recv(t, &at, rn_after(RN_SEC)), RN_ETIMEDOUT); /* only one */
    rn_chan_unref(t);
    rn_chan_unref(now);
    rn_chan_unref(before);
    return 0;
}

static int in_ticker(void *arg)
{
    rn_time start = rn_now(), at;
    rn_chan *t = rn_ticker(RN_SEC);

    (void)arg;
    check(rn_ticker(0) == NULL);
    check(rn_ticker(-1) == NULL);
    for (int i = 1; i <= 5; i++) {
        check_equal(rn_chan_recv(t, &at, RN_FOREVER), 0);
        check(at >= start + i * RN_SEC && at < start + i * RN_SEC + SOON); /* no drift */
    }
    check_equal(rn_sleep(start + 9 * RN_SEC + RN_SEC / 2), 0); /* four ticks, one is kept */
    check_equal(rn_chan_len(t), 1);
    check_equal(rn_chan_recv(t, &at, RN_NOWAIT), 0);
    check_equal(rn_chan_recv(t, &at, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(t, &at, RN_FOREVER), 0);
    check(at >= start + 10 * RN_SEC && at < start + 10 * RN_SEC + SOON);
    rn_chan_unref(t);
    return 0;
}

static int fired;
static rn_time fired_at;

static void fire_fn(void *arg)
{
    fired += *(int *)arg;
    fired_at = rn_now();
}

static int in_after_func(void *arg)
{
    static int one = 1;
    rn_time start = rn_now();
    rn_timer_fn *t = rn_after_func(2 * RN_SEC, fire_fn, &one);

    (void)arg;
    fired = 0;
    check_equal(rn_timer_stop(t), 1);
    check_equal(rn_sleep(start + 3 * RN_SEC), 0);
    check_equal(fired, 0);

    start = rn_now();
    t = rn_after_func(RN_SEC, fire_fn, &one);
    check_equal(rn_timer_reset(t, 5 * RN_SEC), 1);
    check_equal(rn_sleep(start + 3 * RN_SEC), 0);
    check_equal(fired, 0);
    check_equal(rn_sleep(start + 6 * RN_SEC), 0);
    check_equal(fired, 1);
    check(fired_at >= start + 5 * RN_SEC && fired_at < start + 5 * RN_SEC + SOON);
    check_equal(rn_timer_reset(t, RN_SEC), 0); /* fires once more */
    check_equal(rn_sleep(rn_after(2 * RN_SEC)), 0);
    check_equal(fired, 2);
    check_equal(rn_timer_stop(t), 0); /* too late, but freed */
    check_equal(rn_timer_stop(NULL), 0);

    check_equal(rn_later(RN_SEC, fire_fn, &one), 0);
    check_equal(rn_sleep(rn_after(2 * RN_SEC)), 0);
    check_equal(fired, 3);
    return 0;
}

struct order {
    rn_time when;
    rn_time *last;
    int *count;
};

static void order_fn(void *arg)
{
    struct order *o = arg;

    check_equal(rn_sleep(o->when), 0);
    check(rn_now() >= o->when && rn_now() < o->when + SOON);
    check(o->when >= *o->last);
    *o->last = o->when;
    ++*o->count;
}

static int in_order(void *arg)
{
    rn_time last = 0, start = rn_now() + RN_SEC;
    int count = 0;
    uint32_t r = 1;

    (void)arg;
    for (int i = 0; i < 500; i++) {
        struct order o = { .last = &last, .count = &count };

        r = r * 1664525 + 1013904223;
        o.when = start + (rn_time)(r >> 8) % 10000 * RN_MS; /* far enough apart, or equal */
        check_equal(rn_go_copy(order_fn, &o, sizeof o), 0);
    }
    check_equal(rn_sleep(start + 20 * RN_SEC), 0);
    check_equal(count, 500);
    return 0;
}

/* Go: TestSleep. */
static void sleep_lasts_as_long_as_was_said(void **state)
{
    (void)state;
    run_sim(in_sleep);
}

/* Go: TestAfter. */
static void timer_delivers_once_and_at_its_time(void **state)
{
    (void)state;
    run_sim(in_timer);
}

/* Go: TestTicker, TestTick, TestNewTickerLtZeroDuration. */
static void ticker_keeps_its_rhythm_and_drops_what_nobody_took(void **state)
{
    (void)state;
    run_sim(in_ticker);
}

/* Go: TestReset. */
static void after_func_fires_once_unless_stopped_or_reset(void **state)
{
    (void)state;
    run_sim(in_after_func);
}

static void sleepers_wake_in_the_order_of_their_times(void **state)
{
    (void)state;
    run_sim(in_order);
}

/* ---- with workers ------------------------------------------------------------------------------- */

enum { SLEEPERS = 2000 };

static void sleeper_fn(void *arg)
{
    rn_time until = rn_after(*(int *)arg * RN_US);

    check_equal(rn_sleep(until), 0);
    check(rn_now() >= until);
}

static int in_sleepers(void *arg)
{
    rn_group *g = rn_group_new();
    rn_stats s;

    (void)arg;
    for (int i = 0; i < SLEEPERS; i++) {
        int us = i * 7919 % 5000;

        check_equal(rn_group_go(g, sleeper_fn, &us, sizeof us), 0);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_stats_read(&s);
    check_equal(s.timers, 0);
    return 0;
}

static void nobody_wakes_early_and_everybody_wakes(void **state)
{
    (void)state;
    run_inside(in_sleepers, NULL);
}

static _Atomic int ran;

static void count_fn(void *arg)
{
    (void)arg;
    ran++;
}

static void stopper_fn(void *arg)
{
    int stopped = 0;

    for (int i = 0; i < 500; i++) {
        rn_timer_fn *t = rn_after_func(i % 10 * RN_US, count_fn, NULL);

        check(t != NULL);
        if (i % 3 == 0)
            rn_yield();
        stopped += rn_timer_stop(t);
    }
    atomic_fetch_add(*(_Atomic int **)arg, stopped);
}

static int in_stop_race(void *arg)
{
    rn_group *g = rn_group_new();
    _Atomic int stopped = 0, *p = &stopped;

    (void)arg;
    ran = 0;
    for (int i = 0; i < 8; i++)
        check_equal(rn_group_go(g, stopper_fn, &p, sizeof p), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    wait_until(ran + stopped == 8 * 500); /* each was stopped or ran, none both */
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    check_equal(ran + stopped, 8 * 500);
    rn_group_free(g);
    return 0;
}

static void timer_is_stopped_or_runs_never_both(void **state)
{
    (void)state;
    run_inside(in_stop_race, NULL);
}

static int in_unref(void *arg)
{
    rn_stats s;

    (void)arg;
    for (int i = 0; i < 2000; i++) { /* the last reference goes while the timer fires */
        rn_chan *t = i % 2 ? rn_timer(i % 8 * RN_US) : rn_ticker(RN_US);

        if (i % 5 == 0)
            rn_yield();
        rn_chan_unref(t);
    }
    rn_stats_read(&s);
    check_equal(s.timers, 0);
    return 0;
}

static void unref_stops_timer_and_ticker(void **state)
{
    (void)state;
    run_inside(in_unref, NULL);
}

/* The function of a timer runs in the root group, whoever started the timer. */
static void root_fn(void *arg)
{
    check_equal(rn_cancelled(), 0);
    check_equal(rn_chan_send(arg, NULL, RN_FOREVER), 0);
}

static void later_fn(void *arg)
{
    check_equal(rn_later(RN_MS, root_fn, *(rn_chan **)arg), 0);
}

static int in_root(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, later_fn, &c, sizeof c), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    check_equal(rn_chan_recv(c, NULL, RN_FOREVER), 0);
    rn_chan_unref(c);
    return 0;
}

static void timer_function_belongs_to_the_root_group(void **state)
{
    (void)state;
    run_inside(in_root, NULL);
}

/* A worker that is kept busy must not keep timers of the others. */
static void busy_fn(void *arg)
{
    while (!atomic_load(*(_Atomic bool **)arg))
        ;
}

static int in_busy(void *arg)
{
    _Atomic bool stop = false, *p = &stop;
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, busy_fn, &p, sizeof p), 0);
    for (int i = 0; i < 20; i++)
        check_equal(rn_sleep(rn_after(RN_MS)), 0);
    stop = true;
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void busy_goroutine_does_not_hold_up_timers(void **state)
{
    (void)state;
    assert_int_equal(rn_main(2, in_busy, NULL), 0);
}

/* ---- timers and the end of the scheduler ----------------------------------------------------- */

static _Atomic int late_fired;

static void late_fn(void *arg)
{
    (void)arg;
    late_fired++;
}

static int in_fire_everywhere(void *arg)
{
    rn_timer_fn **timers = arg;

    late_fired = 0;
    for (int i = 0; i < 64; i++) {
        timers[i] = rn_after_func(i % 2 ? 0 : RN_SEC * 3600, late_fn, NULL);
        rn_yield();
    }
    wait_until(late_fired == 32);
    return 0;
}

static int in_stop_old(void *arg)
{
    for (int i = 0; i < 64; i++)
        check_equal(rn_timer_stop(((rn_timer_fn **)arg)[i]), 0);
    return 0;
}

static void timer_of_an_earlier_scheduler_can_be_stopped(void **state)
{
    rn_timer_fn *timers[64];

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rn_main(4, in_fire_everywhere, timers), 0);
        assert_int_equal(rn_main(1, in_stop_old, timers), 0);
    }
}

static _Atomic bool enough;

static void *thread_tickers(void *arg)
{
    (void)arg;
    while (!enough)
        rn_chan_unref(rn_ticker(RN_SEC));
    return NULL;
}

static void unref_stops_a_ticker_also_while_the_scheduler_ends(void **state)
{
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_tickers, NULL), 0);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(rn_start(1), 0);
        for (int k = 0; k < i % 20; k++)
            rn_yield();
        assert_int_equal(rn_stop(RN_FOREVER), 0);
    }
    enough = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(glance_at_the_clock_is_exact_in_a_simulation),
        cmocka_unit_test(glance_at_the_clock_is_never_late_and_goes_on),
        cmocka_unit_test(what_is_seconds_away_is_before_and_what_was_is_not),
        cmocka_unit_test(sleep_lasts_as_long_as_was_said),
        cmocka_unit_test(timer_delivers_once_and_at_its_time),
        cmocka_unit_test(ticker_keeps_its_rhythm_and_drops_what_nobody_took),
        cmocka_unit_test(after_func_fires_once_unless_stopped_or_reset),
        cmocka_unit_test(sleepers_wake_in_the_order_of_their_times),
        cmocka_unit_test(nobody_wakes_early_and_everybody_wakes),
        cmocka_unit_test(timer_is_stopped_or_runs_never_both),
        cmocka_unit_test(unref_stops_timer_and_ticker),
        cmocka_unit_test(timer_function_belongs_to_the_root_group),
        cmocka_unit_test(busy_goroutine_does_not_hold_up_timers),
        cmocka_unit_test(timer_of_an_earlier_scheduler_can_be_stopped),
        cmocka_unit_test(unref_stops_a_ticker_also_while_the_scheduler_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
