/* test_clock.c - the home's clock as a node knows it: by the stamp that took the shortest way.   SPDX-License-Identifier: MIT */
#include "node/clock.h"

#include "runtime/rn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define AHEAD (7 * RN_SEC) /* our clock, before the home's */

/* When something expires that was made when the home's clock was made_ms, to live ttl_ms, and comes after way_ns. */
static int64_t expiry(struct home_clock *c, uint64_t made_ms, uint64_t ttl_ms, int64_t way_ns)
{
    struct wire_section s = { .clock_ms = made_ms, .ttl_ms = ttl_ms };
    return clock_expiry(c, &s, AHEAD + (int64_t)made_ms * RN_MS + way_ns) - AHEAD;
}

static void without_a_stamp_it_counts_from_when_it_comes(void **state)
{
    (void)state;
    struct home_clock c = { 0 };
    struct wire_section s = { .ttl_ms = 500 };
    assert_int_equal(clock_expiry(&c, &s, 100), 100 + 500 * RN_MS);
    assert_false(c.known);
}

static void a_long_way_does_not_make_it_live_longer(void **state)
{
    (void)state;
    struct home_clock c = { 0 };
    clock_learn(&c, 1000, AHEAD + 1000 * RN_MS + 2 * RN_MS);
    assert_int_equal(expiry(&c, 1100, 500, 300 * RN_MS) / RN_MS, 1602);
    assert_in_range(expiry(&c, 1200, 500, 9 * RN_SEC) / RN_MS, 1702, 1705);
    assert_int_equal(expiry(&c, 11000, 500, RN_MS) / RN_MS, 11501); /* a better one */
    assert_int_equal(expiry(&c, 11100, 500, RN_SEC) / RN_MS, 11601);
}

static void it_never_lives_longer_than_from_when_it_comes(void **state)
{
    (void)state;
    struct home_clock c = { 0 };
    for (uint64_t ms = 1000; ms < 100000; ms += 1000)
        assert_int_equal(expiry(&c, ms, 500, RN_MS) / RN_MS, ms + 501);
}

/* The home's clock runs slower by a ten thousandth: in a day that is 8.6 s. */
static void clocks_may_drift_apart(void **state)
{
    (void)state;
    struct home_clock c = { 0 };
    for (int64_t s = 1; s < 86400; s++) {
        int64_t home_ns = s * RN_SEC - s * RN_SEC / 10000;
        struct wire_section section = { .clock_ms = (uint64_t)(home_ns / RN_MS), .ttl_ms = 500 };
        int64_t late_ns = clock_expiry(&c, &section, AHEAD + s * RN_SEC + RN_MS) -
                          (AHEAD + s * RN_SEC + 500 * RN_MS);
        assert_true(late_ns >= -RN_MS);
        assert_true(late_ns <= 2 * RN_MS);
    }
}

static void nonsense_is_not_learnt(void **state)
{
    (void)state;
    struct home_clock c = { 0 };
    struct wire_section s = { .clock_ms = UINT64_MAX, .ttl_ms = UINT64_MAX };
    clock_learn(&c, UINT64_MAX, 5);
    clock_learn(&c, 0, 5);
    assert_false(c.known);
    assert_true(clock_expiry(&c, &s, 5) > INT64_MAX / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_stamp_it_counts_from_when_it_comes),
        cmocka_unit_test(a_long_way_does_not_make_it_live_longer),
        cmocka_unit_test(it_never_lives_longer_than_from_when_it_comes),
        cmocka_unit_test(clocks_may_drift_apart),
        cmocka_unit_test(nonsense_is_not_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
