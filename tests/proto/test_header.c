/* test_header.c - the Header of an element is read as it was written, and nothing else is.   SPDX-License-Identifier: MIT */
#include "proto/header.h"
#include "tests/proto/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_header_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct wire_header h = { .call = random_number() }, read;
        memset(h.reply, 'r', random_below(WIRE_NAME_MAX + 1));
        memset(h.traceparent, 't', random_below(WIRE_TRACEPARENT_MAX + 1));
        size_t size = header_size(&h), len = random_below(40), got;
        uint8_t *data = malloc(size + len);
        const uint8_t *element;

        assert_true(size <= WIRE_HEADER_MAX);
        memset(data + size, i, len);
        header_write(data, &h);
        assert_int_equal(header_read(&read, data, size + len, &element, &got), 0);
        assert_string_equal(read.reply, h.reply);
        assert_string_equal(read.traceparent, h.traceparent);
        assert_int_equal(read.call, h.call);
        assert_ptr_equal(element, data + size);
        assert_int_equal(got, len);
        /* Cut off anywhere it is none. */
        for (size_t cut = 0; cut < size; cut++)
            assert_int_equal(header_read(&read, data, cut, &element, &got), -EPROTO);
        free(data);
    }
}

static void what_is_out_of_range_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int rc;
    } headers[] = {
        { "\x00", 1, 0 },                    /* nothing in it, an empty element */
        { "\x02\x18\x07", 3, 0 },            /* call 7 */
        { "\x03\x0a\x01x", 4, 0 },           /* a reply */
        { "\x03\x0a\x02x", 4, -EPROTO },     /* longer than the header */
        { "\x04\x0a\x02x\x00", 5, -EPROTO }, /* a NUL in it */
        { "\x02\x08\x01", 3, -EPROTO },      /* a reply that is a number */
        { "\x03\x1a\x01x", 4, -EPROTO },     /* a call that is a string */
        { "\x02\x01\x01", 3, -EPROTO },      /* field 0 */
        { "\x02\x20\x05", 3, 0 },            /* field 4: of a later version */
        { "\x02\x1f\x05", 3, -EPROTO },      /* no wire type */
        { "\x81\x08", 2, -EPROTO },          /* 1025 bytes: longer than a header may be */
        { "", 0, -EPROTO },
    };

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const uint8_t *element = NULL;
        struct wire_header h;
        size_t len = 1234;
        assert_int_equal(
            header_read(&h, (const uint8_t *)headers[i].bytes, headers[i].size, &element, &len),
            headers[i].rc);
        assert_true((headers[i].rc == 0) == (element != NULL));
        assert_int_equal(len, headers[i].rc == 0 ? 0 : 1234);
    }
}

static void any_bytes_may_be_read(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t size = random_below(40), len;
        uint8_t *data = malloc(size + 1);
        const uint8_t *element;
        struct wire_header h;

        for (size_t k = 0; k < size; k++)
            data[k] = (uint8_t)(random_chance(50) ? random_below(40) : random_below(256));
        if (header_read(&h, data, size, &element, &len) == 0)
            assert_true(element > data && element + len == data + size);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_as_it_was_written),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(any_bytes_may_be_read),
    };

    return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
