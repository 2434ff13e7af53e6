/* line.h - a lock's word, and those who wait in it.   SPDX-License-Identifier: MIT
 *
 * For mutex.c, rwmutex.c, cond.c, waitgroup.c, sem.c and once.c.  A lock lies in the memory of its user, who may free it as
 * soon as he sees that nobody needs it any more; so whatever is done to it ends with one atomic change of its word, and from
 * then on only the waiters that were claimed are touched, who are on their own stacks until they are woken.  That is why what
 * guards the line, a spin lock held for some dozens of instructions, is a bit of that same word.
 *
 * Goroutines that wait when the scheduler ends are abandoned, and the lock may be gone before them or outlive them.  So
 * nobody takes them out of the line: it belongs to an era, the scheduler's end begins the next, and a line of an era that has
 * ended is empty, whatever it says.  Plain threads are sent out of their lines before (rn__wait_evict). */
#ifndef RN__LINE_H
#define RN__LINE_H

#define RN_NO_INLINE /* what is here is what tests/loom looks at */
#include "runtime/sync.h"
#include "runtime/wait.h"

/* Of every word; the rest is the lock's own. */
#define RN__LINE_LOCKED  UINT64_C(1)
#define RN__LINE_WAITERS UINT64_C(2) /* somebody is in the line; true while that is not locked */

struct rn__line {
    _Atomic uint64_t word;
    struct rn__waiter *first; /* a ring; guarded by RN__LINE_LOCKED, as the era */
    uint32_t era;
    _Atomic uint32_t leaving; /* of a mutex: 1, who has it is perhaps just unlocking it */
} __attribute__((may_alias)); /* the user sees words */

/* On the stack of who waits. */
struct rn__waiter {
    struct rn__wait wait;
    struct rn__waiter *next, *prev; /* guarded by the line's lock, as queued */
    bool queued;
    bool woken;     /* of a mutex: it is to try once more; guarded by the line's lock */
    rn_time since;  /* of a mutex; rn_now() clock */
    unsigned wants; /* permits of a semaphore; or how it locks a rwmutex */
};

/* Around all that touches the line; plain threads hold off the end of the scheduler, or, while there is none, that of the
 * next one.  Nothing between them may wait but rn__wait_park.  On a worker they do nothing. */
void rn__line_enter(void);
void rn__line_leave(void);
/* For calls with a deadline, instead of rn__line_enter: 0, or what they return at once. */
int rn__line_enter_checked(void);

/* Gives the word, or 0: it has not all of `needs`, and the line is not locked.  `of_line` are bits of it that speak of those in
 * the line: they are cleared if its era has ended. */
uint64_t rn__line_lock_if(struct rn__line *l, uint64_t needs, uint64_t of_line);
static inline uint64_t rn__line_lock(struct rn__line *l, uint64_t of_line)
{
    return rn__line_lock_if(l, 0, of_line);
}
/* The last that is done to the lock: clears the bits, then adds `add`. */
void rn__line_unlock(struct rn__line *l, uint64_t clear, uint64_t add);

void rn__waiter_init(struct rn__waiter *w);

/* The line is locked.  Gives the word, in which others see from now on that somebody is in the line. */
uint64_t rn__line_append(struct rn__line *l, struct rn__waiter *w);
void rn__line_remove(struct rn__line *l, struct rn__waiter *w);
/* The first that can be claimed, or NULL; it, and those before it, who are leaving anyway, are out of the line. */
struct rn__waiter *rn__line_claim(struct rn__line *l);
/* All that can be claimed, in order, linked by next; the line is empty. */
struct rn__waiter *rn__line_claim_all(struct rn__line *l);
static inline struct rn__waiter *rn__line_after(const struct rn__line *l,
                                                const struct rn__waiter *w)
{
    return w->next != l->first ? w->next : NULL;
}

/* The line is not locked. */
void rn__waiters_wake(struct rn__waiter *first);
/* For one whose wait has ended without a claim by the line. */
void rn__line_quit(struct rn__line *l, struct rn__waiter *w);

/* Is it likely that the owner runs, on another CPU, and nothing else to be done here?  Then lets some time pass. */
bool rn__line_spin(void);

/* A scheduler begins, and it is known whether owners are written down. */
void rn__mutexes_init(void);

/* rn_mutex_lock on behalf of another lock, which is what the dump shows. */
void rn__mutex_lock_for(rn_mutex *m, enum rn__why why, const void *object);
void rn__mutex_unlock(rn_mutex *m);

#endif
