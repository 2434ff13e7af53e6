/* pieces.h - large elements, on their way in and out in pieces.   SPDX-License-Identifier: MIT
 *
 * In: what a node says of an element piece by piece is put together beside the channel, under credit that its sender holds
 * until it is whole; then it is accepted as any other.  Out: an element that is pulled piece by piece counts as delivered
 * from its first piece on, and is in its binding's `delivered`. */
#ifndef BROKER_CORE_PIECES_H
#define BROKER_CORE_PIECES_H

#include "broker/core/binding.h"

/* A piece comes, which lies in `in`.  1: its element is whole, and *whole lies in *frame, a reference for the caller; 0; -EPROTO
 * with *why, or -ENOMEM. */
int pieces_come(struct binding *b, const struct wire_section *piece, struct frame *in,
                struct wire_section *whole, struct frame **frame, const char **why);
/* b has fewer credit than before: if it is too little for what is coming, its node has thought better of that. */
void pieces_uncredited(struct binding *b);

/* Does the first element of r leave in pieces? */
bool pieces_needed(const struct binding *b, struct run *r);
/* Is the next section of b, who has some, a piece? */
bool pieces_next(const struct binding *b);
/* r, of one element, begins to leave; and the next piece of what is leaving, of at most max_bytes with its headers. */
void pieces_begin(struct binding *b, struct run *r);
void pieces_pull(struct binding *b, uint64_t max_bytes, struct wire_section *section);
/* r is not b's any more: if it was leaving, no more of it leaves. */
void pieces_end(struct binding *b, const struct run *r);

#endif
