/* test_keyed.c - a table in which things are found by a number, against a list.   SPDX-License-Identifier: MIT */
#include "proto/keyed.h"
#include "tests/proto/alloc.h"
#include "tests/proto/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define THINGS 600
#define STEPS  12000
#define MANY   10000

static char thing[THINGS];

static void an_empty_table_finds_nothing_and_takes_no_memory(void **state)
{
    struct keyed t;
    uint32_t at = 0;

    (void)state;
    keyed_init(&t, 0);
    assert_null(keyed_find(&t, 1));
    assert_null(keyed_find(&t, 0));
    assert_null(keyed_each(&t, &at));
    assert_null(t.thing);
    keyed_fini(&t);
}

static void numbers_that_follow_one_another_are_all_found(void **state)
{
    struct keyed t;

    (void)state;
    keyed_init(&t, 0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < THINGS; i++)
        assert_true(keyed_add(&t, 7 + i, &thing[i]));
    for (uint32_t i = 0; i < THINGS; i++)
        assert_ptr_equal(keyed_find(&t, 7 + i), &thing[i]);
    assert_null(keyed_find(&t, 6));
    assert_null(keyed_find(&t, 7 + THINGS));
    keyed_fini(&t);
}

/* Whatever the seed: else a search would be a walk over all of them. */
static void numbers_that_follow_one_another_lie_near_their_homes(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        uint64_t away = 0;
        struct keyed t;

        keyed_init(&t, seed);
        for (uint32_t i = 1; i <= MANY; i++)
            assert_true(keyed_add(&t, i, &thing[0]));
        for (uint32_t at = 0; at < t.cap; at++)
            if (t.key[at] != 0)
                away += (at - keyed_home(&t, t.key[at])) & (t.cap - 1);
        assert_true(away < 24 * (uint64_t)MANY);
        keyed_fini(&t);
    }
}

static void things_with_one_number_are_all_come_to(void **state)
{
    struct keyed t;
    uint32_t at;
    int n = 0;

    (void)state;
    keyed_init(&t, 3);
    for (int i = 0; i < 5; i++)
        assert_true(keyed_add(&t, 42, &thing[i]));
    keyed_swap(&t, 42, &thing[3], &thing[9]);
    keyed_take(&t, 42, &thing[1]);
    at = keyed_home(&t, 42);
    for (const char *found; (found = keyed_next(&t, 42, &at)) != NULL; n++)
        assert_true(found != &thing[1] && found != &thing[3]);
    assert_int_equal(n, 4);
    keyed_fini(&t);
}

static void without_memory_nothing_changes(void **state)
{
    struct keyed t;

    (void)state;
    if (!ALLOC_HOOKED)
        skip();
    keyed_init(&t, 5);
    alloc_fail_in = 0;
    assert_false(keyed_add(&t, 1, &thing[0]));
    alloc_fail_in = -1;
    for (uint32_t i = 1; i <= 12; i++)
        assert_true(keyed_add(&t, i, &thing[i]));
    alloc_fail_in = 0;
    assert_false(keyed_add(&t, 13, &thing[13]));
    alloc_fail_in = -1;
    for (uint32_t i = 1; i <= 12; i++)
        assert_ptr_equal(keyed_find(&t, i), &thing[i]);
    assert_null(keyed_find(&t, 13));
    keyed_fini(&t);
}

/* Numbers of few bits in every other round, so that many meet; the model is who is in with which. */
static void it_holds_what_a_list_holds(void **state)
{
    (void)state;
    for (random_begin(20); random_more();) {
        uint32_t key[THINGS] = { 0 }, in = 0, at = 0, n = 0;
        uint64_t most = random_chance(50) ? 40 : UINT32_MAX;
        struct keyed t;

        keyed_init(&t, random_next());
        for (int step = 0; step < STEPS; step++) {
            uint32_t i = (uint32_t)random_below(THINGS);
            if (key[i] == 0) {
                key[i] = 1 + (uint32_t)random_below(most);
                assert_true(keyed_add(&t, key[i], &thing[i]));
                in++;
            } else {
                keyed_take(&t, key[i], &thing[i]);
                key[i] = 0;
                in--;
            }
            assert_int_equal(t.count, in);
        }
        for (uint32_t i = 0; i < THINGS; i++) {
            const void *found = NULL;
            at = keyed_home(&t, key[i]);
            while (key[i] != 0 && found != &thing[i])
                assert_non_null(found = keyed_next(&t, key[i], &at));
        }
        at = 0;
        for (const char *each; (each = keyed_each(&t, &at)) != NULL; n++)
            assert_int_not_equal(key[each - thing], 0);
        assert_int_equal(n, in);
        keyed_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_finds_nothing_and_takes_no_memory),
        cmocka_unit_test(numbers_that_follow_one_another_are_all_found),
        cmocka_unit_test(numbers_that_follow_one_another_lie_near_their_homes),
        cmocka_unit_test(things_with_one_number_are_all_come_to),
        cmocka_unit_test(without_memory_nothing_changes),
        cmocka_unit_test(it_holds_what_a_list_holds),
    };

    return cmocka_run_group_tests_name("keyed", tests, NULL, NULL);
}
