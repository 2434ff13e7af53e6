/* test_core_meet_counts.c - a rendezvous: how many wait, and operations that must not meet themselves.
 *   SPDX-License-Identifier: MIT */
#include "tests/core/stage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- how many wait ---------------------------------------------------------------------------------------------------- */

static void ask_that_crosses_a_claim_is_counted_less(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(r, 1);
    offers(s, 1, "x");
    hears(r, "claim 1 of s1");
    asks_crossing(r, 2, -1); /* so one of the two is claimed */
    offers(s, 2, "x");
    offers(s, 3, "x");
    hears(r, "claim 2 of s2");
    asks(r, 1);
    hears(r, "claim 3 of s3");
}

static void ask_that_crosses_calls_is_counted_less(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(s, 2);
    asks(r, 2);
    hears(s, "call 2");
    asks_crossing(s, 3, -2);
    asks(r, 5);
    hears(s, "call 1");
}

static void ask_that_crosses_the_return_of_a_receive_is_counted_more(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    offers(a, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of a1");
    leaves(a->peer);
    hears(r, "abort claim 1 asks");
    asks_crossing(r, 1, +1); /* another one, beside that which was claimed */
    for (uint64_t i = 1; i <= 3; i++)
        offers(b, i, "x");
    hears(r, "claim 2 of b1; claim 3 of b2");
}

static void ask_that_crosses_the_return_of_a_send_is_counted_more(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(s, 1);
    asks(r, 1);
    hears(s, "call 1");
    asks(r, 0);
    comes(s, 1, "x");
    hears(s, "abort 1 asks");
    asks_crossing(s, 1, +1);
    asks(r, 3);
    hears(s, "call 2");
}

static void send_that_was_turned_away_counts_too(void **state)
{
    struct stage *t = *state;
    struct end *s = binds(
        enters(t, 's'), "x", WIRE_OUT,
        &(struct wire_attributes){ .capacity = WIRE_RENDEZVOUS, .capacity_bytes = 4, .type = "" });
    struct end *r = receiver(t, 'r');
    offers(s, 1, "1234");
    offers(s, 2, "5");
    hears(s, "abort 2 asks");
    asks_crossing(s, 1, +1); /* another one, before it has heard that */
    asks(r, 4);
    hears(r, "claim 1 of s1");
    hears(s, "call 2");
}

static void changes_that_cross_an_ask_add_up(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    offers(a, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of a1");
    leaves(a->peer);
    hears(r, "abort claim 1 asks");
    asks_crossing(r, 2, 0); /* it has heard of neither */
    for (uint64_t i = 1; i <= 3; i++)
        offers(b, i, "x");
    hears(r, "claim 2 of b1; claim 3 of b2");
}

static void fewer_than_none_are_none(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(s, 1);
    asks(r, 1);
    hears(s, "call 1");
    asks_crossing(s, 0, -1); /* who was called has gone */
    comes(s, 7, "x");
    hears(r, "claim 1 of s7");
    asks_crossing(r, 0, -1);
    asks(r, 1);
    hears(s, "");
    asks_crossing(r, 0, -1);
    offers(s, 8, "y");
    hears(r, "");
}

static void receive_that_returns_after_fewer_than_none_is_none(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    offers(a, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of a1");
    asks_crossing(r, 0, -1); /* none waits, and the claim makes it one less */
    leaves(a->peer);
    offers(b, 1, "x");
    hears(r, "abort claim 1 asks");
    asks(r, 1);
    hears(r, "claim 2 of b1");
}

static void receives_that_return_after_fewer_than_none_count_from_there(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    offers(a, 1, "x");
    offers(a, 2, "x");
    asks(r, 2);
    hears(r, "claim 1 of a1; claim 2 of a2");
    asks_crossing(r, 1, -2);
    leaves(a->peer);
    offers(b, 1, "x");
    offers(b, 2, "x");
    hears(r, "abort claim 1 asks; abort claim 2 asks; claim 3 of b1");
}

static void send_that_returns_after_fewer_than_none_is_none(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(s, 1);
    asks(r, 1);
    hears(s, "call 1");
    asks_crossing(s, 0, -1);
    asks(r, 0);
    comes(s, 1, "x"); /* one that began when the call came */
    hears(s, "abort 1 asks");
    asks(r, 1);
    hears(s, "");
    asks(s, 1);
    hears(s, "call 1");
}

static void claim_that_was_refused_is_not_counted_until_its_node_asks(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(r, 2);
    offers(s, 1, "x");
    offers(s, 2, "x");
    hears(r, "claim 1 of s1; claim 2 of s2");
    refuses(r, 1);
    hears(r, "");
    asks(r, 1);
    hears(r, "claim 3 of s1");
}

/* ---- no operation meets itself ---------------------------------------------------------------------------------------- */

/* A process whose operations both send and receive: its two ends. */
static void both(struct stage *t, char name, struct end **s, struct end **r)
{
    *s = sender(t, name);
    *r = binds((*s)->peer, "x", WIRE_IN, &(struct wire_attributes){ .type = "" });
}

static void operation_that_waits_alone_on_both_sides_is_not_called_for_itself(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *q;
    both(t, 'a', &s, &r);
    q = receiver(t, 'q');
    asks_alone(s, 7);
    asks_alone(r, 7);
    hears(s, "");
    hears(r, "");
    asks(q, 1);
    hears(s, "call 1");
    comes(s, 7, "x");
    hears(q, "claim 1 of a7");
    hears(r, "");
}

static void receive_of_one_that_waits_alone_meets_others(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *b = sender(t, 'b');
    both(t, 'a', &s, &r);
    asks_alone(s, 7);
    asks_alone(r, 7);
    offers(b, 7, "other"); /* the same number, of another process */
    hears(r, "claim 1 of b7");
    hears(s, "");
}

static void other_process_is_called_for_an_operation_of_its_own_number(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *b = sender(t, 'b');
    both(t, 'a', &s, &r);
    asks_alone(r, 7);
    asks_alone(b, 7);
    hears(b, "call 1");
}

static void own_offer_is_passed_over_by_its_receive(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *b = sender(t, 'b'), *q = receiver(t, 'q');
    both(t, 'a', &s, &r);
    offers(s, 7, "self");
    offers(s, 8, "another");
    asks_alone(r, 7);
    hears(r, "claim 1 of a8");
    asks_alone(r, 7);
    offers(b, 7, "other");
    hears(r, "claim 2 of b7");
    asks_alone(r, 7);
    hears(r, "");
    asks(q, 1);
    hears(q, "claim 1 of a7");
}

static void call_names_the_operation_that_it_is_not_for(void **state)
{
    struct stage *t = *state;
    struct end *s, *r;
    both(t, 'a', &s, &r);
    asks_alone(r, 7);
    asks(s, 2); /* 7 is one of them */
    hears(s, "call 1 but 7");
    comes(s, 8, "x");
    hears(r, "claim 1 of a8");
}

static void calls_for_any_and_for_any_but_one_are_said_apart(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *q = receiver(t, 'q');
    both(t, 'a', &s, &r);
    asks(s, 5);
    asks_alone(r, 7);
    asks(q, 2);
    hears(s, "call 3 but 7"); /* for the first in line, until it has met somebody */
    asks(r, 2);
    hears(s, "call 1"); /* for whichever */
}

static void calls_that_differ_within_one_flush_are_said_apart(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *b = sender(t, 'b'), *q = receiver(t, 'q');
    both(t, 'a', &s, &r);
    asks_alone(r, 7);
    asks(q, 2);
    asks(s, 2);
    offers(b, 1, "x");
    hears(s, "call 1 but 7; call 1"); /* for r, which has met b then; for q */
    hears(r, "claim 1 of b1");
    hears(q, "");
}

static void operation_is_called_when_another_receives_beside_it(void **state)
{
    struct stage *t = *state;
    struct end *s, *r;
    both(t, 'a', &s, &r);
    asks_alone(s, 7);
    asks_alone(r, 7);
    hears(s, "");
    asks(r, 2);
    hears(s, "call 1");
    comes(s, 7, "self");
    hears(r, "claim 1 of a7");
}

static void operation_is_called_again_once_it_does_not_receive_any_more(void **state)
{
    struct stage *t = *state;
    struct end *s, *r;
    both(t, 'a', &s, &r);
    asks_alone(s, 7);
    asks_alone(r, 7);
    hears(s, "");
    asks(r, 1); /* another one */
    hears(s, "call 1");
}

static void send_that_came_and_went_is_known_by_its_offer(void **state)
{
    struct stage *t = *state;
    struct end *s, *r;
    both(t, 'a', &s, &r);
    asks_alone(s, 7);
    asks(r, 1); /* of another operation */
    hears(s, "call 1");
    asks_alone(r, 7); /* which has gone */
    comes(s, 7, "self");
    hears(s, "abort 1 asks");
    hears(s, "");
    hears(r, "");
    asks(s, 2);
    hears(s, "call 1 but 7");
}

static void send_that_came_and_went_beside_others_is_not_alone(void **state)
{
    struct stage *t = *state;
    struct end *s, *r;
    both(t, 'a', &s, &r);
    asks(s, 2);
    asks(r, 1);
    hears(s, "call 1");
    asks_alone(r, 7);
    comes(s, 7, "self");
    hears(s, "abort 1 asks; call 1 but 7");
    comes(s, 8, "another");
    hears(r, "claim 1 of a8");
}

static void receive_that_was_refused_its_own_offer_waits_for_another(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *q = receiver(t, 'q');
    both(t, 'a', &s, &r);
    asks_alone(s, 7);
    asks(r, 2);
    hears(s, "call 1");
    comes(s, 7, "self");
    hears(r, "claim 1 of a7");
    refuses(r, 1); /* the other one is tentative elsewhere */
    asks_alone(r, 7);
    hears(s, "abort 1 asks");
    hears(s, "");
    hears(r, "");
    asks(q, 1);
    hears(s, "call 1");
}

static void one_of_two_that_is_left_is_not_known(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *b = sender(t, 'b');
    both(t, 'a', &s, &r);
    asks_alone(r, 7);
    asks(r, 2);
    offers(b, 1, "x");
    hears(r, "claim 1 of b1");
    offers(s, 7, "x");
    hears(r, "claim 2 of a7");
}

static void receive_that_waits_again_may_be_any(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *b = sender(t, 'b');
    both(t, 'a', &s, &r);
    asks_alone(r, 7);
    offers(b, 1, "x");
    hears(r, "claim 1 of b1");
    leaves(b->peer);
    hears(r, "abort claim 1 asks");
    offers(s, 7, "x");
    hears(r, "claim 2 of a7"); /* until the node says who waits */
    refuses(r, 2);
    asks_alone(r, 7);
    hears(r, "");
}

static void name_in_an_ask_that_crosses_a_change_is_forgotten(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *b = sender(t, 'b');
    both(t, 'a', &s, &r);
    asks(r, 1);
    offers(b, 1, "x");
    hears(r, "claim 1 of b1");
    leaves(b->peer);
    hears(r, "abort claim 1 asks");
    asks_alone_crossing(r, 7, +1); /* two wait, 7 and the one that was claimed */
    offers(s, 6, "x");
    hears(r, "claim 2 of a6");
    offers(s, 7, "x");
    hears(r, "claim 3 of a7"); /* either may be left */
}

static void name_of_a_send_that_has_been_called_is_forgotten(void **state)
{
    struct stage *t = *state;
    struct end *s, *r, *q = receiver(t, 'q');
    both(t, 'a', &s, &r);
    asks_alone(s, 7);
    asks(q, 1);
    hears(s, "call 1");
    asks_crossing(s, 2, -1); /* another one, and which of them the call is for is not known */
    asks_alone(r, 7);
    asks(q, 0);
    returns(s, 1);
    hears(s, "call 1 but 7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_stage(ask_that_crosses_a_claim_is_counted_less),
        on_stage(ask_that_crosses_calls_is_counted_less),
        on_stage(ask_that_crosses_the_return_of_a_receive_is_counted_more),
        on_stage(ask_that_crosses_the_return_of_a_send_is_counted_more),
        on_stage(send_that_was_turned_away_counts_too),
        on_stage(changes_that_cross_an_ask_add_up),
        on_stage(fewer_than_none_are_none),
        on_stage(receive_that_returns_after_fewer_than_none_is_none),
        on_stage(receives_that_return_after_fewer_than_none_count_from_there),
        on_stage(send_that_returns_after_fewer_than_none_is_none),
        on_stage(claim_that_was_refused_is_not_counted_until_its_node_asks),
        on_stage(operation_that_waits_alone_on_both_sides_is_not_called_for_itself),
        on_stage(receive_of_one_that_waits_alone_meets_others),
        on_stage(other_process_is_called_for_an_operation_of_its_own_number),
        on_stage(own_offer_is_passed_over_by_its_receive),
        on_stage(call_names_the_operation_that_it_is_not_for),
        on_stage(calls_for_any_and_for_any_but_one_are_said_apart),
        on_stage(calls_that_differ_within_one_flush_are_said_apart),
        on_stage(operation_is_called_when_another_receives_beside_it),
        on_stage(operation_is_called_again_once_it_does_not_receive_any_more),
        on_stage(send_that_came_and_went_is_known_by_its_offer),
        on_stage(send_that_came_and_went_beside_others_is_not_alone),
        on_stage(receive_that_was_refused_its_own_offer_waits_for_another),
        on_stage(one_of_two_that_is_left_is_not_known),
        on_stage(receive_that_waits_again_may_be_any),
        on_stage(name_in_an_ask_that_crosses_a_change_is_forgotten),
        on_stage(name_of_a_send_that_has_been_called_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
