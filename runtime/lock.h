/* lock.h - the lock of the runtime: held for a few dozen instructions, never across a park.   SPDX-License-Identifier: MIT
 *
 * Spins a little, because the holder is running on another CPU, then sleeps in the kernel, because the holder may
 * have been preempted there. */
#ifndef RN__LOCK_H
#define RN__LOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct rn__lock {
    _Atomic uint32_t word; /* 0 free, 1 held, 2 held and somebody may sleep */
};

void rn__lock_slow(struct rn__lock *l);
void rn__unlock_slow(struct rn__lock *l);

static inline void rn__lock(struct rn__lock *l)
{
    uint32_t free = 0;

    /* Acquire: what the last holder wrote is seen. */
    if (!atomic_compare_exchange_strong_explicit(&l->word, &free, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        rn__lock_slow(l);
}

static inline void rn__unlock(struct rn__lock *l)
{
    /* Release pairs with the acquire of the next holder. */
    if (atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)
        rn__unlock_slow(l);
}

/* Waits in the kernel while *word is value, at most until the deadline (CLOCK_MONOTONIC ns; INT64_MAX: for ever).  May
 * return for no reason. */
void rn__futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t deadline_ns);
void rn__futex_wake(_Atomic uint32_t *word, int count);

#endif
