/* reach.h - how often the rare branches of the code under test were taken.   SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_REACH_H
#define TESTS_SIM_REACH_H

#include <stdbool.h>
#include <stddef.h>

/* Prints every branch that is marked with rn_reached() (runtime/reach.h) in the rooms that the simulator runs, and how
 * often it was taken, those that were never taken last.  Gives how many those are; 0 in builds that do not count. */
size_t reach_report(void);

#endif
