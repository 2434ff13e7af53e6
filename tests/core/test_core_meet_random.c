/* test_core_meet_random.c - random nodes that meet, from a seed.   SPDX-License-Identifier: MIT
 *
 * Goal: whatever nodes do that follow the protocol, in whatever order their messages arrive, every element that was
 * accepted is received once, no operation meets itself, none performs two cases, and a send and a receive that wait for
 * each other meet.  Method: a seed chooses what nodes begin, give up, yield, close and leave, who falls silent, and when
 * time passes; then faults stop, all messages arrive, in a bounded number, and nobody may be left who could have met; then
 * fresh receives take the rest, and the sums must be right.  The same with a request for memory of the core's that fails,
 * for every one of them.
 *
 * Replay one seed: CORE_SEED=N test_core_meet_random; more of them: CORE_RUNS=N. */
#include "tests/core/crowd.h"
#include "tests/proto/alloc.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAMES       2
#define MEMBERS_MAX 12

static const char *const names[NAMES] = { "a", "b.c" };

struct run {
    struct crowd *c;
    bool closes, cancels, ends, silences, yields, deadlines; /* may this run do that? */
};

static uint64_t seed_now, performed; /* cases that were performed, in all seeds together */
static bool running;                 /* of seed_now */

static uint64_t below(struct run *r, uint64_t n)
{
    return crowd_below(r->c, n);
}

static void fail_if(const char *fault)
{
    if (fault != NULL)
        fail_msg("%s", fault);
}

static struct tie *tie_some(struct run *r, struct member *m, size_t name, enum wire_direction d)
{
    return tie_new(m, names[name], d, d == WIRE_OUT || below(r, 3) == 0 ? WIRE_RENDEZVOUS : 0);
}

static void add_member(struct run *r, const struct member *again)
{
    struct member *m = member_new(r->c, again);

    for (size_t i = 0; i < NAMES && m != NULL; i++) {
        if (below(r, 3) > 0)
            tie_some(r, m, i, WIRE_OUT);
        if (below(r, 3) > 0)
            tie_some(r, m, i, WIRE_IN);
    }
}

static bool somebody_is_there(const struct crowd *c)
{
    for (size_t i = 0; i < c->members.n; i++) {
        if (c->members.at[i]->session != NULL)
            return true;
    }
    return false;
}

static struct member *some_member(struct run *r)
{
    struct crowd *c = r->c;

    while (!somebody_is_there(c)) /* the last one was refused for want of memory */
        add_member(r, NULL);
    for (;;) {
        struct member *m = c->members.at[below(r, c->members.n)];
        if (m->session != NULL)
            return m;
    }
}

static struct tie *some_tie(struct run *r, struct member *m)
{
    struct tie *t = m->ties.n > 0 ? m->ties.at[below(r, m->ties.n)] : NULL;

    return t != NULL && tie_open(t) ? t : NULL;
}

static void begin(struct run *r)
{
    struct member *m = some_member(r);
    struct tie *ties[CROWD_CASES];
    uint32_t n = 0, want = below(r, 2) == 0 ? 1 : 1 + (uint32_t)below(r, CROWD_CASES);

    while (want-- > 0) {
        struct tie *t = some_tie(r, m);
        for (uint32_t i = 0; i < n && t != NULL; i++)
            t = ties[i] == t ? NULL : t;
        if (t != NULL)
            ties[n++] = t;
    }
    if (n == 0 || m->ops.n >= 6)
        return;
    op_begin(m, ties, n,
             r->deadlines && below(r, 3) == 0 ? r->c->now + (int64_t)below(r, 3000) * 1000000
                                              : INT64_MAX);
}

static struct crowd_op *some_op(struct run *r, struct member *m)
{
    return m->ops.n > 0 ? m->ops.at[below(r, m->ops.n)] : NULL;
}

static void give_up(struct run *r)
{
    struct member *m = some_member(r);
    struct crowd_op *op = some_op(r, m);

    if (op != NULL)
        op_give_up(m, op);
}

static void yield(struct run *r)
{
    struct member *m = some_member(r);
    struct crowd_op *op = some_op(r, m);

    if (op != NULL && op->at >= 0 && op->cases[op->at].tie->direction == WIRE_IN)
        op_yield(m, op);
}

static void end_tie(struct run *r)
{
    struct member *m = some_member(r);
    struct tie *t = some_tie(r, m);

    if (t == NULL)
        return;
    if (below(r, 3) == 0 && r->closes)
        tie_close(t, below(r, 2) == 0 ? 0 : t->direction == WIRE_OUT ? -5 : r->cancels ? -7 : 0);
    else
        tie_unbind(t);
    size_t name = below(
        r, NAMES); /* one after the other, so that every compiler makes the same of a seed */
    if (m->ties.n < 12)
        tie_some(r, m, name, below(r, 2) == 0 ? WIRE_OUT : WIRE_IN);
}

static void end_member(struct run *r)
{
    struct member *m = some_member(r);

    member_end(m);
    add_member(r, below(r, 2) == 0 ? m : NULL);
}

static void step(struct run *r)
{
    struct crowd *c = r->c;
    uint64_t what = below(r, 1000);

    if (what < 200)
        begin(r);
    else if (what < 240)
        give_up(r);
    else if (what < 265 && r->yields)
        yield(r);
    else if (what < 510)
        (void)crowd_up(some_member(r));
    else if (what < 760)
        (void)crowd_down(some_member(r));
    else if (what < 940)
        crowd_flush(c);
    else if (what < 965)
        crowd_tick(c, (int64_t)below(r, r->silences ? 700 : 90));
    else if (what < 970 && r->silences)
        core_heard(c->core, some_member(r)->session, c->now);
    else if (what < 980)
        end_tie(r);
    else if (what < 984 && r->ends && c->members.n < MEMBERS_MAX)
        end_member(r);
    else if (what < 987 && c->members.n < MEMBERS_MAX)
        add_member(r, NULL);
}

static void settle(struct run *r)
{
    if (!crowd_settle(r->c))
        fail_msg("messages do not come to an end");
}

/* All who could meet have met, when all messages have arrived. */
static void settle_and_look(struct run *r)
{
    settle(r);
    fail_if(crowd_fault(r->c));
    fail_if(crowd_standstill(r->c));
}

static uint64_t sends_left(const struct crowd *c, const char *name)
{
    uint64_t n = 0;

    for (size_t i = 0; i < c->members.n; i++) {
        const struct member *m = c->members.at[i];
        for (size_t k = 0; k < m->ops.n; k++) {
            for (uint32_t j = 0; j < m->ops.at[k]->n_cases; j++) {
                const struct tie *t = m->ops.at[k]->cases[j].tie;
                n += t->direction == WIRE_OUT && tie_open(t) && strcmp(t->name, name) == 0;
            }
        }
    }
    return n;
}

/* Fresh receives, one by one until one is left over: so what was accepted and given back is taken, and who still sends
 * meets somebody. */
static void drain(struct run *r)
{
    struct crowd *c = r->c;
    struct member *m = member_new(c, NULL);

    for (size_t i = 0; i < NAMES; i++) {
        for (int round = 0; round < 3; round++) { /* what is closed is bound again */
            struct tie *t = tie_new(m, names[i], WIRE_IN, WIRE_RENDEZVOUS);
            settle(r);
            while (m->ops.n == 0 && tie_open(t)) {
                op_begin(m, &t, 1, INT64_MAX);
                settle_and_look(r);
            }
            if (m->ops.n > 0)
                op_give_up(m, m->ops.at[0]);
            settle(r);
            if (tie_open(t))
                assert_int_equal(sends_left(c, names[i]), 0);
            tie_unbind(t);
            settle(r);
        }
    }
    fail_if(crowd_loss(c));
}

/* Everybody leaves; after the time for idle channels nothing may be left, and the sums must be right. */
static void finish(struct run *r)
{
    struct crowd *c = r->c;
    struct core_totals t;
    uint64_t accepted = 0, cancelled = 0;

    for (size_t i = 0; i < c->members.n; i++) {
        if (c->members.at[i]->session != NULL)
            member_end(c->members.at[i]);
    }
    crowd_tick(c, 70000);
    for (size_t i = 0; i < NAMES; i++)
        assert_true(core_used(c->core, names[i]) == (uint64_t)-1);
    for (size_t i = 0; i < c->elements.n; i++) {
        accepted += c->elements.at[i].accepted;
        cancelled += c->elements.at[i].accepted && !c->elements.at[i].known_taken;
    }
    core_totals(c->core, &t);
    assert_int_equal(t.accepted, accepted);
    assert_int_equal(t.dropped, cancelled);
    assert_int_equal(t.taken, accepted - cancelled);
}

/* With fail_in >= 0 so many of the core's requests for memory are met, and then one is not.  false: all were met. */
static bool run_seed(uint64_t seed, long fail_in)
{
    struct run r = { .c = crowd_new(seed) };
    struct crowd *c = r.c;

    seed_now = seed;
    running = true;
    c->fail_in = fail_in >= 0 ? &alloc_fail_in : NULL;
    c->left = fail_in;
    c->overtake = below(&r, 2) == 0;
    c->lazy = below(&r, 2) == 0;
    c->bytes = below(&r, 2) == 0 ? 24 + below(&r, 40) : 65536;
    r.closes = below(&r, 3) == 0;
    r.cancels = below(&r, 2) == 0;
    r.ends = below(&r, 2) == 0;
    r.silences = below(&r, 2) == 0;
    r.yields = below(&r, 2) == 0;
    r.deadlines = below(&r, 2) == 0;
    for (uint64_t i = 0, n = 1 + below(&r, 3); i < n; i++)
        add_member(&r, NULL);
    for (uint64_t i = 0, n = 50 + below(&r, 250); i < n; i++) {
        step(&r);
        if (below(&r, 100) == 0)
            fail_if(crowd_fault(c));
    }
    settle(&r);
    if (fail_in >= 0) {
        c->fail_in = NULL;
        crowd_tick(c, 100); /* then what found no memory is tried again */
        settle(&r);
    }
    settle_and_look(&r);
    crowd_tick(c, 3500); /* the last deadlines */
    settle_and_look(&r);
    drain(&r);
    finish(&r);
    performed += c->performed;
    bool failed = c->left < 0;
    crowd_free(c);
    running = false;
    return failed;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t first_seed(void)
{
    return number_from("CORE_SEED", 1);
}

static uint64_t seeds(void)
{
    return number_from("CORE_RUNS", getenv("CORE_SEED") != NULL ? 1 : 10000);
}

/* Also when an assert of the core aborts, the seed must be known. */
static void say_seed(void)
{
    fprintf(stderr, "\nseed %llu; to replay: CORE_SEED=%llu CORE_RUNS=1 test_core_meet_random\n",
            (unsigned long long)seed_now, (unsigned long long)seed_now);
}

static int say_seed_of_failure(void **state)
{
    (void)state;
    if (running)
        say_seed();
    running = false;
    return 0;
}

static void on_abort(int signal)
{
    (void)signal;
    say_seed();
}

static void random_nodes_meet_and_lose_nothing(void **state)
{
    (void)state;
    uint64_t first = first_seed(), runs = seeds();

    for (uint64_t seed = first; seed < first + runs; seed++)
        (void)run_seed(seed, -1);
    assert_true(runs < 100 || performed > runs); /* they do meet */
}

static void memory_that_runs_out_loses_nothing_and_stops_nobody(void **state)
{
    (void)state;
#if ALLOC_HOOKED
    uint64_t first = first_seed(), runs = seeds();

    for (uint64_t seed = first; seed < first + (runs + 249) / 250; seed++) {
        for (long n = 0; run_seed(seed, n); n++)
            ;
    }
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_nodes_meet_and_lose_nothing, say_seed_of_failure),
        cmocka_unit_test_teardown(memory_that_runs_out_loses_nothing_and_stops_nobody,
                                  say_seed_of_failure),
    };

    signal(SIGABRT, on_abort);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
