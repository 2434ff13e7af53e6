/* test_large.c - large elements: whose memory their bytes are in, and that they stay the same.   SPDX-License-Identifier: MIT */
#include "node/msg.h"
#include "proto/large.h"
#include "proto/limits.h"
#include "tests/node/cluster.h"

#include <string.h>

static const size_t sizes[] = { WIRE_WHOLE_MAX, WIRE_WHOLE_MAX + 1, 1 << 20, (5 << 20) + 3,
                                LARGE_MIN };

static rn_node *a, *b;

static rn_chan *bytes_bound(rn_node *node, const char *name, enum rn_dir dir,
                            const rn_bind_opts *opts)
{
    bool by_hand = opts != NULL && opts->manual_ack;
    rn_chan *c = rn_chan_new(by_hand ? sizeof(rn_msg) : sizeof(rn_bytes), 0, NULL);
    check_rc(rn_bind(node, name, dir, c, by_hand ? &rn_codec_msg : &rn_codec_bytes, opts, SOON), 0);
    return c;
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 16));
}

static rn_bytes made(size_t size)
{
    rn_bytes x;
    check_rc(rn_bytes_new(&x, NULL, size), 0);
    for (size_t i = 0; i < size; i++)
        x.data[i] = byte_at(i);
    return x;
}

static void check_bytes(rn_bytes x, size_t size)
{
    check(x.len == size);
    for (size_t i = 0; i < size; i++)
        if (x.data[i] != byte_at(i))
            check(x.data[i] == byte_at(i));
}

static void receive_one(rn_chan *in, size_t size)
{
    rn_bytes x;
    check_rc(rn_chan_recv(in, &x, SOON), 0);
    check_bytes(x, size);
    rn_bytes_free(&x);
}

struct sending {
    rn_chan *out;
    size_t size;
};

static void send_one(void *arg)
{
    struct sending *s = arg;
    rn_bytes x = made(s->size);
    check_rc(rn_chan_send(s->out, &x, SOON), 0);
    check(x.data == NULL && x.len == 0);
}

/* In a queue, confirmed or not, and in a rendezvous. */
static int bytes_arrive_as_they_were_and_leave_nothing_behind(void *arg)
{
    (void)arg;
    const rn_bind_opts out_opts = { .capacity = round_now == 2 ? RN_RENDEZVOUS : 3,
                                    .confirm = round_now == 1 };
    cluster_open_two(&a, &b);
    rn_chan *out = bytes_bound(a, "queue", RN_OUT, &out_opts),
            *in = bytes_bound(b, "queue", RN_IN, NULL);
    for (int i = 0; i < RN_LEN(sizes); i++) {
        struct sending s = { out, sizes[i] };
        rn_group *g = rn_group_new();
        check_rc(rn_group_go(g, send_one, &s, sizeof s), 0);
        receive_one(in, sizes[i]);
        check_rc(rn_group_wait(g, SOON), 0);
        rn_group_free(g);
    }
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

/* Nobody receives; in round 1 it gives up what the home would have to confirm. */
static int bytes_of_a_send_that_fails_stay_its_senders(void *arg)
{
    (void)arg;
    const size_t size = 1 << 20;
    const rn_bind_opts opts = { .capacity = 1, .confirm = round_now == 1 };
    cluster_open_two(&a, &b);
    rn_chan *out = bytes_bound(a, "queue", RN_OUT, &opts);
    rn_bytes first = made(size), second = made(size);
    uint8_t *data = second.data;
    check_rc(rn_chan_send(out, &first, SOON), 0);
    check_rc(rn_chan_send(out, &second, rn_after(50 * RN_MS)), RN_ETIMEDOUT);
    check(second.data == data);
    check_bytes(second, size);
    check_rc(rn_chan_send(out, &second, RN_NOWAIT), RN_ETIMEDOUT);
    check(second.data == data);
    check_bytes(second, size);
    rn_bytes_free(&second);
    rn_chan_unref(out);
    cluster_close_two(a, b);
    return 0;
}

/* A select offers the same bytes to two channels, and one of them has them. */
static int a_select_gives_them_to_one(void *arg)
{
    (void)arg;
    const size_t size = 300 << 10;
    const rn_bind_opts opts = { .capacity = 1 };
    cluster_open_two(&a, &b);
    rn_chan *out[] = { bytes_bound(a, "one", RN_OUT, &opts), bytes_bound(a, "two", RN_OUT, &opts) },
            *in[] = { bytes_bound(b, "one", RN_IN, NULL), bytes_bound(b, "two", RN_IN, NULL) };
    for (int i = 0; i < 20; i++) {
        rn_bytes x = made(size), got;
        rn_case sends[] = { { out[0], &x, RN_SEND, 0 }, { out[1], &x, RN_SEND, 0 } };
        rn_case receives[] = { { in[0], &got, RN_RECV, 0 }, { in[1], &got, RN_RECV, 0 } };
        int to = rn_select(sends, 2, SOON);
        check(to >= 0 && sends[to].rc == 0);
        check(x.data == NULL);
        check(rn_select(receives, 2, SOON) == to);
        check_bytes(got, size);
        rn_bytes_free(&got);
    }
    for (int i = 0; i < 2; i++) {
        rn_chan_unref(out[i]);
        rn_chan_unref(in[i]);
    }
    cluster_close_two(a, b);
    return 0;
}

/* By hand, back to the channel, shown to who looks, and to the dead letters. */
static int they_come_again_and_die_whole(void *arg)
{
    (void)arg;
    const size_t size = (1 << 20) + 5;
    const rn_bind_opts by_hand = { .manual_ack = true };
    rn_msg m;
    cluster_open_two(&a, &b);
    rn_chan *out = bytes_bound(a, "queue", RN_OUT, NULL),
            *in = bytes_bound(b, "queue", RN_IN, &by_hand),
            *dead = bytes_bound(b, "queue.dead", RN_IN, &by_hand);
    rn_bytes x = made(size);
    check_rc(rn_chan_send(out, &x, SOON), 0);
    check_rc(rn_chan_recv(in, &m, SOON), 0);
    check_bytes(m.bytes, size);
    check_rc(rn_msg_nack(&m, 0), 0);
    check_rc(rn_chan_recv(in, &m, SOON), 0);
    check(m.deliveries == 2);
    check_bytes(m.bytes, size);
    check_rc(rn_msg_reject(&m, "no"), 0);
    check_rc(rn_chan_recv(dead, &m, SOON), 0);
    check_bytes(m.bytes, size);
    check_rc(rn_msg_ack(&m), 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(dead);
    cluster_close_two(a, b);
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "bytes_arrive_as_they_were_and_leave_nothing_behind",
          bytes_arrive_as_they_were_and_leave_nothing_behind, 3, 2 },
        { "bytes_of_a_send_that_fails_stay_its_senders",
          bytes_of_a_send_that_fails_stay_its_senders, 2, 2 },
        { "a_select_gives_them_to_one", a_select_gives_them_to_one, 1, 4 },
        { "they_come_again_and_die_whole", they_come_again_and_die_whole, 1, 2 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
