/* rwmutex.c - many readers or one writer; see sync.h.   SPDX-License-Identifier: MIT
 *
 * Writers first lock a mutex of their own, so at most one is in the line: PENDING, until he HELDs it.  Readers are counted in
 * the word.  New readers wait while a writer has it or is pending; his unlock lets all of them in, even before a writer who is
 * pending by then; and the last reader gives it to that writer.
 *
 * PENDING changes only under the line's lock, and so does HELD while that is locked: the fast ways of the writers expect a word
 * that is otherwise 0.
 *
 * A writer unlocks the mutex before the word, so that the word is the last that he touches; who gets the mutex in between finds
 * HELD, and spins, for it is about to go. */
#include "runtime/line.h"

#include "runtime/fiber.h"
#include "runtime/owner.h"
#include "runtime/sched.h"
#include "runtime/watch.h"

#define HELD    UINT64_C(4)
#define PENDING UINT64_C(8)
#define READER  (UINT64_C(1) << 32)

#define SPIN_ROUNDS 10

enum { TO_READ, TO_WRITE }; /* what a waiter wants */

struct rwmutex {
    struct rn__line line;
    rn_mutex writers;
} __attribute__((may_alias));

_Static_assert(sizeof(struct rwmutex) == sizeof(rn_rwmutex), "the size is the contract's");

/* TSan is to see that readers are ordered after and before writers, but not after one another, as the counting in one word
 * would make it believe. */
#if defined(RN__TSAN) && !defined(RN_RACE)
#define ACQUIRE memory_order_relaxed
#define RELEASE memory_order_relaxed
#else
#define ACQUIRE memory_order_acquire
#define RELEASE memory_order_release
#endif

static struct rwmutex *inside(rn_rwmutex *m)
{
    return (struct rwmutex *)(void *)m;
}

static uint64_t word_of(struct rwmutex *m)
{
    return atomic_load_explicit(&m->line.word, memory_order_relaxed);
}

/* Locks the line.  A pending writer who was abandoned had the mutex, which nobody else would unlock. */
static uint64_t line_lock(struct rwmutex *m)
{
    uint64_t word = rn__line_lock(&m->line, 0);

    if ((word & PENDING) && m->line.first == NULL) {
        atomic_fetch_and_explicit(&m->line.word, ~PENDING, memory_order_relaxed);
        rn__mutex_unlock(&m->writers);
    }
    return word_of(m);
}

/* The line is locked: the writer who is pending, out of the line if we claim him, or NULL. */
static struct rn__waiter *claim_writer(struct rwmutex *m)
{
    for (struct rn__waiter *w = m->line.first; w != NULL; w = rn__line_after(&m->line, w)) {
        if (w->wants == TO_WRITE) {
            if (!rn__claim(&w->wait, 0))
                return NULL;
            rn__line_remove(&m->line, w);
            return w;
        }
    }
    return NULL;
}

/* The line is locked: all readers who can be claimed, out of the line, linked by next. */
static struct rn__waiter *claim_readers(struct rwmutex *m, uint64_t *n)
{
    struct rn__waiter *list = NULL, **tail = &list, *next;

    *n = 0;
    for (struct rn__waiter *w = m->line.first; w != NULL; w = next) {
        next = rn__line_after(&m->line, w);
        if (w->wants != TO_READ || !rn__claim(&w->wait, 0))
            continue;
        rn__line_remove(&m->line, w);
        *tail = w;
        tail = &w->next;
        ++*n;
    }
    return list;
}

/* ---- readers -------------------------------------------------------------------------------------- */

static bool rlock_fast(struct rwmutex *m)
{
    uint64_t seen = word_of(m);

    while (!(seen & (HELD | PENDING))) {
        /* Acquire: what was written before the last unlock is seen. */
        if (atomic_compare_exchange_weak_explicit(&m->line.word, &seen, seen + READER, ACQUIRE,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

static int rlock_waiting(struct rwmutex *m)
{
    struct rn__want want;
    struct rn__waiter w;
    int rc;

    rn__waiter_init(&w);
    w.wants = TO_READ;
    if (!(line_lock(m) & (HELD | PENDING))) {
        rn__line_unlock(&m->line, 0, READER);
        return 0;
    }
    (void)rn__line_append(&m->line, &w);
    rn__line_unlock(&m->line, 0, 0);
    w.since = rn_now();
    rn__want_begin(&want, &w.wait, m, RN__HOLDS_READING, RN__WHY_RLOCK);
    rc = rn__wait_park_shielded(&w.wait, RN__WHY_RLOCK, m, RN_FOREVER);
    rn__want_end(&want);
    rn__watch_lock_wait(w.since);
    if (rc < 0)
        rn__line_quit(&m->line, &w);
    return rc;
}

void rn_rwmutex_rlock(rn_rwmutex *mutex)
{
    struct rwmutex *m = inside(mutex);
    int rc = 0;

    rn__wait_plain_mark();
    if (!rlock_fast(m)) {
        do {
            rn__line_enter();
            rc = rlock_waiting(m);
            rn__line_leave();
        } while (rc < 0); /* -ESHUTDOWN: a plain thread goes on without a scheduler */
    }
    rn__tsan_acquire(&m->line.word);
    rn__owner_takes(m, RN__HOLDS_READING, __builtin_return_address(0));
}

/* We are the last reader, and a writer is pending. */
static void give_to_writer(struct rwmutex *m)
{
    struct rn__waiter *w;

    rn__line_enter();
    (void)line_lock(m);
    w = claim_writer(m);
    if (w != NULL)
        rn__line_unlock(&m->line, PENDING, HELD - READER);
    else
        rn__line_unlock(&m->line, 0, -READER); /* he is leaving, or has been abandoned */
    if (w != NULL)
        rn__wake(&w->wait);
    rn__line_leave();
}

void rn_rwmutex_runlock(rn_rwmutex *mutex)
{
    struct rwmutex *m = inside(mutex);
    uint64_t seen = word_of(m);

    rn__owner_gives(m, RN__HOLDS_READING);
    rn__tsan_release(&m->line.era); /* who reads releases there, who writes acquires there */
    for (;;) {
        if (seen < READER)
            rn_panic("rn_rwmutex_runlock: runlock of a rwmutex that is not locked for reading");
        if ((seen & PENDING) && seen / READER == 1) {
            give_to_writer(m);
            return;
        }
        /* Release pairs with the acquire of the next writer. */
        if (atomic_compare_exchange_weak_explicit(&m->line.word, &seen, seen - READER, RELEASE,
                                                  memory_order_relaxed))
            return;
    }
}

/* ---- writers ---------------------------------------------------------------------------------------- */

/* A pending writer leaves.  That happens only at the scheduler's end, when those who wait behind him are sent away, too, or
 * abandoned. */
static void writer_quit(struct rwmutex *m, struct rn__waiter *w)
{
    (void)line_lock(m);
    if (w->queued)
        rn__line_remove(&m->line, w);
    rn__line_unlock(&m->line, PENDING, 0);
}

/* The mutex is ours. */
static int lock_waiting(struct rwmutex *m)
{
    struct rn__want want;
    struct rn__waiter w;
    uint64_t word;
    int rc;

    for (int i = 0; i < SPIN_ROUNDS && (word_of(m) & HELD) && rn__line_spin(); i++)
        ;
    rn__waiter_init(&w);
    w.wants = TO_WRITE;
    (void)line_lock(m);
    /* Acquire: what readers did before their unlocks is seen, if they were the last. */
    word = atomic_fetch_or_explicit(&m->line.word, PENDING, memory_order_acquire);
    if (!(word & HELD) && word < READER) {
        rn__line_unlock(&m->line, PENDING, HELD);
        return 0;
    }
    /* From here on nobody unlocks without locking the line. */
    (void)rn__line_append(&m->line, &w);
    rn__line_unlock(&m->line, 0, 0);
    w.since = rn_now();
    rn__want_begin(&want, &w.wait, m, RN__HOLDS_ALONE, RN__WHY_WLOCK);
    rc = rn__wait_park_shielded(&w.wait, RN__WHY_WLOCK, m, RN_FOREVER);
    rn__want_end(&want);
    rn__watch_lock_wait(w.since);
    if (rc < 0)
        writer_quit(m, &w);
    return rc;
}

static int lock_once(struct rwmutex *m, const void *pc)
{
    uint64_t none = 0;
    int rc;

    rn__mutex_lock_for(&m->writers, RN__WHY_WLOCK, m);
    /* Acquire as in lock_waiting(). */
    if (atomic_compare_exchange_strong_explicit(&m->line.word, &none, HELD, memory_order_acquire,
                                                memory_order_relaxed))
        return 0;
    rn__owner_takes(m, RN__HOLDS_PENDING, pc);
    rn__line_enter();
    rc = lock_waiting(m);
    rn__line_leave();
    if (rc < 0)
        rn__owner_gives(m, RN__HOLDS_PENDING);
    if (rc < 0)
        rn__mutex_unlock(&m->writers);
    return rc;
}

void rn_rwmutex_lock(rn_rwmutex *mutex)
{
    const void *pc = __builtin_return_address(0);
    struct rwmutex *m = inside(mutex);

    rn__wait_plain_mark();
    if (word_of(m) & PENDING) { /* not he who was abandoned; see line_lock() */
        rn__line_enter();
        (void)line_lock(m);
        rn__line_unlock(&m->line, 0, 0);
        rn__line_leave();
    }
    while (lock_once(m, pc) < 0)
        ; /* -ESHUTDOWN: a plain thread goes on without a scheduler */
    rn__tsan_acquire(&m->line.word);
    rn__tsan_acquire(&m->line.era);
    rn__owner_takes(m, RN__HOLDS_ALONE, pc);
}

/* HELD goes, to the readers who wait, else to the writer. */
static void unlock_waiting(struct rwmutex *m)
{
    struct rn__waiter *won;
    uint64_t n;

    rn__line_enter();
    (void)line_lock(m);
    won = claim_readers(m, &n);
    if (n == 0)
        won = claim_writer(m);
    if (n == 0 && won != NULL)
        rn__line_unlock(&m->line, PENDING, 0);
    else
        rn__line_unlock(&m->line, HELD, n * READER);
    rn__waiters_wake(won);
    rn__line_leave();
}

void rn_rwmutex_unlock(rn_rwmutex *mutex)
{
    struct rwmutex *m = inside(mutex);
    uint64_t held = HELD;

    if (!(word_of(m) & HELD))
        rn_panic("rn_rwmutex_unlock: unlock of a rwmutex that is not locked for writing");
    rn__owner_gives(m, RN__HOLDS_ALONE);
    rn__tsan_release(&m->line.word);
    rn__mutex_unlock(&m->writers);
    /* Release pairs with the acquire of the next who locks it. */
    if (!atomic_compare_exchange_strong_explicit(&m->line.word, &held, 0, memory_order_release,
                                                 memory_order_relaxed))
        unlock_waiting(m);
}
