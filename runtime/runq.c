/* runq.c - see runq.h.   SPDX-License-Identifier: MIT */
#include "runtime/runq.h"

#include "runtime/lock.h"

#include <stddef.h>

/* THIEF_ALWAYS: without rn__fence_others() the owner always exchanges. */
enum { THIEF_NONE, THIEF_NOW, THIEF_ALWAYS };

void rn__runq_init(struct rn__runq *q)
{
    *q = (struct rn__runq){ .thief = rn__fence_others() ? THIEF_NONE : THIEF_ALWAYS };
}

struct rn__g *rn__runq_steal_next(struct rn__runq *from)
{
    struct rn__g *g = NULL;

    if (atomic_load(&from->next) == NULL)
        return NULL;
    if (atomic_load_explicit(&from->thief, memory_order_relaxed) == THIEF_ALWAYS)
        return atomic_exchange(&from->next, NULL);
    if (atomic_exchange(&from->thief, THIEF_NOW) != THIEF_NONE)
        return NULL;
    /* After this fence the owner has either seen us, or said before that he is at it; and if he is not now, all that he does
     * from here on sees us.  Acquire: what he did to the slot before. */
    if (rn__fence_others() && atomic_load_explicit(&from->taking, memory_order_acquire) == 0)
        g = atomic_exchange(&from->next, NULL);
    /* Release pairs with the owner's acquire. */
    atomic_store_explicit(&from->thief, THIEF_NONE, memory_order_release);
    return g;
}

/* Copies up to half of the ring into slots of `to` behind its tail, and takes them; how many. */
static uint32_t grab(struct rn__runq *from, struct rn__runq *to, uint32_t to_tail)
{
    /* Acquire pairs with the release of other takers, and with the owner's store of the tail: the slots are seen. */
    uint32_t head = atomic_load_explicit(&from->head, memory_order_acquire);

    for (;;) {
        uint32_t tail = atomic_load(&from->tail);
        uint32_t n = tail - head;

        n -= n / 2;
        if (n == 0)
            return 0;
        if (n > RN__RUNQ_SIZE / 2) { /* head and tail are not of one moment */
            head = atomic_load_explicit(&from->head, memory_order_acquire);
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            struct rn__g *g = atomic_load_explicit(&from->ring[(head + i) % RN__RUNQ_SIZE],
                                                   memory_order_relaxed);

            atomic_store_explicit(&to->ring[(to_tail + i) % RN__RUNQ_SIZE], g,
                                  memory_order_relaxed);
        }
        if (atomic_compare_exchange_weak_explicit(&from->head, &head, head + n,
                                                  memory_order_acq_rel, memory_order_acquire))
            return n;
    }
}

struct rn__g *rn__runq_steal(struct rn__runq *from, struct rn__runq *to)
{
    uint32_t tail = atomic_load_explicit(&to->tail, memory_order_relaxed); /* our own */
    uint32_t n = grab(from, to, tail);

    if (n == 0)
        return NULL;
    n--;
    /* The last one is ours to run; the others become visible with the tail. */
    if (n > 0)
        atomic_store(&to->tail, tail + n);
    return atomic_load_explicit(&to->ring[(tail + n) % RN__RUNQ_SIZE], memory_order_relaxed);
}

uint32_t rn__runq_count(const struct rn__runq *q)
{
    /* Relaxed, and not of one moment: the head may have overtaken the tail. */
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    uint32_t n = atomic_load_explicit(&q->tail, memory_order_relaxed) - head;

    return (n <= RN__RUNQ_SIZE ? n : 0) +
           (atomic_load_explicit(&q->next, memory_order_relaxed) != NULL);
}
