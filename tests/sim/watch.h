/* watch.h - the end of a run that nobody else can report: a crash, or one that does not end.
 *   SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_WATCH_H
#define TESTS_SIM_WATCH_H

#include <stdint.h>

#define WATCH_SECONDS 120 /* of the processor, for one seed, unless it is said otherwise */

/* From now on the process says, when it dies, which seed it was at and how to replay it: `replay` is the command up to the
 * seed, and is kept. */
void watch_begin(const char *program, const char *replay);

/* A run begins.  It is a failure if it takes more than so many seconds of the processor - nothing can go on in virtual time
 * that costs so much -, or ten times as many of real time. */
void watch_seed(uint64_t seed, unsigned seconds);

#endif
