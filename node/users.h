/* users.h - which goroutines use a side of a handle: a hint for who asks why nothing moves.   SPDX-License-Identifier: MIT
 *
 * The last few, as their numbers fall into the slots; one that comes often stays unless another with the same slot comes as
 * often.  All is relaxed: each slot is a number by itself, and one that is a moment old is as good. */
#ifndef NODE_USERS_H
#define NODE_USERS_H

#include "runtime/sched.h"

#define USERS_MAX 16

struct users {
    _Atomic uint64_t id[USERS_MAX]; /* 0: nobody */
    _Atomic bool thread;            /* a plain thread was among them */
};

/* A goroutine is about to operate on it.  Two loads when it has done so before. */
static inline void users_note_goroutine(struct users *u, const struct rn__g *g)
{
    _Atomic uint64_t *slot = &u->id[g->id % USERS_MAX];

    if (atomic_load_explicit(slot, memory_order_relaxed) != g->id)
        atomic_store_explicit(slot, g->id, memory_order_relaxed);
}

/* The same of the caller, which may be a plain thread. */
static inline void users_note(struct users *u)
{
    const struct rn__worker *w = rn__worker();
    const struct rn__g *g = w != NULL ? w->current : NULL;

    if (g != NULL)
        users_note_goroutine(u, g);
    else if (!atomic_load_explicit(&u->thread, memory_order_relaxed))
        atomic_store_explicit(&u->thread, true, memory_order_relaxed);
}

#endif
