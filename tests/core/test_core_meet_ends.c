/* test_core_meet_ends.c - a rendezvous: sessions end, and the channel is closed or cancelled.   SPDX-License-Identifier: MIT */
#include "tests/core/stage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- sessions end ------------------------------------------------------------------------------------------------------- */

/* r holds an element that it has not taken; q waits. */
static void hold(struct stage *t, struct end **s, struct end **q, struct end **r)
{
    *s = sender(t, 's');
    *q = receiver(t, 'q');
    *r = receiver(t, 'r');
    offers(*s, 1, "x");
    asks(*r, 1);
    hears(*r, "claim 1 of s1");
    accepts(*r, 1);
    hears(*r, "commit claim 1 as 1; element 1 'x' at 1");
    asks(*q, 1);
    hears(*q, "");
}

static void element_comes_again_when_its_receivers_session_ends(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    hold(t, &s, &q, &r);
    leaves(r->peer);
    hears(q, "claim 1 of nobody");
    accepts(q, 1);
    hears(q, "commit claim 1 as 1; element 1 'x' at 1 deliveries 2");
    hears(s, "commit 1");
}

static void element_comes_as_if_new_when_its_receiver_unbinds(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    hold(t, &s, &q, &r);
    unbinds(r);
    hears(r, "unbound");
    hears(q, "claim 1 of nobody");
    accepts(q, 1);
    hears(q, "commit claim 1 as 1; element 1 'x' at 1");
}

static void element_that_was_taken_does_not_come_again(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    hold(t, &s, &q, &r);
    takes(r, 1);
    leaves(r->peer);
    hears(q, "");
}

static void offer_goes_on_when_its_claimers_session_ends(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    asks(r, 1);
    offers(s, 1, "x");
    hears(r, "claim 1 of s1");
    asks(q, 1);
    leaves(r->peer);
    hears(q, "claim 1 of s1");
    hears(s, "");
}

static void senders_offers_end_with_its_session_and_receives_wait_again(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b');
    struct end *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(a, 1, "claimed");
    offers(a, 2, "not claimed");
    asks(r, 1);
    hears(r, "claim 1 of a1");
    leaves(a->peer);
    asks(q, 1);
    hears(r, "abort claim 1 asks");
    offers(b, 1, "x");
    hears(r, "claim 2 of b1");
    hears(q, "");
}

static void receive_whose_offer_has_gone_is_first_in_line(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b');
    struct end *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(a, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of a1");
    asks(q, 1);
    leaves(a->peer);
    offers(b, 1, "y");
    hears(r, "abort claim 1 asks; claim 2 of b1");
    hears(q, "");
}

static void senders_offers_are_aborted_when_it_unbinds(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    offers(s, 2, "y");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    unbinds(s);
    hears(s, "abort 1; abort 2; unbound");
    hears(r, "abort claim 1 asks");
    accepts(r, 1); /* it crossed the abort */
    hears(r, "");
}

static void calls_end_with_their_senders_session(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 1);
    asks(b, 1);
    asks(r, 1);
    hears(a, "call 1");
    leaves(a->peer);
    hears(b, "call 1");
}

static void calls_of_a_silent_sender_end_with_its_session(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *c = sender(t, 'c'), *r = receiver(t, 'r');
    asks(a, 1);
    asks(b, 1);
    asks(r, 1);
    hears(a, "call 1");
    passes(t, 1000, r->peer);
    hears(b, "call 1");
    leaves(a->peer);
    asks(c, 1);
    hears(c, "");
    asks(r, 2);
    hears(c, "call 1");
}

static void element_arrives_although_its_senders_session_ended(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    accepts(r, 1);
    leaves(s->peer);
    hears(r, "commit claim 1 as 1; element 1 'x' at 1");
}

static void whole_process_leaves_with_claims_on_its_own_offers(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 'a'), *q = receiver(t, 'q');
    struct end *r = binds(s->peer, "x", WIRE_IN, &(struct wire_attributes){ .type = "" });
    offers(s, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of a1");
    asks(q, 1);
    leaves(s->peer);
    hears(q, "");
}

/* ---- closed -------------------------------------------------------------------------------------------------------------- */

static void close_ends_the_offers_that_wait(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    offers(a, 1, "x");
    offers(b, 1, "y");
    asks(b, 1);
    closes(a, 0);
    hears(a, "recall closing; abort 1");
    hears(b, "recall closing; abort 1");
    hears(r, "closed");
    asks(r, 1);
    asks(b, 1); /* crossed */
    hears(b, "");
    hears(r, "");
}

static void close_waits_for_a_claim_and_for_its_element_to_be_taken(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    closes(s, 0);
    hears(s, "recall closing");
    hears(r, "");
    accepts(r, 1);
    hears(s, "commit 1");
    hears(r, "commit claim 1 as 1; element 1 'x' at 1");
    hears(q, "");
    takes(r, 1);
    hears(r, "closed");
    hears(q, "closed");
}

static void claim_that_is_refused_after_the_close_aborts_the_offer(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    asks(q, 1);
    closes(s, -5);
    hears(s, "recall closing");
    refuses(r, 1);
    hears(s, "abort 1");
    hears(r, "failed -5");
    hears(q, "failed -5");
}

static void close_waits_for_calls_to_come_back(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 2);
    asks(r, 2);
    hears(a, "call 2");
    closes(b, 0);
    hears(a, "recall closing");
    comes(a, 1, "x"); /* crossed */
    hears(a, "abort 1");
    hears(r, "");
    returns(a, 1);
    hears(r, "closed");
    hears(a, "");
}

static void what_was_given_back_is_received_before_the_close(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    hold(t, &s, &q, &r);
    closes(s, 0);
    refuses(r, 1);
    hears(r, "");
    hears(q, "claim 1 of nobody");
    accepts(q, 1);
    hears(q, "commit claim 1 as 1; element 1 'x' at 1");
    takes(q, 1);
    hears(q, "closed");
    hears(r, "closed");
}

static void close_waits_for_a_claim_on_what_was_given_back(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    hold(t, &s, &q, &r);
    leaves(r->peer);
    hears(q, "claim 1 of nobody");
    closes(s, 0);
    hears(q, "");
    accepts(q, 1);
    hears(q, "commit claim 1 as 1; element 1 'x' at 1 deliveries 2");
    takes(q, 1);
    hears(q, "closed");
}

static void offer_of_one_that_was_bound_after_the_close_is_answered(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b, *r = receiver(t, 'r');
    asks(a, 1);
    asks(r, 1);
    hears(a, "call 1"); /* so that the channel is still there */
    closes(a, 0);
    b = sender(t, 'b');
    hears(b, "closed");
    offers(b, 1, "x"); /* it has heard that it is bound, and the rest crossed */
    hears(b, "abort 1");
    returns(a, 1);
    hears(r, "closed");
}

/* ---- cancelled ------------------------------------------------------------------------------------------------------------ */

static void cancel_ends_offers_claims_and_what_was_not_taken(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    struct core_totals totals;
    hold(t, &s, &q, &r);
    offers(s, 2, "claimed");
    offers(s, 3, "waits");
    hears(q, "claim 1 of s2");
    closes(q, -7);
    hears(s, "commit 1; recall closing; abort 3; abort 2");
    hears(q, "abort claim 1; cancelled -7");
    hears(r, "cancelled -7");
    takes(r, 1); /* these crossed */
    accepts(q, 1);
    asks(q, 1);
    hears(q, "");
    offers(s, 4, "late");
    hears(s, "abort 4");
    leaves(s->peer);
    leaves(q->peer);
    leaves(r->peer);
    core_totals(t->core, &totals);
    assert_int_equal(totals.channels, 1);
    assert_int_equal(totals.accepted, 1);
    assert_int_equal(totals.dropped, 1);
}

static void cancel_drops_what_was_given_back(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    struct core_totals totals;
    hold(t, &s, &q, &r);
    offers(s, 2, "y");
    hears(q, "claim 1 of s2");
    accepts(q, 1);
    (void)heard(q);
    refuses(r, 1);
    refuses(q, 1);
    asks(q, 1);
    hears(q, "claim 2 of nobody"); /* the other is in the queue */
    closes(s, 0);
    closes(r, -7); /* a cancel after the close */
    hears(q, "abort claim 2; cancelled -7");
    leaves(s->peer);
    leaves(q->peer);
    leaves(r->peer);
    core_totals(t->core, &totals);
    assert_int_equal(totals.accepted, 2);
    assert_int_equal(totals.dropped, 2);
}

/* ---- somebody purges or removes the channel --------------------------------------------------------------------------------- */

static void purge_drops_what_was_given_back_and_no_offer(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    hold(t, &s, &q, &r);
    asks(q, 0);
    purges(s);
    hears(s, "commit 1; 0 dropped"); /* a receiver has it */
    leaves(r->peer);
    offers(s, 2, "y");
    purges(s);
    hears(s, "1 dropped");
    asks(q, 1);
    hears(q, "claim 1 of s2");
    accepts(q, 1);
    hears(q, "commit claim 1 as 1; element 1 'y' at 2");
}

static void purge_leaves_what_a_receiver_is_being_given(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    hold(t, &s, &q, &r);
    leaves(r->peer);
    hears(q, "claim 1 of nobody");
    purges(q);
    accepts(q, 1);
    hears(q, "0 dropped; commit claim 1 as 1; element 1 'x' at 1 deliveries 2");
}

static void removal_is_the_verdict_on_all_that_is_tentative(void **state)
{
    struct stage *t = *state;
    struct end *s, *q, *r;
    hold(t, &s, &q, &r);
    offers(s, 2, "y");
    offers(s, 3, "z");
    hears(q, "claim 1 of s2");
    removes(r);
    hears(r, "removed; 1 dropped");
    hears(s, "commit 1; removed");
    hears(q, "removed");
    accepts(q, 1); /* crosses it */
    withdraws(s, 3);
    asks(q, 1);
    takes(r, 1);
    hears(s, "");
    hears(q, "");
    hears(r, "");
}

static void tap_sees_what_is_committed(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    struct wire_control c = { .what = WIRE_TAP, .peek = { .name = "x" } };
    assert_int_equal(tells(s, c), 0);
    hears(s, "0 dropped"); /* the answer */
    c.peek.tap = s->tap;
    assert_int_equal(tells(s, c), 0);
    offers(s, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    hears(s, ""); /* an offer is not in the channel */
    accepts(r, 1);
    hears(s, "commit 1; shown 1 at 1");
}

static void offer_that_crosses_a_removal_is_ignored(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    hears(s, "");
    removes(r);
    offers(s, 1, "x");
    hears(s, "removed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_stage(element_comes_again_when_its_receivers_session_ends),
        on_stage(element_comes_as_if_new_when_its_receiver_unbinds),
        on_stage(element_that_was_taken_does_not_come_again),
        on_stage(offer_goes_on_when_its_claimers_session_ends),
        on_stage(senders_offers_end_with_its_session_and_receives_wait_again),
        on_stage(receive_whose_offer_has_gone_is_first_in_line),
        on_stage(senders_offers_are_aborted_when_it_unbinds),
        on_stage(calls_end_with_their_senders_session),
        on_stage(calls_of_a_silent_sender_end_with_its_session),
        on_stage(element_arrives_although_its_senders_session_ended),
        on_stage(whole_process_leaves_with_claims_on_its_own_offers),
        on_stage(close_ends_the_offers_that_wait),
        on_stage(close_waits_for_a_claim_and_for_its_element_to_be_taken),
        on_stage(claim_that_is_refused_after_the_close_aborts_the_offer),
        on_stage(close_waits_for_calls_to_come_back),
        on_stage(what_was_given_back_is_received_before_the_close),
        on_stage(close_waits_for_a_claim_on_what_was_given_back),
        on_stage(offer_of_one_that_was_bound_after_the_close_is_answered),
        on_stage(cancel_ends_offers_claims_and_what_was_not_taken),
        on_stage(cancel_drops_what_was_given_back),
        on_stage(purge_drops_what_was_given_back_and_no_offer),
        on_stage(purge_leaves_what_a_receiver_is_being_given),
        on_stage(removal_is_the_verdict_on_all_that_is_tentative),
        on_stage(offer_that_crosses_a_removal_is_ignored),
        on_stage(tap_sees_what_is_committed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
