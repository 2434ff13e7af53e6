/* sim.c - see sim.h.   SPDX-License-Identifier: MIT */
#include "runtime/sim.h"

#include "runtime/assert.h"
#include "runtime/g.h"
#include "runtime/race.h"
#include "runtime/rand.h"

#include <stdlib.h>

#define STEP_NS  RN_US
#define START_NS RN_SEC /* so that no time of a simulation is RN_NOWAIT */

bool rn__simulating;

static struct {
    uint64_t seed, rng;
    _Atomic rn_time now; /* written by the simulation's thread; relaxed, others take it as it is */
    _Atomic int64_t suspended_ns; /* as `now` */
    struct rn__lock lock;
    struct rn__g *
        *ready; /* guarded by lock, in the order in which they became so; as the next two */
    size_t count, room;
} sim;

uint64_t rn__sim_seed(void)
{
    return sim.seed;
}

uint64_t rn__sim_random(void)
{
    return rn__rand_next(&sim.rng);
}

rn_time rn__sim_now(void)
{
    return atomic_load_explicit(&sim.now, memory_order_relaxed);
}

void rn__sim_begin(uint64_t seed)
{
    sim.seed = sim.rng = seed;
    atomic_store_explicit(&sim.now, START_NS, memory_order_relaxed);
    atomic_store_explicit(&sim.suspended_ns, 0, memory_order_relaxed);
    sim.count = 0;
    rn__simulating = true;
}

void rn__sim_end(void)
{
    rn__simulating = false;
    free(sim.ready);
    sim.ready = NULL;
    sim.count = sim.room = 0;
}

void rn__sim_push(struct rn__g *g)
{
    rn__lock(&sim.lock);
    if (sim.count == sim.room) {
        sim.room = sim.room == 0 ? 64 : sim.room * 2;
        rn__race_hide();
        sim.ready = realloc(sim.ready, sim.room * sizeof *sim.ready);
        rn__race_show();
        rn_assert(sim.ready != NULL);
    }
    sim.ready[sim.count++] = g;
    rn__unlock(&sim.lock);
}

size_t rn__sim_ready(void)
{
    size_t n;

    rn__lock(&sim.lock);
    n = sim.count;
    rn__unlock(&sim.lock);
    return n;
}

struct rn__g *rn__sim_pick(void)
{
    struct rn__g *g = NULL;

    atomic_fetch_add_explicit(&sim.now, STEP_NS, memory_order_relaxed);
    rn__lock(&sim.lock);
    if (sim.count > 0) {
        size_t i = rn__rand_next(&sim.rng) % sim.count;

        g = sim.ready[i];
        sim.ready[i] = sim.ready[--sim.count];
    }
    rn__unlock(&sim.lock);
    return g;
}

void rn__sim_jump(rn_time when)
{
    if (when > rn__sim_now())
        atomic_store_explicit(&sim.now, when, memory_order_relaxed);
}

int64_t rn__sim_boottime(void)
{
    return rn__sim_now() + atomic_load_explicit(&sim.suspended_ns, memory_order_relaxed);
}

void rn__sim_suspend(int64_t ns)
{
    rn_assert(ns >= 0);
    atomic_fetch_add_explicit(&sim.suspended_ns, ns, memory_order_relaxed);
}
