/* offer.h - what senders of a rendezvous have put before its home, and the line in which they stand.
 *   SPDX-License-Identifier: MIT
 *
 * Senders stand in one line, by when they began: offers that are here, and bindings whose operations wait to be called.
 * An offer that somebody has a claim on is out of the line; if nothing comes of that it goes back to its old place. */
#ifndef BROKER_CORE_OFFER_H
#define BROKER_CORE_OFFER_H

#include "broker/core/due.h"
#include "broker/core/list.h"
#include "broker/core/run.h"
#include "broker/core/table.h"

struct binding;
struct line;

struct place {
    struct hook hook; /* in line->places */
    int64_t stamp;    /* lower: began earlier */
    bool is_offer;    /* of a struct offer, else of a struct binding */
};

struct line {
    struct hook places;
    int64_t last_stamp;
    struct hook hasty; /* offers whose operations have other cases: to be answered by the flush */
    uint64_t calls;    /* said, unanswered, and waited for */
    uint64_t n_offers; /* of senders, in the line or claimed; so ... */
    uint64_t n_parked, parked_bytes; /* ... the patient ones among them, and ... */
    uint64_t bytes;                  /* ... all */
    uint64_t n_back, back_bytes;     /* elements that were given back, and are claimed now */
};

struct offer {
    struct binding *sender;          /* NULL: an element that was accepted and given back */
    uint64_t number;                 /* of the sender's offers; so operation, patient, ... */
    struct wire_operation operation; /* zero: an element that was given back */
    bool patient;                    /* it may be kept until a receiver comes */
    bool withdrawn;                  /* or too late: it does not go back to the line */
    struct run *run;                 /* its one element */
    struct place place;
    struct hook hasty; /* in line->hasty: in the line, and not patient */
    struct due deadline;
    UT_hash_handle hh; /* in sender->offers, by number */

    struct binding *receiver; /* who has a claim on it, or NULL; then: */
    uint64_t claim;           /* number */
    int64_t claimed_ns;       /* when Claim was said */
    struct due silence;       /* looks whether the receiver's node is heard from */
    UT_hash_handle hh_claim;  /* in receiver->claims, by claim */
    bool unhashed;
};

void place_init(struct place *p, bool is_offer);
void line_init(struct line *l);
int64_t line_stamp(struct line *l); /* for whoever begins now */
/* Puts it in the line by its stamp. */
void line_join(struct line *l, struct place *p);
static inline void line_leave(struct place *p)
{
    hook_take(&p->hook);
}

/* Takes r when it succeeds.  Not in the line, not claimed, of no sender yet.  NULL: no memory. */
struct offer *offer_new(struct run *r);
void offer_free(
    struct offer *o); /* with its run, if it still has one; it must be off all lists and tables */

/* Counts it in (or out) as an offer of b, which it is found with by its number.  false: no memory. */
bool offer_join(struct line *l, struct offer *o, struct binding *sender);
void offer_leave(struct line *l, struct offer *o);
struct offer *offer_find(const struct binding *sender, uint64_t number);

/* Its receiver's side: the claim of that number on it.  false: no memory. */
bool offer_claim(struct offer *o, struct binding *receiver, uint64_t claim);
void offer_unclaim(struct offer *o);
struct offer *offer_find_claim(const struct binding *receiver, uint64_t claim);

#endif
