/* crew.c - see crew.h.   SPDX-License-Identifier: MIT
 *
 * Invariant, under sched.lock: on_duty is how many workers are not resting.  That is what the program wanted, plus one for
 * each that is relieved and has not come to rest, and the monitor, while it has goroutines in its hands; for those are not idle,
 * "all idle" cannot be said while one of them is away.  Who comes to rest as the last that was away breaks the poller: from then on
 * it may be a deadlock, and who sleeps there has to look. */
#include "runtime/crew.h"

#include "runtime/poll.h"
#include "runtime/rand.h"
#include "runtime/sim.h"
#include "runtime/state.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#define STAND_INS 256 /* at most; their memory is untouched until they are needed */

static struct {
    unsigned room;   /* workers that there is memory for */
    unsigned inited; /* those that have been made something of */
    sigset_t mask;   /* of who started the scheduler: that of its workers, too */
} crew;

static size_t crew_bytes(void)
{
    return crew.room * sizeof *rn__sched.workers;
}

static void worker_init(unsigned i)
{
    struct rn__worker *w = &rn__sched.workers[i];

    w->index = i;
    crew.inited = i + 1;
    w->rng = rn__sim_active() ? rn__sim_seed() + i : rn__rand64();
    rn__runq_init(&w->queue);
    rn__newborns_init(&w->newborns);
    rn__timers_init(&w->timers);
    rn__watch_init(w);
}

int rn__crew_new(unsigned n, bool stand_ins)
{
    crew.inited = 0;
    crew.room = n + (stand_ins ? STAND_INS : 0);
    rn__sched.workers = mmap(NULL, crew_bytes(), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rn__sched.workers == MAP_FAILED) {
        rn__sched.workers = NULL;
        return -ENOMEM;
    }
    pthread_sigmask(SIG_SETMASK, NULL, &crew.mask);
    rn__sched.resting = NULL;
    atomic_store(&rn__sched.n_workers, n);
    for (unsigned i = 0; i < n; i++)
        worker_init(i);
    return 0;
}

unsigned rn__crew_room(void)
{
    return crew.room;
}

void rn__crew_free(void)
{
    for (unsigned i = 0; i < crew.inited; i++)
        rn__newborns_fini(&rn__sched.workers[i].newborns);
    munmap(rn__sched.workers, crew_bytes());
    rn__sched.workers = NULL;
    atomic_store(&rn__sched.n_workers, 0);
}

void rn__crew_muster(void)
{
    atomic_store(&rn__sched.on_duty, atomic_load(&rn__sched.n_workers));
}

bool rn__crew_all_idle(void)
{
    return atomic_load(&rn__sched.n_idle) == atomic_load(&rn__sched.on_duty);
}

/* ---- resting --------------------------------------------------------------------------------------- */

/* true: it is relieved no more, but rests. */
static bool go_off_duty(struct rn__worker *w)
{
    bool relieved, all_idle;

    rn__lock(&rn__sched.lock);
    relieved = atomic_load(&w->duty) == RN__RELIEVED;
    if (relieved) {
        atomic_store(&w->duty, RN__RESTING);
        w->rest_next = rn__sched.resting;
        rn__sched.resting = w;
        atomic_fetch_sub(&rn__sched.on_duty, 1);
    }
    all_idle = relieved && rn__crew_all_idle();
    rn__unlock(&rn__sched.lock);
    if (all_idle)
        rn__poll_break();
    return relieved;
}

void rn__crew_hands_full(void)
{
    rn__lock(&rn__sched.lock);
    atomic_fetch_add(&rn__sched.on_duty, 1);
    rn__unlock(&rn__sched.lock);
}

void rn__crew_hands_empty(void)
{
    bool all_idle;

    rn__lock(&rn__sched.lock);
    atomic_fetch_sub(&rn__sched.on_duty, 1);
    all_idle = rn__crew_all_idle();
    rn__unlock(&rn__sched.lock);
    if (all_idle)
        rn__poll_break();
    if (atomic_load(&rn__sched.common_count) > 0)
        rn__wake_one();
}

void rn__crew_rest(struct rn__worker *w)
{
    rn_time began = rn_now();

    atomic_store(&w->wakeup, 0);
    rn__queue_give_away(&w->queue);
    rn__newborns_give_away(&w->newborns, UINT32_MAX);
    rn__stack_cache_drain(&w->stacks);
    (void)go_off_duty(w);
    /* Whoever was made runnable for our sake is somebody else's now. */
    if (atomic_load(&rn__sched.common_count) > 0)
        rn__wake_one();
    /* Who puts us on duty stores that, then the wake-up; who stops the scheduler likewise. */
    while (atomic_load(&w->duty) != RN__ON_DUTY && !atomic_load(&rn__sched.stopping)) {
        rn__futex_wait(&w->wakeup, 0, INT64_MAX);
        atomic_store(&w->wakeup, 0);
    }
    atomic_fetch_add_explicit(&w->counters.idle_ns, (uint64_t)(rn_now() - began),
                              memory_order_relaxed);
}

/* ---- standing in -------------------------------------------------------------------------------------- */

static void *stand_in_main(void *arg)
{
    /* The monitor, who made this thread, takes no signals. */
    pthread_sigmask(SIG_SETMASK, &crew.mask, NULL);
    rn__worker_run(arg);
    return NULL;
}

/* One more worker, who rests.  It is among the others before it can be relied on: they look into its queue and its timers
 * from then on. */
static bool hire(void)
{
    unsigned n = atomic_load(&rn__sched.n_workers);
    struct rn__worker *w = &rn__sched.workers[n];

    if (n == crew.room)
        return false;
    worker_init(n);
    atomic_store(&w->duty, RN__RESTING);
    if (pthread_create(&w->thread, NULL, stand_in_main, w) != 0)
        return false;
    rn__lock(&rn__sched.lock);
    w->rest_next = rn__sched.resting;
    rn__sched.resting = w;
    atomic_store(&rn__sched.n_workers, n + 1);
    rn__unlock(&rn__sched.lock);
    return true;
}

/* It stays so: only we take from there. */
static bool somebody_rests(void)
{
    bool rests;

    rn__lock(&rn__sched.lock);
    rests = rn__sched.resting != NULL;
    rn__unlock(&rn__sched.lock);
    return rests;
}

bool rn__crew_relieve(struct rn__worker *w, unsigned tick)
{
    struct rn__worker *stand_in = NULL;

    if (!somebody_rests() && !hire())
        return false;
    rn__lock(&rn__sched.lock);
    if (atomic_load(&w->duty) == RN__ON_DUTY && !w->idle && rn__worker_tick(w) == tick) {
        stand_in = rn__sched.resting;
        rn__sched.resting = stand_in->rest_next;
        atomic_store(&w->duty, RN__RELIEVED);
        atomic_store(&stand_in->duty, RN__ON_DUTY);
        atomic_fetch_add(&rn__sched.on_duty, 1);
    }
    rn__unlock(&rn__sched.lock);
    if (stand_in == NULL)
        return false;
    atomic_store(&stand_in->wakeup, 1);
    rn__futex_wake(&stand_in->wakeup, 1);
    return true;
}
