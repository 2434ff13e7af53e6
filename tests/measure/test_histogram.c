/* test_histogram.c - percentiles to a thousandth, and what coordinated omission would hide.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct histogram *fresh(void)
{
    struct histogram *h = calloc(1, sizeof *h);

    assert_non_null(h);
    return h;
}

static void an_empty_one_says_zero(void **state)
{
    struct histogram *h = fresh();
    (void)state;

    assert_int_equal(histogram_percentile(h, 50), 0);
    assert_int_equal(histogram_percentile(h, 99.99), 0);
    free(h);
}

static void small_values_are_exact(void **state)
{
    struct histogram *h = fresh();
    (void)state;

    for (int64_t v = 1; v <= 2000; v++)
        histogram_record(h, v);
    for (int p = 1; p <= 100; p++)
        assert_int_equal(histogram_percentile(h, p), 20 * p);
    free(h);
}

/* Of each value alone: what comes back is not less, and more by a thousandth at most. */
static void any_value_comes_back_within_a_thousandth(void **state)
{
    (void)state;
    for (int64_t v = 1; v < HISTOGRAM_MAX_NS; v += v / 7 + 1) {
        for (int64_t near = v - 1; near <= v + 1; near++) {
            struct histogram *h = fresh();
            histogram_record(h, near);
            int64_t back = histogram_percentile(h, 50);
            assert_true(back >= near);
            assert_true(back - near <= near / 1000);
            free(h);
        }
    }
}

static void what_is_out_of_range_counts_at_its_end(void **state)
{
    struct histogram *h = fresh();
    (void)state;

    histogram_record(h, -5);
    assert_int_equal(histogram_percentile(h, 100), 0);
    histogram_record(h, INT64_MAX);
    assert_int_equal(histogram_percentile(h, 100), HISTOGRAM_MAX_NS);
    free(h);
}

static void the_percentile_is_the_least_value_that_so_many_do_not_exceed(void **state)
{
    struct histogram *h = fresh();
    (void)state;

    for (int i = 0; i < 999; i++)
        histogram_record(h, 10);
    histogram_record(h, 1000);
    assert_int_equal(histogram_percentile(h, 99.9), 10);
    assert_int_equal(histogram_percentile(h, 99.91), 1000);
    assert_int_equal(histogram_percentile(h, 0), 10);
    free(h);
}

/* Every 10 us, but one waited for 1,000: 99 more were due meanwhile, and would have waited for 990, 980 ... 10 us. */
static void one_that_was_slow_counts_for_those_that_it_held_up(void **state)
{
    struct histogram *plain = fresh(), *h = fresh();
    (void)state;

    for (int i = 0; i < 900; i++) {
        histogram_record(plain, 1000);
        histogram_record_corrected(h, 1000, 10000);
    }
    histogram_record(plain, 1000000);
    histogram_record_corrected(h, 1000000, 10000);
    assert_int_equal(h->total, 1000);
    assert_int_equal(histogram_percentile(plain, 99), 1000);
    assert_int_equal(histogram_percentile(h, 90), 1000);
    assert_in_range(histogram_percentile(h, 95), 500000, 510600);
    assert_in_range(histogram_percentile(h, 99), 900000, 911000);
    free(plain);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_says_zero),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(any_value_comes_back_within_a_thousandth),
        cmocka_unit_test(what_is_out_of_range_counts_at_its_end),
        cmocka_unit_test(the_percentile_is_the_least_value_that_so_many_do_not_exceed),
        cmocka_unit_test(one_that_was_slow_counts_for_those_that_it_held_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
