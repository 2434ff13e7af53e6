/* handle.c - what both sides of a bound channel share: life, closing, failing, the ledger.
 *   SPDX-License-Identifier: MIT
 *
 * Invariants, under the channel's lock:
 *   - an operation waits in the channel's queue only if it could not be performed when it was last looked at;
 *     whatever may change that (credit, elements, the lease, an end) calls handle_serve_locked() or ends it;
 *   - numbered = accepted + queued or under way + given up, and `excluded` of those not accepted did not give 0;
 *   - once `fatal` is set no operation is performed, and nothing waits in the channel's queues;
 *   - once `over` is set nothing waits for the home. */
#include "node/handle.h"

#include "node/node.h"
#include "node/op.h"
#include "node/trail.h"
#include "runtime/assert.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <stdlib.h>
#include <string.h>

static void side_init(struct side *side, struct handle *h, enum rn_dir dir)
{
    side->handle = h;
    side->dir = dir;
}

struct handle *handle_new(struct rn_node *node, const char *name, rn_chan *chan)
{
    struct handle *h = aligned_alloc(_Alignof(struct handle), sizeof *h);
    if (h == NULL)
        return NULL;
    memset(h, 0, sizeof *h);
    h->name = strdup(name);
    if (h->name == NULL) {
        free(h);
        return NULL;
    }
    atomic_init(&h->refs, 1);
    h->chan = chan;
    h->node = node_ref(node);
    h->trail = trails_join(node_trails(node));
    side_init(&h->side[RN_IN], h, RN_IN);
    side_init(&h->side[RN_OUT], h, RN_OUT);
    outbox_init(&h->out, node_chunks(node));
    TAILQ_INIT(&h->verdicts);
    TAILQ_INIT(&h->turns);
    TAILQ_INIT(&h->leavers);
    store_init(&h->in);
    pairing_init(&h->pairing);
    return h;
}

struct handle *handle_ref(struct handle *h)
{
    /* Relaxed: who makes a reference has one already, so the count cannot reach zero meanwhile. */
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

void handle_unref(struct handle *h)
{
    /* acq_rel: the last one sees all that the others did before they let go. */
    if (h == NULL || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) > 1)
        return;
    rn_assert(TAILQ_EMPTY(&h->turns));
    rn_assert(TAILQ_EMPTY(&h->leavers));
    rn_assert(!pairing_busy(h));
    pairing_fini(&h->pairing);
    struct parcel *p;
    while ((p = TAILQ_FIRST(&h->verdicts)) != NULL) {
        rn_assert(!p->waiting);
        TAILQ_REMOVE(&h->verdicts, p, link);
        parcel_give(&h->pool, p);
    }
    parcel_pool_fini(&h->pool);
    hand_leave(h->hand);
    outbox_fini(&h->out);
    store_fini(&h->in);
    for (int dir = 0; dir < 2; dir++)
        free(h->side[dir].type);
    free(h->name);
    trails_leave(node_trails(h->node));
    node_unref(h->node);
    free(h);
}

struct handle *handle_of(const rn_chan *c)
{
    rn_chan *chan = (rn_chan *)c;
    if (chan == NULL)
        return NULL;
    struct handle *h = NULL;
    rn__chan_lock(chan);
    if (rn__chan_ops(chan) == &handle_ops)
        h = handle_ref(rn__chan_bound(chan));
    rn__chan_unlock(chan);
    return h;
}

/* ---- who waits in the channel's queues ---- */

/* Takes a waiting operation out of its queue.  false: it was decided otherwise, or is tentative elsewhere, knows now that
 * there was something for it, and stays. */
static bool side_take(struct side *side, struct rn__op *op)
{
    bool won = rn__op_claim(side->handle->chan, op);
    if (won || !op->queued)
        op_left(side, op);
    return won;
}

/* Ends everything that waits in a direction and is not tentative. */
static void side_end(struct side *side, int rc)
{
    struct rn__op *op = rn__chan_first(side->handle->chan, op_of_dir(side->dir)), *next;
    if (!handle_attached(side->handle))
        return; /* it is a local channel's */
    for (; op != NULL; op = next) {
        next = op->next;
        if (op_parcel(op)->op == NULL && side_take(side, op))
            rn__op_complete(op, rc);
    }
}

static void serve_sends(struct handle *h)
{
    struct side *side = &h->side[RN_OUT];
    struct rn__op *op = rn__chan_first(h->chan, RN_SEND), *next;
    for (; op != NULL; op = next) {
        next = op->next;
        int rc = send_ready(h, op);
        if (rc > 0)
            return;
        if (op_parcel(op)->op != NULL || !side_take(side, op))
            continue;
        if (rc == 0)
            rc = send_perform(h, op);
        rn__op_complete(op, rc);
    }
}

static void serve_receives(struct handle *h)
{
    struct side *side = &h->side[RN_IN];
    struct rn__op *op = rn__chan_first(h->chan, RN_RECV), *next;
    for (; op != NULL; op = next) {
        next = op->next;
        int rc = receive_ready(h);
        if (rc > 0)
            return;
        if (op_parcel(op)->op != NULL || !side_take(side, op))
            continue;
        if (rc == 0)
            receive_perform(h, op);
        rn__op_complete(op, rc);
    }
}

void handle_serve_locked(struct handle *h)
{
    if (h->over || !handle_attached(h))
        return;
    serve_sends(h);
    serve_receives(h);
    pairing_serve(h);
    for (int dir = 0; dir < 2; dir++)
        if (side_must_ask(&h->side[dir]))
            node_mark(h->node, h);
}

void handle_expire_locked(struct handle *h)
{
    if (!store_expire(&h->in, rn__boottime()))
        return;
    rn_reached("handle: prefetched elements expire");
    if (!h->over)
        node_mark(h->node, h);
}

void handle_serve(struct handle *h)
{
    rn__chan_lock(h->chan);
    handle_serve_locked(h);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
}

/* ---- what the home says ---- */

void handle_attributes(struct side *side, const struct wire_attributes *a)
{
    struct handle *h = side->handle;
    rn__chan_lock(h->chan);
    h->capacity = a->capacity;
    h->capacity_bytes = a->capacity_bytes;
    h->slow.policy = a->slow;
    h->fans = a->kind == WIRE_FANOUT;
    node_mark(h->node, h);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
}

void side_adjust(struct side *side, int64_t change)
{
    side->asked += change;
    side->adjusted += change;
    if (change != 0)
        side->sole = 0;
}

uint64_t side_sole(const struct side *side)
{
    const struct rn__op *op;

    if (side->waiting - side->muted != 1 || side->handle->capacity > 0)
        return 0;
    op = rn__chan_first(side->handle->chan, op_of_dir(side->dir));
    while (op_parcel(op)->twin || op_parcel(op)->muted || op_parcel(op)->op != NULL)
        op = op->next;
    return op_parcel(op)->both ? rn__wait_id(op->wait) : 0;
}

bool side_must_ask(const struct side *side)
{
    return side->asked_over || side->waiting - side->muted != side->asked ||
           side_sole(side) != side->sole;
}

/* The home has answered n of what it was asked.  With credit it may have done so twice, for an Ask that crossed the answer
 * to the one before; then it would think that what is over here is still claimed. */
static void side_answered(struct side *side, uint64_t n)
{
    if (side->dir == RN_OUT && side->asked > 0 && n > (uint64_t)side->asked) {
        rn_reached("handle: the home has answered one asking twice");
        side->asked_over = true;
    }
    side->asked -= n < (uint64_t)side->asked ? (int64_t)n : side->asked;
    if (n > 0)
        side->weak_until = 0;
}

void handle_credit(struct handle *h, uint64_t elements, uint64_t bytes, uint64_t but)
{
    struct side *side = &h->side[RN_OUT];
    rn__chan_lock(h->chan);
    if (handle_meets(h) && !h->over) {
        pairing_call(h, (uint32_t)elements, but);
        pairing_serve(h);
        node_mark(h->node, h);
    } else if (!h->over && h->fatal == 0 && side->closed == 0) {
        outbox_credit(&h->out, elements, bytes);
        side_answered(side, elements);
        handle_serve_locked(h);
    } else if (!h->over) {
        rn_reached("handle: credit comes when it is of no use");
        outbox_credit(&h->out, elements,
                      bytes); /* goes back with the next Returned or the Unbind */
    }
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
}

/* Moves the verdicts up to number that have come onto a private list.  A send that is told 0 counts as one that
 * gave 0 from then on. */
static void verdicts_covered(struct handle *h, struct parcel_list *told)
{
    struct parcel *p;
    while ((p = TAILQ_FIRST(&h->verdicts)) != NULL && p->number <= h->out.accepted) {
        TAILQ_REMOVE(&h->verdicts, p, link);
        if (p->counted)
            h->excluded--;
        p->rc = 0;
        TAILQ_INSERT_TAIL(told, p, link);
    }
}

/* Tells those on a private list; who gave up does not listen any more. */
static void verdicts_tell(struct handle *h, struct parcel_list *told)
{
    struct parcel *p;
    while ((p = TAILQ_FIRST(told)) != NULL) {
        TAILQ_REMOVE(told, p, link);
        if (p->orphan) {
            rn_reached("handle: what became of a send in doubt is known");
            parcel_give(&h->pool, p);
        } else {
            parcel_signal(p);
        }
    }
}

int handle_accepted(struct handle *h, uint64_t number)
{
    struct parcel_list told = TAILQ_HEAD_INITIALIZER(told);
    rn__chan_lock(h->chan);
    int rc = outbox_accept(&h->out, number);
    verdicts_covered(h, &told);
    for (struct parcel *p = TAILQ_FIRST(&told); p != NULL; p = TAILQ_NEXT(p, link))
        p->waiting = false;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    verdicts_tell(h, &told);
    return rc;
}

/* Does anybody want it still?  What comes for a side that has ended stays untaken, and the home gives it to others. */
static bool section_wanted(struct handle *h, const struct wire_section *s)
{
    const struct side *side = &h->side[RN_IN];
    if (s->flags & WIRE_OFFER)
        return !h->over && pairing_expects(h, s->number);
    return !h->over && h->fatal == 0 && side->closed == 0 && !side->unbind_due;
}

/* Elements that are whole.  Channel locked. */
static int section_comes(struct handle *h, struct frame *frame, const struct wire_section *s,
                         int64_t expires_ns)
{
    struct side *side = &h->side[RN_IN];
    if (s->flags & WIRE_OFFER) {
        pairing_section(h, frame, s);
        return 0;
    }
    int rc = store_push_timed(&h->in, frame, s, expires_ns);
    side->adjusted -= s->count;
    side_answered(side, s->count);
    handle_serve_locked(h);
    store_settle(&h->in); /* what nobody has waited for */
    if (h->slow.policy > WIRE_SLOW_BLOCK)
        slow_look(h);
    return rc;
}

/* Whoever takes an element gathers it; but what stands before it, and what a claim brings, is looked into here. */
static uint64_t scattered_from(const struct handle *h, const struct wire_section *s)
{
    return s->flags & (WIRE_OFFER | WIRE_HEADED | WIRE_DEAD) ? 0 : h->out.large;
}

static int piece_comes(struct handle *h, struct frame *in, const struct wire_section *s,
                       int64_t expires_ns)
{
    const char *why;
    struct wire_section whole;
    if (s->offset == 0)
        h->in.coming_expires_ns = expires_ns;
    int rc = assembly_add(&h->in.coming, s, in, scattered_from(h, s), &why);
    if (rc <= 0)
        return rc;
    rn_reached("handle: an element is whole");
    struct frame *frame = assembly_take(&h->in.coming, &whole);
    rc = section_comes(h, frame, &whole, h->in.coming_expires_ns);
    frame_unref(frame);
    return rc;
}

int handle_section(struct handle *h, struct frame *frame, const struct wire_section *s,
                   int64_t expires_ns)
{
    int rc = 0;
    rn__chan_lock(h->chan);
    if (!section_wanted(h, s)) {
        rn_reached_if(s->flags & WIRE_PIECE, "handle: a piece comes that nobody wants");
        rn_reached_if(!(s->flags & (WIRE_PIECE | WIRE_OFFER)),
                      "handle: elements come for a side that has ended");
        assembly_drop(&h->in.coming);
    } else {
        uint64_t popped = h->popped;
        bool piece = s->flags & WIRE_PIECE;
        rc = piece ? piece_comes(h, frame, s, expires_ns) : section_comes(h, frame, s, expires_ns);
        /* What is large, or has more behind it, is long in the hands of who takes it. */
        if (rc == 0 && !piece && h->in.len == 0)
            rc = (int)(h->popped - popped);
    }
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return rc;
}

int handle_pairing(struct side *side, const struct wire_control *c)
{
    struct handle *h = side->handle;
    int rc = 0;
    rn__chan_lock(h->chan);
    if (h->over)
        goto unlock;
    if (c->what == WIRE_CLAIM)
        rc = pairing_claim(h, c->meet.claim, &c->meet.offer);
    else if (c->what == WIRE_COMMIT && side->dir == RN_OUT)
        pairing_offer_committed(h, c->meet.number);
    else if (c->what == WIRE_COMMIT)
        pairing_claim_committed(h, c->meet.claim, c->meet.number);
    else if (side->dir == RN_OUT)
        pairing_offer_aborted(h, c->meet.number, c->meet.asks);
    else
        pairing_claim_aborted(h, c->meet.claim, c->meet.asks);
    if (side->close_due || side->unbind_due || side_must_ask(side))
        node_mark(h->node, h);
unlock:
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return rc;
}

void handle_closed(struct side *side, int result, int reason)
{
    struct handle *h = side->handle;
    rn__chan_lock(h->chan);
    if (side->closed == 0)
        side->closed = result;
    if (h->reason == 0)
        h->reason = reason;
    side->close_due = false;
    if (side->dir == RN_IN)
        hand_close(h->hand); /* it is drained, or cancelled: the home holds nothing of it */
    if (side->dir == RN_OUT) {
        pairing_take_back(h, side->closed);
        side_end(side, side->closed);
        side->unbind_due |= side->leaves && side->state == SIDE_BOUND;
        if (side->leaves)
            node_mark(h->node, h);
    } else {
        if (reason < 0)
            store_clear(&h->in); /* cancelled: the home has dropped what nobody took */
        pairing_receives_over(h);
        handle_serve_locked(h);
    }
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
}

/* ---- ends ---- */

void handle_forget_ahead(struct handle *h)
{
    /* Of a rendezvous nothing is ahead: what is coming is for a receive that was promised it. */
    if (!handle_meets(h))
        store_clear(&h->in);
}

void handle_fail_locked(struct handle *h, int rc)
{
    if (h->fatal == 0)
        h->fatal = rc;
    handle_forget_ahead(h);
    hand_close(h->hand);
    pairing_take_back(h, h->fatal);
    for (int dir = 0; dir < 2; dir++) {
        side_end(&h->side[dir], h->fatal);
        if (h->side[dir].state == SIDE_BOUND || h->side[dir].state == SIDE_BINDING)
            h->side[dir].unbind_due = true;
    }
    node_mark(h->node, h);
}

void handle_fail(struct handle *h, int rc)
{
    rn__chan_lock(h->chan);
    handle_fail_locked(h, rc);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
}

void chan_dismiss(rn_chan *c)
{
    struct handle *h = handle_of(c);
    if (h != NULL)
        handle_fail(h, -ESHUTDOWN);
    handle_unref(h);
    rn_chan_unref(c);
}

void handle_over(struct handle *h, int rc)
{
    struct parcel_list told = TAILQ_HEAD_INITIALIZER(told);
    struct parcel_list left = TAILQ_HEAD_INITIALIZER(left);
    rn__chan_lock(h->chan);
    if (h->fatal == 0)
        h->fatal = rc;
    h->over = true;
    store_clear(&h->in);
    hand_over(h->hand);
    struct chunk *unsent = outbox_clear(&h->out);
    pairing_over(h, h->fatal);
    for (int dir = 0; dir < 2; dir++) {
        side_end(&h->side[dir], h->fatal);
        h->side[dir].close_due = h->side[dir].unbind_due = false;
    }
    struct parcel *p;
    while ((p = TAILQ_FIRST(&h->verdicts)) != NULL) {
        /* What never left this process was not sent; of the rest nobody can tell.  A flush (not counted) is
         * told what became of the handle. */
        p->rc = p->counted && p->number <= h->out.departed ? RN_EUNKNOWN : rc;
        rn_reached_if(p->rc == RN_EUNKNOWN,
                      "handle: a session ends over a send that waits for its verdict");
        TAILQ_REMOVE(&h->verdicts, p, link);
        TAILQ_INSERT_TAIL(&told, p, link);
        p->waiting = false;
    }
    TAILQ_CONCAT(&left, &h->leavers, link);
    TAILQ_FOREACH(p, &left, link)
    p->waiting = false;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    verdicts_tell(h, &told);
    parcel_signal_all(&left);
    chunks_drop(node_chunks(h->node), unsent);
}

/* ---- the ledger ---- */

void handle_counts(const struct handle *h, struct wire_counts *out)
{
    uint64_t orphans = 0;
    struct parcel *p;
    TAILQ_FOREACH(p, &h->verdicts, link)
    orphans += p->orphan;
    uint64_t open = h->out.numbered - h->out.accepted;
    *out = (struct wire_counts){
        .sent = h->out.numbered + h->pairing.committed + h->pairing.unknown,
        .confirmed = h->out.accepted + h->pairing.committed,
        .queued = h->over ? 0 : open - orphans,
        .unknown = (h->over ? open : orphans) + h->pairing.unknown,
    };
}

uint64_t handle_unsent(const struct handle *h)
{
    return h->out.numbered - h->out.accepted - h->excluded;
}

int handle_verdict_join(struct handle *h, struct parcel *p, uint64_t number)
{
    if (number <= h->out.accepted)
        return 1;
    if (h->over)
        return h->fatal;
    p->number = number;
    p->waiting = true;
    TAILQ_INSERT_TAIL(&h->verdicts, p, link);
    return 0;
}

void handle_withdrawn(struct handle *h, struct parcel *gone, uint64_t number)
{
    struct parcel_list told = TAILQ_HEAD_INITIALIZER(told);
    TAILQ_REMOVE(&h->verdicts, gone, link);
    gone->waiting = false;
    h->excluded--;
    struct parcel *p;
    TAILQ_FOREACH(p, &h->verdicts, link)
    if (p->number >= number) {
        rn_reached("handle: a withdrawal moves those behind it up");
        p->number--; /* sends after it moved up; a flush up to it now ends before it */
    }
    verdicts_covered(h, &told);
    TAILQ_FOREACH(p, &told, link)
    p->waiting = false;
    handle_serve_locked(h);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    verdicts_tell(h, &told);
}
