/* keyed.h - a table in which things are found by a number.   SPDX-License-Identifier: MIT
 *
 * Twelve bytes a slot and nothing in the things themselves.  Eight numbers that follow one another lie side by side, so who
 * asks for one after the other finds them in the same cache line; which eights lie where follows from a seed, so that a peer
 * who chooses numbers cannot choose them to collide.
 *
 * Several things may have the same number.  0 is no number. */
#ifndef PROTO_KEYED_H
#define PROTO_KEYED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyed {
    void **thing;  /* `cap` of them, then as many numbers, in one piece of memory */
    uint32_t *key; /* 0: the slot is empty */
    uint32_t cap, count;
    uint64_t seed; /* odd */
    unsigned shift;
};

/* Empty, without memory.  Any number will do for a seed. */
void keyed_init(struct keyed *t, uint64_t seed);
/* Frees the table's memory; the things are the caller's. */
void keyed_fini(struct keyed *t);

/* false: no memory, and nothing has changed. */
bool keyed_add(struct keyed *t, uint32_t key, void *thing);
/* It is there. */
void keyed_take(struct keyed *t, uint32_t key, const void *thing);
/* The new one takes the place of the old one, which is there. */
void keyed_swap(struct keyed *t, uint32_t key, const void *old, void *thing);

/* Where things with that number may be; each of them lies there or behind, before an empty slot. */
static inline uint32_t keyed_home(const struct keyed *t, uint32_t key)
{
    uint64_t x = (key >> 3) * UINT64_C(0x9e3779b97f4a7c15);

    /* Mixed before the seed comes to it: there are seeds by which numbers that follow one another would fall together. */
    x ^= x >> 32;
    return (uint32_t)(x * t->seed >> t->shift) << 3 | (key & 7);
}

/* The first thing with that number at slot *at or behind it; then *at is the slot after it.  NULL: there is none. */
static inline void *keyed_next(const struct keyed *t, uint32_t key, uint32_t *at)
{
    for (uint32_t i = *at; t->key[i] != 0; i = (i + 1) & (t->cap - 1))
        if (t->key[i] == key) {
            *at = (i + 1) & (t->cap - 1);
            return t->thing[i];
        }
    return NULL;
}

/* A thing with that number, or NULL. */
static inline void *keyed_find(const struct keyed *t, uint32_t key)
{
    if (t->count == 0 || key == 0)
        return NULL;
    uint32_t at = keyed_home(t, key);
    return keyed_next(t, key, &at);
}

/* The first thing at slot *at or behind it, in no order; then *at is the slot after it.  NULL: there is none.  From 0 on it
 * comes to each, if none is added or taken meanwhile.  */
void *keyed_each(const struct keyed *t, uint32_t *at);

#endif
