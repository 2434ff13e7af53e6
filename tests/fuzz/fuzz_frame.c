/* fuzz_frame.c - any bytes as a frame.   SPDX-License-Identifier: MIT
 *
 * What frame_read() accepts must hold what frame.h promises: it is walked, split, written again and read again.  Its parts
 * have targets of their own (fuzz_envelope, fuzz_section); here they stand together. */
#include "proto/frame.h"
#include "proto/limits.h"
#include "runnel.pb-c.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/standalone.h"

#include <errno.h>
#include <string.h>

static void walk(const struct wire_section *s)
{
    uint64_t bytes = 0;
    unsigned sum = 0;
    size_t at = 0, len;

    for (uint32_t i = 0; i < s->count; i++) {
        const uint8_t *e = section_element(s, &at, &len);
        bytes += len;
        if (len > 0)
            sum += e[0] + (unsigned)e[len - 1];
    }
    must(at == s->size);
    must(bytes == s->bytes);
    must(sum < UINT32_MAX);
    must(section_fit(s, s->bytes) == s->count);
    if (s->count > 1) {
        struct wire_section rest = *s, head;
        section_split(&rest, &head, 1 + s->count / 3);
        must(head.count + rest.count == s->count);
        must(head.size + rest.size == s->size);
        must(head.bytes + rest.bytes == s->bytes);
    }
}

/* What was read can be written, and is read as the same bytes again. */
static void write_again(const struct frame_view *v)
{
    struct control_buffer b = { 0 }, c = { 0 };
    struct frame_view w;
    const char *why;

    for (uint32_t i = 0; i < v->n_controls; i++) {
        int rc = control_append(&b, &v->controls[i]);
        /* An Answer takes more room here than it did when it left out what is zero. */
        must(rc == 0 || (rc == -EMSGSIZE && v->controls[i].what == WIRE_ANSWER));
    }
    if (b.count == v->n_controls && b.len <= WIRE_ENVELOPE_MAX - 64 && v->seq != 0) {
        struct frame *f = frame_of_controls(v->session, v->seq, v->ack, b.data, b.len);
        must(frame_read(&w, f->data, f->len, &why) == 0);
        must(w.n_controls == v->n_controls);
        for (uint32_t i = 0; i < w.n_controls; i++)
            must(control_append(&c, &w.controls[i]) == 0);
        must(c.len == b.len);
        must(b.len == 0 || memcmp(b.data, c.data, b.len) == 0);
        frame_view_fini(&w);
        frame_unref(f);
    }
    control_buffer_fini(&b);
    control_buffer_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_view v;
    const char *why = NULL;
    int rc = frame_read(&v, data, size, &why);

    if (rc != 0) {
        must(rc == -EPROTO);
        must(why != NULL);
        return 0;
    }
    for (uint32_t i = 0; i < v.n_sections; i++)
        walk(&v.sections[i]);
    write_again(&v);
    frame_view_fini(&v);
    return 0;
}

#ifndef FUZZ_STANDALONE
/* ---- mutation that knows the shape --------------------------------------------------------- */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* An honest frame with one control of each of a few kinds, and sections. */
static size_t honest(uint8_t *data, size_t max, unsigned seed)
{
    static const uint8_t body[] = { 3, 'a', 'b', 'c', 0, 1, 'd', 0x80, 0x01 };
    static uint8_t long_body[sizeof body + 128];
    struct wire_binding_info binding = { .node = "n", .direction = WIRE_OUT };
    struct wire_tap_info tap = { .node = "n", .rate = 9 };
    struct wire_channel_info channel = {
        .taps = &tap, .n_taps = 1, .name = "c", .bindings = &binding, .n_bindings = 1
    };
    struct wire_wait wait = { "c", WIRE_OUT };
    struct wire_goroutine goroutine = { .id = 1, .name = "g", .doing = WIRE_WAITING };
    struct wire_node_info node = { .name = "n", .goroutines = &goroutine, .n_goroutines = 1 };
    struct wire_element element = {
        .position = 1, .node = "n", .size = 9, .bytes = body, .len = 3
    };
    struct frame_writer w = { 0 };
    struct control_buffer b = { 0 };
    struct wire_section s = { .bind = 1,
                              .count = 4,
                              .number = 1,
                              .bytes = 132,
                              .size = sizeof long_body,
                              .body = long_body };
    size_t len = 0;

    memcpy(long_body, body, sizeof body);
    for (unsigned i = 0; i < seed % 4; i++) {
        unsigned what = 1 + (seed >> 3) % (WIRE_REPORT + 10);
        unsigned gap = what <= WIRE_REPORT       ? 0
                       : what <= WIRE_REPORT + 6 ? WIRE_CLAIM - WIRE_REPORT - 1
                                                 : WIRE_PEEK - WIRE_REPORT - 7;
        struct wire_control c = { .what = (enum wire_what)(what + gap), .bind = 1 };
        if (c.what == WIRE_ANSWER) {
            c.answer.channels = &channel;
            c.answer.n_channels = 1;
            c.answer.nodes = &node;
            c.answer.n_nodes = 1;
            c.answer.elements = &element;
            c.answer.n_elements = 1;
        } else if (c.what == WIRE_REPORT) {
            goroutine.waits = &wait;
            goroutine.n_waits = 1;
            c.report.goroutines = &goroutine;
            c.report.n_goroutines = 1;
        } else if (c.what == WIRE_CLOSED_) {
            c.recall.code = WIRE_CLOSED;
        }
        must(control_append(&b, &c) == 0);
    }
    for (unsigned i = 0; i < (seed >> 8) % 3; i++) {
        struct wire_section offer, rest = s;
        section_split(&rest, &offer, 1);
        offer.flags = WIRE_OFFER | (seed >> 10 & WIRE_PATIENT);
        must(frame_writer_section(&w, seed >> 12 & 1 ? &offer : &s) == 0);
    }
    struct frame *f = frame_writer_seal_with(&w, 1, 1, 0, b.data, b.len);
    if (f->len <= max) {
        len = f->len;
        memcpy(data, f->data, len);
    }
    frame_unref(f);
    control_buffer_fini(&b);
    return len;
}

/* Changes the envelope alone and corrects its lengths, or the sections alone, or anything. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size_t envelope = size < 4 ? 0 : data[0] | (size_t)data[1] << 8, tail, room;
    uint8_t *changed;

    if (seed % 50 == 0)
        return honest(data, max, seed / 50);
    if (seed % 16 == 1 || size < 4 || envelope > size - 4)
        return LLVMFuzzerMutate(data, size, max);
    tail = size - 4 - envelope;
    if (seed % 4 == 2)
        return 4 + envelope + LLVMFuzzerMutate(data + 4 + envelope, tail, max - 4 - envelope);
    room = max - 4 - tail;
    changed = malloc(room + 1);
    memcpy(changed, data + 4, envelope);
    envelope = mutate_message(&runnel__envelope__descriptor, changed, envelope, room, seed / 16);
    memmove(data + 4 + envelope, data + size - tail, tail);
    memcpy(data + 4, changed, envelope);
    free(changed);
    data[0] = (uint8_t)envelope;
    data[1] = (uint8_t)(envelope >> 8);
    return 4 + envelope + tail;
}
#endif
