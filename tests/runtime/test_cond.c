/* test_cond.c - waiting for a change of what a mutex guards.   SPDX-License-Identifier: MIT
 *
 * Go's cond_test.go, as far as C can say it, and what is ours: deadlines, cancellation, order. */
#include "runtime/rand.h"
#include "tests/runtime/locks.h"

#define N 10

struct waiting {
    rn_mutex m;
    rn_cond c;
    int awake, order[N]; /* guarded by m, as the next */
    bool exit;
};

struct waiter {
    struct waiting *w;
    int who;
};

/* ---- signals ------------------------------------------------------------------------------------ */

static void waits_fn(void *arg)
{
    struct waiter *me = arg;
    struct waiting *w = me->w;

    rn_mutex_lock(&w->m);
    check_equal(rn_cond_wait(&w->c, &w->m, RN_FOREVER), 0);
    check(!rn_mutex_trylock(&w->m)); /* it is ours */
    w->order[w->awake++] = me->who;
    rn_mutex_unlock(&w->m);
}

static int awake(struct waiting *w)
{
    int n;

    rn_mutex_lock(&w->m);
    n = w->awake;
    rn_mutex_unlock(&w->m);
    return n;
}

static int in_signal(void *arg)
{
    struct waiting w = { .awake = 0 };
    rn_group *g = rn_group_new();

    (void)arg;
    rn_cond_signal(&w.c); /* to nobody: not kept */
    rn_cond_broadcast(&w.c);
    for (int i = 0; i < N; i++) {
        struct waiter me = { &w, i };

        start_waiting(g, waits_fn, me, &w.c, i + 1);
    }
    for (int i = 0; i < N; i++) {
        check_equal(awake(&w), i);
        if (i % 2 == 0) {
            rn_mutex_lock(&w.m);
            rn_cond_signal(&w.c);
            rn_mutex_unlock(&w.m);
        } else {
            rn_cond_signal(&w.c);
        }
        check_equal(in_line(&w.c), N - 1 - i);
        wait_until(awake(&w) == i + 1);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 0; i < N; i++)
        check_equal(w.order[i], i);
    rn_group_free(g);
    return 0;
}

/* Go: TestCondSignal, TestCondSignalGenerations. */
static void each_signal_wakes_one_the_longest_waiting(void **state)
{
    (void)state;
    run_everywhere(in_signal, NULL);
}

static void waits_again_fn(void *arg)
{
    struct waiting *w = *(struct waiting **)arg;

    rn_mutex_lock(&w->m);
    while (!w->exit) {
        check_equal(rn_cond_wait(&w->c, &w->m, RN_FOREVER), 0);
        w->awake++;
    }
    rn_mutex_unlock(&w->m);
}

static int in_broadcast(void *arg)
{
    struct waiting w = { .awake = 0 }, *p = &w;
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < N; i++)
        check_equal(rn_group_go(g, waits_again_fn, &p, sizeof p), 0);
    for (int round = 0; round < 10; round++) {
        wait_until(in_line(&w.c) == N);
        rn_mutex_lock(&w.m);
        check_equal(w.awake, round * N);
        w.exit = round == 9;
        rn_cond_broadcast(&w.c);
        rn_mutex_unlock(&w.m);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(w.awake, 10 * N);
    rn_group_free(g);
    return 0;
}

/* Go: TestCondBroadcast. */
static void broadcast_wakes_all(void **state)
{
    (void)state;
    run_everywhere(in_broadcast, NULL);
}

struct stage {
    rn_mutex m;
    rn_cond c;
    int x; /* guarded by m */
};

static void stage_fn(void *arg)
{
    struct stage *s = *(struct stage **)arg;

    rn_mutex_lock(&s->m);
    s->x = 1;
    check_equal(rn_cond_wait(&s->c, &s->m, RN_FOREVER), 0);
    check_equal(s->x, 2);
    s->x = 3;
    rn_cond_signal(&s->c);
    rn_mutex_unlock(&s->m);
}

static int in_stages(void *arg)
{
    struct stage s = { .x = 0 }, *p = &s;
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, stage_fn, &p, sizeof p), 0);
    rn_mutex_lock(&s.m);
    while (s.x != 1) {
        rn_mutex_unlock(&s.m);
        rn_yield();
        rn_mutex_lock(&s.m);
    }
    s.x = 2;
    rn_cond_signal(&s.c);
    check_equal(rn_cond_wait(&s.c, &s.m, RN_FOREVER), 0);
    check_equal(s.x, 3);
    rn_mutex_unlock(&s.m);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

/* Go: TestRace. */
static void what_is_changed_before_the_signal_is_seen(void **state)
{
    (void)state;
    run_everywhere(in_stages, NULL);
}

static void late_fn(void *arg)
{
    struct waiting *w = *(struct waiting **)arg;

    rn_mutex_lock(&w->m);
    check_equal(rn_cond_wait(&w->c, &w->m, rn_after(5 * RN_MS)), RN_ETIMEDOUT);
    rn_mutex_unlock(&w->m);
}

static int in_stealing(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct waiting w = { .awake = 0 }, *p = &w;
        struct waiter me = { &w, 0 };
        rn_group *g = rn_group_new();

        start_waiting(g, waits_fn, me, &w.c, 1);
        rn_cond_signal(&w.c); /* his, however late he runs */
        check_equal(rn_group_go(g, late_fn, &p, sizeof p), 0);
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        check_equal(w.awake, 1);
        rn_group_free(g);
    }
    return 0;
}

/* Go: TestCondSignalStealing. */
static void who_comes_after_a_signal_does_not_get_it(void **state)
{
    (void)state;
    run_everywhere(in_stealing, NULL);
}

/* ---- deadlines and cancellation -------------------------------------------------------------------- */

static void cancelled_fn(void *arg)
{
    struct waiting *w = *(struct waiting **)arg;

    rn_mutex_lock(&w->m);
    check_equal(rn_cond_wait(&w->c, &w->m, RN_FOREVER), RN_ECANCELED);
    check(!rn_mutex_trylock(&w->m));
    check_equal(rn_cond_wait(&w->c, &w->m, RN_FOREVER), RN_ECANCELED);
    check(!rn_mutex_trylock(&w->m));
    w->awake++;
    rn_mutex_unlock(&w->m);
}

static int in_ends(void *arg)
{
    struct waiting w = { .awake = 0 }, *p = &w;
    rn_group *g = rn_group_new();
    rn_time until = rn_after(RN_MS);

    (void)arg;
    rn_mutex_lock(&w.m);
    check_equal(rn_cond_wait(&w.c, &w.m, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_cond_wait(&w.c, &w.m, until), RN_ETIMEDOUT);
    check(rn_now() >= until);
    check(!rn_mutex_trylock(&w.m)); /* in every case */
    rn_mutex_unlock(&w.m);
    start_waiting(g, cancelled_fn, p, &w.c, 1);
    rn_mutex_lock(&w.m);
    rn_group_cancel(g);
    wait_until(in_line(&w.m) == 1); /* cancelled, but the mutex is ours: he waits for it */
    check_equal(w.awake, 0);
    rn_mutex_unlock(&w.m);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(w.awake, 1);
    check_equal(in_line(&w.c), 0);
    rn_group_free(g);
    return 0;
}

static void mutex_is_locked_again_in_every_case(void **state)
{
    (void)state;
    run_everywhere(in_ends, NULL);
}

/* Tokens that are signalled one by one, to those who are impatient: as many signals as tokens, so if one were lost, the last
 * token would not be taken, and who waits without a deadline would not return. */
struct tokens {
    rn_mutex m;
    rn_cond c;
    int free, taken; /* guarded by m */
};

#define TOKENS (400 / SLOWER)

static void takes_fn(void *arg)
{
    struct tokens *t = *(struct tokens **)arg;
    bool patient = rn__rand64() % 2;

    rn_mutex_lock(&t->m);
    while (t->taken < TOKENS) {
        if (t->free > 0) {
            t->free--;
            if (++t->taken == TOKENS)
                rn_cond_broadcast(&t->c);
        } else {
            rn_time until = patient ? RN_FOREVER : rn_after((int64_t)(rn__rand64() % (20 * RN_US)));

            (void)rn_cond_wait(&t->c, &t->m, until);
        }
    }
    rn_mutex_unlock(&t->m);
}

static int in_tokens(void *arg)
{
    struct tokens t = { .free = 0 }, *p = &t;
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 8; i++)
        check_equal(rn_group_go(g, takes_fn, &p, sizeof p), 0);
    for (int i = 0; i < TOKENS; i++) {
        rn_mutex_lock(&t.m);
        t.free++;
        rn_mutex_unlock(&t.m);
        rn_cond_signal(&t.c);
        if (i % 4 == 0)
            rn_yield();
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void deadline_uses_up_no_signal(void **state)
{
    (void)state;
    run_everywhere(in_tokens, NULL);
}

/* ---- plain threads, life, reports -------------------------------------------------------------------- */

static void *takes_main(void *t)
{
    takes_fn(&t);
    return NULL;
}

static int in_mixture(void *arg)
{
    struct tokens t = { .free = 0 }, *p = &t;
    rn_group *g = rn_group_new();
    pthread_t threads[4];

    (void)arg;
    for (int i = 0; i < 4; i++) {
        check_equal(pthread_create(&threads[i], NULL, takes_main, p), 0);
        check_equal(rn_group_go(g, takes_fn, &p, sizeof p), 0);
    }
    for (int i = 0; i < TOKENS; i++) {
        rn_mutex_lock(&t.m);
        t.free++;
        rn_cond_signal(&t.c);
        rn_mutex_unlock(&t.m);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    rn_group_free(g);
    return 0;
}

static void plain_threads_and_goroutines_share_it(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_mixture, NULL), 0);
    assert_int_equal(rn_main(2, in_mixture, NULL), 0);
    assert_int_equal(rn_main(8, in_mixture, NULL), 0);
}

static _Atomic int ended;

static void *evicted_main(void *arg)
{
    struct waiting *w = arg;

    rn_mutex_lock(&w->m);
    check_equal(rn_cond_wait(&w->c, &w->m, RN_FOREVER), -ESHUTDOWN);
    check(!rn_mutex_trylock(&w->m));
    check_equal(rn_cond_wait(&w->c, &w->m, RN_FOREVER), -ESHUTDOWN); /* nor does it begin */
    rn_mutex_unlock(&w->m);
    ended++;
    return NULL;
}

static void *stop_main(void *arg)
{
    check_equal(rn_stop(RN_FOREVER), 0);
    return arg;
}

/* The end of the scheduler does not wait for a mutex that one of its evicted waits for. */
static void threads_are_sent_away_at_the_end_of_the_scheduler(void **state)
{
    struct waiting w = { .awake = 0 };
    pthread_t thread, stopper;

    (void)state;
    assert_int_equal(rn_start(2), 0);
    assert_int_equal(pthread_create(&thread, NULL, evicted_main, &w), 0);
    wait_until(in_line(&w.c) == 1);
    rn_mutex_lock(&w.m);
    assert_int_equal(pthread_create(&stopper, NULL, stop_main, NULL), 0);
    pthread_join(stopper, NULL);
    assert_int_equal(ended, 0);
    rn_mutex_unlock(&w.m);
    pthread_join(thread, NULL);
    assert_int_equal(ended, 1);
}

static struct waiting kept;

static void abandoned_fn(void *arg)
{
    rn_mutex m = { { 0 } };

    rn_mutex_lock(&m);
    (void)rn_cond_wait(arg, &m, RN_FOREVER);
    check(!"woken though abandoned");
}

static int in_abandoning(void *arg)
{
    rn_cond gone = { { 0 } };

    (void)arg;
    check_equal(rn_go(abandoned_fn, &kept.c), 0);
    check_equal(rn_go(abandoned_fn, &gone), 0);
    wait_until(in_line(&kept.c) == 1 && in_line(&gone) == 1);
    return 0;
}

static void abandoned_goroutines_wait_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        run_inside(in_abandoning, NULL);
        i % 2 ? rn_cond_broadcast(&kept.c) : rn_cond_signal(&kept.c);
        assert_int_equal(in_line(&kept.c), 0);
    }
}

static int in_deadlock(void *arg)
{
    rn_mutex m = { { 0 } };
    rn_cond c = { { 0 } };

    (void)arg;
    rn_mutex_lock(&m);
    return rn_cond_wait(&c, &m, RN_FOREVER);
}

static int in_unlocked(void *arg)
{
    rn_mutex m = { { 0 } };
    rn_cond c = { { 0 } };

    (void)arg;
    return rn_cond_wait(&c, &m, RN_FOREVER);
}

static void waiting_for_nobody_is_a_deadlock_and_without_the_mutex_a_panic(void **state)
{
    const char *const words[] = { "\"main\" [condition 0x", NULL };

    (void)state;
    deadlocks(in_deadlock, words);
    panics(in_unlocked, "unlock of unlocked mutex");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_signal_wakes_one_the_longest_waiting),
        cmocka_unit_test(broadcast_wakes_all),
        cmocka_unit_test(what_is_changed_before_the_signal_is_seen),
        cmocka_unit_test(who_comes_after_a_signal_does_not_get_it),
        cmocka_unit_test(mutex_is_locked_again_in_every_case),
        cmocka_unit_test(deadline_uses_up_no_signal),
        cmocka_unit_test(plain_threads_and_goroutines_share_it),
        cmocka_unit_test(threads_are_sent_away_at_the_end_of_the_scheduler),
        cmocka_unit_test(abandoned_goroutines_wait_no_more),
        cmocka_unit_test(waiting_for_nobody_is_a_deadlock_and_without_the_mutex_a_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
