/* offering.c - sends of a rendezvous: from the call, or from their beginning, to the verdict.   SPDX-License-Identifier: MIT
 *
 * An offer is made (it is tentative, and its chunk waits for the window), leaves under a number, and ends by Commit or
 * Abort.  One whose send has given RN_EUNKNOWN stays as an orphan until its fate is known. */
#include "node/meeting.h"

#include "node/node.h"
#include "node/op.h"
#include "proto/limits.h"
#include "proto/piece.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>

static void drop_chunk(struct handle *h, struct parcel *p)
{
    if (p->chunk != NULL)
        outbox_give(&h->out, p->chunk);
    p->chunk = NULL;
}

void offer_ends(struct handle *h, struct parcel *p)
{
    if (h->pairing.unsaid == p) {
        rn_reached_if(h->pairing.sent > 0, "offering: an offer ends half way");
        h->pairing.unsaid = TAILQ_NEXT(p, link);
        h->pairing.sent = 0; /* the home forgets what came of it when another comes in its place */
    }
    if (p->number == 0 && !p->patient)
        h->pairing.calls++; /* the call that it was made for is still there */
    TAILQ_REMOVE(&h->pairing.offers, p, link);
    p->number = 0;
    drop_chunk(h, p);
}

void pairing_take_back(struct handle *h, int rc)
{
    struct parcel *p;

    while ((p = h->pairing.unsaid) != NULL) {
        offer_ends(h, p);
        meeting_fire(h, p, rc);
        node_mark(h->node, h);
    }
}

/* ---- making ---- */

bool offer_is_patient(const struct handle *h, const struct rn__op *op)
{
    size_t len = op_parcel(op)->buf.len;

    return op->wait->n_ops == 1 && len <= WIRE_PATIENT_MAX && len <= h->out.large;
}

void offer_make(struct handle *h, struct rn__op *op, bool patient)
{
    struct side *side = &h->side[RN_OUT];
    struct parcel *p = op_parcel(op);

    if (!rn__tentative(op->wait, op->index)) {
        meeting_mute(side, op);
        return;
    }
    meeting_join(side, &h->pairing.offers, op);
    if (h->pairing.unsaid == NULL)
        h->pairing.unsaid = p;
    p->number = 0;
    p->patient = patient;
    h->pairing.calls -= !patient;
    p->chunk = outbox_pack(&h->out, &p->manner, p->buf.data, p->buf.len);
    if (p->chunk != NULL) {
        node_mark(h->node, h);
    } else {
        offer_ends(h, p);
        meeting_fire(h, p, -ENOMEM);
    }
}

static void serve_calls(struct handle *h)
{
    struct pairing *m = &h->pairing;
    struct rn__op *op, *next;

    for (op = rn__chan_first(h->chan, RN_SEND); op != NULL && m->calls > 0; op = next) {
        const struct parcel *p = op_parcel(op);
        next = op->next;
        if (p->op == NULL && !p->twin && (m->but == 0 || rn__wait_id(op->wait) != m->but))
            offer_make(h, op, /* patient= */ false);
    }
}

void offers_serve(struct handle *h)
{
    struct rn__op *op, *next;

    if (h->draining || node_fence(h->node) != 0)
        return;
    serve_calls(h);
    for (op = rn__chan_first(h->chan, RN_SEND); op != NULL; op = next) {
        next = op->next;
        if (op_parcel(op)->op == NULL && !op_parcel(op)->asks && offer_is_patient(h, op))
            offer_make(h, op, true);
    }
}

void pairing_call(struct handle *h, uint32_t n, uint64_t but)
{
    h->pairing.calls += n;
    h->pairing.but = but;
    side_adjust(&h->side[RN_OUT], -(int64_t)n);
}

/* ---- leaving ---- */

size_t pairing_next_size(const struct handle *h)
{
    const struct parcel *p = h->pairing.unsaid;

    return p != NULL ? chunk_piece_size(p->chunk, h->pairing.sent, h->out.piece) : 0;
}

/* What is left of a deadline, as it crosses the wire: 0 is none, so what is over is 1. */
static uint32_t left_ms(rn_time deadline)
{
    int64_t ms;

    if (deadline == RN_FOREVER)
        return 0;
    ms = (deadline - rn_now() + RN_MS - 1) / RN_MS;
    return ms < 1 ? 1 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static struct wire_section section_of(const struct parcel *p, uint64_t number)
{
    struct wire_section s = {
        .count = 1,
        .number = number,
        .position = rn__wait_id(p->op->wait),
        .deliveries = left_ms(p->op->deadline),
        .bytes = p->chunk->bytes,
        .size = (uint32_t)p->chunk->len,
        .flags = WIRE_OFFER | (p->patient ? WIRE_PATIENT : 0),
        .body = p->chunk->data,
    };

    manner_put(&s, &p->chunk->manner);
    return s;
}

/* The first offer that has not left gets its number, and its chunk is the caller's. */
static struct chunk *offer_leaves(struct pairing *m)
{
    struct parcel *p = m->unsaid;
    struct chunk *chunk = p->chunk;

    m->unsaid = TAILQ_NEXT(p, link);
    m->sent = 0;
    p->number = ++m->numbered;
    p->chunk = NULL;
    return chunk;
}

struct parcel *pairing_leave(struct handle *h, struct wire_section *s, struct chunk **chunk)
{
    struct pairing *m = &h->pairing;
    struct parcel *p = m->unsaid;

    if (p == NULL)
        return NULL;
    *s = section_of(p, m->numbered + 1);
    *chunk = offer_leaves(m);
    return p;
}

bool pairing_next_piece(const struct handle *h, struct wire_section *s)
{
    const struct pairing *m = &h->pairing;
    const struct parcel *p = m->unsaid;

    if (p == NULL || !p->chunk->large)
        return false;
    const struct wire_section whole = section_of(p, m->numbered + 1);
    piece_cut(s, &whole, p->chunk->data, m->sent, h->out.piece);
    return true;
}

void pairing_piece_left(struct handle *h, const struct wire_section *s)
{
    struct pairing *m = &h->pairing;

    m->sent += s->size;
    if (m->sent == m->unsaid->chunk->len)
        outbox_give(&h->out, offer_leaves(m));
}

void pairing_unleave(struct handle *h, struct parcel *p, struct chunk *chunk)
{
    struct pairing *m = &h->pairing;

    rn_assert(p->number == m->numbered);
    m->numbered--;
    m->unsaid = p;
    p->number = 0;
    p->chunk = chunk;
    pairing_serve(h); /* it may have been closed meanwhile */
}

/* ---- the verdict ---- */

static struct parcel *find_offer(struct handle *h, uint64_t number)
{
    struct parcel *p;

    TAILQ_FOREACH(p, &h->pairing.offers, link)
    if (p->number == number)
        return p;
    return NULL;
}

/* The home has decided an offer whose send gave RN_EUNKNOWN. */
static void orphan_decided(struct handle *h, struct parcel *p)
{
    rn_reached("offering: what became of an offer in doubt is known");
    h->pairing.unknown--;
    parcel_give(&h->pool, p);
}

void pairing_offer_committed(struct handle *h, uint64_t number)
{
    struct parcel *p = find_offer(h, number);

    if (number == 0 || p == NULL)
        return;
    offer_ends(h, p);
    h->pairing.committed++;
    if (p->orphan)
        orphan_decided(h, p);
    else
        meeting_fire(h, p, 0);
}

void pairing_offer_aborted(struct handle *h, uint64_t number, bool asks)
{
    struct side *side = &h->side[RN_OUT];
    struct parcel *p = find_offer(h, number);

    side_adjust(side, asks);
    if (number == 0 || p == NULL)
        return;
    offer_ends(h, p);
    if (p->orphan) {
        orphan_decided(h, p);
        return;
    }
    rn_reached_if(asks && p->patient, "offering: an offer found no place at the home");
    if (asks && side->asked == 1 && p->both)
        side->sole = rn__wait_id(p->op->wait); /* the home knows it by its offer */
    p->asks = asks;
    meeting_release(side, p);
}

/* ---- knocks ---- */

/* The link is not up, and somebody cannot wait: the send gives up, its offer's fate will be known later. */
static void offer_yields(struct handle *h, struct parcel *p)
{
    rn_reached("offering: a send gives up in doubt");
    p->orphan = true;
    p->op->token = NULL; /* its fate may be known before the send goes on */
    p->withdraw_due |= !p->withdrawn;
    p->withdrawn = true;
    h->pairing.unknown++;
    meeting_fire(h, p, RN_EUNKNOWN);
    node_mark(h->node, h);
}

int64_t offer_knock(struct handle *h, struct parcel *p, int64_t now_ns)
{
    int64_t until_ns;

    if (p->op == NULL || rn__knocks(p->op->wait) == 0)
        return INT64_MAX;
    if (p->number ==
        0) { /* it has not left, and will at once if only another negotiator would have liked to come first */
        if (rn__knocks(p->op->wait) == RN__KNOCK_TALKS && node_up_until(h->node) > 0)
            return INT64_MAX;
        offer_ends(h, p);
        meeting_release(&h->side[RN_OUT], p);
        return INT64_MAX;
    }
    until_ns = meeting_until(h, p, now_ns);
    if (now_ns >= until_ns) {
        offer_yields(h, p);
        return INT64_MAX;
    }
    if (p->patient && !p->withdrawn) { /* any other is decided soon */
        p->withdrawn = true;
        p->withdraw_due = true;
        node_mark(h->node, h);
    }
    return until_ns;
}
