/* arena.h - memory that is taken piece by piece and given back at once.   SPDX-License-Identifier: MIT
 *
 * What a decoded frame owns: one malloc serves an ordinary frame.  Pieces know their size, which is how a
 * string with a NUL inside is told from one without (protobuf-c forgets the length of a string). */
#ifndef PROTO_ARENA_H
#define PROTO_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used;                /* bytes handed out, in all chunks */
    size_t max;                 /* of them at most */
    bool no_memory;             /* malloc failed */
    bool exhausted;             /* max was reached */
    ProtobufCAllocator pb;      /* the same memory, for protobuf-c; freeing a piece does nothing */
};

/* Prepares an arena that will hand out at most `max` bytes; the first malloc has room for `first`.
 * 0 or -ENOMEM. */
int arena_init(struct arena *a, size_t first, size_t max);

/* Gives size bytes, aligned to 8, valid until the arena's end; NULL: see no_memory and exhausted. */
void *arena_alloc(struct arena *a, size_t size);

/* The size that a piece was asked with. */
size_t arena_size(const void *piece);

/* Frees all pieces.  The second is for who kept the chunks only. */
void arena_fini(struct arena *a);
void arena_free(struct arena_chunk *chunks);

#endif
