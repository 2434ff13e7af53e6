/* nap.h - what is to be had later: it naps.   SPDX-License-Identifier: MIT
 *
 * It holds its slots, nobody gets it, and its time is on the core's heap.  A close ends all naps. */
#ifndef BROKER_CORE_NAP_H
#define BROKER_CORE_NAP_H

#include "broker/core/channel.h"

struct nap;

/* Is what has come from sender to be had later? */
bool nap_is_due(const struct binding *sender, const struct wire_section *s);

/* `owner`: who is to have it again, in a fanout; else NULL.  NULL: no memory. */
struct nap *nap_new(struct channel *ch, struct binding *owner);
/* The runs nap from now on for that long; *runs is empty afterwards. */
void nap_begin(struct nap *nap, struct run_queue *runs, uint64_t delay_ms);
/* The same for r, which has just come from `sender`: it has no place in the channel before it is to be had, and does not age. */
void nap_begin_new(struct nap *nap, struct run *r, uint64_t delay_ms, struct binding *sender);
/* Frees it if it has not begun. */
void nap_done(struct nap *nap);

/* All that naps goes back to the queue, or to its owners, now. */
void nap_end_all(struct channel *ch);
/* Drops it all, and gives the number of elements. */
uint64_t nap_drop_all(struct channel *ch);
/* The same of one owner's. */
uint64_t nap_drop_of(struct binding *owner);
/* Calls fn with what naps until due_ns, for each nap.  What has just come has position 0: it has no place yet. */
void nap_each(const struct channel *ch,
              void (*fn)(void *arg, const struct run_queue *runs, int64_t due_ns), void *arg);
/* Bytes of memory that it takes. */
uint64_t nap_memory(const struct channel *ch);
void nap_check(const struct channel *ch);

#endif
