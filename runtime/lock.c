/* lock.c - see lock.h.   SPDX-License-Identifier: MIT
 *
 * No wake-up is lost: who is going to sleep counts itself in its bin, makes all others pass a fence, and then looks at the
 * lock.  The holder frees the lock, then looks at the bin.  If it was interrupted by the fence before its look, it sees the
 * count; if after, the lock was free before the fence, and the sleeper sees that, or the kernel does, which compares the word
 * when it puts the sleeper to sleep.  Where the kernel has no such fence, sleepers look again every millisecond. */
#include "runtime/lock.h"

#include "runtime/fiber.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS    100
#define AGAIN_NS 1000000 /* when sleepers look again, where there is no fence */

_Atomic uint32_t rn__lock_sleepers[RN__LOCK_BINS];

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

/* As early as can be: while there is one thread only, this costs nothing. */
__attribute__((constructor)) static void fence_init(void)
{
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

bool rn__fence_others(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static int64_t in_a_while(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + AGAIN_NS;
}

/* Not in rn__lock_slow(), so that what spins needs no stack frame for this. */
static __attribute__((noinline)) void lock_sleeping(struct rn__lock *l)
{
    _Atomic uint32_t *bin = rn__lock_bin(l);
    uint32_t free = 0;
    bool fenced;

    atomic_fetch_add(bin, 1);
    fenced = rn__fence_others();
    while (!atomic_compare_exchange_strong_explicit(&l->word, &free, 1, memory_order_acquire,
                                                    memory_order_relaxed)) {
        rn__futex_wait(&l->word, 1, fenced ? INT64_MAX : in_a_while());
        free = 0;
    }
    atomic_fetch_sub(bin, 1);
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
    lock_sleeping(l);
}

void rn__unlock_slow(struct rn__lock *l)
{
    rn__futex_wake(&l->word, 1);
}
