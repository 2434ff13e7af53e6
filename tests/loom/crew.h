/* crew.h - goroutines of a unit, on a scheduler of their own.   SPDX-License-Identifier: MIT */
#ifndef TESTS_LOOM_CREW_H
#define TESTS_LOOM_CREW_H

#include "tests/loom/loom.h"

#include "runtime/rn.h"

/* Runs goroutines, one per function, on so many workers, and explores until all have returned and the threads that the
 * unit has spawned before have ended.  The list ends with NULL. */
void crew_run(int workers, rn_fn *const *fns);

/* The same in between these, for units with a way of their own. */
void crew_go(rn_fn *fn);
void crew_wait(void);

#endif
