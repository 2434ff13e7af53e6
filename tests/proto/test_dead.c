/* test_dead.c - dead letters are read as they were written, and nothing else is.   SPDX-License-Identifier: MIT */
#include "proto/dead.h"
#include "tests/proto/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct wire_dead some(void)
{
    struct wire_dead d = {
        .cause = (enum wire_cause)random_below(WIRE_CAUSE_LAST + 1),
        .position = random_number(),
        .deliveries = (uint32_t)random_number(),
        .died_ms = (int64_t)random_next(),
    };
    memset(d.why, 'w', random_below(WIRE_WHY_MAX + 1));
    memset(d.channel, 'c', random_below(WIRE_NAME_MAX + 1));
    return d;
}

static void a_dead_letter_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct wire_dead d = some(), read;
        uint8_t element[40];
        size_t len = random_below(sizeof element + 1), size = dead_size(&d, len), got;
        uint8_t *letter = malloc(size);
        const uint8_t *at;

        memset(element, i, sizeof element);
        assert_true(size - len <= WIRE_DEAD_MAX);
        dead_write(letter, &d, element, len);
        assert_int_equal(dead_read(&read, letter, size, &at, &got), 0);
        assert_int_equal(read.cause, d.cause);
        assert_string_equal(read.why, d.why);
        assert_string_equal(read.channel, d.channel);
        assert_int_equal(read.position, d.position);
        assert_int_equal(read.deliveries, d.deliveries);
        assert_int_equal(read.died_ms, d.died_ms);
        assert_int_equal(got, len);
        assert_memory_equal(at, element, len);
        /* Cut off anywhere in its header it is none. */
        for (size_t cut = 0; cut < size - len; cut++)
            assert_int_equal(dead_read(NULL, letter, cut, &at, &got), -EPROTO);
        free(letter);
    }
}

static void what_is_out_of_range_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int rc;
    } letters[] = {
        { "\x00", 1, 0 },                       /* all zero, an empty element */
        { "\x02\x08\x01", 3, 0 },               /* cause 1 */
        { "\x02\x08\x7f", 3, -EPROTO },         /* no cause */
        { "\x02\x07\x01", 3, -EPROTO },         /* no wire type */
        { "\x02\x01\x01", 3, -EPROTO },         /* field 0 */
        { "\x04\x12\x02\x61\x00", 5, -EPROTO }, /* a NUL in why */
        { "\x02\x18\x01", 3, -EPROTO },         /* a channel that is a number */
        { "\x02\x38\x05", 3, 0 },               /* field 7: of a later version */
        { "\xff\xff\x7f", 3, -EPROTO },         /* longer than a header may be */
        { "\x03\x12\x05\x61", 4, -EPROTO },
    };
    const uint8_t *at;
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        assert_int_equal(
            dead_read(NULL, (const uint8_t *)letters[i].bytes, letters[i].size, &at, &len),
            letters[i].rc);
}

static void any_bytes_may_be_read(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t size = random_below(40);
        uint8_t *letter = malloc(size + 1);
        struct wire_dead d;
        const uint8_t *at;
        size_t len;

        for (size_t k = 0; k < size; k++)
            letter[k] = (uint8_t)(random_chance(50) ? random_below(40) : random_below(256));
        if (dead_read(&d, letter, size, &at, &len) == 0)
            assert_true(at >= letter && at + len == letter + size);
        free(letter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_letter_is_read_as_it_was_written),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(any_bytes_may_be_read),
    };

    return cmocka_run_group_tests_name("dead", tests, NULL, NULL);
}
