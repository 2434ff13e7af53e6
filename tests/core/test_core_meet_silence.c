/* test_core_meet_silence.c - a rendezvous with those who fall silent, and with receives that yield after the commit.
 *   SPDX-License-Identifier: MIT */
#include "tests/core/stage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- silence -------------------------------------------------------------------------------------------------------- */

static void silent_receiver_is_passed_over_after_a_second(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 2);
    hears(r, "claim 1 of s1");
    asks(q, 1);
    passes(t, 999, NULL);
    hears(q, "");
    passes(t, 1, NULL);
    hears(r, "abort claim 1");
    hears(q, "claim 1 of s1");
    hears(s, "");
}

static void receiver_that_is_heard_may_think_for_as_long_as_it_likes(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    for (int i = 0; i < 10; i++) {
        passes(t, 900, NULL);
        core_heard(t->core, r->peer->session, t->now);
    }
    hears(r, "");
    passes(t, 1000, NULL);
    hears(r, "abort claim 1");
}

static void silent_receiver_meets_again_once_it_is_heard(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 2);
    hears(r, "claim 1 of s1");
    passes(t, 1000, NULL);
    hears(r, "abort claim 1");
    hears(r, ""); /* one of its receives waits, but nobody is there */
    core_heard(t->core, r->peer->session, t->now);
    hears(r, "claim 2 of s1");
    accepts(r, 2);
    hears(r, "commit claim 2 as 1; element 1 'x' at 1");
}

static void silent_receiver_is_called_for_by_nobody(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 2);
    hears(r, "claim 1 of s1");
    withdraws(s, 1);
    passes(t, 1000, NULL);
    hears(s, "abort 1");
    asks(s, 1);
    hears(s, "");
    core_heard(t->core, r->peer->session, t->now);
    hears(s, "call 1");
}

static void claim_that_is_answered_after_its_abort_is_over(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    offers(s, 2, "y");
    asks(r, 2);
    hears(r, "claim 1 of s1; claim 2 of s2");
    passes(t, 1000, NULL);
    hears(r, "abort claim 1; abort claim 2");
    asks(q, 1);
    hears(q, "claim 1 of s1");
    accepts(r, 1);
    refuses(r, 2);
    hears(r, "");
    hears(s, "");
    accepts(q, 1);
    hears(s, "commit 1");
}

static void receive_of_a_silent_node_waits_again_when_that_says_so(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    passes(t, 1000, NULL);
    hears(r, "abort claim 1"); /* perhaps it had been refused */
    refuses(r, 1);
    hears(r, "");
    asks(r, 1);
    hears(r, "claim 2 of s1");
}

static void silent_sender_is_not_waited_for(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 2);
    asks(b, 1);
    asks(r, 1);
    hears(a, "call 1");
    passes(t, 999, r->peer);
    hears(b, "");
    passes(t, 1, r->peer);
    hears(b, "call 1");
    hears(a, "");
    comes(b, 1, "x");
    hears(r, "claim 1 of b1");
}

static void silent_sender_that_is_heard_is_waited_for_again(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 1);
    asks(r, 1);
    hears(a, "call 1");
    passes(t, 1000, r->peer);
    core_heard(t->core, a->peer->session, t->now);
    asks(b, 1);
    hears(b, ""); /* a has been called for that receive */
    passes(t, 999, r->peer);
    hears(b, "");
    passes(t, 1, r->peer);
    hears(b, "call 1");
}

static void silent_sender_keeps_its_place_and_its_offers(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 2);
    asks(r, 1);
    hears(a, "call 1");
    offers(a, 9, "x");
    asks(b, 1);
    passes(t, 1000, r->peer); /* now the receive is free */
    hears(r, "claim 1 of a9");
    asks(r, 1);
    hears(b, "call 1"); /* a would come first, and is silent */
    core_heard(t->core, a->peer->session, t->now);
    returns(a, 1);
    returns(b, 1);
    hears(a, "call 1");
    hears(b, "");
}

static void silent_sender_whose_last_call_is_answered_is_not_late(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    asks(a, 1);
    asks(r, 1);
    hears(a, "call 1");
    returns(a, 1);
    passes(t, 5000, r->peer);
    asks(a, 1); /* it waits without being called for anything: its silence says nothing */
    hears(a, "call 1");
    asks(b, 1);
    passes(t, 500, r->peer);
    hears(b, "");
}

/* ---- yielding after the commit ------------------------------------------------------------------------------------------ */

static void element_whose_receive_has_yielded_goes_before_all_senders(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    struct core_totals totals;
    offers(s, 1, "first");
    offers(s, 2, "second");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    accepts(r, 1);
    hears(r, "commit claim 1 as 1; element 1 'first' at 1");
    refuses(r, 1);
    hears(r, "");
    hears(s, "commit 1"); /* which stays true */
    asks(q, 2);
    hears(q, "claim 1 of nobody; claim 2 of s2");
    accepts(q, 1);
    accepts(q, 2);
    hears(q, "commit claim 1 as 1; commit claim 2 as 2; "
             "element 1 'first' at 1; element 2 'second' at 2");
    takes(q, 2);
    closes(s, 0);
    returns(s, 0);
    leaves(s->peer);
    leaves(q->peer);
    leaves(r->peer);
    core_totals(t->core, &totals);
    assert_int_equal(totals.channels, 1);
    assert_int_equal(totals.accepted, 2);
    assert_int_equal(totals.taken, 2);
    assert_int_equal(totals.returned, 1);
    assert_int_equal(totals.redelivered, 0);
}

static void element_is_given_back_before_it_leaves_for_its_receiver(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 1);
    asks(q, 1);
    hears(r, "claim 1 of s1");
    accepts(r, 1);
    refuses(r, 1);
    hears(r, "commit claim 1 as 1");
    hears(q, "claim 1 of nobody");
    accepts(q, 1);
    hears(q, "commit claim 1 as 1; element 1 'x' at 1");
}

static void one_of_several_elements_is_given_back(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    for (uint64_t i = 1; i <= 3; i++)
        offers(s, i, (const char[2]){ (char)('a' + i - 1) });
    asks(r, 3);
    hears(r, "claim 1 of s1; claim 2 of s2; claim 3 of s3");
    accepts(r, 1);
    accepts(r, 2);
    (void)heard(r);
    accepts(r, 3);
    refuses(r, 2);
    hears(r, "commit claim 3 as 3; element 3 'c' at 3");
    takes(r, 3);
    asks(q, 1);
    hears(q, "claim 1 of nobody");
    accepts(q, 1);
    hears(q, "commit claim 1 as 1; element 1 'b' at 2");
    takes(q, 1);
}

static void elements_that_were_given_back_keep_their_order(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(s, 1, "a");
    offers(s, 2, "b");
    asks(r, 2);
    (void)heard(r);
    accepts(r, 1);
    accepts(r, 2);
    (void)heard(r);
    refuses(r, 2);
    refuses(r, 1);
    asks(q, 1);
    hears(q, "claim 1 of nobody");
    refuses(q, 1); /* and goes back to its place too */
    asks(q, 2);
    hears(q, "claim 2 of nobody; claim 3 of nobody");
    accepts(q, 2);
    accepts(q, 3);
    hears(q, "commit claim 2 as 1; commit claim 3 as 2; element 1 'a' at 1; element 2 'b' at 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_stage(silent_receiver_is_passed_over_after_a_second),
        on_stage(receiver_that_is_heard_may_think_for_as_long_as_it_likes),
        on_stage(silent_receiver_meets_again_once_it_is_heard),
        on_stage(silent_receiver_is_called_for_by_nobody),
        on_stage(claim_that_is_answered_after_its_abort_is_over),
        on_stage(receive_of_a_silent_node_waits_again_when_that_says_so),
        on_stage(silent_sender_is_not_waited_for),
        on_stage(silent_sender_that_is_heard_is_waited_for_again),
        on_stage(silent_sender_keeps_its_place_and_its_offers),
        on_stage(silent_sender_whose_last_call_is_answered_is_not_late),
        on_stage(element_whose_receive_has_yielded_goes_before_all_senders),
        on_stage(element_is_given_back_before_it_leaves_for_its_receiver),
        on_stage(one_of_several_elements_is_given_back),
        on_stage(elements_that_were_given_back_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
