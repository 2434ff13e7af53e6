/* test_meet.c - rendezvous over the network: an element passes only from a send to a receive that were both called.
 *   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#define SEEDS 8

static const rn_bind_opts meets = { .capacity = RN_RENDEZVOUS };

static rn_node *a, *b;

/* ---- senders and receivers that count ---- */

struct party {
    rn_chan *chan;
    int n;
    int *called, *returned; /* of all of a kind together */
    int *met;               /* receives called so far: the promise is made of it */
};

static void send_many(void *arg)
{
    struct party *p = arg;
    for (int i = 0; i < p->n; i++) {
        ++*p->called;
        check_rc(send_thing(p->chan, SOON), 0);
        ++*p->returned;
        check(*p->returned <= *p->met);
    }
}

static void receive_many(void *arg)
{
    struct party *p = arg;
    for (int i = 0; i < p->n; i++) {
        ++*p->met;
        check(receive_thing(p->chan, SOON) > 0);
        ++*p->returned;
    }
}

static int a_send_returns_after_a_receive_was_called(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    int sends = 0, sent = 0, receives = 0, received = 0;
    struct party out = { bound(a, "meet", RN_OUT, &meets), 300, &sends, &sent, &receives };
    struct party in = { bound(b, "meet", RN_IN, NULL), 100, &receives, &received, &receives };
    struct party in_a = { bound(a, "meet", RN_IN, NULL), 200, &receives, &received, &receives };
    rn_group *g = rn_group_new();
    check(rn_chan_cap(out.chan) == 0);
    check_rc(rn_group_go(g, send_many, &out, sizeof out), 0);
    rn_sleep(rn_after(100 * RN_MS));
    check(sends == 1 && sent == 0);
    check_rc(rn_group_go(g, receive_many, &in, sizeof in), 0);
    check_rc(rn_group_go(g, receive_many, &in_a, sizeof in_a), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    check(sent == 300 && received == 300);
    rn_group_free(g);
    for (uint32_t i = 1; i <= things_made(); i++)
        check(thing_fate(i)->came == 1 && thing_fate(i)->handed_over == 1);
    rn_chan_unref(out.chan);
    rn_chan_unref(in.chan);
    rn_chan_unref(in_a.chan);
    cluster_close_two(a, b);
    return 0;
}

/* Three handles that send and three that receive, two goroutines on each, and so many elements from or to each goroutine. */
static int meet_one_to_one(int each)
{
    cluster_open_two(&a, &b);
    int sends = 0, sent = 0, receives = 0, received = 0;
    rn_chan *handles[6];
    rn_group *g = rn_group_new();
    for (int i = 0; i < 6; i++) {
        bool out = i < 3;
        rn_node *node = i % 2 == 0 ? a : b;
        handles[i] = bound(node, "meet", out ? RN_OUT : RN_IN, &meets);
        struct party p = { handles[i], each, out ? &sends : &receives, out ? &sent : &received,
                           &receives };
        /* Two goroutines on each handle. */
        check_rc(rn_group_go(g, out ? send_many : receive_many, &p, sizeof p), 0);
        check_rc(rn_group_go(g, out ? send_many : receive_many, &p, sizeof p), 0);
    }
    check_rc(rn_group_wait(g, rn_after(3600 * RN_SEC)), 0);
    rn_group_free(g);
    check(sent == 6 * each && received == 6 * each);
    for (uint32_t i = 1; i <= things_made(); i++)
        check(thing_fate(i)->came == 1 && thing_fate(i)->handed_over == 1);
    for (int i = 0; i < 6; i++)
        rn_chan_unref(handles[i]);
    cluster_close_two(a, b);
    return 0;
}

/* ---- deadlines ---- */

static int many_senders_and_receivers_meet_one_to_one(void *arg)
{
    (void)arg;
    return meet_one_to_one(40);
}

static int a_hundred_thousand_elements_meet_one_to_one(void *arg)
{
    (void)arg;
    return meet_one_to_one(16667);
}

static int a_send_that_nobody_receives_times_out_and_sent_nothing(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = bound(a, "meet", RN_OUT, &meets), *in = bound(b, "meet", RN_IN, NULL);
    check_rc(send_thing(out, rn_after(50 * RN_MS)), RN_ETIMEDOUT);
    check_rc(send_thing(out, RN_NOWAIT), RN_ETIMEDOUT);
    check_rc(receive_thing(in, rn_after(50 * RN_MS)), RN_ETIMEDOUT);
    check_rc(receive_thing(in, RN_NOWAIT), RN_ETIMEDOUT);
    struct wire_channel_info info = channel_info(a, "meet");
    check(info.accepted == 0 && info.lent == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static void receive_one(void *arg)
{
    check(receive_thing(*(rn_chan **)arg, SOON) > 0);
}

static void receive_all(void *arg)
{
    int rc;
    do
        rc = receive_thing(*(rn_chan **)arg, SOON);
    while (rc > 0);
    check_rc(rc, RN_ECLOSED);
}

static int a_link_that_is_down_makes_a_send_unknown(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = bound(a, "meet", RN_OUT, &meets), *in = bound(b, "meet", RN_IN, NULL);
    rn_group *g = rn_group_new();
    rn_time begun = rn_now();
    cable("a", true);
    int rc = send_thing(out, rn_after(100 * RN_MS));
    check(rc == RN_EUNKNOWN || rc == RN_ETIMEDOUT);
    check(rn_now() - begun < 3 * RN_SEC);
    cable("a", false);
    /* It is withdrawn, or meets a receive before that is heard: no more than once.  What is sent next is received. */
    check_rc(rn_group_go(g, receive_all, &in, sizeof in), 0);
    check_rc(send_thing(out, SOON), 0);
    rn_chan_close(out);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    check(thing_fate(1)->came <= (rc == RN_EUNKNOWN) && thing_fate(2)->came == 1);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static void send_one(void *arg)
{
    int rc = send_thing(*(rn_chan **)arg, SOON);
    check(rc == 0 || rc == RN_ECANCELED);
}

static int a_cancelled_send_takes_its_element_back(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = bound(a, "meet", RN_OUT, &meets), *in = bound(b, "meet", RN_IN, NULL);
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, send_one, &out, sizeof out), 0);
    rn_sleep(rn_after((int64_t)seed_now * 200 * RN_US));
    rn_group_cancel(g);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    check_rc(receive_thing(in, rn_after(50 * RN_MS)), RN_ETIMEDOUT);
    check(thing_fate(1)->handed_over == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

/* ---- select ---- */

struct crossing {
    rn_chan *send, *recv;
    int *done;
    int rounds;
    int *
        doubts; /* NULL: the link never breaks.  Else: sends that gave RN_EUNKNOWN, so that the parties may not come out even */
};

/* Sends on one channel or receives from the other, so and so often. */
static void cross(void *arg)
{
    struct crossing *x = arg;
    for (int i = 0; i < x->rounds; i++) {
        struct thing out = thing_new(8), in = { 0 };
        rn_case cases[] = { { x->send, &out, RN_SEND, 1 }, { x->recv, &in, RN_RECV, 1 } };
        int k = rn_select(cases, 2, x->doubts != NULL ? rn_after(10 * RN_SEC) : SOON);
        if (k == RN_ETIMEDOUT && x->doubts != NULL && *x->doubts > 0)
            return;
        check(k == 0 || k == 1);
        if (cases[k].rc == RN_ECLOSED)
            return;
        if (cases[k].rc == RN_EUNKNOWN && x->doubts != NULL) {
            ++*x->doubts;
            ++*x->done;
            continue;
        }
        check_rc(cases[k].rc, 0);
        check(thing_fate(out.id)->handed_over == (k == 0));
        ++*x->done;
    }
}

static int selects_that_want_each_other_meet(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    int done = 0;
    struct crossing x = { bound(a, "left", RN_OUT, &meets), bound(a, "right", RN_IN, &meets), &done,
                          60, NULL };
    struct crossing y = { bound(b, "right", RN_OUT, &meets), bound(b, "left", RN_IN, &meets), &done,
                          60, NULL };
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, cross, &x, sizeof x), 0);
    check_rc(rn_group_go(g, cross, &y, sizeof y), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    check(done == 120);
    rn_chan_unref(x.send);
    rn_chan_unref(x.recv);
    rn_chan_unref(y.send);
    rn_chan_unref(y.recv);
    cluster_close_two(a, b);
    return 0;
}

static int selects_that_send_and_receive_on_one_channel_meet_each_other_only(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    int done = 0;
    struct crossing x = { bound(a, "one", RN_OUT, &meets), bound(a, "one", RN_IN, &meets), &done,
                          40, NULL };
    struct crossing y = { bound(b, "one", RN_OUT, &meets), bound(b, "one", RN_IN, &meets), &done,
                          40, NULL };
    struct thing out = thing_new(8), in = { 0 };
    rn_case alone[] = { { x.send, &out, RN_SEND, 1 }, { x.recv, &in, RN_RECV, 1 } };
    rn_group *g = rn_group_new();
    struct memnet_stats before, after;
    memnet_stats(net, &before);
    check_rc(rn_select(alone, 2, rn_after(RN_SEC)), RN_ETIMEDOUT); /* nobody but itself */
    memnet_stats(net, &after);
    check(after.sent - before.sent < 100); /* and it does not go round in circles over that */
    check_rc(rn_group_go(g, cross, &x, sizeof x), 0);
    check_rc(rn_group_go(g, cross, &y, sizeof y), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    check(done == 80);
    rn_chan_unref(x.send);
    rn_chan_unref(x.recv);
    rn_chan_unref(y.send);
    rn_chan_unref(y.recv);
    cluster_close_two(a, b);
    return 0;
}

static int a_ring_of_selects_goes_round(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_node *c = node_open("c"), *of[] = { a, b, c };
    static const char *const names[] = { "ab", "bc", "ca" };
    rn_group *g = rn_group_new();
    struct crossing x[3];
    int done = 0;
    for (int i = 0; i < 3; i++) {
        x[i] = (struct crossing){ bound(of[i], names[i], RN_OUT, &meets),
                                  bound(of[i], names[(i + 2) % 3], RN_IN, &meets), &done, 2000,
                                  NULL };
        check_rc(rn_group_go(g, cross, &x[i], sizeof x[i]), 0);
    }
    while (done < 200) /* one of them may come to wait alone at the end: three is an odd number */
        rn_sleep(rn_after(RN_MS));
    for (int i = 0; i < 3; i++)
        rn_chan_close(x[i].send);
    check_rc(rn_group_wait(g, SOON), 0);
    for (int i = 0; i < 3; i++) {
        rn_chan_unref(x[i].send);
        rn_chan_unref(x[i].recv);
    }
    rn_group_free(g);
    node_close(c);
    cluster_close_two(a, b);
    return 0;
}

static int local_and_named_channels_mix_in_a_select(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = bound(a, "meet", RN_OUT, &meets), *in = bound(b, "meet", RN_IN, NULL);
    rn_chan *local = rn_chan_new(0, 1, NULL);
    for (int i = 0; i < 30; i++) {
        struct thing thing = thing_new(8);
        rn_case cases[] = { { out, &thing, RN_SEND, 1 }, { local, NULL, RN_RECV, 1 } };
        rn_group *g = rn_group_new();
        if (i % 2 == 0)
            check_rc(rn_group_go(g, receive_one, &in, sizeof in), 0);
        else
            check_rc(rn_chan_send(local, NULL, RN_NOWAIT), 0);
        int k = rn_select(cases, 2, SOON);
        check(k == i % 2);
        check_rc(cases[k].rc, 0);
        check_rc(rn_group_wait(g, SOON), 0);
        rn_group_free(g);
        check(thing_fate(thing.id)->came == (k == 0) &&
              thing_fate(thing.id)->handed_over == (k == 0));
    }
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(local);
    cluster_close_two(a, b);
    return 0;
}

/* ---- ends ---- */

static int a_receiver_that_dies_leaves_the_element_to_another(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_node *c = node_open("c");
    rn_chan *out = bound(a, "meet", RN_OUT, &meets), *in = bound(b, "meet", RN_IN, NULL);
    rn_chan *heir = bound(c, "meet", RN_IN, NULL);
    rn_group *g = rn_group_new(), *dying = rn_group_new();
    int receives = 0, received = 0, sends = 0, sent = 0;
    struct party p = { out, 20, &sends, &sent, &receives };
    struct party q = { heir, 20, &receives, &received, &receives };
    check_rc(rn_group_go(g, send_many, &p, sizeof p), 0);
    ++receives; /* of the one that dies */
    rn_sleep(rn_after((int64_t)seed_now * 100 * RN_US));
    cable("b", true);
    check_rc(rn_group_go(g, receive_many, &q, sizeof q), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    check(sent == 20);
    cable("b", false);
    rn_group_free(g);
    rn_group_free(dying);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(heir);
    node_close(c);
    cluster_close_two(a, b);
    return 0;
}

static void send_until_closed(void *arg)
{
    check_rc(send_thing(*(rn_chan **)arg, SOON), RN_ECLOSED);
}

static void receive_until_closed(void *arg)
{
    check_rc(receive_thing(*(rn_chan **)arg, SOON), RN_ECLOSED);
}

static int close_ends_those_who_wait(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = bound(a, "sends", RN_OUT, &meets), *in = bound(b, "receives", RN_IN, &meets);
    rn_chan *close_sends = bound(b, "sends", RN_IN, NULL);
    rn_chan *close_receives = bound(a, "receives", RN_OUT, NULL);
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, send_until_closed, &out, sizeof out), 0);
    check_rc(rn_group_go(g, receive_until_closed, &in, sizeof in), 0);
    rn_sleep(rn_after((int64_t)seed_now * 300 * RN_US));
    rn_chan_close(close_sends);
    rn_chan_close(close_receives);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    check(thing_fate(1)->handed_over == 0 && thing_fate(1)->came == 0);
    check_rc(send_thing(out, SOON), RN_ECLOSED);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(close_sends);
    rn_chan_unref(close_receives);
    cluster_close_two(a, b);
    return 0;
}

static void send_to_the_end(void *arg)
{
    int rc;
    do
        rc = send_thing(*(rn_chan **)arg, SOON);
    while (rc == 0);
    int reason = rn_chan_err(*(rn_chan **)arg);
    check_rc(rc, reason < 0 ? reason : RN_ECLOSED);
}

static void receive_to_the_end(void *arg)
{
    int rc;
    do
        rc = receive_thing(*(rn_chan **)arg, SOON);
    while (rc > 0);
    check_rc(rc, RN_ECLOSED);
}

/* The moments lie so close that each state of the exchange is met; also one in which an element is accepted and has not
 * left the home. */
static int a_cancellation_at_any_moment_ends_everybody(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = bound(a, "meet", RN_OUT, &meets), *out_b = bound(b, "meet", RN_OUT, &meets);
    rn_chan *in = bound(b, "meet", RN_IN, NULL), *in_a = bound(a, "meet", RN_IN, NULL);
    rn_chan *cancels = bound(b, "meet", RN_IN, NULL);
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, send_to_the_end, &out, sizeof out), 0);
    check_rc(rn_group_go(g, send_to_the_end, &out_b, sizeof out_b), 0);
    check_rc(rn_group_go(g, receive_to_the_end, &in, sizeof in), 0);
    check_rc(rn_group_go(g, receive_to_the_end, &in, sizeof in), 0);
    check_rc(rn_group_go(g, receive_to_the_end, &in_a, sizeof in_a), 0);
    rn_sleep(rn_after((int64_t)round_now * 17 * RN_US));
    rn_chan_fail(cancels, -EIO);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    rn_chan *const all[] = { out, out_b, in, in_a, cancels };
    for (size_t i = 0; i < RN_LEN(all); i++)
        rn_chan_unref(all[i]);
    cluster_close_two(a, b);
    return 0;
}

/* ---- a receive that cannot decode what it met ---- */

static void receive_until_refused(void *arg)
{
    int rc;
    do
        rc = receive_thing(*(rn_chan **)arg, SOON);
    while (rc > 0);
    check_rc(rc, -ENOMEM);
}

static int decoded; /* reset by the fact */

static int refuse_every_third(const void *ctx, const uint8_t *data, size_t len, void *elem)
{
    return ++decoded % 3 == 0 ? -ENOMEM : thing_codec.decode(ctx, data, len, elem);
}

/* Other receives of the handle are claimed meanwhile: what they are given does not keep it from being unbound. */
static int a_handle_whose_codec_refuses_can_be_unbound(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_codec picky = thing_codec;
    decoded = 0;
    picky.decode = refuse_every_third;
    rn_chan *out = bound(a, "meet", RN_OUT, &meets),
            *in = rn_chan_new(sizeof(struct thing), 0, NULL);
    rn_chan *out_b = bound(b, "meet", RN_OUT, &meets), *rest = bound(b, "meet", RN_IN, NULL);
    rn_group *receivers = rn_group_new(), *g = rn_group_new();
    check_rc(rn_bind(a, "meet", RN_IN, in, &picky, NULL, SOON), 0);
    for (int i = 0; i < 3; i++)
        check_rc(rn_group_go(receivers, receive_until_refused, &in, sizeof in), 0);
    check_rc(rn_group_go(g, send_to_the_end, &out, sizeof out), 0);
    check_rc(rn_group_go(g, send_to_the_end, &out_b, sizeof out_b), 0);
    check_rc(rn_group_wait(receivers, SOON), 0);
    check_rc(rn_unbind(in, SOON), 0);
    rn_chan_close(out);
    check_rc(rn_group_go(g, receive_to_the_end, &rest, sizeof rest), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    for (uint32_t i = 1; i <= things_made(); i++)
        check(thing_fate(i)->came - thing_fate(i)->discarded == thing_fate(i)->handed_over);
    rn_group_free(receivers);
    rn_group_free(g);
    rn_chan *const all[] = { out, out_b, in, rest };
    for (size_t i = 0; i < RN_LEN(all); i++)
        rn_chan_unref(all[i]);
    cluster_close_two(a, b);
    return 0;
}

static void send_until_unbound(void *arg)
{
    check_rc(send_thing(*(rn_chan **)arg, SOON), -ESHUTDOWN);
}

static int unbind_ends_those_who_wait(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = bound(a, "meet", RN_OUT, &meets), *in = bound(b, "meet", RN_IN, NULL);
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, send_until_unbound, &out, sizeof out), 0);
    rn_sleep(rn_after((int64_t)seed_now * 200 * RN_US));
    check_rc(rn_unbind(out, SOON), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    check(rn_chan_unsent(out) == 0);
    check_rc(receive_thing(in, rn_after(50 * RN_MS)), RN_ETIMEDOUT);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

/* ---- a fault at each frame ---- */

struct cut {
    const char *from, *to, *who;
    bool lossy;
};

static const struct cut cuts[] = {
    { "a", "broker", "a", true },  { "broker", "a", "a", true },  { "b", "broker", "b", true },
    { "broker", "b", "b", true },  { "a", "broker", "a", false }, { "broker", "a", "a", false },
    { "b", "broker", "b", false }, { "broker", "b", "b", false },
};

static bool happened;
static uint64_t cut_runs;

static void sever(void *arg)
{
    const struct cut *cut = arg;
    memnet_sever(net, cut->who, "broker", cut->lossy);
    happened = true;
}

/* The k-th frame of each direction of each link is the last of its connection. */
static int a_link_that_breaks_at_any_frame_loses_and_doubles_nothing(void *arg)
{
    (void)arg;
    struct cut cut = cuts[round_now % RN_LEN(cuts)];
    happened = false;
    cluster_open_two(&a, &b);
    int sends = 0, sent = 0, receives = 0, received = 0, done = 0, doubts = 0;
    struct party out = { bound(a, "meet", RN_OUT, &meets), 6, &sends, &sent, &receives };
    struct party in = { bound(b, "meet", RN_IN, NULL), 6, &receives, &received, &receives };
    struct crossing x = { bound(a, "left", RN_OUT, &meets), bound(a, "right", RN_IN, &meets), &done,
                          6, &doubts };
    struct crossing y = { bound(b, "right", RN_OUT, &meets), bound(b, "left", RN_IN, &meets), &done,
                          6, &doubts };
    rn_group *g = rn_group_new();
    memnet_trap(net, cut.from, cut.to, 1 + round_now / RN_LEN(cuts), sever, &cut);
    check_rc(rn_group_go(g, send_many, &out, sizeof out), 0);
    check_rc(rn_group_go(g, receive_many, &in, sizeof in), 0);
    check_rc(rn_group_go(g, cross, &x, sizeof x), 0);
    check_rc(rn_group_go(g, cross, &y, sizeof y), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    check(sent == 6 && received == 6 && (done == 12 || doubts > 0));
    for (uint32_t i = 1; i <= things_made(); i++)
        check(thing_fate(i)->came <= thing_fate(i)->handed_over &&
              thing_fate(i)->came >= thing_fate(i)->handed_over - (doubts > 0));
    memnet_trap(net, "", "", 0, NULL, NULL);
    cut_runs += happened;
    rn_chan *const all[] = { out.chan, in.chan, x.send, x.recv, y.send, y.recv };
    for (size_t i = 0; i < RN_LEN(all); i++)
        rn_chan_unref(all[i]);
    cluster_close_two(a, b);
    if (round_now > 60 * RN_LEN(cuts) ||
        (round_now % RN_LEN(cuts) == RN_LEN(cuts) - 1 && !happened))
        cluster_last_round();
    return 0;
}

int main(int argc, char **argv)
{
#define FACT(name, rounds, seeds)  \
    {                              \
#name, name, rounds, seeds \
    }
    const struct fact facts[] = {
        FACT(a_send_returns_after_a_receive_was_called, 1, SEEDS),
        FACT(many_senders_and_receivers_meet_one_to_one, 1, SEEDS),
        FACT(a_hundred_thousand_elements_meet_one_to_one, 1, 1),
        FACT(a_send_that_nobody_receives_times_out_and_sent_nothing, 1, SEEDS),
        FACT(a_link_that_is_down_makes_a_send_unknown, 1, SEEDS),
        FACT(a_cancelled_send_takes_its_element_back, 1, SEEDS),
        FACT(selects_that_want_each_other_meet, 1, SEEDS),
        FACT(selects_that_send_and_receive_on_one_channel_meet_each_other_only, 1, SEEDS),
        FACT(a_ring_of_selects_goes_round, 1, SEEDS),
        FACT(local_and_named_channels_mix_in_a_select, 1, SEEDS),
        FACT(a_receiver_that_dies_leaves_the_element_to_another, 1, SEEDS),
        FACT(close_ends_those_who_wait, 1, SEEDS),
        FACT(a_cancellation_at_any_moment_ends_everybody, 200, 2),
        FACT(a_handle_whose_codec_refuses_can_be_unbound, 1, 40),
        FACT(unbind_ends_those_who_wait, 1, SEEDS),
        FACT(a_link_that_breaks_at_any_frame_loses_and_doubles_nothing, 0, 2),
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
