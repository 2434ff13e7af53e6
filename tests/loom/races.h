/* races.h - what is ordered before what, for machine.c and world.c.   SPDX-License-Identifier: MIT */
#ifndef TESTS_LOOM_RACES_H
#define TESTS_LOOM_RACES_H

#include "tests/loom/machine.h"

#include <stdatomic.h>

struct loom_clock {
    uint32_t at[LOOM_THREADS_MAX];
};

/* Accesses are looked at; in few of the schedules, for it takes time. */
extern bool loom_racing;
void loom_races_begin(bool look);
void loom_races_end(void);

void loom_order_load(const volatile void *at, memory_order order);
/* What a store of the calling thread publishes; and the store, perhaps later. */
void loom_order_store(struct loom_clock *published, memory_order order);
void loom_order_stored(volatile void *at, const struct loom_clock *published);
void loom_order_change(volatile void *at, memory_order order);
void loom_order_fence(memory_order order);

/* Of what is no atomic: locks, the system's calls. */
void loom_order_acquire(const volatile void *at);
void loom_order_release(const volatile void *at);

#endif
