/* wait.h - one blocked operation, and the claim word that decides what ends it.   SPDX-License-Identifier: MIT
 *
 * Whoever wants to end a wait - a peer, a timer, a cancellation, a descriptor, the network - claims it; exactly one
 * wins, does what its outcome means, and wakes the operator, exactly once.  The losers do nothing.  A select is one
 * wait with many cases; the outcome says which of them fired.
 *
 * The wait lives on the operator's stack: it is alive until its winner wakes it. */
#ifndef RN__WAIT_H
#define RN__WAIT_H

#include "runtime/rn.h"
#include "runtime/tls.h"

#include <stdatomic.h>
#include <stdbool.h>

struct rn__g;
struct rn__lock;
struct rn__worker;

#define RN__AGAIN (-4999) /* never leaves the runtime */

/* What is waited for: for the dump, and for the rule of deadlocks. */
enum rn__why {
    RN__WHY_NONE,
    RN__WHY_SEND,
    RN__WHY_RECV,
    RN__WHY_SELECT,
    RN__WHY_SLEEP,
    RN__WHY_GROUP,
    RN__WHY_FOREVER, /* a NULL channel, a select without cases */
    RN__WHY_MUTEX,
    RN__WHY_RLOCK, /* of a rwmutex: to read */
    RN__WHY_WLOCK, /* to write */
    RN__WHY_COND,
    RN__WHY_WAITGROUP,
    RN__WHY_SEM,
    RN__WHY_ONCE,
    /* From here on something outside can end the wait: no deadlock. */
    RN__WHY_BOUND,  /* a channel that is bound to the network */
    RN__WHY_SIGNAL, /* one that is fed by signals */
    RN__WHY_FD,
    RN__WHY_BLOCK,
    RN__WHY_NOTE,
};
#define RN__WHY_EXTERNAL RN__WHY_BOUND
#define RN__WHYS         (RN__WHY_NOTE + 1) /* so many */

/* The claim word: the state in the low byte, the outcome above it.  TENTATIVE: one case, the outcome, is being negotiated
 * over the network.  Until that is decided nobody can claim the wait: who would have, *knocks*.  What was knocked on does
 * not become open again: when the negotiation fails it ends by the knock - with a peer's, by trying all anew.  Only other
 * negotiators wait until it is open. */
#define RN__OPEN      0u
#define RN__TENTATIVE 1u
#define RN__FIRED     2u
#define RN__STATE     3u

#define RN__KNOCK_PEER    4u
#define RN__KNOCK_TIMEOUT 8u
#define RN__KNOCK_CANCEL  16u
#define RN__KNOCK_TALKS \
    32u /* another case could be negotiated: whoever opens the wait says so there */
#define RN__KNOCKS (RN__KNOCK_PEER | RN__KNOCK_TIMEOUT | RN__KNOCK_CANCEL | RN__KNOCK_TALKS)

/* Outcomes that are nobody's case. */
#define RN__BY_AGAIN    UINT32_C(0xfffffc)
#define RN__BY_TIMEOUT  UINT32_C(0xfffffd)
#define RN__BY_CANCEL   UINT32_C(0xfffffe)
#define RN__BY_SHUTDOWN UINT32_C(0xffffff)

struct rn__wait {
    _Atomic uint32_t claim;
    _Atomic uint32_t woken; /* of a plain thread: its futex */
    struct rn__g *g;        /* who waits; NULL: a plain thread */
    struct rn__op *ops;     /* n_ops operations in queues of channels, by their index */
    int n_ops;
    bool
        sole; /* only its channel's lock leads to it: a goroutine's, not cancelled, without a deadline or another case */
    _Atomic uint64_t id;          /* see rn__wait_id(); 0: not given yet */
    struct rn__wait *next, *prev; /* plain threads: guarded by the list's lock */
};

/* For the caller itself, just before it offers the wait to others. */
void rn__wait_init(struct rn__wait *w);
/* The same for the next try of an operation that has an id, or 0. */
void rn__wait_init_again(struct rn__wait *w, uint64_t id);

/* For rn__claim(): the wait was not open. */
bool rn__claim_again(struct rn__wait *w, uint32_t outcome);

/* true: the caller has won, and must rn__wake() it.  Any thread that holds off the operator's leaving: by a lock of one of
 * its channels, of its timer, of its goroutine. */
static inline bool rn__claim(struct rn__wait *w, uint32_t outcome)
{
    uint32_t open = RN__OPEN;

    if (atomic_compare_exchange_strong(&w->claim, &open, RN__FIRED | outcome << 8))
        return true;
    return (open & RN__STATE) != RN__FIRED && rn__claim_again(w, outcome);
}

static inline bool rn__is_tentative(const struct rn__wait *w)
{
    return (atomic_load(&w->claim) & RN__STATE) == RN__TENTATIVE;
}

/* Begins to negotiate a case.  false: it is decided, or another case is negotiated, who learns of it (KNOCK_TALKS). */
bool rn__tentative(struct rn__wait *w, uint32_t outcome);
/* The knocks so far, of a wait that the caller negotiates. */
uint32_t rn__knocks(const struct rn__wait *w);
/* The negotiation has succeeded: the case fires.  false: the scheduler's end came first; else to be woken. */
bool rn__tentative_fire(struct rn__wait *w);
/* It has failed.  true: the wait is open again.  false: somebody had knocked, it has ended by that and is to be woken (or
 * the scheduler's end came first: then *woken says that this has been done). */
bool rn__tentative_release(struct rn__wait *w, bool *woken);

/* A number that no other wait of this process has, given at the first call. */
uint64_t rn__wait_id(struct rn__wait *w);

static inline uint32_t rn__outcome(const struct rn__wait *w)
{
    return atomic_load(&w->claim) >> 8;
}

/* By the winner, once; *w may be gone afterwards. */
void rn__wake(struct rn__wait *w);

/* Waits until somebody wakes it: the outcome (>= 0), or RN_ETIMEDOUT, RN_ECANCELED or -ESHUTDOWN when that claimed it, or
 * RN__AGAIN: its operations are to be tried anew.  The wake may have come already.  `object` is for the dump. */
int rn__wait_park(struct rn__wait *w, enum rn__why why, const void *object, rn_time deadline);
/* The same, not cancelled. */
int rn__wait_park_shielded(struct rn__wait *w, enum rn__why why, const void *object,
                           rn_time deadline);

/* Is it RN_NOWAIT, or over? */
bool rn__deadline_passed(rn_time deadline);

/* At the entry of a call with a deadline: -ESHUTDOWN without a scheduler, RN_ECANCELED, or 0. */
int rn__check(void);

/* on: ends all waits of plain threads with -ESHUTDOWN, also those that begin from now on; until off. */
void rn__wait_evict(bool on);
/* The caller is in a call that can block; on a worker it does nothing. */
void rn__wait_plain_mark_it(void);
static inline void rn__wait_plain_mark(void)
{
    if (rn__worker() == NULL)
        rn__wait_plain_mark_it();
}
/* Has a plain thread been in a blocking call since the scheduler started, or was in one then? */
bool rn__wait_plain_seen(void);
void rn__wait_plain_reset(void);

#endif
