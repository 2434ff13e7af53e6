/* idle.c - workers that have nothing to do: how they sleep, and who wakes them.   SPDX-License-Identifier: MIT
 *
 * No wake-up is lost: who makes a goroutine runnable stores it, then looks whether somebody is idle; who goes idle says
 * so, then looks at every queue; both sequentially consistent.  The same for timers and the poller's timeout.
 *
 * One who is idle sleeps in the poller, until a descriptor is ready or a timer due.  While he runs nobody need be there: he
 * looks at both himself when he picks; and if his goroutine does not give way, the monitor sends another. */
#include "runtime/assert.h"
#include "runtime/crew.h"
#include "runtime/deadlock.h"
#include "runtime/dump.h"
#include "runtime/monitor.h"
#include "runtime/poll.h"
#include "runtime/race.h"
#include "runtime/sim.h"
#include "runtime/slice.h"
#include "runtime/state.h"
#include "runtime/watch.h"

#include <unistd.h>

#define SEARCH_ROUNDS 40 /* looks around before sleeping: about ten microseconds */

/* ---- waking workers ---------------------------------------------------------------------------- */

/* The lock is held. */
static void idle_remove(struct rn__worker *w)
{
    struct rn__worker **at = &rn__sched.idle_first;

    while (*at != w)
        at = &(*at)->idle_next;
    *at = w->idle_next;
    w->idle = false;
    atomic_fetch_sub(&rn__sched.n_idle, 1);
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
void rn__wake_one(void)
{
    struct rn__worker *w;
    bool polls;

    if (atomic_load(&rn__sched.n_idle) == 0 || atomic_load(&rn__sched.searching) > 0)
        return;
    rn__lock(&rn__sched.lock);
    w = rn__sched.idle_first;
    /* Rather one that does not poll, so that polling goes on. */
    if (w != NULL && w == rn__sched.poller && w->idle_next != NULL)
        w = w->idle_next;
    if (w != NULL) {
        polls = w == rn__sched.poller;
        idle_remove(w);
        w->searching = true;
        atomic_fetch_add(&rn__sched.searching, 1);
    }
    rn__unlock(&rn__sched.lock);
    if (w != NULL)
        worker_rouse(w, polls);
}

void rn__wake_all(void)
{
    for (unsigned i = 0; i < rn__sched.n_workers; i++)
        worker_rouse(&rn__sched.workers[i], /* polls= */ false);
    rn__poll_break();
}

void rn__sched_timer_set(rn_time when)
{
    if (when < atomic_load(&rn__sched.poll_until))
        rn__poll_break();
}
/* ---- sleeping ------------------------------------------------------------------------------------------- */

static bool work_in_sight(const struct rn__worker *w)
{
    /* Not relaxed: who stops sets it, then rouses; who goes to sleep says so, then looks. */
    if (atomic_load(&rn__sched.common_count) > 0 || atomic_load(&rn__sched.stopping))
        return true;
    for (unsigned i = 0; i < rn__sched.n_workers; i++)
        if (rn__worth_stealing(w, &rn__sched.workers[i]) ||
            rn__worth_adopting(&rn__sched.workers[i]))
            return true;
    return false;
}

/* Sleeps in the poller until something is ready or due, or somebody breaks it. */
static void sleep_polling(const struct rn__worker *w)
{
    rn_time until, now;

    atomic_store(&rn__sched.poll_until,
                 RN_FOREVER); /* until we know: whoever sets a timer now breaks */
    until = rn__timers_first();
    now = rn_now();
    if (rn__stack_due(&w->stacks, now) < until)
        until = rn__stack_due(&w->stacks, now);
    atomic_store(&rn__sched.poll_until, until);
    if (until > now && !work_in_sight(w))
        rn__poll_wait(until == RN_FOREVER ? -1 : until - now);
    atomic_store(&rn__sched.poll_until, 0);
}

static void search_begin(struct rn__worker *w)
{
    if (w->searching)
        return;
    w->searching = true;
    atomic_fetch_add(&rn__sched.searching, 1);
}

/* Nothing was found.  Returns when there may be something. */
static void worker_sleep(struct rn__worker *w)
{
    rn_time slept = rn_now();
    bool polls, uncalled;

    atomic_store(&w->wakeup, 0);
    rn__lock(&rn__sched.lock);
    w->idle = true;
    w->idle_next = rn__sched.idle_first;
    rn__sched.idle_first = w;
    atomic_fetch_add(&rn__sched.n_idle, 1);
    polls = rn__sched.poller == NULL && !work_in_sight(w) &&
            atomic_exchange(&rn__sched.polling, 1) == 0;
    /* One who is busy may have the poller just for a look: if we slept, nobody would wait there. */
    if (work_in_sight(w) || (rn__sched.poller == NULL && !polls)) {
        /* Who added it may have relied on us, who searched: we search on, and see to what we do not take. */
        if (rn__sched.n_workers > 1)
            search_begin(w);
        idle_remove(w);
        rn__unlock(&rn__sched.lock);
        if (polls)
            atomic_store(&rn__sched.polling, 0);
        return;
    }
    if (polls)
        rn__sched.poller = w;
    if (rn__crew_all_idle() && rn__timers_first() > rn_now() && rn__deadlocked()) {
        rn__unlock(&rn__sched.lock);
        rn__deadlock_report();
    }
    rn__unlock(&rn__sched.lock);

    if (polls)
        sleep_polling(w);
    else
        rn__futex_wait(&w->wakeup, 0, rn__stack_due(&w->stacks, slept));

    rn__lock(&rn__sched.lock);
    uncalled = w->idle;
    if (uncalled)
        idle_remove(w);
    if (polls)
        rn__sched.poller = NULL;
    rn__unlock(&rn__sched.lock);
    if (uncalled && rn_now() - slept >= RN__STACK_KEEP_NS)
        rn__stack_cache_drain(&w->stacks);
    if (polls)
        atomic_store(&rn__sched.polling, 0);
    w->reluctant = false;
    atomic_fetch_add_explicit(&w->counters.idle_ns, (uint64_t)(rn_now() - slept),
                              memory_order_relaxed);
}

/* found: whoever relied on us to see work may have added more. */
static void search_end(struct rn__worker *w, bool found)
{
    if (!w->searching)
        return;
    w->searching = false;
    if (atomic_fetch_sub(&rn__sched.searching, 1) == 1 && found && work_in_sight(w))
        rn__wake_one();
}

/* The next goroutine to run, or NULL: the scheduler ends. */
static struct rn__g *find(struct rn__worker *w)
{
    struct rn__g *g;

    rn__run_dry(w);
    while (!rn__stopping()) {
        if (!rn__on_duty(w)) {
            search_end(w, false);
            rn__rest_begins(w);
            rn__crew_rest(w);
            continue;
        }
        g = rn__pick_far(w);
        /* One who is alone goes there to sleep at once. */
        if (g == NULL && rn__sched.n_workers > 1 && rn__poll_now() > 0)
            g = rn__pick_near(w);
        if (g == NULL)
            rn__rest_begins(w);
        if (g == NULL && rn__sched.n_workers > 1 && atomic_load(&rn__sched.searching) == 0) {
            search_begin(w);
            for (int i = 0; g == NULL && i < SEARCH_ROUNDS && !rn__stopping(); i++)
                g = rn__pick_far(w);
        }
        search_end(w, g != NULL);
        if (g != NULL) {
            rn__rest_ends(w);
            rn__monitor_rouse();
            return g;
        }
        if (rn__stack_give_back(rn_now()))
            continue;
        worker_sleep(w);
    }
    return NULL;
}

/* A simulation: all sleep until the next timer; or something real is awaited; or it is a deadlock. */
static struct rn__g *find_sim(void)
{
    while (!rn__stopping()) {
        struct rn__g *g = rn__pick_sim();
        rn_time first;

        if (g != NULL)
            return g;
        if (atomic_load(&rn__sched.external_real) > 0) {
            /* It may have been broken by one who pushed since we picked, and we would sleep on that: so we look again. */
            rn__poll_wait(0);
            g = rn__sim_pick();
            if (g != NULL)
                return g;
        }
        if (rn__deadlocked())
            rn__deadlock_report();
        first = rn__timers_first();
        if (first != RN_FOREVER) {
            rn__sim_jump(first);
            continue;
        }
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

void rn__worker_run(struct rn__worker *w)
{
    struct rn__g *g;
    uint64_t slice;

    rn__worker_set(w);
    slice = rn__slice_shorten();
    rn__fault_thread_init();
    asan_bounds(w);
    w->tsan_fiber = rn__tsan_self();
    rn__race_hide();
    pthread_getcpuclockid(pthread_self(), &w->cpu_clock);
    atomic_store(&w->tid, gettid());
    atomic_store_explicit(&w->started_ns, rn_now(), memory_order_relaxed);
    while ((g = rn__sched.mode == RN__MODE_SIM ? find_sim() : find(w)) != NULL) {
        w->handed_on = 0;
        atomic_store_explicit(&g->state, RN__G_RUNNING, memory_order_relaxed);
        rn__watch_run(w, g);
        rn__switch(w, NULL, g, false);
        rn__arrive();
    }
    search_end(w, false);
    rn__race_show();
    atomic_store(&w->tid, 0);
    rn__fault_thread_fini();
    rn__slice_restore(slice);
    rn__worker_set(NULL);
}
