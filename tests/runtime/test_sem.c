/* test_sem.c - so many permits.   SPDX-License-Identifier: MIT
 *
 * The semaphore_test.go of golang.org/x/sync, as far as C can say it, and what is ours: threads, abandoned goroutines. */
#include <limits.h>

#include "runtime/rand.h"
#include "tests/runtime/locks.h"

#define MOST 8

struct used {
    rn_sem s;
    _Atomic int n; /* permits that are taken */
};

/* ---- permits ---------------------------------------------------------------------------------- */

#define LOOPS (500 / SLOWER)

static void hammer_fn(void *arg)
{
    struct used *u = *(struct used **)arg;

    for (int i = 0; i < LOOPS; i++) {
        uint64_t r = rn__rand64();
        unsigned n = 1 + (unsigned)(r >> 32) % MOST;
        rn_time until = r % 4 ? RN_FOREVER : rn_after((int64_t)(r >> 8) % (20 * RN_US));

        if (rn_sem_acquire(&u->s, n, until) < 0)
            continue;
        check(atomic_fetch_add(&u->n, (int)n) + (int)n <= MOST);
        if (r & 1024)
            rn_yield();
        u->n -= (int)n;
        rn_sem_release(&u->s, n);
    }
}

static int in_hammer(void *arg)
{
    struct used u = { .n = 0 }, *p = &u;
    rn_group *g = rn_group_new();

    (void)arg;
    rn_sem_release(&u.s, MOST);
    for (int i = 0; i < 8; i++)
        check_equal(rn_group_go(g, hammer_fn, &p, sizeof p), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(in_line(&u.s), 0);
    check_equal(rn_sem_acquire(&u.s, MOST, RN_NOWAIT), 0);
    check_equal(rn_sem_acquire(&u.s, 1, RN_NOWAIT), RN_ETIMEDOUT);
    rn_group_free(g);
    return 0;
}

/* Go: TestWeighted, TestSemaphore. */
static void never_more_are_taken_than_there_are(void **state)
{
    (void)state;
    run_everywhere(in_hammer, NULL);
}

static int in_try(void *arg)
{
    rn_sem s = { { 0 } };

    (void)arg;
    check_equal(rn_sem_acquire(&s, 0, RN_NOWAIT), 0);
    check_equal(rn_sem_acquire(&s, 1, RN_NOWAIT), RN_ETIMEDOUT);
    rn_sem_release(&s, 0);
    rn_sem_release(&s, 2);
    check_equal(rn_sem_acquire(&s, 3, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_sem_acquire(&s, 1, RN_NOWAIT), 0);
    check_equal(rn_sem_acquire(&s, 1, RN_NOWAIT), 0);
    check_equal(rn_sem_acquire(&s, 1, rn_after(RN_US)), RN_ETIMEDOUT);
    rn_sem_release(&s, UINT_MAX);
    check_equal(rn_sem_acquire(&s, UINT_MAX, RN_NOWAIT), 0);
    check_equal(rn_sem_acquire(&s, 1, RN_NOWAIT), RN_ETIMEDOUT);
    return 0;
}

/* Go: TestWeightedTryAcquire, TestWeightedAcquire. */
static void what_is_there_is_taken_at_once(void **state)
{
    (void)state;
    run_everywhere(in_try, NULL);
}

static int in_too_many(void *arg)
{
    rn_sem s = { { 0 } };

    (void)arg;
    rn_sem_release(&s, UINT_MAX);
    rn_sem_release(&s, 1);
    return 0;
}

/* Go: TestWeightedPanic; here there is no size, but a largest number. */
static void more_permits_than_can_be_counted_panic(void **state)
{
    (void)state;
    panics(in_too_many, "more than UINT_MAX permits");
}

/* ---- order ------------------------------------------------------------------------------------------ */

struct ordered {
    rn_sem s;
    int order[8];
    _Atomic int n;
};

struct wish {
    struct ordered *o;
    unsigned wants;
    int rc; /* expected */
};

static void wishes_fn(void *arg)
{
    struct wish *w = arg;

    check_equal(rn_sem_acquire(&w->o->s, w->wants, RN_FOREVER), w->rc);
    w->o->order[w->o->n++] = (int)w->wants;
}

static int in_order(void *arg)
{
    struct ordered o = { .n = 0 };
    static const unsigned wants[] = { 3, 1, 2, 2 };
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < RN_LEN(wants); i++) {
        struct wish w = { &o, wants[i], 0 };

        start_waiting(g, wishes_fn, w, &o.s, i + 1);
    }
    rn_sem_release(&o.s, 2); /* enough for all but the first, who is not overtaken */
    check_equal(in_line(&o.s), 4);
    check_equal(rn_sem_acquire(&o.s, 1, RN_NOWAIT), RN_ETIMEDOUT); /* by us neither */
    check_equal(rn_sem_acquire(&o.s, 0, RN_NOWAIT), RN_ETIMEDOUT);
    rn_sem_release(&o.s, 1);
    check_equal(in_line(&o.s), 3);
    wait_until(o.n == 1);
    rn_sem_release(&o.s, 4); /* for two, and 1 is left */
    check_equal(in_line(&o.s), 1);
    wait_until(o.n == 3);
    check_equal(rn_sem_acquire(&o.s, 1, RN_NOWAIT), RN_ETIMEDOUT);
    rn_sem_release(&o.s, 2);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(o.order[0], 3);
    check_equal(o.order[1] + o.order[2], 3);
    check_equal(o.order[3], 2);
    check_equal(rn_sem_acquire(&o.s, 1, RN_NOWAIT), 0);
    rn_group_free(g);
    return 0;
}

/* Go: TestLargeAcquireDoesntStarve. */
static void who_wants_many_is_not_overtaken(void **state)
{
    (void)state;
    run_everywhere(in_order, NULL);
}

static int in_leaving(void *arg)
{
    struct ordered o = { .n = 0 };
    struct wish big = { &o, 10, RN_ECANCELED }, small = { &o, 1, 0 };
    rn_group *cancelled = rn_group_new(), *g = rn_group_new();

    (void)arg;
    rn_sem_release(&o.s, 2);
    check_equal(rn_sem_acquire(&o.s, 3, rn_after(RN_MS)), RN_ETIMEDOUT);
    start_waiting(cancelled, wishes_fn, big, &o.s, 1);
    start_waiting(g, wishes_fn, small, &o.s, 2);
    start_waiting(g, wishes_fn, small, &o.s, 3);
    start_waiting(g, wishes_fn, small, &o.s, 4);
    rn_group_cancel(cancelled);
    wait_until(o.n == 3); /* he, and two of those who waited behind him */
    check_equal(in_line(&o.s), 1);
    rn_sem_release(&o.s, 1);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(rn_group_wait(cancelled, RN_FOREVER), 0);
    rn_group_free(g);
    rn_group_free(cancelled);
    return 0;
}

/* Go: TestAllocCancelDoesntStarve, TestWeightedDoesntBlockIfTooBig. */
static void who_leaves_lets_those_behind_have_what_there_is(void **state)
{
    (void)state;
    run_everywhere(in_leaving, NULL);
}

static void cancelled_fn(void *arg)
{
    rn_sem *s = *(rn_sem **)arg;

    check_equal(rn_sem_acquire(s, 1, RN_FOREVER), RN_ECANCELED);
    check_equal(rn_sem_acquire(s, 0, RN_NOWAIT), RN_ECANCELED);
    rn_sem_release(s, 1);
    check_equal(rn_sem_acquire(s, 1, RN_NOWAIT), RN_ECANCELED);
}

static int in_cancelling(void *arg)
{
    rn_sem s = { { 0 } }, *p = &s;
    rn_group *g = rn_group_new();

    (void)arg;
    start_waiting(g, cancelled_fn, p, &s, 1);
    rn_group_cancel(g);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(rn_sem_acquire(&s, 1, RN_NOWAIT), 0);
    rn_group_free(g);
    return 0;
}

static void acquire_is_cancelled_before_it_tries(void **state)
{
    (void)state;
    run_everywhere(in_cancelling, NULL);
}

/* ---- life --------------------------------------------------------------------------------------------- */

static void releases_fn(void *arg)
{
    rn_sem_release(*(rn_sem **)arg, 1);
}

/* As with a wait group: it lies on the stack of who waits. */
static __attribute__((noinline)) void race(void)
{
    rn_sem s = { { 0 } }, *p = &s;

    check_equal(rn_go_copy(releases_fn, &p, sizeof p), 0);
    check_equal(rn_go_copy(releases_fn, &p, sizeof p), 0);
    check_equal(rn_sem_acquire(&s, 2, RN_FOREVER), 0);
    memset(&s, 0xff, sizeof s);
    __asm__ volatile("" ::"r"(&s) : "memory");
}

static int in_race(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000 / SLOWER; i++)
        race();
    return 0;
}

static void may_be_gone_when_acquire_returns(void **state)
{
    (void)state;
    run_everywhere(in_race, NULL);
}

static rn_sem kept;

static void abandoned_fn(void *s)
{
    (void)rn_sem_acquire(s, 2, RN_FOREVER);
    check(!"woken though abandoned");
}

static int in_abandoning(void *arg)
{
    rn_sem gone = { { 0 } };

    (void)arg;
    rn_sem_release(&kept, 1);
    check_equal(rn_go(abandoned_fn, &kept), 0);
    check_equal(rn_go(abandoned_fn, &gone), 0);
    wait_until(in_line(&kept) == 1 && in_line(&gone) == 1);
    return 0;
}

static int in_acquiring(void *arg)
{
    return rn_sem_acquire(arg, 1, rn_after(1000 * RN_SEC));
}

static void abandoned_goroutines_wait_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        run_inside(in_abandoning, NULL);
        if (i % 2) {
            rn_sem_release(&kept, 3);
            run_inside(in_acquiring, &kept);
            run_inside(in_acquiring, &kept);
            run_inside(in_acquiring, &kept);
        }
        run_inside(in_acquiring, &kept);
    }
}

/* ---- plain threads and reports ---------------------------------------------------------------------------- */

static void *hammer_main(void *u)
{
    hammer_fn(&u);
    return NULL;
}

static int in_mixture(void *arg)
{
    struct used u = { .n = 0 }, *p = &u;
    rn_group *g = rn_group_new();
    pthread_t threads[4];

    (void)arg;
    rn_sem_release(&u.s, MOST);
    for (int i = 0; i < 4; i++) {
        check_equal(pthread_create(&threads[i], NULL, hammer_main, p), 0);
        check_equal(rn_group_go(g, hammer_fn, &p, sizeof p), 0);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    check_equal(rn_sem_acquire(&u.s, MOST, RN_NOWAIT), 0);
    rn_group_free(g);
    return 0;
}

static _Atomic int evicted_rc;

static void *evicted_main(void *s)
{
    evicted_rc = rn_sem_acquire(s, 1, RN_FOREVER);
    return NULL;
}

static void wants_one_fn(void *s)
{
    (void)rn_sem_acquire(s, 1, RN_FOREVER);
}

static void *wants_two_main(void *s)
{
    evicted_rc = rn_sem_acquire(s, 2, RN_FOREVER);
    return NULL;
}

static rn_sem one;

static int in_evicting(void *arg)
{
    check_equal(pthread_create(arg, NULL, wants_two_main, &one), 0);
    wait_until(in_line(&one) == 1);
    check_equal(rn_go(wants_one_fn, &one), 0);
    wait_until(in_line(&one) == 2);
    return 0;
}

static void thread_that_is_sent_away_leaves_nothing_to_the_abandoned(void **state)
{
    pthread_t thread;

    (void)state;
    rn_sem_release(&one, 1);
    run_inside(in_evicting, &thread);
    pthread_join(thread, NULL);
    assert_int_equal(evicted_rc, -ESHUTDOWN);
    run_inside(in_acquiring, &one);
}

static void plain_threads_and_goroutines_share_it(void **state)
{
    rn_sem s = { { 0 } };
    pthread_t thread;

    (void)state;
    assert_int_equal(rn_main(1, in_mixture, NULL), 0);
    assert_int_equal(rn_main(2, in_mixture, NULL), 0);
    assert_int_equal(rn_main(8, in_mixture, NULL), 0);
    assert_int_equal(rn_start(2), 0);
    assert_int_equal(pthread_create(&thread, NULL, evicted_main, &s), 0);
    wait_until(in_line(&s) == 1);
    assert_int_equal(rn_stop(RN_FOREVER), 0);
    pthread_join(thread, NULL);
    assert_int_equal(evicted_rc, -ESHUTDOWN);
    rn_sem_release(&s, 1);
    assert_int_equal(rn_sem_acquire(&s, 1, RN_FOREVER), -ESHUTDOWN);
}

static int in_deadlock(void *arg)
{
    rn_sem s = { { 0 } };

    (void)arg;
    rn_sem_release(&s, 1);
    return rn_sem_acquire(&s, 2, RN_FOREVER);
}

static void waiting_for_nobody_is_a_deadlock(void **state)
{
    const char *const words[] = { "\"main\" [semaphore 0x", NULL };

    (void)state;
    deadlocks(in_deadlock, words);
}

#ifdef RN__TSAN
static struct {
    rn_sem s;
    int n;
} seen;
static _Atomic int ended;

static void touches_fn(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        check_equal(rn_sem_acquire(&seen.s, 1, RN_FOREVER), 0);
        seen.n++;
        rn_sem_release(&seen.s, 1);
    }
    ended++;
}

static int in_touching(void *arg)
{
    (void)arg;
    rn_sem_release(&seen.s, 1);
    check_equal(rn_go(touches_fn, NULL), 0);
    touches_fn(NULL);
    wait_until(ended == 2);
    return 0;
}

static void tsan_sees_what_is_guarded(void **state)
{
    (void)state;
    races(in_touching, false);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_more_are_taken_than_there_are),
        cmocka_unit_test(what_is_there_is_taken_at_once),
        cmocka_unit_test(more_permits_than_can_be_counted_panic),
        cmocka_unit_test(who_wants_many_is_not_overtaken),
        cmocka_unit_test(who_leaves_lets_those_behind_have_what_there_is),
        cmocka_unit_test(acquire_is_cancelled_before_it_tries),
        cmocka_unit_test(may_be_gone_when_acquire_returns),
        cmocka_unit_test(abandoned_goroutines_wait_no_more),
        cmocka_unit_test(plain_threads_and_goroutines_share_it),
        cmocka_unit_test(thread_that_is_sent_away_leaves_nothing_to_the_abandoned),
        cmocka_unit_test(waiting_for_nobody_is_a_deadlock),
#ifdef RN__TSAN
        cmocka_unit_test(tsan_sees_what_is_guarded),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
