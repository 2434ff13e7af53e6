/* mourner.c - who reads the dead letters of a channel, and tells the oracle of them.   SPDX-License-Identifier: MIT
 *
 * On the keeper's node, which few faults touch, until all that died was read.  What it has read and not acknowledged when its session ends comes again. */
#include "tests/sim/end.h"

#include <stdio.h>
#include <string.h>

struct mourner {
    struct world *w;
    int channel;
    rn_chan *chan;
    unsigned home;
};

static void enter(struct mourner *m)
{
    const rn_bind_opts opts = { .manual_ack = true };
    char name[24];
    int rc;

    snprintf(name, sizeof name, "channel.%d.dead", m->channel);
    for (;;) {
        m->home = oracle_home(m->w->oracle);
        m->chan = rn_chan_new(sizeof(rn_msg), 0, NULL);
        rc = rn_bind(world_node(m->w, SIM_NODES_MAX), name, RN_IN, m->chan, &rn_codec_msg, &opts,
                     rn_after(5 * RN_SEC));
        if (rc == 0 && m->home == oracle_home(m->w->oracle))
            return;
        if (rc != 0 && rc != RN_ETIMEDOUT && !end_is_over(rc))
            sim_fail("binding %s: %s", name, rn_strerror(rc));
        rn_chan_unref(
            m->chan); /* nobody can tell which home it has; what it has been given comes again */
        rn_sleep(rn_after(RN_MS));
    }
}

static void check_epitaph(const struct mourner *m, const rn_msg *msg, const rn_dead *dead)
{
    const struct sim_config *c = &m->w->config;
    uint32_t most = c->max_deliveries > 0 ? c->max_deliveries : 16;
    char name[24];

    snprintf(name, sizeof name, "channel.%d", m->channel);
    if (strcmp(dead->channel, name) != 0 || dead->seq == 0 || msg->seq == 0)
        sim_fail("a dead letter of %s is said to be number %llu of %s", name,
                 (unsigned long long)dead->seq, dead->channel);
    if (dead->cause == RN_DEAD_DELIVERIES && (dead->deliveries != most || dead->why[0] != '\0'))
        sim_fail("an element died when it had been delivered %u times, not %u", dead->deliveries,
                 most);
    if (dead->cause == RN_DEAD_REFUSED && strcmp(dead->why, rn_strerror(REFUSAL)) != 0)
        sim_fail("an element died because its codec said '%s'", dead->why);
    if (dead->cause == RN_DEAD_REJECTED && strcmp(dead->why, REJECT_REASON) != 0)
        sim_fail("an element died because it was '%s'", dead->why);
}

static void mourn(struct mourner *m, rn_msg *msg)
{
    rn_dead dead;
    int rc = rn_msg_dead(msg, &dead);

    if (rc != 0)
        sim_fail("a dead letter is none: %s", rn_strerror(rc));
    check_epitaph(m, msg, &dead);
    element_check_trace(m->w, element_id(&msg->bytes), msg);
    m->w->faults[FAULT_DEATH]++;
    oracle_dead(m->w->oracle, m->channel, m->home, element_id(&msg->bytes), (enum death)dead.cause);
    rc = sim_chance(m->w, 10) ? rn_msg_nack(msg, 0) : rn_msg_ack(msg);
    if (rc != 0 && rc != RN_ESTALE)
        sim_fail("a verdict on a dead letter gave %s", rn_strerror(rc));
}

/* Takes the next letter, or waits a while for none. */
static void look(struct mourner *m)
{
    rn_msg msg;
    int rc = rn_chan_recv(m->chan, &msg, rn_after(20 * m->w->config.delay_max_ns + 100 * RN_MS));

    if (rc == 0)
        mourn(m, &msg);
    if (end_is_over(rc)) {
        rn_chan_unref(m->chan);
        enter(m);
    } else if (rc != 0 && rc != RN_ETIMEDOUT) {
        sim_fail("receiving dead letters: %s", rn_strerror(rc));
    }
}

/* The home has none that was not acknowledged.  That nothing comes for a while says little: what was on its way here may be lost
 * when the broker sleeps or the clock jumps, and comes with the next connection. */
static bool all_read(const struct mourner *m)
{
    char name[24];
    uint64_t left;

    if (m->w->shard == NULL)
        return false;
    snprintf(name, sizeof name, "channel.%d.dead", m->channel);
    left = core_used(shard_core(m->w->shard), name);
    return left == 0 || left == UINT64_MAX; /* there is no such channel */
}

void mourner_run(const struct mourner_job *j)
{
    struct mourner m = { .w = j->w, .channel = j->channel };
    bool over = false;

    enter(&m);
    while (!over || !all_read(&m)) {
        over = j->over(j->w, j->channel); /* nothing dies any more, and then we look */
        look(&m);
    }
    rn_chan_unref(m.chan); /* the node has it bound until it is closed */
}
