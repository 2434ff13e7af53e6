/* runq.h - a worker's queue of runnable goroutines: one slot to run next, and a ring that others steal from.
 *   SPDX-License-Identifier: MIT
 *
 * The owner pushes at the tail and takes from the head; thieves take from the head, half at a time.  `head` moves by
 * compare-and-swap only.  `tail` is the owner's; it is stored sequentially consistent, because the owner then looks
 * whether anybody sleeps, and who goes to sleep looks at the tails after saying so: one of both sees the other. */
#ifndef RN__RUNQ_H
#define RN__RUNQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rn__g;

#define RN__RUNQ_SIZE 256u

struct rn__runq {
    struct rn__g *_Atomic next; /* the run-next slot: exchanged by the owner and by thieves */
    _Atomic uint32_t head, tail;
    struct rn__g *_Atomic ring[RN__RUNQ_SIZE];
};

/* Owner only.  false: full. */
bool rn__runq_push(struct rn__runq *q, struct rn__g *g);
struct rn__g *rn__runq_pop(struct rn__runq *q);
/* Owner only: g runs next; gives who was to, or NULL. */
struct rn__g *rn__runq_set_next(struct rn__runq *q, struct rn__g *g);
struct rn__g *rn__runq_take_next(struct rn__runq *q);

/* A thief, the owner of `to`, which is empty: moves half of the ring of `from` and gives one of them, or NULL. */
struct rn__g *rn__runq_steal(struct rn__runq *from, struct rn__runq *to);

/* A hint, but exact for what was pushed before (see above). */
bool rn__runq_ring_empty(const struct rn__runq *q);

#endif
