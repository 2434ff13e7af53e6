/* test_spread.c - median, least and most.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/spread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void is(struct spread s, double median, double min, double max)
{
    assert_true(s.median == median);
    assert_true(s.min == min);
    assert_true(s.max == max);
}

static void of_one_all_are_the_same(void **state)
{
    double v[] = { 7 };
    (void)state;

    is(spread_of(v, 1), 7, 7, 7);
}

static void of_an_odd_number_the_median_is_one_of_them(void **state)
{
    double v[] = { 5, 1, 400, 2, 3 };
    (void)state;

    is(spread_of(v, 5), 3, 1, 400);
}

static void of_an_even_number_it_is_between_two(void **state)
{
    double v[] = { 4, 1, 2, 100 };
    (void)state;

    is(spread_of(v, 4), 3, 1, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_all_are_the_same),
        cmocka_unit_test(of_an_odd_number_the_median_is_one_of_them),
        cmocka_unit_test(of_an_even_number_it_is_between_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
