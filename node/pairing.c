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

#include "node/meeting.h"
#include "node/node.h"
#include "node/op.h"
#include "runtime/sched.h"

#include <stdlib.h>

/* without an answer for so long the link counts as not up */

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

bool pairing_busy(const struct handle *h)
{
    const struct pairing *m = &h->pairing;

    return !TAILQ_EMPTY(&m->offers) || !TAILQ_EMPTY(&m->claims) || m->n_held > 0;
}

/* ---- an operation becomes tentative, and is not any more ---- */

int meeting_ended(const struct side *side)
{
    return side->handle->fatal < 0 ? side->handle->fatal : side->closed;
}

void meeting_mute(struct side *side, struct rn__op *op)
{
    struct parcel *p = op_parcel(op);

    if (p->muted || p->twin)
        return;
    p->muted = true;
    side->muted++;
}

void meeting_join(struct side *side, struct parcel_list *list, struct rn__op *op)
{
    struct parcel *p = op_parcel(op);

    op_left(side, op);
    p->op = op;
    p->knocked_ns = 0;
    p->withdrawn = false;
    TAILQ_INSERT_TAIL(list, p, link);
}

void meeting_fire(struct handle *h, struct parcel *p, int rc)
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

void meeting_release(struct side *side, struct parcel *p)
{
    struct handle *h = side->handle;
    struct rn__op *op = p->op;
    int rc = meeting_ended(side);

    if (rc < 0) {
        meeting_fire(h, p, rc);
        return;
    }
    p->op = NULL;
    op_joins(side, op);
    open_again(h, op->wait);
    pairing_look(h);
    node_mark(h->node, h);
}

/* ---- knocks ---- */

void pairing_hurry(struct handle *h)
{
    atomic_store(&h->pairing.knocked, true);
    node_knocked(h->node);
}

int64_t meeting_until(struct handle *h, struct parcel *p, int64_t now_ns)
{
    int64_t up_ns = node_up_until(h->node);

    if (p->knocked_ns == 0)
        p->knocked_ns = now_ns;
    if (up_ns == 0)
        return 0;
    return up_ns > p->knocked_ns + NODE_UP_NS ? up_ns : p->knocked_ns + NODE_UP_NS;
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
        at_ns = offer_knock(h, p, now_ns);
        first_ns = at_ns < first_ns ? at_ns : first_ns;
    }
    for (p = TAILQ_FIRST(&h->pairing.claims); p != NULL; p = next) {
        next = TAILQ_NEXT(p, link);
        at_ns = claim_knock(h, p, now_ns);
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
    claims_serve(h);
}

void pairing_queued(struct handle *h, struct rn__op *op)
{
    struct pairing *m = &h->pairing;

    if (!handle_meets(h))
        return;
    if (op->kind == RN_RECV)
        claims_serve(h);
    else if (m->calls > 0)
        offers_serve(h);
    else if (offer_is_patient(h, op) && !h->draining && node_fence(h->node) == 0)
        offer_make(h, op, true);
}

void pairing_unqueued(struct handle *h, struct rn__op *op)
{
    struct parcel *p = op_parcel(op);

    if (p->op == NULL) {
        op_left(&h->side[op->kind == RN_SEND ? RN_OUT : RN_IN], op);
        if (!h->over)
            claims_serve(h);
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
    int rc = meeting_ended(&h->side[RN_OUT]);

    if (!handle_meets(h) || !handle_attached(h))
        return;
    if (rc < 0)
        pairing_take_back(h, rc);
    else
        offers_serve(h);
    claims_serve(h);
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
        meeting_fire(h, p, RN_EUNKNOWN);
    }
    while ((p = TAILQ_FIRST(&m->claims)) != NULL) {
        claim_ends(h, p);
        meeting_fire(h, p, rc);
    }
    m->n_held = 0;
    m->n_answers = 0;
    m->calls = 0;
}
