/* test_core_meet.c - a rendezvous: who meets whom, and what is said about it.   SPDX-License-Identifier: MIT
 *
 * Word for word, as proto/runnel.proto has it under RENDEZVOUS; see stage.h. */
#include "tests/core/stage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- offers and receives -------------------------------------------------------------------------------------------- */

static void patient_offer_meets_a_receive_that_waits(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(r, 1);
    hears(r, "");
    offers(s, 7, "tea");
    hears(r, "claim 1 of s7");
    hears(s, "");
    accepts(r, 1);
    hears(s, "commit 1");
    hears(r, "commit claim 1 as 1; element 1 'tea' at 1");
    takes(r, 1);
    hears(s, "");
    hears(r, "");
}

static void patient_offer_waits_for_a_receive(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 7, "tea");
    passes(t, 3600 * 1000, NULL);
    hears(s, "");
    asks(r, 1);
    hears(r, "claim 1 of s7");
}

static void claims_deliveries_and_positions_count_up(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 7, "a");
    offers(s, 9, "b");
    asks(r, 2);
    hears(r, "claim 1 of s7; claim 2 of s9");
    accepts(r, 2); /* in this order they are accepted */
    accepts(r, 1);
    hears(r, "commit claim 2 as 1; commit claim 1 as 2; element 1 'b' at 1; element 2 'a' at 2");
    hears(s, "commit 2; commit 1");
    takes(r, 2);
}

static void receive_is_claimed_for_one_offer_at_a_time(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    asks(r, 1);
    offers(s, 7, "a");
    offers(s, 8, "b");
    hears(r, "claim 1 of s7");
    accepts(r, 1);
    hears(r, "commit claim 1 as 1; element 1 'a' at 1");
    takes(r, 1);
    hears(r, "");
}

static void senders_meet_in_the_order_in_which_they_began(void **state)
{
    struct stage *t = *state;
    struct end *a = sender(t, 'a'), *b = sender(t, 'b'), *r = receiver(t, 'r');
    offers(b, 1, "x");
    offers(a, 1, "x");
    offers(b, 2, "x");
    asks(r, 2);
    hears(r, "claim 1 of b1; claim 2 of a1");
    asks(r, 1);
    hears(r, "claim 3 of b2");
}

static void receivers_meet_in_turn(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    asks(r, 2);
    asks(q, 1);
    offers(s, 1, "x");
    offers(s, 2, "x");
    offers(s, 3, "x");
    hears(r, "claim 1 of s1; claim 2 of s3");
    hears(q, "claim 1 of s2");
}

static void refused_offer_goes_back_to_its_place(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    for (uint64_t i = 1; i <= 4; i++)
        offers(s, i, "x");
    asks(r, 3);
    hears(r, "claim 1 of s1; claim 2 of s2; claim 3 of s3");
    refuses(r, 3);
    refuses(r, 1);
    refuses(r, 2);
    hears(s, "");
    hears(r, ""); /* what refuses does not wait, until it asks */
    asks(q, 4);
    hears(q, "claim 1 of s1; claim 2 of s2; claim 3 of s3; claim 4 of s4");
}

static void receive_that_asks_again_is_claimed_again(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "x");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    refuses(r, 1);
    asks(r, 1);
    hears(r, "claim 2 of s1");
    accepts(r, 2);
    hears(s, "commit 1");
}

/* ---- withdrawn ---------------------------------------------------------------------------------------------------------- */

static void withdrawn_offer_is_aborted_and_meets_nobody(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "a");
    offers(s, 2, "b");
    withdraws(s, 1);
    hears(s, "abort 1");
    asks(r, 2);
    hears(r, "claim 1 of s2");
}

static void withdrawn_after_the_claim_the_claim_decides(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "a");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    withdraws(s, 1);
    hears(s, "");
    hears(r, "");
    accepts(r, 1);
    hears(s, "commit 1");
    hears(r, "commit claim 1 as 1; element 1 'a' at 1");
}

static void withdrawn_and_refused_offer_does_not_go_back(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *q = receiver(t, 'q'), *r = receiver(t, 'r');
    offers(s, 1, "a");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    asks(q, 1);
    withdraws(s, 1);
    refuses(r, 1);
    hears(s, "abort 1");
    hears(q, "");
}

static void withdrawn_after_its_verdict_nothing_is_said(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers(s, 1, "a");
    asks(r, 1);
    hears(r, "claim 1 of s1");
    accepts(r, 1);
    hears(s, "commit 1");
    withdraws(s, 1);
    hears(s, "");
    hears(r, "commit claim 1 as 1; element 1 'a' at 1");
}

/* ---- deadlines ------------------------------------------------------------------------------------------------------------ */

static void offer_ends_at_its_deadline(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers_within(s, 1, "a", 50);
    offers_within(s, 2, "b", 60);
    passes(t, 49, NULL);
    hears(s, "");
    passes(t, 1, NULL);
    hears(s, "abort 1");
    asks(r, 2);
    hears(r, "claim 1 of s2");
}

static void deadline_after_the_claim_the_claim_decides(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers_within(s, 1, "a", 50);
    offers_within(s, 2, "b", 50);
    asks(r, 2);
    hears(r, "claim 1 of s1; claim 2 of s2");
    passes(t, 60, NULL);
    hears(s, "");
    accepts(r, 1);
    refuses(r, 2);
    asks(r, 1);
    hears(s, "commit 1; abort 2");
    hears(r, "commit claim 1 as 1; element 1 'a' at 1");
}

static void deadline_holds_for_an_offer_that_was_refused(void **state)
{
    struct stage *t = *state;
    struct end *s = sender(t, 's'), *r = receiver(t, 'r');
    offers_within(s, 1, "a", 50);
    asks(r, 1);
    hears(r, "claim 1 of s1");
    passes(t, 20, NULL);
    refuses(r, 1);
    hears(s, "");
    passes(t, 30, NULL);
    hears(s, "abort 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_stage(patient_offer_meets_a_receive_that_waits),
        on_stage(patient_offer_waits_for_a_receive),
        on_stage(claims_deliveries_and_positions_count_up),
        on_stage(receive_is_claimed_for_one_offer_at_a_time),
        on_stage(senders_meet_in_the_order_in_which_they_began),
        on_stage(receivers_meet_in_turn),
        on_stage(refused_offer_goes_back_to_its_place),
        on_stage(receive_that_asks_again_is_claimed_again),
        on_stage(withdrawn_offer_is_aborted_and_meets_nobody),
        on_stage(withdrawn_after_the_claim_the_claim_decides),
        on_stage(withdrawn_and_refused_offer_does_not_go_back),
        on_stage(withdrawn_after_its_verdict_nothing_is_said),
        on_stage(offer_ends_at_its_deadline),
        on_stage(deadline_after_the_claim_the_claim_decides),
        on_stage(deadline_holds_for_an_offer_that_was_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
