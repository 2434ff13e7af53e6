/* chan.c - channels; see chan.h and rn.h.   SPDX-License-Identifier: MIT
 *
 * Invariants, under the lock: receivers wait only while the buffer is empty and no sender waits; senders only while it is
 * full; so an element never waits beside one who would take it, and order is first in, first out.  A closed channel has
 * no senders waiting, and no receivers unless it is bound.  A select that is tentative elsewhere counts as not waiting: it
 * is passed over and, having been knocked on, looks again by itself when that comes to nothing. */
#include "runtime/chan.h"

#include "runtime/assert.h"
#include "runtime/group.h"
#include "runtime/race.h"
#include "runtime/state.h"
#include "runtime/timer.h"
#include "runtime/trace.h"

#include <stdlib.h>
#include <string.h>

#define ELEMSIZE_MAX 65536
#define USUAL_SIZE   sizeof(int64_t) /* of elements: to copy one is two moves */

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

static inline char *slot(rn_chan *c, size_t i, size_t elemsize)
{
    size_t at = c->head + i;

    if (at >= c->cap)
        at -= c->cap;
    return c->buffer + at * elemsize;
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

/* ---- what comes before what, for race.h; the lock is held ---- */

#ifdef RN_RACE

/* Of each place in the buffer; elements may have no size, so it is not theirs. */
static const char *place(const rn_chan *c, size_t i)
{
    size_t at = c->head + i;

    return c->buffer + c->cap * c->elemsize + (at >= c->cap ? at - c->cap : at);
}

static void race_pass(const char *place)
{
    rn__race_acquire(place);
    rn__race_release(place);
}

/* The peer's half of that.  As the peer, if it has left its stack, and it has, nearly always; else we come after it, for it
 * said where it was before it began to wait. */
static void race_pass_for(struct rn__op *peer, const char *place)
{
    struct rn__g *g = peer->sole != NULL ? peer->sole : peer->wait->g;
    void *self;

    /* Acquire pairs with arrive(). */
    if (g != NULL && atomic_load_explicit(&g->token, memory_order_acquire) == 2) {
        self = rn__race_as(g->tsan_fiber);
        race_pass(place);
        (void)rn__race_as(self);
    } else {
        rn__race_acquire(peer);
        race_pass(place);
    }
}

/* An element goes from us to a receiver that waits.  With a buffer it passes through that, whose first place is the next. */
static void race_send_to(rn_chan *c, struct rn__op *receiver)
{
    if (c->cap == 0) {
        rn__race_acquire(receiver);
        return;
    }
    race_pass(place(c, 0));
    race_pass_for(receiver, place(c, 0));
    c->head = c->head + 1 == c->cap ? 0 : c->head + 1;
}

/* The operation waits from now on. */
static void race_offer(struct rn__op *op)
{
    if (op->kind == RN_SEND)
        rn__race_reads(op->elem, op->chan->elemsize);
    rn__race_release(op);
}

#else

static inline const char *place(const rn_chan *c, size_t i)
{
    (void)c, (void)i;
    return NULL;
}

#define race_pass(place)           ((void)(place))
#define race_pass_for(peer, place) ((void)(place))
#define race_send_to(c, receiver)  ((void)0)
#define race_offer(op)             ((void)0)

#endif

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

/* ---- queues; the lock is held ---- */

static inline struct rn__op **queue_of(rn_chan *c, enum rn_op kind)
{
    return kind == RN_SEND ? &c->senders : &c->receivers;
}

static inline size_t *count_of(rn_chan *c, enum rn_op kind)
{
    return kind == RN_SEND ? &c->n_senders : &c->n_receivers;
}

static inline void queue_remove(rn_chan *c, struct rn__op *op)
{
    struct rn__op **first = queue_of(c, op->kind);

    if (op->next != NULL)
        op->next->prev = op->prev;
    else
        (*first)->prev = op->prev;
    if (op != *first)
        op->prev->next = op->next;
    else
        *first = op->next;
    if (op->ops != NULL)
        --*count_of(c, op->kind);
    op->queued = false;
}

static inline void queue_append(rn_chan *c, struct rn__op *op)
{
    struct rn__op **first = queue_of(c, op->kind);

    op->next = NULL;
    if (*first != NULL) {
        op->prev = (*first)->prev;
        op->prev->next = op;
    } else {
        *first = op;
    }
    (*first)->prev = op;
    if (op->ops != NULL)
        ++*count_of(c, op->kind);
    op->queued = true;
}

struct rn__op *rn__chan_first(rn_chan *c, enum rn_op kind)
{
    return *queue_of(c, kind);
}

size_t rn__chan_waiting(const rn_chan *c, enum rn_op kind)
{
    size_t n = 0;

    if (rn__chan_is_bound(c))
        return kind == RN_SEND ? c->n_senders : c->n_receivers;
    for (struct rn__op *op = kind == RN_SEND ? c->senders : c->receivers; op != NULL; op = op->next)
        n++;
    return n;
}

bool rn__op_fire(rn_chan *c, struct rn__op *op)
{
    if (op->queued)
        queue_remove(c, op);
    return rn__tentative_fire(op->wait);
}

static inline bool op_claim(rn_chan *c, struct rn__op *op)
{
    bool won = op->sole != NULL || rn__claim(op->wait, op->index);

    if (won || !rn__is_tentative(op->wait))
        queue_remove(c, op);
    return won;
}

bool rn__op_claim(rn_chan *c, struct rn__op *op)
{
    return op_claim(c, op);
}

struct rn__op *rn__chan_claim(rn_chan *c, enum rn_op kind)
{
    struct rn__op *op = *queue_of(c, kind), *next;

    for (; op != NULL; op = next) {
        next = op->next;
        if (op_claim(c, op))
            return op;
    }
    return NULL;
}

static void op_count(const struct rn__op *op)
{
    rn__count(op->kind == RN_SEND ? RN__COUNT_SENDS : RN__COUNT_RECVS);
}

void rn__op_complete(struct rn__op *op, int rc)
{
    if (rc == 0)
        op_count(op);
    op->rc = rc;
    rn__race_release(op);
    if (op->sole != NULL)
        rn__ready(op->sole);
    else
        rn__wake(op->wait);
}

void rn__op_enqueue(struct rn__op *op)
{
    race_offer(op);
    queue_append(op->chan, op);
    if (op->ops == NULL)
        return;
    rn__race_hide();
    op->ops->queued(op->chan, op);
    rn__race_show();
}

void rn__op_dequeue(struct rn__op *op)
{
    if (!op->queued)
        return;
    queue_remove(op->chan, op);
    if (op->ops == NULL)
        return;
    rn__race_hide();
    op->ops->unqueued(op->chan, op);
    rn__race_show();
}

void rn__chan_abandon(struct rn__wait *w)
{
    for (int i = 0; i < w->n_ops; i++) {
        struct rn__op *op = &w->ops[i];

        if (!op->queued) /* no worker runs any more: this does not change, and the channel may be gone */
            continue;
        rn__chan_lock(op->chan);
        queue_remove(op->chan, op);
        rn__chan_unlock(op->chan);
    }
}

/* ---- attempts on local channels; the lock is held ---- */

static inline void copy(void *to, const void *from, size_t size)
{
    if (size == sizeof(int64_t)) {
        memcpy(to, from, sizeof(int64_t));
    } else if (size > 0) {
        if (RN__RACE)
            rn__race_hide(); /* who reads and who writes is said elsewhere */
        memcpy(to, from, size);
        if (RN__RACE)
            rn__race_show();
    }
}

static inline void give(rn_chan *c, void *to, const void *from)
{
    if (to != NULL)
        copy(to, from, c->elemsize);
}

static inline struct rn__op *claim(rn_chan *c, enum rn_op kind)
{
    struct rn__op *op = kind == RN_SEND ? c->senders : c->receivers;

    return op != NULL ? rn__chan_claim(c, kind) : NULL;
}

static inline int send_local(rn_chan *c, const void *elem, struct rn__op **peer)
{
    struct rn__op *receiver;

    if (c->closed) {
        rn__race_acquire(&c->closed);
        return RN_ECLOSED;
    }
    receiver = claim(c, RN_RECV);
    if (receiver != NULL) {
        rn__race_reads(elem, c->elemsize);
        race_send_to(c, receiver);
        give(c, receiver->elem, elem);
        *peer = receiver;
        return 0;
    }
    if (c->count == c->cap)
        return RN__NOT_READY;
    rn__race_reads(elem, c->elemsize);
    race_pass(place(c, c->count));
    copy(slot(c, c->count, c->elemsize), elem, c->elemsize);
    c->count++;
    if (c->traced)
        rn__trace_push(c, NULL);
    return 0;
}

static inline void take_first(rn_chan *c)
{
    c->head = c->head + 1 == c->cap ? 0 : c->head + 1;
    c->count--;
}

static inline int recv_local(rn_chan *c, void *elem, struct rn__op **peer)
{
    struct rn__op *sender;

    if (c->count > 0) {
        if (c->traced)
            rn__trace_pop(c);
        race_pass(place(c, 0));
        give(c, elem, slot(c, 0, c->elemsize));
        rn__race_writes(elem, c->elemsize);
        take_first(c);
        sender = claim(c, RN_SEND);
        if (sender != NULL) {
            race_pass_for(sender, place(c, c->count));
            copy(slot(c, c->count, c->elemsize), sender->elem, c->elemsize);
            c->count++;
            if (c->traced)
                rn__trace_push(c, sender);
            *peer = sender;
        }
        return 0;
    }
    sender = claim(c, RN_SEND);
    if (sender == NULL) {
        if (c->closed)
            rn__race_acquire(&c->closed);
        return c->closed ? RN_ECLOSED : RN__NOT_READY;
    }
    rn__race_acquire(sender);
    give(c, elem, sender->elem);
    rn__race_writes(elem, c->elemsize);
    *peer = sender;
    return 0;
}

/* ---- one operation ---- */

/* Who sends and who receives in the same process, over the network: the elements' ways are not followed, so whatever was done
 * through bound channels before comes before. */
static const char race_wire;

int rn__op_prepare(struct rn__op *op)
{
    int rc;

    /* Acquire pairs with the release in rn__chan_bind(): what it points to is seen. */
    op->ops = atomic_load_explicit(&op->chan->ops, memory_order_acquire);
    if (op->ops == NULL)
        return 0;
    rn__race_release(&race_wire);
    rn__race_hide();
    rc = op->ops->prepare(op->chan, op);
    rn__race_show();
    if (rc < 0)
        op->ops = NULL;
    return rc;
}

bool rn__op_current(const struct rn__op *op)
{
    return atomic_load_explicit(&op->chan->ops, memory_order_relaxed) ==
           op->ops; /* under the lock */
}

static int attempt_bound(struct rn__op *op)
{
    int rc;

    rn__race_hide();
    rc = op->ops->attempt(op->chan, op);
    rn__race_show();
    return rc;
}

int rn__op_attempt(struct rn__op *op, struct rn__op **peer)
{
    int rc;

    *peer = NULL;
    if (op->ops != NULL)
        rc = attempt_bound(op);
    else if (!rn__chan_may_be_ready(op->chan, op->kind))
        rc = RN__NOT_READY;
    else if (op->kind == RN_SEND)
        rc = send_local(op->chan, op->elem, peer);
    else
        rc = recv_local(op->chan, op->elem, peer);
    if (rc == 0)
        op_count(op);
    return rc;
}

int rn__op_finish(struct rn__op *op, int performed, int rc)
{
    const struct rn__chan_ops *ops = op->ops;

    if (ops == NULL)
        return rc;
    op->ops = NULL;
    rn__race_hide();
    rc = ops->finish(op->chan, op, performed, rc);
    rn__race_show();
    rn__race_acquire(&race_wire);
    return rc;
}

int rn__op_result(const struct rn__op *op)
{
    rn__race_acquire(op);
    if (op->kind == RN_RECV && op->rc == 0)
        rn__race_writes(op->elem, op->chan->elemsize);
    return op->rc;
}

int rn__wait_forever(rn_time deadline)
{
    struct rn__wait w;

    if (rn__deadline_passed(deadline))
        return RN_ETIMEDOUT;
    rn__wait_init(&w);
    return rn__wait_park(&w, RN__WHY_FOREVER, NULL, deadline);
}

/* Waits in the queue; the channel is locked and is unlocked.  *performed tells whether the result is the operation's. */
static int op_wait(struct rn__op *op, rn_time deadline, int *performed)
{
    enum rn__why why = op->kind == RN_SEND ? RN__WHY_SEND : RN__WHY_RECV;
    struct rn__wait w;
    rn_chan *c = op->chan;
    int rc;

    if (op->ops != NULL)
        why = RN__WHY_BOUND;
    else if (c->external)
        why = RN__WHY_SIGNAL;
    rn__wait_init_again(&w, op->id);
    w.ops = op;
    w.n_ops = 1;
    op->wait = &w;
    rn__op_enqueue(op);
    rn__trace_waits(c);
    rn__chan_unlock(c);
    rc = rn__wait_park(&w, why, c, deadline);
    op->id = atomic_load_explicit(&w.id, memory_order_relaxed);
    *performed = rc == 0;
    if (rc == 0)
        return rn__op_result(op);
    rn__chan_lock(c);
    rn__op_dequeue(op);
    rn__chan_unlock(c);
    return rc == RN__AGAIN ? RN__RETRY : rc;
}

static int op_perform(struct rn__op *op, rn_time deadline)
{
    rn_chan *c = op->chan;
    struct rn__op *peer;
    int rc, performed;

    op->deadline = deadline;
    do {
        rc = rn__op_prepare(op);
        if (rc < 0)
            return rc;
        rn__chan_lock(c);
        if (!rn__op_current(op)) {
            rn__chan_unlock(c);
            rn__op_finish(op, 0, 0);
            rc = RN__RETRY;
            continue;
        }
        performed = 1;
        rc = rn__op_attempt(op, &peer);
        if (rc != RN__NOT_READY) {
            rn__chan_unlock(c);
            if (peer != NULL)
                rn__op_complete(peer, 0);
        } else if (rn__deadline_passed(deadline)) {
            if (op->ops != NULL)
                op->ops->missed(c, op);
            rn__chan_unlock(c);
            performed = 0;
            rc = RN_ETIMEDOUT;
        } else {
            rc = op_wait(op, deadline, &performed);
        }
        rc = rn__op_finish(op, performed, rc);
    } while (rc == RN__RETRY);
    return rc;
}

/* All that is not the common case. */
static int operate_with(rn_chan *c, void *elem, enum rn_op kind, const void *with, rn_time deadline)
{
    struct rn__op op = { .chan = c, .elem = elem, .kind = kind, .with = with };
    int rc;

    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = rn__check();
    if (rc == 0)
        rc = c != NULL ? op_perform(&op, deadline) : rn__wait_forever(deadline);
    rn__outside_leave();
    return rc;
}

static __attribute__((noinline)) int operate(rn_chan *c, void *elem, enum rn_op kind,
                                             rn_time deadline)
{
    return operate_with(c, elem, kind, NULL, deadline);
}

int rn__chan_send_with(rn_chan *c, const void *elem, const void *with, rn_time deadline)
{
    int rc;

    rn__race_call();
    rc = operate_with(c, (void *)elem, RN_SEND, with, deadline);
    rn__race_return();
    return rc;
}

/* ---- the common case: a goroutine that is not cancelled, and a local channel -----------------------------------
 *
 * What nearly always happens calls nothing, so that it needs no stack frame; the rest is called last. */

/* Is there more to it?  Let operate() find out. */
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
    rc = op_wait(&op, deadline, &performed);
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
        return operate(c, elem, kind, deadline);
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

static inline __attribute__((always_inline)) int chan_send(rn_chan *c, const void *elem,
                                                           rn_time deadline)
{
    struct rn__worker *w = rn__worker();
    struct rn__op *receiver;

    if (is_unusual(c, w))
        return operate(c, (void *)elem, RN_SEND, deadline);
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
    struct rn__op *sender;

    if (is_unusual(c, w))
        return operate(c, elem, RN_RECV, deadline);
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

static struct rn__op *claim_all(rn_chan *c, enum rn_op kind, struct rn__op *list)
{
    struct rn__op *op, **tail = &list;

    while (*tail != NULL)
        tail = &(*tail)->next;
    while ((op = rn__chan_claim(c, kind)) != NULL) {
        op->next = NULL;
        *tail = op;
        tail = &op->next;
    }
    return list;
}

void rn_chan_fail(rn_chan *c, int reason)
{
    const struct rn__chan_ops *ops;
    struct rn__op *won = NULL, *next;
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
        won = claim_all(c, RN_SEND, claim_all(c, RN_RECV, NULL));
    }
    rn__chan_unlock(c);
    if (ops != NULL)
        ops->close(c, reason);
    for (; won != NULL; won = next) {
        next = won->next;
        rn__op_complete(won, RN_ECLOSED);
    }
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

const struct rn__chan_ops *rn__chan_ops(const rn_chan *c)
{
    /* Acquire pairs with the release in rn__chan_bind(). */
    return atomic_load_explicit(&c->ops, memory_order_acquire);
}

void *rn__chan_bound(const rn_chan *c)
{
    return c->bound;
}

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
