/* crowd.h - senders linger while too much waits to leave the process.   SPDX-License-Identifier: MIT
 *
 * Credit bounds what a channel may hold; with credit in ten thousand channels a sender can be gigabytes ahead of its link, and takes
 * the processor that would bring them away.  So one whose element is queued already does not return yet.  Of each kind
 * (outbox.h) there is a crowd of its own. */
#ifndef NODE_CROWD_H
#define NODE_CROWD_H

#include "node/outbox.h"

#include <runnel/rn.h>
#include <runnel/sync.h>

#include <stdatomic.h>

struct rn_node;

/* All zero: nobody lingers. */
struct crowd {
    rn_mutex lock;
    rn_cond eased;
    atomic_int waiting; /* changed under lock */
};

/* Something was sent that crowds, see outbox_crowds().  Waits while the node's outboxes are crowded and it is connected, but not
 * long, and not beyond the deadline; the result is the send's in any case.  Any goroutine or thread, no channel locked. */
void crowd_linger(struct rn_node *n, enum crowd_kind kind, rn_time deadline);

/* The link goroutine's: lets them go if there is no reason any more. */
void crowd_ease(struct rn_node *n);

#endif
