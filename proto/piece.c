/* piece.c - large elements, which cross in pieces.   SPDX-License-Identifier: MIT
 *
 * Invariant of an assembly with a frame: came <= section.bytes (and only until it is taken they are equal), and the first
 * `came` bytes of the element are in the frame.
 *
 * Copying is most of what an element of a megabyte costs, so the frames of its pieces are kept instead.  Not where that would
 * hold much more memory than the element has bytes, because its sender cuts very small pieces; nor of one so large that to
 * give back so many frames at once would hold up others. */
#include "proto/piece.h"

#include "proto/large.h"
#include "proto/limits.h"
#include "proto/scatter.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

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

/* A piece that is kept in its frame has at least this part of `scattered_from`. */
#define SCATTERED_PART 8

static bool may_scatter(const struct wire_section *piece, uint64_t scattered_from)
{
    return scattered_from > 0 && piece->bytes > scattered_from && piece->bytes < LARGE_MIN &&
           piece->size >= scattered_from / SCATTERED_PART;
}

/* All of it would be in so many pieces like this. */
static uint32_t parts_of(const struct wire_section *piece)
{
    return (uint32_t)((piece->bytes + piece->size - 1) / piece->size);
}

static int begin(struct assembly *a, const struct wire_section *piece, uint64_t scattered_from)
{
    size_t size = element_size(piece->bytes);
    struct frame *f = may_scatter(piece, scattered_from)
                          ? scatter_new(piece->bytes, parts_of(piece))
                          : frame_new(size);

    if (f == NULL)
        return -ENOMEM;
    assembly_drop(a);
    if (!frame_is_scattered(f))
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

/* One that is too small to be kept in its frame, and not the last, ends being scattered. */
static int put(struct assembly *a, const struct wire_section *piece, struct frame *frame,
               uint64_t scattered_from)
{
    bool small = piece->size < scattered_from / SCATTERED_PART &&
                 a->came + piece->size < a->section.bytes;

    if (frame_is_scattered(a->frame) && small) { /* not by a node or a broker of ours */
        int rc = scatter_gather(&a->frame, &a->section);
        if (rc < 0)
            return rc;
    }
    if (frame_is_scattered(a->frame)) {
        int rc = scatter_add(&a->frame, frame, piece->body, piece->size);
        a->section.body = a->frame->data; /* it may have moved */
        return rc;
    }
    uint8_t *to = a->frame->data + element_at(a) + a->came;
    if (a->frame->len >= LARGE_MIN)
        large_fill(to, piece->body, piece->size);
    else
        memcpy(to, piece->body, piece->size);
    return 0;
}

int assembly_add(struct assembly *a, const struct wire_section *piece, struct frame *frame,
                 uint64_t scattered_from, const char **why)
{
    int rc;

    rn_assert(piece->flags & WIRE_PIECE);
    if (piece->offset == 0) {
        rc = begin(a, piece, scattered_from);
        if (rc < 0)
            return rc;
    } else if (!continues(a, piece)) {
        *why = "a piece is not the next of its element";
        return -EPROTO;
    }
    rc = put(a, piece, frame, scattered_from);
    if (rc < 0)
        return rc;
    a->came += piece->size;
    /* The last piece says what is said beside the element; but its times are those of the first. */
    a->section.position = piece->position;
    a->section.deliveries = piece->deliveries;
    rn_reached_if(a->came == a->section.bytes && frame_is_scattered(a->frame),
                  "piece: a scattered element is whole");
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
