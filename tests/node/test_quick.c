/* test_quick.c - an operation with nothing in its way differs from others in nothing but its speed.
 *   SPDX-License-Identifier: MIT */
#include "node/buf.h"
#include "tests/node/cluster.h"

#include <string.h>

static rn_node *node;
static rn_chan *gate; /* the decoding of element 1 waits for it */
static int asked,
    taken; /* how often the codec was asked to encode; how many receives have returned */

static int slow_encode(const void *ctx, const void *elem, rn_buf *out)
{
    size_t size = *(const size_t *)ctx;
    const int *n = elem;
    asked++;
    if (*n < 0)
        return *n;
    for (size_t at = 0; at < size; at += sizeof *n)
        check_rc(rn_buf_append(out, n, sizeof *n), 0);
    return 0;
}

static int slow_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    int n;
    check(len == *(const size_t *)ctx);
    memcpy(&n, bytes, sizeof n);
    check(memcmp(bytes + len - sizeof n, &n, sizeof n) == 0);
    if (n == 1 && gate != NULL)
        check_rc(rn_chan_recv(gate, NULL, SOON), 0);
    memcpy(elem, &n, sizeof n);
    return 0;
}

static rn_chan *end(enum rn_dir dir, const size_t *size)
{
    rn_codec codec = { .type = "slow",
                       .elemsize = sizeof(int),
                       .ctx = size,
                       .encode = slow_encode,
                       .decode = slow_decode };
    rn_chan *c = rn_chan_new(sizeof(int), 0, NULL);
    check_rc(rn_bind(node, "queue", dir, c, &codec, NULL, SOON), 0);
    return c;
}

static void open_all(void)
{
    cluster_open(100 * RN_US, 500 * RN_US);
    node = node_open("a");
    asked = taken = 0;
}

static void close_all(rn_chan *out, rn_chan *in)
{
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(node);
    cluster_close();
}

/* Until all that was sent lies in the prefetch. */
static void await(rn_chan *in, size_t n)
{
    while (rn_chan_len(in) < n)
        check_rc(rn_sleep(rn_after(RN_MS)), 0);
}

struct taker {
    rn_chan *in;
    int want;
};

static void take(void *arg)
{
    const struct taker *t = arg;
    int n = 0;
    check_rc(rn_chan_recv(t->in, &n, SOON), 0);
    check(n == t->want);
    check(++taken == t->want);
}

static int who_takes_next_waits_for_a_quick_taker(void *arg)
{
    static const size_t size = 16;
    (void)arg;
    open_all();
    gate = rn_chan_new(0, 0, NULL);
    rn_chan *out = end(RN_OUT, &size), *in = end(RN_IN, &size);
    for (int n = 1; n <= 3; n++)
        check_rc(rn_chan_send(out, &n, SOON), 0);
    await(in, 3);
    rn_group *g = rn_group_new();
    for (int n = 1; n <= 3; n++) {
        check_rc(rn_group_go(g, take, &(struct taker){ in, n }, sizeof(struct taker)), 0);
        while (rn_chan_len(in) > (size_t)(3 - n))
            check_rc(rn_sleep(rn_after(RN_US)), 0);
    }
    check_rc(rn_sleep(rn_after(RN_SEC)), 0);
    check(taken == 0);
    check(channel_info(node, "queue").taken == 0);
    check_rc(rn_chan_send(gate, NULL, SOON), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    check(taken == 3);
    rn_group_free(g);
    rn_chan_unref(gate);
    gate = NULL;
    close_all(out, in);
    return 0;
}

/* Around the room that a quick operation has, in either order. */
static int elements_of_any_size_arrive(void *arg)
{
    static const size_t sizes[] = { 4, 508, 512, 516, 4096 };
    size_t size = sizes[round_now % 5];
    (void)arg;
    open_all();
    rn_chan *out = end(RN_OUT, &size), *in = end(RN_IN, &size);
    for (int n = 1; n <= 40; n++) {
        size = sizes[(round_now + (uint64_t)n / 8) % 5];
        check_rc(rn_chan_send(out, &n, SOON), 0);
        int got = 0;
        check_rc(rn_chan_recv(in, &got, SOON), 0);
        check(got == n);
    }
    close_all(out, in);
    return 0;
}

static int what_does_not_encode_is_not_sent(void *arg)
{
    static const size_t size = 16;
    (void)arg;
    open_all();
    rn_chan *out = end(RN_OUT, &size), *in = end(RN_IN, &size);
    for (int n = 1; n <= 5; n++) {
        int bad = -EINVAL, got = 0;
        check_rc(rn_chan_send(out, &n, SOON), 0);
        check_rc(rn_chan_send(out, &bad, SOON), -EINVAL);
        check_rc(rn_chan_recv(in, &got, SOON), 0);
        check(got == n);
    }
    check(asked >= 10);
    check(rn_chan_len(in) == 0);
    close_all(out, in);
    return 0;
}

/* ---- structs, which are copied and not encoded ---- */

#define MOST 600 /* bytes */

static rn_chan *struct_end(enum rn_dir dir, size_t size, const rn_bind_opts *opts)
{
    const rn_codec codec = rn_codec_struct(NULL, size);
    rn_chan *c = rn_chan_new(size, 0, NULL);
    check_rc(rn_bind(node, "queue", dir, c, &codec, opts, SOON), 0);
    return c;
}

static void fill(uint8_t *elem, size_t size, int n)
{
    for (size_t i = 0; i < size; i++)
        elem[i] = (uint8_t)((size_t)n * 31 + i);
}

static int structs_of_any_size_arrive(void *arg)
{
    static const size_t sizes[] = { 1, 2, 7, 8, 16, 31, 32, 33, 127, 128, 511, 512, 513, MOST };
    size_t size = sizes[round_now];
    uint8_t sent[MOST], got[MOST];
    (void)arg;
    open_all();
    rn_chan *out = struct_end(RN_OUT, size, NULL), *in = struct_end(RN_IN, size, NULL);
    for (int n = 0; n < 60; n += 20) {
        for (int k = n; k < n + 20; k++) {
            fill(sent, size, k);
            check_rc(rn_chan_send(out, sent, SOON), 0);
        }
        for (int k = n; k < n + 20; k++) {
            fill(sent, size, k);
            check_rc(rn_chan_recv(in, got, SOON), 0);
            check(memcmp(sent, got, size) == 0);
        }
    }
    while (channel_info(node, "queue").taken < 60)
        check_rc(rn_sleep(rn_after(RN_MS)), 0);
    close_all(out, in);
    return 0;
}

/* To NAME.dead, as what any codec refuses; those around it are taken in their order. */
static int what_is_no_such_struct_is_refused(void *arg)
{
    (void)arg;
    open_all();
    rn_chan *out = rn_chan_new(sizeof(rn_bytes), 0, NULL), *in = struct_end(RN_IN, 4, NULL);
    check_rc(rn_bind(node, "queue", RN_OUT, out, &rn_codec_bytes, NULL, SOON), 0);
    for (uint32_t n = 1; n <= 30; n++) {
        rn_bytes b;
        check_rc(rn_bytes_new(&b, &n, n % 3 == 0 ? 3 : 4), 0);
        check_rc(rn_chan_send(out, &b, SOON), 0);
    }
    for (uint32_t n = 1, got = 0; n <= 30; n++) {
        if (n % 3 == 0)
            continue;
        check_rc(rn_chan_recv(in, &got, SOON), 0);
        check(got == n);
    }
    check_rc(rn_chan_recv(in, &(uint32_t){ 0 }, rn_after(RN_SEC)), RN_ETIMEDOUT);
    check(channel_info(node, "queue").dead == 10);
    check(channel_info(node, "queue").taken == 20);
    close_all(out, in);
    return 0;
}

static int structs_wait_for_credit_in_order(void *arg)
{
    (void)arg;
    open_all();
    const rn_bind_opts small = { .capacity = 1 + (int64_t)round_now };
    rn_chan *out = struct_end(RN_OUT, sizeof(int), &small),
            *in = struct_end(RN_IN, sizeof(int), NULL);
    int sent = 1, expected = 1, n;
    while (expected <= 60) {
        if (sent <= 60 && rn_chan_send(out, &sent, rn_after(RN_MS)) == 0)
            sent++;
        if (rn_chan_recv(in, &n, sent <= 60 ? RN_NOWAIT : SOON) == 0)
            check(n == expected++);
        check(sent - expected <= small.capacity);
    }
    close_all(out, in);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fact facts[] = {
        { "who_takes_next_waits_for_a_quick_taker", who_takes_next_waits_for_a_quick_taker, 1, 20 },
        { "elements_of_any_size_arrive", elements_of_any_size_arrive, 5, 4 },
        { "what_does_not_encode_is_not_sent", what_does_not_encode_is_not_sent, 1, 10 },
        { "structs_of_any_size_arrive", structs_of_any_size_arrive, 14, 2 },
        { "what_is_no_such_struct_is_refused", what_is_no_such_struct_is_refused, 1, 10 },
        { "structs_wait_for_credit_in_order", structs_wait_for_credit_in_order, 3, 6 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
