/* sim.h - one worker, a seeded choice of who runs next, and a virtual clock.   SPDX-License-Identifier: MIT
 *
 * The scheduler asks here instead of its queues and clocks while a simulation runs.  Only the simulation's own
 * thread runs goroutines; others may make some runnable, hence the lock. */
#ifndef RN__SIM_H
#define RN__SIM_H

#include "runtime/rn.h"

#include <stdbool.h>

struct rn__g;

extern bool rn__simulating
    __attribute__((visibility("hidden"))); /* written while no goroutine runs */
static inline bool rn__sim_active(void)
{
    return rn__simulating;
}
uint64_t rn__sim_seed(void);
uint64_t rn__sim_random(void);
rn_time rn__sim_now(void);

void rn__sim_begin(uint64_t seed);
void rn__sim_end(void);

void rn__sim_push(struct rn__g *g);
/* How many are runnable. */
size_t rn__sim_ready(void);
/* One scheduling step: time goes on by a microsecond; a random runnable goroutine, or NULL. */
struct rn__g *rn__sim_pick(void);
/* All sleep: the clock jumps. */
void rn__sim_jump(rn_time when);

/* rn__boottime() of a simulation. */
int64_t rn__sim_boottime(void);
/* As if the machine had been suspended for ns: rn__boottime() goes on by that, rn_now() does not. */
void rn__sim_suspend(int64_t ns);

#endif
