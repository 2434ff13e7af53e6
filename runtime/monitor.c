/* monitor.c - see monitor.h.   SPDX-License-Identifier: MIT
 *
 * A look is a comparison: a worker whose tick has not changed since the last one has run the same goroutine all the while.
 * How long is the sum of those times, so that a process that was stopped, or a machine that is busy with others, is not taken
 * for a goroutine that does not give way.
 *
 * Whose thread sleeps is in a blocking call, and another may have its CPU: it is relieved as soon as somebody is kept
 * waiting.  Who computes is relieved only when all others do, too, and each time only after twice as long: else a program whose
 * goroutines compute for some milliseconds each would soon have a thread for each of them.  Who only starts goroutines, many
 * of them, is left alone for longer: they would run beside it and take from it what they share, its queue and its stacks. */
#include "runtime/monitor.h"

#include "runtime/crew.h"
#include "runtime/hog.h"
#include "runtime/state.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS     (10 * RN_MS)
#define COMPUTES_NS (8 * RN_MS) /* of its own time, so that a busy machine does not count */
#define RUNS_PART   16          /* who has run for less than this part of the time may be blocked */
#define DOUBLED_MAX 7
#define STARTS_NS   (500 * RN_MS) /* who starts goroutines is left alone for so long */
#define GIVEN_MAX   1024          /* newborns: who has nothing to do gets at the rest itself ... */
#define GIVEN_MIN   64            /* ... but there may never be anybody who has nothing to do */
#define TELL_MS     1000          /* unless RN_MONITOR says otherwise */

enum { AWAKE, ASLEEP = RN__MONITOR_ASLEEP, STOPPED };

_Atomic uint32_t rn__monitor_state;

/* What we know of a worker. */
struct look {
    unsigned tick;
    int64_t stuck_ns; /* its goroutine has not given way for */
    int64_t ran_ns;   /* ... and has run for, of it */
    int64_t cpu_ns;   /* of its thread, at the last look */
    uint64_t created; /* by it, until the last look */
    bool starts;      /* it has started goroutines since the one before */
    bool blocked;     /* its thread sleeps in a call */
    bool told;
};

/* The monitor's own, but for start and stop. */
static struct {
    bool started;
    pthread_t thread;
    int64_t tell_ns; /* 0: nothing is reported */
    rn_time looked;
    struct look *looks; /* of the workers, by index; n_looks of them */
    unsigned n_looks;
    struct rn__runq hand;
} monitor;

/* ---- looking ---------------------------------------------------------------------------------------- */

static int64_t cpu_ns(const struct rn__worker *w)
{
    struct timespec t;

    if (atomic_load(&w->tid) == 0 || clock_gettime(w->cpu_clock, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * RN_SEC + t.tv_nsec;
}

/* Is its thread asleep, rather than waiting for a CPU?  If nobody can say so, it is. */
static bool sleeps(const struct rn__worker *w)
{
    char path[64], stat[256], *state;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(&w->tid));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    n = read(fd, stat, sizeof stat - 1);
    close(fd);
    stat[n > 0 ? n : 0] = '\0';
    state = strrchr(stat, ')'); /* after its name, in which anything may stand */
    return state == NULL || state[1] != ' ' || state[2] != 'R';
}

/* Notes what w does.  true: the goroutine that it ran at the last look has not given way since. */
static bool look_at(struct rn__worker *w, struct look *l, int64_t passed_ns)
{
    unsigned tick = rn__worker_tick(w);
    bool runs = rn__worker_current(w) != NULL, stays = runs && tick == l->tick;
    int64_t now_cpu = runs ? cpu_ns(w) : 0;
    uint64_t created = atomic_load_explicit(&w->counters.begun[0], memory_order_relaxed);

    if (stays) {
        l->stuck_ns += passed_ns;
        l->ran_ns += now_cpu - l->cpu_ns;
        l->starts = created != l->created;
        l->blocked = now_cpu - l->cpu_ns < passed_ns / RUNS_PART && sleeps(w);
    } else {
        *l = (struct look){ .tick = tick };
    }
    l->cpu_ns = now_cpu;
    l->created = created;
    return stays;
}

static struct look *look_of(unsigned i)
{
    if (i >= monitor.n_looks) {
        struct look *more = realloc(monitor.looks, (i + 1) * sizeof *more);

        if (more == NULL)
            return NULL;
        memset(more + monitor.n_looks, 0, (i + 1 - monitor.n_looks) * sizeof *more);
        monitor.looks = more;
        monitor.n_looks = i + 1;
    }
    return &monitor.looks[i];
}

/* ---- helping ------------------------------------------------------------------------------------------ */

/* For how long the next one that computes is left to it. */
static int64_t patience(unsigned relieved)
{
    return COMPUTES_NS << (relieved < DOUBLED_MAX ? relieved : DOUBLED_MAX);
}

/* What a round of looks has found. */
struct round {
    bool queued;                  /* someone waits in the queue of a worker */
    unsigned moving;              /* on duty, and not stuck */
    unsigned relieved;            /* computing, although somebody stands in for them */
    struct rn__worker *blocked;   /* one on duty that is to be relieved if that helps ... */
    struct rn__worker *computing; /* ... and the one that computes for the longest time */
    int64_t computing_ns;
};

static void classify(struct round *r, struct rn__worker *w, const struct look *l, bool stuck)
{
    if (!rn__runq_ring_empty(&w->queue) || !rn__newborns_empty(&w->newborns) ||
        (stuck && atomic_load(&w->queue.next) != NULL))
        r->queued = true;
    if (!rn__on_duty(w)) {
        r->relieved += stuck && !l->blocked;
    } else if (!stuck) {
        r->moving++;
    } else if (l->blocked) {
        r->blocked = w;
    } else if (l->ran_ns > r->computing_ns && (!l->starts || l->ran_ns >= STARTS_NS)) {
        r->computing = w;
        r->computing_ns = l->ran_ns;
    }
}

/* Nobody is idle: does something wait for a worker? */
static bool somebody_waits(const struct round *r)
{
    return r->queued || atomic_load(&rn__sched.common_count) > 0 ||
           rn__timers_first() <= rn_now() || atomic_load(&rn__sched.external_real) > 0;
}

/* true: another one is on duty now. */
static bool relieve(const struct round *r)
{
    struct rn__worker *w = r->blocked;

    if (w == NULL && r->moving == 0 && r->computing_ns >= patience(r->relieved))
        w = r->computing;
    return w != NULL && somebody_waits(r) && rn__crew_relieve(w, look_of(w->index)->tick);
}

/* The newborns only of one that surely keeps them, not of one that waits for a CPU: who is idle gets at them anyway, tiny or
 * not, and in the common queue, where all have their turns, they are many at once instead of one after the other. */
static void take_over_from(struct rn__worker *w, const struct look *l)
{
    unsigned waiting, enough;

    atomic_store(&w->bears_tiny, false);
    rn__queue_take_over(&w->queue, &monitor.hand);
    if (!l->blocked && l->ran_ns < COMPUTES_NS)
        return;
    waiting = atomic_load(&rn__sched.common_count);
    enough = waiting + GIVEN_MIN > GIVEN_MAX ? waiting + GIVEN_MIN : GIVEN_MAX;
    rn__newborns_give_away(&w->newborns, enough);
}

static void take_over(const struct round *r)
{
    if (!r->queued)
        return;
    rn__crew_hands_full();
    for (unsigned i = 0; i < monitor.n_looks; i++)
        if (monitor.looks[i].stuck_ns > 0)
            take_over_from(rn__worker_at(i), &monitor.looks[i]);
    rn__crew_hands_empty();
}

static void help(const struct round *r)
{
    if (atomic_load(&rn__sched.n_idle) == 0) {
        if (relieve(r) || r->moving > 0)
            take_over(r);
        return;
    }
    take_over(r);
    /* For those who were handed over, or because nobody is in the poller. */
    if (r->queued || atomic_load(&rn__sched.common_count) > 0 ||
        atomic_load(&rn__sched.polling) == 0)
        rn__wake_one();
}

static void tell(struct rn__worker *w, struct look *l)
{
    if (l->told || monitor.tell_ns == 0 || (l->blocked ? l->stuck_ns : l->ran_ns) < monitor.tell_ns)
        return;
    l->told = true;
    rn__hog_report(w, l->stuck_ns, l->blocked);
}

static void look_around(void)
{
    rn_time now = rn_now();
    int64_t passed_ns = now - monitor.looked;
    struct round round = { 0 };

    monitor.looked = now;
    if (passed_ns > 2 * LOOK_NS)
        passed_ns = 2 * LOOK_NS;
    for (unsigned i = 0; i < atomic_load(&rn__sched.n_workers); i++) {
        struct rn__worker *w = rn__worker_at(i);
        struct look *l = look_of(i);

        if (l == NULL)
            return; /* no memory to look on */
        classify(&round, w, l, look_at(w, l, passed_ns));
        tell(w, l);
    }
    help(&round);
}

/* ---- the thread ------------------------------------------------------------------------------------------ */

void rn__monitor_wake(void)
{
    uint32_t asleep = ASLEEP;

    if (atomic_compare_exchange_strong(&rn__monitor_state, &asleep, AWAKE))
        rn__futex_wake(&rn__monitor_state, 1);
}

/* Sleeps while all are idle. */
static void sleep_while_idle(void)
{
    uint32_t awake = AWAKE;

    if (!rn__crew_all_idle() || !atomic_compare_exchange_strong(&rn__monitor_state, &awake, ASLEEP))
        return;
    if (!rn__crew_all_idle())
        rn__monitor_wake();
    while (atomic_load(&rn__monitor_state) == ASLEEP)
        rn__futex_wait(&rn__monitor_state, ASLEEP, INT64_MAX);
    monitor.looked = rn_now();
}

static void *monitor_main(void *arg)
{
    (void)arg;
    while (atomic_load(&rn__monitor_state) != STOPPED) {
        sleep_while_idle();
        rn__futex_wait(&rn__monitor_state, AWAKE, rn_after(LOOK_NS));
        if (atomic_load(&rn__monitor_state) == AWAKE)
            look_around();
    }
    return NULL;
}

static int64_t wanted_ns(void)
{
    const char *text = getenv("RN_MONITOR");
    long long ms = TELL_MS;

    if (text != NULL && *text != '\0')
        ms = strtoll(text, NULL, 10);
    return ms <= 0 ? 0 : ms < INT64_MAX / RN_MS ? ms * RN_MS : INT64_MAX;
}

void rn__monitor_start(void)
{
    sigset_t all, before;

    if (rn__sched.mode == RN__MODE_SIM)
        return;
    monitor.tell_ns = wanted_ns();
    monitor.looked = rn_now();
    atomic_store(&rn__monitor_state, AWAKE);
    /* Signals are for threads that the program knows. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    monitor.started = pthread_create(&monitor.thread, NULL, monitor_main, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void rn__monitor_stop(void)
{
    if (!monitor.started)
        return;
    monitor.started = false;
    atomic_store(&rn__monitor_state, STOPPED);
    rn__futex_wake(&rn__monitor_state, 1);
    pthread_join(monitor.thread, NULL);
    rn__hog_fini();
    free(monitor.looks);
    monitor.looks = NULL;
    monitor.n_looks = 0;
}
