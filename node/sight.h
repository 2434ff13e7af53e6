/* sight.h - what a node sees of its goroutines, in pieces that fit into a Report.   SPDX-License-Identifier: MIT
 *
 * Made and filled by the link goroutine; then used by one goroutine or thread at a time. */
#ifndef NODE_SIGHT_H
#define NODE_SIGHT_H

#include "node/handle.h"
#include "proto/wire.h"

struct sight;

/* Of those that have to do with the channel of that name; "": of all.  NULL: no memory. */
struct sight *sight_new(const char *channel);
/* But the goroutine of that id: it is the one that makes the first report, and so looks. */
void sight_skip(struct sight *s, uint64_t id);
void sight_free(struct sight *s); /* NULL is fine */

/* Another handle, whose channel will be called by its name; and, if it is what is asked about, who uses it.  Keeps a
 * reference.  0 or -ENOMEM.  Locks the channel for a moment. */
int sight_handle(struct sight *s, struct handle *h);

/* The next piece, as the `report` of a control; the first call looks.  What it refers to lives until the next call.  It reads
 * the names of functions from files, which takes its time: not for a worker.  0 or -ENOMEM. */
int sight_report(struct sight *s, struct wire_control *report);

#endif
