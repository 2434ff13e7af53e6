/* claiming.c - receives of a rendezvous: claimed for an offer, and what comes of it.   SPDX-License-Identifier: MIT
 *
 * Every claim that comes is answered once by Claimed or Refuse, or is held until one of our tentative operations is decided,
 * or was aborted before; one that was answered by Claimed may be refused afterwards, when its receive yields. */
#include "node/meeting.h"

#include "node/node.h"
#include "node/op.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_own(const struct handle *h, const struct rn__op *op,
                   const struct wire_operation *offer)
{
    return rn__wait_id(op->wait) == offer->number &&
           memcmp(node_instance(h->node), offer->instance, sizeof offer->instance) == 0;
}

/* Is the offer's operation lower than that of op? */
static bool is_lower(const struct handle *h, const struct wire_operation *offer,
                     const struct rn__op *op)
{
    int order = memcmp(offer->instance, node_instance(h->node), sizeof offer->instance);

    return order != 0 ? order < 0 : offer->number < rn__wait_id(op->wait);
}

static void answer(struct handle *h, uint64_t claim, enum wire_what what)
{
    struct pairing *m = &h->pairing;

    rn_assert(m->n_answers < m->answers_cap);
    m->answers[m->n_answers++] = (struct claim_answer){ claim, what };
    node_mark(h->node, h);
}

/* Room for one more claim and all that may have to be said about it and those before.  false: no memory. */
static bool make_room(struct pairing *m)
{
    uint32_t answers = m->n_answers + 2 * (1 + m->n_held + m->n_claims);

    if (m->n_held == m->held_cap) {
        uint32_t cap = m->held_cap == 0 ? 4 : 2 * m->held_cap;
        struct held_claim *held = realloc(m->held, cap * sizeof *held);
        if (held == NULL)
            return false;
        m->held = held;
        m->held_cap = cap;
    }
    if (answers > m->answers_cap) {
        struct claim_answer *more = realloc(m->answers, 2 * answers * sizeof *more);
        if (more == NULL)
            return false;
        m->answers = more;
        m->answers_cap = 2 * answers;
    }
    return true;
}

void claim_ends(struct handle *h, struct parcel *p)
{
    TAILQ_REMOVE(&h->pairing.claims, p, link);
    h->pairing.n_claims--;
}

/* ---- claims come ---- */

static bool accept_claim(struct handle *h, struct rn__op *op, uint64_t claim)
{
    struct side *side = &h->side[RN_IN];

    if (!rn__tentative(op->wait, op->index)) {
        meeting_mute(side, op);
        return false;
    }
    meeting_join(side, &h->pairing.claims, op);
    h->pairing.n_claims++;
    op_parcel(op)->claim = claim;
    op_parcel(op)->delivery = 0;
    answer(h, claim, WIRE_CLAIMED);
    return true;
}

enum decision { ACCEPTED, HELD, REFUSED };

/* Looks for a receive that takes the offer. */
static enum decision decide(struct handle *h, const struct held_claim *c)
{
    struct side *side = &h->side[RN_IN];
    bool lower = false;
    struct rn__op *op, *next;

    if (!handle_attached(h) || meeting_ended(side) < 0 || side->unbind_due ||
        node_fence(h->node) != 0)
        return REFUSED;
    for (op = rn__chan_first(h->chan, RN_RECV); op != NULL; op = next) {
        next = op->next;
        if (op_parcel(op)->twin || is_own(h, op, &c->offer))
            continue;
        if (op_parcel(op)->op == NULL && accept_claim(h, op, c->claim))
            return ACCEPTED;
        if (rn__is_tentative(op->wait))
            lower |= is_lower(h, &c->offer, op);
    }
    rn_reached_if(lower, "claiming: a claim is held until another operation is decided");
    return lower ? HELD : REFUSED;
}

/* true: it has been answered. */
static bool settle_claim(struct handle *h, const struct held_claim *c)
{
    enum decision d = decide(h, c);

    if (d == REFUSED)
        answer(h, c->claim, WIRE_REFUSE);
    return d != HELD;
}

int pairing_claim(struct handle *h, uint64_t claim, const struct wire_operation *offer_of)
{
    struct pairing *m = &h->pairing;
    struct held_claim c = { claim, *offer_of };

    if (!make_room(m))
        return -ENOMEM;
    side_adjust(&h->side[RN_IN], -1);
    if (!settle_claim(h, &c))
        m->held[m->n_held++] = c;
    return 0;
}

void claims_serve(struct handle *h)
{
    struct pairing *m = &h->pairing;
    uint32_t left = 0;

    for (uint32_t i = 0; i < m->n_held; i++)
        if (!settle_claim(h, &m->held[i]))
            m->held[left++] = m->held[i];
    m->n_held = left;
}

/* ---- how they end ---- */

static struct parcel *find_claim(struct handle *h, uint64_t claim)
{
    struct parcel *p;

    TAILQ_FOREACH(p, &h->pairing.claims, link)
    if (p->claim == claim)
        return p;
    return NULL;
}

void pairing_claim_committed(struct handle *h, uint64_t claim, uint64_t delivery)
{
    struct parcel *p = find_claim(h, claim);

    if (p != NULL) /* else it has yielded, and the home hears so */
        p->delivery = delivery;
}

void pairing_claim_aborted(struct handle *h, uint64_t claim, bool asks)
{
    struct pairing *m = &h->pairing;
    struct side *side = &h->side[RN_IN];
    struct parcel *p = find_claim(h, claim);

    side_adjust(side, asks);
    for (uint32_t i = 0; i < m->n_held; i++) {
        if (m->held[i].claim != claim)
            continue;
        memmove(&m->held[i], &m->held[i + 1], (m->n_held - i - 1) * sizeof *m->held);
        m->n_held--;
        node_mark(h->node, h);
        return;
    }
    if (p == NULL) {
        rn_reached("claiming: an abort crosses a refusal");
        return;
    }
    claim_ends(h, p);
    meeting_release(side, p);
}

static struct parcel *find_delivery(struct handle *h, uint64_t delivery)
{
    struct parcel *p;

    TAILQ_FOREACH(p, &h->pairing.claims, link)
    if (p->delivery == delivery)
        return p;
    return NULL;
}

bool pairing_expects(struct handle *h, uint64_t delivery)
{
    bool expected = find_delivery(h, delivery) != NULL;

    rn_reached_if(!expected, "claiming: an element comes for a receive that has yielded");
    return expected;
}

void pairing_section(struct handle *h, struct frame *frame, const struct wire_section *s)
{
    struct parcel *p = find_delivery(h, s->number);
    size_t at = 0;

    if (node_fence(h->node) == RN_ESESSION)
        return; /* the home may have given it to another by now: the receive ends with the session */
    claim_ends(h, p);
    p->data = section_element(s, &at, &p->len);
    p->frame = frame_ref(frame);
    p->position = s->position;
    p->deliveries = s->deliveries;
    p->headed = s->flags & WIRE_HEADED;
    p->number = ++h->popped;
    meeting_fire(h, p, 0);
    claims_serve(h);
    node_mark(h->node, h); /* an Unbind or a Close may have waited for it */
}

void pairing_receives_over(struct handle *h)
{
    struct pairing *m = &h->pairing;
    struct parcel *p;

    m->n_held = 0;
    while ((p = TAILQ_FIRST(&m->claims)) != NULL) {
        rn_reached("claiming: a cancellation drops what was committed");
        claim_ends(h, p);
        meeting_release(&h->side[RN_IN], p);
    }
}

/* ---- knocks ---- */

static void claim_yields(struct handle *h, struct parcel *p)
{
    rn_reached("claiming: a receive does not wait for its element");
    rn_reached_if(h->in.coming.frame != NULL, "claiming: a receive yields half way");
    if (h->in.coming.section.number == p->delivery)
        assembly_drop(&h->in.coming); /* nothing may come any more */
    claim_ends(h, p);
    answer(h, p->claim, WIRE_REFUSE);
    meeting_release(&h->side[RN_IN], p);
}

int64_t claim_knock(struct handle *h, struct parcel *p, int64_t now_ns)
{
    int64_t until_ns;

    if (rn__knocks(p->op->wait) == 0)
        return INT64_MAX;
    until_ns = meeting_until(h, p, now_ns);
    if (now_ns < until_ns)
        return until_ns;
    claim_yields(h, p);
    return INT64_MAX;
}
