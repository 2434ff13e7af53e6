/* channel.h - one named channel: its attributes, its queue, its slots, and how it ends.   SPDX-License-Identifier: MIT
 *
 * Invariant: lent + buffered + delivered + delayed <= capacity, in elements and in bytes, always.  A rendezvous (meet.h) has no
 * capacity: there only what was given back is buffered, and what waits in its line is bounded in bytes. */
#ifndef BROKER_CORE_CHANNEL_H
#define BROKER_CORE_CHANNEL_H

#include "broker/core/autoclose.h"
#include "broker/core/binding.h"
#include "broker/core/ledger.h"
#include "broker/core/offer.h"
#include "proto/limits.h"

/* As struct binding: what a plain queue looks at for each section comes first. */
struct channel {
    struct core *core;
    uint64_t incarnation;
    uint32_t epoch;
    enum wire_code code; /* closed with: CLOSED, FAILED or CANCELLED */
    bool closed;
    bool is_dead;          /* it is one of dead letters */
    bool is_reply, orphan; /* it is one for replies; its maker has gone */
    bool restless;         /* it is used often; see fold.c */
    uint8_t reopened;
    bool complete; /* attributes_complete(), and everybody was told */
    bool
        at_least_one; /* a receiver that acknowledges by hand has stated that it is no rendezvous */
    uint32_t n_active, n_ready;
    struct wire_attributes attributes; /* type: "" or our memory */

    uint64_t next_position;
    struct run_queue
        queue; /* buffered: accepted, in no receiver's outbox; by position.  Of a fanout: empty */
    struct side in, out;
    struct hook active; /* senders that used credit lately, the latest last; n_active */
    struct hook hungry;
    struct hook ready; /* receivers with room, in turn; n_ready */
    struct hook dirty; /* in core->dirty: to be settled by the flush */
    struct hook taps;
    struct autoclose autoclose;
    int64_t settled_ns;
    struct hook
        warm; /* in core->calm or core->restless: at warm_at it is looked whether it is at rest */
    int64_t warm_at;
    struct hook idle;                /* in core->idle: open, empty, unbound */
    int64_t idle_until;              /* ns */
    uint64_t delayed, delayed_bytes; /* of what is in naps */
    struct run_queue
        dying; /* given to nobody; to be buried when its dead letters have room, see dead.h */
    struct ledger ledger;

    const char *name; /* in the same piece of memory */
    uint32_t hash;    /* of it; in core->channels by that */
    int32_t reason;   /* closed with */
    int64_t made_ns;
    struct line line; /* of senders, on a rendezvous */
    struct fan fan;
    struct hook naps;     /* what is to be had later, see nap.h */
    struct hook doubtful; /* in core->doubtful: somebody waits for what others seem to be using */
    int64_t doubt_at;     /* ns */
};

/* NULL: no memory. */
struct channel *channel_new(struct core *core, const char *name);
/* false: no memory.  NULL in *ch: there is none. */
bool channel_find(struct core *core, const char *name, struct channel **ch);
/* Only one that is not folded; else NULL. */
struct channel *channel_awake(struct core *core, const char *name);
/* Only to be looked at, and until something happens; it may be opened in *at for that.  NULL: there is none. */
struct unfolded;
const struct channel *channel_look(struct core *core, const char *name, struct unfolded *at);
/* The parts of channel_new() that fold.c has to do alone: memory, with the name in it; and all that a new one has, but its
 * name, incarnation and age. */
struct channel *channel_alloc(const char *name);
void channel_init(struct channel *ch, struct core *core);
uint32_t channel_hash(const struct core *core, const char *name);
void channel_free(struct channel *ch);

static inline bool channel_meets(const struct channel *ch)
{
    return ch->attributes.capacity == WIRE_RENDEZVOUS;
}

static inline bool channel_fans(const struct channel *ch)
{
    return ch->attributes.kind == WIRE_FANOUT;
}

/* Accepted, and given to no receiver; or dying.  Of a fanout: for each window. */
uint64_t channel_buffered(const struct channel *ch);
/* Lent, buffered, delivered or delayed; of a fanout: lent, has come, is or was delayed and was handed to no window, or is
 * held for some window. */
uint64_t channel_used(const struct channel *ch);
uint64_t channel_used_bytes(const struct channel *ch);
uint64_t channel_free_slots(const struct channel *ch);
uint64_t channel_free_bytes(const struct channel *ch);

/* r, which it takes, comes into the channel: it is the last, and its time to live begins. */
void channel_buffer(struct channel *ch, struct run *r, int64_t now_ns);

/* Begins the barrier: nothing is granted any more, all credit is recalled. */
void channel_close(struct channel *ch, enum wire_code code, int32_t reason);
/* A receiver has no use for the channel: what was not taken is dropped, everybody is told. */
void channel_cancel(struct channel *ch, int32_t reason);

/* Its ledger goes into the totals, and it is gone.  It must be empty and unbound. */
void channel_forget(struct channel *ch);
/* To be called last after each event on the channel: ends or forgets it when its time has come (then it is gone),
 * else sees to it that the flush looks at it. */
void channel_after(struct channel *ch);
/* Settles it: matches, grants, recalls.  Part of the flush. */
void channel_settle(struct channel *ch);
/* Somebody waits for what others hold as if they used it: look again in a while. */
void channel_doubt(struct channel *ch);
void channel_undoubt(struct channel *ch);

void channel_check(const struct channel *ch);

#endif
