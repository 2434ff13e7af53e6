/* crew.h - which workers are on duty: as many as the program wanted, whatever becomes of single ones.
 *   SPDX-License-Identifier: MIT
 *
 * A worker whose goroutine does not give way is relieved: another one, a stand-in, goes on duty in its place, and it rests
 * as soon as it is free again, until it is to stand in for another.  So beside those who do not give way, no more goroutines
 * run at once than there were to be workers.
 *
 * Only the monitor relieves; who is relieved comes to rest by itself, where it looks for work.  In a simulation there is
 * one worker, always on duty. */
#ifndef RN__CREW_H
#define RN__CREW_H

#include "runtime/sched.h"

enum rn__duty { RN__ON_DUTY, RN__RELIEVED, RN__RESTING };

/* Relaxed: who is relieved may learn of it a little later. */
static inline bool rn__on_duty(const struct rn__worker *w)
{
    return atomic_load_explicit(&w->duty, memory_order_relaxed) == RN__ON_DUTY;
}

/* n workers to begin with, which do not run yet, and room for stand-ins.  0 or -ENOMEM. */
int rn__crew_new(unsigned n, bool stand_ins);
/* As many as there may ever be. */
unsigned rn__crew_room(void);
/* They all have ended. */
void rn__crew_free(void);
/* It is known how many workers there are; none runs yet. */
void rn__crew_muster(void);

/* For a worker that is not on duty and has no goroutine: gives away what is in its queue and sleeps, until it is on duty
 * again or the scheduler ends. */
void rn__crew_rest(struct rn__worker *w);

/* The monitor's: puts another worker on duty for w, unless w has just been found to move (tick).  true: it is so now. */
bool rn__crew_relieve(struct rn__worker *w, unsigned tick);

/* Between these two the monitor has goroutines in its hands that are in no queue: nobody may find that all are idle. */
void rn__crew_hands_full(void);
void rn__crew_hands_empty(void);

/* Is every worker on duty idle, and nobody relieved still away?  Exact under sched.lock. */
bool rn__crew_all_idle(void);

#endif
