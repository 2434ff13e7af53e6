/* test_timed.c - elements that expire, and elements that are to be had later, through nodes and a broker.
 *   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include "runtime/sched.h"
#include "runtime/sim.h"

#include <stdio.h>
#include <string.h>

#define WAY_MAX (500 * RN_US)
#define LATE    (2 * RN_MS + 2 * WAY_MAX) /* no element is received so long after its time */
#define TTL     (500 * RN_MS)

static rn_chan *with_ttl(rn_node *node, enum rn_dir dir, int64_t capacity, int64_t ttl_ns)
{
    return bound(node, "queue", dir, &(rn_bind_opts){ .capacity = capacity, .ttl_ns = ttl_ns });
}

/* Waits until that many have expired at the home. */
static struct wire_channel_info expired(rn_node *by, uint64_t n)
{
    struct wire_channel_info info = channel_info(by, "queue");
    while (info.expired < n) {
        rn_sleep(rn_after(RN_MS));
        info = channel_info(by, "queue");
    }
    check(info.expired == n);
    check(info.accepted == info.taken + info.buffered + info.delivered + info.delayed +
                               info.expired + info.dropped_cancelled + info.dead);
    return info;
}

static int what_nobody_receives_in_time_is_gone(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = with_ttl(a, RN_OUT, 4, TTL);
    for (int i = 0; i < 4; i++)
        check_rc(send_thing(out, SOON), 0);
    check_rc(rn_flush(out, SOON), 0);
    int64_t begun = rn_now();
    check_rc(send_thing(out, SOON), 0); /* as soon as a slot is free */
    check(rn_now() - begun >= TTL - LATE && rn_now() - begun <= TTL + LATE);
    expired(b, 4);
    rn_chan *in = with_ttl(b, RN_IN, 0, 0);
    check(receive_thing(in, SOON) == 5);
    check_rc(receive_thing(in, rn_after(TTL)), RN_ETIMEDOUT);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

/* It lies in the receiver's process already. */
static int what_was_sent_ahead_expires_too(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = with_ttl(a, RN_OUT, 4, TTL), *in = with_ttl(b, RN_IN, 0, 0);
    for (int i = 0; i < 4; i++)
        check_rc(send_thing(out, SOON), 0);
    while (rn_chan_len(in) < 4)
        rn_sleep(rn_after(RN_MS));
    check(receive_thing(in, SOON) == 1);
    check_rc(send_thing(out, SOON), 0);
    int64_t begun = rn_now();
    check_rc(send_thing(out, SOON), 0); /* a sender goes on although nobody receives */
    check(rn_now() - begun <= TTL + LATE);
    rn_sleep(rn_after(TTL / 2));
    check(expired(a, 4).taken == 1);
    check(receive_thing(in, SOON) == 6);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

/* The link is cut when the elements are on their way: after that they come, and are too old. */
static int what_was_long_on_its_way_has_not_more_time(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = with_ttl(a, RN_OUT, 8, TTL), *in = with_ttl(b, RN_IN, 0, 0);
    check_rc(send_thing(out, SOON), 0);
    check(receive_thing(in, SOON) == 1);
    memnet_partition(net, "broker", "b", true, true);
    for (int i = 0; i < 4; i++)
        check_rc(send_thing(out, SOON), 0);
    check_rc(rn_flush(out, SOON), 0);
    int64_t accepted = rn_now();
    rn_sleep(rn_after((int64_t)(50 * RN_MS * (int64_t)(round_now + 1))));
    memnet_partition(net, "broker", "b", false, true);
    int rc;
    while ((rc = receive_thing(in, rn_after(LEASE / 2))) > 0)
        check(rn_now() - accepted <= TTL + LATE);
    check_rc(rc, RN_ETIMEDOUT);
    check(expired(a, channel_info(a, "queue").expired).delivered == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int a_jump_of_the_clock_is_time_that_has_passed(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = with_ttl(a, RN_OUT, 4, TTL), *in = with_ttl(b, RN_IN, 0, 0);
    check_rc(send_thing(out, SOON), 0);
    while (rn_chan_len(in) < 1)
        rn_sleep(rn_after(RN_MS));
    rn__sim_suspend(TTL + LATE);
    check_rc(receive_thing(in, rn_after(TTL)), RN_ETIMEDOUT);
    check(expired(a, 1).delivered == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int a_receiver_that_waits_gets_what_comes_after_what_expired(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = with_ttl(a, RN_OUT, 4, TTL), *in = with_ttl(b, RN_IN, 0, 0);
    for (int i = 0; i < 3; i++)
        check_rc(send_thing(out, SOON), 0);
    while (rn_chan_len(in) < 3)
        rn_sleep(rn_after(RN_MS));
    rn_sleep(rn_after(TTL + LATE));
    check_rc(receive_thing(in, rn_after(10 * RN_MS)), RN_ETIMEDOUT);
    check_rc(send_thing(out, SOON), 0);
    check(receive_thing(in, SOON) == 4);
    rn_chan_close(out);
    check_rc(receive_thing(in, SOON), RN_ECLOSED);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int what_a_bind_may_state(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a");
    rn_chan *out = with_ttl(a, RN_OUT, 4, 1500 * RN_US),
            *c = rn_chan_new(sizeof(struct thing), 0, NULL);
    char why[200];
    check(channel_info(a, "queue").attributes.ttl_ms == 2);
    check_rc(rn_bind(a, "queue", RN_IN, c, &thing_codec, &(rn_bind_opts){ .ttl_ns = RN_SEC }, SOON),
             RN_EMISMATCH);
    rn_node_last_error(a, why, sizeof why);
    check(strcmp(why, "channel 'queue': ttl_ms is 2, not 1000") == 0);
    check_rc(
        rn_bind(a, "queue", RN_IN, c, &thing_codec, &(rn_bind_opts){ .ttl_ns = RN_FOREVER }, SOON),
        RN_EMISMATCH);
    check_rc(rn_bind(a, "queue", RN_IN, c, &thing_codec, &(rn_bind_opts){ .ttl_ns = -1 }, SOON),
             -EINVAL);
    check_rc(rn_bind(a, "other", RN_OUT, c, &thing_codec,
                     &(rn_bind_opts){ .capacity = RN_RENDEZVOUS, .ttl_ns = RN_SEC }, SOON),
             -EINVAL);
    rn_node_last_error(a, why, sizeof why);
    check(strstr(why, "a rendezvous holds nothing that could expire") != NULL);
    /* Who was compiled before there was a ttl_ns. */
    check_rc(rn_bind_v(a, "queue", RN_IN, c, &thing_codec, sizeof thing_codec,
                       &(rn_bind_opts){ .ttl_ns = RN_SEC }, offsetof(rn_bind_opts, ttl_ns), SOON),
             0);
    rn_chan_unref(out);
    rn_chan_unref(c);
    node_close(a);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fact facts[] = {
        { "what_nobody_receives_in_time_is_gone", what_nobody_receives_in_time_is_gone, 1, 20 },
        { "what_was_sent_ahead_expires_too", what_was_sent_ahead_expires_too, 1, 20 },
        { "what_was_long_on_its_way_has_not_more_time", what_was_long_on_its_way_has_not_more_time,
          20, 5 },
        { "a_jump_of_the_clock_is_time_that_has_passed",
          a_jump_of_the_clock_is_time_that_has_passed, 1, 20 },
        { "a_receiver_that_waits_gets_what_comes_after_what_expired",
          a_receiver_that_waits_gets_what_comes_after_what_expired, 1, 20 },
        { "what_a_bind_may_state", what_a_bind_may_state, 1, 1 },
    };
    return facts_main(argc, argv, facts, sizeof facts / sizeof *facts);
}
