/* test_core_due.c - what falls due, against a row that is searched.   SPDX-License-Identifier: MIT
 *
 * Goal: each thing falls once, when its time has come, the earliest first, of those of one time the one that was put first, whatever is put, moved and taken meanwhile.
 * Replay one seed: CORE_SEED=N test_core_due. */
#include "broker/core/due.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define THINGS 40

struct thing {
    struct due due;
    int64_t at_ns; /* as it should be; INT64_MAX: not on the heap */
    uint64_t turn; /* when it was put */
};

static struct due_heap heap;
static struct thing things[THINGS];
static uint64_t seed_now, random_state, turns;
static int64_t now, latest;

static uint64_t below(uint64_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % n;
}

static void put(struct thing *t, int64_t at_ns)
{
    due_put(&heap, &t->due, at_ns);
    t->at_ns = at_ns;
    t->turn = ++turns;
}

static void take(struct thing *t)
{
    due_take(&t->due);
    t->at_ns = INT64_MAX;
}

/* Who falls puts, takes and moves others, and itself. */
static void fall(struct due *d)
{
    struct thing *t = due_entry(d, struct thing, due);

    assert_false(due_pending(d));
    assert_true(t->at_ns <= now);
    assert_true(t->at_ns >= latest);
    for (size_t i = 0; i < THINGS; i++)
        assert_true(t->at_ns < things[i].at_ns ||
                    (t->at_ns == things[i].at_ns && t->turn <= things[i].turn));
    latest = t->at_ns;
    t->at_ns = INT64_MAX;
    if (below(3) == 0)
        put(t, latest + (int64_t)below(20));
    if (below(3) == 0)
        take(&things[below(THINGS)]);
    if (below(3) == 0)
        put(&things[below(THINGS)], latest + (int64_t)below(50));
    due_check(&heap);
}

static void run_seed(uint64_t seed)
{
    seed_now = random_state = seed;
    heap = (struct due_heap){ 0 };
    now = 0;
    for (size_t i = 0; i < THINGS; i++) {
        due_init(&things[i].due, fall);
        things[i].at_ns = INT64_MAX;
    }
    for (int step = 0; step < 300; step++) {
        int64_t next = INT64_MAX;
        if (below(3) == 0)
            take(&things[below(THINGS)]);
        else
            put(&things[below(THINGS)], now + (int64_t)below(60));
        due_check(&heap);
        for (size_t i = 0; i < THINGS; i++) {
            assert_int_equal(due_pending(&things[i].due), things[i].at_ns != INT64_MAX);
            next = things[i].at_ns < next ? things[i].at_ns : next;
        }
        assert_int_equal(due_next(&heap), next);
        if (below(4) == 0) {
            now += (int64_t)below(30);
            latest = INT64_MIN;
            due_fall(&heap, now);
            assert_true(due_next(&heap) > now);
        }
    }
}

static void things_fall_once_and_in_order(void **state)
{
    (void)state;
    const char *text = getenv("CORE_SEED");
    uint64_t first = text != NULL ? strtoull(text, NULL, 0) : 1;

    for (uint64_t seed = first; seed < first + (text != NULL ? 1 : 200); seed++)
        run_seed(seed);
}

static void heap_from_which_all_was_taken_is_empty(void **state)
{
    (void)state;
    seed_now = random_state = 1;
    heap = (struct due_heap){ 0 };
    assert_true(due_next(&heap) == INT64_MAX);
    for (size_t i = 0; i < THINGS; i++) {
        due_init(&things[i].due, fall);
        put(&things[i], 5);
    }
    due_fall(&heap, 4);
    due_check(&heap);
    for (size_t i = 0; i < THINGS; i++)
        take(&things[i]);
    take(&things[0]); /* once more is harmless */
    due_check(&heap);
    assert_true(due_next(&heap) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(things_fall_once_and_in_order),
        cmocka_unit_test(heap_from_which_all_was_taken_is_empty),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    if (failed != 0)
        fprintf(stderr, "\nseed %llu; to replay: CORE_SEED=%llu test_core_due\n",
                (unsigned long long)seed_now, (unsigned long long)seed_now);
    return failed;
}
