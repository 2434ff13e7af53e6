/* test_codec.c - elements to bytes and back.   SPDX-License-Identifier: MIT
 *
 * Any generated protobuf message serves to test the protobuf codec; the protocol's own are at hand. */
#include "node/buf.h"
#include "node/codec.h"
#include "proto/limits.h"

#include "runnel.pb-c.h"

#include <endian.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rn_buf encoded(const rn_codec *codec, const void *elem)
{
    struct rn_buf b = { 0 };
    assert_int_equal(codec->encode(codec->ctx, elem, &b), 0);
    return b;
}

static void int64_is_eight_bytes_little_endian(void **state)
{
    (void)state;
    static const uint8_t expected[8] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };
    int64_t in = INT64_C(0x1122334455667788), out = 0;
    struct rn_buf b = encoded(&rn_codec_int64, &in);
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.data, expected, 8);
    assert_int_equal(rn_codec_int64.decode(NULL, b.data, b.len, &out), 0);
    assert_int_equal(out, in);
    buf_fini(&b);
}

static void int64_keeps_its_extremes(void **state)
{
    (void)state;
    static const int64_t values[] = { 0, -1, INT64_MIN, INT64_MAX };
    for (size_t i = 0; i < 4; i++) {
        int64_t out = 7;
        struct rn_buf b = encoded(&rn_codec_int64, &values[i]);
        assert_int_equal(rn_codec_int64.decode(NULL, b.data, b.len, &out), 0);
        assert_true(out == values[i]);
        buf_fini(&b);
    }
}

static void wrong_length_is_refused_and_leaves_the_element(void **state)
{
    (void)state;
    static const uint8_t bytes[9] = { 1 };
    int64_t out = 42;
    for (size_t len = 0; len <= 9; len++) {
        if (len == 8)
            continue;
        assert_true(rn_codec_int64.decode(NULL, bytes, len, &out) < 0);
        assert_int_equal(out, 42);
    }
}

static void double_is_ieee_754_little_endian(void **state)
{
    (void)state;
    static const uint8_t one[8] = { 0, 0, 0, 0, 0, 0, 0xf0, 0x3f };
    double in = 1.0, out = 0;
    struct rn_buf b = encoded(&rn_codec_double, &in);
    assert_memory_equal(b.data, one, 8);
    assert_int_equal(rn_codec_double.decode(NULL, b.data, b.len, &out), 0);
    assert_true(out == 1.0);
    buf_fini(&b);
    in = nan("");
    b = encoded(&rn_codec_double, &in);
    assert_int_equal(rn_codec_double.decode(NULL, b.data, b.len, &out), 0);
    assert_true(isnan(out));
    buf_fini(&b);
}

struct point {
    int32_t x, y, z;
};

static void a_struct_is_its_bytes_and_nothing_else(void **state)
{
    (void)state;
    const rn_codec codec = rn_codec_struct("point", sizeof(struct point));
    const struct point in = { 1, -2, 3 };
    struct point out = { 0 };
    assert_string_equal(codec.type, "point");
    assert_int_equal(codec.elemsize, sizeof in);
    struct rn_buf b = encoded(&codec, &in);
    assert_int_equal(b.len, sizeof in);
    assert_memory_equal(b.data, &in, sizeof in);
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(codec.decode(codec.ctx, b.data, len, &out), -EBADMSG);
    assert_int_equal(out.x, 0);
    assert_int_equal(codec.decode(codec.ctx, b.data, b.len, &out), 0);
    assert_memory_equal(&in, &out, sizeof in);
    buf_fini(&b);
}

static void drop_nothing(const void *ctx, void *elem)
{
    (void)ctx, (void)elem;
}

static void numbers_and_structs_are_flat_unless_they_are_to_be_dropped(void **state)
{
    (void)state;
    const rn_codec point = rn_codec_struct(NULL, 12);
    rn_codec other = point;
    for (int dir = 0; dir < 2; dir++) {
        assert_int_equal(codec_flat(&point, (enum rn_dir)dir), 12);
        assert_int_equal(codec_flat(&rn_codec_int64, (enum rn_dir)dir), le64toh(1) == 1 ? 8 : 0);
        assert_int_equal(codec_flat(&rn_codec_double, (enum rn_dir)dir), le64toh(1) == 1 ? 8 : 0);
        assert_int_equal(codec_flat(&rn_codec_bytes, (enum rn_dir)dir), 0);
        assert_int_equal(codec_flat(&rn_codec_msg, (enum rn_dir)dir), 0);
    }
    other.elemsize = 16;
    assert_int_equal(codec_flat(&other, RN_OUT), 0);
    other = point;
    other.drop = drop_nothing;
    assert_int_equal(codec_flat(&other, RN_OUT), 0);
    other = point;
    other.encode = rn_codec_bytes.encode;
    assert_int_equal(codec_flat(&other, RN_OUT), 0);
    assert_int_equal(codec_flat(&other, RN_IN), 12);
}

static void bytes_are_a_copy_of_their_own(void **state)
{
    (void)state;
    rn_bytes in, out;
    assert_int_equal(rn_bytes_new(&in, "hello", 5), 0);
    struct rn_buf b = encoded(&rn_codec_bytes, &in);
    assert_int_equal(b.len, 5);
    assert_int_equal(rn_codec_bytes.decode(NULL, b.data, b.len, &out), 0);
    assert_ptr_not_equal(out.data, b.data);
    assert_memory_equal(out.data, "hello", 5);
    rn_codec_bytes.drop(NULL, &in);
    assert_null(in.data);
    rn_codec_bytes.drop(NULL, &out);
    buf_fini(&b);
}

static void empty_bytes_stay_empty(void **state)
{
    (void)state;
    rn_bytes in = { 0 }, out;
    struct rn_buf b = encoded(&rn_codec_bytes, &in);
    assert_int_equal(b.len, 0);
    assert_int_equal(rn_codec_bytes.decode(NULL, (const uint8_t *)"", 0, &out), 0);
    assert_int_equal(out.len, 0);
    rn_bytes_free(&out);
    rn_bytes_free(NULL);
    buf_fini(&b);
}

static void buffer_grows_and_stops_at_the_largest_element(void **state)
{
    (void)state;
    struct rn_buf b = { 0 };
    static const uint8_t kib[1024];
    for (int i = 0; i < 1000; i++)
        assert_int_equal(rn_buf_append(&b, kib, sizeof kib), 0);
    assert_int_equal(b.len, 1000 * 1024);
    int rc = 0;
    assert_null(buf_extend(&b, WIRE_ELEMENT_MAX - b.len + 1, &rc));
    assert_int_equal(rc, -EMSGSIZE);
    assert_int_equal(b.len, 1000 * 1024);
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

static void lent_memory_is_left_behind_when_it_is_too_small(void **state)
{
    (void)state;
    uint8_t room[4] = { 0 };
    struct rn_buf b = { .data = room, .cap = sizeof room, .lent = true };
    assert_int_equal(rn_buf_append(&b, "abcd", 4), 0);
    assert_ptr_equal(b.data, room);
    assert_int_equal(rn_buf_append(&b, "e", 1), 0);
    assert_false(b.lent);
    assert_ptr_not_equal(b.data, room);
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.data, "abcde", 5);
    assert_memory_equal(room, "abcd", 4);
    buf_fini(&b);
}

static void bytes_are_not_copied_for_a_quick_send_that_they_are_too_large_for(void **state)
{
    (void)state;
    uint8_t room[8] = { 0 };
    const rn_bytes fits = { .data = (uint8_t *)"12345678", .len = 8 },
                   does_not = { .data = (uint8_t *)"123456789", .len = 9 };
    struct rn_buf b = { .data = room, .cap = sizeof room, .lent = true };
    assert_int_equal(rn_codec_bytes.encode(NULL, &does_not, &b), -ENOBUFS);
    assert_true(b.lent && b.data == room && b.len == 0 && room[0] == 0);
    assert_int_equal(rn_codec_bytes.encode(NULL, &fits, &b), 0);
    assert_true(b.lent && b.len == 8);
    assert_memory_equal(room, "12345678", 8);
}

static void protobuf_messages_come_back_whole(void **state)
{
    (void)state;
    rn_codec codec = rn_codec_protobuf(&runnel__channel_info__descriptor);
    assert_string_equal(codec.type, "runnel.ChannelInfo");
    assert_int_equal(codec.elemsize, sizeof(void *));
    Runnel__ChannelInfo info;
    runnel__channel_info__init(&info);
    info.name = (char *)"orders";
    info.accepted = 77;
    ProtobufCMessage *in = &info.base, *out = NULL;
    struct rn_buf b = encoded(&codec, &in);
    assert_int_equal(codec.decode(codec.ctx, b.data, b.len, &out), 0);
    Runnel__ChannelInfo *got = (Runnel__ChannelInfo *)out;
    assert_string_equal(got->name, "orders");
    assert_int_equal(got->accepted, 77);
    codec.drop(codec.ctx, &out);
    buf_fini(&b);
}

static void protobuf_refuses_what_is_not_such_a_message(void **state)
{
    (void)state;
    rn_codec codec = rn_codec_protobuf(&runnel__channel_info__descriptor);
    static const uint8_t rubbish[] = { 0x0a, 0xff };
    void *out = &out;
    assert_true(codec.decode(codec.ctx, rubbish, sizeof rubbish, &out) < 0);
    assert_ptr_equal(out, &out);
    Runnel__Unbind other;
    runnel__unbind__init(&other);
    ProtobufCMessage *in = &other.base;
    struct rn_buf b = { 0 };
    assert_int_equal(codec.encode(codec.ctx, &in, &b), -EINVAL);
    in = NULL;
    assert_int_equal(codec.encode(codec.ctx, &in, &b), -EINVAL);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int64_is_eight_bytes_little_endian),
        cmocka_unit_test(int64_keeps_its_extremes),
        cmocka_unit_test(a_struct_is_its_bytes_and_nothing_else),
        cmocka_unit_test(numbers_and_structs_are_flat_unless_they_are_to_be_dropped),
        cmocka_unit_test(wrong_length_is_refused_and_leaves_the_element),
        cmocka_unit_test(double_is_ieee_754_little_endian),
        cmocka_unit_test(bytes_are_a_copy_of_their_own),
        cmocka_unit_test(empty_bytes_stay_empty),
        cmocka_unit_test(buffer_grows_and_stops_at_the_largest_element),
        cmocka_unit_test(lent_memory_is_left_behind_when_it_is_too_small),
        cmocka_unit_test(bytes_are_not_copied_for_a_quick_send_that_they_are_too_large_for),
        cmocka_unit_test(protobuf_messages_come_back_whole),
        cmocka_unit_test(protobuf_refuses_what_is_not_such_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
