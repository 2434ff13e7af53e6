/* test_core_meet_calls.c - a rendezvous: senders that wait to be called.
 *   SPDX-License-Identifier: MIT */
#include "broker/core/meet.h"
#include "tests/core/stage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- calls ------------------------------------------------------------------------------------------------------------ */

static void sender_that_asks_is_called_for_a_receive(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(s, 1);
    hears(s, "");
    asks(r, 1);
    hears(s, "call 1");
    hears(r, "");
    comes(s, 7, "tea");
    hears(r, "claim 1 of s7");
    accepts(r, 1);
    hears(s, "commit 1");
    hears(r, "commit claim 1 as 1; element 1 'tea' at 1");
}

static void senders_are_called_as_often_as_receives_wait(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 3);
    asks(b, 1);
    asks(r, 2);
    hears(a, "call 1"); /* in turn */
    hears(b, "call 1");
    asks(r, 4);
    hears(a, "call 2");
}

static void senders_that_ask_are_called_in_turn(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 2);
    asks(b, 1);
    asks(r, 1);
    hears(a, "call 1");
    comes(a, 1, "x");
    hears(r, "claim 1 of a1");
    asks(r, 1);
    hears(b, "call 1");
    hears(a, "");
    comes(b, 1, "x");
    hears(r, "claim 2 of b1");
    asks(r, 1);
    hears(a, "call 1");
}

static void who_asks_and_who_offers_stand_in_one_line(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *c = sender(t, 'c');
    struct end *r = receiver(t, 'r');
    asks(a, 1);
    offers(b, 1, "x");
    asks(c, 1);
    asks(r, 2);
    hears(a, "call 1");
    hears(r, "claim 1 of b1");
    hears(c, "");
}

static void offer_that_nobody_can_receive_any_more_is_answered_at_once(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(s, 1);
    asks(r, 1);
    hears(s, "call 1");
    asks(r, 0);
    comes(s, 7, "x");
    hears(s, "abort 1 asks");
    hears(s, "");
    asks(r, 1); /* it counts as waiting, without being told so */
    hears(s, "call 1");
}

static void refused_offer_of_one_that_was_called_is_answered_too(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    asks(s, 1);
    asks(r, 1);
    hears(s, "call 1");
    comes(s, 7, "x");
    hears(r, "claim 1 of s7");
    refuses(r, 1);
    hears(s, "abort 1 asks");
    asks(q, 1);
    hears(s, "call 1");
    comes(s, 7, "x");
    hears(q, "claim 1 of s7");
    refuses(q, 1);
    asks(r, 1); /* now somebody else waits, so it is kept for that one */
    hears(r, "claim 2 of s7");
    hears(s, "");
}

static void sender_whose_offer_came_to_nothing_keeps_its_place(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 1);
    offers(b, 1, "x");
    asks(r, 1);
    hears(a, "call 1");
    asks(r, 0);
    comes(a, 1, "x");
    hears(a, "abort 1 asks");
    asks(r, 1);
    hears(a, "call 1");
    hears(r, "");
}

static void sender_with_more_behind_goes_back_to_the_older_place(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 2);
    asks(b, 1);
    asks(r, 1);
    hears(a, "call 1"); /* and the other one stands behind b */
    asks(r, 0);
    comes(a, 1, "x");
    hears(a, "abort 1 asks");
    asks(r, 1);
    hears(a, "call 1");
    hears(b, "");
}

static void call_that_is_given_back_goes_to_the_next(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 1);
    asks(b, 1);
    asks(r, 1);
    hears(a, "call 1");
    hears(b, "");
    returns(a, 1);
    hears(b, "call 1");
    hears(a, "");
}

static void call_speaks_for_a_receive(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 1);
    asks(r, 1);
    hears(a, "call 1");
    offers(b, 1, "x");
    hears(r, "");
    comes(a, 1, "x");
    hears(r, "claim 1 of a1");
    asks(r, 1);
    hears(r, "claim 2 of b1");
}

static void call_that_is_given_back_leaves_its_receive_to_an_offer(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 1);
    asks(r, 1);
    hears(a, "call 1");
    offers(b, 1, "x");
    returns(a, 1);
    hears(r, "claim 1 of b1");
}

static void who_was_called_and_comes_goes_before_an_older_offer(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b');
    struct end *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(a, 1, "x");
    asks(b, 1);
    asks(r, 1);
    asks(q, 1);
    hears(r, "claim 1 of a1");
    hears(b, "call 1");
    refuses(r, 1);
    comes(b, 1, "x");
    hears(q, "claim 1 of b1");
    hears(a, "");
}

static void offer_is_aborted_while_another_call_speaks_for_the_receive(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 1);
    asks(b, 1);
    asks(r, 2);
    hears(a, "call 1");
    hears(b, "call 1");
    asks(r, 1);
    comes(b, 1, "x");
    hears(b, "abort 1 asks");
    comes(a, 1, "x");
    hears(r, "claim 1 of a1");
}

static void sender_that_asks_no_more_is_not_called(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(s, 2);
    asks(s, 0);
    asks(r, 1);
    hears(s, "");
    asks(s, 1);
    hears(s, "call 1");
}

static void empty_offers_are_not_kept_without_end(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's');
    for (uint64_t i = 1; i <= MEET_PARKED_MAX; i++)
        offers(s, i, "");
    hears(s, "");
    offers(s, MEET_PARKED_MAX + 1, "");
    hears(s, "abort 4097 asks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_stage(sender_that_asks_is_called_for_a_receive),
        on_stage(senders_are_called_as_often_as_receives_wait),
        on_stage(senders_that_ask_are_called_in_turn),
        on_stage(who_asks_and_who_offers_stand_in_one_line),
        on_stage(offer_that_nobody_can_receive_any_more_is_answered_at_once),
        on_stage(refused_offer_of_one_that_was_called_is_answered_too),
        on_stage(sender_whose_offer_came_to_nothing_keeps_its_place),
        on_stage(sender_with_more_behind_goes_back_to_the_older_place),
        on_stage(call_that_is_given_back_goes_to_the_next),
        on_stage(call_speaks_for_a_receive),
        on_stage(call_that_is_given_back_leaves_its_receive_to_an_offer),
        on_stage(who_was_called_and_comes_goes_before_an_older_offer),
        on_stage(offer_is_aborted_while_another_call_speaks_for_the_receive),
        on_stage(sender_that_asks_no_more_is_not_called),
        on_stage(empty_offers_are_not_kept_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
