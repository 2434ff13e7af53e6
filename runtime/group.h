/* group.h - goroutines that are waited for and cancelled together.   SPDX-License-Identifier: MIT
 *
 * The root group has no struct: NULL means it.  A group whose parent is the root begins a tree; the tree's one lock
 * guards all its groups.  A group is *busy* while it has members or busy children; a cancelled group's children are
 * cancelled. */
#ifndef RN__GROUP_H
#define RN__GROUP_H

#include "runtime/g.h"

/* The goroutine g, about to start, becomes a member of g->group.  false: the group is cancelled, and it must not start
 * unless `anyway`. */
bool rn__group_join(struct rn__g *g, bool anyway);
/* It has returned.  Its group may be gone afterwards. */
void rn__group_leave(struct rn__g *g);

/* The scheduler has ended without it: its group, if somebody still has it, forgets it.  No stack has gone yet. */
void rn__group_abandon(struct rn__g *g);

/* Is its group cancelled, and does it hear of it (rn_shield)? */
bool rn__g_cancelled(const struct rn__g *g);
/* Can its group be cancelled while it waits?  The root's only in the background mode. */
bool rn__g_cancellable(const struct rn__g *g);

/* rn_stop: the root group has been cancelled, so all are. */
void rn__group_cancel_all(void);
/* The scheduler has ended; groups that were abandoned with their goroutines are forgotten. */
void rn__group_reset(void);

#endif
