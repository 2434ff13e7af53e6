/* local.h - what is done to a local channel, its lock held.   SPDX-License-Identifier: MIT
 *
 * For op.c, which does it for every operation, for chan.c, which does it once more, straight through, for the usual one, and for
 * select.c, which lets operations wait.
 *
 * Invariants: receivers wait only while the buffer is empty and no sender waits; senders only while it is full; so an element
 * never waits beside one who would take it, and order is first in, first out.  A closed channel has no senders waiting, and
 * no receivers unless it is bound; while a close of many is under way, some are still to be told, and are passed over.  A select
 * that is tentative elsewhere counts as not waiting: it is passed over and, having been knocked on, looks again by itself when
 * that comes to nothing. */
#ifndef RN__LOCAL_H
#define RN__LOCAL_H

#include "runtime/chan.h"
#include "runtime/race.h"
#include "runtime/state.h"
#include "runtime/trace.h"

#include <string.h>

/* ---- the buffer ---- */

static inline char *slot(rn_chan *c, size_t i, size_t elemsize)
{
    size_t at = c->head + i;

    if (at >= c->cap)
        at -= c->cap;
    return c->buffer + at * elemsize;
}

/* ---- what comes before what, for race.h ---- */

#ifdef RN_RACE

/* Of each place in the buffer; elements may have no size, so it is not theirs. */
static inline const char *place(const rn_chan *c, size_t i)
{
    size_t at = c->head + i;

    return c->buffer + c->cap * c->elemsize + (at >= c->cap ? at - c->cap : at);
}

static inline void race_pass(const char *place)
{
    rn__race_acquire(place);
    rn__race_release(place);
}

/* The peer's half of that.  As the peer, if it has left its stack, and it has, nearly always; else we come after it, for it
 * said where it was before it began to wait. */
static inline void race_pass_for(struct rn__op *peer, const char *place)
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
static inline void race_send_to(rn_chan *c, struct rn__op *receiver)
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
static inline void race_offer(struct rn__op *op)
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

/* ---- queues ---- */

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

static inline bool op_claim(rn_chan *c, struct rn__op *op)
{
    bool won = op->sole != NULL || rn__claim(op->wait, op->index);

    if (won || !rn__is_tentative(op->wait))
        queue_remove(c, op);
    return won;
}

static inline void op_count(const struct rn__op *op)
{
    rn__count(op->kind == RN_SEND ? RN__COUNT_SENDS : RN__COUNT_RECVS);
}

/* ---- attempts ---- */

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
        sender = c->closed ? NULL : claim(c, RN_SEND);
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
    sender = c->closed ? NULL : claim(c, RN_SEND);
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

#endif
