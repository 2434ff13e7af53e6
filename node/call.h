/* call.h - requests that wait for their replies.   SPDX-License-Identifier: MIT
 *
 * All requests of a node have one reply channel, and each has a number, which its reply repeats.  So a request costs no bind; and
 * since numbers are never used again, a reply that comes too late, or twice, is nobody's. */
#ifndef NODE_CALL_H
#define NODE_CALL_H

#include "node/runnel.h"
#include "runtime/lock.h"
#include "runtime/sync.h"

struct call;
struct post;

struct calls {
    struct rn__lock lock; /* guards the next four */
    struct call *waiting; /* by number */
    uint64_t numbered;    /* the newest number given */
    struct post *post;    /* NULL: none */
    bool shut;
    rn_mutex making;
    rn_waitgroup posts; /* goroutines that receive replies */
};

/* No more requests are made. */
void calls_shut(struct calls *calls);
/* The node has ended: waits until nobody receives replies any more. */
void calls_fini(struct calls *calls);

#endif
