/* bind.c - binding, unbinding, flushing: what programs ask of a handle as a whole.   SPDX-License-Identifier: MIT
 *
 * A bind is answered by the home before the local channel becomes a handle, so a refusal leaves it as it was.  From
 * Bound on the handle takes in what the home sends; if the channel cannot be had any more, all of it goes back. */
#include "node/inside.h"

#include "node/msg.h"
#include "node/op.h"
#include "proto/name.h"
#include "runtime/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a bind states, copied out of the caller's hands. */
struct statement {
    const char *name;
    enum rn_dir dir;
    struct rn_codec codec;
    struct rn_bind_opts opts;
    char *maker; /* of a reply channel, whose name is drawn here: as `name`; else NULL */
    bool leaves; /* see struct side */
};

static int refuse(rn_node *node, int rc, const char *format, const char *what, const char *why)
{
    char text[WIRE_TEXT_MAX + 1];
    snprintf(text, sizeof text, format, what, why);
    node_note_error(node, text);
    return rc;
}

static int statement_check(rn_node *node, const struct statement *st, const rn_chan *local)
{
    const char *fault = st->name == NULL   ? "is missing"
                        : st->dir == RN_IN ? name_fault_in(st->name)
                                           : name_fault(st->name);
    if (fault != NULL)
        return refuse(node, -EINVAL, "channel name \"%.300s\" %s", st->name != NULL ? st->name : "",
                      fault);
    const struct rn_codec *c = &st->codec;
    bool able = st->dir == RN_OUT ? c->encode != NULL : c->decode != NULL;
    if (!able)
        return refuse(node, -EINVAL, "channel %s: the codec cannot %s", st->name,
                      st->dir == RN_OUT ? "encode" : "decode");
    if (c->elemsize != rn__chan_elemsize(local))
        return refuse(node, -EINVAL,
                      "channel %s: the codec's elements are of another size than the channel's%s",
                      st->name, "");
    if (c->type != NULL && strlen(c->type) > WIRE_TYPE_MAX)
        return refuse(node, -EINVAL, "channel %s: the type's name is too long%s", st->name, "");
    if (st->opts.manual_ack && st->dir == RN_IN && !msg_is_codec(c))
        return refuse(node, -EINVAL, "channel %s: only rn_codec_msg can be acknowledged by hand%s",
                      st->name, "");
    if (st->opts.capacity < RN_RENDEZVOUS || st->opts.capacity > WIRE_CAPACITY_MAX)
        return refuse(node, -EINVAL,
                      "channel %s: the capacity is out of range, at most 2147483648%s", st->name,
                      "");
    if (st->opts.ttl_ns < 0)
        return refuse(node, -EINVAL, "channel %s: the time to live is negative%s", st->name, "");
    return 0;
}

/* The handle that local is already, or a new one for it. */
static struct handle *bind_handle(rn_node *node, const struct statement *st, rn_chan *local,
                                  int *rc)
{
    *rc = 0;
    struct handle *h = handle_of(local);
    if (h == NULL) {
        *rc = rn__chan_idle(local) ? -ENOMEM : -EBUSY;
        return *rc == -EBUSY ? NULL : handle_new(node, st->name, local);
    }
    if (h->node == node && strcmp(h->name, st->name) == 0)
        return h;
    handle_unref(h);
    *rc = -EBUSY;
    return NULL;
}

/* What is written down in rn_bind.  Channel locked.  `type` and `hand` are taken. */
static void side_state_wishes(struct side *side, const struct statement *st, char **type,
                              struct hand **hand)
{
    struct handle *h = side->handle;
    free(side->type);
    side->type = *type;
    *type = NULL;
    side->codec = st->codec;
    side->codec.type = side->type;
    side->opts = st->opts;
    side->messages = msg_is_codec(&st->codec);
    side->flat = op_flat(h, side->dir, &st->codec);
    side->confirms = st->opts.confirm;
    side->by_hand = side->opts.manual_ack = st->opts.manual_ack && side->dir == RN_IN;
    side->maker = st->maker != NULL;
    side->leaves = st->leaves;
    side->state = SIDE_PENDING;
    side->closed = 0;
    side->closing = side->close_due = side->unbind_due = false;
    side->asked = side->adjusted = 0;
    side->sole = 0;
    side->reported = (struct wire_counts){ 0 };
    if (side->dir == RN_OUT)
        return;
    rn_assert(h->in.len == 0);
    rn_assert(h->in.n_gaps == 0);
    h->in.newest = h->taken = h->taken_reported = 0;
    struct hand *before = h->hand;
    h->hand = *hand;
    *hand = before; /* of a bind that did not hold: nobody has anything of it */
}

/* Reserves the direction.  0, -EBUSY, -ENOMEM, or how the handle failed. */
static int side_begin(struct side *side, const struct statement *st)
{
    struct handle *h = side->handle;
    char *type = NULL;
    struct hand *hand = NULL;
    if (st->codec.type != NULL && (type = strdup(st->codec.type)) == NULL)
        return -ENOMEM;
    if (side->dir == RN_IN && (hand = hand_new(h)) == NULL) {
        free(type);
        return -ENOMEM;
    }
    int rc = 0;
    rn__chan_lock(h->chan);
    if (h->fatal < 0)
        rc = h->fatal == -ESHUTDOWN ? -EBUSY : h->fatal;
    else if (side->state != SIDE_NONE)
        rc = -EBUSY;
    else
        side_state_wishes(side, st, &type, &hand);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    hand_leave(hand);
    free(type);
    return rc;
}

/* Nothing was asked of the home: as if it had never begun. */
static void side_unbegin(struct side *side)
{
    rn__chan_lock(side->handle->chan);
    side->state = SIDE_NONE;
    rn__chan_unlock(side->handle->chan);
}

static int bind_submit(rn_node *node, struct side *side, rn_chan *reply)
{
    struct request *r = request_new(REQUEST_BIND);
    if (r == NULL)
        return -ENOMEM;
    request_side(r, side);
    r->reply = rn_chan_ref(reply);
    int rc = node_submit(node, r);
    if (rc < 0)
        request_free(r);
    return rc;
}

/* The bind is not wanted any more; whatever the home says to it is undone.  There must be memory in the end:
 * leaving it bound would be a lie. */
static void bind_abandon(rn_node *node, struct side *side)
{
    struct request *r = request_new(REQUEST_ABANDON);
    rn_shield(1);
    while (r == NULL) {
        rn_sleep(rn_after(RN_MS));
        r = request_new(REQUEST_ABANDON);
    }
    rn_shield(0);
    request_side(r, side);
    if (node_submit(node, r) < 0)
        request_free(r);
}

/* Asks the home and waits for its word. */
static int bind_ask(rn_node *node, struct side *side, rn_time deadline)
{
    rn_chan *reply = rn_chan_new(sizeof(int), 1, NULL);
    int rc = reply != NULL ? bind_submit(node, side, reply) : -ENOMEM;
    if (rc < 0) {
        side_unbegin(side);
        rn_chan_unref(reply);
        return rc;
    }
    int answer = 0;
    rn_hold();
    rc = rn_chan_recv(reply, &answer, deadline);
    rn_release();
    if (rc < 0)
        bind_abandon(node, side);
    rn_chan_unref(reply);
    return rc < 0 ? rc : answer;
}

/* Makes local the handle, unless it is one already. */
static int bind_attach(struct handle *h, rn_chan *local)
{
    if (handle_attached(h))
        return 0;
    handle_ref(h); /* the channel's, until its release */
    int rc = rn__chan_bind(local, &handle_ops, h);
    if (rc < 0)
        handle_unref(h);
    return rc;
}

/* 0, an error, or 1: the session ended before the channel was a handle; try again under the next one. */
static int bind_once(rn_node *node, const struct statement *st, rn_chan *local, rn_time deadline)
{
    int rc;
    struct handle *h = bind_handle(node, st, local, &rc);
    if (h == NULL)
        return rc;
    struct side *side = &h->side[st->dir];
    rc = side_begin(side, st);
    if (rc == 0)
        rc = bind_ask(node, side, deadline);
    rn__chan_lock(local);
    bool attached = handle_attached(h);
    bool lost = !attached && h->over && rc == h->fatal;
    if (rc == 0 && !attached && h->over)
        lost = true;
    rn__chan_unlock(local);
    if (lost)
        rc = h->fatal == -ESHUTDOWN ? -ESHUTDOWN : 1;
    if (rc == 0) {
        rc = bind_attach(h, local);
        if (rc < 0)
            bind_abandon(node, side);
    }
    handle_unref(h);
    return rc;
}

static int bind_stated(rn_node *node, const struct statement *st, rn_chan *local, rn_time deadline)
{
    node_ref(node); /* it may be closed while we wait; then the bind fails */
    int rc = statement_check(node, st, local);
    if (rc == 0)
        do {
            if (st->maker !=
                NULL) /* what was made under a session that has ended may still be there */
                reply_name(st->maker);
            rc = bind_once(node, st, local, deadline);
        } while (rc > 0);
    node_unref(node);
    return rc;
}

int rn_bind_v(rn_node *node, const char *name, enum rn_dir dir, rn_chan *local,
              const rn_codec *codec, size_t codec_size, const rn_bind_opts *opts, size_t opts_size,
              rn_time deadline)
{
    struct statement st = { .name = name, .dir = dir };
    if (node == NULL || local == NULL || codec == NULL || (dir != RN_IN && dir != RN_OUT))
        return -EINVAL;
    if (node_forked())
        return -ESHUTDOWN;
    memcpy(&st.codec, codec, codec_size < sizeof st.codec ? codec_size : sizeof st.codec);
    if (opts != NULL)
        memcpy(&st.opts, opts, opts_size < sizeof st.opts ? opts_size : sizeof st.opts);
    return bind_stated(node, &st, local, deadline);
}

int bind_reply(rn_node *node, char name[RN_NAME_MAX], enum rn_dir dir, rn_chan *local,
               const rn_codec *codec, rn_time deadline)
{
    struct statement st = { .name = name, .dir = dir, .codec = *codec, .maker = name };
    reply_name(name);
    return bind_stated(node, &st, local, deadline);
}

int bind_leaving(rn_node *node, const char *name, rn_chan *local, const rn_codec *codec,
                 rn_time deadline)
{
    struct statement st = {
        .name = name, .dir = RN_OUT, .codec = *codec, .leaves = name_is_reply(name)
    };
    return bind_stated(node, &st, local, deadline);
}

/* ---- flushing ---- */

/* A parcel that can be waited for, for who waits and sends nothing. */
static struct parcel *waiter_new(struct handle *h)
{
    struct parcel *p = parcel_get(&h->pool);
    if (p != NULL && parcel_waitable(p) < 0) {
        parcel_give(&h->pool, p);
        p = NULL;
    }
    return p;
}

/* Waits for a parcel that is on one of the handle's lists. */
static int waiter_wait(struct handle *h, struct parcel *p, struct parcel_list *list,
                       rn_time deadline)
{
    int rc = parcel_wait(p, deadline);
    if (rc == 0)
        return p->rc;
    rn__chan_lock(h->chan);
    bool listed = p->waiting;
    if (listed)
        TAILQ_REMOVE(list, p, link);
    p->waiting = false;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    if (listed)
        return rc;
    parcel_await(p); /* the word came at the same moment */
    return p->rc;
}

static int handle_flush(struct handle *h, rn_time deadline)
{
    struct parcel *p = waiter_new(h);
    if (p == NULL)
        return -ENOMEM;
    rn__chan_lock(h->chan);
    int rc = handle_verdict_join(h, p, h->out.numbered);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    if (rc == 0)
        rc = waiter_wait(h, p, &h->verdicts, deadline);
    parcel_give(&h->pool, p);
    return rc > 0 ? 0 : rc;
}

int rn_flush(rn_chan *bound, rn_time deadline)
{
    if (node_forked())
        return -ESHUTDOWN;
    struct handle *h = handle_of(bound);
    if (h == NULL)
        return -EBADF;
    int rc = atomic_load(&h->side[RN_OUT].usable) ? handle_flush(h, deadline) : -EBADF;
    handle_unref(h);
    return rc;
}

/* ---- unbinding ---- */

static void handle_drain(struct handle *h, bool on)
{
    rn__chan_lock(h->chan);
    h->draining = on;
    if (!on)
        handle_serve_locked(h);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
}

/* Waits until the home has no part in the handle any more. */
static int handle_leave(struct handle *h, rn_time deadline)
{
    struct parcel *p = waiter_new(h);
    if (p == NULL)
        return -ENOMEM;
    rn__chan_lock(h->chan);
    bool over = h->over;
    if (!over) {
        p->waiting = true;
        TAILQ_INSERT_TAIL(&h->leavers, p, link);
    }
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    int rc = over ? 0 : waiter_wait(h, p, &h->leavers, deadline);
    parcel_give(&h->pool, p);
    return rc;
}

/* The home has no part in the handle any more: there is nothing to undo, only something to say.  `bound`: it was bound when
 * the unbind began. */
static int handle_unbind_over(struct handle *h, bool bound)
{
    rn__chan_lock(h->chan);
    bound |= h->fatal != -ESHUTDOWN;
    int rc = !bound ? -EBADF : handle_unsent(h) > 0 ? h->fatal : 0;
    h->fatal = -ESHUTDOWN;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return rc;
}

static int handle_unbind(struct handle *h, rn_time deadline)
{
    rn__chan_lock(h->chan);
    bool over = h->over;
    int fatal = h->fatal;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    if (over)
        return handle_unbind_over(h, /* bound= */ false);
    if (fatal == 0) {
        handle_drain(h, true);
        int rc = handle_flush(h, deadline);
        if (rc < 0) {
            handle_drain(h, false);
            rn__chan_lock(h->chan);
            over = h->over;
            handle_check_slowly(h);
            rn__chan_unlock(h->chan);
            return over ? handle_unbind_over(h, /* bound= */ true) : rc;
        }
        handle_fail(h, -ESHUTDOWN);
    }
    return handle_leave(h, deadline);
}

int rn_unbind(rn_chan *bound, rn_time deadline)
{
    if (node_forked())
        return -ESHUTDOWN;
    struct handle *h = handle_of(bound);
    if (h == NULL)
        return -EBADF;
    int rc = handle_unbind(h, deadline);
    handle_unref(h);
    return rc;
}

uint64_t rn_chan_unsent(const rn_chan *bound)
{
    struct handle *h = handle_of(bound);
    if (h == NULL)
        return 0;
    rn__chan_lock(h->chan);
    uint64_t n = handle_unsent(h);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    handle_unref(h);
    return n;
}

uint64_t rn_chan_lost(const rn_chan *bound)
{
    struct handle *h = handle_of(bound);
    if (h == NULL)
        return 0;
    rn__chan_lock(h->chan);
    uint64_t n = h->slow.here + h->slow.home;
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    handle_unref(h);
    return n;
}
