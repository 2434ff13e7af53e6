/* test_contract.c - what rn.h says of all calls, and what of it belongs to no noun alone.   SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/state.h"
#include "runtime/sync.h"
#include "tests/runtime/channels.h"

/* ---- results and deadlines ------------------------------------------------------------------------ */

static void every_result_has_a_sentence(void **state)
{
    static const int results[] = { 0, RN_ECLOSED, RN_ETIMEDOUT, RN_ECANCELED, -ENOMEM, -ESHUTDOWN };

    (void)state;
    for (int i = 0; i < RN_LEN(results); i++) {
        assert_true(strlen(rn_strerror(results[i])) > 0);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(rn_strerror(results[i]), rn_strerror(results[k]));
    }
    assert_string_equal(rn_strerror(7), rn_strerror(0)); /* >= 0 is success */
    assert_string_equal(rn_strerror(-ENOENT), strerror(ENOENT));
    assert_string_equal(rn_strerror(-1000000), rn_strerror(-4000)); /* of nobody */
}

static void holds_fn(void *arg)
{
    (void)arg;
    (void)rn_chan_recv(NULL, NULL, RN_FOREVER);
}

static int in_passed(void *arg)
{
    rn_time passed = rn_now() - 1;
    rn_chan *one = rn_chan_new(0, 1, NULL);
    rn_case c = { one, NULL, RN_SEND, 0 };
    rn_group *g = rn_group_new();
    rn_mutex m = { { 0 } };
    rn_cond cond = { { 0 } };
    rn_sem s = { { 0 } };
    rn_waitgroup w = { { 0 } };

    (void)arg;
    check_equal(rn_sleep(passed), 0);
    check_equal(rn_select(&c, 1, passed), 0);
    check_equal(rn_select(&c, 1, passed), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(one, NULL, passed), 0);
    check_equal(rn_chan_recv(one, NULL, passed), RN_ETIMEDOUT);
    check_equal(rn_mutex_lock_until(&m, passed), 0);
    check_equal(rn_mutex_lock_until(&m, passed), RN_ETIMEDOUT);
    check_equal(rn_cond_wait(&cond, &m, passed), RN_ETIMEDOUT);
    rn_mutex_unlock(&m);
    check_equal(rn_sem_acquire(&s, 1, passed), RN_ETIMEDOUT);
    rn_sem_release(&s, 1);
    check_equal(rn_sem_acquire(&s, 1, passed), 0);
    check_equal(rn_waitgroup_wait(&w, passed), 0);
    rn_waitgroup_add(&w, 1);
    check_equal(rn_waitgroup_wait(&w, passed), RN_ETIMEDOUT);
    rn_waitgroup_done(&w);
    check_equal(rn_group_wait(g, passed), 0);
    check_equal(rn_group_go(g, holds_fn, NULL, 0), 0);
    check_equal(rn_group_wait(g, passed), RN_ETIMEDOUT);
    rn_group_free(g);
    rn_chan_unref(one);
    return 0;
}

static void deadline_that_has_passed_tries_once(void **state)
{
    (void)state;
    run_everywhere(in_passed, NULL);
}

static _Atomic int ended, listens;

static void ends_late_fn(void *arg)
{
    (void)arg;
    rn_shield(1); /* at once: it may be cancelled already */
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    ended++;
}

static void blocks_fn(void *arg)
{
    *(int *)arg = 1;
}

static void is_cancelled_fn(void *arg)
{
    rn_group *inner = rn_group_new();
    int called = 0;

    (void)arg;
    check_equal(rn_group_go(inner, ends_late_fn, NULL, 0), 0);
    listens = 1;
    check_equal(rn_sleep(RN_FOREVER), RN_ECANCELED);
    check_equal(rn_block(blocks_fn, &called), 0);
    check_equal(called, 1);
    rn_group_free(inner); /* waits, although we are cancelled */
    check_equal(ended, 1);
}

static int in_uncancelled(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    ended = listens = 0;
    check_equal(rn_group_go(g, is_cancelled_fn, NULL, 0), 0);
    wait_until(listens);
    rn_group_cancel(g);
    rn_group_free(g);
    return 0;
}

static void calls_without_a_deadline_are_not_cancelled(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        run_inside(in_uncancelled, NULL);
}

/* ---- 64 cases ------------------------------------------------------------------------------------------ */

enum { CASES = 64, LINES = 8, ROUNDS = 2000 / SLOWER };

static void answers_fn(void *arg)
{
    rn_chan **c = arg;
    uint64_t n, random = 1;

    for (int i = 0; i < ROUNDS; i++) {
        rn_chan *line = c[(random = random * 6364136223846793005U + 1442695040888963407U) >> 61];

        n = (uint64_t)i;
        if (random >> 60 & 1)
            check_equal(rn_chan_send(line, &n, RN_FOREVER), 0);
        else
            check_equal(rn_chan_recv(line, &n, RN_FOREVER), 0);
    }
}

/* Eight channels, each in eight cases: four that send and four that receive. */
static int in_64(void *arg)
{
    rn_chan *c[LINES];
    rn_case cases[CASES];
    uint64_t in[CASES], out[CASES];
    int hits[CASES] = { 0 };
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < LINES; i++)
        c[i] = rn_chan_new(sizeof(uint64_t), 0, NULL);
    for (int i = 0; i < CASES; i++) {
        out[i] = (uint64_t)i;
        cases[i] = (rn_case){ c[i % LINES], i / LINES % 2 ? &out[i] : &in[i],
                              i / LINES % 2 ? RN_SEND : RN_RECV, 0 };
    }
    check_equal(rn_group_go(g, answers_fn, c, sizeof c), 0);
    for (int i = 0; i < ROUNDS; i++) {
        int k = rn_select(cases, CASES, RN_FOREVER);

        check(k >= 0 && k < CASES && cases[k].rc == 0);
        hits[k]++;
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 0; i < CASES; i++) /* some 30 each */
        check(SLOWER > 1 || hits[i] > 0);
    for (int i = 0; i < LINES; i++) {
        check_equal(waiting(c[i], RN_SEND) + waiting(c[i], RN_RECV), 0);
        rn_chan_unref(c[i]);
    }
    rn_group_free(g);
    return 0;
}

static void all_of_64_cases_on_8_channels_come_about(void **state)
{
    (void)state;
    run_everywhere(in_64, NULL);
}

/* ---- elements --------------------------------------------------------------------------------------------- */

struct wide {
    alignas(max_align_t) char bytes[48];
};

static int aligned, dropped;

static void drop_wide(void *elem)
{
    dropped++;
    aligned += (uintptr_t)elem % alignof(max_align_t) == 0;
}

static int in_aligned(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(struct wide), 5, drop_wide);
    struct wide w = { "" };

    (void)arg;
    dropped = aligned = 0;
    for (int i = 0; i < 5; i++)
        check_equal(rn_chan_send(c, &w, RN_NOWAIT), 0);
    rn_chan_unref(c);
    check(dropped == 5 && aligned == 5);
    return 0;
}

static void elements_are_aligned_for_any_type(void **state)
{
    (void)state;
    run_inside(in_aligned, NULL);
}

/* ---- plain threads ------------------------------------------------------------------------------------------- */

struct outside {
    rn_chan *a, *b;
    rn_group *g;
};

static void counts_fn(void *arg)
{
    (void)arg;
    check_equal(rn_cancelled(), 0); /* the root group */
    ended++;
}

static void *does_all(void *arg)
{
    struct outside *o = arg;
    rn_case cases[] = { { o->a, NULL, RN_RECV, 0 }, { o->b, NULL, RN_RECV, 0 } };
    rn_chan *t = rn_ticker(RN_MS);
    rn_group *g = rn_group_new();
    rn_time until = rn_after(RN_MS);

    check_equal(rn_sleep(until), 0);
    check(rn_now() >= until);
    check_equal(rn_select(cases, 2, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_select(cases, 2, rn_after(RN_MS)), RN_ETIMEDOUT);
    check_equal(rn_select(NULL, 0, rn_after(RN_MS)), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(NULL, NULL, rn_after(RN_MS)), RN_ETIMEDOUT);
    check_equal(rn_chan_send(NULL, NULL, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(t, NULL, RN_FOREVER), 0);
    listens = 1;
    check_equal(rn_select(cases, 2, RN_FOREVER), 1); /* somebody sends there */
    check_equal(cases[1].rc, 0);
    check_equal(rn_go(counts_fn, NULL), 0);
    check_equal(rn_group_go(g, counts_fn, NULL, 0), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    wait_until(ended == 2);
    check_equal(rn_cancelled(), 0);
    rn_group_free(g);
    rn_chan_unref(t);
    return NULL;
}

static void makes_a_thread_fn(void *arg)
{
    struct outside *o = *(struct outside **)arg;
    pthread_t thread;

    check_equal(rn_chan_recv(NULL, NULL, RN_FOREVER), RN_ECANCELED);
    check_equal(pthread_create(&thread, NULL, does_all, o), 0); /* it is in no group of ours */
    rn_shield(1);
    wait_until(listens);
    check_equal(rn_chan_send(o->b, NULL, RN_FOREVER), 0);
    wait_until(ended == 2);
    check_equal(pthread_join(thread, NULL), 0);
}

static int in_thread(void *arg)
{
    struct outside o = { rn_chan_new(0, 0, NULL), rn_chan_new(0, 0, NULL), rn_group_new() },
                   *p = &o;

    (void)arg;
    ended = listens = 0;
    rn_hold();
    check_equal(rn_group_go(o.g, makes_a_thread_fn, &p, sizeof p), 0);
    rn_group_cancel(o.g);
    rn_group_free(o.g);
    rn_release();
    rn_chan_unref(o.a);
    rn_chan_unref(o.b);
    return 0;
}

static void plain_thread_may_call_all_and_is_in_no_group(void **state)
{
    (void)state;
    assert_int_equal(rn_main(2, in_thread, NULL), 0);
}

/* ---- workers, names ------------------------------------------------------------------------------------------- */

static int in_workers(void *arg)
{
    check_equal(rn__sched.n_workers, *(unsigned *)arg);
    return 0;
}

static void no_number_of_workers_is_one_for_each_cpu_there_is(void **state)
{
    cpu_set_t all, one;
    unsigned n;
    int first = 0;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    n = (unsigned)CPU_COUNT(&all);
    assert_int_equal(rn_main(0, in_workers, &n), 0);
    assert_int_equal(rn_main(-3, in_workers, &n), 0);
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    n = 1;
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(rn_main(0, in_workers, &n), 0);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static int in_name(void *arg)
{
    static char text[4096];
    int fd = memfd_create("dump", MFD_CLOEXEC);
    ssize_t n;

    (void)arg;
    check(fd >= 0);
    rn_set_name("0123456789012345678901234567890123456789");
    rn_dump(fd);
    n = pread(fd, text, sizeof text - 1, 0);
    check(n > 0);
    text[n] = '\0';
    check(strstr(text, "\"0123456789012345678901234567890\"") != NULL);
    close(fd);
    return 0;
}

static void name_is_31_bytes_at_most(void **state)
{
    (void)state;
    run_inside(in_name, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result_has_a_sentence),
        cmocka_unit_test(deadline_that_has_passed_tries_once),
        cmocka_unit_test(calls_without_a_deadline_are_not_cancelled),
        cmocka_unit_test(all_of_64_cases_on_8_channels_come_about),
        cmocka_unit_test(elements_are_aligned_for_any_type),
        cmocka_unit_test(plain_thread_may_call_all_and_is_in_no_group),
        cmocka_unit_test(no_number_of_workers_is_one_for_each_cpu_there_is),
        cmocka_unit_test(name_is_31_bytes_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
