/* chan.h - channels from the inside: for select, and for those who bind a channel to something else.
 *   SPDX-License-Identifier: MIT
 *
 * A channel is local, or it has an operations table: then it is a handle on something that lives elsewhere, and the
 * table says what its operations do.  Sending, receiving and selecting are one code for both: an operation is attempted
 * under the channel's lock, waits in its queue, and is performed by whoever claims it there. */
#ifndef RN__CHAN_H
#define RN__CHAN_H

#include "runtime/lock.h"
#include "runtime/wait.h"

#include <stdbool.h>

#define RN__NOT_READY 1 /* of attempt */
#define RN__RETRY     2 /* of finish */

struct rn__chan_ops;
struct rn__timer;

/* One operation on one channel: a send, a receive, or a case of a select.  On the operator's stack. */
struct rn__op {
    rn_chan *chan;
    void *elem; /* borrowed from the caller; never written when kind is RN_SEND */
    enum rn_op kind;
    uint32_t index;        /* the case: the outcome of the wait's claim */
    struct rn__wait *wait; /* shared by all cases */
    rn_time deadline;
    uint64_t id; /* of the wait, kept from one try to the next; 0: none yet */
    int rc;      /* set by whoever performs it while it waits */
    bool queued; /* guarded by the channel's lock, as the links */
    struct rn__g *
        sole; /* who waits, if only the channel's lock leads to the wait: not cancelled, without a deadline or
                           another case, and for a local channel; else NULL.  Constant while it is queued */
    struct rn__op *next, *prev;
    void *token; /* the operations table's own */
    size_t token_size;
    const void *with; /* for the operations table, from rn__chan_send_with(); else NULL */
    const struct rn__chan_ops
        *ops; /* the table it was prepared under; NULL: local, or not prepared */
};

/* What a bound channel does.  Those marked (locked) are called with the channel's lock held, and must not park. */
struct rn__chan_ops {
    /* A goroutine's whole operation, which nothing stops: at once, and counted, if nothing is in its way, else by
     * rn__chan_operate().  No lock, on the operator's stack; may run user code, and park.  NULL: always by that. */
    int (*send)(rn_chan *c, const void *elem, rn_time deadline);
    int (*recv)(rn_chan *c, void *elem, rn_time deadline);
    /* Before any lock, on the operator's stack; may run user code.  0, or an error that is the operation's result. */
    int (*prepare)(rn_chan *c, struct rn__op *op);
    /* (locked) RN__NOT_READY; or it has been performed: 0, or the error that is its result. */
    int (*attempt)(rn_chan *c, struct rn__op *op);
    /* (locked) It was put in the queue and is going to wait. */
    void (*queued)(rn_chan *c, struct rn__op *op);
    /* (locked) It left the queue without having been performed: a deadline, a cancellation, another case. */
    void (*unqueued)(rn_chan *c, struct rn__op *op);
    /* It waits tentatively by what the table does, and somebody has knocked: its deadline, a cancellation, another case.
     * Any thread, under any lock but this channel's; must not park, nor take a lock of a channel. */
    void (*hurry)(rn_chan *c, struct rn__op *op);
    /* (locked) It was not ready and does not wait. */
    void (*missed)(rn_chan *c, struct rn__op *op);
    /* No lock; once for each prepared operation, on the operator's stack; may run user code and park.  The final result;
     * RN__RETRY: it goes on as if it had not been performed. */
    int (*finish)(rn_chan *c, struct rn__op *op, int performed, int rc);
    void (*close)(rn_chan *c, int reason);
    int (*err)(const rn_chan *c);
    size_t (*len)(const rn_chan *c);
    size_t (*cap)(const rn_chan *c);
    /* At the last unref. */
    void (*release)(rn_chan *c);
};

/* What each operation looks at comes first, in one cache line. */
struct rn_chan {
    struct rn__lock lock;
    bool
        usual; /* local, open, of elements of 8 bytes; guarded by lock, as all below but the constants */
    bool closed;
    bool external;                          /* fed from outside: its waiters are no deadlock */
    const struct rn__chan_ops *_Atomic ops; /* written once, under the lock */
    struct rn__op *senders, *receivers;     /* who waits; the first one's prev is the last */
    size_t count, head;                     /* of the buffer */
    size_t cap;                             /* constant */
    size_t elemsize;                        /* constant */

    _Alignas(64) void *bound;      /* the table's own; as ops */
    size_t n_senders, n_receivers; /* how many wait */
    _Atomic uint32_t refs;
    bool traced;              /* its elements are: constant; then it is not usual */
    int reason;               /* closed with, or 0 */
    uint64_t trace_id;        /* see trace.c; 0: none */
    void (*drop)(void *elem); /* constant */
    struct rn__timer *timer;  /* constant: feeds it, stopped and freed at the last unref; or NULL */
    _Alignas(16) char buffer[];
};

/* Once it is, it stays so.  Relaxed: that it is not is only sure under the lock. */
static inline bool rn__chan_is_bound(const rn_chan *c)
{
    return atomic_load_explicit(&c->ops, memory_order_relaxed) != NULL;
}

/* Locked, and local.  false: certainly not ready. */
static inline bool rn__chan_may_be_ready(const rn_chan *c, enum rn_op kind)
{
    if (c->closed)
        return true;
    return kind == RN_SEND ? c->count < c->cap || c->receivers != NULL
                           : c->count > 0 || c->senders != NULL;
}

/* The same without the lock, as it was at some moment since the call: a hint.  Who has heard of an element, a close or one
 * who waits sees it.  Plain words, for under the lock they need be no more; here each is read once. */
static inline __attribute__((no_sanitize("thread"))) bool rn__chan_seems_ready(const rn_chan *c,
                                                                               enum rn_op kind)
{
    struct rn__op *const volatile *waiting = kind == RN_SEND ? &c->receivers : &c->senders;
    size_t count = *(const volatile size_t *)&c->count;

    return *waiting != NULL || (kind == RN_SEND ? count < c->cap : count > 0) ||
           *(const volatile bool *)&c->closed;
}

void rn__chan_lock(rn_chan *c);
void rn__chan_unlock(rn_chan *c);

/* Makes a local channel a handle.  0, or -EBUSY unless it is local, open, empty and nobody waits in it. */
int rn__chan_bind(rn_chan *c, const struct rn__chan_ops *ops, void *bound);
bool rn__chan_idle(rn_chan *c); /* would it succeed? */
static inline const struct rn__chan_ops *rn__chan_ops(const rn_chan *c)
{
    /* Acquire pairs with the release in rn__chan_bind(). */
    return atomic_load_explicit(&c->ops, memory_order_acquire);
}
static inline void *rn__chan_bound(const rn_chan *c)
{
    return c->bound;
}
size_t rn__chan_elemsize(const rn_chan *c);
void rn__chan_set_external(rn_chan *c);
bool rn__chan_is_last_ref(const rn_chan *c);

/* Locked: who waits, first in line first. */
static inline struct rn__op *rn__chan_first(const rn_chan *c, enum rn_op kind)
{
    return kind == RN_SEND ? c->senders : c->receivers;
}
size_t rn__chan_waiting(const rn_chan *c, enum rn_op kind);
/* Locked: true: we have claimed it, it is out of its queue, and we must perform it and rn__op_complete() it; false: it was
 * decided otherwise and is out of its queue, or it is tentative, has been knocked on, and stays there (op->queued). */
bool rn__op_claim(rn_chan *c, struct rn__op *op);
/* Locked: its case, which is negotiated, fires: out of its queue.  true: to be completed.  false: it had to leave. */
bool rn__op_fire(rn_chan *c, struct rn__op *op);
/* Locked: the first waiting operation that can be claimed, out of its queue, or NULL. */
struct rn__op *rn__chan_claim(rn_chan *c, enum rn_op kind);
/* The result of a claimed operation; it goes on, *op may be gone.  Any thread, locked or not. */
void rn__op_complete(struct rn__op *op, int rc);

/* As rn_chan_send(), and hands `with` to the operations table that the channel has; without one nobody looks at it. */
int rn__chan_send_with(rn_chan *c, const void *elem, const void *with, rn_time deadline);

/* A send that never waits and is no cancellation point: 0, RN_ECLOSED, RN_ETIMEDOUT, -ESHUTDOWN.  Any
 * thread; local channels. */
int rn__chan_offer(rn_chan *c, const void *elem);

/* The goroutine that waits is abandoned: its operations leave their queues, and no table hears of it. */
void rn__chan_abandon(struct rn__wait *w);

/* ---- for chan.c, and tables ---- */
/* Waits in the queue; the channel is locked and is unlocked.  *performed tells whether the result is the operation's. */
int rn__op_wait(struct rn__op *op, rn_time deadline, int *performed);
/* All that is not usual: any channel, NULL too; any caller. */
int rn__chan_operate(rn_chan *c, void *elem, enum rn_op kind, rn_time deadline);

/* ---- for select.c ---- */
/* One operation on a local channel without waiting, by the caller's worker: 0, RN_ECLOSED or RN__NOT_READY.  RN__RETRY: the
 * channel is bound. */
int rn__chan_try(struct rn__worker *w, rn_chan *c, void *elem, enum rn_op kind);
/* Locked: one attempt; *peer: an operation that was performed along with it, to be woken without the lock, or NULL. */
int rn__op_attempt(struct rn__op *op, struct rn__op **peer);
void rn__op_enqueue(struct rn__op *op); /* locked, and says so to the table */
void rn__op_dequeue(struct rn__op *op); /* locked, if it is still queued */
/* false: the channel was bound meanwhile; prepare anew.  Locked. */
static inline bool rn__op_current(const struct rn__op *op)
{
    return atomic_load_explicit(&op->chan->ops, memory_order_relaxed) == op->ops;
}
int rn__op_prepare(struct rn__op *op);
int rn__op_finish(struct rn__op *op, int performed, int rc);
/* Of one whose claim was won, and that was woken. */
int rn__op_result(const struct rn__op *op);
int rn__wait_forever(rn_time deadline);

#endif
