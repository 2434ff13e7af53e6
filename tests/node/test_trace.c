/* test_trace.c - a trace context is handed on: from goroutine to element to goroutine.   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include <pthread.h>
#include <string.h>

static const char *const traces[] = {
    "",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    "00-99999999999999999999999999999999-9999999999999999-01",
};

static rn_node *a, *b;
static rn_chan *out, *in;

static void open_both(void)
{
    cluster_open_two(&a, &b);
    out = bound(a, "queue", RN_OUT, NULL);
    in = bound(b, "queue", RN_IN, NULL);
}

static void close_both(void)
{
    rn_chan_unref(out);
    rn_chan_unref(in);
    cluster_close_two(a, b);
}

#define check_trace(trace)                                                              \
    do {                                                                                \
        char here_[RN_TRACE_MAX] = "x";                                                 \
        check_rc(rn_trace_get(here_), (trace)[0] != '\0' ? 0 : -ENOENT);                \
        if (strcmp(here_, (trace)) != 0)                                                \
            fact_failed(__FILE__, __LINE__, "the trace context is not " #trace, here_); \
    } while (0)

static void send_one(const char *trace)
{
    struct thing t = thing_new(8);
    check_rc(rn_send_with(out, &t, &(rn_send_opts){ .traceparent = trace }, SOON), 0);
}

/* In any order, own and received: what counts is the received one as long as the last element had one. */
static int what_was_received_counts_until_the_next(void *arg)
{
    int own = 0;
    (void)arg;
    open_both();
    check_trace("");
    for (int i = 0; i < 200; i++) {
        int came = (int)(rn_now() / RN_US * 7 + i) % 4;
        if (i % 5 == 4) {
            own = i % 3;
            check_rc(rn_trace_set(traces[own]), 0);
            check_trace(traces[own]);
        }
        send_one(traces[came]);
        check(receive_thing(in, SOON) > 0);
        check_trace(traces[came != 0 ? came : own]);
    }
    check_rc(rn_trace_set(NULL), 0);
    check_trace("");
    close_both();
    return 0;
}

static int a_receive_that_fails_changes_nothing(void *arg)
{
    (void)arg;
    open_both();
    send_one(traces[1]);
    check(receive_thing(in, SOON) > 0);
    check_rc(receive_thing(in, rn_after(RN_MS)), RN_ETIMEDOUT);
    check_trace(traces[1]);
    rn_chan_close(out);
    check_rc(receive_thing(in, SOON), RN_ECLOSED);
    check_trace(traces[1]);
    close_both();
    return 0;
}

/* Who works on an element starts others; they go on with its story, whatever he receives meanwhile. */
static void helper(void *arg)
{
    check_trace(traces[1]);
    rn_sleep(rn_after(10 * RN_MS));
    check_trace(traces[1]);
    check(send_thing(out, SOON) == 0); /* of itself, with the story that it inherited */
    send_one(traces[3]);
    check(receive_thing(in, SOON) > 0);
    check_trace(traces[1]);
    check(receive_thing(in, SOON) > 0);
    check_trace(traces[3]);
    send_one("");
    check(receive_thing(in, SOON) > 0);
    check_trace(traces[1]);
    rn_chan_send(*(rn_chan **)arg, NULL, RN_FOREVER);
}

static int those_that_are_started_inherit_it(void *arg)
{
    rn_chan *done = rn_chan_new(0, 0, NULL);
    (void)arg;
    open_both();
    check_rc(rn_trace_set(traces[2]), 0);
    send_one(traces[1]);
    check(receive_thing(in, SOON) > 0);
    check_rc(rn_go_copy(helper, &done, sizeof done), 0);
    check_rc(rn_trace_set(""), 0);
    check_rc(rn_chan_recv(done, NULL, SOON), 0);
    check_trace(""); /* a local channel brings nothing */
    rn_chan_unref(done);
    close_both();
    return 0;
}

/* Through a select, through a rendezvous, with a codec of messages. */
static int every_way_to_send_hands_it_on(void *arg)
{
    (void)arg;
    open_both();
    struct thing t = thing_new(8);
    rn_msg m;
    rn_chan *raw = rn_chan_new(sizeof m, 0, NULL);
    rn_case sends[] = { { out, &t, RN_SEND, 0 } }, receives[] = { { raw, &m, RN_RECV, 0 } };
    check_rc(rn_unbind(in, SOON), 0);
    check_rc(rn_bind(b, "queue", RN_IN, raw, &rn_codec_msg, NULL, SOON), 0);
    check_rc(rn_trace_set(traces[1]), 0);
    check_rc(rn_select(sends, 1, SOON), 0);
    check_rc(rn_trace_set(NULL), 0);
    check_rc(rn_select(receives, 1, SOON), 0);
    check_trace(traces[1]);
    check(strcmp(rn_msg_traceparent(&m), traces[1]) == 0);
    rn_bytes_free(&m.bytes);
    send_one(""); /* said by hand: none, whatever counts here */
    check_rc(rn_chan_recv(raw, &m, SOON), 0);
    check(rn_msg_traceparent(&m) == NULL);
    check_trace("");
    rn_bytes_free(&m.bytes);
    rn_chan_unref(raw);
    close_both();
    return 0;
}

static void *on_a_thread(void *arg)
{
    (void)arg;
    check_trace("");
    check_rc(rn_trace_set(traces[2]), 0);
    check_trace(traces[2]);
    check_rc(rn_trace_set("00-zz"), -EINVAL);
    check_trace(traces[2]);
    return NULL;
}

static int a_plain_thread_has_one_too(void *arg)
{
    pthread_t thread;
    (void)arg;
    check_rc(rn_trace_set(traces[1]), 0);
    check(pthread_create(&thread, NULL, on_a_thread, NULL) == 0);
    check(pthread_join(thread, NULL) == 0);
    check_trace(traces[1]);
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "what_was_received_counts_until_the_next", what_was_received_counts_until_the_next, 1,
          8 },
        { "a_receive_that_fails_changes_nothing", a_receive_that_fails_changes_nothing, 1, 4 },
        { "those_that_are_started_inherit_it", those_that_are_started_inherit_it, 1, 4 },
        { "every_way_to_send_hands_it_on", every_way_to_send_hands_it_on, 1, 4 },
        { "a_plain_thread_has_one_too", a_plain_thread_has_one_too, 1, 1 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
