/* deadlock.c - see deadlock.h.   SPDX-License-Identifier: MIT */
#include "runtime/deadlock.h"

#include "runtime/cycle.h"
#include "runtime/dump.h"
#include "runtime/race.h"
#include "runtime/sim.h"
#include "runtime/state.h"
#include "runtime/trace.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static size_t user_timers(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < rn__sched.n_workers; i++) {
        struct rn__timers *t = &rn__sched.workers[i].timers;

        rn__lock(&t->lock);
        n += t->user;
        rn__unlock(&t->lock);
    }
    return n;
}

bool rn__deadlock_averted(void)
{
    return rn__sched.mode == RN__MODE_BACKGROUND || rn__stopping() ||
           atomic_load(&rn__sched.holds) > 0 || rn__wait_plain_seen() ||
           atomic_load(&rn__sched.external) > 0 || user_timers() > 0;
}

bool rn__deadlocked(void)
{
    if (rn__sched.mode == RN__MODE_BACKGROUND || rn__stopping())
        return false;
    if (atomic_load(&rn__sched.holds) > 0 || rn__wait_plain_seen())
        return false;
    for (unsigned i = 0; i < rn__sched.n_workers; i++)
        if (atomic_load(&rn__sched.workers[i].queue.next) != NULL)
            return false; /* its worker is just waking up */
    if (rn__sched.mode == RN__MODE_SIM && atomic_load(&rn__sched.external_real) > 0)
        return false;
    if (atomic_load(&rn__sched.external) == 0 && user_timers() == 0)
        return true;
    /* In a simulation nothing comes from outside but what the timers of services bring. */
    return rn__sched.mode == RN__MODE_SIM && rn__timers_first() == RN_FOREVER;
}

static _Noreturn void end(void)
{
    rn__trace_write(/* calm= */ true);
    if (rn__sched.mode == RN__MODE_SIM)
        dprintf(STDERR_FILENO, "rn_sim: seed %llu\n", (unsigned long long)rn__sim_seed());
    fflush(NULL);
    /* Who keeps a main() of his own has not asked for an exit status of ours. */
    if (rn__sched.mode == RN__MODE_BACKGROUND)
        abort();
    _exit(2);
}

void rn__deadlock_report(void)
{
    rn__dump_deadlock();
    rn__race_show(); /* the worker's fiber was blind, and TSan looks for that at the end */
    end();
}

void rn__deadlock_cycle(struct rn__want *last)
{
    rn__cycle_print(last, STDERR_FILENO);
    end();
}
