/* slow.h - a receiver of a fanout that does not wait for it: what is dropped here.   SPDX-License-Identifier: MIT
 *
 * The home sends on whatever was taken.  When more lies in the store than the window has room for, with DROP_OLDEST the oldest
 * go, with CUT all of it and the handle fails with RN_ESLOW; either is told to the home (Settle LOST).  What the home drops
 * itself it tells us (Lost). */
#ifndef NODE_SLOW_H
#define NODE_SLOW_H

#include "proto/wire.h"

#include <stdbool.h>

struct handle;
struct rn_node;
struct side;

/* Part of a handle; guarded by the channel's lock. */
struct slow {
    enum wire_slow policy; /* BLOCK, or not known: nothing is dropped */
    uint64_t here, home;   /* elements that were dropped, by whom */
    struct wire_range due; /* deliveries that the home is to be told of; count 0: none */
};

/* The link goroutine's; the channel is locked. */
/* Elements came, and who waited has been served. */
void slow_look(struct handle *h);
/* Says what was dropped; 0 or -ENOMEM. */
int slow_tell(struct rn_node *n, struct side *side);

/* Lost came.  Takes the channel's lock. */
void slow_heard(struct side *side, const struct wire_control *c, bool bound);

#endif
