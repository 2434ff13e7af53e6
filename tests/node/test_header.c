/* test_header.c - what an element carries beside its bytes arrives with it, wherever it goes.   SPDX-License-Identifier: MIT */
#include "node/buf.h"
#include "tests/node/cluster.h"

#include <string.h>

#define TRACE_BYTES 58 /* that a traceparent takes, with the lengths */

static const char *const traces[] = {
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
};

static rn_node *a, *b;

static rn_chan *numbers_out(const rn_bind_opts *opts)
{
    rn_chan *c = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(a, "queue", RN_OUT, c, &rn_codec_int64, opts, SOON), 0);
    return c;
}

static rn_chan *messages_in(const char *name, bool by_hand)
{
    rn_chan *c = rn_chan_new(sizeof(rn_msg), 0, NULL);
    rn_bind_opts opts = { .manual_ack = by_hand };
    check_rc(rn_bind(b, name, RN_IN, c, &rn_codec_msg, &opts, SOON), 0);
    return c;
}

/* The n-th: every third has none, as if nobody had heard of traces. */
static const char *trace_of(int64_t n)
{
    return n % 3 == 0 ? NULL : traces[n % 2];
}

static int send_number(rn_chan *out, int64_t n, rn_time deadline)
{
    rn_send_opts opts = { .traceparent = trace_of(n) };
    return n % 3 == 0 && n % 2 == 0 ? rn_chan_send(out, &n, deadline)
                                    : rn_send_with(out, &n, &opts, deadline);
}

struct stream {
    rn_chan *out;
    int64_t n;
};

static void send_all(void *arg)
{
    struct stream *s = arg;
    for (int64_t n = 1; n <= s->n; n++)
        check_rc(send_number(s->out, n, SOON), 0);
    rn_chan_close(s->out);
}

static void check_message(const rn_msg *m, int64_t want)
{
    int64_t n = 0;
    const char *trace = rn_msg_traceparent(m);
    check_rc(rn_msg_decode(m, &rn_codec_int64, &n), 0);
    check(n == want);
    check((trace != NULL) == (trace_of(n) != NULL));
    check(trace == NULL || strcmp(trace, trace_of(n)) == 0);
}

/* What a stream of 200 is received as. */
static void receive_all(rn_chan *in, bool by_hand)
{
    rn_msg m;
    int64_t n = 0;
    int rc;
    while ((rc = rn_chan_recv(in, &m, SOON)) == 0) {
        check_message(&m, ++n);
        if (by_hand)
            check_rc(rn_msg_ack(&m), 0);
        else if (n % 2 == 0)
            check_rc(rn_msg_ack(&m), 0);
        else
            rn_bytes_free(&m.bytes);
    }
    check_rc(rc, RN_ECLOSED);
    check(n == 200);
}

static int each_element_has_its_own(void *arg)
{
    (void)arg;
    enum { QUEUE, BY_HAND, RENDEZVOUS } kind = (int)round_now;
    const rn_bind_opts opts = { .capacity = kind == RENDEZVOUS ? RN_RENDEZVOUS : 50 };
    cluster_open_two(&a, &b);
    struct stream s = { numbers_out(&opts), 200 };
    rn_chan *in = messages_in("queue", kind == BY_HAND);
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, send_all, &s, sizeof s), 0);
    receive_all(in, kind == BY_HAND);
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    rn_chan_unref(s.out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

/* Who knows nothing of it gets the element as it was sent. */
static int a_codec_does_not_see_it(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers_out(NULL), *in = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(b, "queue", RN_IN, in, &rn_codec_int64, NULL, SOON), 0);
    for (int64_t n = 1; n <= 6; n++)
        check_rc(send_number(out, n, SOON), 0);
    for (int64_t n = 1; n <= 6; n++) {
        int64_t got = 0;
        check_rc(rn_chan_recv(in, n == 2 ? NULL : &got, SOON), 0);
        check(n == 2 || got == n);
    }
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int it_comes_again_and_dies_with_its_element(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers_out(NULL), *in = messages_in("queue", true),
            *dead = messages_in("queue.dead", round_now == 0);
    rn_msg m;
    for (int64_t n = 1; n <= 3; n++)
        check_rc(send_number(out, n, SOON), 0);
    for (int64_t n = 1; n <= 3; n++) {
        check_rc(rn_chan_recv(in, &m, SOON), 0);
        check_message(&m, n);
        check_rc(rn_msg_nack(&m, n * 10 * RN_MS), 0);
    }
    for (int64_t n = 1; n <= 3; n++) {
        check_rc(rn_chan_recv(in, &m, SOON), 0);
        check_message(&m, n);
        check(m.deliveries == 2);
        check_rc(rn_msg_reject(&m, "no use"), 0);
    }
    for (int64_t n = 1; n <= 3; n++) {
        rn_dead info;
        check_rc(rn_chan_recv(dead, &m, SOON), 0);
        check_message(&m, n);
        check_rc(rn_msg_dead(&m, &info), round_now == 0 ? 0 : -ENOENT);
        check_rc(rn_msg_ack(&m), 0);
    }
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(dead);
    cluster_close_two(a, b);
    return 0;
}

static int it_counts_in_the_capacity_in_bytes(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    const rn_bind_opts opts = { .capacity_bytes = 8 + TRACE_BYTES - round_now };
    rn_chan *out = numbers_out(&opts);
    check_rc(send_number(out, 1, SOON), round_now == 0 ? 0 : -EMSGSIZE);
    check_rc(send_number(out, 3, rn_after(RN_SEC)), round_now == 0 ? RN_ETIMEDOUT : 0);
    rn_chan_unref(out);
    cluster_close_two(a, b);
    return 0;
}

/* ---- what makes no sense ---- */

static int wrong_ones_are_refused(void *arg)
{
    static const char *const wrong[] = {
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01",
    };
    int64_t n = 7;
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers_out(NULL), *local = rn_chan_new(sizeof n, 1, NULL);
    for (size_t i = 0; i < RN_LEN(wrong); i++) {
        rn_send_opts opts = { .traceparent = wrong[i] };
        check_rc(rn_send_with(out, &n, &opts, SOON), -EINVAL);
    }
    check_rc(rn_send_with(local, &n, NULL, SOON), -EBADF);
    check_rc(rn_send_with(NULL, &n, NULL, SOON), -EBADF);
    check_rc(rn_send_with(out, &n, NULL, SOON), 0);
    check_rc(rn_send_with(out, &n, &(rn_send_opts){ .traceparent = "" }, SOON), 0);
    check_rc(rn_flush(out, SOON), 0);
    check(channel_info(a, "queue").bytes == 16);
    rn_chan_unref(out);
    rn_chan_unref(local);
    cluster_close_two(a, b);
    return 0;
}

/* What a node sends that is not ours, or is up to no good: a Header of 0x7f bytes, of which three are there. */
static int spoilt_encode(const void *ctx, const void *elem, rn_buf *out)
{
    (void)ctx;
    (void)elem;
    if (out->len == 0)
        return rn_buf_append(out, "good", 4);
    memcpy(out->data,
           "\x7f"
           "bad",
           4);
    out->len = 4;
    return 0;
}

static int one_that_makes_no_sense_is_a_dead_letter(void *arg)
{
    const rn_codec spoilt = { .elemsize = sizeof(int64_t), .encode = spoilt_encode };
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = rn_chan_new(sizeof(int64_t), 0, NULL),
            *in = messages_in("queue", round_now == 0), *dead = messages_in("queue.dead", true);
    rn_dead info;
    rn_msg m;
    check_rc(rn_bind(a, "queue", RN_OUT, out, &spoilt, NULL, SOON), 0);
    check_rc(send_number(out, 1, SOON), 0);
    check_rc(send_number(out, 6, SOON), 0);
    check_rc(rn_chan_recv(in, &m, SOON),
             0); /* the receive goes on as if the first had never been there */
    check(m.bytes.len == 4 && memcmp(m.bytes.data, "good", 4) == 0 && m.seq == 2);
    check_rc(rn_msg_ack(&m), 0);
    check_rc(rn_chan_recv(dead, &m, SOON), 0);
    check(m.bytes.len == 4 && memcmp(m.bytes.data,
                                     "\x7f"
                                     "bad",
                                     4) == 0);
    check(rn_msg_traceparent(&m) == NULL);
    check_rc(rn_msg_dead(&m, &info), 0);
    check(info.cause == RN_DEAD_REFUSED && info.seq == 1);
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
        { "each_element_has_its_own", each_element_has_its_own, 3, 8 },
        { "a_codec_does_not_see_it", a_codec_does_not_see_it, 1, 4 },
        { "it_comes_again_and_dies_with_its_element", it_comes_again_and_dies_with_its_element, 2,
          4 },
        { "it_counts_in_the_capacity_in_bytes", it_counts_in_the_capacity_in_bytes, 2, 2 },
        { "wrong_ones_are_refused", wrong_ones_are_refused, 1, 1 },
        { "one_that_makes_no_sense_is_a_dead_letter", one_that_makes_no_sense_is_a_dead_letter, 2,
          2 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
