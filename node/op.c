/* op.c - one operation on a handle: prepared, attempted, finished.   SPDX-License-Identifier: MIT
 *
 * A send is encoded on its sender's stack before any lock (prepare); under the channel's lock it takes credit and
 * its bytes join the handle's next section (attempt, or later the link goroutine's serve); afterwards it drops the
 * element, and with `confirm` waits for the verdict (finish).  A receive takes the oldest element's bytes under the
 * lock and decodes them on its own stack.
 *
 * Takers finish in the order in which they took.  So what is reported as taken was decoded, or was refused by its codec and
 * said to be so before: it goes to the dead letters, and its receive goes on as if it had never been there.  When there is no
 * memory to decode an element, or to say so, nobody has returned with a later one, and it goes back with all that
 * follow it. */
#include "node/op.h"

#include "node/codec.h"
#include "node/crowd.h"
#include "node/msg.h"
#include "node/node.h"
#include "node/trace.h"
#include "proto/dead.h"
#include "proto/header.h"
#include "runtime/assert.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <stdlib.h>
#include <string.h>

static struct handle *op_handle(const struct rn__op *op)
{
    return rn__chan_bound(op->chan);
}

static struct side *op_side(struct handle *h, const struct rn__op *op)
{
    return &h->side[op->kind == RN_SEND ? RN_OUT : RN_IN];
}

/* ---- prepare: no lock ---- */

/* What is said beside the element stands before it. */
static int header_prepare(struct parcel *p, const struct op_with *with)
{
    static const struct op_with nothing;
    if (with == NULL)
        with = &nothing;
    struct wire_header h = { .call = with->call };
    strcpy(h.traceparent, with->traceparent != NULL ? with->traceparent : trace_here());
    if (with->reply != NULL)
        strcpy(h.reply, with->reply);
    if (h.traceparent[0] == '\0' && h.reply[0] == '\0' && h.call == 0)
        return 0;
    int rc = 0;
    uint8_t *to = buf_extend(&p->buf, header_size(&h), &rc);
    if (to == NULL)
        return rc;
    header_write(to, &h);
    p->manner.flags |= WIRE_HEADED;
    return 0;
}

/* A large element that is sent for good, when it is, may go as it is: nobody waits to have it back, nor looks at it here. */
static bool send_lends(struct handle *h, const struct rn__op *op, struct parcel *p)
{
    if (p->confirm || p->buf.len > 0 ||
        !codec_lends(&h->side[RN_OUT].codec, op->elem, h->out.large, &p->buf))
        return false;
    rn__chan_lock(h->chan);
    bool meets = h->capacity <= 0;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    if (meets)
        p->buf = (struct rn_buf){ 0 };
    return !meets;
}

static int send_prepare(struct handle *h, const struct rn__op *op, struct parcel *p)
{
    struct side *side = &h->side[RN_OUT];
    bool bare = op->with == NULL && !rn__heirlooms_used();
    if (op->with != NULL)
        p->manner = ((const struct op_with *)op->with)->times;
    /* What does not wait does not wait for a verdict either; decided once, because time goes on. */
    p->confirm = side->opts.confirm && !rn__deadline_passed(op->deadline);
    int rc = bare ? 0 : header_prepare(p, op->with);
    if (rc >= 0 && !send_lends(h, op, p))
        rc = side->codec.encode(side->codec.ctx, op->elem, &p->buf);
    /* Relaxed: a hint. */
    if (p->buf.len <= QUICK_ROOM && atomic_load_explicit(&side->bulky, memory_order_relaxed))
        atomic_store_explicit(&side->bulky, false, memory_order_relaxed);
    return rc >= 0 && p->confirm ? parcel_waitable(p) : rc;
}

/* All that a receive will need is found now, so that an element once taken is never refused for want of memory by us. */
static int receive_prepare(struct handle *h, struct parcel *p)
{
    const struct side *side = &h->side[RN_IN];
    int rc = 0;
    if (side->codec.elemsize > ELEM_ON_STACK &&
        buf_extend(&p->buf, side->codec.elemsize, &rc) != NULL)
        p->buf.len = 0;
    if (rc == 0)
        rc = parcel_waitable(p);
    if (rc == 0 && side->opts.manual_ack && (p->place = hand_reserve(h->hand)) == NULL)
        rc = -ENOMEM;
    return rc;
}

static int op_prepare(rn_chan *c, struct rn__op *op)
{
    (void)c;
    struct handle *h = op_handle(op);
    if (node_forked())
        return -ESHUTDOWN;
    struct side *side = op_side(h, op);
    /* Acquire pairs with the release when the side was bound: its codec is seen. */
    if (!atomic_load_explicit(&side->usable, memory_order_acquire))
        return -EBADF;
    users_note(&side->users);
    struct parcel *p = parcel_get(&h->pool);
    if (p == NULL)
        return -ENOMEM;
    int rc = op->kind == RN_SEND ? send_prepare(h, op, p) : receive_prepare(h, p);
    if (rc < 0) {
        parcel_give(&h->pool, p);
        return rc;
    }
    op->token = p;
    op->token_size = p->buf.len;
    return 0;
}

/* ---- attempt: channel locked ---- */

int send_ready(struct handle *h, const struct rn__op *op)
{
    const struct side *side = &h->side[RN_OUT];
    size_t len = op_parcel(op)->buf.len;
    if (h->fatal < 0)
        return h->fatal;
    if (side->closed < 0)
        return side->closed;
    if (h->capacity_bytes > 0 && len > h->capacity_bytes)
        return -EMSGSIZE; /* before it could wait: the home must never be asked for it */
    if (op_parcel(op)->manner.flags & WIRE_TIMED && handle_meets(h))
        return -EINVAL; /* it holds nothing */
    int rc = node_fence_glance(h->node);
    if (rc != 0)
        return rc;
    if (h->draining || handle_meets(h) || !outbox_fits(&h->out, len))
        return RN__NOT_READY;
    return 0;
}

int send_perform(struct handle *h, struct rn__op *op)
{
    struct parcel *p = op_parcel(op);
    bool was_empty = h->out.head == NULL;
    uint64_t number = 0;
    bool large = p->buf.len > h->out.large;
    int rc = large ? outbox_push_large(&h->out, &p->manner, p->buf.data, p->buf.len, &number)
                   : outbox_push(&h->out, &p->manner, p->buf.data, p->buf.len, &number);
    if (rc < 0)
        return rc;
    if (large) {
        p->kept = p->buf.lent;
        p->buf = (struct rn_buf){ 0 };
    }
    if (!p->confirm) /* who waits for a verdict is not ahead */
        p->crowds = outbox_crowds(&h->out);
    if (p->confirm) {
        rc = handle_verdict_join(h, p, number);
        rn_assert(rc == 0);
        p->counted = true;
        h->excluded++;
    }
    if (was_empty) /* else the link goroutine has us on its list until all is sent */
        node_mark(h->node, h);
    return 0;
}

int receive_ready(struct handle *h)
{
    const struct side *side = &h->side[RN_IN];
    if (h->fatal < 0)
        return h->fatal;
    if (h->in.first_ns != STORE_NEVER)
        handle_expire_locked(h);
    if (h->in.len == 0)
        return side->closed < 0 ? side->closed : RN__NOT_READY;
    return node_fence_glance(h->node);
}

void receive_perform(struct handle *h, struct rn__op *op)
{
    struct parcel *p = op_parcel(op);
    struct store_item item;
    bool found = store_pop(&h->in, &item);
    rn_assert(found);
    p->frame = item.frame;
    p->data = item.data;
    p->len = item.len;
    p->delivery = item.delivery;
    p->position = item.position;
    p->deliveries = item.deliveries;
    p->headed = item.flags & WIRE_HEADED;
    if (item.flags & WIRE_DEAD) {
        p->letter = item.data;
        p->letter_size = item.len;
    }
    p->number = ++h->popped;
}

/* Is another operation of this direction waiting, so that this one must not pass it?  One that is tentative elsewhere may
 * be passed. */
static bool op_is_behind(rn_chan *c, const struct rn__op *op)
{
    const struct rn__op *first = rn__chan_first(c, op->kind);
    while (first != NULL && rn__is_tentative(first->wait))
        first = first->next;
    return first != NULL && first != op;
}

static int op_attempt(rn_chan *c, struct rn__op *op)
{
    struct handle *h = op_handle(op);
    int rc = op->kind == RN_SEND ? send_ready(h, op) : receive_ready(h);
    if (rc != 0)
        return rc;
    if (op_is_behind(c, op))
        return RN__NOT_READY;
    if (op->kind == RN_SEND)
        rc = send_perform(h, op);
    else
        receive_perform(h, op);
    handle_check_slowly(h);
    return rc;
}

/* Does a select have a case like this one before it?  An operation waits for a rendezvous once. */
static bool op_has_twin(const struct rn__op *op)
{
    for (uint32_t i = 0; i < op->index; i++) {
        const struct rn__op *before = &op->wait->ops[i];
        if (before->chan == op->chan && before->kind == op->kind)
            return true;
    }
    return false;
}

/* Does a select have a case on the other side of the same named channel?  The home must not bring it together with itself. */
static bool op_has_both(const struct rn__op *op)
{
    for (int i = 0; i < op->wait->n_ops; i++) {
        const struct rn__op *other = &op->wait->ops[i];
        if (other->ops == &handle_ops && other->kind != op->kind &&
            strcmp(op_handle(other)->name, op_handle(op)->name) == 0)
            return true;
    }
    return false;
}

/* A receiver's channel may become a rendezvous while it waits. */
static bool maybe_meets(const struct handle *h)
{
    return handle_meets(h) || h->capacity == 0;
}

static void op_queued(rn_chan *c, struct rn__op *op)
{
    (void)c;
    struct handle *h = op_handle(op);
    op_parcel(op)->twin = maybe_meets(h) && op_has_twin(op);
    op_parcel(op)->both = maybe_meets(h) && op_has_both(op);
    op_joins(op_side(h, op), op);
    node_mark(h->node, h);
    pairing_queued(h, op);
}

void op_joins(struct side *side, const struct rn__op *op)
{
    if (op_parcel(op)->twin)
        return;
    side->waiting++;
    side->waiting_bytes += op_parcel(op)->buf.len;
}

void op_left(struct side *side, const struct rn__op *op)
{
    struct parcel *p = op_parcel(op);
    if (p->twin)
        return;
    rn_assert(side->waiting > 0);
    side->waiting--;
    side->waiting_bytes -= p->buf.len;
    side->muted -= p->muted;
    p->muted = false;
}

static void op_hurry(rn_chan *c, struct rn__op *op)
{
    (void)c;
    pairing_hurry(op_handle(op));
}

static void op_unqueued(rn_chan *c, struct rn__op *op)
{
    (void)c;
    struct handle *h = op_handle(op);
    if (handle_meets(h)) {
        pairing_unqueued(h, op);
        if (!h->over)
            node_mark(h->node, h);
        return;
    }
    op_left(op_side(h, op), op);
    if (h->over)
        return;
    handle_serve_locked(h); /* it may have been the first, and what is behind it smaller */
    node_mark(h->node, h);
}

static void op_missed(rn_chan *c, struct rn__op *op)
{
    (void)c;
    struct handle *h = op_handle(op);
    struct side *side = op_side(h, op);
    if (handle_meets(h))
        return; /* nobody can be promised to who does not wait */
    if (side->waiting > 0 || side->missed || rn__boottime() < side->weak_until)
        return; /* the home knows already */
    side->missed = true;
    side->missed_bytes = op_parcel(op)->buf.len;
    node_mark(h->node, h);
}

/* ---- finish: no lock ---- */

/* The link cannot tell any more: the send gives up, and its parcel stays behind until its fate is known. */
static int verdict_give_up(struct handle *h, struct rn__op *op, struct parcel *p)
{
    rn__chan_lock(h->chan);
    if (p->waiting) {
        rn_reached("op: a send gives up in doubt");
        p->waiting = false;
        p->orphan = true;
        op->token = NULL;
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        return RN_EUNKNOWN;
    }
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    parcel_await(p);
    return p->rc;
}

/* The element has left this process, the deadline has passed: only the home knows.  It is asked for as long as the
 * link is seen to be up. */
static int verdict_in_doubt(struct handle *h, struct rn__op *op, struct parcel *p)
{
    int rc = RN_ETIMEDOUT;
    node_doubt(h->node, +1);
    rn_shield(1);
    while (rc == RN_ETIMEDOUT) {
        int64_t up_ns = node_up_until(h->node) - rn__boottime();
        if (up_ns <= 0)
            break;
        rc = parcel_wait(p, rn_after(up_ns));
    }
    rn_shield(0);
    node_doubt(h->node, -1);
    rn_reached_if(rc == 0, "op: a send in doubt gets its verdict");
    return rc == 0 ? p->rc : verdict_give_up(h, op, p);
}

static int send_verdict(struct handle *h, struct rn__op *op, struct parcel *p)
{
    int rc = parcel_wait(p, op->deadline);
    if (rc == 0)
        return p->rc;
    rn__chan_lock(h->chan);
    if (!p->waiting) {
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        parcel_await(p);
        return p->rc;
    }
    if (!h->over && outbox_withdraw(&h->out, p->number)) {
        rn_reached("op: a send is withdrawn");
        handle_withdrawn(h, p, p->number); /* unlocks */
        return rc;
    }
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return verdict_in_doubt(h, op, p);
}

static int send_finish(struct handle *h, struct rn__op *op, bool performed, int rc)
{
    const struct rn_codec *codec = &h->side[RN_OUT].codec;
    struct parcel *p = op_parcel(op);
    if (performed && rc == 0 && p->counted)
        rc = send_verdict(h, op, p);
    bool gone = performed && (rc == 0 || rc == RN_EUNKNOWN), kept = false;
    enum crowd_kind crowds = CROWD_NONE;
    if ((p = op_parcel(op)) != NULL) {
        kept = p->kept;
        crowds = p->crowds;
        parcel_give(&h->pool, p);
    }
    if (kept)
        memset(op->elem, 0, codec->elemsize); /* as if it were dropped */
    else if (gone && codec->drop != NULL)
        codec->drop(codec->ctx, op->elem);
    if (crowds != CROWD_NONE)
        crowd_linger(h->node, crowds, op->deadline);
    return rc;
}

/* The turn of taker `number` has come when all before it have finished.  Channel locked; may unlock and wait.
 * true: it is broken off, because an element before it did not decode. */
static bool turn_wait(struct handle *h, struct parcel *p)
{
    if (h->finished + 1 != p->number && h->broken == 0) {
        struct parcel *after = TAILQ_FIRST(&h->turns);
        while (after != NULL && after->number < p->number)
            after = TAILQ_NEXT(after, link);
        if (after != NULL)
            TAILQ_INSERT_BEFORE(after, p, link);
        else
            TAILQ_INSERT_TAIL(&h->turns, p, link);
        p->waiting = true;
        rn_reached("op: a taker waits for those before it");
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        parcel_await(p); /* those before it decode on running goroutines: it is sure to come */
        rn__chan_lock(h->chan);
    }
    return h->broken != 0 && h->broken < p->number;
}

/* Moves who may go on now to a private list. */
static void turn_pass(struct handle *h, struct parcel_list *next)
{
    struct parcel *p;
    while ((p = TAILQ_FIRST(&h->turns)) != NULL &&
           (h->broken != 0 || p->number == h->finished + 1)) {
        TAILQ_REMOVE(&h->turns, p, link);
        p->waiting = false;
        TAILQ_INSERT_TAIL(next, p, link);
        if (h->broken == 0)
            return;
    }
}

/* The codec has refused the element.  false: there is no memory to say so.  Among dead letters it has no other place to go. */
static bool receive_refuse(struct handle *h, const struct parcel *p, int rc)
{
    struct delivery *d = rc == -ENOMEM || p->letter != NULL ? NULL : hand_reserve(h->hand);
    if (d == NULL)
        return false;
    rn_reached("op: a codec refuses an element");
    d->number = p->delivery;
    /* When it is too late for that it goes back by itself. */
    (void)hand_settle(d, WIRE_UNREADABLE, 0, rn_strerror(rc));
    return true;
}

int receive_settle(struct handle *h, struct parcel *p, int rc)
{
    struct parcel_list next = TAILQ_HEAD_INITIALIZER(next);
    rn__chan_lock(h->chan);
    bool refused = false;
    if (turn_wait(h, p)) {
        rc = h->fatal;
    } else if (rc < 0 && !(refused = receive_refuse(h, p, rc))) {
        h->broken = p->number;
        if (h->over)
            h->fatal = h->fatal < 0 ? h->fatal : rc;
        else
            handle_fail_locked(h, rc);
    } else {
        rc = refused ? RN__RETRY : 0;
        h->finished = p->number;
        h->taken = p->delivery;
        if (!h->over)
            node_mark(h->node, h);
    }
    turn_pass(h, &next);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    parcel_signal_all(&next);
    return rc;
}

/* The operation is over: what it had for its delivery goes back. */
static void receive_end(struct handle *h, struct parcel *p)
{
    if (p->place != NULL)
        hand_spare(p->place);
    p->place = NULL;
    parcel_give(&h->pool, p);
}

void message_hand_over(rn_msg *m, uint64_t position, uint32_t deliveries, uint64_t number,
                       struct delivery *place)
{
    m->seq = position;
    m->deliveries = deliveries;
    if (place == NULL)
        return;
    place->number = number;
    m->delivery = place;
}

/* The element is the receive's: if it is one with a delivery, that is in the program's hands now. */
static void receive_hand_over(const struct rn_codec *codec, struct parcel *p, void *elem)
{
    if (!msg_is_codec(codec))
        return;
    message_hand_over(elem, p->position, p->deliveries, p->delivery, p->place);
    if (p->place != NULL && p->letter != NULL) {
        /* A program may keep it for long: it need not hold all that came with it. */
        struct frame *kept = frame_keep(p->frame, &p->letter, p->letter_size);
        p->place->frame = kept != NULL ? kept : frame_ref(p->frame);
        p->place->head = p->letter;
        p->place->head_size = p->letter_size;
    }
    p->place = NULL;
}

/* Who receives into nothing wants the element gone: it is acknowledged. */
static void receive_discard(struct parcel *p)
{
    if (p->place == NULL)
        return;
    p->place->number = p->delivery;
    (void)hand_settle(p->place, WIRE_DONE, 0, NULL);
    p->place = NULL;
}

/* Finds the element behind what stands before it.  0: also its Header, if p->headed still says that it has one. */
static int receive_unwrap(struct parcel *p, struct wire_header *header)
{
    if (p->letter != NULL && dead_read(NULL, p->letter, p->letter_size, &p->data, &p->len) < 0)
        return -EPROTO;
    if (!p->headed || header_read(header, p->data, p->len, &p->data, &p->len) == 0)
        return 0;
    p->headed = false;
    return p->letter != NULL
               ? 0
               : -EPROTO; /* a dead letter has no other place to go: it is given as it is */
}

/* The element, beside the caller's, and what came with it. */
static int receive_decode(const rn_codec *codec, struct parcel *p, const struct wire_header *header,
                          void *elem)
{
    int rc = codec_decode(codec, p->frame, p->data, p->len, elem);
    if (rc < 0 || !p->headed || !msg_is_codec(codec))
        return rc;
    rc = msg_carry(elem, p->place, header);
    if (rc < 0)
        codec->drop(codec->ctx, elem);
    return rc;
}

/* The receive has its element: what it does from now on belongs to that one's story. */
static void receive_trace(const struct parcel *p, const struct wire_header *header)
{
    bool traced = p->headed && trace_is_valid(header->traceparent);
    if (traced || rn__heirlooms_used())
        trace_received(traced ? header->traceparent : "");
}

static int receive_finish(struct handle *h, struct rn__op *op, bool performed, int rc)
{
    const struct rn_codec *codec = &h->side[RN_IN].codec;
    struct parcel *p = op_parcel(op);
    if (!performed || rc < 0) {
        receive_end(h, p);
        return rc;
    }
    /* Decoded beside the caller's element, which stays untouched on error. */
    _Alignas(max_align_t) uint8_t small[ELEM_ON_STACK];
    void *elem = codec->elemsize > sizeof small ? (void *)p->buf.data : small;
    struct wire_header header;
    if (p->letter != NULL || p->headed)
        rc = receive_unwrap(p, &header);
    if (rc >= 0 && op->elem != NULL) /* NULL: the caller wants it gone, whatever it is */
        rc = receive_decode(codec, p, &header, elem);
    bool made = op->elem != NULL && rc >= 0;
    rc = receive_settle(h, p, rc);
    if (rc == 0)
        receive_trace(p, &header);
    if (rc == 0 && made) {
        receive_hand_over(codec, p, elem);
        memcpy(op->elem, elem, codec->elemsize);
    } else if (rc == 0) {
        receive_discard(p);
    } else if (made && rc < 0 && codec->drop != NULL) {
        codec->drop(codec->ctx, elem);
    }
    receive_end(h, p);
    return rc;
}

static int op_finish(rn_chan *c, struct rn__op *op, int performed, int rc)
{
    (void)c;
    struct handle *h = op_handle(op);
    if (op->kind == RN_SEND)
        return send_finish(h, op, performed != 0, rc);
    return receive_finish(h, op, performed != 0, rc);
}

/* ---- the channel as a whole ---- */

static void op_close(rn_chan *c, int reason)
{
    struct handle *h = rn__chan_bound(c);
    if (node_forked())
        return;
    rn__chan_lock(c);
    bool in = h->side[RN_IN].state == SIDE_BOUND;
    bool out = h->side[RN_OUT].state == SIDE_BOUND;
    /* A failure cancels if this end receives; a close is a sender's if this end sends. */
    struct side *side = &h->side[(reason < 0 ? in : !out) ? RN_IN : RN_OUT];
    if (h->fatal == 0 && side->state == SIDE_BOUND && side->closed == 0 && !side->closing) {
        h->reason = reason;
        side->closing = true;
        side->close_due = true;
        side->close_reason = reason;
        if (side->dir == RN_OUT || reason < 0)
            side->closed = RN_ECLOSED;
        if (reason < 0 && in) {
            handle_forget_ahead(h);
            hand_close(h->hand);
            if (out)
                h->side[RN_OUT].closed = reason;
        }
        handle_serve_locked(h); /* ends what waits on a closed side */
        node_mark(h->node, h);
    }
    rn__chan_unlock(c);
}

static int op_err(const rn_chan *c)
{
    struct handle *h = rn__chan_bound((rn_chan *)c);
    rn__chan_lock(h->chan);
    int rc = h->fatal < 0 ? h->fatal : h->reason;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return rc;
}

static size_t op_len(const rn_chan *c)
{
    struct handle *h = rn__chan_bound((rn_chan *)c);
    rn__chan_lock(h->chan);
    size_t n = h->side[RN_IN].state == SIDE_BOUND ? h->in.len : h->out.numbered - h->out.accepted;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return n;
}

static size_t op_cap(const rn_chan *c)
{
    struct handle *h = rn__chan_bound((rn_chan *)c);
    rn__chan_lock(h->chan);
    size_t n = h->capacity > 0 ? (size_t)h->capacity : 0;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return n;
}

static void op_release(rn_chan *c)
{
    handle_unref(rn__chan_bound(c));
}

const struct rn__chan_ops handle_ops = {
    .send = op_send,
    .recv = op_recv,
    .prepare = op_prepare,
    .attempt = op_attempt,
    .queued = op_queued,
    .unqueued = op_unqueued,
    .hurry = op_hurry,
    .missed = op_missed,
    .finish = op_finish,
    .close = op_close,
    .err = op_err,
    .len = op_len,
    .cap = op_cap,
    .release = op_release,
};
