/* incoming.c - what the link goroutine hears from the home.   SPDX-License-Identifier: MIT
 *
 * Invariant: a side is in the table from Bind until Refused, Unbound, Failed or the session's end. */
#include "node/inside.h"

#include "node/op.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <string.h>

static struct side *side_find(struct rn_node *n, uint32_t id)
{
    return keyed_find(&n->sides, id);
}

static void side_state(struct side *side, enum side_state state)
{
    rn__chan_lock(side->handle->chan);
    side->state = state;
    rn__chan_unlock(side->handle->chan);
}

static void on_bound(struct side *side, const struct wire_control *c)
{
    struct handle *h = side->handle;
    handle_attributes(side, &c->bound.attributes);
    rn__chan_lock(h->chan);
    side->state = SIDE_BOUND;
    side->incarnation = c->bound.incarnation;
    side->epoch = c->bound.epoch;
    if (side->abandoned || h->fatal < 0) {
        side->abandoned = true; /* rn_bind fails, so nothing of it may count */
        side->unbind_due = true;
        node_mark(h->node, h);
    } else {
        /* Release: an operation that finds it usable sees codec and options. */
        atomic_store_explicit(&side->usable, true, memory_order_release);
    }
    int rc = h->fatal;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    traffic_reply(side, rc);
}

/* What is refused or has failed is an error, also when the broker says that all is well. */
static int refusal_error(const struct wire_control *c)
{
    int rc = node_error(c->refused.code, 0);
    return rc < 0 ? rc : -EPROTO;
}

static void on_refused(struct rn_node *n, struct side *side, const struct wire_control *c)
{
    node_note_error(n, c->refused.sentence);
    keyed_take(&n->sides, side->id, side);
    side_state(side, SIDE_NONE);
    struct handle *h = handle_ref(side->handle);
    traffic_reply(side, refusal_error(c));
    traffic_delist(n, h, -ESHUTDOWN);
    handle_unref(h);
}

static void on_unbound(struct rn_node *n, struct side *side)
{
    keyed_take(&n->sides, side->id, side);
    side_state(side, SIDE_NONE);
    traffic_delist(n, side->handle, -ESHUTDOWN);
}

/* One direction of a handle is over for a reason of the home's: so is the handle. */
static void on_failed(struct rn_node *n, struct side *side, const struct wire_control *c)
{
    node_note_error(n, c->refused.sentence);
    keyed_take(&n->sides, side->id, side);
    side_state(side, SIDE_OVER);
    struct handle *h = handle_ref(side->handle);
    int rc = refusal_error(c);
    traffic_reply(side, rc);
    handle_fail(h, rc); /* the other direction is unbound */
    traffic_delist(n, h, rc);
    handle_unref(h);
}

static int on_recall_out(struct rn_node *n, struct side *side, const struct wire_control *c)
{
    struct handle *h = side->handle;
    if (c->recall.closing) {
        /* A cancellation is an answer to the senders; another sender's failure is a close with a reason. */
        int result = c->recall.code == WIRE_CANCELLED && c->recall.reason < 0 ? c->recall.reason
                                                                              : RN_ECLOSED;
        handle_closed(side, result, c->recall.code == WIRE_CLOSED ? 0 : c->recall.reason);
    }
    struct wire_control back = { .what = WIRE_RETURNED, .bind = side->id };
    uint64_t elements = 0;
    rn__chan_lock(h->chan);
    outbox_surrender(&h->out, &elements, &back.credit.bytes);
    elements += h->pairing.calls;
    h->pairing.calls = 0;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    back.credit.elements = (uint32_t)elements;
    return session_control(n->session, &back);
}

static int on_recall_in(struct rn_node *n, struct side *side, uint32_t elements)
{
    struct handle *h = side->handle;
    struct wire_control back = { .what = WIRE_RETURNED, .bind = side->id };
    rn__chan_lock(h->chan);
    int rc = traffic_taken(n, side);
    rn_reached_if(side->unbind_due, "traffic: a recall crosses the unbind");
    if (side->unbind_due)
        elements = 0; /* the Unbind gives everything back */
    back.credit.elements = store_return(&h->in, elements, &back.credit.first);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return rc < 0 ? rc : session_control(n->session, &back);
}

static void on_closed(struct side *side, const struct wire_control *c)
{
    handle_closed(side, RN_ECLOSED, c->recall.code == WIRE_CLOSED ? 0 : c->recall.reason);
}

static void on_answer(struct rn_node *n, const struct wire_control *c, struct frame *frame)
{
    struct query *q;
    HASH_FIND_INT(n->queries, &c->bind, q);
    if (q == NULL)
        return;
    int rc = 0;
    /* Several Answers of one frame are one for who asked: it reads the frame itself. */
    struct answer_frame *a = q->newest == frame ? NULL : malloc(sizeof *a);
    if (q->newest == frame) {
        rc = 0;
    } else if (a != NULL) {
        q->newest = frame;
        *a = (struct answer_frame){ .frame = frame_ref(frame) };
        *q->frames_end = a;
        q->frames_end = &a->next;
        /* Relaxed: who asked only wants to see that it grows. */
        atomic_fetch_add_explicit(&q->came, 1, memory_order_relaxed);
    } else {
        rc = -ENOMEM;
    }
    if (rc == 0 && !c->answer.last)
        return;
    HASH_DEL(n->queries, q);
    rn_chan_send(q->done, &rc, RN_NOWAIT);
    query_unref(q);
}

static int on_control(struct rn_node *n, const struct wire_control *c, struct frame *frame)
{
    if (c->what == WIRE_ANSWER) {
        on_answer(n, c, frame);
        return 0;
    }
    if (c->what == WIRE_INSPECT) {
        inspection_input(n, c);
        return 0;
    }
    struct side *side = side_find(n, c->bind);
    if (side == NULL)
        return 0; /* of a binding that is over here already */
    bool out = side->dir == RN_OUT;
    /* After Unbind only Unbound matters: all else crossed it on the way. */
    bool bound = side->state == SIDE_BOUND;
    switch (c->what) {
    case WIRE_BOUND:
        if (side->state == SIDE_BINDING)
            on_bound(side, c);
        return 0;
    case WIRE_REFUSED:
        if (side->state == SIDE_BINDING)
            on_refused(n, side, c);
        return 0;
    case WIRE_UNBOUND:
        if (side->state == SIDE_UNBINDING)
            on_unbound(n, side);
        return 0;
    case WIRE_FAILED_:
        on_failed(n, side, c);
        return 0;
    case WIRE_ACCEPTED:
        return out ? handle_accepted(side->handle, c->number) : -EPROTO;
    case WIRE_CREDIT:
        if (bound && out)
            handle_credit(side->handle, c->credit.elements, c->credit.bytes, c->credit.but);
        return 0;
    case WIRE_RECALL:
        if (!bound)
            return 0;
        return out ? on_recall_out(n, side, c) : on_recall_in(n, side, c->recall.elements);
    case WIRE_CLOSED_:
        if (bound)
            on_closed(side, c);
        return 0;
    case WIRE_CLAIM:
        return bound && !out ? handle_pairing(side, c) : 0;
    case WIRE_COMMIT:
    case WIRE_ABORT: /* after Unbind too: they are its offers' verdicts */
        return handle_pairing(side, c);
    case WIRE_LOST_:
        if (!out)
            slow_heard(side, c, bound);
        return 0;
    case WIRE_OPENED:
        handle_attributes(side, &c->bound.attributes);
        return 0;
    default:
        return 0; /* of a later version */
    }
}

static int on_section(struct rn_node *n, struct handle *h, struct frame *frame,
                      const struct wire_section *s)
{
    int64_t expires_ns = STORE_NEVER;
    if (s->flags & WIRE_TIMED) {
        expires_ns = clock_expiry(&n->clock, s, rn__boottime());
        traffic_times(n, h, expires_ns);
    }
    return handle_section(h, frame, s, expires_ns);
}

/* Of thousands of handles the one that a section is for is not in the processor's cache, and most of what is looked at lies behind
 * its channel's lock.  So it is asked for while those before it are seen to: first itself, then what it points to. */
#define AHEAD_HANDLE 6 /* sections */
#define AHEAD_CHAN   3

static void handle_expect(const struct side *in)
{
    const struct handle *h = (const struct handle *)((const char *)in -
                                                     offsetof(struct handle, side[RN_IN]));
    __builtin_prefetch(h);
    __builtin_prefetch(&h->popped);
    __builtin_prefetch(&h->in.newest);
    __builtin_prefetch(in);
    __builtin_prefetch(&in->state);
}

static void chan_expect(const struct side *in)
{
    const struct handle *h = in->handle;
    __builtin_prefetch(h->chan);
    __builtin_prefetch(h->in.ring);
}

static void sections_expect(const struct rn_node *n, const struct frame_view *view, uint32_t i)
{
    const struct side *side;
    if (i + AHEAD_HANDLE < view->n_sections &&
        (side = keyed_find(&n->sides, view->sections[i + AHEAD_HANDLE].bind)) != NULL)
        handle_expect(side);
    if (i + AHEAD_CHAN < view->n_sections &&
        (side = keyed_find(&n->sides, view->sections[i + AHEAD_CHAN].bind)) != NULL)
        chan_expect(side);
}

int incoming_frame(struct rn_node *n, const struct frame_view *view, struct frame *frame)
{
    for (uint32_t i = 0; i < view->n_controls; i++) {
        int rc = on_control(n, &view->controls[i], frame);
        if (rc < 0)
            return rc;
    }
    for (uint32_t i = 0; i < view->n_sections; i++) {
        const struct wire_section *s = &view->sections[i];
        struct side *side = side_find(n, s->bind);
        sections_expect(n, view, i);
        if (side == NULL || side->state != SIDE_BOUND)
            continue;
        int rc = side->dir == RN_IN ? on_section(n, side->handle, frame, s) : -EPROTO;
        if (rc < 0)
            return rc;
        n->handed += (unsigned)rc;
        n->heaps |= rc == 0;
    }
    return 0;
}
