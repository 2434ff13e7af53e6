/* test_frame.c - frames: what is written is read.   SPDX-License-Identifier: MIT */
#include "proto/frame.h"
#include "proto/limits.h"
#include "tests/proto/alloc.h"
#include "tests/proto/framing.h"
#include "tests/proto/random.h"
#include "tests/proto/sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_control_is_read_as_it_was_written(void **state)
{
    static struct sample samples[8];

    (void)state;
    for (random_begin(20000); random_more();) {
        struct control_buffer b = { 0 };
        uint32_t n = 1 + (uint32_t)random_below(8);
        struct frame_view v;

        for (uint32_t i = 0; i < n; i++) {
            enum wire_what what = sample_whats[random_below(SAMPLE_WHATS)];
            sample_make(&samples[i], what, random_next());
            assert_int_equal(control_append(&b, &samples[i].control), 0);
        }
        assert_int_equal(b.count, n);
        uint64_t session = random_next() | 1, seq = random_number() | 1, ack = random_number();
        struct frame *f = frame_of_controls(session, seq, ack, b.data, b.len);
        read_good(&v, f);
        assert_int_equal(v.session, session);
        assert_int_equal(v.seq, seq);
        assert_int_equal(v.ack, ack);
        assert_int_equal(v.len, f->len);
        assert_int_equal(v.n_controls, n);
        for (uint32_t i = 0; i < n; i++)
            sample_same(&samples[i].control, &v.controls[i]);
        frame_view_fini(&v);
        frame_unref(f);
        control_buffer_fini(&b);
    }
}

static void every_kind_of_control_is_read_as_it_was_written(void **state)
{
    static struct sample s;

    (void)state;
    for (size_t i = 0; i < SAMPLE_WHATS; i++) {
        struct control_buffer b = { 0 };
        struct frame_view v;

        sample_make(&s, sample_whats[i], random_next());
        assert_int_equal(control_append(&b, &s.control), 0);
        struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
        read_good(&v, f);
        assert_int_equal(v.n_controls, 1);
        sample_same(&s.control, &v.controls[0]);
        frame_view_fini(&v);
        frame_unref(f);
        control_buffer_fini(&b);
    }
}

static void greetings_are_read_as_they_were_written(void **state)
{
    struct wire_hello hello = { 1, 5, "0123456789abcde", "a node", 12345, true, 77 };
    struct wire_welcome welcome = { 1, 6, 10000, 78, true, 79 };
    struct wire_refusal refusal = { WIRE_SESSION_OVER, "the lease of this session ended" };
    struct frame *f;
    struct frame_view v;

    (void)state;
    f = frame_of_hello(9, &hello);
    read_good(&v, f);
    assert_int_equal(v.session, 9);
    assert_int_equal(v.hello->version, 1);
    assert_int_equal(v.hello->features, 5);
    assert_memory_equal(v.hello->instance, hello.instance, 16);
    assert_string_equal(v.hello->name, "a node");
    assert_int_equal(v.hello->lease_ms, 12345);
    assert_true(v.hello->resume);
    assert_int_equal(v.hello->received, 77);
    assert_null(v.welcome);
    assert_null(v.refusal);
    frame_view_fini(&v);
    frame_unref(f);

    f = frame_of_welcome(10, &welcome);
    read_good(&v, f);
    assert_int_equal(v.session, 10);
    assert_int_equal(v.welcome->version, 1);
    assert_int_equal(v.welcome->features, 6);
    assert_int_equal(v.welcome->lease_ms, 10000);
    assert_int_equal(v.welcome->received, 78);
    assert_true(v.welcome->resumed);
    assert_int_equal(v.welcome->clock_ms, 79);
    assert_null(v.hello);
    frame_view_fini(&v);
    frame_unref(f);

    f = frame_of_refusal(11, &refusal);
    read_good(&v, f);
    assert_int_equal(v.refusal->code, WIRE_SESSION_OVER);
    assert_string_equal(v.refusal->sentence, refusal.sentence);
    frame_view_fini(&v);
    frame_unref(f);
}

static void elements_are_read_as_they_were_written(void **state)
{
    static const size_t lens[] = { 0, 1, 127, 128, 129, 16383, 16384, 65535, 131072, 5 };
    struct frame_writer w = { 0 };
    struct wire_section s = section_of(lens, 10);
    struct frame_view v;
    struct frame *f;

    (void)state;
    assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_size(&w), 2 * (WIRE_SECTION_HEADER + s.size));
    f = frame_writer_seal(&w, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2);
    assert_null(w.frame);
    read_good(&v, f);
    assert_int_equal(v.session, UINT64_MAX);
    assert_int_equal(v.seq, UINT64_MAX - 1);
    assert_int_equal(v.ack, UINT64_MAX - 2);
    assert_int_equal(v.n_sections, 2);
    for (int k = 0; k < 2; k++) {
        const struct wire_section *r = &v.sections[k];
        size_t at = 0;

        assert_int_equal(r->bind, s.bind);
        assert_int_equal(r->count, s.count);
        assert_int_equal(r->number, s.number);
        assert_int_equal(r->position, s.position);
        assert_int_equal(r->incarnation, s.incarnation);
        assert_int_equal(r->epoch, s.epoch);
        assert_int_equal(r->deliveries, s.deliveries);
        assert_int_equal(r->bytes, s.bytes);
        assert_int_equal(r->flags, 0);
        for (uint32_t i = 0; i < r->count; i++) {
            size_t len;
            const uint8_t *e = section_element(r, &at, &len);
            assert_int_equal(len, lens[i]);
            assert_true(len == 0 || (e[0] == i && e[len - 1] == i));
        }
        assert_int_equal(at, r->size);
    }
    frame_view_fini(&v);
    frame_unref(f);
    free((void *)s.body);
}

static void split_and_fit_keep_every_element(void **state)
{
    (void)state;
    for (random_begin(2000); random_more();) {
        size_t lens[50];
        uint32_t n = 2 + (uint32_t)random_below(49), cut, fit;
        uint64_t bytes = 0, room;

        for (uint32_t i = 0; i < n; i++)
            lens[i] = random_below(random_chance(20) ? 20000 : 140);
        struct wire_section whole = section_of(lens, n), rest = whole, head;

        room = random_below(whole.bytes + 200);
        fit = section_fit(&whole, room);
        for (uint32_t i = 0; i < fit; i++)
            bytes += lens[i];
        assert_true(bytes <= room);
        assert_true(fit == n || bytes + lens[fit] > room);

        cut = 1 + (uint32_t)random_below(n - 1);
        section_split(&rest, &head, cut);
        assert_int_equal(head.count, cut);
        assert_int_equal(rest.count, n - cut);
        assert_int_equal(head.bytes + rest.bytes, whole.bytes);
        assert_int_equal(head.size + rest.size, whole.size);
        assert_ptr_equal(head.body, whole.body);
        assert_ptr_equal(rest.body, whole.body + head.size);
        assert_int_equal(head.number, whole.number);
        assert_int_equal(rest.number, whole.number + cut);
        assert_int_equal(rest.position, whole.position + cut);

        /* Each part is a good section by itself. */
        struct frame_writer w = { 0 };
        struct frame_view v;
        assert_int_equal(frame_writer_section(&w, &rest), 0);
        assert_int_equal(frame_writer_section(&w, &head), 0);
        struct frame *f = frame_writer_seal(&w, 1, 1, 1);
        read_good(&v, f);
        frame_view_fini(&v);
        frame_unref(f);
        free((void *)whole.body);
    }
}

static void controls_and_sections_share_a_frame(void **state)
{
    struct control_buffer b = { 0 };
    struct frame_writer w = { 0 };
    size_t lens[] = { 7, 9 };
    struct wire_section s = section_of(lens, 2);
    struct wire_control taken = { .what = WIRE_TAKEN, .bind = 5, .number = 6 };
    struct frame_view v;

    (void)state;
    assert_int_equal(control_append(&b, &taken), 0);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    struct frame *f = frame_writer_seal_with(&w, 42, 2, 1, b.data, b.len);
    read_good(&v, f);
    assert_int_equal(v.n_controls, 1);
    assert_int_equal(v.n_sections, 1);
    sample_same(&taken, &v.controls[0]);
    frame_view_fini(&v);
    frame_unref(f);
    control_buffer_fini(&b);
    free((void *)s.body);
}

static void an_offer_is_one_element(void **state)
{
    static const uint32_t flags[] = { WIRE_OFFER | WIRE_HEADED, WIRE_OFFER | WIRE_PATIENT };
    size_t lens[] = { 100, 100 };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint32_t n = i < 2 ? 1 : 2;
        struct frame_writer w = { 0 };
        struct wire_section s = section_of(lens, n);
        struct frame_view v;

        s.flags = flags[i % 2];
        assert_int_equal(frame_writer_section(&w, &s), 0);
        struct frame *f = frame_writer_seal(&w, 1, 1, 0);
        if (n == 1) {
            read_good(&v, f);
            assert_int_equal(v.sections[0].flags, flags[i % 2]);
            frame_view_fini(&v);
        } else {
            assert_non_null(strstr(read_bad(f->data, f->len), "an offer"));
        }
        frame_unref(f);
        free((void *)s.body);
    }
}

static void strings_that_are_too_long_are_not_written_nor_read(void **state)
{
    static char name[WIRE_NAME_MAX + 2], text[WIRE_TEXT_MAX + 3];
    struct wire_control c = { .what = WIRE_QUERY, .query_name = name };
    struct control_buffer b = { 0 };
    struct frame_view v;
    uint8_t raw[4 + 11 + 300] = { 0 };

    (void)state;
    memset(name, 'a', WIRE_NAME_MAX + 1);
    assert_int_equal(control_append(&b, &c), -EMSGSIZE);
    assert_int_equal(b.len, 0);

    /* session 1, seq 1, control { query { name: 256 bytes } } */
    uint8_t *p = raw + 4;
    memcpy(p, "\x09\x01\0\0\0\0\0\0\0\x10\x01", 11);
    p += 11;
    memcpy(p, "\x2a\x87\x02\x82\x01\x83\x02\x12\x80\x02", 10);
    memset(p + 10, 'a', 256);
    raw[0] = (uint8_t)(11 + 10 + 256 - 256);
    raw[1] = 1;
    assert_non_null(strstr(read_bad(raw, 4 + 11 + 10 + 256), "too long"));

    /* Sentences are cut instead, between characters. */
    memset(text, 'a', WIRE_TEXT_MAX + 2);
    memcpy(text + WIRE_TEXT_MAX - 1, "\xc3\xbc", 2);
    c = (struct wire_control){ .what = WIRE_REFUSED, .refused = { WIRE_DENIED, text } };
    assert_int_equal(control_append(&b, &c), 0);
    struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
    read_good(&v, f);
    assert_int_equal(strlen(v.controls[0].refused.sentence), WIRE_TEXT_MAX - 1);
    frame_view_fini(&v);
    frame_unref(f);
    control_buffer_fini(&b);
}

static void an_answer_too_large_for_an_envelope_is_not_written(void **state)
{
    static struct wire_channel_info channels[3000];
    struct wire_control c = { .what = WIRE_ANSWER,
                              .answer = { .channels = channels, .n_channels = 3000 } };
    struct control_buffer b = { 0 };

    (void)state;
    for (int i = 0; i < 3000; i++)
        channels[i].name = "a.channel.with.a.name";
    assert_int_equal(control_append(&b, &c), -EMSGSIZE);
    assert_int_equal(b.len, 0);
    c.answer.n_channels = 1000;
    assert_int_equal(control_append(&b, &c), 0);
    control_buffer_fini(&b);
}

#define MANY 2000

/* A node fills a Report by the sizes of its goroutines, and the broker hands on whatever a Report may hold. */
static void a_report_that_may_be_written_fits_into_an_answer(void **state)
{
    static struct wire_goroutine all[MANY];
    static char text[2 * WIRE_STACK_MAX];
    struct wire_wait waits[2 * WIRE_WAITS_MAX];
    struct control_buffer b = { 0 };
    struct wire_control c = { .what = WIRE_REPORT, .report = { .host = text, .goroutines = all } };
    struct wire_node_info node = { .name = text, .host = text, .goroutines = all };
    size_t before = 0, after = 0;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i < 2 * WIRE_WAITS_MAX; i++)
        waits[i] = (struct wire_wait){ text + sizeof text - 1 - WIRE_NAME_MAX, WIRE_OUT };
    for (unsigned i = 0; i < MANY; i++)
        all[i] = (struct wire_goroutine){ .id = UINT64_MAX,
                                          .waited_ms = UINT64_MAX,
                                          .doing = WIRE_WAITING,
                                          .system = true,
                                          .sends = true,
                                          .receives = true,
                                          .name = text + sizeof text - 1 - i % 50,
                                          .stack = text + sizeof text - 1 - i % 700 };
    all[0] = (struct wire_goroutine){ .name = text, .why = text, .stack = text };
    all[0].waits = waits;
    all[0].n_waits = 2 * WIRE_WAITS_MAX;
    for (uint32_t n = 1; n <= MANY; n++) {
        size_t size = goroutine_size(&all[n - 1]);
        int rc;

        c.report.n_goroutines = n;
        before = b.len;
        rc = control_append(&b, &c);
        if (rc == -EMSGSIZE) {
            assert_true(n > 1);
            break;
        }
        assert_int_equal(rc, 0);
        assert_true(n == 1 || b.len - before - after <= size); /* what this one has added */
        after = b.len - before;
        b.len = 0;
        node.n_goroutines = n;
        struct wire_control answer = { .what = WIRE_ANSWER,
                                       .answer = { .nodes = &node, .n_nodes = 1 } };
        assert_int_equal(control_append(&b, &answer), 0);
        b.len = 0;
    }
    assert_true(c.report.n_goroutines < MANY);
    control_buffer_fini(&b);
}

static void unknown_controls_and_fields_are_skipped(void **state)
{
    static const uint8_t raw[] = {
        34,   0, 0,    0, 0x09, 1, 0,    0,    0, 0,    0,
        0,    0, 0x10, 1, 0x2a, 5, 0xe2, 0x03, 2, 0x08, 7, /* control 60 */
        0x2a, 4, 0x12, 2, 0x08, 5,                         /* Unbind 5 */
        0x2a, 0,                                           /* an empty control */
        0x2a, 6, 0x12, 4, 0x08, 6, 0x78, 1,                /* Unbind 6 with a field 15 */
    };
    struct frame_view v;
    const char *why = "";

    (void)state;
    assert_int_equal(sizeof raw, 38);
    assert_int_equal(frame_read(&v, raw, sizeof raw, &why), 0);
    assert_int_equal(v.n_controls, 2);
    assert_int_equal(v.controls[0].what, WIRE_UNBIND);
    assert_int_equal(v.controls[0].bind, 5);
    assert_int_equal(v.controls[1].bind, 6);
    frame_view_fini(&v);
}

static void reading_and_writing_survive_a_lack_of_memory(void **state)
{
    static struct sample s;

    (void)state;
    if (!ALLOC_HOOKED)
        skip();
    for (random_begin(300); random_more();) {
        struct control_buffer b = { 0 };
        struct frame_view v;
        const char *why = "";
        int rc = -ENOMEM;

        enum wire_what what = random_chance(50) ? WIRE_ANSWER
                                                : sample_whats[random_below(SAMPLE_WHATS)];
        sample_make(&s, what, random_next());
        for (long at = 0; rc != 0; at++) {
            alloc_fail_in = at;
            rc = control_append(&b, &s.control);
            alloc_fail_in = -1;
            assert_true(rc == 0 || (rc == -ENOMEM && b.len == 0));
        }
        struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
        rc = -ENOMEM;
        for (long at = 0; rc != 0; at++) {
            alloc_fail_in = at;
            rc = frame_read(&v, f->data, f->len, &why);
            alloc_fail_in = -1;
            assert_true(rc == 0 || rc == -ENOMEM);
        }
        sample_same(&s.control, &v.controls[0]);
        frame_view_fini(&v);
        frame_unref(f);
        control_buffer_fini(&b);
    }
}

static int released;

static void count_release(struct frame *f)
{
    (void)f;
    released++;
}

static void a_frame_is_released_at_its_last_unref(void **state)
{
    struct frame f = { .refs = 1, .release = count_release };

    (void)state;
    released = 0;
    assert_ptr_equal(frame_ref(&f), &f);
    frame_unref(&f);
    assert_int_equal(released, 0);
    frame_unref(&f);
    assert_int_equal(released, 1);
    frame_unref(NULL);
}

/* A frame of sections of 4 KiB, as many as it may have. */
static struct frame *full_frame(uint8_t fill)
{
    static uint8_t body[4096];
    struct wire_section s = {
        .bind = 1, .count = 1, .number = 1, .size = sizeof body, .body = body
    };
    struct frame_writer w = { 0 };

    memset(body, fill, sizeof body);
    s.bytes = sizeof body - element_prefix(body, sizeof body - 2);
    while (frame_writer_size(&w) + WIRE_SECTION_HEADER + sizeof body <= WIRE_FRAME_TARGET)
        assert_int_equal(frame_writer_section(&w, &s), 0);
    struct frame *f = frame_writer_seal(&w, 1, 2, 3);
    assert_non_null(f);
    return f;
}

/* Also with more of them in use than are kept. */
static void full_frames_are_used_again_and_never_two_at_once(void **state)
{
    enum { FRAMES = 40 };
    struct frame *frames[FRAMES];

    (void)state;
    for (int i = 0; i < FRAMES; i++)
        frames[i] = full_frame((uint8_t)i);
    for (int i = 0; i < FRAMES; i++) {
        struct frame_view view;
        const char *why = "";
        assert_int_equal(frame_read(&view, frames[i]->data, frames[i]->len, &why), 0);
        assert_int_equal(view.sections[0].body[5], i);
        assert_int_equal(view.sections[view.n_sections - 1].body[4095], i);
        frame_view_fini(&view);
    }
    for (int i = 0; i < FRAMES; i++)
        frame_unref(frames[i]);
    alloc_largest = 0;
    frame_unref(full_frame(1));
#if ALLOC_HOOKED && !defined(ALLOC_ASAN)
    assert_true(alloc_largest < WIRE_FRAME_TARGET);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_control_is_read_as_it_was_written),
        cmocka_unit_test(every_control_is_read_as_it_was_written),
        cmocka_unit_test(greetings_are_read_as_they_were_written),
        cmocka_unit_test(elements_are_read_as_they_were_written),
        cmocka_unit_test(split_and_fit_keep_every_element),
        cmocka_unit_test(controls_and_sections_share_a_frame),
        cmocka_unit_test(an_offer_is_one_element),
        cmocka_unit_test(strings_that_are_too_long_are_not_written_nor_read),
        cmocka_unit_test(an_answer_too_large_for_an_envelope_is_not_written),
        cmocka_unit_test(a_report_that_may_be_written_fits_into_an_answer),
        cmocka_unit_test(unknown_controls_and_fields_are_skipped),
        cmocka_unit_test(reading_and_writing_survive_a_lack_of_memory),
        cmocka_unit_test(a_frame_is_released_at_its_last_unref),
        cmocka_unit_test(full_frames_are_used_again_and_never_two_at_once),
    };

    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
