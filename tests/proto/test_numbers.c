/* test_numbers.c - what is read and written by hand is what protobuf-c reads and writes.   SPDX-License-Identifier: MIT
 *
 * A field that nobody knows, before all others, has protobuf-c read an envelope. */
#include "proto/frame.h"
#include "proto/limits.h"
#include "runnel.pb-c.h"
#include "tests/proto/framing.h"
#include "tests/proto/random.h"
#include "tests/proto/sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The envelope of f, behind a field 15. */
static struct frame *with_unknown_field(const struct frame *f)
{
    struct frame *g = frame_new(f->len + 2);

    memcpy(g->data + 6, f->data + 4, f->len - 4);
    for (unsigned i = 0; i < 4; i++)
        g->data[i] = (uint8_t)((f->len - 2) >> (8 * i));
    g->data[4] = 15 << 3;
    g->data[5] = 0;
    return g;
}

/* Both are refused, or give the same. */
static void same_either_way(const struct frame *f)
{
    struct frame *g = with_unknown_field(f);
    struct frame_view by_hand, by_protobuf;
    const char *why = NULL;
    int rc = frame_read(&by_hand, f->data, f->len, &why);

    assert_int_equal(frame_read(&by_protobuf, g->data, g->len, &why), rc);
    if (rc == 0) {
        assert_int_equal(by_hand.session, by_protobuf.session);
        assert_int_equal(by_hand.seq, by_protobuf.seq);
        assert_int_equal(by_hand.ack, by_protobuf.ack);
        assert_int_equal(by_hand.n_controls, by_protobuf.n_controls);
        for (uint32_t i = 0; i < by_hand.n_controls; i++)
            sample_same(&by_hand.controls[i], &by_protobuf.controls[i]);
        frame_view_fini(&by_hand);
        frame_view_fini(&by_protobuf);
    }
    frame_unref(g);
}

static struct frame *random_controls(void)
{
    static struct sample samples[4];
    struct control_buffer b = { 0 };

    for (uint64_t n = 1 + random_below(4), i = 0; i < n; i++) {
        sample_make(&samples[i], sample_whats[random_below(SAMPLE_WHATS)], random_next());
        assert_int_equal(control_append(&b, &samples[i].control), 0);
    }
    struct frame *f = frame_of_controls(random_next() | 1, random_number() | 1, random_number(),
                                        b.data, b.len);
    control_buffer_fini(&b);
    return f;
}

static void an_envelope_is_read_by_hand_as_by_protobuf(void **state)
{
    (void)state;
    for (random_begin(5000); random_more();) {
        struct frame *f = random_controls();

        same_either_way(f);
        frame_unref(f);
    }
}

static void a_damaged_envelope_is_read_by_hand_as_by_protobuf(void **state)
{
    (void)state;
    for (random_begin(20000); random_more();) {
        struct frame *f = random_controls();

        for (uint64_t n = 1 + random_below(3); n > 0; n--) {
            size_t reach = random_chance(80) && f->len > 64 ? 64 : f->len;
            f->data[4 + random_below(reach - 4)] ^= (uint8_t)(1 + random_below(255));
        }
        same_either_way(f);
        frame_unref(f);
    }
}

/* Packed controls of one kind, as somebody else may write them. */
static void same_of_control(const char *bytes, size_t len)
{
    struct frame *f = frame_of_controls(1, 1, 0, (const uint8_t *)bytes, len);

    same_either_way(f);
    frame_unref(f);
}

#define SAME(bytes) same_of_control(bytes, sizeof bytes - 1)

static void unusual_numbers_are_read_by_hand_as_by_protobuf(void **state)
{
    (void)state;
    SAME("\x2a\x06\x5a\x04\x08\x05\x10\x07");                     /* Taken, as we write it */
    SAME("\x2a\x06\x5a\x04\x10\x07\x08\x05");                     /* the other way around */
    SAME("\x2a\x08\x5a\x06\x08\x05\x10\x07\x10\x08");             /* a number twice */
    SAME("\x2a\x07\x5a\x05\x08\x85\x00\x10\x07");                 /* more bytes than it needs */
    SAME("\x2a\x0a\x5a\x08\x08\xff\xff\xff\xff\xff\x0f\x10\x07"); /* bind has more than 32 bits */
    SAME("\x2a\x0f\x5a\x0d\x08\x05\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    SAME("\x2a\x0f\x5a\x0d\x08\x05\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
    SAME("\x2a\x10\x5a\x0e\x08\x05\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    SAME("\x2a\x0f\x32\x0d\x08\x05\x28\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"); /* a bool */
    SAME("\x2a\x08\x5a\x06\x08\x05\x10\x07\x18\x01"); /* a field that is not known */
    SAME("\x2a\x07\x5a\x05\x08\x05\x12\x01\x07");     /* a number as bytes */
    SAME("\x2a\x07\x5a\x05\x08\x05\x15\x01\x07");     /* cut off */
    SAME("\x2a\x05\x5a\x03\x08\x05\x10");             /* cut off, too */
    SAME("\x2a\x06\x5a\x05\x08\x05\x10\x07");         /* longer than its Control */
    SAME("\x2a\x06\x5a\x02\x08\x05\x10\x07");         /* shorter */
    SAME("\x2a\x07\x5a\x84\x00\x08\x05\x10\x07");     /* a length in two bytes */
    SAME("\x2a\x87\x00\x5a\x84\x00\x08\x05\x10\x07"); /* both */
    SAME(
        "\x2a\x86\x80\x80\x80\x80\x00\x5a\x04\x08\x05\x10\x07"); /* in more than a length may have */
    SAME("\x2a\x0b\x5a\x84\x80\x80\x80\x80\x00\x08\x05\x10\x07");
    SAME("\x2a\x0a\x5a\x02\x08\x05\x52\x04\x08\x05\x10\x07"); /* the last one counts */
    SAME("\x2a\x0a\x5a\x02\x08\x05\x5a\x04\x08\x05\x10\x07");
    SAME("\x2a\x08\x78\x01\x5a\x04\x08\x05\x10\x07"); /* Control has a field that is not known */
    SAME("\x2a\x00");
    SAME("\x2a\x02\x5a\x00");
    SAME("\x2a\x03\x8a\x01\x00");                           /* Answer */
    SAME("\x2a\x06\x5a\x04\x08\x05\x00\x07");               /* field 0 */
    SAME("\x09\x02\0\0\0\0\0\0\0\x10\x02\x10\x03\x18\x04"); /* the envelope's own once more */
    SAME("\x0a\x00");
    SAME("\x42\x00");
}

/* Byte by byte. */
static void a_control_is_written_by_hand_as_by_protobuf(void **state)
{
    static struct sample s;

    (void)state;
    for (random_begin(20000); random_more();) {
        struct control_buffer b = { 0 };

        sample_make(&s, sample_whats[random_below(SAMPLE_WHATS)], random_next());
        assert_int_equal(control_append(&b, &s.control), 0);
        Runnel__Envelope *e = runnel__envelope__unpack(NULL, b.len, b.data);
        assert_non_null(e);
        assert_int_equal(e->n_control, 1);
        assert_int_equal(runnel__envelope__get_packed_size(e), b.len);
        uint8_t *again = malloc(b.len);
        runnel__envelope__pack(e, again);
        assert_memory_equal(again, b.data, b.len);
        free(again);
        runnel__envelope__free_unpacked(e, NULL);
        control_buffer_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_is_read_by_hand_as_by_protobuf),
        cmocka_unit_test(a_damaged_envelope_is_read_by_hand_as_by_protobuf),
        cmocka_unit_test(unusual_numbers_are_read_by_hand_as_by_protobuf),
        cmocka_unit_test(a_control_is_written_by_hand_as_by_protobuf),
    };

    return cmocka_run_group_tests_name("numbers", tests, NULL, NULL);
}
