/* calls.c - who asks and who answers: each call gets its own reply, or an error, and nothing of it stays.
 *   SPDX-License-Identifier: MIT
 *
 * A request is its caller's number and its own; a reply repeats both.  Who answers is killed, cut off, slow, or lets another do
 * it; so calls time out, requests come again, and replies come late, twice, or not at all. */
#include "tests/sim/end.h"

#include "node/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE    "service"
#define CALLS_MOST 20

struct question {
    uint32_t caller, number;
};

struct asking {
    struct world *w;
    int node;
    uint32_t caller;
};

struct answering {
    struct world *w;
    int node;
    bool by_hand;
};

/* "": none. */
static void story_of(const struct world *w, uint32_t caller, char trace[RN_TRACE_MAX])
{
    trace[0] = '\0';
    if (w->config.headers && caller % 2 == 0)
        snprintf(trace, RN_TRACE_MAX, "00-%032x-%016x-00", caller + 1, caller + 1);
}

/* ---- who asks ---- */

/* May that be what becomes of a call in such a run? */
static bool may_fail(const struct world *w, int rc)
{
    const struct sim_config *c = &w->config;

    switch (rc) {
    case RN_ETIMEDOUT:
    case RN_ESESSION:
        return sim_may_die(c);
    case RN_EHOMELOST:
        return c->homes_lost || c->storm;
    case -ESHUTDOWN:
        return c->leaves || c->crashes || c->storm; /* its node is no more */
    default:
        return false;
    }
}

static void check_reply(const struct question *q, const rn_bytes *reply)
{
    if (reply->len != sizeof *q || memcmp(reply->data, q, sizeof *q) != 0)
        sim_fail("call %u of caller %u got another reply", q->number, q->caller);
}

/* Where nothing goes wrong a call that is patient is answered. */
static rn_time patience(struct world *w)
{
    if (!sim_may_die(&w->config))
        return rn_after(600 * RN_SEC);
    if (sim_chance(w, 50))
        return rn_after(sim_time(w, 4 * w->config.delay_max_ns + RN_MS));
    return rn_after(sim_time(w, w->config.lease_ns));
}

static void ask(void *arg)
{
    const struct asking *j = arg;
    struct world *w = j->w;
    uint32_t calls = 1 + (uint32_t)sim_below(w, CALLS_MOST);
    char trace[RN_TRACE_MAX], still[RN_TRACE_MAX];

    story_of(w, j->caller, trace);
    if (rn_trace_set(trace) != 0)
        abort();
    for (uint32_t i = 0; i < calls; i++) {
        const struct question q = { j->caller, i };
        rn_bytes reply;
        int rc = rn_call(world_node(w, j->node), SERVICE, &q, sizeof q, &reply, patience(w));
        if (rc == 0) {
            check_reply(&q, &reply);
            rn_bytes_free(&reply);
            w->calls_answered++;
        } else if (!may_fail(w, rc)) {
            sim_fail("a call gave %s", rn_strerror(rc));
        }
        if (rc == -ESHUTDOWN || sim_chance(w, 20))
            rn_sleep(rn_after(sim_time(w, w->config.lease_ns / 10)));
    }
    (void)rn_trace_get(still);
    if (strcmp(trace, still) != 0)
        sim_fail("a call has changed its caller's trace context");
    w->callers_left--;
}

/* ---- who answers ---- */

static rn_chan *enter(const struct answering *j)
{
    const rn_bind_opts opts = { .manual_ack = j->by_hand };

    for (;;) {
        rn_chan *c = rn_chan_new(sizeof(rn_msg), 0, NULL);
        int rc = rn_bind(world_node(j->w, j->node), SERVICE, RN_IN, c, &rn_codec_msg, &opts,
                         rn_after(5 * RN_SEC));
        if (rc == 0)
            return c;
        if (rc != RN_ETIMEDOUT && !end_is_over(rc))
            sim_fail("binding " SERVICE ": %s", rn_strerror(rc));
        rn_chan_unref(c);
        rn_sleep(rn_after(RN_MS));
    }
}

static void check_story(const struct world *w, const rn_msg *m)
{
    const char *came = rn_msg_traceparent(m);
    struct question q;
    char trace[RN_TRACE_MAX];

    if (m->bytes.len != sizeof q)
        sim_fail("a request of %zu bytes came", m->bytes.len);
    memcpy(&q, m->bytes.data, sizeof q);
    story_of(w, q.caller, trace);
    if (strcmp(came != NULL ? came : "", trace) != 0)
        sim_fail("a request came with another trace context than its caller's");
}

static void answer(const struct answering *j, rn_msg *m)
{
    struct world *w = j->w;
    rn_msg kept = *m;
    int rc;

    check_story(w, m);
    if (sim_chance(w, 10))
        rn_sleep(rn_after(sim_time(w, w->config.lease_ns / 4)));
    if (j->by_hand && sim_chance(w, 10)) {
        (void)rn_msg_nack(m, 0); /* another is to do it */
        return;
    }
    do {
        rc = rn_reply(world_node(w, j->node), &kept, kept.bytes.data, kept.bytes.len,
                      rn_after(10 * RN_SEC));
        if (rc != 0 && !may_fail(w, rc) && rc != -ENOENT)
            sim_fail("a reply gave %s", rn_strerror(rc));
    } while (rc == 0 && sim_chance(w, 10)); /* twice is once */
    (void)rn_msg_ack(m);
}

static void serve(void *arg)
{
    const struct answering *j = arg;
    rn_chan *c = enter(j);
    rn_msg m;

    while (j->w->callers_left > 0) {
        int rc = rn_chan_recv(c, &m, rn_after(j->w->config.lease_ns / 8));
        if (rc == 0) {
            answer(j, &m);
        } else if (end_is_over(rc)) {
            rn_chan_unref(c);
            c = enter(j);
        } else if (rc != RN_ETIMEDOUT) {
            sim_fail("receiving requests: %s", rn_strerror(rc));
        }
    }
    if (rn_chan_err(c) == 0)
        (void)rn_unbind(c, rn_after(10 * RN_SEC));
    rn_chan_unref(c);
}

/* ---- the run ---- */

static void start(rn_group *g, rn_fn *fn, const void *job, size_t size)
{
    if (rn_group_go(g, fn, job, size) != 0)
        abort();
}

void calls_start(struct world *w, rn_group *g)
{
    if (!w->config.calls)
        return;
    int callers = 1 + (int)sim_below(w, 6), servers = 1 + (int)sim_below(w, 3);
    w->callers_left = callers;
    for (int i = 0; i < servers; i++) {
        struct answering j = { w, (int)sim_below(w, (uint64_t)w->config.nodes), sim_chance(w, 60) };
        start(g, serve, &j, sizeof j);
    }
    for (int i = 0; i < callers; i++) {
        struct asking j = { w, (int)sim_below(w, (uint64_t)w->config.nodes), (uint32_t)i };
        start(g, ask, &j, sizeof j);
    }
}

struct left {
    char name[RN_NAME_MAX]; /* "": nothing */
    uint32_t senders, receivers;
};

static void note_left(void *arg, const struct wire_channel_info *info)
{
    struct left *left = arg;

    if (strncmp(info->name, "reply:", 6) != 0 &&
        (strcmp(info->name, SERVICE) != 0 || info->senders == 0))
        return;
    snprintf(left->name, sizeof left->name, "%s", info->name);
    left->senders = info->senders;
    left->receivers = info->receivers;
}

void calls_check_gone(struct world *w)
{
    rn_time until = rn_after(600 * RN_SEC);
    struct left left = { .name = "?" };

    while (w->config.calls && left.name[0] != '\0') {
        if (rn_now() > until)
            sim_fail("something of the calls is left at the home: channel %s, with %u who send and "
                     "%u who receive",
                     left.name, left.senders, left.receivers);
        rn_sleep(rn_after(5 * RN_SEC));
        left.name[0] = '\0';
        if (rn__node_query(world_node(w, SIM_NODES_MAX), NULL, note_left, &left,
                           rn_after(10 * RN_SEC)) != 0)
            strcpy(left.name, "?");
    }
}
