/* monitor.h - a thread that looks after goroutines that do not give way.   SPDX-License-Identifier: MIT
 *
 * Such a goroutine computes, or is in a call that blocks its thread.  Within about ten milliseconds those who wait in the
 * queue of its worker are handed over to the others; if no worker is idle another one stands in for it (crew.h); so nobody
 * waits for it, nor do timers and descriptors.  After RN_MONITOR milliseconds (1000 if that is not set, 0: never) it is
 * reported on standard error, by name and stack, once; and no more than a few in a program's life, so that one whose
 * goroutines compute on purpose is not drowned.
 *
 * While all workers are idle it sleeps, and wakes for nothing. */
#ifndef RN__MONITOR_H
#define RN__MONITOR_H

#include <stdatomic.h>
#include <stdint.h>

/* Without a monitor - no thread was to be had - a goroutine that does not give way holds up its worker. */
void rn__monitor_start(void);
/* When it returns nobody is relieved any more. */
void rn__monitor_stop(void);

#define RN__MONITOR_ASLEEP 1u
extern _Atomic uint32_t rn__monitor_state;
void rn__monitor_wake(void);

/* By a worker that is idle no more and has found something to run.  Sequentially consistent: the monitor says that it sleeps,
 * then looks once more whether all are idle. */
static inline void rn__monitor_rouse(void)
{
    if (atomic_load(&rn__monitor_state) == RN__MONITOR_ASLEEP)
        rn__monitor_wake();
}

#endif
