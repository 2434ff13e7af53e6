/* test_core_fan_timed.c - what expires in a fanout, and what is to be had later.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct world *fan_world(void)
{
    struct world *w = world_new(1);

    w->fans = true;
    return w;
}

static struct handle *bound_fan(struct world *w, enum wire_direction d, enum wire_slow slow,
                                int64_t capacity, uint32_t prefetch)
{
    struct handle *h = bind_fan(w, d, slow, capacity, prefetch);

    world_pump(w);
    assert_true(h->bound);
    return h;
}

static struct handle *sender(struct world *w, enum wire_slow slow, int64_t capacity)
{
    return bound_fan(w, WIRE_OUT, slow, capacity, 0);
}

static struct handle *receiver(struct world *w, enum wire_slow slow, int64_t capacity)
{
    return bound_fan(w, WIRE_IN, slow, capacity, 0);
}

/* One to whom nothing is sent ahead but a single element. */
static struct handle *slow_receiver(struct world *w, int64_t capacity)
{
    return bound_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, capacity, 1);
}

/* The sums of the channel and of each window are checked as they are told. */
static struct wire_channel_info info(struct world *w)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 1, .query_name = "x" });
    world_pump(w);
    struct wire_channel_info c = n->answer->info;
    assert_int_equal(c.accepted + c.copied, c.taken + c.buffered + c.delivered + c.delayed +
                                                c.expired + c.dropped_cancelled + c.dropped_purged +
                                                c.dropped_slow + c.dropped_nobody + c.dropped_left +
                                                c.dead);
    return c;
}

/* ---- expiry -------------------------------------------------------------------------------------------------------- */

static void what_a_window_was_not_handed_in_its_time_it_goes_by(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *fast = receiver(w, WIRE_SLOW_BLOCK, 10), *slow = slow_receiver(w, 10);
    struct handle *out = sender(w, WIRE_SLOW_BLOCK, 10);
    receives(fast, 100);
    sends(out, 1, 8); /* fills the prefetch of the slow one */
    sends_timed(out, 4, 8, 0, 500);
    sends(out, 2, 8);
    world_pump(w);
    assert_int_equal(fast->got.n, 7);
    world_later(w, 499);
    assert_int_equal(info(w).buffered, 6);
    world_later(w, 1);
    assert_int_equal(info(w).buffered, 2);
    assert_int_equal(info(w).expired, 4);
    assert_int_equal(info(w).taken, 7);
    assert_int_equal(core_used(w->core, "x"), 3 + info(w).lent); /* their slots are free */
    receives(slow, 100);
    world_pump(w);
    assert_int_equal(slow->got.n, 3);
    assert_int_equal(slow->got.at[1].position, 6);
    assert_int_equal(info(w).taken, 10);
    world_free(w);
}

static void its_slot_lets_a_sender_go_on(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = slow_receiver(w, 4), *out = sender(w, WIRE_SLOW_BLOCK, 4);
    sends_timed(out, 100, 8, 0, 1000);
    world_pump(w);
    assert_int_equal(out->sent, 4);
    world_later(w, 1000);
    assert_int_equal(in->expired, 1); /* that which lay at the node */
    assert_int_equal(out->sent, 8);
    assert_int_equal(info(w).expired, 4);
    world_free(w);
}

static void what_expires_before_what_is_older_leaves_that_where_it_is(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in[2], *out;
    for (int i = 0; i < 2; i++)
        in[i] = slow_receiver(w, 1000);
    out = sender(w, WIRE_SLOW_BLOCK, 1000);
    sends(out, 1, 8);
    for (uint64_t i = 0; i < 100; i++) { /* positions from 2 on; every third lives for ever */
        sends_timed(out, 1, 8, 0, i % 3 == 0 ? 0 : 1 + i * 37 % 200);
        world_pump(w);
    }
    for (int i = 0; i < 200; i++) {
        world_later(w, 1);
        if (i == 90)
            receives(in[0], 20);
        (void)info(w);
    }
    for (int i = 0; i < 2; i++)
        receives(in[i], 1000);
    world_pump(w);
    for (int i = 0; i < 2; i++)
        assert_true(in[i]->in_order);
    assert_true(in[0]->got.n > 35); /* it had some that did not live to the end */
    assert_int_equal(in[1]->got.n, 35);
    for (size_t k = 1; k < 35; k++)
        assert_int_equal(in[1]->got.at[k].position, 2 + 3 * (k - 1));
    assert_int_equal(info(w).taken, in[0]->got.n + 35);
    world_free(w);
}

static void what_lies_at_a_node_expires_there_and_for_that_window(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *idle = receiver(w, WIRE_SLOW_BLOCK, 10),
                  *frozen = receiver(w, WIRE_SLOW_BLOCK, 10);
    struct handle *out = sender(w, WIRE_SLOW_BLOCK, 10);
    sends_timed(out, 4, 8, 0, 500);
    world_pump(w);
    frozen->node->frozen = true;
    world_later(w, 5000);
    receives(idle, 1);
    world_pump(w);
    assert_int_equal(idle->expired, 4);
    assert_int_equal(info(w).expired, 4);
    assert_int_equal(info(w).delivered, 4); /* nobody can know what the other has taken */
    frozen->node->frozen = false;
    receives(frozen, 1);
    world_pump(w);
    assert_int_equal(info(w).expired, 8);
    assert_int_equal(core_used(w->core, "x"), info(w).lent);
    world_free(w);
}

static void a_nack_brings_it_again_only_in_time(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 10, 0);
    struct handle *out = sender(w, WIRE_SLOW_BLOCK, 10);
    sends_timed(out, 3, 8, 0, 500);
    receives(in, 10);
    world_pump(w);
    assert_int_equal(in->hand.n, 3);
    settles(in, WIRE_AGAIN, 0, 1, 300);
    world_pump(w);
    settles(in, WIRE_AGAIN, 0, 1, 900); /* that is too late */
    world_pump(w);
    world_later(w, 300);
    assert_int_equal(in->hand.n, 2);
    assert_int_equal(info(w).delayed, 1);
    world_later(w, 200);
    assert_int_equal(info(w).delayed, 0);
    assert_int_equal(info(w).expired, 1);
    settles(in, WIRE_AGAIN, 0, 1, 0);
    world_pump(w);
    world_later(w, 1);
    assert_int_equal(info(w).expired, 2);
    settles(in, WIRE_DONE, 0, 1, 0);
    world_pump(w);
    assert_int_equal(info(w).taken, 1);
    assert_int_equal(core_used(w->core, "x"), info(w).lent);
    world_free(w);
}

static void the_channels_time_counts_from_when_it_is_accepted(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct wire_attributes a = { .kind = WIRE_FANOUT, .capacity = 10, .ttl_ms = 500, .type = "" };
    struct handle *in = slow_receiver(w, 10),
                  *out = bind_with(node_new(w, "s"), "x", WIRE_OUT, &a, 0);
    receives(in, 4);
    world_pump(w);
    sends(out, 4, 8);
    world_pump(w);
    uint32_t lent = (uint32_t)out->credit;
    assert_true(lent > 0);
    handle_unbind(in);
    world_pump(w);
    sends(out, lent, 8); /* comes, and nobody is there for whom it could be accepted */
    world_pump(w);
    world_later(w, 5000);
    assert_int_equal(info(w).parked, lent);
    in = slow_receiver(w, 10);
    assert_int_equal(info(w).accepted, 4 + lent);
    world_later(w, 499);
    assert_int_equal(info(w).expired, 0);
    world_later(w, 1);
    assert_int_equal(info(w).expired, lent);
    world_free(w);
}

static void who_drops_loses_nothing_by_what_has_expired(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        enum wire_slow slow = i == 0 ? WIRE_SLOW_DROP_OLDEST : WIRE_SLOW_CUT;
        struct world *w = fan_world();
        struct handle *in = receiver(w, slow, 10), *out = sender(w, slow, 10);
        in->node->frozen = true;
        sends_timed(out, 5, 8, 0, 100);
        world_pump(w);
        world_later(w, 100);
        sends(out, 5, 8);
        world_pump(w);
        in->node->frozen = false;
        world_pump(w);
        world_later(w, 1);
        receives(in, 100);
        world_pump(w);
        assert_int_equal(in->got.n, 5);
        assert_int_equal(in->lost + in->missed, 0);
        assert_int_equal(info(w).expired, 5);
        world_free(w);
    }
}

/* ---- delay --------------------------------------------------------------------------------------------------------- */

static void what_is_delayed_is_accepted_at_once_and_goes_to_who_is_there_when_it_is_due(
    void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *first = receiver(w, WIRE_SLOW_BLOCK, 10),
                  *goes = receiver(w, WIRE_SLOW_BLOCK, 10);
    struct handle *out = sender(w, WIRE_SLOW_BLOCK, 10);
    receives(first, 100);
    receives(goes, 100);
    sends_timed(out, 2, 8, 300, 0);
    sends(out, 1, 8);
    world_pump(w);
    assert_int_equal(out->accepted, 3);
    assert_int_equal(info(w).accepted, 3);
    assert_int_equal(info(w).copied, 1);
    assert_int_equal(info(w).delayed, 2);
    assert_int_equal(core_used(w->core, "x"), 2 + info(w).lent);
    handle_unbind(goes);
    struct handle *late[2] = { receiver(w, WIRE_SLOW_BLOCK, 10), receiver(w, WIRE_SLOW_BLOCK, 10) };
    for (int i = 0; i < 2; i++)
        receives(late[i], 100);
    world_later(w, 299);
    assert_int_equal(first->got.n, 1);
    world_later(w, 1);
    assert_int_equal(first->got.n, 3);
    assert_int_equal(first->got.at[1].position, 2); /* behind what was to be had already */
    assert_int_equal(goes->got.n, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(late[i]->got.n, 2);
    assert_int_equal(info(w).delayed, 0);
    assert_int_equal(info(w).copied, 5);
    world_free(w);
}

static void what_is_due_with_nobody_there_waits_or_is_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        enum wire_slow slow = i == 0 ? WIRE_SLOW_BLOCK : WIRE_SLOW_DROP_OLDEST;
        struct world *w = fan_world();
        struct handle *in = receiver(w, slow, 10), *out = sender(w, slow, 10);
        sends_timed(out, 2, 8, 300, 0);
        sends_timed(out, 3, 8, 300, 500);
        world_pump(w);
        handle_unbind(in);
        world_pump(w);
        node_end(out->node);
        world_later(w, 50000);
        if (i == 1) {
            assert_int_equal(info(w).dropped_nobody, 5);
            world_later(w, 50000);
            assert_true(core_used(w->core, "x") == (uint64_t)-1); /* nothing keeps the channel */
            world_free(w);
            continue;
        }
        world_later(w, 50000); /* the channel is kept for what is in it */
        assert_int_equal(info(w).buffered, 2);
        assert_int_equal(info(w).expired, 3);
        in = receiver(w, slow, 10);
        receives(in, 100);
        world_pump(w);
        assert_int_equal(in->got.n, 2);
        world_free(w);
    }
}

static void its_time_to_live_begins_when_it_is_due(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = slow_receiver(w, 10), *out = sender(w, WIRE_SLOW_BLOCK, 10);
    sends(out, 1, 8);
    sends_timed(out, 2, 8, 300, 200);
    world_pump(w);
    world_later(w, 499);
    assert_int_equal(info(w).buffered, 2);
    world_later(w, 1);
    assert_int_equal(info(w).expired, 2);
    receives(in, 100);
    world_pump(w);
    assert_int_equal(in->got.n, 1);
    world_free(w);
}

static void a_close_ends_delays_for_all(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in[2], *out;
    for (int i = 0; i < 2; i++) {
        in[i] = receiver(w, WIRE_SLOW_BLOCK, 10);
        receives(in[i], 100);
    }
    out = sender(w, WIRE_SLOW_BLOCK, 10);
    sends_timed(out, 3, 8, 3600000, 0);
    world_pump(w);
    handle_close(out, 0);
    world_pump(w);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(in[i]->got.n, 3);
        assert_true(in[i]->closed);
    }
    assert_int_equal(info(w).taken, 6);
    world_free(w);
}

static void a_close_waits_for_what_lies_at_a_node_until_it_has_expired(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = slow_receiver(w, 10), *out = sender(w, WIRE_SLOW_BLOCK, 10);
    sends_timed(out, 4, 8, 0, 500);
    world_pump(w);
    handle_close(out, 0);
    world_pump(w);
    assert_false(in->closed);
    world_later(w, 501);
    receives(in, 1);
    world_pump(w);
    assert_true(in->closed);
    assert_int_equal(info(w).expired, 4);
    world_free(w);
}

static void purge(struct world *w)
{
    say(w->nodes.at[0],
        &(struct wire_control){ .what = WIRE_PURGE, .bind = 2, .peek = { .name = "x" } });
    world_pump(w);
}

static void a_cancellation_and_a_purge_drop_what_is_delayed(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world *w = fan_world();
        struct handle *in = receiver(w, WIRE_SLOW_BLOCK, 10);
        struct handle *out = sender(w, WIRE_SLOW_BLOCK, 10);
        sends_timed(out, 3, 8, 1000, 0);
        world_pump(w);
        if (i == 0)
            purge(w);
        else
            handle_close(in, -7);
        world_pump(w);
        assert_int_equal(info(w).delayed, 0);
        assert_int_equal(i == 0 ? info(w).dropped_purged : info(w).dropped_cancelled, 3);
        assert_int_equal(core_used(w->core, "x"), info(w).lent);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_window_was_not_handed_in_its_time_it_goes_by),
        cmocka_unit_test(its_slot_lets_a_sender_go_on),
        cmocka_unit_test(what_expires_before_what_is_older_leaves_that_where_it_is),
        cmocka_unit_test(what_lies_at_a_node_expires_there_and_for_that_window),
        cmocka_unit_test(a_nack_brings_it_again_only_in_time),
        cmocka_unit_test(the_channels_time_counts_from_when_it_is_accepted),
        cmocka_unit_test(who_drops_loses_nothing_by_what_has_expired),
        cmocka_unit_test(
            what_is_delayed_is_accepted_at_once_and_goes_to_who_is_there_when_it_is_due),
        cmocka_unit_test(what_is_due_with_nobody_there_waits_or_is_dropped),
        cmocka_unit_test(its_time_to_live_begins_when_it_is_due),
        cmocka_unit_test(a_close_ends_delays_for_all),
        cmocka_unit_test(a_close_waits_for_what_lies_at_a_node_until_it_has_expired),
        cmocka_unit_test(a_cancellation_and_a_purge_drop_what_is_delayed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
