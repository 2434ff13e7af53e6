/* stack.h - the memory that goroutines run on.   SPDX-License-Identifier: MIT
 *
 * A stack is reserved address space above a guard (guard.h); pages come as they are touched.  The goroutine's record lies
 * at its high end, so that a parked goroutine of little depth costs one page.  Stacks come in powers of two.  When their
 * goroutine ends they are kept: the last used by the worker, the others, in bundles, in a pool for all.  What has been in the
 * pool for some seconds was not needed, and its memory goes back to the system. */
#ifndef RN__STACK_H
#define RN__STACK_H

#include "runtime/fiber.h"
#include "runtime/guard.h"

#include <stdint.h>

#define RN__STACK_DEFAULT (64u << 10)
#define RN__STACK_MIN     (16u << 10)
#if defined(RN__ASAN) || defined(RN__TSAN)
#define RN__STACK_FACTOR 4 /* instrumented frames are larger */
#else
#define RN__STACK_FACTOR 1
#endif
#define RN__STACK_SIZES 10 /* that are kept: 16 KiB to 8 MiB; larger ones are unmapped at once */

struct rn__region;

struct rn__stack {
    char *low;              /* the first usable byte, above the guard */
    size_t size;            /* usable bytes */
    struct rn__stack *next; /* in a bundle */
    struct rn__region *region;
    uint32_t index;  /* in the region */
    uint16_t number; /* of its size: 0 is RN__STACK_MIN; RN__STACK_SIZES: not kept */
    uint8_t guard;   /* enum rn__guard */

    /* Of the first of a bundle that is in the pool: */
    uint8_t in_bundle; /* stacks */
    struct rn__stack *older, *newer;
    int64_t since_ns; /* it has been there; CLOCK_MONOTONIC */
};

/* Unused stacks of one size. */
struct rn__bundle {
    struct rn__stack *first;
    unsigned count;
};

/* What a worker keeps: it takes from one bundle, or the other when that is empty.  Its own. */
struct rn__stack_cache {
    struct rn__bundle now[RN__STACK_SIZES], then[RN__STACK_SIZES];
};

/* A stack of at least `bytes` usable bytes; the struct itself lies at its top.  NULL: no memory.  `cache` is the caller's
 * worker's, or NULL. */
struct rn__stack *rn__stack_get(size_t bytes, struct rn__stack_cache *cache);
void rn__stack_put(struct rn__stack *s, struct rn__stack_cache *cache);

/* Gives what a worker kept to all; and what all keep to the system, but for a few. */
void rn__stack_cache_drain(struct rn__stack_cache *cache);
void rn__stack_trim(void);

/* Gives the memory of a bundle to the system that was in the pool for so long, seen from `now`.  false: there is none. */
#define RN__STACK_KEEP_NS INT64_C(5000000000)
bool rn__stack_give_back(int64_t now);
/* When a worker that sleeps from now on should look again: for that, or to drain its own cache, which it does when it has
 * slept for so long.  INT64_MAX: never. */
int64_t rn__stack_due(const struct rn__stack_cache *cache, int64_t now);

/* How many bytes of stacks are in use or kept, guards not counted. */
uint64_t rn__stack_mapped(void);

/* Has the goroutine on this stack, whose stack pointer is about sp, used more than there is?  Only asked of those without a
 * guard page. */
bool rn__stack_overflowed(const struct rn__stack *s, const void *sp);

/* The top of what may be used for frames: everything above is the record's. */
static inline char *rn__stack_top(struct rn__stack *s)
{
    return (char *)s;
}

#endif
