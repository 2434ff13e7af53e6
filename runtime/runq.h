/* runq.h - a worker's queue of runnable goroutines: one slot to run next, and a ring that others steal from.
 *   SPDX-License-Identifier: MIT
 *
 * The owner pushes at the tail and takes from the head; thieves take from the head, half at a time.  `head` moves by
 * compare-and-swap only, `tail` is the owner's.
 *
 * The run-next slot is the owner's, who uses it at every switch and so without atomic exchanges; a thief comes once in
 * milliseconds and pays for both, see rn__runq_steal_next(). */
#ifndef RN__RUNQ_H
#define RN__RUNQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn__g;

#define RN__RUNQ_SIZE 256u

struct rn__runq {
    struct rn__g *_Atomic next; /* the run-next slot */
    _Atomic uint32_t taking;    /* 1: the owner changes it by plain loads and stores */
    _Atomic uint32_t thief;     /* not 0: a thief is there, and the owner exchanges it atomically */
    _Atomic uint32_t head, tail;
    struct rn__g *_Atomic ring[RN__RUNQ_SIZE];
};

void rn__runq_init(struct rn__runq *q);

/* Owner only: puts g, or NULL, into the run-next slot and gives who was there, or NULL. */
static inline struct rn__g *rn__runq_swap_next(struct rn__runq *q, struct rn__g *g)
{
    struct rn__g *was;

    /* Relaxed, and a fence for the compiler: the thief makes up for that by rn__fence_others(). */
    atomic_store_explicit(&q->taking, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    /* Acquire: 0 of a thief who has just left comes with the slot as he left it. */
    if (atomic_load_explicit(&q->thief, memory_order_acquire) != 0) {
        atomic_store_explicit(&q->taking, 0, memory_order_relaxed);
        return atomic_exchange(&q->next, g);
    }
    was = atomic_load_explicit(&q->next, memory_order_relaxed);
    /* Release, here and below: a thief sees what g wrote, and the slot as it is. */
    atomic_store_explicit(&q->next, g, memory_order_release);
    atomic_store_explicit(&q->taking, 0, memory_order_release);
    return was;
}

/* Owner only: g runs next; gives who was to, or NULL. */
static inline struct rn__g *rn__runq_set_next(struct rn__runq *q, struct rn__g *g)
{
    /* Only we put anything there.  Release: a thief sees what g wrote. */
    if (atomic_load_explicit(&q->next, memory_order_relaxed) == NULL) {
        atomic_store_explicit(&q->next, g, memory_order_release);
        return NULL;
    }
    return rn__runq_swap_next(q, g);
}

/* Owner only.  Relaxed: if it is NULL, nobody else puts anything there. */
static inline bool rn__runq_has_next(const struct rn__runq *q)
{
    return atomic_load_explicit(&q->next, memory_order_relaxed) != NULL;
}

/* A thief: who is to run next there, or NULL; also when that cannot be had just now. */
struct rn__g *rn__runq_steal_next(struct rn__runq *from);

/* Owner only.  false: full. */
static inline bool rn__runq_push(struct rn__runq *q, struct rn__g *g)
{
    /* Acquire pairs with the thieves' release: they have read the slot that is written now. */
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed); /* our own */

    if (tail - head >= RN__RUNQ_SIZE)
        return false;
    /* Relaxed: published by the store of the tail. */
    atomic_store_explicit(&q->ring[tail % RN__RUNQ_SIZE], g, memory_order_relaxed);
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
    return true;
}

static inline struct rn__g *rn__runq_pop(struct rn__runq *q)
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

/* A thief, the owner of `to`, which is empty: moves half of the ring of `from` and gives one of them, or NULL. */
struct rn__g *rn__runq_steal(struct rn__runq *from, struct rn__runq *to);

/* How many there are, the next one with them: a hint. */
uint32_t rn__runq_count(const struct rn__runq *q);

/* How many are in the ring: a hint, but for the owner never too few. */
static inline uint32_t rn__runq_ring_count(const struct rn__runq *q)
{
    uint32_t head = atomic_load(&q->head);

    return atomic_load(&q->tail) - head;
}

static inline bool rn__runq_ring_empty(const struct rn__runq *q)
{
    return rn__runq_ring_count(q) == 0;
}

#endif
