/* test_core_flow.c - capacity, credit, and who gets which elements.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct handle *out_of_bytes(struct node *n, int64_t capacity, uint64_t bytes)
{
    return bind_with(
        n, "x", WIRE_OUT,
        &(struct wire_attributes){ .capacity = capacity, .capacity_bytes = bytes, .type = "" }, 0);
}

/* ---- senders ---------------------------------------------------------------------------------------------------- */

static void capacity_counts_lent_buffered_and_delivered(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 10);
    world_pump(w);
    sends(out, 25, 8);
    world_pump(w);
    assert_int_equal(out->sent, 10);
    assert_int_equal(out->accepted, 10);
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    assert_int_equal(in->store.n, 10); /* delivered ahead of time, and still holding their slots */
    assert_int_equal(core_used(w->core, "x"), 10);
    receives(in, 3);
    world_pump(w);
    assert_int_equal(out->sent, 13);
    receives(in, 100);
    world_pump(w);
    assert_int_equal(in->taken, 25);
    assert_true(in->in_order);
    assert_null(world_fault(w));
    world_free(w);
}

static void capacity_of_one_and_two_simply_work(void **state)
{
    (void)state;
    for (int64_t capacity = 1; capacity <= 2; capacity++) {
        struct world *w = world_new(1);
        struct handle *a = bind_out(node_new(w, "a"), "x", capacity),
                      *b = bind_out(node_new(w, "b"), "x", capacity);
        struct handle *in = bind_in(node_new(w, "r"), "x", 0);
        world_pump(w);
        sends(a, 50, 8);
        sends(b, 50, 8);
        receives(in, 100);
        world_pump(w);
        assert_int_equal(in->taken, 100);
        world_free(w);
    }
}

static void asks_are_served_in_the_order_in_which_they_began(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out[4], *in = bind_in(node_new(w, "r"), "x", 0);
    for (int i = 0; i < 4; i++)
        out[i] = bind_out(node_new(w, "s"), "x", 1);
    world_pump(w);
    for (int i = 3; i >= 0; i--) {
        sends(out[i], 1, 8);
        world_pump(w);
    }
    for (int i = 3; i >= 0; i--) {
        for (int k = 0; k < 4; k++)
            assert_int_equal(out[k]->sent, k >= i);
        receives(in, 1);
        world_pump(w);
    }
    world_free(w);
}

static void large_element_waits_at_the_head_and_others_behind_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *small = out_of_bytes(node_new(w, "small"), 100, 1000);
    struct handle *large = out_of_bytes(node_new(w, "large"), 100, 1000);
    struct handle *third = out_of_bytes(node_new(w, "third"), 100, 1000);
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    sends(small, 9, 100);
    world_pump(w);
    assert_int_equal(small->sent, 9);
    sends(large, 1, 1000);
    world_pump(w);
    sends(third, 1, 8);
    world_pump(w);
    assert_int_equal(large->sent + third->sent, 0);
    receives(in, 8);
    world_pump(w);
    assert_int_equal(large->sent + third->sent, 0);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(large->sent, 1);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(third->sent, 1);
    world_free(w);
}

static void stream_runs_without_an_ask_per_element(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 0),
                  *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    receives(in, 20000);
    for (int i = 0; i < 1000; i++) {
        sends(out, 20, 100);
        world_pump(w);
    }
    assert_int_equal(in->taken, 20000);
    assert_true(out->n_asks <= 2);
    assert_true(out->n_credits < 100);
    world_free(w);
}

static void lent_credit_is_recalled_when_another_asks(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = bind_out(node_new(w, "a"), "x", 8), *b = bind_out(node_new(w, "b"), "x", 8);
    world_pump(w);
    sends(a, 1, 8);
    world_pump(w);
    assert_true(a->credit >= 4); /* the rest was lent to the only active sender */
    sends(b, 7, 8);
    world_pump(w);
    assert_int_equal(b->sent, 7);
    assert_int_equal(a->n_recalls, 1);
    assert_int_equal(a->credit, 0);
    world_free(w);
}

/* Else it would ask for each element while its receiver is slower than it is. */
static void only_sender_is_lent_what_is_free_however_little(void **state)
{
    (void)state;
    for (int others = 0; others <= 1; others++) {
        struct world *w = world_new(1);
        struct handle *out = bind_out(node_new(w, "s"), "x", 160);
        struct handle *in = bind_in(node_new(w, "r"), "x", 0);
        if (others > 0)
            bind_out(node_new(w, "other"), "x", 160);
        world_pump(w);
        sends(out, 160, 8);
        world_pump(w);
        sends(out, 1, 8); /* waits */
        receives(in, 8);
        world_pump(w);
        assert_int_equal(out->sent, 161);
        assert_int_equal(out->credit,
                         others == 0 ? 7 : 0); /* 1 in 16 is kept for others that may ask */
        world_free(w);
    }
}

/* The only slot is lent with too few bytes for the next element: its holder gives it back and gets it anew. */
static void holder_of_too_few_bytes_gets_enough(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = out_of_bytes(node_new(w, "a"), 2, 1000),
                  *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    sends(a, 1, 10);
    world_pump(w);
    receives(in, 3);
    sends(a, 2, 1000);
    world_pump(w);
    world_later(w, 100);
    assert_int_equal(in->taken, 3);
    world_free(w);
}

/* Whichever of two holders is asked first to give back: when it is frozen, the other is asked too. */
static void frozen_holder_does_not_keep_others_waiting_while_there_is_spare(void **state)
{
    (void)state;
    for (int frozen = 0; frozen < 2; frozen++) {
        struct world *w = world_new(1);
        struct handle *holder[2], *b;
        for (int i = 0; i < 2; i++)
            holder[i] = bind_out(node_new(w, "holder"), "x", 8);
        b = bind_out(node_new(w, "b"), "x", 8);
        world_pump(w);
        sends(holder[0], 1, 8);
        world_pump(w);
        sends(holder[1], 1, 8);
        world_pump(w);
        sends(holder[0], 1, 8);
        world_pump(w);
        assert_true(holder[0]->credit > 0 && holder[1]->credit > 0);
        holder[frozen]->node->frozen = true;
        sends(b, 1 + (uint32_t)(8 - core_used(w->core, "x")), 8);
        world_later(w, 100);
        assert_int_equal(b->sends.n, 0);
        world_free(w);
    }
}

static void weak_ask_ranks_behind_and_is_void_after_100_ms(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = bind_out(node_new(w, "a"), "x", 1), *b = bind_out(node_new(w, "b"), "x", 1);
    struct handle *poller = bind_out(node_new(w, "p"), "x", 1),
                  *in = bind_in(node_new(w, "r"), "x", 0);
    const struct wire_control miss = {
        .what = WIRE_ASK,
        .bind = poller->number,
        .ask = { .waiting = 1, .first_bytes = 8, .bytes = 8, .weak = true },
    };
    world_pump(w);
    sends(a, 1, 8);
    world_pump(w);
    say(poller->node, &miss);
    world_pump(w);
    sends(b, 1, 8);
    world_pump(w);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(b->sent, 1); /* although it asked later */
    assert_int_equal(poller->credit, 0);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(poller->credit, 1);

    sends(b, 1, 8); /* recalled as soon as a waiting operation wants it */
    world_pump(w);
    assert_int_equal(b->sent, 2);
    say(poller->node, &miss);
    world_later(w, 150);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(poller->credit, 0);
    world_free(w);
}

static void end_of_a_session_frees_what_was_lent_to_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *dead = node_new(w, "dead");
    struct handle *a = bind_out(dead, "x", 4), *b = bind_out(node_new(w, "b"), "x", 4);
    world_pump(w);
    sends(a, 2, 8);
    world_pump(w);
    dead->frozen = true;
    sends(b, 4, 8);
    world_pump(w);
    assert_true(b->sent < 4);
    node_end(dead);
    world_pump(w);
    assert_int_equal(b->sent, 2);
    assert_int_equal(core_used(w->core, "x"), 4);
    world_free(w);
}

/* ---- receivers --------------------------------------------------------------------------------------------------- */

static void waiting_receivers_come_first_in_the_order_of_asking(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in[3], *out = bind_out(node_new(w, "s"), "x", 100);
    for (int i = 0; i < 3; i++)
        in[i] = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    receives(in[2], 1);
    world_pump(w);
    receives(in[0], 1);
    world_pump(w);
    sends(out, 1, 8);
    world_pump(w);
    assert_int_equal(in[2]->taken, 1);
    sends(out, 1, 8);
    world_pump(w);
    assert_int_equal(in[0]->taken, 1);
    assert_int_equal(in[1]->store.n, 0);
    world_free(w);
}

static void elements_are_spread_over_receivers(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in[4], *out = bind_out(node_new(w, "s"), "x", 100);
    for (int i = 0; i < 4; i++)
        in[i] = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    sends(out, 100, 8);
    world_pump(w);
    for (int i = 0; i < 4; i++)
        assert_int_equal(in[i]->store.n, 25);
    world_free(w);
}

static void prefetch_is_a_limit_clipped_to_the_capacity(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 10);
    struct handle *in = bind_with(node_new(w, "r"), "x", WIRE_IN,
                                  &(struct wire_attributes){ .type = "" }, 3);
    world_pump(w);
    sends(out, 30, 8);
    world_pump(w);
    assert_int_equal(in->store.n, 3);
    receives(in, 7);
    world_pump(w);
    assert_int_equal(in->taken, 7);
    assert_int_equal(in->store.n, 3);
    world_free(w);
}

static void slow_receivers_untouched_prefetch_goes_to_an_idle_one(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 20),
                  *slow = bind_in(node_new(w, "slow"), "x", 0);
    world_pump(w);
    sends(out, 20, 8);
    world_pump(w);
    assert_int_equal(slow->store.n, 20);
    struct handle *idle = bind_in(node_new(w, "idle"), "x", 0);
    receives(idle, 20);
    world_pump(w);
    receives(idle, 0);
    world_later(w, 100);
    assert_int_equal(idle->taken, 20);
    assert_true(idle->in_order || slow->n_recalls > 1);
    for (size_t i = 0; i < idle->got.n; i++)
        assert_int_equal(idle->got.at[i].deliveries, 1); /* handed on, not redelivered */
    assert_null(world_fault(w));
    world_free(w);
}

/* A session that is not pulled from (its link is full or down) holds nothing back. */
static void what_has_not_left_the_broker_is_taken_back_at_once(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 20),
                  *stuck = bind_in(node_new(w, "stuck"), "x", 0);
    world_pump(w);
    stuck->node->frozen = true;
    sends(out, 10, 8);
    world_pump(w);
    struct handle *idle = bind_in(node_new(w, "idle"), "x", 0);
    world_pump(w);
    receives(idle, 10);
    world_pump(w);
    assert_int_equal(idle->taken, 10);
    assert_int_equal(stuck->n_recalls, 0);
    world_free(w);
}

static void end_of_a_session_redelivers_in_order_with_deliveries_counted(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 20);
    struct handle *in = bind_with(node_new(w, "dies"), "x", WIRE_IN,
                                  &(struct wire_attributes){ .type = "" }, 5);
    world_pump(w);
    sends(out, 10, 8);
    receives(in, 2);
    world_pump(w);
    node_end(in->node);
    struct handle *next = bind_in(node_new(w, "next"), "x", 0);
    receives(next, 8);
    world_pump(w);
    assert_int_equal(next->taken, 8);
    assert_true(next->in_order);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(next->got.at[i].deliveries, i < 5 ? 2 : 1);
    handle_close(out, 0);
    world_pump(w);
    assert_true(next->closed);
    struct core_totals t;
    handle_unbind(out);
    handle_unbind(next);
    world_pump(w);
    core_totals(w->core, &t);
    assert_int_equal(t.redelivered, 5);
    assert_null(world_fault(w));
    world_free(w);
}

static void unbind_gives_back_first_in_line_without_counting(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 20),
                  *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    sends(out, 10, 8);
    world_pump(w);
    handle_unbind(in);
    world_pump(w);
    assert_true(in->unbound);
    struct handle *next = bind_in(in->node, "x", 0);
    receives(next, 10);
    world_pump(w);
    assert_int_equal(next->taken, 10);
    assert_true(next->in_order);
    assert_int_equal(next->got.at[0].deliveries, 1);
    world_free(w);
}

static void pull_respects_its_limit_but_gives_at_least_one_element(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 20),
                  *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    w->max_pull = 25;
    sends(out, 4, 10);
    sends(out, 1, 100);
    world_pump(w);
    assert_int_equal(in->store.n, 5);
    assert_int_equal(in->n_sections_in, 3); /* 2 + 2 + 1 */
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacity_counts_lent_buffered_and_delivered),
        cmocka_unit_test(capacity_of_one_and_two_simply_work),
        cmocka_unit_test(asks_are_served_in_the_order_in_which_they_began),
        cmocka_unit_test(large_element_waits_at_the_head_and_others_behind_it),
        cmocka_unit_test(stream_runs_without_an_ask_per_element),
        cmocka_unit_test(lent_credit_is_recalled_when_another_asks),
        cmocka_unit_test(only_sender_is_lent_what_is_free_however_little),
        cmocka_unit_test(holder_of_too_few_bytes_gets_enough),
        cmocka_unit_test(frozen_holder_does_not_keep_others_waiting_while_there_is_spare),
        cmocka_unit_test(weak_ask_ranks_behind_and_is_void_after_100_ms),
        cmocka_unit_test(end_of_a_session_frees_what_was_lent_to_it),
        cmocka_unit_test(waiting_receivers_come_first_in_the_order_of_asking),
        cmocka_unit_test(elements_are_spread_over_receivers),
        cmocka_unit_test(prefetch_is_a_limit_clipped_to_the_capacity),
        cmocka_unit_test(slow_receivers_untouched_prefetch_goes_to_an_idle_one),
        cmocka_unit_test(what_has_not_left_the_broker_is_taken_back_at_once),
        cmocka_unit_test(end_of_a_session_redelivers_in_order_with_deliveries_counted),
        cmocka_unit_test(unbind_gives_back_first_in_line_without_counting),
        cmocka_unit_test(pull_respects_its_limit_but_gives_at_least_one_element),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
