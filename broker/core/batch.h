/* batch.h - elements of a fanout, held once for all that are to have them.   SPDX-License-Identifier: MIT
 *
 * A batch is a run that has been accepted, of BATCH_MAX elements at most, and counts for each element who holds it:
 * windows that were not handed it yet, and runs that refer to the batch (what was handed on, what is to come again, what
 * is dying).  Such a run has no bytes of its own.  Freeing it, or a part of it, lets the elements go; what nobody holds is
 * gone, and gives its slot back.
 *
 * A batch expires as a whole, for its run does: for windows that were not handed it.  What was has the same time, but it lies
 * where that is seen to (expiry.h).
 *
 * In a channel that blocks an element keeps its slot for as long as anybody holds it; in one that drops or cuts, for as
 * long as there is a window that was not handed it: so many `waiters` it has. */
#ifndef BROKER_CORE_BATCH_H
#define BROKER_CORE_BATCH_H

#include "broker/core/run.h"

#define BATCH_MAX 64

struct fan;

struct batch_element {
    uint32_t at; /* where it begins in the bytes, while somebody holds it */
    uint32_t holders, waiters;
};

struct batch {
    struct hook hook; /* in fan->log, by position */
    struct due due;   /* if its run expires: pending until then */
    bool late;        /* it has: no window comes to it any more */
    struct fan *fan;
    struct run *run;   /* its bytes: of all elements that somebody holds, in order */
    uint64_t position; /* of the first */
    uint64_t round;    /* the flush in which it was accepted */
    uint32_t count, n_held;
    size_t live; /* bytes of those that somebody holds, with their prefixes */
    struct batch_element of[];
};

/* Takes the run, of BATCH_MAX elements at most, and puts it at the end of the fan's log; each element is held by
 * `holders` windows, to which it was not handed yet.  NULL: no memory, and nothing has changed. */
struct batch *batch_new(struct fan *fan, struct run *r, uint32_t holders);

/* The time of its run has begun: see to it, if that ends. */
void batch_expires(struct batch *b, struct due_heap *dues);

/* The batch that follows and is not late, or NULL. */
struct batch *batch_next(const struct batch *b);
/* The lengths of n elements from the i-th on, all of them held. */
uint64_t batch_bytes(const struct batch *b, uint32_t i, uint32_t n);
/* How many of them, n at most, have together at most so many bytes. */
uint32_t batch_fit(const struct batch *b, uint32_t i, uint32_t n, uint64_t bytes);
/* A run over n elements from the i-th on; it holds them instead of a window, which is to count as handed.  NULL: no memory. */
struct run *batch_run(struct batch *b, uint32_t i, uint32_t n);
/* Sees to it that the body of such a run is where its bytes are now; of any other run nothing changes. */
static inline void batch_look(struct run *r)
{
    const struct batch *b = r->batch;

    if (b != NULL)
        r->s.body = b->run->s.body + b->of[r->s.position - b->position].at;
}

/* A window was handed n elements from the i-th on, or will never be. */
void batch_handed(struct batch *b, uint32_t i, uint32_t n);
/* Somebody lets n elements go; the batch may be gone afterwards. */
void batch_let_go(struct batch *b, uint32_t i, uint32_t n);

uint64_t batch_memory(const struct batch *b);
void batch_check(const struct batch *b);

#endif
