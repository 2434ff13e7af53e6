/* test_rwmutex.c - many readers or one writer.   SPDX-License-Identifier: MIT
 *
 * Go's rwmutex_test.go, as far as C can say it, and what is ours: plain threads, abandoned goroutines. */
#include "tests/runtime/locks.h"

/* ---- exclusion -------------------------------------------------------------------------------- */

struct readers {
    rn_rwmutex m;
    _Atomic int inside;
    _Atomic bool go;
};

static void reads_fn(void *arg)
{
    struct readers *r = *(struct readers **)arg;

    rn_rwmutex_rlock(&r->m);
    r->inside++;
    wait_until(r->go);
    r->inside--;
    rn_rwmutex_runlock(&r->m);
}

static int in_parallel(void *arg)
{
    struct readers r = { .go = false }, *p = &r;
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 5; i++)
        check_equal(rn_group_go(g, reads_fn, &p, sizeof p), 0);
    wait_until(r.inside == 5);
    r.go = true;
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

/* Go: TestParallelReaders. */
static void readers_have_it_together(void **state)
{
    (void)state;
    run_everywhere(in_parallel, NULL);
}

struct activity {
    rn_rwmutex m;
    _Atomic int n; /* 10000 for the writer, 1 for each reader */
};

#define LOOPS (300 / SLOWER)

static void hammer_reads_fn(void *arg)
{
    struct activity *a = *(struct activity **)arg;

    for (int i = 0; i < LOOPS; i++) {
        rn_rwmutex_rlock(&a->m);
        int n = ++a->n;
        check(n >= 1 && n < 10000);
        if (i % 8 == 0)
            rn_yield();
        a->n--;
        rn_rwmutex_runlock(&a->m);
    }
}

static void hammer_writes_fn(void *arg)
{
    struct activity *a = *(struct activity **)arg;

    for (int i = 0; i < LOOPS; i++) {
        rn_rwmutex_lock(&a->m);
        check_equal(atomic_fetch_add(&a->n, 10000), 0);
        if (i % 8 == 0)
            rn_yield();
        check_equal(atomic_fetch_sub(&a->n, 10000), 10000);
        rn_rwmutex_unlock(&a->m);
    }
}

static void hammer(int readers)
{
    struct activity a = { .n = 0 }, *p = &a;
    rn_group *g = rn_group_new();

    check_equal(rn_group_go(g, hammer_writes_fn, &p, sizeof p), 0);
    for (int i = 0; i < readers; i++) {
        check_equal(rn_group_go(g, hammer_reads_fn, &p, sizeof p), 0);
        if (i == readers / 2)
            check_equal(rn_group_go(g, hammer_writes_fn, &p, sizeof p), 0);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    check_equal(in_line(&a.m), 0);
    rn_rwmutex_lock(&a.m);
    rn_rwmutex_unlock(&a.m);
}

static int in_hammer(void *arg)
{
    (void)arg;
    hammer(1);
    hammer(3);
    hammer(10);
    return 0;
}

/* Go: TestRWMutex, HammerRWMutex. */
static void writer_is_alone(void **state)
{
    (void)state;
    run_everywhere(in_hammer, NULL);
}

static int64_t written; /* guarded by the mutex of in_writers */

static void writes_often_fn(void *arg)
{
    rn_rwmutex *m = *(rn_rwmutex **)arg;

    for (int i = 0; i < 50000 / SLOWER; i++) {
        rn_rwmutex_lock(m);
        written++;
        rn_rwmutex_unlock(m);
        if (i % 64 == 0)
            rn_yield();
    }
}

static int in_writers(void *arg)
{
    rn_rwmutex m = { { 0 } }, *p = &m;
    rn_group *g = rn_group_new();

    (void)arg;
    written = 0;
    for (int i = 0; i < 8; i++)
        check_equal(rn_group_go(g, writes_often_fn, &p, sizeof p), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(written, 8 * (50000 / SLOWER));
    rn_group_free(g);
    return 0;
}

/* So often that one comes between the two steps of another's unlock. */
static void writers_pass_it_on(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(rn_main(8, in_writers, NULL), 0);
}

/* ---- who comes next -------------------------------------------------------------------------------- */

struct ordered {
    rn_rwmutex m;
    char order[16];
    _Atomic int place, next; /* the first that is free; so many are written */
    _Atomic bool go;
};

static void note(struct ordered *o, char what)
{
    o->order[o->place++] = what;
    o->next++;
}

static void r_fn(void *arg)
{
    struct ordered *o = *(struct ordered **)arg;

    rn_rwmutex_rlock(&o->m);
    note(o, 'r');
    wait_until(o->go);
    rn_rwmutex_runlock(&o->m);
}

static void w_fn(void *arg)
{
    struct ordered *o = *(struct ordered **)arg;

    rn_rwmutex_lock(&o->m);
    note(o, 'w');
    rn_rwmutex_unlock(&o->m);
}

static int in_order(void *arg)
{
    struct ordered o = { .next = 0 }, *p = &o;
    rn_group *g = rn_group_new();

    (void)arg;
    rn_rwmutex_rlock(&o.m);
    start_waiting(g, w_fn, p, &o.m, 1);
    start_waiting(g, r_fn, p, &o.m, 2); /* it could read, but for the writer who waits */
    start_waiting(g, r_fn, p, &o.m, 3);
    rn_rwmutex_runlock(&o.m);
    wait_until(o.next == 3);
    check(memcmp(o.order, "wrr", 3) == 0);
    start_waiting(g, w_fn, p, &o.m, 1); /* both readers are inside */
    start_waiting(g, r_fn, p, &o.m, 2);
    o.go = true;
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check(memcmp(o.order, "wrrwr", 5) == 0);
    rn_group_free(g);
    return 0;
}

static void waiting_writer_stops_new_readers_and_goes_first(void **state)
{
    (void)state;
    run_everywhere(in_order, NULL);
}

static int in_readers_first(void *arg)
{
    struct ordered o = { .go = true }, *p = &o;
    rn_group *g = rn_group_new();

    (void)arg;
    rn_rwmutex_lock(&o.m);
    check_equal(rn_group_go(g, w_fn, &p, sizeof p), 0); /* waits for us, as the writer that he is */
    wait_until(in_line(o.m.opaque + 3) == 1);
    start_waiting(g, r_fn, p, &o.m, 1);
    start_waiting(g, r_fn, p, &o.m, 2);
    rn_rwmutex_unlock(&o.m);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check(memcmp(o.order, "rrw", 3) == 0);
    rn_group_free(g);
    return 0;
}

static void readers_that_waited_go_before_the_next_writer(void **state)
{
    (void)state;
    run_everywhere(in_readers_first, NULL);
}

static void cancelled_fn(void *arg)
{
    struct activity *a = *(struct activity **)arg;

    rn_rwmutex_rlock(&a->m);
    a->n++;
    rn_rwmutex_runlock(&a->m);
    check_equal(rn_cancelled(), RN_ECANCELED);
    rn_rwmutex_lock(&a->m);
    a->n++;
    rn_rwmutex_unlock(&a->m);
}

static int in_cancelled(void *arg)
{
    struct activity a = { .n = 0 }, *p = &a;
    rn_group *g = rn_group_new();

    (void)arg;
    rn_rwmutex_lock(&a.m);
    start_waiting(g, cancelled_fn, p, &a.m, 1);
    rn_group_cancel(g);
    rn_rwmutex_unlock(&a.m);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(a.n, 2);
    rn_group_free(g);
    return 0;
}

static void locking_is_not_cancelled(void **state)
{
    (void)state;
    run_everywhere(in_cancelled, NULL);
}

/* ---- misuse -------------------------------------------------------------------------------------------- */

static rn_rwmutex wrong;

static int in_runlock(void *arg)
{
    (void)arg;
    rn_rwmutex_runlock(&wrong);
    return 0;
}

static int in_unlock(void *arg)
{
    (void)arg;
    rn_rwmutex_unlock(&wrong);
    return 0;
}

static int in_runlock_of_a_writer(void *arg)
{
    (void)arg;
    rn_rwmutex_lock(&wrong);
    rn_rwmutex_runlock(&wrong);
    return 0;
}

static int in_unlock_of_a_reader(void *arg)
{
    (void)arg;
    rn_rwmutex_rlock(&wrong);
    rn_rwmutex_unlock(&wrong);
    return 0;
}

/* Go: TestMutexMisuse. */
static void unlock_of_what_is_not_locked_so_panics(void **state)
{
    (void)state;
    panics(in_runlock, "runlock of a rwmutex that is not locked for reading");
    panics(in_runlock_of_a_writer, "runlock of a rwmutex that is not locked for reading");
    panics(in_unlock, "unlock of a rwmutex that is not locked for writing");
    panics(in_unlock_of_a_reader, "unlock of a rwmutex that is not locked for writing");
}

/* ---- life -------------------------------------------------------------------------------------------------- */

struct shared {
    rn_rwmutex m;
    int refs; /* guarded by m */
};

static void drop_fn(void *arg)
{
    struct shared *s = *(struct shared **)arg;
    bool last;

    rn_rwmutex_lock(&s->m);
    last = --s->refs == 0;
    rn_rwmutex_unlock(&s->m);
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

static struct ordered kept; /* longer than schedulers */

static int in_abandoning(void *arg)
{
    struct ordered *p = &kept;

    (void)arg;
    rn_rwmutex_rlock(&kept.m);
    check_equal(rn_go_copy(w_fn, &p, sizeof p), 0);
    wait_until(in_line(&kept.m) == 1);
    check_equal(rn_go_copy(w_fn, &p, sizeof p), 0);
    check_equal(rn_go_copy(r_fn, &p, sizeof p), 0);
    wait_until(in_line(&kept.m) == 2 && in_line(kept.m.opaque + 3) == 1);
    return 0;
}

static int in_reading(void *arg)
{
    (void)arg;
    rn_rwmutex_rlock(&kept.m);
    rn_rwmutex_runlock(&kept.m);
    return 0;
}

static int in_writing(void *arg)
{
    (void)arg;
    rn_rwmutex_lock(&kept.m);
    rn_rwmutex_unlock(&kept.m);
    return 0;
}

/* Whoever comes next finds out, in whichever way. */
static void abandoned_goroutines_wait_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        run_inside(in_abandoning, NULL);
        if (i & 4)
            run_inside(in_reading, NULL);
        rn_rwmutex_runlock(&kept.m);
        if (i & 2)
            run_inside(in_reading, NULL);
        run_inside(i & 1 ? in_writing : in_reading, NULL);
        in_writing(NULL);
    }
    assert_int_equal(kept.next, 0);
}

/* ---- plain threads -------------------------------------------------------------------------------------------- */

static void *reads_main(void *a)
{
    hammer_reads_fn(&a);
    return NULL;
}

static void *writes_main(void *a)
{
    hammer_writes_fn(&a);
    return NULL;
}

static int in_mixture(void *arg)
{
    struct activity a = { .n = 0 }, *p = &a;
    rn_group *g = rn_group_new();
    pthread_t threads[4];

    (void)arg;
    for (int i = 0; i < 4; i++) {
        check_equal(pthread_create(&threads[i], NULL, i == 0 ? writes_main : reads_main, p), 0);
        check_equal(rn_group_go(g, i == 0 ? hammer_writes_fn : hammer_reads_fn, &p, sizeof p), 0);
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

static void *r_main(void *o)
{
    r_fn(&o);
    return NULL;
}

static void *w_main(void *o)
{
    w_fn(&o);
    return NULL;
}

/* A writer and a reader wait for us, in threads, while schedulers come and go. */
static void threads_wait_across_the_end_of_a_scheduler(void **state)
{
    struct ordered o = { .go = true };
    pthread_t threads[2];

    (void)state;
    rn_rwmutex_rlock(&o.m);
    assert_int_equal(rn_start(2), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, w_main, &o), 0);
    wait_until(in_line(&o.m) == 1);
    assert_int_equal(pthread_create(&threads[1], NULL, r_main, &o), 0);
    wait_until(in_line(&o.m) == 2);
    assert_int_equal(rn_stop(RN_FOREVER), 0);
    wait_until(in_line(&o.m) >= 1 || o.next == 1); /* the reader may have slipped in meanwhile */
    assert_int_equal(rn_start(2), 0);
    assert_int_equal(rn_stop(RN_FOREVER), 0);
    rn_rwmutex_runlock(&o.m);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(o.next, 2);
    rn_rwmutex_lock(&o.m);
}

/* ---- reports ---------------------------------------------------------------------------------------------------- */

static rn_rwmutex asleep;

static void writes_asleep_fn(void *arg)
{
    (void)arg;
    rn_rwmutex_lock(&asleep);
}

static int in_deadlock(void *arg)
{
    (void)arg;
    rn_rwmutex_rlock(&asleep);
    check_equal(rn_go(writes_asleep_fn, NULL), 0);
    wait_until(in_line(&asleep) == 1);
    rn_rwmutex_rlock(&asleep); /* once more, which one must not */
    return 0;
}

static void reading_once_more_behind_a_writer_is_a_deadlock(void **state)
{
    const char *const words[] = { "[rwmutex (read) 0x", "[rwmutex (write) 0x", NULL };

    (void)state;
    deadlocks(in_deadlock, words);
}

#ifdef RN__TSAN
static enum { NOTHING, READING, WRITING } how[2];
static struct activity seen;
static int plain_n;
static _Atomic int ready;

static void touches_fn(void *arg)
{
    int me = *(int *)arg;

    for (int i = 0; i < 1000; i++) {
        if (how[me] == READING)
            rn_rwmutex_rlock(&seen.m);
        else if (how[me] == WRITING)
            rn_rwmutex_lock(&seen.m);
        if (me == 0)
            plain_n++;
        else if (plain_n < 0)
            rn_panic("never");
        if (how[me] == READING)
            rn_rwmutex_runlock(&seen.m);
        else if (how[me] == WRITING)
            rn_rwmutex_unlock(&seen.m);
    }
    ready++;
}

static int in_touching(void *arg)
{
    int writer = 0, reader = 1;

    (void)arg;
    ready = 0;
    check_equal(rn_go_copy(touches_fn, &reader, sizeof reader), 0);
    touches_fn(&writer);
    while (ready < 2)
        ; /* on the other worker */
    return 0;
}

static void tsan_sees_what_is_guarded_and_what_is_not(void **state)
{
    (void)state;
    how[0] = WRITING, how[1] = READING;
    races(in_touching, false);
    how[0] = READING, how[1] = READING; /* writes what it should only read */
    races(in_touching, true);
    how[0] = WRITING, how[1] = NOTHING;
    races(in_touching, true);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_have_it_together),
        cmocka_unit_test(writer_is_alone),
        cmocka_unit_test(writers_pass_it_on),
        cmocka_unit_test(waiting_writer_stops_new_readers_and_goes_first),
        cmocka_unit_test(readers_that_waited_go_before_the_next_writer),
        cmocka_unit_test(locking_is_not_cancelled),
        cmocka_unit_test(unlock_of_what_is_not_locked_so_panics),
        cmocka_unit_test(may_be_freed_by_whoever_unlocks_last),
        cmocka_unit_test(abandoned_goroutines_wait_no_more),
        cmocka_unit_test(plain_threads_and_goroutines_share_it),
        cmocka_unit_test(threads_wait_across_the_end_of_a_scheduler),
        cmocka_unit_test(reading_once_more_behind_a_writer_is_a_deadlock),
#ifdef RN__TSAN
        cmocka_unit_test(tsan_sees_what_is_guarded_and_what_is_not),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
