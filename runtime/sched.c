/* sched.c - workers that run goroutines; see sched.h.   SPDX-License-Identifier: MIT
 *
 * A goroutine that gives up its worker switches straight to the next one when one is at hand, else to the worker's
 * own stack, whose loop looks further: timers, the common queue, descriptors, other workers' queues, sleep.  What is to
 * become of the one that was left (it parked, yielded, ended) is done by whoever arrives, because only then is its
 * stack no longer in use.
 *
 * No wake-up is lost: who makes a goroutine runnable stores it, then looks whether somebody is idle; who goes idle says
 * so, then looks at every queue; both sequentially consistent.  The same for timers and the poller's timeout. */
#include "runtime/sched.h"

#include "runtime/assert.h"
#include "runtime/block.h"
#include "runtime/dump.h"
#include "runtime/fiber.h"
#include "runtime/group.h"
#include "runtime/poll.h"
#include "runtime/rand.h"
#include "runtime/signal.h"
#include "runtime/sim.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_EVERY 64u          /* picks */
#define COMMON_EVERY 61u
#define HANDED_ON_MAX 128u      /* run-next picks in a row, so that a pair cannot starve the rest */
#define SEARCH_ROUNDS 40        /* looks around before sleeping: about ten microseconds */
#define WATCH_NS (10 * RN_MS)   /* how often an idle poller looks after workers that are busy */
#define WORKERS_MAX 1024

enum left_how { LEFT_NOTHING, LEFT_PARKED, LEFT_YIELDED, LEFT_ENDED };
enum mode { MODE_MAIN, MODE_BACKGROUND, MODE_SIM };

static struct {
    _Atomic bool running;
    enum mode mode;                     /* these three are written while no worker runs */
    struct rn__worker *workers;
    unsigned n_workers;

    _Atomic bool stopping;
    int status;                         /* of the first goroutine */
    _Atomic bool root_cancelled;

    struct rn__lock lock;
    struct rn__g *common_first, *common_last;   /* the common queue; guarded by lock */
    _Atomic uint32_t common_count;      /* its length; written under lock */
    struct rn__worker *idle_first;      /* guarded by lock */
    _Atomic uint32_t n_idle;            /* written under lock */
    _Atomic uint32_t searching;         /* workers that look for work: whoever adds some need not wake another */

    _Atomic uint32_t polling;           /* 1: a worker is in rn__poll_wait */
    _Atomic rn_time poll_until;         /* when it returns by itself; 0: nobody polls */
    struct rn__worker *poller;          /* who sleeps there; guarded by lock */

    _Atomic int64_t external, external_real, holds;
    _Atomic uint64_t next_id;
    _Atomic uint32_t ended;             /* futex of rn_stop: changes when a user goroutine ends */
    _Atomic bool stop_waits;
    struct rn__counters retired;        /* of plain threads */
} sched;

/* One scheduler at a time: guards starting and ending. */
static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;

bool rn__running(void)
{
    return atomic_load(&sched.running);
}

struct rn__g *rn__self(void)
{
    struct rn__worker *w = rn__worker();

    return w != NULL ? w->current : NULL;
}

struct rn__worker *rn__worker_at(unsigned n)
{
    return n < sched.n_workers ? &sched.workers[n] : NULL;
}

bool rn__root_cancelled(void)
{
    return atomic_load(&sched.root_cancelled);
}

bool rn__root_cancellable(void)
{
    return sched.mode == MODE_BACKGROUND;
}

static bool stopping(void)
{
    /* Relaxed: it is looked at again and again, and whoever sets it wakes everybody. */
    return atomic_load_explicit(&sched.stopping, memory_order_relaxed);
}

static void count(_Atomic uint64_t *counter)
{
    /* Only its own worker writes it: no read-modify-write is needed. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* ---- waking workers ---------------------------------------------------------------------------- */

/* The lock is held. */
static void idle_remove(struct rn__worker *w)
{
    struct rn__worker **at = &sched.idle_first;

    while (*at != w)
        at = &(*at)->idle_next;
    *at = w->idle_next;
    w->idle = false;
    atomic_fetch_sub(&sched.n_idle, 1);
}

static void worker_rouse(struct rn__worker *w, bool polls)
{
    atomic_store(&w->wakeup, 1);
    if (polls)
        rn__poll_break();
    else
        rn__futex_wake(&w->wakeup, 1);
}

/* There is more work than the workers that are awake will surely see. */
static void wake_one(void)
{
    struct rn__worker *w;
    bool polls;

    if (atomic_load(&sched.n_idle) == 0 || atomic_load(&sched.searching) > 0)
        return;
    rn__lock(&sched.lock);
    w = sched.idle_first;
    /* Rather one that does not poll, so that polling goes on. */
    if (w != NULL && w == sched.poller && w->idle_next != NULL)
        w = w->idle_next;
    if (w != NULL) {
        polls = w == sched.poller;
        idle_remove(w);
        w->searching = true;
        atomic_fetch_add(&sched.searching, 1);
    }
    rn__unlock(&sched.lock);
    if (w != NULL)
        worker_rouse(w, polls);
}

static void wake_all(void)
{
    for (unsigned i = 0; i < sched.n_workers; i++)
        worker_rouse(&sched.workers[i], /* polls= */ false);
    rn__poll_break();
}

void rn__sched_timer_set(rn_time when)
{
    if (when < atomic_load(&sched.poll_until))
        rn__poll_break();
}

/* ---- queues ---------------------------------------------------------------------------------------- */

static void common_push(struct rn__g *g)
{
    g->queue_next = NULL;
    rn__lock(&sched.lock);
    if (sched.common_last != NULL)
        sched.common_last->queue_next = g;
    else
        sched.common_first = g;
    sched.common_last = g;
    atomic_fetch_add(&sched.common_count, 1);
    rn__unlock(&sched.lock);
}

static struct rn__g *common_pop_locked(void)
{
    struct rn__g *g = sched.common_first;

    if (g == NULL)
        return NULL;
    sched.common_first = g->queue_next;
    if (sched.common_first == NULL)
        sched.common_last = NULL;
    atomic_fetch_sub(&sched.common_count, 1);
    return g;
}

/* Takes a fair share: one to run, some for the ring. */
static struct rn__g *common_take(struct rn__worker *w)
{
    struct rn__g *g, *more;
    uint32_t n;

    if (atomic_load(&sched.common_count) == 0)
        return NULL;
    rn__lock(&sched.lock);
    n = atomic_load(&sched.common_count) / sched.n_workers;
    g = common_pop_locked();
    if (n > RN__RUNQ_SIZE / 2)
        n = RN__RUNQ_SIZE / 2;
    /* Only into an empty ring, so that it cannot be full. */
    if (rn__runq_ring_empty(&w->queue))
        while (n-- > 1 && (more = common_pop_locked()) != NULL)
            rn_assert(rn__runq_push(&w->queue, more));
    rn__unlock(&sched.lock);
    return g;
}

static void ring_push(struct rn__worker *w, struct rn__g *g)
{
    if (!rn__runq_push(&w->queue, g))
        common_push(g);
    wake_one();
}

/* g can run: here, next, when a goroutine of this worker made it so (it is what that one talks to). */
static void make_runnable(struct rn__g *g)
{
    struct rn__worker *w = rn__worker();

    /* Relaxed: for the dump. */
    atomic_store_explicit(&g->state, RN__G_RUNNABLE, memory_order_relaxed);
    if (sched.mode == MODE_SIM) {
        rn__sim_push(g);
        if (w == NULL)
            rn__poll_break();
    } else if (w == NULL) {
        common_push(g);
        wake_one();
    } else {
        g = rn__runq_set_next(&w->queue, g);
        if (g != NULL)
            ring_push(w, g);
    }
}

void rn__ready(struct rn__g *g)
{
    /* Sequentially consistent; pairs with the exchange in leave_park().  1: it has not left its stack yet and will see this. */
    if (atomic_exchange(&g->token, 1) == 2) {
        atomic_store(&g->token, 0);
        make_runnable(g);
    }
}

/* ---- switching -------------------------------------------------------------------------------------- */

static void g_free(struct rn__worker *w, struct rn__g *g)
{
    rn__tsan_free(g->tsan_fiber);
    rn__stack_put(g->stack, &w->stacks);
}

/* First thing on every arrival: what becomes of the one that was left. */
static void arrive(void)
{
    struct rn__worker *w = rn__worker();
    struct rn__g *left = w->left;
    enum left_how how = (enum left_how)w->left_how;
    uint32_t none = 0;

    w->left = NULL;
    w->left_how = LEFT_NOTHING;
    switch (how) {
    case LEFT_NOTHING:
        break;
    case LEFT_PARKED:
        if (!atomic_compare_exchange_strong(&left->token, &none, 2)) {
            atomic_store(&left->token, 0);      /* it was woken before it had left */
            make_runnable(left);
        }
        break;
    case LEFT_YIELDED:
        if (sched.mode == MODE_SIM)
            rn__sim_push(left);
        else
            ring_push(w, left);
        break;
    case LEFT_ENDED:
        g_free(w, left);
        break;
    }
}

/* Switches from where we are (a goroutine, or NULL: the worker's own stack) to a goroutine, or (NULL) to the worker's
 * own stack.  Not instrumented: it begins on one stack and ends on another. */
static RN__NO_TSAN void switch_to(struct rn__worker *w, struct rn__g *from, struct rn__g *to, bool for_good)
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

static struct rn__g *pick_near(struct rn__worker *w);

static void leave(enum left_how how)
{
    struct rn__worker *w = rn__worker();
    struct rn__g *g = w->current, *next;

    w->left = g;
    w->left_how = how;
    next = stopping() ? NULL : pick_near(w);
    if (next != NULL)
        atomic_store_explicit(&next->state, RN__G_RUNNING, memory_order_relaxed);
    switch_to(w, g, next, how == LEFT_ENDED);
    arrive();
}

void rn__park(void)
{
    struct rn__worker *w = rn__worker();
    struct rn__g *g = w->current;

    rn_assert(g != NULL);
    count(&w->counters.parks);
    if (atomic_load(&g->token) == 1) {
        atomic_store(&g->token, 0);
        if (sched.mode != MODE_SIM)
            return;
        rn_yield();     /* so that a simulation has its choice here too */
        return;
    }
    atomic_store_explicit(&g->state, RN__G_WAITING, memory_order_relaxed);
    leave(LEFT_PARKED);
}

void rn_yield(void)
{
    struct rn__g *g = rn__self();

    if (g == NULL) {
        sched_yield();
        return;
    }
    atomic_store_explicit(&g->state, RN__G_RUNNABLE, memory_order_relaxed);
    leave(LEFT_YIELDED);
}

/* ---- picking ------------------------------------------------------------------------------------------ */

static int timers_run(rn_time now)
{
    int n = 0;

    for (unsigned i = 0; i < sched.n_workers; i++) {
        struct rn__timers *t = &sched.workers[i].timers;

        if (atomic_load(&t->first_when) <= now)
            n += rn__timers_run(t, now);
    }
    return n;
}

static rn_time timers_first(void)
{
    rn_time first = RN_FOREVER;

    for (unsigned i = 0; i < sched.n_workers; i++) {
        rn_time when = atomic_load(&sched.workers[i].timers.first_when);

        if (when < first)
            first = when;
    }
    return first;
}

/* At most one worker is in the poller. */
static int poll_now(void)
{
    int n;

    if (atomic_exchange(&sched.polling, 1) != 0)
        return 0;
    n = rn__poll_wait(0);
    atomic_store(&sched.polling, 0);
    return n;
}

static struct rn__g *pick_sim(void)
{
    struct rn__g *g = rn__sim_pick();

    if (atomic_load(&sched.workers[0].timers.first_when) <= rn__sim_now()) {
        if (g != NULL)
            rn__sim_push(g);
        timers_run(rn__sim_now());
        g = rn__sim_pick();
    }
    return g;
}

/* What this worker has at hand.  Now and then it looks further, so that nothing that is due waits for a busy queue. */
static struct rn__g *pick_near(struct rn__worker *w)
{
    struct rn__g *g;

    if (sched.mode == MODE_SIM)
        return pick_sim();
    w->tick++;
    if (w->tick % POLL_EVERY == 0) {
        timers_run(rn_now());
        if (atomic_load(&sched.external_real) > 0)
            poll_now();
    }
    if (w->tick % COMMON_EVERY == 0 && (g = common_take(w)) != NULL)
        return g;
    g = rn__runq_take_next(&w->queue);
    if (g != NULL && ++w->handed_on < HANDED_ON_MAX)
        return g;
    w->handed_on = 0;
    if (g != NULL)
        ring_push(w, g);
    g = rn__runq_pop(&w->queue);
    return g;
}

static struct rn__g *steal(struct rn__worker *w, bool next_too)
{
    unsigned start = (unsigned)(rn__rand_next(&w->rng) % sched.n_workers);
    struct rn__g *g;

    for (unsigned i = 0; i < sched.n_workers; i++) {
        struct rn__worker *victim = &sched.workers[(start + i) % sched.n_workers];

        if (victim == w)
            continue;
        g = rn__runq_steal(&victim->queue, &w->queue);
        if (g == NULL && next_too)
            g = rn__runq_take_next(&victim->queue);
        if (g != NULL) {
            count(&w->counters.steals);
            return g;
        }
    }
    return NULL;
}

static struct rn__g *look_around(struct rn__worker *w, bool next_too)
{
    struct rn__g *g = pick_near(w);

    if (g == NULL)
        g = common_take(w);
    if (g == NULL && timers_run(rn_now()) > 0)
        g = pick_near(w);
    if (g == NULL)
        g = steal(w, next_too);
    return g;
}

/* ---- sleeping ------------------------------------------------------------------------------------------- */

static bool work_in_sight(void)
{
    if (atomic_load(&sched.common_count) > 0 || stopping())
        return true;
    for (unsigned i = 0; i < sched.n_workers; i++)
        if (!rn__runq_ring_empty(&sched.workers[i].queue))
            return true;
    return false;
}

static size_t user_timers(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < sched.n_workers; i++) {
        struct rn__timers *t = &sched.workers[i].timers;

        rn__lock(&t->lock);
        n += t->user;
        rn__unlock(&t->lock);
    }
    return n;
}

/* The rule at rn_main in rn.h; every worker is idle and no queue holds a goroutine. */
static bool deadlocked(void)
{
    if (sched.mode == MODE_BACKGROUND || stopping())
        return false;
    if (atomic_load(&sched.holds) > 0 || rn__wait_plain_seen())
        return false;
    for (unsigned i = 0; i < sched.n_workers; i++)
        if (atomic_load(&sched.workers[i].queue.next) != NULL)
            return false;               /* its worker is just waking up */
    if (sched.mode == MODE_SIM)
        return atomic_load(&sched.external_real) == 0;
    return atomic_load(&sched.external) == 0 && user_timers() == 0;
}

static _Noreturn void report_deadlock(void)
{
    rn__dump_deadlock();
    if (sched.mode == MODE_SIM)
        dprintf(STDERR_FILENO, "rn_sim: seed %llu\n", (unsigned long long)rn__sim_seed());
    fflush(NULL);
    _exit(2);
}

/* Sleeps in the poller until something is ready or due, or somebody breaks it. */
static void sleep_polling(bool all_idle)
{
    rn_time now, until;

    atomic_store(&sched.poll_until, RN_FOREVER);        /* until we know: whoever sets a timer now breaks */
    until = timers_first();
    now = rn_now();
    if (!all_idle && until > now + WATCH_NS)
        until = now + WATCH_NS;
    atomic_store(&sched.poll_until, until);
    if (until > now && !work_in_sight())
        rn__poll_wait(until == RN_FOREVER ? -1 : until - now);
    atomic_store(&sched.poll_until, 0);
}

/* Nothing was found.  Returns when there may be something. */
static void worker_sleep(struct rn__worker *w)
{
    rn_time slept = rn_now();
    bool all_idle, polls;

    atomic_store(&w->wakeup, 0);
    rn__lock(&sched.lock);
    w->idle = true;
    w->idle_next = sched.idle_first;
    sched.idle_first = w;
    all_idle = atomic_fetch_add(&sched.n_idle, 1) + 1 == sched.n_workers;
    if (work_in_sight()) {
        idle_remove(w);
        rn__unlock(&sched.lock);
        return;
    }
    polls = sched.poller == NULL && atomic_exchange(&sched.polling, 1) == 0;
    if (polls)
        sched.poller = w;
    if (all_idle && timers_first() > rn_now() && deadlocked()) {
        rn__unlock(&sched.lock);
        report_deadlock();
    }
    rn__unlock(&sched.lock);

    if (polls)
        sleep_polling(all_idle);
    else
        rn__futex_wait(&w->wakeup, 0, INT64_MAX);

    rn__lock(&sched.lock);
    if (w->idle)
        idle_remove(w);
    if (polls)
        sched.poller = NULL;
    rn__unlock(&sched.lock);
    if (polls)
        atomic_store(&sched.polling, 0);
    atomic_fetch_add_explicit(&w->counters.idle_ns, (uint64_t)(rn_now() - slept), memory_order_relaxed);
}

static void search_begin(struct rn__worker *w)
{
    if (w->searching)
        return;
    w->searching = true;
    atomic_fetch_add(&sched.searching, 1);
}

/* found: whoever relied on us to see work may have added more. */
static void search_end(struct rn__worker *w, bool found)
{
    if (!w->searching)
        return;
    w->searching = false;
    if (atomic_fetch_sub(&sched.searching, 1) == 1 && found && work_in_sight())
        wake_one();
}

/* The next goroutine to run, or NULL: the scheduler ends. */
static struct rn__g *find(struct rn__worker *w)
{
    struct rn__g *g;
    bool slept = false;

    while (!stopping()) {
        g = look_around(w, slept);
        if (g == NULL && poll_now() > 0)
            g = pick_near(w);
        if (g == NULL && sched.n_workers > 1 && atomic_load(&sched.searching) == 0) {
            search_begin(w);
            for (int i = 0; g == NULL && i < SEARCH_ROUNDS && !stopping(); i++)
                g = look_around(w, false);
        }
        search_end(w, g != NULL);
        if (g != NULL)
            return g;
        worker_sleep(w);
        slept = true;   /* a worker that was busy all the while may have one in its run-next slot: take it */
    }
    return NULL;
}

/* A simulation: all sleep until the next timer; or something real is awaited; or it is a deadlock. */
static struct rn__g *find_sim(void)
{
    while (!stopping()) {
        struct rn__g *g = pick_sim();
        rn_time first;

        if (g != NULL)
            return g;
        if (atomic_load(&sched.external_real) > 0 && rn__poll_wait(0) > 0)
            continue;
        first = timers_first();
        if (first != RN_FOREVER) {
            rn__sim_jump(first);
            continue;
        }
        if (deadlocked())
            report_deadlock();
        rn__poll_wait(-1);
    }
    return NULL;
}

/* ---- workers --------------------------------------------------------------------------------------------- */

#ifdef RN__ASAN
static void asan_bounds(struct rn__worker *w)
{
    pthread_attr_t attr;
    void *low;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    pthread_attr_getstack(&attr, &low, &w->asan_size);
    w->asan_low = low;
    pthread_attr_destroy(&attr);
}
#else
static void asan_bounds(struct rn__worker *w)
{
    (void)w;
}
#endif

static void worker_run(struct rn__worker *w)
{
    struct rn__g *g;

    rn__worker_set(w);
    rn__fault_thread_init();
    asan_bounds(w);
    w->tsan_fiber = rn__tsan_self();
    w->started_ns = rn_now();
    while ((g = sched.mode == MODE_SIM ? find_sim() : find(w)) != NULL) {
        w->handed_on = 0;
        atomic_store_explicit(&g->state, RN__G_RUNNING, memory_order_relaxed);
        switch_to(w, NULL, g, false);
        arrive();
    }
    search_end(w, false);
    rn__fault_thread_fini();
    rn__worker_set(NULL);
}

static void *worker_main(void *arg)
{
    worker_run(arg);
    return NULL;
}

/* ---- goroutines --------------------------------------------------------------------------------------------- */

static void registry_add(struct rn__worker *w, struct rn__g *g)
{
    struct rn__registry *r = &w->registry;

    g->home = w;
    rn__lock(&r->lock);
    g->all_next = r->first;
    if (r->first != NULL)
        r->first->all_prev = g;
    r->first = g;
    r->all++;
    r->live += !g->system;
    rn__unlock(&r->lock);
}

static void registry_remove(struct rn__g *g)
{
    struct rn__registry *r = &g->home->registry;

    rn__lock(&r->lock);
    if (g->all_prev != NULL)
        g->all_prev->all_next = g->all_next;
    else
        r->first = g->all_next;
    if (g->all_next != NULL)
        g->all_next->all_prev = g->all_prev;
    r->all--;
    r->live -= !g->system;
    rn__unlock(&r->lock);
}

static void g_main(void *arg)
{
    struct rn__g *g = arg;

    rn__asan_arrive(NULL, NULL, NULL);
    arrive();
    g->fn(g->arg);
    rn__group_leave(g);
    registry_remove(g);
    if (atomic_load(&sched.stop_waits)) {
        atomic_fetch_add(&sched.ended, 1);
        rn__futex_wake(&sched.ended, 1);
    }
    leave(LEFT_ENDED);
    __builtin_unreachable();
}

static void set_name(struct rn__g *g, const char *name)
{
    size_t n = name != NULL ? strnlen(name, RN__NAME_MAX - 1) : 0;

    if (n > 0)
        memcpy(g->name, name, n);
    g->name[n] = '\0';
}

void rn_set_name(const char *name)
{
    struct rn__g *g = rn__self();

    if (g == NULL)
        return;
    rn__lock(&g->home->registry.lock);
    set_name(g, name);
    rn__unlock(&g->home->registry.lock);
}

/* Lays out record, argument and first frame on a new stack. */
static struct rn__g *g_new(struct rn__worker *w, const struct rn__spawn *s)
{
    struct rn__stack *stack = rn__stack_get(s->stack_bytes, w != NULL ? &w->stacks : NULL);
    char *top;
    struct rn__g *g;

    if (stack == NULL)
        return NULL;
    g = (struct rn__g *)(stack + 1);
    memset(g, 0, sizeof *g);
    g->stack = stack;
    g->fn = s->fn;
    g->arg = (void *)s->arg;
    g->group = s->group;
    g->system = s->system;
    /* Relaxed: only numbers. */
    g->id = atomic_fetch_add_explicit(&sched.next_id, 1, memory_order_relaxed) + 1;
    set_name(g, s->name);
    top = (char *)((uintptr_t)(rn__stack_top(stack) - s->size) & ~(uintptr_t)63);
    if (s->size > 0) {
        memcpy(top, s->arg, s->size);
        g->arg = top;
    }
    rn__ctx_init(&g->ctx, top, g_main, g);
    g->tsan_fiber = rn__tsan_new();
    return g;
}

int rn__spawn(const struct rn__spawn *s)
{
    struct rn__worker *w = rn__worker();
    struct rn__g *g;

    if (!rn__running())
        return -ESHUTDOWN;
    if (s->size > 4096 || s->fn == NULL)
        return -EINVAL;
    g = g_new(w, s);
    if (g == NULL)
        return -ENOMEM;
    if (!rn__group_join(g, s->anyway)) {
        rn__tsan_free(g->tsan_fiber);
        rn__stack_put(g->stack, w != NULL ? &w->stacks : NULL);
        return RN_ECANCELED;
    }
    if (w != NULL)
        count(&w->counters.created);
    registry_add(w != NULL ? w : &sched.workers[0], g);
    make_runnable(g);
    return 0;
}

int rn__go_system(rn_fn *fn, void *arg, const char *name)
{
    return rn__spawn(&(struct rn__spawn){ .fn = fn, .arg = arg, .name = name, .system = true });
}

void rn__each_g(void (*fn)(struct rn__g *g, void *arg), void *arg)
{
    for (unsigned i = 0; i < sched.n_workers; i++) {
        struct rn__registry *r = &sched.workers[i].registry;

        rn__lock(&r->lock);
        for (struct rn__g *g = r->first; g != NULL; g = g->all_next)
            fn(g, arg);
        rn__unlock(&r->lock);
    }
}

uint64_t rn__live(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < sched.n_workers; i++) {
        struct rn__registry *r = &sched.workers[i].registry;

        rn__lock(&r->lock);
        n += r->live;
        rn__unlock(&r->lock);
    }
    return n;
}

/* ---- what outside can do ---------------------------------------------------------------------------------- */

void rn__external_add(int waits, int real)
{
    if (waits != 0)
        atomic_fetch_add(&sched.external, waits);
    if (real != 0)
        atomic_fetch_add(&sched.external_real, real);
}

void rn_hold(void)
{
    atomic_fetch_add(&sched.holds, 1);
}

void rn_release(void)
{
    rn_assert(atomic_fetch_sub(&sched.holds, 1) > 0);
}

/* ---- statistics ---------------------------------------------------------------------------------------------- */

void rn__count(enum rn__count what)
{
    struct rn__worker *w = rn__worker();
    struct rn__counters *c = w != NULL ? &w->counters : &sched.retired;
    _Atomic uint64_t *counter = what == RN__COUNT_SENDS ? &c->sends
                                : what == RN__COUNT_RECVS ? &c->recvs : &c->selects;

    if (w != NULL)
        count(counter);
    else
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);    /* a statistic of many threads */
}

static void counters_add(rn_stats *out, struct rn__counters *c)
{
    out->created += atomic_load_explicit(&c->created, memory_order_relaxed);
    out->parks += atomic_load_explicit(&c->parks, memory_order_relaxed);
    out->steals += atomic_load_explicit(&c->steals, memory_order_relaxed);
    out->sends += atomic_load_explicit(&c->sends, memory_order_relaxed);
    out->recvs += atomic_load_explicit(&c->recvs, memory_order_relaxed);
    out->selects += atomic_load_explicit(&c->selects, memory_order_relaxed);
    out->idle_ns += atomic_load_explicit(&c->idle_ns, memory_order_relaxed);
}

void rn__stats_sum(rn_stats *out)
{
    memset(out, 0, sizeof *out);
    out->stack_bytes = rn__stack_mapped();
    counters_add(out, &sched.retired);
    for (unsigned i = 0; i < sched.n_workers; i++) {
        struct rn__worker *w = &sched.workers[i];

        counters_add(out, &w->counters);
        out->goroutines += w->registry.all;
        out->timers += w->timers.count;
        out->run_ns += (uint64_t)(rn_now() - w->started_ns);
    }
    out->run_ns = out->run_ns > out->idle_ns ? out->run_ns - out->idle_ns : 0;
}

/* ---- starting and ending --------------------------------------------------------------------------------------- */

static unsigned workers_wanted(int workers)
{
    cpu_set_t set;

    if (workers > 0)
        return workers < WORKERS_MAX ? (unsigned)workers : WORKERS_MAX;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

/* Opens what the workers stand on.  0 or -errno. */
static int services_init(void)
{
    int rc = rn__poll_init();

    if (rc < 0)
        return rc;
    rc = rn__block_init();
    if (rc < 0)
        goto poll_fini;
    rc = rn__fault_init();
    if (rc < 0)
        goto block_fini;
    rc = sched.mode == MODE_SIM ? 0 : rn__signal_init();
    if (rc == 0)
        return 0;

    rn__fault_fini();
block_fini:
    rn__block_fini();
poll_fini:
    rn__poll_fini();
    return rc;
}

static void services_fini(void)
{
    if (sched.mode != MODE_SIM)
        rn__signal_fini();
    rn__fault_fini();
    rn__block_fini();
    rn__poll_fini();
}

static int sched_init(unsigned n, enum mode mode)
{
    int rc;

    if (rn__worker() != NULL || atomic_load(&sched.running))
        return -EBUSY;
    sched.workers = aligned_alloc(64, (n * sizeof *sched.workers + 63) & ~(size_t)63);
    if (sched.workers == NULL)
        return -ENOMEM;
    memset(sched.workers, 0, n * sizeof *sched.workers);
    sched.mode = mode;
    sched.n_workers = n;
    sched.status = 0;
    sched.idle_first = NULL;
    sched.poller = NULL;
    sched.common_first = sched.common_last = NULL;
    atomic_store(&sched.common_count, 0);
    atomic_store(&sched.n_idle, 0);
    atomic_store(&sched.searching, 0);
    atomic_store(&sched.polling, 0);
    atomic_store(&sched.poll_until, 0);
    atomic_store(&sched.external, 0);
    atomic_store(&sched.external_real, 0);
    atomic_store(&sched.stopping, false);
    atomic_store(&sched.root_cancelled, false);
    atomic_store(&sched.next_id, 0);
    rn__wait_plain_reset();
    memset(&sched.retired, 0, sizeof sched.retired);
    for (unsigned i = 0; i < n; i++) {
        sched.workers[i].index = i;
        sched.workers[i].rng = mode == MODE_SIM ? rn__sim_seed() + i : rn__rand64();
        rn__timers_init(&sched.workers[i].timers);
    }
    rc = services_init();
    if (rc < 0) {
        free(sched.workers);
        sched.workers = NULL;
        sched.n_workers = 0;
        return rc;
    }
    atomic_store(&sched.running, true);
    return 0;
}

/* Starts the threads of the workers from `first` on.  What cannot be started does without: fewer workers. */
static void threads_start(unsigned first)
{
    for (unsigned i = first; i < sched.n_workers; i++)
        rn_assert(pthread_create(&sched.workers[i].thread, NULL, worker_main, &sched.workers[i]) == 0);
}

static void threads_join(unsigned first)
{
    for (unsigned i = first; i < sched.n_workers; i++)
        pthread_join(sched.workers[i].thread, NULL);
}

/* Abandoned, not unwound.  A stack that a thread of rn_block may still write to is left behind. */
static void g_abandon(struct rn__worker *w, struct rn__g *g)
{
    if (atomic_load_explicit(&g->why, memory_order_relaxed) == RN__WHY_BLOCK)
        return;
    g_free(w, g);
}

static void sched_fini(void)
{
    atomic_store(&sched.running, false);
    rn__wait_evict();
    services_fini();
    for (unsigned i = 0; i < sched.n_workers; i++)
        rn__timers_fini(&sched.workers[i].timers);      /* some lie on the stacks that go now */
    for (unsigned i = 0; i < sched.n_workers; i++) {
        struct rn__worker *w = &sched.workers[i];

        for (struct rn__g *g = w->registry.first, *next; g != NULL; g = next) {
            next = g->all_next;
            g_abandon(w, g);
        }
        rn__stack_cache_drain(&w->stacks);
    }
    rn__stack_trim();
    rn__group_reset();
    free(sched.workers);
    sched.workers = NULL;
    sched.n_workers = 0;
}

struct first {
    int (*fn)(void *arg);
    void *arg;
};

static void first_main(void *arg)
{
    struct first *first = arg;

    sched.status = first->fn(first->arg);
    atomic_store(&sched.root_cancelled, true);
    atomic_store(&sched.stopping, true);
    wake_all();
}

static int run(unsigned n, enum mode mode, int (*fn)(void *arg), void *arg)
{
    struct first first = { .fn = fn, .arg = arg };
    int rc;

    pthread_mutex_lock(&life);
    rc = sched_init(n, mode);
    if (rc < 0) {
        pthread_mutex_unlock(&life);
        return rc;
    }
    rc = rn__spawn(&(struct rn__spawn){ .fn = first_main, .arg = &first, .name = "main" });
    if (rc == 0) {
        threads_start(1);
        worker_run(&sched.workers[0]);
        threads_join(1);
        rc = sched.status;
    }
    sched_fini();
    pthread_mutex_unlock(&life);
    return rc;
}

int rn_main(int workers, int (*fn)(void *arg), void *arg)
{
    return run(workers_wanted(workers), MODE_MAIN, fn, arg);
}

int rn_sim(uint64_t seed, int (*fn)(void *arg), void *arg)
{
    int rc;

    if (rn__worker() != NULL || rn__running())
        return -EBUSY;
    rn__sim_begin(seed);
    rc = run(1, MODE_SIM, fn, arg);
    rn__sim_end();
    return rc;
}

int rn_start(int workers)
{
    int rc;

    if (rn__worker() != NULL)
        return -EBUSY;
    pthread_mutex_lock(&life);
    rc = sched_init(workers_wanted(workers), MODE_BACKGROUND);
    if (rc == 0)
        threads_start(0);
    pthread_mutex_unlock(&life);
    return rc;
}

/* Waits until every user goroutine has returned. */
static int drain(rn_time deadline)
{
    int rc = 0;

    atomic_store(&sched.stop_waits, true);
    for (;;) {
        uint32_t ended = atomic_load(&sched.ended);

        if (rn__live() == 0)
            break;
        if (rn_now() >= deadline) {
            rc = RN_ETIMEDOUT;
            break;
        }
        rn__futex_wait(&sched.ended, ended, deadline);
    }
    atomic_store(&sched.stop_waits, false);
    return rc;
}

int rn_stop(rn_time deadline)
{
    int rc;

    if (rn__worker() != NULL)
        return -EDEADLK;
    if (!rn__running() || sched.mode != MODE_BACKGROUND)
        return -ESHUTDOWN;
    pthread_mutex_lock(&life);
    atomic_store(&sched.root_cancelled, true);
    rn__group_cancel_all();
    rc = drain(deadline);
    if (rc == 0) {
        atomic_store(&sched.stopping, true);
        wake_all();
        threads_join(0);
        sched_fini();
    }
    pthread_mutex_unlock(&life);
    return rc;
}
