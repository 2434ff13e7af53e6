/* pairing.c - a handle's part in rendezvous; see pairing.h.   SPDX-License-Identifier: MIT
 *
 * Invariants, under the channel's lock:
 *   - a parcel on `offers` or `claims` is the token of an operation in the channel's queue that is tentative by this
 *     handle - or of none: an offer whose send gave RN_EUNKNOWN (an orphan), which is kept until its fate is known;
 *   - such operations are not counted in side->waiting, so the home is not asked for them;
 *   - every claim that came is answered once by Claimed or Refuse, or is held, or was aborted before; a claim that was
 *     answered by Claimed may be refused afterwards, when its receive yields.
 *
 * Only what makes an operation tentative ends that again, so of the two words - the claim word and these lists - the
 * lists are right whenever the lock is free. */
#include "node/pairing.h"

#include "node/node.h"
#include "node/op.h"
#include "proto/limits.h"
#include "runtime/assert.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UP_NS RN_SEC /* without an answer for so long the link counts as not up */

void pairing_init(struct pairing *m)
{
    *m = (struct pairing){ 0 };
    TAILQ_INIT(&m->offers);
    TAILQ_INIT(&m->claims);
    atomic_init(&m->look, false);
    atomic_init(&m->knocked, false);
}

void pairing_fini(struct pairing *m)
{
    free(m->held);
    free(m->answers);
}

bool handle_meets(const struct handle *h)
{
    return h->capacity == WIRE_RENDEZVOUS;
}

bool pairing_busy(const struct handle *h)
{
    const struct pairing *m = &h->pairing;

    return !TAILQ_EMPTY(&m->offers) || !TAILQ_EMPTY(&m->claims) || m->n_held > 0;
}

/* ---- who is who ---- */

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

/* An operation that is tentative elsewhere was passed over: the home is not to be asked for it before it comes back. */
static void mute(struct side *side, struct rn__op *op)
{
    struct parcel *p = op_parcel(op);

    if (p->muted || p->twin)
        return;
    p->muted = true;
    side->muted++;
}

/* ---- beginning ---- */

/* The operation is tentative here from now on. */
static void join(struct side *side, struct parcel_list *list, struct rn__op *op)
{
    struct parcel *p = op_parcel(op);

    op_left(side, op);
    p->op = op;
    p->knocked_ns = 0;
    p->withdrawn = false;
    TAILQ_INSERT_TAIL(list, p, link);
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

/* ---- ending ---- */

/* The case that was negotiated fires. */
static void fire(struct handle *h, struct parcel *p, int rc)
{
    struct rn__op *op = p->op;

    p->op = NULL;
    if (rn__op_fire(h->chan, op))
        rn__op_complete(op, rc);
}

/* The handles in which the other cases of a select wait; a reference to each. */
static int others_of(const struct handle *h, const struct rn__wait *w, struct handle **others)
{
    int n = 0;

    for (int i = 0; i < w->n_ops; i++) {
        const struct rn__op *op = &w->ops[i];
        if (op->ops == &handle_ops && op->chan != h->chan)
            others[n++] = handle_ref(rn__chan_bound(op->chan));
    }
    return n;
}

/* The wait is open again, unless it ends by a knock.  Who was told to wait for that looks again. */
static void open_again(struct handle *h, struct rn__wait *w)
{
    int n_ops = rn__knocks(w) & RN__KNOCK_TALKS ? w->n_ops : 0;
    struct handle *others[n_ops > 0 ? n_ops : 1];
    int n = n_ops > 0 ? others_of(h, w, others) : 0; /* now: an open wait may be gone at once */
    bool woken;

    if (!rn__tentative_release(w, &woken) && !woken)
        rn__wake(w);
    for (int i = 0; i < n; i++) {
        atomic_store(&others[i]->pairing.look, true);
        node_mark_unlocked(others[i]->node, others[i]);
        handle_unref(others[i]);
    }
}

/* What operations of a side get that is closed, or whose handle has failed; 0: neither. */
static int ended(const struct side *side)
{
    return side->handle->fatal < 0 ? side->handle->fatal : side->closed;
}

/* The negotiation came to nothing: the operation waits again, or ends by what knocked meanwhile, or as its side did. */
static void release(struct side *side, struct parcel *p)
{
    struct handle *h = side->handle;
    struct rn__op *op = p->op;
    int rc = ended(side);

    if (rc < 0) {
        fire(h, p, rc);
        return;
    }
    p->op = NULL;
    op_joins(side, op);
    open_again(h, op->wait);
    pairing_look(h);
    node_mark(h->node, h);
}

static void drop_chunk(struct handle *h, struct parcel *p)
{
    if (p->chunk != NULL)
        outbox_give(&h->out, p->chunk);
    p->chunk = NULL;
}

/* The offer is over, whatever became of it. */
static void offer_ends(struct handle *h, struct parcel *p)
{
    if (h->pairing.unsaid == p)
        h->pairing.unsaid = TAILQ_NEXT(p, link);
    if (p->number == 0 && !p->patient)
        h->pairing.calls++; /* the call that it was made for is still there */
    TAILQ_REMOVE(&h->pairing.offers, p, link);
    p->number = 0;
    drop_chunk(h, p);
}

static void claim_ends(struct handle *h, struct parcel *p)
{
    TAILQ_REMOVE(&h->pairing.claims, p, link);
    h->pairing.n_claims--;
}

void pairing_take_back(struct handle *h, int rc)
{
    struct parcel *p;

    while ((p = h->pairing.unsaid) != NULL) {
        offer_ends(h, p);
        fire(h, p, rc);
        node_mark(h->node, h);
    }
}

/* ---- offering ---- */

/* Has the operation no other case?  Then nothing is lost by its being tentative, and the home may keep the offer: a small
 * one, because it is kept in the home's memory. */
static bool is_patient(const struct rn__op *op)
{
    return op->wait->n_ops == 1 && op_parcel(op)->buf.len <= WIRE_FRAME_TARGET;
}

/* Unless it is tentative elsewhere, or decided.  One that is not patient uses up a call. */
static void offer(struct handle *h, struct rn__op *op, bool patient)
{
    struct side *side = &h->side[RN_OUT];
    struct parcel *p = op_parcel(op);

    if (!rn__tentative(op->wait, op->index)) {
        mute(side, op);
        return;
    }
    join(side, &h->pairing.offers, op);
    if (h->pairing.unsaid == NULL)
        h->pairing.unsaid = p;
    p->number = 0;
    p->patient = patient;
    h->pairing.calls -= !patient;
    p->chunk = outbox_pack(&h->out, p->buf.data, p->buf.len);
    if (p->chunk != NULL) {
        node_mark(h->node, h);
    } else {
        offer_ends(h, p);
        fire(h, p, -ENOMEM);
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
            offer(h, op, /* patient= */ false);
    }
}

static void serve_offers(struct handle *h)
{
    struct rn__op *op, *next;

    if (h->draining || node_fence(h->node) != 0)
        return;
    serve_calls(h);
    for (op = rn__chan_first(h->chan, RN_SEND); op != NULL; op = next) {
        next = op->next;
        if (op_parcel(op)->op == NULL && !op_parcel(op)->asks && is_patient(op))
            offer(h, op, true);
    }
}

void pairing_call(struct handle *h, uint32_t n, uint64_t but)
{
    h->pairing.calls += n;
    h->pairing.but = but;
    side_adjust(&h->side[RN_OUT], -(int64_t)n);
}

size_t pairing_next_size(const struct handle *h)
{
    const struct parcel *p = h->pairing.unsaid;

    return p != NULL ? WIRE_SECTION_HEADER + p->chunk->len : 0;
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

struct parcel *pairing_leave(struct handle *h, struct wire_section *s, struct chunk **chunk)
{
    struct pairing *m = &h->pairing;
    struct parcel *p = m->unsaid;

    if (p == NULL)
        return NULL;
    m->unsaid = TAILQ_NEXT(p, link);
    p->number = ++m->numbered;
    *chunk = p->chunk;
    p->chunk = NULL;
    *s = (struct wire_section){
        .count = 1,
        .number = p->number,
        .position = rn__wait_id(p->op->wait),
        .deliveries = left_ms(p->op->deadline),
        .bytes = (*chunk)->bytes,
        .size = (uint32_t)(*chunk)->len,
        .flags = WIRE_OFFER | (p->patient ? WIRE_PATIENT : 0),
        .body = (*chunk)->data,
    };
    return p;
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
        fire(h, p, 0);
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
    if (asks && side->asked == 1 && p->both)
        side->sole = rn__wait_id(p->op->wait); /* the home knows it by its offer */
    p->asks = asks;
    release(side, p);
}

/* ---- being claimed ---- */

static bool accept_claim(struct handle *h, struct rn__op *op, uint64_t claim)
{
    struct side *side = &h->side[RN_IN];

    if (!rn__tentative(op->wait, op->index)) {
        mute(side, op);
        return false;
    }
    join(side, &h->pairing.claims, op);
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

    if (ended(side) < 0 || side->unbind_due || node_fence(h->node) != 0)
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

static void serve_held(struct handle *h)
{
    struct pairing *m = &h->pairing;
    uint32_t left = 0;

    for (uint32_t i = 0; i < m->n_held; i++)
        if (!settle_claim(h, &m->held[i]))
            m->held[left++] = m->held[i];
    m->n_held = left;
}

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
    if (p == NULL)
        return; /* refused: that crossed this */
    claim_ends(h, p);
    release(side, p);
}

void pairing_section(struct handle *h, struct frame *frame, const struct wire_section *s)
{
    struct parcel *p;
    size_t at = 0;

    TAILQ_FOREACH(p, &h->pairing.claims, link)
    if (p->delivery == s->number)
        break;
    if (p == NULL)
        return; /* it has yielded */
    claim_ends(h, p);
    p->data = section_element(s, &at, &p->len);
    p->frame = frame_ref(frame);
    p->number = ++h->popped;
    fire(h, p, 0);
    serve_held(h);
    node_mark(h->node, h); /* an Unbind or a Close may have waited for it */
}

/* ---- knocks ---- */

void pairing_hurry(struct handle *h)
{
    atomic_store(&h->pairing.knocked, true);
    node_knocked(h->node);
}

/* The link is not up, and somebody cannot wait: the send gives up, its offer's fate will be known later. */
static void offer_yields(struct handle *h, struct parcel *p)
{
    p->orphan = true;
    p->withdraw_due |= !p->withdrawn;
    p->withdrawn = true;
    h->pairing.unknown++;
    fire(h, p, RN_EUNKNOWN);
    node_mark(h->node, h);
}

static void claim_yields(struct handle *h, struct parcel *p)
{
    claim_ends(h, p);
    answer(h, p->claim, WIRE_REFUSE);
    release(&h->side[RN_IN], p);
}

/* Until when a tentative operation that was knocked on waits for the home's verdict. */
static int64_t wait_until(struct handle *h, struct parcel *p, int64_t now_ns)
{
    int64_t up_ns = node_up_until(h->node);

    if (p->knocked_ns == 0)
        p->knocked_ns = now_ns;
    if (up_ns == 0)
        return 0;
    return up_ns > p->knocked_ns + UP_NS ? up_ns : p->knocked_ns + UP_NS;
}

static int64_t knock_at_offer(struct handle *h, struct parcel *p, int64_t now_ns)
{
    int64_t until_ns;

    if (p->op == NULL || rn__knocks(p->op->wait) == 0)
        return INT64_MAX;
    if (p->number ==
        0) { /* it has not left, and will at once if only another negotiator would have liked to come first */
        if (rn__knocks(p->op->wait) == RN__KNOCK_TALKS && node_up_until(h->node) > 0)
            return INT64_MAX;
        offer_ends(h, p);
        release(&h->side[RN_OUT], p);
        return INT64_MAX;
    }
    until_ns = wait_until(h, p, now_ns);
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

static int64_t knock_at_claim(struct handle *h, struct parcel *p, int64_t now_ns)
{
    int64_t until_ns;

    if (rn__knocks(p->op->wait) == 0)
        return INT64_MAX;
    until_ns = wait_until(h, p, now_ns);
    if (now_ns < until_ns)
        return until_ns;
    claim_yields(h, p);
    return INT64_MAX;
}

int64_t pairing_knocks(struct handle *h, int64_t now_ns)
{
    int64_t first_ns = INT64_MAX, at_ns;
    struct parcel *p, *next;

    atomic_store(&h->pairing.knocked, false); /* before we look */
    if (h->over)
        return INT64_MAX;
    for (p = TAILQ_FIRST(&h->pairing.offers); p != NULL; p = next) {
        next = TAILQ_NEXT(p, link);
        at_ns = knock_at_offer(h, p, now_ns);
        first_ns = at_ns < first_ns ? at_ns : first_ns;
    }
    for (p = TAILQ_FIRST(&h->pairing.claims); p != NULL; p = next) {
        next = TAILQ_NEXT(p, link);
        at_ns = knock_at_claim(h, p, now_ns);
        first_ns = at_ns < first_ns ? at_ns : first_ns;
    }
    return first_ns;
}

/* ---- as a whole ---- */

void pairing_look(struct handle *h)
{
    atomic_store(&h->pairing.look, false);
    for (int dir = 0; dir < 2; dir++) {
        struct side *side = &h->side[dir];
        struct rn__op *op = side->muted > 0 ? rn__chan_first(h->chan, op_of_dir(side->dir)) : NULL;
        for (; op != NULL; op = op->next) {
            struct parcel *p = op_parcel(op);
            side->muted -= p->muted;
            p->muted = false; /* also if it is tentative again: that was not told to wait for us */
        }
    }
    serve_held(h);
}

void pairing_queued(struct handle *h, struct rn__op *op)
{
    struct pairing *m = &h->pairing;

    if (!handle_meets(h))
        return;
    if (op->kind == RN_RECV)
        serve_held(h);
    else if (m->calls > 0)
        serve_offers(h);
    else if (is_patient(op) && !h->draining && node_fence(h->node) == 0)
        offer(h, op, true);
}

void pairing_unqueued(struct handle *h, struct rn__op *op)
{
    struct parcel *p = op_parcel(op);

    if (p->op == NULL) {
        op_left(&h->side[op->kind == RN_SEND ? RN_OUT : RN_IN], op);
        if (!h->over)
            serve_held(h);
        return;
    }
    /* The scheduler ends: nobody has decided it, nobody will. */
    p->op = NULL;
    if (op->kind == RN_SEND)
        offer_ends(h, p);
    else
        claim_ends(h, p);
}

void pairing_serve(struct handle *h)
{
    int rc = ended(&h->side[RN_OUT]);

    if (!handle_meets(h))
        return;
    if (rc < 0)
        pairing_take_back(h, rc);
    else
        serve_offers(h);
    serve_held(h);
}

void pairing_receives_over(struct handle *h)
{
    struct pairing *m = &h->pairing;
    struct parcel *p;

    m->n_held = 0;
    while ((p = TAILQ_FIRST(&m->claims)) != NULL) {
        rn_reached("pairing: a cancellation drops what was committed");
        claim_ends(h, p);
        release(&h->side[RN_IN], p);
    }
}

void pairing_over(struct handle *h, int rc)
{
    struct pairing *m = &h->pairing;
    struct parcel *p;

    pairing_take_back(h, rc);
    while ((p = TAILQ_FIRST(&m->offers)) != NULL) {
        offer_ends(h, p);
        if (p->orphan) {
            parcel_give(&h->pool, p);
            continue;
        }
        m->unknown++;
        fire(h, p, RN_EUNKNOWN);
    }
    while ((p = TAILQ_FIRST(&m->claims)) != NULL) {
        claim_ends(h, p);
        fire(h, p, rc);
    }
    m->n_held = 0;
    m->n_answers = 0;
    m->calls = 0;
}
