/* settle.h - what a receiver that acknowledges by hand says of what it has: it is done, or it is to come again.
 *   SPDX-License-Identifier: MIT */
#ifndef BROKER_CORE_SETTLE_H
#define BROKER_CORE_SETTLE_H

#include "broker/core/channel.h"

/* Settle.  0, -EPROTO with *why, or -ENOMEM; after an error part of it may have been done, and the session must end. */
int settle_say(struct binding *b, const struct wire_control *c, const char **why);

/* To be called when what b has taken or holds has changed: moves what it has taken from `delivered` to `hand`, as far as
 * whole runs of it, and counts it. */
void settle_hand(struct binding *b);
/* How many elements b has taken and not settled: what its in_hand must be. */
uint64_t settle_in_hand(const struct binding *b);

#endif
