/* lock.c - see lock.h.   SPDX-License-Identifier: MIT */
#include "runtime/lock.h"

#include "runtime/fiber.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS 100

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void rn__futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t deadline_ns)
{
    struct timespec until = { .tv_sec = deadline_ns / 1000000000,
                              .tv_nsec = deadline_ns % 1000000000 };

    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
                      deadline_ns == INT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);

#ifdef RN__TSAN
    if (rc < 0 && errno == EINTR)
        usleep(0); /* TSan runs the handlers of signals only in calls that it knows */
#else
    (void)rc;
#endif
}

void rn__futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void rn__lock_slow(struct rn__lock *l)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t free = 0;

        /* Relaxed look: only the exchange below takes the lock. */
        if (atomic_load_explicit(&l->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&l->word, &free, 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        pause_cpu();
    }
    while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire) != 0)
        rn__futex_wait(&l->word, 2, INT64_MAX);
}

void rn__unlock_slow(struct rn__lock *l)
{
    rn__futex_wake(&l->word, 1);
}
