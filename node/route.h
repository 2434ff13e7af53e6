/* route.h - handles that the node itself keeps, bound OUT, one for each name that it sends requests or replies to.
 *   SPDX-License-Identifier: MIT
 *
 * A bind and the first credit take two round trips, so a handle is kept for the next request.  At most ROUTES_MAX of them are;
 * those to reply channels unbind by themselves when their channel ends, and all others when they were not used for ROUTE_IDLE_NS:
 * call.c sees to that. */
#ifndef NODE_ROUTE_H
#define NODE_ROUTE_H

#include "node/runnel.h"
#include "runtime/lock.h"
#include "runtime/sync.h"

#define ROUTES_MAX    512
#define ROUTE_IDLE_NS (10 * RN_SEC)

struct op_with;
struct route;

struct routes {
    struct rn__lock lock; /* guards the next three */
    struct route *all;    /* by name */
    uint32_t n;
    bool shut;
    rn_mutex binding; /* one binds at a time, so that nobody binds what another is binding */
};

/* Sends the bytes to the channel of that name, with what is said beside them (times, if it is a channel that has any); tries again
 * on a fresh handle when nothing was sent because the one that was kept is over.  0, or what rn_bind and rn_chan_send give:
 * RN_ESESSION and RN_EHOMELOST not among them; -EPIPE: a reply channel that has ended. */
int route_send(rn_node *node, const char *name, const void *bytes, size_t len,
               const struct op_with *with, rn_time deadline);

/* Lets go of those that are over, or were not used for longer than so; < 0: of all. */
void routes_sweep(struct routes *r, int64_t idle_ns);
uint32_t routes_left(struct routes *r);
/* No more are made. */
void routes_shut(struct routes *r);
/* The node has ended. */
void routes_fini(struct routes *r);

#endif
