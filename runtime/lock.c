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

#define AGAIN_NS 1000000 /* when sleepers look again, where there is no fence */

#define SPINS 100 /* looks, one pause after the other, before it sleeps */

/* Who finds the same lock taken again and again shares it with somebody on another CPU who wants it as often.  For both it is
 * cheaper if each takes it many times in a row: what is done under it takes a few nanoseconds, but a cache line that changes
 * hands a hundred.  So who finds it taken again within HOT_NS looks away before it looks, for longer each time. */
#define HOT_NS   50000
#define FIRST_NS 100
#define LAST_NS  10000
#define TURNS    6 /* then it sleeps */

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

static int64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
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
        rn__futex_wait(&l->word, 1, fenced ? INT64_MAX : clock_ns() + AGAIN_NS);
        free = 0;
    }
    atomic_fetch_sub(bin, 1);
}

/* Relaxed look: only the exchange takes the lock. */
static inline bool look(struct rn__lock *l)
{
    return atomic_load_explicit(&l->word, memory_order_relaxed) == 0 && rn__lock_quickly(l);
}

static bool spin(struct rn__lock *l)
{
    for (int i = 0; i < SPINS; i++) {
        if (look(l))
            return true;
        pause_cpu();
    }
    return false;
}

/* What this thread found taken last, when it last looked at it, and how long it looked away. */
static _Thread_local struct {
    struct rn__lock *lock;
    int64_t looked_ns, patience_ns;
} hot;

static bool spin_patiently(struct rn__lock *l)
{
    for (int i = 0; i < TURNS; i++) {
        for (int64_t until = hot.looked_ns + hot.patience_ns; hot.looked_ns < until;
             hot.looked_ns = clock_ns())
            pause_cpu();
        if (look(l))
            return true;
    }
    return false;
}

void rn__lock_slow(struct rn__lock *l)
{
    int64_t now = clock_ns();

    if (l != hot.lock || (uint64_t)(now - hot.looked_ns) >= HOT_NS)
        hot.patience_ns = 0;
    else if (hot.patience_ns < LAST_NS)
        hot.patience_ns = hot.patience_ns * 2 + FIRST_NS;
    hot.lock = l;
    hot.looked_ns = now;
    if (hot.patience_ns == 0 ? !spin(l) : !spin_patiently(l))
        lock_sleeping(l);
}

void rn__unlock_slow(struct rn__lock *l)
{
    rn__futex_wake(&l->word, 1);
}
