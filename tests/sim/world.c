/* world.c - see world.h.   SPDX-License-Identifier: MIT */
#include "tests/sim/world.h"

#include "runtime/assert.h"
#include "runtime/rand.h"
#include "runtime/sched.h"

#include <stdio.h>
#include <string.h>

#define KEEPER_LEASE_NS (30 * RN_SEC) /* it outlives every sleep of the broker */
#define KEEPER_BACK_NS  (3 * RN_SEC)  /* after which it has been heard again */

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

/* ---- configuration ---- */

static int64_t one_of(uint64_t *rng, const int64_t *values, size_t n)
{
    return values[mix(rng) % n];
}
#define ONE_OF(rng, ...)                            \
    one_of((rng), (const int64_t[]){ __VA_ARGS__ }, \
           sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

void sim_configure(struct sim_config *c, uint64_t seed)
{
    uint64_t rng = seed;

    *c = (struct sim_config){ .seed = seed };
    c->nodes = (int)ONE_OF(&rng, 1, 2, 2, 3, 4, 5);
    c->channels = (int)ONE_OF(&rng, 1, 1, 2, 3, 4);
    c->delay_max_ns = ONE_OF(&rng, 10 * RN_US, 200 * RN_US, 2 * RN_MS, 20 * RN_MS);
    c->lease_ns = ONE_OF(&rng, 500 * RN_MS, 2 * RN_SEC, 10 * RN_SEC);
    c->breaks = ONE_OF(&rng, 0, 1);
    c->long_cuts = ONE_OF(&rng, 0, 0, 1);
    c->crashes = ONE_OF(&rng, 0, 0, 1);
    c->deadlines = ONE_OF(&rng, 0, 1);
    c->selects = ONE_OF(&rng, 0, 1);
    c->shared_handles = ONE_OF(&rng, 0, 0, 1);
    c->confirm = ONE_OF(&rng, 0, 0, 0, 1);
    c->early_close = ONE_OF(&rng, 0, 0, 0, 1) && !c->long_cuts && !c->crashes;
    c->rebinds = ONE_OF(&rng, 0, 0, 1);
    for (int i = 0; i < c->channels; i++) {
        c->channel[i].capacity = ONE_OF(&rng, 1, 1, 2, 3, 8, 64, 1000, 16384);
        c->channel[i].capacity_bytes = (uint64_t)ONE_OF(&rng, 4000, 10000, 1 << 20, 64 << 20);
        c->channel[i].prefetch = (uint32_t)ONE_OF(&rng, 0, 0, 1, 2, 16);
        c->channel[i].senders = (int)ONE_OF(&rng, 1, 1, 2, 4, 6);
        c->channel[i].receivers = (int)ONE_OF(&rng, 1, 1, 2, 4, 6);
        c->channel[i].elements = (uint32_t)ONE_OF(&rng, 1, 10, 60, 150);
        c->channel[i].element_max = (uint32_t)ONE_OF(&rng, 8, 100, 3000);
        c->channel[i].think_ns = ONE_OF(&rng, 0, 0, 50 * RN_US, 5 * RN_MS);
    }
}

void sim_describe(const struct sim_config *c)
{
    fprintf(stderr, "seed %llu: %d nodes, delay <= %lld us, lease %lld ms%s%s%s%s%s%s%s%s%s\n",
            (unsigned long long)c->seed, c->nodes, (long long)(c->delay_max_ns / RN_US),
            (long long)(c->lease_ns / RN_MS), c->breaks ? ", breaks" : "",
            c->long_cuts ? ", long cuts" : "", c->crashes ? ", crashes" : "",
            c->deadlines ? ", deadlines" : "", c->selects ? ", selects" : "",
            c->shared_handles ? ", shared handles" : "", c->confirm ? ", confirm" : "",
            c->early_close ? ", early close" : "", c->rebinds ? ", rebinds" : "");
    for (int i = 0; i < c->channels; i++)
        fprintf(
            stderr,
            "  channel %d: capacity %lld / %llu bytes, prefetch %u, %d senders x %u of <= %u bytes, "
            "%d receivers thinking <= %lld us\n",
            i, (long long)c->channel[i].capacity, (unsigned long long)c->channel[i].capacity_bytes,
            c->channel[i].prefetch, c->channel[i].senders, c->channel[i].elements,
            c->channel[i].element_max, c->channel[i].receivers,
            (long long)(c->channel[i].think_ns / RN_US));
}

/* ---- broker and nodes ---- */

static void shard_main(void *arg)
{
    struct world *w = arg;
    int rc = shard_run(w->shard);

    rn_chan_send(w->shard_done, &rc, RN_FOREVER);
}

static void node_start(struct world *w, struct sim_node *n)
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
    n->generation++;
    n->node = node;
}

void world_open(struct world *w, const struct sim_config *c)
{
    struct shard_opts opts = { .lease_max_ms = 30000 };

    *w = (struct world){ .config = *c, .rng = c->seed ^ UINT64_C(0x5bd1e995) };
    w->oracle = oracle_new(c->channels);
    if (c->long_cuts) /* rn_bind goes on by itself when its session ends */
        oracle_may_reorder(w->oracle);
    w->net = memnet_new(&(struct memnet_opts){
        .seed = sim_random(w), .delay_min_ns = 1000, .delay_max_ns = c->delay_max_ns });
    rn_assert(w->net != NULL);
    w->shard = shard_new(memnet_endpoint(w->net, "broker"), &opts);
    rn_assert(w->shard != NULL);
    w->shard_done = rn_chan_new(sizeof(int), 1, NULL);
    if (rn__go_system(shard_main, w, "shard") != 0)
        sim_fail("the shard does not start");
    for (int i = 0; i <= c->nodes; i++) {
        struct sim_node *n = &w->nodes[i == c->nodes ? SIM_NODES_MAX : i];

        if (i == c->nodes)
            snprintf(n->name, sizeof n->name, "keeper");
        else
            snprintf(n->name, sizeof n->name, "node%d", i);
        node_start(w, n);
    }
}

void world_close(struct world *w)
{
    int rc;

    for (int i = 0; i <= SIM_NODES_MAX; i++) {
        uint64_t unsent = 0;

        if (w->nodes[i].node == NULL)
            continue;
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
    shard_free(w->shard);
    memnet_free(w->net);
    rn_chan_unref(w->shard_done);
}

rn_node *world_node(struct world *w, int i, unsigned *generation)
{
    while (w->nodes[i].node == NULL)
        rn_sleep(rn_after(RN_MS));
    *generation = w->nodes[i].generation;
    return w->nodes[i].node;
}

/* ---- faults ---- */

/* How long a cut lasts: within the lease, or, where sessions may end, up to two of them. */
static int64_t cut_length(struct world *w)
{
    int64_t most = w->config.long_cuts ? 2 * w->config.lease_ns : w->config.lease_ns / 8;

    return (int64_t)sim_below(w, (uint64_t)most) + RN_MS;
}

static void cut(struct world *w, struct sim_node *n)
{
    bool to = sim_chance(w, 60), from = !to || sim_chance(w, 60), lossy = sim_chance(w, 50);

    w->faults[1]++;
    if (to)
        memnet_partition(w->net, "broker", n->name, true, lossy);
    if (from)
        memnet_partition(w->net, n->name, "broker", true, lossy);
    rn_sleep(rn_after(cut_length(w)));
    memnet_partition(w->net, "broker", n->name, false, false);
    memnet_partition(w->net, n->name, "broker", false, false);
}

/* The broker sleeps, perhaps longer than any lease but the keeper's; who has lost its session comes back. */
static void freeze_broker(struct world *w)
{
    int64_t length = cut_length(w), most = KEEPER_LEASE_NS / 2;

    w->faults[2]++;
    memnet_freeze(w->net, "broker", true);
    rn_sleep(rn_after(length < most ? length : most));
    memnet_freeze(w->net, "broker", false);
    if (w->config.long_cuts)
        rn_sleep(rn_after(KEEPER_BACK_NS));
}

static void freeze(struct world *w, const char *name)
{
    w->faults[2]++;
    memnet_freeze(w->net, name, true);
    rn_sleep(rn_after(cut_length(w)));
    memnet_freeze(w->net, name, false);
}

static void crash(struct world *w, struct sim_node *n)
{
    rn_node *node = n->node;

    w->faults[3]++;
    n->node = NULL;
    rn__node_crash(node);
    rn_sleep(rn_after((int64_t)sim_below(w, (uint64_t)(2 * w->config.lease_ns)) + RN_MS));
    node_start(w, n);
}

void world_faults(void *world)
{
    struct world *w = world;

    while (!w->finishing) {
        struct sim_node *n = &w->nodes[sim_below(w, (uint64_t)w->config.nodes)];

        rn_sleep(
            rn_after((int64_t)sim_below(w, (uint64_t)(20 * w->config.delay_max_ns + 5 * RN_MS))));
        if (w->finishing)
            break;
        switch (sim_below(w, 6)) {
        case 0:
        case 1:
            if (w->config.breaks) {
                w->faults[0]++;
                memnet_break(w->net, n->name, "broker");
            }
            break;
        case 2:
            if (w->config.breaks || w->config.long_cuts)
                cut(w, n);
            break;
        case 3:
            if (w->config.breaks || w->config.long_cuts)
                sim_chance(w, 30) ? freeze_broker(w) : freeze(w, n->name);
            break;
        case 4:
            if (w->config.crashes && sim_chance(w, 40))
                crash(w, n);
            break;
        default:
            break;
        }
    }
}
