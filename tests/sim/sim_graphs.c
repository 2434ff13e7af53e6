/* sim_graphs.c - random graphs of processes, channels and selects.   SPDX-License-Identifier: MIT
 *
 *   sim_graphs --seeds N [--from S] [--seconds T] [--floor N] [--stuck T]   as sim
 *   sim_graphs --seed S                                                     replays one
 *
 * Goroutines in several processes select over whatever channels they can reach: local ones, and named ones of capacity 0
 * and more, which live at one of two brokers.  The graph is drawn from the seed; each is run twice, over brokers and as
 * plain local channels of one process - the oracle must allow what both do.  It finds: an element that is lost, doubled,
 * or came although its send had failed; a send on a channel of capacity 0 that returned before a receive was called; two
 * operations that could have met and did not; and a network that talks without anything happening. */
#include "broker/core/core.h"
#include "broker/shard.h"
#include "node/node.h"
#include "proto/link/memlink.h"
#include "runtime/rand.h"
#include "runtime/sched.h"
#include "tests/sim/oracle.h"
#include "tests/sim/reach.h"
#include "tests/sim/watch.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROCESSES 4
#define BROKERS   2
#define CHANNELS  5
#define WORKERS   8
#define CASES     4
#define ROUNDS    24
#define LONG_NS   (2 * RN_SEC) /* who could meet does so within half of this */
#define FRAMES    200          /* between two operations that are performed, on the average */
#define FROZEN_NS (12 * RN_SEC)
#define UPSET_NS  (5 * RN_SEC) /* after a process was frozen or thawed */

/* ---- the graph ---- */

struct graph {
    uint64_t seed;
    int processes, brokers, channels, workers, rounds;
    int64_t delay_max_ns;
    bool breaks;
    bool freezes; /* of one process at a time, as if it were not there */
    struct {
        int broker;  /* -1: local */
        int process; /* if local: whose */
        int64_t capacity;
        bool one_handle[PROCESSES]; /* for both directions */
    } channel[CHANNELS];
    int process_of[WORKERS];
};

static uint64_t mix(uint64_t *state)
{
    return rn__rand_next(state);
}

static int below(uint64_t *rng, int n)
{
    return (int)((mix(rng) >> 32) % (uint64_t)n);
}

static void graph_draw(struct graph *g, uint64_t seed)
{
    static const int64_t delays[] = { 10 * RN_US, 300 * RN_US, 5 * RN_MS };
    static const int64_t capacities[] = { 0, 0, 0, 1, 3 };
    uint64_t rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    *g = (struct graph){ .seed = seed };
    g->processes = 1 + below(&rng, PROCESSES);
    g->brokers = 1 + below(&rng, BROKERS);
    g->channels = 1 + below(&rng, CHANNELS);
    g->workers = 2 + below(&rng, WORKERS - 1);
    g->rounds = 4 + below(&rng, ROUNDS - 3);
    g->delay_max_ns = delays[below(&rng, 3)];
    g->breaks = below(&rng, 3) == 0;
    for (int i = 0; i < g->channels; i++) {
        g->channel[i].broker = below(&rng, 4) == 0 ? -1 : below(&rng, g->brokers);
        g->channel[i].process = below(&rng, g->processes);
        g->channel[i].capacity = capacities[below(&rng, 5)];
        for (int p = 0; p < PROCESSES; p++)
            g->channel[i].one_handle[p] = below(&rng, 2) == 0;
    }
    for (int i = 0; i < g->workers; i++)
        g->process_of[i] = below(&rng, g->processes);
    g->freezes = !g->breaks && g->processes > 1 && below(&rng, 4) == 0;
}

static void graph_describe(const struct graph *g)
{
    fprintf(stderr,
            "seed %" PRIu64
            ": %d processes, %d brokers, %d goroutines x %d rounds, delay <= %" PRId64 " us%s\n",
            g->seed, g->processes, g->brokers, g->workers, g->rounds, g->delay_max_ns / RN_US,
            g->breaks    ? ", breaks"
            : g->freezes ? ", freezes"
                         : "");
    for (int i = 0; i < g->channels; i++)
        fprintf(stderr, "  channel %d: capacity %" PRId64 ", %s %d\n", i, g->channel[i].capacity,
                g->channel[i].broker < 0 ? "local of process" : "at broker",
                g->channel[i].broker < 0 ? g->channel[i].process : g->channel[i].broker);
}

/* ---- the run ---- */

struct element {
    int channel;
    enum fate fate;
    int came;
};

struct worker {
    struct run *run;
    int index;
    uint64_t rng;
    bool waits;
    rn_time since;
    int n;
    int on[CASES]; /* channels */
    enum rn_op op[CASES];
};

struct run {
    const struct graph *graph;
    bool local;                              /* all channels are local, whatever the graph says */
    rn_chan *handle[PROCESSES][CHANNELS][2]; /* by enum rn_dir; NULL: out of reach */
    rn_node *node[PROCESSES][BROKERS];
    struct shard *shard[BROKERS];
    rn_chan *shard_done;
    struct memnet *net;
    struct worker worker[WORKERS];
    struct element *elements;
    size_t n_elements, room;
    int64_t held[CHANNELS];       /* sent and not received */
    rn_time held_since[CHANNELS]; /* when that last changed */
    int64_t receives[CHANNELS];   /* called */
    int64_t sends[CHANNELS];      /* returned 0 */
    uint64_t performed, timeouts, missed, doubts;
    int frozen;           /* the process, or -1 */
    rn_time frozen_since; /* or thawed */
    bool finished;
};

static struct graph graph;
static struct run run;
static struct {
    uint64_t runs, performed, timeouts, missed, doubts, frames, breaks;
} total;

void sim_fail(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    graph_describe(&graph);
    fprintf(stderr, "sim_graphs: FAILED%s: ", run.local ? " (local channels)" : "");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nsim_graphs: replay with: sim_graphs --seed %" PRIu64 "\n", graph.seed);
    exit(1);
}

static bool is_local(const struct run *r, int channel)
{
    return r->local || r->graph->channel[channel].broker < 0;
}

/* ---- elements ---- */

static int64_t element_new(struct run *r, int channel)
{
    if (r->n_elements == r->room) {
        r->room = r->room == 0 ? 256 : 2 * r->room;
        r->elements = realloc(r->elements, r->room * sizeof *r->elements);
        if (r->elements == NULL)
            abort();
    }
    r->elements[r->n_elements] = (struct element){ .channel = channel };
    return (int64_t)r->n_elements++;
}

static void held_add(struct run *r, int channel, int n)
{
    r->held[channel] += n;
    r->held_since[channel] = rn_now();
}

static void element_sent(struct run *r, int64_t id, enum fate fate)
{
    struct element *e = &r->elements[id];

    e->fate = fate;
    if (fate == FATE_NOT_SENT && e->came > 0)
        sim_fail("element %" PRId64 " was received, but nothing was sent", id);
    if (fate != FATE_SENT)
        return;
    held_add(r, e->channel, e->came == 0);
    r->sends[e->channel]++;
    if (r->graph->channel[e->channel].capacity == 0 &&
        r->sends[e->channel] > r->receives[e->channel])
        sim_fail("channel %d: %" PRId64 " sends have returned, but only %" PRId64
                 " receives were called",
                 e->channel, r->sends[e->channel], r->receives[e->channel]);
}

static void element_came(struct run *r, int channel, int64_t id)
{
    struct element *e;

    if (id < 0 || (size_t)id >= r->n_elements)
        sim_fail("an element came that was never made: %" PRId64, id);
    e = &r->elements[id];
    if (e->channel != channel)
        sim_fail("element %" PRId64 " of channel %d came out of channel %d", id, e->channel,
                 channel);
    if (e->fate == FATE_NOT_SENT)
        sim_fail("element %" PRId64 " came, though its send said that nothing was sent", id);
    if (e->came++ > 0)
        sim_fail("element %" PRId64 " came twice", id);
    if (e->fate == FATE_SENT)
        held_add(r, channel, -1);
}

/* ---- who could have met ---- */

/* Both have waited so long that whatever is on the wire has arrived. */
static bool waits_long(const struct worker *w)
{
    return w->waits && rn_now() - w->since >= LONG_NS / 2;
}

/* Has a process just been frozen or thawed?  Those that the home waits for are passed over after a second each. */
static bool is_upset(const struct run *r)
{
    return r->graph->freezes && !r->local && rn_now() - r->frozen_since < UPSET_NS;
}

static bool is_frozen(const struct worker *w)
{
    return w->run->frozen == w->run->graph->process_of[w->index];
}

/* May the answers of the home be late, or never come? */
static bool has_faults(const struct run *r)
{
    return r->graph->breaks || (r->graph->freezes && !r->local);
}

static void check_case(const struct worker *w, int i)
{
    const struct run *r = w->run;
    int channel = w->on[i];
    int64_t capacity = r->graph->channel[channel].capacity;
    bool long_ago = rn_now() - r->held_since[channel] >= LONG_NS / 2;

    if (is_upset(r) || is_frozen(w))
        return;
    if (capacity > 0) {
        if (has_faults(r))
            return; /* who is frozen keeps what it holds */
        if (long_ago && w->op[i] == RN_SEND && r->held[channel] < capacity)
            sim_fail("goroutine %d could have sent: channel %d holds %" PRId64, w->index, channel,
                     r->held[channel]);
        if (long_ago && w->op[i] == RN_RECV && r->held[channel] > 0)
            sim_fail("goroutine %d could have received: channel %d holds %" PRId64, w->index,
                     channel, r->held[channel]);
        return;
    }
    for (int k = 0; k < r->graph->workers; k++) {
        const struct worker *v = &r->worker[k];
        if (v == w || !waits_long(v) || is_frozen(v))
            continue;
        for (int j = 0; j < v->n; j++)
            if (v->on[j] == channel && v->op[j] != w->op[i])
                sim_fail("goroutines %d and %d could have met in channel %d", w->index, v->index,
                         channel);
    }
}

/* ---- goroutines ---- */

static int draw_cases(struct worker *w, rn_case *cases, int64_t *values)
{
    struct run *r = w->run;
    int process = r->graph->process_of[w->index], n = 1 + below(&w->rng, CASES);

    w->n = 0;
    for (int i = 0; i < n; i++) {
        int channel = below(&w->rng, r->graph->channels);
        enum rn_dir dir = below(&w->rng, 2) == 0 ? RN_IN : RN_OUT;
        rn_chan *c = r->handle[process][channel][dir];

        if (c == NULL)
            continue;
        values[w->n] = dir == RN_OUT ? element_new(r, channel) : -1;
        cases[w->n] = (rn_case){ c, &values[w->n], dir == RN_OUT ? RN_SEND : RN_RECV, 0 };
        w->on[w->n] = channel;
        w->op[w->n] = cases[w->n].op;
        w->n++;
    }
    for (int i = 0; i < w->n; i++)
        r->receives[w->on[i]] += w->op[i] == RN_RECV;
    return w->n;
}

static rn_time draw_deadline(struct worker *w, bool *is_long)
{
    int kind = below(&w->rng, 10);

    *is_long = kind > 2;
    if (kind == 0)
        return RN_NOWAIT;
    if (kind <= 2)
        return rn_after((int64_t)(mix(&w->rng) % (uint64_t)(4 * w->run->graph->delay_max_ns)));
    return rn_after(LONG_NS);
}

static void settle(struct worker *w, int k, const rn_case *cases, const int64_t *values)
{
    struct run *r = w->run;

    for (int i = 0; i < w->n; i++) {
        int rc = k == i ? cases[i].rc : RN_ETIMEDOUT;
        if (w->op[i] == RN_SEND) {
            element_sent(r, values[i],
                         rc == 0             ? FATE_SENT
                         : rc == RN_EUNKNOWN ? FATE_DOUBT
                                             : FATE_NOT_SENT);
        } else if (rc == 0) {
            element_came(r, w->on[i], values[i]);
        } else if (!has_faults(r)) {
            r->receives
                [w->on[i]]--; /* no send has met it; unless it has yielded, its link being down */
        }
        if (k == i && rc != 0 && (rc != RN_EUNKNOWN || !has_faults(r)))
            sim_fail("case on channel %d gave %s", w->on[i], rn_strerror(rc));
        r->doubts += k == i && rc == RN_EUNKNOWN;
    }
}

static void work(void *arg)
{
    struct worker *w = *(struct worker **)arg;
    struct run *r = w->run;

    for (int round = 0; round < r->graph->rounds; round++) {
        int64_t values[CASES];
        rn_case cases[CASES];
        bool is_long;
        int n = draw_cases(w, cases, values), k;
        rn_time deadline = draw_deadline(w, &is_long);

        if (n == 0)
            continue;
        w->since = rn_now();
        w->waits = true;
        k = rn_select(cases, n, deadline);
        if (k == RN_ETIMEDOUT && is_long && !r->graph->breaks)
            for (int i = 0; i < n; i++)
                check_case(w, i);
        w->waits = false;
        if (k < 0 && k != RN_ETIMEDOUT)
            sim_fail("rn_select gave %s", rn_strerror(k));
        settle(w, k, cases, values);
        r->performed += k >= 0;
        r->timeouts += k < 0 && is_long;
        r->missed += k < 0 && !is_long;
    }
}

static void freeze(struct run *r, int process, bool on)
{
    for (int i = 0; i < r->graph->brokers; i++) {
        char name[32];

        snprintf(name, sizeof name, "node%d.%d", process, i);
        memnet_freeze(r->net, name, on);
    }
    r->frozen = on ? process : -1;
    r->frozen_since = rn_now();
}

static void freezer(void *arg)
{
    struct run *r = *(struct run **)arg;
    uint64_t rng = r->graph->seed;

    while (!r->finished) {
        int process = below(&rng, r->graph->processes);

        freeze(r, process, true);
        for (int i = 0; i < FROZEN_NS / RN_SEC && !r->finished; i++)
            rn_sleep(rn_after(RN_SEC));
        freeze(r, process, false);
        for (int i = 0; i < 1 + below(&rng, 5) && !r->finished; i++)
            rn_sleep(rn_after(RN_SEC));
    }
}

static void breaker(void *arg)
{
    struct run *r = *(struct run **)arg;
    uint64_t rng = r->graph->seed;

    while (!r->finished) {
        char node[32], broker[32];

        rn_sleep(rn_after(RN_MS + (int64_t)(mix(&rng) % (uint64_t)(20 * r->graph->delay_max_ns))));
        snprintf(node, sizeof node, "node%d.%d", below(&rng, r->graph->processes),
                 below(&rng, r->graph->brokers));
        snprintf(broker, sizeof broker, "broker%c", node[strlen(node) - 1]);
        if (!r->finished)
            memnet_break(r->net, node, broker);
        total.breaks++;
    }
}

/* ---- setting up ---- */

static void serve(void *arg)
{
    struct shard *shard = *(struct shard **)arg;
    int rc = shard_run(shard);

    rn_chan_send(run.shard_done, &rc, RN_FOREVER);
}

static void brokers_open(struct run *r)
{
    r->net = memnet_new(&(struct memnet_opts){
        .seed = r->graph->seed, .delay_min_ns = 1000, .delay_max_ns = r->graph->delay_max_ns });
    r->shard_done = rn_chan_new(sizeof(int), BROKERS, NULL);
    for (int i = 0; i < r->graph->brokers; i++) {
        char name[32];

        snprintf(name, sizeof name, "broker%d", i);
        r->shard[i] = shard_new(memnet_endpoint(r->net, name), NULL);
        if (r->shard[i] == NULL || rn_go_copy(serve, &r->shard[i], sizeof r->shard[i]) != 0)
            abort();
    }
    for (int p = 0; p < r->graph->processes; p++)
        for (int i = 0; i < r->graph->brokers; i++) {
            char name[32], url[32];
            rn_node_opts opts = { .name = name, .lease_ns = 30 * RN_SEC };
            int rc;

            snprintf(name, sizeof name, "node%d.%d", p, i);
            snprintf(url, sizeof url, "mem://broker%d", i);
            rc = rn__node_open_on(&r->node[p][i], &opts, memnet_endpoint(r->net, name), url,
                                  RN_FOREVER);
            if (rc != 0)
                sim_fail("a node does not open: %s", rn_strerror(rc));
        }
}

static void brokers_close(struct run *r)
{
    int rc;

    for (int p = 0; p < r->graph->processes; p++)
        for (int i = 0; i < r->graph->brokers; i++) {
            rc = rn_node_close(r->node[p][i], rn_after(60 * RN_SEC), NULL);
            if (rc != 0)
                sim_fail("a node does not close: %s", rn_strerror(rc));
        }
    for (int i = 0; i < r->graph->brokers; i++) {
        core_check(shard_core(r->shard[i]));
        shard_stop(r->shard[i]);
        if (rn_chan_recv(r->shard_done, &rc, rn_after(60 * RN_SEC)) != 0)
            sim_fail("a broker does not stop");
    }
    for (int i = 0; i < r->graph->brokers; i++)
        shard_free(r->shard[i]);
    memnet_free(r->net);
    rn_chan_unref(r->shard_done);
}

static rn_chan *bind_one(struct run *r, int process, int channel, enum rn_dir dir, rn_chan *c)
{
    int64_t capacity = r->graph->channel[channel].capacity;
    rn_bind_opts opts = { .capacity = capacity == 0 ? RN_RENDEZVOUS : capacity };
    char name[32];
    int rc;

    snprintf(name, sizeof name, "channel%d", channel);
    rc = rn_bind(r->node[process][r->graph->channel[channel].broker], name, dir, c, &rn_codec_int64,
                 &opts, RN_FOREVER);
    if (rc != 0)
        sim_fail("binding channel %d: %s", channel, rn_strerror(rc));
    return c;
}

static void handles_open(struct run *r)
{
    const struct graph *g = r->graph;

    for (int i = 0; i < g->channels; i++) {
        rn_chan *local = is_local(r, i)
                             ? rn_chan_new(sizeof(int64_t), (size_t)g->channel[i].capacity, NULL)
                             : NULL;
        for (int p = 0; p < g->processes; p++) {
            if (local != NULL) {
                bool within = g->channel[i].broker >= 0 || g->channel[i].process == p;
                for (int dir = 0; dir < 2 && within; dir++)
                    r->handle[p][i][dir] = rn_chan_ref(local);
                continue;
            }
            rn_chan *in = rn_chan_new(sizeof(int64_t), 0, NULL);
            rn_chan *out = g->channel[i].one_handle[p] ? rn_chan_ref(in)
                                                       : rn_chan_new(sizeof(int64_t), 0, NULL);
            r->handle[p][i][RN_IN] = bind_one(r, p, i, RN_IN, in);
            r->handle[p][i][RN_OUT] = bind_one(r, p, i, RN_OUT, out);
        }
        rn_chan_unref(local);
    }
}

static void print_info(void *arg, const struct wire_channel_info *info)
{
    (void)arg;
    fprintf(stderr,
            "  closed %d, lent %" PRIu64 ", buffered %" PRIu64 ", delivered %" PRIu64
            ", accepted %" PRIu64 ", taken %" PRIu64 "\n",
            info->closed, info->lent, info->buffered, info->delivered, info->accepted, info->taken);
    for (uint32_t i = 0; i < info->n_bindings; i++)
        fprintf(stderr, "  %s %s: waiting %u, lent %" PRIu64 ", delivered %" PRIu64 "\n",
                info->bindings[i].node, info->bindings[i].direction == WIRE_OUT ? "out" : "in",
                info->bindings[i].waiting, info->bindings[i].lent, info->bindings[i].delivered);
}

/* What the home says of a channel that does not end. */
static void explain(struct run *r, int channel)
{
    char name[32];

    if (is_local(r, channel))
        return;
    snprintf(name, sizeof name, "channel%d", channel);
    rn__node_query(r->node[0][r->graph->channel[channel].broker], name, print_info, NULL,
                   rn_after(RN_SEC));
}

/* Takes out what is left in the channels, and lets go of them. */
static void handles_close(struct run *r)
{
    for (int i = 0; i < r->graph->channels; i++) {
        bool drained = false;
        for (int p = 0; p < r->graph->processes; p++) {
            rn_chan *in = r->handle[p][i][RN_IN];
            int64_t id = -1;
            int rc = 0;

            if (in == NULL)
                continue;
            rn_chan_close(in);
            /* The first takes all that is left; what others have in their prefetch comes back to it, or they take it. */
            while ((rc = rn_chan_recv(in, &id, rn_after(60 * RN_SEC))) == 0)
                element_came(r, i, id);
            if (rc != RN_ECLOSED)
                explain(r, i);
            if (rc != RN_ECLOSED)
                sim_fail("draining channel %d gave %s", i, rn_strerror(rc));
            if (!drained && r->held[i] != 0 && r->graph->processes == 1)
                sim_fail("channel %d is closed and drained, but %" PRId64 " elements have not come",
                         i, r->held[i]);
            drained = true;
        }
        for (int p = 0; p < r->graph->processes; p++)
            for (int dir = 0; dir < 2; dir++)
                rn_chan_unref(r->handle[p][i][dir]);
    }
}

static void check_elements(const struct run *r)
{
    for (size_t i = 0; i < r->n_elements; i++) {
        const struct element *e = &r->elements[i];

        if (e->fate == FATE_TRYING)
            sim_fail("the send of element %zu never returned", i);
        if (e->fate == FATE_SENT && e->came == 0)
            sim_fail("element %zu of channel %d is lost", i, e->channel);
    }
}

static int run_graph(void *arg)
{
    struct run *r = arg;
    rn_group *workers = rn_group_new(), *faults = rn_group_new();
    struct memnet_stats before = { 0 }, after = { 0 };

    if (!r->local)
        brokers_open(r);
    handles_open(r);
    if (!r->local)
        memnet_stats(r->net, &before);
    for (int i = 0; i < r->graph->workers; i++) {
        struct worker *w = &r->worker[i];

        *w = (struct worker){ .run = r, .index = i, .rng = r->graph->seed * 31 + (uint64_t)i };
        if (rn_group_go(workers, work, &w, sizeof w) != 0)
            abort();
    }
    if (r->graph->breaks && !r->local && rn_group_go(faults, breaker, &r, sizeof r) != 0)
        abort();
    if (r->graph->freezes && !r->local && rn_group_go(faults, freezer, &r, sizeof r) != 0)
        abort();
    if (rn_group_wait(workers, rn_after(3600 * RN_SEC)) != 0) {
        rn_dump(2);
        sim_fail("the program did not end within an hour of virtual time");
    }
    r->finished = true;
    rn_group_wait(faults, RN_FOREVER);
    rn_group_free(workers);
    rn_group_free(faults);
    if (!r->local) {
        memnet_stats(r->net, &after);
        total.frames += after.sent - before.sent;
        /* Every operation that waits, and every sign of life, has its few frames. */
        uint64_t events = r->performed + r->missed + 8 * r->timeouts + 16;
        if (!has_faults(r) && after.sent - before.sent > FRAMES * events)
            sim_fail("%" PRIu64 " frames for %" PRIu64 " operations", after.sent - before.sent,
                     r->performed + r->missed + r->timeouts);
    }
    handles_close(r);
    if (!r->local)
        brokers_close(r);
    check_elements(r);
    return 0;
}

static void run_seed(uint64_t seed, bool describe)
{
    graph_draw(&graph, seed);
    if (describe)
        graph_describe(&graph);
    for (int local = 1; local >= 0; local--) {
        run = (struct run){ .graph = &graph, .local = local, .frozen = -1 };
        if (rn_sim(seed, run_graph, &run) != 0)
            sim_fail("rn_sim failed");
        free(run.elements);
        total.performed += run.performed;
        total.timeouts += run.timeouts;
        total.missed += run.missed;
        total.doubts += run.doubts;
    }
    total.runs++;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void usage(void)
{
    fprintf(
        stderr,
        "usage: sim_graphs --seeds N [--from S] [--seconds T] [--floor N] [--stuck T] | sim_graphs --seed S\n");
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seeds", required_argument, NULL, 'n' },
        { "from", required_argument, NULL, 'f' },
        { "seconds", required_argument, NULL, 't' },
        { "floor", required_argument, NULL, 'l' },
        { "seed", required_argument, NULL, 's' },
        { "stuck", required_argument, NULL, 'k' },
        { NULL, 0, NULL, 0 },
    };
    uint64_t seeds = 0, from = 1, floor = 0, stuck = WATCH_SECONDS;
    double seconds = 1e9, started = now();
    bool one = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n')
            seeds = strtoull(optarg, NULL, 10);
        else if (option == 'f' || option == 's')
            from = strtoull(optarg, NULL, 10);
        else if (option == 't')
            seconds = strtod(optarg, NULL);
        else if (option == 'l')
            floor = strtoull(optarg, NULL, 10);
        else if (option == 'k')
            stuck = strtoull(optarg, NULL, 10);
        else
            usage();
        one |= option == 's';
    }
    if (optind != argc || (!one && seeds == 0))
        usage();
    if (one)
        seeds = 1;
    watch_begin("sim_graphs", "sim_graphs ");
    for (uint64_t i = 0; i < seeds && now() - started < seconds; i++) {
        watch_seed(from + i, (unsigned)stuck);
        run_seed(from + i, one);
    }
    printf("sim_graphs: %" PRIu64 " graphs in %.1f s, each over brokers and locally: %" PRIu64
           " selects performed, %" PRIu64 " timed out, %" PRIu64 " missed, %" PRIu64
           " in doubt; %" PRIu64 " frames, %" PRIu64 " breaks\n",
           total.runs, now() - started, total.performed, total.timeouts, total.missed, total.doubts,
           total.frames, total.breaks);
    if (!one)
        reach_report("sim_graphs");
    if (total.runs < floor) {
        fprintf(stderr, "sim_graphs: only %" PRIu64 " graphs were run, the floor is %" PRIu64 "\n",
                total.runs, floor);
        return 1;
    }
    return 0;
}
