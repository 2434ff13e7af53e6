/* listeners.h - what must be true of the fanouts of a run, beside what oracle.h asks.   SPDX-License-Identifier: MIT
 *
 * A listener is a handle that receives from a fanout, by its number in the oracle.  It got, in the channel's one order and
 * each once, all that was sent after it had been bound, up to its end, but for as many elements as it was told that it has
 * lost, and what had time to expire; and where senders wait for receivers, or those that are slow are cut off, and nothing
 * expires, without a gap. */
#ifndef TESTS_SIM_LISTENERS_H
#define TESTS_SIM_LISTENERS_H

#include "node/runnel.h"
#include "tests/sim/oracle.h"

struct listeners;

/* `refusals`: codecs refuse elements, and handles fail over that. */
struct listeners *listeners_new(bool refusals);
void listeners_free(struct listeners *l);

/* An element is about to be sent, to that incarnation. */
void listeners_tried(struct listeners *l, uint32_t element, uint64_t incarnation);
/* Its send gave 0.  Where senders wait for receivers none is behind by more than the capacity (judged unless a session
 * ended, which nobody may have noticed yet), of what does not expire. */
void listeners_sent(struct listeners *l, uint32_t element, uint64_t capacity, bool expires);
/* A codec refuses it, whoever's. */
void listeners_refused(struct listeners *l, uint32_t element);

/* A handle is bound; `ordered`: what it receives is told in the order in which it came. */
void listeners_joined(struct listeners *l, uint32_t handle, uint64_t incarnation, enum rn_slow slow,
                      bool ordered);
/* A receive is called, or has returned: +1, -1. */
void listeners_calls(struct listeners *l, uint32_t handle, int change);
void listeners_received(struct listeners *l, uint32_t handle, uint32_t element);
/* Acknowledged by hand: it came, for the so-manieth time as its delivery says; the program's verdict gave 0, and it was:
 * done (received, too); again (and that was once too often); rejected. */
void listeners_delivered(struct listeners *l, uint32_t handle, uint32_t element,
                         uint32_t deliveries);
void listeners_acknowledged(struct listeners *l, uint32_t handle, uint32_t element);
void listeners_again(struct listeners *l, uint32_t handle, uint32_t element, bool once_too_often);
void listeners_rejected(struct listeners *l, uint32_t handle, uint32_t element);
/* It was told of a close, not of a cancellation; it was cut off. */
void listeners_closed(struct listeners *l, uint32_t handle);
void listeners_cut(struct listeners *l, uint32_t handle);
/* As rn_chan_lost() says; nothing comes to it any more. */
void listeners_lost(struct listeners *l, uint32_t handle, uint64_t lost);
/* It is about to go. */
void listeners_leaves(struct listeners *l, uint32_t handle);
/* Its session has ended, perhaps unnoticed. */
void listeners_ended(struct listeners *l, uint32_t handle);

/* The end: judges it all; `oracle` knows what was sent. */
void listeners_finish(const struct listeners *l, struct oracle *oracle);

#endif
