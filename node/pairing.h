/* pairing.h - a handle's part in rendezvous: what it offers, and what its receives are claimed for.
 *   SPDX-License-Identifier: MIT
 *
 * On a channel of capacity 0 an operation is *tentative* while the home brings it together with another: it is on one of
 * the two lists here, nothing else can fire it, and what the home says decides it (Commit, Abort).  See RENDEZVOUS in
 * proto/runnel.proto.  The channel's lock guards all of it. */
#ifndef NODE_PAIRING_H
#define NODE_PAIRING_H

#include "node/parcel.h"
#include "proto/wire.h"

struct chunk;
struct handle;
struct rn__op;

/* A claim that waits until one of our tentative operations is decided. */
struct held_claim {
    uint64_t claim;
    struct wire_operation offer;
};

/* What is to be said about a claim. */
struct claim_answer {
    uint64_t claim;
    enum wire_what what; /* WIRE_CLAIMED or WIRE_REFUSE */
};

struct pairing {
    /* Looked at for every handle that has something to say, also if it is no rendezvous: in one cache line. */
    _Alignas(64) struct parcel_list
        offers; /* sends: those with a number, ascending, then those that have not left yet */
    struct parcel *unsaid;     /* the first that has not left, or NULL ... */
    struct parcel_list claims; /* receives */
    uint32_t n_claims;
    uint32_t n_held;      /* of held */
    _Atomic bool look;    /* an operation that was tentative elsewhere is open again */
    _Atomic bool knocked; /* somebody knocked at one of ours since pairing_knocks() */

    size_t sent;       /* of unsaid, if it is a large one: so many bytes have left */
    uint64_t numbered; /* the newest number given; an offer gets it when it leaves */
    uint64_t committed;
    uint64_t unknown; /* gave RN_EUNKNOWN, and were not decided since */
    uint64_t but;     /* the home's calls are not for this operation; 0: none */
    uint32_t calls;   /* the home has a receive for so many of our sends */

    uint32_t held_cap;
    struct held_claim *held;
    struct claim_answer *answers; /* in order; there is always room for one more about each claim */
    uint32_t n_answers, answers_cap;
};

void pairing_init(struct pairing *m);
void pairing_fini(struct pairing *m);

/* Is an operation tentative here, or a claim held? */
bool pairing_busy(const struct handle *h);

/* ---- the channel is locked ---- */
/* Offers what may be offered now, takes back what may not any more, and looks at held claims again. */
void pairing_serve(struct handle *h);
/* An operation that was passed over because it was tentative elsewhere may be open now: if so, it counts again. */
void pairing_look(struct handle *h);
/* An operation waits in the queue now. */
void pairing_queued(struct handle *h, struct rn__op *op);
/* It has left, undecided. */
void pairing_unqueued(struct handle *h, struct rn__op *op);
/* For the operations table: somebody has knocked.  No lock. */
void pairing_hurry(struct handle *h);
/* Ends all that is tentative: the home has no part in the handle any more. */
void pairing_over(struct handle *h, int rc);
/* Ends what has been claimed: the side has ended, and no element comes any more. */
void pairing_receives_over(struct handle *h);
/* Ends what has not left this process. */
void pairing_take_back(struct handle *h, int rc);

/* ---- the link goroutine's; the channel is locked ---- */
int pairing_claim(struct handle *h, uint64_t claim,
                  const struct wire_operation *offer); /* 0, -ENOMEM */
void pairing_call(struct handle *h, uint32_t n, uint64_t but);
void pairing_offer_committed(struct handle *h, uint64_t number);
void pairing_offer_aborted(struct handle *h, uint64_t number, bool asks);
void pairing_claim_committed(struct handle *h, uint64_t claim, uint64_t delivery);
void pairing_claim_aborted(struct handle *h, uint64_t claim, bool asks);
/* Is one of our receives waiting for the element of that delivery?  And here it is. */
bool pairing_expects(struct handle *h, uint64_t delivery);
void pairing_section(struct handle *h, struct frame *frame, const struct wire_section *s);
/* The next offer leaves, or NULL: what the home is to be told of it, but for the binding, in *s.  The chunk that holds it is
 * the caller's, for outbox_give() - or for pairing_unleave(), when there was no memory to say it. */
struct parcel *pairing_leave(struct handle *h, struct wire_section *s, struct chunk **chunk);
void pairing_unleave(struct handle *h, struct parcel *p, struct chunk *chunk);
/* As outbox_next_piece() and outbox_piece_left(). */
bool pairing_next_piece(const struct handle *h, struct wire_section *s);
void pairing_piece_left(struct handle *h, const struct wire_section *s);
size_t pairing_next_size(const struct handle *h); /* as outbox_next_size() */
/* Does what knocks ask for.  Gives when (rn__boottime()) one of those that wait for the home's verdict is to give up because
 * the link is not up; INT64_MAX: nobody was knocked on. */
int64_t pairing_knocks(struct handle *h, int64_t now_ns);

#endif
