/* sched.h - workers that run goroutines.   SPDX-License-Identifier: MIT
 *
 * rn__park() and rn__ready() are the only two doors: everything that waits does it through them (most through
 * wait.h, which adds deadlines, cancellation and plain threads). */
#ifndef RN__SCHED_H
#define RN__SCHED_H

#include "runtime/g.h"
#include "runtime/histogram.h"
#include "runtime/newborns.h"
#include "runtime/runq.h"
#include "runtime/stack.h"
#include "runtime/timer.h"
#include "runtime/tls.h"

#include <pthread.h>
#include <time.h>

/* Counted by each worker for itself: relaxed, so that the sum is exact when the workers rest. */
struct rn__counters {
    _Atomic uint64_t begun[2], ended[2]; /* goroutines: [1] services */
    _Atomic uint64_t parks, steals, sends, recvs, selects, idle_ns;
    _Atomic uint64_t lock_waits, lock_wait_ns, polls, polled;
    _Atomic uint64_t stacks_begun, stacks_ended; /* bytes of the stacks of goroutines */
};

/* Which of those that become runnable are samples, and how long they waited; see watch.h. */
struct rn__watch {
    uint32_t every;               /* how many each sample stands for */
    uint32_t samples;             /* so far of those that stand for so many */
    bool bystander;               /* what is woken now is not the doing of who runs */
    struct rn__histogram latency; /* of those that were run here */
};

#define RN__QUEUE_AHEAD 8 /* see queue_ahead in g.h */

struct rn__worker {
    struct rn__ctx ctx; /* of the thread's own stack, while a goroutine runs */
    struct rn__g *
        current; /* who runs; NULL: the scheduler itself.  The worker's own, read by its signal handlers */
    struct rn__g *left;         /* who has just been switched away from, and ... */
    int left_how;               /* ... what is to become of it (enum in state.h), ... */
    unsigned tick;              /* of picks */
    struct rn__lock *left_lock; /* ... and the lock that it left with */
    unsigned handed_on;         /* picks in a row from the run-next slot */
    bool newborn_had_turn;      /* of newborns and ring */
    uint32_t skip;              /* the how-manieth that becomes runnable from now on is a sample */
    _Atomic uint32_t pick_ns;   /* from one pick to the next, lately; 0: not known, or of no use */
    _Atomic rn_time looked_ns;  /* since when they are measured; see looked_tick */
    rn_time seen_ns;            /* coarsely, when it last asked whether pick_ns is still true */
    rn_time
        stole_ns; /* when it stole what it has run since; 0: since then it has had nothing to do */
    bool reluctant; /* that was done soon, so it takes but what is worth it; until it has slept */
    struct rn__worker *robbed; /* the last whose newborns it stole, ... */
    unsigned robbed_of;        /* ... so many of them; 0: those it stole were none */
    _Atomic bool bears_tiny; /* its newborns are soon done, say thieves: see rn__worth_adopting() */
    struct rn__counters counters;
    struct {
        bool on; /* in rn__ready_many_begin(): who finds no room in the ring ... */
        struct rn__g *first, *last; /* ... is put here, linked, */
        uint32_t n;                 /* ... to go to the common queue */
        struct rn__g *recent[RN__QUEUE_AHEAD];
    } spilt; /* its own */
    _Alignas(64) struct rn__runq queue;
    struct rn__newborns newborns;
    uint64_t rng;
    unsigned looked_tick; /* as looked_ns; both later by what it has rested meanwhile */
    unsigned rest_tick;   /* of the first pick that found nobody, and ... */
    rn_time rest_ns;      /* ... since when it rests; 0: it does not */
    struct rn__timers timers;
    struct rn__stack_cache stacks;
    struct rn__watch watch;
    uint64_t id_next, id_end; /* numbers for goroutines, its own */
    unsigned index;
    pthread_t thread;
    _Atomic int64_t started_ns; /* 0: not yet */

    _Atomic uint32_t wakeup; /* futex: 1 when it was taken off the idle list */
    bool idle;               /* on the idle list; guarded by sched.lock, as the next */
    struct rn__worker *idle_next;
    bool searching; /* its own: counted in sched.searching */

    _Atomic int duty; /* enum rn__duty; written under sched.lock */
    struct rn__worker *rest_next;
    _Atomic int tid; /* of its thread, for the monitor, as the next; 0: does not run */
    clockid_t cpu_clock;

    void *asan_fake_stack;
    const void *asan_low;
    size_t asan_size;
    void *tsan_fiber;
};

/* The goroutine that runs here, or NULL. */
struct rn__g *rn__self(void);

/* Does a scheduler run in this process? */
bool rn__running(void);

/* Around whatever a plain thread does that touches goroutines or workers: while it is inside, the scheduler does not end.
 * false: it has ended, do not touch it (and do not leave).  On a worker both do nothing.  Nests. */
bool rn__outside_enter(void);
void rn__outside_leave(void);
/* The same for who goes on without a scheduler: if there is none, the next one does not end while he stays (and leaves).  Not
 * around code of the user. */
void rn__outside_stay(void);

/* Parks the calling goroutine until rn__ready() is called on it, once: before or after. */
void rn__park(void);
/* The same in a wait that is `sole` (chan.h), with the lock that leads to it.  That is released when the goroutine has left its
 * stack; so nobody comes too early, and to ready it is cheap.  `w` is the worker, the caller's. */
void rn__park_sole(struct rn__worker *w, struct rn__wait *wait, enum rn__why why,
                   const void *object, struct rn__lock *l);
/* Makes a goroutine runnable that parks or is about to.  Any thread. */
void rn__ready(struct rn__g *g);
/* The same, by the worker itself. */
void rn__ready_here(struct rn__worker *w, struct rn__g *g);
/* By a goroutine that has readied some, n at most: lets them run before it goes on, if nobody else waits for its worker.  If
 * picks take long, a worker that is idle is woken for the caller; if they do so all of a sudden, the monitor sends one. */
void rn__give_way(unsigned n);

/* How many goroutines wait for what no goroutine here does: `waits` for the rule of deadlocks; `real` of them, services
 * included, for descriptors and threads, for which also a simulation must wait. */
void rn__external_add(int waits, int real);

/* Around some of those, by any thread that does not park meanwhile: the lock of the common queue is taken once. */
void rn__ready_many_begin(void);
void rn__ready_many_end(void);

/* A timer that is earlier than all others was set: whoever sleeps must look again. */
void rn__sched_timer_set(rn_time when);

/* Starts a goroutine.  arg: copied when size > 0.  group NULL: the root group.  0, -EINVAL or -ENOMEM. */
struct rn__spawn {
    rn_fn *fn;
    const void *arg;
    size_t size;
    const char *name;
    size_t stack_bytes;
    struct rn_group *group;
    bool system;
    bool anyway;       /* also when the group is cancelled */
    const void *after; /* for race.h: what it begins after, if not its caller */
};
int rn__spawn(const struct rn__spawn *s);

/* A service goroutine: in no group, never cancelled; it, its waits and its timers do not count for deadlocks. */
int rn__go_system(rn_fn *fn, void *arg, const char *name);

/* Calls fn once for every goroutine, a few at a time, none of which ends meanwhile; so fn is short.  Those that begin after
 * the call may be missing. */
void rn__each_g(void (*fn)(struct rn__g *g, void *arg), void *arg);
/* How many user goroutines there are; and all. */
uint64_t rn__live(void);
uint64_t rn__all(void);
/* Adds one to a counter that only its own worker writes: no read-modify-write is needed. */
static inline void rn__bump(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}
enum rn__count { RN__COUNT_SENDS, RN__COUNT_RECVS, RN__COUNT_SELECTS };
/* Counts an operation; plain threads too. */
void rn__count(enum rn__count what);
/* Before the workers start: nothing has been counted. */
void rn__stats_reset(void);
/* The n-th worker, NULL after the last: for timers that any worker may run. */
struct rn__worker *rn__worker_at(unsigned n);

/* Is the root group cancelled (rn_stop)? */
bool rn__root_cancelled(void);
bool rn__root_cancellable(void);

/* rn_now(), or some milliseconds before it: reading the clock would be the larger part of a park. */
rn_time rn__now_coarse(void);
/* ns, CLOCK_BOOTTIME; virtual in rn_sim. */
int64_t rn__boottime(void);

/* rn__boottime(), or less than RN__GLANCE_NS before it: it is read only when the coarse clock shows another time than at this
 * thread's last look, by a tick or because it was set, as when the machine was suspended.  To read that takes a fourth of the
 * time. */
#define RN__GLANCE_NS (20 * RN_MS) /* two ticks of the slowest kernel */
int64_t rn__boottime_glance(void);

/* false: rn__boottime() is at_ns or later, or may be; true: it is before.  Asked of what is seconds away it costs but a look at
 * the seconds of the day, a load; of what is near, as much as rn__boottime_glance().  Wrong for the rest of a second if the clock
 * of the day is set back to the very second in which this thread looked last, seconds ago. */
bool rn__boottime_before(int64_t at_ns);

#endif
