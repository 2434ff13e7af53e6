/* newborns.c - see newborns.h.   SPDX-License-Identifier: MIT */
#include "runtime/newborns.h"

#include <stdlib.h>

static int64_t room_size(unsigned i)
{
    return (int64_t)RN__NEWBORNS_FIRST << i;
}

static void room_use(struct rn__newborns *n, unsigned i)
{
    n->slots = n->room[i];
    n->most = room_size(i);
    /* Release: what is in there, for thieves. */
    atomic_store_explicit(&n->used, i, memory_order_release);
}

void rn__newborns_init(struct rn__newborns *n)
{
    atomic_init(&n->bottom, 0);
    atomic_init(&n->top, 0);
    n->top_seen = 0;
    n->room[0] = n->first;
    for (unsigned i = 1; i < RN__NEWBORNS_ROOMS; i++)
        n->room[i] = NULL;
    room_use(n, 0);
}

void rn__newborns_fini(struct rn__newborns *n)
{
    for (unsigned i = 1; i < RN__NEWBORNS_ROOMS; i++)
        free(n->room[i]);
}

bool rn__newborns_grow(struct rn__newborns *n)
{
    unsigned i = atomic_load_explicit(&n->used, memory_order_relaxed) + 1; /* our own */
    int64_t bottom = atomic_load_explicit(&n->bottom, memory_order_relaxed), was = n->most;
    rn__newborn *from = n->slots;

    /* Acquire: a thief has read the slot that is written next. */
    n->top_seen = atomic_load_explicit(&n->top, memory_order_acquire);
    if (bottom - n->top_seen < was)
        return true;
    if (i == RN__NEWBORNS_ROOMS)
        return false;
    if (n->room[i] == NULL && (n->room[i] = calloc((size_t)room_size(i), sizeof *from)) == NULL)
        return false;
    for (int64_t at = n->top_seen; at < bottom; at++) {
        struct rn__g *g = atomic_load_explicit(&from[at & (was - 1)], memory_order_relaxed);

        atomic_store_explicit(&n->room[i][at & (room_size(i) - 1)], g, memory_order_relaxed);
    }
    room_use(n, i);
    return true;
}

void rn__newborns_shrink(struct rn__newborns *n)
{
    /* A thief that uses the old one still has been outrun: top has passed what it is about to read. */
    n->top_seen = atomic_load_explicit(&n->top, memory_order_acquire);
    room_use(n, 0);
}

struct rn__g *rn__newborns_steal(struct rn__newborns *n)
{
    int64_t top = atomic_load(&n->top);

    for (;;) {
        struct rn__g *g;
        unsigned used;

        /* Acquire of both: the slot, and the goroutine's record. */
        if (atomic_load(&n->bottom) <= top)
            return NULL;
        used = atomic_load_explicit(&n->used, memory_order_acquire);
        g = atomic_load_explicit(&n->room[used][top & (room_size(used) - 1)], memory_order_relaxed);
        /* If top is still the same, nobody has written to that slot since it was filled. */
        if (atomic_compare_exchange_strong(&n->top, &top, top + 1))
            return g;
    }
}
