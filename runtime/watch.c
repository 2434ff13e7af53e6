/* watch.c - see watch.h.   SPDX-License-Identifier: MIT
 *
 * To sample each would cost two looks at the clock, as long as a switch.  A program that does little has all of them looked
 * at, so that there is something to see: how many each sample stands for doubles from 1 to EVERY_MAX. */
#include "runtime/watch.h"

#include "runtime/state.h"

#define EVERY_MAX  1024
#define SAMPLES_AT 64 /* so many before it doubles */

void rn__watch_init(struct rn__worker *w)
{
    w->skip = w->watch.every = 1;
}

/* How many the next sample stands for. */
static uint32_t weight_next(struct rn__worker *w)
{
    struct rn__watch *watch = &w->watch;
    uint32_t weight = watch->every;

    if (rn__tracing())
        watch->every = 1;
    else if (weight < EVERY_MAX && ++watch->samples == SAMPLES_AT) {
        watch->samples = 0;
        watch->every *= 2;
    }
    w->skip = watch->every;
    return weight;
}

void rn__watch_ready_slow(struct rn__worker *w, struct rn__g *g, bool woken)
{
    if (rn__tracing())
        rn__trace_ready(w, g, woken);
    g->ready_ns = rn_now();
    g->ready_weight = (uint16_t)weight_next(w);
}

/* By a thread that runs no goroutines, which has to wake one anyway. */
void rn__watch_outside(struct rn__g *g)
{
    if (rn__tracing())
        rn__trace_ready(NULL, g, /* woken= */ true);
    g->ready_ns = rn_now();
    g->ready_weight = 1;
}

void rn__watch_run_slow(struct rn__worker *w, struct rn__g *g)
{
    rn_time now = rn_now();

    if (rn__tracing() && w->left != NULL)
        rn__trace_leave(w, now);
    if (rn__tracing())
        rn__trace_run(w, g, now);
    rn__histogram_add(&w->watch.latency, now - g->ready_ns, g->ready_weight);
    g->ready_ns = 0;
}

/* The caller's own, which only he writes; or those of all plain threads. */
static struct rn__counters *counters(void)
{
    struct rn__worker *w = rn__worker();

    return w != NULL ? &w->counters : &rn__sched.retired;
}

static void add(struct rn__counters *c, _Atomic uint64_t *counter, uint64_t n)
{
    if (c == &rn__sched.retired)
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed); /* a statistic */
    else
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

void rn__watch_lock_wait(rn_time since)
{
    struct rn__counters *c = counters();

    add(c, &c->lock_waits, 1);
    add(c, &c->lock_wait_ns, (uint64_t)(rn_now() - since));
}

void rn__watch_polled(int n)
{
    struct rn__counters *c = counters();

    add(c, &c->polls, 1);
    add(c, &c->polled, (uint64_t)n);
}
