/* test_go_time.c - sleeping, timers and tickers behave as Go's.   SPDX-License-Identifier: MIT
 *
 * The behaviours that Go's time/sleep_test.go and time/tick_test.go look at and that no other test of ours has; see
 * go_tests.txt.  Where those measure, the clock here is virtual. */
#include <stdatomic.h>
#include <string.h>

#include "runtime/rand.h"
#include "tests/runtime/inside.h"

#define SOON (200 * RN_US) /* scheduling steps are a microsecond each */

/* ---- functions ------------------------------------------------------------------------------- */

struct countdown {
    int left;
    rn_chan *done;
};

static void counts_down_fn(void *arg)
{
    struct countdown *c = arg;

    if (--c->left >= 0) {
        check_equal(rn_later(0, counts_down_fn, c), 0);
        check_equal(rn_sleep(rn_after(RN_SEC)), 0); /* the next does not wait for us */
    } else {
        check_equal(rn_chan_send(c->done, NULL, RN_FOREVER), 0);
    }
}

static int in_countdown(void *arg)
{
    struct countdown c = { 10, rn_chan_new(0, 0, NULL) };
    rn_time before = rn_now();

    (void)arg;
    check_equal(rn_later(0, counts_down_fn, &c), 0);
    check_equal(rn_chan_recv(c.done, NULL, RN_FOREVER), 0);
    check(rn_now() < before + RN_SEC);
    rn_chan_unref(c.done);
    return 0;
}

/* Go: TestAfterFunc. */
static void timer_function_may_start_the_next_and_sleep(void **state)
{
    (void)state;
    sim_with_seeds(in_countdown, NULL);
}

static void never_fn(void *arg)
{
    rn_panic("timer %d was not stopped", *(int *)arg);
}

static void stops_later_fn(void *arg)
{
    rn_timer_fn *t = rn_after_func(2 * RN_SEC, never_fn, arg);

    check_equal(rn_sleep(rn_after(RN_SEC)), 0);
    check_equal(rn_timer_stop(t), 1);
}

static int in_stops(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 100; i++)
        check_equal(rn_group_go(g, stops_later_fn, &i, sizeof i), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(rn_sleep(rn_after(3 * RN_SEC)), 0);
    rn_group_free(g);
    return 0;
}

/* Go: TestTimerStopStress. */
static void timers_that_were_stopped_in_time_never_fire(void **state)
{
    (void)state;
    sim_with_seeds(in_stops, NULL);
}

static int fired;

static void fires_fn(void *arg)
{
    (void)arg;
    fired++;
}

static int in_stopped(void *arg)
{
    rn_timer_fn *before = rn_after_func(100 * RN_MS, fires_fn, NULL),
                *stopped = rn_after_func(150 * RN_MS, fires_fn, NULL);
    rn_chan *gone = rn_timer(50 * RN_MS), *later = rn_timer(200 * RN_MS);

    (void)arg;
    fired = 0;
    rn_chan_unref(gone);
    check_equal(rn_timer_stop(stopped), 1);
    check_equal(rn_chan_recv(later, NULL, RN_FOREVER), 0);
    check_equal(fired, 1); /* the other one */
    check_equal(rn_timer_stop(before), 0);
    rn_chan_unref(later);
    return 0;
}

/* Go: TestAfterStop. */
static void stopped_timer_does_not_fire_after_a_longer_one(void **state)
{
    (void)state;
    sim_with_seeds(in_stopped, NULL);
}

/* ---- resetting --------------------------------------------------------------------------------- */

static int in_earlier(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        rn_timer_fn *t = rn_after_func(3600 * RN_SEC, fires_fn, NULL);

        fired = 0;
        for (int k = 0; k < 10; k++) /* each time from pending, or after it has fired */
            (void)rn_timer_reset(t, -RN_SEC);
        check_equal(rn_sleep(rn_after(10 * RN_MS)), 0);
        check(fired >= 1);
        check_equal(rn_timer_stop(t), 0);
    }
    return 0;
}

/* Go: TestTimerModifiedEarlier. */
static void timer_that_is_moved_to_the_past_fires(void **state)
{
    (void)state;
    sim_with_seeds(in_earlier, NULL);
}

/* Each is moved about - soon, far away, nearer, soon - in an order that chance decides; none may be lost. */
static int in_moves(void *arg)
{
    static const int64_t to[] = { 60, 180, 120, 0 }; /* seconds */
    enum { TIMERS = 100 };
    rn_timer_fn *timers[TIMERS];
    int moves[TIMERS] = { 0 }, left = TIMERS;

    (void)arg;
    fired = 0;
    for (int i = 0; i < TIMERS; i++)
        timers[i] = rn_after_func(3600 * RN_SEC, fires_fn, NULL);
    while (left > 0) {
        int i = (int)(rn__rand64() % TIMERS);

        if (moves[i] == RN_LEN(to))
            continue;
        check_equal(rn_timer_reset(timers[i], to[moves[i]] * RN_SEC), 1);
        left -= ++moves[i] == RN_LEN(to);
        if (i % 7 == 0)
            rn_yield();
    }
    check_equal(rn_sleep(rn_after(RN_SEC)), 0);
    check_equal(fired, TIMERS);
    for (int i = 0; i < TIMERS; i++)
        check_equal(rn_timer_stop(timers[i]), 0);
    return 0;
}

/* Go: TestAdjustTimers. */
static void timers_that_are_moved_about_all_fire(void **state)
{
    (void)state;
    sim_with_seeds(in_moves, NULL);
}

/* ---- channels ------------------------------------------------------------------------------------- */

static const int slots[] = { 5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0 };

struct await {
    rn_chan *result;
    int slot;
    rn_chan *timer;
};

static void awaits_fn(void *arg)
{
    struct await *a = arg;
    rn_time at;

    check_equal(rn_chan_recv(a->timer, &at, RN_FOREVER), 0);
    check_equal(rn_chan_send(a->result, &a->slot, RN_FOREVER), 0);
    rn_chan_unref(a->timer);
}

static int in_queuing(void *arg)
{
    rn_chan *result = rn_chan_new(sizeof(int), RN_LEN(slots), NULL);
    rn_time begin = rn_now();
    int last = 0, slot;

    (void)arg;
    for (int i = 0; i < RN_LEN(slots); i++) {
        struct await a = { result, slots[i], rn_timer(slots[i] * 20 * RN_MS) };

        check_equal(rn_go_copy(awaits_fn, &a, sizeof a), 0);
    }
    for (int i = 0; i < RN_LEN(slots); i++) {
        check_equal(rn_chan_recv(result, &slot, RN_FOREVER), 0);
        check(slot >= last);
        check(rn_now() >= begin + slot * 20 * RN_MS && rn_now() < begin + slot * 20 * RN_MS + SOON);
        last = slot;
    }
    rn_chan_unref(result);
    return 0;
}

/* Go: TestAfterQueuing. */
static void timers_fire_in_the_order_of_their_times(void **state)
{
    (void)state;
    sim_with_seeds(in_queuing, NULL);
}

static int in_one_after_another(void *arg)
{
    rn_time begin = rn_now();

    (void)arg;
    for (int i = 0; i < 10; i++) {
        rn_chan *t = rn_timer(100 * RN_MS);

        check_equal(rn_chan_recv(t, NULL, RN_FOREVER), 0);
        rn_chan_unref(t);
    }
    check(rn_now() >= begin + RN_SEC && rn_now() < begin + RN_SEC + SOON);
    return 0;
}

/* Go: TestAfterTick. */
static void ten_timers_after_one_another_take_ten_times_as_long(void **state)
{
    (void)state;
    sim_with_seeds(in_one_after_another, NULL);
}

static int in_zero(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5000 / SLOWER; i++) {
        rn_chan *t = rn_timer(0);

        check_equal(rn_chan_recv(t, NULL, RN_FOREVER), 0);
        rn_chan_unref(t);
    }
    return 0;
}

/* Go: TestZeroTimer. */
static void timer_of_no_time_is_not_missed(void **state)
{
    (void)state;
    run_inside(in_zero, NULL);
    assert_int_equal(rn_main(1, in_zero, NULL), 0);
}

static _Atomic int stop;

static void makes_noise_fn(void *arg)
{
    (void)arg;
    while (!stop)
        check_equal(rn_sleep(rn_after(1)), 0);
}

static int in_noise(void *arg)
{
    rn_chan *t = rn_ticker(1);
    rn_group *g = rn_group_new();

    (void)arg;
    stop = 0;
    check_equal(rn_group_go(g, makes_noise_fn, NULL, 0), 0);
    for (int i = 0; i < 100; i++)
        check_equal(rn_chan_recv(t, NULL, RN_FOREVER), 0);
    stop = 1;
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(t);
    return 0;
}

/* Go: TestAfterStress. */
static void fastest_ticker_ticks_beside_who_sleeps_and_wakes(void **state)
{
    (void)state;
    run_everywhere(in_noise, NULL);
}

static int in_teardown(void *arg)
{
    rn_stats s;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        rn_chan *t = rn_ticker(100 * RN_US);

        check_equal(rn_chan_recv(t, NULL, RN_FOREVER), 0);
        rn_chan_unref(t);
    }
    rn_stats_read(&s);
    check_equal(s.timers, 0);
    return 0;
}

/* Go: TestTeardown. */
static void ticker_is_stopped_between_its_ticks(void **state)
{
    (void)state;
    run_everywhere(in_teardown, NULL);
}

/* ---- extremes ------------------------------------------------------------------------------------------ */

static void sleeps_too_long_fn(void *arg)
{
    (void)arg;
    check_equal(rn_sleep(rn_after(INT64_MAX)), RN_ECANCELED);
}

static int in_overflow(void *arg)
{
    rn_chan *big = rn_timer(INT64_MAX), *soon = rn_timer(25 * RN_MS), *past = rn_timer(INT64_MIN),
            *rare = rn_ticker(INT64_MAX);
    rn_case cases[] = { { big, NULL, RN_RECV, 0 },
                        { rare, NULL, RN_RECV, 0 },
                        { soon, NULL, RN_RECV, 0 } };
    rn_group *g = rn_group_new();
    rn_time before = rn_now();

    (void)arg;
    check_equal(rn_group_go(g, sleeps_too_long_fn, NULL, 0), 0);
    check_equal(rn_chan_recv(past, NULL, rn_after(RN_SEC)), 0);
    check_equal(rn_sleep(rn_after(INT64_MIN)), 0);
    check(rn_now() < before + 20 * RN_MS);
    check_equal(rn_select(cases, 3, RN_FOREVER), 2);
    check_equal(rn_select(cases, 3, rn_after(1000 * RN_SEC)), RN_ETIMEDOUT);
    rn_group_free(g);
    rn_chan_unref(big);
    rn_chan_unref(soon);
    rn_chan_unref(past);
    rn_chan_unref(rare);
    return 0;
}

/* Go: TestOverflowSleep, TestOverflowPeriodRuntimeTimer. */
static void times_beyond_the_end_of_the_clock_do_not_come(void **state)
{
    (void)state;
    sim_with_seeds(in_overflow, NULL);
}

static void yields_fn(void *arg)
{
    for (int i = 0; i < 100; i++)
        rn_yield();
    check_equal(rn_chan_send(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
}

static int in_no_sleep(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL), *tmp = rn_chan_new(0, 1, NULL);

    (void)arg;
    check_equal(rn_go_copy(yields_fn, &c, sizeof c), 0);
    for (int i = 0; i < 100; i++) {
        check_equal(rn_sleep(i % 2 ? RN_NOWAIT : rn_after(0)), 0);
        check_equal(rn_chan_send(tmp, NULL, RN_FOREVER), 0);
        check_equal(rn_chan_recv(tmp, NULL, RN_FOREVER), 0);
    }
    check_equal(rn_chan_recv(c, NULL, RN_FOREVER), 0);
    rn_chan_unref(c);
    rn_chan_unref(tmp);
    return 0;
}

/* Go: TestSleepZeroDeadlock. */
static void sleep_of_no_time_leaves_nothing_asleep(void **state)
{
    (void)state;
    run_everywhere(in_no_sleep, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_function_may_start_the_next_and_sleep),
        cmocka_unit_test(timers_that_were_stopped_in_time_never_fire),
        cmocka_unit_test(stopped_timer_does_not_fire_after_a_longer_one),
        cmocka_unit_test(timer_that_is_moved_to_the_past_fires),
        cmocka_unit_test(timers_that_are_moved_about_all_fire),
        cmocka_unit_test(timers_fire_in_the_order_of_their_times),
        cmocka_unit_test(ten_timers_after_one_another_take_ten_times_as_long),
        cmocka_unit_test(timer_of_no_time_is_not_missed),
        cmocka_unit_test(fastest_ticker_ticks_beside_who_sleeps_and_wakes),
        cmocka_unit_test(ticker_is_stopped_between_its_ticks),
        cmocka_unit_test(times_beyond_the_end_of_the_clock_do_not_come),
        cmocka_unit_test(sleep_of_no_time_leaves_nothing_asleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
