/* frame.c - frames, and writing them.   SPDX-License-Identifier: MIT
 *
 * A writer leaves FRAME_ROOM bytes before its first section.  Sealing writes the envelope into the end of that room
 * and lets the frame begin there: what was collected is never copied.
 *
 * Invariant of a writer: frame == NULL, or frame->data is the frame's own memory, frame->len its size, and the
 * sections stand in data[FRAME_ROOM .. used). */
#include "proto/frame.h"

#include "proto/codec.h"
#include "proto/large.h"
#include "proto/limits.h"
#include "proto/spare.h"
#include "runtime/assert.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES  4
#define ENVELOPE_ROOM 48 /* session 9, seq 11, ack 11, sections 6 bytes at most */
#define FRAME_ROOM    (LENGTH_BYTES + ENVELOPE_ROOM + FRAME_CONTROLS_ROOM)
#define FRAME_FIRST   1024 /* bytes of a writer's first memory, at least */

static void frame_release(struct frame *f)
{
    free(f);
}

static void frame_release_large(struct frame *f)
{
    large_free(f, sizeof *f + f->len);
}

struct frame *frame_new(size_t len)
{
    struct frame *f = malloc(sizeof *f + len);

    if (f == NULL)
        return NULL;
    atomic_init(&f->refs, 1);
    f->data = (uint8_t *)(f + 1);
    f->len = len;
    f->release = len < LARGE_MIN ? frame_release : frame_release_large;
    return f;
}

struct frame *frame_ref(struct frame *f)
{
    /* Relaxed: who refs already holds a reference, so nothing is published by this. */
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void frame_unref(struct frame *f)
{
    if (f == NULL)
        return;
    /* Release, and acquire for the last: all others' reads of the bytes happen before they are freed. */
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
        f->release(f);
}

#define FRAME_SMALL 512 /* bytes: a part of it may be ever so small */

struct frame *frame_keep(struct frame *f, const uint8_t **bytes, size_t size)
{
    if (f->len <= FRAME_SMALL || size * 2 >= f->len)
        return frame_ref(f);
    struct frame *copy = frame_new(size);
    if (copy == NULL)
        return NULL;
    memcpy(copy->data, *bytes, size);
    *bytes = copy->data;
    return copy;
}

/* ---- full frames are kept for the next -------------------------------------------------------- */

/* Most bytes travel in frames of WIRE_FRAME_TARGET; malloc would give their pages back to the system and fault them in
 * again. */
#define FULL_LEN (FRAME_ROOM + WIRE_FRAME_TARGET)
#define FULL_MIN \
    (FULL_LEN / 4) /* what is smaller does not take a full one: it may be kept for long */

static struct spare full = { .size = sizeof(struct frame) + FULL_LEN };

static void full_release(struct frame *f)
{
    spare_give(&full, f);
}

/* An element that is long under way must not keep the CPUs busy all that time: its pieces count as so many. */
#define LARGE_WEIGHT 3

/* ---- sections ------------------------------------------------------------------------------ */

/* Moves what is used into memory of `len` bytes, or into a full frame.  NULL: no memory, and it is where it was. */
static struct frame *writer_memory(const struct frame_writer *w, size_t used, size_t len)
{
    bool fills = len >= FULL_MIN && len <= FULL_LEN;
    struct frame *f = fills ? spare_take(&full) : malloc(sizeof *f + len);

    if (f == NULL)
        return NULL;
    atomic_init(&f->refs, 1);
    f->data = (uint8_t *)(f + 1);
    f->len = fills ? FULL_LEN : len;
    f->release = fills ? full_release : frame_release;
    if (w->frame != NULL)
        memcpy(f->data + FRAME_ROOM, w->frame->data + FRAME_ROOM, used - FRAME_ROOM);
    return f;
}

/* Makes room for `more` bytes behind what is used. */
static int writer_reserve(struct frame_writer *w, size_t more)
{
    size_t used = w->frame == NULL ? FRAME_ROOM : w->used;
    size_t len = w->frame == NULL ? FRAME_FIRST : w->frame->len;

    if (w->frame != NULL && more <= len - used)
        return 0;
    while (len - used < more)
        len *= 2;
    if (len > FULL_LEN && used + more <= FULL_LEN)
        len = FULL_LEN;
    else if (more >= WIRE_FRAME_TARGET)
        len = used + more; /* what is large mostly comes alone */
    struct frame *f = writer_memory(w, used, len);
    if (f == NULL)
        return -ENOMEM;
    frame_unref(w->frame);
    w->frame = f;
    w->used = used;
    return 0;
}

int frame_writer_section(struct frame_writer *w, const struct wire_section *s)
{
    size_t header = section_header_size(s), need = header + s->size;
    int rc;

    if (w->n_sections == WIRE_SECTIONS_MAX ||
        need > WIRE_FRAME_MAX - FRAME_ROOM - frame_writer_size(w))
        return -EMSGSIZE;
    rc = writer_reserve(w, need);
    if (rc < 0)
        return rc;
    section_write_header(w->frame->data + w->used, s);
    memcpy(w->frame->data + w->used + header, s->body, s->size);
    w->used += need;
    w->n_sections++;
    if (s->flags & WIRE_PIECE)
        w->piece_bytes += s->bytes < LARGE_MIN ? s->size : s->size * LARGE_WEIGHT;
    return 0;
}

size_t frame_writer_size(const struct frame_writer *w)
{
    return w->frame == NULL ? 0 : w->used - FRAME_ROOM;
}

void frame_writer_fini(struct frame_writer *w)
{
    frame_unref(w->frame);
    *w = (struct frame_writer){ 0 };
}

/* ---- envelopes ----------------------------------------------------------------------------- */

static void put_length(uint8_t *to, size_t len)
{
    uint32_t le = htole32((uint32_t)len);

    memcpy(to, &le, sizeof le);
}

struct frame *frame_writer_seal_with(struct frame_writer *w, uint64_t session, uint64_t seq,
                                     uint64_t ack, const uint8_t *controls, size_t len)
{
    Runnel__Envelope e = RUNNEL__ENVELOPE__INIT;
    struct frame *f;
    uint8_t packed[ENVELOPE_ROOM];
    size_t n;

    rn_assert(len <= FRAME_CONTROLS_ROOM);
    if (writer_reserve(w, 0) < 0) /* a writer with nothing in it */
        return NULL;
    e.session = session;
    e.seq = seq;
    e.ack = ack;
    e.sections = w->n_sections;
    n = runnel__envelope__pack(&e, packed);
    rn_assert(n <= sizeof packed);

    f = w->frame;
    uint8_t *begin = f->data + FRAME_ROOM - len - n - LENGTH_BYTES;
    put_length(begin, n + len);
    memcpy(begin + LENGTH_BYTES, packed, n);
    if (len > 0)
        memcpy(begin + LENGTH_BYTES + n, controls, len);
    f->len = w->used - (size_t)(begin - f->data);
    f->data = begin;
    *w = (struct frame_writer){ 0 };
    return f;
}

struct frame *frame_writer_seal(struct frame_writer *w, uint64_t session, uint64_t seq,
                                uint64_t ack)
{
    return frame_writer_seal_with(w, session, seq, ack, NULL, 0);
}

/* A frame of e and `len` bytes of packed controls. */
static struct frame *frame_of_envelope(const Runnel__Envelope *e, const uint8_t *controls,
                                       size_t len)
{
    size_t n = runnel__envelope__get_packed_size(e);
    struct frame *f;

    rn_assert(n + len <= WIRE_ENVELOPE_MAX);
    f = frame_new(LENGTH_BYTES + n + len);
    if (f == NULL)
        return NULL;
    put_length(f->data, n + len);
    runnel__envelope__pack(e, f->data + LENGTH_BYTES);
    if (len > 0)
        memcpy(f->data + LENGTH_BYTES + n, controls, len);
    return f;
}

struct frame *frame_of_controls(uint64_t session, uint64_t seq, uint64_t ack,
                                const uint8_t *controls, size_t len)
{
    Runnel__Envelope e = RUNNEL__ENVELOPE__INIT;

    e.session = session;
    e.seq = seq;
    e.ack = ack;
    return frame_of_envelope(&e, controls, len);
}

struct frame *frame_of_hello(uint64_t session, const struct wire_hello *hello)
{
    Runnel__Envelope e = RUNNEL__ENVELOPE__INIT;
    Runnel__Hello h = RUNNEL__HELLO__INIT;
    char room[WIRE_TEXT_MAX + 1];

    h.version = hello->version;
    h.features = hello->features;
    h.instance = (ProtobufCBinaryData){ sizeof hello->instance, (uint8_t *)hello->instance };
    h.name = text_clip(hello->name, room);
    h.lease_ms = hello->lease_ms;
    h.resume = hello->resume;
    h.received = hello->received;
    e.session = session;
    e.hello = &h;
    return frame_of_envelope(&e, NULL, 0);
}

struct frame *frame_of_welcome(uint64_t session, const struct wire_welcome *welcome)
{
    Runnel__Envelope e = RUNNEL__ENVELOPE__INIT;
    Runnel__Welcome w = RUNNEL__WELCOME__INIT;

    w.version = welcome->version;
    w.features = welcome->features;
    w.lease_ms = welcome->lease_ms;
    w.received = welcome->received;
    w.resumed = welcome->resumed;
    w.clock_ms = welcome->clock_ms;
    e.session = session;
    e.welcome = &w;
    return frame_of_envelope(&e, NULL, 0);
}

struct frame *frame_of_refusal(uint64_t session, const struct wire_refusal *refusal)
{
    Runnel__Envelope e = RUNNEL__ENVELOPE__INIT;
    Runnel__Refusal r = RUNNEL__REFUSAL__INIT;
    char room[WIRE_TEXT_MAX + 1];

    r.code = (Runnel__Code)refusal->code;
    r.sentence = text_clip(refusal->sentence, room);
    e.session = session;
    e.refusal = &r;
    return frame_of_envelope(&e, NULL, 0);
}
