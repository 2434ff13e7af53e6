/* watch.h - what the scheduler tells those who watch it: the figures (stats.c) and the trace (trace.c).
 *   SPDX-License-Identifier: MIT
 *
 * These are on the hottest paths, so they are a compare and a branch, and the rest is called.  Of the goroutines that become
 * runnable one in some hundred is a sample: it is marked with the time, and whoever runs it sees the mark.  With a trace
 * each one is: so the same two branches are all that it costs while there is none. */
#ifndef RN__WATCH_H
#define RN__WATCH_H

#include "runtime/histogram.h"
#include "runtime/sched.h"
#include "runtime/trace.h"

void rn__watch_init(struct rn__worker *w);

void rn__watch_ready_slow(struct rn__worker *w, struct rn__g *g, bool woken);
void rn__watch_run_slow(struct rn__worker *w, struct rn__g *g);
/* g becomes runnable, by a plain thread. */
void rn__watch_outside(struct rn__g *g);

/* g becomes runnable, on w. */
static inline void rn__watch_ready(struct rn__worker *w, struct rn__g *g)
{
    if (__builtin_expect(--w->skip == 0, 0))
        rn__watch_ready_slow(w, g, /* woken= */ true);
}

/* g, which ran on w, has yielded. */
static inline void rn__watch_yield(struct rn__worker *w, struct rn__g *g)
{
    if (__builtin_expect(--w->skip == 0, 0))
        rn__watch_ready_slow(w, g, /* woken= */ false);
}

/* Whether the next one that becomes runnable is a sample: then rn__watch_ready() is to be called for it, else not. */
static inline bool rn__watch_due(struct rn__worker *w)
{
    if (__builtin_expect(--w->skip != 0, 1))
        return false;
    w->skip = 1;
    return true;
}

/* w is going to run g. */
static inline void rn__watch_run(struct rn__worker *w, struct rn__g *g)
{
    if (__builtin_expect(g->ready_ns != 0, 0))
        rn__watch_run_slow(w, g);
}

/* w is not going to run another: that which it has left is in w->left. */
static inline void rn__watch_rest(struct rn__worker *w)
{
    if (rn__tracing())
        rn__trace_leave(w, rn_now());
}

/* What is woken on w from here on was not woken by the goroutine that is current: a timer fires, a descriptor is ready. */
static inline void rn__watch_bystander(struct rn__worker *w, bool on)
{
    w->watch.bystander = on;
}

/* The caller has waited for a lock, since then. */
void rn__watch_lock_wait(rn_time since);
/* The caller has looked at the descriptors, and readied so many goroutines. */
void rn__watch_polled(int n);

#endif
