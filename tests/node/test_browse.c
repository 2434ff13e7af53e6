/* test_browse.c - looking into channels, purging and removing them, as nodes live through it.   SPDX-License-Identifier: MIT */
#include "proto/limits.h"
#include "tests/node/cluster.h"

#include <errno.h>
#include <string.h>

#define SEEDS 6

static rn_node *s, *r, *asks;
static rn_chan *out, *in;

static void begin(int64_t capacity)
{
    const rn_bind_opts opts = { .capacity = capacity };

    cluster_open(20 * RN_US, 500 * RN_US);
    s = node_open("s");
    r = node_open("r");
    asks = node_open("asks");
    out = bound(s, "x", RN_OUT, &opts);
    in = bound(r, "x", RN_IN, NULL);
}

static void finish(void)
{
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(s);
    node_close(r);
    node_close(asks);
    cluster_close();
}

/* ---- asking ------------------------------------------------------------------------------------------------------------ */

struct told {
    int answers;
    uint32_t elements;
    uint64_t first, last; /* positions */
    uint64_t dropped, skipped;
    uint32_t tap;
};

static void hear(void *arg, const struct wire_control *c)
{
    struct told *t = arg;

    t->answers++;
    t->elements = c->answer.n_elements;
    t->dropped = c->answer.dropped;
    t->skipped = c->answer.skipped;
    t->tap = c->answer.tap;
    for (uint32_t i = 0; i < t->elements; i++)
        t->skipped += c->answer.elements[i].skipped;
    if (t->elements == 0)
        return;
    t->first = c->answer.elements[0].position;
    t->last = c->answer.elements[t->elements - 1].position;
}

static int ask(enum wire_what what, const char *name, bool force, struct told *t)
{
    struct wire_control c = { .what = what, .peek = { .name = name, .force = force } };

    *t = (struct told){ 0 };
    int rc = rn__node_ask(asks, &c, hear, t, SOON);
    check(rc != 0 || t->answers == 1);
    return rc;
}

/* What had come before it is told is received; then the end. */
static void ends_with(rn_chan *c, int end)
{
    int rc = 1;

    while (rc > 0)
        rc = receive_thing(c, SOON);
    check_rc(rc, end);
}

/* The next page of a tap. */
static int ask_tap(uint32_t tap, struct told *t, rn_time deadline)
{
    struct wire_control c = { .what = WIRE_TAP, .peek = { .name = "", .tap = tap } };

    *t = (struct told){ 0 };
    return rn__node_ask(asks, &c, hear, t, deadline);
}

/* ---- facts ------------------------------------------------------------------------------------------------------------- */

/* Somebody peeks all the while. */
static int what_is_peeked_at_is_received_in_order_all_the_same(void *arg)
{
    struct told t;
    int next = 1;

    (void)arg;
    begin(10);
    for (int i = 0; i < 40; i++) {
        for (int k = 0; k < 5; k++)
            check_rc(send_thing(out, SOON), 0);
        check_rc(ask(WIRE_PEEK, "x", false, &t), 0);
        check(t.elements <= 10);
        for (int k = 0; k < 5; k++)
            check(receive_thing(in, SOON) == next++);
    }
    check_rc(rn_unbind(out, SOON), 0);
    check_rc(rn_unbind(in, SOON), 0);
    finish();
    return 0;
}

static int senders_that_wait_go_on_after_a_purge(void *arg)
{
    struct told t;
    struct wire_channel_info info;

    (void)arg;
    begin(3);
    check_rc(rn_unbind(in, SOON), 0);
    for (int i = 0; i < 3; i++)
        check_rc(send_thing(out, SOON), 0);
    check_rc(send_thing(out, rn_after(RN_SEC)), RN_ETIMEDOUT);
    check_rc(ask(WIRE_PURGE, "x", false, &t), 0);
    check(t.dropped == 3);
    check_rc(send_thing(out, SOON), 0);
    check_rc(rn_flush(out, SOON), 0);
    info = channel_info(asks, "x");
    check(info.accepted == 4 && info.buffered == 1 && info.dropped_purged == 3);
    check_rc(rn_unbind(out, SOON), 0);
    finish();
    return 0;
}

/* The session ends while the question is on its way, or its answer: it is not put again under the next one. */
static int what_changes_something_is_asked_once(void *arg)
{
    struct told t;

    (void)arg;
    begin(5);
    check_rc(rn_unbind(in, SOON), 0);
    cable("asks", true); /* it is cut off; the broker does not hear it */
    check_rc(ask(WIRE_PURGE, "x", false, &t), RN_ESESSION);
    cable("asks", false);
    check_rc(send_thing(out, SOON), 0);
    check_rc(rn_flush(out, SOON), 0);
    check_rc(ask(WIRE_PEEK, "x", false, &t), 0); /* under the next session */
    check(t.elements == 1);
    check_rc(rn_unbind(out, SOON), 0);
    finish();
    return 0;
}

static int removal_is_told_as_the_end_of_the_channel(void *arg)
{
    struct told t;
    char why[200];

    (void)arg;
    begin(5);
    for (int i = 0; i < 3; i++)
        check_rc(send_thing(out, SOON), 0);
    check_rc(rn_flush(out, SOON), 0);
    check_rc(ask(WIRE_REMOVE, "x", false, &t), -EBUSY);
    rn__node_why(NULL, why, sizeof why);
    check(strstr(why, "in use, by 1 sender and 1 receiver") != NULL);
    check(receive_thing(in, SOON) == 1);
    check_rc(ask(WIRE_REMOVE, "x", true, &t), 0);
    check(t.dropped == 2 || t.dropped == 3); /* that the first was taken may not be known yet */
    ends_with(in, RN_EHOMELOST);
    while (send_thing(out, RN_NOWAIT) != RN_EHOMELOST)
        rn_yield(); /* until it has heard of it */
    check_rc(rn_chan_err(out), RN_EHOMELOST);
    rn_node_last_error(s, why, sizeof why);
    check(strstr(why, "it was removed") != NULL);
    check(channel_info(asks, "x").incarnation == 0);
    rn_chan *again = bound(s, "x", RN_OUT, &(rn_bind_opts){ .capacity = 99 });
    check_rc(send_thing(again, SOON), 0);
    check_rc(rn_unbind(again, SOON), 0);
    check(channel_info(asks, "x").buffered == 1);
    rn_chan_unref(again);
    rn_unbind(out, SOON); /* gives what is in doubt, if anything is */
    check_rc(rn_unbind(in, SOON), 0);
    finish();
    return 0;
}

static void removes_it(void *arg)
{
    struct told t;

    rn_sleep(rn_after(*(int64_t *)arg));
    check_rc(ask(WIRE_REMOVE, "x", true, &t), 0);
}

/* At any moment: nothing hangs, and the sessions live. */
static int operations_that_wait_end_with_a_removal(void *arg)
{
    const int64_t capacities[] = { 2, RN_RENDEZVOUS };
    int64_t after_ns = (int64_t)(round_now / 2) * 150 * RN_US;
    rn_group *g = rn_group_new();
    int rc = 0;

    (void)arg;
    begin(capacities[round_now % 2]);
    check(rn_group_go(g, removes_it, &after_ns, sizeof after_ns) == 0);
    while (rc == 0) {
        rc = send_thing(out, rn_after(200 * RN_US));
        if (rc == RN_ETIMEDOUT)
            rc = 0;
        if (rc == 0 && round_now % 4 < 2) {
            int got = receive_thing(in, rn_after(200 * RN_US));
            rc = got > 0 || got == RN_ETIMEDOUT ? 0 : got;
        }
    }
    check(rc == RN_EHOMELOST || rc == RN_EUNKNOWN);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    ends_with(in, RN_EHOMELOST);
    (void)rn_unbind(out, SOON);
    check_rc(rn_unbind(in, SOON), 0);
    rn_chan *again = bound(s, "y", RN_OUT, NULL); /* the same session */
    check_rc(send_thing(again, SOON), 0);
    check_rc(rn_unbind(again, SOON), 0);
    rn_chan_unref(again);
    finish();
    return 0;
}

/* One handle in both directions. */
static int handle_of_both_directions_ends_with_its_channel(void *arg)
{
    struct told t;

    (void)arg;
    begin(5);
    rn_chan *both = bound(s, "both", RN_OUT, NULL);
    check_rc(rn_bind(s, "both", RN_IN, both, &thing_codec, NULL, SOON), 0);
    check_rc(send_thing(both, SOON), 0);
    check_rc(ask(WIRE_REMOVE, "both", true, &t), 0);
    ends_with(both, RN_EHOMELOST);
    (void)rn_unbind(both, SOON);
    rn_chan_unref(both);
    check_rc(rn_unbind(out, SOON), 0);
    check_rc(rn_unbind(in, SOON), 0);
    finish();
    return 0;
}

/* Many more than a tap holds pass, and nobody asks for any; then all is told, or told to be skipped. */
static int channel_does_not_wait_for_its_taps(void *arg)
{
    enum { ALL = 10000 };
    struct told t;
    uint64_t shown = 0, skipped = 0;

    (void)arg;
    begin(50);
    check_rc(ask(WIRE_TAP, "x", false, &t), 0);
    uint32_t tap = t.tap;
    for (int i = 0; i < ALL; i++) {
        check_rc(send_thing(out, SOON), 0);
        check(receive_thing(in, SOON) == i + 1);
    }
    while (shown + skipped < ALL) {
        check_rc(ask_tap(tap, &t, SOON), 0);
        shown += t.elements;
        skipped += t.skipped;
    }
    check(shown > 0 && skipped > 0 && shown + skipped == ALL);
    check_rc(ask_tap(tap, &t, rn_after(5 * RN_SEC)), RN_ETIMEDOUT);
    check_rc(ask_tap(tap, &t, rn_after(5 * RN_SEC)), RN_ETIMEDOUT); /* who gave up may ask again */
    check_rc(rn_unbind(out, SOON), 0);
    check_rc(rn_unbind(in, SOON), 0);
    check_rc(ask_tap(tap, &t, rn_after(120 * RN_SEC)), -ENOENT); /* it is forgotten */
    finish();
    return 0;
}

static int tap_ends_with_the_session_of_who_asks(void *arg)
{
    struct told t;

    (void)arg;
    begin(50);
    check_rc(ask(WIRE_TAP, "x", false, &t), 0);
    uint32_t tap = t.tap;
    cable("asks", true);
    check_rc(ask_tap(tap, &t, SOON), RN_ESESSION);
    cable("asks", false);
    check_rc(ask_tap(tap, &t, SOON), -ENOENT); /* under the next session */
    rn_sleep(rn_after(20 * LEASE));
    check(channel_info(asks, "x").n_taps == 0);
    check_rc(ask(WIRE_TAP, "x", false, &t), 0);
    check(channel_info(asks, "x").n_taps == 1);
    check_rc(rn_unbind(out, SOON), 0);
    check_rc(rn_unbind(in, SOON), 0);
    finish();
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "what_is_peeked_at_is_received_in_order_all_the_same",
          what_is_peeked_at_is_received_in_order_all_the_same, 1, SEEDS },
        { "senders_that_wait_go_on_after_a_purge", senders_that_wait_go_on_after_a_purge, 1,
          SEEDS },
        { "what_changes_something_is_asked_once", what_changes_something_is_asked_once, 1, SEEDS },
        { "removal_is_told_as_the_end_of_the_channel", removal_is_told_as_the_end_of_the_channel, 1,
          SEEDS },
        { "operations_that_wait_end_with_a_removal", operations_that_wait_end_with_a_removal, 40,
          SEEDS },
        { "handle_of_both_directions_ends_with_its_channel",
          handle_of_both_directions_ends_with_its_channel, 1, SEEDS },
        { "channel_does_not_wait_for_its_taps", channel_does_not_wait_for_its_taps, 1, 2 },
        { "tap_ends_with_the_session_of_who_asks", tap_ends_with_the_session_of_who_asks, 1,
          SEEDS },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
