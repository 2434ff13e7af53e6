/* test_waitgroup.c - waiting until all are done.   SPDX-License-Identifier: MIT
 *
 * Go's waitgroup_test.go, as far as C can say it, and what is ours: deadlines, cancellation, life. */
#include <limits.h>

#include "tests/runtime/locks.h"

/* ---- counting ------------------------------------------------------------------------------------- */

struct pair {
    rn_waitgroup *one, *two;
    _Atomic int *exited;
};

static void exits_fn(void *arg)
{
    struct pair *p = arg;

    rn_waitgroup_done(p->one);
    check_equal(rn_waitgroup_wait(p->two, RN_FOREVER), 0);
    ++*p->exited;
}

static int in_pair(void *arg)
{
    rn_waitgroup one = { { 0 } }, two = { { 0 } };
    _Atomic int exited = 0;
    struct pair p = { &one, &two, &exited };
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_waitgroup_wait(&one, RN_NOWAIT), 0);
    for (int round = 1; round <= 8; round++) { /* they can be used again */
        rn_waitgroup_add(&one, 16);
        rn_waitgroup_add(&two, 16);
        for (int i = 0; i < 16; i++)
            check_equal(rn_group_go(g, exits_fn, &p, sizeof p), 0);
        check_equal(rn_waitgroup_wait(&one, RN_FOREVER), 0);
        for (int i = 0; i < 16; i++) {
            check_equal(exited, (round - 1) * 16);
            rn_waitgroup_done(&two);
        }
        wait_until(exited == round * 16);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

/* Go: TestWaitGroup. */
static void wait_ends_at_zero_and_it_can_be_used_again(void **state)
{
    (void)state;
    run_everywhere(in_pair, NULL);
}

struct race {
    rn_waitgroup w;
    _Atomic int n;
};

static void adds_fn(void *arg)
{
    struct race *r = *(struct race **)arg;

    r->n++;
    rn_waitgroup_done(&r->w);
}

/* It lies on the stack of who waits, and is gone as soon as he returns: nobody who is done may touch it then. */
static __attribute__((noinline)) void race(void)
{
    struct race r = { .n = 0 }, *p = &r;

    rn_waitgroup_add(&r.w, 1);
    check_equal(rn_go_copy(adds_fn, &p, sizeof p), 0);
    rn_waitgroup_add(&r.w, 1);
    check_equal(rn_go_copy(adds_fn, &p, sizeof p), 0);
    check_equal(rn_waitgroup_wait(&r.w, RN_FOREVER), 0);
    check_equal(r.n, 2);
    memset(&r, 0xff, sizeof r);
    __asm__ volatile("" ::"r"(&r) : "memory");
}

static int in_race(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000 / SLOWER; i++)
        race();
    return 0;
}

/* Go: TestWaitGroupRace. */
static void may_be_gone_when_wait_returns(void **state)
{
    (void)state;
    run_everywhere(in_race, NULL);
}

static void spreads_fn(void *arg)
{
    struct race *r = *(struct race **)arg;

    for (int i = 0; i < 2 && r->n < 100; i++) {
        r->n++;
        rn_waitgroup_add(&r->w, 1); /* while ours is not done, and others wait */
        check_equal(rn_go_copy(spreads_fn, arg, sizeof r), 0);
    }
    rn_waitgroup_add(&r->w, 3);
    rn_waitgroup_add(&r->w, -4);
}

static int in_spreading(void *arg)
{
    struct race r = { .n = 0 }, *p = &r;

    (void)arg;
    rn_waitgroup_add(&r.w, 1);
    check_equal(rn_go_copy(spreads_fn, &p, sizeof p), 0);
    check_equal(rn_waitgroup_wait(&r.w, RN_FOREVER), 0);
    check(r.n >= 100);
    check_equal(rn_waitgroup_wait(&r.w, RN_NOWAIT), 0);
    return 0;
}

static void those_counted_may_add_more(void **state)
{
    (void)state;
    run_everywhere(in_spreading, NULL);
}

static int in_below_zero(void *arg)
{
    rn_waitgroup w = { { 0 } };

    (void)arg;
    rn_waitgroup_add(&w, 1);
    rn_waitgroup_done(&w);
    rn_waitgroup_done(&w);
    return 0;
}

static int in_too_many(void *arg)
{
    rn_waitgroup w = { { 0 } };

    (void)arg;
    rn_waitgroup_add(&w, INT_MAX);
    rn_waitgroup_add(&w, 1);
    return 0;
}

/* Go: TestWaitGroupMisuse. */
static void counter_out_of_bounds_panics(void **state)
{
    (void)state;
    panics(in_below_zero, "negative counter");
    panics(in_too_many, "counter beyond INT_MAX");
}

/* ---- deadlines, cancellation, threads ------------------------------------------------------------------ */

static void cancelled_fn(void *arg)
{
    rn_waitgroup *w = *(rn_waitgroup **)arg, none = { { 0 } };

    check_equal(rn_waitgroup_wait(w, RN_FOREVER), RN_ECANCELED);
    check_equal(rn_waitgroup_wait(&none, RN_FOREVER), RN_ECANCELED); /* though it need not wait */
}

static int in_ends(void *arg)
{
    rn_waitgroup w = { { 0 } }, *p = &w;
    rn_group *g = rn_group_new();
    rn_time until = rn_after(RN_MS);

    (void)arg;
    rn_waitgroup_add(&w, 1);
    check_equal(rn_waitgroup_wait(&w, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_waitgroup_wait(&w, until), RN_ETIMEDOUT);
    check(rn_now() >= until);
    start_waiting(g, cancelled_fn, p, &w, 1);
    start_waiting(g, cancelled_fn, p, &w, 2);
    rn_group_cancel(g);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(in_line(&w), 0);
    rn_waitgroup_done(&w);
    check_equal(rn_waitgroup_wait(&w, RN_NOWAIT), 0);
    rn_group_free(g);
    return 0;
}

static void wait_ends_by_deadline_and_cancellation(void **state)
{
    (void)state;
    run_everywhere(in_ends, NULL);
}

static void *wait_main(void *w)
{
    return rn_waitgroup_wait(w, RN_FOREVER) == 0 ? w : NULL;
}

static void *done_main(void *w)
{
    rn_waitgroup_done(w);
    return NULL;
}

static int in_threads(void *arg)
{
    rn_waitgroup w = { { 0 } };
    pthread_t waiter, done;
    void *result;

    (void)arg;
    rn_waitgroup_add(&w, 1);
    check_equal(pthread_create(&waiter, NULL, wait_main, &w), 0);
    wait_until(in_line(&w) == 1);
    check_equal(pthread_create(&done, NULL, done_main, &w), 0);
    check_equal(rn_waitgroup_wait(&w, RN_FOREVER), 0);
    pthread_join(waiter, &result);
    check(result == &w);
    pthread_join(done, NULL);
    return 0;
}

static void plain_threads_wait_and_are_done(void **state)
{
    rn_waitgroup w = { { 0 } };
    pthread_t waiter;
    void *result;

    (void)state;
    for (int i = 0; i < 20; i++)
        run_inside(in_threads, NULL);
    assert_int_equal(rn_start(2), 0);
    rn_waitgroup_add(&w, 1);
    assert_int_equal(pthread_create(&waiter, NULL, wait_main, &w), 0);
    wait_until(in_line(&w) == 1);
    assert_int_equal(rn_stop(RN_FOREVER), 0);
    pthread_join(waiter, &result);
    assert_null(result);
    assert_int_equal(rn_waitgroup_wait(&w, RN_FOREVER), -ESHUTDOWN);
    rn_waitgroup_done(&w);
}

/* ---- life and reports ------------------------------------------------------------------------------------ */

static rn_waitgroup kept;

static void abandoned_fn(void *w)
{
    (void)rn_waitgroup_wait(w, RN_FOREVER);
    check(!"woken though abandoned");
}

static int in_abandoning(void *arg)
{
    rn_waitgroup gone = { { 0 } };

    (void)arg;
    rn_waitgroup_add(&kept, 1);
    rn_waitgroup_add(&gone, 1);
    check_equal(rn_go(abandoned_fn, &kept), 0);
    check_equal(rn_go(abandoned_fn, &gone), 0);
    wait_until(in_line(&kept) == 1 && in_line(&gone) == 1);
    return 0;
}

static int in_waiting(void *arg)
{
    (void)arg;
    check_equal(rn_waitgroup_wait(&kept, rn_after(RN_MS)), RN_ETIMEDOUT);
    rn_waitgroup_done(&kept);
    check_equal(rn_waitgroup_wait(&kept, RN_FOREVER), 0);
    rn_waitgroup_add(&kept, 1);
    return 0;
}

static void abandoned_goroutines_wait_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        run_inside(in_abandoning, NULL);
        if (i % 2)
            run_inside(in_waiting, NULL);
        rn_waitgroup_done(&kept);
    }
}

static int in_deadlock(void *arg)
{
    rn_waitgroup w = { { 0 } };

    (void)arg;
    rn_waitgroup_add(&w, 1);
    return rn_waitgroup_wait(&w, RN_FOREVER);
}

static void waiting_for_nobody_is_a_deadlock(void **state)
{
    const char *const words[] = { "\"main\" [wait group 0x", NULL };

    (void)state;
    deadlocks(in_deadlock, words);
}

#ifdef RN__TSAN
static struct {
    rn_waitgroup w;
    int n;
    bool waits;
} seen;

static void writes_fn(void *arg)
{
    (void)arg;
    seen.n++;
    rn_waitgroup_done(&seen.w);
}

static int in_writing(void *arg)
{
    (void)arg;
    rn_waitgroup_add(&seen.w, 1);
    check_equal(rn_go(writes_fn, NULL), 0);
    if (seen.waits) {
        check_equal(rn_waitgroup_wait(&seen.w, RN_FOREVER), 0);
    } else {
        while (atomic_load_explicit((_Atomic uint64_t *)seen.w.opaque, memory_order_relaxed) != 0)
            ; /* on the other worker */
    }
    seen.n++;
    return 0;
}

static void tsan_sees_what_was_waited_for_and_what_was_not(void **state)
{
    (void)state;
    seen.waits = true;
    races(in_writing, false);
    seen.waits = false;
    races(in_writing, true);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait_ends_at_zero_and_it_can_be_used_again),
        cmocka_unit_test(may_be_gone_when_wait_returns),
        cmocka_unit_test(those_counted_may_add_more),
        cmocka_unit_test(counter_out_of_bounds_panics),
        cmocka_unit_test(wait_ends_by_deadline_and_cancellation),
        cmocka_unit_test(plain_threads_wait_and_are_done),
        cmocka_unit_test(abandoned_goroutines_wait_no_more),
        cmocka_unit_test(waiting_for_nobody_is_a_deadlock),
#ifdef RN__TSAN
        cmocka_unit_test(tsan_sees_what_was_waited_for_and_what_was_not),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
