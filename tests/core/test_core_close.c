/* test_core_close.c - the close barrier, cancelling, and what breaks the rules.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void receivers_learn_of_a_close_after_the_last_element(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 20),
                  *in = bind_in(node_new(w, "r"), "x", 0);
    struct handle *other = bind_in(node_new(w, "o"), "x", 0);
    world_pump(w);
    sends(out, 5, 8);
    world_pump(w);
    handle_close(out, 0);
    world_pump(w);
    assert_false(in->closed);
    receives(in, 4);
    world_pump(w);
    assert_false(in->closed || other->closed);
    receives(in, 1);
    world_pump(w);
    world_later(w, 50);
    assert_true(in->closed && other->closed);
    assert_int_equal(in->code, WIRE_CLOSED);
    assert_null(world_fault(w));
    world_free(w);
}

static void what_was_sent_under_credit_is_part_of_the_stream(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = bind_out(node_new(w, "a"), "x", 20),
                  *b = bind_out(node_new(w, "b"), "x", 20);
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    sends(b, 1, 8);
    receives(in, 100);
    world_pump(w);
    assert_true(b->credit > 3);
    b->node->frozen = true;
    handle_close(a, 0);
    world_pump(w);
    assert_false(in->closed); /* b's credit is not back */
    sends(b, 3, 8);
    b->node->frozen = false;
    world_pump(w);
    assert_true(b->failing);
    assert_int_equal(b->code, WIRE_CLOSED);
    assert_true(in->closed);
    assert_int_equal(in->taken, 4);
    assert_null(world_fault(w));
    world_free(w);
}

static void close_waits_for_the_session_of_a_silent_sender(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = bind_out(node_new(w, "a"), "x", 20),
                  *b = bind_out(node_new(w, "b"), "x", 20);
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    sends(b, 1, 8);
    receives(in, 1);
    world_pump(w);
    b->node->frozen = true;
    handle_close(a, 0);
    world_later(w, 10000);
    assert_false(in->closed);
    node_end(b->node);
    world_pump(w);
    assert_true(in->closed);
    world_free(w);
}

static void sender_that_binds_after_the_close_is_bound_and_closed(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *a = bind_out(node_new(w, "a"), "x", 20);
    world_pump(w);
    sends(a, 1, 8);
    world_pump(w);
    handle_close(a, -5);
    world_pump(w);
    struct handle *late = bind_out(node_new(w, "late"), "x", 0),
                  *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    assert_true(late->bound && late->closed);
    assert_int_equal(late->code, WIRE_FAILED);
    assert_int_equal(late->reason, -5);
    assert_false(in->closed);
    receives(in, 1);
    world_pump(w);
    assert_true(in->closed);
    assert_int_equal(in->code, WIRE_FAILED);
    assert_int_equal(in->reason, -5);
    world_free(w);
}

static void cancel_drops_what_was_not_taken_and_tells_everybody(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 20),
                  *in = bind_in(node_new(w, "r"), "x", 0);
    struct handle *other = bind_in(node_new(w, "o"), "x", 0);
    world_pump(w);
    sends(out, 40, 8);
    receives(in, 3);
    world_pump(w);
    handle_close(in, -9);
    world_pump(w);
    assert_true(out->failing);
    assert_int_equal(out->code, WIRE_CANCELLED);
    assert_int_equal(out->reason, -9);
    assert_true(other->closed);
    assert_int_equal(other->code, WIRE_CANCELLED);
    assert_int_equal(core_used(w->core, "x"), 0);
    uint64_t sent = out->sent;
    handle_unbind(out);
    handle_unbind(in);
    handle_unbind(other);
    world_pump(w);
    struct core_totals t;
    core_totals(w->core, &t);
    assert_int_equal(t.channels, 1);
    assert_int_equal(t.accepted, sent);
    assert_int_equal(t.dropped, sent - 3);
    world_free(w);
}

static void last_elements_are_accepted_before_the_unbind_is_answered(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 20);
    world_pump(w);
    sends(out, 1, 8);
    world_pump(w);
    assert_true(out->credit >= 3);
    sends(out, 3, 8);
    handle_unbind(out);
    world_pump(w);
    assert_true(out->unbound);
    assert_int_equal(out->accepted, 4);
    world_free(w);
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

static void expect_broken(struct world *w, const char *part)
{
    world_pump(w);
    assert_int_equal(w->rc, -EPROTO);
    if (strstr(w->why, part) == NULL)
        fail_msg("'%s' does not say '%s'", w->why, part);
}

static struct world *with_elements(struct handle **out, struct handle **in)
{
    struct world *w = world_new(1);

    *out = bind_out(node_new(w, "s"), "x", 20);
    *in = bind_in(node_new(w, "r"), "x", 0);
    world_pump(w);
    sends(*out, 5, 8);
    world_pump(w);
    return w;
}

/* Changes the section that the sender is about to send. */
static struct wire_section *next_section(struct handle *out)
{
    sends(out, 1, 8);
    struct node *n = out->node;
    assert_true(n->up.n > 0 && n->up.at[n->up.n - 1]->data);
    return &n->up.at[n->up.n - 1]->section;
}

static void sections_that_break_a_rule_are_refused(void **state)
{
    (void)state;
    static const char *const parts[] = { "sequence", "incarnation", "incarnation", "not there",
                                         "flags" };
    for (int i = 0; i < 5; i++) {
        struct handle *out, *in;
        struct world *w = with_elements(&out, &in);
        struct wire_section *s = next_section(out);
        if (i == 0)
            s->number++;
        else if (i == 1)
            s->incarnation++;
        else if (i == 2)
            s->epoch++;
        else if (i == 3)
            s->bind = 99;
        else
            s->flags = 1;
        expect_broken(w, parts[i]);
        core_check(w->core);
        world_free(w);
    }
}

static void more_than_was_lent_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct handle *out, *in;
        struct world *w = with_elements(&out, &in);
        if (i == 0)
            out->credit += 1000;
        else
            out->credit_bytes += UINT64_C(1) << 30;
        sends(out, i == 0 ? 100 : 1, i == 0 ? 8 : (size_t)32 << 20);
        expect_broken(w, i == 0 ? "more elements" : "more bytes");
        world_free(w);
    }
}

static void controls_that_break_a_rule_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct wire_control c;
        bool to_out;
        const char *part;
    } cases[] = {
        { { .what = WIRE_TAKEN, .number = 6 }, false, "not delivered" },
        { { .what = WIRE_TAKEN, .number = 1 }, true, "sends" },
        { { .what = WIRE_RETURNED, .credit = { .elements = 1, .first = 5 } },
          false,
          "not recalled" },
        { { .what = WIRE_RETURNED, .credit = { .elements = 1, .bytes = 1 } },
          true,
          "not recalled" },
        { { .what = WIRE_CREDIT, .credit = { .elements = 1 } }, true, "only a broker" },
        { { .what = WIRE_ASK,
            .ask = { .waiting = 1, .first_bytes = UINT64_C(1) << 40, .bytes = UINT64_C(1) << 40 } },
          true,
          "larger" },
        { { .what = WIRE_ASK, .ask = { .waiting = 2, .first_bytes = 8, .bytes = 7 } },
          true,
          "fewer" },
        { { .what = WIRE_BIND, .bind_ = { .name = "y", .attributes = { .type = "" } } },
          true,
          "used before" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct handle *out, *in;
        struct world *w = with_elements(&out, &in);
        struct wire_control c = cases[i].c;
        struct handle *h = cases[i].to_out ? out : in;
        c.bind = h->number;
        say(h->node, &c);
        expect_broken(w, cases[i].part);
        core_check(w->core);
        world_free(w);
    }
}

static void returned_must_name_what_the_binding_holds(void **state)
{
    (void)state;
    static const struct {
        uint64_t first;
        uint32_t elements;
        const char *part;
    } cases[] = { { 9, 1, "does not hold" }, { 1, 9, "more elements" }, { 0, 1, "does not hold" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct handle *out, *in;
        struct world *w = with_elements(&out, &in);
        in->node->frozen = true;
        struct handle *idle = bind_in(node_new(w, "idle"), "x", 0);
        world_pump(w);
        receives(idle, 1);
        world_pump(w); /* a Recall is on its way to the frozen node */
        assert_true(in->node->down.n > 0);
        say(in->node, &(struct wire_control){
                          .what = WIRE_RETURNED,
                          .bind = in->number,
                          .credit = { .first = cases[i].first, .elements = cases[i].elements },
                      });
        assert_true(move_up(in->node));
        assert_int_equal(w->rc, -EPROTO);
        assert_non_null(strstr(w->why, cases[i].part));
        core_check(w->core);
        world_free(w);
    }
}

static void control_for_a_binding_that_never_was_is_refused_and_for_a_refused_one_ignored(
    void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "n");
    struct handle *h = bind_out(n, "not a name", 0);
    say(n, &(struct wire_control){ .what = WIRE_ASK, .bind = h->number, .ask = { .waiting = 1 } });
    world_pump(w);
    assert_int_equal(w->rc, 0);
    assert_true(h->refused);
    say(n, &(struct wire_control){ .what = WIRE_ASK, .bind = 9, .ask = { .waiting = 1 } });
    expect_broken(w, "never was");
    world_free(w);
}

/* What a node says before it has heard of a close is no breach. */
static void what_crosses_a_close_on_the_way_is_ignored(void **state)
{
    (void)state;
    struct handle *out, *in;
    struct world *w = with_elements(&out, &in);
    struct handle *other = bind_out(node_new(w, "o"), "x", 0);
    world_pump(w);
    receives(in, 5);
    handle_close(out, 0);
    other->node->frozen = in->node->frozen = false;
    for (int i = 0; i < 9; i++) {
        (void)move_up(in->node);
        (void)move_up(out->node);
    }
    flush(w);
    sends(other, 1, 8); /* its Ask crosses the Recall */
    receives(in, 1);
    world_pump(w);
    assert_int_equal(w->rc, 0);
    assert_true(in->closed);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receivers_learn_of_a_close_after_the_last_element),
        cmocka_unit_test(what_was_sent_under_credit_is_part_of_the_stream),
        cmocka_unit_test(close_waits_for_the_session_of_a_silent_sender),
        cmocka_unit_test(sender_that_binds_after_the_close_is_bound_and_closed),
        cmocka_unit_test(cancel_drops_what_was_not_taken_and_tells_everybody),
        cmocka_unit_test(last_elements_are_accepted_before_the_unbind_is_answered),
        cmocka_unit_test(sections_that_break_a_rule_are_refused),
        cmocka_unit_test(more_than_was_lent_is_refused),
        cmocka_unit_test(controls_that_break_a_rule_are_refused),
        cmocka_unit_test(returned_must_name_what_the_binding_holds),
        cmocka_unit_test(
            control_for_a_binding_that_never_was_is_refused_and_for_a_refused_one_ignored),
        cmocka_unit_test(what_crosses_a_close_on_the_way_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
