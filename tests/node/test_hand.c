/* test_hand.c - what programs acknowledge by hand: in any order, late, too late.   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include <string.h>

static rn_chan *bound_by_hand(rn_node *node, const rn_bind_opts *more)
{
    rn_bind_opts opts = more != NULL ? *more : (rn_bind_opts){ 0 };
    rn_chan *c = rn_chan_new(sizeof(rn_msg), 0, NULL);
    opts.manual_ack = true;
    check_rc(rn_bind(node, "queue", RN_IN, c, &rn_codec_msg, &opts, SOON), 0);
    return c;
}

static rn_chan *bound_out(rn_node *node, int64_t capacity)
{
    rn_chan *c = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(node, "queue", RN_OUT, c, &rn_codec_int64,
                     &(rn_bind_opts){ .capacity = capacity }, SOON),
             0);
    return c;
}

static void send_numbers(rn_chan *out, int64_t first, int64_t last)
{
    for (int64_t n = first; n <= last; n++)
        check_rc(rn_chan_send(out, &n, SOON), 0);
}

static void send_six(void *arg)
{
    send_numbers(*(rn_chan **)arg, 1, 6);
}

/* The number in it. */
static int64_t number_of(const rn_msg *m)
{
    int64_t n = 0;
    check_rc(rn_msg_decode(m, &rn_codec_int64, &n), 0);
    return n;
}

static rn_msg receive(rn_chan *in)
{
    rn_msg m;
    check_rc(rn_chan_recv(in, &m, SOON), 0);
    return m;
}

static int any_order_will_do(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = bound_out(a, 8), *in = bound_by_hand(b, NULL);
    rn_msg m[8];
    int64_t more = 9;
    send_numbers(out, 1, 8);
    for (int i = 0; i < 8; i++) {
        m[i] = receive(in);
        check(number_of(&m[i]) == i + 1);
        check(m[i].seq == (uint64_t)i + 1);
        check(m[i].deliveries == 1);
    }
    check_rc(rn_chan_send(out, &more, rn_after(LEASE)), RN_ETIMEDOUT); /* all slots are held */
    for (int i = 0; i < 8; i++) {
        check_rc(rn_msg_ack(&m[(i * 5) % 8]), 0);
        check(m[(i * 5) % 8].bytes.data == NULL);
    }
    check_rc(rn_msg_ack(&m[0]), RN_ESTALE); /* once is enough */
    send_numbers(out, 9, 9);
    rn_chan_close(out);
    m[0] = receive(in);
    check_rc(rn_chan_recv(in, &m[1], rn_after(LEASE)), RN_ETIMEDOUT); /* it may still come again */
    check_rc(rn_msg_ack(&m[0]), 0);
    check_rc(rn_chan_recv(in, &m[1], SOON), RN_ECLOSED);
    check_rc(rn_chan_err(in), 0);
    check(channel_info(b, "queue").taken == 9);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int nack_brings_it_again(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = bound_out(a, 8), *in = bound_by_hand(b, &(rn_bind_opts){ .prefetch = 1 });
    send_numbers(out, 1, 2);
    rn_msg m = receive(in);
    check_rc(rn_msg_nack(&m, 0), 0);
    m = receive(in);
    check(number_of(&m) == 1 && m.deliveries == 2 && m.seq == 1);
    int64_t begun = rn_now();
    check_rc(rn_msg_nack(&m, 50 * RN_MS), 0);
    m = receive(in);
    check(number_of(&m) == 2 && m.deliveries == 1);
    check_rc(rn_msg_ack(&m), 0);
    m = receive(in);
    check(number_of(&m) == 1 && m.deliveries == 3);
    check(rn_now() - begun >= 50 * RN_MS);
    check_rc(rn_msg_ack(&m), 0);
    struct wire_channel_info info = { 0 };
    while (info.taken != 2)
        info = channel_info(b, "queue");
    check(info.redelivered == 2 && info.delivered == 0 && info.delayed == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int what_is_rejected_is_told_of(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = bound_out(a, 8), *in = bound_by_hand(b, NULL);
    rn_chan *dead = rn_chan_new(sizeof(rn_msg), 0, NULL);
    static char why[400];
    rn_dead info;
    memset(why, 'w', sizeof why - 1);
    send_numbers(out, 1, 4);
    rn_msg m[4], d = { 0 };
    for (int i = 0; i < 4; i++)
        m[i] = receive(in);
    check_rc(rn_msg_dead(&m[0], &info), -ENOENT);
    check_rc(rn_msg_reject(&m[1], "no such customer"), 0);
    check_rc(rn_msg_reject(&m[3], why), 0);
    check_rc(rn_msg_reject(&m[2], NULL), 0);
    check_rc(rn_msg_ack(&m[0]), 0);
    rn_bind_opts opts = { .manual_ack = true };
    check_rc(rn_bind(b, "queue.dead", RN_IN, dead, &rn_codec_msg, &opts, SOON), 0);
    for (int i = 0; i < 3; i++) {
        d = receive(dead);
        check_rc(rn_msg_dead(&d, &info), 0);
        check(info.cause == RN_DEAD_REJECTED && strcmp(info.channel, "queue") == 0);
        check(info.deliveries == 1 && info.died_ns > 0);
        check((int64_t)info.seq == number_of(&d)); /* the element is as it was */
        if (info.seq == 2)
            check(strcmp(info.why, "no such customer") == 0);
        else
            check(strlen(info.why) == (info.seq == 3 ? 0 : 255));
        if (i < 2)
            check_rc(rn_msg_ack(&d), 0);
    }
    check_rc(rn_unbind(dead, SOON), 0); /* the last comes again */
    check_rc(rn_msg_ack(&d), RN_ESTALE);
    rn_chan_unref(dead);
    /* Whoever binds them with the elements' own codec gets them as they were. */
    dead = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(b, "queue.dead", RN_IN, dead, &rn_codec_int64, NULL, SOON), 0);
    int64_t n = 0;
    check_rc(rn_chan_recv(dead, &n, SOON), 0);
    check(n >= 2 && n <= 4);
    struct wire_channel_info ledger = channel_info(b, "queue");
    check(ledger.accepted == 4 && ledger.taken == 1 && ledger.dead == 3);
    rn_chan_unref(dead);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

static int even_only(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    int rc = rn_codec_int64.decode(ctx, bytes, len, elem);
    return rc < 0 ? rc : *(int64_t *)elem % 2 == 0 ? 0 : -EILSEQ;
}

/* On a rendezvous too: the receive goes on to the next that is sent. */
static int what_a_codec_refuses_is_a_dead_letter(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_codec picky = rn_codec_int64;
    picky.decode = even_only;
    rn_chan *out = bound_out(a, round_now == 0 ? 8 : RN_RENDEZVOUS);
    rn_chan *in = rn_chan_new(sizeof(int64_t), 0, NULL);
    rn_chan *dead = rn_chan_new(sizeof(rn_msg), 0, NULL);
    rn_bind_opts opts = { .manual_ack = true };
    rn_group *g = rn_group_new();
    check_rc(rn_bind(b, "queue", RN_IN, in, &picky, NULL, SOON), 0);
    check_rc(rn_group_go(g, send_six, &out, sizeof out), 0);
    for (int64_t want = 2; want <= 6; want += 2) {
        int64_t n = 0;
        check_rc(rn_chan_recv(in, &n, SOON), 0);
        check(n == want);
    }
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    check_rc(rn_bind(b, "queue.dead", RN_IN, dead, &rn_codec_msg, &opts, SOON), 0);
    for (int64_t want = 1; want <= 5; want += 2) {
        rn_msg m = receive(dead);
        rn_dead info;
        check(number_of(&m) == want);
        check_rc(rn_msg_dead(&m, &info), 0);
        check(info.cause == RN_DEAD_REFUSED && strcmp(info.why, rn_strerror(-EILSEQ)) == 0);
        check_rc(rn_msg_ack(&m), 0);
    }
    rn_chan_close(out);
    int64_t n = 0;
    check_rc(rn_chan_recv(in, &n, SOON), RN_ECLOSED);
    struct wire_channel_info ledger = channel_info(b, "queue");
    check(ledger.accepted == 6 && ledger.taken == 3 && ledger.dead == 3);
    rn_chan_unref(dead);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

/* Ways in which a handle ends while its program has something in its hands. */
enum end { UNBIND, NODE_CLOSE, LEASE_ENDS, NODE_CRASH, CANCELLED, ENDS };

static int verdict_after_the_end_is_stale(void *arg)
{
    (void)arg;
    enum end end = (enum end)round_now;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b"), *c = node_open("c");
    rn_chan *out = bound_out(a, 8), *in = bound_by_hand(b, NULL);
    send_numbers(out, 1, 4);
    rn_msg m[4];
    for (int i = 0; i < 4; i++)
        m[i] = receive(in);
    check_rc(rn_msg_ack(&m[1]), 0);
    rn_sleep(rn_after(100 * RN_MS)); /* the home has it by then */
    if (end == UNBIND) {
        check_rc(rn_unbind(in, SOON), 0);
    } else if (end == NODE_CLOSE) {
        node_close(b);
    } else if (end == NODE_CRASH) {
        rn__node_crash(b);
    } else if (end == CANCELLED) {
        rn_chan_fail(in, -EPIPE);
    } else {
        cable("b", true);
        rn_sleep(rn_after(2 * LEASE));
    }
    check_rc(rn_msg_ack(&m[0]), RN_ESTALE);
    check_rc(rn_msg_nack(&m[2], RN_SEC), RN_ESTALE);
    if (end == LEASE_ENDS)
        cable("b", false);
    rn_chan_unref(in);
    check_rc(rn_msg_ack(&m[3]), RN_ESTALE); /* after the channel has gone, too */
    if (end != CANCELLED) {
        rn_chan *other = bound_by_hand(c, NULL);
        for (int i = 1; i <= 4; i++) {
            if (i == 2)
                continue;
            rn_msg again = receive(other);
            check(number_of(&again) == i);
            check(again.deliveries == (end == LEASE_ENDS || end == NODE_CRASH ? 2 : 1) ||
                  end == NODE_CLOSE);
            check_rc(rn_msg_ack(&again), 0);
        }
        rn_chan_unref(other);
    }
    rn_chan_unref(out);
    node_close(a);
    if (end != NODE_CLOSE && end != NODE_CRASH)
        node_close(b);
    node_close(c);
    cluster_close();
    return 0;
}

static int what_is_said_before_the_end_counts(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_chan *out = bound_out(a, 8), *in = bound_by_hand(b, NULL);
    send_numbers(out, 1, 4);
    for (int i = 0; i < 4; i++) {
        rn_msg m = receive(in);
        check_rc(rn_msg_ack(&m), 0);
    }
    if (round_now == 0)
        check_rc(rn_unbind(in, SOON), 0);
    else
        node_close(b);
    check(channel_info(a, "queue").taken == 4);
    rn_chan_unref(in);
    rn_chan_unref(out);
    if (round_now == 0)
        node_close(b);
    node_close(a);
    cluster_close();
    return 0;
}

static int receive_into_nothing_acknowledges(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a");
    rn_chan *out = bound_out(a, 1), *in = bound_by_hand(a, NULL);
    send_numbers(out, 1, 1);
    check_rc(rn_chan_recv(in, NULL, SOON), 0);
    send_numbers(out, 2, 2);
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    cluster_close();
    return 0;
}

static int without_manual_ack_it_is_done_when_received(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a");
    rn_chan *out = bound_out(a, round_now == 0 ? 1 : RN_RENDEZVOUS);
    rn_chan *in = rn_chan_new(sizeof(rn_msg), 0, NULL);
    check_rc(rn_bind(a, "queue", RN_IN, in, &rn_codec_msg, NULL, SOON), 0);
    if (round_now == 0) {
        send_numbers(out, 1, 1);
        rn_msg m = receive(in);
        check(m.seq == 1 && m.deliveries == 1);
        send_numbers(out, 2, 2); /* there is a slot again */
        check_rc(rn_msg_ack(&m), 0);
        m = receive(in);
        check(number_of(&m) == 2);
        check_rc(rn_msg_nack(&m, 0), RN_ESTALE);
    }
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    cluster_close();
    return 0;
}

static int wrong_binds_are_refused(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a");
    rn_bind_opts opts = { .manual_ack = true };
    rn_chan *numbers = rn_chan_new(sizeof(int64_t), 0, NULL);
    rn_chan *messages = rn_chan_new(sizeof(rn_msg), 0, NULL);
    check_rc(rn_bind(a, "queue", RN_IN, numbers, &rn_codec_int64, &opts, SOON), -EINVAL);
    opts.capacity = RN_RENDEZVOUS;
    check_rc(rn_bind(a, "queue", RN_IN, messages, &rn_codec_msg, &opts, SOON), -EINVAL);
    rn_chan *out = bound_out(a, RN_RENDEZVOUS);
    opts.capacity = 0;
    check_rc(rn_bind(a, "queue", RN_IN, messages, &rn_codec_msg, &opts, SOON), RN_EMISMATCH);
    rn_chan_unref(out);
    rn_chan_unref(numbers);
    rn_chan_unref(messages);
    node_close(a);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "any_order_will_do", any_order_will_do, 1, 8 },
        { "nack_brings_it_again", nack_brings_it_again, 1, 8 },
        { "what_is_rejected_is_told_of", what_is_rejected_is_told_of, 1, 8 },
        { "what_a_codec_refuses_is_a_dead_letter", what_a_codec_refuses_is_a_dead_letter, 2, 8 },
        { "verdict_after_the_end_is_stale", verdict_after_the_end_is_stale, ENDS, 4 },
        { "what_is_said_before_the_end_counts", what_is_said_before_the_end_counts, 2, 8 },
        { "receive_into_nothing_acknowledges", receive_into_nothing_acknowledges, 1, 4 },
        { "without_manual_ack_it_is_done_when_received",
          without_manual_ack_it_is_done_when_received, 2, 4 },
        { "wrong_binds_are_refused", wrong_binds_are_refused, 1, 1 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
