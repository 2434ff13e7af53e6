/* pair.h - two goroutines, and what they do.   SPDX-License-Identifier: MIT */
#ifndef TESTS_RACE_PAIR_H
#define TESTS_RACE_PAIR_H

#include "runtime/rn.h"

static void (*halves[2])(void);

#define LOOKS 1000

/* Until the other waits and has left its stack, as the one who waits for both has; or for so many looks, if it does not: then the
 * program is as racy or as orderly all the same. */
static inline void linger(void)
{
    rn_stats s = { .waiting = 0 };

    for (int i = 0; i < LOOKS && (i < 10 || s.waiting < 2); i++) {
        rn_yield();
        rn_stats_read(&s);
    }
}

static inline void half(void *arg)
{
    halves[*(int *)arg]();
}

/* Runs both halves, and waits for them. */
static inline void run_halves(void)
{
    rn_group *g = rn_group_new();

    for (int i = 0; i < 2; i++)
        rn_group_go(g, half, &i, sizeof i);
    rn_group_wait(g, RN_FOREVER);
    rn_group_free(g);
}

#endif
