/* world.c - see world.h.   SPDX-License-Identifier: MIT */
#include "tests/sim/end.h"

#include "runtime/assert.h"
#include "runtime/sched.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEEPER_LEASE_NS (30 * RN_SEC)

const char *const sim_fault_names[FAULT_KINDS] = {
    "breaks",
    "lost frames",
    "one-way partitions",
    "partitions",
    "freezes",
    "sleeps of the broker",
    "crashes",
    "node closes",
    "broker crashes",
    "clock jumps",
    "cancellations",
    "failures",
    "refused elements",
    "late starts",
    "nacks",
    "stale verdicts",
    "rejections",
    "dead letters",
    "lost for being slow",
    "cut for being slow",
    "looks",
    "pages of taps",
    "purges",
};

/* ---- chance ---- */

static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t sim_random(struct world *w)
{
    return mix(&w->rng);
}

uint64_t sim_below(struct world *w, uint64_t n)
{
    return n == 0 ? 0 : sim_random(w) % n;
}

bool sim_chance(struct world *w, unsigned percent)
{
    return sim_below(w, 100) < percent;
}

int64_t sim_time(struct world *w, int64_t most_ns)
{
    return (int64_t)sim_below(w, (uint64_t)most_ns + 1);
}

/* ---- configuration ---- */

static int64_t one_of(uint64_t *rng, const int64_t *values, size_t n)
{
    return values[mix(rng) % n];
}
#define ONE_OF(rng, ...)                            \
    one_of((rng), (const int64_t[]){ __VA_ARGS__ }, \
           sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

static bool one_in(uint64_t *rng, unsigned n)
{
    return mix(rng) % n == 0;
}

bool sim_sessions_end(const struct sim_config *c)
{
    return c->long_cuts || c->crashes || c->leaves || c->homes_lost || c->storm;
}

bool sim_may_die(const struct sim_config *c)
{
    return c->breaks || c->jumps || sim_sessions_end(c);
}

static void configure_faults(struct sim_config *c, uint64_t *rng)
{
    c->breaks = one_in(rng, 2);
    c->long_cuts = one_in(rng, 3);
    c->crashes = one_in(rng, 3);
    c->homes_lost = one_in(rng, 6);
    c->jumps = one_in(rng, 4);
    c->again = one_in(rng, 2);
    c->storm = one_in(rng, 5);
}

static void configure_program(struct sim_config *c, uint64_t *rng)
{
    c->deadlines = one_in(rng, 2);
    c->impatient = c->deadlines && one_in(rng, 2);
    c->selects = one_in(rng, 2);
    c->shared_handles = one_in(rng, 3);
    c->shared_senders = one_in(rng, 4);
    c->confirm = one_in(rng, c->deadlines || c->shared_senders ? 2 : 4);
    if (one_in(rng, 12)) /* many sends on one handle that give up while their link is down */
        c->deadlines = c->shared_senders = c->confirm = c->breaks = true;
    c->early_close = one_in(rng, 4);
    c->fails = c->early_close && one_in(rng, 2);
    c->cancels = one_in(rng, 6);
    c->refusals = one_in(rng, 6);
    c->rebinds = one_in(rng, 3);
    c->late = one_in(rng, 3);
    c->receivers_first = one_in(rng, 5);
}

static void configure_channel(struct sim_config *c, int i, uint64_t *rng)
{
    int64_t size = ONE_OF(rng, 8, 8, 100, 100, 100, 3000, 3000, 3000, 300000);
    bool large = size > 4000;

    c->channel[i].capacity = ONE_OF(rng, 1, 1, 2, 3, 8, 64, 1000, 16384);
    c->channel[i].capacity_bytes = (uint64_t)(large ? ONE_OF(rng, 1 << 20, 64 << 20)
                                                    : ONE_OF(rng, 4000, 10000, 1 << 20, 64 << 20));
    c->channel[i].prefetch = (uint32_t)ONE_OF(rng, 0, 0, 1, 2, 16);
    c->channel[i].senders = (int)ONE_OF(rng, 1, 1, 2, 4, 6);
    c->channel[i].receivers = (int)ONE_OF(rng, 1, 1, 2, 4, 6);
    c->channel[i].elements = (uint32_t)(large ? ONE_OF(rng, 1, 4, 10)
                                              : ONE_OF(rng, 1, 10, 40, 100));
    c->channel[i].element_max = (uint32_t)size;
    c->channel[i].think_ns = ONE_OF(rng, 0, 0, 0, 50 * RN_US, 5 * RN_MS, 300 * RN_MS);
    if (one_in(rng, 4))
        c->channel[i].capacity = 0;
}

/* More is known of an element's time when its send tells when it was accepted. */
static void configure_times(struct sim_config *c, uint64_t *rng)
{
    c->timed = one_in(rng, 4);
    if (!c->timed)
        return;
    c->confirm |= one_in(rng, 2);
    c->delays = one_in(rng, 2);
    for (int i = 0; i < c->channels; i++)
        if (c->channel[i].capacity > 0)
            c->channel[i].ttl_ns = ONE_OF(rng, 0, RN_MS, 20 * RN_MS, 300 * RN_MS, 3 * RN_SEC);
}

/* Of the largest elements so many at most: each takes its time, and who mourns does not wait for ever. */
static void configure_pieces(struct sim_config *c, uint64_t *rng)
{
    uint32_t pieces = (uint32_t)ONE_OF(rng, 0, 0, 5, 20, 60), most = 0;

    for (int i = 0; i < c->channels; i++)
        if (c->channel[i].element_max > most)
            most = c->channel[i].element_max;
    c->piece = pieces > 0 ? 1 + most / pieces : 0;
}

void sim_configure(struct sim_config *c, uint64_t seed, bool local)
{
    uint64_t rng = seed;

    *c = (struct sim_config){ .seed = seed, .local = local };
    c->nodes = (int)ONE_OF(&rng, 1, 2, 2, 3, 4, 5);
    c->channels = (int)ONE_OF(&rng, 1, 1, 2, 3, 4);
    c->delay_max_ns = ONE_OF(&rng, 10 * RN_US, 200 * RN_US, 2 * RN_MS, 20 * RN_MS);
    c->lease_ns = ONE_OF(&rng, 500 * RN_MS, 2 * RN_SEC, 10 * RN_SEC);
    if (!local)
        configure_faults(c, &rng);
    configure_program(c, &rng);
    for (int i = 0; i < c->channels; i++)
        configure_channel(c, i, &rng);
    if (local)
        return;
    c->autoclose = one_in(&rng, 3);
    c->only_some = c->autoclose && one_in(&rng, 3);
    c->senders_min = c->autoclose && one_in(&rng, 3);
    c->leaves = one_in(&rng, 4);
    c->by_hand = one_in(&rng, 3);
    if (c->by_hand)
        c->max_deliveries = (uint32_t)ONE_OF(&rng, 0, 1, 2, 3);
    c->headers = one_in(&rng, 3);
    configure_times(c, &rng);
    c->calls = one_in(&rng, 4);
    for (int i = 0; i < c->channels; i++)
        if (one_in(&rng, 4) && c->channel[i].capacity > 0)
            c->channel[i].slow = (enum rn_slow)ONE_OF(&rng, RN_SLOW_BLOCK, RN_SLOW_BLOCK,
                                                      RN_SLOW_DROP_OLDEST, RN_SLOW_CUT);
    c->browses = one_in(&rng, 3);
    c->purges = c->browses && one_in(&rng, 2);
    configure_pieces(c, &rng);
    c->fold_ns = (int64_t[]){ 0, 1, 300 * RN_MS }[c->seed % 3];
    c->structs = one_in(&rng, 2);
}

static void describe_traits(const struct sim_config *c)
{
    const struct {
        bool on;
        const char *name;
    } traits[] = {
        { c->local, "local" },
        { c->breaks, "breaks" },
        { c->long_cuts, "long cuts" },
        { c->crashes, "crashes" },
        { c->leaves, "node closes" },
        { c->homes_lost, "broker crashes" },
        { c->jumps, "clock jumps" },
        { c->again, "frames come again" },
        { c->storm, "storm" },
        { c->deadlines, "deadlines" },
        { c->impatient, "impatient senders" },
        { c->selects, "selects" },
        { c->shared_handles, "shared receivers" },
        { c->shared_senders, "shared senders" },
        { c->confirm, "confirm" },
        { c->early_close, "early close" },
        { c->fails, "fails" },
        { c->cancels, "cancels" },
        { c->refusals, "refusals" },
        { c->rebinds, "rebinds" },
        { c->late, "late" },
        { c->receivers_first, "receivers first" },
        { c->autoclose, "autoclose" },
        { c->only_some, "of some" },
        { c->senders_min, "senders_min" },
        { c->by_hand, "acknowledged by hand" },
        { c->browses, "browsed" },
        { c->purges, "purged" },
        { c->headers, "headers" },
        { c->timed, "expiry" },
        { c->delays, "delays" },
        { c->calls, "calls" },
        { c->structs, "structs" },
    };

    for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
        if (traits[i].on)
            fprintf(stderr, ", %s", traits[i].name);
    fprintf(stderr, "\n");
}

void sim_describe(const struct sim_config *c)
{
    static const char *const kinds[] = { "", ", fanout", ", fanout that drops",
                                         ", fanout that cuts" };

    fprintf(stderr, "seed %llu: %d nodes, delay <= %lld us, lease %lld ms",
            (unsigned long long)c->seed, c->nodes, (long long)(c->delay_max_ns / RN_US),
            (long long)(c->lease_ns / RN_MS));
    if (c->piece > 0)
        fprintf(stderr, ", pieces of %u bytes", c->piece);
    if (c->fold_ns > 0)
        fprintf(stderr, ", folded after %lld ns", (long long)c->fold_ns);
    describe_traits(c);
    for (int i = 0; i < c->channels; i++)
        fprintf(
            stderr,
            "  channel %d%s: capacity %lld / %llu bytes, prefetch %u, %d senders x %u of <= %u bytes, "
            "%d receivers thinking <= %lld us, ttl %lld ms\n",
            i, kinds[c->channel[i].slow], (long long)c->channel[i].capacity,
            (unsigned long long)c->channel[i].capacity_bytes, c->channel[i].prefetch,
            c->channel[i].senders, c->channel[i].elements, c->channel[i].element_max,
            c->channel[i].receivers, (long long)(c->channel[i].think_ns / RN_US),
            (long long)(c->channel[i].ttl_ns / RN_MS));
}

/* ---- broker and nodes ---- */

static void shard_main(void *arg)
{
    struct world *w = arg;
    int rc = shard_run(w->shard);

    rn_chan_send(w->shard_done, &rc, RN_FOREVER);
}

void world_broker_start(struct world *w)
{
    struct shard_opts opts = { .lease_max_ms = KEEPER_LEASE_NS / RN_MS,
                               .piece_bytes = w->config.piece,
                               .fold_ns = w->config.fold_ns };

    w->shard = shard_new(memnet_endpoint(w->net, "broker"), &opts);
    rn_assert(w->shard != NULL);
    if (rn__go_system(shard_main, w, "shard") != 0)
        sim_fail("the shard does not start");
}

void world_node_start(struct world *w, struct sim_node *n)
{
    struct link *link = memnet_endpoint(w->net, n->name);
    bool keeper = n == &w->nodes[SIM_NODES_MAX];
    rn_node_opts opts = { .name = n->name,
                          .lease_ns = keeper ? KEEPER_LEASE_NS : w->config.lease_ns };
    rn_node *node;
    int rc;

    rn_assert(link != NULL);
    rc = rn__node_open_on(&node, &opts, link, "mem://broker", RN_FOREVER);
    if (rc != 0)
        sim_fail("node %s does not open: %s", n->name, rn_strerror(rc));
    rn__node_pieces(node, w->config.piece);
    n->node = node;
    n->life++;
}

rn_node *world_node(struct world *w, int i)
{
    while (w->nodes[i].node == NULL)
        rn_sleep(rn_after(w->config.lease_ns / 100));
    return w->nodes[i].node;
}

static bool any_fault(const struct world *w)
{
    for (int i = 0; i <= FAULT_CLOCK_JUMP; i++)
        if (w->faults[i] > 0)
            return true;
    return false;
}

void world_check_refusal(struct world *w, int i)
{
    static const char *const expected[] = {
        "nothing was heard from this node for its whole lease",
        "this broker knows no such session: its lease has ended",
        "this broker was started after that session",
        "the broker is being stopped",
    };
    char why[200] = "";
    bool known;

    if (w->config.local || w->nodes[i].node == NULL)
        return;
    rn_node_last_error(w->nodes[i].node, why, sizeof why);
    known = why[0] == '\0' || (w->config.calls && strstr(why, "who made it has gone") != NULL);
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++)
        known |= strncmp(why, expected[k], strlen(expected[k])) == 0;
    if (!known)
        sim_fail("node %s was told: %s", w->nodes[i].name, why);
    if (why[0] != '\0' && !any_fault(w))
        sim_fail("node %s was told, though nothing has gone wrong: %s", w->nodes[i].name, why);
}

/* A receiver's codec: that of rn_bytes, which now and then takes its time, so that others take meanwhile, or refuses. */
static int decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    struct world *w = (struct world *)ctx;

    if (w->config.refusals && sim_chance(w, 30))
        rn_yield();
    if (w->config.refusals && sim_chance(w, 1)) {
        w->faults[FAULT_REFUSAL]++;
        if (sim_chance(w, 50))
            return -ENOMEM; /* it is to come again */
        uint32_t id = element_id(&(rn_bytes){ .data = (uint8_t *)bytes, .len = len });
        oracle_refused(w->oracle, id);
        listeners_refused(w->listeners, id);
        return REFUSAL;
    }
    return rn_codec_bytes.decode(rn_codec_bytes.ctx, bytes, len, elem);
}

static void drop_bytes(void *elem)
{
    rn_bytes_free(elem);
}

static void local_open(struct world *w)
{
    for (int i = 0; i < w->config.channels; i++)
        w->local[i] = rn_chan_new(sizeof(rn_bytes), (size_t)w->config.channel[i].capacity,
                                  drop_bytes);
}

void world_open(struct world *w, const struct sim_config *c)
{
    *w = (struct world){ .config = *c, .rng = c->seed ^ UINT64_C(0x5bd1e995) };
    w->oracle = oracle_new(c->channels);
    w->listeners = listeners_new(c->refusals);
    for (int i = 0; i < c->channels; i++)
        if (c->channel[i].slow != RN_SLOW_ANY)
            oracle_fans(w->oracle, i);
    if (c->local) {
        local_open(w);
        return;
    }
    if (sim_may_die(c))
        oracle_may_die(w->oracle);
    if (c->leaves)
        oracle_may_leave(w->oracle);
    if (c->long_cuts || c->homes_lost) /* rn_bind goes on by itself when its session ends */
        oracle_may_reorder(w->oracle);
    w->codec = rn_codec_bytes;
    w->codec.ctx = w;
    w->codec.decode = decode;
    w->net = memnet_new(&(struct memnet_opts){ .seed = sim_random(w),
                                               .delay_min_ns = 1000,
                                               .delay_max_ns = c->delay_max_ns,
                                               .again_percent = c->again ? 50 : 0 });
    rn_assert(w->net != NULL);
    w->shard_done = rn_chan_new(sizeof(int), 1, NULL);
    world_broker_start(w);
    for (int i = 0; i <= c->nodes; i++) {
        struct sim_node *n = &w->nodes[i == c->nodes ? SIM_NODES_MAX : i];

        if (i == c->nodes)
            snprintf(n->name, sizeof n->name, "keeper");
        else
            snprintf(n->name, sizeof n->name, "node%d", i);
        world_node_start(w, n);
    }
}

void world_close(struct world *w)
{
    int rc;

    for (int i = 0; i < w->config.channels; i++)
        rn_chan_unref(w->local[i]);
    if (w->config.local)
        return;
    for (int i = 0; i <= SIM_NODES_MAX; i++) {
        uint64_t unsent = 0;

        if (w->nodes[i].node == NULL)
            continue;
        world_check_refusal(w, i);
        rc = rn_node_close(w->nodes[i].node, rn_after(120 * RN_SEC), &unsent);
        if (rc != 0)
            sim_fail("node %s does not close: %s, %llu unsent", w->nodes[i].name, rn_strerror(rc),
                     (unsigned long long)unsent);
    }
    core_check(shard_core(w->shard));
    shard_stop(w->shard);
    rc = rn_chan_recv(w->shard_done, &rc, rn_after(60 * RN_SEC));
    if (rc != 0)
        sim_fail("the shard does not stop");
    struct core_totals totals;
    core_totals(shard_core(w->shard), &totals);
    if (!w->config.calls) /* requests expire, too, with their calls */
        oracle_expired(w->oracle, totals.expired);
    shard_free(w->shard);
    memnet_free(w->net);
    rn_chan_unref(w->shard_done);
}
