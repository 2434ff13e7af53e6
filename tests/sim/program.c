/* program.c - the goroutines of a run: senders, receivers, closers.   SPDX-License-Identifier: MIT
 *
 * They are written as a user would write them - plain rn_chan_send, rn_chan_recv and rn_select on bound channels,
 * a fresh channel bound when a session is over - and they tell the oracle everything.
 *
 * The keeper, a node that no fault touches, holds a binding on every channel until all receivers have ended, so
 * that a closed channel is still known to a receiver that comes back late. */
#include "tests/sim/world.h"

#include "runtime/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    struct world *w;
    int channel, node, sender;
    rn_chan *handle;   /* receivers: shared with another, or NULL: binds its own */
    int *sharers;      /* of handle: the last one unbinds it */
    uint32_t receiver; /* the oracle's handle, if shared */
};

/* ---- elements: the oracle's number and a pattern ---- */

#define HEADER sizeof(uint32_t)

static void element_make(struct world *w, int channel, uint32_t id, rn_bytes *out)
{
    uint32_t most = w->config.channel[channel].element_max;
    size_t len = HEADER + (size_t)sim_below(w, most - HEADER + 1);

    if (rn_bytes_new(out, NULL, len) != 0)
        abort();
    memcpy(out->data, &id, HEADER);
    for (size_t i = HEADER; i < len; i++)
        out->data[i] = (uint8_t)(id * 31 + i);
}

static uint32_t element_id(const rn_bytes *b)
{
    uint32_t id;

    if (b->len < HEADER)
        sim_fail("an element of %zu bytes came", b->len);
    memcpy(&id, b->data, HEADER);
    for (size_t i = HEADER; i < b->len; i++)
        if (b->data[i] != (uint8_t)(id * 31 + i))
            sim_fail("element %u was changed on its way", id);
    return id;
}

/* ---- binding ---- */

static bool session_is_over(int rc)
{
    return rc == RN_ESESSION || rc == RN_EHOMELOST || rc == -ESHUTDOWN;
}

static void channel_name(char name[16], int channel)
{
    snprintf(name, 16, "channel.%d", channel);
}

/* A fresh handle; tries again until it holds, in however many sessions and lives of the node. */
static rn_chan *bind_fresh(struct world *w, int channel, int node, enum rn_dir dir)
{
    rn_bind_opts opts = {
        .capacity = w->config.channel[channel].capacity,
        .capacity_bytes = w->config.channel[channel].capacity_bytes,
        .prefetch = dir == RN_IN ? w->config.channel[channel].prefetch : 0,
        .confirm = dir == RN_OUT && w->config.confirm,
    };
    char name[16];

    if (opts.prefetch > opts.capacity)
        opts.prefetch = (uint32_t)opts.capacity;
    channel_name(name, channel);
    for (;;) {
        rn_chan *c = rn_chan_new(sizeof(rn_bytes), 0, NULL);
        unsigned generation;
        rn_node *n = world_node(w, node, &generation);
        int rc = rn_bind(n, name, dir, c, &rn_codec_bytes, &opts, rn_after(5 * RN_SEC));

        if (rc == 0)
            return c;
        rn_chan_unref(c);
        if (rc != RN_ETIMEDOUT && !session_is_over(rc))
            sim_fail("binding %s: %s", name, rn_strerror(rc));
        oracle_may_reorder(w->oracle);
        rn_sleep(rn_after(RN_MS));
    }
}

static void unbind(rn_chan *c)
{
    int rc;

    do
        rc = rn_unbind(c, rn_after(10 * RN_SEC));
    while (rc == RN_ETIMEDOUT);
    rn_chan_unref(c);
}

/* ---- sending ---- */

static rn_time sender_deadline(struct world *w)
{
    if (!w->config.deadlines || sim_chance(w, 60))
        return RN_FOREVER;
    if (sim_chance(w, 30))
        return RN_NOWAIT;
    return rn_after((int64_t)sim_below(w, (uint64_t)(4 * w->config.delay_max_ns) + RN_MS));
}

static int send_one(struct world *w, rn_chan *c, rn_bytes *b)
{
    rn_time deadline = sender_deadline(w);
    rn_case cases[3] = { { c, b, RN_SEND, 0 }, { NULL, NULL, RN_RECV, 0 }, { c, b, RN_OFF, 0 } };
    int i;

    if (!w->config.selects || sim_chance(w, 50))
        return rn_chan_send(c, b, deadline);
    if (sim_chance(w, 50))
        cases[1].chan = rn_timer((int64_t)sim_below(w, (uint64_t)(10 * w->config.delay_max_ns)));
    i = rn_select(cases, 3, deadline);
    rn_chan_unref(cases[1].chan);
    if (i == 0)
        return cases[0].rc;
    return i == 1 ? RN_ETIMEDOUT : i;
}

/* The handle has failed: the newest of its sends that gave 0 are in doubt, as many as rn_chan_unsent says. */
static void doubt(struct world *w, rn_chan *c, const uint32_t *sent, size_t n)
{
    uint64_t k = rn_chan_unsent(c);

    if (k > n)
        sim_fail("%llu sends are in doubt, but only %zu were made", (unsigned long long)k, n);
    while (k-- > 0)
        oracle_fate(w->oracle, sent[--n], FATE_DOUBT);
}

/* Unbinds and binds again: all that was sent has been accepted by then, unless the session ended. */
static rn_chan *sender_rebind(const struct job *j, rn_chan *c, const uint32_t *sent, size_t n)
{
    int rc;

    do
        rc = rn_unbind(c, rn_after(10 * RN_SEC));
    while (rc == RN_ETIMEDOUT);
    if (session_is_over(rc))
        doubt(j->w, c, sent, n);
    else if (rc != 0 || rn_chan_unsent(c) != 0)
        sim_fail("unbinding gave %s, and %llu are unsent", rn_strerror(rc),
                 (unsigned long long)rn_chan_unsent(c));
    rn_chan_unref(c);
    return bind_fresh(j->w, j->channel, j->node, RN_OUT);
}

static void sender(void *arg)
{
    struct job *j = arg;
    struct world *w = j->w;
    uint32_t n = w->config.channel[j->channel].elements;
    uint32_t *sent = malloc((n + 1) * sizeof *sent);
    size_t n_sent = 0;
    rn_chan *c = bind_fresh(w, j->channel, j->node, RN_OUT);
    int rc = 0;

    for (uint32_t i = 0; i < n && rc != RN_ECLOSED; i++) {
        uint32_t id = oracle_try(w->oracle, j->channel, j->sender, i);
        rn_bytes b;

        element_make(w, j->channel, id, &b);
        rc = send_one(w, c, &b);
        if (rc == 0) {
            oracle_fate(w->oracle, id, FATE_SENT);
            sent[n_sent++] = id;
            /* What a session that is over had sent is in doubt, but a frozen sender does not know it yet. */
            if (!w->config.long_cuts && !w->config.crashes)
                oracle_capacity(w->oracle, j->channel,
                                (size_t)w->config.channel[j->channel].capacity,
                                w->receivers[j->channel]);
            if (w->config.rebinds && sim_chance(w, 5)) {
                c = sender_rebind(j, c, sent, n_sent);
                n_sent = 0;
            }
            continue;
        }
        oracle_fate(w->oracle, id, rc == RN_EUNKNOWN ? FATE_DOUBT : FATE_NOT_SENT);
        if (rc != RN_EUNKNOWN)
            rn_bytes_free(&b);
        if (session_is_over(rc)) {
            doubt(w, c, sent, n_sent);
            n_sent = 0;
            rn_chan_unref(c);
            c = bind_fresh(w, j->channel, j->node, RN_OUT);
        } else if (rc != RN_ETIMEDOUT && rc != RN_ECLOSED && rc != RN_EUNKNOWN) {
            sim_fail("send: %s", rn_strerror(rc));
        }
        if (rc == RN_ETIMEDOUT)
            rn_yield();
    }
    if (w->config.early_close && sim_chance(w, 30))
        rn_chan_close(c);
    rc = rn_flush(c, RN_FOREVER);
    if (session_is_over(rc))
        doubt(w, c, sent, n_sent);
    else if (rc != 0 && rc != RN_ECLOSED)
        sim_fail("flush: %s", rn_strerror(rc));
    else if (rn_chan_unsent(c) != 0)
        sim_fail("flushed, yet %llu are unsent", (unsigned long long)rn_chan_unsent(c));
    unbind(c);
    free(sent);
    w->senders_left[j->channel]--;
}

/* ---- receiving ---- */

static int receive_one(struct world *w, rn_chan *c, rn_bytes *b)
{
    rn_time deadline = sender_deadline(w);
    rn_case cases[3] = { { c, b, RN_RECV, 0 }, { NULL, NULL, RN_RECV, 0 }, { c, b, RN_RECV, 0 } };
    int i;

    if (!w->config.selects || sim_chance(w, 50))
        return rn_chan_recv(c, b, deadline);
    if (sim_chance(w, 50))
        cases[1].chan = rn_timer((int64_t)sim_below(w, (uint64_t)(10 * w->config.delay_max_ns)));
    i = rn_select(cases, 3, deadline);
    rn_chan_unref(cases[1].chan);
    if (i == 0 || i == 2)
        return cases[i].rc;
    return i == 1 ? RN_ETIMEDOUT : i;
}

static void think(struct world *w, int channel)
{
    uint64_t most = (uint64_t)w->config.channel[channel].think_ns;

    if (most > 0 && sim_chance(w, 50))
        rn_sleep(rn_after((int64_t)sim_below(w, most)));
}

/* Done with a handle: whoever is the last that has it unbinds it, if its session still lives. */
static void leave_handle(rn_chan *c, int *sharers, bool over)
{
    bool last = sharers == NULL || --*sharers == 0;

    if (last && over)
        rn_chan_unref(c);
    else if (last)
        unbind(c);
    if (last)
        free(sharers);
}

/* Unbinds and binds again.  What was taken is taken; what was not comes again in its place, so for the oracle this is
 * the same handle - unless sessions end in this run, which an unbind does not tell. */
static rn_chan *receiver_rebind(const struct job *j, rn_chan *c, uint32_t *handle, bool alone)
{
    struct world *w = j->w;

    unbind(c);
    if (w->config.long_cuts || w->config.crashes) {
        oracle_session_ended(w->oracle, *handle);
        *handle = oracle_handle(w->oracle, j->channel, alone);
    }
    return bind_fresh(w, j->channel, j->node, RN_IN);
}

static void receiver(void *arg)
{
    struct job *j = arg;
    struct world *w = j->w;
    rn_chan *c = j->handle != NULL ? j->handle : bind_fresh(w, j->channel, j->node, RN_IN);
    int *sharers = j->sharers;
    bool alone = w->config.channel[j->channel].receivers == 1;
    uint32_t handle = sharers == NULL ? oracle_handle(w->oracle, j->channel, alone) : j->receiver;

    for (;;) {
        rn_bytes b;
        int rc = receive_one(w, c, &b);

        if (rc == 0) {
            oracle_received(w->oracle, handle, element_id(&b));
            rn_bytes_free(&b);
            think(w, j->channel);
            if (w->config.rebinds && sharers == NULL && sim_chance(w, 5))
                c = receiver_rebind(j, c, &handle, alone);
        } else if (rc == RN_ETIMEDOUT) {
            rn_sleep(rn_after(100 * RN_US));
        } else if (rc == RN_ECLOSED) {
            oracle_closed(w->oracle, j->channel, w->receivers[j->channel]);
            break;
        } else if (session_is_over(rc)) {
            oracle_session_ended(w->oracle, handle);
            leave_handle(c, sharers, true);
            sharers = NULL;
            c = bind_fresh(w, j->channel, j->node, RN_IN);
            handle = oracle_handle(w->oracle, j->channel, alone);
        } else {
            sim_fail("receive: %s", rn_strerror(rc));
        }
    }
    leave_handle(c, sharers, false);
    w->receivers[j->channel]--;
}

/* ---- the run ---- */

/* Closes the channel when all its senders have ended. */
static void closer(void *arg)
{
    struct job *j = arg;
    struct world *w = j->w;

    while (w->senders_left[j->channel] > 0)
        rn_sleep(rn_after(RN_MS));
    rn_chan_close(j->handle);
}

static void faults_main(void *arg)
{
    world_faults(*(struct world **)arg);
}

static void start(rn_group *g, rn_fn *fn, const struct job *job)
{
    if (rn_group_go(g, fn, job, sizeof *job) != 0)
        abort();
}

static void start_receivers(struct world *w, rn_group *g, int channel)
{
    int n = w->config.channel[channel].receivers;
    bool shared = w->config.shared_handles;

    for (int i = 0; i < n; i++) {
        struct job job = { .w = w,
                           .channel = channel,
                           .node = (int)sim_below(w, (uint64_t)w->config.nodes) };

        w->receivers[channel]++;
        if (shared) {
            job.handle = bind_fresh(w, channel, job.node, RN_IN);
            job.sharers = malloc(sizeof *job.sharers);
            if (job.sharers == NULL)
                abort();
            *job.sharers = 2;
            job.receiver = oracle_handle(w->oracle, channel, false);
            w->receivers[channel]++;
            start(g, receiver, &job);
        }
        start(g, receiver, &job);
    }
}

void program_run(struct world *w)
{
    rn_group *g = rn_group_new();
    rn_group *faults = rn_group_new();
    rn_chan *kept[SIM_CHANNELS_MAX];
    int rc;

    for (int i = 0; i < w->config.channels; i++) {
        struct job job = { .w = w, .channel = i };

        kept[i] = bind_fresh(w, i, SIM_NODES_MAX, RN_OUT);
        start_receivers(w, g, i);
        w->senders_left[i] = w->config.channel[i].senders;
        for (int k = 0; k < w->config.channel[i].senders; k++) {
            job.node = (int)sim_below(w, (uint64_t)w->config.nodes);
            job.sender = w->next_sender++;
            start(g, sender, &job);
        }
        job.handle = kept[i];
        start(g, closer, &job);
    }
    if (rn_group_go(faults, faults_main, &w, sizeof w) != 0)
        abort();
    rc = rn_group_wait(g, rn_after(3600 * RN_SEC));
    if (rc != 0) {
        rn_dump(2);
        sim_fail("the program did not end within an hour of virtual time");
    }
    w->finishing = true;
    rn_group_wait(faults, RN_FOREVER);
    for (int i = 0; i < w->config.channels; i++)
        unbind(kept[i]);
    rn_group_free(faults);
    rn_group_free(g);
}
