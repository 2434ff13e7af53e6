/* test_idle.c - a session at rest or at leisure: how little is said in it, and that it is there at once when it is wanted.
 *   SPDX-License-Identifier: MIT */
#include "proto/limits.h"
#include "tests/node/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#define LONG_LEASE (10 * RN_SEC)
#define DELAY      (5 * RN_MS)

static rn_node *idler(const char *name)
{
    rn_node *node = NULL;
    rn_node_opts opts = { .name = name, .lease_ns = LONG_LEASE };
    check_rc(rn__node_open_on(&node, &opts, memnet_endpoint(net, name), "mem://broker", SOON), 0);
    return node;
}

/* However long nothing was said: the deadline passes while the verdict is under way, and the link is up. */
static int a_link_that_has_rested_is_not_down(void *arg)
{
    (void)arg;
    cluster_open(DELAY, DELAY);
    rn_node *node = idler("a");
    rn_chan *out = bound(node, "rested", RN_OUT, &(rn_bind_opts){ .confirm = true });
    check_rc(send_thing(out, SOON), 0); /* now there is credit */
    for (int i = 0; i < 40; i++) {
        rn_sleep(rn_after(i * 100 * RN_MS));
        check_rc(send_thing(out, rn_after(DELAY)), 0);
    }
    rn_chan_unref(out);
    node_close(node);
    cluster_close();
    return 0;
}

static int a_flush_of_what_left_at_leisure_takes_a_round_trip(void *arg)
{
    (void)arg;
    cluster_open(DELAY, DELAY);
    rn_node *node = idler("a");
    rn_chan *out = bound(node, "flushed", RN_OUT, NULL);
    for (int i = 0; i < 10; i++) {
        check_rc(send_thing(out, SOON), 0);
        rn_sleep(rn_after(3 * DELAY)); /* it has come, and nobody has said so */
        if (i == 0)
            continue; /* a first one waits for credit */
        check(rn_chan_unsent(out) > 0);
        rn_time began = rn_now();
        check_rc(rn_flush(out, SOON), 0);
        check(rn_now() - began < 3 * DELAY);
    }
    rn_time began = rn_now();
    rn_chan_unref(out);
    node_close(node);
    check(rn_now() - began < 10 * DELAY);
    cluster_close();
    return 0;
}

/* Nothing is waited for, so nobody is asked: what the broker would say to a sign of life of one at rest comes late. */
static int a_node_that_waits_for_nothing_closes_at_once(void *arg)
{
    (void)arg;
    cluster_open(DELAY, DELAY);
    rn_node *node = idler("a");
    rn_chan *out = bound(node, "gone", RN_OUT, NULL);
    check_rc(send_thing(out, SOON), 0);
    check_rc(rn_unbind(out, SOON), 0);
    rn_chan_unref(out);
    rn_sleep(rn_after(LONG_LEASE / WIRE_REST_PART + 2 * WIRE_LEISURE_MS * RN_MS));
    rn_time began = rn_now();
    node_close(node);
    check(rn_now() - began < DELAY);
    cluster_close();
    return 0;
}

static int what_nobody_waits_for_is_confirmed_all_the_same(void *arg)
{
    (void)arg;
    cluster_open(DELAY, DELAY);
    rn_node *node = idler("a");
    rn_chan *out = bound(node, "left", RN_OUT, NULL);
    for (int i = 0; i < 10; i++) {
        check_rc(send_thing(out, SOON), 0);
        rn_sleep(rn_after(WIRE_LEISURE_MS * RN_MS + 3 * DELAY));
        check(rn_chan_unsent(out) == 0);
    }
    rn_chan_unref(out);
    node_close(node);
    cluster_close();
    return 0;
}

#define PINGS 100

static void answer(void *arg)
{
    rn_chan *const *chans = *(rn_chan *const **)arg;
    for (int i = 0; i < PINGS; i++) {
        check(receive_thing(chans[0], SOON) > 0);
        check_rc(send_thing(chans[1], SOON), 0);
    }
}

/* Two for each element there and back, and what is said of those that were taken. */
static int a_ping_and_its_answer_take_few_frames(void *arg)
{
    struct memnet_stats before, after;
    (void)arg;
    cluster_open(DELAY, DELAY);
    rn_node *a = idler("a"), *b = idler("b");
    rn_chan *there[] = { bound(b, "ping", RN_IN, NULL), bound(b, "pong", RN_OUT, NULL) };
    rn_chan *here[] = { bound(a, "ping", RN_OUT, NULL), bound(a, "pong", RN_IN, NULL) };
    rn_chan **chans = there;
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, answer, &chans, sizeof chans), 0);
    for (int i = 0; i < PINGS; i++) {
        if (i == PINGS / 10)
            memnet_stats(net, &before);
        check_rc(send_thing(here[0], SOON), 0);
        check(receive_thing(here[1], SOON) > 0);
        rn_sleep(rn_after(4 * DELAY));
    }
    memnet_stats(net, &after);
    check(after.sent - before.sent <= (PINGS - PINGS / 10) * UINT64_C(13) / 2);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    for (int i = 0; i < 2; i++) {
        rn_chan_unref(there[i]);
        rn_chan_unref(here[i]);
    }
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "a_link_that_has_rested_is_not_down", a_link_that_has_rested_is_not_down, 1, 1 },
        { "a_flush_of_what_left_at_leisure_takes_a_round_trip",
          a_flush_of_what_left_at_leisure_takes_a_round_trip, 1, 4 },
        { "a_node_that_waits_for_nothing_closes_at_once",
          a_node_that_waits_for_nothing_closes_at_once, 1, 8 },
        { "what_nobody_waits_for_is_confirmed_all_the_same",
          what_nobody_waits_for_is_confirmed_all_the_same, 1, 4 },
        { "a_ping_and_its_answer_take_few_frames", a_ping_and_its_answer_take_few_frames, 1, 4 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
