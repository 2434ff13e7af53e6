/* cut.c - what was cut off from the broker, since when, and what operations may do then.   SPDX-License-Identifier: MIT
 *
 * From outside nobody sees when a node's lease ends.  But while nothing passes between a node and its broker, in one
 * direction at least, nothing that it sends can be acknowledged: so its lease is counted from before the cut at the latest. */
#include "tests/sim/world.h"

#include "runtime/sched.h"

#define LATE_NS (5 * RN_SEC)

/* Adds up what went on since the last time; before anything changes. */
static void account(struct world *w, struct sim_node *n)
{
    int64_t now_ns = rn_now(), passed_ns = now_ns - n->seen_ns;

    if ((n->cut_ns[CUT_TO] != 0) != (n->cut_ns[CUT_FROM] != 0))
        w->one_way_ns += passed_ns;
    if (n->cut_ns[CUT_FROZEN] != 0)
        n->frozen_ns += passed_ns;
    if (n->cut_ns[CUT_FROZEN] != 0 || n->cut_ns[CUT_TO] != 0)
        n->deaf_ns += passed_ns;
    n->seen_ns = now_ns;
}

static void mark(int64_t *since_ns, bool on)
{
    if (!on)
        *since_ns = 0;
    else if (*since_ns == 0)
        *since_ns = rn__boottime();
}

void cut_set(struct world *w, struct sim_node *n, enum sim_cut cut, bool on)
{
    account(w, n);
    mark(&n->cut_ns[cut], on);
}

void cut_set_asleep(struct world *w, bool on)
{
    if (w->asleep_ns != 0)
        w->slept_ns += rn__boottime() - w->asleep_ns;
    w->asleep_ns = 0;
    mark(&w->asleep_ns, on);
}

/* Since when nothing passes; 0: all does. */
static int64_t cut_since(const struct world *w, const struct sim_node *n)
{
    int64_t since_ns = w->asleep_ns;

    for (int i = 0; i < CUT_KINDS; i++)
        if (n->cut_ns[i] != 0 && (since_ns == 0 || n->cut_ns[i] < since_ns))
            since_ns = n->cut_ns[i];
    return since_ns;
}

static int64_t excuse(struct world *w, struct sim_node *n)
{
    for (int i = 0; i < w->config.nodes; i++)
        account(w, &w->nodes[i]);
    return w->one_way_ns + n->frozen_ns;
}

#define PICKED_NS (10 * RN_MS) /* whoever has received something must run to say so */

int64_t cut_slack(struct world *w, int node)
{
    struct sim_node *n = &w->nodes[node];
    int64_t asleep_ns = w->asleep_ns != 0 ? rn__boottime() - w->asleep_ns : 0;

    account(w, n);
    return 2 * w->config.delay_max_ns + PICKED_NS + n->deaf_ns + w->slept_ns + asleep_ns +
           w->jumped_ns;
}

struct cut_watch cut_watch(struct world *w, int node, rn_time deadline)
{
    struct sim_node *n = &w->nodes[node];
    struct cut_watch watch = { .node = node, .deadline = deadline, .begun = rn_now() };
    int64_t since_ns = cut_since(w, n), arrived_ns = 2 * w->config.delay_max_ns + RN_MS;

    if (w->config.local)
        return watch;
    watch.begun_ns = rn__boottime();
    watch.excuse_ns = excuse(w, n);
    if (n->node == NULL)
        return watch;
    watch.life = n->life;
    watch.connections = rn__node_connections(n->node);
    watch.down = !rn__node_up(n->node) && since_ns != 0 && watch.begun_ns - since_ns > arrived_ns;
    return watch;
}

static void check_lease(const struct world *w, const struct sim_node *n, int64_t since_ns)
{
    int64_t cut_ns = rn__boottime() - since_ns;

    if (cut_ns > w->config.lease_ns / 4 * 3 + RN_MS)
        sim_fail(
            "an operation used what %s has under its lease, when it had been cut off for %lld ms",
            n->name, (long long)(cut_ns / RN_MS));
}

static void check_deadline(struct world *w, struct sim_node *n, const struct cut_watch *watch)
{
    rn_time due = watch->deadline > watch->begun ? watch->deadline : watch->begun;
    int64_t late_ns = rn_now() - due, excused_ns = excuse(w, n) - watch->excuse_ns;

    if (late_ns > LATE_NS + excused_ns)
        sim_fail("an operation on %s returned %lld ms after its deadline", n->name,
                 (long long)(late_ns / RN_MS));
}

/* Has it had no connection all the time?  What was late in coming - the broker's answer to its last attempt - can have made
 * one, by which elements left, and which is gone again. */
static bool still_down(const struct sim_node *n, const struct cut_watch *watch)
{
    return watch->down && n->node != NULL && n->life == watch->life &&
           rn__node_connections(n->node) == watch->connections;
}

void cut_check(struct world *w, const struct cut_watch *watch, enum rn_op op, bool leased, int rc)
{
    struct sim_node *n = &w->nodes[watch->node];
    int64_t since_ns = cut_since(w, n);

    if (w->config.local)
        return;
    if (rc == 0 && leased && since_ns != 0)
        check_lease(w, n, since_ns);
    if (op == RN_SEND && rc == RN_EUNKNOWN && still_down(n, watch) && since_ns != 0 &&
        since_ns < watch->begun_ns)
        sim_fail("a send on %s is in doubt, though nothing can have left the node", n->name);
    if (watch->deadline != RN_FOREVER)
        check_deadline(w, n, watch);
}
