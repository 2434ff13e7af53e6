/* test_autoclose.c - a channel that closes when its senders have gone, and fails when one has died.
 *   SPDX-License-Identifier: MIT */
#include "proto/limits.h"
#include "tests/node/cluster.h"

#include <string.h>

#define SEEDS 40

static const rn_bind_opts closing = { .capacity = 40, .autoclose = true };

static rn_node *r; /* who receives */
static rn_chan *in;

static void begin(const char *name)
{
    cluster_open(20 * RN_US, 500 * RN_US);
    r = node_open("r");
    in = bound(r, name, RN_IN, NULL);
}

static void finish(void)
{
    check_rc(rn_unbind(in, SOON), 0); /* a channel that failed is unbound as any other */
    rn_chan_unref(in);
    node_close(r);
    cluster_close();
}

static void send_some(rn_chan *out, int n)
{
    for (int i = 0; i < n; i++)
        check_rc(send_thing(out, SOON), 0);
}

static void unbind(rn_chan *out)
{
    check_rc(rn_unbind(out, SOON), 0);
    rn_chan_unref(out);
}

/* All n that were sent come, and then how it ended. */
static void receive_all(int n, int reason)
{
    for (int i = 0; i < n; i++)
        check(receive_thing(in, SOON) > 0);
    check_rc(receive_thing(in, SOON), RN_ECLOSED);
    check_rc(rn_chan_err(in), reason);
}

static void stays_open(void)
{
    check_rc(receive_thing(in, rn_after(3 * LEASE)), RN_ETIMEDOUT);
    check_rc(rn_chan_err(in), 0);
}

/* ---- in order ---- */

static int receivers_end_when_the_last_sender_has_gone(void *arg)
{
    (void)arg;
    begin("x");
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *first = bound(a, "x", RN_OUT, &closing), *second = bound(b, "x", RN_OUT, &closing);
    send_some(first, 5);
    send_some(second, 5);
    unbind(first);
    check(receive_thing(in, SOON) > 0);
    if (round_now == 0)
        unbind(second);
    node_close(b); /* which unbinds, too */
    receive_all(9, 0);
    if (round_now == 1)
        rn_chan_unref(second);
    node_close(a);
    finish();
    return 0;
}

static int it_waits_for_as_many_as_were_stated(void *arg)
{
    (void)arg;
    begin("x");
    rn_node *a = node_open("a");
    rn_bind_opts three = closing;
    three.senders_min = 3;
    for (int i = 0; i < 3; i++) {
        rn_chan *out = bound(a, "x", RN_OUT, i == 1 ? &three : &closing);
        rn_chan *other = i == 0 ? bound(a, "x", RN_OUT, &three) : NULL;
        send_some(out, 1);
        if (i == 0)
            rn_chan_unref(other); /* which does not unbind it */
        unbind(out);
        if (i == 2)
            break;
        check(receive_thing(in, SOON) > 0);
        stays_open();
    }
    check(receive_thing(in, SOON) > 0);
    stays_open();  /* one is bound still */
    node_close(a); /* this was the fourth */
    receive_all(0, 0);
    finish();
    return 0;
}

/* ---- deaths ---- */

enum death { CRASH, KILLED, STOPPED, DEATHS };

static void die(enum death death, const char *name, rn_node **node)
{
    if (death == CRASH) {
        rn__node_crash(*node);
        *node = NULL;
    } else if (death == KILLED) {
        memnet_kill(net, name);
    } else {
        memnet_freeze(net, name, true);
    }
}

static void bury(enum death death, const char *name, rn_node *node)
{
    if (death == STOPPED)
        memnet_freeze(net, name, false);
    if (node != NULL)
        (void)rn_node_close(node, SOON, NULL);
}

/* One dies, the other goes in order, before it or after it. */
static int dead_sender_fails_it_after_its_lease_and_the_last_element(void *arg)
{
    (void)arg;
    enum death death = (enum death)(round_now / 2);
    bool dies_first = round_now % 2 == 0;
    begin("x");
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *dead = bound(a, "x", RN_OUT, &closing), *other = bound(b, "x", RN_OUT, &closing);
    send_some(dead, 5);
    send_some(other, 5);
    check_rc(rn_flush(dead, SOON), 0);
    if (!dies_first)
        unbind(other);
    die(death, "a", &a);
    rn_time died_at = rn_now();
    if (dies_first) {
        check(receive_thing(in, SOON) > 0);
        rn_sleep(rn_after(2 * LEASE)); /* nine more are there, and the other sender */
        check_rc(rn_chan_err(in), 0);
        unbind(other);
        receive_all(9, RN_ESESSION);
    } else {
        receive_all(10, RN_ESESSION);
        check(rn_now() - died_at > LEASE / 2);
        check(rn_now() - died_at < 2 * LEASE);
    }
    bury(death, "a", a);
    rn_chan_unref(dead);
    node_close(b);
    finish();
    return 0;
}

static int only_sender_dead_fails_it(void *arg)
{
    (void)arg;
    begin("x");
    rn_node *a = node_open("a");
    rn_bind_opts opts = closing;
    opts.senders_min = (uint32_t)round_now; /* 0 and 1 are the same */
    rn_chan *dead = bound(a, "x", RN_OUT, &opts);
    send_some(dead, 3);
    check_rc(rn_flush(dead, SOON), 0);
    die(CRASH, "a", &a);
    receive_all(3, RN_ESESSION);
    rn_chan_unref(dead);
    finish();
    return 0;
}

/* Its process lives and goes on under its next session. */
static int sender_that_lost_its_session_goes_on_under_the_next(void *arg)
{
    (void)arg;
    begin("x");
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_bind_opts two = closing;
    two.senders_min = 2;
    rn_chan *out = bound(a, "x", RN_OUT, &two), *other = bound(b, "x", RN_OUT, &two);
    send_some(out, 1);
    check_rc(rn_flush(out, SOON), 0);
    unbind(other);
    cable("a", true);
    rn_sleep(rn_after(3 * LEASE));
    cable("a", false);
    check_rc(send_thing(out, SOON), RN_ESESSION);
    rn_chan_unref(out);
    check(receive_thing(in, SOON) > 0);
    stays_open(); /* one has gone in order, two must */
    out = bound(a, "x", RN_OUT, &two);
    send_some(out, 1);
    unbind(out);
    receive_all(1, RN_ESESSION);
    node_close(a);
    node_close(b);
    finish();
    return 0;
}

/* rn_node_close gives up on elements that were sent, because the link takes no more: that is no end in order. */
static int close_that_leaves_elements_behind_fails_it(void *arg)
{
    (void)arg;
    begin("x");
    rn_node *a = node_open("a");
    rn_chan *out = bound(a, "x", RN_OUT, &closing);
    send_some(out, 1);
    check_rc(rn_flush(out, SOON), 0);
    memnet_partition(net, "broker", "a", true, false);
    int sent = 1;
    while (sent <= WIRE_WINDOW_FRAMES + 1 && send_thing(out, RN_NOWAIT) == 0) {
        sent++;
        rn_sleep(rn_after(RN_MS)); /* a frame for each */
    }
    check(sent > WIRE_WINDOW_FRAMES + 1);
    uint64_t unsent = 0;
    check_rc(rn_node_close(a, rn_after(10 * RN_MS), &unsent), RN_ETIMEDOUT);
    check(unsent > 0);
    rn_time closed_at = rn_now();
    memnet_partition(net, "broker", "a", false, false);
    int got = 0, rc;
    while ((rc = receive_thing(in, SOON)) > 0)
        got++;
    check(rn_now() - closed_at < LEASE / 2); /* it has said goodbye */
    check_rc(rc, RN_ECLOSED);
    check_rc(rn_chan_err(in), RN_ESESSION);
    check(got == WIRE_WINDOW_FRAMES + 1);
    rn_chan_unref(out);
    finish();
    return 0;
}

/* ---- who does not count ---- */

/* The home's answer to a bind is late, and who asked for it leaves; then its node may be closed, too. */
static int abandoned_bind_does_not_count(void *arg)
{
    (void)arg;
    bool by_close = round_now == 1;
    begin("x");
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = bound(a, "x", RN_OUT, &closing);
    rn_chan *c = rn_chan_new(sizeof(struct thing), 0, NULL);
    rn_bind_opts many = closing;
    many.senders_min = 7;
    memnet_partition(net, "broker", "b", true, false);
    check_rc(rn_bind(b, "x", RN_OUT, c, &thing_codec, &many, rn_after(20 * RN_MS)), RN_ETIMEDOUT);
    check(channel_info(r, "x").senders == 2);
    if (by_close)
        (void)rn_node_close(b, rn_after(20 * RN_MS), NULL);
    memnet_partition(net, "broker", "b", false, false);
    while (channel_info(r, "x").senders > 1)
        rn_sleep(rn_after(RN_MS));
    stays_open();
    send_some(out, 1);
    unbind(out);
    receive_all(1, 0);
    rn_chan_unref(c);
    if (!by_close)
        node_close(b);
    node_close(a);
    finish();
    return 0;
}

static void send_one(void *arg)
{
    rn_chan *out = *(rn_chan **)arg;
    check_rc(send_thing(out, SOON), RN_ECLOSED);
}

/* A sender that did not ask for it waits, in a channel that is full or a rendezvous. */
static int others_are_closed_as_by_any_close(void *arg)
{
    (void)arg;
    begin("x");
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_bind_opts opts = { .capacity = round_now == 0 ? 1 : RN_RENDEZVOUS, .autoclose = true };
    rn_chan *out = bound(a, "x", RN_OUT, &opts), *other = bound(b, "x", RN_OUT, NULL);
    rn_group *g = rn_group_new();
    int n = round_now == 0 ? 1 : 0;
    send_some(out, n);
    check_rc(rn_group_go(g, send_one, &other, sizeof other), 0);
    rn_sleep(rn_after(10 * RN_MS));
    unbind(out);
    check_rc(rn_group_wait(g, SOON), 0);
    check_rc(rn_chan_err(other), 0);
    receive_all(n, 0);
    rn_group_free(g);
    unbind(other);
    node_close(a);
    node_close(b);
    finish();
    return 0;
}

static int a_death_is_told_to_other_senders(void *arg)
{
    (void)arg;
    begin("x");
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *dead = bound(a, "x", RN_OUT, &closing), *other = bound(b, "x", RN_OUT, NULL);
    die(CRASH, "a", &a);
    receive_all(0, RN_ESESSION);
    rn_sleep(rn_after(RN_MS));
    check_rc(send_thing(other, SOON), RN_ECLOSED); /* its own session lives */
    check_rc(rn_chan_err(other), RN_ESESSION);
    rn_chan_unref(dead);
    unbind(other);
    node_close(b);
    finish();
    return 0;
}

static int senders_min_needs_autoclose(void *arg)
{
    (void)arg;
    begin("x");
    rn_chan *c = rn_chan_new(sizeof(struct thing), 0, NULL);
    rn_bind_opts opts = { .senders_min = 2 };
    char why[200];
    check_rc(rn_bind(r, "x", RN_OUT, c, &thing_codec, &opts, SOON), -EINVAL);
    rn_node_last_error(r, why, sizeof why);
    check(strstr(why, "senders_min") != NULL);
    rn_chan_unref(c);
    finish();
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "receivers_end_when_the_last_sender_has_gone",
          receivers_end_when_the_last_sender_has_gone, 2, SEEDS },
        { "it_waits_for_as_many_as_were_stated", it_waits_for_as_many_as_were_stated, 1, SEEDS },
        { "dead_sender_fails_it_after_its_lease_and_the_last_element",
          dead_sender_fails_it_after_its_lease_and_the_last_element, 2 * DEATHS, SEEDS },
        { "only_sender_dead_fails_it", only_sender_dead_fails_it, 2, SEEDS },
        { "sender_that_lost_its_session_goes_on_under_the_next",
          sender_that_lost_its_session_goes_on_under_the_next, 1, SEEDS },
        { "close_that_leaves_elements_behind_fails_it", close_that_leaves_elements_behind_fails_it,
          1, SEEDS },
        { "abandoned_bind_does_not_count", abandoned_bind_does_not_count, 2, SEEDS },
        { "others_are_closed_as_by_any_close", others_are_closed_as_by_any_close, 2, SEEDS },
        { "a_death_is_told_to_other_senders", a_death_is_told_to_other_senders, 1, SEEDS },
        { "senders_min_needs_autoclose", senders_min_needs_autoclose, 1, 1 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
