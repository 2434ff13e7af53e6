/* sem.c - so many permits; see sync.h.   SPDX-License-Identifier: MIT
 *
 * Free permits are the upper half of the word.  While somebody waits, they are changed under the line's lock only, and
 * whoever is first in the line wants more than there are. */
#include "runtime/line.h"

#include "runtime/race.h"
#include "runtime/sched.h"

#define ONE (UINT64_C(1) << 32) /* permit */

struct sem {
    struct rn__line line;
    uintptr_t spare;
} __attribute__((may_alias));

_Static_assert(sizeof(struct sem) == sizeof(rn_sem), "the size is the contract's");

static struct rn__line *line_of(rn_sem *s)
{
    return &((struct sem *)(void *)s)->line;
}

/* Takes them if nobody waits and there are enough. */
static bool try_acquire(struct rn__line *l, unsigned n)
{
    uint64_t seen = atomic_load_explicit(&l->word, memory_order_relaxed);

    while (!(seen & RN__LINE_WAITERS) && seen / ONE >= n) {
        /* Acquire pairs with the release of those who gave them. */
        if (atomic_compare_exchange_weak_explicit(&l->word, &seen, seen - n * ONE,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

/* The line is locked, and is not any more: serves those who wait, in order, with `free` permits, of which `had` are in the
 * word. */
static void serve_unlock(struct rn__line *l, uint64_t had, uint64_t free)
{
    struct rn__waiter *list = NULL, **tail = &list, *w;

    while ((w = l->first) != NULL && w->wants <= free) {
        rn__line_remove(l, w);
        if (!rn__claim(&w->wait, 0))
            continue; /* he is leaving */
        free -= w->wants;
        *tail = w;
        tail = &w->next;
    }
    rn__line_unlock(l, 0, (free - had) * ONE);
    rn__waiters_wake(list);
}

static void quit(struct rn__line *l, struct rn__waiter *w, int rc)
{
    uint64_t word = rn__line_lock(l, 0);

    if (w->queued)
        rn__line_remove(l, w);
    if (rc == -ESHUTDOWN)
        rn__line_unlock(l, 0, 0); /* all must leave */
    else
        serve_unlock(l, word / ONE, word / ONE); /* those behind us may want less */
}

static int acquire_waiting(struct rn__line *l, unsigned n, rn_time deadline)
{
    struct rn__waiter w;
    uint64_t word;
    int rc;

    rn__waiter_init(&w);
    w.wants = n;
    rn__line_lock(l, 0);
    word = rn__line_append(l, &w); /* from here on nobody changes the permits */
    if (l->first == &w && word / ONE >= n) {
        rn__line_remove(l, &w);
        rn__line_unlock(l, 0, -(n * ONE));
        return 0;
    }
    rn__line_unlock(l, 0, 0);
    rc = rn__wait_park(&w.wait, RN__WHY_SEM, l, deadline);
    if (rc < 0)
        quit(l, &w, rc);
    return rc;
}

int rn_sem_acquire(rn_sem *s, unsigned n, rn_time deadline)
{
    struct rn__line *l = line_of(s);
    int rc = rn__line_enter_checked();

    if (rc < 0)
        return rc;
    if (!try_acquire(l, n))
        rc = rn__deadline_passed(deadline) ? RN_ETIMEDOUT : acquire_waiting(l, n, deadline);
    rn__line_leave();
    if (rc == 0)
        rn__race_acquire(l);
    return rc;
}

static uint64_t sum(uint64_t word, unsigned n)
{
    uint64_t free = word / ONE + n;

    if (free > UINT32_MAX)
        rn_panic("rn_sem_release: more than UINT_MAX permits");
    return free;
}

void rn_sem_release(rn_sem *s, unsigned n)
{
    struct rn__line *l = line_of(s);
    uint64_t seen = atomic_load_explicit(&l->word, memory_order_relaxed);

    rn__race_release(l);
    while (!(seen & RN__LINE_WAITERS)) {
        (void)sum(seen, n);
        /* Release pairs with the acquire of who takes them. */
        if (atomic_compare_exchange_weak_explicit(&l->word, &seen, seen + n * ONE,
                                                  memory_order_release, memory_order_relaxed))
            return;
    }
    rn__line_enter();
    seen = rn__line_lock(l, 0);
    serve_unlock(l, seen / ONE, sum(seen, n));
    rn__line_leave();
}
