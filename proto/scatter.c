/* scatter.c - see scatter.h.   SPDX-License-Identifier: MIT
 *
 * Invariants: the parts follow each other without a gap, from 0 on, and each holds a reference to its frame.  `data` is the
 * prefix alone, and `len` what prefix and element would take. */
#include "proto/scatter.h"

#include "proto/large.h"
#include "runtime/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_ROOM 8

struct part {
    struct frame *frame;
    const uint8_t *bytes;
    uint64_t at; /* in the element */
    size_t size;
};

struct scatter {
    struct frame frame; /* first */
    uint8_t prefix[PREFIX_ROOM];
    uint32_t n, cap;
    struct part parts[];
};

static void scatter_release(struct frame *f)
{
    struct scatter *s = (struct scatter *)f;

    for (uint32_t i = 0; i < s->n; i++)
        frame_unref(s->parts[i].frame);
    free(s);
}

bool frame_is_scattered(const struct frame *f)
{
    return f->release == scatter_release;
}

static const struct scatter *scatter_of(const struct frame *f)
{
    rn_assert(frame_is_scattered(f));
    return (const struct scatter *)f;
}

struct frame *scatter_new(size_t len, uint32_t parts)
{
    struct scatter *s = malloc(sizeof *s + parts * sizeof *s->parts);

    if (s == NULL)
        return NULL;
    atomic_init(&s->frame.refs, 1);
    s->frame.data = s->prefix;
    s->frame.len = element_prefix(s->prefix, len) + len;
    s->frame.release = scatter_release;
    s->n = 0;
    s->cap = parts;
    return &s->frame;
}

static int scatter_grow(struct frame **f)
{
    struct scatter *s = (struct scatter *)*f;
    uint32_t cap = 2 * s->cap + 1;

    s = realloc(s, sizeof *s + cap * sizeof *s->parts);
    if (s == NULL)
        return -ENOMEM;
    s->cap = cap;
    s->frame.data = s->prefix;
    *f = &s->frame;
    return 0;
}

int scatter_add(struct frame **f, struct frame *from, const uint8_t *bytes, size_t size)
{
    const struct scatter *before = scatter_of(*f);

    if (before->n == before->cap && scatter_grow(f) < 0)
        return -ENOMEM;
    struct frame *kept = frame_keep(from, &bytes, size);
    if (kept == NULL)
        return -ENOMEM;
    struct scatter *s = (struct scatter *)*f;
    const struct part *last = s->n > 0 ? &s->parts[s->n - 1] : NULL;
    s->parts[s->n++] = (struct part){
        .frame = kept,
        .bytes = bytes,
        .at = last != NULL ? last->at + last->size : 0,
        .size = size,
    };
    return 0;
}

const uint8_t *scatter_at(const struct frame *f, uint64_t at, size_t *size)
{
    const struct scatter *s = scatter_of(f);
    uint32_t low = 0, high = s->n; /* it is in one of [low, high) */

    rn_assert(s->n > 0);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s->parts[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    const struct part *p = &s->parts[low];
    size_t in = (size_t)(at - p->at);
    rn_assert(in < p->size);
    *size = p->size - in;
    return p->bytes + in;
}

void scatter_copy(const struct frame *f, uint8_t *to)
{
    const struct scatter *s = scatter_of(f);

    for (uint32_t i = 0; i < s->n; i++) {
        const struct part *p = &s->parts[i];
        large_copy(to + p->at, p->bytes, p->size);
    }
}

int scatter_gather(struct frame **f, struct wire_section *section)
{
    struct frame *scattered = *f, *whole = frame_new(section->size);

    if (whole == NULL)
        return -ENOMEM;
    rn_assert(section->size == scattered->len);
    scatter_copy(scattered, whole->data + element_prefix(whole->data, section->bytes));
    section->body = whole->data;
    *f = whole;
    frame_unref(scattered);
    return 0;
}
