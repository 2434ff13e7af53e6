/* test_group.c - waiting for many, cancelling many.   SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/sched.h"
#include "tests/runtime/channels.h"

/* ---- waiting ------------------------------------------------------------------------------ */

static _Atomic int ended;

static void leaf_fn(void *arg)
{
    for (int i = *(int *)arg; i > 0; i--)
        rn_yield();
    ended++;
}

static void starter_fn(void *arg)
{
    int n = *(int *)arg;

    if (n > 0) {
        int less = n - 1, yields = 20;

        check_equal(rn_go_copy(starter_fn, &less, sizeof less), 0); /* joins our group */
        check_equal(rn_go_copy(leaf_fn, &yields, sizeof yields), 0);
    }
    ended++;
}

static int in_wait(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        rn_group *g = rn_group_new();
        int n = 10;

        ended = 0;
        check_equal(rn_group_wait(g, RN_FOREVER), 0); /* empty */
        check_equal(rn_group_go(g, starter_fn, &n, sizeof n), 0);
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        check_equal(ended, 21);
        check_equal(rn_group_go(g, starter_fn, &n, sizeof n), 0); /* it can be used again */
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        check_equal(ended, 42);
        rn_group_free(g);
    }
    rn_group_free(NULL);
    rn_group_cancel(NULL);
    return 0;
}

static void wait_includes_those_that_members_started(void **state)
{
    (void)state;
    run_inside(in_wait, NULL);
}

static void child_group_fn(void *arg)
{
    rn_group *child = rn_group_new();
    int yields = 50;

    (void)arg;
    check_equal(rn_group_go(child, leaf_fn, &yields, sizeof yields), 0);
    *(rn_group **)(*(void **)arg) = child; /* left to the one who waits for us */
}

static int in_child(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        rn_group *g = rn_group_new(), *child = NULL;
        void *where = &child;

        ended = 0;
        check_equal(rn_group_go(g, child_group_fn, &where, sizeof where), 0);
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        check_equal(ended, 1);
        rn_group_free(child);
        rn_group_free(g);
    }
    return 0;
}

static void wait_includes_child_groups(void **state)
{
    (void)state;
    run_inside(in_child, NULL);
}

static void blocked_fn(void *arg)
{
    check_equal(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER), RN_ECANCELED);
}

static int in_wait_deadline(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    rn_group *g = rn_group_new();
    rn_time until = rn_after(RN_MS);

    (void)arg;
    check_equal(rn_group_go(g, blocked_fn, &c, sizeof c), 0);
    check_equal(rn_group_wait(g, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_group_wait(g, until), RN_ETIMEDOUT);
    check(rn_now() >= until);
    rn_group_free(g); /* cancels and waits */
    rn_chan_unref(c);
    return 0;
}

static void wait_ends_at_its_deadline(void **state)
{
    (void)state;
    run_inside(in_wait_deadline, NULL);
}

struct inside {
    rn_group *outer, *inner;
};

static void inside_fn(void *arg)
{
    struct inside *s = arg;

    check_equal(rn_group_wait(s->inner, RN_FOREVER), -EDEADLK);
    check_equal(rn_group_wait(s->outer, RN_NOWAIT), -EDEADLK);
}

static int in_inside(void *arg)
{
    struct inside s = { .outer = rn_group_new() };
    rn_group *g = s.outer;

    (void)arg;
    s.inner = g;
    check_equal(rn_group_go(g, inside_fn, &s, sizeof s), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void wait_from_inside_is_refused(void **state)
{
    (void)state;
    run_inside(in_inside, NULL);
}

/* ---- cancelling --------------------------------------------------------------------------------- */

static void levels_fn(void *arg)
{
    rn_chan *c = ((rn_chan **)arg)[0], *full = ((rn_chan **)arg)[1];
    rn_case one = { c, NULL, RN_RECV, 0 };
    rn_group *child;

    check_equal(rn_chan_recv(c, NULL, RN_FOREVER), RN_ECANCELED);
    for (int i = 0; i < 3; i++) { /* again and again */
        check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), RN_ECANCELED);
        check_equal(rn_chan_send(c, NULL, rn_after(RN_SEC)), RN_ECANCELED);
        check_equal(rn_select(&one, 1, RN_NOWAIT), RN_ECANCELED);
        check_equal(rn_select(NULL, 0, RN_FOREVER), RN_ECANCELED);
        check_equal(rn_sleep(rn_after(RN_SEC)), RN_ECANCELED);
        check_equal(rn_sleep(RN_NOWAIT), RN_ECANCELED);
        check_equal(rn_cancelled(), RN_ECANCELED);
    }
    rn_shield(1);
    rn_shield(1);
    check_equal(rn_cancelled(), 0);
    check_equal(rn_chan_recv(full, NULL, RN_NOWAIT), 0);
    rn_shield(0);
    check_equal(rn_chan_recv(c, NULL, rn_after(RN_MS)), RN_ETIMEDOUT);
    rn_shield(0);
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), RN_ECANCELED);
    child = rn_group_new(); /* of a cancelled group: cancelled from the start */
    check_equal(rn_group_go(child, levels_fn, arg, 2 * sizeof c), RN_ECANCELED);
    rn_group_free(child);
}

static int in_levels(void *arg)
{
    rn_chan *c = rn_chan_new(0, 1, NULL), *full = rn_chan_new(0, 1, NULL), *both[] = { c, full };
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_chan_send(full, NULL, RN_NOWAIT), 0);
    check_equal(rn_group_go(g, levels_fn, both, sizeof both), 0);
    await_waiting(c, RN_RECV, 1);
    rn_group_cancel(g);
    rn_group_cancel(g);
    check_equal(rn_group_go(g, levels_fn, both, sizeof both), RN_ECANCELED);
    check_equal(rn_cancelled(), 0); /* not ours */
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(c);
    rn_chan_unref(full);
    return 0;
}

static void cancellation_is_level_triggered_and_stops_at_a_shield(void **state)
{
    (void)state;
    run_inside(in_levels, NULL);
}

/* A shield is looked at when a call begins, and keeps one that waits from being cancelled. */
static void shielded_fn(void *arg)
{
    rn_shield(1);
    check_equal(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
    rn_shield(0);
}

static int in_shielded(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, shielded_fn, &c, sizeof c), 0);
    await_waiting(c, RN_RECV, 1);
    rn_group_cancel(g);
    check_equal(rn_group_wait(g, rn_after(2 * RN_MS)), RN_ETIMEDOUT);
    check_equal(rn_chan_send(c, NULL, RN_NOWAIT), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(c);
    return 0;
}

static void shielded_wait_is_not_cancelled(void **state)
{
    (void)state;
    run_inside(in_shielded, NULL);
}

static void nest_fn(void *arg)
{
    int depth = *(int *)arg;

    if (depth > 0) {
        rn_group *child = rn_group_new();

        depth--;
        (void)rn_group_go(child, nest_fn, &depth, sizeof depth);
        (void)rn_group_go(child, nest_fn, &depth, sizeof depth);
        check_equal(rn_select(NULL, 0, RN_FOREVER), RN_ECANCELED);
        rn_group_free(child);
    } else {
        check_equal(rn_sleep(RN_FOREVER), RN_ECANCELED);
    }
    ended++;
}

static int in_nested(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        rn_group *g = rn_group_new();
        int depth = 5, n = 0;

        ended = 0;
        check_equal(rn_group_go(g, nest_fn, &depth, sizeof depth), 0);
        for (n = 0; n < i; n++)
            rn_yield(); /* the tree is cancelled while it grows */
        rn_group_cancel(g);
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        check(ended >= 1);
        rn_group_free(g);
    }
    return 0;
}

static void cancellation_reaches_child_groups(void **state)
{
    (void)state;
    run_inside(in_nested, NULL);
}

/* Cancel against hand-off: a receive that was cancelled has taken nothing. */
struct race {
    rn_chan *c;
    _Atomic int taken;
};

static void take_fn(void *arg)
{
    struct race *r = *(struct race **)arg;
    int rc;

    while ((rc = rn_chan_recv(r->c, NULL, RN_FOREVER)) == 0)
        r->taken++;
    check_equal(rc, RN_ECANCELED);
}

static int in_race(void *arg)
{
    struct race race = { .c = rn_chan_new(0, 0, NULL) }, *r = &race;
    int sent = 0;

    (void)arg;
    for (int i = 0; i < 1000; i++) {
        rn_group *g = rn_group_new();

        for (int k = 0; k < 3; k++)
            check_equal(rn_group_go(g, take_fn, &r, sizeof r), 0);
        for (int k = 0; k < i % 5; k++) {
            rn_yield();
            sent += rn_chan_send(r->c, NULL, rn_after(5 * RN_US)) == 0;
        }
        rn_group_cancel(g);
        sent += rn_chan_send(r->c, NULL, RN_NOWAIT) == 0;
        rn_group_free(g);
    }
    check_equal(sent, r->taken);
    check_equal(rn__chan_waiting(r->c, RN_RECV), 0);
    rn_chan_unref(r->c);
    return 0;
}

static void cancelled_receive_has_taken_nothing(void **state)
{
    (void)state;
    run_inside(in_race, NULL);
}

/* ---- deadlines --------------------------------------------------------------------------------------- */

static void until_cancelled_fn(void *arg)
{
    (void)arg;
    check_equal(rn_select(NULL, 0, RN_FOREVER), RN_ECANCELED);
    check(rn_now() >= *(rn_time *)arg);
}

static int in_group_deadline(void *arg)
{
    rn_time until = rn_after(2 * RN_MS);
    rn_group *g = rn_group_new_deadline(until), *past = rn_group_new_deadline(RN_NOWAIT), *never;

    (void)arg;
    check_equal(rn_group_go(past, until_cancelled_fn, &until, sizeof until), RN_ECANCELED);
    for (int i = 0; i < 10; i++) {
        int rc = rn_group_go(g, until_cancelled_fn, &until, sizeof until);

        check(rc == 0 ||
              (rc == RN_ECANCELED && rn_now() >= until)); /* a slow machine gets here late */
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_group_free(past);
    never = rn_group_new_deadline(RN_FOREVER);
    check_equal(rn_group_go(never, leaf_fn, &(int){ 3 }, sizeof(int)), 0);
    check_equal(rn_group_wait(never, RN_FOREVER), 0);
    rn_group_free(never);
    for (int i = 0; i < 500; i++) /* freed at the moment of its deadline */
        rn_group_free(rn_group_new_deadline(rn_after(i % 20 * RN_US)));
    return 0;
}

static void deadline_cancels_the_group_by_itself(void **state)
{
    (void)state;
    run_inside(in_group_deadline, NULL);
}

/* ---- misuse -------------------------------------------------------------------------------------------- */

static void panics(int (*fn)(void *))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit no_core = { 0, 0 };

        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        _exit(rn_main(inside_workers(), fn, NULL));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void parent_fn(void *arg)
{
    (void)rn_group_new();
    (void)arg;
}

static int in_free_before_child(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, parent_fn, NULL, 0), 0);
    rn_group_free(g);
    return 0;
}

static void free_panics_while_a_child_group_is_not_freed(void **state)
{
    (void)state;
    panics(in_free_before_child);
}

/* ---- groups that outlive their scheduler ------------------------------------------------------ */

static void stays_fn(void *arg)
{
    (void)arg;
    (void)rn_sleep(RN_FOREVER);
}

static int in_outlived(void *arg)
{
    rn_group **groups = arg;

    for (int i = 0; i < 4; i++) {
        groups[i] = rn_group_new();
        for (int k = 0; k < 3; k++)
            check_equal(rn__spawn(&(struct rn__spawn){ .fn = stays_fn,
                                                       .stack_bytes = 256 << 10, /* not kept */
                                                       .group = groups[i] }),
                        0);
    }
    check_equal(rn_group_wait(groups[0], rn_after(RN_MS)), RN_ETIMEDOUT);
    return 0;
}

static void group_may_be_freed_after_its_members_were_abandoned(void **state)
{
    static const int order[] = { 1, 0, 3, 2 };
    rn_group *groups[4];

    (void)state;
    run_inside(in_outlived, groups);
    rn_group_cancel(groups[2]);
    for (int i = 0; i < 4; i++)
        rn_group_free(groups[order[i]]);
    run_inside(in_outlived, groups);
    for (int i = 0; i < 4; i++)
        rn_group_free(groups[i]);
}

struct outside {
    rn_group *group;
    _Atomic int begun;
    int rc;
};

static void *thread_frees(void *arg)
{
    struct outside *o = arg;

    o->begun++;
    rn_group_free(o->group);
    return NULL;
}

static void *thread_waits(void *arg)
{
    struct outside *o = arg;

    o->begun++;
    o->rc = rn_group_wait(o->group, RN_FOREVER);
    return NULL;
}

static void stays_shielded_fn(void *arg)
{
    (void)arg;
    rn_shield(1);
    (void)rn_sleep(RN_FOREVER);
}

static pthread_t thread_of[2];

static int in_outside(void *arg)
{
    struct outside *o = arg;

    o[0].group = rn_group_new();
    o[1].group = rn_group_new();
    check_equal(rn_group_go(o[0].group, stays_shielded_fn, NULL, 0), 0);
    check_equal(rn_group_go(o[1].group, stays_shielded_fn, NULL, 0), 0);
    check_equal(pthread_create(&thread_of[0], NULL, thread_frees, &o[0]), 0);
    check_equal(pthread_create(&thread_of[1], NULL, thread_waits, &o[1]), 0);
    wait_until(o[0].begun && o[1].begun);
    return 0;
}

static void end_of_the_scheduler_ends_what_threads_do_with_groups(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct outside o[2] = { { .rc = 0 }, { .rc = 0 } };

        run_inside(in_outside, o);
        assert_int_equal(pthread_join(thread_of[0], NULL), 0);
        assert_int_equal(pthread_join(thread_of[1], NULL), 0);
        assert_int_equal(o[1].rc, -ESHUTDOWN);
        rn_group_free(o[1].group);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait_includes_those_that_members_started),
        cmocka_unit_test(wait_includes_child_groups),
        cmocka_unit_test(wait_ends_at_its_deadline),
        cmocka_unit_test(wait_from_inside_is_refused),
        cmocka_unit_test(cancellation_is_level_triggered_and_stops_at_a_shield),
        cmocka_unit_test(shielded_wait_is_not_cancelled),
        cmocka_unit_test(cancellation_reaches_child_groups),
        cmocka_unit_test(cancelled_receive_has_taken_nothing),
        cmocka_unit_test(deadline_cancels_the_group_by_itself),
        cmocka_unit_test(free_panics_while_a_child_group_is_not_freed),
        cmocka_unit_test(group_may_be_freed_after_its_members_were_abandoned),
        cmocka_unit_test(end_of_the_scheduler_ends_what_threads_do_with_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
