/* once.c - what is done once, and by all waited for; see sync.h.   SPDX-License-Identifier: MIT */
#include "runtime/line.h"

#include "runtime/owner.h"
#include "runtime/race.h"
#include "runtime/sched.h"

#define RUNNING UINT64_C(4)
#define DONE    UINT64_C(8)

_Static_assert(sizeof(struct rn__line) == sizeof(rn_once), "the size is the contract's");

/* Waits until it is done; also returns when a plain thread is to try anew. */
static void wait_done(struct rn__line *l)
{
    struct rn__want want;
    struct rn__waiter w;

    rn__waiter_init(&w);
    rn__line_enter();
    rn__line_lock(l, 0);
    if (rn__line_append(l, &w) & DONE) { /* else it will be so only under the line's lock */
        rn__line_remove(l, &w);
        rn__line_unlock(l, 0, 0);
    } else {
        rn__line_unlock(l, 0, 0);
        rn__want_begin(&want, &w.wait, l, RN__HOLDS_ALONE, RN__WHY_ONCE);
        if (rn__wait_park_shielded(&w.wait, RN__WHY_ONCE, l, RN_FOREVER) < 0)
            rn__line_quit(l, &w);
        rn__want_end(&want);
    }
    rn__line_leave();
}

static void finish(struct rn__line *l)
{
    uint64_t running = RUNNING;
    struct rn__waiter *won;

    rn__race_release(l);
    /* Release: who sees that it is done sees what it did. */
    if (atomic_compare_exchange_strong_explicit(&l->word, &running, DONE, memory_order_release,
                                                memory_order_relaxed))
        return;
    rn__line_enter();
    rn__line_lock(l, 0);
    won = rn__line_claim_all(l);
    rn__line_unlock(l, RUNNING, DONE);
    rn__waiters_wake(won);
    rn__line_leave();
}

void rn_once_do(rn_once *o, rn_fn *fn, void *arg)
{
    struct rn__line *l = (struct rn__line *)(void *)o;

    for (;;) {
        /* Acquire pairs with the release in finish(). */
        uint64_t seen = atomic_load_explicit(&l->word, memory_order_acquire);

        if (seen & DONE) {
            rn__race_acquire(l);
            return;
        }
        rn__wait_plain_mark();
        if (seen & RUNNING) {
            wait_done(l);
            /* Relaxed: only whoever changes it here runs fn. */
        } else if (atomic_compare_exchange_strong_explicit(&l->word, &seen, seen | RUNNING,
                                                           memory_order_relaxed,
                                                           memory_order_relaxed)) {
            rn__owner_takes(l, RN__HOLDS_ALONE, __builtin_return_address(0));
            fn(arg);
            rn__owner_gives(l, RN__HOLDS_ALONE);
            finish(l);
            return;
        }
    }
}
