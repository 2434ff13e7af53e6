/* test_choice.c - what the seed of a simulation decides: the same under the same seed, and not always the same under others.
 *   SPDX-License-Identifier: MIT
 *
 * Each fact is a small program in which several could be first.  It marks who was; the marks of a run are its outcome. */
#include <stdio.h>
#include <string.h>

#include "runtime/sync.h"
#include "tests/runtime/inside.h"

#define SEEDS    60
#define ORDERS_3 6 /* in which three can go */

/* ---- outcomes ------------------------------------------------------------------------------ */

static char marks[16];

static void mark(int who)
{
    size_t n = strlen(marks);

    check(n < sizeof marks - 1);
    marks[n] = (char)('a' + who);
    marks[n + 1] = '\0';
}

static void run_with(uint64_t seed, int (*fn)(void *), char outcome[sizeof marks])
{
    memset(marks, 0, sizeof marks);
    assert_int_equal(rn_sim(seed, fn, NULL), 0);
    memcpy(outcome, marks, sizeof marks);
}

/* The same twice with each seed; at least so many different ones with all. */
static void seed_decides(int (*fn)(void *), int outcomes)
{
    char seen[SEEDS][sizeof marks], again[sizeof marks];
    int different = 0, k;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        run_with(seed, fn, seen[different]);
        run_with(seed, fn, again);
        assert_string_equal(seen[different], again);
        for (k = 0; strcmp(seen[k], again) != 0; k++)
            continue;
        different += k == different;
    }
    assert_true(different >= outcomes);
}

/* Starts fn for three, as goroutines 0, 1 and 2, and waits for them. */
static int with_three(rn_fn *fn)
{
    rn_group *g = rn_group_new();

    for (int i = 0; i < 3; i++)
        check_equal(rn_group_go(g, fn, &i, sizeof i), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

#define FACT(name, each, outcomes)         \
    static int in_##name(void *arg)        \
    {                                      \
        (void)arg;                         \
        return with_three(each);           \
    }                                      \
    static void name(void **state)         \
    {                                      \
        (void)state;                       \
        seed_decides(in_##name, outcomes); \
    }

/* ---- who runs, and who is first at a channel ------------------------------------------------------ */

static void only_runs(void *arg)
{
    mark(*(int *)arg);
}
FACT(it_decides_who_runs, only_runs, ORDERS_3)

static void yields(void *arg)
{
    for (int i = 0; i < 2; i++) {
        mark(*(int *)arg);
        rn_yield();
    }
}
FACT(it_decides_who_runs_after_each_yield, yields, 20)

static rn_chan *channel;

static void sends_itself(void *arg)
{
    check_equal(rn_chan_send(channel, arg, RN_FOREVER), 0);
}

static int in_senders(void *arg)
{
    rn_group *g = rn_group_new();
    int who;

    (void)arg;
    channel = rn_chan_new(sizeof who, 0, NULL);
    for (int i = 0; i < 3; i++)
        check_equal(rn_group_go(g, sends_itself, &i, sizeof i), 0);
    for (int i = 0; i < 3; i++) {
        check_equal(rn_chan_recv(channel, &who, RN_FOREVER), 0);
        mark(who);
    }
    rn_group_free(g);
    rn_chan_unref(channel);
    return 0;
}

static void it_decides_who_sends_first(void **state)
{
    (void)state;
    seed_decides(in_senders, ORDERS_3);
}

static void sees_the_close(void *arg)
{
    check_equal(rn_chan_recv(channel, NULL, RN_FOREVER), RN_ECLOSED);
    mark(*(int *)arg);
}

static int in_close(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    channel = rn_chan_new(0, 0, NULL);
    for (int i = 0; i < 3; i++)
        check_equal(rn_group_go(g, sees_the_close, &i, sizeof i), 0);
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    rn_chan_close(channel);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(channel);
    return 0;
}

static void it_decides_who_goes_on_first_after_a_close(void **state)
{
    (void)state;
    seed_decides(in_close, ORDERS_3);
}

/* ---- select --------------------------------------------------------------------------------------------- */

static int in_select(void *arg)
{
    rn_chan *a = rn_chan_new(0, 1, NULL), *b = rn_chan_new(0, 1, NULL);
    rn_case cases[] = { { a, NULL, RN_RECV, 0 },
                        { b, NULL, RN_SEND, 0 },
                        { a, NULL, RN_RECV, 0 },
                        { NULL, NULL, RN_RECV, 0 } };

    (void)arg;
    check_equal(rn_chan_send(a, NULL, RN_FOREVER), 0);
    mark(rn_select(cases, RN_LEN(cases), RN_FOREVER));
    rn_chan_unref(a);
    rn_chan_unref(b);
    return 0;
}

static void it_decides_which_ready_case_is_performed(void **state)
{
    (void)state;
    seed_decides(in_select, 3);
}

/* ---- locks ------------------------------------------------------------------------------------------------- */

static rn_mutex mutex;

static void locks(void *arg)
{
    rn_mutex_lock(&mutex);
    mark(*(int *)arg);
    rn_yield();
    rn_mutex_unlock(&mutex);
}
FACT(it_decides_who_has_a_mutex_first, locks, ORDERS_3)

static rn_rwmutex rwmutex;

/* Two read, one writes: together or one after the other. */
static void reads_or_writes(void *arg)
{
    int who = *(int *)arg;

    if (who == 0)
        rn_rwmutex_lock(&rwmutex);
    else
        rn_rwmutex_rlock(&rwmutex);
    mark(who);
    rn_yield();
    if (who == 0)
        rn_rwmutex_unlock(&rwmutex);
    else
        rn_rwmutex_runlock(&rwmutex);
}
FACT(it_decides_who_has_a_rwmutex_first, reads_or_writes, ORDERS_3)

static rn_cond cond;

static void waits_and_passes_on(void *arg)
{
    rn_mutex_lock(&mutex);
    check_equal(rn_cond_wait(&cond, &mutex, RN_FOREVER), 0);
    mark(*(int *)arg);
    rn_mutex_unlock(&mutex);
    rn_cond_signal(&cond);
}

static int in_cond(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 3; i++)
        check_equal(rn_group_go(g, waits_and_passes_on, &i, sizeof i), 0);
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    rn_cond_signal(&cond);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void it_decides_who_waits_longest_for_a_condition(void **state)
{
    (void)state;
    seed_decides(in_cond, ORDERS_3);
}

static rn_waitgroup group_of_one;

static void waits_for_the_one(void *arg)
{
    check_equal(rn_waitgroup_wait(&group_of_one, RN_FOREVER), 0);
    mark(*(int *)arg);
}

static int in_waitgroup(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    rn_waitgroup_add(&group_of_one, 1);
    for (int i = 0; i < 3; i++)
        check_equal(rn_group_go(g, waits_for_the_one, &i, sizeof i), 0);
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    rn_waitgroup_done(&group_of_one);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void it_decides_who_goes_on_first_after_a_wait_group(void **state)
{
    (void)state;
    seed_decides(in_waitgroup, ORDERS_3);
}

static rn_sem sem;

static void has_the_permit(void *arg)
{
    check_equal(rn_sem_acquire(&sem, 1, RN_FOREVER), 0);
    mark(*(int *)arg);
    rn_yield();
    rn_sem_release(&sem, 1);
}

static int in_sem(void *arg)
{
    (void)arg;
    sem = (rn_sem){ 0 };
    rn_sem_release(&sem, 1);
    return with_three(has_the_permit);
}

static void it_decides_who_has_a_permit_first(void **state)
{
    (void)state;
    seed_decides(in_sem, ORDERS_3);
}

static rn_once once;

static void is_the_one(void *arg)
{
    mark(*(int *)arg);
    rn_yield();
}

static void does_it_once(void *arg)
{
    rn_once_do(&once, is_the_one, arg);
}

static int in_once(void *arg)
{
    (void)arg;
    once = (rn_once){ 0 };
    return with_three(does_it_once);
}

static void it_decides_who_does_it_once(void **state)
{
    (void)state;
    seed_decides(in_once, 3);
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static void sleeps(void *arg)
{
    check_equal(rn_sleep(RN_SEC + RN_MS), 0); /* all to the same moment */
    mark(*(int *)arg);
}
FACT(it_decides_who_wakes_first_at_the_same_time, sleeps, ORDERS_3)

static int in_timer_functions(void *arg)
{
    static int who[3] = { 0, 1, 2 };

    (void)arg;
    for (int i = 0; i < 3; i++)
        check_equal(rn_later(RN_MS, only_runs, &who[i]), 0);
    check_equal(rn_sleep(rn_after(2 * RN_MS)), 0);
    return 0;
}

static void it_decides_which_timer_function_runs_first(void **state)
{
    (void)state;
    seed_decides(in_timer_functions, ORDERS_3);
}

static void takes_a_tick(void *arg)
{
    check_equal(rn_chan_recv(channel, NULL, RN_FOREVER), 0);
    mark(*(int *)arg);
}

static int in_ticker(void *arg)
{
    (void)arg;
    channel = rn_ticker(RN_MS);
    with_three(takes_a_tick);
    rn_chan_unref(channel);
    return 0;
}

static void it_decides_who_gets_a_tick(void **state)
{
    (void)state;
    seed_decides(in_ticker, ORDERS_3);
}

static void times_out(void *arg)
{
    check_equal(rn_chan_recv(NULL, NULL, RN_SEC + RN_MS), RN_ETIMEDOUT);
    mark(*(int *)arg);
}
FACT(it_decides_whose_deadline_is_noticed_first, times_out, ORDERS_3)

/* ---- groups ------------------------------------------------------------------------------------------------------- */

static void is_cancelled(void *arg)
{
    check_equal(rn_chan_recv(NULL, NULL, RN_FOREVER), RN_ECANCELED);
    mark(*(int *)arg);
}

static int in_group(void *arg)
{
    rn_group *g = rn_group_new_deadline(rn_after(RN_MS));

    (void)arg;
    for (int i = 0; i < 3; i++)
        check_equal(rn_group_go(g, is_cancelled, &i, sizeof i), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void it_decides_who_is_cancelled_first(void **state)
{
    (void)state;
    seed_decides(in_group, ORDERS_3);
}

/* ---- what is real --------------------------------------------------------------------------------------------------- */

static void on_a_thread(void *arg)
{
    mark(*(int *)arg);
}

static int in_block(void *arg)
{
    int who = 0;

    (void)arg;
    for (; who < 3; who++)
        check_equal(rn_block(on_a_thread, &who), 0);
    return 0;
}

/* Calls on other threads are not part of the simulation; but it waits for them. */
static void calls_that_block_are_waited_for(void **state)
{
    (void)state;
    seed_decides(in_block, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_decides_who_runs),
        cmocka_unit_test(it_decides_who_runs_after_each_yield),
        cmocka_unit_test(it_decides_who_sends_first),
        cmocka_unit_test(it_decides_who_goes_on_first_after_a_close),
        cmocka_unit_test(it_decides_which_ready_case_is_performed),
        cmocka_unit_test(it_decides_who_has_a_mutex_first),
        cmocka_unit_test(it_decides_who_has_a_rwmutex_first),
        cmocka_unit_test(it_decides_who_waits_longest_for_a_condition),
        cmocka_unit_test(it_decides_who_goes_on_first_after_a_wait_group),
        cmocka_unit_test(it_decides_who_has_a_permit_first),
        cmocka_unit_test(it_decides_who_does_it_once),
        cmocka_unit_test(it_decides_who_wakes_first_at_the_same_time),
        cmocka_unit_test(it_decides_which_timer_function_runs_first),
        cmocka_unit_test(it_decides_who_gets_a_tick),
        cmocka_unit_test(it_decides_whose_deadline_is_noticed_first),
        cmocka_unit_test(it_decides_who_is_cancelled_first),
        cmocka_unit_test(calls_that_block_are_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
