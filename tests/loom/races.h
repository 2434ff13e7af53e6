/* races.h - what is ordered before what, for machine.c and world.c.   SPDX-License-Identifier: MIT */
#ifndef TESTS_LOOM_RACES_H
#define TESTS_LOOM_RACES_H

#include "tests/loom/machine.h"

#include <stdatomic.h>

struct loom_clock {
    uint32_t at[LOOM_THREADS_MAX];
};

/* Accesses are looked at; in few of the schedules, for it takes time: so in the others these cost a branch. */
extern bool loom_racing;
void loom_races_begin(bool look);
void loom_races_end(void);

#define LOOM_RACING(name, arguments, ...) \
    void name##_seen arguments;           \
    static inline void name arguments     \
    {                                     \
        if (loom_racing)                  \
            name##_seen(__VA_ARGS__);     \
    }

LOOM_RACING(loom_order_load, (const volatile void *at, memory_order order), at, order)
/* What a store of the calling thread publishes; and the store, perhaps later. */
LOOM_RACING(loom_order_store, (struct loom_clock * published, memory_order order), published, order)
LOOM_RACING(loom_order_stored, (volatile void *at, const struct loom_clock *published), at,
            published)
LOOM_RACING(loom_order_change, (volatile void *at, memory_order order), at, order)
LOOM_RACING(loom_order_fence, (memory_order order), order)

/* Of what is no atomic: locks, the system's calls. */
LOOM_RACING(loom_order_acquire, (const volatile void *at), at)
LOOM_RACING(loom_order_release, (const volatile void *at), at)

/* Nobody is to look at this memory, in any schedule; size 0: at none. */
extern struct loom_gone {
    uintptr_t at;
    size_t size;
} loom_gone;
void loom_races_gone(const void *at, size_t size);

static inline bool loom_is_gone(const volatile void *at)
{
    return (uintptr_t)at - loom_gone.at < loom_gone.size;
}

#endif
