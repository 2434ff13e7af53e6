/* traffic.c - what the link goroutine hears from the home and tells it.   SPDX-License-Identifier: MIT
 *
 * Invariants: a handle with data is in `turns`, or marked; a side is in the table from Bind until Refused, Unbound,
 * Failed or the session's end.  A control that found no memory is told again later, because what it says is read from
 * the handle's state, which only a control that was queued changes. */
#include "node/inside.h"

#include "node/op.h"
#include "runtime/assert.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <stdlib.h>
#include <string.h>

#define WEAK_NS (100 * RN_MS) /* how long a weak Ask is good */

static int tell(struct rn_node *n, const struct wire_control *c)
{
    int rc = session_control(n->session, c);
    if (rc < 0)
        n->starved = true;
    return rc;
}

/* ---- what goes out: controls ---- */

/* The operations that wait now, if that differs from what the home believes: of what it was told, each credit or
 * delivery has answered one.  Channel locked. */
static int side_ask(struct rn_node *n, struct side *side)
{
    const struct rn__op *op = side->waiting > 0
                                  ? rn__chan_first(side->handle->chan, op_of_dir(side->dir))
                                  : NULL;
    bool sized = side->dir == RN_OUT && !handle_meets(side->handle);
    uint64_t first = op != NULL && sized ? op_parcel(op)->buf.len : 0;
    uint64_t bytes = sized ? side->waiting_bytes : 0;
    uint32_t waiting = side->waiting - side->muted;
    uint64_t sole = side_sole(side);
    bool over = side->asked_over && waiting == 0;
    rn_reached_if(over, "traffic: the home is told that nobody waits");
    side->asked_over = false;
    if (!over && waiting == side->asked && sole == side->sole &&
        (waiting == 0 || (first == side->asked_first && bytes == side->asked_bytes)))
        return 0;
    struct wire_control c = {
        .what = WIRE_ASK,
        .bind = side->id,
        .ask = { .waiting = waiting,
                 .first_bytes = first,
                 .bytes = bytes,
                 .adjusted = side->adjusted,
                 .sole = sole },
    };
    int rc = tell(n, &c);
    if (rc < 0)
        return rc;
    side->asked = waiting;
    side->sole = sole;
    side->asked_first = first;
    side->asked_bytes = bytes;
    return 0;
}

/* What a rendezvous has to say: of receives, what became of claims; of sends, offers that are wanted back, and calls that
 * nobody wants. */
static int side_tell_answers(struct rn_node *n, struct side *side)
{
    struct pairing *m = &side->handle->pairing;
    uint32_t said = 0;
    int rc = 0;
    for (; said < m->n_answers && rc == 0; said += rc == 0) {
        const struct claim_answer *a = &m->answers[said];
        struct wire_control c = {
            .what = a->what,
            .bind = side->id,
            .meet = { .claim = a->claim },
        };
        rc = tell(n, &c);
    }
    if (said == 0)
        return rc;
    m->n_answers -= said;
    if (m->n_answers > 0)
        memmove(m->answers, m->answers + said, m->n_answers * sizeof *m->answers);
    return rc;
}

static int side_tell_offers(struct rn_node *n, struct side *side)
{
    struct pairing *m = &side->handle->pairing;
    struct parcel *p;
    int rc = 0;
    if (m->calls > 0) {
        struct wire_control c = {
            .what = WIRE_RETURNED,
            .bind = side->id,
            .credit = { .elements = m->calls },
        };
        rc = tell(n, &c);
        if (rc < 0)
            return rc;
        m->calls = 0;
        m->but = 0;
    }
    TAILQ_FOREACH(p, &m->offers, link)
    {
        struct wire_control c = { .what = WIRE_WITHDRAW, .bind = side->id, .number = p->number };
        if (!p->withdraw_due)
            continue;
        rc = tell(n, &c);
        if (rc < 0)
            return rc;
        p->withdraw_due = false;
    }
    return 0;
}

static int side_tell_pairing(struct rn_node *n, struct side *side)
{
    return side->dir == RN_IN ? side_tell_answers(n, side) : side_tell_offers(n, side);
}

static int side_ask_weakly(struct rn_node *n, struct side *side)
{
    if (!side->missed)
        return 0;
    side->missed = false;
    if (side->waiting > 0)
        return 0;
    struct wire_control c = {
        .what = WIRE_ASK,
        .bind = side->id,
        .ask = {
            .waiting = 1,
            .first_bytes = side->missed_bytes,
            .bytes = side->missed_bytes,
            .weak = true,
        },
    };
    side->weak_until = rn__boottime() + WEAK_NS;
    return tell(n, &c);
}

static int side_tell_counts(struct rn_node *n, struct side *side)
{
    struct wire_control c = { .what = WIRE_COUNTS, .bind = side->id };
    handle_counts(side->handle, &c.counts);
    if (memcmp(&c.counts, &side->reported, sizeof c.counts) == 0)
        return 0;
    int rc = tell(n, &c);
    if (rc == 0)
        side->reported = c.counts;
    return rc;
}

static int side_tell_taken(struct rn_node *n, struct side *side)
{
    struct handle *h = side->handle;
    if (h->taken == h->taken_reported)
        return 0;
    struct wire_control c = { .what = WIRE_TAKEN, .bind = side->id, .number = h->taken };
    int rc = tell(n, &c);
    if (rc == 0)
        h->taken_reported = h->taken;
    return rc;
}

static int side_tell_close(struct rn_node *n, struct side *side)
{
    struct wire_control c = {
        .what = WIRE_CLOSE,
        .bind = side->id,
        .recall = { .reason = side->close_reason },
    };
    int rc = tell(n, &c);
    if (rc == 0)
        side->close_due = false;
    return rc;
}

static int side_tell_unbind(struct rn_node *n, struct side *side)
{
    struct wire_control c = { .what = WIRE_UNBIND,
                              .bind = side->id,
                              .unbind = { .abandoned = side->abandoned } };
    int rc = tell(n, &c);
    if (rc == 0) {
        side->unbind_due = false;
        side->state = SIDE_UNBINDING;
    }
    return rc;
}

/* Has everything been said that must be said before this side is closed or unbound? */
static bool side_settled(const struct side *side)
{
    const struct handle *h = side->handle;
    if (side->dir == RN_OUT)
        return h->out.head == NULL;
    if (h->pairing.n_claims > 0)
        return false;
    return h->popped == h->finished || h->broken != 0;
}

/* Channel locked. */
static int side_collect(struct rn_node *n, struct side *side)
{
    if (side->state != SIDE_BOUND)
        return 0;
    /* What a receive gave back goes before what later ones have taken: Taken covers all before it. */
    int rc = handle_meets(side->handle) ? side_tell_pairing(n, side) : 0;
    if (rc == 0 && side->dir == RN_IN)
        rc = side_tell_taken(n, side);
    if (rc == 0 && side->closed == 0 && !side->unbind_due) {
        rc = side_ask(n, side);
        if (rc == 0)
            rc = side_ask_weakly(n, side);
    }
    if (rc < 0 || !side_settled(side))
        return rc;
    if (side->dir == RN_OUT && (side->close_due || side->unbind_due))
        rc = side_tell_counts(n, side);
    if (rc == 0 && side->close_due)
        rc = side_tell_close(n, side);
    if (rc == 0 && side->unbind_due)
        rc = side_tell_unbind(n, side);
    return rc;
}

static void turns_add(struct rn_node *n, struct handle *h)
{
    if (h->in_turn)
        return;
    h->in_turn = true;
    TAILQ_INSERT_TAIL(&n->turns, h, turn);
}

static void turns_remove(struct rn_node *n, struct handle *h)
{
    if (!h->in_turn)
        return;
    h->in_turn = false;
    TAILQ_REMOVE(&n->turns, h, turn);
}

static void meets_place(struct rn_node *n, struct handle *h)
{
    bool busy = h->listed && pairing_busy(h);
    if (busy && !h->in_meets)
        TAILQ_INSERT_TAIL(&n->meets, h, meets);
    else if (!busy && h->in_meets)
        TAILQ_REMOVE(&n->meets, h, meets);
    h->in_meets = busy;
}

static int64_t handle_knocks(struct handle *h, int64_t now_ns)
{
    rn__chan_lock(h->chan);
    int64_t at_ns = pairing_knocks(h, now_ns);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return at_ns;
}

void traffic_knocks(struct rn_node *n)
{
    int64_t now_ns = rn__boottime(), first_ns = INT64_MAX, at_ns;
    struct handle *h;
    if (!atomic_exchange(&n->knocked, false) && now_ns < n->yield_ns)
        return;
    TAILQ_FOREACH(h, &n->meets, meets)
    {
        at_ns = handle_knocks(h, now_ns);
        first_ns = at_ns < first_ns ? at_ns : first_ns;
    }
    for (h = n->held; h != NULL; h = h->dirty_next) {
        if (h->in_meets || !h->listed) /* the channel of one that is not listed may be gone */
            continue;
        at_ns = handle_knocks(h, now_ns);
        first_ns = at_ns < first_ns ? at_ns : first_ns;
    }
    n->yield_ns = first_ns;
}

static void handle_collect(struct rn_node *n, struct handle *h)
{
    /* Cleared before we look, so that what changes afterwards marks the handle again. */
    atomic_store(&h->dirty, false);
    if (!h->listed)
        return;
    rn__chan_lock(h->chan);
    if (atomic_load(&h->pairing.look))
        pairing_look(h);
    int rc = side_collect(n, &h->side[RN_IN]);
    if (rc == 0)
        rc = side_collect(n, &h->side[RN_OUT]);
    if (h->out.head != NULL || h->pairing.unsaid != NULL)
        turns_add(n, h);
    meets_place(n, h);
    if (rc < 0 && !h->over)
        node_mark(n, h);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
}

void traffic_gather(struct rn_node *n)
{
    struct handle *stack = atomic_exchange(&n->dirty, NULL);
    struct handle *first = NULL;
    while (stack != NULL) { /* the stack is newest first: turn it around */
        struct handle *next = stack->dirty_next;
        stack->dirty_next = first;
        first = stack;
        stack = next;
    }
    struct handle **end = &n->held;
    while (*end != NULL)
        end = &(*end)->dirty_next;
    *end = first;
}

void traffic_counts(struct rn_node *n)
{
    struct handle *h;
    TAILQ_FOREACH(h, &n->handles, all)
    {
        rn__chan_lock(h->chan);
        if (h->side[RN_OUT].state == SIDE_BOUND)
            side_tell_counts(n, &h->side[RN_OUT]);
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
    }
}

void traffic_bind(struct rn_node *n, struct side *side)
{
    if (n->session == NULL || side->state != SIDE_PENDING)
        return;
    const struct rn_bind_opts *o = &side->opts;
    struct wire_control c = {
        .what = WIRE_BIND,
        .bind = n->binds + 1,
        .bind_ = {
            .name = side->handle->name,
            .direction = side->dir == RN_OUT ? WIRE_OUT : WIRE_IN,
            .attributes = {
                .kind = (enum wire_kind)o->kind,
                .keep = (enum wire_keep)o->keep,
                .slow = (enum wire_slow)o->slow,
                .capacity = o->capacity,
                .capacity_bytes = o->capacity_bytes,
                .max_deliveries = o->max_deliveries,
                .type = side->type != NULL ? side->type : "",
            },
            .must_exist = o->must_exist,
            .prefetch = o->prefetch,
            .autoclose = o->autoclose,
            .senders_min = o->senders_min,
            .manual_ack = o->manual_ack,
        },
    };
    if (tell(n, &c) < 0)
        return; /* pending still: the loop comes back to it */
    side->id = ++n->binds;
    rn__chan_lock(side->handle->chan);
    side->state = SIDE_BINDING;
    rn__chan_unlock(side->handle->chan);
    HASH_ADD_INT(n->sides, id, side);
}

void traffic_query(struct rn_node *n, struct query *q)
{
    struct wire_control c = {
        .what = WIRE_QUERY,
        .bind = q->id,
        .query_name = q->name,
        .query_want = q->want,
        .query_node = q->node,
    };
    if (n->session != NULL)
        tell(n, &c);
}

/* ---- what goes out: data ---- */

int traffic_pump(struct rn_node *n)
{
    struct frame *f;
    int starved = 0;
    while ((f = session_next(n->session, rn__boottime(), &starved)) != NULL) {
        int rc = link_send(n->link, n->peer, f);
        if (rc < 0)
            return rc;
    }
    n->starved |= starved < 0;
    return 0;
}

/* Moves the handle's oldest offer into the writer: as writer_take(). */
static bool writer_take_offer(struct rn_node *n, struct handle *h)
{
    struct side *side = &h->side[RN_OUT];
    struct wire_section s;
    struct chunk *chunk;
    rn__chan_lock(h->chan);
    size_t size = pairing_next_size(h), used = frame_writer_size(&n->writer);
    bool full = used > 0 && size > 0 && used + size > WIRE_FRAME_TARGET;
    struct parcel *p = full ? NULL : pairing_leave(h, &s, &chunk);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    if (p == NULL) {
        if (!full)
            turns_remove(n, h);
        return !full;
    }
    s.bind = side->id;
    s.incarnation = side->incarnation;
    s.epoch = side->epoch;
    int rc = frame_writer_section(&n->writer, &s);
    rn__chan_lock(h->chan);
    if (rc < 0)
        pairing_unleave(h, p, chunk);
    else
        outbox_give(&h->out, chunk);
    bool more = h->pairing.unsaid != NULL;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    turns_remove(n, h);
    if (more)
        turns_add(n, h);
    n->starved |= rc < 0;
    return rc == 0;
}

/* Moves the handle's oldest chunk into the writer.  false: it would make the frame too large, or there is no memory. */
static bool writer_take(struct rn_node *n, struct handle *h)
{
    struct side *side = &h->side[RN_OUT];
    rn__chan_lock(h->chan);
    size_t size = outbox_next_size(&h->out);
    size_t used = frame_writer_size(&n->writer);
    if (size == 0) {
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        turns_remove(n, h);
        return true;
    }
    if (used > 0 && used + size > WIRE_FRAME_TARGET) {
        rn_reached("traffic: a section waits for the next frame");
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        return false;
    }
    struct chunk *chunk = outbox_take(&h->out);
    struct wire_section s = {
        .bind = side->id,
        .count = chunk->count,
        .number = chunk->first,
        .incarnation = side->incarnation,
        .epoch = side->epoch,
        .bytes = chunk->bytes,
        .size = (uint32_t)chunk->len,
        .body = chunk->data,
    };
    /* Copied without the lock: senders go on into the next chunk meanwhile. */
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    int rc = frame_writer_section(&n->writer, &s);
    rn__chan_lock(h->chan);
    if (rc < 0)
        outbox_untake(&h->out, chunk);
    else
        outbox_give(&h->out, chunk);
    bool more = h->out.head != NULL;
    if (!more && (side->close_due || side->unbind_due))
        node_mark(n, h); /* that was the last thing before its end */
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    turns_remove(n, h);
    if (more)
        turns_add(n, h);
    n->starved |= rc < 0;
    return rc == 0;
}

static int traffic_data(struct rn_node *n)
{
    while (session_window_open(n->session)) {
        struct handle *h;
        while ((h = TAILQ_FIRST(&n->turns)) != NULL &&
               (handle_meets(h) ? writer_take_offer(n, h) : writer_take(n, h)))
            ;
        if (frame_writer_size(&n->writer) == 0)
            return 0;
        if (session_data(n->session, &n->writer) < 0) {
            n->starved = true;
            return 0;
        }
        int rc = traffic_pump(n);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int traffic_output(struct rn_node *n)
{
    traffic_gather(n);
    /* What found no memory when it was collected goes before all that may have to follow it. */
    if (frame_writer_size(&n->writer) > 0 && session_data(n->session, &n->writer) < 0) {
        n->starved = true;
        return traffic_pump(n);
    }
    /* Those that are marked again meanwhile have their turn with the next call. */
    struct handle *held = n->held;
    n->held = NULL;
    while (held != NULL) {
        struct handle *h = held;
        held = h->dirty_next;
        handle_collect(n, h);
        handle_unref(h);
    }
    int rc = traffic_data(n);
    return rc < 0 ? rc : traffic_pump(n);
}

/* ---- what comes in ---- */

static struct side *side_find(struct rn_node *n, uint32_t id)
{
    struct side *side;
    HASH_FIND_INT(n->sides, &id, side);
    return side;
}

void traffic_reply(struct side *side, int rc)
{
    if (side->reply == NULL)
        return;
    rn_chan_send(side->reply, &rc, RN_NOWAIT);
    rn_chan_unref(side->reply);
    side->reply = NULL;
}

static void side_state(struct side *side, enum side_state state)
{
    rn__chan_lock(side->handle->chan);
    side->state = state;
    rn__chan_unlock(side->handle->chan);
}

void traffic_delist(struct rn_node *n, struct handle *h, int rc)
{
    for (int dir = 0; dir < 2; dir++)
        if (h->side[dir].state != SIDE_NONE && h->side[dir].state != SIDE_OVER)
            return;
    if (!h->listed)
        return;
    handle_over(h, rc);
    if (n->stage == NODE_CLOSING) {
        rn__chan_lock(h->chan);
        n->unsent += handle_unsent(h);
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
    }
    turns_remove(n, h);
    TAILQ_REMOVE(&n->handles, h, all);
    h->listed = false;
    meets_place(n, h);
    rn_chan_unref(h->chan);
    handle_unref(h);
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

static void on_refused(struct rn_node *n, struct side *side, const struct wire_control *c)
{
    node_note_error(n, c->refused.sentence);
    HASH_DEL(n->sides, side);
    side_state(side, SIDE_NONE);
    struct handle *h = handle_ref(side->handle);
    traffic_reply(side, node_error(c->refused.code, 0));
    traffic_delist(n, h, -ESHUTDOWN);
    handle_unref(h);
}

static void on_unbound(struct rn_node *n, struct side *side)
{
    HASH_DEL(n->sides, side);
    side_state(side, SIDE_NONE);
    traffic_delist(n, side->handle, -ESHUTDOWN);
}

/* One direction of a handle is over for a reason of the home's: so is the handle. */
static void on_failed(struct rn_node *n, struct side *side, const struct wire_control *c)
{
    node_note_error(n, c->refused.sentence);
    HASH_DEL(n->sides, side);
    side_state(side, SIDE_OVER);
    struct handle *h = handle_ref(side->handle);
    int rc = node_error(c->refused.code, 0);
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
    int rc = side_tell_taken(n, side);
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
    case WIRE_OPENED:
        handle_attributes(side, &c->bound.attributes);
        return 0;
    default:
        return 0; /* of a later version */
    }
}

int traffic_input(struct rn_node *n, const struct frame_view *view, struct frame *frame)
{
    for (uint32_t i = 0; i < view->n_controls; i++) {
        int rc = on_control(n, &view->controls[i], frame);
        if (rc < 0)
            return rc;
    }
    for (uint32_t i = 0; i < view->n_sections; i++) {
        const struct wire_section *s = &view->sections[i];
        struct side *side = side_find(n, s->bind);
        if (side == NULL || side->state != SIDE_BOUND)
            continue;
        int rc = side->dir == RN_IN ? handle_section(side->handle, frame, s) : -EPROTO;
        if (rc < 0)
            return rc;
    }
    return 0;
}
