/* cycle.h - the report about goroutines that wait for one another's locks.   SPDX-License-Identifier: MIT */
#ifndef RN__CYCLE_H
#define RN__CYCLE_H

struct rn__want;

/* Who waits for what, held by whom since when and from where; then each with its stack - all goroutines, if all are asleep.
 * `last` is the caller's own, which waits in all but the fact; owner.c's lock is held. */
void rn__cycle_print(struct rn__want *last, int fd);

#endif
