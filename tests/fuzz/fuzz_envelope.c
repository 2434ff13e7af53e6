/* fuzz_envelope.c - any bytes as the envelope of a frame.   SPDX-License-Identifier: MIT
 *
 * What is read keeps what wire.h promises, is written again, and is read as the same.  What a Report says can be handed
 * on in an Answer, whoever sent it. */
#include "proto/frame.h"
#include "proto/limits.h"
#include "runnel.pb-c.h"
#include "tests/fuzz/controls.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/standalone.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Of a node whose name and host take all the room that they may. */
static void hand_on(const struct wire_control *report)
{
    static char name[WIRE_TEXT_MAX + 1];
    struct wire_node_info node = {
        .name = name,
        .session = UINT64_MAX,
        .host = report->report.host,
        .pid = report->report.pid,
        .voice = WIRE_LEFT,
        .heard_ms = UINT64_MAX,
        .connected = true,
        .sends = true,
        .receives = true,
        .goroutines = report->report.goroutines,
        .n_goroutines = report->report.n_goroutines,
        .last = true,
    };
    struct wire_control answer = { .what = WIRE_ANSWER,
                                   .bind = UINT32_MAX,
                                   .answer = { .nodes = &node, .n_nodes = 1, .last = true } };
    struct control_buffer b = { 0 };

    memset(name, 'n', WIRE_TEXT_MAX);
    must(control_append(&b, &answer) == 0);
    control_buffer_fini(&b);
}

/* An Answer takes more room here than it did when it left out what is zero; who makes one keeps it small. */
static bool may_be_too_long(const struct wire_control *c)
{
    return c->what == WIRE_ANSWER && (c->answer.n_channels > 0 || c->answer.n_nodes > 0);
}

static void write_control(const struct wire_control *c)
{
    struct control_buffer b = { 0 };
    struct frame_view v;
    const char *why;
    int rc = control_append(&b, c);

    if (rc == -EMSGSIZE && may_be_too_long(c))
        return;
    must(rc == 0);
    struct frame *f = frame_of_controls(UINT64_MAX, UINT64_MAX, UINT64_MAX, b.data, b.len);
    must(frame_read(&v, f->data, f->len, &why) == 0);
    must(v.n_controls == 1);
    must(control_same(c, &v.controls[0]));
    frame_view_fini(&v);
    frame_unref(f);
    control_buffer_fini(&b);
}

static void check_controls(const struct frame_view *v)
{
    for (uint32_t i = 0; i < v->n_controls; i++) {
        control_must_be_sound(&v->controls[i]);
        write_control(&v->controls[i]);
        if (v->controls[i].what == WIRE_REPORT)
            hand_on(&v->controls[i]);
    }
}

static void check_hello(const struct frame_view *v, const struct wire_hello *a)
{
    struct frame *f = frame_of_hello(v->session, a);
    struct frame_view w;
    const char *why;

    must(frame_read(&w, f->data, f->len, &why) == 0);
    const struct wire_hello *b = w.hello;
    must(b != NULL);
    must(w.session == v->session);
    must(b->version == a->version && b->features == a->features && b->lease_ms == a->lease_ms);
    must(b->resume == a->resume && b->received == a->received);
    must(memcmp(b->instance, a->instance, sizeof b->instance) == 0);
    must(strcmp(b->name, a->name) == 0);
    frame_view_fini(&w);
    frame_unref(f);
}

static void check_welcome(const struct frame_view *v, const struct wire_welcome *a)
{
    struct frame *f = frame_of_welcome(v->session, a);
    struct frame_view w;
    const char *why;

    must(frame_read(&w, f->data, f->len, &why) == 0);
    const struct wire_welcome *b = w.welcome;
    must(b != NULL);
    must(b->version == a->version && b->features == a->features && b->lease_ms == a->lease_ms);
    must(b->received == a->received && b->resumed == a->resumed);
    frame_view_fini(&w);
    frame_unref(f);
}

static void check_refusal(const struct frame_view *v, const struct wire_refusal *a)
{
    struct frame *f = frame_of_refusal(v->session, a);
    struct frame_view w;
    const char *why;

    must((unsigned)a->code <= WIRE_CODE_LAST);
    must(frame_read(&w, f->data, f->len, &why) == 0);
    must(w.refusal != NULL);
    must(w.refusal->code == a->code);
    must(strcmp(w.refusal->sentence, a->sentence) == 0);
    frame_view_fini(&w);
    frame_unref(f);
}

static void check(const struct frame_view *v)
{
    must((v->hello != NULL) + (v->welcome != NULL) + (v->refusal != NULL) <= 1);
    must(v->seq != 0 || v->n_controls == 0);
    must(v->seq == 0 || v->session != 0);
    must(v->n_sections == 0);
    if (v->hello != NULL)
        check_hello(v, v->hello);
    if (v->welcome != NULL)
        check_welcome(v, v->welcome);
    if (v->refusal != NULL)
        check_refusal(v, v->refusal);
    check_controls(v);
}

/* A field that nobody knows, before all others, has protobuf-c read what is read by hand else: it must find the same. */
static void check_otherwise(const struct frame_view *v, int rc, const uint8_t *data, size_t size)
{
    uint8_t *frame = malloc(4 + 2 + size);
    struct frame_view w;
    const char *why = NULL;

    for (unsigned i = 0; i < 4; i++)
        frame[i] = (uint8_t)((size + 2) >> (8 * i));
    frame[4] = 15 << 3;
    frame[5] = 0;
    memcpy(frame + 6, data, size);
    must(frame_read(&w, frame, 4 + 2 + size, &why) == rc);
    if (rc == 0) {
        must(v->session == w.session && v->seq == w.seq && v->ack == w.ack);
        must(v->n_controls == w.n_controls);
        for (uint32_t i = 0; i < v->n_controls; i++)
            must(control_same(&v->controls[i], &w.controls[i]));
        frame_view_fini(&w);
    }
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *frame = malloc(4 + size);
    struct frame_view v;
    const char *why = NULL;
    int rc;

    for (unsigned i = 0; i < 4; i++)
        frame[i] = (uint8_t)(size >> (8 * i));
    memcpy(frame + 4, data, size);
    rc = frame_read(&v, frame, 4 + size, &why);
    if (size <= WIRE_ENVELOPE_MAX - 2)
        check_otherwise(&v, rc, data, size);
    if (rc == 0) {
        check(&v);
        frame_view_fini(&v);
    } else {
        must(rc == -EPROTO);
        must(why != NULL);
    }
    free(frame);
    return 0;
}

#ifndef FUZZ_STANDALONE
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    /* What every numbered frame has, to begin with. */
    static const uint8_t head[] = { 0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 1 };

    if (size == 0 || seed % 64 == 0) {
        size = max < sizeof head ? max : sizeof head;
        memcpy(data, head, size);
    }
    if (seed % 32 == 1)
        return LLVMFuzzerMutate(data, size, max);
    return mutate_message(&runnel__envelope__descriptor, data, size, max, seed / 64);
}
#endif
