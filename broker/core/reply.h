/* reply.h - reply channels: made under a name that nobody else has, and gone with the binding that made them.
 *   SPDX-License-Identifier: MIT
 *
 * Who has been told the name binds it, in the other direction or the same; nobody makes it by that.  When its maker goes all
 * that is in it is dropped, and everybody is told - unless its maker sent, had closed it, and goes in order: then it ends when
 * those who receive have what is left, or have gone.
 *
 * Invariant: a reply channel has one binding that is its maker, or it is an orphan, and closed. */
#ifndef BROKER_CORE_REPLY_H
#define BROKER_CORE_REPLY_H

#include "broker/core/autoclose.h"
#include "proto/wire.h"

struct binding;
struct channel;

/* What is wrong with a bind that makes one, as a phrase; NULL: nothing, or it is no such bind.  ch: the channel of that name. */
const char *reply_fault(const struct wire_control *c, const struct channel *ch);

/* Is there none under that name, or only what its maker has left behind, and nobody may have?  ch: that channel, or NULL. */
bool reply_is_gone(const struct channel *ch);

/* b is the maker of its channel, which is new. */
void reply_made(struct binding *b);
/* It has gone. */
void reply_orphaned(struct channel *ch, enum wire_direction direction, enum parting how);
/* To be called whenever somebody of an orphan has gone: with its last receiver goes what was left for it. */
void reply_abandon(struct channel *ch);

void reply_check(const struct channel *ch);

#endif
