/* end.c - see end.h.   SPDX-License-Identifier: MIT */
#include "tests/sim/end.h"

#include "node/handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRUCT_MAX 100            /* bytes */
#define OVER_NS    (120 * RN_SEC) /* longer than any freeze */

/* What one operation was told is so for all: soon the handle has failed, when its link has found the time. */
static void check_fails(const struct end *e)
{
    rn_time until = rn_after(OVER_NS);

    while (!end_is_over(rn_chan_err(e->chan))) {
        if (rn_now() > until)
            sim_fail("an operation failed over its session, and its handle goes on");
        rn_sleep(rn_after(RN_MS));
    }
}

void end_check_over(struct world *w, const struct end *e, int node)
{
    check_fails(e);
    world_check_refusal(w, node);
    if (rn_chan_err(e->chan) == RN_EHOMELOST && e->home == oracle_home(w->oracle))
        sim_fail("a handle has failed over its home, which lives");
}

bool end_is_over(int rc)
{
    return rc == RN_ESESSION || rc == RN_EHOMELOST || rc == -ESHUTDOWN;
}

/* What only the handle knows. */
static struct handle *handle_lock(const struct end *e)
{
    rn__chan_lock(e->chan);
    return rn__chan_bound(e->chan);
}

bool end_has_failed(struct world *w, const struct end *e)
{
    if (w->config.local)
        return false;
    int rc = handle_lock(e)->fatal;
    rn__chan_unlock(e->chan);
    return end_is_over(rc);
}

bool end_is_closed(struct world *w, const struct end *e)
{
    if (w->config.local)
        return false;
    struct handle *h = handle_lock(e);
    bool closed = h->side[RN_IN].closed < 0 || h->side[RN_OUT].closed < 0;
    rn__chan_unlock(e->chan);
    return closed;
}

int end_reason(struct world *w, const struct end *e)
{
    if (w->config.local)
        return rn_chan_err(e->chan);
    int reason = handle_lock(e)->reason;
    rn__chan_unlock(e->chan);
    return reason;
}

static uint64_t incarnation_of(const struct end *e, enum rn_dir dir)
{
    uint64_t incarnation = handle_lock(e)->side[dir].incarnation;
    rn__chan_unlock(e->chan);
    return incarnation;
}

/* The keeper's end does not: it is there until all have gone. */
static bool asks_for_close(struct world *w, int node, enum rn_dir dir)
{
    const struct sim_config *c = &w->config;

    return c->autoclose && dir == RN_OUT && node != SIM_NODES_MAX &&
           (!c->only_some || sim_chance(w, 60));
}

static void options(const struct world *w, int channel, enum rn_dir dir, rn_bind_opts *opts)
{
    *opts = (rn_bind_opts){ 0 };
    if (dir == RN_OUT || !w->config.receivers_first) {
        opts->capacity = w->config.channel[channel].capacity;
        if (opts->capacity == 0)
            opts->capacity = RN_RENDEZVOUS;
        opts->capacity_bytes = w->config.channel[channel].capacity_bytes;
        opts->max_deliveries = w->config.max_deliveries;
        opts->ttl_ns = w->config.channel[channel].ttl_ns;
        opts->slow = w->config.channel[channel].slow;
        opts->kind = opts->slow == RN_SLOW_ANY ? RN_QUEUE : RN_FANOUT;
    }
    if (dir == RN_IN)
        opts->prefetch = w->config.channel[channel].prefetch;
    else
        opts->confirm = w->config.confirm;
    opts->manual_ack = dir == RN_IN && w->config.by_hand &&
                       w->config.channel[channel].capacity > 0 &&
                       w->config.channel[channel].slow <= RN_SLOW_BLOCK;
}

/* All of one size? */
static bool has_structs(const struct world *w, int channel)
{
    return w->config.structs && w->config.channel[channel].element_max <= STRUCT_MAX;
}

/* NULL: it did not hold, try again. */
static rn_chan *bind_once(struct world *w, const char *name, const struct end *e, enum rn_dir dir,
                          const rn_bind_opts *opts)
{
    rn_codec structs = rn_codec_struct(NULL, w->config.channel[e->channel].element_max);
    const rn_codec *codec = e->structs         ? &structs
                            : opts->manual_ack ? &rn_codec_msg
                            : dir == RN_IN     ? &w->codec
                                               : &rn_codec_bytes;
    rn_chan *c = rn_chan_new(codec->elemsize, 0, NULL);
    int rc = rn_bind(world_node(w, e->node), name, dir, c, codec, opts, rn_after(5 * RN_SEC));

    if (rc == 0)
        return c;
    rn_chan_unref(c);
    if (rc != RN_ETIMEDOUT && !end_is_over(rc))
        sim_fail("binding %s: %s", name, rn_strerror(rc));
    return NULL;
}

static struct end opened(struct world *w, struct end e, int channel, enum rn_dir dir,
                         uint32_t least)
{
    if (!w->config.local)
        e.incarnation = incarnation_of(&e, dir);
    if (dir == RN_OUT)
        e.sender = oracle_sender(w->oracle, channel, e.home, e.incarnation, least);
    return e;
}

struct end end_open(struct world *w, int channel, int node, enum rn_dir dir)
{
    rn_bind_opts opts;
    char name[16];
    uint32_t least;

    if (w->config.local)
        return opened(w, (struct end){ .chan = rn_chan_ref(w->local[channel]) }, channel, dir, 0);
    options(w, channel, dir, &opts);
    opts.autoclose = asks_for_close(w, node, dir);
    if (opts.autoclose && w->config.senders_min)
        opts.senders_min = (uint32_t)w->config.channel[channel].senders;
    least = !opts.autoclose ? 0 : opts.senders_min > 0 ? opts.senders_min : 1;
    snprintf(name, sizeof name, "channel.%d", channel);
    for (;;) {
        struct end e = { .home = oracle_home(w->oracle),
                         .channel = channel,
                         .node = node,
                         .by_hand = opts.manual_ack };

        e.structs = has_structs(w, channel) && !e.by_hand && sim_chance(w, 60);
        e.chan = bind_once(w, name, &e, dir, &opts);
        if (e.chan != NULL)
            e = opened(w, e, channel, dir, least);
        if (e.chan != NULL && e.home == oracle_home(w->oracle))
            return e;
        /* Nobody can tell which home it has: perhaps the one that was lost meanwhile. */
        if (e.chan != NULL && dir == RN_OUT)
            oracle_sender_gone(w->oracle, e.sender, GONE_UNSURE);
        if (e.chan != NULL)
            end_close(w, &e);
        oracle_may_reorder(w->oracle);
        world_check_refusal(w, node);
        rn_sleep(rn_after(RN_MS));
    }
}

/* Unbound by the home, rather than over with its session?  rn_unbind gives 0 for both when no send is in doubt. */
static bool unbound(const struct end *e)
{
    const struct handle *h = handle_lock(e);
    bool over = h->side[RN_IN].state == SIDE_OVER || h->side[RN_OUT].state == SIDE_OVER;
    rn__chan_unlock(e->chan);
    return !over;
}

int end_close(struct world *w, struct end *e)
{
    int rc = 0;

    if (!w->config.local)
        do
            rc = rn_unbind(e->chan, rn_after(10 * RN_SEC));
        while (rc == RN_ETIMEDOUT);
    if (rc == -EBADF && w->config.leaves)
        rc = -ESHUTDOWN; /* its node was closed before we came to that */
    if (rc == 0 && end_unsent(w, e) != 0)
        sim_fail("unbound, yet %llu sends are in doubt", (unsigned long long)end_unsent(w, e));
    e->in_order = rc == 0 && (w->config.local || unbound(e));
    end_drop(e);
    return rc;
}

void end_drop(struct end *e)
{
    rn_chan_unref(e->chan);
    e->chan = NULL;
}

int end_flush(struct world *w, const struct end *e)
{
    return w->config.local ? 0 : rn_flush(e->chan, RN_FOREVER);
}

uint64_t end_unsent(struct world *w, const struct end *e)
{
    return w->config.local ? 0 : rn_chan_unsent(e->chan);
}

/* ---- elements ---- */

#define HEADER sizeof(uint32_t)

/* Of a large element only every so many bytes are looked at. */
static size_t stride(size_t len)
{
    return len < 256 ? 1 : len < 4096 ? 13 : 251;
}

void element_make(struct world *w, int channel, uint32_t id, rn_bytes *out)
{
    uint32_t most = w->config.channel[channel].element_max;
    size_t len = has_structs(w, channel) ? most : HEADER + (size_t)sim_below(w, most - HEADER + 1);

    if (rn_bytes_new(out, NULL, len) != 0)
        abort();
    memset(out->data, 0, len);
    memcpy(out->data, &id, HEADER);
    for (size_t i = HEADER; i < len; i += stride(len))
        out->data[i] = (uint8_t)(id * 31 + i);
}

uint32_t element_id(const rn_bytes *b)
{
    uint32_t id;

    if (b->len < HEADER)
        sim_fail("an element of %zu bytes came", b->len);
    memcpy(&id, b->data, HEADER);
    for (size_t i = HEADER; i < b->len; i += stride(b->len))
        if (b->data[i] != (uint8_t)(id * 31 + i))
            sim_fail("element %u was changed on its way", id);
    return id;
}

/* "": none. */
static void trace_of(const struct world *w, uint32_t id, char trace[RN_TRACE_MAX])
{
    trace[0] = '\0';
    if (w->config.headers && id % 3 != 0)
        snprintf(trace, RN_TRACE_MAX, "00-%032x-%016x-01", id, id);
}

void element_check_trace(const struct world *w, uint32_t id, const rn_msg *msg)
{
    const char *came = msg != NULL ? rn_msg_traceparent(msg) : NULL;
    char trace[RN_TRACE_MAX], here[RN_TRACE_MAX];

    if (w->config.local)
        return;
    trace_of(w, id, trace);
    (void)rn_trace_get(here);
    if (strcmp(here, trace) != 0)
        sim_fail("element %u came with the trace context '%s', not '%s'", id, here, trace);
    if (msg != NULL && strcmp(came != NULL ? came : "", trace) != 0)
        sim_fail("the message of element %u has the trace context '%s', not '%s'", id,
                 came != NULL ? came : "", trace);
}

/* ---- operations ---- */

rn_time op_deadline(struct world *w, enum rn_op op)
{
    bool impatient = w->config.impatient && op == RN_SEND;

    if (!w->config.deadlines || (!impatient && sim_chance(w, 60)))
        return RN_FOREVER;
    if (sim_chance(w, 30))
        return RN_NOWAIT;
    if (sim_chance(w, 20)) /* so long that a cut is noticed meanwhile */
        return rn_after(sim_time(w, w->config.lease_ns / 2));
    return rn_after(sim_time(w, 4 * w->config.delay_max_ns + RN_MS));
}

/* Some elements have times of their own. */
static void choose_times(struct world *w, const struct end *e, uint32_t element, rn_send_opts *opts)
{
    static const int64_t times_ns[] = { 1, 20 * RN_MS, 300 * RN_MS, 3 * RN_SEC };
    int64_t ttl_ns = w->config.channel[e->channel].ttl_ns;

    if (!w->config.timed || w->config.channel[e->channel].capacity == 0)
        return;
    if (sim_chance(w, 30))
        opts->ttl_ns = times_ns[sim_below(w, 4)];
    if (w->config.delays && sim_chance(w, 30))
        opts->delay_ns = times_ns[sim_below(w, 4)];
    if (opts->ttl_ns > 0 && (ttl_ns == 0 || opts->ttl_ns < ttl_ns))
        ttl_ns = opts->ttl_ns;
    oracle_times(w->oracle, element, opts->delay_ns, ttl_ns);
}

/* at: the channel's element, in which elem is, or will be. */
static int perform_alone(struct world *w, const struct end *e, const void *elem, void *at,
                         enum rn_op op, rn_time deadline)
{
    char trace[RN_TRACE_MAX];
    rn_send_opts opts = { 0 };

    if (op == RN_RECV)
        return rn_chan_recv(e->chan, at, deadline);
    trace_of(w, element_id(elem), trace);
    if (trace[0] != '\0')
        opts.traceparent = trace;
    choose_times(w, e, element_id(elem), &opts);
    return opts.traceparent != NULL || opts.ttl_ns > 0 || opts.delay_ns > 0
               ? rn_send_with(e->chan, at, &opts, deadline)
               : rn_chan_send(e->chan, at, deadline);
}

/* Who sends by a select can only say whose story it is, and not what is the element's. */
static void set_trace(const struct world *w, const void *elem, enum rn_op op)
{
    char trace[RN_TRACE_MAX];

    if (op == RN_RECV || !w->config.headers)
        return;
    trace_of(w, element_id(elem), trace);
    if (rn_trace_set(trace) != 0)
        abort();
}

static int perform(struct world *w, const struct end *e, const void *elem, void *at, enum rn_op op,
                   rn_time deadline)
{
    rn_case cases[3] = { { e->chan, at, op, 0 },
                         { NULL, NULL, RN_RECV, 0 },
                         { e->chan, at, op, 0 } };
    int i;

    if (!w->config.selects || sim_chance(w, 50))
        return perform_alone(w, e, elem, at, op, deadline);
    if (sim_chance(w, 50))
        cases[1].chan = rn_timer(sim_time(w, 10 * w->config.delay_max_ns));
    set_trace(w, elem, op);
    i = rn_select(cases, 3, deadline);
    if (op == RN_SEND && w->config.headers)
        (void)rn_trace_set(NULL);
    rn_chan_unref(cases[1].chan);
    if (i == 0 || i == 2)
        return cases[i].rc;
    return i == 1 ? RN_ETIMEDOUT : i;
}

/* The bytes are the element, and it goes as rn_bytes would. */
static int perform_struct(struct world *w, const struct end *e, rn_bytes *b, enum rn_op op,
                          rn_time deadline)
{
    uint8_t room[STRUCT_MAX];
    int rc = perform(w, e, b, op == RN_SEND ? b->data : room, op, deadline);

    if (op == RN_SEND && (rc == 0 || rc == RN_EUNKNOWN))
        rn_bytes_free(b);
    if (op == RN_RECV && rc == 0 &&
        rn_bytes_new(b, room, w->config.channel[e->channel].element_max) != 0)
        abort();
    return rc;
}

int op_perform(struct world *w, const struct end *e, void *elem, enum rn_op op, rn_time deadline)
{
    struct cut_watch watch = cut_watch(w, e->node, deadline);
    int rc = e->structs ? perform_struct(w, e, elem, op, deadline)
                        : perform(w, e, elem, elem, op, deadline);

    bool answered = w->config.channel[e->channel].capacity == 0 ||
                    (op == RN_SEND && w->config.confirm);

    cut_check(w, &watch, op, !answered, rc);
    return rc;
}
