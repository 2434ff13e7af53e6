/* keyed.c - see keyed.h.   SPDX-License-Identifier: MIT
 *
 * Open addressing with linear probing.  Invariant: no slot is empty between the home of a number and where it lies; so what is
 * taken out is followed by moving up what lies behind it, and there are no gravestones. */
#include "proto/keyed.h"

#include "runtime/assert.h"

#include <stdlib.h>

#define CAP_MIN 16u

/* The highest bits of a product with a small seed would all be 0, and every number at home in the first slots. */
static uint64_t spread(uint64_t seed)
{
    seed = (seed + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (seed ^ seed >> 31) | 1;
}

void keyed_init(struct keyed *t, uint64_t seed)
{
    *t = (struct keyed){ .seed = spread(seed) };
}

void keyed_fini(struct keyed *t)
{
    free(t->thing);
    *t = (struct keyed){ .seed = t->seed };
}

static void put(struct keyed *t, uint32_t key, void *thing)
{
    uint32_t i = keyed_home(t, key);

    while (t->key[i] != 0)
        i = (i + 1) & (t->cap - 1);
    t->key[i] = key;
    t->thing[i] = thing;
    t->count++;
}

static bool grow(struct keyed *t)
{
    struct keyed larger = { .seed = t->seed, .cap = t->cap == 0 ? CAP_MIN : 2 * t->cap };

    if (larger.cap == 0)
        return false;
    larger.thing = calloc(larger.cap, sizeof *larger.thing + sizeof *larger.key);
    if (larger.thing == NULL)
        return false;
    larger.key = (uint32_t *)(void *)(larger.thing + larger.cap);
    /* The eights are cap / 8: so many bits of the product are wanted, the highest. */
    larger.shift = 64u - (unsigned)__builtin_ctz(larger.cap / 8);
    for (uint32_t i = 0; i < t->cap; i++)
        if (t->key[i] != 0)
            put(&larger, t->key[i], t->thing[i]);
    free(t->thing);
    *t = larger;
    return true;
}

bool keyed_add(struct keyed *t, uint32_t key, void *thing)
{
    rn_assert(key != 0);
    if (t->count >= t->cap - t->cap / 4 && !grow(t))
        return false;
    put(t, key, thing);
    return true;
}

static uint32_t slot_of(const struct keyed *t, uint32_t key, const void *thing)
{
    rn_assert(t->count > 0);
    uint32_t i = keyed_home(t, key);

    while (t->key[i] != key || t->thing[i] != thing) {
        rn_assert(t->key[i] != 0);
        i = (i + 1) & (t->cap - 1);
    }
    return i;
}

void keyed_take(struct keyed *t, uint32_t key, const void *thing)
{
    uint32_t mask = t->cap - 1, gap = slot_of(t, key, thing);

    for (uint32_t i = (gap + 1) & mask; t->key[i] != 0; i = (i + 1) & mask) {
        uint32_t home = keyed_home(t, t->key[i]);
        if (((i - home) & mask) < ((i - gap) & mask))
            continue; /* its home is behind the gap */
        t->key[gap] = t->key[i];
        t->thing[gap] = t->thing[i];
        gap = i;
    }
    t->key[gap] = 0;
    t->count--;
}

void keyed_swap(struct keyed *t, uint32_t key, const void *old, void *thing)
{
    t->thing[slot_of(t, key, old)] = thing;
}

void *keyed_each(const struct keyed *t, uint32_t *at)
{
    for (uint32_t i = *at; i < t->cap; i++)
        if (t->key[i] != 0) {
            *at = i + 1;
            return t->thing[i];
        }
    return NULL;
}
