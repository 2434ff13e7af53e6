/* test_roster.c - goroutines seen from outside, while they go on.   SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "runtime/roster.h"
#include "runtime/sched.h"
#include "runtime/symbol.h"
#include "tests/runtime/inside.h"

static const struct rn__seen *seen_named(const struct rn__roster *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->seen[i].name, name) == 0)
            return &r->seen[i];
    return NULL;
}

/* Does its stack go through a function of that name? */
static bool is_in(const struct rn__seen *s, const char *function)
{
    char name[160];

    for (unsigned i = 0; i < s->frames.n; i++) {
        rn__symbol_name((const char *)s->frames.pc[i] - 1, name, sizeof name);
        if (strstr(name, function))
            return true;
    }
    return false;
}

static void start(rn_fn *fn, void *arg, const char *name)
{
    check_equal(rn_go_with(&(rn_go_opts){ .name = name }, fn, &arg, sizeof arg), 0);
}

/* Takes rosters until the goroutine of that name waits in one, which stays the caller's. */
static const struct rn__seen *when_waiting(struct rn__roster *r, const char *name)
{
    for (;;) {
        const struct rn__seen *s;

        check_equal(rn__roster_take(r), 0);
        s = seen_named(r, name);
        if (s && s->state == RN__G_WAITING && s->frames.n > 0)
            return s;
        rn__roster_drop(r);
        rn_yield();
    }
}

static _Atomic bool ended; /* what a test has started does not touch its channels any more */

/* ---- what is seen of one ------------------------------------------------------------------- */

static __attribute__((noinline)) int send_to_nobody(rn_chan *c)
{
    int rc = rn_chan_send(c, NULL, RN_FOREVER);

    return rc * 2; /* no tail call: its frame is to be seen */
}

static void sender(void *arg)
{
    check_equal(send_to_nobody(*(rn_chan **)arg), 0);
    atomic_store(&ended, true);
}

static int in_send(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    rn_time before = rn_now();
    struct rn__roster r;
    const struct rn__seen *s;
    enum rn_op kind;

    (void)arg;
    atomic_store(&ended, false);
    start(sender, c, "sender");
    s = when_waiting(&r, "sender");
    check_equal(s->why, RN__WHY_SEND);
    check(s->object == c);
    check(s->since_ns <= rn_now());
    check(s->since_ns > before - RN_SEC); /* the clock of waits is some milliseconds behind */
    check(!s->system);
    check(is_in(s, "send_to_nobody"));
    check_equal(s->n_cases, 1);
    check(rn__seen_case(&r, s, 0, &kind) == c);
    check_equal(kind, RN_SEND);
    check(rn__roster_find(&r, s->id) == s);
    check(rn__roster_find(&r, s->id + 1000000) == NULL);
    rn__roster_drop(&r);
    check_equal(rn_chan_recv(c, NULL, RN_FOREVER), 0);
    wait_until(atomic_load(&ended));
    rn_chan_unref(c);
    return 0;
}

static void a_sender_is_seen_with_its_channel_and_its_stack(void **state)
{
    (void)state;
    run_inside(in_send, NULL);
}

#define CASES 20

static void selector(void *arg)
{
    rn_chan **c = *(rn_chan ***)arg;
    rn_case cases[CASES];
    int element = 0;

    for (int i = 0; i < CASES; i++)
        cases[i] = (rn_case){ c[i], &element, i % 3 == 0 ? RN_SEND : RN_RECV, 0 };
    check(rn_select(cases, CASES, RN_FOREVER) >= 0);
    atomic_store(&ended, true);
}

static int in_select(void *arg)
{
    rn_chan *c[CASES];
    struct rn__roster r;
    const struct rn__seen *s;
    int element = 1;

    (void)arg;
    for (int i = 0; i < CASES; i++)
        c[i] = rn_chan_new(sizeof(int), 0, NULL);
    atomic_store(&ended, false);
    start(selector, c, "selector");
    s = when_waiting(&r, "selector");
    check_equal(s->why, RN__WHY_SELECT);
    check_equal(s->n_cases, CASES);
    for (unsigned i = 0; i < CASES; i++) {
        enum rn_op kind;

        check(rn__seen_case(&r, s, i, &kind) == c[i]);
        check_equal(kind, i % 3 == 0 ? RN_SEND : RN_RECV);
    }
    rn__roster_drop(&r);
    check_equal(rn_chan_send(c[1], &element, RN_FOREVER), 0);
    wait_until(atomic_load(&ended));
    for (int i = 0; i < CASES; i++)
        rn_chan_unref(c[i]);
    return 0;
}

static void all_cases_of_a_select_are_seen(void **state)
{
    (void)state;
    run_inside(in_select, NULL);
}

static void service(void *arg)
{
    check_equal(rn_chan_recv(arg, NULL, RN_FOREVER), RN_ECLOSED);
    atomic_store(&ended, true);
}

static int in_who(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    struct rn__roster r;
    const struct rn__seen *s;

    (void)arg;
    rn_set_name("the first");
    atomic_store(&ended, false);
    check_equal(rn__go_system(service, c, "service"), 0);
    s = when_waiting(&r, "service");
    check(s->system);
    s = seen_named(&r, "the first");
    check(s != NULL);
    check_equal(s->state, RN__G_RUNNING);
    check_equal(s->frames.n, 0); /* nobody is stopped, so who runs has no stack to be seen */
    check_equal(s->n_cases, 0);
    for (size_t i = 1; i < r.n; i++)
        check(r.seen[i - 1].id < r.seen[i].id);
    rn__roster_drop(&r);
    rn_chan_close(c);
    wait_until(atomic_load(&ended));
    rn_chan_unref(c);
    return 0;
}

static void who_runs_and_who_is_a_service_is_told(void **state)
{
    (void)state;
    run_inside(in_who, NULL);
}

/* ---- while they go on -------------------------------------------------------------------------- */

#define STEADY 500 /* those that must not be missed */
#define ROUNDS 400

static rn_chan *steady_end, *ball[2];
static _Atomic bool enough;
static _Atomic unsigned born;

static void steady(void *arg)
{
    (void)arg;
    check_equal(rn_chan_recv(steady_end, NULL, RN_FOREVER), RN_ECLOSED);
}

static __attribute__((noinline)) int hit(int from)
{
    int element = 0, rc = rn_chan_recv(ball[from], &element, RN_FOREVER);

    if (rc == 0)
        rc = rn_chan_send(ball[!from], &element, RN_FOREVER);
    return rc;
}

static void player(void *arg)
{
    int side = (int)*(intptr_t *)arg;

    while (hit(side) == 0)
        ;
}

static void mayfly(void *arg)
{
    (void)arg;
    atomic_fetch_add(&born, 1);
}

static void breeder(void *arg)
{
    (void)arg;
    while (!atomic_load(&enough)) {
        rn_go(mayfly, NULL);
        rn_yield();
    }
}

/* Whoever is seen parked among the players is in one of the two places where they can be, and nowhere else. */
static unsigned look_at_players(const struct rn__roster *r)
{
    unsigned parked = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct rn__seen *s = &r->seen[i];
        enum rn_op kind;

        if (strcmp(s->name, "player") != 0)
            continue;
        check_equal(s->n_cases == 1, s->frames.n > 0);
        if (s->n_cases != 1)
            continue;
        parked++;
        check_equal(s->state, RN__G_WAITING);
        check(s->why == RN__WHY_SEND || s->why == RN__WHY_RECV);
        check(rn__seen_case(r, s, 0, &kind) == s->object);
        check_equal(kind, s->why == RN__WHY_SEND ? RN_SEND : RN_RECV);
        check(s->object == ball[0] || s->object == ball[1]);
    }
    return parked;
}

static size_t count_steady(const struct rn__roster *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        n += strcmp(r->seen[i].name, "steady") == 0;
    return n;
}

static void *watcher(void *arg)
{
    unsigned parked = 0;

    (void)arg;
    for (int i = 0; i < ROUNDS || atomic_load(&born) < 1000; i++) {
        struct rn__roster r;

        check_equal(rn__roster_take(&r), 0);
        check_equal(count_steady(&r), STEADY);
        parked += look_at_players(&r);
        rn__roster_drop(&r);
    }
    check(parked > 0);
    atomic_store(&enough, true);
    return NULL;
}

static int in_bustle(void *arg)
{
    int element = 1;
    pthread_t thread;

    (void)arg;
    atomic_store(&enough, false);
    atomic_store(&born, 0);
    steady_end = rn_chan_new(0, 0, NULL);
    for (int i = 0; i < 2; i++)
        ball[i] = rn_chan_new(sizeof(int), 0, NULL);
    for (int i = 0; i < STEADY; i++)
        start(steady, NULL, "steady");
    for (intptr_t i = 0; i < 4; i++)
        start(player, (void *)(i % 2), "player");
    start(breeder, NULL, "breeder");
    check_equal(rn_chan_send(ball[0], &element, RN_FOREVER), 0);
    rn_hold(); /* the thread is outside */
    check_equal(pthread_create(&thread, NULL, watcher, NULL), 0);
    wait_until(atomic_load(&enough));
    check_equal(pthread_join(thread, NULL), 0);
    rn_release();
    rn_chan_close(steady_end);
    for (int i = 0; i < 2; i++)
        rn_chan_close(ball[i]);
    return 0;
}

static void what_is_seen_of_one_belongs_together_while_all_go_on(void **state)
{
    (void)state;
    run_inside(in_bustle, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sender_is_seen_with_its_channel_and_its_stack),
        cmocka_unit_test(all_cases_of_a_select_are_seen),
        cmocka_unit_test(who_runs_and_who_is_a_service_is_told),
        cmocka_unit_test(what_is_seen_of_one_belongs_together_while_all_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
