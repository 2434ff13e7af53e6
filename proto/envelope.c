/* envelope.c - reading a frame: the envelope, its controls, the sections behind it.   SPDX-License-Identifier: MIT
 *
 * Each length is compared with what is there before memory is taken for what it promises: the envelope's with the
 * frame's, the number of sections with the bytes that are left.  What the controls take is bounded by the envelope's
 * own length (a control of 2 bytes is a struct wire_control, or what protobuf-c makes of it), and by FRAME_MEMORY_MAX. */
#include "proto/codec.h"
#include "proto/limits.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define FRAME_MEMORY_MAX ((size_t)8 << 20)

_Static_assert(_Alignof(struct wire_control) <= 8, "arena pieces are aligned to 8");
_Static_assert(_Alignof(struct wire_section) <= 8, "arena pieces are aligned to 8");

static int hello_read(struct frame_view *v, const Runnel__Hello *pb, struct arena *a,
                      const char **why)
{
    struct wire_hello *h = arena_alloc(a, sizeof *h);

    if (h == NULL)
        return -ENOMEM;
    *h = (struct wire_hello){
        .version = pb->version,
        .features = pb->features,
        .lease_ms = pb->lease_ms,
        .resume = pb->resume,
        .received = pb->received,
    };
    *why = "a Hello's instance is not 16 bytes, or its name is too long or has a NUL inside";
    if (pb->instance.len != sizeof h->instance)
        return -EPROTO;
    memcpy(h->instance, pb->instance.data, sizeof h->instance);
    v->hello = h;
    return text_read(&h->name, pb->name, WIRE_TEXT_MAX);
}

static int welcome_read(struct frame_view *v, const Runnel__Welcome *pb, struct arena *a)
{
    struct wire_welcome *w = arena_alloc(a, sizeof *w);

    if (w == NULL)
        return -ENOMEM;
    *w = (struct wire_welcome){
        .version = pb->version,
        .features = pb->features,
        .lease_ms = pb->lease_ms,
        .received = pb->received,
        .resumed = pb->resumed,
        .clock_ms = pb->clock_ms,
    };
    v->welcome = w;
    return 0;
}

static int refusal_read(struct frame_view *v, const Runnel__Refusal *pb, struct arena *a,
                        const char **why)
{
    struct wire_refusal *r = arena_alloc(a, sizeof *r);

    if (r == NULL)
        return -ENOMEM;
    *why = "a Refusal's code is not known, or its sentence is too long or has a NUL inside";
    if (!code_valid((int)pb->code))
        return -EPROTO;
    r->code = (enum wire_code)pb->code;
    v->refusal = r;
    return text_read(&r->sentence, pb->sentence, WIRE_TEXT_MAX);
}

/* -ENOMEM and NULL have two reasons: no memory, or a frame that wants more than any honest one. */
static int memory_error(const struct arena *a, const char **why)
{
    if (!a->exhausted)
        return -ENOMEM;
    *why = "an envelope's controls take too much memory";
    return -EPROTO;
}

/* protobuf-c gave nothing. */
static int unpack_error(const struct arena *a, const char **why)
{
    *why = "the envelope is not a message of this protocol";
    return a->exhausted || a->no_memory ? -ENOMEM : -EPROTO;
}

static int controls_read(struct frame_view *v, const Runnel__Envelope *e, struct arena *a,
                         const char **why)
{
    if (e->n_control == 0)
        return 0;
    v->controls = arena_alloc(a, e->n_control * sizeof *v->controls);
    if (v->controls == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < e->n_control; i++) {
        int rc = control_read(&v->controls[v->n_controls], e->control[i], a, why);
        if (rc < 0)
            return rc;
        v->n_controls += (uint32_t)rc;
    }
    return 0;
}

static int sections_read(struct frame_view *v, uint32_t n, struct arena *a, const uint8_t *data,
                         size_t len, const char **why)
{
    size_t at = 0;

    if (n > WIRE_SECTIONS_MAX || n > len / (WIRE_SECTION_HEADER + 1)) {
        *why = "the envelope promises more sections than there can be";
        return -EPROTO;
    }
    if (n > 0) {
        v->sections = arena_alloc(a, n * sizeof *v->sections);
        if (v->sections == NULL)
            return -ENOMEM;
    }
    for (v->n_sections = 0; v->n_sections < n; v->n_sections++) {
        struct wire_section *s = &v->sections[v->n_sections];
        int rc = section_read(s, data + at, len - at, why);
        if (rc < 0)
            return rc;
        at += section_header_size(s) + s->size;
    }
    if (at != len) {
        *why = "bytes are left over behind the last section";
        return -EPROTO;
    }
    return 0;
}

/* What may stand together in one envelope. */
static const char *envelope_fault(const Runnel__Envelope *e)
{
    int greetings = (e->hello != NULL) + (e->welcome != NULL) + (e->refusal != NULL);

    if (greetings > 1)
        return "an envelope has more than one of Hello, Welcome and Refusal";
    if (e->seq != 0 && greetings > 0)
        return "a numbered frame has a Hello, a Welcome or a Refusal";
    if (e->seq == 0 && (e->n_control > 0 || e->sections > 0))
        return "a frame outside the stream has controls or sections";
    if (e->session == 0 && e->seq != 0)
        return "a numbered frame names no session";
    return NULL;
}

static int envelope_read(struct frame_view *v, const Runnel__Envelope *e, struct arena *a,
                         const char **why)
{
    const char *fault = envelope_fault(e);
    int rc = 0;

    if (fault != NULL) {
        *why = fault;
        return -EPROTO;
    }
    v->session = e->session;
    v->seq = e->seq;
    v->ack = e->ack;
    if (e->hello != NULL)
        rc = hello_read(v, e->hello, a, why);
    else if (e->welcome != NULL)
        rc = welcome_read(v, e->welcome, a);
    else if (e->refusal != NULL)
        rc = refusal_read(v, e->refusal, a, why);
    return rc;
}

/* ---- as nearly all envelopes are: session, seq, ack, sections, controls ---- */

/* What protobuf-c would find in it, but for the controls, which are only counted.  false: let it look. */
static bool plain_scan(Runnel__Envelope *e, const uint8_t *data, size_t len)
{
    const uint8_t *at = data, *end = data + len;
    uint64_t v;

    while (at < end) {
        switch (*at++) {
        case 1 << 3 | 1:
            if (end - at < 8)
                return false;
            memcpy(&v, at, sizeof v);
            e->session = le64toh(v);
            at += sizeof v;
            break;
        case 2 << 3:
            if (!varint_read(&at, end, &e->seq))
                return false;
            break;
        case 3 << 3:
            if (!varint_read(&at, end, &e->ack))
                return false;
            break;
        case 4 << 3:
            if (!varint_read(&at, end, &v))
                return false;
            e->sections = (uint32_t)v;
            break;
        case CONTROL_TAG:
            if (!length_read(&at, end, &v) || v > (uint64_t)(end - at))
                return false;
            at += v;
            e->n_control++;
            break;
        default:
            return false;
        }
    }
    return true;
}

static int control_read_packed(struct frame_view *v, const uint8_t *data, size_t len,
                               struct arena *a, const char **why)
{
    struct wire_control *c = &v->controls[v->n_controls];
    const Runnel__Control *pb;
    int rc = 1;

    if (!numbers_read(c, data, len)) {
        pb = runnel__control__unpack(&a->pb, len, data);
        if (pb == NULL)
            return unpack_error(a, why);
        rc = control_read(c, pb, a, why);
    }
    if (rc > 0)
        v->n_controls++;
    return rc < 0 ? rc : 0;
}

/* Of an envelope that was scanned. */
static int plain_controls_read(struct frame_view *v, const Runnel__Envelope *e, const uint8_t *data,
                               size_t len, struct arena *a, const char **why)
{
    const uint8_t *at = data, *end = data + len;
    uint64_t n;
    int rc = 0;

    if (e->n_control == 0)
        return 0;
    v->controls = arena_alloc(a, e->n_control * sizeof *v->controls);
    if (v->controls == NULL)
        return -ENOMEM;
    while (at < end && rc == 0) {
        uint8_t tag = *at++;
        if (tag == (1 << 3 | 1)) {
            at += 8;
            continue;
        }
        (void)varint_read(&at, end, &n);
        if (tag != CONTROL_TAG)
            continue;
        rc = control_read_packed(v, at, (size_t)n, a, why);
        at += n;
    }
    return rc;
}

static int parts_read(struct frame_view *v, struct arena *a, const uint8_t *data, size_t len,
                      size_t envelope, const char **why)
{
    Runnel__Envelope scanned = RUNNEL__ENVELOPE__INIT, *e = &scanned;
    bool plain = plain_scan(e, data + 4, envelope);
    int rc;

    if (!plain)
        e = runnel__envelope__unpack(&a->pb, envelope, data + 4);
    rc = e != NULL ? envelope_read(v, e, a, why) : unpack_error(a, why);
    if (rc == 0)
        rc = plain ? plain_controls_read(v, e, data + 4, envelope, a, why)
                   : controls_read(v, e, a, why);
    if (rc == 0)
        rc = sections_read(v, e->sections, a, data + 4 + envelope, len - 4 - envelope, why);
    return rc == -ENOMEM ? memory_error(a, why) : rc;
}

int frame_read(struct frame_view *view, const uint8_t *data, size_t len, const char **why)
{
    struct frame_view v = { .len = len };
    struct arena a;
    uint32_t envelope;
    int rc;

    if (len < sizeof envelope) {
        *why = "a frame is shorter than its first field";
        return -EPROTO;
    }
    if (len > WIRE_FRAME_MAX) {
        *why = "a frame is longer than 512 KiB";
        return -EPROTO;
    }
    memcpy(&envelope, data, sizeof envelope);
    envelope = le32toh(envelope);
    if (envelope > WIRE_ENVELOPE_MAX || envelope > len - sizeof envelope) {
        *why = "an envelope is longer than its frame, or than 60 KiB";
        return -EPROTO;
    }
    rc = arena_init(&a, 640 + 8 * (size_t)envelope, FRAME_MEMORY_MAX);
    if (rc < 0)
        return rc;
    rc = parts_read(&v, &a, data, len, envelope, why);
    if (rc < 0) {
        arena_fini(&a);
        return rc;
    }
    v.memory = a.chunks;
    *view = v;
    return 0;
}

void frame_view_fini(struct frame_view *view)
{
    arena_free(view->memory);
    *view = (struct frame_view){ 0 };
}
