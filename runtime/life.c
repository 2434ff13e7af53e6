/* life.c - how the scheduler starts and ends: rn_main, rn_sim, rn_start, rn_stop.   SPDX-License-Identifier: MIT */
#include "runtime/assert.h"
#include "runtime/block.h"
#include "runtime/chan.h"
#include "runtime/crew.h"
#include "runtime/dump.h"
#include "runtime/group.h"
#include "runtime/heirloom.h"
#include "runtime/line.h"
#include "runtime/monitor.h"
#include "runtime/owner.h"
#include "runtime/poll.h"
#include "runtime/race.h"
#include "runtime/rand.h"
#include "runtime/region.h"
#include "runtime/signal.h"
#include "runtime/sim.h"
#include "runtime/state.h"
#include "runtime/trace.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 1024

/* One scheduler at a time: guards starting and ending. */
static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static struct rn__lock ending; /* held while the things of the scheduler go */
static _Atomic uint32_t lives; /* futex: changes when `life` is unlocked */

static void life_unlock(void)
{
    pthread_mutex_unlock(&life);
    atomic_fetch_add(&lives, 1);
    rn__futex_wake(&lives, INT_MAX);
}

/* false: another call that starts or stops the scheduler has not ended until then. */
static bool life_lock(rn_time deadline)
{
    for (;;) {
        uint32_t seen = atomic_load(&lives);

        if (pthread_mutex_trylock(&life) == 0)
            return true;
        if (rn_now() >= deadline)
            return false;
        rn__futex_wait(&lives, seen, deadline);
    }
}

bool rn__root_cancelled(void)
{
    return atomic_load(&rn__sched.root_cancelled);
}

bool rn__root_cancellable(void)
{
    return rn__sched.mode == RN__MODE_BACKGROUND;
}

/* ---- what outside can do ---------------------------------------------------------------------------------- */

void rn__external_add(int waits, int real)
{
    if (waits != 0)
        atomic_fetch_add(&rn__sched.external, waits);
    if (real != 0)
        atomic_fetch_add(&rn__sched.external_real, real);
}

void rn_hold(void)
{
    atomic_fetch_add(&rn__sched.holds, 1);
}

void rn_release(void)
{
    int64_t before = atomic_fetch_sub(&rn__sched.holds, 1);

    rn_assert(before > 0);
    if (before == 1 && rn__outside_enter()) {
        rn__poll_break(); /* if all sleep, it is a deadlock from now on: let them look again */
        rn__outside_leave();
    }
}

bool rn__outside_enter(void)
{
    unsigned *visits;

    if (rn__worker() != NULL)
        return true;
    visits = rn__visits();
    if ((*visits)++ > 0 || !(atomic_fetch_add(&rn__sched.visitors, 1) & RN__SHUT))
        return true;
    rn__outside_leave();
    /* Who hears that it has ended takes its own things apart next: not while the end still looks at them. */
    rn__lock(&ending);
    rn__unlock(&ending);
    return false;
}

void rn__outside_stay(void)
{
    if (rn__worker() != NULL || rn__outside_enter())
        return;
    /* None ends just now.  Counted nonetheless: outside_shut() waits for us, and evicts us where we wait. */
    rn__lock(&ending);
    ++*rn__visits();
    atomic_fetch_add(&rn__sched.visitors, 1);
    rn__unlock(&ending);
}

void rn__outside_leave(void)
{
    if (rn__worker() != NULL || --*rn__visits() > 0)
        return;
    if (atomic_fetch_sub(&rn__sched.visitors, 1) == (RN__SHUT | 1))
        rn__futex_wake(&rn__sched.visitors, 1);
}

/* No plain thread is inside any more, and none comes in. */
static void outside_shut(void)
{
    uint32_t visitors;

    atomic_fetch_or(&rn__sched.visitors, RN__SHUT);
    rn__wait_evict(true);
    while ((visitors = atomic_load(&rn__sched.visitors)) != RN__SHUT)
        rn__futex_wait(&rn__sched.visitors, visitors, INT64_MAX);
    rn__wait_evict(false);
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
    rc = rn__signal_init();
    if (rc == 0)
        return 0;

    rn__fault_fini();
block_fini:
    rn__block_fini();
poll_fini:
    rn__poll_fini();
    return rc;
}

/* But that of signals, whose thread is a visitor. */
static void services_fini(void)
{
    rn__fault_fini();
    rn__block_fini();
    rn__poll_fini();
}

static _Atomic uint32_t go; /* futex: 1 when it is known how many workers there are */

static int sched_init(unsigned n, enum rn__mode mode)
{
    int rc;

    if (rn__worker() != NULL || atomic_load(&rn__sched.running))
        return -EBUSY;
    rc = rn__crew_new(n, /* stand_ins= */ mode != RN__MODE_SIM);
    if (rc < 0)
        return rc;
    rn__sched.mode = mode;
    rn__sched.status = 0;
    rn__sched.idle_first = NULL;
    rn__sched.poller = NULL;
    rn__sched.common_first = rn__sched.common_last = NULL;
    atomic_store(&rn__sched.common_count, 0);
    atomic_store(&rn__sched.n_idle, 0);
    atomic_store(&rn__sched.searching, 0);
    atomic_store(&rn__sched.polling, 0);
    atomic_store(&rn__sched.poll_until, 0);
    atomic_store(&rn__sched.external, 0);
    atomic_store(&rn__sched.external_real, 0);
    atomic_store(&rn__sched.stopping, false);
    atomic_store(&rn__sched.root_cancelled, false);
    atomic_store(&rn__sched.next_id, 0);
    rn__wait_plain_reset();
    rn__stats_reset();
    rc = services_init();
    if (rc < 0)
        rn__crew_free();
    else
        rn__trace_begin(rn__crew_room());
    return rc;
}

static void *worker_main(void *arg)
{
    while (atomic_load(&go) == 0)
        rn__futex_wait(&go, 0, INT64_MAX);
    rn__worker_run(arg);
    return NULL;
}

/* Makes the threads of the workers from `first` on.  If the system refuses some, fewer workers do.  -EAGAIN: none. */
static int threads_make(unsigned first)
{
    unsigned n = first;

    atomic_store(&go, 0);
    while (n < rn__sched.n_workers && pthread_create(&rn__sched.workers[n].thread, NULL,
                                                     worker_main, &rn__sched.workers[n]) == 0)
        n++;
    rn__sched.n_workers = n;
    rn__crew_muster();
    return n > 0 ? 0 : -EAGAIN;
}

static void threads_go(void)
{
    atomic_store(&go, 1);
    rn__futex_wake(&go, INT_MAX);
}

/* From here on there is a scheduler. */
static void outside_open(void)
{
    atomic_store(&rn__sched.running, true);
    atomic_fetch_and(&rn__sched.visitors, ~RN__SHUT);
}

static void threads_join(unsigned first)
{
    for (unsigned i = first; i < rn__sched.n_workers; i++)
        pthread_join(rn__sched.workers[i].thread, NULL);
}

/* Abandoned, not unwound: what is not its own forgets it. */
static void g_abandon(struct rn__g *g, void *arg)
{
    void *self = rn__race_as(g->tsan_fiber);

    (void)arg;
    if (g->system)
        rn__race_show(); /* as in g_main() */
    rn__race_release(&rn__sched.ended);
    (void)rn__race_as(self);
    if (g->waiting != NULL)
        rn__chan_abandon(g->waiting);
    rn__group_abandon(g);
    rn__heirloom_drop(g);
}

/* A stack that a thread of rn_block may still write to is left behind. */
static void g_bury(struct rn__g *g, void *arg)
{
    (void)arg;
    if (atomic_load_explicit(&g->why, memory_order_relaxed) == RN__WHY_BLOCK) {
        rn__region_keep(g->stack, RN__KEEP_LOST);
        return;
    }
    rn__region_vacate(g->stack);
    rn__g_free(&rn__sched.workers[0], g);
}

static void sched_fini(void)
{
    rn__race_acquire(&rn__sched.ended);
    atomic_store(&rn__sched.running, false);
    rn__signal_fini();
    rn__trace_write(/* calm= */ true);
    rn__lock(&ending);
    outside_shut();
    rn__trace_end();
    /* Relaxed: nobody is inside to see it, and who comes next takes `ending`. */
    atomic_fetch_add_explicit(&rn__sched.era, 1, memory_order_relaxed);
    services_fini();
    for (unsigned i = 0; i < rn__sched.n_workers; i++)
        rn__timers_fini(&rn__sched.workers[i].timers); /* some lie on the stacks that go now */
    /* All are abandoned before the first stack goes: they refer to one another. */
    rn__each_g_left(g_abandon, NULL);
    rn__race_acquire(&rn__sched.ended);
    rn__each_g_left(g_bury, NULL);
    for (unsigned i = 0; i < rn__sched.n_workers; i++)
        rn__stack_cache_drain(&rn__sched.workers[i].stacks);
    rn__stack_trim();
    rn__group_reset();
    rn__owners_end();
    rn__crew_free();
    rn__unlock(&ending);
}

struct first {
    int (*fn)(void *arg);
    void *arg;
};

static void first_main(void *arg)
{
    struct first *first = arg;

    rn__sched.status = first->fn(first->arg);
    atomic_store(&rn__sched.root_cancelled, true);
    atomic_store(&rn__sched.stopping, true);
    rn__wake_all();
}

/* The life is ours. */
static int run_locked(unsigned n, enum rn__mode mode, int (*fn)(void *arg), void *arg)
{
    struct first first = { .fn = fn, .arg = arg };
    int rc = sched_init(n, mode);

    if (rc < 0)
        return rc;
    (void)threads_make(1); /* there is ours already */
    rn__owners_begin(mode == RN__MODE_SIM);
    rn__mutexes_init();
    outside_open();
    rc = rn__spawn(&(struct rn__spawn){ .fn = first_main, .arg = &first, .name = "main" });
    atomic_store(&rn__sched.stopping, rc < 0);
    threads_go();
    rn__monitor_start();
    rn__worker_run(&rn__sched.workers[0]);
    rn__monitor_stop();
    rn__wake_all(); /* whom the monitor hired while the end was told, and who had looked before */
    threads_join(1);
    sched_fini();
    return rc < 0 ? rc : rn__sched.status;
}

int rn_main(int workers, int (*fn)(void *arg), void *arg)
{
    int rc;

    if (pthread_mutex_trylock(&life) != 0)
        return -EBUSY;
    rc = run_locked(workers_wanted(workers), RN__MODE_MAIN, fn, arg);
    life_unlock();
    return rc;
}

int rn_sim(uint64_t seed, int (*fn)(void *arg), void *arg)
{
    int rc = -EBUSY;

    if (pthread_mutex_trylock(&life) != 0)
        return -EBUSY;
    /* Not before: the clock of a scheduler that runs must not become virtual. */
    if (!rn__running()) {
        rn__sim_begin(seed);
        rc = run_locked(1, RN__MODE_SIM, fn, arg);
        rn__sim_end();
    }
    life_unlock();
    return rc;
}

int rn_start(int workers)
{
    int rc;

    if (rn__worker() != NULL)
        return -EBUSY;
    if (pthread_mutex_trylock(&life) != 0)
        return -EBUSY;
    rc = sched_init(workers_wanted(workers), RN__MODE_BACKGROUND);
    if (rc == 0) {
        rc = threads_make(0);
        if (rc == 0) {
            rn__owners_begin(/* simulates= */ false);
            rn__mutexes_init();
            outside_open();
            threads_go();
            rn__monitor_start();
        } else {
            sched_fini();
        }
    }
    life_unlock();
    return rc;
}

/* Waits until every user goroutine has returned. */
static int drain(rn_time deadline)
{
    int rc = 0;

    atomic_store(&rn__sched.stop_waits, true);
    for (;;) {
        uint32_t ended = atomic_load(&rn__sched.ended);

        if (rn__live() == 0)
            break;
        if (rn_now() >= deadline) {
            rc = RN_ETIMEDOUT;
            break;
        }
        rn__futex_wait(&rn__sched.ended, ended, deadline);
    }
    atomic_store(&rn__sched.stop_waits, false);
    return rc;
}

int rn_stop(rn_time deadline)
{
    int rc;

    if (rn__worker() != NULL)
        return -EDEADLK;
    if (!rn__running() || rn__sched.mode != RN__MODE_BACKGROUND)
        return -ESHUTDOWN;
    if (!life_lock(deadline))
        return RN_ETIMEDOUT;
    if (!rn__running() || rn__sched.mode != RN__MODE_BACKGROUND) { /* another rn_stop was first */
        life_unlock();
        return -ESHUTDOWN;
    }
    rn__race_release(&rn__sched.root_cancelled);
    atomic_store(&rn__sched.root_cancelled, true);
    rn__group_cancel_all();
    rc = drain(deadline);
    if (rc == 0) {
        atomic_store(&rn__sched.stopping, true);
        rn__monitor_stop();
        rn__wake_all();
        threads_join(0);
        sched_fini();
    }
    life_unlock();
    return rc;
}
