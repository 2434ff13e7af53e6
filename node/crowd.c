/* crowd.c - see crowd.h.   SPDX-License-Identifier: MIT
 *
 * Who lingers is counted before it looks, and the link goroutine looks for them after it has taken: one sees the other. */
#include "node/inside.h"

#define LINGER_NS \
    (100 * RN_MS) /* at most: it is for the good of all, not a condition of the send */

/* Is there hope that it gets better? */
static bool leaves(struct rn_node *n)
{
    return atomic_load(&n->up) && !atomic_load(&n->down);
}

static bool crowded(struct rn_node *n, enum crowd_kind kind)
{
    return leaves(n) && chunk_pool_crowded(&n->chunks, kind);
}

void crowd_linger(struct rn_node *n, enum crowd_kind kind, rn_time deadline)
{
    struct crowd *c = &n->crowds[kind];
    if (deadline == RN_NOWAIT || !crowded(n, kind))
        return;
    rn_time until = rn_after(LINGER_NS);
    rn_mutex_lock(&c->lock);
    atomic_fetch_add(&c->waiting, 1);
    if (crowded(n, kind)) /* whatever ends the wait, the send is done */
        rn_cond_wait(&c->eased, &c->lock, deadline < until ? deadline : until);
    atomic_fetch_sub(&c->waiting, 1);
    rn_mutex_unlock(&c->lock);
}

static void ease(struct rn_node *n, enum crowd_kind kind)
{
    struct crowd *c = &n->crowds[kind];
    if (atomic_load(&c->waiting) == 0 || (leaves(n) && !chunk_pool_eased(&n->chunks, kind)))
        return;
    rn_mutex_lock(&c->lock);
    rn_cond_broadcast(&c->eased);
    rn_mutex_unlock(&c->lock);
}

void crowd_ease(struct rn_node *n)
{
    ease(n, CROWD_SMALL);
    ease(n, CROWD_LARGE);
}
