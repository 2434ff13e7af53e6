/* reach.h - how often rare branches were taken, for the simulator.   SPDX-License-Identifier: MIT
 *
 * A branch that no run ever takes is a branch that nobody has tested.  Where one is rare and matters, it says so
 * with a phrase, "room: what has happened"; the simulator prints how often each was reached, and a long run fails over
 * one that never was.  Builds that are not for tests have nothing of it. */
#ifndef RN__REACH_H
#define RN__REACH_H

#ifdef RN_REACH
#include <stdatomic.h>

struct rn__reach {
    const char *phrase;
    atomic_ulong count; /* any thread; relaxed, for nothing depends on it */
};

/* The linker gathers the addresses of all that are in a program between __start_rn_reach and __stop_rn_reach. */
#define rn_reached(what)                                                       \
    do {                                                                       \
        static struct rn__reach reach_here = { .phrase = what };               \
        static struct rn__reach *const reach_listed                            \
            __attribute__((section("rn_reach"), used)) = &reach_here;          \
        (void)reach_listed;                                                    \
        atomic_fetch_add_explicit(&reach_here.count, 1, memory_order_relaxed); \
    } while (0)
#else
#define rn_reached(what) ((void)0)
#endif

/* The same where the branch is no branch of its own. */
#define rn_reached_if(condition, what) \
    do {                               \
        if (condition)                 \
            rn_reached(what);          \
    } while (0)

#endif
