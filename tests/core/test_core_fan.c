/* test_core_fan.c - fanout: each element to every window, and what becomes of who is slow.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct world *fan_world(void)
{
    struct world *w = world_new(1);

    w->fans = true;
    return w;
}

static struct wire_attributes fanout(enum wire_slow slow, int64_t capacity)
{
    return (struct wire_attributes){
        .kind = WIRE_FANOUT, .slow = slow, .capacity = capacity, .type = ""
    };
}

static const struct wire_channel_info *info(struct world *w)
{
    struct node *n = node_new(w, "asks");

    say(n, &(struct wire_control){
               .what = WIRE_QUERY, .bind = 1, .query_name = "x", .query_node = "" });
    world_pump(w);
    assert_non_null(n->answer);
    return &n->answer->info;
}

/* Its got elements are of all positions from the first on, in order. */
static void gapless(const struct handle *h, uint64_t first, size_t n)
{
    assert_int_equal(h->got.n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(h->got.at[i].position, first + i);
}

/* ---- block --------------------------------------------------------------------------------------------------------- */

static void each_receiver_sees_every_element_in_the_one_order(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in[3], *a, *b;
    for (int i = 0; i < 3; i++) {
        in[i] = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 8, 0);
        receives(in[i], 1000);
    }
    a = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 8, 0);
    b = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 8, 0);
    world_pump(w);
    sends(a, 100, 8);
    sends(b, 100, 20);
    world_pump(w);
    assert_int_equal(a->accepted, 100);
    assert_int_equal(b->accepted, 100);
    for (int i = 0; i < 3; i++) {
        gapless(in[i], 1, 200);
        for (size_t k = 0; k < 200; k++)
            assert_int_equal(in[i]->got.at[k].id, in[0]->got.at[k].id);
    }
    const struct wire_channel_info *c = info(w);
    assert_int_equal(c->accepted, 200);
    assert_int_equal(c->copied, 400);
    assert_int_equal(c->taken, 600);
    world_free(w);
}

static void the_slowest_window_stops_the_senders(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *fast = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 10, 0);
    struct handle *slow = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 10, 2);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 10, 0);
    receives(fast, 1000);
    world_pump(w);
    sends(out, 50, 8);
    world_pump(w);
    assert_int_equal(out->sent, 10);
    assert_int_equal(fast->got.n, 10);
    assert_int_equal(slow->store.n, 2);
    receives(slow, 3);
    world_pump(w);
    assert_int_equal(out->sent, 13); /* a slot is free when the last window has passed it */
    assert_int_equal(fast->got.n, 13);
    receives(slow, 1000);
    world_pump(w);
    gapless(slow, 1, 50);
    gapless(fast, 1, 50);
    world_free(w);
}

static void who_joins_gets_what_is_accepted_from_then_on(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *first = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 100, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 100, 0);
    world_pump(w);
    sends(out, 7, 8);
    world_pump(w);
    struct handle *late = bind_fan(w, WIRE_IN, WIRE_SLOW_ANY, 0, 0);
    receives(late, 1000);
    world_pump(w);
    sends(out, 5, 8);
    world_pump(w);
    gapless(late, 8, 5);
    receives(first, 1000);
    world_pump(w);
    gapless(first, 1, 12);
    world_free(w);
}

static void who_leaves_frees_its_window(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct world *w = fan_world();
        struct handle *stays = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 4, 0);
        struct handle *leaves = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 4, 1);
        struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 4, 0);
        receives(stays, 1000);
        world_pump(w);
        sends(out, 20, 8);
        world_pump(w);
        assert_int_equal(out->sent, 4);
        if (how == 0)
            handle_unbind(leaves);
        else
            node_end(leaves->node);
        world_pump(w);
        gapless(stays, 1, 20);
        const struct wire_channel_info *c = info(w);
        assert_int_equal(c->dropped_left, 4);
        assert_int_equal(c->accepted + c->copied, c->taken + c->dropped_left);
        world_free(w);
    }
}

static void with_nobody_there_what_comes_waits_and_is_not_accepted(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 100, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 100, 0);
    receives(in, 1000);
    world_pump(w);
    sends(out, 10, 8);
    world_pump(w);
    assert_true(out->credit > 0); /* lent */
    uint64_t lent = out->credit;
    handle_unbind(in);
    world_pump(w);
    sends(out, 200, 8);
    world_pump(w);
    assert_int_equal(out->sent, 10 + lent);
    assert_int_equal(out->accepted, 10);
    const struct wire_channel_info *c = info(w);
    assert_int_equal(c->accepted, 10);
    assert_int_equal(c->parked, lent);
    world_later(w, 100000);
    struct handle *next = bind_fan(w, WIRE_IN, WIRE_SLOW_ANY, 0, 0);
    receives(next, 1000);
    world_pump(w);
    assert_int_equal(out->accepted, 210);
    gapless(next, 11, 200);
    world_free(w);
}

static void what_waits_for_the_first_receiver_outlives_its_sender(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 10, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 10, 0);
    receives(in, 1000);
    world_pump(w);
    sends(out, 20, 8);
    world_pump(w);
    uint64_t lent = out->credit;
    assert_true(lent > 0);
    handle_unbind(in);
    world_pump(w);
    sends(out, (uint32_t)lent, 8);
    world_pump(w);
    handle_close(out, 0);
    world_pump(w);
    node_end(out->node);
    struct handle *next = bind_fan(w, WIRE_IN, WIRE_SLOW_ANY, 0, 0);
    receives(next, 1000);
    world_pump(w);
    gapless(next, 21, lent);
    assert_true(next->closed);
    world_free(w);
}

static void a_receiver_that_was_there_before_it_was_a_fanout_has_a_window(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    say(in->node,
        &(struct wire_control){ .what = WIRE_ASK, .bind = in->number, .ask = { .waiting = 1 } });
    receives(in, 1000);
    world_pump(w);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_ANY, 0, 0);
    world_pump(w);
    sends(out, 5, 8);
    world_pump(w);
    gapless(in, 1, 5);
    world_free(w);
}

/* ---- by hand ------------------------------------------------------------------------------------------------------- */

static void each_window_acknowledges_for_itself(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *a = bind_by_hand(node_new(w, "a"), "x", 0, 0);
    struct handle *b = bind_by_hand(node_new(w, "b"), "x", 0, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 6, 0);
    w->mortal = true;
    world_pump(w);
    sends(out, 12, 8);
    receives(a, 100);
    receives(b, 100);
    world_pump(w);
    assert_int_equal(a->hand.n, 6);
    settles(a, WIRE_DONE, 0, 6, 0);
    settles(b, WIRE_DONE, 1, 2, 0); /* its first is kept for long: only that slot is */
    world_pump(w);
    assert_int_equal(out->sent, 8);
    assert_int_equal(b->hand.n, 6);
    settles(b, WIRE_AGAIN, 0, 1, 0); /* to the same again, and to nobody else */
    world_pump(w);
    assert_int_equal(b->hand.at[5].deliveries, 2);
    assert_int_equal(b->hand.at[5].position, 1);
    assert_int_equal(a->hand.n, 2);
    settles(b, WIRE_REJECTED, 5, 1, 0);
    settles(b, WIRE_AGAIN, 0, 1, 500);
    world_pump(w);
    struct handle *dead = bind_in(node_new(w, "d"), "x.dead", 0);
    receives(dead, 10);
    world_pump(w);
    assert_int_equal(dead->got.n, 1);
    assert_int_equal(dead->got.at[0].dead.position, 1);
    world_later(w, 600);
    while (a->hand.n + b->hand.n > 0) {
        settles(a, WIRE_DONE, 0, a->hand.n, 0);
        settles(b, WIRE_DONE, 0, b->hand.n, 0);
        world_pump(w);
    }
    assert_int_equal(a->got.n, 12);
    assert_int_equal(b->got.n, 11);
    const struct wire_channel_info *c = info(w);
    assert_int_equal(c->dead, 1);
    assert_int_equal(c->taken, 23);
    world_free(w);
}

static void a_dead_letter_for_each_window_that_rejects(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *a = bind_by_hand(node_new(w, "a"), "x", 0, 0);
    struct handle *b = bind_by_hand(node_new(w, "b"), "x", 0, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 6, 0);
    w->mortal = true;
    world_pump(w);
    sends(out, 2, 8);
    receives(a, 2);
    receives(b, 2);
    world_pump(w);
    settles(a, WIRE_REJECTED, 0, 2, 0);
    settles(b, WIRE_REJECTED, 0, 2, 0);
    world_pump(w);
    struct handle *dead = bind_in(node_new(w, "d"), "x.dead", 0);
    receives(dead, 10);
    world_pump(w);
    assert_int_equal(dead->got.n, 4);
    assert_int_equal(info(w)->dead, 4);
    assert_int_equal(core_used(w->core, "x") - out->credit, 0);
    world_free(w);
}

static void nothing_comes_again_to_others_when_a_session_ends(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *a = bind_by_hand(node_new(w, "a"), "x", 0, 0);
    struct handle *b = bind_fan(w, WIRE_IN, WIRE_SLOW_ANY, 0, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 6, 0);
    world_pump(w);
    sends(out, 6, 8);
    receives(a, 3);
    receives(b, 100);
    world_pump(w);
    settles(a, WIRE_AGAIN, 0, 1, 10000);
    world_pump(w);
    node_end(a->node);
    struct handle *again = bind_by_hand(node_new(w, "a"), "x", 0, 0);
    receives(again, 100);
    world_later(w, 20000);
    assert_int_equal(again->hand.n, 0);
    gapless(b, 1, 6);
    assert_int_equal(info(w)->dropped_left, 6);
    world_free(w);
}

/* A receiver keeps one element of each section: what the others took is not kept with it. */
static void what_is_kept_long_does_not_keep_the_rest(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = bind_by_hand(node_new(w, "a"), "x", 0, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 1000, 0);
    world_pump(w);
    for (int i = 0; i < 20; i++) {
        sends(out, 50, 400);
        receives(in, 50);
        world_pump(w);
        settles(in, WIRE_DONE, (size_t)i + 1, 49, 0);
        world_pump(w);
    }
    assert_int_equal(in->hand.n, 20);
    assert_true(core_memory(w->core, "x") < 20 * (2 * 402 + 1024));
    world_free(w);
}

/* ---- who is slow ---------------------------------------------------------------------------------------------------- */

static void the_oldest_are_dropped_and_counted_and_senders_go_on(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *fast = bind_fan(w, WIRE_IN, WIRE_SLOW_DROP_OLDEST, 10, 0);
    struct handle *slow = bind_fan(w, WIRE_IN, WIRE_SLOW_DROP_OLDEST, 10, 3);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_DROP_OLDEST, 10, 0);
    receives(fast, 1000);
    world_pump(w);
    sends(out, 50, 8);
    world_pump(w);
    assert_int_equal(out->accepted, 50);
    gapless(fast, 1, 50);
    assert_int_equal(slow->store.n, 3);
    assert_int_equal(slow->store.at[0].position, 48);
    assert_int_equal(slow->lost + slow->missed, 47);
    receives(slow, 1000);
    world_pump(w);
    gapless(slow, 48, 3);
    const struct wire_channel_info *c = info(w);
    assert_int_equal(c->dropped_slow, 47);
    assert_int_equal(c->accepted + c->copied, c->taken + c->dropped_slow);
    world_free(w);
}

static void a_frozen_receiver_does_not_stop_who_drops(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *fast = bind_fan(w, WIRE_IN, WIRE_SLOW_DROP_OLDEST, 10, 0);
    struct handle *frozen = bind_fan(w, WIRE_IN, WIRE_SLOW_DROP_OLDEST, 10, 4);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_DROP_OLDEST, 10, 0);
    receives(fast, 1000);
    receives(frozen, 2);
    world_pump(w);
    frozen->node->frozen = true;
    sends(out, 100, 8);
    world_pump(w);
    assert_int_equal(out->accepted, 100);
    gapless(fast, 1, 100);
    frozen->node->frozen = false;
    receives(frozen, 1000);
    world_pump(w);
    assert_int_equal(frozen->got.n + frozen->lost + frozen->missed, 100);
    assert_true(frozen->in_order);
    assert_true(frozen->missed > 0);
    assert_int_equal(frozen->got.at[frozen->got.n - 1].position, 100);
    const struct wire_channel_info *c = info(w);
    assert_int_equal(c->dropped_slow, frozen->lost + frozen->missed);
    assert_int_equal(c->taken, 100 + frozen->got.n);
    world_free(w);
}

static void who_is_too_slow_is_cut(void **state)
{
    (void)state;
    for (int freezes = 0; freezes < 2; freezes++) {
        struct world *w = fan_world();
        struct handle *fast = bind_fan(w, WIRE_IN, WIRE_SLOW_CUT, 10, 0);
        struct handle *slow = bind_fan(w, WIRE_IN, WIRE_SLOW_CUT, 10, 4);
        struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_CUT, 10, 0);
        receives(fast, 1000);
        receives(slow, 5);
        world_pump(w);
        sends(out, 3, 8);
        world_pump(w);
        slow->node->frozen = freezes == 1;
        sends(out, 60, 8);
        world_pump(w);
        assert_int_equal(out->accepted, 63);
        gapless(fast, 1, 63);
        slow->node->frozen = false;
        world_pump(w);
        assert_true(slow->cut);
        assert_true(slow->unbound);
        gapless(slow, 1, slow->got.n);
        assert_true(slow->lost + slow->missed > 0);
        const struct wire_channel_info *c = info(w);
        assert_int_equal(c->dropped_slow, slow->lost + slow->missed);
        assert_int_equal(c->accepted + c->copied, c->taken + c->dropped_slow + c->dropped_left);
        world_free(w);
    }
}

static void a_burst_is_no_slowness(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = bind_fan(w, WIRE_IN, WIRE_SLOW_DROP_OLDEST, 8, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_DROP_OLDEST, 8, 0);
    receives(in, 1000);
    world_pump(w);
    for (int i = 0; i < 50; i++) {
        sends(out, 20, 8);
        world_pump(w);
    }
    gapless(in, 1, 1000);
    assert_int_equal(in->lost + in->missed, 0);
    world_free(w);
}

static void with_nobody_there_what_is_dropped_says_so(void **state)
{
    (void)state;
    for (enum wire_slow slow = WIRE_SLOW_DROP_OLDEST; slow <= WIRE_SLOW_CUT; slow++) {
        struct world *w = fan_world();
        struct handle *out = bind_fan(w, WIRE_OUT, slow, 10, 0);
        world_pump(w);
        sends(out, 100, 8);
        world_pump(w);
        assert_int_equal(out->accepted, 100);
        assert_int_equal(info(w)->dropped_nobody, 100);
        struct handle *in = bind_fan(w, WIRE_IN, slow, 10, 0);
        receives(in, 100);
        world_pump(w);
        sends(out, 5, 8);
        world_pump(w);
        gapless(in, 101, 5);
        world_free(w);
    }
}

/* A node that acknowledges frames and never says what became of the elements does not fill the home. */
static void what_comes_as_its_sender_dies_does_not_keep_the_channel(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_DROP_OLDEST, 100, 0);
    world_pump(w);
    sends(out, 10, 8);
    world_pump(w);
    assert_true(out->credit > 0);
    sends(out, 1, 8);
    while (move_up(out->node))
        continue;
    node_end(out->node); /* before the flush */
    world_later(w, 70000);
    assert_true(core_used(w->core, "x") == (uint64_t)-1);
    world_free(w);
}

static void who_does_not_answer_is_borne_with_to_twice_its_window(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *mute = bind_fan(w, WIRE_IN, WIRE_SLOW_DROP_OLDEST, 10, 4);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_DROP_OLDEST, 10, 0);
    world_pump(w);
    mute->attributes.slow = WIRE_SLOW_BLOCK; /* it keeps all, and says nothing */
    sends(out, 200, 8);
    world_pump(w);
    assert_int_equal(out->accepted, 200);
    assert_int_equal(mute->store.n, 8);
    assert_true(mute->missed >= 200 - 8 - 10);
    world_free(w);
}

static void what_is_lost_in_a_channel_that_blocks_breaks_the_rules(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 10, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 10, 0);
    const struct wire_range range = { 1, 1 };
    world_pump(w);
    sends(out, 2, 8);
    world_pump(w);
    say(in->node,
        &(struct wire_control){
            .what = WIRE_SETTLE,
            .bind = in->number,
            .settle = { .why = "", .verdict = WIRE_LOST, .ranges = &range, .n_ranges = 1 } });
    world_pump(w);
    assert_true(w->rc < 0);
    assert_string_equal(w->why, "a delivery was lost in a channel that blocks");
    w->rc = 0;
    world_free(w);
}

/* ---- ends ----------------------------------------------------------------------------------------------------------- */

static void each_window_is_drained_and_told_of_the_close(void **state)
{
    (void)state;
    for (enum wire_slow slow = WIRE_SLOW_BLOCK; slow <= WIRE_SLOW_CUT; slow++) {
        struct world *w = fan_world();
        struct handle *fast = bind_fan(w, WIRE_IN, slow, 10, 0);
        struct handle *tardy = bind_fan(w, WIRE_IN, slow, 10, 0);
        struct handle *out = bind_fan(w, WIRE_OUT, slow, 10, 0);
        receives(fast, 100);
        world_pump(w);
        sends(out, 6, 8);
        world_pump(w);
        handle_close(out, 0);
        world_pump(w);
        gapless(fast, 1, 6);
        assert_true(fast->closed); /* it does not wait for the other */
        assert_false(tardy->closed);
        receives(tardy, 100);
        world_pump(w);
        gapless(tardy, 1, 6);
        assert_true(tardy->closed);
        assert_int_equal(tardy->code, WIRE_CLOSED);
        world_free(w);
    }
}

static void who_cancels_drops_what_no_window_has_taken(void **state)
{
    (void)state;
    for (enum wire_slow slow = WIRE_SLOW_BLOCK; slow <= WIRE_SLOW_CUT; slow++) {
        struct world *w = fan_world();
        struct handle *a = bind_fan(w, WIRE_IN, slow, 10, 0);
        struct handle *b = bind_fan(w, WIRE_IN, slow, 10, 1);
        struct handle *out = bind_fan(w, WIRE_OUT, slow, 10, 0);
        receives(a, 100);
        world_pump(w);
        b->node->frozen = true;
        sends(out, 5, 8);
        world_pump(w);
        handle_close(a, -7);
        world_pump(w);
        b->node->frozen = false;
        world_pump(w);
        assert_int_equal(out->code, WIRE_CANCELLED);
        assert_int_equal(out->reason, -7);
        assert_true(b->closed);
        const struct wire_channel_info *c = info(w);
        assert_int_equal(c->taken, 5);
        assert_int_equal(c->dropped_cancelled, 5);
        assert_int_equal(core_used(w->core, "x"), 0);
        world_free(w);
    }
}

static void what_crosses_the_cancellation_is_dropped(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = bind_fan(w, WIRE_IN, WIRE_SLOW_BLOCK, 10, 0);
    struct handle *out = bind_fan(w, WIRE_OUT, WIRE_SLOW_BLOCK, 10, 0);
    receives(in, 100);
    world_pump(w);
    sends(out, 20, 8);
    world_pump(w);
    assert_true(out->credit > 0);
    handle_close(in, -7);
    struct handle *late = bind_fan(w, WIRE_IN, WIRE_SLOW_ANY, 0, 0);
    while (move_up(in->node) || move_up(late->node))
        flush(w);
    uint32_t more = (uint32_t)out->credit;
    sends(out, more, 8); /* it does not know yet */
    world_pump(w);
    assert_true(late->closed);
    assert_int_equal(info(w)->dropped_cancelled, more);
    world_free(w);
}

/* ---- binds ---------------------------------------------------------------------------------------------------------- */

static void refused(const struct wire_attributes *first, const struct wire_attributes *second,
                    bool by_hand, enum wire_code code, const char *phrase)
{
    struct world *w = fan_world();
    struct node *n = node_new(w, "n");
    struct handle *h;

    if (first != NULL)
        (void)bind_with(n, "x", WIRE_OUT, first, 0);
    if (second != NULL)
        h = bind_with(n, "x", WIRE_IN, second, 0);
    else
        h = bind_by_hand(n, "x", 0, 0);
    (void)by_hand;
    world_pump(w);
    assert_true(h->refused);
    assert_int_equal(h->code, code);
    if (strstr(h->sentence, phrase) == NULL)
        fail_msg("\"%s\" is not in: %s", phrase, h->sentence);
    world_free(w);
}

static void what_contradicts_a_fanout_is_refused_with_a_sentence(void **state)
{
    (void)state;
    const struct wire_attributes fan = fanout(WIRE_SLOW_BLOCK, 8),
                                 drop = fanout(WIRE_SLOW_DROP_OLDEST, 8),
                                 meets = { .capacity = WIRE_RENDEZVOUS, .type = "" },
                                 queue = { .kind = WIRE_QUEUE, .type = "" },
                                 cut = { .slow = WIRE_SLOW_CUT, .type = "" },
                                 both = { .kind = WIRE_FANOUT,
                                          .capacity = WIRE_RENDEZVOUS,
                                          .type = "" },
                                 queue_cut = { .kind = WIRE_QUEUE,
                                               .slow = WIRE_SLOW_CUT,
                                               .type = "" };
    refused(NULL, &both, false, WIRE_BAD_ATTRIBUTE, "a rendezvous brings two together");
    refused(NULL, &queue_cut, false, WIRE_BAD_ATTRIBUTE, "a queue cannot drop or cut");
    refused(&fan, &meets, false, WIRE_MISMATCH, "capacity is 8, not rendezvous");
    refused(&meets, &fan, false, WIRE_MISMATCH, "kind is queue, not fanout");
    refused(&queue, &cut, false, WIRE_MISMATCH, "kind is queue, not fanout");
    refused(&fan, &cut, false, WIRE_MISMATCH, "slow is block, not cut");
    refused(&fan, &queue, false, WIRE_MISMATCH, "kind is fanout, not queue");
    refused(&drop, NULL, true, WIRE_MISMATCH, "slow is drop-oldest or cut, not block");
}

static void who_states_that_it_drops_states_a_fanout(void **state)
{
    (void)state;
    struct world *w = fan_world();
    struct handle *in = bind_with(node_new(w, "r"), "x", WIRE_IN,
                                  &(struct wire_attributes){ .slow = WIRE_SLOW_CUT, .type = "" },
                                  0);
    world_pump(w);
    assert_int_equal(in->attributes.kind, WIRE_FANOUT);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_receiver_sees_every_element_in_the_one_order),
        cmocka_unit_test(the_slowest_window_stops_the_senders),
        cmocka_unit_test(who_joins_gets_what_is_accepted_from_then_on),
        cmocka_unit_test(who_leaves_frees_its_window),
        cmocka_unit_test(with_nobody_there_what_comes_waits_and_is_not_accepted),
        cmocka_unit_test(what_waits_for_the_first_receiver_outlives_its_sender),
        cmocka_unit_test(a_receiver_that_was_there_before_it_was_a_fanout_has_a_window),
        cmocka_unit_test(each_window_acknowledges_for_itself),
        cmocka_unit_test(a_dead_letter_for_each_window_that_rejects),
        cmocka_unit_test(nothing_comes_again_to_others_when_a_session_ends),
        cmocka_unit_test(what_is_kept_long_does_not_keep_the_rest),
        cmocka_unit_test(the_oldest_are_dropped_and_counted_and_senders_go_on),
        cmocka_unit_test(a_frozen_receiver_does_not_stop_who_drops),
        cmocka_unit_test(who_is_too_slow_is_cut),
        cmocka_unit_test(a_burst_is_no_slowness),
        cmocka_unit_test(with_nobody_there_what_is_dropped_says_so),
        cmocka_unit_test(what_comes_as_its_sender_dies_does_not_keep_the_channel),
        cmocka_unit_test(who_does_not_answer_is_borne_with_to_twice_its_window),
        cmocka_unit_test(what_is_lost_in_a_channel_that_blocks_breaks_the_rules),
        cmocka_unit_test(each_window_is_drained_and_told_of_the_close),
        cmocka_unit_test(who_cancels_drops_what_no_window_has_taken),
        cmocka_unit_test(what_crosses_the_cancellation_is_dropped),
        cmocka_unit_test(what_contradicts_a_fanout_is_refused_with_a_sentence),
        cmocka_unit_test(who_states_that_it_drops_states_a_fanout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
