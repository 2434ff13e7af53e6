/* test_large.c - large memory is filled step by step and given back bit by bit.   SPDX-License-Identifier: MIT */
#include "proto/frame.h"
#include "proto/large.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE ((size_t)20 << 20)

static struct frame *filled(void)
{
    struct frame *f = frame_new(SIZE);

    assert_non_null(f);
    memset(f->data, 1, SIZE);
    return f;
}

static void by_itself_it_is_given_back_at_once(void **state)
{
    (void)state;
    frame_unref(filled());
    assert_false(large_give_back());
}

static void who_says_so_gives_it_back_in_many_small_bits(void **state)
{
    int bits = 1;

    (void)state;
    large_wait(true);
    frame_unref(filled());
    frame_unref(filled());
    large_wait(false);
    while (large_give_back())
        bits++;
    assert_in_range(bits, 20, 200);
    assert_false(large_give_back());
}

static void what_is_given_back_in_part_keeps_the_rest(void **state)
{
    uint8_t *p = malloc(SIZE);

    (void)state;
    memset(p, 1, SIZE);
    for (size_t at = 0; at < SIZE / 2; at += 60000)
        large_give_part(p, at, at + 60000 < SIZE / 2 ? at + 60000 : SIZE / 2);
    for (size_t i = SIZE / 2; i < SIZE; i++)
        assert_int_equal(p[i], 1);
    free(p);
}

static void what_is_copied_in_steps_is_what_it_was(void **state)
{
    static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072, SIZE - 16, SIZE };
    uint8_t *from = malloc(SIZE + 1);

    (void)state;
    for (size_t i = 0; i <= SIZE; i++)
        from[i] = (uint8_t)(i * 31 >> 3);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint8_t *to = malloc(SIZE + 1);
        memset(to, 1, SIZE + 1);
        to[sizes[k]] = 77;
        large_copy(to, from + 1, sizes[k]);
        assert_memory_equal(to, from + 1, sizes[k]);
        assert_int_equal(to[sizes[k]], 77);
        free(to);
    }
    free(from);
}

static void what_is_filled_step_by_step_is_what_it_was(void **state)
{
    uint8_t *to = malloc(SIZE), step[61440];

    (void)state;
    for (size_t at = 0; at < SIZE; at += sizeof step) {
        size_t n = SIZE - at < sizeof step ? SIZE - at : sizeof step;
        memset(step, (int)(at / sizeof step), sizeof step);
        large_fill(to + at, step, n);
    }
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(to[i], (uint8_t)(i / sizeof step));
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_itself_it_is_given_back_at_once),
        cmocka_unit_test(who_says_so_gives_it_back_in_many_small_bits),
        cmocka_unit_test(what_is_given_back_in_part_keeps_the_rest),
        cmocka_unit_test(what_is_copied_in_steps_is_what_it_was),
        cmocka_unit_test(what_is_filled_step_by_step_is_what_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
