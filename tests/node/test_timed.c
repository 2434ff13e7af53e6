/* test_timed.c - elements that expire, and elements that are to be had later, through nodes and a broker.
 *   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include "runtime/sched.h"
#include "runtime/sim.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* ---- element by element ---- */

static int send_timed(rn_chan *c, int64_t delay_ns, int64_t ttl_ns)
{
    struct thing t = thing_new(8);
    return rn_send_with(c, &t, &(rn_send_opts){ .delay_ns = delay_ns, .ttl_ns = ttl_ns }, SOON);
}

static int elements_of_a_channel_live_each_its_own_time(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = with_ttl(a, RN_OUT, 16, TTL);
    check_rc(send_timed(out, 0, TTL / 4), 0);
    check_rc(send_timed(out, 0, TTL / 4), 0);
    check_rc(send_timed(out, 0, RN_FOREVER), 0); /* for as long as its channel allows */
    check_rc(send_timed(out, 0, 2 * TTL), 0);
    check_rc(send_thing(out, SOON), 0);
    rn_sleep(rn_after(TTL / 4 + LATE));
    expired(b, 2);
    rn_sleep(rn_after(TTL / 2 - LATE));
    expired(b, 2);
    rn_sleep(rn_after(TTL / 4 + LATE));
    expired(b, 5);
    rn_chan_unref(out);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

/* One after the other they lie in the prefetch of who waits for none of them, and go from the middle of it. */
static int a_prefetch_loses_what_is_too_old_wherever_it_lies(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = with_ttl(a, RN_OUT, 16, 0), *in = with_ttl(b, RN_IN, 0, 0);
    for (int i = 0; i < 9; i++)
        check_rc(send_timed(out, 0, i % 3 == 1 ? TTL : i % 3 == 2 ? 3 * TTL : 0), 0);
    while (rn_chan_len(in) < 9)
        rn_sleep(rn_after(RN_MS));
    rn_sleep(rn_after(TTL + LATE));
    check(rn_chan_len(in) == 6);
    check(receive_thing(in, SOON) == 1);
    check(receive_thing(in, SOON) == 3);
    rn_sleep(rn_after(2 * TTL + LATE));
    check(receive_thing(in, SOON) == 4);
    check(receive_thing(in, SOON) == 7);
    check_rc(receive_thing(in, rn_after(RN_MS)), RN_ETIMEDOUT);
    check(expired(a, 5).taken == 4);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int what_is_delayed_comes_in_its_time_and_is_accepted_at_once(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = bound(a, "queue", RN_OUT, &(rn_bind_opts){ .capacity = 4, .confirm = true }),
            *in = with_ttl(b, RN_IN, 0, 0);
    int64_t begun = rn_now();
    check_rc(send_timed(out, TTL, 0), 0);
    check_rc(send_timed(out, TTL / 2, 0), 0);
    check_rc(send_timed(out, 0, 0), 0);
    check(rn_now() - begun < 10 * WAY_MAX);
    check(receive_thing(in, SOON) == 3);
    check(channel_info(a, "queue").delayed == 2);
    check(receive_thing(in, SOON) == 2);
    check(rn_now() - begun >= TTL / 2 && rn_now() - begun < TTL / 2 + 10 * WAY_MAX);
    check(receive_thing(in, SOON) == 1);
    check(rn_now() - begun >= TTL && rn_now() - begun < TTL + 10 * WAY_MAX);
    for (int i = 0; i < 4; i++)
        check_rc(send_timed(out, TTL, 0), 0);
    check_rc(send_thing(out, rn_after(TTL / 2)), RN_ETIMEDOUT); /* they hold their slots */
    rn_chan_close(out);                                         /* now they are to be had */
    for (int i = 4; i < 8; i++)
        check(receive_thing(in, SOON) == i);
    check_rc(receive_thing(in, SOON), RN_ECLOSED);
    check(rn_now() - begun < 2 * TTL);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int what_is_delayed_outlives_its_sender(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = with_ttl(a, RN_OUT, 4, 0), *in = with_ttl(b, RN_IN, 0, 0);
    check_rc(send_timed(out, 5 * LEASE, 0), 0);
    check_rc(rn_flush(out, SOON), 0);
    rn__node_crash(a);
    rn_chan_unref(out);
    check_rc(receive_thing(in, rn_after(4 * LEASE)), RN_ETIMEDOUT);
    check(receive_thing(in, SOON) == 1);
    rn_chan_unref(in);
    node_close(b);
    cluster_close();
    return 0;
}

static int64_t wall_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * RN_SEC + t.tv_nsec;
}

/* The wall clock is the real one, and in an hour of it there is no virtual time here. */
static int what_is_to_be_had_at_a_time_waits_for_it(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = with_ttl(a, RN_OUT, 4, 0), *in = with_ttl(b, RN_IN, 0, 0);
    struct thing t = thing_new(8), past = thing_new(8);
    int64_t begun = rn_now(), hour = 3600 * RN_SEC;
    check_rc(rn_send_with(out, &t, &(rn_send_opts){ .at = wall_clock() + hour }, SOON), 0);
    check_rc(rn_send_with(out, &past, &(rn_send_opts){ .at = wall_clock() - hour }, SOON), 0);
    check(receive_thing(in, SOON) == (int)past.id);
    check(receive_thing(in, RN_FOREVER) == (int)t.id);
    check(rn_now() - begun > hour - 60 * RN_SEC && rn_now() - begun < hour + RN_SEC);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static void refused(rn_chan *c, const rn_send_opts *opts)
{
    struct thing t = thing_new(8);
    check_rc(rn_send_with(c, &t, opts, SOON), -EINVAL);
    check(thing_fate(t.id)->handed_over == 0);
}

static int times_that_make_no_sense_are_refused(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, WAY_MAX);
    rn_node *a = node_open("a");
    rn_chan *out = with_ttl(a, RN_OUT, 4, 0);
    rn_chan *meets = bound(a, "meets", RN_OUT, &(rn_bind_opts){ .capacity = RN_RENDEZVOUS });
    refused(out, &(rn_send_opts){ .ttl_ns = -1 });
    refused(out, &(rn_send_opts){ .delay_ns = -1 });
    refused(out, &(rn_send_opts){ .at = -1 });
    refused(out, &(rn_send_opts){ .delay_ns = 1, .at = 1 });
    refused(meets, &(rn_send_opts){ .ttl_ns = RN_SEC });
    refused(meets, &(rn_send_opts){ .delay_ns = RN_SEC });
    struct thing t = thing_new(8);
    check_rc(rn_send_with(meets, &t, &(rn_send_opts){ .ttl_ns = RN_FOREVER }, RN_NOWAIT),
             RN_ETIMEDOUT);
    check(channel_info(a, "queue").accepted == 0);
    rn_chan_unref(out);
    rn_chan_unref(meets);
    node_close(a);
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
        { "elements_of_a_channel_live_each_its_own_time",
          elements_of_a_channel_live_each_its_own_time, 1, 20 },
        { "a_prefetch_loses_what_is_too_old_wherever_it_lies",
          a_prefetch_loses_what_is_too_old_wherever_it_lies, 1, 20 },
        { "what_is_delayed_comes_in_its_time_and_is_accepted_at_once",
          what_is_delayed_comes_in_its_time_and_is_accepted_at_once, 1, 20 },
        { "what_is_delayed_outlives_its_sender", what_is_delayed_outlives_its_sender, 1, 20 },
        { "what_is_to_be_had_at_a_time_waits_for_it", what_is_to_be_had_at_a_time_waits_for_it, 1,
          5 },
        { "times_that_make_no_sense_are_refused", times_that_make_no_sense_are_refused, 1, 1 },
        { "what_a_bind_may_state", what_a_bind_may_state, 1, 1 },
    };
    return facts_main(argc, argv, facts, sizeof facts / sizeof *facts);
}
