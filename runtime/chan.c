/* chan.c - channels: their life, sending and receiving in the usual case, closing; see rn.h.   SPDX-License-Identifier: MIT
 *
 * What is done under a channel's lock is in local.h, with the invariants; all that is not usual in op.c. */
#include "runtime/chan.h"

#include "runtime/assert.h"
#include "runtime/group.h"
#include "runtime/local.h"
#include "runtime/timer.h"

#include <stdlib.h>

#define ELEMSIZE_MAX 65536
#define USUAL_SIZE   sizeof(int64_t) /* of elements: to copy one is two moves */
#define CLOSE_MAX    128             /* of those who wait at a time */

/* ---- life ---- */

rn_chan *rn_chan_new(size_t elemsize, size_t cap, void (*drop)(void *elem))
{
    size_t bytes;
    rn_chan *c;

    if (elemsize > ELEMSIZE_MAX || __builtin_mul_overflow(elemsize, cap, &bytes) ||
        bytes > SIZE_MAX / 2)
        return NULL;
    c = aligned_alloc(_Alignof(rn_chan),
                      (sizeof *c + bytes + (RN__RACE ? cap : 0) + 63) & ~(size_t)63);
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    atomic_init(&c->refs, 1);
    c->elemsize = elemsize;
    c->cap = cap;
    c->drop = drop;
    c->traced = rn__tracing();
    c->usual = elemsize == USUAL_SIZE && !c->traced && !RN__RACE;
    return c;
}

rn_chan *rn_chan_ref(rn_chan *c)
{
    /* Relaxed: the caller holds a reference already. */
    if (c != NULL)
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void rn_chan_unref(rn_chan *c)
{
    const struct rn__chan_ops *ops;

    if (c == NULL)
        return;
    rn__race_release(&c->refs);
    /* Release what we did with it; acquire, for the last, what all others did. */
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
        return;
    rn__race_acquire(&c->refs);
    if (c->senders != NULL || c->receivers != NULL)
        rn_panic("rn_chan_unref: the last reference goes while an operation waits in the channel");
    if (c->timer != NULL)
        rn__timer_stop(c->timer);
    free(c->timer);
    ops = atomic_load(&c->ops);
    if (ops != NULL)
        ops->release(c);
    for (size_t i = 0; c->drop != NULL && i < c->count; i++)
        c->drop(slot(c, i, c->elemsize));
    free(c);
}

bool rn__chan_is_last_ref(const rn_chan *c)
{
    return atomic_load(&c->refs) == 1;
}

void rn__chan_lock(rn_chan *c)
{
    rn__lock(&c->lock);
}

void rn__chan_unlock(rn_chan *c)
{
    rn__unlock(&c->lock);
}

/* ---- the common case: a goroutine that is not cancelled, and a local channel -----------------------------------
 *
 * What nearly always happens calls nothing, so that it needs no stack frame; the rest is called last. */

/* Is there more to it?  Let rn__chan_operate() find out. */
static inline bool is_unusual(const rn_chan *c, const struct rn__worker *w)
{
    return w == NULL || c == NULL || w->current == NULL || rn__g_stops(w->current);
}

/* Waits; the channel is locked and is unlocked. */
static __attribute__((noinline)) int wait_local(struct rn__worker *w, rn_chan *c, void *elem,
                                                enum rn_op kind, rn_time deadline)
{
    struct rn__g *g = w->current;
    struct rn__op op;
    struct rn__wait wait;
    int rc, performed;

    /* So much is for all who find it in the queue. */
    op.chan = c;
    op.elem = elem;
    op.kind = kind;
    op.index = 0;
    op.ops = NULL;
    op.sole = NULL;
    if (rn__wait_is_sole(g, deadline) && !c->external) {
        op.sole = g;
        wait.g = g;
        wait.ops = &op;
        wait.n_ops = 1;
        race_offer(&op);
        queue_append(c, &op);
        rn__park_sole(w, &wait, kind == RN_SEND ? RN__WHY_SEND : RN__WHY_RECV, c, &c->lock);
        return rn__op_result(&op);
    }
    if (rn__deadline_passed(deadline)) {
        rn__unlock(&c->lock);
        return RN_ETIMEDOUT;
    }
    op.deadline = deadline;
    op.id = 0;
    rc = rn__op_wait(&op, deadline, &performed);
    rn_assert(rc != RN__RETRY); /* only what is negotiated is tried anew */
    return rc;
}

/* A peer was claimed and has its element. */
static inline void complete_here(struct rn__worker *w, struct rn__op *peer)
{
    struct rn__g *g = peer->sole != NULL ? peer->sole : peer->wait->g;

    rn__bump(peer->kind == RN_SEND ? &w->counters.sends : &w->counters.recvs);
    peer->rc = 0;
    rn__race_release(peer);
    if (g == NULL)
        rn__wake(peer->wait);
    else if (!rn__ready_quickly(w, g))
        rn__ready_here(w, g);
}

/* What is not usual; the channel is locked. */
static __attribute__((noinline)) int operate_locked(struct rn__worker *w, rn_chan *c, void *elem,
                                                    enum rn_op kind, rn_time deadline)
{
    struct rn__op *peer = NULL;
    int rc;

    if (rn__chan_is_bound(c)) {
        rn__unlock(&c->lock);
        return rn__chan_operate(c, elem, kind, deadline);
    }
    rc = kind == RN_SEND ? send_local(c, elem, &peer) : recv_local(c, elem, &peer);
    if (rc == RN__NOT_READY)
        return wait_local(w, c, elem, kind, deadline);
    rn__unlock(&c->lock);
    if (rc == 0)
        rn__bump(kind == RN_SEND ? &w->counters.sends : &w->counters.recvs);
    if (peer != NULL)
        complete_here(w, peer);
    return rc;
}

static __attribute__((noinline)) int operate_contended(struct rn__worker *w, rn_chan *c, void *elem,
                                                       enum rn_op kind, rn_time deadline)
{
    rn__lock_slow(&c->lock);
    return operate_locked(w, c, elem, kind, deadline);
}

static __attribute__((noinline)) int ready_slowly(struct rn__worker *w, struct rn__g *g, rn_chan *c)
{
    rn__ready_here(w, g);
    rn__unlock(&c->lock);
    return 0;
}

static __attribute__((noinline)) int unlock_slowly(rn_chan *c)
{
    rn__unlock_slow(&c->lock);
    return 0;
}

static inline int unlock(rn_chan *c)
{
    return rn__unlock_quickly(&c->lock) ? 0 : unlock_slowly(c);
}

/* The element of a peer, the first in its queue, has gone over. */
static inline int serve(struct rn__worker *w, rn_chan *c, struct rn__op **first)
{
    struct rn__op *peer = *first, *next = peer->next;
    struct rn__g *g = peer->sole;

    *first = next;
    if (next != NULL)
        next->prev = peer->prev;
    peer->queued = false;
    peer->rc = 0;
    rn__bump(&w->counters.sends);
    rn__bump(&w->counters.recvs);
    return rn__ready_quickly(w, g) ? unlock(c) : ready_slowly(w, g, c);
}

static __attribute__((noinline)) int try_locked(struct rn__worker *w, rn_chan *c, void *elem,
                                                enum rn_op kind)
{
    struct rn__op *peer = NULL;
    int rc = RN__NOT_READY;

    if (rn__chan_is_bound(c))
        rc = RN__RETRY;
    else if (rn__chan_may_be_ready(c, kind))
        rc = kind == RN_SEND ? send_local(c, elem, &peer) : recv_local(c, elem, &peer);
    rn__unlock(&c->lock);
    if (rc == 0)
        rn__bump(kind == RN_SEND ? &w->counters.sends : &w->counters.recvs);
    if (peer != NULL)
        complete_here(w, peer);
    return rc;
}

int rn__chan_try(struct rn__worker *w, rn_chan *c, void *elem, enum rn_op kind)
{
    struct rn__op *sender;

    rn__lock(&c->lock);
    sender = c->senders;
    if (kind != RN_RECV || !c->usual || elem == NULL || sender == NULL || sender->sole == NULL ||
        c->count > 0)
        return try_locked(w, c, elem, kind);
    memcpy(elem, sender->elem, USUAL_SIZE);
    return serve(w, c, &c->senders);
}

/* Has the table of a bound channel a way of its own?  A race detector is told of what goes by rn__chan_operate(). */
#define HAS_WAY(operation) (!RN__RACE && (operation) != NULL)

static inline __attribute__((always_inline)) int chan_send(rn_chan *c, const void *elem,
                                                           rn_time deadline)
{
    struct rn__worker *w = rn__worker();
    const struct rn__chan_ops *ops;
    struct rn__op *receiver;

    if (is_unusual(c, w))
        return rn__chan_operate(c, (void *)elem, RN_SEND, deadline);
    if (rn__chan_is_bound(c)) {
        ops = rn__chan_ops(c);
        return HAS_WAY(ops->send) ? ops->send(c, elem, deadline)
                                  : rn__chan_operate(c, (void *)elem, RN_SEND, deadline);
    }
    if (!rn__lock_quickly(&c->lock))
        return operate_contended(w, c, (void *)elem, RN_SEND, deadline);
    receiver = c->receivers;
    if (!c->usual || (receiver != NULL && (receiver->sole == NULL || receiver->elem == NULL)))
        return operate_locked(w, c, (void *)elem, RN_SEND, deadline);
    if (receiver != NULL) {
        memcpy(receiver->elem, elem, USUAL_SIZE);
        return serve(w, c, &c->receivers);
    }
    if (c->count == c->cap)
        return wait_local(w, c, (void *)elem, RN_SEND, deadline);
    memcpy(slot(c, c->count, USUAL_SIZE), elem, USUAL_SIZE);
    c->count++;
    rn__bump(&w->counters.sends);
    return unlock(c);
}

int rn_chan_send(rn_chan *c, const void *elem, rn_time deadline)
{
    int rc;

    rn__race_call();
    rc = chan_send(c, elem, deadline);
    rn__race_return();
    return rc;
}

static inline __attribute__((always_inline)) int chan_recv(rn_chan *c, void *elem, rn_time deadline)
{
    struct rn__worker *w = rn__worker();
    const struct rn__chan_ops *ops;
    struct rn__op *sender;

    if (is_unusual(c, w))
        return rn__chan_operate(c, elem, RN_RECV, deadline);
    if (rn__chan_is_bound(c)) {
        ops = rn__chan_ops(c);
        return HAS_WAY(ops->recv) ? ops->recv(c, elem, deadline)
                                  : rn__chan_operate(c, elem, RN_RECV, deadline);
    }
    if (!rn__lock_quickly(&c->lock))
        return operate_contended(w, c, elem, RN_RECV, deadline);
    sender = c->senders;
    if (!c->usual || elem == NULL || (sender != NULL && (sender->sole == NULL || c->count > 0)))
        return operate_locked(w, c, elem, RN_RECV, deadline);
    if (sender != NULL) {
        memcpy(elem, sender->elem, USUAL_SIZE);
        return serve(w, c, &c->senders);
    }
    if (c->count == 0)
        return wait_local(w, c, elem, RN_RECV, deadline);
    memcpy(elem, slot(c, 0, USUAL_SIZE), USUAL_SIZE);
    take_first(c);
    rn__bump(&w->counters.recvs);
    return unlock(c);
}

int rn_chan_recv(rn_chan *c, void *elem, rn_time deadline)
{
    int rc;

    rn__race_call();
    rc = chan_recv(c, elem, deadline);
    rn__race_return();
    return rc;
}

int rn__chan_offer(rn_chan *c, const void *elem)
{
    struct rn__op *peer = NULL;
    int rc;

    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rn__chan_lock(c);
    rc = send_local(c, elem, &peer);
    rn__chan_unlock(c);
    if (peer != NULL)
        rn__op_complete(peer, 0);
    rn__outside_leave();
    return rc == RN__NOT_READY ? RN_ETIMEDOUT : rc;
}

/* ---- closing ---- */

/* Some of those who wait; locked.  true: there may be more. */
static bool claim_some(rn_chan *c, struct rn__op **won)
{
    struct rn__op *op, **tail = won;
    unsigned n = 0;

    while (n < CLOSE_MAX && ((op = rn__chan_claim(c, RN_RECV)) != NULL ||
                             (op = rn__chan_claim(c, RN_SEND)) != NULL)) {
        __builtin_prefetch(op->sole, 1); /* or NULL, which is nothing */
        *tail = op;
        tail = &op->next;
        n++;
    }
    *tail = NULL;
    return n == CLOSE_MAX;
}

static void dismiss(struct rn__op *won)
{
    struct rn__op *next;

    rn__ready_many_begin();
    for (; won != NULL; won = next) {
        next = won->next;
        rn__op_complete(won, RN_ECLOSED);
    }
    rn__ready_many_end();
}

/* The channel was closed; it is locked, and is unlocked.  Many may wait, each on a stack of its own that is in no cache of the
 * CPU: so that each is looked at once, they are woken in the order in which they are claimed, some at a time. */
static void dismiss_all(rn_chan *c)
{
    struct rn__op *won;
    bool more = claim_some(c, &won);

    if (!more) {
        rn__chan_unlock(c); /* from here on it may be gone */
        dismiss(won);
        return;
    }
    rn_chan_ref(c);
    while (rn__chan_unlock(c), dismiss(won), more) {
        rn__chan_lock(c);
        more = claim_some(c, &won);
    }
    rn_chan_unref(c);
}

void rn_chan_fail(rn_chan *c, int reason)
{
    const struct rn__chan_ops *ops;
    bool inside;

    if (c == NULL)
        return;
    if (reason > 0)
        reason = 0;
    inside =
        rn__outside_enter(); /* a channel may be closed without a scheduler: then nobody waits in it */
    rn__chan_lock(c);
    ops = atomic_load(&c->ops);
    if (ops == NULL && !c->closed) {
        rn__race_release(&c->closed);
        c->closed = true;
        c->usual = false;
        c->reason = reason;
        dismiss_all(c);
    } else {
        rn__chan_unlock(c);
    }
    if (ops != NULL)
        ops->close(c, reason);
    if (inside)
        rn__outside_leave();
}

void rn_chan_close(rn_chan *c)
{
    rn_chan_fail(c, 0);
}

/* ---- looking ---- */

int rn_chan_err(const rn_chan *c)
{
    const struct rn__chan_ops *ops = c != NULL ? rn__chan_ops(c) : NULL;
    int reason;

    if (c == NULL)
        return 0;
    if (ops != NULL)
        return ops->err(c);
    rn__chan_lock((rn_chan *)c);
    if (c->closed)
        rn__race_acquire(&c->closed);
    reason = c->reason;
    rn__chan_unlock((rn_chan *)c);
    return reason;
}

size_t rn_chan_len(const rn_chan *c)
{
    const struct rn__chan_ops *ops = c != NULL ? rn__chan_ops(c) : NULL;
    size_t n;

    if (c == NULL)
        return 0;
    if (ops != NULL)
        return ops->len(c);
    rn__chan_lock((rn_chan *)c);
    n = c->count;
    rn__chan_unlock((rn_chan *)c);
    return n;
}

size_t rn_chan_cap(const rn_chan *c)
{
    const struct rn__chan_ops *ops = c != NULL ? rn__chan_ops(c) : NULL;

    if (c == NULL)
        return 0;
    return ops != NULL ? ops->cap(c) : c->cap;
}

/* ---- binding ---- */

size_t rn__chan_elemsize(const rn_chan *c)
{
    return c->elemsize;
}

void rn__chan_set_external(rn_chan *c)
{
    rn__chan_lock(c);
    c->external = true;
    rn__chan_unlock(c);
}

static bool idle_locked(const rn_chan *c)
{
    return atomic_load(&c->ops) == NULL && !c->closed && c->count == 0 && c->timer == NULL &&
           c->senders == NULL && c->receivers == NULL;
}

bool rn__chan_idle(rn_chan *c)
{
    bool idle;

    rn__chan_lock(c);
    idle = idle_locked(c);
    rn__chan_unlock(c);
    return idle;
}

int rn__chan_bind(rn_chan *c, const struct rn__chan_ops *ops, void *bound)
{
    int rc = -EBUSY;

    rn__chan_lock(c);
    if (idle_locked(c)) {
        c->bound = bound;
        c->usual = false;
        /* Release: who sees the table sees `bound`. */
        atomic_store_explicit(&c->ops, ops, memory_order_release);
        rc = 0;
    }
    rn__chan_unlock(c);
    return rc;
}
