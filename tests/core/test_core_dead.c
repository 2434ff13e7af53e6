/* test_core_dead.c - dead letters: what is rejected, and what was delivered too often.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEAD_CAPACITY 16384

/* So many of them are as much as a channel of dead letters has room for. */
#define LARGE      ((size_t)1 << 20)
#define DEAD_LARGE 64

static struct handle *sender(struct world *w, int64_t capacity, uint32_t max_deliveries)
{
    return bind_with(node_new(w, "s"), "x", WIRE_OUT,
                     &(struct wire_attributes){ .capacity = capacity,
                                                .capacity_bytes = 2 * DEAD_LARGE * LARGE,
                                                .max_deliveries = max_deliveries,
                                                .type = "" },
                     0);
}

/* A receiver by hand that has n elements of a sender in its hands. */
static struct handle *filled_with(struct world *w, uint32_t n, size_t size, uint32_t max_deliveries)
{
    w->mortal = true;
    struct handle *out = sender(w, n, max_deliveries);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 0);

    world_pump(w);
    sends(out, n, size);
    receives(in, n);
    world_pump(w);
    assert_int_equal(in->hand.n, n);
    return in;
}

static struct handle *filled(struct world *w, uint32_t n, uint32_t max_deliveries)
{
    return filled_with(w, n, 8, max_deliveries);
}

static struct wire_channel_info info(struct world *w, const char *name)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 1, .query_name = name });
    world_pump(w);
    return n->answer->info;
}

/* Who reads the dead letters, by hand. */
static struct handle *reader(struct world *w, uint32_t n)
{
    struct handle *in = bind_by_hand(node_new(w, "reader"), "x.dead", 0, 0);

    receives(in, n);
    world_pump(w);
    return in;
}

static void what_is_rejected_goes_to_the_dead_letters(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 5, 0);
    settles(in, WIRE_REJECTED, 1, 2, 0);
    world_pump(w);
    assert_int_equal(info(w, "x").dead, 2);
    assert_int_equal(info(w, "x").delivered, 3);
    assert_int_equal(core_used(w->core, "x.dead"), 2);
    struct handle *dead = reader(w, 10);
    assert_int_equal(dead->hand.n, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct stored *s = &dead->hand.at[i];
        assert_int_equal(s->position, i + 1);
        assert_int_equal(s->deliveries, 1);
        assert_int_equal(s->dead.cause, WIRE_CAUSE_REJECTED);
        assert_string_equal(s->dead.why, "bad");
        assert_string_equal(s->dead.channel, "x");
        assert_int_equal(s->dead.position, i + 2);
        assert_int_equal(s->dead.deliveries, 1);
    }
    settles(in, WIRE_DONE, 0, 3, 0);
    settles(dead, WIRE_DONE, 0, 2, 0);
    world_pump(w);
    assert_null(world_fault(w));
    assert_int_equal(info(w, "x.dead").taken, 2);
    world_free(w);
}

static void what_was_delivered_too_often_dies(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 2, 3);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(in->hand.at[1].position, i == 1 ? 2 : 1);
        size_t first = i == 1 ? 0 : 1;
        assert_int_equal(in->hand.at[first].deliveries, i);
        settles(in, WIRE_AGAIN, first, 1, 0);
        receives(in, 1);
        world_pump(w);
    }
    assert_int_equal(in->hand.n, 1);
    assert_int_equal(info(w, "x").dead, 1);
    assert_int_equal(info(w, "x").redelivered, 2);
    struct handle *dead = reader(w, 1);
    assert_int_equal(dead->hand.at[0].dead.cause, WIRE_CAUSE_DELIVERIES);
    assert_int_equal(dead->hand.at[0].dead.deliveries, 3);
    assert_string_equal(dead->hand.at[0].dead.why, "");
    world_free(w);
}

static void a_delay_does_not_save_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 1, 1);
    settles(in, WIRE_AGAIN, 0, 1, 1000);
    world_pump(w);
    assert_int_equal(info(w, "x").dead, 1);
    assert_int_equal(info(w, "x").delayed, 0);
    world_free(w);
}

static void sessions_that_end_count_and_unbinds_do_not(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 1, 2);
    handle_unbind(in);
    world_pump(w);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(info(w, "x").dead, 0);
        in = bind_by_hand(node_new(w, "again"), "x", 0, 0);
        receives(in, 1);
        world_pump(w);
        assert_int_equal(in->hand.at[0].deliveries, i + 1);
        node_end(in->node);
        world_pump(w);
    }
    assert_int_equal(info(w, "x").dead, 1);
    world_free(w);
}

static void who_does_not_acknowledge_by_hand_gets_it_without_limit(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 1, 1);
    world_pump(w);
    sends(out, 1, 8);
    for (uint32_t i = 1; i <= 4; i++) {
        struct handle *in = bind_in(node_new(w, "plain"), "x", 0);
        world_pump(w);
        assert_int_equal(in->store.at[0].deliveries, i);
        node_end(in->node);
    }
    assert_int_equal(info(w, "x").dead, 0);
    world_free(w);
}

static void a_dead_letter_keeps_its_slot_until_there_is_room(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled_with(w, DEAD_LARGE + 6, LARGE, 0),
                  *out = w->nodes.at[0]->handles.at[0];
    settles(in, WIRE_REJECTED, 0, in->hand.n, 0);
    world_pump(w);
    assert_int_equal(info(w, "x").dead, DEAD_LARGE);
    assert_int_equal(info(w, "x").buffered, 6);
    receives(in, 10);
    world_later(w, 1000);
    assert_int_equal(in->hand.n, 0); /* nobody is given it any more */
    handle_close(out, 0);
    world_later(w, 1000);
    assert_false(in->closed);
    struct handle *dead = reader(w, 4);
    settles(dead, WIRE_DONE, 0, 4, 0);
    world_pump(w);
    assert_int_equal(info(w, "x").dead, DEAD_LARGE + 4);
    assert_false(in->closed);
    receives(dead, 2);
    world_pump(w);
    settles(dead, WIRE_DONE, 0, 2, 0);
    world_pump(w);
    assert_true(in->closed);
    assert_int_equal(in->code, WIRE_CLOSED);
    world_free(w);
}

static void a_cancellation_leaves_the_dead_alone(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled_with(w, DEAD_LARGE + 2, LARGE, 0);
    settles(in, WIRE_REJECTED, 0, in->hand.n, 0);
    world_pump(w);
    handle_close(in, -7);
    world_pump(w);
    assert_int_equal(info(w, "x").dropped_cancelled, 0);
    assert_int_equal(info(w, "x").buffered, 2);
    struct handle *dead = reader(w, 2);
    settles(dead, WIRE_DONE, 0, 2, 0);
    world_pump(w);
    assert_int_equal(info(w, "x").dead, DEAD_LARGE + 2);
    world_free(w);
}

static void nothing_dies_among_the_dead(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 1, 1);
    settles(in, WIRE_REJECTED, 0, 1, 0);
    world_pump(w);
    struct handle *dead = reader(w, 1);
    for (uint32_t i = 1; i <= 40; i++) {
        assert_int_equal(dead->hand.n, 1);
        assert_int_equal(dead->hand.at[0].deliveries, i);
        assert_int_equal(dead->hand.at[0].dead.deliveries, 1);
        settles(dead, i % 2 == 0 ? WIRE_REJECTED : WIRE_AGAIN, 0, 1, 0);
        receives(dead, 1);
        world_pump(w);
    }
    world_free(w);
}

static void dead_letters_are_bound_in_and_are_raw(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "n");
    struct handle *out = bind_out(n, "x.dead", 0), *narrow = bind_in(n, "x.dead", 5),
                  *in = bind_in(n, "x.dead", 0), *twice = bind_in(n, "x.dead.dead", 0);
    struct handle *typed = bind_with(n, "x.dead", WIRE_IN, &(struct wire_attributes){ .type = "t" },
                                     0);
    struct handle *other = bind_with(n, "x.dead", WIRE_IN, &(struct wire_attributes){ .type = "u" },
                                     0);
    world_pump(w);
    assert_int_equal(out->code, WIRE_BAD_NAME);
    assert_int_equal(twice->code, WIRE_BAD_NAME);
    assert_int_equal(narrow->code, WIRE_MISMATCH);
    assert_string_equal(narrow->sentence, "channel 'x.dead': capacity is 16384, not 5");
    assert_true(in->bound && typed->bound && other->bound);
    assert_int_equal(in->attributes.capacity, DEAD_CAPACITY);
    assert_string_equal(in->attributes.type, "");
    /* Who was there before the first dead letter gets it. */
    receives(in, 1);
    struct handle *by_hand = filled(w, 1, 0);
    settles(by_hand, WIRE_REJECTED, 0, 1, 0);
    world_pump(w);
    assert_int_equal(in->taken, 1);
    world_free(w);
}

static void a_channel_of_dead_letters_that_was_closed_is_made_anew(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = filled(w, 2, 0);
    struct handle *dead = reader(w, 1);
    handle_close(dead, 0);
    world_pump(w);
    settles(in, WIRE_REJECTED, 0, 1, 0);
    world_pump(w);
    assert_true(dead->closed);
    assert_int_equal(info(w, "x").buffered, 1);
    handle_unbind(dead);
    world_pump(w);
    assert_int_equal(info(w, "x").dead, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_rejected_goes_to_the_dead_letters),
        cmocka_unit_test(what_was_delivered_too_often_dies),
        cmocka_unit_test(a_delay_does_not_save_it),
        cmocka_unit_test(sessions_that_end_count_and_unbinds_do_not),
        cmocka_unit_test(who_does_not_acknowledge_by_hand_gets_it_without_limit),
        cmocka_unit_test(a_dead_letter_keeps_its_slot_until_there_is_room),
        cmocka_unit_test(a_cancellation_leaves_the_dead_alone),
        cmocka_unit_test(nothing_dies_among_the_dead),
        cmocka_unit_test(dead_letters_are_bound_in_and_are_raw),
        cmocka_unit_test(a_channel_of_dead_letters_that_was_closed_is_made_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
