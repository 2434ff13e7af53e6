/* credit.h - the senders' side: asks, grants, lending, recalls.   SPDX-License-Identifier: MIT
 *
 * Askers are served in the order in which they began, never with less than one whole waiting element; what they leave
 * is lent to senders that use their credit, in shares; what was lent is recalled when askers wait and nothing is free.
 * Where a share would be a single slot nothing is lent unasked: there is nothing to be gained. */
#ifndef BROKER_CORE_CREDIT_H
#define BROKER_CORE_CREDIT_H

#include "broker/core/channel.h"

/* Each returns 0 or -EPROTO with *why; credit_accept also -ENOMEM. */
int credit_ask(struct binding *b, const struct wire_control *c, const char **why);
int credit_accept(struct binding *b, const struct wire_section *s, struct frame *frame,
                  const char **why);
/* What is wrong with a section, or NULL. */
const char *credit_fault(const struct binding *b, const struct wire_section *s);
int credit_returned(struct binding *b, const struct wire_control *c, const char **why);

void credit_settle(struct channel *ch);
/* Asks all senders for all their credit, because the channel is being closed. */
void credit_close(struct channel *ch);
/* The binding goes: its credit comes back. */
void credit_leave(struct binding *b);

#endif
