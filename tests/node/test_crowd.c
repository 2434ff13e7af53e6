/* test_crowd.c - senders linger while too much waits to leave, and nothing else changes for them.
 *   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#define CROWD  (16u << 10)
#define CHUNK  (200u << 10) /* what a sender may take before it lingers */
#define LARGE  20000        /* bytes of an element, ... */
#define MANY   100 /* ... of which so many are more than the window, and less than what is lent */
#define LINGER (100 * RN_MS)
#define SMALL  1000         /* of these so many fill a chunk */
#define PIECE  2000         /* bytes; then LARGE is large */
#define ALONE  (240u << 10) /* it has a chunk of its own, and leaves in one piece */

static rn_node *node;
static rn_chan *out;

/* The first send asks; what is lent besides comes with the answer. */
static void open_with(size_t crowd, size_t piece)
{
    struct thing t;
    things_forget();
    cluster_open(5 * RN_MS, 10 * RN_MS);
    node = node_open("a");
    rn__node_crowd(node, crowd);
    rn__node_pieces(node, piece);
    out = bound(node, "queue", RN_OUT, NULL);
    t = thing_new(4);
    check_rc(rn_chan_send(out, &t, SOON), 0);
    check_rc(rn_flush(out, SOON), 0);
}

static void open_all(void)
{
    open_with(CROWD, 0);
}

static void close_all(void)
{
    check_rc(rn_flush(out, SOON), 0);
    check(channel_info(node, "queue").accepted == things_made());
    rn_chan_unref(out);
    node_close(node);
    cluster_close();
}

/* How long it took. */
static int64_t send_one(uint32_t size, rn_time deadline)
{
    struct thing t = thing_new(size);
    rn_time before = rn_now();
    check_rc(rn_chan_send(out, &t, deadline), 0);
    return rn_now() - before;
}

/* Of those in round 2 each leaves in pieces. */
static int a_sender_is_not_far_ahead_of_its_link(void *arg)
{
    uint32_t size = round_now == 1 ? ALONE : LARGE;
    size_t most = 0;
    int64_t lingered_ns = 0;
    (void)arg;
    open_with(CROWD, round_now == 2 ? PIECE : 0);
    for (int i = 0; i < MANY; i++) {
        int64_t ns = send_one(size, SOON);
        if (ns > lingered_ns)
            lingered_ns = ns;
        if (rn__node_queued(node) > most)
            most = rn__node_queued(node);
    }
    check(lingered_ns > RN_MS && lingered_ns < LINGER);
    check(most <= CROWD + CHUNK + size);
    check_rc(rn_flush(out, SOON), 0);
    check(rn__node_queued(node) == 0);
    check(send_one(size, RN_NOWAIT) < LINGER / 10);
    check(rn__node_queued(node) >= size);
    close_all();
    return 0;
}

static int64_t longest(uint32_t size, int64_t patience_ns)
{
    int64_t most_ns = 0;
    for (int i = 0; i < SMALL && most_ns < patience_ns; i++) {
        int64_t ns = send_one(size, rn_after(patience_ns));
        if (ns > most_ns)
            most_ns = ns;
    }
    return most_ns;
}

/* Nothing leaves, for the window is full, and the link counts as up. */
static int nobody_lingers_beyond_the_deadline(void *arg)
{
    uint32_t size = round_now == 0 ? 500 : 2000; /* quick, and not */
    int64_t ns;
    (void)arg;
    open_all();
    cable("a", true);
    for (int i = 0; i < MANY; i++)
        check(send_one(LARGE, RN_NOWAIT) < LINGER / 10);
    check(rn__node_queued(node) > CROWD + CHUNK);
    ns = longest(size, LINGER / 4);
    check(ns >= LINGER / 4 && ns < LINGER / 2);
    ns = longest(size, 10 * RN_SEC);
    check(ns >= LINGER && ns < LINGER * 2);
    cable("a", false);
    close_all();
    return 0;
}

/* Nothing leaves: of the large ones there are too many, of the others there are not. */
static int large_elements_hold_up_only_their_like(void *arg)
{
    (void)arg;
    open_with(MANY * LARGE / 2, PIECE);
    cable("a", true);
    for (int i = 0; i < MANY; i++)
        check(send_one(LARGE, RN_NOWAIT) < LINGER / 10);
    check(longest(500, 10 * RN_SEC) < LINGER / 10);
    check(send_one(LARGE, SOON) >= LINGER);
    cable("a", false);
    close_all();
    return 0;
}

/* Another channel's elements are no reason to hold up who sends one now and then. */
static int who_is_not_ahead_does_not_linger(void *arg)
{
    struct thing t;
    rn_chan *ping;
    rn_time before;
    (void)arg;
    open_all();
    ping = bound(node, "ping", RN_OUT, NULL);
    t = thing_new(4);
    check_rc(rn_chan_send(ping, &t, SOON), 0);
    check_rc(rn_flush(ping, SOON), 0);
    cable("a", true);
    for (int i = 0; i < MANY; i++)
        check(send_one(LARGE, RN_NOWAIT) < LINGER / 10);
    check(rn__node_queued(node) > CROWD + CHUNK);
    t = thing_new(round_now == 0 ? 10 : 800); /* quick, and not */
    before = rn_now();
    check_rc(rn_chan_send(ping, &t, SOON), 0);
    check(rn_now() - before < LINGER / 10);
    cable("a", false);
    check_rc(rn_flush(ping, SOON), 0);
    rn_chan_unref(ping);
    check_rc(rn_flush(out, SOON), 0);
    rn_chan_unref(out);
    node_close(node);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fact facts[] = {
        { "a_sender_is_not_far_ahead_of_its_link", a_sender_is_not_far_ahead_of_its_link, 3, 10 },
        { "large_elements_hold_up_only_their_like", large_elements_hold_up_only_their_like, 1, 10 },
        { "who_is_not_ahead_does_not_linger", who_is_not_ahead_does_not_linger, 2, 10 },
        { "nobody_lingers_beyond_the_deadline", nobody_lingers_beyond_the_deadline, 2, 10 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
