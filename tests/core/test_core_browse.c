/* test_core_browse.c - looking into live channels, purging and removing them.   SPDX-License-Identifier: MIT */
#include "tests/core/inquiry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void its_age_is_that_of_the_incarnation(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 10);

    world_pump(w);
    assert_int_equal(info(w, "x").age_ms, 0);
    world_later(w, 1500);
    assert_int_equal(info(w, "x").age_ms, 1500);
    handle_close(out, 0);
    handle_unbind(out);
    world_pump(w);
    bind_out(node_new(w, "t"), "x", 10);
    world_pump(w);
    assert_int_equal(info(w, "x").age_ms, 0);
    world_free(w);
}

/* ---- peek --------------------------------------------------------------------------------------------------------- */

static void peek_shows_the_oldest_and_takes_none(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    holds(w, 5, 8);
    sees(w, 0, 0, "1 buffered; 2 buffered; 3 buffered; 4 buffered; 5 buffered");
    sees(w, 0, 2, "1 buffered; 2 buffered +");
    sees(w, 3, 2, "3 buffered; 4 buffered +");
    sees(w, 4, 2, "4 buffered; 5 buffered");
    sees(w, 6, 2, "");
    const struct wire_element *e = &peeks(w, "x", 2, 1, 0)->answer.elements[0];
    assert_int_equal(e->size, 8);
    assert_int_equal(e->len, 8);
    assert_memory_equal(e->bytes, "\1\0\0\0\0\0\0\0", 8); /* the world's second element */
    assert_int_equal(info(w, "x").buffered, 5);
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);
    receives(in, 5);
    world_pump(w);
    assert_int_equal(in->got.n, 5);
    assert_true(in->in_order);
    assert_int_equal(in->got.at[0].deliveries, 1);
    assert_null(world_fault(w));
    sees(w, 0, 0, "");
    world_free(w);
}

static void peek_tells_the_place_of_each(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    w->mortal = true;
    holds(w, 6, 8);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 5);
    receives(in, 4);
    world_pump(w);
    settles(in, WIRE_AGAIN, 1, 1, 60000);
    settles(in, WIRE_DONE, 0, 1, 0);
    world_pump(w);
    sees(w, 0, 0,
         "2 delayed x1; 3 in hand r x1; 4 in hand r x1; 5 delivered r x1; 6 delivered r x1");
    assert_int_equal(peeks(w, "x", 0, 1, 0)->answer.elements[0].due_ms, 60000);
    world_later(w, 1000);
    const struct wire_element *e = &peeks(w, "x", 0, 1, 0)->answer.elements[0];
    assert_int_equal(e->due_ms, 59000);
    assert_int_equal(e->age_ms, 1000);
    world_later(w, 60000); /* it comes again */
    sees(w, 2, 1, "2 delivered r x2 +");
    node_end(in->node);
    world_pump(w);
    sees(w, 0, 3, "2 buffered x2; 3 buffered x1; 4 buffered x1 +");
    world_free(w);
}

static void peek_of_a_channel_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    holds(w, 1, 8);
    const struct wire_control *c = peeks(w, "y", 0, 0, 0);
    assert_int_equal(c->answer.code, WIRE_NOT_FOUND);
    assert_string_equal(c->answer.sentence, "channel \"y\": this broker has no such channel");
    assert_int_equal(c->answer.n_elements, 0);
    world_free(w);
}

static void peek_of_many_comes_in_pages_that_are_bounded(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    holds(w, 1000, 100);
    uint64_t next = 1;
    unsigned pages = 0;
    for (bool more = true; more; pages++) {
        const struct wire_control *c = peeks(w, "x", next, 0, 0);
        size_t bytes = 0;
        for (uint32_t i = 0; i < c->answer.n_elements; i++) {
            assert_int_equal(c->answer.elements[i].position, next++);
            bytes += c->answer.elements[i].len;
        }
        assert_true(bytes < 32768);
        more = c->answer.more;
    }
    assert_int_equal(next, 1001);
    assert_true(pages > 3 && pages < 20);
    world_free(w);
}

static void large_element_is_shown_in_pieces(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    struct world *w = world_new(1);
    struct handle *out = holds(w, 1, 8);
    sends(out, 1, SIZE);
    sends(out, 1, 8);
    world_pump(w);
    sees(w, 0, 0, "1 buffered +"); /* never beside another */
    uint64_t at = 0;
    while (at < SIZE) {
        const struct wire_control *c = peeks(w, "x", 2, 0, at);
        const struct wire_element *e = &c->answer.elements[0];
        assert_int_equal(e->position, 2);
        assert_int_equal(e->offset, at);
        assert_int_equal(e->size, SIZE);
        assert_true(e->len > 0);
        assert_true(e->len < 32768);
        at += e->len;
        assert_int_equal(c->answer.n_elements, at < SIZE ? 1 : 2);
    }
    assert_int_equal(peeks(w, "x", 2, 1, UINT64_MAX)->answer.elements[0].len, 0);
    world_free(w);
}

/* ---- purge -------------------------------------------------------------------------------------------------------- */

static void purge_drops_what_is_buffered_and_senders_go_on(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 3);
    sends(out, 5, 8);
    world_pump(w);
    assert_int_equal(out->sends.n, 2); /* it waits */
    const struct wire_control *c = asks_purge(w, "x");
    assert_int_equal(c->answer.code, WIRE_OK);
    assert_int_equal(c->answer.dropped, 3);
    assert_int_equal(c->answer.dropped_bytes, 24);
    assert_int_equal(out->sends.n, 0);
    assert_int_equal(info(w, "x").accepted, 5);
    assert_int_equal(info(w, "x").dropped_purged, 3);
    assert_int_equal(info(w, "x").buffered, 2);
    receives(bind_in(node_new(w, "r"), "x", 0), 5);
    world_pump(w);
    assert_int_equal(info(w, "x").taken, 2);
    assert_null(world_fault(w));
    assert_int_equal(asks_purge(w, "x")->answer.dropped, 0);
    world_free(w);
}

static void purge_leaves_what_receivers_have(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    w->mortal = true;
    holds(w, 9, 8);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 5);
    receives(in, 4);
    world_pump(w);
    settles(in, WIRE_AGAIN, 0, 1, 60000);
    world_pump(w);
    sees(w, 0, 3, "1 delayed x1; 2 in hand r x1; 3 in hand r x1 +");
    assert_int_equal(asks_purge(w, "x")->answer.dropped, 4); /* a delayed one, and 7 to 9 */
    sees(w, 0, 0,
         "2 in hand r x1; 3 in hand r x1; 4 in hand r x1; 5 delivered r x1; 6 delivered r x1");
    receives(in, 5);
    world_pump(w);
    settles(in, WIRE_DONE, 0, 5, 0);
    world_later(w, 61000);
    assert_int_equal(info(w, "x").taken, 5);
    assert_int_equal(info(w, "x").dropped_purged, 4);
    assert_int_equal(core_used(w->core, "x") - info(w, "x").lent, 0);
    assert_null(world_fault(w));
    world_free(w);
}

static void purge_is_the_end_of_what_was_closed(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = holds(w, 3, 8);
    handle_close(out, 0);
    handle_unbind(out);
    world_pump(w);
    assert_int_equal(info(w, "x").buffered, 3);
    assert_int_equal(asks_purge(w, "x")->answer.dropped, 3);
    assert_int_equal(core_used(w->core, "x"), -1); /* forgotten */
    assert_int_equal(asks_purge(w, "x")->answer.code, WIRE_NOT_FOUND);
    world_free(w);
}

static void purge_of_a_closed_channel_ends_its_receivers(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    w->mortal = true;
    struct handle *out = holds(w, 9, 8);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 2);
    receives(in, 2);
    world_pump(w);
    handle_close(out, 0);
    world_pump(w);
    assert_int_equal(asks_purge(w, "x")->answer.dropped, 7);
    assert_false(in->closed);
    settles(in, WIRE_DONE, 0, 2, 0);
    world_pump(w);
    assert_true(in->closed);
    assert_int_equal(in->code, WIRE_CLOSED);
    assert_null(world_fault(w));
    world_free(w);
}

/* The dead letters are full, so what is dying waits in its channel. */
static void purge_drops_what_is_dying(void **state)
{
    (void)state;
    enum { LARGE = 1 << 20, FULL = 64 };
    struct world *w = world_new(1);
    w->mortal = true;
    struct handle *out = bind_with(
        node_new(w, "s"), "x", WIRE_OUT,
        &(struct wire_attributes){ .capacity = 100, .capacity_bytes = 100 * LARGE, .type = "" }, 0);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 100);
    world_pump(w);
    sends(out, FULL + 6, LARGE);
    receives(in, FULL + 6);
    world_pump(w);
    settles(in, WIRE_REJECTED, 0, FULL + 6, 0);
    world_pump(w);
    uint64_t left = info(w, "x").buffered;
    assert_true(left > 0);
    assert_int_equal(peeks(w, "x", 0, 1, 0)->answer.elements[0].place, WIRE_DYING);
    assert_int_equal(asks_purge(w, "x")->answer.dropped, left);
    assert_int_equal(info(w, "x").dead, FULL + 6 - left);
    assert_int_equal(asks_purge(w, "x.dead")->answer.dropped, FULL + 6 - left);
    assert_int_equal(info(w, "x.dead").buffered, 0);
    world_free(w);
}

static void purge_of_a_fanout_is_of_every_window(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct wire_attributes fanout = { .kind = WIRE_FANOUT, .capacity = 100, .type = "" };
    w->fans = w->mortal = true;
    struct handle *out = bind_with(node_new(w, "s"), "x", WIRE_OUT, &fanout, 0);
    world_pump(w);
    sends(out, 3, 8);
    world_pump(w);
    assert_int_equal(asks_purge(w, "x")->answer.dropped,
                     0); /* while nobody is there a send waits */
    struct handle *a = bind_with(node_new(w, "a"), "x", WIRE_IN, &fanout, 2);
    struct handle *b = bind_with(node_new(w, "b"), "x", WIRE_IN, &fanout, 2);
    world_pump(w);
    sends(out, 7, 8);
    world_pump(w);
    assert_int_equal(info(w, "x").accepted, 10);
    uint64_t had = info(w, "x").delivered;
    assert_int_equal(asks_purge(w, "x")->answer.dropped, 20 - had);
    assert_int_equal(info(w, "x").dropped_purged, 20 - had);
    assert_int_equal(info(w, "x").buffered, 0);
    receives(a, 3);
    receives(b, 3);
    world_pump(w);
    sends(out, 1, 8);
    world_pump(w);
    assert_int_equal(a->got.n, 3); /* two that it had, and the new one */
    assert_int_equal(b->got.n, 3);
    world_free(w);
}

static void peek_shows_each_of_a_fanout_once(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct wire_attributes fanout = { .kind = WIRE_FANOUT, .capacity = 100, .type = "" };
    w->fans = true;
    struct handle *out = bind_with(node_new(w, "s"), "x", WIRE_OUT, &fanout, 0);
    struct handle *a = bind_with(node_new(w, "a"), "x", WIRE_IN, &fanout, 2);
    struct handle *b = bind_with(node_new(w, "b"), "x", WIRE_IN, &fanout, 3);
    world_pump(w);
    sends(out, 5, 8);
    world_pump(w);
    sees(w, 0, 0, "1 delivered; 2 delivered; 3 buffered; 4 buffered; 5 buffered");
    sees(w, 2, 2, "2 delivered; 3 buffered +");
    receives(a, 5);
    world_pump(w);
    sees(w, 0, 0, "1 delivered; 2 delivered; 3 delivered; 4 buffered; 5 buffered");
    receives(b, 2); /* now nobody has the first two any more */
    world_pump(w);
    const struct wire_element *e = &peeks(w, "x", 0, 1, 0)->answer.elements[0];
    assert_int_equal(e->position, 3);
    assert_int_equal(e->size, 8);
    assert_memory_equal(e->bytes, "\2\0\0\0\0\0\0\0", 8); /* the world's third element */
    receives(b, 3);
    world_pump(w);
    sees(w, 0, 0, "");
    assert_int_equal(a->got.n, 5);
    assert_int_equal(b->got.n, 5);
    world_free(w);
}

static void peek_shows_of_a_fanout_what_is_delayed_and_what_is_due_for_nobody(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct wire_attributes fanout = { .kind = WIRE_FANOUT, .capacity = 100, .type = "" };
    w->fans = true;
    struct handle *a = bind_with(node_new(w, "a"), "x", WIRE_IN, &fanout, 2);
    struct handle *out = bind_with(node_new(w, "s"), "x", WIRE_OUT, &fanout, 0);
    world_pump(w);
    sends_together(out, 2, 8, 300, 7);
    world_pump(w);
    sees(w, 0, 0, "0 delayed; 0 delayed");
    handle_unbind(a);
    world_pump(w);
    world_later(w, 300);
    sees(w, 0, 0, "0 buffered; 0 buffered");
    world_free(w);
}

/* What expires is too late for who was not handed it; others have it in hand. */
static void peek_shows_of_a_fanout_who_has_what_has_expired(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct wire_attributes fanout = { .kind = WIRE_FANOUT, .capacity = 100, .type = "" };
    w->fans = true;
    struct handle *a = bind_with(node_new(w, "a"), "x", WIRE_IN, &fanout, 1);
    struct handle *b = bind_by_hand(node_new(w, "b"), "x", 0, 10);
    struct handle *out = bind_with(node_new(w, "s"), "x", WIRE_OUT, &fanout, 0);
    world_pump(w);
    sends(out, 2, 8);
    world_pump(w);
    sends_timed(out, 1, 8, 0, 500);
    receives(b, 3);
    world_pump(w);
    assert_int_equal(a->store.n, 1);
    sees(w, 0, 0, "1 delivered; 2 buffered; 3 buffered");
    world_later(w, 500);
    sees(w, 0, 0, "1 delivered; 2 buffered; 3 delivered");
    world_free(w);
}

/* ---- remove ------------------------------------------------------------------------------------------------------- */

static void channel_that_nobody_uses_is_removed(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = holds(w, 3, 8);
    handle_unbind(out);
    world_pump(w);
    assert_int_equal(asks_removal(w, "y", false)->answer.code, WIRE_NOT_FOUND);
    const struct wire_control *c = asks_removal(w, "x", false);
    assert_int_equal(c->answer.code, WIRE_OK);
    assert_int_equal(c->answer.dropped, 3);
    assert_int_equal(c->answer.dropped_bytes, 24);
    assert_int_equal(core_used(w->core, "x"), -1);
    struct core_totals t;
    core_totals(w->core, &t);
    assert_int_equal(t.accepted, 3);
    assert_int_equal(t.purged, 3);
    struct handle *again = bind_out(node_new(w, "t"), "x", 7); /* with a capacity of its own */
    world_pump(w);
    assert_true(again->bound);
    assert_int_not_equal(again->incarnation, out->incarnation);
    assert_null(world_fault(w));
    world_free(w);
}

static void channel_in_use_is_not_removed_unless_by_force(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 5);
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);
    in->hoards = true;
    sends(out, 9, 8);
    world_pump(w);
    const struct wire_control *c = asks_removal(w, "x", false);
    assert_int_equal(c->answer.code, WIRE_BUSY);
    assert_string_equal(c->answer.sentence,
                        "channel \"x\": it is in use, by 1 sender and 1 receiver");
    assert_int_equal(info(w, "x").accepted, 5);
    c = asks_removal(w, "x", true);
    assert_int_equal(c->answer.code, WIRE_OK);
    assert_int_equal(c->answer.dropped, 5); /* also what the receiver had */
    assert_true(out->unbound && in->unbound);
    assert_int_equal(out->code, WIRE_REMOVED);
    assert_int_equal(in->code, WIRE_REMOVED);
    assert_string_equal(in->sentence, "channel \"x\": it was removed, with what was in it");
    assert_int_equal(core_used(w->core, "x"), -1);
    assert_null(world_fault(w));
    world_free(w);
}

/* What its nodes say before they know of it is no fault of theirs, and comes to nothing. */
static void what_crosses_a_removal_is_ignored(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *s = node_new(w, "s"), *other = node_new(w, "other");
    struct handle *out = bind_out(s, "x", 5);
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    sends(out, 2, 8);
    receives(in, 1);
    world_pump(w); /* it has credit, and one element is taken */
    s->frozen = in->node->frozen = true;
    sends(out, 3, 8); /* on their way */
    receives(in, 1);  /* takes the other */
    say(other, &(struct wire_control){
                   .what = WIRE_REMOVE, .bind = 9, .peek = { .name = "x", .force = true } });
    world_pump(w);
    assert_int_equal(core_used(w->core, "x"), -1);
    s->frozen = in->node->frozen = false;
    world_pump(w);
    assert_int_equal(w->rc, 0);
    assert_true(out->unbound && in->unbound);
    assert_int_equal(out->accepted, 2); /* it was told of what was accepted */
    struct core_totals t;
    core_totals(w->core, &t);
    assert_int_equal(t.accepted, 2);
    assert_int_equal(t.purged + t.taken, 2);
    assert_int_equal(core_used(w->core, "x"), -1);
    world_free(w);
}

static void section_of_a_binding_that_never_was_is_refused_after_a_removal_too(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 5);
    const char *why = NULL;
    world_pump(w);
    (void)asks_removal(w, "x", true);
    struct frame *f = frame_new(1);
    f->data[0] = 0;
    struct wire_section s = {
        .bind = out->number, .count = 1, .number = 1, .size = 1, .body = f->data
    };
    assert_int_equal(core_section(w->core, out->node->session, &s, f, w->now, &why), 0);
    s.bind = out->number + 1;
    assert_int_equal(core_section(w->core, out->node->session, &s, f, w->now, &why), -EPROTO);
    frame_unref(f);
    world_free(w);
}

static void removal_takes_the_delayed_and_what_is_in_hand_with_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    w->mortal = true;
    holds(w, 6, 8);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 4);
    receives(in, 3);
    world_pump(w);
    settles(in, WIRE_AGAIN, 0, 1, 60000);
    settles(in, WIRE_DONE, 0, 1, 0);
    world_pump(w);
    assert_int_equal(asks_removal(w, "x", true)->answer.dropped, 5);
    world_later(w, 61000);
    assert_int_equal(core_used(w->core, "x"), -1);
    assert_null(world_fault(w));
    world_free(w);
}

static void removal_of_dead_letters_lets_others_die(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    w->mortal = true;
    holds(w, 2, 8);
    struct handle *in = bind_by_hand(node_new(w, "r"), "x", 0, 0);
    receives(in, 2);
    world_pump(w);
    settles(in, WIRE_REJECTED, 0, 1, 0);
    world_pump(w);
    assert_int_equal(asks_removal(w, "x.dead", false)->answer.dropped, 1);
    assert_int_equal(core_used(w->core, "x.dead"), -1);
    settles(in, WIRE_REJECTED, 0, 1, 0);
    world_pump(w);
    assert_int_equal(core_used(w->core, "x.dead"), 1);
    assert_int_equal(info(w, "x").dead, 2);
    world_free(w);
}

static void reply_channel_is_removed_as_any_other(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct wire_attributes nothing = { .type = "" };
    struct handle *made = bind_reply(node_new(w, "a"), "reply:1", WIRE_IN, &nothing);
    world_pump(w);
    struct handle *out = bind_out(node_new(w, "b"), "reply:1", 0);
    world_pump(w);
    made->hoards = true;
    sends(out, 2, 8);
    world_pump(w);
    assert_int_equal(asks_removal(w, "reply:1", true)->answer.dropped, 2);
    assert_true(made->unbound && out->unbound);
    assert_int_equal(core_used(w->core, "reply:1"), -1);
    handle_unbind(out); /* crosses it */
    world_pump(w);
    assert_int_equal(w->rc, 0);
    world_free(w);
}

static void what_has_expired_is_not_shown_nor_purged(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = holds(w, 0, 8);
    sends_timed(out, 2, 8, 0, 500);
    sends(out, 1, 8);
    world_pump(w);
    world_later(w, 600);
    sees(w, 0, 0, "3 buffered");
    assert_int_equal(asks_purge(w, "x")->answer.dropped, 1);
    assert_int_equal(info(w, "x").expired, 2);
    sends_timed(out, 2, 8, 0, 500);
    world_pump(w);
    assert_int_equal(asks_purge(w, "x")->answer.dropped, 2); /* their time does not come any more */
    world_later(w, 600);
    assert_int_equal(info(w, "x").expired, 2);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_age_is_that_of_the_incarnation),
        cmocka_unit_test(peek_shows_the_oldest_and_takes_none),
        cmocka_unit_test(peek_tells_the_place_of_each),
        cmocka_unit_test(peek_of_a_channel_that_is_not_there_is_refused),
        cmocka_unit_test(peek_of_many_comes_in_pages_that_are_bounded),
        cmocka_unit_test(large_element_is_shown_in_pieces),
        cmocka_unit_test(purge_drops_what_is_buffered_and_senders_go_on),
        cmocka_unit_test(purge_leaves_what_receivers_have),
        cmocka_unit_test(purge_is_the_end_of_what_was_closed),
        cmocka_unit_test(purge_of_a_closed_channel_ends_its_receivers),
        cmocka_unit_test(purge_drops_what_is_dying),
        cmocka_unit_test(purge_of_a_fanout_is_of_every_window),
        cmocka_unit_test(peek_shows_each_of_a_fanout_once),
        cmocka_unit_test(peek_shows_of_a_fanout_what_is_delayed_and_what_is_due_for_nobody),
        cmocka_unit_test(peek_shows_of_a_fanout_who_has_what_has_expired),
        cmocka_unit_test(channel_that_nobody_uses_is_removed),
        cmocka_unit_test(channel_in_use_is_not_removed_unless_by_force),
        cmocka_unit_test(what_crosses_a_removal_is_ignored),
        cmocka_unit_test(section_of_a_binding_that_never_was_is_refused_after_a_removal_too),
        cmocka_unit_test(removal_takes_the_delayed_and_what_is_in_hand_with_it),
        cmocka_unit_test(removal_of_dead_letters_lets_others_die),
        cmocka_unit_test(reply_channel_is_removed_as_any_other),
        cmocka_unit_test(what_has_expired_is_not_shown_nor_purged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
