/* deadlock.h - when nothing can go on any more, and the end that this is.   SPDX-License-Identifier: MIT */
#ifndef RN__DEADLOCK_H
#define RN__DEADLOCK_H

#include <stdbool.h>

struct rn__want;

/* The rule at rn_main in rn.h; every worker is idle and no queue holds a goroutine. */
bool rn__deadlocked(void);
/* Can anything but a goroutine that runs now wake one? */
bool rn__deadlock_averted(void);

/* Every goroutine, on standard error; the program ends. */
void rn__deadlock_report(void) __attribute__((noreturn));

/* Those who wait for one another's locks (owner.h), and the program ends: the rest of it may go on, but they do not, and what
 * they have locked stays so. */
void rn__deadlock_cycle(struct rn__want *last);

#endif
