/* timer.h - what happens at a time.   SPDX-License-Identifier: MIT
 *
 * Each worker has a heap of timers; any worker may run those that are due.  A timer's function is called under its heap's
 * lock, so that rn__timer_stop() is exact: when it gives false the function has returned.  The function therefore does
 * little: it claims a wait, offers an element, or starts a goroutine.  Order of locks: heap, then channel, then the
 * scheduler's. */
#ifndef RN__TIMER_H
#define RN__TIMER_H

#include "runtime/lock.h"
#include "runtime/rn.h"

#include <stdbool.h>

struct rn__worker;
struct rn__timer;

/* Gives when it is to fire again (rn_now() clock), or 0: no more. */
typedef rn_time rn__timer_fire(struct rn__timer *t, rn_time now);

struct rn__timer {
    rn_time when;
    rn__timer_fire *fire;
    uint64_t order; /* equal times fire in the order in which they were set */
    unsigned
        home; /* whose heap: the worker's index + 1; written under its lock.  0: was never set */
    size_t place; /* in the heap, + 1; 0: not in it.  Guarded by the heap's lock */
    bool ours;    /* nobody else has it: freed when the scheduler ends before it fires */
    bool system;  /* does not count for deadlocks */
};

struct rn__timers {
    struct rn__lock lock;
    struct rn__timer **heap; /* 4-ary, least first; guarded by lock, as all but first_when */
    size_t count, room;
    size_t user; /* timers that count for deadlocks */
    void *spare; /* memory of a timer that was stopped, for the next; only its worker's */
    uint64_t order;
    _Atomic rn_time
        first_when; /* of heap[0], or RN_FOREVER; sequentially consistent, see sched.c */
};

/* Sets a timer that is not set.  0 or -ENOMEM.  Any thread while the scheduler runs; else -ESHUTDOWN. */
int rn__timer_start(struct rn__timer *t, rn_time when);
/* true: it was set and will not fire; false: it was not set.  Its function is not running when this returns. */
bool rn__timer_stop(struct rn__timer *t);
/* Moves a timer, set or not: 1 it was set, 0 not, or -ENOMEM (then it is not set). */
int rn__timer_move(struct rn__timer *t, rn_time when);

void rn__timers_init(struct rn__timers *h);
void rn__timers_fini(struct rn__timers *h);
/* Fires what is due in this heap; how many did. */
int rn__timers_run(struct rn__timers *h, rn_time now);

#endif
