/* test_uplink.c - the connection's state machine, from scripted events and times.   SPDX-License-Identifier: MIT */
#include "node/uplink.h"
#include "runtime/rn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define T0   (100 * RN_SEC)
#define PART (250 * RN_MS) /* a 32nd of the lease */
#define REST (11 * PART)

static uint64_t no_jitter(void *arg)
{
    (void)arg;
    return 0;
}

static uint64_t all_bits(void *arg)
{
    (void)arg;
    return UINT64_MAX;
}

static struct uplink uplink_of(unsigned urls)
{
    struct uplink u;
    uplink_init(
        &u, &(struct uplink_opts){ .lease_ns = 8 * RN_SEC, .urls = urls, .random = no_jitter }, T0);
    return u;
}

/* Dials and is welcomed at `at`. */
static struct uplink uplink_up_at(int64_t at)
{
    struct uplink u = uplink_of(1);
    struct uplink_facts none = { 0 };
    assert_int_equal(uplink_step(&u, &none, at), UPLINK_DIAL);
    uplink_welcomed(&u, 8000, at);
    return u;
}

static void dials_at_once_and_waits_for_the_welcome(void **state)
{
    (void)state;
    struct uplink u = uplink_of(1);
    struct uplink_facts none = { 0 };
    assert_int_equal(uplink_step(&u, &none, T0), UPLINK_DIAL);
    assert_int_equal(uplink_step(&u, &none, T0), UPLINK_NOTHING);
    assert_true(uplink_deadline(&u, &none) > T0);
    uplink_welcomed(&u, 8000, T0 + RN_MS);
    assert_int_equal(u.state, UPLINK_UP);
    assert_int_equal(uplink_step(&u, &none, T0 + RN_MS), UPLINK_NOTHING);
}

static void unanswered_hello_is_given_up_and_tried_again(void **state)
{
    (void)state;
    struct uplink u = uplink_of(1);
    struct uplink_facts none = { 0 };
    assert_int_equal(uplink_step(&u, &none, T0), UPLINK_DIAL);
    int64_t end = uplink_deadline(&u, &none);
    assert_int_equal(uplink_step(&u, &none, end - 1), UPLINK_NOTHING);
    assert_int_equal(uplink_step(&u, &none, end), UPLINK_DROP);
    int64_t again = uplink_deadline(&u, &none);
    assert_true(again > end);
    assert_int_equal(uplink_step(&u, &none, again - 1), UPLINK_NOTHING);
    assert_int_equal(uplink_step(&u, &none, again), UPLINK_DIAL);
}

static void pauses_grow_to_a_bound(void **state)
{
    (void)state;
    struct uplink u = uplink_of(1);
    struct uplink_facts none = { 0 };
    int64_t now = T0, before = 0;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(uplink_step(&u, &none, now), UPLINK_DIAL);
        uplink_broken(&u, now);
        int64_t pause = uplink_deadline(&u, &none) - now;
        assert_true(pause >= before);
        assert_true(pause <= 200 * RN_MS);
        before = pause;
        now += pause;
    }
    assert_int_equal(before, 200 * RN_MS);
}

static void jitter_takes_at_most_half_of_a_pause(void **state)
{
    (void)state;
    struct uplink u = uplink_of(1);
    u.opts.random = all_bits;
    struct uplink_facts none = { 0 };
    assert_int_equal(uplink_step(&u, &none, T0), UPLINK_DIAL);
    uplink_broken(&u, T0);
    assert_true(uplink_deadline(&u, &none) >= T0 + 10 * RN_MS);
    assert_true(uplink_deadline(&u, &none) <= T0 + 20 * RN_MS);
}

static void without_a_session_every_broker_has_its_turn(void **state)
{
    (void)state;
    struct uplink u = uplink_of(3);
    struct uplink_facts none = { 0 };
    unsigned seen[6];
    int64_t now = T0;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(uplink_step(&u, &none, now), UPLINK_DIAL);
        seen[i] = u.url;
        uplink_broken(&u, now);
        now = uplink_deadline(&u, &none);
    }
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(seen[i], i % 3);
}

static void within_a_session_only_its_broker_is_dialed(void **state)
{
    (void)state;
    struct uplink u = uplink_of(3);
    struct uplink_facts none = { 0 };
    assert_int_equal(uplink_step(&u, &none, T0), UPLINK_DIAL);
    uplink_broken(&u, T0);
    int64_t now = uplink_deadline(&u, &none);
    assert_int_equal(uplink_step(&u, &none, now), UPLINK_DIAL);
    assert_int_equal(u.url, 1);
    uplink_welcomed(&u, 8000, now);
    for (int i = 0; i < 4; i++) {
        uplink_broken(&u, now);
        now = uplink_deadline(&u, &none);
        assert_int_equal(uplink_step(&u, &none, now), UPLINK_DIAL);
        assert_int_equal(u.url, 1);
        assert_true(u.in_session);
    }
}

static void gives_signs_of_life_in_a_third_of_the_lease(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    struct uplink_facts facts = { .heard_ns = T0, .confirmed_ns = T0 };
    assert_int_equal(uplink_deadline(&u, &facts), T0 + REST);
    assert_int_equal(uplink_step(&u, &facts, T0 + REST - 1), UPLINK_NOTHING);
    assert_int_equal(uplink_step(&u, &facts, T0 + REST), UPLINK_PROBE);
    assert_int_equal(uplink_step(&u, &facts, T0 + REST), UPLINK_NOTHING);
    assert_int_equal(uplink_deadline(&u, &facts), T0 + 2 * REST); /* whatever becomes of it */
}

static void first_sign_of_life_after_a_welcome_comes_at_a_random_time(void **state)
{
    (void)state;
    struct uplink u = uplink_of(1);
    struct uplink_facts none = { 0 };
    u.opts.random = all_bits;
    assert_int_equal(uplink_step(&u, &none, T0), UPLINK_DIAL);
    uplink_welcomed(&u, 8000, T0);
    assert_true(uplink_deadline(&u, &none) > T0);
    assert_true(uplink_deadline(&u, &none) < T0 + REST);
}

static void next_sign_of_life_comes_a_little_before_the_broker_answers_those_at_rest(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    struct uplink_facts facts = { .heard_ns = T0, .confirmed_ns = T0 };
    int64_t now = T0 + REST, answers = now + 200 * RN_MS, early = PART / 16;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(uplink_step(&u, &facts, now), UPLINK_PROBE);
        facts.confirmed_ns = now;
        assert_int_equal(uplink_step(&u, &facts, answers), UPLINK_NOTHING);
        now = uplink_deadline(&u, &facts);
        answers += REST;
        assert_int_equal(now, answers - early);
    }
    /* One that was long under way does not put the next one off for as long. */
    assert_int_equal(uplink_step(&u, &facts, now), UPLINK_PROBE);
    facts.confirmed_ns = now;
    assert_int_equal(uplink_step(&u, &facts, now + RN_SEC), UPLINK_NOTHING);
    assert_int_equal(uplink_deadline(&u, &facts), now + PART + REST - early);
}

/* The worst that may be: it breaks behind an acknowledgement that came late, and nobody says so. */
static void connection_that_breaks_in_silence_is_replaced_before_the_fence(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    struct uplink_facts facts = { .heard_ns = T0, .confirmed_ns = T0 };
    int64_t now = T0 + REST, sent = now;
    assert_int_equal(uplink_step(&u, &facts, now), UPLINK_PROBE);
    facts.confirmed_ns = sent;
    facts.heard_ns = sent + RN_SEC;
    assert_int_equal(uplink_step(&u, &facts, facts.heard_ns), UPLINK_NOTHING);
    now = uplink_deadline(&u, &facts);
    assert_int_equal(uplink_step(&u, &facts, now), UPLINK_PROBE);
    facts.unacked_ns = now;
    now = uplink_deadline(&u, &facts);
    assert_int_equal(uplink_step(&u, &facts, now), UPLINK_DROP);
    now = uplink_deadline(&u, &facts);
    assert_int_equal(uplink_step(&u, &facts, now), UPLINK_DIAL);
    assert_true(now + RN_SEC <= sent + 6 * RN_SEC + 20 * RN_MS); /* and a Hello may take a second */
}

static void doubt_makes_signs_of_life_frequent(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    struct uplink_facts facts = { .heard_ns = T0, .confirmed_ns = T0, .doubt = true };
    assert_int_equal(uplink_step(&u, &facts, T0 + 250 * RN_MS), UPLINK_PROBE);
}

static void silence_with_something_unacknowledged_breaks_the_connection(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    struct uplink_facts facts = { .heard_ns = T0, .confirmed_ns = T0 };
    assert_int_equal(uplink_step(&u, &facts, T0 + REST), UPLINK_PROBE);
    facts.unacked_ns = T0 + REST;
    assert_int_equal(uplink_step(&u, &facts, T0 + REST + 2 * RN_SEC - 1), UPLINK_NOTHING);
    assert_int_equal(uplink_step(&u, &facts, T0 + REST + 2 * RN_SEC), UPLINK_DROP);
    assert_int_equal(u.state, UPLINK_RESTING);
    assert_true(u.in_session);
}

static void what_is_heard_puts_the_silence_off(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    struct uplink_facts facts = { .heard_ns = T0 + 2 * RN_SEC,
                                  .confirmed_ns = T0 + RN_SEC,
                                  .unacked_ns = T0 + RN_SEC };
    u.due_ns = T0 + 3 * RN_SEC + REST;
    assert_int_equal(uplink_step(&u, &facts, T0 + 3 * RN_SEC), UPLINK_NOTHING);
    assert_int_equal(uplink_step(&u, &facts, T0 + 4 * RN_SEC), UPLINK_DROP);
}

static void a_new_connection_has_a_silence_of_its_own(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    struct uplink_facts facts = { .heard_ns = T0, .confirmed_ns = T0, .unacked_ns = T0 };
    uplink_broken(&u, T0 + 3 * RN_SEC);
    assert_int_equal(uplink_step(&u, &facts, T0 + 4 * RN_SEC), UPLINK_DIAL);
    uplink_welcomed(&u, 8000, T0 + 4 * RN_SEC);
    assert_int_equal(uplink_step(&u, &facts, T0 + 4 * RN_SEC), UPLINK_NOTHING);
}

static void lease_is_counted_from_the_sending_of_what_was_acknowledged(void **state)
{
    (void)state;
    struct uplink u = uplink_of(1);
    struct uplink_facts facts = { 0 };
    assert_int_equal(uplink_step(&u, &facts, T0), UPLINK_DIAL);
    uplink_welcomed(&u, 8000, T0 + 500 * RN_MS); /* half a second under way: not ours to use */
    assert_int_equal(uplink_lease_end(&u), T0 + 8 * RN_SEC);
    assert_int_equal(uplink_fence(&u), T0 + 6 * RN_SEC);
    facts.confirmed_ns = T0 + 2 * RN_SEC;
    facts.heard_ns = T0 + 5 * RN_SEC;
    uplink_step(&u, &facts, T0 + 5 * RN_SEC);
    assert_int_equal(uplink_lease_end(&u), T0 + 10 * RN_SEC);
}

static void end_of_the_lease_comes_before_everything_else(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    struct uplink_facts facts = { .heard_ns = T0, .confirmed_ns = T0, .unacked_ns = T0 };
    assert_int_equal(uplink_step(&u, &facts, T0 + 8 * RN_SEC), UPLINK_OVER);
    assert_false(u.in_session);
    /* ... and the next Hello asks for a new session. */
    facts = (struct uplink_facts){ 0 };
    int64_t at = uplink_deadline(&u, &facts);
    assert_int_equal(uplink_step(&u, &facts, at), UPLINK_DIAL);
    assert_false(u.in_session);
}

static void broken_connection_does_not_put_the_end_of_the_lease_off(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    struct uplink_facts facts = { .heard_ns = T0, .confirmed_ns = T0 };
    int64_t now = T0 + RN_SEC;
    uplink_broken(&u, now);
    enum uplink_action last = UPLINK_NOTHING;
    while (last != UPLINK_OVER) {
        now = uplink_deadline(&u, &facts);
        assert_true(now <= T0 + 8 * RN_SEC);
        last = uplink_step(&u, &facts, now);
    }
    assert_int_equal(now, T0 + 8 * RN_SEC);
}

static void refusal_ends_the_session(void **state)
{
    (void)state;
    struct uplink u = uplink_up_at(T0);
    assert_true(uplink_refused(&u, WIRE_SESSION_OVER, T0 + RN_SEC));
    assert_false(u.in_session);
    assert_int_equal(u.state, UPLINK_RESTING);
    assert_false(uplink_refused(&u, WIRE_SHUTDOWN, T0 + RN_SEC));
}

static void granted_lease_replaces_the_one_asked_for(void **state)
{
    (void)state;
    struct uplink u = uplink_of(1);
    struct uplink_facts facts = { 0 };
    assert_int_equal(uplink_step(&u, &facts, T0), UPLINK_DIAL);
    uplink_welcomed(&u, 2000, T0);
    assert_int_equal(uplink_lease_end(&u), T0 + 2 * RN_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dials_at_once_and_waits_for_the_welcome),
        cmocka_unit_test(unanswered_hello_is_given_up_and_tried_again),
        cmocka_unit_test(pauses_grow_to_a_bound),
        cmocka_unit_test(jitter_takes_at_most_half_of_a_pause),
        cmocka_unit_test(without_a_session_every_broker_has_its_turn),
        cmocka_unit_test(within_a_session_only_its_broker_is_dialed),
        cmocka_unit_test(gives_signs_of_life_in_a_third_of_the_lease),
        cmocka_unit_test(first_sign_of_life_after_a_welcome_comes_at_a_random_time),
        cmocka_unit_test(next_sign_of_life_comes_a_little_before_the_broker_answers_those_at_rest),
        cmocka_unit_test(connection_that_breaks_in_silence_is_replaced_before_the_fence),
        cmocka_unit_test(doubt_makes_signs_of_life_frequent),
        cmocka_unit_test(silence_with_something_unacknowledged_breaks_the_connection),
        cmocka_unit_test(what_is_heard_puts_the_silence_off),
        cmocka_unit_test(a_new_connection_has_a_silence_of_its_own),
        cmocka_unit_test(lease_is_counted_from_the_sending_of_what_was_acknowledged),
        cmocka_unit_test(end_of_the_lease_comes_before_everything_else),
        cmocka_unit_test(broken_connection_does_not_put_the_end_of_the_lease_off),
        cmocka_unit_test(refusal_ends_the_session),
        cmocka_unit_test(granted_lease_replaces_the_one_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
