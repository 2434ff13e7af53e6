/* meet.h - a rendezvous: bringing an offer and a waiting receive together.   SPDX-License-Identifier: MIT
 *
 * A channel of capacity 0 holds nothing.  Its senders stand in a line (offer.h), its receivers among the askers of their
 * side; the flush says Claim to the first receiver for the first offer, or calls the first sender that asks (Credit).
 * When the claim is answered by Claimed it is committed: both are told, and the element goes into the receiver's outbox
 * with the delivery number that it was told.  Elements that were given back after that are the channel's queue; they
 * have been accepted, and go before all senders.
 *
 * Calls count as receivers spoken for, so that a parked offer does not snatch away what another sender was called for
 * before it.  An event here may end offers and say so at once; who meets whom is decided by the flush only. */
#ifndef BROKER_CORE_MEET_H
#define BROKER_CORE_MEET_H

#include "broker/core/channel.h"

#define MEET_PARKED_MAX 4096 /* offers that a channel keeps: an empty one takes memory, too */
#define MEET_SILENCE_NS \
    INT64_C(1000000000) /* a node that is silent for so long is not waited for */

void meet_join(struct binding *b); /* prepares a new binding */

/* Each returns 0, or -EPROTO with *why; meet_offer also -ENOMEM, then nothing has changed. */
int meet_ask(struct binding *b, const struct wire_control *c, const char **why);
int meet_returned(struct binding *b, const struct wire_control *c, const char **why);
int meet_offer(struct binding *b, const struct wire_section *s, struct frame *frame,
               const char **why);
/* What is wrong with an offer, or NULL. */
const char *meet_fault(const struct binding *b, const struct wire_section *s);
int meet_withdraw(struct binding *b, uint64_t number, const char **why);
int meet_claimed(struct binding *b, uint64_t claim, const char **why);
int meet_refuse(struct binding *b, uint64_t claim, const char **why);

void meet_settle(struct channel *ch);
/* Looks whether the receiver b waits; to be called whenever that may have changed. */
void meet_place(struct binding *b);
/* The node of b, which was silent for too long, has been heard. */
void meet_heard(struct binding *b);

/* The channel is being closed: what is in the line is not sent.  What is claimed may still be. */
void meet_close(struct channel *ch);
/* It is cancelled: nothing is sent any more.  Gives the number of accepted elements that this drops. */
uint64_t meet_cancel(struct channel *ch);
/* The binding goes: its offers are over, what it had a claim on goes on. */
void meet_leave(struct binding *b);

void meet_check(const struct channel *ch);

#endif
