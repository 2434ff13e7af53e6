/* program.c - the goroutines of a run: senders, receivers, and who closes.   SPDX-License-Identifier: MIT
 *
 * The keeper of a channel, on a node that few faults touch, has it bound until all receivers have ended, so that a closed
 * channel is still known to a receiver that comes back late; it closes when all senders have ended, and again when the
 * broker with the closed channel is gone.  With autoclose it must not have to, if one that asked for it was there; but
 * nobody may have been, or their number was lost with a broker. */
#include "tests/sim/end.h"

#include <stdlib.h>

#define FAULTS_OF_A_STORM 3
#define SHARERS           3 /* of one handle */
#define PATIENCE_LEASES   20

static void start(rn_group *g, rn_fn *fn, const void *job, size_t size)
{
    if (rn_group_go(g, fn, job, size) != 0)
        abort();
}

/* ---- who closes ---- */

struct keeper_job {
    struct world *w;
    int channel;
};

static bool over(const struct world *w, int channel)
{
    return w->senders_left[channel] == 0 && w->receivers_left[channel] == 0;
}

/* All senders have ended, the last at `since`.  Must the keeper close? */
static bool must_close(const struct keeper_job *j, const struct end *e, rn_time since)
{
    struct world *w = j->w;
    enum closing closes;

    if (!w->config.autoclose || end_is_closed(w, e))
        return !w->config.autoclose;
    closes = oracle_closes(w->oracle, e->incarnation);
    if (closes == CLOSES_NOT)
        return true;
    /* A home that was lost has closed nothing; its keeper, with a lease of its own, hears of that late. */
    if (rn_now() - since < PATIENCE_LEASES * w->config.lease_ns ||
        e->home != oracle_home(w->oracle))
        return false;
    if (closes == CLOSES_SURELY)
        sim_fail("channel %d has not closed when its senders had gone", j->channel);
    return true;
}

/* false: its handle has failed, and it must go on with another. */
static bool keep(const struct keeper_job *j, struct end *e)
{
    struct world *w = j->w;
    bool closed = false;
    rn_time since = 0;

    while (!over(w, j->channel)) {
        if (end_has_failed(w, e))
            return false;
        if (since == 0 && w->senders_left[j->channel] == 0)
            since = rn_now();
        if (!closed && since != 0 && must_close(j, e, since)) {
            oracle_by_hand(w->oracle, e->incarnation);
            rn_chan_close(e->chan);
            closed = true;
        }
        rn_sleep(rn_after(w->config.lease_ns / 200));
    }
    return true;
}

static void keeper(void *arg)
{
    const struct keeper_job *j = arg;
    struct end e;

    if (j->w->config.receivers_first)
        rn_sleep(rn_after(sim_time(j->w, 10 * j->w->config.delay_max_ns)));
    for (;;) {
        e = end_open(j->w, j->channel, SIM_NODES_MAX, RN_OUT);
        if (keep(j, &e))
            break;
        end_drop(&e);
    }
    end_close(j->w, &e);
}

/* ---- who reads the dead letters ---- */

static void mourner(void *arg)
{
    mourner_run(arg);
}

/* ---- who looks into it ---- */

static void browser(void *arg)
{
    browser_run(arg);
}

/* ---- the others ---- */

static void come_late(struct world *w)
{
    if (!w->config.late || sim_chance(w, 50))
        return;
    w->faults[FAULT_LATE]++;
    rn_sleep(rn_after(sim_time(w, 100 * w->config.delay_max_ns + 20 * RN_MS)));
}

static void sender(void *arg)
{
    struct sender_job *j = arg;

    come_late(j->w);
    sender_run(j);
}

static void receiver(void *arg)
{
    struct receiver_job *j = arg;

    come_late(j->w);
    receiver_run(j);
}

/* NULL: everybody opens an end of his own. */
static struct sharing *share(struct world *w, bool yes, int channel, int node, enum rn_dir dir)
{
    struct sharing *s = yes ? malloc(sizeof *s) : NULL;

    if (!yes)
        return NULL;
    if (s == NULL)
        abort();
    *s = (struct sharing){ .users = SHARERS };
    s->end = end_open(w, channel, node, dir);
    if (dir == RN_IN)
        s->handle = receiver_handle(w, &s->end, /* alone= */ false);
    return s;
}

static int some_node(struct world *w)
{
    return (int)sim_below(w, (uint64_t)w->config.nodes);
}

static void start_receivers(struct world *w, rn_group *g, int channel)
{
    int n = w->config.channel[channel].receivers, users = w->config.shared_handles ? SHARERS : 1;

    w->receivers_left[channel] = n * users;
    for (int i = 0; i < n; i++) {
        struct receiver_job job = { .w = w, .channel = channel, .node = some_node(w) };

        job.sharing = share(w, users > 1, channel, job.node, RN_IN);
        for (int k = 0; k < users; k++)
            start(g, receiver, &job, sizeof job);
    }
}

static void start_senders(struct world *w, rn_group *g, int channel)
{
    int n = w->config.channel[channel].senders, users = w->config.shared_senders ? SHARERS : 1;

    w->senders_left[channel] = n * users;
    for (int i = 0; i < n; i++) {
        struct sender_job job = { .w = w, .channel = channel, .node = some_node(w) };

        job.sharing = share(w, users > 1, channel, job.node, RN_OUT);
        for (int k = 0; k < users; k++) {
            job.sender = w->next_sender++;
            start(g, sender, &job, sizeof job);
        }
    }
}

/* ---- the run ---- */

static void faults(void *arg)
{
    faults_run(*(struct world **)arg);
}

static void start_faults(struct world *w, rn_group *g)
{
    int n = w->config.local ? 0 : w->config.storm ? FAULTS_OF_A_STORM : 1;

    for (int i = 0; i < n; i++)
        start(g, faults, &w, sizeof w);
}

void program_run(struct world *w)
{
    rn_group *program = rn_group_new(), *trouble = rn_group_new();
    int rc;

    for (int i = 0; i < w->config.channels; i++) {
        struct keeper_job job = { .w = w, .channel = i };

        w->senders_left[i] = w->receivers_left[i] = 1; /* until they are counted */
        start(program, keeper, &job, sizeof job);
        struct mourner_job mourns = { .w = w, .channel = i, .over = over };
        if (!w->config.local && (w->config.by_hand || w->config.refusals))
            start(program, mourner, &mourns, sizeof mourns);
        struct browser_job browses = { .w = w, .channel = i, .over = over };
        if (w->config.browses)
            start(program, browser, &browses, sizeof browses);
    }
    for (int i = 0; i < w->config.channels; i++) {
        start_receivers(w, program, i);
        start_senders(w, program, i);
    }
    calls_start(w, program);
    start_faults(w, trouble);
    rc = rn_group_wait(program, rn_after(3600 * RN_SEC));
    if (rc != 0) {
        rn_dump(2);
        sim_fail("the program did not end within an hour of virtual time");
    }
    w->finishing = true;
    rn_group_wait(trouble, RN_FOREVER);
    calls_check_gone(w);
    rn_group_free(trouble);
    rn_group_free(program);
}
