/* test_frame_refused.c - frames: what is wrong is refused.   SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "proto/frame.h"
#include "proto/limits.h"
#include "tests/proto/alloc.h"
#include "tests/proto/framing.h"
#include "tests/proto/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_frame_cut_anywhere_is_refused(void **state)
{
    struct control_buffer b = { 0 };
    struct frame_writer w = { 0 };
    size_t lens[] = { 7, 200, 0 };
    struct wire_section s = section_of(lens, 3);
    struct wire_control c = { .what = WIRE_REFUSED,
                              .bind = 5,
                              .refused = { WIRE_MISMATCH, "capacity" } };

    (void)state;
    assert_int_equal(control_append(&b, &c), 0);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    struct frame *f = frame_writer_seal_with(&w, 42, 2, 1, b.data, b.len);
    for (size_t len = 0; len < f->len; len++)
        read_bad(f->data, len);
    uint8_t *longer = malloc(f->len + 1);
    memcpy(longer, f->data, f->len);
    longer[f->len] = 0;
    assert_non_null(strstr(read_bad(longer, f->len + 1), "left over"));
    free(longer);
    frame_unref(f);
    control_buffer_fini(&b);
    free((void *)s.body);
}

/* Replaces `size` bytes at `at` by value and wants a refusal. */
static void corrupt(const struct frame *f, size_t at, size_t size, uint64_t value)
{
    struct frame *g = frame_of_bytes(f->data, f->len);

    for (size_t i = 0; i < size; i++)
        g->data[at + i] = (uint8_t)(value >> (8 * i));
    read_bad(g->data, g->len);
    frame_unref(g);
}

static void each_length_of_a_section_must_agree_with_the_others(void **state)
{
    struct frame *f = frame_with_sections(2, 5, 100);
    size_t at = sections_at(f);

    (void)state;
    static const uint64_t counts[] = { 0, 4, 6, 515, UINT32_MAX };
    for (size_t i = 0; i < 5; i++)
        corrupt(f, at + 4, 4, counts[i]);
    static const uint64_t numbers[] = { 0, UINT64_MAX, UINT64_MAX - 4 };
    for (size_t i = 0; i < 3; i++)
        corrupt(f, at + 8, 8, numbers[i]);
    corrupt(f, at + 16, 8, UINT64_MAX); /* position */
    static const uint64_t bytes[] = { 0, 509, 511, 1000, UINT64_MAX, UINT64_MAX - 10 };
    for (size_t i = 0; i < 6; i++)
        corrupt(f, at + 40, 8, bytes[i]);
    static const uint64_t sizes[] = { 0, 1, 514, 516, 4000, UINT32_MAX, UINT32_MAX - 56 };
    for (size_t i = 0; i < 7; i++)
        corrupt(f, at + 48, 4, sizes[i]);
    static const uint64_t flags[] = { WIRE_OFFER /* of several elements */,
                                      WIRE_PATIENT,
                                      128,
                                      WIRE_DEAD | WIRE_OFFER,
                                      WIRE_TIMED | WIRE_OFFER,
                                      WIRE_TIMED | WIRE_DEAD,
                                      WIRE_HEADED | WIRE_PATIENT,
                                      UINT32_MAX };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        corrupt(f, at + 52, 4, flags[i]);
    for (uint64_t length = 0; length < 256; length++) /* the first element's prefix */
        if (length != 100)
            corrupt(f, at + 56, 1, length);
    frame_unref(f);
}

static void a_timed_section_has_its_times_behind_its_header(void **state)
{
    size_t lens[] = { 0, 100, 7 };
    struct wire_section s = section_of(lens, 3);
    struct frame_writer w = { 0 };
    struct frame_view v;

    (void)state;
    s.flags = WIRE_TIMED;
    s.delay_ms = 12;
    s.ttl_ms = UINT64_MAX;
    assert_int_equal(section_header_size(&s), 72);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    s.flags = 0;
    assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_size(&w), 72 + 56 + 2 * s.size);
    struct frame *f = frame_writer_seal(&w, 1, 1, 0);
    read_good(&v, f);
    assert_int_equal(v.n_sections, 2);
    assert_int_equal(v.sections[0].flags, WIRE_TIMED);
    assert_int_equal(v.sections[0].delay_ms, 12);
    assert_int_equal(v.sections[0].ttl_ms, UINT64_MAX);
    assert_memory_equal(v.sections[0].body, s.body, s.size);
    assert_int_equal(v.sections[1].delay_ms, 0);
    assert_int_equal(v.sections[1].ttl_ms, 0);
    assert_memory_equal(v.sections[1].body, s.body, s.size);
    frame_view_fini(&v);
    frame_unref(f);
    free((void *)s.body);
}

static void times_that_are_cut_off_are_refused(void **state)
{
    struct frame *f = frame_with_sections(1, 1, 1);
    size_t at = sections_at(f);

    (void)state;
    assert_int_equal(f->len, at + WIRE_SECTION_HEADER + 2);
    f->data[at + 52] = WIRE_TIMED;
    assert_non_null(strstr(read_bad(f->data, f->len), "cut off"));
    frame_unref(f);
}

static void a_length_must_have_its_shortest_form(void **state)
{
    static const uint8_t bodies[][8] = {
        { 0x80, 0x00 },      /* 0 in two bytes */
        { 0x81, 0x00, 'x' }, /* 1 in two bytes */
        { 0x81, 0x80, 0x00, 'x' },
        { 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 'x' }, /* six bytes */
        { 0x80, 0x80, 0x80, 0x80, 0x10, 0x00 },      /* 2^32 */
        { 0x80, 0x80, 0x80, 0x80 },                  /* cut off */
        { 0x80 },
    };
    static const uint8_t sizes[] = { 2, 3, 4, 7, 6, 4, 1 };
    static const uint8_t bytes[] = { 0, 1, 1, 1, 0, 0, 0 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes; i++) {
        struct wire_section s = {
            .count = 1, .number = 1, .size = sizes[i], .bytes = bytes[i], .body = bodies[i]
        };
        struct frame_writer w = { 0 };
        assert_int_equal(frame_writer_section(&w, &s), 0);
        struct frame *f = frame_writer_seal(&w, 1, 1, 0);
        read_bad(f->data, f->len);
        frame_unref(f);
    }
}

static void elements_beyond_the_body_are_refused(void **state)
{
    struct frame *f = frame_with_sections(1, 1, 100);
    size_t at = sections_at(f), size = 250;
    uint8_t *data = calloc(1, at + WIRE_SECTION_HEADER + size);

    /* Ten elements of 30 bytes in room for eight and a bit. */
    (void)state;
    memcpy(data, f->data, at + WIRE_SECTION_HEADER);
    for (size_t i = 0; i < size; i += 31)
        data[at + WIRE_SECTION_HEADER + i] = 30;
    data[at + 4] = 10;
    data[at + 40] = 240;
    data[at + 48] = (uint8_t)size;
    read_bad(data, at + WIRE_SECTION_HEADER + size);
    free(data);
    frame_unref(f);
}

static void what_is_longer_than_256_kib_is_not_whole(void **state)
{
    size_t len = WIRE_WHOLE_MAX, n = 3;
    uint8_t *body = calloc(1, n + len + 1);
    struct frame_view v;

    (void)state;
    assert_int_equal(element_prefix(body, len), n);
    for (int more = 0; more < 2; more++) {
        struct wire_section s = {
            .count = 1, .number = 1, .bytes = len, .size = (uint32_t)(n + len), .body = body
        };
        struct frame_writer w = { 0 };
        assert_int_equal(frame_writer_section(&w, &s), 0);
        struct frame *f = frame_writer_seal(&w, 1, 1, 0);
        if (more == 0) {
            read_good(&v, f);
            frame_view_fini(&v);
        } else {
            read_bad(f->data, f->len);
        }
        frame_unref(f);
        len++;
        body[0]++; /* the lowest bits of the prefix */
    }
    free(body);
}

static void a_frame_has_at_most_4096_sections(void **state)
{
    static const uint8_t body[] = { 0 };
    struct wire_section s = { .count = 1, .number = 1, .size = 1, .body = body };
    size_t one = WIRE_SECTION_HEADER + sizeof body;
    struct frame_writer w = { 0 };
    struct frame_view v;

    (void)state;
    for (int i = 0; i < WIRE_SECTIONS_MAX; i++)
        assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_section(&w, &s), -EMSGSIZE);
    struct frame *f = frame_writer_seal(&w, 1, 1, 0);
    read_good(&v, f);
    assert_int_equal(v.n_sections, WIRE_SECTIONS_MAX);
    frame_view_fini(&v);

    /* One more, by hand: its bytes, and the lowest bits of the number of sections, which ends the envelope. */
    struct frame *g = frame_new(f->len + one);
    memcpy(g->data, f->data, f->len);
    memcpy(g->data + f->len, f->data + f->len - one, one);
    assert_int_equal(g->data[sections_at(f) - 2], 0x80);
    g->data[sections_at(f) - 2]++;
    assert_non_null(strstr(read_bad(g->data, g->len), "more sections"));
    frame_unref(g);
    frame_unref(f);
}

static void an_envelope_has_at_most_60_kib(void **state)
{
    /* session 1, seq 1, a field 15 that nobody knows and that fills the rest */
    static const uint8_t head[] = { 0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0x7a };
    struct frame_view v;

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        size_t len = WIRE_ENVELOPE_MAX + more, rest = len - sizeof head - 3;
        struct frame *f = frame_new(4 + len);
        memset(f->data, 0, f->len);
        f->data[0] = (uint8_t)len;
        f->data[1] = (uint8_t)(len >> 8);
        memcpy(f->data + 4, head, sizeof head);
        assert_int_equal(element_prefix(f->data + 4 + sizeof head, rest), 3);
        if (more == 0) {
            read_good(&v, f);
            frame_view_fini(&v);
        } else {
            read_bad(f->data, f->len);
        }
        frame_unref(f);
    }
}

static void a_hello_needs_an_instance_of_16_bytes(void **state)
{
    (void)state;
    for (uint8_t len = 0; len <= 32; len++) {
        uint8_t data[4 + 2 + 2 + 2 + 32] = { (uint8_t)(6 + len), 0,    0, 0,    0x32,
                                             (uint8_t)(4 + len), 0x08, 1, 0x1a, len };
        struct frame *f = frame_of_bytes(data, (size_t)10 + len);
        struct frame_view v;

        if (len == 16) {
            read_good(&v, f);
            frame_view_fini(&v);
        } else {
            read_bad(f->data, f->len);
        }
        frame_unref(f);
    }
}

static void an_envelope_greets_once(void **state)
{
    struct wire_welcome welcome = { .version = 1 };
    struct frame *f = frame_of_welcome(1, &welcome), *g = frame_new(f->len + 4);

    (void)state;
    memcpy(g->data, f->data, f->len);
    memcpy(g->data + f->len, "\x42\x02\x08\x01", 4); /* a Refusal */
    g->data[0] += 4;
    assert_non_null(strstr(read_bad(g->data, g->len), "more than one"));
    frame_unref(g);
    frame_unref(f);
}

static void promises_take_no_memory(void **state)
{
    static const uint8_t many_sections[] = {
        4 + 11, 0, 0, 0, 0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0x20, 0xff, 0xff, 0xff, 0x0f
    };
    struct frame *f = frame_with_sections(1, 1, 10);
    uint8_t *big;

    (void)state;
    alloc_largest = 0;
    corrupt(f, 0, 4, UINT32_MAX);
    corrupt(f, 0, 4, WIRE_ENVELOPE_MAX + 1);
    corrupt(f, sections_at(f) + 4, 4, UINT32_MAX);
    corrupt(f, sections_at(f) + 48, 4, UINT32_MAX);
    read_bad(many_sections, sizeof many_sections);
    frame_unref(f);
    if (ALLOC_HOOKED)
        assert_in_range(alloc_largest, 1, 4096); /* an arena of the usual size */

    /* 60 KiB of empty controls are the most that protobuf-c can be made to allocate. */
    big = calloc(1, 4 + WIRE_ENVELOPE_MAX);
    big[1] = WIRE_ENVELOPE_MAX >> 8;
    memcpy(big + 4, "\x09\x01\0\0\0\0\0\0\0\x10\x01", 11);
    big[4 + 11] = 0x18; /* ack, so that the rest is even */
    for (size_t i = 4 + 13; i + 1 < 4 + WIRE_ENVELOPE_MAX; i += 2)
        big[i] = 0x2a;
    big[4 + WIRE_ENVELOPE_MAX - 1] = 0;
    alloc_total = 0;
    struct frame_view v;
    const char *why;
    int rc = frame_read(&v, big, 4 + WIRE_ENVELOPE_MAX, &why);
    assert_true(rc == 0 || rc == -EPROTO);
    if (rc == 0)
        frame_view_fini(&v);
    if (ALLOC_HOOKED)
        assert_in_range(alloc_total, 1, 24 << 20);
    free(big);

    /* A frame longer than the longest is refused by its length alone. */
    uint8_t four[4] = { 0 };
    assert_int_equal(frame_read(&v, four, (size_t)WIRE_FRAME_MAX + 1, &why), -EPROTO);
}

static void seq_decides_what_may_stand_in_an_envelope(void **state)
{
    struct wire_control c = { .what = WIRE_UNBIND, .bind = 5 };
    struct control_buffer b = { 0 };
    struct frame *f;

    (void)state;
    assert_int_equal(control_append(&b, &c), 0);
    f = frame_of_controls(1, 0, 0, b.data, b.len); /* a control outside the stream */
    read_bad(f->data, f->len);
    frame_unref(f);
    f = frame_of_controls(0, 1, 0, b.data, b.len); /* no session */
    read_bad(f->data, f->len);
    frame_unref(f);
    control_buffer_fini(&b);

    struct wire_welcome welcome = { .version = 1 };
    f = frame_of_welcome(1, &welcome);
    struct frame *g = frame_new(f->len + 2); /* the same with seq 1 */
    memcpy(g->data, f->data, f->len);
    memcpy(g->data + f->len, "\x10\x01", 2);
    g->data[0] += 2;
    read_bad(g->data, g->len);
    frame_unref(g);
    frame_unref(f);
}

/* Packs c without looking, as a stranger might. */
static void stranger_is_refused(const struct wire_control *c)
{
    struct control_buffer b = { 0 };

    assert_int_equal(control_append(&b, c), 0);
    struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
    read_bad(f->data, f->len);
    frame_unref(f);
    control_buffer_fini(&b);
}

static void values_out_of_range_are_refused(void **state)
{
    struct wire_control c;

    (void)state;
    c = (struct wire_control){ .what = WIRE_BIND,
                               .bind_ = { .name = "a", .direction = (enum wire_direction)2 } };
    stranger_is_refused(&c);
    c.bind_.direction = WIRE_IN;
    c.bind_.attributes.kind = (enum wire_kind)3;
    stranger_is_refused(&c);
    c.bind_.attributes.kind = (enum wire_kind) - 1;
    stranger_is_refused(&c);
    c.bind_.attributes.kind = WIRE_KIND_ANY;
    c.bind_.attributes.keep = (enum wire_keep)4;
    stranger_is_refused(&c);
    c.bind_.attributes.keep = WIRE_KEEP_ANY;
    c.bind_.attributes.slow = (enum wire_slow)4;
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_REFUSED,
                               .refused = { (enum wire_code)(WIRE_CODE_LAST + 1), "x" } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_FAILED_, .refused = { (enum wire_code) - 1, "x" } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_CLOSED_, .recall = { .code = WIRE_OK } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_RECALL,
                               .recall = { .closing = true, .code = WIRE_DENIED } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_RECALL, .recall = { .code = (enum wire_code)99 } };
    stranger_is_refused(&c);
    struct wire_binding_info binding = { .node = "n", .direction = (enum wire_direction)7 };
    struct wire_channel_info channel = { .name = "n", .bindings = &binding, .n_bindings = 1 };
    c = (struct wire_control){ .what = WIRE_ANSWER,
                               .answer = { .channels = &channel, .n_channels = 1, .last = true } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_ANSWER,
                               .answer = { .code = (enum wire_code)(WIRE_CODE_LAST + 1) } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_QUERY, .query_want = (enum wire_want)3 };
    stranger_is_refused(&c);
    struct wire_goroutine g = { .doing = (enum wire_doing)5 };
    struct wire_node_info node = { .name = "n", .goroutines = &g, .n_goroutines = 1 };
    c = (struct wire_control){ .what = WIRE_REPORT,
                               .report = { .goroutines = &g, .n_goroutines = 1 } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_ANSWER, .answer = { .nodes = &node, .n_nodes = 1 } };
    stranger_is_refused(&c);
    node.n_goroutines = 0;
    node.voice = (enum wire_voice)3;
    stranger_is_refused(&c);
    struct wire_range range = { 1, 1 };
    c = (struct wire_control){
        .what = WIRE_SETTLE,
        .settle = { .verdict = (enum wire_verdict)(WIRE_LOST + 1), .ranges = &range, .n_ranges = 1 }
    };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_LOST_, .lost = { .code = WIRE_CLOSED } };
    stranger_is_refused(&c);
    struct wire_wait wait = { "a", (enum wire_direction)2 };
    g = (struct wire_goroutine){ .waits = &wait, .n_waits = 1 };
    c = (struct wire_control){ .what = WIRE_REPORT,
                               .report = { .goroutines = &g, .n_goroutines = 1 } };
    stranger_is_refused(&c);
}

static void ranges_ascend_and_lie_apart(void **state)
{
    static struct wire_range many[WIRE_RANGES_MAX + 1];
    static const struct wire_range bad[][2] = {
        { { 0, 1 }, { 5, 1 } },          { { 1, 0 }, { 5, 1 } }, { { 1, 5 }, { 5, 1 } },
        { { 5, 1 }, { 1, 1 } },          { { 5, 1 }, { 5, 1 } }, { { 1, 1 }, { UINT64_MAX, 2 } },
        { { 2, UINT64_MAX }, { 5, 1 } },
    };
    struct wire_control c = { .what = WIRE_SETTLE, .settle = { .why = "", .n_ranges = 2 } };
    struct control_buffer b = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        c.settle.ranges = bad[i];
        assert_int_equal(control_append(&b, &c), -EINVAL);
    }
    for (uint64_t i = 0; i < WIRE_RANGES_MAX + 1; i++)
        many[i] = (struct wire_range){ 2 * i + 1, 1 };
    c.settle.ranges = many;
    c.settle.n_ranges = WIRE_RANGES_MAX + 1;
    assert_int_equal(control_append(&b, &c), -EINVAL);
    c.settle.n_ranges = 0;
    assert_int_equal(control_append(&b, &c), -EINVAL);
    assert_int_equal(b.len, 0);

    /* What is read is no better: the last byte of what is written is the count of the last range. */
    c.settle.ranges = (const struct wire_range[]){ { 3, 1 }, { 5, 7 } };
    c.settle.n_ranges = 2;
    assert_int_equal(control_append(&b, &c), 0);
    assert_int_equal(b.data[b.len - 1], 7);
    b.data[b.len - 1] = 0;
    struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
    read_bad(f->data, f->len);
    frame_unref(f);
    control_buffer_fini(&b);
}

static void a_string_with_a_nul_inside_is_refused(void **state)
{
    struct wire_control controls[] = {
        { .what = WIRE_QUERY, .query_name = "abc" },
        { .what = WIRE_BIND, .bind_ = { .name = "abc" } },
        { .what = WIRE_OPENED, .bound = { .attributes = { .type = "abc" } } },
        { .what = WIRE_FAILED_, .refused = { WIRE_DENIED, "abc" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        struct control_buffer b = { 0 };
        assert_int_equal(control_append(&b, &controls[i]), 0);
        uint8_t *abc = memmem(b.data, b.len, "abc", 3);
        assert_non_null(abc);
        for (int k = 0; k < 3; k++) {
            abc[k] = 0;
            struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
            read_bad(f->data, f->len);
            frame_unref(f);
            abc[k] = 'x';
        }
        control_buffer_fini(&b);
    }
}

/* A Report of n goroutines with a name of 28 bytes each, as somebody else might write it. */
static struct frame *frame_of_report(uint32_t n)
{
    size_t len = 32 * (size_t)n, at = 0;
    uint8_t length[8], *data = malloc(len + 32);

    data[at++] = 0x2a; /* control */
    at += element_prefix(data + at, len + 2 + element_prefix(length, len));
    data[at++] = 0xaa; /* report: field 21 */
    data[at++] = 0x01;
    at += element_prefix(data + at, len);
    for (uint32_t i = 0; i < n; i++, at += 32)
        memcpy(data + at,
               "\x22\x1e\x12\x1c"
               "0123456789012345678901234567",
               32);
    struct frame *f = frame_of_controls(1, 1, 0, data, at);
    free(data);
    return f;
}

static void a_report_that_is_too_large_is_refused(void **state)
{
    uint32_t most = WIRE_REPORT_MAX / 32;
    struct frame *f = frame_of_report(most);
    struct frame_view v;

    (void)state;
    read_good(&v, f);
    assert_int_equal(v.controls[0].what, WIRE_REPORT);
    assert_int_equal(v.controls[0].report.n_goroutines, most);
    frame_view_fini(&v);
    frame_unref(f);
    f = frame_of_report(most + 1);
    assert_non_null(strstr(read_bad(f->data, f->len), "too long"));
    frame_unref(f);
}

static void damaged_frames_are_refused_or_read_but_never_wrong_in_their_sums(void **state)
{
    struct frame *f = frame_with_sections(3, 6, 50);

    (void)state;
    for (random_begin(20000); random_more();) {
        struct frame *g = frame_of_bytes(f->data, f->len);
        struct frame_view v;
        const char *why = NULL;

        for (uint64_t n = 1 + random_below(4); n > 0; n--)
            g->data[random_below(random_chance(50) ? 100 : g->len)] ^= (uint8_t)(1 +
                                                                                 random_below(255));
        int rc = frame_read(&v, g->data, g->len, &why);
        if (rc == 0) {
            for (uint32_t i = 0; i < v.n_sections; i++) {
                uint64_t bytes = 0;
                size_t at = 0, len;
                for (uint32_t k = 0; k < v.sections[i].count; k++) {
                    section_element(&v.sections[i], &at, &len);
                    bytes += len;
                }
                assert_int_equal(at, v.sections[i].size);
                assert_int_equal(bytes, v.sections[i].bytes);
            }
            frame_view_fini(&v);
        } else {
            assert_int_equal(rc, -EPROTO);
            assert_non_null(why);
        }
        frame_unref(g);
    }
    frame_unref(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_cut_anywhere_is_refused),
        cmocka_unit_test(each_length_of_a_section_must_agree_with_the_others),
        cmocka_unit_test(a_timed_section_has_its_times_behind_its_header),
        cmocka_unit_test(times_that_are_cut_off_are_refused),
        cmocka_unit_test(a_length_must_have_its_shortest_form),
        cmocka_unit_test(elements_beyond_the_body_are_refused),
        cmocka_unit_test(what_is_longer_than_256_kib_is_not_whole),
        cmocka_unit_test(a_frame_has_at_most_4096_sections),
        cmocka_unit_test(an_envelope_has_at_most_60_kib),
        cmocka_unit_test(a_hello_needs_an_instance_of_16_bytes),
        cmocka_unit_test(an_envelope_greets_once),
        cmocka_unit_test(promises_take_no_memory),
        cmocka_unit_test(seq_decides_what_may_stand_in_an_envelope),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(ranges_ascend_and_lie_apart),
        cmocka_unit_test(a_string_with_a_nul_inside_is_refused),
        cmocka_unit_test(a_report_that_is_too_large_is_refused),
        cmocka_unit_test(damaged_frames_are_refused_or_read_but_never_wrong_in_their_sums),
    };

    return cmocka_run_group_tests_name("frame_refused", tests, NULL, NULL);
}
