/* newborns.h - a worker's goroutines that have not run yet: it takes the newest, a thief the oldest.
 *   SPDX-License-Identifier: MIT
 *
 * Newest first, because that is still in the CPU's cache, and because a tree of goroutines is then walked depth first: few of
 * them are alive at once.  The oldest of a tree has most of it below, so it is what another worker should have.
 *
 * The deque of Chase and Lev: `top` moves up by compare-and-swap only, `bottom` is the owner's.  Its room grows by doubling,
 * and rooms are kept until the end, so a thief that still looks at one that was left finds there what was not taken. */
#ifndef RN__NEWBORNS_H
#define RN__NEWBORNS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn__g;

#define RN__NEWBORNS_FIRST 256u /* room to begin with */
#define RN__NEWBORNS_ROOMS 13u  /* each has twice as much as the one before */
#define RN__NEWBORNS_AHEAD 3    /* who is fetched while others run */
#define RN__NEWBORNS_CROWD 2048 /* so many are no longer in their maker's cache */

typedef struct rn__g *_Atomic rn__newborn;

struct rn__newborns {
    /* The owner's; bottom is read by thieves. */
    _Alignas(64) _Atomic int64_t bottom;
    int64_t top_seen;      /* top is not below */
    rn__newborn *slots;    /* of the room that is used */
    int64_t most;          /* how many fit in there */
    _Atomic unsigned used; /* which room that is, for thieves */
    rn__newborn *room[RN__NEWBORNS_ROOMS];

    _Alignas(64) _Atomic int64_t top;
    _Alignas(64) rn__newborn first[RN__NEWBORNS_FIRST];
};

void rn__newborns_init(struct rn__newborns *n);
void rn__newborns_fini(struct rn__newborns *n);

/* Owner only: more room, or, if there is nobody, less.  false: there is no more. */
bool rn__newborns_grow(struct rn__newborns *n);
void rn__newborns_shrink(struct rn__newborns *n);

/* Any thread: the oldest, or NULL. */
struct rn__g *rn__newborns_steal(struct rn__newborns *n);

/* How many there are: a hint, but for the owner never too few. */
static inline int64_t rn__newborns_count(const struct rn__newborns *n)
{
    int64_t top = atomic_load(&n->top);

    return atomic_load(&n->bottom) - top;
}

/* Never true for the owner while there is one.  Any thread; whoever goes idle relies on the order. */
static inline bool rn__newborns_empty(const struct rn__newborns *n)
{
    return rn__newborns_count(n) <= 0;
}

/* Owner only.  false: full. */
static inline bool rn__newborns_push(struct rn__newborns *n, struct rn__g *g)
{
    /* Relaxed: our own. */
    int64_t bottom = atomic_load_explicit(&n->bottom, memory_order_relaxed);

    if (bottom - n->top_seen >= n->most && !rn__newborns_grow(n))
        return false;
    /* Relaxed: published by the store of the bottom. */
    atomic_store_explicit(&n->slots[bottom & (n->most - 1)], g, memory_order_relaxed);
    atomic_store_explicit(&n->bottom, bottom + 1, memory_order_release);
    return true;
}

/* The lines from `from` on before `to`, counted from the record of who is there.  Just addresses: it may have been taken, and be
 * gone. */
static inline void rn__newborns_fetch_lines(const struct rn__newborns *n, int64_t at, int from,
                                            int to)
{
    const struct rn__g *g = atomic_load_explicit(&n->slots[at & (n->most - 1)],
                                                 memory_order_relaxed);

    for (int i = from; i < to; i++)
        __builtin_prefetch((const void *)((uintptr_t)g + (uintptr_t)(intptr_t)(i * 64)), 1);
}

/* Who will run soon has not been touched since it was made, with many of them.  What it begins with lies around its record:
 * that itself, and the first frame below. */
static inline void rn__newborns_fetch(const struct rn__newborns *n, int64_t at)
{
    rn__newborns_fetch_lines(n, at, -3, 2);
}

/* Owner only: one has waited as soon as it ran, and so may the next.  What one needs on its stack who waits lies further down, and
 * of many it is in no cache. */
static inline void rn__newborns_fetch_deep(const struct rn__newborns *n)
{
    if (n->most > RN__NEWBORNS_CROWD)
        rn__newborns_fetch_lines(
            n, atomic_load_explicit(&n->bottom, memory_order_relaxed) - 1 - RN__NEWBORNS_AHEAD, -10,
            -3);
}

/* Owner only: the newest, or NULL. */
static inline struct rn__g *rn__newborns_pop(struct rn__newborns *n)
{
    /* Relaxed: our own; and if top has come so far, it stays. */
    int64_t bottom = atomic_load_explicit(&n->bottom, memory_order_relaxed) - 1;
    int64_t top = atomic_load_explicit(&n->top, memory_order_relaxed);
    struct rn__g *g;

    if (top > bottom)
        return NULL;
    g = atomic_load_explicit(&n->slots[bottom & (n->most - 1)], memory_order_relaxed);
    if (bottom - RN__NEWBORNS_AHEAD >= top)
        rn__newborns_fetch(n, bottom - RN__NEWBORNS_AHEAD);
    /* Sequentially consistent, both: of a thief and us, one sees the other. */
    atomic_store(&n->bottom, bottom);
    top = atomic_load(&n->top);
    if (top < bottom)
        return g;
    /* The last one: who moves top has it. */
    if (top == bottom && !atomic_compare_exchange_strong(&n->top, &top, top + 1))
        g = NULL;
    else if (top > bottom)
        g = NULL;
    /* Release, here too: a thief may see this store instead of the one that published what is below. */
    atomic_store_explicit(&n->bottom, bottom + 1, memory_order_release);
    if (n->slots != n->first)
        rn__newborns_shrink(n);
    return g;
}

#endif
