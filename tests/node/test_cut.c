/* test_cut.c - bound channels whose link breaks, or is cut for longer than the lease.   SPDX-License-Identifier: MIT */
#include "tests/node/numbers.h"

#define SEEDS 8

static rn_node *a, *b;

static int broken_connections_lose_and_double_nothing(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    struct stream s = { numbers(a, "rough", RN_OUT, &(rn_bind_opts){ .capacity = 64 }), 1, 2000 };
    rn_chan *in = numbers(b, "rough", RN_IN, NULL);
    check_rc(rn_go_copy(stream_out, &s, sizeof s), 0);
    for (int i = 0; i < 20; i++) {
        receive_numbers(in, i * 100 + 1, i * 100 + 100);
        memnet_break(net, i % 2 == 0 ? "a" : "b", "broker");
    }
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ECLOSED);
    rn_chan_unref(s.chan);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int end_of_the_lease_fails_the_handle_and_a_fresh_one_goes_on(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "lease", RN_OUT, NULL);
    rn_chan *in = numbers(b, "lease", RN_IN, NULL);
    send_numbers(out, 1, 3);
    receive_numbers(in, 1, 3);
    cable("b", true);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ESESSION);
    check_rc(rn_chan_err(in), RN_ESESSION);
    cable("b", false);
    rn_chan *fresh = numbers(b, "lease", RN_IN, NULL);
    send_numbers(out, 4, 6);
    /* At least once: what was taken and not reported when the session ended may come again. */
    int64_t got = 0;
    while (got != 6)
        check_rc(rn_chan_recv(fresh, &got, SOON), 0);
    check_rc(rn_unbind(in, SOON), 0);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(fresh);
    cluster_close_two(a, b);
    return 0;
}

static int last_quarter_of_the_lease_takes_nothing(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "fence", RN_OUT, NULL);
    rn_chan *in = numbers(b, "fence", RN_IN, &(rn_bind_opts){ .prefetch = 100 });
    send_numbers(out, 1, 100);
    receive_numbers(in, 1, 50);
    cable("b", true);
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
    cable("b", false);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

/* The link goroutine sleeps while an acknowledgement waits that would renew the lease, until an operation has seen its
 * end. */
static int end_is_final_once_an_operation_has_failed_over_it(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_bind_opts opts = { .capacity = 4 };
    rn_chan *out = numbers(a, "final", RN_OUT, &opts);
    rn_chan *in = numbers(a, "other", RN_IN, &opts);
    int64_t value;
    int rc = 0;
    check_rc(send_number(out, 1, SOON), 0); /* lends it more */
    rn_sleep(rn_after(LEASE / 16));
    memnet_partition(net, "broker", "a", true, false);
    check_rc(send_number(out, 2, RN_NOWAIT), 0);
    rn_sleep(rn_after(2 * RN_MS));
    memnet_freeze(net, "a", true);
    memnet_partition(net, "broker", "a", false, false);
    while (rc != RN_ESESSION) {
        rn_sleep(rn_after(RN_MS));
        rc = send_number(out, 3, RN_NOWAIT);
        check(rc == 0 || rc == RN_ETIMEDOUT || rc == RN_ESESSION);
    }
    memnet_freeze(net, "a", false);
    rn_sleep(rn_after(100 * RN_MS));
    check_rc(send_number(out, 4, RN_NOWAIT), RN_ESESSION);
    check_rc(rn_chan_recv(in, &value, RN_NOWAIT), RN_ESESSION);
    check_rc(rn_chan_err(in), RN_ESESSION);
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static int crash_of_a_receiver_delivers_its_elements_to_another(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "heirs", RN_OUT, NULL);
    rn_chan *in = numbers(b, "heirs", RN_IN, &(rn_bind_opts){ .prefetch = 20 });
    send_numbers(out, 1, 20);
    receive_numbers(in, 1, 1);
    rn__node_crash(b);
    check_rc(rn_chan_recv(in, NULL, SOON), RN_ESESSION);
    b = NULL;
    /* What was never delivered comes first, the rest when the lease has ended; all but the one that was taken for
     * certain, and that one too if the broker was not told. */
    rn_chan *heir = numbers(a, "heirs", RN_IN, NULL);
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
    cluster_close_two(a, b);
    return 0;
}

static int close_of_a_node_without_a_link_tells_what_is_unsent(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *out = numbers(a, "left", RN_OUT, NULL);
    send_numbers(out, 1, 5);
    check_rc(rn_flush(out, SOON), 0);
    check_rc(send_number(out, 6, SOON),
             0); /* there is credit from the stream before, or it waits for it */
    check_rc(rn_flush(out, SOON), 0);
    cable("a", true);
    int64_t sent = 0;
    while (send_number(out, 7, RN_NOWAIT) == 0)
        sent++;
    uint64_t unsent = 0;
    int rc = rn_node_close(a, rn_after(100 * RN_MS), &unsent);
    a = NULL;
    check(unsent == (uint64_t)sent);
    check_rc(rc, RN_ETIMEDOUT);
    check_rc(send_number(out, 8, SOON), -ESHUTDOWN);
    check(rn_chan_unsent(out) == unsent);
    cable("a", false);
    rn_chan_unref(out);
    cluster_close_two(a, b);
    return 0;
}

static int bind_waits_for_the_next_session_or_its_deadline(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    cable("b", true);
    rn_chan *c = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(b, "later", RN_IN, c, &rn_codec_int64, NULL, rn_after(100 * RN_MS)),
             RN_ETIMEDOUT);
    rn_sleep(rn_after(2 * LEASE));
    check_rc(rn_bind(b, "later", RN_IN, c, &rn_codec_int64, NULL, rn_after(100 * RN_MS)),
             RN_ETIMEDOUT);
    cable("b", false);
    check_rc(rn_bind(b, "later", RN_IN, c, &rn_codec_int64, NULL, SOON), 0);
    rn_chan_unref(c);
    cluster_close_two(a, b);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fact facts[] = {
        { "broken_connections_lose_and_double_nothing", broken_connections_lose_and_double_nothing,
          1, SEEDS },
        { "end_of_the_lease_fails_the_handle_and_a_fresh_one_goes_on",
          end_of_the_lease_fails_the_handle_and_a_fresh_one_goes_on, 1, SEEDS },
        { "last_quarter_of_the_lease_takes_nothing", last_quarter_of_the_lease_takes_nothing, 1,
          SEEDS },
        { "end_is_final_once_an_operation_has_failed_over_it",
          end_is_final_once_an_operation_has_failed_over_it, 1, SEEDS },
        { "crash_of_a_receiver_delivers_its_elements_to_another",
          crash_of_a_receiver_delivers_its_elements_to_another, 1, SEEDS },
        { "close_of_a_node_without_a_link_tells_what_is_unsent",
          close_of_a_node_without_a_link_tells_what_is_unsent, 1, SEEDS },
        { "bind_waits_for_the_next_session_or_its_deadline",
          bind_waits_for_the_next_session_or_its_deadline, 1, SEEDS },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
