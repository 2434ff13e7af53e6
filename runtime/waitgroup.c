/* waitgroup.c - waiting until all are done; see sync.h.   SPDX-License-Identifier: MIT
 *
 * The counter is the upper half of the word.  It becomes zero in the last change of the word by whoever makes it so: one who
 * finds it zero may return and free the group.  While somebody waits, the counter is changed under the line's lock where that
 * can end his wait. */
#include "runtime/line.h"

#include "runtime/race.h"
#include "runtime/sched.h"

#include <limits.h>

#define ONE (UINT64_C(1) << 32) /* in the counter */

struct waitgroup {
    struct rn__line line;
    uintptr_t spare;
} __attribute__((may_alias));

_Static_assert(sizeof(struct waitgroup) == sizeof(rn_waitgroup), "the size is the contract's");

static struct rn__line *line_of(rn_waitgroup *w)
{
    return &((struct waitgroup *)(void *)w)->line;
}

/* What the counter becomes. */
static int64_t sum(uint64_t word, int n)
{
    int64_t count = (int64_t)(word / ONE) + n;

    if (count < 0)
        rn_panic("rn_waitgroup_add: negative counter");
    if (count > INT_MAX)
        rn_panic("rn_waitgroup_add: counter beyond INT_MAX");
    return count;
}

/* Somebody waits, and the counter seems to become zero, or somebody just makes it so. */
static void add_locked(struct rn__line *l, int n)
{
    struct rn__waiter *won = NULL;

    rn__line_enter();
    if (sum(rn__line_lock(l, 0), n) == 0)
        won = rn__line_claim_all(l);
    rn__line_unlock(l, 0, (uint64_t)n * ONE);
    rn__waiters_wake(won);
    rn__line_leave();
}

void rn_waitgroup_add(rn_waitgroup *w, int n)
{
    struct rn__line *l = line_of(w);
    uint64_t seen = atomic_load_explicit(&l->word, memory_order_relaxed);

    if (n < 0)
        rn__race_release(l);
    for (;;) {
        if ((sum(seen, n) == 0 || (seen & RN__LINE_LOCKED)) && (seen & RN__LINE_WAITERS)) {
            add_locked(l, n);
            return;
        }
        /* Release: who finds it zero sees what all did who added; acquire, as the last passes that on to those he wakes. */
        if (atomic_compare_exchange_weak_explicit(&l->word, &seen, seen + (uint64_t)n * ONE,
                                                  memory_order_acq_rel, memory_order_relaxed))
            return;
    }
}

void rn_waitgroup_done(rn_waitgroup *w)
{
    rn_waitgroup_add(w, -1);
}

static int wait_in_line(struct rn__line *l, rn_time deadline)
{
    struct rn__waiter w;
    int rc;

    rn__waiter_init(&w);
    rn__line_lock(l, 0);
    /* What it says then holds while the line is locked. */
    if (rn__line_append(l, &w) < ONE) {
        rn__line_remove(l, &w);
        rn__line_unlock(l, 0, 0);
        return 0;
    }
    rn__line_unlock(l, 0, 0);
    rc = rn__wait_park(&w.wait, RN__WHY_WAITGROUP, l, deadline);
    if (rc < 0)
        rn__line_quit(l, &w);
    return rc;
}

int rn_waitgroup_wait(rn_waitgroup *w, rn_time deadline)
{
    struct rn__line *l = line_of(w);
    int rc = rn__line_enter_checked();

    if (rc < 0)
        return rc;
    /* Acquire pairs with the release of those who have added. */
    if (atomic_load_explicit(&l->word, memory_order_acquire) >= ONE)
        rc = rn__deadline_passed(deadline) ? RN_ETIMEDOUT : wait_in_line(l, deadline);
    rn__line_leave();
    if (rc == 0)
        rn__race_acquire(l);
    return rc;
}
