/* test_core_random.c - random nodes against the core, from a seed.   SPDX-License-Identifier: MIT
 *
 * Goal: whatever nodes do that follow the protocol, in whatever order their messages arrive, capacity is never
 * exceeded, nothing is lost or doubled, closes come after the last element, a crash does not look like one, and as long as
 * somebody receives everything moves on.  Method: a seed chooses channels, nodes and what they do; then senders stop, some receivers
 * freeze their hands on what they hold without taking it, one fresh receiver per channel waits, and all must drain to
 * it.  Replay one seed: CORE_SEED=N test_core_random; more of them: CORE_RUNS=N. */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAMES 3

struct run {
    struct world *w;
    uint64_t seed;
    int64_t capacity[NAMES];
    uint64_t bytes[NAMES];
    bool closes, cancels, ends; /* may this run do that? */
    bool autocloses;            /* do senders ask for it? */
    bool purges, removes;       /* does somebody purge, or remove channels? */
    bool by_hand;               /* do receivers acknowledge by hand? */
    bool timed;                 /* do elements have times? */
    int64_t ttl_ms[NAMES];
    uint32_t max_deliveries; /* 0: any number */
    bool single;             /* one receiver per name: then the order must hold */
    bool received[NAMES];
    uint32_t nodes;
};

static const char *const names[NAMES] = { "a", "b.c", "d" };

static uint64_t below(struct run *r, uint64_t n)
{
    return world_random(r->w, n);
}

static struct handle *bind_some(struct run *r, struct node *n, size_t name, enum wire_direction d)
{
    struct wire_attributes a = { .type = "" };

    if (r->single && d == WIRE_IN && r->received[name])
        d = WIRE_OUT;
    r->received[name] |= d == WIRE_IN;
    if (below(r, 2) == 0 || d == WIRE_OUT) {
        a.capacity = r->capacity[name];
        a.capacity_bytes = r->bytes[name];
        a.max_deliveries = r->max_deliveries;
        a.ttl_ms = r->ttl_ms[name];
    }
    if (r->autocloses && d == WIRE_OUT && below(r, 3) > 0)
        return bind_closing(n, names[name], &a, (uint32_t)below(r, 4));
    if (r->by_hand && d == WIRE_IN && below(r, 3) > 0)
        return bind_by_hand(n, names[name], a.capacity,
                            below(r, 3) == 0 ? (uint32_t)below(r, 6) : 0);
    struct handle *h = bind_with(n, names[name], d, &a,
                                 below(r, 3) == 0 ? (uint32_t)below(r, 6) : 0);
    h->hoards = below(r, 2) == 0;
    return h;
}

static struct node *some_node(struct run *r)
{
    struct world *w = r->w;

    for (;;) {
        struct node *n = w->nodes.at[below(r, w->nodes.n)];
        if (n->session != NULL)
            return n;
    }
}

static struct handle *some_handle(struct run *r)
{
    struct node *n = some_node(r);
    struct handle *h = n->handles.n > 0 ? n->handles.at[below(r, n->handles.n)] : NULL;

    return h != NULL && h->bound && !h->unbinding && !h->closed && !h->failing ? h : NULL;
}

static void add_node(struct run *r)
{
    struct node *n = node_new(r->w, "node");

    for (size_t i = 0; i < NAMES; i++) {
        if (below(r, 2) == 0)
            bind_some(r, n, i, WIRE_OUT);
        if (below(r, 2) == 0)
            bind_some(r, n, i, WIRE_IN);
    }
}

static void check_state(struct run *r)
{
    for (size_t i = 0; i < NAMES; i++) {
        uint64_t used = core_used(r->w->core, names[i]);
        assert_true(used == (uint64_t)-1 || used <= (uint64_t)r->capacity[i]);
    }
    if (r->w->rc != 0)
        fprintf(stderr, "core: %d %s\n", r->w->rc, r->w->why);
    assert_int_equal(r->w->rc, 0);
}

/* It gives its verdict on some of what is in its hands. */
static void settle_some(struct run *r, struct handle *h)
{
    size_t i = below(r, 3) == 0 ? 0 : below(r, h->hand.n), n = 1 + below(r, h->hand.n);
    enum wire_verdict verdict = below(r, 4) > 0   ? WIRE_DONE
                                : below(r, 4) > 0 ? WIRE_AGAIN
                                                  : WIRE_REJECTED;

    if (below(r, 3) == 0)
        settles_every_other(h, verdict, i, n);
    else
        settles(h, verdict, i, n, below(r, 3) == 0 ? below(r, 400) : 0);
}

static void send_some(struct run *r, struct handle *h, size_t size)
{
    uint64_t delay_ms = r->timed && below(r, 3) == 0 ? 1 + below(r, 1000) : 0,
             ttl_ms = r->timed && below(r, 3) == 0 ? 1 + below(r, 1000) : 0;

    sends_timed(h, (uint32_t)below(r, 6) + 1, size, delay_ms, ttl_ms);
}

/* Somebody at a node does something. */
static void act(struct run *r)
{
    struct handle *h = some_handle(r);
    uint64_t what = below(r, 1000);

    if (h == NULL)
        return;
    if (what < 800) {
        size_t i = 0;
        while (strcmp(names[i], h->name) != 0)
            i++;
        if (h->direction == WIRE_IN && h->hand.n > 0 && below(r, 2) == 0)
            settle_some(r, h);
        else if (h->direction == WIRE_IN)
            receives(h, (uint32_t)below(r, 4) + 1);
        else if (h->sends.n < 30)
            send_some(r, h, 8 + below(r, below(r, 3) == 0 ? r->bytes[i] - 7 : 9));
    } else if (what < 960) {
        give_up(h);
    } else if (what < 985) {
        if (h->direction == WIRE_OUT && below(r, 4) == 0)
            handle_abandon(h);
        else
            handle_unbind(h);
    } else if (what < 992 && r->closes && h->direction == WIRE_OUT) {
        handle_close(h, below(r, 2) == 0 ? 0 : -5);
    } else if (what < 995 && r->cancels && h->direction == WIRE_IN) {
        handle_close(h, -7);
    } else {
        bind_some(r, h->node, below(r, NAMES), below(r, 2) == 0 ? WIRE_IN : WIRE_OUT);
    }
}

static void weak_ask(struct run *r)
{
    struct handle *h = some_handle(r);
    struct wire_control c = { .what = WIRE_ASK,
                              .ask = { .waiting = 1, .first_bytes = 8, .bytes = 8, .weak = true } };

    if (h == NULL || !h->opened || h->sends.n > 0 || h->receives > 0)
        return;
    c.bind = h->number;
    h->asked = 0;
    say(h->node, &c);
}

static void purge(struct run *r)
{
    bool remove = r->removes && below(r, 2) == 0;

    say(some_node(r), &(struct wire_control){
                          .what = remove ? WIRE_REMOVE : WIRE_PURGE,
                          .peek = { .name = names[below(r, NAMES)], .force = below(r, 4) > 0 } });
}

static void step(struct run *r)
{
    struct world *w = r->w;
    uint64_t what = below(r, 1000);

    if (what < 300) {
        act(r);
    } else if (what < 320) {
        weak_ask(r);
    } else if (what < 600) {
        (void)move_up(some_node(r));
    } else if (what < 850) {
        (void)move_down(some_node(r));
    } else if (what < 980) {
        flush(w);
    } else if (what < 990) {
        w->now += (int64_t)below(r, 200) * 1000000;
        core_tick(w->core, w->now);
        core_check(w->core);
    } else if (what < 994) {
        struct node *n = some_node(r);
        n->frozen = !n->frozen;
    } else if (what < 996 && r->ends) {
        if (below(r, 2) == 0)
            node_end(some_node(r));
        else
            node_leave(some_node(r));
        add_node(r);
    } else if (what < 999 && w->nodes.n < 40) {
        add_node(r);
    } else if (r->purges) {
        purge(r);
    }
    check_state(r);
}

/* For whoever looks for the cause of a standstill. */
static void show(const struct world *w)
{
    for (size_t i = 0; i < w->nodes.n; i++) {
        const struct node *n = w->nodes.at[i];
        for (size_t k = 0; k < n->handles.n && n->session != NULL; k++) {
            const struct handle *h = n->handles.at[k];
            if (!h->unbinding)
                fprintf(
                    stderr,
                    "node %zu bind %u %s %s: bound %d closed %d failing %d sends %zu (first %zu) credit %llu/%llu "
                    "asked %u store %zu receives %u\n",
                    i, h->number, h->name, h->direction == WIRE_OUT ? "out" : "in", h->bound,
                    h->closed, h->failing, h->sends.n, h->sends.n > 0 ? h->sends.at[0].size : 0,
                    (unsigned long long)h->credit, (unsigned long long)h->credit_bytes, h->asked,
                    h->store.n, h->receives);
        }
    }
    for (size_t i = 0; i < NAMES; i++)
        fprintf(stderr, "%s: used %lld\n", names[i], (long long)core_used(w->core, names[i]));
}

/* Whoever acknowledges by hand does so with all that he has, or has for the asking; or he leaves. */
static void let_go(struct run *r)
{
    struct world *w = r->w;

    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < w->nodes.n; i++) {
            struct node *n = w->nodes.at[i];
            for (size_t k = 0; k < n->handles.n && n->session != NULL; k++) {
                struct handle *h = n->handles.at[k];
                if (!h->by_hand || !h->bound || h->closed || h->failing || h->unbinding)
                    continue;
                any |= h->hand.n > 0;
                settles(h, WIRE_DONE, 0, h->hand.n, 0);
                give_up(h);
                if (below(r, 4) == 0)
                    handle_unbind(h);
            }
        }
        world_pump(w);
    }
}

/* Senders send no more than they have begun; hoarders take nothing any more; a fresh receiver waits for each channel. */
static void drain(struct run *r)
{
    struct world *w = r->w;
    struct handle *fresh[NAMES] = { NULL };

    for (size_t i = 0; i < w->nodes.n; i++) {
        struct node *n = w->nodes.at[i];
        n->frozen = false;
        for (size_t k = 0; k < n->handles.n && n->session != NULL; k++) {
            struct handle *h = n->handles.at[k];
            if (h->direction == WIRE_IN && h->hoards && h->bound && !h->closed && !h->failing &&
                !h->unbinding)
                give_up(h);
        }
    }
    world_pump(w);
    let_go(r);
    struct node *n = node_new(w, "last");
    for (size_t i = 0; i < NAMES; i++) {
        char dead[32];
        snprintf(dead, sizeof dead, "%s.dead", names[i]);
        receives(bind_in(n, dead, 0), 1000000);
    }
    /* What is delayed holds its slots, so that senders may have to wait for one after the other. */
    for (int round = 0; round < 6 || (r->timed && round < 60); round++) {
        for (size_t i = 0; i < NAMES; i++) {
            if (fresh[i] == NULL || (fresh[i]->closed && !fresh[i]->unbinding)) {
                if (fresh[i] != NULL)
                    handle_unbind(fresh[i]);
                fresh[i] = bind_with(n, names[i], WIRE_IN, &(struct wire_attributes){ .type = "" },
                                     0);
                receives(fresh[i], 1000000);
            }
        }
        world_later(w, 1000);
    }
    check_state(r);
    if (world_waiting(w) > 0)
        show(w);
    assert_int_equal(world_waiting(w), 0);
    for (size_t i = 0; i < NAMES; i++)
        assert_int_equal(fresh[i]->closed, ending_is_closed(fresh[i]));
}

/* What nodes have sent is accepted; and what single receivers took, they took in the channel's order.  (The last one
 * came when there was another already, and got what that gave back, the newest first.  And a Recall that overtakes
 * sections gets older elements back than it was meant to.) */
static void check_handles(const struct run *r)
{
    const struct world *w = r->w;

    for (size_t i = 0; i < w->nodes.n; i++) {
        const struct node *n = w->nodes.at[i];
        for (size_t k = 0; k < n->handles.n && n->session != NULL; k++) {
            const struct handle *h = n->handles.at[k];
            if (h->bound && h->direction == WIRE_OUT && !h->removed)
                assert_int_equal(h->accepted, h->sent);
            if (r->single && !w->overtake && !h->by_hand && strcmp(n->name, "last") != 0)
                assert_true(h->in_order);
        }
    }
}

static bool still_held(struct world *w)
{
    for (size_t i = 0; i < NAMES; i++) {
        for (size_t k = 0; k < w->nodes.n; k++) {
            struct node *n = w->nodes.at[k];
            for (size_t j = 0; j < n->handles.n && n->session != NULL; j++) {
                if (!n->handles.at[j]->unbinding &&
                    (n->handles.at[j]->store.n > 0 || n->handles.at[j]->hand.n > 0))
                    return true;
            }
        }
    }
    return false;
}

/* Everybody unbinds; after the time for idle channels nothing may be left, and the sums must be right. */
static void finish(struct run *r)
{
    struct world *w = r->w;
    struct core_totals t;
    uint64_t accepted = 0;

    for (size_t i = 0; i < w->nodes.n; i++) {
        if (w->nodes.at[i]->session != NULL)
            node_end(w->nodes.at[i]);
    }
    world_later(w, 70000);
    for (size_t i = 0; i < NAMES; i++)
        assert_true(core_used(w->core, names[i]) == (uint64_t)-1);
    for (size_t i = 0; i < w->elements.n; i++)
        accepted += w->elements.at[i].accepted;
    core_totals(w->core, &t);
    assert_int_equal(t.accepted, accepted + t.dead); /* each dead letter was accepted twice */
    assert_int_equal(t.accepted, t.taken + t.dropped + t.dead + t.expired);
    if (!r->timed)
        assert_int_equal(t.expired, 0);
    assert_int_equal(t.purged, w->purged);
    if (!r->cancels)
        assert_int_equal(t.dropped, w->purged);
}

static uint64_t seed_now;

static void run_seed(uint64_t seed)
{
    struct run r = { .seed = seed };

    seed_now = seed;
    world_piece_bytes = seed % 3 == 0 ? 3 : 0;
    world_fold_ns = seed % 2; /* 1: all that can be folded is folded */
    r.w = world_new(seed);
    r.w->overtake = below(&r, 2) == 0;
    r.w->max_pull = below(&r, 2) == 0 ? 65536 : 1 + below(&r, 200);
    r.closes = below(&r, 2) == 0;
    r.cancels = below(&r, 4) == 0;
    r.ends = below(&r, 2) == 0;
    r.autocloses = below(&r, 2) == 0;
    r.by_hand = below(&r, 2) == 0;
    r.max_deliveries = below(&r, 2) == 0 ? 1 + (uint32_t)below(&r, 3) : 0;
    r.timed = below(&r, 2) == 0;
    r.purges = below(&r, 3) == 0;
    r.removes = r.purges && below(&r, 2) == 0;
    r.w->mortal = r.by_hand || r.timed || r.purges;
    r.single = !r.ends && below(&r, 2) == 0;
    for (size_t i = 0; i < NAMES; i++) {
        r.capacity[i] = below(&r, 3) == 0 ? 1 + (int64_t)below(&r, 3) : 1 + (int64_t)below(&r, 60);
        r.bytes[i] = below(&r, 3) == 0 ? 16 + below(&r, 200) : 4096;
        r.ttl_ms[i] = r.timed && below(&r, 3) == 0 ? 1 + (int64_t)below(&r, 2000) : 0;
    }
    for (uint64_t i = 0; i < 4; i++)
        add_node(&r);
    for (uint64_t i = 0, n = 500 + below(&r, 3000); i < n; i++)
        step(&r);
    drain(&r);
    check_handles(&r);
    assert_false(still_held(r.w));
    const char *fault = world_fault(r.w);
    if (fault != NULL)
        fail_msg("%s", fault);
    finish(&r);
    world_free(r.w);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

/* Also when an assert of the core aborts, the seed must be known. */
static void say_seed(void)
{
    fprintf(stderr, "\nseed %llu; to replay: CORE_SEED=%llu CORE_RUNS=1 test_core_random\n",
            (unsigned long long)seed_now, (unsigned long long)seed_now);
}

static void on_abort(int signal)
{
    (void)signal;
    say_seed();
}

static void random_nodes_lose_nothing_and_everything_drains(void **state)
{
    (void)state;
    uint64_t first = number_from("CORE_SEED", 1),
             runs = number_from("CORE_RUNS", getenv("CORE_SEED") ? 1 : 300);

    for (uint64_t seed = first; seed < first + runs; seed++)
        run_seed(seed);
    seed_now = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_nodes_lose_nothing_and_everything_drains),
    };

    signal(SIGABRT, on_abort);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed != 0)
        say_seed();
    return failed;
}
