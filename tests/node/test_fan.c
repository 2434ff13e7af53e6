/* test_fan.c - fanout as programs see it: everybody gets everything, or is told how much he has lost.
 *   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include <string.h>

#define RECEIVERS 3
#define MANY      300

static const rn_bind_opts blocks = { .kind = RN_FANOUT, .capacity = 8 },
                          drops = { .slow = RN_SLOW_DROP_OLDEST, .capacity = 8 },
                          cuts = { .slow = RN_SLOW_CUT, .capacity = 8 };

struct listener {
    rn_chan *chan;
    int pause_us;
    int n, rc; /* what it got, and what ended it */
    uint32_t got[4 * MANY];
};

static void listen_on(void *arg)
{
    struct listener *l = *(struct listener **)arg;
    for (;;) {
        int id = receive_thing(l->chan, SOON);
        if (id < 0) {
            l->rc = id;
            return;
        }
        l->got[l->n++] = (uint32_t)id;
        if (l->pause_us > 0)
            rn_sleep(rn_after(l->pause_us * RN_US));
    }
}

static void listens(rn_group *g, struct listener *l)
{
    check_rc(rn_group_go(g, listen_on, &l, sizeof l), 0);
}

static void send_many(void *arg)
{
    rn_chan *out = *(rn_chan **)arg;
    for (int i = 0; i < MANY; i++)
        check_rc(send_thing(out, SOON), 0);
}

/* They only grew: with a single sender that is the order of sending. */
static void check_grows(const struct listener *l)
{
    for (int i = 1; i < l->n; i++)
        check(l->got[i] > l->got[i - 1]);
}

static void drop_chans(rn_chan **chans, int n)
{
    for (int i = 0; i < n; i++)
        rn_chan_unref(chans[i]);
}

static int every_receiver_gets_every_element_in_the_one_order(void *arg)
{
    (void)arg;
    static struct listener l[RECEIVERS];
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_group *listeners = rn_group_new(), *senders = rn_group_new();
    rn_chan *out[2];
    memset(l, 0, sizeof l);
    for (int i = 0; i < RECEIVERS; i++) {
        l[i].chan = bound(i == 0 ? a : b, "news", RN_IN, &blocks);
        l[i].pause_us = i * 100;
        listens(listeners, &l[i]);
    }
    for (int i = 0; i < 2; i++) {
        out[i] = bound(i == 0 ? a : b, "news", RN_OUT, NULL);
        check_rc(rn_group_go(senders, send_many, &out[i], sizeof out[i]), 0);
    }
    check_rc(rn_group_wait(senders, SOON), 0);
    rn_chan_close(out[0]);
    check_rc(rn_group_wait(listeners, SOON), 0);
    struct wire_channel_info info = channel_info(a, "news");
    check(info.accepted == 2 * MANY && info.copied == 4 * MANY && info.taken == 6 * MANY);
    for (int i = 0; i < RECEIVERS; i++) {
        check_rc(l[i].rc, RN_ECLOSED);
        check(l[i].n == 2 * MANY);
        check(memcmp(l[i].got, l[0].got, sizeof l[0].got) == 0);
        check(rn_chan_lost(l[i].chan) == 0);
        rn_chan_unref(l[i].chan);
    }
    drop_chans(out, 2);
    rn_group_free(listeners);
    rn_group_free(senders);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int a_frozen_receiver_stops_senders_until_its_lease_ends(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *in = bound(a, "news", RN_IN, &blocks), *frozen = bound(b, "news", RN_IN, NULL);
    rn_chan *out = bound(a, "news", RN_OUT, NULL);
    memnet_freeze(net, "b", true);
    for (int i = 1; i <= 8; i++) {
        check_rc(send_thing(out, SOON), 0);
        check(receive_thing(in, SOON) == i);
    }
    check_rc(send_thing(out, rn_after(LEASE / 2)), RN_ETIMEDOUT);
    check_rc(send_thing(out, SOON), 0); /* its window counts as passed */
    check(receive_thing(in, SOON) == 10);
    memnet_freeze(net, "b", false);
    check_rc(receive_thing(frozen, SOON), RN_ESESSION);
    check(channel_info(a, "news").dropped_left == 8);
    rn_chan_unref(in);
    rn_chan_unref(out);
    rn_chan_unref(frozen);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int who_drops_is_not_stopped_and_the_loss_is_counted(void *arg)
{
    (void)arg;
    static struct listener fast, slow;
    bool freezes = round_now == 1;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_group *listeners = rn_group_new();
    fast = (struct listener){ .chan = bound(a, "news", RN_IN,
                                            &(rn_bind_opts){ .slow = RN_SLOW_DROP_OLDEST,
                                                             .capacity = 2 * MANY }) };
    slow = (struct listener){ .chan = bound(b, "news", RN_IN, &(rn_bind_opts){ .prefetch = 5 }) };
    rn_chan *out = bound(a, "news", RN_OUT, NULL);
    listens(listeners, &fast);
    if (freezes) {
        check_rc(send_thing(out, SOON), 0);
        check(receive_thing(slow.chan, SOON) == 1);
        slow.got[slow.n++] = 1;
        memnet_freeze(net, "b", true);
    }
    for (int i = 0; i < 3; i++) {
        send_many(&out);
        rn_sleep(rn_after(50 * RN_MS));
    }
    rn_chan_close(out);
    memnet_freeze(net, "b", false);
    slow.pause_us = 10;
    listens(listeners, &slow);
    check_rc(rn_group_wait(listeners, SOON), 0);
    uint64_t sent = 3 * MANY + freezes;
    check_rc(fast.rc, RN_ECLOSED);
    check_rc(slow.rc, RN_ECLOSED);
    check((uint64_t)fast.n == sent && rn_chan_lost(fast.chan) == 0);
    check_grows(&slow);
    check((uint64_t)slow.n + rn_chan_lost(slow.chan) == sent);
    check(rn_chan_lost(slow.chan) > (freezes ? 0 : sent / 2));
    check(slow.got[slow.n - 1] == sent); /* it is the oldest that were lost */
    struct wire_channel_info info = channel_info(a, "news");
    check(info.dropped_slow == rn_chan_lost(slow.chan));
    check(info.taken == (uint64_t)fast.n + (uint64_t)slow.n);
    rn_chan_unref(out);
    rn_chan_unref(fast.chan);
    rn_chan_unref(slow.chan);
    rn_group_free(listeners);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int who_is_too_slow_is_cut_and_told_so(void *arg)
{
    (void)arg;
    static struct listener fast;
    bool freezes = round_now == 1;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_group *listeners = rn_group_new();
    fast = (struct listener){ .chan = bound(
                                  a, "news", RN_IN,
                                  &(rn_bind_opts){ .slow = RN_SLOW_CUT, .capacity = 2 * MANY }) };
    rn_chan *slow = bound(b, "news", RN_IN, &(rn_bind_opts){ .prefetch = 5 });
    rn_chan *out = bound(a, "news", RN_OUT, NULL);
    listens(listeners, &fast);
    for (int i = 1; i <= 4; i++) {
        check_rc(send_thing(out, SOON), 0);
        check(receive_thing(slow, SOON) == i);
    }
    if (freezes)
        memnet_freeze(net, "b", true);
    for (int i = 0; i < 3; i++) {
        send_many(&out);
        rn_sleep(rn_after(50 * RN_MS));
    }
    memnet_freeze(net, "b", false);
    while (rn_chan_err(slow) == 0)
        rn_sleep(rn_after(RN_MS));
    check_rc(receive_thing(slow, SOON), RN_ESLOW);
    check_rc(rn_chan_err(slow), RN_ESLOW);
    check(rn_chan_lost(slow) > 0);
    rn_chan_close(out);
    check_rc(rn_group_wait(listeners, SOON), 0);
    check(fast.n == 4 + 3 * MANY && rn_chan_lost(fast.chan) == 0);
    struct wire_channel_info info = { .receivers = 2 };
    while (info.receivers == 2)
        info = channel_info(a, "news");
    check(info.dropped_slow == rn_chan_lost(slow));
    check(info.taken == (uint64_t)fast.n + 4);
    check_rc(rn_unbind(slow, SOON), 0);
    rn_chan_unref(out);
    rn_chan_unref(fast.chan);
    rn_chan_unref(slow);
    rn_group_free(listeners);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int who_joins_gets_a_suffix_without_a_gap(void *arg)
{
    (void)arg;
    static struct listener first, late;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_group *listeners = rn_group_new(), *senders = rn_group_new();
    first = (struct listener){ .chan = bound(a, "news", RN_IN, &blocks) };
    rn_chan *out = bound(a, "news", RN_OUT, NULL);
    listens(listeners, &first);
    check_rc(rn_group_go(senders, send_many, &out, sizeof out), 0);
    rn_sleep(rn_after((int64_t)(seed_now % 10) * RN_MS));
    late = (struct listener){ .chan = bound(b, "news", RN_IN, NULL) };
    listens(listeners, &late);
    check_rc(rn_group_wait(senders, SOON), 0);
    check_rc(send_thing(out, SOON), 0);
    rn_chan_close(out);
    check_rc(rn_group_wait(listeners, SOON), 0);
    check(first.n == MANY + 1 && late.n >= 1);
    for (int i = 0; i < late.n; i++)
        check(late.got[i] == (uint32_t)(MANY + 2 - late.n + i));
    rn_chan_unref(out);
    rn_chan_unref(first.chan);
    rn_chan_unref(late.chan);
    rn_group_free(listeners);
    rn_group_free(senders);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int while_nobody_is_there_who_blocks_waits_and_who_drops_does_not(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = bound(a, "news", RN_OUT, &blocks), *lost = bound(a, "noise", RN_OUT, &drops);
    check_rc(send_thing(out, rn_after(LEASE)), RN_ETIMEDOUT);
    rn_chan *in = bound(b, "news", RN_IN, NULL);
    check_rc(send_thing(out, SOON), 0);
    check(receive_thing(in, SOON) == 2);
    for (int i = 0; i < 20; i++)
        check_rc(send_thing(lost, SOON), 0);
    check_rc(rn_flush(lost, SOON), 0);
    check(channel_info(b, "noise").dropped_nobody == 20);
    rn_chan *late = bound(b, "noise", RN_IN, NULL);
    check_rc(send_thing(lost, SOON), 0);
    check(receive_thing(late, SOON) == 23);
    check_rc(rn_unbind(in, SOON), 0);
    rn_chan *chans[] = { out, lost, in, late };
    drop_chans(chans, 4);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int who_cancels_tells_senders_and_other_receivers(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *in = bound(a, "news", RN_IN, &blocks), *other = bound(b, "news", RN_IN, NULL);
    rn_chan *out = bound(b, "news", RN_OUT, NULL);
    for (int i = 1; i <= 4; i++)
        check_rc(send_thing(out, SOON), 0);
    check(receive_thing(in, SOON) == 1);
    rn_chan_fail(in, -5);
    while (send_thing(out, SOON) == 0)
        rn_sleep(rn_after(RN_MS));
    check_rc(send_thing(out, SOON), -5);
    int rc = 1;
    while (rc >= 0)
        rc = receive_thing(other, SOON);
    check_rc(rc, RN_ECLOSED);
    check_rc(rn_chan_err(other), -5);
    rn_chan *chans[] = { in, other, out };
    drop_chans(chans, 3);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int each_acknowledges_by_hand_for_itself(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_bind_opts by_hand = { .kind = RN_FANOUT, .capacity = 8, .manual_ack = true };
    rn_chan *in[2], *out = bound(a, "news", RN_OUT, &blocks);
    rn_msg m[2];
    for (int i = 0; i < 2; i++) {
        in[i] = rn_chan_new(sizeof(rn_msg), 0, NULL);
        check_rc(rn_bind(i == 0 ? a : b, "news", RN_IN, in[i], &rn_codec_msg, &by_hand, SOON), 0);
    }
    check_rc(send_thing(out, SOON), 0);
    for (int i = 0; i < 2; i++)
        check_rc(rn_chan_recv(in[i], &m[i], SOON), 0);
    check_rc(rn_msg_ack(&m[0]), 0);
    check_rc(rn_msg_nack(&m[1], 5 * RN_MS), 0);
    check_rc(rn_chan_recv(in[1], &m[1], SOON), 0);
    check(m[1].deliveries == 2 && m[1].seq == 1);
    check_rc(rn_msg_reject(&m[1], "not for me"), 0);
    rn_chan *dead = bound(b, "news.dead", RN_IN, NULL);
    check(receive_thing(dead, SOON) == 1);
    check_rc(rn_chan_recv(in[0], &m[0], rn_after(LEASE)), RN_ETIMEDOUT);
    struct wire_channel_info info = channel_info(a, "news");
    check(info.taken == 1 && info.dead == 1);
    rn_chan *wrong = rn_chan_new(sizeof(rn_msg), 0, NULL);
    by_hand.slow = RN_SLOW_CUT;
    check_rc(rn_bind(a, "other", RN_IN, wrong, &rn_codec_msg, &by_hand, SOON), -EINVAL);
    rn_chan *chans[] = { in[0], in[1], out, dead, wrong };
    drop_chans(chans, 5);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int headers_come_to_every_receiver(void *arg)
{
    (void)arg;
    static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a");
    rn_chan *in[2], *out = bound(a, "news", RN_OUT, &blocks);
    for (int i = 0; i < 2; i++)
        in[i] = bound(a, "news", RN_IN, NULL);
    struct thing t = thing_new(8);
    check_rc(rn_send_with(out, &t, &(rn_send_opts){ .traceparent = trace }, SOON), 0);
    for (int i = 0; i < 2; i++) {
        char came[RN_TRACE_MAX];
        check(receive_thing(in[i], SOON) == 1);
        check_rc(rn_trace_get(came), 0);
        check(strcmp(came, trace) == 0);
    }
    rn_chan *chans[] = { in[0], in[1], out };
    drop_chans(chans, 3);
    node_close(a);
    cluster_close();
    return 0;
}

static void send_times(rn_chan *out, int n, int64_t delay_ns, int64_t ttl_ns)
{
    for (; n > 0; n--) {
        struct thing t = thing_new(8);
        const rn_send_opts with = { .delay_ns = delay_ns, .ttl_ns = ttl_ns };
        check_rc(rn_send_with(out, &t, &with, SOON), 0);
    }
}

/* Waits until that many have expired, of all windows together. */
static struct wire_channel_info expired(rn_node *by, uint64_t n)
{
    struct wire_channel_info info = channel_info(by, "news");
    while (info.expired < n) {
        rn_sleep(rn_after(RN_MS));
        info = channel_info(by, "news");
    }
    check(info.expired == n);
    check(info.accepted + info.copied == info.taken + info.buffered + info.delivered +
                                             info.delayed + info.expired + info.dropped_slow);
    return info;
}

static int what_one_receiver_was_too_late_for_others_have_had(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    const rn_bind_opts short_lived = { .kind = RN_FANOUT, .capacity = 4, .ttl_ns = LEASE / 4 };
    rn_chan *in = bound(a, "news", RN_IN, &short_lived), *idle = bound(b, "news", RN_IN, NULL);
    rn_chan *out = bound(a, "news", RN_OUT, NULL);
    for (int i = 1; i <= 12;
         i++) { /* the channel has room for 4: the idle one stops nobody for long */
        check_rc(send_thing(out, SOON), 0);
        check(receive_thing(in, SOON) == i);
    }
    check(expired(a, 12).taken == 12);
    check_rc(receive_thing(idle, rn_after(LEASE / 4)), RN_ETIMEDOUT);
    check(rn_chan_lost(idle) == 0);
    rn_chan *chans[] = { in, idle, out };
    drop_chans(chans, 3);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int who_is_there_when_it_is_due_gets_what_was_delayed(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *in = bound(a, "news", RN_IN, &blocks), *goes = bound(b, "news", RN_IN, NULL);
    rn_chan *out = bound(a, "news", RN_OUT, NULL);
    int64_t begun = rn_now();
    send_times(out, 1, LEASE / 4, 0);
    check_rc(rn_flush(out, SOON), 0); /* accepted at once */
    check(rn_now() - begun < LEASE / 8);
    check_rc(rn_unbind(goes, SOON), 0);
    rn_chan *late = bound(b, "news", RN_IN, NULL);
    check_rc(send_thing(out, SOON), 0);
    check(receive_thing(in, SOON) == 2);
    check(receive_thing(late, SOON) == 2);
    check(rn_now() - begun < LEASE / 4);
    check(receive_thing(in, SOON) == 1);
    check(receive_thing(late, SOON) == 1);
    check(rn_now() - begun >= LEASE / 4);
    rn_chan *chans[] = { in, goes, late, out };
    drop_chans(chans, 4);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

/* What is dropped for being slow lies on both sides of what has expired. */
static int what_has_expired_is_not_lost_for_being_slow(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *in = bound(b, "news", RN_IN, round_now == 0 ? &drops : &cuts);
    rn_chan *out = bound(a, "news", RN_OUT, NULL);
    send_times(out, 3, 0, 0);
    send_times(out, 2, 0, LEASE / 4);
    send_times(out, 2, 0, 0);
    expired(a, 2);
    send_times(out, 8, 0, 0);
    while (rn_chan_lost(in) == 0)
        rn_sleep(rn_after(RN_MS));
    while (channel_info(a, "news").dropped_slow < rn_chan_lost(in))
        rn_sleep(rn_after(RN_MS));
    check(expired(a, 2).accepted == 15);
    if (round_now == 0) {
        check(rn_chan_lost(in) == 5);
        for (int i = 8; i <= 15; i++)
            check(receive_thing(in, SOON) == i);
    } else {
        check_rc(receive_thing(in, SOON), RN_ESLOW);
    }
    rn_chan *chans[] = { in, out };
    drop_chans(chans, 2);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int what_goes_on_meanwhile_does_not_matter(void *arg)
{
    (void)arg;
    static struct listener l[2];
    const rn_bind_opts *opts[] = { &blocks, &drops, &cuts };
    cluster_open(100 * RN_US, 2 * RN_MS);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_group *listeners = rn_group_new(), *senders = rn_group_new();
    memset(l, 0, sizeof l);
    for (int i = 0; i < 2; i++) {
        l[i].chan = bound(i == 0 ? a : b, "news", RN_IN, opts[round_now]);
        l[i].pause_us = i * 700;
        listens(listeners, &l[i]);
    }
    rn_chan *out = bound(a, "news", RN_OUT, NULL);
    check_rc(rn_group_go(senders, send_many, &out, sizeof out), 0);
    for (int i = 0; i < 6; i++) { /* links are cut, and heal within the lease */
        cable(i % 2 == 0 ? "b" : "a", true);
        rn_sleep(rn_after(LEASE / 8));
        cable(i % 2 == 0 ? "b" : "a", false);
        rn_sleep(rn_after(LEASE / 8));
    }
    check_rc(rn_group_wait(senders, SOON), 0);
    rn_chan_close(out);
    check_rc(rn_group_wait(listeners, SOON), 0);
    for (int i = 0; i < 2; i++) {
        uint64_t lost = rn_chan_lost(l[i].chan);
        check_grows(&l[i]);
        if (l[i].rc == RN_ESLOW)
            check(round_now == 2 && lost > 0);
        else
            check(l[i].rc == RN_ECLOSED && (uint64_t)l[i].n + lost == MANY);
        check(round_now > 0 || lost == 0);
    }
    rn_chan_unref(out);
    rn_chan_unref(l[0].chan);
    rn_chan_unref(l[1].chan);
    rn_group_free(listeners);
    rn_group_free(senders);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "every_receiver_gets_every_element_in_the_one_order",
          every_receiver_gets_every_element_in_the_one_order, 1, 8 },
        { "a_frozen_receiver_stops_senders_until_its_lease_ends",
          a_frozen_receiver_stops_senders_until_its_lease_ends, 1, 8 },
        { "who_drops_is_not_stopped_and_the_loss_is_counted",
          who_drops_is_not_stopped_and_the_loss_is_counted, 2, 8 },
        { "who_is_too_slow_is_cut_and_told_so", who_is_too_slow_is_cut_and_told_so, 2, 8 },
        { "who_joins_gets_a_suffix_without_a_gap", who_joins_gets_a_suffix_without_a_gap, 1, 10 },
        { "while_nobody_is_there_who_blocks_waits_and_who_drops_does_not",
          while_nobody_is_there_who_blocks_waits_and_who_drops_does_not, 1, 8 },
        { "who_cancels_tells_senders_and_other_receivers",
          who_cancels_tells_senders_and_other_receivers, 1, 8 },
        { "each_acknowledges_by_hand_for_itself", each_acknowledges_by_hand_for_itself, 1, 8 },
        { "headers_come_to_every_receiver", headers_come_to_every_receiver, 1, 4 },
        { "what_one_receiver_was_too_late_for_others_have_had",
          what_one_receiver_was_too_late_for_others_have_had, 1, 8 },
        { "who_is_there_when_it_is_due_gets_what_was_delayed",
          who_is_there_when_it_is_due_gets_what_was_delayed, 1, 8 },
        { "what_has_expired_is_not_lost_for_being_slow",
          what_has_expired_is_not_lost_for_being_slow, 2, 8 },
        { "what_goes_on_meanwhile_does_not_matter", what_goes_on_meanwhile_does_not_matter, 3, 8 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
