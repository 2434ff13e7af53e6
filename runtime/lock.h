/* lock.h - the lock of the runtime: held for a few dozen instructions, never across a park.   SPDX-License-Identifier: MIT
 *
 * Spins a little, because the holder is running on another CPU, then sleeps in the kernel, because the holder may
 * have been preempted there. */
#ifndef RN__LOCK_H
#define RN__LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rn__lock {
    _Atomic uint32_t word; /* 0 free, 1 held */
};

/* How many threads sleep, or are about to, for locks whose address falls into this bin. */
#define RN__LOCK_BINS 64u
extern _Atomic uint32_t rn__lock_sleepers[RN__LOCK_BINS];

void rn__lock_slow(struct rn__lock *l);
void rn__unlock_slow(struct rn__lock *l);

static inline _Atomic uint32_t *rn__lock_bin(const struct rn__lock *l)
{
    return &rn__lock_sleepers[(uintptr_t)l / 64 % RN__LOCK_BINS];
}

/* false: it is held; rn__lock_slow() waits for it. */
static inline bool rn__lock_quickly(struct rn__lock *l)
{
    uint32_t free = 0;

    /* Acquire: what the last holder wrote is seen. */
    return atomic_compare_exchange_strong_explicit(&l->word, &free, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void rn__lock(struct rn__lock *l)
{
    if (!rn__lock_quickly(l))
        rn__lock_slow(l);
}

/* A plain store, as it has to be cheap, and then a look at a word that is not the lock's own, because the lock may be gone.
 * The processor may look first; who sleeps makes up for that, see lock.c.  false: somebody may sleep, for rn__unlock_slow(). */
static inline bool rn__unlock_quickly(struct rn__lock *l)
{
    /* Release pairs with the acquire of the next holder.  Relaxed and a fence for the compiler: proof in lock.c. */
    atomic_store_explicit(&l->word, 0, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    return atomic_load_explicit(rn__lock_bin(l), memory_order_relaxed) == 0;
}

static inline void rn__unlock(struct rn__lock *l)
{
    if (!rn__unlock_quickly(l))
        rn__unlock_slow(l);
}

/* Each other thread of the process passes a full fence before this returns, wherever it is: so a word that is written, then
 * this, then a look pairs with a plain store, a fence for the compiler and a plain look there.  Microseconds, for what is
 * rare.  false: the kernel cannot, and there was none. */
bool rn__fence_others(void);

/* Waits in the kernel while *word is value, at most until the deadline (CLOCK_MONOTONIC ns; INT64_MAX: for ever).  May
 * return for no reason. */
void rn__futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t deadline_ns);
void rn__futex_wake(_Atomic uint32_t *word, int count);

#endif
