/* arena.c - memory that is taken piece by piece and given back at once.   SPDX-License-Identifier: MIT
 *
 * Invariant: in each chunk used <= size, and pieces never overlap or move. */
#include "proto/arena.h"

#include "proto/spare.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define ARENA_ALIGN 8
#define ARENA_USUAL 2048 /* bytes: enough for an ordinary frame, and it is short-lived */

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size; /* bytes of data */
    uint64_t data[];
};

/* Stands before each piece. */
struct arena_piece {
    uint64_t size;
};

_Static_assert(sizeof(struct arena_piece) == ARENA_ALIGN, "pieces stay aligned");

static struct spare usual = { .size = sizeof(struct arena_chunk) + ARENA_USUAL };

/* Has `size` bytes, or more. */
static struct arena_chunk *chunk_new(size_t size, struct arena_chunk *next)
{
    bool small = size <= ARENA_USUAL;
    struct arena_chunk *c = small ? spare_take(&usual) : malloc(sizeof *c + size);

    if (c == NULL)
        return NULL;
    c->next = next;
    c->used = 0;
    c->size = small ? ARENA_USUAL : size;
    return c;
}

static void *pb_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void pb_free(void *arena, void *piece)
{
    (void)arena;
    (void)piece;
}

int arena_init(struct arena *a, size_t first, size_t max)
{
    struct arena_chunk *c = chunk_new((first + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1), NULL);

    if (c == NULL)
        return -ENOMEM;
    *a = (struct arena){ .chunks = c, .max = max, .pb = { pb_alloc, pb_free, a } };
    return 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
    struct arena_chunk *c = a->chunks;

    if (size > a->max - a->used) {
        a->exhausted = true;
        return NULL;
    }
    size_t need = sizeof(struct arena_piece) +
                  ((size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1));
    if (need > c->size - c->used) {
        size_t grown = 2 * c->size;
        c = chunk_new(need > grown ? need : grown, c);
        if (c == NULL) {
            a->no_memory = true;
            return NULL;
        }
        a->chunks = c;
    }
    struct arena_piece *p = (struct arena_piece *)((char *)c->data + c->used);
    p->size = size;
    c->used += need;
    a->used += size;
    return p + 1;
}

size_t arena_size(const void *piece)
{
    return ((const struct arena_piece *)piece)[-1].size;
}

void arena_fini(struct arena *a)
{
    arena_free(a->chunks);
    a->chunks = NULL;
}

void arena_free(struct arena_chunk *chunks)
{
    while (chunks != NULL) {
        struct arena_chunk *next = chunks->next;
        if (chunks->size == ARENA_USUAL)
            spare_give(&usual, chunks);
        else
            free(chunks);
        chunks = next;
    }
}
