/* piece.c - large elements, which cross in pieces.   SPDX-License-Identifier: MIT
 *
 * Invariant of an assembly with a frame: came <= section.bytes (and only until it is taken they are equal), and the first
 * `came` bytes of the element are in the frame. */
#include "proto/piece.h"

#include "proto/large.h"
#include "proto/limits.h"
#include "runtime/assert.h"

#include <errno.h>
#include <string.h>

void piece_cut(struct wire_section *piece, const struct wire_section *whole, const uint8_t *element,
               uint64_t at, size_t max)
{
    uint64_t left = whole->bytes - at;

    rn_assert(whole->count == 1);
    rn_assert(at < whole->bytes);
    rn_assert(max > 0);
    *piece = *whole;
    piece->flags |= WIRE_PIECE;
    piece->offset = at;
    piece->size = (uint32_t)(left < max ? left : max);
    piece->body = element + at;
}

/* Where the element begins in the frame. */
static size_t element_at(const struct assembly *a)
{
    return a->frame->len - a->section.bytes;
}

static int begin(struct assembly *a, const struct wire_section *piece)
{
    size_t size = element_size(piece->bytes);
    struct frame *f = frame_new(size);

    if (f == NULL)
        return -ENOMEM;
    assembly_drop(a);
    element_prefix(f->data, piece->bytes);
    a->frame = f;
    a->section = *piece;
    a->section.flags &= ~WIRE_PIECE;
    a->section.size = (uint32_t)size;
    a->section.body = f->data;
    return 0;
}

static bool continues(const struct assembly *a, const struct wire_section *piece)
{
    return a->frame != NULL && piece->offset == a->came && piece->number == a->section.number &&
           piece->bytes == a->section.bytes && (piece->flags & ~WIRE_PIECE) == a->section.flags;
}

int assembly_add(struct assembly *a, const struct wire_section *piece, const char **why)
{
    rn_assert(piece->flags & WIRE_PIECE);
    if (piece->offset == 0) {
        int rc = begin(a, piece);
        if (rc < 0)
            return rc;
    } else if (!continues(a, piece)) {
        *why = "a piece is not the next of its element";
        return -EPROTO;
    }
    uint8_t *to = a->frame->data + element_at(a) + a->came;
    if (a->frame->len >= LARGE_MIN)
        large_fill(to, piece->body, piece->size);
    else
        memcpy(to, piece->body, piece->size);
    a->came += piece->size;
    /* The last piece says what is said beside the element; but its times are those of the first. */
    a->section.position = piece->position;
    a->section.deliveries = piece->deliveries;
    return a->came == a->section.bytes;
}

struct frame *assembly_take(struct assembly *a, struct wire_section *section)
{
    struct frame *f = a->frame;

    rn_assert(f != NULL);
    rn_assert(a->came == a->section.bytes);
    *section = a->section;
    *a = (struct assembly){ 0 };
    return f;
}

void assembly_drop(struct assembly *a)
{
    frame_unref(a->frame);
    *a = (struct assembly){ 0 };
}
