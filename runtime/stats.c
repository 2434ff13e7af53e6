/* stats.c - the figures: what the workers have counted, and what there is now.   SPDX-License-Identifier: MIT
 *
 * Nothing is stopped for them, and all but rn_stats_reasons costs a few loads for each worker.  What is counted is exact;
 * what there is now changes while it is read, so it is made to add up. */
#include "runtime/state.h"

#include "runtime/block.h"
#include "runtime/roster.h"
#include "runtime/sim.h"

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

static uint64_t read_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void rn__stats_reset(void)
{
    struct rn__counters *c = &rn__sched.retired;
    _Atomic uint64_t *all[] = { &c->begun[0], &c->begun[1], &c->ended[0],     &c->ended[1],
                                &c->parks,    &c->steals,   &c->sends,        &c->recvs,
                                &c->selects,  &c->idle_ns,  &c->lock_waits,   &c->lock_wait_ns,
                                &c->polls,    &c->polled,   &c->stacks_begun, &c->stacks_ended };

    /* A plain thread may be counting what it does without a scheduler. */
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        atomic_store_explicit(all[i], 0, memory_order_relaxed);
}

/* ---- sums --------------------------------------------------------------------------------------------- */

static void counters_add(rn_stats *out, const struct rn__counters *c)
{
    out->created += read_of(&c->begun[0]) + read_of(&c->begun[1]);
    out->parks += read_of(&c->parks);
    out->steals += read_of(&c->steals);
    out->sends += read_of(&c->sends);
    out->recvs += read_of(&c->recvs);
    out->selects += read_of(&c->selects);
    out->idle_ns += read_of(&c->idle_ns);
    out->lock_waits += read_of(&c->lock_waits);
    out->lock_wait_ns += read_of(&c->lock_wait_ns);
    out->polls += read_of(&c->polls);
    out->polled += read_of(&c->polled);
    out->stack_bytes_used += read_of(&c->stacks_begun) - read_of(&c->stacks_ended);
}

/* Since it started; its sleeps are taken off by who has their sum. */
static uint64_t worker_ns(const struct rn__worker *w)
{
    int64_t started_ns = atomic_load_explicit(&w->started_ns, memory_order_relaxed);

    return started_ns > 0 ? (uint64_t)(rn_now() - started_ns) : 0;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Those who wait for w, newborns with them: a hint. */
static uint32_t queued(const struct rn__worker *w)
{
    int64_t newborns = rn__newborns_count(&w->newborns);

    return rn__runq_count(&w->queue) + (newborns > 0 ? (uint32_t)newborns : 0);
}

static void worker_add(rn_stats *out, struct rn__worker *w)
{
    counters_add(out, &w->counters);
    rn__lock(&w->timers.lock);
    out->timers += w->timers.count;
    rn__unlock(&w->timers.lock);
    out->runnable += queued(w);
    out->run_ns += worker_ns(w);
    rn__histogram_sum(&w->watch.latency, out->latency);
}

/* Who is not idle and does not look for work runs a goroutine. */
static void states_set(rn_stats *out)
{
    uint32_t searching = atomic_load(&rn__sched.searching);
    uint64_t rest = out->goroutines;
    int64_t outside = atomic_load(&rn__sched.external_real);

    out->workers = atomic_load(&rn__sched.on_duty);
    out->workers_idle = atomic_load(&rn__sched.n_idle);
    out->queued_common = atomic_load(&rn__sched.common_count);
    out->runnable += out->queued_common;
    if (rn__sched.mode == RN__MODE_SIM)
        out->runnable = rn__sim_ready();
    out->running = less(out->workers, out->workers_idle + searching);
    if (out->running > rest)
        out->running = rest;
    rest -= out->running;
    if (out->runnable > rest)
        out->runnable = rest;
    out->waiting = rest - out->runnable;
    out->waiting_outside = outside > 0 ? (uint64_t)outside : 0;
    if (out->waiting_outside > out->waiting)
        out->waiting_outside = out->waiting;
}

static void sum(rn_stats *out)
{
    memset(out, 0, sizeof *out);
    out->stack_bytes = rn__stack_mapped();
    counters_add(out, &rn__sched.retired);
    if (!rn__outside_enter())
        return;
    out->goroutines = rn__all();
    for (unsigned i = 0; i < rn__sched.n_workers; i++)
        worker_add(out, &rn__sched.workers[i]);
    states_set(out);
    out->block_threads = rn__block_threads();
    rn__outside_leave();
    out->run_ns = less(out->run_ns, out->idle_ns);
}

/* What a later version has and we have not is none. */
static void give(void *out, size_t size, const void *ours, size_t our_size)
{
    memset(out, 0, size);
    memcpy(out, ours, size < our_size ? size : our_size);
}

void rn_stats_read_v(rn_stats *out, size_t size)
{
    rn_stats now;

    sum(&now);
    give(out, size, &now, sizeof now);
}

int rn_stats_worker_v(unsigned n, rn_worker_stats *out, size_t size)
{
    rn_worker_stats now;
    struct rn__worker *w;

    if (!rn__outside_enter())
        return -ENOENT;
    w = rn__worker_at(n);
    if (w != NULL) {
        uint64_t idle_ns = read_of(&w->counters.idle_ns);

        now = (rn_worker_stats){ .queued = queued(w),
                                 .created = read_of(&w->counters.begun[0]) +
                                            read_of(&w->counters.begun[1]),
                                 .parks = read_of(&w->counters.parks),
                                 .steals = read_of(&w->counters.steals),
                                 .run_ns = less(worker_ns(w), idle_ns),
                                 .idle_ns = idle_ns };
        if (rn__sched.mode == RN__MODE_SIM)
            now.queued = rn__sim_ready();
        give(out, size, &now, sizeof now);
    }
    rn__outside_leave();
    return w != NULL ? 0 : -ENOENT;
}

int64_t rn_latency_from(unsigned i)
{
    return rn__histogram_from(i);
}

int64_t rn_latency_part(const rn_stats *s, double part)
{
    return rn__histogram_part(s->latency, part);
}

/* ---- reasons ------------------------------------------------------------------------------------------ */

struct reasons {
    rn_time now;
    rn_reason of[RN__WHYS];
};

static void reason_add(struct rn__g *g, void *arg)
{
    struct reasons *r = arg;
    int why = atomic_load_explicit(&g->why, memory_order_relaxed);
    int64_t since_ns = atomic_load_explicit(&g->since_ns, memory_order_relaxed);

    if (atomic_load_explicit(&g->state, memory_order_relaxed) != RN__G_WAITING || why < 0 ||
        why >= RN__WHYS)
        return;
    r->of[why].goroutines++;
    if (r->now - since_ns > r->of[why].longest_ns)
        r->of[why].longest_ns = r->now - since_ns;
}

/* Few: by insertion. */
static int reasons_sort(rn_reason *of)
{
    int n = 0;

    for (int why = 0; why < RN__WHYS; why++) {
        rn_reason one = of[why];
        int at = n;

        if (one.goroutines == 0)
            continue;
        one.why = rn__why_text((enum rn__why)why);
        for (; at > 0 && of[at - 1].goroutines < one.goroutines; at--)
            of[at] = of[at - 1];
        of[at] = one;
        n++;
    }
    return n;
}

int rn_stats_reasons(rn_reason *out, int n)
{
    struct reasons r = { .now = rn_now() };
    int found;

    rn__each_g(reason_add, &r);
    found = reasons_sort(r.of);
    for (int i = 0; i < n && i < found; i++)
        out[i] = r.of[i];
    return found;
}
