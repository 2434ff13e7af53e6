/* region.h - the address space that stacks are cut from, and who lives there.   SPDX-License-Identifier: MIT
 *
 * A region is one mapping of many stacks of one size, each above the page that guards it.  Address space costs nothing; what
 * a stack has touched does.  So a stack is *cold* when its pages were given back: a number in its region, no more.  A region
 * whose stacks are all cold is unmapped.
 *
 * Each region has a table of its stacks that says on which of them a goroutine lives.  That is the list of all
 * goroutines; to get into it or out of it takes no lock. */
#ifndef RN__REGION_H
#define RN__REGION_H

#include "runtime/stack.h"

/* The regions whose stacks have `size` usable bytes; guarded by region.c's lock, as what follows. */
struct rn__regions {
    unsigned number; /* of the size; RN__STACK_SIZES: one that is not kept */
    size_t size;
    struct rn__region *open; /* those that have cold stacks, or room */
    uint64_t stacks;         /* there is room for, in all of them */
    uint64_t carved;         /* ever */
};

/* Makes up to n of at most 64 stacks usable; count 0: no memory.  Any thread. */
struct rn__bundle rn__region_take(struct rn__regions *r, unsigned n);

/* One of a size that nobody else has. */
struct rn__stack *rn__region_take_alone(size_t size);

/* The stack is cold from here on.  Its pages are given back, or its whole region. */
void rn__region_give(struct rn__stack *s);
/* When nobody else runs: all stacks become cold but those that are in use and those of which it was said before that they are
 * kept, once; or lost: for ever, because a thread may still write there. */
enum rn__keep { RN__KEEP_ONCE, RN__KEEP_LOST };
void rn__region_keep(const struct rn__stack *s, enum rn__keep why);
void rn__region_cool_all(void);

/* How many bytes of stacks are not cold. */
uint64_t rn__region_mapped(void);

/* The low end of the region that this stack is in. */
const char *rn__region_base(const struct rn__stack *s);

/* A goroutine lives on this stack from here on; and until here, when nobody looks at it any more. */
void rn__region_settle(struct rn__stack *s);
void rn__region_vacate(struct rn__stack *s);

/* Calls fn once for every stack that a goroutine lives on, a few at a time, and keeps it there meanwhile; so fn is
 * short.  Those that settle after the call may be missing. */
void rn__region_visit(void (*fn)(struct rn__stack *s, void *arg), void *arg);
/* The same when nobody else runs; fn may vacate the stack and put it back. */
void rn__region_visit_alone(void (*fn)(struct rn__stack *s, void *arg), void *arg);

#endif
