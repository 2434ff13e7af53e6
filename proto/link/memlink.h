/* memlink.h - a network in memory, with delays, losses and partitions, by seed.   SPDX-License-Identifier: MIT
 *
 * Made for rn_sim: all endpoints of a net live in one process, time is rn_now(), choices come from the net's own
 * generator.  Frames arrive in order per connection, late by a random delay.  A broken connection loses any
 * number of the frames that were under way at its end, in each direction. */
#ifndef PROTO_LINK_MEMLINK_H
#define PROTO_LINK_MEMLINK_H

#include "proto/link/link.h"

struct memnet;

struct memnet_opts {
    uint64_t seed;
    int64_t delay_min_ns, delay_max_ns; /* of each frame */
    unsigned
        again_percent; /* how often what a break has lost comes on the pair's next connection after all, behind
                               its first frame; greetings never do */
};

struct memnet *memnet_new(const struct memnet_opts *opts);
void memnet_free(struct memnet *net); /* after all its endpoints were closed */

/* An endpoint called `name` (the host of a URL "mem://name"): it can dial, and be dialled.  NULL: no memory or
 * the name is taken.  After link_close() the name is free again. */
struct link *memnet_endpoint(struct memnet *net, const char *name);

/* ---- faults; any goroutine of the simulation ---- */
/* Breaks every connection between the two: frames under way are lost from a random one on; each end is told
 * (LINK_DOWN) after a delay, or, by chance, is not. */
void memnet_break(struct memnet *net, const char *a, const char *b);
/* The same, but exactly: all that is under way is lost, or (not `lossy`) arrives still; and both ends are told. */
void memnet_sever(struct memnet *net, const char *a, const char *b, bool lossy);
/* Loses the oldest frame that is under way from a to b, and the connection goes on: as when b has no memory to read it. */
void memnet_lose(struct memnet *net, const char *a, const char *b);
/* on: nothing arrives from a at b any more, and dialling leads nowhere, until it is healed (what was sent
 * meanwhile is lost when `lossy`, else it comes late).  One way: call it twice for both. */
void memnet_partition(struct memnet *net, const char *a, const char *b, bool on, bool lossy);
/* Freezes an endpoint, as SIGSTOP does: its owner's link_recv does not return, not even at its deadline, until it is
 * thawed or killed. */
void memnet_freeze(struct memnet *net, const char *name, bool on);
/* The endpoint dies without a word: its connections break, its owner's link_recv gives -ECONNABORTED.  Its name is free
 * after its link_close(). */
void memnet_kill(struct memnet *net, const char *name);

/* Calls fn(arg) once, when so many more frames (> 0) have been sent from `from` to `to`: on the sender's stack, after the
 * last of them was put on its way, so fn may inject any of the faults above, but not park.  A net has one such trap; the
 * next one takes its place.  NULL fn: none. */
void memnet_trap(struct memnet *net, const char *from, const char *to, uint64_t frames,
                 void (*fn)(void *arg), void *arg);

struct memnet_stats {
    uint64_t sent, delivered, lost, again, breaks; /* frames, frames, frames, frames, connections */
};
void memnet_stats(const struct memnet *net, struct memnet_stats *out);

#endif
