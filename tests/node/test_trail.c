/* test_trail.c - which handle is sent into after which.   SPDX-License-Identifier: MIT */
#include "node/handle.h"
#include "node/trail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct handle handles[2];

static void few_handles_have_no_trail(void **state)
{
    struct trails t = { .handles = 0 };

    (void)state;
    for (uint32_t i = 0; i < TRAIL_FROM; i++)
        assert_int_equal(trails_join(&t), i);
    assert_null(atomic_load(&t.now));
    trails_sent(&t, 0, &handles[0], NULL); /* nothing is noted */
    trails_fini(&t);
}

static void a_trail_grows_with_those_that_there_are_and_not_with_those_that_were(void **state)
{
    struct trails t = { .handles = 0 };

    (void)state;
    for (uint32_t i = 0; i < 100 * TRAIL_FROM; i++) {
        assert_int_equal(trails_join(&t), 0);
        trails_leave(&t);
    }
    assert_null(atomic_load(&t.now));
    for (uint32_t i = 0; i < 100 * TRAIL_FROM; i++)
        assert_int_equal(trails_join(&t), i);
    assert_true(atomic_load(&t.now)->mask >= 100 * TRAIL_FROM - 1);
    assert_non_null(atomic_load(&t.now)->before);
    trails_fini(&t);
}

/* Into each of three in turn: numbers 5, 1,000,007 (which shares a place with another) and 7. */
static int go_round(void *arg)
{
    static const uint32_t numbers[] = { 5, 1000007, 7 };
    struct trails *t = arg;
    const struct trail *now = atomic_load(&t->now);

    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 3; i++)
            trails_sent(t, numbers[i], &handles[i % 2], &numbers[i]);
    for (int i = 0; i < 3; i++) {
        const struct trail_place *p = &now->place[numbers[i] & now->mask];
        assert_ptr_equal(atomic_load(&p->handle), &handles[i % 2]);
        assert_ptr_equal(atomic_load(&p->to), &numbers[i]);
        assert_int_equal(atomic_load(&p->next), numbers[(i + 1) % 3] & now->mask);
    }
    return 0;
}

static void a_worker_notes_who_follows_whom(void **state)
{
    struct trails t = { .handles = 0 };

    (void)state;
    for (uint32_t i = 0; i <= TRAIL_FROM; i++)
        trails_join(&t);
    assert_int_equal(rn_main(1, go_round, &t), 0);
    trails_fini(&t);
}

static void a_plain_thread_leaves_no_trail(void **state)
{
    struct trails t = { .handles = 0 };

    (void)state;
    for (uint32_t i = 0; i <= TRAIL_FROM; i++)
        trails_join(&t);
    trails_sent(&t, 1, &handles[0], NULL);
    assert_null(atomic_load(&atomic_load(&t.now)->place[1].handle));
    trails_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_handles_have_no_trail),
        cmocka_unit_test(a_trail_grows_with_those_that_there_are_and_not_with_those_that_were),
        cmocka_unit_test(a_worker_notes_who_follows_whom),
        cmocka_unit_test(a_plain_thread_leaves_no_trail),
    };

    return cmocka_run_group_tests_name("trail", tests, NULL, NULL);
}
