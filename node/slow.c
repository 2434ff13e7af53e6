/* slow.c - see slow.h.   SPDX-License-Identifier: MIT
 *
 * Invariant: `due` is told before a Taken that covers it.  Deliveries are dropped at the front of the store, behind all that
 * was handed to takers: so what is dropped next follows on what is due, unless something was taken in between. */
#include "node/slow.h"

#include "node/inside.h"
#include "runtime/reach.h"

int slow_tell(struct rn_node *n, struct side *side)
{
    struct slow *slow = &side->handle->slow;
    struct wire_control c = {
        .what = WIRE_SETTLE,
        .bind = side->id,
        .settle = { .verdict = WIRE_LOST, .ranges = &slow->due, .n_ranges = 1, .why = "" },
    };
    if (slow->due.count == 0)
        return 0;
    int rc = session_control(n->session, &c);
    if (rc < 0)
        n->starved = true;
    else
        slow->due.count = 0;
    return rc;
}

/* Drops n of the first part.  false: there was no memory to tell the home of those before them, so they stay for now. */
static bool drop_part(struct handle *h, uint64_t n)
{
    struct slow *slow = &h->slow;
    uint64_t first = store_first(&h->in);
    if (slow->due.count > 0 && slow->due.first + slow->due.count != first &&
        slow_tell(h->node, &h->side[RN_IN]) < 0)
        return false;
    if (slow->due.count == 0)
        slow->due.first = first;
    store_drop(&h->in, n);
    slow->due.count += n;
    slow->here += n;
    node_mark(h->node, h);
    return true;
}

/* Drops the oldest n, or fewer without memory.  Between two parts something may have expired, which is told as that. */
static void drop(struct handle *h, uint64_t n)
{
    while (n > 0) {
        uint64_t part = store_first_left(&h->in), k = part < n ? part : n;
        if (!drop_part(h, k))
            return;
        n -= k;
    }
}

/* Operations that the end of the lease has ended already were told so: then that is what the handle fails with. */
static void cut(struct handle *h)
{
    if (node_lease_over(h->node))
        return;
    drop(h, h->in.len);
    handle_fail_locked(h, RN_ESLOW);
}

/* So many elements may lie here. */
static uint64_t room(const struct handle *h)
{
    uint64_t prefetch = h->side[RN_IN].opts.prefetch, capacity = (uint64_t)h->capacity;
    return prefetch > 0 && prefetch < capacity ? prefetch : capacity;
}

void slow_look(struct handle *h)
{
    uint64_t most = room(h);
    if (h->fatal < 0 || h->in.len <= most)
        return;
    if (h->slow.policy == WIRE_SLOW_CUT) {
        rn_reached("slow: cut off here");
        cut(h);
    } else {
        rn_reached("slow: the oldest are dropped here");
        drop(h, h->in.len - most);
    }
}

void slow_heard(struct side *side, const struct wire_control *c, bool bound)
{
    struct handle *h = side->handle;
    rn__chan_lock(h->chan);
    h->slow.home = c->lost.number;
    if (bound && c->lost.code == WIRE_SLOW && h->fatal == 0) {
        rn_reached("slow: cut off by the home");
        cut(h);
    }
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
}
