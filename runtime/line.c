/* line.c - see line.h.   SPDX-License-Identifier: MIT */
#include "runtime/line.h"

#include "runtime/assert.h"
#include "runtime/state.h"

#include <sched.h>

#define SPINS  30  /* pauses between two looks at a lock */
#define PAUSES 100 /* looks at the line's lock before its holder is taken for preempted */

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- who may touch it ----------------------------------------------------------------------------- */

void rn__line_enter(void)
{
    rn__outside_stay();
}

void rn__line_leave(void)
{
    rn__outside_leave();
}

int rn__line_enter_checked(void)
{
    int rc;

    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = rn__check();
    if (rc < 0)
        rn__outside_leave();
    return rc;
}

/* ---- the lock over the line ------------------------------------------------------------------------- */

uint64_t rn__line_lock_if(struct rn__line *l, uint64_t needs, uint64_t of_line)
{
    uint64_t seen = atomic_load_explicit(&l->word, memory_order_relaxed);
    uint32_t era;

    for (int i = 0;; i++) {
        if ((seen & needs) != needs)
            return 0;
        /* Acquire: the line as the last holder left it is seen. */
        if (!(seen & RN__LINE_LOCKED) &&
            atomic_compare_exchange_weak_explicit(&l->word, &seen, seen | RN__LINE_LOCKED,
                                                  memory_order_acquire, memory_order_relaxed))
            break;
        if (i < PAUSES)
            pause_cpu();
        else
            sched_yield();
        seen = atomic_load_explicit(&l->word, memory_order_relaxed);
    }
    /* Relaxed: it does not change while somebody is here, see rn__line_enter(). */
    era = (uint32_t)atomic_load_explicit(&rn__sched.era, memory_order_relaxed);
    if (l->era != era) {
        l->era = era;
        l->first = NULL;
        of_line |= RN__LINE_WAITERS;
        seen = atomic_fetch_and_explicit(&l->word, ~of_line, memory_order_relaxed) & ~of_line;
    }
    return seen | RN__LINE_LOCKED;
}

void rn__line_unlock(struct rn__line *l, uint64_t clear, uint64_t add)
{
    uint64_t seen = atomic_load_explicit(&l->word, memory_order_relaxed), next;
    uint64_t waiters = l->first != NULL ? RN__LINE_WAITERS : 0;

    clear |= RN__LINE_LOCKED | RN__LINE_WAITERS;
    do
        next = ((seen & ~clear) + add) | waiters;
    /* Release: whoever locks the line or the lock next sees what was done under it. */
    while (!atomic_compare_exchange_weak_explicit(&l->word, &seen, next, memory_order_release,
                                                  memory_order_relaxed));
}

/* ---- the line ------------------------------------------------------------------------------------------- */

void rn__waiter_init(struct rn__waiter *w)
{
    *w = (struct rn__waiter){ .queued = false };
    rn__wait_init(&w->wait);
}

uint64_t rn__line_append(struct rn__line *l, struct rn__waiter *w)
{
    struct rn__waiter *first = l->first;

    rn_assert(!w->queued);
    w->queued = true;
    if (first == NULL) {
        l->first = w->next = w->prev = w;
    } else {
        w->next = first;
        w->prev = first->prev;
        first->prev->next = w;
        first->prev = w;
    }
    /* Acquire: what it says now counts, and what was done before that is seen. */
    return atomic_fetch_or_explicit(&l->word, RN__LINE_WAITERS, memory_order_acquire) |
           RN__LINE_WAITERS;
}

void rn__line_remove(struct rn__line *l, struct rn__waiter *w)
{
    rn_assert(w->queued);
    w->queued = false;
    if (l->first == w)
        l->first = w->next != w ? w->next : NULL;
    w->prev->next = w->next;
    w->next->prev = w->prev;
    w->next = NULL;
}

struct rn__waiter *rn__line_claim(struct rn__line *l)
{
    struct rn__waiter *w;

    while ((w = l->first) != NULL) {
        rn__line_remove(l, w);
        if (rn__claim(&w->wait, 0))
            return w;
    }
    return NULL;
}

struct rn__waiter *rn__line_claim_all(struct rn__line *l)
{
    struct rn__waiter *list = NULL, **tail = &list, *w;

    while ((w = rn__line_claim(l)) != NULL) {
        *tail = w;
        tail = &w->next;
    }
    return list;
}

void rn__waiters_wake(struct rn__waiter *first)
{
    for (struct rn__waiter *next; first != NULL; first = next) {
        next = first->next; /* it may be gone once it is woken */
        rn__wake(&first->wait);
    }
}

void rn__line_quit(struct rn__line *l, struct rn__waiter *w)
{
    rn__line_lock(l, 0);
    if (w->queued)
        rn__line_remove(l, w);
    rn__line_unlock(l, 0, 0);
}

/* ---- spinning ---------------------------------------------------------------------------------------------- */

static bool worth_it(void)
{
    struct rn__worker *w = rn__worker();

    if (w == NULL)
        return true;
    return rn__sched.mode != RN__MODE_SIM &&
           atomic_load(&rn__sched.n_idle) + atomic_load(&rn__sched.searching) + 1 <
               atomic_load(&rn__sched.on_duty) &&
           atomic_load(&w->queue.next) == NULL && rn__runq_ring_empty(&w->queue) &&
           rn__newborns_empty(&w->newborns);
}

bool rn__line_spin(void)
{
    if (!worth_it())
        return false;
    for (int i = 0; i < SPINS; i++)
        pause_cpu();
    return true;
}
