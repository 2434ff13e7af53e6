/* test_bind.c - bound channels against a real broker, in one simulated process.   SPDX-License-Identifier: MIT
 *
 * Each fact is tried under several seeds: the same program, other interleavings and delays.  Checks end the process,
 * because they are made in goroutines. */
#include "broker/core/core.h"
#include "broker/shard.h"
#include "node/node.h"
#include "proto/link/memlink.h"
#include "runtime/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS 8
#define LEASE (2 * RN_SEC)
#define SOON  rn_after(60 * RN_SEC)

static uint64_t seed_now;

#define check(condition)                                                  \
    do {                                                                  \
        if (!(condition)) {                                               \
            fprintf(stderr, "%s:%d: seed %llu: %s\n", __FILE__, __LINE__, \
                    (unsigned long long)seed_now, #condition);            \
            abort();                                                      \
        }                                                                 \
    } while (0)
#define check_rc(got, expected)                                                        \
    do {                                                                               \
        int got_ = (got);                                                              \
        if (got_ != (expected)) {                                                      \
            fprintf(stderr, "%s:%d: seed %llu: %s gave %d (%s)\n", __FILE__, __LINE__, \
                    (unsigned long long)seed_now, #got, got_, rn_strerror(got_));      \
            abort();                                                                   \
        }                                                                              \
    } while (0)

/* ---- a broker and two nodes ---- */

static struct memnet *net;
static struct shard *shard;
static rn_chan *shard_done;
static rn_node *a, *b;

static void serve(void *arg)
{
    (void)arg;
    int rc = shard_run(shard);
    rn_chan_send(shard_done, &rc, RN_FOREVER);
}

static rn_node *node_named(const char *name)
{
    rn_node *node = NULL;
    rn_node_opts opts = { .name = name, .lease_ns = LEASE };
    check_rc(rn__node_open_on(&node, &opts, memnet_endpoint(net, name), "mem://broker", SOON), 0);
    return node;
}

static void world_open(void)
{
    struct memnet_opts opts = { .seed = seed_now,
                                .delay_min_ns = 10 * RN_US,
                                .delay_max_ns = 500 * RN_US };
    net = memnet_new(&opts);
    shard = shard_new(memnet_endpoint(net, "broker"), NULL);
    check(shard != NULL);
    shard_done = rn_chan_new(sizeof(int), 1, NULL);
    check_rc(rn_go(serve, NULL), 0);
    a = node_named("a");
    b = node_named("b");
}

static void world_close(void)
{
    uint64_t unsent = 1;
    int rc = 0;
    if (a != NULL)
        check_rc(rn_node_close(a, SOON, &unsent), 0);
    if (b != NULL)
        check_rc(rn_node_close(b, SOON, &unsent), 0);
    core_check(shard_core(shard));
    shard_stop(shard);
    check_rc(rn_chan_recv(shard_done, &rc, SOON), 0);
    check_rc(rc, 0);
    shard_free(shard);
    memnet_free(net);
    rn_chan_unref(shard_done);
}

static rn_chan *bound(rn_node *node, const char *name, enum rn_dir dir, const rn_bind_opts *opts)
{
    rn_chan *c = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(node, name, dir, c, &rn_codec_int64, opts, SOON), 0);
    return c;
}

static int send(rn_chan *c, int64_t value, rn_time deadline)
{
    return rn_chan_send(c, &value, deadline);
}

static void send_range(rn_chan *c, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++)
        check_rc(send(c, i, SOON), 0);
}

static void receive_range(rn_chan *c, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++) {
        int64_t got = -1;
        check_rc(rn_chan_recv(c, &got, SOON), 0);
        check(got == i);
    }
}

static void part(const char *name, bool on)
{
    memnet_partition(net, name, "broker", on, true);
    memnet_partition(net, "broker", name, on, true);
}

static void under_seeds(int (*fn)(void *arg))
{
    for (seed_now = 1; seed_now <= SEEDS; seed_now++)
        assert_int_equal(rn_sim(seed_now, fn, NULL), 0);
}

#define FACT(name)                       \
    static int name##_in_sim(void *arg); \
    static void name(void **state)       \
    {                                    \
        (void)state;                     \
        under_seeds(name##_in_sim);      \
    }                                    \
    static int name##_in_sim(void *arg)

/* ---- streams ---- */

struct stream {
    rn_chan *chan;
    int64_t first, last;
};

static void stream_out(void *arg)
{
    struct stream *s = arg;
    send_range(s->chan, s->first, s->last);
    rn_chan_close(s->chan);
}

FACT(elements_arrive_in_order_and_close_comes_last)
{
    (void)arg;
    world_open();
    struct stream s = { bound(a, "numbers", RN_OUT, NULL), 1, 3000 };
    rn_chan *in = bound(b, "numbers", RN_IN, NULL);
    check_rc(rn_go_copy(stream_out, &s, sizeof s), 0);
    receive_range(in, 1, 3000);
    int64_t got = 7;
    check_rc(rn_chan_recv(in, &got, SOON), RN_ECLOSED);
    check(got == 7);
    check_rc(rn_chan_err(in), 0);
    check_rc(send(s.chan, 1, SOON), RN_ECLOSED);
    rn_chan_unref(s.chan);
    rn_chan_unref(in);
    world_close();
    return 0;
}

FACT(small_capacity_still_carries_a_stream)
{
    (void)arg;
    world_open();
    rn_bind_opts opts = { .capacity = 1 };
    struct stream s = { bound(a, "narrow", RN_OUT, &opts), 1, 200 };
    rn_chan *in = bound(b, "narrow", RN_IN, NULL);
    check_rc(rn_go_copy(stream_out, &s, sizeof s), 0);
    receive_range(in, 1, 200);
    rn_chan_unref(s.chan);
    rn_chan_unref(in);
    world_close();
    return 0;
}

FACT(no_more_than_the_capacity_is_sent_and_not_taken)
{
    (void)arg;
    world_open();
    rn_bind_opts opts = { .capacity = 4 };
    rn_chan *out = bound(a, "four", RN_OUT, &opts);
    rn_chan *in = bound(b, "four", RN_IN, NULL);
    check(rn_chan_cap(out) == 4);
    check(rn_chan_cap(in) == 4);
    send_range(out, 1, 4);
    check_rc(send(out, 5, rn_after(RN_SEC)), RN_ETIMEDOUT);
    receive_range(in, 1, 1);
    check_rc(send(out, 5, SOON), 0);
    check_rc(send(out, 6, rn_after(RN_SEC)), RN_ETIMEDOUT);
    receive_range(in, 2, 5);
    check_rc(rn_flush(out, SOON), 0);
    check(rn_chan_unsent(out) == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

FACT(one_handle_may_send_and_receive)
{
    (void)arg;
    world_open();
    rn_chan *both = bound(a, "loop", RN_OUT, NULL);
    check_rc(rn_bind(a, "loop", RN_IN, both, &rn_codec_int64, NULL, SOON), 0);
    check_rc(rn_bind(a, "loop", RN_IN, both, &rn_codec_int64, NULL, SOON), -EBUSY);
    check_rc(rn_bind(a, "other", RN_IN, both, &rn_codec_int64, NULL, SOON), -EBUSY);
    send_range(both, 1, 10);
    receive_range(both, 1, 10);
    check_rc(rn_unbind(both, SOON), 0);
    check_rc(send(both, 1, SOON), -ESHUTDOWN);
    check_rc(rn_chan_recv(both, NULL, SOON), -ESHUTDOWN);
    check_rc(rn_unbind(both, SOON), -EBADF);
    rn_chan_unref(both);
    world_close();
    return 0;
}

FACT(select_mixes_bound_and_local_channels)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "mixed", RN_OUT, NULL);
    rn_chan *in = bound(b, "mixed", RN_IN, NULL);
    rn_chan *local = rn_chan_new(sizeof(int64_t), 1, NULL);
    int64_t value = 0, other = 0;
    check_rc(send(local, 5, SOON), 0);
    rn_case cases[] = { { in, &value, RN_RECV, 0 }, { local, &other, RN_RECV, 0 } };
    check(rn_select(cases, 2, SOON) == 1);
    check(other == 5);
    check_rc(send(out, 6, SOON), 0);
    check(rn_select(cases, 2, SOON) == 0);
    check_rc(cases[0].rc, 0);
    check(value == 6);
    check(rn_select(cases, 2, rn_after(RN_SEC)) == RN_ETIMEDOUT);
    int64_t mine = 9;
    rn_case sends[] = { { out, &mine, RN_SEND, 0 }, { local, &other, RN_RECV, 0 } };
    check(rn_select(sends, 2, SOON) == 0);
    receive_range(in, 9, 9);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(local);
    world_close();
    return 0;
}

FACT(operation_that_does_not_wait_is_an_ask)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "polled", RN_OUT, NULL);
    rn_chan *in = bound(b, "polled", RN_IN, &(rn_bind_opts){ .prefetch = 1 });
    rn_time end = SOON;
    int rc;
    while ((rc = send(out, 1, RN_NOWAIT)) == RN_ETIMEDOUT && rn_now() < end)
        rn_sleep(rn_after(RN_MS));
    check_rc(rc, 0);
    int64_t got = 0;
    while ((rc = rn_chan_recv(in, &got, RN_NOWAIT)) == RN_ETIMEDOUT && rn_now() < end)
        rn_sleep(rn_after(RN_MS));
    check_rc(rc, 0);
    check(got == 1);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

/* ---- refusals ---- */

FACT(refused_bind_leaves_the_channel_as_it_was)
{
    (void)arg;
    world_open();
    rn_chan *first = bound(a, "orders", RN_OUT, &(rn_bind_opts){ .capacity = 16 });
    rn_chan *c = rn_chan_new(sizeof(int64_t), 1, NULL);
    char why[300];
    rn_bind_opts eight = { .capacity = 8 }, disk = { .keep = RN_DISK };
    check_rc(rn_bind(b, "orders", RN_OUT, c, &rn_codec_int64, &eight, SOON), RN_EMISMATCH);
    check(rn_node_last_error(b, why, sizeof why) > 0);
    check(strstr(why, "16") != NULL);
    check(strstr(why, "8") != NULL);
    check_rc(rn_bind(b, "disk", RN_IN, c, &rn_codec_int64, &disk, SOON), -ENOTSUP);
    check_rc(
        rn_bind(b, "none", RN_IN, c, &rn_codec_int64, &(rn_bind_opts){ .must_exist = true }, SOON),
        -ENOENT);
    check_rc(rn_bind(b, "bad name", RN_IN, c, &rn_codec_int64, NULL, SOON), -EINVAL);
    check_rc(rn_bind(b, "orders", RN_IN, c, &rn_codec_bytes, NULL, SOON), -EINVAL);
    check_rc(send(c, 3, SOON), 0);
    check_rc(rn_bind(b, "orders", RN_IN, c, &rn_codec_int64, NULL, SOON), -EBUSY);
    receive_range(c, 3, 3);
    check_rc(rn_unbind(c, SOON), -EBADF);
    check_rc(rn_bind(b, "orders", RN_IN, c, &rn_codec_int64, NULL, SOON), 0);
    check_rc(send(c, 3, SOON), -EBADF);
    check_rc(rn_chan_recv(first, NULL, SOON), -EBADF);
    rn_chan_unref(first);
    rn_chan_unref(c);
    world_close();
    return 0;
}

FACT(element_larger_than_the_channel_is_refused)
{
    (void)arg;
    world_open();
    rn_chan *c = rn_chan_new(sizeof(rn_bytes), 0, NULL);
    rn_bind_opts opts = { .capacity = 10, .capacity_bytes = 1000 };
    check_rc(rn_bind(a, "small", RN_OUT, c, &rn_codec_bytes, &opts, SOON), 0);
    rn_bytes fits, large;
    check_rc(rn_bytes_new(&fits, NULL, 1000), 0);
    check_rc(rn_bytes_new(&large, NULL, 1001), 0);
    memset(fits.data, 1, fits.len);
    memset(large.data, 1, large.len);
    check_rc(rn_chan_send(c, &large, SOON), -EMSGSIZE);
    check_rc(rn_chan_send(c, &fits, SOON), 0);
    rn_bytes_free(&large); /* still ours; the other is the node's */
    rn_chan_unref(c);
    world_close();
    return 0;
}

/* ---- ends ---- */

FACT(unbind_gives_back_what_nobody_took)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "back", RN_OUT, NULL);
    rn_chan *in = bound(b, "back", RN_IN, &(rn_bind_opts){ .prefetch = 50 });
    send_range(out, 1, 50);
    receive_range(in, 1, 10);
    check_rc(rn_unbind(in, SOON), 0);
    check_rc(rn_chan_recv(in, NULL, SOON), -ESHUTDOWN);
    rn_chan *again = bound(a, "back", RN_IN, NULL);
    receive_range(again, 11, 50);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(again);
    world_close();
    return 0;
}

FACT(confirmed_send_is_at_the_home)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "sure", RN_OUT, &(rn_bind_opts){ .confirm = true });
    for (int64_t i = 1; i <= 20; i++) {
        check_rc(send(out, i, SOON), 0);
        check(rn_chan_unsent(out) == 0);
        check(rn_chan_len(out) == 0);
    }
    rn_chan *in = bound(b, "sure", RN_IN, NULL);
    receive_range(in, 1, 20);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

FACT(confirmed_send_without_a_link_is_in_doubt)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "doubt", RN_OUT, &(rn_bind_opts){ .confirm = true });
    check_rc(send(out, 1, SOON), 0);
    part("a", true);
    check_rc(send(out, 2, rn_after(100 * RN_MS)), RN_EUNKNOWN);
    part("a", false);
    /* The session goes on: what was in doubt has been sent after all, once. */
    check_rc(send(out, 3, SOON), 0);
    rn_chan *in = bound(b, "doubt", RN_IN, NULL);
    receive_range(in, 1, 3);
    check(rn_chan_unsent(out) == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

FACT(failing_the_receiving_end_cancels)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "cancel", RN_OUT, &(rn_bind_opts){ .capacity = 8 });
    rn_chan *in = bound(b, "cancel", RN_IN, NULL);
    send_range(out, 1, 8);
    receive_range(in, 1, 2);
    rn_chan_fail(in, -EIO);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ECLOSED);
    check_rc(rn_chan_err(in), -EIO);
    rn_time end = SOON;
    int rc;
    while ((rc = send(out, 9, rn_after(10 * RN_MS))) == 0 || rc == RN_ETIMEDOUT)
        check(rn_now() < end);
    check_rc(rc, -EIO);
    check_rc(rn_chan_err(out), -EIO);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

FACT(failing_the_sending_end_is_a_close_with_a_reason)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "crashed", RN_OUT, NULL);
    rn_chan *in = bound(b, "crashed", RN_IN, NULL);
    send_range(out, 1, 5);
    rn_chan_fail(out, -EPIPE);
    receive_range(in, 1, 5);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ECLOSED);
    check_rc(rn_chan_err(in), -EPIPE);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

FACT(closing_the_receiving_end_lets_it_receive_what_was_sent)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "halt", RN_OUT, NULL);
    rn_chan *in = bound(b, "halt", RN_IN, NULL);
    send_range(out, 1, 30);
    check_rc(rn_flush(out, SOON), 0);
    rn_chan_close(in);
    receive_range(in, 1, 30);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ECLOSED);
    check_rc(rn_chan_err(in), 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

static int decode_even(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    (void)ctx;
    int rc = rn_codec_int64.decode(NULL, bytes, len, elem);
    return rc < 0 ? rc : *(int64_t *)elem % 10 == 0 ? -ENOMEM : 0;
}

static void take_some(void *arg)
{
    struct stream *s = arg;
    int64_t got;
    while (rn_chan_recv(s->chan, &got, SOON) == 0) {
        check(got < 10);
        s->last += got;
    }
    check_rc(rn_chan_err(s->chan), -ENOMEM);
}

FACT(element_that_does_not_decode_goes_back_with_those_after_it)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "odd", RN_OUT, NULL);
    rn_codec picky = rn_codec_int64;
    picky.decode = decode_even;
    rn_chan *in = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(b, "odd", RN_IN, in, &picky, NULL, SOON), 0);
    send_range(out, 1, 40);
    struct stream takers[3] = { { in, 0, 0 }, { in, 0, 0 }, { in, 0, 0 } };
    rn_group *g = rn_group_new();
    for (int i = 0; i < 3; i++) {
        struct stream *taker = &takers[i];
        check_rc(rn_group_go(g, take_some, taker, sizeof *taker), 0);
    }
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    rn_chan *again = bound(a, "odd", RN_IN, NULL);
    receive_range(again, 10, 40);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(again);
    world_close();
    return 0;
}

/* ---- broken links ---- */

FACT(broken_connections_lose_and_double_nothing)
{
    (void)arg;
    world_open();
    struct stream s = { bound(a, "rough", RN_OUT, &(rn_bind_opts){ .capacity = 64 }), 1, 2000 };
    rn_chan *in = bound(b, "rough", RN_IN, NULL);
    check_rc(rn_go_copy(stream_out, &s, sizeof s), 0);
    for (int i = 0; i < 20; i++) {
        receive_range(in, i * 100 + 1, i * 100 + 100);
        memnet_break(net, i % 2 == 0 ? "a" : "b", "broker");
    }
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ECLOSED);
    rn_chan_unref(s.chan);
    rn_chan_unref(in);
    world_close();
    return 0;
}

FACT(end_of_the_lease_fails_the_handle_and_a_fresh_one_goes_on)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "lease", RN_OUT, NULL);
    rn_chan *in = bound(b, "lease", RN_IN, NULL);
    send_range(out, 1, 3);
    receive_range(in, 1, 3);
    part("b", true);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ESESSION);
    check_rc(rn_chan_err(in), RN_ESESSION);
    part("b", false);
    rn_chan *fresh = bound(b, "lease", RN_IN, NULL);
    send_range(out, 4, 6);
    /* At least once: what was taken and not reported when the session ended may come again. */
    int64_t got = 0;
    while (got != 6)
        check_rc(rn_chan_recv(fresh, &got, SOON), 0);
    check_rc(rn_unbind(in, SOON), 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(fresh);
    world_close();
    return 0;
}

FACT(last_quarter_of_the_lease_takes_nothing)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "fence", RN_OUT, NULL);
    rn_chan *in = bound(b, "fence", RN_IN, &(rn_bind_opts){ .prefetch = 100 });
    send_range(out, 1, 100);
    receive_range(in, 1, 50);
    part("b", true);
    rn_time cut = rn_now();
    int64_t taken = 50;
    int rc;
    while ((rc = rn_chan_recv(in, NULL, rn_after(10 * RN_MS))) == 0 || rc == RN_ETIMEDOUT) {
        taken += rc == 0;
        check(rc != 0 || rn_now() < cut + LEASE / 4 * 3 + RN_SEC / 8);
        rn_sleep(rn_after(100 * RN_MS));
    }
    check_rc(rc, RN_ESESSION);
    check(taken < 100);
    part("b", false);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

/* The link goroutine sleeps while an acknowledgement waits that would renew the lease, until an operation has seen its
 * end. */
FACT(end_is_final_once_an_operation_has_failed_over_it)
{
    (void)arg;
    world_open();
    rn_bind_opts opts = { .capacity = 4 };
    rn_chan *out = bound(a, "final", RN_OUT, &opts);
    rn_chan *in = bound(a, "other", RN_IN, &opts);
    int64_t value;
    int rc = 0;
    check_rc(send(out, 1, SOON), 0); /* lends it more */
    rn_sleep(rn_after(LEASE / 16));
    memnet_partition(net, "broker", "a", true, false);
    check_rc(send(out, 2, RN_NOWAIT), 0);
    rn_sleep(rn_after(2 * RN_MS));
    memnet_freeze(net, "a", true);
    memnet_partition(net, "broker", "a", false, false);
    while (rc != RN_ESESSION) {
        rn_sleep(rn_after(RN_MS));
        rc = send(out, 3, RN_NOWAIT);
        check(rc == 0 || rc == RN_ETIMEDOUT || rc == RN_ESESSION);
    }
    memnet_freeze(net, "a", false);
    rn_sleep(rn_after(100 * RN_MS));
    check_rc(send(out, 4, RN_NOWAIT), RN_ESESSION);
    check_rc(rn_chan_recv(in, &value, RN_NOWAIT), RN_ESESSION);
    check_rc(rn_chan_err(in), RN_ESESSION);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

FACT(crash_of_a_receiver_delivers_its_elements_to_another)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "heirs", RN_OUT, NULL);
    rn_chan *in = bound(b, "heirs", RN_IN, &(rn_bind_opts){ .prefetch = 20 });
    send_range(out, 1, 20);
    receive_range(in, 1, 1);
    rn__node_crash(b);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ESESSION);
    b = NULL;
    /* What was never delivered comes first, the rest when the lease has ended; all but the one that was taken for
     * certain, and that one too if the broker was not told. */
    rn_chan *heir = bound(a, "heirs", RN_IN, NULL);
    uint32_t seen = 0, all_but_first = (1u << 21) - 4;
    while ((seen & all_but_first) != all_but_first) {
        int64_t got = 0;
        check_rc(rn_chan_recv(heir, &got, SOON), 0);
        check((seen & 1u << got) == 0);
        seen |= 1u << got;
    }
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(heir);
    world_close();
    return 0;
}

FACT(close_of_a_node_without_a_link_tells_what_is_unsent)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "left", RN_OUT, NULL);
    send_range(out, 1, 5);
    check_rc(rn_flush(out, SOON), 0);
    check_rc(send(out, 6, SOON),
             0); /* there is credit from the stream before, or it waits for it */
    check_rc(rn_flush(out, SOON), 0);
    part("a", true);
    int64_t sent = 0;
    while (send(out, 7, RN_NOWAIT) == 0)
        sent++;
    uint64_t unsent = 0;
    int rc = rn_node_close(a, rn_after(100 * RN_MS), &unsent);
    a = NULL;
    check(unsent == (uint64_t)sent);
    check_rc(rc, RN_ETIMEDOUT);
    check_rc(send(out, 8, SOON), -ESHUTDOWN);
    check(rn_chan_unsent(out) == unsent);
    part("a", false);
    rn_chan_unref(out);
    world_close();
    return 0;
}

FACT(bind_waits_for_the_next_session_or_its_deadline)
{
    (void)arg;
    world_open();
    part("b", true);
    rn_chan *c = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(b, "later", RN_IN, c, &rn_codec_int64, NULL, rn_after(100 * RN_MS)),
             RN_ETIMEDOUT);
    rn_sleep(rn_after(2 * LEASE));
    check_rc(rn_bind(b, "later", RN_IN, c, &rn_codec_int64, NULL, rn_after(100 * RN_MS)),
             RN_ETIMEDOUT);
    part("b", false);
    check_rc(rn_bind(b, "later", RN_IN, c, &rn_codec_int64, NULL, SOON), 0);
    rn_chan_unref(c);
    world_close();
    return 0;
}

/* ---- looking inside ---- */

struct seen {
    int channels;
    uint64_t accepted, taken;
};

static void see(void *arg, const struct wire_channel_info *info)
{
    struct seen *seen = arg;
    seen->channels++;
    if (strcmp(info->name, "seen") == 0) {
        seen->accepted = info->accepted;
        seen->taken = info->taken;
    }
}

FACT(query_tells_what_channels_there_are)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(a, "seen", RN_OUT, NULL);
    rn_chan *in = bound(b, "seen", RN_IN, NULL);
    rn_chan *more = bound(b, "more", RN_OUT, NULL);
    send_range(out, 1, 10);
    receive_range(in, 1, 10);
    check_rc(rn_unbind(in, SOON), 0);
    struct seen all = { 0 }, one = { 0 }, none = { 0 };
    check_rc(rn__node_query(a, NULL, see, &all, SOON), 0);
    check(all.channels == 2);
    check(all.accepted == 10);
    check(all.taken == 10);
    check_rc(rn__node_query(a, "seen", see, &one, SOON), 0);
    check(one.channels == 1);
    check_rc(rn__node_query(a, "nothing", see, &none, SOON), 0);
    check(none.channels == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(more);
    world_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_arrive_in_order_and_close_comes_last),
        cmocka_unit_test(small_capacity_still_carries_a_stream),
        cmocka_unit_test(no_more_than_the_capacity_is_sent_and_not_taken),
        cmocka_unit_test(one_handle_may_send_and_receive),
        cmocka_unit_test(select_mixes_bound_and_local_channels),
        cmocka_unit_test(operation_that_does_not_wait_is_an_ask),
        cmocka_unit_test(refused_bind_leaves_the_channel_as_it_was),
        cmocka_unit_test(element_larger_than_the_channel_is_refused),
        cmocka_unit_test(unbind_gives_back_what_nobody_took),
        cmocka_unit_test(confirmed_send_is_at_the_home),
        cmocka_unit_test(confirmed_send_without_a_link_is_in_doubt),
        cmocka_unit_test(failing_the_receiving_end_cancels),
        cmocka_unit_test(failing_the_sending_end_is_a_close_with_a_reason),
        cmocka_unit_test(closing_the_receiving_end_lets_it_receive_what_was_sent),
        cmocka_unit_test(element_that_does_not_decode_goes_back_with_those_after_it),
        cmocka_unit_test(broken_connections_lose_and_double_nothing),
        cmocka_unit_test(end_of_the_lease_fails_the_handle_and_a_fresh_one_goes_on),
        cmocka_unit_test(last_quarter_of_the_lease_takes_nothing),
        cmocka_unit_test(end_is_final_once_an_operation_has_failed_over_it),
        cmocka_unit_test(crash_of_a_receiver_delivers_its_elements_to_another),
        cmocka_unit_test(close_of_a_node_without_a_link_tells_what_is_unsent),
        cmocka_unit_test(bind_waits_for_the_next_session_or_its_deadline),
        cmocka_unit_test(query_tells_what_channels_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
