/* browser.c - who looks into a live channel: peeks, taps, and purges it.   SPDX-License-Identifier: MIT
 *
 * On the keeper's node, which few faults touch.  What it is shown the oracle must know of; what it purges is counted by the
 * home, by the answer, and by the oracle at the end. */
#include "tests/sim/end.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct browser {
    struct world *w;
    int channel;
    char name[16];
    unsigned home;        /* when it asked */
    uint32_t tap;         /* 0: none */
    uint64_t next;        /* its next position; 0: not known */
    uint64_t incarnation; /* of what was purged so far, and ... */
    uint64_t purged;      /* ... how much */
    bool unsure;          /* it may have been purged without an answer */
    uint64_t dropped;     /* by the last answer */
    uint64_t of;          /* the incarnation that answered */
    int64_t *last;        /* by sender: the place of the last one that the tap has shown */
    int senders;
};

/* ---- what is shown ------------------------------------------------------------------------------------------------------ */

/* Of one that is not whole its number is enough. */
static uint32_t id_of(const struct wire_element *e)
{
    rn_bytes b = { 0 };
    const uint8_t *element;
    size_t len;
    uint32_t id;

    if (rn__node_element(e->flags, e->bytes, e->len, &element, &len) != 0)
        sim_fail("an element is shown whose header makes no sense");
    if (e->len == e->size) {
        b.data = (uint8_t *)element;
        b.len = len;
        return element_id(&b);
    }
    if (len < sizeof id)
        sim_fail("%zu bytes of an element are shown", len);
    memcpy(&id, element, sizeof id);
    return id;
}

static void check_shown(const struct browser *b, const struct wire_element *e, int *sender,
                        uint32_t *order)
{
    if (e->offset == 0 && b->home == oracle_home(b->w->oracle))
        oracle_shown(b->w->oracle, b->channel, b->home, id_of(e), sender, order);
}

/* Whatever was asked: what there is, in the order of positions.  What was delayed has none before it is due, and in a
 * fanout not before somebody is there. */
static void peeked(void *arg, const struct wire_control *c)
{
    const struct browser *b = arg;
    uint64_t before = 0;

    for (uint32_t i = 0; i < c->answer.n_elements; i++) {
        const struct wire_element *e = &c->answer.elements[i];
        int sender = 0;
        uint32_t order;

        if (e->position == 0 && e->place != WIRE_DELAYED &&
            (e->place != WIRE_BUFFERED || b->w->config.channel[b->channel].slow == 0))
            sim_fail("an element is shown without a position");
        if (e->position > 0 && e->position <= before)
            sim_fail("position %llu is shown after %llu", (unsigned long long)e->position,
                     (unsigned long long)before);
        if (e->position == 0)
            before = UINT64_MAX; /* nothing that has one comes behind that */
        else
            before = e->position;
        check_shown(b, e, &sender, &order);
    }
}

static void forget_orders(struct browser *b)
{
    for (int i = 0; i < b->senders; i++)
        b->last[i] = -1;
}

static int64_t *last_of(struct browser *b, int sender)
{
    if (sender >= b->senders) {
        b->last = realloc(b->last, (size_t)(sender + 1) * sizeof *b->last);
        if (b->last == NULL)
            abort();
        for (; b->senders <= sender; b->senders++)
            b->last[b->senders] = -1;
    }
    return &b->last[sender];
}

/* On a rendezvous the receive that a send was promised may decide after the send has given up in doubt: and after others. */
static bool is_late(const struct browser *b, const struct wire_element *e)
{
    return b->w->config.channel[b->channel].capacity == 0 &&
           oracle_in_doubt(b->w->oracle, id_of(e));
}

/* A tap shows what is accepted as it is accepted: each sender's elements in its order. */
static void check_order(struct browser *b, const struct wire_element *e, int sender, uint32_t order)
{
    int64_t *last = sender >= 0 ? last_of(b, sender) : NULL;

    if (last == NULL || b->w->config.delays || is_late(b, e))
        return;
    if (order <= *last)
        oracle_out_of_order(b->w->oracle, b->channel, sender, order, *last);
    *last = order;
}

static void tapped(void *arg, const struct wire_control *c)
{
    struct browser *b = arg;

    if (c->answer.tap != 0)
        b->tap = c->answer.tap;
    for (uint32_t i = 0; i < c->answer.n_elements; i++) {
        const struct wire_element *e = &c->answer.elements[i];
        int sender = -1;
        uint32_t order = 0;

        if (e->position == 0 ||
            (b->next > 0 && (e->position < b->next || e->position - b->next != e->skipped)))
            sim_fail("a tap has shown up to %llu, skips %llu, and goes on with %llu",
                     (unsigned long long)b->next, (unsigned long long)e->skipped,
                     (unsigned long long)e->position);
        check_shown(b, e, &sender, &order);
        check_order(b, e, sender, order);
        b->next = e->position + (e->offset + e->len == e->size);
    }
    if (b->next > 0)
        b->next += c->answer.skipped;
}

static void purged(void *arg, const struct wire_control *c)
{
    struct browser *b = arg;

    b->dropped = c->answer.dropped;
    b->of = c->answer.incarnation;
}

/* ---- asking --------------------------------------------------------------------------------------------------------------- */

static int ask(struct browser *b, struct wire_control *c,
               void (*answer)(void *arg, const struct wire_control *answer), int64_t patience_ns)
{
    b->home = oracle_home(b->w->oracle);
    int rc = rn__node_ask(world_node(b->w, SIM_NODES_MAX), c, answer, b, rn_after(patience_ns));

    /* The number of a tap whose beginning was not waited for is not known: such may be too many. */
    if (rc == -ENOMEM && c->what == WIRE_TAP && c->peek.tap == 0)
        return rc;
    if (rc != 0 && rc != -ENOENT && rc != RN_ETIMEDOUT && !end_is_over(rc) && rc != RN_ECLOSED)
        sim_fail("asking about %s: %s", b->name, rn_strerror(rc));
    return rc;
}

static void peek(struct browser *b)
{
    struct world *w = b->w;
    struct wire_control c = { .what = WIRE_PEEK,
                              .peek = { .name = b->name,
                                        .from = sim_chance(w, 50) ? 0 : sim_below(w, 100),
                                        .count = (uint32_t)sim_below(w, 20) } };

    if (ask(b, &c, peeked, 5 * RN_SEC) == 0)
        w->faults[FAULT_PEEK]++;
}

static void tap(struct browser *b)
{
    struct world *w = b->w;
    struct wire_control c = { .what = WIRE_TAP,
                              .peek = { .name = b->name,
                                        .tap = b->tap,
                                        .rate = sim_chance(w, 50) ? 100 : 10000,
                                        .end = sim_chance(w, 5) } };
    bool begins = b->tap == 0, ends = c.peek.end && !begins;
    int rc;

    if (begins) {
        b->next = 0;
        forget_orders(b);
    }
    rc = ask(b, &c, tapped,
             begins ? 5 * RN_SEC : sim_time(w, 100 * RN_MS) + 10 * w->config.delay_max_ns);
    if (rc == 0)
        w->faults[FAULT_TAP]++;
    if (rc == RN_ETIMEDOUT)
        b->next = 0; /* a page may have been lost */
    if (ends || (rc != 0 && rc != RN_ETIMEDOUT))
        b->tap = 0;
}

static void check_ledger(void *arg, const struct wire_channel_info *c)
{
    const struct browser *b = arg;

    if (c->accepted + c->copied != c->taken + c->buffered + c->delivered + c->delayed + c->expired +
                                       c->dropped_cancelled + c->dropped_purged + c->dropped_slow +
                                       c->dropped_nobody + c->dropped_left + c->dead)
        sim_fail("the ledger of %s does not balance", b->name);
    if (c->incarnation == b->incarnation && !b->unsure && c->dropped_purged != b->purged)
        sim_fail("%llu elements of %s were purged, and its ledger has %llu",
                 (unsigned long long)b->purged, b->name, (unsigned long long)c->dropped_purged);
}

/* Nobody else purges, so the home's count is ours, of each incarnation. */
static void purge(struct browser *b)
{
    struct world *w = b->w;
    struct wire_control c = { .what = WIRE_PURGE, .peek = { .name = b->name } };
    int rc;

    oracle_purging(w->oracle, b->channel, oracle_home(w->oracle));
    b->dropped = 0;
    rc = ask(b, &c, purged, 5 * RN_SEC);
    bool known = (rc == 0 || rc == -ENOENT) && b->home == oracle_home(w->oracle);
    oracle_purged(w->oracle, b->channel, b->home, known ? (int64_t)b->dropped : -1);
    if (!known)
        oracle_purged(w->oracle, b->channel, oracle_home(w->oracle), -1);
    b->unsure |= !known;
    if (rc != 0)
        return;
    w->faults[FAULT_PURGE]++;
    if (b->of != b->incarnation) {
        b->incarnation = b->of;
        b->purged = 0;
    }
    b->purged += b->dropped;
    (void)rn__node_query(world_node(w, SIM_NODES_MAX), b->name, check_ledger, b,
                         rn_after(5 * RN_SEC));
}

void browser_run(const struct browser_job *j)
{
    struct browser b = { .w = j->w, .channel = j->channel };
    struct world *w = j->w;

    snprintf(b.name, sizeof b.name, "channel.%d", j->channel);
    while (!j->over(w, j->channel)) {
        rn_sleep(rn_after(sim_time(w, 20 * w->config.delay_max_ns + RN_MS)));
        /* Of a fanout, what each window has and has lost is reckoned by who listens. */
        if (w->config.purges && w->config.channel[j->channel].slow == 0 && sim_chance(w, 10))
            purge(&b);
        else if (sim_chance(w, 50))
            peek(&b);
        else
            tap(&b);
    }
    free(b.last);
}
