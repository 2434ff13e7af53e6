/* test_newborns.c - those that have not run yet: who gets them, and that nobody waits for ever.
 *   SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "runtime/newborns.h"
#include "runtime/sync.h"
#include "tests/runtime/inside.h"

/* ---- the deque: of goroutines it only knows the addresses --------------------------------------- */

static char some[1 << 16];

static struct rn__g *number(unsigned i)
{
    return (struct rn__g *)&some[i];
}

static void owner_takes_the_newest_and_a_thief_the_oldest(void **state)
{
    struct rn__newborns n;

    (void)state;
    rn__newborns_init(&n);
    assert_null(rn__newborns_pop(&n));
    assert_null(rn__newborns_steal(&n));
    for (unsigned i = 0; i < 5; i++)
        assert_true(rn__newborns_push(&n, number(i)));
    assert_ptr_equal(rn__newborns_pop(&n), number(4));
    assert_ptr_equal(rn__newborns_steal(&n), number(0));
    assert_ptr_equal(rn__newborns_steal(&n), number(1));
    assert_ptr_equal(rn__newborns_pop(&n), number(3));
    assert_false(rn__newborns_empty(&n));
    assert_ptr_equal(rn__newborns_pop(&n), number(2));
    assert_true(rn__newborns_empty(&n));
    assert_null(rn__newborns_pop(&n));
    rn__newborns_fini(&n);
}

/* Again and again, so that it grows and shrinks with its indices anywhere. */
static void all_are_kept_however_many_there_are(void **state)
{
    struct rn__newborns n;

    (void)state;
    rn__newborns_init(&n);
    for (unsigned count = 1; count <= sizeof some; count = count * 3 + 7) {
        unsigned oldest = 0, newest = count;

        for (unsigned i = 0; i < count; i++)
            assert_true(rn__newborns_push(&n, number(i)));
        assert_int_equal(rn__newborns_count(&n), count);
        while (oldest < newest) {
            assert_ptr_equal(rn__newborns_steal(&n), number(oldest++));
            if (oldest < newest)
                assert_ptr_equal(rn__newborns_pop(&n), number(--newest));
        }
        assert_null(rn__newborns_pop(&n));
    }
    rn__newborns_fini(&n);
}

static void full_is_said(void **state)
{
    struct rn__newborns n;
    int64_t most = (int64_t)RN__NEWBORNS_FIRST << (RN__NEWBORNS_ROOMS - 1);

    (void)state;
    rn__newborns_init(&n);
    for (int64_t i = 0; i < most; i++)
        assert_true(rn__newborns_push(&n, number(0)));
    assert_false(rn__newborns_push(&n, number(1)));
    assert_ptr_equal(rn__newborns_steal(&n), number(0));
    assert_true(rn__newborns_push(&n, number(1)));
    assert_false(rn__newborns_push(&n, number(2)));
    assert_ptr_equal(rn__newborns_pop(&n), number(1));
    rn__newborns_fini(&n);
}

enum { THIEVES = 2, ROUNDS = 400 / SLOWER };

static struct {
    struct rn__newborns n;
    _Atomic unsigned char taken[sizeof some];
    _Atomic bool over;
} shared;

static void take(struct rn__g *g)
{
    /* By their addresses they are numbers. */
    assert_int_equal(atomic_fetch_add(&shared.taken[(char *)g - some], 1), 0);
}

static void *thief(void *arg)
{
    struct rn__g *g;

    (void)arg;
    while (!atomic_load(&shared.over))
        if ((g = rn__newborns_steal(&shared.n)) != NULL)
            take(g);
    return NULL;
}

/* A few at a time, so that owner and thieves meet at the last one; now and then many, so that the room changes. */
static void owner_and_thieves_get_each_once(void **state)
{
    pthread_t threads[THIEVES];
    struct rn__g *g;

    (void)state;
    rn__newborns_init(&shared.n);
    for (int i = 0; i < THIEVES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thief, NULL), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = round % 8 == 7 ? 1000 : round % 4 + 1;

        for (unsigned i = 0; i < count; i++)
            atomic_store(&shared.taken[i], 0);
        for (unsigned i = 0; i < count; i++)
            assert_true(rn__newborns_push(&shared.n, number(i)));
        while ((g = rn__newborns_pop(&shared.n)) != NULL)
            take(g);
        for (unsigned i = 0; i < count; i++)
            while (atomic_load(&shared.taken[i]) == 0)
                ;
    }
    atomic_store(&shared.over, true);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    rn__newborns_fini(&shared.n);
}

/* ---- turns ------------------------------------------------------------------------------------------ */

static _Atomic bool seen;
static _Atomic int yields;

static void run(int workers, int (*fn)(void *arg))
{
    seen = false;
    yields = 0;
    assert_int_equal(rn_main(workers, fn, NULL), 0);
}

static void run_with_one_worker_and_with_two(int (*fn)(void *arg))
{
    run(1, fn);
    run(2, fn);
}

static void see_fn(void *arg)
{
    (void)arg;
    seen = true;
}

static void yield_fn(void *arg)
{
    (void)arg;
    while (!seen) {
        yields++;
        rn_yield();
    }
}

static void go(rn_group *g, rn_fn *fn)
{
    check_equal(rn_group_go(g, fn, NULL, 0), 0);
}

static int in_yielders(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 5; i++)
        go(g, yield_fn);
    wait_until(yields > 100);
    go(g, see_fn);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void newborn_is_not_starved_by_those_who_yield(void **state)
{
    (void)state;
    run_with_one_worker_and_with_two(in_yielders);
}

/* Whoever runs starts the next one, so there is always a newborn. */
static void chain_fn(void *arg)
{
    rn_group *g = *(rn_group **)arg;

    if (!seen)
        check_equal(rn_group_go(g, chain_fn, &g, sizeof g), 0);
}

static void yield_and_see_fn(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        rn_yield();
    seen = true;
}

static int in_chain(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    go(g, yield_and_see_fn);
    for (int i = 0; i < 2; i++)
        check_equal(rn_group_go(g, chain_fn, &g, sizeof g), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void those_who_yield_are_not_starved_by_newborns(void **state)
{
    (void)state;
    run_with_one_worker_and_with_two(in_chain);
}

static int in_oldest(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    go(g, see_fn);
    for (int i = 0; i < 300; i++)
        check_equal(rn_group_go(g, chain_fn, &g, sizeof g), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void oldest_newborn_is_not_starved_by_newer_ones(void **state)
{
    (void)state;
    run_with_one_worker_and_with_two(in_oldest);
}

/* The other worker has its own to do all the time, and does not look for more. */
static int in_busy(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    go(g, yield_fn);
    go(g, yield_fn);
    while (yields < 100)
        ;
    go(g, see_fn);
    while (!seen)
        ;
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void busy_goroutine_does_not_keep_those_it_started(void **state)
{
    (void)state;
    run(2, in_busy);
}

static void done_fn(void *arg)
{
    rn_waitgroup_done(arg);
}

/* Those that end at once are left to their maker as long as they are few; here others have found out that they do. */
static int in_busy_after_tiny(void *arg)
{
    rn_waitgroup all = { 0 };

    (void)arg;
    for (int i = 0; i < 100 / SLOWER; i++) {
        rn_waitgroup_add(&all, 1000);
        for (int k = 0; k < 1000; k++)
            check_equal(rn_go(done_fn, &all), 0);
        check_equal(rn_waitgroup_wait(&all, RN_FOREVER), 0);
    }
    return in_busy(NULL);
}

static void busy_goroutine_does_not_keep_those_that_come_after_tiny_ones(void **state)
{
    (void)state;
    run(2, in_busy_after_tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owner_takes_the_newest_and_a_thief_the_oldest),
        cmocka_unit_test(all_are_kept_however_many_there_are),
        cmocka_unit_test(full_is_said),
        cmocka_unit_test(owner_and_thieves_get_each_once),
        cmocka_unit_test(newborn_is_not_starved_by_those_who_yield),
        cmocka_unit_test(those_who_yield_are_not_starved_by_newborns),
        cmocka_unit_test(oldest_newborn_is_not_starved_by_newer_ones),
        cmocka_unit_test(busy_goroutine_does_not_keep_those_it_started),
        cmocka_unit_test(busy_goroutine_does_not_keep_those_that_come_after_tiny_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
