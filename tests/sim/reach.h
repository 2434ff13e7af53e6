/* reach.h - how often the rare branches of the code under test were taken.   SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_REACH_H
#define TESTS_SIM_REACH_H

/* Prints every branch that is marked with rn_reached() (runtime/reach.h) in the rooms that the program runs, and how
 * often it was taken, those that were never taken last.  tests/run.sh adds up what the programs print. */
void reach_report(const char *program);

#endif
