/* state.h - what the files of the scheduler share.   SPDX-License-Identifier: MIT
 *
 * sched.c switches and picks, idle.c sleeps and wakes, g.c makes and ends goroutines, life.c starts and stops it all. */
#ifndef RN__STATE_H
#define RN__STATE_H

#include "runtime/sched.h"
#include "runtime/watch.h"

enum rn__left_how {
    RN__LEFT_NOTHING,
    RN__LEFT_PARKED,
    RN__LEFT_UNLOCKING, /* parked, see rn__park_unlocking() */
    RN__LEFT_YIELDED,
    RN__LEFT_ENDED
};
enum rn__mode { RN__MODE_MAIN, RN__MODE_BACKGROUND, RN__MODE_SIM };

#define RN__SHUT (UINT32_C(1) << 31) /* of the visitors: there is no scheduler, or it has ended */

struct rn__sched {
    _Atomic bool running;
    enum rn__mode mode; /* these three are written while no worker runs */
    struct rn__worker *workers;
    _Atomic unsigned n_workers; /* grows while they run, by stand-ins; see crew.h */
    _Atomic unsigned on_duty;   /* those who do not rest; written under lock */

    _Atomic bool stopping;
    int status; /* of the first goroutine */
    _Atomic bool root_cancelled;

    struct rn__lock lock;
    struct rn__g *common_first, *common_last; /* the common queue; guarded by lock */
    _Atomic uint32_t common_count;            /* its length; written under lock */
    struct rn__worker *idle_first;            /* guarded by lock */
    _Atomic uint32_t n_idle;                  /* written under lock */
    _Atomic uint32_t
        searching; /* workers that look for work: who adds some need not wake another */

    struct rn__worker *resting; /* stand-ins without a duty; guarded by lock */
    _Atomic uint32_t polling;   /* 1: a worker is in rn__poll_wait */
    _Atomic rn_time poll_until; /* when it returns by itself; 0: nobody polls */
    struct rn__worker *poller;  /* who sleeps there; guarded by lock */

    _Atomic int64_t external, external_real, holds;
    _Atomic uint64_t next_id;
    _Atomic uint32_t ended; /* futex of rn_stop: changes when a user goroutine ends */
    _Atomic bool stop_waits;
    _Atomic uint32_t
        visitors; /* plain threads inside, and RN__SHUT; futex of who ends the scheduler */
    struct rn__counters retired; /* of plain threads */
    _Atomic uint64_t era; /* how many schedulers have ended; written while nobody is inside */
};

extern struct rn__sched rn__sched;

static inline bool rn__stopping(void)
{
    /* Relaxed: it is looked at again and again, and whoever sets it wakes everybody. */
    return atomic_load_explicit(&rn__sched.stopping, memory_order_relaxed);
}

/* Is g cancelled, perhaps, or to give way because the scheduler stops?  Then rn__check() decides. */
static inline bool rn__g_stops(const struct rn__g *g)
{
    /* Relaxed, as it is looked at again and again. */
    return atomic_load_explicit(g->cancelled, memory_order_relaxed) || rn__stopping();
}

/* May a wait of this goroutine, for one local channel, be `sole` (chan.h)?  See rn__g_cancellable(). */
static inline bool rn__wait_is_sole(const struct rn__g *g, rn_time deadline)
{
    return deadline == RN_FOREVER && (g->shield > 0 || g->system ||
                                      (g->group == NULL && rn__sched.mode != RN__MODE_BACKGROUND));
}

/* What the dump says of a goroutine that is about to park. */
static inline void rn__wait_shown(struct rn__g *g, enum rn__why why, const void *object)
{
    int64_t since = rn__now_coarse();
    int64_t last = atomic_load_explicit(&g->since_ns, memory_order_relaxed);

    atomic_store_explicit(&g->object, object, memory_order_relaxed);
    /* Never the same twice: the dump tells by it whether this is still the wait that it began to look at. */
    if (since <= last)
        since = last + 1;
    atomic_store_explicit(&g->since_ns, since, memory_order_relaxed);
    atomic_store_explicit(&g->why, (int)why, memory_order_relaxed);
}

/* rn__ready_here() in the common case: true; else false, and nothing has happened. */
static inline bool rn__ready_quickly(struct rn__worker *w, struct rn__g *g)
{
    /* As in rn__ready(). */
    if (atomic_load_explicit(&g->token, memory_order_acquire) != 2 ||
        rn__runq_has_next(&w->queue) || rn__sched.mode == RN__MODE_SIM || rn__watch_due(w))
        return false;
    /* It is switched to soon: what it left on its stack is fetched meanwhile. */
    for (int i = 0; i < 4; i++)
        __builtin_prefetch((const char *)g->ctx.sp + i * 64);
    atomic_store_explicit(&g->token, 0, memory_order_relaxed);
    atomic_store_explicit(&g->state, RN__G_RUNNABLE, memory_order_relaxed);
    rn__runq_set_next(&w->queue, g);
    return true;
}

/* The same with n. */
static inline void rn__add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* ---- sched.c ---- */

/* g, which was parked or is new, can run: here, next, if a goroutine of this worker says so. */
void rn__make_runnable(struct rn__g *g);
/* The same for one that has just been made.  w: the caller's worker, or NULL. */
void rn__make_runnable_new(struct rn__worker *w, struct rn__g *g);
/* First thing on every arrival on a stack: what becomes of the one that was left. */
void rn__arrive(void);
/* Switches from a goroutine (or NULL: the worker's own stack) to another (or NULL). */
void rn__switch(struct rn__worker *w, struct rn__g *from, struct rn__g *to, bool for_good);
/* Leaves the calling goroutine for whoever is next. */
void rn__leave(enum rn__left_how how);
/* What this worker has at hand, or NULL. */
struct rn__g *rn__pick_near(struct rn__worker *w);
/* What it finds when it looks further; after rn__run_dry(), once. */
struct rn__g *rn__pick_far(struct rn__worker *w);
/* Moves all that is in a queue of the caller's own to the common queue. */
void rn__queue_give_away(struct rn__runq *q);
/* The same for another worker's queue; through `hand`, the caller's own, which is empty. */
void rn__queue_take_over(struct rn__runq *from, struct rn__runq *hand);
/* Any thread: the same for the newborns of a worker, through no queue; until so many are in the common queue. */
void rn__newborns_give_away(struct rn__newborns *n, uint32_t enough);
struct rn__g *rn__pick_sim(void);
/* When the first of all timers is due. */
rn_time rn__timers_first(void);
/* Looks at the descriptors, unless another worker does; how many goroutines that readied. */
int rn__poll_now(void);

/* ---- idle.c ---- */

/* There is more work than the workers that are awake will surely see. */
void rn__wake_one(void);
void rn__wake_all(void);
/* Of another worker, hints without order: changes whenever a goroutine of its gives way; who runs there, or NULL. */
unsigned rn__worker_tick(const struct rn__worker *w);
const struct rn__g *rn__worker_current(const struct rn__worker *w);
void rn__run_dry(struct rn__worker *w);
/* It has found nobody, and (after rn__run_dry(), once) it has. */
void rn__rest_begins(struct rn__worker *w);
void rn__rest_ends(struct rn__worker *w);
/* Is there something in the victim's ring that w would take from it? */
bool rn__worth_stealing(const struct rn__worker *w, const struct rn__worker *victim);
/* Are there newborns of this worker that another should run? */
bool rn__worth_adopting(const struct rn__worker *victim);
/* Runs goroutines on this thread until the scheduler stops. */
void rn__worker_run(struct rn__worker *w);

/* ---- g.c ---- */

/* Gives its stack back. */
void rn__g_free(struct rn__worker *w, struct rn__g *g);
/* rn__each_g() when no worker runs any more: fn may free it. */
void rn__each_g_left(void (*fn)(struct rn__g *g, void *arg), void *arg);

#endif
