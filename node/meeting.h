/* meeting.h - what offering.c, claiming.c and pairing.c do for each other.   SPDX-License-Identifier: MIT
 *
 * Between these three only.  The channel is locked in all of it. */
#ifndef NODE_MEETING_H
#define NODE_MEETING_H

#include "node/handle.h"

/* ---- pairing.c: one operation ---- */
/* What operations of a side get that is closed, or whose handle has failed; 0: neither. */
int meeting_ended(const struct side *side);
/* An operation that is tentative elsewhere was passed over: the home is not to be asked for it before it comes back. */
void meeting_mute(struct side *side, struct rn__op *op);
/* The operation is tentative here from now on. */
void meeting_join(struct side *side, struct parcel_list *list, struct rn__op *op);
/* The case that was negotiated fires. */
void meeting_fire(struct handle *h, struct parcel *p, int rc);
/* The negotiation came to nothing: the operation waits again, or ends by what knocked meanwhile, or as its side did. */
void meeting_release(struct side *side, struct parcel *p);
/* Until when a tentative operation that was knocked on waits for the home's verdict. */
int64_t meeting_until(struct handle *h, struct parcel *p, int64_t now_ns);

/* ---- offering.c ---- */
/* Has the operation no other case?  Then nothing is lost by its being tentative, and the home may keep the offer: a small
 * one, because it is kept in the home's memory. */
bool offer_is_patient(const struct handle *h, const struct rn__op *op);
/* Unless it is tentative elsewhere, or decided.  One that is not patient uses up a call. */
void offer_make(struct handle *h, struct rn__op *op, bool patient);
void offers_serve(struct handle *h);
/* The offer is over, whatever became of it. */
void offer_ends(struct handle *h, struct parcel *p);
int64_t offer_knock(struct handle *h, struct parcel *p, int64_t now_ns);

/* ---- claiming.c ---- */
void claims_serve(struct handle *h);
void claim_ends(struct handle *h, struct parcel *p);
int64_t claim_knock(struct handle *h, struct parcel *p, int64_t now_ns);

#endif
