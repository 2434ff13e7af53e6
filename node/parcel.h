/* parcel.h - one element on its way between an operator's stack and the network.   SPDX-License-Identifier: MIT
 *
 * An operation on a handle takes a parcel before any lock (its token) and gives it back when it is done,
 * so that no element costs an allocation once a handle has warmed up. */
#ifndef NODE_PARCEL_H
#define NODE_PARCEL_H

#include "node/buf.h"
#include "node/manner.h"
#include "node/outbox.h"
#include "proto/frame.h"

#include <sys/queue.h>

struct chunk;
struct delivery;
struct rn__op;

struct parcel {
    struct rn_buf
        buf; /* OUT: the element with its Header, encoded; IN: room to decode a large element in */
    struct manner manner; /* OUT */
    struct frame *frame;  /* IN: what `data` lies in, a reference; else NULL */
    const uint8_t *data;  /* IN: the element's bytes */
    size_t len;
    uint64_t delivery; /* IN: its delivery number */
    uint64_t position; /* IN: in its channel */
    uint32_t deliveries;
    const uint8_t *letter; /* IN, a dead letter: with its header, ...; else NULL */
    size_t letter_size;    /* ... of which data and len are the element */
    bool headed;           /* IN: data begins with a Header, until that has been read */
    struct delivery
        *place; /* IN, by hand: what the program will have; the receive's until then, else NULL */
    uint64_t
        number; /* OUT: its number once it holds a slot, 0 before; IN: place in the order of taking */
    TAILQ_ENTRY(parcel)
    link;         /* on a parcel_list; guarded by the channel's lock, so are the next three */
    bool waiting; /* is on a list, and somebody waits for `done` */
    bool orphan;  /* is on a list, but its send has given up: RN_EUNKNOWN */
    bool pooled;  /* nobody has it */
    bool kept;    /* a send whose element's own memory was taken, see codec_lends() */
    bool confirm; /* a send that returns with the home's verdict */
    bool counted; /* a send, counted in its handle's `excluded` until accepted */
    enum crowd_kind
        crowds; /* a send that has added to what waits to leave, of which there is too much */
    int rc;     /* what the waiting one is told */

    /* A rendezvous, see pairing.h; guarded by the channel's lock. */
    struct rn__op *op;   /* whose token it is, while that is tentative by this handle; else NULL */
    struct chunk *chunk; /* OUT: the element, until the offer leaves */
    uint64_t claim;      /* IN */
    int64_t knocked_ns;  /* when a knock was first seen, rn__boottime(); 0: not yet */
    bool patient;        /* OUT: the home may keep the offer */
    bool asks;           /* OUT: waits for a call, though patient */
    bool withdrawn, withdraw_due; /* OUT: the home is told, is to be told, that it is wanted back */
    bool
        twin; /* its operation has another case like this one in the same channel, which stands for both */
    bool muted; /* the home is not asked for it: it is tentative elsewhere */
    bool both;  /* its operation has a case on the other side of the same named channel */

    rn_chan *done; /* a signal, made when first needed; empty unless one is under way */
};
TAILQ_HEAD(parcel_list, parcel);

/* Parcels kept for the next operations.  Slots are exchanged atomically: any thread, no lock. */
#define PARCEL_SLOTS 8
struct parcel_pool {
    _Atomic(struct parcel *) slot[PARCEL_SLOTS];
};

struct parcel *parcel_get(struct parcel_pool *pool);          /* NULL: no memory */
void parcel_give(struct parcel_pool *pool, struct parcel *p); /* takes p; NULL is fine */
void parcel_pool_fini(struct parcel_pool *pool);

/* Makes sure that p can be waited for.  0 or -ENOMEM. */
int parcel_waitable(struct parcel *p);
/* Wakes who waits for p.  p was taken off its list before; whoever waits owns it again from then on.
 * Any goroutine or thread, no channel locked. */
void parcel_signal(struct parcel *p);
/* Waits for the signal.  0, RN_ETIMEDOUT or RN_ECANCELED. */
int parcel_wait(struct parcel *p, rn_time deadline);
/* The same for ever, whatever happens to the caller's group: for signals that are sure to come. */
void parcel_await(struct parcel *p);
/* Signals all of a private list. */
void parcel_signal_all(struct parcel_list *list);

#endif
