/* frame.h - frames: bytes with a count of references, and their encoding.   SPDX-License-Identifier: MIT
 *
 * A frame is made once, by a writer or by a link, and never changed afterwards; whoever keeps a part
 * of it (a section in the broker's queue, an element in a prefetch store) keeps a reference. */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "proto/limits.h"
#include "proto/varint.h"
#include "proto/wire.h"
#include "runtime/assert.h"

#include <stdatomic.h>
#include <stddef.h>

struct frame {
    atomic_uint refs;
    uint8_t *data;
    size_t len;
    void (*release)(struct frame *); /* frees data and the struct at the last unref */
};

/* Gives a frame of len uninitialised bytes, or NULL.  Any thread may ref and unref. */
struct frame *frame_new(size_t len);
struct frame *frame_ref(struct frame *f);
void frame_unref(struct frame *f);
/* For who keeps `size` bytes at *bytes, which lie in f: a reference to it.  Or, where they are less than half of it and that is
 * worth it, to a frame of their own, and *bytes lie there then: else a few bytes would hold all that came with them.  NULL: no
 * memory for that. */
struct frame *frame_keep(struct frame *f, const uint8_t **bytes, size_t size);

/* ---- reading ------------------------------------------------------------------------------- */

/* A decoded frame.  Borrows the frame's bytes: keep the frame as long as this. */
struct frame_view {
    size_t len; /* of the whole frame, in bytes */
    uint64_t session, seq, ack;
    uint32_t n_controls, n_sections;
    struct wire_control *controls;
    struct wire_section *sections;  /* checked: all lengths add up */
    const struct wire_hello *hello; /* or NULL; so the next two */
    const struct wire_welcome *welcome;
    const struct wire_refusal *refusal;
    void *memory; /* what the view owns */
};

/* Decodes and checks the bytes.  Controls that are not known are left out.  0, or -EPROTO with a sentence in *why (static, never
 * freed), or -ENOMEM.  On success frame_view_fini() must follow; on error *view is as it was. */
int frame_read(struct frame_view *view, const uint8_t *data, size_t len, const char **why);
void frame_view_fini(struct frame_view *view);

/* How many bytes the header of a section has. */
size_t section_header_size(const struct wire_section *s);

const uint8_t *section_element_long(const struct wire_section *s, size_t *at, size_t *len);
/* Walks the elements of a checked section: *at is the offset in body, at first 0.  Gives the next
 * element's bytes; the caller counts. */
static inline const uint8_t *section_element(const struct wire_section *s, size_t *at, size_t *len)
{
    const uint8_t *p = s->body + *at;

    rn_assert(*at < s->size);
    if (p[0] < 0x80) { /* a prefix of one byte */
        *len = *p++;
        *at += 1 + *len;
        return p;
    }
    if (p[1] < 0x80) {
        *len = (size_t)(p[0] & 0x7f) | (size_t)p[1] << 7;
        *at += 2 + *len;
        return p + 2;
    }
    return section_element_long(s, at, len);
}

/* Makes *head the first n elements of *s and *s the rest; 0 < n < s->count.  Both borrow the body; number and
 * position of the rest go on where head's end. */
void section_split(struct wire_section *s, struct wire_section *head, uint32_t n);

/* How many elements from the front of s have together at most `bytes` bytes. */
uint32_t section_fit(const struct wire_section *s, uint64_t bytes);

/* ---- writing ------------------------------------------------------------------------------- */

/* Collects elements or whole sections behind room for an envelope. */
struct frame_writer {
    struct frame *frame; /* being built; NULL: nothing yet */
    size_t used;         /* bytes, from the start of data */
    uint32_t n_sections;
    uint32_t piece_bytes; /* of those that are pieces; of very large elements more than there are */
};

/* How many bytes an element of len bytes takes in a section. */
static inline size_t element_size(size_t len)
{
    size_t n = 1;

    if (len < 0x4000)
        return len + 1 + (len >= 0x80);
    for (size_t rest = len >> 7; rest != 0; rest >>= 7)
        n++;
    return n + len;
}

/* Writes the length prefix and returns the bytes written (1 to 5). */
static inline size_t element_prefix(uint8_t *to, size_t len)
{
    if (len < 0x80) {
        to[0] = (uint8_t)len;
        return 1;
    }
    rn_assert(len <= WIRE_LENGTH_MAX);
    return varint_put(to, len);
}

/* Packed controls of at most so many bytes fit into a data frame. */
#define FRAME_CONTROLS_ROOM 256

/* Appends a section (header and body, copied).  0; -ENOMEM, or -EMSGSIZE when the frame would break a bound of
 * limits.h: then nothing was appended. */
int frame_writer_section(struct frame_writer *w, const struct wire_section *s);
size_t frame_writer_size(const struct frame_writer *w); /* bytes of sections so far */
void frame_writer_fini(struct frame_writer *w);

/* Takes what the writer has collected and gives the frame with its envelope, or NULL without memory
 * (then the writer is as it was).  The writer is empty afterwards. */
struct frame *frame_writer_seal(struct frame_writer *w, uint64_t session, uint64_t seq,
                                uint64_t ack);

/* The same with `len` bytes of packed controls in the envelope, at most FRAME_CONTROLS_ROOM.  A writer with a
 * section in it is sealed without memory: never NULL. */
struct frame *frame_writer_seal_with(struct frame_writer *w, uint64_t session, uint64_t seq,
                                     uint64_t ack, const uint8_t *controls, size_t len);

/* Controls are packed one by one into a growing buffer of bytes, as they will stand in the envelope. */
struct control_buffer {
    uint8_t *data;
    size_t len, cap;
    uint32_t count;
};

/* 0, -ENOMEM, -EMSGSIZE (a name or type that is too long, or an Answer that no envelope can hold: say it in several)
 * or -EINVAL (what is not one of enum wire_what); then b is as it was.  A sentence or a node's name that is longer
 * than WIRE_TEXT_MAX is cut. */
int control_append(struct control_buffer *b, const struct wire_control *c);
void control_buffer_fini(struct control_buffer *b);

/* How many bytes of a Report a goroutine takes, at most; what is too long in it is cut, so one alone always fits. */
size_t goroutine_size(const struct wire_goroutine *g);

/* A frame of an envelope alone, with `len` bytes of packed controls (may be 0).  NULL: no memory. */
struct frame *frame_of_controls(uint64_t session, uint64_t seq, uint64_t ack,
                                const uint8_t *controls, size_t len);
struct frame *frame_of_hello(uint64_t session, const struct wire_hello *hello);
struct frame *frame_of_welcome(uint64_t session, const struct wire_welcome *welcome);
struct frame *frame_of_refusal(uint64_t session, const struct wire_refusal *refusal);

#endif
