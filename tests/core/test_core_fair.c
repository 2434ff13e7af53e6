/* test_core_fair.c - the lines in which senders and receivers wait, and what elements cost the broker.
 *   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* A binding that has operations in line and gets more of them is not in front of others for ever. */
static void operations_that_join_a_binding_in_line_wait_behind_others(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *greedy = bind_out(node_new(w, "greedy"), "x", 2),
                  *in = bind_in(node_new(w, "r"), "x", 0), *modest[5];
    for (int i = 0; i < 5; i++)
        modest[i] = bind_out(node_new(w, "modest"), "x", 2);
    world_pump(w);
    sends(greedy, 6, 8); /* 2 are sent, 4 wait */
    world_pump(w);
    for (int i = 0; i < 5; i++) {
        sends(modest[i], 1, 8);
        world_pump(w);
    }
    uint64_t taken = 0;
    for (; modest[4]->sent == 0; taken++) {
        sends(greedy, 1, 8); /* it has always more */
        receives(in, 1);
        world_pump(w);
        assert_true(taken < 20);
    }
    assert_int_equal(taken, 4 + 5); /* those of it that waited before, and one each */
    assert_int_equal(greedy->sent, 2 + 4);
    receives(in, 30);
    world_pump(w);
    assert_int_equal(greedy->sent, 6 + taken);
    assert_null(world_fault(w));
    world_free(w);
}

/* Who gives up some of what it asked for keeps its place, for what is left. */
static void asking_for_less_keeps_the_place_in_line(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = bind_out(node_new(w, "a"), "x", 1), *b = bind_out(node_new(w, "b"), "x", 1),
                  *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    sends(a, 3, 8); /* 1 is sent, 2 wait */
    world_pump(w);
    sends(b, 1, 8);
    world_pump(w);
    a->sends.n = 1;
    a->ask_again = true;
    receives(in, 0);
    sends(a, 0, 8);
    world_pump(w);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(a->sent, 2);
    assert_int_equal(b->sent, 0);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(b->sent, 1);
    world_free(w);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* What docs/SEMANTICS.md promises: twice the bytes, each with its length, and a kibibyte for each element. */
static uint64_t memory_bound(uint64_t elements, uint64_t each)
{
    return 2 * elements * element_size(each) + elements * 1024;
}

/* A slow receiver that takes now and then ends up with one element of each of many frames, whose others are long gone. */
static void slow_receiver_does_not_hold_the_frames_of_others(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 2000);
    struct handle *slow = bind_with(node_new(w, "slow"), "x", WIRE_IN,
                                    &(struct wire_attributes){ .type = "" }, 500);
    struct handle *fast = bind_in(node_new(w, "fast"), "x", 0);
    uint64_t most = 0;
    world_pump(w);
    sends(out, 1000, 8);
    world_pump(w);
    receives(fast, 1);
    world_pump(w);
    for (int i = 0; i < 600; i++) {
        receives(slow, 1);
        receives(fast, 1000);
        sends(out, 1000, 8);
        world_pump(w);
        uint64_t memory = core_memory(w->core, "x");
        most = memory > most ? memory : most;
        assert_true(memory <= memory_bound(core_used(w->core, "x"), 8));
    }
    assert_true(slow->store.n > 100);
    printf(
        "%llu elements are with the slow receiver; at most %llu KiB were held, of %llu KiB that passed\n",
        (unsigned long long)slow->store.n, (unsigned long long)most / 1024,
        (unsigned long long)(fast->taken * 9 / 1024));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_that_join_a_binding_in_line_wait_behind_others),
        cmocka_unit_test(asking_for_less_keeps_the_place_in_line),
        cmocka_unit_test(slow_receiver_does_not_hold_the_frames_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
