/* test_mutex.c - one at a time.   SPDX-License-Identifier: MIT
 *
 * Go's mutex_test.go, as far as C can say it, and what is ours: deadlines, plain threads, abandoned goroutines. */
#include "runtime/rand.h"
#include "tests/runtime/locks.h"

/* ---- exclusion ------------------------------------------------------------------------------- */

struct counted {
    rn_mutex m;
    int64_t n; /* guarded by m */
};

#define LOOPS (1000 / SLOWER)

static void hammer_fn(void *arg)
{
    struct counted *c = *(struct counted **)arg;

    for (int i = 0; i < LOOPS; i++) {
        if (i % 3 == 0) {
            if (rn_mutex_trylock(&c->m))
                rn_mutex_unlock(&c->m);
            continue;
        }
        rn_mutex_lock(&c->m);
        c->n++;
        if (i % 16 == 0)
            rn_yield();
        rn_mutex_unlock(&c->m);
    }
}

static int in_hammer(void *arg)
{
    struct counted c = { .n = 0 }, *p = &c;
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 10; i++)
        check_equal(rn_group_go(g, hammer_fn, &p, sizeof p), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    check_equal(c.n, 10 * (LOOPS - (LOOPS + 2) / 3));
    check(rn_mutex_trylock(&c.m));
    return 0;
}

/* Go: TestMutex, HammerMutex. */
static void only_one_has_it(void **state)
{
    (void)state;
    run_everywhere(in_hammer, NULL);
}

static void *unlock_main(void *m)
{
    rn_mutex_unlock(m);
    return NULL;
}

static void unlock_fn(void *arg)
{
    rn_mutex_unlock(*(rn_mutex **)arg);
}

static int in_trylock(void *arg)
{
    rn_mutex m = { { 0 } }, *p = &m;
    rn_group *g = rn_group_new();
    pthread_t thread;

    (void)arg;
    rn_mutex_lock(&m);
    check_equal(rn_mutex_trylock(&m), 0);
    check_equal(rn_mutex_lock_until(&m, RN_NOWAIT), RN_ETIMEDOUT);
    rn_mutex_unlock(&m);
    check_equal(rn_mutex_trylock(&m), 1);
    check_equal(rn_group_go(g, unlock_fn, &p, sizeof p), 0); /* not the owner */
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(rn_mutex_lock_until(&m, RN_NOWAIT), 0);
    check_equal(pthread_create(&thread, NULL, unlock_main, &m), 0);
    pthread_join(thread, NULL);
    check_equal(rn_mutex_trylock(&m), 1);
    rn_group_free(g);
    return 0;
}

/* Go: TestMutex. */
static void trylock_takes_what_is_free_and_anybody_may_unlock(void **state)
{
    (void)state;
    run_everywhere(in_trylock, NULL);
}

static int in_unlock_unlocked(void *arg)
{
    rn_mutex m = { { 0 } };

    (void)arg;
    rn_mutex_unlock(&m);
    return 0;
}

static int in_unlock_twice(void *arg)
{
    rn_mutex m = { { 0 } };

    (void)arg;
    rn_mutex_lock(&m);
    rn_mutex_unlock(&m);
    rn_mutex_unlock(&m);
    return 0;
}

/* Go: TestMutexMisuse. */
static void unlock_of_what_is_not_locked_panics(void **state)
{
    (void)state;
    panics(in_unlock_unlocked, "unlock of unlocked mutex");
    panics(in_unlock_twice, "unlock of unlocked mutex");
}

/* ---- nobody starves --------------------------------------------------------------------------- */

struct hogged {
    rn_mutex m;
    _Atomic bool got;
};

static void holds_long_fn(void *arg)
{
    struct hogged *h = *(struct hogged **)arg;

    while (!h->got) {
        rn_mutex_lock(&h->m);
        check_equal(rn_sleep(rn_after(100 * RN_US)), 0);
        rn_mutex_unlock(&h->m);
    }
}

static int in_fairness(void *arg)
{
    struct hogged h = { .got = false }, *p = &h;
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, holds_long_fn, &p, sizeof p), 0);
    for (int i = 0; i < 10; i++) {
        check_equal(rn_sleep(rn_after(100 * RN_US)), 0);
        rn_mutex_lock(&h.m);
        rn_mutex_unlock(&h.m);
    }
    h.got = true;
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

/* Go: TestMutexFairness. */
static void who_holds_it_long_and_often_lets_others_have_it(void **state)
{
    (void)state;
    run_everywhere(in_fairness, NULL);
}

static void wants_once_fn(void *arg)
{
    struct hogged *h = *(struct hogged **)arg;

    rn_mutex_lock(&h->m);
    h->got = true;
    rn_mutex_unlock(&h->m);
}

/* The hog has no scheduling point but the lock itself: with one worker the others run only when it is handed to them. */
static int in_hog(void *arg)
{
    struct hogged h = { .got = false }, *p = &h;
    rn_group *g = rn_group_new();

    (void)arg;
    rn_mutex_lock(&h.m);
    start_waiting(g, wants_once_fn, p, &h.m, 1);
    rn_mutex_unlock(&h.m);
    while (!h.got) {
        rn_mutex_lock(&h.m);
        rn_mutex_unlock(&h.m);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void hog_that_never_gives_way_hands_it_over(void **state)
{
    static const int workers[] = { 1, 2, 8 };

    (void)state;
    for (int i = 0; i < RN_LEN(workers); i++)
        for (int k = 0; k < 20; k++)
            assert_int_equal(rn_main(workers[i], in_hog, NULL), 0);
}

struct ordered {
    rn_mutex m;
    int order[8], n; /* guarded by m */
};

struct turn {
    struct ordered *o;
    int who;
};

static void ordered_fn(void *arg)
{
    struct turn *t = arg;

    rn_mutex_lock(&t->o->m);
    t->o->order[t->o->n++] = t->who;
    rn_yield();
    rn_mutex_unlock(&t->o->m);
}

static int in_order(void *arg)
{
    struct ordered o = { .n = 0 };
    rn_group *g = rn_group_new();

    (void)arg;
    rn_mutex_lock(&o.m);
    for (int i = 0; i < 8; i++) {
        struct turn t = { &o, i };

        start_waiting(g, ordered_fn, t, &o.m, i + 1);
    }
    check_equal(rn_sleep(rn_after(2 * RN_MS)), 0);
    rn_mutex_unlock(&o.m);
    rn_mutex_lock(&o.m); /* those who have waited longer than 1 ms go first */
    check_equal(o.n, 8);
    for (int i = 0; i < 8; i++)
        check_equal(o.order[i], i);
    rn_mutex_unlock(&o.m);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void those_who_have_waited_a_millisecond_get_it_in_order(void **state)
{
    (void)state;
    run_everywhere(in_order, NULL);
}

/* ---- simulations ----------------------------------------------------------------------------------- */

static uint64_t trace;

static void traced_fn(void *arg)
{
    struct turn *t = arg;

    for (int i = 0; i < 20; i++) {
        if (rn_mutex_lock_until(&t->o->m, rn_after((int64_t)(rn__rand64() % (2 * RN_MS)))) < 0)
            rn_mutex_lock(&t->o->m);
        trace = (trace ^ (uint64_t)t->who) * UINT64_C(0x100000001b3);
        trace ^= (uint64_t)rn_now() * UINT64_C(0x9e3779b97f4a7c15);
        if (rn__rand64() % 2)
            check_equal(rn_sleep(rn_after((int64_t)(rn__rand64() % RN_MS))), 0);
        rn_mutex_unlock(&t->o->m);
    }
}

static int in_traced(void *arg)
{
    struct ordered o = { .n = 0 };
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 8; i++) {
        struct turn t = { &o, i };

        check_equal(rn_group_go(g, traced_fn, &t, sizeof t), 0);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static uint64_t trace_of(uint64_t seed)
{
    trace = 0;
    assert_int_equal(rn_sim(seed, in_traced, NULL), 0);
    return trace;
}

static void same_seed_gives_it_to_the_same_at_the_same_time(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SIM_SEEDS; seed++) {
        uint64_t first = trace_of(seed);

        assert_true(first == trace_of(seed));
        assert_true(first != last);
        last = first;
    }
}

/* ---- deadlines and cancellation ------------------------------------------------------------------- */

struct tried {
    rn_mutex *m;
    rn_time deadline;
    _Atomic int *rc;
};

static void tries_fn(void *arg)
{
    struct tried *t = arg;

    int rc = rn_mutex_lock_until(t->m, t->deadline);

    if (rc == 0)
        rn_mutex_unlock(t->m);
    *t->rc = rc;
}

static void cancelled_fn(void *arg)
{
    rn_mutex *m = *(rn_mutex **)arg;

    rn_mutex_lock(m); /* waits, and is not cancelled */
    check_equal(rn_cancelled(), RN_ECANCELED);
    check_equal(rn_mutex_lock_until(m, RN_NOWAIT), RN_ECANCELED);
    rn_mutex_unlock(m);
    check_equal(rn_mutex_lock_until(m, RN_FOREVER), RN_ECANCELED); /* though it is free */
    rn_shield(1);
    check_equal(rn_mutex_lock_until(m, RN_NOWAIT), 0);
    rn_shield(0);
    rn_mutex_unlock(m);
}

static int in_ends(void *arg)
{
    rn_mutex m = { { 0 } }, *p = &m;
    rn_group *g = rn_group_new();
    _Atomic int rcs[3] = { 1, 1, 1 };
    struct tried soon = { &m, rn_after(RN_MS), &rcs[0] }, never = { &m, RN_FOREVER, &rcs[1] };
    struct tried late = { &m, rn_after(1000 * RN_SEC), &rcs[2] };

    (void)arg;
    rn_mutex_lock(&m);
    check_equal(rn_group_go(g, tries_fn, &soon, sizeof soon), 0);
    wait_until(rcs[0] != 1);
    check_equal(rcs[0], RN_ETIMEDOUT);
    check(rn_now() >= soon.deadline);
    start_waiting(g, tries_fn, never, &m, 1);
    start_waiting(g, cancelled_fn, p, &m, 2);
    rn_group_cancel(g);
    wait_until(rcs[1] != 1);
    check_equal(rcs[1], RN_ECANCELED);
    check_equal(in_line(&m), 1);
    rn_mutex_unlock(&m);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);

    g = rn_group_new();
    rn_mutex_lock(&m);
    start_waiting(g, tries_fn, late, &m, 1);
    rn_mutex_unlock(&m);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(rcs[2], 0);
    rn_group_free(g);
    return 0;
}

static void only_lock_until_ends_by_deadline_and_cancellation(void **state)
{
    (void)state;
    run_everywhere(in_ends, NULL);
}

static _Atomic int stopped;

static void impatient_fn(void *arg)
{
    struct counted *c = *(struct counted **)arg;

    for (int i = 0; i < LOOPS; i++) {
        uint64_t r = rn__rand64();
        int rc = r % 4 == 0
                     ? (rn_mutex_lock(&c->m), 0)
                     : rn_mutex_lock_until(&c->m, rn_after((int64_t)(r >> 8) % (20 * RN_US)));

        if (rc == RN_ECANCELED)
            break;
        if (rc == 0) {
            c->n++;
            if (r & 1024)
                rn_yield();
            rn_mutex_unlock(&c->m);
        }
    }
    stopped++;
}

static int in_impatience(void *arg)
{
    struct counted c = { .n = 0 }, *p = &c;
    rn_group *g[2] = { rn_group_new(), rn_group_new() };

    (void)arg;
    stopped = 0;
    for (int i = 0; i < 16; i++)
        check_equal(rn_group_go(g[i % 2], impatient_fn, &p, sizeof p), 0);
    wait_until(({
        rn_mutex_lock(&c.m);
        bool enough = c.n > LOOPS / 4;
        rn_mutex_unlock(&c.m);
        enough || stopped > 8;
    }));
    rn_group_cancel(g[0]);
    check_equal(rn_group_wait(g[0], RN_FOREVER), 0);
    check_equal(rn_group_wait(g[1], RN_FOREVER), 0);
    check_equal(in_line(&c.m), 0);
    check(rn_mutex_trylock(&c.m));
    rn_group_free(g[0]);
    rn_group_free(g[1]);
    return 0;
}

static void whoever_gives_up_loses_no_wake_up(void **state)
{
    (void)state;
    run_everywhere(in_impatience, NULL);
}

/* ---- life ----------------------------------------------------------------------------------------- */

struct shared {
    rn_mutex m;
    int refs; /* guarded by m */
};

static void drop_fn(void *arg)
{
    struct shared *s = *(struct shared **)arg;
    bool last;

    rn_mutex_lock(&s->m);
    last = --s->refs == 0;
    rn_mutex_unlock(&s->m);
    if (last) {
        memset(s, 0xff, sizeof *s);
        free(s);
    }
}

static int in_drop(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct shared *s = calloc(1, sizeof *s);

        check(s != NULL);
        s->refs = 4;
        for (int k = 0; k < 4; k++)
            check_equal(rn_group_go(g, drop_fn, &s, sizeof s), 0);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void may_be_freed_by_whoever_unlocks_last(void **state)
{
    (void)state;
    run_everywhere(in_drop, NULL);
}

static rn_mutex kept; /* longer than schedulers */

static void waits_for_kept_fn(void *arg)
{
    rn_mutex_lock(arg);
    check(!"given to a goroutine that was abandoned");
}

static int in_abandoning(void *arg)
{
    rn_mutex gone = { { 0 } };

    (void)arg;
    rn_mutex_lock(&kept);
    rn_mutex_lock(&gone);
    for (int i = 0; i < 4; i++) {
        check_equal(rn_go(waits_for_kept_fn, &kept), 0);
        check_equal(rn_go(waits_for_kept_fn, &gone), 0);
    }
    wait_until(in_line(&kept) == 4 && in_line(&gone) == 4);
    return 0;
}

static int in_unlocking_kept(void *arg)
{
    (void)arg;
    rn_mutex_unlock(&kept);
    check_equal(in_line(&kept), 0);
    return in_hammer(NULL);
}

static void abandoned_goroutines_wait_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        run_inside(in_abandoning, NULL);
        if (i % 2 == 0)
            rn_mutex_unlock(&kept);
        else
            run_inside(in_unlocking_kept, NULL);
    }
    assert_true(rn_mutex_trylock(&kept));
    rn_mutex_unlock(&kept);
}

/* ---- plain threads ----------------------------------------------------------------------------------- */

static void *thread_main(void *arg)
{
    hammer_fn(&arg);
    return NULL;
}

static struct counted mixed;

static int in_mixture(void *arg)
{
    struct counted *p = &mixed;
    rn_group *g = rn_group_new();
    pthread_t threads[4];

    (void)arg;
    mixed.n = 0;
    for (int i = 0; i < 4; i++) {
        check_equal(pthread_create(&threads[i], NULL, thread_main, p), 0);
        check_equal(rn_group_go(g, hammer_fn, &p, sizeof p), 0);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    check_equal(mixed.n, 8 * (LOOPS - (LOOPS + 2) / 3));
    rn_group_free(g);
    return 0;
}

static void plain_threads_and_goroutines_share_it(void **state)
{
    static const int workers[] = { 1, 2, 8 };

    (void)state;
    for (int i = 0; i < RN_LEN(workers); i++)
        assert_int_equal(rn_main(workers[i], in_mixture, NULL), 0);
}

static void threads_alone_need_no_scheduler(void **state)
{
    pthread_t threads[4];

    (void)state;
    mixed.n = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &mixed), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(mixed.n, 4 * (LOOPS - (LOOPS + 2) / 3));
    assert_int_equal(rn_mutex_lock_until(&mixed.m, RN_NOWAIT), -ESHUTDOWN);
}

static _Atomic int until_rc;

static void *until_main(void *m)
{
    until_rc = rn_mutex_lock_until(m, RN_FOREVER);
    return NULL;
}

static void *lock_main(void *m)
{
    rn_mutex_lock(m);
    rn_mutex_unlock(m);
    return NULL;
}

static int in_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Threads wait, a scheduler begins and ends, more wait: those with a deadline are sent away, the others wait on. */
static void thread_waits_across_the_end_of_a_scheduler(void **state)
{
    rn_mutex m = { { 0 } };
    pthread_t threads[3];

    (void)state;
    rn_mutex_lock(&m);
    assert_int_equal(pthread_create(&threads[0], NULL, lock_main, &m), 0);
    wait_until(in_line(&m) == 1);
    assert_int_equal(rn_start(2), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, lock_main, &m), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, until_main, &m), 0);
    wait_until(in_line(&m) == 3);
    assert_int_equal(rn_stop(RN_FOREVER), 0);
    pthread_join(threads[2], NULL);
    assert_int_equal(until_rc, -ESHUTDOWN);
    wait_until(in_line(&m) == 2);
    assert_int_equal(rn_main(1, in_nothing, NULL), 0);
    wait_until(in_line(&m) == 2);
    rn_mutex_unlock(&m);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_true(rn_mutex_trylock(&m));
}

static _Atomic bool has_it;

static void *owner_main(void *arg)
{
    rn_mutex *m = arg;

    rn_mutex_lock(m);
    has_it = true;
    wait_until(in_line(m) == 1);
    for (int i = 0; i < 1000; i++)
        sched_yield(); /* all goroutines are asleep meanwhile */
    rn_mutex_unlock(m);
    return NULL;
}

static int in_owned_by_a_thread(void *arg)
{
    rn_mutex m = { { 0 } };
    pthread_t thread;

    (void)arg;
    has_it = false;
    check_equal(pthread_create(&thread, NULL, owner_main, &m), 0);
    wait_until(has_it);
    rn_mutex_lock(&m);
    pthread_join(thread, NULL);
    return 0;
}

static void waiting_for_a_plain_thread_is_no_deadlock(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        run_inside(in_owned_by_a_thread, NULL);
}

/* ---- reports ------------------------------------------------------------------------------------------ */

static rn_mutex two[2];
static _Atomic int crossed;

static void crosses_fn(void *arg)
{
    rn_set_name("crosses");
    rn_mutex_lock(&two[1]);
    crossed++;
    wait_until(crossed == 2);
    rn_mutex_lock(&two[0]);
    (void)arg;
}

static int in_two_locks(void *arg)
{
    (void)arg;
    check_equal(rn_go(crosses_fn, NULL), 0);
    rn_mutex_lock(&two[0]);
    crossed++;
    wait_until(crossed == 2);
    rn_mutex_lock(&two[1]);
    return 0;
}

static void two_locks_in_two_orders_are_a_deadlock(void **state)
{
    char first[64], second[64];
    const char *const words[] = { first, second, "\"crosses\" [mutex 0x", NULL };

    (void)state;
    snprintf(first, sizeof first, "[mutex %p, ", (void *)&two[0]);
    snprintf(second, sizeof second, "[mutex %p, ", (void *)&two[1]);
    deadlocks(in_two_locks, words);
}

#ifdef RN__TSAN
static struct counted seen;
static bool locks;

static void touches_fn(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        if (locks)
            rn_mutex_lock(&seen.m);
        seen.n++;
        if (locks)
            rn_mutex_unlock(&seen.m);
    }
    crossed++;
}

static int in_touching(void *arg)
{
    (void)arg;
    crossed = 0;
    check_equal(rn_go(touches_fn, NULL), 0);
    touches_fn(NULL);
    while (crossed < 2)
        ; /* on the other worker, at the same time */
    return 0;
}

static void tsan_sees_what_is_guarded_and_what_is_not(void **state)
{
    (void)state;
    locks = true;
    races(in_touching, false);
    locks = false;
    races(in_touching, true);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_one_has_it),
        cmocka_unit_test(trylock_takes_what_is_free_and_anybody_may_unlock),
        cmocka_unit_test(unlock_of_what_is_not_locked_panics),
        cmocka_unit_test(who_holds_it_long_and_often_lets_others_have_it),
        cmocka_unit_test(hog_that_never_gives_way_hands_it_over),
        cmocka_unit_test(those_who_have_waited_a_millisecond_get_it_in_order),
        cmocka_unit_test(same_seed_gives_it_to_the_same_at_the_same_time),
        cmocka_unit_test(only_lock_until_ends_by_deadline_and_cancellation),
        cmocka_unit_test(whoever_gives_up_loses_no_wake_up),
        cmocka_unit_test(may_be_freed_by_whoever_unlocks_last),
        cmocka_unit_test(abandoned_goroutines_wait_no_more),
        cmocka_unit_test(plain_threads_and_goroutines_share_it),
        cmocka_unit_test(threads_alone_need_no_scheduler),
        cmocka_unit_test(thread_waits_across_the_end_of_a_scheduler),
        cmocka_unit_test(waiting_for_a_plain_thread_is_no_deadlock),
        cmocka_unit_test(two_locks_in_two_orders_are_a_deadlock),
#ifdef RN__TSAN
        cmocka_unit_test(tsan_sees_what_is_guarded_and_what_is_not),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
