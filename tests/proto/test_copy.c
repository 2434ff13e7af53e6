/* test_copy.c - a copy of few bytes copies these and no others.   SPDX-License-Identifier: MIT */
#include "proto/copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MOST 300 /* bytes */

static void all_bytes_are_copied_and_no_others(void **state)
{
    uint8_t from[MOST + 16], to[MOST + 16], expected[MOST + 16];

    (void)state;
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(i * 7 + 1);
    for (size_t size = 0; size <= MOST; size++)
        for (size_t at = 0; at < 8; at++) {
            memset(to, 0, sizeof to);
            memset(expected, 0, sizeof expected);
            memcpy(expected + at, from + 8 - at, size);
            copy_bytes(to + at, from + 8 - at, size);
            assert_memory_equal(to, expected, sizeof to);
        }
}

static void of_nothing_nothing_is_touched(void **state)
{
    (void)state;
    copy_bytes(NULL, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_bytes_are_copied_and_no_others),
        cmocka_unit_test(of_nothing_nothing_is_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
