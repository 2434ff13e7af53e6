/* claim.h - claims on the offers of a rendezvous, and what becomes of offers.   SPDX-License-Identifier: MIT
 *
 * A part of meet.h, for meet.c. */
#ifndef BROKER_CORE_CLAIM_H
#define BROKER_CORE_CLAIM_H

#include "broker/core/channel.h"

/* Nothing was sent.  AGAIN: its operation waits to be called. */
enum ending { OVER, AGAIN };

/* Its sender is told Abort. */
void claim_offer_end(struct offer *o, enum ending how);
/* Nobody has a claim on it any more: it is there for the next. */
void claim_offer_goes_on(struct channel *ch, struct offer *o);
/* An element that was given back has no claim on it any more.  Gives its run. */
struct run *claim_back_end(struct line *line, struct offer *o);

/* Says to b that o is there for it.  false: no memory. */
bool claim_make(struct offer *o, struct binding *b);
/* Nothing comes of the claim on o.  AGAIN: its receive waits again. */
void claim_end(struct offer *o, enum ending how);
/* For an offer's `silence`: its receiver has not answered. */
void claim_unanswered(struct due *d);

#endif
