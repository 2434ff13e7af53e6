/* test_core_pieces.c - large elements, which come and go in pieces.   SPDX-License-Identifier: MIT
 *
 * Pieces are of 100 bytes here, and what is larger than 400 is large. */
#include "proto/limits.h"
#include "tests/core/harness.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LARGE 1000
#define PIECE 100

static uint8_t zeros[LARGE];

/* A world with a sender that holds credit for one large element, and, if it is wanted, a receiver; nothing is sent yet. */
static struct handle *prepared(struct world **world, struct handle **in, int64_t capacity)
{
    const struct wire_attributes a = {
        .capacity = capacity, .capacity_bytes = 2 * LARGE, .max_deliveries = 1, .type = ""
    };

    world_piece_bytes = PIECE;
    struct world *w = *world = world_new(1);
    struct handle *out = bind_with(node_new(w, "sender"), "x", WIRE_OUT, &a, 0);
    if (in != NULL)
        *in = bind_in(node_new(w, "receiver"), "x", capacity);
    world_pump(w);
    return out;
}

static void ask(struct handle *out, uint64_t bytes)
{
    say(out->node,
        &(struct wire_control){ .what = WIRE_ASK,
                                .bind = out->number,
                                .ask = { .waiting = 1, .first_bytes = bytes, .bytes = bytes } });
    world_pump(out->node->world);
}

/* Says a piece of the sender's element of that number, and gives what the core makes of it. */
static int say_piece(struct handle *out, uint64_t number, uint64_t bytes, uint64_t at,
                     uint32_t size, uint32_t flags)
{
    struct world *w = out->node->world;
    struct frame *f = frame_new(size);
    struct wire_section s = { .bind = out->number,
                              .count = 1,
                              .number = number,
                              .incarnation = out->incarnation,
                              .epoch = out->epoch,
                              .bytes = bytes,
                              .flags = WIRE_PIECE | flags,
                              .offset = at,
                              .size = size,
                              .body = f->data };

    memcpy(f->data, zeros, size);
    out->sent = number;
    int rc = core_section(w->core, out->node->session, &s, f, w->now, &w->why);
    frame_unref(f);
    core_check(w->core);
    return rc;
}

static struct wire_channel_info info(struct world *w)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 1, .query_name = "x" });
    world_pump(w);
    return n->answer->info;
}

static void an_element_is_accepted_when_it_is_whole(void **state)
{
    struct world *w;
    struct handle *out = prepared(&w, NULL, 10);

    (void)state;
    ask(out, LARGE);
    for (uint32_t at = 0; at < LARGE; at += PIECE) {
        assert_int_equal(info(w).accepted, 0);
        assert_true(at == 0 || core_memory(w->core, "x") >= LARGE);
        assert_int_equal(say_piece(out, 1, LARGE, at, PIECE, 0), 0);
    }
    assert_int_equal(info(w).accepted, 1);
    assert_int_equal(info(w).buffered, 1);
    assert_int_equal(info(w).bytes, LARGE);
    world_free(w);
}

static void pieces_that_break_a_rule_are_refused(void **state)
{
    static const struct {
        uint64_t number, bytes, at;
        uint32_t flags;
    } bad[] = {
        { 2, LARGE, 0, 0 },          /* not the next element */
        { 1, LARGE, 200, 0 },        /* not the next piece */
        { 1, LARGE - 1, PIECE, 0 },  /* of another length than before */
        { 2, LARGE, PIECE, 0 },      /* of another element */
        { 1, 2 * LARGE + 1, 0, 0 },  /* larger than was lent */
        { 1, LARGE, 0, WIRE_OFFER }, /* offered, in a channel that is no rendezvous */
        { 1, LARGE, 0, WIRE_DEAD },  /* dead already */
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct world *w;
        struct handle *out = prepared(&w, NULL, 10);

        ask(out, LARGE);
        assert_int_equal(say_piece(out, 1, LARGE, 0, PIECE, 0), 0);
        assert_int_equal(
            say_piece(out, bad[i].number, bad[i].bytes, bad[i].at, PIECE, bad[i].flags), -EPROTO);
        assert_true(w->why[0] != '\0');
        node_end(out->node);
        world_free(w);
    }
}

static void no_memory_is_taken_for_what_was_not_lent(void **state)
{
    struct world *w;
    struct handle *out = prepared(&w, NULL, 10);

    (void)state;
    assert_int_equal(say_piece(out, 1, LARGE, 0, PIECE, 0), -EPROTO);
    assert_int_equal(core_memory(w->core, "x"), 0);
    node_end(out->node);
    world_free(w);
}

static void an_element_that_its_sender_gave_up_makes_room_for_the_next(void **state)
{
    struct world *w;
    struct handle *out = prepared(&w, NULL, 10);

    (void)state;
    ask(out, LARGE);
    assert_int_equal(say_piece(out, 1, LARGE, 0, PIECE, 0), 0);
    for (uint32_t at = 0; at < LARGE / 2; at += PIECE)
        assert_int_equal(say_piece(out, 1, LARGE / 2, at, PIECE, 0), 0);
    assert_int_equal(info(w).accepted, 1);
    assert_int_equal(info(w).bytes, LARGE / 2);
    world_free(w);
}

static void who_gives_credit_back_gives_up_what_it_was_for(void **state)
{
    struct world *w;
    struct handle *out = prepared(&w, NULL, 1), *other;

    (void)state;
    ask(out, LARGE);
    assert_int_equal(say_piece(out, 1, LARGE, 0, PIECE, 0), 0);
    assert_true(core_memory(w->core, "x") > LARGE);
    other = bind_out(node_new(w, "other"), "x", 1);
    world_pump(w);
    give_up(out); /* and answers the Recall with all that it was lent */
    sends(other, 1, 8);
    world_later(w, 1000);
    assert_int_equal(world_waiting(w), 0);
    assert_in_range(core_memory(w->core, "x"), 1, LARGE - 1);
    world_free(w);
}

static void what_was_begun_goes_with_its_session(void **state)
{
    struct world *w;
    struct handle *in, *out = prepared(&w, &in, 10);

    (void)state;
    ask(out, LARGE);
    assert_int_equal(say_piece(out, 1, LARGE, 0, PIECE, 0), 0);
    node_end(out->node);
    world_pump(w);
    assert_int_equal(core_used(w->core, "x"), 0);
    assert_int_equal(core_memory(w->core, "x"), 0);
    world_free(w);
}

static void an_element_leaves_in_pieces_and_others_of_the_session_between_them(void **state)
{
    struct world *w;
    struct handle *in, *out = prepared(&w, &in, 10), *small_out, *small_in;
    struct wire_section s;
    int turns = 0;
    uint64_t came = 0;

    (void)state;
    small_out = bind_out(out->node, "small", 10);
    small_in = bind_in(in->node, "small", 10);
    world_pump(w);
    in->node->frozen = true;
    sends(out, 1, LARGE);
    sends(small_out, 5, 8);
    world_pump(w);
    core_flush(w->core);
    w->max_pull = 8;
    for (bool was_piece = false; core_pull(w->core, in->node->session, 200, &s);) {
        bool piece = s.flags & WIRE_PIECE;

        assert_int_equal(s.bind, piece ? in->number : small_in->number);
        turns += piece != was_piece;
        was_piece = piece;
        if (piece) {
            assert_int_equal(s.offset, came);
            assert_in_range(s.size, 1, PIECE);
            came += s.size;
        }
        core_check(w->core);
    }
    assert_int_equal(came, LARGE);
    assert_in_range(turns, 2, 10);
    world_free(w);
}

/* The frame that a piece is to go into is not empty.  What is far smaller than others its receiver would have to copy, and the
 * rest of the element with it. */
static void a_piece_that_does_not_fit_into_a_frame_is_cut_in_the_middle(void **state)
{
    const uint64_t header = WIRE_SECTION_HEADER + WIRE_SECTION_TIMES + WIRE_PIECE_HEADER;
    struct world *w;
    struct handle *in, *out = prepared(&w, &in, 10);
    struct wire_section s;
    uint64_t came = 0;

    (void)state;
    in->node->frozen = true;
    sends(out, 1, LARGE);
    world_pump(w);
    core_flush(w->core);
    while (core_pull(w->core, in->node->session, header + PIECE - 10, &s)) {
        assert_int_equal(s.offset, came);
        assert_int_equal(s.size, PIECE / 2);
        came += s.size;
    }
    assert_int_equal(came, LARGE);
    world_free(w);
}

/* The receiver was given the first pieces of the only element. */
static struct handle *half_way(struct world **w, int64_t capacity, struct handle **out)
{
    struct handle *in;
    struct wire_section s;

    *out = prepared(w, &in, capacity);
    in->node->frozen = true;
    sends(*out, 1, LARGE);
    world_pump(*w);
    core_flush((*w)->core);
    for (int i = 0; i < 5; i++)
        assert_true(core_pull((*w)->core, in->node->session, 65536, &s));
    assert_int_equal(s.offset, 4 * PIECE);
    return in;
}

static void a_receiver_that_dies_half_way_leaves_it_whole_to_another(void **state)
{
    struct world *w;
    struct handle *out, *in = half_way(&w, 10, &out), *other;

    (void)state;
    node_end(in->node);
    other = bind_in(node_new(w, "other"), "x", 10);
    receives(other, 1);
    world_pump(w);
    assert_int_equal(other->got.n, 1);
    assert_int_equal(other->got.at[0].deliveries, 1); /* it never had it */
    assert_null(world_fault(w));
    world_free(w);
}

static void what_has_left_half_cannot_be_taken_settled_or_given_back(void **state)
{
    static const struct wire_range first = { 1, 1 };
    const struct wire_control bad[] = {
        { .what = WIRE_TAKEN, .number = 1 },
        { .what = WIRE_ASK, .ask = { .waiting = 1, .adjusted = -1 } },
        { .what = WIRE_SETTLE,
          .settle = { .verdict = WIRE_UNREADABLE, .ranges = &first, .n_ranges = 1, .why = "" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct world *w;
        struct handle *out, *in = half_way(&w, 10, &out);
        struct wire_control c = bad[i];

        c.bind = in->number;
        assert_int_equal(core_control(w->core, in->node->session, &c, w->now, &w->why), -EPROTO);
        node_end(in->node);
        core_check(w->core);
        world_free(w);
    }
}

static void a_cancellation_half_way_drops_it(void **state)
{
    struct world *w;
    struct handle *out, *in = half_way(&w, 10, &out);
    struct wire_control c = { .what = WIRE_CLOSE, .bind = in->number, .recall = { .reason = -5 } };
    struct wire_section s;

    (void)state;
    assert_int_equal(core_control(w->core, in->node->session, &c, w->now, &w->why), 0);
    core_flush(w->core);
    assert_false(core_pull(w->core, in->node->session, 65536, &s));
    assert_int_equal(core_memory(w->core, "x"), 0);
    world_free(w);
}

static void an_unbind_half_way_gives_it_to_another(void **state)
{
    struct world *w;
    struct handle *out, *in = half_way(&w, 10, &out), *other;
    struct wire_control c = { .what = WIRE_UNBIND, .bind = in->number };

    (void)state;
    assert_int_equal(core_control(w->core, in->node->session, &c, w->now, &w->why), 0);
    other = bind_in(node_new(w, "other"), "x", 10);
    receives(other, 1);
    world_pump(w);
    assert_int_equal(other->got.n, 1);
    assert_int_equal(other->got.at[0].deliveries, 1);
    world_free(w);
}

static void a_large_dead_letter_is_buried_however_large_it_is(void **state)
{
    const struct wire_attributes a = { .capacity = 2,
                                       .capacity_bytes = WIRE_BYTES_DEFAULT * 2,
                                       .type = "" };

    (void)state;
    world_piece_bytes = 0;
    struct world *w = world_new(1);
    struct handle *out = bind_with(node_new(w, "sender"), "x", WIRE_OUT, &a, 0), *in, *dead;
    in = bind_by_hand(node_new(w, "receiver"), "x", 2, 0);
    world_pump(w);
    world_piece_bytes = WIRE_PIECE_BYTES; /* the harness is to cut what it sends */
    sends(out, 1, WIRE_BYTES_DEFAULT + 100);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(in->hand.n, 1);
    settles(in, WIRE_REJECTED, 0, 1, 0);
    world_pump(w);
    dead = bind_in(in->node, "x.dead", 0);
    receives(dead, 1);
    world_pump(w);
    assert_int_equal(dead->got.n, 1);
    assert_int_equal(dead->got.at[0].dead.cause, WIRE_CAUSE_REJECTED);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_is_accepted_when_it_is_whole),
        cmocka_unit_test(pieces_that_break_a_rule_are_refused),
        cmocka_unit_test(no_memory_is_taken_for_what_was_not_lent),
        cmocka_unit_test(an_element_that_its_sender_gave_up_makes_room_for_the_next),
        cmocka_unit_test(who_gives_credit_back_gives_up_what_it_was_for),
        cmocka_unit_test(what_was_begun_goes_with_its_session),
        cmocka_unit_test(an_element_leaves_in_pieces_and_others_of_the_session_between_them),
        cmocka_unit_test(a_piece_that_does_not_fit_into_a_frame_is_cut_in_the_middle),
        cmocka_unit_test(a_receiver_that_dies_half_way_leaves_it_whole_to_another),
        cmocka_unit_test(what_has_left_half_cannot_be_taken_settled_or_given_back),
        cmocka_unit_test(a_cancellation_half_way_drops_it),
        cmocka_unit_test(an_unbind_half_way_gives_it_to_another),
        cmocka_unit_test(a_large_dead_letter_is_buried_however_large_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
