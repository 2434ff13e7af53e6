/* piece.h - large elements, which cross in pieces.   SPDX-License-Identifier: MIT
 *
 * What is longer than WIRE_WHOLE_MAX is cut, so that nothing has to wait behind it for long, and put together again at
 * the other side: in memory of its own, where it stands as any other section with one element; or, if that is all the same to
 * who wants it, in the frames that brought it (scatter.h).  See PIECES in proto/runnel.proto. */
#ifndef PROTO_PIECE_H
#define PROTO_PIECE_H

#include "proto/frame.h"

/* Gives the piece of at most `max` bytes (at least 1) that begins `at` bytes after the beginning of the element, of which
 * *whole says all but the body; *piece borrows the element's bytes. */
void piece_cut(struct wire_section *piece, const struct wire_section *whole, const uint8_t *element,
               uint64_t at, size_t max);

/* An element that is being put together; all zero: none is.  Pure; its owner guards it. */
struct assembly {
    struct frame *frame;         /* all of it, as far as it has come; NULL: none is under way */
    struct wire_section section; /* the element whole; its body lies in frame */
    uint64_t came;               /* bytes of it */
};

/* Adds a checked piece, which lies in `frame`; one that begins an element drops what was under way.  Memory for all of the
 * element may be taken with its first piece, so look first whether it may be so large.  An element of more than
 * `scattered_from` bytes, if that is not 0, may become a scattered frame.  1: it is whole; 0: more is to come; -EPROTO with
 * *why: it is not the next; or -ENOMEM: nothing of it has been added. */
int assembly_add(struct assembly *a, const struct wire_section *piece, struct frame *frame,
                 uint64_t scattered_from, const char **why);
/* Gives the element that is whole: a reference to its frame, and *section. */
struct frame *assembly_take(struct assembly *a, struct wire_section *section);
/* Drops what is under way. */
void assembly_drop(struct assembly *a);

#endif
