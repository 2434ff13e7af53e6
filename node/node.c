/* node.c - what operators share with the link goroutine: marks, the fence, references.   SPDX-License-Identifier: MIT
 *
 * Invariant: the link goroutine sleeps only when no handle is marked, no request waits and its input is drained; who
 * marks or submits sees `asleep` and wakes it, because each side writes its own word before it reads the other's
 * (seq_cst). */
#include "node/inside.h"

#include "runtime/assert.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <stdlib.h>

struct rn_node *node_ref(struct rn_node *n)
{
    /* Relaxed: who makes a reference has one already. */
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
    return n;
}

void node_unref(struct rn_node *n)
{
    /* acq_rel: the last one sees all that the others did. */
    if (n == NULL || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) > 1)
        return;
    rn_assert(n->requests == NULL);
    chunk_pool_fini(&n->chunks);
    trails_fini(&n->trails);
    frame_writer_fini(&n->writer);
    rn_chan_unref(n->opened);
    rn_chan_unref(n->ended);
    pthread_mutex_destroy(&n->lock);
    free(n->name);
    free(n->urls);
    free(n);
}

struct chunk_pool *node_chunks(struct rn_node *n)
{
    return &n->chunks;
}

struct trails *node_trails(struct rn_node *n)
{
    return &n->trails;
}

void node_poke(struct rn_node *n)
{
    if (!atomic_load(&n->asleep) || !atomic_exchange(&n->asleep, false))
        return;
    pthread_mutex_lock(&n->lock);
    if (!n->deaf) /* the link is closed only after that */
        link_wake(n->link);
    pthread_mutex_unlock(&n->lock);
}

/* Nobody marks a handle twice: who sets `dirty` puts it on the stack. */
static void mark(struct rn_node *n, struct handle *h)
{
    if (atomic_load(&h->dirty) || atomic_exchange(&h->dirty, true))
        return;
    handle_ref(h);
    struct handle *top = atomic_load(&n->dirty);
    do {
        h->dirty_next = top;
    } while (!atomic_compare_exchange_weak(&n->dirty, &top, h));
    node_poke(n);
}

void node_mark(struct rn_node *n, struct handle *h)
{
    if (!h->over)
        mark(n, h);
}

void node_mark_unlocked(struct rn_node *n, struct handle *h)
{
    if (!atomic_load(&n->down))
        mark(n, h);
}

void node_knocked(struct rn_node *n)
{
    atomic_store(&n->knocked, true);
    node_poke(n);
}

const uint8_t *node_instance(const struct rn_node *n)
{
    return n->instance;
}

static bool lease_over(struct rn_node *n, int64_t now_ns)
{
    int64_t end_ns = atomic_load(&n->end_ns);
    if (now_ns < end_ns)
        return false;
    /* The end is final once somebody has acted on it: whoever moves it looks for our note, see node_publish(). */
    atomic_store(&n->ended_ns, end_ns);
    if (atomic_load(&n->end_ns) != end_ns)
        return false;
    rn_reached("node: an operation finds the lease at its end");
    return true;
}

bool node_lease_over(struct rn_node *n)
{
    return lease_over(n, rn__boottime());
}

bool node_lease_over_glance(struct rn_node *n)
{
    return !rn__boottime_before(atomic_load(&n->end_ns)) && node_lease_over(n);
}

int node_fence(struct rn_node *n)
{
    int64_t now_ns = rn__boottime();
    if (now_ns < atomic_load(&n->fence_ns))
        return 0;
    if (lease_over(n, now_ns))
        return RN_ESESSION;
    rn_reached("node: an operation meets the fence");
    /* First the note, then a second look: either we see the fence move, or who moves it sees the note. */
    atomic_store(&n->fenced, true);
    return now_ns < atomic_load(&n->fence_ns) ? 0 : RN__NOT_READY;
}

int node_fence_glance(struct rn_node *n)
{
    return rn__boottime_before(atomic_load(&n->fence_ns)) ? 0 : node_fence(n);
}

int64_t node_up_until(const struct rn_node *n)
{
    if (!atomic_load(&n->up))
        return 0;
    int64_t confirmed_ns = atomic_load(&n->confirmed_ns), unacked_ns = atomic_load(&n->unacked_ns);
    if (unacked_ns == 0)
        unacked_ns = rn__boottime();
    return (unacked_ns > confirmed_ns ? unacked_ns : confirmed_ns) + NODE_UP_NS;
}

void node_doubt(struct rn_node *n, int change)
{
    atomic_fetch_add(&n->doubts, change);
    node_poke(n);
}

void rn__node_pieces(rn_node *node, size_t bytes)
{
    node->chunks.piece = bytes;
}

void rn__node_crowd(rn_node *node, size_t bytes)
{
    node->chunks.crowd = bytes;
}

size_t rn__node_queued(const rn_node *node)
{
    return chunk_pool_bytes(&node->chunks, CROWD_LARGE);
}

bool rn__node_up(const rn_node *node)
{
    return atomic_load(&node->up);
}

unsigned rn__node_connections(const rn_node *node)
{
    return atomic_load(&node->welcomes);
}
