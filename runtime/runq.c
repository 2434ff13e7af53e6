/* runq.c - see runq.h.   SPDX-License-Identifier: MIT */
#include "runtime/runq.h"

#include <stddef.h>

bool rn__runq_push(struct rn__runq *q, struct rn__g *g)
{
    /* Acquire pairs with the thieves' release: they have read the slot that is written now. */
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed); /* our own */

    if (tail - head >= RN__RUNQ_SIZE)
        return false;
    /* Relaxed: published by the store of the tail. */
    atomic_store_explicit(&q->ring[tail % RN__RUNQ_SIZE], g, memory_order_relaxed);
    atomic_store(&q->tail, tail + 1);
    return true;
}

struct rn__g *rn__runq_pop(struct rn__runq *q)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);

    for (;;) {
        uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed); /* our own */
        struct rn__g *g;

        if (head == tail)
            return NULL;
        g = atomic_load_explicit(&q->ring[head % RN__RUNQ_SIZE], memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&q->head, &head, head + 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return g;
    }
}

struct rn__g *rn__runq_set_next(struct rn__runq *q, struct rn__g *g)
{
    /* Only we put anything there.  Release: a thief sees what g wrote. */
    if (atomic_load_explicit(&q->next, memory_order_relaxed) == NULL) {
        atomic_store_explicit(&q->next, g, memory_order_release);
        return NULL;
    }
    return atomic_exchange(&q->next, g);
}

struct rn__g *rn__runq_take_next(struct rn__runq *q)
{
    /* Relaxed look: the exchange decides. */
    if (atomic_load_explicit(&q->next, memory_order_relaxed) == NULL)
        return NULL;
    return atomic_exchange(&q->next, NULL);
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

bool rn__runq_ring_empty(const struct rn__runq *q)
{
    return atomic_load(&q->head) == atomic_load(&q->tail);
}
