/* programs.h - small programs of goroutines, some of which race.   SPDX-License-Identifier: MIT */
#ifndef TESTS_RACE_PROGRAMS_H
#define TESTS_RACE_PROGRAMS_H

#include <stdbool.h>

/* `run` is the whole program, with rn_main and all, on so many workers.  Its name says why it races, or why it does not. */
struct program {
    const char *name;
    void (*run)(int workers);
};

extern const struct program racy[], orderly[]; /* to the one without a name */

#endif
