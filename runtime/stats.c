/* stats.c - what the workers have counted.   SPDX-License-Identifier: MIT */
#include "runtime/state.h"

#include <string.h>

void rn__count(enum rn__count what)
{
    struct rn__worker *w = rn__worker();
    struct rn__counters *c = w != NULL ? &w->counters : &rn__sched.retired;
    _Atomic uint64_t *counter = what == RN__COUNT_SENDS   ? &c->sends
                                : what == RN__COUNT_RECVS ? &c->recvs
                                                          : &c->selects;

    if (w != NULL)
        rn__bump(counter);
    else
        atomic_fetch_add_explicit(counter, 1,
                                  memory_order_relaxed); /* a statistic of many threads */
}

static void counters_add(rn_stats *out, struct rn__counters *c)
{
    for (int system = 0; system < 2; system++)
        out->created += atomic_load_explicit(&c->begun[system], memory_order_relaxed);
    out->parks += atomic_load_explicit(&c->parks, memory_order_relaxed);
    out->steals += atomic_load_explicit(&c->steals, memory_order_relaxed);
    out->sends += atomic_load_explicit(&c->sends, memory_order_relaxed);
    out->recvs += atomic_load_explicit(&c->recvs, memory_order_relaxed);
    out->selects += atomic_load_explicit(&c->selects, memory_order_relaxed);
    out->idle_ns += atomic_load_explicit(&c->idle_ns, memory_order_relaxed);
}

static void worker_add(rn_stats *out, struct rn__worker *w)
{
    int64_t started_ns = atomic_load_explicit(&w->started_ns, memory_order_relaxed);

    counters_add(out, &w->counters);
    rn__lock(&w->timers.lock);
    out->timers += w->timers.count;
    rn__unlock(&w->timers.lock);
    if (started_ns > 0)
        out->run_ns += (uint64_t)(rn_now() - started_ns);
}

void rn__stats_sum(rn_stats *out)
{
    memset(out, 0, sizeof *out);
    out->stack_bytes = rn__stack_mapped();
    counters_add(out, &rn__sched.retired);
    if (!rn__outside_enter())
        return;
    out->goroutines = rn__all();
    for (unsigned i = 0; i < rn__sched.n_workers; i++)
        worker_add(out, &rn__sched.workers[i]);
    rn__outside_leave();
    out->run_ns = out->run_ns > out->idle_ns ? out->run_ns - out->idle_ns : 0;
}
