/* due.h - what happens at a time: an intrusive heap.   SPDX-License-Identifier: MIT
 *
 * A thing that may fall due has a struct due in it; putting it on the heap needs no memory and so cannot fail.  The
 * earliest is found in O(1), put on and taken off in O(log n), amortized. */
#ifndef BROKER_CORE_DUE_H
#define BROKER_CORE_DUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct due_heap;

struct due {
    int64_t at_ns;
    uint64_t turn;               /* of those of one time: the lowest falls first */
    void (*fall)(struct due *d); /* called when it has come, and is off the heap */
    struct due_heap *heap;       /* NULL: on none */
    struct due *child, *next;    /* the first of those below, the next beside */
    struct due *prev;            /* the one before it, or the one that it is the first below */
};

struct due_heap {
    struct due *first; /* the earliest, or NULL */
    uint64_t turns;    /* that were given */
};

#define due_entry(due, type, member) ((type *)(void *)((char *)(due)-offsetof(type, member)))

static inline void due_init(struct due *d, void (*fall)(struct due *d))
{
    *d = (struct due){ .fall = fall };
}

static inline bool due_pending(const struct due *d)
{
    return d->heap != NULL;
}

/* Puts it on the heap, or moves it there if it is on one. */
void due_put(struct due_heap *heap, struct due *d, int64_t at_ns);
/* Takes it off, if it is on one. */
void due_take(struct due *d);

/* Lets everything fall whose time is not after now_ns, the earliest first, those of one time in the order in which they were
 * put.  What falls may put, take and free others, and
 * itself; what it puts for now_ns or before falls too. */
void due_fall(struct due_heap *heap, int64_t now_ns);

/* When the next one falls; INT64_MAX: none. */
int64_t due_next(const struct due_heap *heap);

void due_check(const struct due_heap *heap); /* walks it */

#endif
