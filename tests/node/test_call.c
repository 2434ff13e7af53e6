/* test_call.c - requests and replies: each call gets its own reply, or an error, and nothing stays behind.
 *   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include <stdio.h>
#include <string.h>

static rn_node *a, *b;

/* ---- who serves ---- */

static rn_chan *served_by(rn_node *node, const rn_bind_opts *opts)
{
    rn_chan *c = rn_chan_new(sizeof(rn_msg), 0, NULL);
    check_rc(rn_bind(node, "service", RN_IN, c, &rn_codec_msg, opts, SOON), 0);
    return c;
}

static bool is_text(const rn_bytes *bytes, const char *text)
{
    return bytes->len == strlen(text) && memcmp(bytes->data, text, bytes->len) == 0;
}

/* "x" becomes "re: x"; what begins with '-' is not answered. */
static int answer_one(rn_node *node, rn_chan *service, rn_time deadline)
{
    rn_msg m;
    char text[100];
    int rc = rn_chan_recv(service, &m, deadline);
    if (rc < 0)
        return rc;
    int n = snprintf(text, sizeof text, "re: %.*s", (int)m.bytes.len, (const char *)m.bytes.data);
    if (m.bytes.data[0] != '-') {
        rc = rn_reply(node, &m, text, (size_t)n, SOON);
        check(rc == 0 || rc == -ENOENT || rc == -ESHUTDOWN);
    }
    (void)rn_msg_ack(&m);
    return 0;
}

struct server {
    rn_node *node;
    rn_chan *service;
};

static void serve(void *arg)
{
    const struct server *s = arg;
    while (answer_one(s->node, s->service, RN_FOREVER) == 0)
        ;
}

static void start_server(rn_group *g, rn_node *node, rn_chan *service)
{
    struct server s = { node, service };
    check_rc(rn_group_go(g, serve, &s, sizeof s), 0);
}

static int call(rn_node *node, const char *text, rn_bytes *reply, rn_time deadline)
{
    return rn_call(node, "service", text, strlen(text), reply, deadline);
}

/* ---- who calls ---- */

struct caller {
    rn_node *node;
    int id, calls;
    int *answered;
};

static void call_many(void *arg)
{
    const struct caller *c = arg;
    for (int i = 0; i < c->calls; i++) {
        char text[40], expected[50];
        rn_bytes reply;
        snprintf(text, sizeof text, "%d.%d", c->id, i);
        snprintf(expected, sizeof expected, "re: %s", text);
        check_rc(call(c->node, text, &reply, SOON), 0);
        check(is_text(&reply, expected));
        rn_bytes_free(&reply);
        ++*c->answered;
    }
}

/* That the home has forgotten. */
static uint64_t channels_gone(void)
{
    struct core_totals totals;
    core_totals(shard_core(shard), &totals);
    return totals.channels;
}

static void count_channel(void *arg, const struct wire_channel_info *info)
{
    (void)info;
    ++*(int *)arg;
}

static int channels_now(rn_node *by)
{
    int n = 0;
    check_rc(rn__node_query(by, NULL, count_channel, &n, SOON), 0);
    return n;
}

static int many_callers(rn_bind_opts opts, int callers, int calls)
{
    cluster_open_two(&a, &b);
    int answered = 0;
    rn_chan *in_a = served_by(a, &opts), *in_b = served_by(b, &opts);
    rn_group *servers = rn_group_new(), *g = rn_group_new();
    start_server(servers, a, in_a);
    start_server(servers, b, in_b);
    start_server(servers, b, in_b);
    for (int i = 0; i < callers; i++) {
        struct caller c = { i % 2 == 0 ? a : b, i, calls, &answered };
        check_rc(rn_group_go(g, call_many, &c, sizeof c), 0);
    }
    check_rc(rn_group_wait(g, rn_after(3600 * RN_SEC)), 0);
    rn_group_free(g);
    check(answered == callers * calls);
    rn_group_cancel(servers);
    rn_group_free(servers);
    rn_chan_unref(in_a);
    rn_chan_unref(in_b);
    cluster_close_two(a, b);
    return 0;
}

static int each_call_gets_its_own_reply(void *arg)
{
    (void)arg;
    rn_bind_opts kinds[] = { { 0 }, { .manual_ack = true }, { .capacity = RN_RENDEZVOUS } };
    return many_callers(kinds[round_now], 20, 20);
}

static int a_hundred_thousand_calls(void *arg)
{
    (void)arg;
    return many_callers((rn_bind_opts){ 0 }, 50, 2000);
}

/* Node, home and channels are after many calls as they were after few, and when nobody calls any more nothing is left. */
static int nothing_stays_behind(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    int answered = 0;
    rn_chan *in = served_by(b, NULL);
    rn_group *servers = rn_group_new(), *g = rn_group_new();
    start_server(servers, b, in);
    check(channels_now(b) == 1);
    for (int round = 0; round < 5; round++) {
        uint64_t gone = channels_gone();
        for (int i = 0; i < 10; i++) {
            struct caller c = { a, i, 50, &answered };
            check_rc(rn_group_go(g, call_many, &c, sizeof c), 0);
        }
        check_rc(rn_group_wait(g, SOON), 0);
        check(channels_now(b) == 2); /* and the reply channel */
        check(channel_info(b, "service").senders == 1);
        rn_sleep(rn_after(60 * RN_SEC));
        check(channels_now(b) == 1);
        check(channel_info(b, "service").senders == 0);
        check(channels_gone() == gone + 1);
    }
    check(answered == 5 * 10 * 50);
    rn_group_free(g);
    rn_group_cancel(servers);
    rn_group_free(servers);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

/* ---- too late ---- */

/* Gives up soon. */
static void call_in_vain(void *arg)
{
    rn_bytes reply = { 0 };
    check_rc(call(a, arg, &reply, rn_after(20 * RN_MS)), RN_ETIMEDOUT);
    check(reply.data == NULL);
}

static int a_late_reply_is_nobodys(void *arg)
{
    static const char *const texts[] = { "first", "second" };
    rn_bytes reply = { 0 };
    rn_msg late[2];
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *in = served_by(b, NULL);
    for (int i = 0; i < 2; i++) {
        rn_group *g = rn_group_new();
        check_rc(rn_group_go(g, call_in_vain, texts[i], 0), 0);
        check_rc(rn_chan_recv(in, &late[i], SOON), 0);
        check_rc(rn_group_wait(g, SOON), 0);
        rn_group_free(g);
    }
    struct server s = { b, in };
    check_rc(rn_go_copy(serve, &s, sizeof s), 0);
    check_rc(rn_reply(b, &late[0], "late", 4, SOON), 0);
    check_rc(call(a, "third", &reply, SOON), 0);
    check(is_text(&reply, "re: third"));
    rn_bytes_free(&reply);
    check_rc(rn_reply(b, &late[1], "later", 5, SOON), 0);
    check_rc(rn_reply(b, &late[1], "twice", 5, SOON), 0);
    check_rc(call(a, "fourth", &reply, SOON), 0);
    check(is_text(&reply, "re: fourth"));
    rn_bytes_free(&reply);
    rn_bytes_free(&late[0].bytes);
    rn_bytes_free(&late[1].bytes);
    check_rc(rn_unbind(in, SOON), 0);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

/* Who comes when its caller has given up does not find it any more. */
static int a_request_expires_with_its_call(void *arg)
{
    rn_bytes reply;
    rn_msg m;
    (void)arg;
    cluster_open_two(&a, &b);
    check_rc(call(a, "nobody serves it", &reply, rn_after(800 * RN_MS)), RN_ETIMEDOUT);
    rn_sleep(rn_after(200 * RN_MS));
    rn_chan *in = served_by(b, NULL);
    check_rc(rn_chan_recv(in, &m, rn_after(LEASE)), RN_ETIMEDOUT);
    check(channel_info(a, "service").expired == 1);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

static void call_and_be_cancelled(void *arg)
{
    rn_bytes reply;
    check_rc(call(a, "-", &reply, RN_FOREVER), RN_ECANCELED);
    ++*(int *)arg;
}

static int who_gives_up_says_so(void *arg)
{
    int cancelled = 0;
    rn_bytes reply;
    (void)arg;
    cluster_open_two(&a, &b);
    rn_group *g = rn_group_new();
    rn_chan *in = served_by(b, NULL);
    check_rc(rn_group_go(g, call_and_be_cancelled, &cancelled, 0), 0);
    check_rc(answer_one(b, in, SOON), 0);
    rn_group_cancel(g);
    rn_group_free(g);
    check(cancelled == 1);
    rn_chan_close(in);
    int rc = 0;
    while ((rc = call(a, "x", &reply, rn_after(RN_SEC))) == RN_ETIMEDOUT)
        ; /* the news is under way */
    check_rc(rc, RN_ECLOSED);
    check_rc(rn_unbind(in, SOON), 0);
    rn_chan_unref(in);
    cluster_close_two(a, b);
    return 0;
}

/* ---- what is no request, or not for us ---- */

static int wrong_uses_are_refused(void *arg)
{
    rn_bytes reply;
    rn_msg m;
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *in = served_by(b, NULL), *out = rn_chan_new(sizeof(rn_bytes), 0, NULL);
    check_rc(rn_bind(a, "service", RN_OUT, out, &rn_codec_bytes, NULL, SOON), 0);
    rn_bytes plain;
    check_rc(rn_bytes_new(&plain, "plain", 5), 0);
    check_rc(rn_chan_send(out, &plain, SOON), 0);
    check_rc(rn_chan_recv(in, &m, SOON), 0);
    check_rc(rn_reply(b, &m, "x", 1, SOON), -EINVAL);
    rn_bytes_free(&m.bytes);
    check_rc(rn_call(a, "no such name", "x", 1, &reply, SOON), -EINVAL);
    check_rc(rn_call(a, "reply:0123", "x", 1, &reply, SOON), -ENOENT);
    check_rc(rn_call(a, "service", NULL, 1, &reply, SOON), -EINVAL);
    check_rc(rn_call(NULL, "service", NULL, 0, &reply, SOON), -EINVAL);
    rn_chan_unref(in);
    rn_chan_unref(out);
    cluster_close_two(a, b);
    return 0;
}

#define LARGE 300000

/* An empty request has a large reply, and any other an empty one. */
static void serve_sizes(void *arg)
{
    static uint8_t large[LARGE];
    const struct server *s = arg;
    rn_msg m;
    memset(large, 'l', sizeof large);
    while (rn_chan_recv(s->service, &m, RN_FOREVER) == 0) {
        check_rc(rn_reply(s->node, &m, large, m.bytes.len == 0 ? LARGE : 0, SOON), 0);
        rn_bytes_free(&m.bytes);
    }
}

static int requests_and_replies_may_be_large_or_empty(void *arg)
{
    rn_bytes reply;
    (void)arg;
    cluster_open_two(&a, &b);
    rn_group *g = rn_group_new();
    struct server s = { b, served_by(b, NULL) };
    check_rc(rn_group_go(g, serve_sizes, &s, sizeof s), 0);
    check_rc(rn_call(a, "service", NULL, 0, &reply, SOON), 0);
    check(reply.len == LARGE && reply.data[0] == 'l' && reply.data[LARGE - 1] == 'l');
    rn_bytes request = reply;
    check_rc(rn_call(a, "service", request.data, request.len, &reply, SOON), 0);
    check(reply.len == 0);
    rn_bytes_free(&request);
    rn_bytes_free(&reply);
    rn_group_cancel(g);
    rn_group_free(g);
    rn_chan_unref(s.service);
    cluster_close_two(a, b);
    return 0;
}

/* Who receives a request need not serve it: he sends it on, and the reply goes past him. */
static int a_request_may_be_sent_on(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    const rn_bind_opts by_hand = { .manual_ack = round_now == 0 };
    int answered = 0;
    rn_chan *in = served_by(b, &by_hand), *on = rn_chan_new(sizeof(rn_msg), 0, NULL),
            *other = rn_chan_new(sizeof(rn_msg), 0, NULL),
            *bytes = rn_chan_new(sizeof(rn_bytes), 0, NULL);
    rn_msg m;
    check_rc(rn_bind(b, "behind", RN_OUT, on, &rn_codec_msg, NULL, SOON), 0);
    check_rc(rn_bind(b, "behind", RN_OUT, bytes, &rn_codec_bytes, NULL, SOON), 0);
    check_rc(rn_bind(a, "behind", RN_IN, other, &rn_codec_msg, NULL, SOON), 0);
    rn_group *g = rn_group_new();
    start_server(g, a, other);
    struct caller c = { a, 1, 3, &answered };
    check_rc(rn_group_go(g, call_many, &c, sizeof c), 0);
    for (int i = 0; i < 3; i++) {
        check_rc(rn_chan_recv(in, &m, SOON), 0);
        check_rc(rn_msg_forward(bytes, &m, SOON), -EINVAL);
        check_rc(rn_msg_forward(in, &m, SOON), -EBADF);
        check_rc(rn_msg_forward(on, &m, SOON), 0);
        check_rc(rn_msg_ack(&m), 0);
    }
    while (answered < 3)
        rn_sleep(rn_after(RN_MS));
    rn_group_cancel(g);
    rn_group_free(g);
    rn_chan_unref(in);
    rn_chan_unref(on);
    rn_chan_unref(other);
    rn_chan_unref(bytes);
    cluster_close_two(a, b);
    return 0;
}

/* ---- ends ---- */

static void call_into(void *arg)
{
    rn_bytes reply;
    *(int *)arg = call(a, "-", &reply, SOON);
}

enum end { SESSION_ENDS, NODE_CLOSES, NODE_CRASHES, ENDS };

static int a_call_ends_with_its_session(void *arg)
{
    enum end end = (enum end)round_now;
    int result = 1;
    rn_bytes reply;
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *in = served_by(b, NULL);
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, call_into, &result, 0), 0);
    rn_msg m;
    check_rc(rn_chan_recv(in, &m, SOON), 0);
    if (end == SESSION_ENDS)
        cable("a", true);
    else if (end == NODE_CLOSES)
        node_close(a);
    else
        rn__node_crash(a);
    check_rc(rn_group_wait(g, SOON), 0);
    check_rc(result, end == NODE_CLOSES ? -ESHUTDOWN : RN_ESESSION);
    if (end == SESSION_ENDS) {
        int rc;
        while ((rc = rn_reply(b, &m, "x", 1, SOON)) == 0)
            ; /* the home does not know yet */
        check_rc(rc, -ENOENT);
        cable("a", false);
        start_server(g, b, in);
        check_rc(call(a, "goes on", &reply, SOON), 0);
        check(is_text(&reply, "re: goes on"));
        rn_bytes_free(&reply);
    } else {
        int rc;
        while ((rc = rn_reply(b, &m, "x", 1, SOON)) == 0)
            ;
        check_rc(rc, -ENOENT);
    }
    rn_bytes_free(&m.bytes);
    rn_group_cancel(g);
    rn_group_free(g);
    rn_chan_unref(in);
    if (end == SESSION_ENDS)
        node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

/* Who serves dies with a request in his hands: another gets it, and the caller only waits longer. */
static int another_serves_what_a_dead_one_had(void *arg)
{
    int result = 1;
    rn_msg m;
    (void)arg;
    cluster_open_two(&a, &b);
    rn_node *c = node_open("c");
    const rn_bind_opts by_hand = { .manual_ack = true };
    rn_chan *in = served_by(b, &by_hand), *other;
    rn_group *g = rn_group_new();
    struct caller caller = { a, 1, 1, &result };
    check_rc(rn_group_go(g, call_many, &caller, sizeof caller), 0);
    check_rc(rn_chan_recv(in, &m, SOON), 0);
    if (round_now == 0)
        check_rc(rn_reply(b, &m, "re: 1.0", 7, SOON),
                 0); /* ... and has replied: the second reply is nobody's */
    rn__node_crash(b);
    check_rc(rn_msg_ack(&m), RN_ESTALE);
    other = served_by(c, &by_hand);
    check_rc(answer_one(c, other, SOON), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    check(result == 2);
    rn_group_free(g);
    rn_chan_unref(in);
    rn_chan_unref(other);
    node_close(a);
    node_close(c);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "each_call_gets_its_own_reply", each_call_gets_its_own_reply, 3, 4 },
        { "a_hundred_thousand_calls", a_hundred_thousand_calls, 1, 1 },
        { "nothing_stays_behind", nothing_stays_behind, 1, 4 },
        { "a_late_reply_is_nobodys", a_late_reply_is_nobodys, 1, 8 },
        { "a_request_expires_with_its_call", a_request_expires_with_its_call, 1, 4 },
        { "who_gives_up_says_so", who_gives_up_says_so, 1, 8 },
        { "wrong_uses_are_refused", wrong_uses_are_refused, 1, 1 },
        { "requests_and_replies_may_be_large_or_empty", requests_and_replies_may_be_large_or_empty,
          1, 2 },
        { "a_request_may_be_sent_on", a_request_may_be_sent_on, 2, 4 },
        { "a_call_ends_with_its_session", a_call_ends_with_its_session, ENDS, 4 },
        { "another_serves_what_a_dead_one_had", another_serves_what_a_dead_one_had, 2, 4 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
