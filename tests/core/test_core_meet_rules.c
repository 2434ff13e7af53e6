/* test_core_meet_rules.c - a rendezvous: rules that nodes may break, bounds, and how it comes to be one.
 *   SPDX-License-Identifier: MIT */
#include "tests/core/stage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- bounds --------------------------------------------------------------------------------------------------------- */

static struct end *sender_of_bytes(struct stage *t, char name, uint64_t bytes)
{
    return binds(enters(t, name), "x", WIRE_OUT,
                 &(struct wire_attributes){
                     .capacity = WIRE_RENDEZVOUS, .capacity_bytes = bytes, .type = "" });
}

static void offers_that_wait_are_bounded_in_bytes_and_others_called_in_turn(void **state)
{
    struct stage *t = *state;
    struct end *a = sender_of_bytes(t, 'a', 10), *b = sender_of_bytes(t, 'b', 10);
    struct end *r = receiver(t, 'r');
    offers(a, 1, "123456");
    offers(b, 1, "12345"); /* one byte too many */
    hears(b, "abort 1 asks");
    offers(b, 2, "1234");
    hears(b, "");
    asks(r, 1);
    hears(r, "claim 1 of a1");
    offers(b, 3, "12345"); /* what is claimed is still there */
    hears(b, "abort 3 asks");
    accepts(r, 1);
    asks(r, 2);
    hears(b, "call 1"); /* it has stood there longer than its second offer */
    comes(b, 1, "12345");
    hears(r, "commit claim 1 as 1; claim 2 of b2; element 1 '123456' at 1; claim 3 of b1");
    offers(b, 4, "123456");
    hears(b, ""); /* there is room again; who was called takes none of it */
}

static void offer_that_came_for_a_call_needs_no_room(void **state)
{
    struct stage *t = *state;
    struct end *s = sender_of_bytes(t, 's', 10), *r = receiver(t, 'r');
    asks(s, 1);
    asks(r, 1);
    hears(s, "call 1");
    offers(s, 1, "1234567890");
    comes(s, 2, "1234567890");
    hears(r, "claim 1 of s2");
    hears(s, "");
}

/* ---- how it comes to be one ------------------------------------------------------------------------------------------- */

static const struct wire_attributes nothing = { .type = "" };

static void receives_that_waited_before_it_was_a_rendezvous_are_claimed(void **state)
{
    struct stage *t = *state;
    struct end *q = receiver(t, 'q'), *r = receiver(t, 'r'), *s;
    asks(r, 2);
    asks(q, 1);
    hears(r, "");
    s = sender(t, 's');
    hears(r, "opened");
    hears(q, "opened");
    offers(s, 1, "x");
    offers(s, 2, "y");
    hears(r, "claim 1 of s1");
    hears(q, "claim 1 of s2");
}

static void receiver_may_say_that_it_is_a_rendezvous(void **state)
{
    struct stage *t = *state;
    struct end *q = receiver(t, 'q'), *r, *s;
    asks(q, 1);
    r = binds(enters(t, 'r'), "x", WIRE_IN,
              &(struct wire_attributes){ .capacity = WIRE_RENDEZVOUS, .type = "" });
    asks(r, 1);
    s = binds(enters(t, 's'), "x", WIRE_OUT, &nothing);
    offers(s, 1, "x");
    offers(s, 2, "y");
    hears(q, "opened; claim 1 of s1");
    hears(r, "opened; claim 1 of s2");
}

static void who_does_not_wait_meets_nobody(void **state)
{
    struct stage *t = *state;
    struct end *q = receiver(t, 'q'), *r = receiver(t, 'r'), *s;
    struct wire_control weak = { .what = WIRE_ASK, .ask = { .waiting = 1, .weak = true } };
    assert_int_equal(tells(q, weak), 0); /* before it is a rendezvous, and after */
    s = sender(t, 's');
    assert_int_equal(tells(r, weak), 0);
    assert_int_equal(tells(s, weak), 0);
    offers(s, 1, "x");
    hears(q, "opened");
    hears(r, "opened");
    asks(q, 1);
    hears(s, "");
    hears(q, "claim 1 of s1");
    passes(t, 1000, q->peer);
}

static void rendezvous_that_is_left_and_bound_again_is_another(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *a, *r;
    uint64_t before = s->incarnation;
    offers(s, 1, "x");
    leaves(s->peer);
    passes(t, 61000, NULL);
    a = binds(enters(t, 'a'), "x", WIRE_OUT,
              &(struct wire_attributes){ .capacity = WIRE_RENDEZVOUS, .type = "" });
    assert_int_not_equal(a->incarnation, before);
    r = receiver(t, 'r');
    asks(r, 1);
    hears(r, "");
}

/* ---- two channels ------------------------------------------------------------------------------------------------------- */

static void one_operation_meets_in_two_channels_apart_from_each_other(void **state)
{
    struct stage *t = *state;
    struct wire_attributes meets = { .capacity = WIRE_RENDEZVOUS, .type = "" };
    struct peer *a = enters(t, 'a'), *b = enters(t, 'b');
    struct end *s1 = binds(a, "x", WIRE_OUT, &meets), *s2 = binds(a, "y", WIRE_OUT, &meets);
    struct end *r1 = binds(b, "x", WIRE_IN, &nothing), *r2 = binds(b, "y", WIRE_IN, &nothing);
    asks(s1, 1);
    asks(s2, 1);
    asks(r1, 1);
    asks(r2, 1);
    hears(s1, "call 1");
    hears(s2, "call 1");
    comes(s1, 7, "here");
    returns(s2, 1); /* it is tentative in x */
    asks(s2, 1);
    hears(s2, "call 1");
    hears(r1, "claim 1 of a7");
    hears(r2, "");
    refuses(r1, 1); /* tentative in y, say */
    hears(s1, "abort 1 asks");
    comes(s2, 7, "there");
    hears(r2, "claim 1 of a7");
    accepts(r2, 1);
    hears(r2, "commit claim 1 as 1; element 1 'there' at 1");
    hears(s2, "commit 1");
    hears(s1, "");
    hears(r1, "");
}

static void both_cases_of_a_select_are_claimed_and_one_is_refused(void **state)
{
    struct stage *t = *state;
    struct wire_attributes meets = { .capacity = WIRE_RENDEZVOUS, .type = "" };
    struct peer *a = enters(t, 'a'), *b = enters(t, 'b'), *c = enters(t, 'c');
    struct end *s1 = binds(a, "x", WIRE_OUT, &meets), *s2 = binds(c, "y", WIRE_OUT, &meets);
    struct end *r1 = binds(b, "x", WIRE_IN, &nothing), *r2 = binds(b, "y", WIRE_IN, &nothing);
    asks(r1, 1);
    asks(r2, 1);
    offers(s1, 1, "x");
    offers(s2, 1, "y");
    hears(r1, "claim 1 of a1");
    hears(r2, "claim 1 of c1");
    accepts(r1, 1);
    refuses(r2, 1);
    hears(s1, "commit 1");
    hears(s2, "");
    asks(r2, 1);
    hears(r2, "claim 2 of c1");
}

/* ---- rules -------------------------------------------------------------------------------------------------------------- */

static void broken_by(int rc, const struct end *e, const char *rule)
{
    assert_int_equal(rc, -EPROTO);
    assert_string_equal(e->peer->stage->why, rule);
}

static void offer_must_be_as_the_specification_says(void **state)
{
    struct stage *t = *state;
    struct end *s = sender_of_bytes(t, 's', 10), *r = receiver(t, 'r');
    struct wire_section good = { .number = 1, .position = 7, .flags = WIRE_OFFER | WIRE_PATIENT },
                        bad = good;
    bad.count = 2;
    broken_by(shows(s, bad, "x"), s, "a section for a rendezvous that is not one offer");
    bad = good;
    bad.flags = 0;
    broken_by(shows(s, bad, "x"), s, "a section for a rendezvous that is not one offer");
    bad.flags = WIRE_PATIENT;
    broken_by(shows(s, bad, "x"), s, "a section for a rendezvous that is not one offer");
    bad.flags = WIRE_OFFER | WIRE_PATIENT | 4;
    broken_by(shows(s, bad, "x"), s, "a section for a rendezvous that is not one offer");
    bad = good;
    bad.number = 2;
    broken_by(shows(s, bad, "x"), s, "an offer whose number is out of sequence");
    bad = good;
    bad.position = 0;
    broken_by(shows(s, bad, "x"), s, "an offer without its operation's number");
    bad = good;
    bad.flags = WIRE_OFFER;
    broken_by(shows(s, bad, "x"), s, "an offer that was not called for");
    broken_by(shows(s, good, "12345678901"), s,
              "an offer of an element larger than its channel's capacity_bytes");
    bad = good;
    bad.incarnation = s->incarnation + 1;
    broken_by(shows(s, bad, "x"), s, "a section for another incarnation or epoch of its channel");
    broken_by(shows(r, good, "x"), r, "a section for a binding that receives");
    assert_int_equal(shows(s, good, "x"), 0); /* nothing of all that has changed anything */
    broken_by(shows(s, good, "x"), s, "an offer whose number is out of sequence");
    asks(r, 1);
    hears(r, "claim 1 of s7");
}

static void calls_and_elements_must_be_there_to_be_returned(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    struct wire_control back = { .what = WIRE_RETURNED, .credit = { .elements = 2 } };
    asks(s, 1);
    asks(r, 1);
    hears(s, "call 1");
    broken_by(tells(s, back), s, "more calls were returned than were said");
    broken_by(tells(r, back), r,
              "elements of a rendezvous were returned, which are never recalled");
    returns(s, 1);
}

static void an_ask_sees_only_what_was_changed(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's');
    struct wire_control ask = { .what = WIRE_ASK, .ask = { .waiting = 1 } };
    ask.ask.adjusted = INT64_MIN;
    broken_by(tells(s, ask), s, "an ask that has seen changes which were not made");
    ask.ask.adjusted = INT64_MAX;
    broken_by(tells(s, ask), s, "an ask that has seen changes which were not made");
}

static void only_what_was_said_may_be_answered(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    for (uint64_t claim = 0; claim <= 2; claim += 2) {
        struct wire_control c = { .what = WIRE_CLAIMED, .meet = { .claim = claim } };
        broken_by(tells(r, c), r, "a claim was answered that was never said");
        c.what = WIRE_REFUSE;
        broken_by(tells(r, c), r, "a claim was refused that was never said");
    }
    for (uint64_t number = 0; number <= 2; number += 2)
        broken_by(tells(s, (struct wire_control){ .what = WIRE_WITHDRAW, .number = number }), s,
                  "an offer was withdrawn that was never made");
    broken_by(tells(r, (struct wire_control){ .what = WIRE_TAKEN, .number = 1 }), r,
              "an element was taken that was not delivered");
}

static void controls_of_a_rendezvous_have_a_direction(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    const char *rule = "a control of a rendezvous on a binding of the other direction";
    broken_by(tells(s, (struct wire_control){ .what = WIRE_CLAIMED, .meet = { .claim = 1 } }), s,
              rule);
    broken_by(tells(s, (struct wire_control){ .what = WIRE_REFUSE, .meet = { .claim = 1 } }), s,
              rule);
    broken_by(tells(r, (struct wire_control){ .what = WIRE_WITHDRAW, .number = 1 }), r, rule);
    broken_by(tells(s, (struct wire_control){ .what = WIRE_CLAIM }), s,
              "a control that only a broker may send");
}

static void controls_of_a_rendezvous_are_for_one(void **state)
{
    struct stage *t = *state;
    struct end *s = binds(enters(t, 's'), "x", WIRE_OUT,
                          &(struct wire_attributes){ .capacity = 3, .type = "" });
    struct end *r = receiver(t, 'r');
    const char *rule = "a control of a rendezvous on a channel that is none";
    broken_by(tells(s, (struct wire_control){ .what = WIRE_WITHDRAW, .number = 1 }), s, rule);
    broken_by(tells(r, (struct wire_control){ .what = WIRE_CLAIMED, .meet = { .claim = 1 } }), r,
              rule);
    broken_by(tells(r, (struct wire_control){ .what = WIRE_REFUSE, .meet = { .claim = 1 } }), r,
              rule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_stage(offers_that_wait_are_bounded_in_bytes_and_others_called_in_turn),
        on_stage(offer_that_came_for_a_call_needs_no_room),
        on_stage(receives_that_waited_before_it_was_a_rendezvous_are_claimed),
        on_stage(receiver_may_say_that_it_is_a_rendezvous),
        on_stage(who_does_not_wait_meets_nobody),
        on_stage(rendezvous_that_is_left_and_bound_again_is_another),
        on_stage(one_operation_meets_in_two_channels_apart_from_each_other),
        on_stage(both_cases_of_a_select_are_claimed_and_one_is_refused),
        on_stage(offer_must_be_as_the_specification_says),
        on_stage(calls_and_elements_must_be_there_to_be_returned),
        on_stage(an_ask_sees_only_what_was_changed),
        on_stage(only_what_was_said_may_be_answered),
        on_stage(controls_of_a_rendezvous_have_a_direction),
        on_stage(controls_of_a_rendezvous_are_for_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
