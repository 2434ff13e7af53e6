/* handle.c - what tests have a handle of the harness do.   SPDX-License-Identifier: MIT */
#include "runtime/assert.h"
#include "tests/core/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct handle *handle_new(struct node *n, const char *name, enum wire_direction d)
{
    struct handle *h = calloc(1, sizeof *h);

    rn_assert(h != NULL);
    h->node = n;
    h->number = n->next_bind++;
    h->direction = d;
    h->attributes.type = "";
    h->in_order = true;
    snprintf(h->name, sizeof h->name, "%s", name);
    row_add(&n->handles, h);
    return h;
}

static void say_bind(struct handle *h, const char *name, const struct wire_attributes *a,
                     uint32_t prefetch)
{
    struct wire_control c = { .what = WIRE_BIND, .bind = h->number };

    c.bind_.name = name;
    c.bind_.direction = h->direction;
    c.bind_.attributes = *a;
    c.bind_.prefetch = h->prefetch = prefetch;
    c.bind_.autoclose = h->autoclose;
    c.bind_.senders_min = h->senders_min;
    c.bind_.manual_ack = h->by_hand;
    c.bind_.reply = h->reply;
    say(h->node, &c);
}

struct handle *bind_with(struct node *n, const char *name, enum wire_direction d,
                         const struct wire_attributes *a, uint32_t prefetch)
{
    struct handle *h = handle_new(n, name, d);

    say_bind(h, name, a, prefetch);
    return h;
}

struct handle *bind_by_hand(struct node *n, const char *name, int64_t capacity, uint32_t prefetch)
{
    struct handle *h = handle_new(n, name, WIRE_IN);

    h->by_hand = true;
    say_bind(h, name, &(struct wire_attributes){ .capacity = capacity, .type = "" }, prefetch);
    return h;
}

struct handle *bind_fan(struct world *w, enum wire_direction d, enum wire_slow slow,
                        int64_t capacity, uint32_t prefetch)
{
    struct wire_attributes a = {
        .kind = WIRE_FANOUT, .slow = slow, .capacity = capacity, .type = ""
    };

    return bind_with(node_new(w, d == WIRE_IN ? "r" : "s"), "x", d, &a, prefetch);
}

struct handle *bind_closing(struct node *n, const char *name, const struct wire_attributes *a,
                            uint32_t senders_min)
{
    struct handle *h = handle_new(n, name, WIRE_OUT);

    h->autoclose = true;
    h->senders_min = senders_min;
    say_bind(h, name, a, 0);
    return h;
}

struct handle *bind_reply(struct node *n, const char *name, enum wire_direction d,
                          const struct wire_attributes *a)
{
    struct handle *h = handle_new(n, name, d);

    h->reply = true;
    say_bind(h, name, a, 0);
    return h;
}

struct handle *bind_in(struct node *n, const char *name, int64_t capacity)
{
    return bind_with(n, name, WIRE_IN,
                     &(struct wire_attributes){ .capacity = capacity, .type = "" }, 0);
}

struct handle *bind_out(struct node *n, const char *name, int64_t capacity)
{
    return bind_with(n, name, WIRE_OUT,
                     &(struct wire_attributes){ .capacity = capacity, .type = "" }, 0);
}

static void unbind(struct handle *h, bool abandoned)
{
    h->unbinding = true;
    h->sends.n = h->store.n = h->hand.n = 0;
    h->receives = 0;
    say(h->node, &(struct wire_control){ .what = WIRE_UNBIND,
                                         .bind = h->number,
                                         .unbind = { .abandoned = abandoned } });
}

void handle_unbind(struct handle *h)
{
    unbind(h, false);
}

void handle_abandon(struct handle *h)
{
    unbind(h, true);
}

void handle_close(struct handle *h, int32_t reason)
{
    h->failing = true;
    h->sends.n = 0;
    h->receives = 0;
    say(h->node, &(struct wire_control){
                     .what = WIRE_CLOSE, .bind = h->number, .recall = { .reason = reason } });
}

void sends(struct handle *h, uint32_t n, size_t size)
{
    sends_timed(h, n, size, 0, 0);
}

void sends_timed(struct handle *h, uint32_t n, size_t size, uint64_t delay_ms, uint64_t ttl_ms)
{
    while (n-- > 0) {
        row_add(&h->sends, (struct send){ .id = h->node->world->elements.n,
                                          .size = size,
                                          .delay_ms = delay_ms,
                                          .ttl_ms = ttl_ms });
        row_add(&h->node->world->elements, (struct element){ 0 });
    }
    node_work(h);
}

void sends_together(struct handle *h, uint32_t n, size_t size, uint64_t delay_ms, uint64_t together)
{
    for (; n > 0; n--) {
        row_add(&h->sends, (struct send){ .id = h->node->world->elements.n,
                                          .size = size,
                                          .delay_ms = delay_ms,
                                          .together = together });
        row_add(&h->node->world->elements, (struct element){ 0 });
    }
    node_work(h);
}

void receives(struct handle *h, uint32_t n)
{
    h->receives += n;
    node_work(h);
}

/* The i-th of what is in its hands gets its verdict. */
static struct wire_range settle_one(struct handle *h, enum wire_verdict verdict, size_t i)
{
    struct stored s = h->hand.at[i];

    memmove(h->hand.at + i, h->hand.at + i + 1, (--h->hand.n - i) * sizeof s);
    if (verdict == WIRE_DONE) {
        h->taken++;
        h->node->world->elements.at[s.id].taken++;
        row_add(&h->got, s);
    }
    return (struct wire_range){ s.number, 1 };
}

static void settle_some(struct handle *h, enum wire_verdict verdict, size_t i, size_t n,
                        uint64_t delay_ms, size_t skip)
{
    struct wire_range ranges[RANGES_MAX];
    uint32_t n_ranges = 0;

    for (; n > 0 && i < h->hand.n && n_ranges < RANGES_MAX; n--, i += skip) {
        struct wire_range one = settle_one(h, verdict, i);
        if (n_ranges > 0 && ranges[n_ranges - 1].first + ranges[n_ranges - 1].count == one.first)
            ranges[n_ranges - 1].count++;
        else
            ranges[n_ranges++] = one;
    }
    if (n_ranges > 0)
        say(h->node, &(struct wire_control){ .what = WIRE_SETTLE,
                                             .bind = h->number,
                                             .settle = { .why = "bad",
                                                         .verdict = verdict,
                                                         .ranges = ranges,
                                                         .n_ranges = n_ranges,
                                                         .delay_ms = delay_ms } });
}

void settles(struct handle *h, enum wire_verdict verdict, size_t i, size_t n, uint64_t delay_ms)
{
    settle_some(h, verdict, i, n, delay_ms, 0);
}

void settles_every_other(struct handle *h, enum wire_verdict verdict, size_t i, size_t n)
{
    settle_some(h, verdict, i, n, 0, 1);
}

void give_up(struct handle *h)
{
    h->sends.n = 0;
    h->receives = 0;
    h->ask_again = true;
    node_work(h);
}
