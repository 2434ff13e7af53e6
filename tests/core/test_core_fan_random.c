/* test_core_fan_random.c - fanouts to which anything happens, from seeds.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct handle *some(struct world *w)
{
    struct node *n = w->nodes.at[world_random(w, w->nodes.n)];
    struct handle *h = n->session != NULL && n->handles.n > 0 ? n->handles.at[0] : NULL;

    return h != NULL && h->bound && !h->unbinding && !h->closed && !h->failing ? h : NULL;
}

/* So it is in half of the worlds: elements are to be had later, and not for long. */
static bool timed;

static void sends_some(struct world *w, struct handle *h)
{
    uint32_t n = 1 + (uint32_t)world_random(w, 9);
    size_t size = 8 + world_random(w, 200);

    if (timed && world_random(w, 2) == 0)
        sends_timed(h, n, size, world_random(w, 2) * world_random(w, 300),
                    world_random(w, 2) * world_random(w, 300));
    else
        sends(h, n, size);
}

static void act(struct world *w, enum wire_slow slow, int64_t capacity)
{
    struct handle *h = some(w);
    uint64_t what = world_random(w, 1000);

    if (what < 6) {
        bind_fan(w, WIRE_IN, slow, capacity, (uint32_t)world_random(w, 5));
    } else if (what < 10 && slow == WIRE_SLOW_BLOCK) {
        bind_by_hand(node_new(w, "hand"), "x", capacity, (uint32_t)world_random(w, 5));
    } else if (what < 14) {
        bind_fan(w, WIRE_OUT, slow, capacity, 0);
    } else if (h == NULL) {
        return;
    } else if (what < 18) {
        handle_unbind(h);
    } else if (what < 20) {
        node_end(h->node);
    } else if (what < 40) {
        h->node->frozen = !h->node->frozen;
    } else if (h->direction == WIRE_OUT) {
        if (h->sends.n < 40)
            sends_some(w, h);
    } else if (h->hand.n > 0 && what < 600) {
        settles(h,
                what < 400   ? WIRE_DONE
                : what < 550 ? WIRE_AGAIN
                             : WIRE_REJECTED,
                world_random(w, h->hand.n), 1 + world_random(w, 4),
                world_random(w, 3) == 0 ? world_random(w, 300) : 0);
    } else {
        receives(h, 1 + (uint32_t)world_random(w, 9));
    }
}

/* What it took, and not by hand, came in the channel's order, and with what it has lost there is no gap; so it is the same as
 * others had. */
static void judge(const struct handle *h)
{
    uint64_t taken = h->got.n, n = h->got.n;

    if (h->direction != WIRE_IN || !h->bound || h->by_hand || n == 0)
        return;
    assert_true(h->in_order);
    uint64_t span = h->got.at[n - 1].position - h->got.at[0].position + 1;
    assert_true(span >= taken);
    if (timed)
        return; /* what has expired before it came here is not known here */
    assert_true(span - taken <= h->lost + h->missed);
    if (h->attributes.slow == WIRE_SLOW_BLOCK)
        assert_int_equal(span, taken);
}

/* What has come is accepted by a flush, which follows at once: from then on it ages. */
static void passes(struct world *w, int64_t ms)
{
    flush(w);
    world_later(w, ms);
}

static void step(struct world *w, enum wire_slow slow, int64_t capacity)
{
    struct node *n = w->nodes.at[world_random(w, w->nodes.n)];
    uint64_t what = world_random(w, 100), used;

    if (what < 40)
        act(w, slow, capacity);
    else if (what < 60)
        (void)(n->frozen || move_up(n));
    else if (what < 80)
        (void)(n->frozen || move_down(n));
    else if (what < 98)
        flush(w);
    else
        passes(w, (int64_t)world_random(w, 200));
    if (w->rc != 0)
        fail_msg("%s", w->why);
    used = core_used(w->core, "x");
    assert_true(used == (uint64_t)-1 || used <= (uint64_t)capacity);
}

/* Calls fn with each receiver that is there; true: there is one. */
static bool each_receiver(struct world *w, void (*fn)(struct handle *h))
{
    bool any = false;

    for (size_t i = 0; i < w->nodes.n; i++) {
        struct node *n = w->nodes.at[i];
        struct handle *h = n->handles.n > 0 ? n->handles.at[0] : NULL;
        n->frozen = false;
        if (h == NULL || n->session == NULL || h->direction != WIRE_IN || h->unbinding)
            continue;
        fn(h);
        any |= h->bound;
    }
    return any;
}

static void takes_all(struct handle *h)
{
    receives(h, 100000);
}

static void acknowledges_all(struct handle *h)
{
    settles(h, WIRE_DONE, 0, h->hand.n, 0);
}

/* All receive now; and then all go, and somebody takes what waits for the first receiver, and the dead letters. */
static void drain(struct world *w, enum wire_slow slow)
{
    bool anybody = each_receiver(w, takes_all);

    for (int i = 0; i < 40 || (world_waiting(w) > 0 && i < 4000); i++) {
        world_pump(w);
        (void)each_receiver(w, acknowledges_all);
        world_later(w, 500);
    }
    for (size_t i = 0; i < w->nodes.n; i++)
        if (w->nodes.at[i]->handles.n > 0)
            judge(w->nodes.at[i]->handles.at[0]);
    if (anybody || slow != WIRE_SLOW_BLOCK)
        assert_int_equal(world_waiting(w), 0);
    for (size_t i = 0; i < w->nodes.n; i++)
        if (w->nodes.at[i]->session != NULL)
            node_end(w->nodes.at[i]);
    struct node *last = node_new(w, "last");
    receives(bind_in(last, "x.dead", 0), 100000);
    receives(bind_in(last, "x", 0), 100000);
    world_pump(w);
    world_later(w, 500); /* what was delayed when the others went is due by then */
    node_end(last);
    world_later(w, 70000);
}

static void run_seed(uint64_t seed)
{
    struct world *w = world_new(seed);
    enum wire_slow slow = (enum wire_slow)(1 + world_random(w, 3));
    int64_t capacity = 1 + (int64_t)world_random(w, 30);
    struct core_totals t;

    w->fans = w->mortal = true;
    timed = world_random(w, 2) == 0;
    w->max_pull = world_random(w, 2) == 0 ? 65536 : 1 + world_random(w, 300);
    w->overtake = world_random(w, 2) == 0;
    bind_fan(w, WIRE_OUT, slow, capacity, 0);
    bind_fan(w, WIRE_IN, slow, capacity, 0);
    for (int i = 0; i < 1500; i++)
        step(w, slow, capacity);
    drain(w, slow);
    assert_true(core_used(w->core, "x") == (uint64_t)-1);
    core_totals(w->core, &t);
    assert_int_equal(t.accepted + t.copied, t.taken + t.dropped + t.dead + t.expired);
    world_free(w);
}

static uint64_t seed_now;

/* Also when an assert of the core aborts, the seed must be known. */
static void say_seed(int signal)
{
    (void)signal;
    if (seed_now != 0)
        fprintf(stderr, "\nseed %llu; to replay: CORE_SEED=%llu test_core_fan_random\n",
                (unsigned long long)seed_now, (unsigned long long)seed_now);
}

static void whatever_happens_the_ledger_balances_and_there_is_no_gap(void **state)
{
    (void)state;
    const char *from = getenv("CORE_SEED"), *runs = getenv("CORE_RUNS");
    uint64_t first = from != NULL ? strtoull(from, NULL, 0) : 1;
    uint64_t n = runs != NULL ? strtoull(runs, NULL, 0) : from != NULL ? 1 : 300;

    for (seed_now = first; seed_now < first + n; seed_now++)
        run_seed(seed_now);
    seed_now = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_the_ledger_balances_and_there_is_no_gap),
    };

    signal(SIGABRT, say_seed);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    say_seed(0);
    return failed;
}
