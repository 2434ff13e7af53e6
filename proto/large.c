/* large.c - see large.h.   SPDX-License-Identifier: MIT
 *
 * The pages go first, from the end on, and then the memory, of which nothing but its first page is left. */
#include "proto/large.h"

#include "runtime/assert.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

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

/* The whole pages of [from, to).  If the system does not take them it is only slower. */
static void pages_give(uint8_t *p, size_t from, size_t to)
{
    uintptr_t begin = ((uintptr_t)p + from + PAGE - 1) & ~(PAGE - 1);
    uintptr_t end = ((uintptr_t)p + to) & ~(PAGE - 1);

    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* Gives back a bit; true: that was the last, and it is freed. */
static bool give_bit(struct waiting *w)
{
    size_t keep = sizeof *w, bit = w->size - keep < BIT ? w->size - keep : BIT;

    pages_give((uint8_t *)w, w->size - bit, w->size);
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
    pages_give(p, from > PAGE ? from - PAGE : 0,
               to); /* with the page that the part before it shares */
}
