/* large.c - see large.h.   SPDX-License-Identifier: MIT
 *
 * The pages go first, from the end on, and then the memory, of which nothing but its first page is left. */
#include "proto/large.h"

#include "runtime/assert.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIT  ((size_t)256 << 10)   /* bytes: some 20 us */
#define PAGE ((uintptr_t)64 << 10) /* of any system */

/* Stands at the beginning of what waits. */
struct waiting {
    struct waiting *next;
    size_t size; /* bytes of it that have not been given back */
};

static _Atomic(struct waiting *) come; /* a stack; any thread */
static struct waiting *going;          /* the giver's */
static atomic_bool waits;

static uintptr_t rounded_up(uintptr_t n, uintptr_t unit) /* a power of two */
{
    return (n + unit - 1) & ~(unit - 1);
}

static uintptr_t rounded_down(uintptr_t n, uintptr_t unit)
{
    return n & ~(unit - 1);
}

/* ---- filling ------------------------------------------------------------------------------- */

/* If the system does not know this (before Linux 5.14), or has no memory, they come one by one. */
static void pages_get(uintptr_t begin, uintptr_t end)
{
#ifdef MADV_POPULATE_WRITE
    begin = rounded_down(begin, (uintptr_t)sysconf(_SC_PAGESIZE));
    (void)madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
#else
    (void)begin, (void)end;
#endif
}

void large_fill(void *to, const void *from, size_t size)
{
    pages_get((uintptr_t)to, (uintptr_t)to + size);
    memcpy(to, from, size);
}

void large_copy_stepwise(void *to, const void *from, size_t size)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    for (bool fresh = size >= LARGE_MIN; size > LARGE_STEP;
         t += LARGE_STEP, f += LARGE_STEP, size -= LARGE_STEP) {
        if (fresh)
            large_fill(t, f, LARGE_STEP);
        else
            memcpy(t, f, LARGE_STEP);
        sched_yield();
    }
    if (size > 0)
        memcpy(t, f, size);
}

/* ---- giving back --------------------------------------------------------------------------- */

/* If the system does not take them it is only slower. */
static void pages_give(uintptr_t begin, uintptr_t end)
{
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* Gives back a bit; true: that was the last, and it is freed. */
static bool give_bit(struct waiting *w)
{
    size_t keep = sizeof *w, bit = w->size - keep < BIT ? w->size - keep : BIT;

    pages_give(rounded_up((uintptr_t)w + w->size - bit, PAGE),
               rounded_down((uintptr_t)w + w->size, PAGE));
    w->size -= bit;
    if (w->size > keep)
        return false;
    free(w);
    return true;
}

void large_free(void *p, size_t size)
{
    struct waiting *w = p;

    rn_assert(size >= LARGE_MIN);
    w->size = size;
    if (!atomic_load(&waits)) {
        while (!give_bit(w))
            continue;
        return;
    }
    w->next = atomic_load_explicit(&come, memory_order_relaxed);
    /* Release: whoever takes it sees what is written here, and all use of it is over.  A failure publishes nothing. */
    while (!atomic_compare_exchange_weak_explicit(&come, &w->next, w, memory_order_release,
                                                  memory_order_relaxed))
        continue;
}

void large_wait(bool on)
{
    atomic_store(&waits, on);
}

bool large_give_back(void)
{
    /* Relaxed: what is missed is found the next time. */
    if (going == NULL && atomic_load_explicit(&come, memory_order_relaxed) != NULL)
        going = atomic_exchange_explicit(&come, NULL, memory_order_acquire);
    if (going == NULL)
        return false;
    struct waiting *next = going->next;
    if (give_bit(going))
        going = next;
    return going != NULL || atomic_load_explicit(&come, memory_order_relaxed) != NULL;
}

void large_give_part(void *p, size_t from, size_t to)
{
    uintptr_t begin = rounded_down((uintptr_t)p + from, BIT);
    uintptr_t first = rounded_up((uintptr_t)p, PAGE);

    pages_give(begin > first ? begin : first, rounded_down((uintptr_t)p + to, BIT));
}
