/* test_core_hand.c - what is acknowledged by hand, and what is not.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A sender of n elements, and what comes to a receiver that acknowledges by hand and takes them all. */
static struct handle *filled(struct world *w, uint32_t n, uint32_t prefetch)
{
    struct handle *out = bind_out(node_new(w, "s"), "x", 10);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, prefetch);

    world_pump(w);
    sends(out, n, 8);
    receives(in, n);
    world_pump(w);
    return in;
}

static struct wire_channel_info info(struct world *w)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 1, .query_name = "x" });
    world_pump(w);
    return n->answer->info;
}

static void what_is_not_acknowledged_holds_its_slot(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 15, 0);
    assert_int_equal(in->hand.n, 10);
    assert_int_equal(core_used(w->core, "x"), 10);
    assert_int_equal(info(w).delivered, 10);
    assert_int_equal(info(w).taken, 0);
    settles(in, WIRE_DONE, 0, 3, 0);
    world_pump(w);
    assert_int_equal(in->hand.n, 10);
    assert_int_equal(info(w).taken, 3);
    settles(in, WIRE_DONE, 0, 10, 0);
    world_pump(w);
    assert_int_equal(in->hand.n, 2);
    settles(in, WIRE_DONE, 0, 2, 0);
    world_pump(w);
    assert_int_equal(info(w).delivered, 0);
    assert_int_equal(info(w).taken, 15);
    assert_null(world_fault(w));
    world_free(w);
}

static void any_order_will_do(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 10, 0);
    settles(in, WIRE_DONE, 9, 1, 0);
    settles_every_other(in, WIRE_DONE, 1, 3);
    world_pump(w);
    assert_int_equal(info(w).taken, 4);
    settles(in, WIRE_DONE, 2, 2, 0);
    settles(in, WIRE_DONE, 0, 10, 0);
    world_pump(w);
    assert_int_equal(info(w).taken, 10);
    assert_int_equal(w->rc, 0);
    assert_null(world_fault(w));
    world_free(w);
}

static void a_nack_brings_it_again_first_in_line_with_one_delivery_more(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 5, 0);
    settles(in, WIRE_AGAIN, 1, 1, 0);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(in->hand.n, 5);
    assert_int_equal(in->hand.at[4].position, 2);
    assert_int_equal(in->hand.at[4].deliveries, 2);
    assert_int_equal(in->hand.at[3].deliveries, 1);
    assert_int_equal(info(w).redelivered, 1);
    settles(in, WIRE_DONE, 0, 5, 0);
    world_pump(w);
    assert_null(world_fault(w));
    world_free(w);
}

static void a_delay_holds_its_slot_and_ends_in_time(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 10, 0), *out = w->nodes.at[0]->handles.at[0];
    settles(in, WIRE_AGAIN, 0, 10, 500);
    sends(out, 1, 8);
    receives(in, 11);
    world_pump(w);
    world_later(w, 499);
    assert_int_equal(in->hand.n, 0);
    assert_int_equal(info(w).delayed, 10);
    assert_int_equal(out->sent, 10);
    world_later(w, 1);
    assert_int_equal(in->hand.n, 10);
    assert_int_equal(in->hand.at[0].position, 1);
    assert_int_equal(in->hand.at[0].deliveries, 2);
    assert_int_equal(info(w).delayed, 0);
    world_free(w);
}

static void a_close_ends_the_delay_and_waits_for_the_last_acknowledgement(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 3, 0);
    settles(in, WIRE_AGAIN, 0, 1, 3600000);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(in->hand.n, 2);
    handle_close(w->nodes.at[0]->handles.at[0], 0);
    world_pump(w);
    assert_int_equal(in->hand.n, 3);
    settles(in, WIRE_DONE, 0, 2, 0);
    world_pump(w);
    assert_false(in->closed);
    settles(in, WIRE_AGAIN, 0, 1, 3600000); /* it is closed: there is no delay any more */
    receives(in, 2);
    world_pump(w);
    assert_int_equal(in->hand.n, 1);
    settles(in, WIRE_DONE, 0, 1, 0);
    world_pump(w);
    assert_true(in->closed);
    assert_null(world_fault(w));
    world_free(w);
}

static void a_session_that_ends_leaves_all_that_it_had_to_others(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 8, 0);
    settles(in, WIRE_DONE, 2, 2, 0);
    world_pump(w);
    node_end(in->node);
    struct handle *other = bind_by_hand(node_new(w, "other"), "x", 0, 0);
    receives(other, 8);
    world_pump(w);
    assert_int_equal(other->hand.n, 6);
    assert_int_equal(other->hand.at[0].position, 1);
    assert_int_equal(other->hand.at[2].position, 5);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(other->hand.at[i].deliveries, 2);
    settles(other, WIRE_DONE, 0, 6, 0);
    world_pump(w);
    assert_null(world_fault(w));
    world_free(w);
}

static void an_unbind_gives_back_and_does_not_count(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 4, 0);
    handle_unbind(in);
    struct handle *other = bind_by_hand(node_new(w, "other"), "x", 0, 0);
    receives(other, 4);
    world_pump(w);
    assert_int_equal(other->hand.n, 4);
    assert_int_equal(other->hand.at[0].deliveries, 1);
    assert_int_equal(info(w).redelivered, 0);
    world_free(w);
}

static void a_recall_leaves_alone_what_is_in_hands(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 10);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 0);
    receives(in, 4);
    sends(out, 10, 8);
    world_pump(w);
    assert_int_equal(in->hand.n + in->store.n, 10);
    struct handle *other = bind_by_hand(node_new(w, "other"), "x", 0, 0);
    receives(other, 10);
    world_later(w, 1000);
    assert_int_equal(in->hand.n, 4);
    assert_int_equal(other->hand.n, 6);
    uint32_t recalls = in->n_recalls;
    world_later(w, 10000);
    assert_int_equal(in->n_recalls, recalls); /* nothing is asked for that cannot come */
    assert_null(other->closed ? "closed" : NULL);
    world_free(w);
}

static void prefetch_bounds_what_is_not_acknowledged(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 10, 2);
    world_later(w, 1000);
    assert_int_equal(in->hand.n, 2);
    settles(in, WIRE_DONE, 1, 1, 0);
    world_pump(w);
    assert_int_equal(in->hand.n, 2);
    assert_int_equal(in->hand.at[1].position, 3);
    world_free(w);
}

static void a_cancellation_drops_what_is_in_hands_and_what_is_delayed(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 10, 0);
    settles(in, WIRE_AGAIN, 0, 3, 1000);
    world_pump(w);
    struct handle *other = bind_in(node_new(w, "other"), "x", 0);
    world_pump(w);
    handle_close(other, -7);
    world_pump(w);
    assert_true(in->closed);
    assert_int_equal(in->code, WIRE_CANCELLED);
    assert_int_equal(info(w).dropped_cancelled, 10);
    assert_int_equal(core_used(w->core, "x"), 0);
    world_free(w);
}

static void what_is_delayed_keeps_the_channel(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 2, 0), *out = w->nodes.at[0]->handles.at[0];
    settles(in, WIRE_DONE, 0, 1, 0);
    settles(in, WIRE_AGAIN, 0, 1, 200000);
    handle_unbind(in);
    handle_unbind(out);
    world_pump(w);
    world_later(w, 199000);
    assert_int_equal(core_used(w->core, "x"), 1);
    struct handle *other = bind_in(node_new(w, "other"), "x", 0);
    receives(other, 1);
    world_later(w, 2000);
    assert_int_equal(other->taken, 1);
    assert_null(world_fault(w));
    world_free(w);
}

static void a_rendezvous_is_not_acknowledged_by_hand(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", WIRE_RENDEZVOUS);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 0);
    struct handle *both = bind_by_hand(node_new(w, "b"), "y", WIRE_RENDEZVOUS, 0);
    world_pump(w);
    assert_true(out->bound);
    assert_int_equal(in->code, WIRE_MISMATCH);
    assert_int_equal(both->code, WIRE_BAD_ATTRIBUTE);
    struct handle *first = bind_by_hand(node_new(w, "f"), "z", 0, 0);
    struct handle *late = bind_out(node_new(w, "l"), "z", WIRE_RENDEZVOUS);
    world_pump(w);
    assert_true(first->bound);
    assert_int_equal(late->code, WIRE_MISMATCH);
    assert_string_equal(late->sentence,
                        "channel 'z': capacity is at least 1, for a receiver that acknowledges "
                        "by hand, not rendezvous");
    world_free(w);
}

static void breaks(struct handle *h, enum wire_verdict verdict, uint64_t first, uint64_t count,
                   const char *why)
{
    struct world *w = h->node->world;

    say(h->node, &(struct wire_control){ .what = WIRE_SETTLE,
                                         .bind = h->number,
                                         .settle = { .why = "",
                                                     .verdict = verdict,
                                                     .ranges = &(struct wire_range){ first, count },
                                                     .n_ranges = 1 } });
    world_pump(w);
    assert_int_equal(w->rc, -EPROTO);
    assert_string_equal(w->why, why);
    w->rc = 0;
    core_check(w->core);
}

static void what_is_not_held_cannot_be_settled(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 5, 0);
    const char *why = "a delivery was settled that the binding does not hold";
    breaks(in, WIRE_DONE, 6, 1, why);
    breaks(in, WIRE_DONE, UINT64_MAX, 1, why);
    breaks(in, WIRE_AGAIN, 4, 3, why); /* what there was of them has gone back all the same */
    settles(in, WIRE_DONE, 0, 2, 0);
    world_pump(w);
    breaks(in, WIRE_DONE, 2, 1, why);
    struct handle *plain = bind_in(node_new(w, "p"), "x", 0);
    world_pump(w);
    breaks(plain, WIRE_DONE, 1, 1, "a delivery was settled by a binding without manual_ack");
    breaks(w->nodes.at[0]->handles.at[0], WIRE_DONE, 1, 1,
           "an element was settled by a binding that sends");
    world_free(w);
}

static void what_is_in_hands_cannot_be_returned(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 10);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 0);
    receives(in, 2);
    sends(out, 10, 8);
    world_pump(w);
    in->node->frozen = true;
    struct handle *other = bind_in(node_new(w, "other"), "x", 0);
    receives(other, 1);
    world_pump(w);
    say(in->node, &(struct wire_control){ .what = WIRE_RETURNED,
                                          .bind = in->number,
                                          .credit = { .elements = 2, .first = 2 } });
    (void)move_up(in->node);
    assert_int_equal(w->rc, -EPROTO);
    assert_string_equal(w->why, "elements were returned that the binding does not hold");
    w->rc = 0;
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_acknowledged_holds_its_slot),
        cmocka_unit_test(any_order_will_do),
        cmocka_unit_test(a_nack_brings_it_again_first_in_line_with_one_delivery_more),
        cmocka_unit_test(a_delay_holds_its_slot_and_ends_in_time),
        cmocka_unit_test(a_close_ends_the_delay_and_waits_for_the_last_acknowledgement),
        cmocka_unit_test(a_session_that_ends_leaves_all_that_it_had_to_others),
        cmocka_unit_test(an_unbind_gives_back_and_does_not_count),
        cmocka_unit_test(a_recall_leaves_alone_what_is_in_hands),
        cmocka_unit_test(prefetch_bounds_what_is_not_acknowledged),
        cmocka_unit_test(a_cancellation_drops_what_is_in_hands_and_what_is_delayed),
        cmocka_unit_test(what_is_delayed_keeps_the_channel),
        cmocka_unit_test(a_rendezvous_is_not_acknowledged_by_hand),
        cmocka_unit_test(what_is_not_held_cannot_be_settled),
        cmocka_unit_test(what_is_in_hands_cannot_be_returned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
