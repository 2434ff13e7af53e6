/* trail.h - which handle is sent into after which: so that its memory is there when its turn comes.   SPDX-License-Identifier: MIT
 *
 * A program that sends into thousands of channels often does so in some order, again and again.  For each send it would wait for
 * memory three times, one after the other: for the channel, for its handle, for the handle's last chunk.  So each worker notes
 * which handle it sent into after which, and asks for the memory of those that will follow.  All of it is a hint: it is read and
 * written without order, the addresses are never followed, and handles may share a place. */
#ifndef NODE_TRAIL_H
#define NODE_TRAIL_H

#include "runtime/sched.h"

#include <stdint.h>

#define TRAIL_FROM    256 /* handles: fewer stay in the processor's cache by themselves */
#define TRAIL_WORKERS 8   /* those of more share */

struct handle;

struct trail_place {
    const void *_Atomic chan, *_Atomic handle;
    const void *_Atomic to; /* where its next element will lie */
    _Atomic uint32_t next;
};

struct trail {
    struct trail *before; /* a smaller one, which others may look at still */
    uint32_t mask;
    struct {
        _Alignas(64) _Atomic uint32_t place;
    } last[TRAIL_WORKERS];
    struct trail_place place[];
};

struct trails {
    struct trail *_Atomic now; /* NULL: too few handles */
    _Atomic uint32_t handles;  /* that there are */
};

/* A handle is new: gives its number.  And it is no more. */
uint32_t trails_join(struct trails *t);
void trails_leave(struct trails *t);
void trails_fini(struct trails *t);

/* As trails_sent(), where there is a trail. */
void trail_walk(struct trail *t, uint32_t number, const struct handle *h, const void *to);

/* Something was sent into h, which has that number; the next element there will lie at `to`. */
static inline void trails_sent(struct trails *t, uint32_t number, const struct handle *h,
                               const void *to)
{
    /* Acquire pairs with the exchange in trails_join(): it is seen as it was made. */
    struct trail *trail = atomic_load_explicit(&t->now, memory_order_acquire);

    if (trail != NULL)
        trail_walk(trail, number, h, to);
}

#endif
