/* test_bind.c - bound channels: streams, refusals, ends in order.   SPDX-License-Identifier: MIT */
#include "tests/node/numbers.h"

#include <string.h>

#define SEEDS 8

static rn_node *a, *b;

/* ---- streams ---- */

static int elements_arrive_in_order_and_close_comes_last(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    struct stream s = { numbers(a, "numbers", RN_OUT, NULL), 1, 3000 };
    rn_chan *in = numbers(b, "numbers", RN_IN, NULL);
    check_rc(rn_go_copy(stream_out, &s, sizeof s), 0);
    receive_numbers(in, 1, 3000);
    int64_t got = 7;
    check_rc(rn_chan_recv(in, &got, SOON), RN_ECLOSED);
    check(got == 7);
    check_rc(rn_chan_err(in), 0);
    check_rc(send_number(s.chan, 1, SOON), RN_ECLOSED);
    rn_chan_unref(s.chan);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int small_capacity_still_carries_a_stream(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_bind_opts opts = { .capacity = 1 };
    struct stream s = { numbers(a, "narrow", RN_OUT, &opts), 1, 200 };
    rn_chan *in = numbers(b, "narrow", RN_IN, NULL);
    check_rc(rn_go_copy(stream_out, &s, sizeof s), 0);
    receive_numbers(in, 1, 200);
    rn_chan_unref(s.chan);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int no_more_than_the_capacity_is_sent_and_not_taken(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_bind_opts opts = { .capacity = 4 };
    rn_chan *out = numbers(a, "four", RN_OUT, &opts);
    rn_chan *in = numbers(b, "four", RN_IN, NULL);
    check(rn_chan_cap(out) == 4);
    check(rn_chan_cap(in) == 4);
    send_numbers(out, 1, 4);
    check_rc(send_number(out, 5, rn_after(RN_SEC)), RN_ETIMEDOUT);
    receive_numbers(in, 1, 1);
    check_rc(send_number(out, 5, SOON), 0);
    check_rc(send_number(out, 6, rn_after(RN_SEC)), RN_ETIMEDOUT);
    receive_numbers(in, 2, 5);
    check_rc(rn_flush(out, SOON), 0);
    check(rn_chan_unsent(out) == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int one_handle_may_send_and_receive(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *both = numbers(a, "loop", RN_OUT, NULL);
    check_rc(rn_bind(a, "loop", RN_IN, both, &rn_codec_int64, NULL, SOON), 0);
    check_rc(rn_bind(a, "loop", RN_IN, both, &rn_codec_int64, NULL, SOON), -EBUSY);
    check_rc(rn_bind(a, "other", RN_IN, both, &rn_codec_int64, NULL, SOON), -EBUSY);
    send_numbers(both, 1, 10);
    receive_numbers(both, 1, 10);
    check_rc(rn_unbind(both, SOON), 0);
    check_rc(send_number(both, 1, SOON), -ESHUTDOWN);
    check_rc(rn_chan_recv(both, NULL, SOON), -ESHUTDOWN);
    check_rc(rn_unbind(both, SOON), -EBADF);
    rn_chan_unref(both);
    cluster_close_two(a, b);
    return 0;
}

static int select_mixes_bound_and_local_channels(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "mixed", RN_OUT, NULL);
    rn_chan *in = numbers(b, "mixed", RN_IN, NULL);
    rn_chan *local = rn_chan_new(sizeof(int64_t), 1, NULL);
    int64_t value = 0, other = 0;
    check_rc(send_number(local, 5, SOON), 0);
    rn_case cases[] = { { in, &value, RN_RECV, 0 }, { local, &other, RN_RECV, 0 } };
    check(rn_select(cases, 2, SOON) == 1);
    check(other == 5);
    check_rc(send_number(out, 6, SOON), 0);
    check(rn_select(cases, 2, SOON) == 0);
    check_rc(cases[0].rc, 0);
    check(value == 6);
    check(rn_select(cases, 2, rn_after(RN_SEC)) == RN_ETIMEDOUT);
    int64_t mine = 9;
    rn_case sends[] = { { out, &mine, RN_SEND, 0 }, { local, &other, RN_RECV, 0 } };
    check(rn_select(sends, 2, SOON) == 0);
    receive_numbers(in, 9, 9);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(local);
    cluster_close_two(a, b);
    return 0;
}

static int operation_that_does_not_wait_is_an_ask(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "polled", RN_OUT, NULL);
    rn_chan *in = numbers(b, "polled", RN_IN, &(rn_bind_opts){ .prefetch = 1 });
    rn_time end = SOON;
    int rc;
    while ((rc = send_number(out, 1, RN_NOWAIT)) == RN_ETIMEDOUT && rn_now() < end)
        rn_sleep(rn_after(RN_MS));
    check_rc(rc, 0);
    int64_t got = 0;
    while ((rc = rn_chan_recv(in, &got, RN_NOWAIT)) == RN_ETIMEDOUT && rn_now() < end)
        rn_sleep(rn_after(RN_MS));
    check_rc(rc, 0);
    check(got == 1);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

/* ---- refusals ---- */

static int refused_bind_leaves_the_channel_as_it_was(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *first = numbers(a, "orders", RN_OUT, &(rn_bind_opts){ .capacity = 16 });
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
    check_rc(send_number(c, 3, SOON), 0);
    check_rc(rn_bind(b, "orders", RN_IN, c, &rn_codec_int64, NULL, SOON), -EBUSY);
    receive_numbers(c, 3, 3);
    check_rc(rn_unbind(c, SOON), -EBADF);
    check_rc(rn_bind(b, "orders", RN_IN, c, &rn_codec_int64, NULL, SOON), 0);
    check_rc(send_number(c, 3, SOON), -EBADF);
    check_rc(rn_chan_recv(first, NULL, SOON), -EBADF);
    rn_chan_unref(first);
    rn_chan_unref(c);
    cluster_close_two(a, b);
    return 0;
}

static int element_larger_than_the_channel_is_refused(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
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
    cluster_close_two(a, b);
    return 0;
}

/* ---- ends ---- */

static int unbind_gives_back_what_nobody_took(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "back", RN_OUT, NULL);
    rn_chan *in = numbers(b, "back", RN_IN, &(rn_bind_opts){ .prefetch = 50 });
    send_numbers(out, 1, 50);
    receive_numbers(in, 1, 10);
    check_rc(rn_unbind(in, SOON), 0);
    check_rc(rn_chan_recv(in, NULL, SOON), -ESHUTDOWN);
    rn_chan *again = numbers(a, "back", RN_IN, NULL);
    receive_numbers(again, 11, 50);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(again);
    cluster_close_two(a, b);
    return 0;
}

static int confirmed_send_is_at_the_home(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "sure", RN_OUT, &(rn_bind_opts){ .confirm = true });
    for (int64_t i = 1; i <= 20; i++) {
        check_rc(send_number(out, i, SOON), 0);
        check(rn_chan_unsent(out) == 0);
        check(rn_chan_len(out) == 0);
    }
    rn_chan *in = numbers(b, "sure", RN_IN, NULL);
    receive_numbers(in, 1, 20);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int confirmed_send_without_a_link_is_in_doubt(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "doubt", RN_OUT, &(rn_bind_opts){ .confirm = true });
    check_rc(send_number(out, 1, SOON), 0);
    cable("a", true);
    check_rc(send_number(out, 2, rn_after(100 * RN_MS)), RN_EUNKNOWN);
    cable("a", false);
    /* The session goes on: what was in doubt has been sent after all, once. */
    check_rc(send_number(out, 3, SOON), 0);
    rn_chan *in = numbers(b, "doubt", RN_IN, NULL);
    receive_numbers(in, 1, 3);
    check(rn_chan_unsent(out) == 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int failing_the_receiving_end_cancels(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "cancel", RN_OUT, &(rn_bind_opts){ .capacity = 8 });
    rn_chan *in = numbers(b, "cancel", RN_IN, NULL);
    send_numbers(out, 1, 8);
    receive_numbers(in, 1, 2);
    rn_chan_fail(in, -EIO);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ECLOSED);
    check_rc(rn_chan_err(in), -EIO);
    rn_time end = SOON;
    int rc;
    while ((rc = send_number(out, 9, rn_after(10 * RN_MS))) == 0 || rc == RN_ETIMEDOUT)
        check(rn_now() < end);
    check_rc(rc, -EIO);
    check_rc(rn_chan_err(out), -EIO);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int failing_the_sending_end_is_a_close_with_a_reason(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "crashed", RN_OUT, NULL);
    rn_chan *in = numbers(b, "crashed", RN_IN, NULL);
    send_numbers(out, 1, 5);
    rn_chan_fail(out, -EPIPE);
    receive_numbers(in, 1, 5);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ECLOSED);
    check_rc(rn_chan_err(in), -EPIPE);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int closing_the_receiving_end_lets_it_receive_what_was_sent(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "halt", RN_OUT, NULL);
    rn_chan *in = numbers(b, "halt", RN_IN, NULL);
    send_numbers(out, 1, 30);
    check_rc(rn_flush(out, SOON), 0);
    rn_chan_close(in);
    receive_numbers(in, 1, 30);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ECLOSED);
    check_rc(rn_chan_err(in), 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
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

static int element_that_does_not_decode_goes_back_with_those_after_it(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "odd", RN_OUT, NULL);
    rn_codec picky = rn_codec_int64;
    picky.decode = decode_even;
    rn_chan *in = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(b, "odd", RN_IN, in, &picky, NULL, SOON), 0);
    send_numbers(out, 1, 40);
    struct stream takers[3] = { { in, 0, 0 }, { in, 0, 0 }, { in, 0, 0 } };
    rn_group *g = rn_group_new();
    for (int i = 0; i < 3; i++) {
        struct stream *taker = &takers[i];
        check_rc(rn_group_go(g, take_some, taker, sizeof *taker), 0);
    }
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    rn_chan *again = numbers(a, "odd", RN_IN, NULL);
    receive_numbers(again, 10, 40);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(again);
    cluster_close_two(a, b);
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

static int query_tells_what_channels_there_are(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "seen", RN_OUT, NULL);
    rn_chan *in = numbers(b, "seen", RN_IN, NULL);
    rn_chan *more = numbers(b, "more", RN_OUT, NULL);
    send_numbers(out, 1, 10);
    receive_numbers(in, 1, 10);
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
    cluster_close_two(a, b);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fact facts[] = {
        { "elements_arrive_in_order_and_close_comes_last",
          elements_arrive_in_order_and_close_comes_last, 1, SEEDS },
        { "small_capacity_still_carries_a_stream", small_capacity_still_carries_a_stream, 1,
          SEEDS },
        { "no_more_than_the_capacity_is_sent_and_not_taken",
          no_more_than_the_capacity_is_sent_and_not_taken, 1, SEEDS },
        { "one_handle_may_send_and_receive", one_handle_may_send_and_receive, 1, SEEDS },
        { "select_mixes_bound_and_local_channels", select_mixes_bound_and_local_channels, 1,
          SEEDS },
        { "operation_that_does_not_wait_is_an_ask", operation_that_does_not_wait_is_an_ask, 1,
          SEEDS },
        { "refused_bind_leaves_the_channel_as_it_was", refused_bind_leaves_the_channel_as_it_was, 1,
          SEEDS },
        { "element_larger_than_the_channel_is_refused", element_larger_than_the_channel_is_refused,
          1, SEEDS },
        { "unbind_gives_back_what_nobody_took", unbind_gives_back_what_nobody_took, 1, SEEDS },
        { "confirmed_send_is_at_the_home", confirmed_send_is_at_the_home, 1, SEEDS },
        { "confirmed_send_without_a_link_is_in_doubt", confirmed_send_without_a_link_is_in_doubt, 1,
          SEEDS },
        { "failing_the_receiving_end_cancels", failing_the_receiving_end_cancels, 1, SEEDS },
        { "failing_the_sending_end_is_a_close_with_a_reason",
          failing_the_sending_end_is_a_close_with_a_reason, 1, SEEDS },
        { "closing_the_receiving_end_lets_it_receive_what_was_sent",
          closing_the_receiving_end_lets_it_receive_what_was_sent, 1, SEEDS },
        { "element_that_does_not_decode_goes_back_with_those_after_it",
          element_that_does_not_decode_goes_back_with_those_after_it, 1, SEEDS },
        { "query_tells_what_channels_there_are", query_tells_what_channels_there_are, 1, SEEDS },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
