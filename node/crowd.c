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

static bool crowded(struct rn_node *n)
{
    return leaves(n) && chunk_pool_crowded(&n->chunks);
}

void crowd_linger(struct rn_node *n, rn_time deadline)
{
    if (deadline == RN_NOWAIT || !crowded(n))
        return;
    rn_time until = rn_after(LINGER_NS);
    rn_mutex_lock(&n->crowd.lock);
    atomic_fetch_add(&n->crowd.waiting, 1);
    if (crowded(n)) /* whatever ends the wait, the send is done */
        rn_cond_wait(&n->crowd.eased, &n->crowd.lock, deadline < until ? deadline : until);
    atomic_fetch_sub(&n->crowd.waiting, 1);
    rn_mutex_unlock(&n->crowd.lock);
}

void crowd_ease(struct rn_node *n)
{
    if (atomic_load(&n->crowd.waiting) == 0 || (leaves(n) && !chunk_pool_eased(&n->chunks)))
        return;
    rn_mutex_lock(&n->crowd.lock);
    rn_cond_broadcast(&n->crowd.eased);
    rn_mutex_unlock(&n->crowd.lock);
}
