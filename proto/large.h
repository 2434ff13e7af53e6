/* large.h - memory that is large: filled step by step, and given back bit by bit.   SPDX-License-Identifier: MIT
 *
 * Giving back a gigabyte takes the system a tenth of a second, in which whoever does it can do nothing else.  So does filling
 * one; and what it does for pages that are touched the first time, one by one, costs more than what is written there. */
#ifndef PROTO_LARGE_H
#define PROTO_LARGE_H

#include "proto/copy.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes; less is given back at once, in a millisecond, and may stay with the allocator for the next one: fresh pages for each
 * element cost more than anything else that is done with it. */
#define LARGE_MIN ((size_t)8 << 20)

/* Of a copy, bytes: some 30 us. */
#define LARGE_STEP ((size_t)64 << 10)

void large_copy_stepwise(void *to, const void *from, size_t size);
/* Copies into memory of malloc()'s.  A large copy is made in steps, between which the CPU is given to whoever waits for it. */
static inline void large_copy(void *to, const void *from, size_t size)
{
    if (size > LARGE_STEP)
        large_copy_stepwise(to, from, size);
    else
        copy_bytes(to, from, size);
}
/* The same as a step of its own: into large memory that is filled from front to end. */
void large_fill(void *to, const void *from, size_t size);

/* Frees p, which malloc() gave, of `size` bytes.  Any thread. */
void large_free(void *p, size_t size);

/* Somebody (one, and one only) calls large_give_back() now and then as long as there is more: what is freed from now on
 * waits for that. */
void large_wait(bool on);
/* Gives back a bit of what waits.  true: there is more. */
bool large_give_back(void);

/* Nobody reads the bytes [from, to) of p any more, nor those before them: gives back what makes a whole bit.  p is still to
 * be freed. */
void large_give_part(void *p, size_t from, size_t to);

#endif
