/* deadlock.h - when nothing can go on any more, and the end that this is.   SPDX-License-Identifier: MIT */
#ifndef RN__DEADLOCK_H
#define RN__DEADLOCK_H

#include <stdbool.h>

/* The rule at rn_main in rn.h; every worker is idle and no queue holds a goroutine. */
bool rn__deadlocked(void);

/* Every goroutine, on standard error; the program ends. */
void rn__deadlock_report(void) __attribute__((noreturn));

#endif
