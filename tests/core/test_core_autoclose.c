/* test_core_autoclose.c - a channel closes by itself when its senders have gone, and fails when one has died.
 *   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RN_ESESSION (-4116)

static const struct wire_attributes twenty = { .capacity = 20, .type = "" };

static struct handle *closing(struct world *w, const char *node, uint32_t senders_min)
{
    struct handle *h = bind_closing(node_new(w, node), "x", &twenty, senders_min);

    world_pump(w);
    assert_true(h->bound);
    return h;
}

static struct handle *receiver(struct world *w)
{
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);

    world_pump(w);
    return in;
}

static void go(struct handle *h)
{
    handle_unbind(h);
    world_pump(h->node->world);
}

static void die(struct handle *h)
{
    struct world *w = h->node->world;

    node_end(h->node);
    world_pump(w);
}

static void is_open(const struct handle *in)
{
    world_later(in->node->world, 1000);
    assert_false(in->closed);
}

static void is_closed(const struct handle *in)
{
    assert_true(in->closed);
    assert_int_equal(in->code, WIRE_CLOSED);
    assert_int_equal(in->reason, 0);
}

static void is_failed(const struct handle *in)
{
    assert_true(in->closed);
    assert_int_equal(in->code, WIRE_FAILED);
    assert_int_equal(in->reason, RN_ESESSION);
}

static void last_sender_to_go_closes_after_the_last_element(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = closing(w, "a", 0), *b = closing(w, "b", 0), *in = receiver(w);
    sends(a, 3, 8);
    sends(b, 3, 8);
    world_pump(w);
    go(a);
    receives(in, 5);
    world_pump(w);
    is_open(in);
    go(b);
    is_open(in); /* one element is not taken */
    receives(in, 1);
    world_pump(w);
    is_closed(in);
    assert_null(world_fault(w));
    world_free(w);
}

static void one_sender_of_two_dead_fails_it_when_the_other_has_gone(void **state)
{
    (void)state;
    for (int dead_first = 0; dead_first < 2; dead_first++) {
        struct world *w = world_new(1);
        struct handle *a = closing(w, "a", 0), *b = closing(w, "b", 0), *in = receiver(w);
        sends(a, 3, 8);
        sends(b, 2, 8);
        world_pump(w);
        receives(in, 4);
        if (dead_first)
            die(a);
        else
            go(b);
        is_open(in);
        if (dead_first)
            go(b);
        else
            die(a);
        is_open(in); /* all that was accepted comes first */
        receives(in, 1);
        world_pump(w);
        is_failed(in);
        assert_int_equal(in->taken, 5);
        assert_null(world_fault(w));
        world_free(w);
    }
}

static void only_sender_dead_fails_it(void **state)
{
    (void)state;
    for (uint32_t senders_min = 0; senders_min < 2; senders_min++) {
        struct world *w = world_new(1);
        struct handle *a = closing(w, "a", senders_min), *in = receiver(w);
        receives(in, 1);
        world_pump(w);
        die(a);
        is_failed(in);
        world_free(w);
    }
}

static void goodbye_is_an_unbind(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "n");
    struct handle *a = bind_closing(n, "x", &twenty, 0), *b = bind_closing(n, "x", &twenty, 0),
                  *in = receiver(w);
    world_pump(w);
    sends(a, 1, 8);
    sends(b, 1, 8);
    receives(in, 2);
    world_pump(w);
    node_leave(n);
    world_pump(w);
    is_closed(in);
    assert_int_equal(in->taken, 2);
    world_free(w);
}

/* ---- how many there must have been ---- */

static void it_stays_open_until_so_many_have_gone(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = receiver(w);
    go(closing(w, "a", 0));
    is_closed(in);
    go(in);
    in = receiver(w);
    go(closing(w, "a", 3)); /* the largest that was stated counts, whoever stated it */
    is_open(in);
    go(closing(w, "b", 2));
    is_open(in);
    go(closing(w, "c", 0));
    is_closed(in);
    world_free(w);
}

static void dead_sender_and_the_one_in_its_place_are_not_two(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = receiver(w);
    die(closing(w, "a", 2));
    is_open(in);
    struct handle *again = closing(w, "a", 2);
    sends(again, 1, 8);
    receives(in, 1);
    world_pump(w);
    go(again);
    is_open(in);
    go(closing(w, "b", 2));
    is_failed(in); /* all the same: what the dead one was to send may be missing */
    assert_int_equal(in->taken, 1);
    world_free(w);
}

static void those_who_have_not_gone_do_not_state_a_minimum(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = receiver(w), *a = closing(w, "a", 0);
    struct handle *b = bind_closing(node_new(w, "b"), "x", &twenty, 5);
    world_pump(w);
    handle_abandon(b);
    world_pump(w);
    assert_true(b->unbound);
    go(a);
    is_closed(in);
    world_free(w);
}

/* ---- who counts ---- */

static void abandoned_bind_was_never_there(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = receiver(w), *b;
    b = closing(w, "b", 0);
    handle_abandon(b);
    world_pump(w);
    is_open(in); /* nobody has gone */
    struct handle *a = closing(w, "a", 2);
    b = closing(w, "b", 0);
    go(a);
    handle_abandon(b);
    world_pump(w);
    is_open(in); /* one has */
    b = closing(w, "b", 0);
    a = closing(w, "a", 0);
    go(a);
    is_open(in);
    handle_abandon(b); /* it was what kept the channel open */
    world_pump(w);
    is_closed(in);
    world_free(w);
}

static void abandoned_bind_that_was_used_counts(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = receiver(w), *a = closing(w, "a", 0);
    sends(a, 1, 8);
    receives(in, 1);
    world_pump(w);
    handle_abandon(a);
    world_pump(w);
    is_closed(in);
    world_free(w);
}

static void refused_bind_does_not_count(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = receiver(w), *a = closing(w, "a", 0);
    const struct wire_attributes other = { .capacity = 7, .type = "" };
    struct handle *refused = bind_closing(node_new(w, "b"), "x", &other, 9);
    world_pump(w);
    assert_true(refused->refused);
    assert_int_equal(refused->code, WIRE_MISMATCH);
    go(a);
    is_closed(in);
    world_free(w);
}

static void senders_that_did_not_ask_do_not_hold_it_open(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = receiver(w), *a = closing(w, "a", 0),
                  *other = bind_out(node_new(w, "other"), "x", 0);
    world_pump(w);
    sends(other, 1, 8);
    receives(in, 9);
    world_pump(w);
    assert_true(other->credit > 0);
    other->node->frozen = true;
    go(a);
    is_open(in); /* its credit is not back */
    sends(other, 1, 8);
    other->node->frozen = false;
    world_pump(w);
    assert_true(other->failing);
    assert_int_equal(other->code, WIRE_CLOSED);
    is_closed(in);
    assert_int_equal(in->taken, 2);
    assert_null(world_fault(w));
    world_free(w);
}

static void senders_that_did_not_ask_neither_close_nor_fail_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = receiver(w), *a = closing(w, "a", 0);
    go(bind_out(node_new(w, "b"), "x", 0));
    die(bind_out(node_new(w, "c"), "x", 0));
    is_open(in);
    go(a);
    is_closed(in);
    world_free(w);
}

static void it_is_of_no_effect_on_a_receiver_and_senders_min_needs_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "n");
    struct handle *in = receiver(w), *odd = bind_in(n, "x", 0);
    n->up.at[0]->control.bind_.autoclose = true;
    world_pump(w);
    assert_true(odd->bound);
    go(odd);
    is_open(in);
    odd = bind_out(n, "x", 20);
    n->up.at[0]->control.bind_.senders_min = 2;
    world_pump(w);
    assert_true(odd->refused);
    assert_int_equal(odd->code, WIRE_BAD_ATTRIBUTE);
    assert_non_null(strstr(odd->sentence, "autoclose"));
    world_free(w);
}

/* ---- with other ends ---- */

static void first_end_decides(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct world *w = world_new(1);
        struct handle *a = closing(w, "a", 0), *b = closing(w, "b", 0), *in = receiver(w);
        sends(a, 2, 8);
        world_pump(w);
        if (i == 0)
            handle_close(a, 0);
        else if (i == 1)
            handle_close(a, -5);
        else
            handle_close(in, -9);
        world_pump(w);
        die(b);
        go(a);
        receives(in, 2);
        world_pump(w);
        if (i == 0) {
            is_closed(in);
        } else if (i == 1) {
            assert_int_equal(in->code, WIRE_FAILED);
            assert_int_equal(in->reason, -5);
        } else {
            assert_int_equal(in->code, WIRE_CANCELLED);
        }
        world_free(w);
    }
}

static void cancel_comes_on_top(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = closing(w, "a", 0), *in = receiver(w);
    struct handle *other = bind_in(node_new(w, "o"), "x", 0);
    sends(a, 3, 8);
    world_pump(w);
    go(a);
    handle_close(in, -9);
    world_pump(w);
    assert_true(other->closed);
    assert_int_equal(other->code, WIRE_CANCELLED);
    world_free(w);
}

static void sender_that_comes_after_it_is_told_and_counts_no_more(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = closing(w, "a", 0), *in = receiver(w);
    sends(a, 1, 8);
    world_pump(w);
    go(a);
    struct handle *late = closing(w, "late", 4);
    assert_true(late->closed);
    assert_int_equal(late->code, WIRE_CLOSED);
    die(late);
    receives(in, 1);
    world_pump(w);
    is_closed(in);
    world_free(w);
}

static void next_incarnation_begins_anew(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in;
    die(closing(w, "a", 0)); /* closed, drained, unbound: forgotten */
    in = receiver(w);
    is_open(in);
    go(closing(w, "b", 0));
    is_closed(in);
    world_free(w);
}

static void ends_of_one_session_that_has_everything_bound(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *in = receiver(w);
    struct node *n = node_new(w, "n");
    struct handle *mine[4];
    for (int i = 0; i < 4; i++)
        mine[i] = i == 0   ? bind_in(n, "x", 0)
                  : i == 2 ? bind_out(n, "x", 20)
                           : bind_closing(n, "x", &twenty, 0);
    world_pump(w);
    for (int i = 1; i < 4; i++)
        sends(mine[i], 9, 8);
    world_pump(w);
    n->frozen = true;
    receives(in, 20);
    world_pump(w);
    node_end(n);
    world_pump(w);
    is_failed(in);
    assert_null(world_fault(w));
    world_free(w);
}

/* ---- capacity 0 ---- */

static void offer(struct handle *h)
{
    struct message *m = calloc(1, sizeof *m);

    assert_non_null(m);
    *m = (struct message){ .data = true, .bind = h->number, .frame = frame_new(9) };
    memset(m->frame->data, 0, 9);
    m->frame->data[0] = 8;
    m->section = (struct wire_section){
        .bind = h->number,
        .count = 1,
        .number = 1,
        .position = 1,
        .incarnation = h->incarnation,
        .epoch = h->epoch,
        .bytes = 8,
        .size = 9,
        .flags = WIRE_OFFER | WIRE_PATIENT,
        .body = m->frame->data,
    };
    row_add(&h->node->up, m);
    row_add(&h->node->world->elements, (struct element){ 0 });
}

static bool was_told(const struct node *n, enum wire_what what)
{
    for (size_t i = 0; i < n->down.n; i++) {
        if (!n->down.at[i]->data && n->down.at[i]->control.what == what)
            return true;
    }
    return false;
}

static void rendezvous_aborts_offers_of_others_that_wait(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    const struct wire_attributes none = { .capacity = WIRE_RENDEZVOUS, .type = "" };
    struct handle *in = receiver(w), *a = bind_closing(node_new(w, "a"), "x", &none, 0),
                  *other = bind_with(node_new(w, "o"), "x", WIRE_OUT, &none, 0);
    world_pump(w);
    offer(other);
    assert_true(move_up(other->node));
    assert_int_equal(w->rc, 0);
    flush(w);
    assert_false(was_told(other->node, WIRE_ABORT));
    handle_unbind(a);
    assert_true(move_up(a->node));
    flush(w);
    assert_true(was_told(other->node, WIRE_ABORT));
    assert_true(was_told(other->node, WIRE_RECALL));
    assert_true(was_told(in->node, WIRE_CLOSED_));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_sender_to_go_closes_after_the_last_element),
        cmocka_unit_test(one_sender_of_two_dead_fails_it_when_the_other_has_gone),
        cmocka_unit_test(only_sender_dead_fails_it),
        cmocka_unit_test(goodbye_is_an_unbind),
        cmocka_unit_test(it_stays_open_until_so_many_have_gone),
        cmocka_unit_test(dead_sender_and_the_one_in_its_place_are_not_two),
        cmocka_unit_test(those_who_have_not_gone_do_not_state_a_minimum),
        cmocka_unit_test(abandoned_bind_was_never_there),
        cmocka_unit_test(abandoned_bind_that_was_used_counts),
        cmocka_unit_test(refused_bind_does_not_count),
        cmocka_unit_test(senders_that_did_not_ask_do_not_hold_it_open),
        cmocka_unit_test(senders_that_did_not_ask_neither_close_nor_fail_it),
        cmocka_unit_test(it_is_of_no_effect_on_a_receiver_and_senders_min_needs_it),
        cmocka_unit_test(first_end_decides),
        cmocka_unit_test(cancel_comes_on_top),
        cmocka_unit_test(sender_that_comes_after_it_is_told_and_counts_no_more),
        cmocka_unit_test(next_incarnation_begins_anew),
        cmocka_unit_test(ends_of_one_session_that_has_everything_bound),
        cmocka_unit_test(rendezvous_aborts_offers_of_others_that_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
