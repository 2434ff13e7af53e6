/* test_core_timed.c - what expires, and what is to be had later.   SPDX-License-Identifier: MIT */
#include "broker/core/run.h"
#include "tests/core/harness.h"
#include "tests/proto/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS 3600000

static struct wire_channel_info info(struct world *w)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 1, .query_name = "x" });
    world_pump(w);
    return n->answer->info;
}

static struct handle *sender(struct world *w, int64_t capacity, int64_t ttl_ms)
{
    struct handle *h = bind_with(
        node_new(w, "s"), "x", WIRE_OUT,
        &(struct wire_attributes){ .capacity = capacity, .ttl_ms = ttl_ms, .type = "" }, 0);

    world_pump(w);
    assert_true(h->bound);
    return h;
}

static struct handle *receiver(struct world *w)
{
    struct handle *h = bind_in(node_new(w, "r"), "x", 0);

    world_pump(w);
    return h;
}

/* What a receiver has that takes only what it asks for. */
static size_t got(const struct handle *h)
{
    return h->got.n + h->hand.n;
}

/* ---- expiry -------------------------------------------------------------------------------------------------------- */

static void what_nobody_has_received_in_its_time_is_dropped_and_counted(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0);
    sends_timed(out, 3, 8, 0, 500);
    sends(out, 2, 8);
    world_pump(w);
    world_later(w, 499);
    assert_int_equal(info(w).buffered, 5);
    world_later(w, 1);
    assert_int_equal(info(w).buffered, 2);
    assert_int_equal(info(w).expired, 3);
    assert_int_equal(core_used(w->core, "x"), 2 + info(w).lent);
    struct handle *in = receiver(w);
    receives(in, 5);
    world_pump(w);
    assert_int_equal(got(in), 2);
    assert_int_equal(in->got.at[0].position, 4);
    assert_null(world_fault(w));
    world_free(w);
}

static void its_slot_lets_a_sender_go_on(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 4, 1000);
    sends(out, 10, 8);
    world_pump(w);
    assert_int_equal(out->sent, 4);
    world_later(w, 1000);
    assert_int_equal(out->sent, 8);
    world_later(w, 1000);
    assert_int_equal(out->sent, 10);
    assert_int_equal(info(w).expired, 8);
    world_later(w, 1000);
    assert_int_equal(info(w).expired, 10);
    assert_int_equal(info(w).accepted, 10);
    world_free(w);
}

static void the_shorter_time_of_channel_and_element_counts(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 1000);
    sends_timed(out, 1, 8, 0, 300);
    sends_timed(out, 1, 8, 0, HOUR_MS);
    world_pump(w);
    world_later(w, 300);
    assert_int_equal(info(w).expired, 1);
    world_later(w, 699);
    assert_int_equal(info(w).expired, 1);
    world_later(w, 1);
    assert_int_equal(info(w).expired, 2);
    world_free(w);
}

static void elements_with_other_times_expire_each_in_its_own(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 1000, 0);
    for (uint64_t i = 0; i < 200; i++)
        sends_timed(out, 1, 8, 0, 1 + i * 37 % 200);
    world_pump(w);
    for (int i = 1; i <= 200; i++) {
        world_later(w, 1);
        assert_int_equal(info(w).expired, i);
    }
    world_free(w);
}

/* A model node takes only for receives, so all of it lies in its prefetch. */
static void what_lies_in_a_prefetch_is_the_nodes_business(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0), *in = receiver(w);
    sends_timed(out, 4, 8, 0, 500);
    sends(out, 1, 8);
    world_pump(w);
    assert_int_equal(in->store.n, 5);
    assert_int_equal(info(w).delivered, 5);
    in->node->frozen = true;
    world_later(w, 5000);
    assert_int_equal(info(w).delivered, 5); /* nobody can know what it has taken */
    in->node->frozen = false;
    receives(in, 5);
    world_pump(w);
    assert_int_equal(got(in), 1);
    assert_int_equal(in->expired, 4);
    assert_int_equal(info(w).expired, 4);
    assert_int_equal(info(w).taken, 1);
    assert_null(world_fault(w));
    world_free(w);
}

static void what_comes_back_too_late_goes_to_nobody(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0), *in = receiver(w);
    sends_timed(out, 4, 8, 0, 500);
    world_pump(w);
    assert_int_equal(in->store.n, 4);
    in->node->frozen = true;
    world_later(w, 5000);
    node_end(in->node);
    in = receiver(w);
    receives(in, 4);
    world_pump(w);
    assert_int_equal(got(in), 0);
    assert_int_equal(info(w).expired, 4);
    world_free(w);
}

static void what_comes_back_in_time_has_the_rest_of_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0), *in = receiver(w);
    sends_timed(out, 4, 8, 0, 500);
    world_pump(w);
    world_later(w, 300);
    handle_unbind(in);
    world_pump(w);
    assert_int_equal(info(w).buffered, 4);
    world_later(w, 199);
    assert_int_equal(info(w).buffered, 4);
    world_later(w, 1);
    assert_int_equal(info(w).expired, 4);
    world_free(w);
}

static void what_is_in_a_programs_hands_is_its_own_until_it_comes_back(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 500);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 0);
    sends(out, 4, 8);
    receives(in, 4);
    world_pump(w);
    world_later(w, 5000);
    assert_int_equal(in->hand.n, 4);
    assert_int_equal(info(w).expired, 0);
    settles(in, WIRE_DONE, 0, 1, 0);
    settles(in, WIRE_AGAIN, 0, 1, 0);
    settles(in, WIRE_REJECTED, 0, 1, 0);
    receives(in, 4);
    world_pump(w);
    assert_int_equal(in->hand.n, 1);
    assert_int_equal(info(w).taken, 1);
    assert_int_equal(info(w).expired, 1);
    assert_int_equal(info(w).dead, 1);
    world_free(w);
}

static void a_nack_does_not_wait_longer_than_it_lives(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 1000);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 0);
    sends(out, 2, 8);
    receives(in, 4);
    world_pump(w);
    settles(in, WIRE_AGAIN, 0, 1, 400);
    settles(in, WIRE_AGAIN, 0, 1, HOUR_MS);
    world_pump(w);
    assert_int_equal(info(w).delayed, 2);
    world_later(w, 400);
    assert_int_equal(in->hand.n, 1);
    world_later(w, 600);
    assert_int_equal(info(w).delayed, 0);
    assert_int_equal(info(w).expired, 1);
    world_free(w);
}

static void a_dead_letter_does_not_expire(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 500);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 0);
    sends(out, 1, 8);
    receives(in, 1);
    world_pump(w);
    settles(in, WIRE_REJECTED, 0, 1, 0);
    world_pump(w);
    world_later(w, HOUR_MS);
    struct handle *dead = bind_in(node_new(w, "d"), "x.dead", 0);
    receives(dead, 1);
    world_pump(w);
    assert_int_equal(got(dead), 1);
    world_free(w);
}

static void a_closed_channel_ends_when_the_last_has_expired(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 500), *in;
    w->mortal = true;
    sends(out, 2, 8);
    world_pump(w);
    in = bind_by_hand(node_new(w, "r"), "x", 0, 1);
    receives(in, 1);
    handle_close(out, 0);
    world_pump(w);
    settles(in, WIRE_DONE, 0, 1, 0);
    world_pump(w);
    assert_false(in->closed);
    world_later(w, 500);
    assert_true(in->closed);
    assert_int_equal(info(w).expired, 1);
    world_free(w);
}

static void a_cancellation_drops_what_would_have_expired(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 500), *in = receiver(w);
    sends(out, 5, 8);
    sends_timed(out, 2, 8, 200, 0);
    world_pump(w);
    handle_close(in, -7);
    world_pump(w);
    world_later(w, 5000);
    assert_int_equal(info(w).expired, 0);
    assert_int_equal(info(w).dropped_cancelled, 7);
    world_free(w);
}

/* ---- delay --------------------------------------------------------------------------------------------------------- */

static void what_is_delayed_is_accepted_and_holds_its_slot(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 4, 0), *in = receiver(w);
    sends_timed(out, 4, 8, 500, 0);
    sends(out, 1, 8);
    receives(in, 5);
    world_pump(w);
    assert_int_equal(out->sent, 4);
    assert_int_equal(out->accepted, 4);
    assert_int_equal(info(w).delayed, 4);
    assert_int_equal(core_used(w->core, "x"), 4);
    world_later(w, 499);
    assert_int_equal(got(in), 0);
    world_later(w, 1);
    assert_int_equal(got(in), 5);
    assert_int_equal(info(w).delayed, 0);
    assert_null(world_fault(w));
    world_free(w);
}

static void who_wakes_goes_behind_what_is_there(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0);
    sends_timed(out, 1, 8, 500, 0);
    sends_timed(out, 1, 8, 200, 0);
    sends(out, 2, 8);
    world_pump(w);
    world_later(w, 300);
    sends(out, 1, 8);
    world_pump(w);
    world_later(w, 300);
    struct handle *in = receiver(w);
    receives(in, 5);
    world_pump(w);
    static const uint64_t ids[] = { 2, 3, 1, 4, 0 };
    assert_int_equal(got(in), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(in->got.at[i].id, ids[i]);
        assert_int_equal(in->got.at[i].position, i + 1);
    }
    world_free(w);
}

/* A section each, all at the same moment. */
static void those_of_one_time_keep_their_order(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 100, 0);
    for (int i = 0; i < 100; i++) {
        sends_timed(out, 1, 8, 500, 0);
        world_pump(w);
    }
    assert_int_equal(out->n_sections_out, 100);
    world_later(w, 500);
    struct handle *in = receiver(w);
    receives(in, 100);
    world_pump(w);
    assert_int_equal(got(in), 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(in->got.at[i].id, i);
    world_free(w);
}

/* For one time of the day, the later the shorter, by frames that took more or less time. */
static void what_is_for_one_time_is_had_together_in_its_order(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 100, 0);
    for (uint64_t i = 0; i < 40; i++) {
        sends_together(out, 1, 8, 500 - world_random(w, 40), 7);
        world_pump(w);
        w->now += (int64_t)world_random(w, 1000000);
    }
    sends_together(out, 1, 8, 100, 8);
    world_pump(w);
    sends_together(out, 1, 8, 0, 8); /* as if it were late, but not for that */
    sends_timed(out, 1, 8, 120, 0);
    world_pump(w);
    w->mortal = true;
    assert_int_equal(info(w).delayed, 43);
    world_later(w, 120);
    assert_int_equal(info(w).buffered, 3);
    world_later(w, 380);
    assert_int_equal(info(w).delayed, 0);
    sends_together(out, 1, 8, 50, 8); /* too late for that time, so at once */
    world_pump(w);
    world_later(w, 50);
    struct handle *in = receiver(w);
    receives(in, 44);
    world_pump(w);
    assert_int_equal(got(in), 44);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(in->got.at[i].id, 40 + i);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(in->got.at[i + 3].id, i);
    world_free(w);
}

static void a_time_to_live_begins_when_the_delay_is_over(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0);
    sends_timed(out, 1, 8, 500, 300);
    world_pump(w);
    world_later(w, 799);
    assert_int_equal(info(w).buffered, 1);
    world_later(w, 1);
    assert_int_equal(info(w).expired, 1);
    world_free(w);
}

static void a_broker_that_was_held_up_gives_nobody_more_time(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0);
    sends_timed(out, 1, 8, 500, 300);
    world_pump(w);
    w->now += INT64_C(5000000000);
    core_tick(w->core, w->now);
    struct handle *in = receiver(w);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(got(in), 0);
    assert_int_equal(info(w).expired, 1);
    world_free(w);
}

static void a_close_ends_delays_and_the_time_to_live_begins_then(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0);
    w->mortal = true;
    sends_timed(out, 2, 8, HOUR_MS, 300);
    sends_timed(out, 1, 8, HOUR_MS, 0);
    world_pump(w);
    handle_close(out, 0);
    world_pump(w);
    assert_int_equal(info(w).buffered, 3);
    world_later(w, 299);
    assert_int_equal(info(w).buffered, 3);
    world_later(w, 1);
    assert_int_equal(info(w).expired, 2);
    struct handle *in = receiver(w);
    receives(in, 2);
    world_pump(w);
    assert_int_equal(got(in), 1);
    assert_true(in->closed);
    world_free(w);
}

/* The close has been said, and the elements were on their way. */
static void what_comes_after_a_close_has_no_delay(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0), *other = bind_out(node_new(w, "o"), "x", 0),
                  *in = receiver(w);
    world_pump(w);
    sends(out, 1, 8);
    world_pump(w);
    assert_true(out->credit > 0);
    sends_timed(out, 1, 8, HOUR_MS, 0);
    receives(in, 2);
    handle_close(other, 0);
    while (move_up(other->node))
        continue;
    world_pump(w);
    assert_int_equal(got(in), 2);
    assert_true(in->closed);
    world_free(w);
}

static void a_channel_that_nobody_has_bound_keeps_what_is_delayed(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0);
    sends_timed(out, 1, 8, HOUR_MS, 0);
    world_pump(w);
    handle_unbind(out);
    world_later(w, HOUR_MS + 1);
    struct handle *in = receiver(w);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(got(in), 1);
    world_free(w);
}

static void times_without_end_are_none(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, INT64_MAX), *in = receiver(w);
    struct wire_section s = { .number = 1,
                              .count = 1,
                              .bytes = 8,
                              .size = 9,
                              .flags = WIRE_TIMED | WIRE_HEADED /* as the first that is sent */ };
    struct frame *f = frame_new(9);
    w->mortal = true;
    memset(f->data, 0, f->len);
    f->data[0] = 8;
    receives(in, 2);
    sends(out, 1, 8);
    world_pump(w);
    assert_true(out->credit > 2);
    s.bind = out->number;
    s.incarnation = out->incarnation;
    s.epoch = out->epoch;
    s.body = f->data;
    s.number = 2;
    out->sent += 2;
    s.ttl_ms = UINT64_MAX;
    assert_int_equal(core_section(w->core, out->node->session, &s, f, w->now, &w->why), 0);
    s.number = 3;
    s.delay_ms = UINT64_MAX;
    assert_int_equal(core_section(w->core, out->node->session, &s, f, w->now, &w->why), 0);
    frame_unref(f);
    world_later(w, HOUR_MS);
    assert_int_equal(info(w).taken, 2);
    assert_int_equal(info(w).delayed, 1);
    assert_int_equal(info(w).expired, 0);
    world_free(w);
}

/* ---- attributes and rules ---------------------------------------------------------------------------------------------- */

static struct handle *states(struct world *w, enum wire_direction d, int64_t capacity,
                             int64_t ttl_ms)
{
    struct handle *h = bind_with(
        node_new(w, "n"), "x", d,
        &(struct wire_attributes){ .capacity = capacity, .ttl_ms = ttl_ms, .type = "" }, 0);

    world_pump(w);
    return h;
}

static void refused(const struct handle *h, enum wire_code code, const char *sentence)
{
    assert_true(h->refused);
    assert_int_equal(h->code, code);
    assert_string_equal(h->sentence, sentence);
}

static void the_first_that_states_a_ttl_fixes_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    assert_true(states(w, WIRE_IN, 0, 5000)->bound);
    assert_int_equal(states(w, WIRE_OUT, 8, 0)->attributes.ttl_ms, 5000);
    assert_true(states(w, WIRE_OUT, 0, 5000)->bound);
    refused(states(w, WIRE_IN, 0, 4000), WIRE_MISMATCH, "channel 'x': ttl_ms is 5000, not 4000");
    refused(states(w, WIRE_IN, 9, WIRE_NO_TTL), WIRE_MISMATCH,
            "channel 'x': capacity is 8, not 9, ttl_ms is 5000, not none");
    world_free(w);
}

static void without_one_nothing_expires_and_that_is_fixed_too(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    assert_int_equal(states(w, WIRE_OUT, 8, 0)->attributes.ttl_ms, WIRE_NO_TTL);
    assert_true(states(w, WIRE_OUT, 0, WIRE_NO_TTL)->bound);
    refused(states(w, WIRE_IN, 0, 1), WIRE_MISMATCH, "channel 'x': ttl_ms is none, not 1");
    refused(states(w, WIRE_IN, 0, -2), WIRE_BAD_ATTRIBUTE,
            "channel 'x': its ttl_ms is out of range");
    world_free(w);
}

static void a_rendezvous_has_no_ttl(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    refused(states(w, WIRE_OUT, WIRE_RENDEZVOUS, 1), WIRE_BAD_ATTRIBUTE,
            "channel 'x': a rendezvous holds nothing that could expire: it has no ttl_ms");
    assert_true(states(w, WIRE_IN, 0, 1)->bound);
    refused(states(w, WIRE_OUT, WIRE_RENDEZVOUS, 0), WIRE_MISMATCH,
            "channel 'x': capacity is at least 1, for its ttl_ms, not rendezvous");
    world_free(w);

    w = world_new(1);
    assert_true(states(w, WIRE_IN, WIRE_RENDEZVOUS, 0)->bound);
    refused(states(w, WIRE_IN, 0, 1), WIRE_MISMATCH,
            "channel 'x': capacity is rendezvous, not at least 1, as a ttl_ms needs it");
    world_free(w);
}

static void only_what_expires_can_be_said_to_have(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = sender(w, 10, 0), *in = receiver(w);
    sends(out, 1, 8);
    world_pump(w);
    assert_int_equal(in->store.n, 1);
    say(in->node, &(struct wire_control){ .what = WIRE_SETTLE,
                                          .bind = in->number,
                                          .settle = { .why = "",
                                                      .verdict = WIRE_EXPIRED,
                                                      .ranges = &(struct wire_range){ 1, 1 },
                                                      .n_ranges = 1 } });
    world_pump(w);
    assert_int_equal(w->rc, -EPROTO);
    assert_string_equal(w->why, "a delivery is said to have expired that never does");
    world_free(w);
}

/* ---- without memory ---------------------------------------------------------------------------------------------------- */

/* A frame of so many elements of one byte. */
static struct frame *frame_of(struct wire_section *s, uint32_t count)
{
    struct frame *f = frame_new(2 * count);

    for (uint32_t i = 0; i < count; i++)
        f->data[2 * i] = 1, f->data[2 * i + 1] = 'x';
    s->count = count;
    s->bytes = count;
    s->size = 2 * count;
    s->body = f->data;
    return f;
}

/* The driver ends the session then; nobody else notices. */
static void what_finds_no_memory_was_not_accepted(void **state)
{
    (void)state;
    int rc = -ENOMEM;

    for (long n = 0; rc == -ENOMEM && ALLOC_HOOKED; n++) {
        struct world *w = world_new(1);
        struct handle *out = sender(w, 10, 0);
        struct wire_section s = { .number = 1, .flags = WIRE_TIMED, .delay_ms = 5, .ttl_ms = 7 };
        struct frame *f = frame_of(&s, 1);
        receives(receiver(w), 1);
        sends(out, 1, 8);
        world_pump(w);
        s.bind = out->number;
        s.incarnation = out->incarnation;
        s.epoch = out->epoch;
        s.number = 2;
        alloc_fail_in = n;
        rc = core_section(w->core, out->node->session, &s, f, w->now, &w->why);
        alloc_fail_in = -1;
        out->sent += rc == 0;
        core_check(w->core);
        assert_int_equal(info(w).accepted, rc == 0 ? 2 : 1);
        assert_int_equal(info(w).delayed, rc == 0 ? 1 : 0);
        assert_true(rc == 0 ? n == 3 : rc == -ENOMEM); /* a run, its expiry, its nap */
        frame_unref(f);
        world_free(w);
    }
}

static void a_run_that_cannot_be_cut_is_as_it_was(void **state)
{
    (void)state;
    struct wire_section s = { .number = 1, .deliveries = 1 };
    struct frame *f = frame_of(&s, 4);
    struct run *r = run_new(&s, f), *head = NULL;

    assert_true(expiry_give(r, 5));
    for (long n = 0; head == NULL; n++) {
        alloc_fail_in = ALLOC_HOOKED ? n : -1;
        head = run_cut(r, 1);
        alloc_fail_in = -1;
        assert_int_equal(r->s.count, head == NULL ? 4 : 3);
    }
    assert_true(expiry_same(r, head));
    assert_true(head->expiry != r->expiry);
    run_free(head);
    run_free(r);
    frame_unref(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_has_received_in_its_time_is_dropped_and_counted),
        cmocka_unit_test(its_slot_lets_a_sender_go_on),
        cmocka_unit_test(the_shorter_time_of_channel_and_element_counts),
        cmocka_unit_test(elements_with_other_times_expire_each_in_its_own),
        cmocka_unit_test(what_lies_in_a_prefetch_is_the_nodes_business),
        cmocka_unit_test(what_comes_back_too_late_goes_to_nobody),
        cmocka_unit_test(what_comes_back_in_time_has_the_rest_of_it),
        cmocka_unit_test(what_is_in_a_programs_hands_is_its_own_until_it_comes_back),
        cmocka_unit_test(a_nack_does_not_wait_longer_than_it_lives),
        cmocka_unit_test(a_dead_letter_does_not_expire),
        cmocka_unit_test(a_closed_channel_ends_when_the_last_has_expired),
        cmocka_unit_test(a_cancellation_drops_what_would_have_expired),
        cmocka_unit_test(what_is_delayed_is_accepted_and_holds_its_slot),
        cmocka_unit_test(who_wakes_goes_behind_what_is_there),
        cmocka_unit_test(those_of_one_time_keep_their_order),
        cmocka_unit_test(what_is_for_one_time_is_had_together_in_its_order),
        cmocka_unit_test(a_time_to_live_begins_when_the_delay_is_over),
        cmocka_unit_test(a_broker_that_was_held_up_gives_nobody_more_time),
        cmocka_unit_test(a_close_ends_delays_and_the_time_to_live_begins_then),
        cmocka_unit_test(what_comes_after_a_close_has_no_delay),
        cmocka_unit_test(a_channel_that_nobody_has_bound_keeps_what_is_delayed),
        cmocka_unit_test(times_without_end_are_none),
        cmocka_unit_test(the_first_that_states_a_ttl_fixes_it),
        cmocka_unit_test(without_one_nothing_expires_and_that_is_fixed_too),
        cmocka_unit_test(a_rendezvous_has_no_ttl),
        cmocka_unit_test(only_what_expires_can_be_said_to_have),
        cmocka_unit_test(what_finds_no_memory_was_not_accepted),
        cmocka_unit_test(a_run_that_cannot_be_cut_is_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
