/* scatter.h - a large element that lies in the frames which brought it.   SPDX-License-Identifier: MIT
 *
 * To who keeps it that is a frame like any other, and a section's body lies in it: but nothing of that may be read, except by
 * the functions here and by section_element(), for the length.  Like any frame it does not change once somebody else has it. */
#ifndef PROTO_SCATTER_H
#define PROTO_SCATTER_H

#include "proto/frame.h"

#include <stdbool.h>

/* Gives a frame for an element of len bytes, of which nothing is there, or NULL.  `parts`: of how many it may be. */
struct frame *scatter_new(size_t len, uint32_t parts);
/* Puts the next bytes behind those that are there: `size` of them, which lie in `from`.  Keeps that, unless it is far too
 * large for them: then a copy.  *f is its only owner's, and may move.  0, or -ENOMEM. */
int scatter_add(struct frame **f, struct frame *from, const uint8_t *bytes, size_t size);

bool frame_is_scattered(const struct frame *f);
/* The bytes of a scattered element from `at` on, as many as lie together. */
const uint8_t *scatter_at(const struct frame *f, uint64_t at, size_t *size);
/* Copies all that is there. */
void scatter_copy(const struct frame *f, uint8_t *to);
/* Makes *f a frame in which the bytes lie together, and the body of *section lie there.  0, or -ENOMEM: nothing has changed. */
int scatter_gather(struct frame **f, struct wire_section *section);

#endif
