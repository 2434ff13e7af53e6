/* settle.c - acknowledged by hand, to be delivered again, or to die.   SPDX-License-Identifier: MIT
 *
 * Invariant: the numbers in a binding's `hand` are lower than those in its `delivered`, and whole runs there are taken;
 * of `delivered` only the first run may be, in part.  So what is acknowledged in order is found at the front, and what is
 * not in one walk for a whole Settle, because its ranges ascend. */
#include "broker/core/settle.h"

#include "broker/core/dead.h"
#include "broker/core/match.h"
#include "broker/core/nap.h"
#include "broker/core/state.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what is taken and not settled ------------------------------------------------------------------------------ */

static uint64_t last_of(const struct run *r)
{
    return r->s.number + r->s.count - 1;
}

uint64_t settle_in_hand(const struct binding *b)
{
    const struct run *r = run_queue_first(&b->delivered);

    if (!b->by_hand)
        return 0;
    if (r == NULL || r->s.number > b->taken_number)
        return b->hand.count;
    return b->hand.count + (b->taken_number - r->s.number + 1);
}

void settle_hand(struct binding *b)
{
    struct run *r;

    if (!b->by_hand)
        return;
    while ((r = run_queue_first(&b->delivered)) != NULL && last_of(r) <= b->taken_number) {
        run_queue_take(&b->delivered, r);
        run_queue_push(&b->hand, r);
    }
    side_hand(b, settle_in_hand(b));
}

/* ---- Settle -------------------------------------------------------------------------------------------------------- */

/* A walk over what b holds, in the order of its numbers. */
struct walk {
    struct run_queue *q; /* hand, then delivered */
    struct hook *at;     /* a run of it, or its head */
    bool expires;        /* only what expires is looked for */
};

/* The run that holds `number`, or NULL.  The numbers that are asked for ascend. */
static struct run *walk_to(struct walk *w, struct binding *b, uint64_t number)
{
    for (;;) {
        if (w->at == &w->q->head) {
            if (w->q == &b->delivered)
                return NULL;
            w->q = &b->delivered;
            w->at = b->delivered.head.next;
            continue;
        }
        struct run *r = list_entry(w->at, struct run, hook);
        if (last_of(r) >= number)
            return r->s.number <= number ? r : NULL;
        w->at = w->at->next;
    }
}

/* Takes the elements first .. last, all of one run r, out of the queue; onto `to`, or away if that is NULL.  What
 * goes away from the front of its run needs no memory: so is it when elements are acknowledged in order. */
static int take_out(struct walk *w, struct run *r, uint64_t first, uint64_t last,
                    struct run_queue *to)
{
    rn_reached_if(first > r->s.number, "settle: what is settled was not the first of its run");
    if (first > r->s.number && !run_queue_cut_at(r, (uint32_t)(first - r->s.number)))
        return -ENOMEM;
    uint32_t n = (uint32_t)(last - first + 1);
    if (n < r->s.count && to == NULL) {
        run_queue_drop_of(w->q, r, n);
        return 0;
    }
    if (n < r->s.count) {
        if (!run_queue_cut_at(r, n))
            return -ENOMEM;
        r = list_entry(r->hook.prev, struct run, hook);
    }
    w->at = r->hook.next;
    run_queue_take(w->q, r);
    if (to == NULL)
        run_free(r);
    else
        run_queue_push(to, r);
    return 0;
}

static int take_range(struct binding *b, struct walk *w, const struct wire_range *range,
                      struct run_queue *to, const char **why)
{
    uint64_t last = range->first + range->count - 1;

    for (uint64_t at = range->first; at <= last;) {
        struct run *r = walk_to(w, b, at);
        if (r == NULL || r == b->leaving) {
            *why = "a delivery was settled that the binding does not hold";
            return -EPROTO;
        }
        if (w->expires && r->expiry == NULL) {
            *why = "a delivery is said to have expired that never does";
            return -EPROTO;
        }
        uint64_t end = last_of(r) < last ? last_of(r) : last;
        int rc = take_out(w, r, at, end, to);
        if (rc < 0)
            return rc;
        at = end + 1;
    }
    return 0;
}

static void comes_again(struct binding *b, struct run_queue *back, struct nap *nap,
                        uint64_t delay_ms)
{
    struct channel *ch = b->channel;

    b->window.dead += back->count;
    ch->ledger.redelivered += dead_sift(ch, back);
    b->window.dead -= back->count;
    if (nap != NULL && back->count > 0)
        nap_begin(nap, back, delay_ms);
    else if (channel_fans(ch))
        fan_again(b, back);
    else
        run_queue_merge(&ch->queue, back);
}

/* What a Settle is to do, and what it needs for that. */
struct settling {
    bool gone;               /* acknowledged, expired, or lost */
    struct nap *nap;         /* again, but later */
    struct epitaph *epitaph; /* to die */
};

/* false: no memory. */
static bool settling_begin(struct settling *s, struct binding *b, const struct wire_control *c)
{
    struct channel *ch = b->channel;
    enum wire_verdict verdict = c->settle.verdict;

    *s = (struct settling){ 0 };
    s->gone = verdict == WIRE_DONE || verdict == WIRE_EXPIRED || verdict == WIRE_LOST;
    if (!ch->is_dead && !s->gone && c->settle.verdict != WIRE_AGAIN) {
        bool rejected = c->settle.verdict == WIRE_REJECTED;
        s->epitaph = epitaph_new(rejected ? WIRE_CAUSE_REJECTED : WIRE_CAUSE_REFUSED,
                                 c->settle.why);
        return s->epitaph != NULL;
    }
    if (!s->gone && c->settle.delay_ms > 0 && !ch->closed) {
        s->nap = nap_new(ch, channel_fans(ch) ? b : NULL);
        return s->nap != NULL;
    }
    return true;
}

static void settling_end(struct settling *s)
{
    epitaph_unref(s->epitaph);
    if (s->nap != NULL)
        nap_done(s->nap);
}

/* May b say that?  A sentence, or NULL. */
static const char *fault_of(const struct binding *b, enum wire_verdict verdict)
{
    if (verdict == WIRE_LOST && !(channel_fans(b->channel) && fan_is_hasty(b->channel)))
        return "a delivery was lost in a channel that blocks";
    if (!b->by_hand && verdict < WIRE_UNREADABLE)
        return "a delivery was settled by a binding without manual_ack";
    return NULL;
}

int settle_say(struct binding *b, const struct wire_control *c, const char **why)
{
    struct channel *ch = b->channel;
    bool expired = c->settle.verdict == WIRE_EXPIRED;
    struct walk w = { &b->hand, b->hand.head.next, expired };
    uint64_t count = b->hand.count + b->delivered.count, bytes = b->hand.bytes + b->delivered.bytes;
    struct run_queue back;
    struct settling s;
    int rc = 0;

    if (b->ended) {
        rn_reached("settle: what is settled was dropped");
        return 0; /* the Closed that says so crossed on the way */
    }
    if ((*why = fault_of(b, c->settle.verdict)) != NULL)
        return -EPROTO;
    if (!settling_begin(&s, b, c))
        return -ENOMEM;
    run_queue_init(&back);
    for (uint32_t i = 0; i < c->settle.n_ranges && rc == 0; i++)
        rc = take_range(b, &w, &c->settle.ranges[i], s.gone ? NULL : &back, why);

    count -= b->hand.count + b->delivered.count;
    bytes -= b->hand.bytes + b->delivered.bytes;
    match_gave_back(b, count, bytes);
    if (expired) {
        rn_reached("settle: what had left expires");
        ch->ledger.expired += count;
        b->window.expired += count;
    } else if (c->settle.verdict == WIRE_LOST) {
        rn_reached("settle: a node has dropped what it had no room for");
        b->window.lost += count;
        ch->ledger.dropped_slow += count;
    } else if (s.gone) {
        b->taken += count;
        ch->ledger.taken += count;
    } else if (s.epitaph != NULL) {
        rn_reached_if(c->settle.verdict == WIRE_REJECTED, "settle: an element is rejected");
        rn_reached_if(c->settle.verdict == WIRE_UNREADABLE,
                      "settle: a codec has refused an element");
        rn_reached_if(channel_meets(ch), "settle: it was refused after a rendezvous");
        b->window.dead += back.count;
        dead_die(ch, &back, s.epitaph);
    } else {
        comes_again(b, &back, s.nap, c->settle.delay_ms);
    }
    settling_end(&s);
    return rc;
}
