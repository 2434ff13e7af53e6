/* stack.h - the memory that goroutines run on.   SPDX-License-Identifier: MIT
 *
 * A stack is reserved address space with a guard page at its low end; pages come as they are touched.  The
 * goroutine's record lies at its high end, so that a parked goroutine of little depth costs one page.  Stacks of the
 * default size are kept when their goroutine ends, some by each worker and the rest in common. */
#ifndef RN__STACK_H
#define RN__STACK_H

#include <stddef.h>
#include <stdint.h>

#define RN__STACK_DEFAULT (64u << 10)
#define RN__STACK_MIN     (16u << 10)

struct rn__stack {
    char *low;              /* the first usable byte, above the guard */
    size_t size;            /* usable bytes */
    struct rn__stack *next; /* in a cache */
};

/* A list of unused stacks of the default size; guarded by its owner. */
struct rn__stack_cache {
    struct rn__stack *first;
    unsigned count;
};

/* A stack of at least `bytes` usable bytes; the struct itself lies at its top.  NULL: no memory.  `cache` is the caller's worker's. */
struct rn__stack *rn__stack_get(size_t bytes, struct rn__stack_cache *cache);
void rn__stack_put(struct rn__stack *s, struct rn__stack_cache *cache);

/* Gives what a worker kept to all; and what all keep to the system. */
void rn__stack_cache_drain(struct rn__stack_cache *cache);
void rn__stack_trim(void);

/* The guard below this stack: [low - guard, low). */
size_t rn__stack_guard_size(void);

/* How many bytes of stacks are mapped now. */
uint64_t rn__stack_mapped(void);

/* The top of what may be used for frames: everything above is the record's. */
static inline char *rn__stack_top(struct rn__stack *s)
{
    return (char *)s;
}

#endif
