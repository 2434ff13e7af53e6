/* sched.c - who runs next, and how one goroutine gives way to another; see sched.h.   SPDX-License-Identifier: MIT
 *
 * A goroutine that gives up its worker switches straight to the next one when one is at hand, else to the worker's
 * own stack, whose loop (idle.c) looks further.  What is to become of the one that was left (it parked, yielded, ended)
 * is done by whoever arrives, because only then is its stack no longer in use. */
#include "runtime/sched.h"

#include "runtime/assert.h"
#include "runtime/crew.h"
#include "runtime/dump.h"
#include "runtime/poll.h"
#include "runtime/race.h"
#include "runtime/rand.h"
#include "runtime/sim.h"
#include "runtime/state.h"
#include "runtime/watch.h"

#include <sched.h>

#define LOOK_EVERY    64u /* picks */
#define ASK_EVERY     4u
#define FEW           16     /* picks: their average says nothing */
#define DRY_PICKS     2u     /* that have failed when a goroutine is left and there is no other */
#define WORTH_NS      20000u /* of work that waits here: to wake a worker takes as long */
#define STEAL_NS      2000u  /* of work: to fetch it, and what it uses, takes as long */
#define STEAL_MAX     32     /* newborns at a time */
#define TINY_NS       250u /* of a newborn's life, where it was stolen: to fetch it is most of that */
#define TINY_CROWD    RN__NEWBORNS_CROWD
#define FRAMES        8    /* cache lines of them, if one waits in a channel */
#define HANDED_ON_MAX 128u /* run-next picks in a row, so that a pair cannot starve the rest */

struct rn__sched rn__sched = { .visitors = RN__SHUT };

bool rn__running(void)
{
    return atomic_load(&rn__sched.running);
}

struct rn__g *rn__self(void)
{
    struct rn__worker *w = rn__worker();

    return w != NULL ? w->current : NULL;
}

__attribute__((no_sanitize("thread"), noinline)) unsigned rn__worker_tick(
    const struct rn__worker *w)
{
    return *(const volatile unsigned *)&w->tick;
}

__attribute__((no_sanitize("thread"), noinline)) const struct rn__g *rn__worker_current(
    const struct rn__worker *w)
{
    return *(struct rn__g *const volatile *)&w->current;
}

struct rn__worker *rn__worker_at(unsigned n)
{
    return n < rn__sched.n_workers ? &rn__sched.workers[n] : NULL;
}

/* ---- queues ---------------------------------------------------------------------------------------- */

/* n of them, linked. */
static void common_append(struct rn__g *first, struct rn__g *last, uint32_t n)
{
    last->queue_next = NULL;
    rn__lock(&rn__sched.lock);
    if (rn__sched.common_last != NULL)
        rn__sched.common_last->queue_next = first;
    else
        rn__sched.common_first = first;
    rn__sched.common_last = last;
    atomic_fetch_add(&rn__sched.common_count, n);
    rn__unlock(&rn__sched.lock);
}

static void common_push(struct rn__g *g)
{
    common_append(g, g, 1);
}

static struct rn__g *common_pop_locked(void)
{
    struct rn__g *g = rn__sched.common_first;

    if (g == NULL)
        return NULL;
    __builtin_prefetch(g->queue_ahead, 1);
    rn__sched.common_first = g->queue_next;
    if (rn__sched.common_first == NULL)
        rn__sched.common_last = NULL;
    atomic_fetch_sub(&rn__sched.common_count, 1);
    return g;
}

/* Who was in the common queue has waited for long, and runs soon: what it left on its stack is fetched meanwhile. */
static void frames_fetch(const struct rn__g *g)
{
    for (int i = 0; i < FRAMES; i++)
        __builtin_prefetch((const char *)g->ctx.sp + i * 64);
}

/* Takes a fair share: one to run, some for the ring. */
static struct rn__g *common_take(struct rn__worker *w)
{
    struct rn__g *g, *more;
    uint32_t n;

    if (atomic_load(&rn__sched.common_count) == 0)
        return NULL;
    rn__lock(&rn__sched.lock);
    n = atomic_load(&rn__sched.common_count) / rn__sched.n_workers;
    g = common_pop_locked();
    if (n > RN__RUNQ_SIZE / 2)
        n = RN__RUNQ_SIZE / 2;
    /* Only into an empty ring, so that it cannot be full. */
    if (rn__runq_ring_empty(&w->queue))
        while (n-- > 1 && (more = common_pop_locked()) != NULL) {
            frames_fetch(more);
            rn_assert(rn__runq_push(&w->queue, more));
        }
    rn__unlock(&rn__sched.lock);
    return g;
}

void rn__queue_give_away(struct rn__runq *q)
{
    struct rn__g *g;

    while ((g = rn__runq_swap_next(q, NULL)) != NULL || (g = rn__runq_pop(q)) != NULL)
        common_push(g);
}

void rn__queue_take_over(struct rn__runq *from, struct rn__runq *hand)
{
    struct rn__g *next = rn__runq_steal_next(from), *g = rn__runq_steal(from, hand);

    if (next != NULL)
        common_push(next);
    /* Not for ever: its owner may be filling it. */
    for (unsigned i = 0; i < RN__RUNQ_SIZE && g != NULL; i++, g = rn__runq_steal(from, hand)) {
        common_push(g);
        rn__queue_give_away(hand);
    }
    if (g != NULL)
        common_push(g);
    rn__queue_give_away(hand);
}

void rn__newborns_give_away(struct rn__newborns *n, uint32_t enough)
{
    struct rn__g *g;

    /* Not for ever: its owner may be making more. */
    for (int64_t i = rn__newborns_count(n);
         i > 0 && atomic_load(&rn__sched.common_count) < enough &&
         (g = rn__newborns_steal(n)) != NULL;
         i--)
        common_push(g);
}

static __attribute__((noinline)) void spill(struct rn__worker *w, struct rn__g *g)
{
    struct rn__g **recent = &w->spilt.recent[w->spilt.n % RN__QUEUE_AHEAD];

    if (!w->spilt.on) {
        common_push(g);
        return;
    }
    if (w->spilt.n == 0)
        w->spilt.first = g;
    else
        w->spilt.last->queue_next = g;
    if (w->spilt.n >= RN__QUEUE_AHEAD)
        (*recent)->queue_ahead = g;
    *recent = w->spilt.last = g;
    w->spilt.n++;
}

static void ring_put(struct rn__worker *w, struct rn__g *g)
{
    if (!rn__runq_push(&w->queue, g))
        spill(w, g);
}

static __attribute__((noinline)) void wake_for_ring(void)
{
    /* What was put there is seen by who goes to sleep after this, or we see who sleeps. */
    atomic_thread_fence(memory_order_seq_cst);
    rn__wake_one();
}

/* Those who talk to one another take less time together than it takes to wake a worker, and to wait for cache lines from it
 * ever after: another is woken when there is work for it.  Whether there is is known by how long picks took lately; if that
 * is not true any more, ask() finds out, or one who watches.  Whom a timer or a descriptor has readied talks to nobody here:
 * that always wakes one. */
static void ring_push(struct rn__worker *w, struct rn__g *g)
{
    uint32_t pick_ns = atomic_load_explicit(&w->pick_ns, memory_order_relaxed); /* our own */

    ring_put(w, g);
    if (rn__sched.n_workers > 1 && (pick_ns == 0 || w->current == NULL ||
                                    (uint64_t)rn__runq_ring_count(&w->queue) * pick_ns >= WORTH_NS))
        wake_for_ring();
}

/* Some wait here: for how long?  When the coarse clock has gone on, some milliseconds perhaps. */
static __attribute__((noinline)) void ask(struct rn__worker *w)
{
    rn_time now = rn__now_coarse();

    if (now == w->seen_ns)
        return;
    w->seen_ns = now;
    atomic_store_explicit(&w->bears_tiny, false, memory_order_relaxed);
    wake_for_ring();
}

/* g can run: here, next, as a goroutine of this worker made it so (it is what that one talks to).  Gives who was to. */
static struct rn__g *run_next(struct rn__worker *w, struct rn__g *g)
{
    /* Relaxed: for the dump. */
    atomic_store_explicit(&g->state, RN__G_RUNNABLE, memory_order_relaxed);
    rn__watch_ready(w, g);
    if (rn__sched.mode == RN__MODE_SIM) {
        rn__sim_push(g);
        return NULL;
    }
    return rn__runq_set_next(&w->queue, g);
}

void rn__make_runnable(struct rn__g *g)
{
    struct rn__worker *w = rn__worker();

    if (w != NULL) {
        g = run_next(w, g);
        if (g == NULL)
            return;
        ring_put(w, g);
        if (rn__sched.n_workers > 1)
            wake_for_ring();
        return;
    }
    atomic_store_explicit(&g->state, RN__G_RUNNABLE, memory_order_relaxed);
    rn__watch_outside(g);
    if (rn__sched.mode == RN__MODE_SIM) {
        rn__sim_push(g);
        rn__poll_break();
    } else {
        common_push(g);
        rn__wake_one();
    }
}

void rn__make_runnable_new(struct rn__worker *w, struct rn__g *g)
{
    if (w == NULL || rn__sched.mode == RN__MODE_SIM) {
        rn__make_runnable(g);
        return;
    }
    rn__watch_ready(w, g);
    if (!rn__newborns_push(&w->newborns, g))
        common_push(g);
    /* New ones are likely to have work of their own. */
    if (rn__sched.n_workers > 1 && rn__worth_adopting(w))
        wake_for_ring();
}

/* true: it is parked, and ours to make runnable.  false: it has not left its stack yet, and will see this. */
static bool wakes(struct rn__g *g)
{
    /* Only one may wake it, so 2 stays until that one, who is the caller, has changed it.  Acquire pairs with the release in
     * rn__arrive(): its stack has been left.  Else sequentially consistent, with the exchange there. */
    if (atomic_load_explicit(&g->token, memory_order_acquire) != 2 &&
        atomic_exchange(&g->token, 1) != 2)
        return false;
    /* Relaxed: nobody wakes it again before it has run, and the queue hands this on. */
    atomic_store_explicit(&g->token, 0, memory_order_relaxed);
    return true;
}

void rn__ready_here(struct rn__worker *w, struct rn__g *g)
{
    if (!wakes(g)) {
        if (rn__tracing())
            rn__trace_handed(g);
        return;
    }
    g = run_next(w, g);
    if (g != NULL)
        ring_push(w, g);
}

void rn__ready(struct rn__g *g)
{
    struct rn__worker *w = rn__worker();

    if (w != NULL)
        rn__ready_here(w, g);
    else if (wakes(g))
        rn__make_runnable(g);
    else if (rn__tracing())
        rn__trace_handed(g);
}

void rn__ready_many_begin(void)
{
    struct rn__worker *w = rn__worker();

    if (w != NULL)
        w->spilt.on = true;
}

void rn__ready_many_end(void)
{
    struct rn__worker *w = rn__worker();

    if (w == NULL)
        return;
    w->spilt.on = false;
    if (w->spilt.n == 0)
        return;
    common_append(w->spilt.first, w->spilt.last, w->spilt.n);
    w->spilt.n = 0;
    if (rn__sched.n_workers > 1)
        wake_for_ring();
}

static inline bool others_wait(struct rn__worker *w)
{
    return !rn__runq_ring_empty(&w->queue) || !rn__newborns_empty(&w->newborns);
}

/* Of those who have run already and those who have not, by turns: so neither starves the other. */
static inline __attribute__((always_inline)) struct rn__g *pop_by_turns(struct rn__worker *w)
{
    struct rn__g *g;

    if (w->newborn_had_turn) {
        w->newborn_had_turn = false;
        g = rn__runq_pop(&w->queue);
        if (g != NULL)
            return g;
    }
    g = rn__newborns_pop(&w->newborns);
    if (g == NULL)
        return rn__runq_pop(&w->queue);
    w->newborn_had_turn = true;
    return g;
}

/* The next of this worker's own queue; NULL also when there is more to it. */
static inline __attribute__((always_inline)) struct rn__g *pick_quickly(struct rn__worker *w)
{
    if ((w->tick + 1) % LOOK_EVERY == 0 || rn__sched.mode == RN__MODE_SIM)
        return NULL;
    if (++w->tick % ASK_EVERY == 0 && rn__sched.n_workers > 1 && others_wait(w))
        ask(w);
    if (!rn__runq_has_next(&w->queue)) {
        w->handed_on = 0;
        return pop_by_turns(w);
    }
    /* A pair that is alone here stays: put into the ring, it would be drawn apart by a worker woken for it. */
    if (++w->handed_on >= HANDED_ON_MAX && others_wait(w))
        return NULL;
    return rn__runq_swap_next(&w->queue, NULL);
}

/* ---- switching -------------------------------------------------------------------------------------- */

/* It was woken before it had left; not by the one that has arrived. */
static __attribute__((noinline)) void woken_early(struct rn__worker *w, struct rn__g *left)
{
    /* Relaxed as in wakes(). */
    atomic_store_explicit(&left->token, 0, memory_order_relaxed);
    rn__watch_bystander(w, true);
    rn__make_runnable(left);
    rn__watch_bystander(w, false);
}

static __attribute__((noinline)) void arrive_slowly(struct rn__worker *w, struct rn__g *left,
                                                    enum rn__left_how how)
{
    uint32_t none = 0;

    switch (how) {
    case RN__LEFT_NOTHING:
    case RN__LEFT_UNLOCKING:
        break;
    case RN__LEFT_PARKED:
        if (!atomic_compare_exchange_strong(&left->token, &none, 2))
            woken_early(w, left);
        break;
    case RN__LEFT_YIELDED:
        rn__watch_yield(w, left);
        if (rn__sched.mode == RN__MODE_SIM)
            rn__sim_push(left);
        else
            ring_push(w, left);
        break;
    case RN__LEFT_ENDED:
        rn__g_free(w, left);
        break;
    }
}

/* First thing on every arrival: what becomes of the one that was left. */
static inline void arrive(void)
{
    struct rn__worker *w = rn__worker();
    struct rn__g *left = w->left;
    enum rn__left_how how = (enum rn__left_how)w->left_how;

    w->left = NULL;
    w->left_how = RN__LEFT_NOTHING;
    if (how != RN__LEFT_UNLOCKING) {
        arrive_slowly(w, left, how);
        return;
    }
    /* Relaxed: who wakes it comes by the lock. */
    atomic_store_explicit(&left->token, 2, memory_order_relaxed);
    rn__unlock(w->left_lock);
}

void rn__arrive(void)
{
    arrive();
}

/* Switches from where we are (a goroutine, or NULL: the worker's own stack) to a goroutine, or (NULL) to the worker's
 * own stack.  Not instrumented: it begins on one stack and ends on another. */
RN__SWITCHES void switch_to(struct rn__worker *w, struct rn__g *from, struct rn__g *to,
                            bool for_good)
{
    struct rn__ctx *save = from != NULL ? &from->ctx : &w->ctx;
    const struct rn__ctx *load = to != NULL ? &to->ctx : &w->ctx;
    void **fake = from != NULL ? &from->asan_fake_stack : &w->asan_fake_stack;

    w->current = to;
    if (to != NULL)
        rn__asan_leave(for_good ? NULL : fake, to->stack->low, to->stack->size);
    else
        rn__asan_leave(for_good ? NULL : fake, w->asan_low, w->asan_size);
    rn__tsan_switch(to != NULL ? to->tsan_fiber : w->tsan_fiber);
    rn__ctx_switch(save, load);
    rn__asan_arrive(*fake, NULL, NULL);
}

void rn__switch(struct rn__worker *w, struct rn__g *from, struct rn__g *to, bool for_good)
{
    switch_to(w, from, to, for_good);
}

void rn__leave(enum rn__left_how how)
{
    struct rn__worker *w = rn__worker();
    struct rn__g *g = w->current, *next;
    bool stopping = rn__stopping();

    if (g->canary)
        rn__fault_canary(g);
    next = stopping ? NULL : pick_quickly(w);
    if (next == NULL && !stopping)
        next = rn__pick_near(w);
    if (next == NULL && how == RN__LEFT_YIELDED && !stopping && rn__on_duty(w) &&
        rn__sched.mode != RN__MODE_SIM) {
        atomic_store_explicit(&g->state, RN__G_RUNNING, memory_order_relaxed);
        return; /* to nobody; had it gone through the ring, another worker would have been woken for it */
    }
    w->left = g;
    w->left_how = how;
    if (next != NULL) {
        atomic_store_explicit(&next->state, RN__G_RUNNING, memory_order_relaxed);
        rn__watch_run(w, next);
    } else {
        rn__watch_rest(w);
    }
    switch_to(w, g, next, how == RN__LEFT_ENDED);
    arrive();
}

void rn__park(void)
{
    struct rn__worker *w = rn__worker();
    struct rn__g *g = w->current;

    rn_assert(g != NULL);
    rn__bump(&w->counters.parks);
    if (atomic_load(&g->token) == 1) {
        atomic_store_explicit(&g->token, 0, memory_order_relaxed);
        if (rn__sched.mode != RN__MODE_SIM)
            return;
        rn_yield(); /* so that a simulation has its choice here too */
        return;
    }
    atomic_store_explicit(&g->state, RN__G_WAITING, memory_order_relaxed);
    rn__leave(RN__LEFT_PARKED);
}

void rn__park_sole(struct rn__worker *w, struct rn__wait *wait, enum rn__why why,
                   const void *object, struct rn__lock *l)
{
    struct rn__g *g = wait->g, *next;

    if (g->canary)
        rn__fault_canary(g);
    rn__wait_shown(g, why, object);
    g->waiting = wait;
    rn__newborns_fetch_deep(&w->newborns);
    next = pick_quickly(w);
    if (next != NULL) {
        rn__bump(&w->counters.parks);
        atomic_store_explicit(&g->state, RN__G_WAITING, memory_order_relaxed);
        atomic_store_explicit(&next->state, RN__G_RUNNING, memory_order_relaxed);
        w->left = g;
        w->left_how = RN__LEFT_UNLOCKING;
        w->left_lock = l;
        rn__watch_run(w, next);
        switch_to(w, g, next, false);
        arrive();
    } else {
        rn__trace_waits((rn_chan *)object);
        rn__unlock(l);
        rn__park();
    }
    g->waiting = NULL;
    atomic_store_explicit(&g->why, RN__WHY_NONE, memory_order_relaxed);
}

void rn_yield(void)
{
    struct rn__g *g = rn__self();

    if (g == NULL) {
        sched_yield();
        return;
    }
    atomic_store_explicit(&g->state, RN__G_RUNNABLE, memory_order_relaxed);
    rn__leave(RN__LEFT_YIELDED);
}

void rn__give_way(unsigned n)
{
    const struct rn__worker *w = rn__worker();

    /* Those of a simulation are in no queue. */
    if (rn__sched.mode == RN__MODE_SIM ||
        (rn__runq_count(&w->queue) - 1 < n && rn__newborns_empty(&w->newborns)))
        rn_yield();
}

/* ---- picking ------------------------------------------------------------------------------------------ */

/* As the worker: see race.h. */
static int timers_run(rn_time now)
{
    struct rn__worker *w = rn__worker();
    void *self = rn__race_as(w->tsan_fiber);
    int n = 0;

    rn__watch_bystander(w, true);
    for (unsigned i = 0; i < rn__sched.n_workers; i++) {
        struct rn__timers *t = &rn__sched.workers[i].timers;

        if (atomic_load(&t->first_when) <= now)
            n += rn__timers_run(t, now);
    }
    rn__watch_bystander(w, false);
    (void)rn__race_as(self);
    return n;
}

rn_time rn__timers_first(void)
{
    rn_time first = RN_FOREVER;

    for (unsigned i = 0; i < rn__sched.n_workers; i++) {
        rn_time when = atomic_load(&rn__sched.workers[i].timers.first_when);

        if (when < first)
            first = when;
    }
    return first;
}

/* At most one worker is in the poller. */
int rn__poll_now(void)
{
    void *self;
    int n;

    if (atomic_exchange(&rn__sched.polling, 1) != 0)
        return 0;
    self = rn__race_as(rn__worker()->tsan_fiber);
    rn__watch_bystander(rn__worker(), true);
    n = rn__poll_wait(0);
    rn__watch_bystander(rn__worker(), false);
    (void)rn__race_as(self);
    atomic_store(&rn__sched.polling, 0);
    return n;
}

struct rn__g *rn__pick_sim(void)
{
    struct rn__g *g = rn__sim_pick();

    if (++rn__sched.workers[0].tick % LOOK_EVERY == 0 && atomic_load(&rn__sched.external_real) > 0)
        rn__poll_now(); /* also while somebody always runs */
    if (atomic_load(&rn__sched.workers[0].timers.first_when) <= rn__sim_now()) {
        if (g != NULL)
            rn__sim_push(g);
        timers_run(rn__sim_now());
        g = rn__sim_pick();
    }
    return g;
}

/* How long picks have taken, until it came to rest if it has; what was known before as long as they are few. */
static uint32_t measure(struct rn__worker *w, rn_time now)
{
    rn_time until = w->rest_ns != 0 ? w->rest_ns : now, took;
    int picks;

    if (w->rest_ns == 0)
        w->rest_tick = w->tick;
    picks = (int)(w->rest_tick - w->looked_tick);
    /* Relaxed, as all of both: our own, and hints for others. */
    if (picks < FEW)
        return atomic_load_explicit(&w->pick_ns, memory_order_relaxed);
    took = (until - atomic_load_explicit(&w->looked_ns, memory_order_relaxed)) / picks;
    atomic_store_explicit(&w->looked_ns, until, memory_order_relaxed);
    w->looked_tick = w->rest_tick;
    return took < UINT32_MAX ? (uint32_t)took + 1 : UINT32_MAX;
}

/* Now and then, so that nothing that is due waits for a busy queue.  Gives one who has waited for long, or NULL. */
static __attribute__((noinline)) struct rn__g *look(struct rn__worker *w)
{
    rn_time now = rn_now();
    uint32_t pick_ns;
    struct rn__g *g;

    w->tick++;
    pick_ns = measure(w, now);
    /* Those who are readied here do not talk to one another. */
    atomic_store_explicit(&w->pick_ns, 0, memory_order_relaxed);
    timers_run(now);
    if (atomic_load(&rn__sched.external_real) > 0)
        rn__poll_now();
    atomic_store_explicit(&w->pick_ns, pick_ns, memory_order_relaxed);
    /* The oldest newborn, too, so that it does not wait for ever for those who come after it. */
    g = common_take(w);
    return g != NULL ? g : rn__newborns_steal(&w->newborns);
}

struct rn__g *rn__pick_near(struct rn__worker *w)
{
    struct rn__g *g, *other;

    if (rn__sched.mode == RN__MODE_SIM)
        return rn__pick_sim();
    if ((w->tick + 1) % LOOK_EVERY == 0 && !rn__on_duty(w))
        return NULL; /* it comes to rest where it would look further */
    if ((w->tick + 1) % LOOK_EVERY == 0 && (g = look(w)) != NULL)
        return g;
    g = pick_quickly(w);
    if (g != NULL || !rn__runq_has_next(&w->queue))
        return g;
    /* A pair has had its turns: behind the others. */
    w->handed_on = 0;
    g = rn__runq_swap_next(&w->queue, NULL);
    other = pop_by_turns(w);
    if (other == NULL)
        return g;
    if (g != NULL)
        ring_push(w, g);
    return other;
}

/* The oldest, and some of the next: in the end half of them, for both have as much to do then. */
static struct rn__g *steal_newborns(struct rn__worker *w, struct rn__worker *victim)
{
    struct rn__g *g = rn__newborns_steal(&victim->newborns), *more;
    int64_t n = rn__newborns_count(&victim->newborns) / 2;

    if (g == NULL)
        return NULL;
    if (n > STEAL_MAX)
        n = STEAL_MAX;
    w->robbed = victim;
    w->robbed_of = 1;
    for (; n > 0 && (more = rn__newborns_steal(&victim->newborns)) != NULL; n--, w->robbed_of++)
        if (!rn__newborns_push(&w->newborns, more))
            common_push(more);
    return g;
}

/* Who is woken for newborns that end at once has them run beside their maker, who then waits for what both write - the wait
 * group's counter, the stacks that come back to it from elsewhere - longer than it would have run them.  Only who stole some
 * knows how long they take, and says so; it is asked again when the coarse clock has gone on, see ask(). */
bool rn__worth_adopting(const struct rn__worker *victim)
{
    int64_t n = rn__newborns_count(&victim->newborns);

    return n > 0 && (n >= TINY_CROWD || !atomic_load(&victim->bears_tiny));
}

/* Those who are ready there and soon done are often those who talk to one another: apart they would do it across caches.  So who
 * was soon done with what he took last takes only what is worth it - by the time that picks take there, or as they take longer
 * now - and sleeps in spite of the rest.  Woken, he tries again. */
bool rn__worth_stealing(const struct rn__worker *w, const struct rn__worker *victim)
{
    uint32_t n = rn__runq_ring_count(&victim->queue);
    /* Relaxed: hints. */
    uint64_t pick_ns = atomic_load_explicit(&victim->pick_ns, memory_order_relaxed);
    rn_time looked_ns;

    if (n == 0 || !w->reluctant || pick_ns == 0 || n * pick_ns >= STEAL_NS)
        return n > 0;
    looked_ns = atomic_load_explicit(&victim->looked_ns, memory_order_relaxed);
    return rn_now() - looked_ns >= (rn_time)(2 * LOOK_EVERY * pick_ns + STEAL_NS);
}

/* w has nothing left to do. */
void rn__run_dry(struct rn__worker *w)
{
    rn_time took;

    w->rest_tick = w->tick - DRY_PICKS;
    if (w->stole_ns == 0)
        return;
    took = rn_now() - w->stole_ns;
    w->reluctant = took < STEAL_NS;
    w->stole_ns = 0;
    /* Relaxed: a hint. */
    if (w->robbed_of > 0)
        atomic_store_explicit(&w->robbed->bears_tiny, took < (rn_time)w->robbed_of * TINY_NS,
                              memory_order_relaxed);
}

void rn__rest_begins(struct rn__worker *w)
{
    if (w->rest_ns == 0)
        w->rest_ns = rn_now();
}

/* The time since then, and the picks that found nobody, are not such as ring_push() and others want to know of. */
void rn__rest_ends(struct rn__worker *w)
{
    /* Relaxed, as in measure(). */
    rn_time looked_ns = atomic_load_explicit(&w->looked_ns, memory_order_relaxed);

    w->looked_tick += w->tick - w->rest_tick - 1;
    if (w->rest_ns == 0)
        return;
    atomic_store_explicit(&w->looked_ns, looked_ns + rn_now() - w->rest_ns, memory_order_relaxed);
    w->rest_ns = 0;
    w->seen_ns = rn__now_coarse(); /* nobody has waited here until now */
}

static struct rn__g *steal(struct rn__worker *w)
{
    unsigned start = (unsigned)(rn__rand_next(&w->rng) % rn__sched.n_workers);
    struct rn__g *g;

    for (unsigned i = 0; i < rn__sched.n_workers; i++) {
        struct rn__worker *victim = &rn__sched.workers[(start + i) % rn__sched.n_workers];

        if (victim == w)
            continue;
        g = rn__worth_stealing(w, victim) ? rn__runq_steal(&victim->queue, &w->queue) : NULL;
        w->robbed_of = 0;
        if (g == NULL && rn__worth_adopting(victim))
            g = steal_newborns(w, victim);
        if (g != NULL) {
            rn__bump(&w->counters.steals);
            w->stole_ns = rn_now();
            /* While the others were on their way, somebody may have looked everywhere and gone to sleep. */
            if (others_wait(w))
                wake_for_ring();
            return g;
        }
    }
    return NULL;
}

struct rn__g *rn__pick_far(struct rn__worker *w)
{
    struct rn__g *g = rn__pick_near(w);

    if (g == NULL)
        g = common_take(w);
    if (g == NULL && timers_run(rn_now()) > 0)
        g = rn__pick_near(w);
    if (g == NULL)
        g = steal(w);
    return g;
}
