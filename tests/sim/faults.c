/* faults.c - what goes wrong in a run.   SPDX-License-Identifier: MIT
 *
 * Each fault ends before its goroutine begins another; where several goroutines do this they may fall together, and one
 * may end what another began. */
#include "tests/sim/world.h"

#include "runtime/sim.h"

#include <errno.h>

/* How long a cut lasts: within the lease, or, where sessions may end, up to two of them. */
static int64_t cut_length(struct world *w)
{
    return RN_MS +
           sim_time(w, w->config.long_cuts ? 2 * w->config.lease_ns : w->config.lease_ns / 8);
}

static void loss(struct world *w, struct sim_node *n)
{
    w->faults[FAULT_LOSS]++;
    memnet_lose(w->net, n->name, "broker");
}

static void break_off(struct world *w, struct sim_node *n)
{
    w->faults[FAULT_BREAK]++;
    memnet_break(w->net, n->name, "broker");
}

static void cut(struct world *w, struct sim_node *n)
{
    bool to = sim_chance(w, 60), from = !to || sim_chance(w, 60), lossy = sim_chance(w, 50);

    w->faults[to && from ? FAULT_PARTITION : FAULT_ONE_WAY]++;
    if (to) {
        memnet_partition(w->net, "broker", n->name, true, lossy);
        cut_set(w, n, CUT_TO, true);
    }
    if (from) {
        memnet_partition(w->net, n->name, "broker", true, lossy);
        cut_set(w, n, CUT_FROM, true);
    }
    rn_sleep(rn_after(cut_length(w)));
    cut_set(w, n, CUT_TO, false);
    cut_set(w, n, CUT_FROM, false);
    memnet_partition(w->net, "broker", n->name, false, false);
    memnet_partition(w->net, n->name, "broker", false, false);
}

static void freeze(struct world *w, struct sim_node *n)
{
    w->faults[FAULT_FREEZE]++;
    memnet_freeze(w->net, n->name, true);
    if (n->node != NULL || n->ending) /* else there is nothing to freeze */
        cut_set(w, n, CUT_FROZEN, true);
    rn_sleep(rn_after(cut_length(w)));
    cut_set(w, n, CUT_FROZEN, false);
    memnet_freeze(w->net, n->name, false);
}

static void broker_sleeps(struct world *w)
{
    w->faults[FAULT_SLEEP]++;
    memnet_freeze(w->net, "broker", true);
    cut_set_asleep(w, w->shard != NULL);
    rn_sleep(rn_after(cut_length(w)));
    cut_set_asleep(w, false);
    memnet_freeze(w->net, "broker", false);
}

static void crash(struct world *w, struct sim_node *n)
{
    rn_node *node = n->node;

    if (node == NULL)
        return;
    w->faults[FAULT_CRASH]++;
    n->node = NULL;
    n->ending = true;
    rn__node_crash(node);
    n->ending = false;
    cut_set(w, n, CUT_FROZEN, false); /* the next one is not */
    rn_sleep(rn_after(sim_time(w, 2 * w->config.lease_ns) + RN_MS));
    world_node_start(w, n);
}

/* What it has sent and does not get rid of in time stays behind. */
static void leave(struct world *w, struct sim_node *n)
{
    rn_node *node = n->node;
    int rc;

    if (node == NULL)
        return;
    w->faults[FAULT_LEAVE]++;
    n->node = NULL;
    n->ending = true;
    rc = rn_node_close(node, rn_after(sim_time(w, 4 * w->config.delay_max_ns)), NULL);
    n->ending = false;
    cut_set(w, n, CUT_FROZEN, false);
    if (rc != 0 && rc != RN_ETIMEDOUT)
        sim_fail("closing node %s: %s", n->name, rn_strerror(rc));
    rn_sleep(rn_after(sim_time(w, w->config.lease_ns / 4) + RN_MS));
    world_node_start(w, n);
}

static void lose_home(struct world *w)
{
    struct shard *shard = w->shard;
    int rc = 0;

    if (shard == NULL)
        return;
    w->faults[FAULT_HOME_LOST]++;
    w->shard = NULL;
    cut_set_asleep(w, false);
    oracle_home_lost(w->oracle);
    memnet_kill(w->net, "broker");
    rn_chan_recv(w->shard_done, &rc, RN_FOREVER);
    if (rc != -ECONNABORTED)
        sim_fail("the broker's link is dead, and it ends with %s", rn_strerror(rc));
    core_check(shard_core(shard));
    shard_free(shard);
    rn_sleep(rn_after(sim_time(w, 2 * w->config.lease_ns) + RN_MS));
    world_broker_start(w);
}

static void jump(struct world *w)
{
    int64_t ns = cut_length(w);

    w->faults[FAULT_CLOCK_JUMP]++;
    w->jumped_ns += ns;
    rn__sim_suspend(ns);
}

static void something(struct world *w)
{
    const struct sim_config *c = &w->config;
    struct sim_node *n = &w->nodes[sim_below(w, (uint64_t)c->nodes)];
    bool any = c->breaks || c->long_cuts;

    switch (sim_below(w, 10)) {
    case 0:
    case 1:
        if (c->breaks)
            break_off(w, n);
        break;
    case 2:
        if (any)
            loss(w, n);
        break;
    case 3:
    case 4:
        if (any)
            cut(w, n);
        break;
    case 5:
        if (any)
            freeze(w, n);
        break;
    case 6:
        if (any)
            broker_sleeps(w);
        break;
    case 7:
        if (c->crashes && sim_chance(w, 50))
            crash(w, n);
        else if (c->leaves && sim_chance(w, 50))
            leave(w, n);
        break;
    case 8:
        if (c->homes_lost && sim_chance(w, 20))
            lose_home(w);
        break;
    case 9:
        if (c->jumps)
            jump(w);
        break;
    }
}

#define FAULTS_NS (1800 * RN_SEC) /* half of what the program has */

void faults_run(struct world *w)
{
    rn_time until = rn_after(FAULTS_NS); /* a program that they keep from ending ends then */

    while (!w->finishing && rn_now() < until) {
        rn_sleep(rn_after(sim_time(w, 20 * w->config.delay_max_ns + 5 * RN_MS)));
        if (!w->finishing)
            something(w);
    }
}
