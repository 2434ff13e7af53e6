/* oracle_inside.h - what oracle.c writes down, and verdict.c judges.   SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_ORACLE_INSIDE_H
#define TESTS_SIM_ORACLE_INSIDE_H

#include "tests/sim/oracle.h"

#include <stddef.h>

struct element {
    int channel, sender;
    unsigned home;
    uint32_t order, via; /* the sender's handle */
    enum fate fate;
    bool gave_0; /* its send, though it may be in doubt by now */
    uint32_t receipts;
    uint32_t live_receipts; /* by handles whose session did not end; filled in at the end */
    uint32_t
        holder; /* by hand: the handle, + 1, that has it or has said that it is over; 0: none */
    uint32_t nacks;
    int64_t begun_ns, delay_ns, ttl_ns; /* ttl_ns 0: for ever */
    int64_t accepted_ns;                /* not later than that; 0: nobody knows */
    bool rejected, refused, dying, dead, shown;
};

/* An element came to a handle while another had it. */
struct conflict {
    uint32_t element, older, newer;
};

/* One that receives. */
struct handle {
    int channel;
    unsigned home;
    uint64_t incarnation;
    bool alone, ended;
};

/* One that sends. */
struct sender {
    int channel;
    unsigned home;
    uint64_t incarnation;
    uint32_t least; /* 0: does not ask for autoclose */
    enum gone gone;
};

/* One incarnation of a channel. */
struct stream {
    uint64_t incarnation;
    bool by_hand;
    bool plain; /* a receiver was told of a close without a reason */
};

struct receipt {
    uint32_t handle, element;
};

/* A channel under one home. */
struct channel {
    uint64_t outstanding; /* sent and not received */
    uint64_t calls;       /* receives that have not returned */
    uint64_t sent, begun; /* of all time: sends that gave 0, receives that were called */
    bool cancelled, failed;
    bool expires;      /* some of its elements do */
    bool closed;       /* a receiver was told so, ... */
    bool shut, reason; /* a sender has closed it; ... and a receiver was told a reason */
    uint64_t purged;   /* elements, as was answered */
    bool purging,
        purges; /* a purge is on its way; it may have been done, and nobody knows how much it was */
};

struct vector {
    void *data;
    size_t len, cap;
};

#define DELAYS 8 /* more than there are */

struct oracle {
    struct vector elements, handles, receipts, senders, streams, conflicts;
    struct vector channels; /* of each home in turn, n_channels each */
    int n_channels;
    bool *fans; /* by channel */
    unsigned home;
    uint64_t ended; /* handles that have lost their session */
    bool may_reorder, may_die, may_leave;
    bool expired_known;
    uint64_t expired, fans_least, fans_most;
    int64_t delays_ns[DELAYS]; /* that came, but 0 */
    char suspicion[200];       /* the first that there was; "": none */
};

static inline struct element *element_at(const struct oracle *o, uint32_t i)
{
    if (i >= o->elements.len)
        sim_fail("an element came that was never made: %u", i);
    return (struct element *)o->elements.data + i;
}

static inline struct handle *handle_at(const struct oracle *o, uint32_t i)
{
    return (struct handle *)o->handles.data + i;
}

static inline struct sender *sender_at(const struct oracle *o, uint32_t i)
{
    return (struct sender *)o->senders.data + i;
}

static inline struct channel *channel_at(const struct oracle *o, int channel, unsigned home)
{
    return (struct channel *)o->channels.data + (size_t)home * (size_t)o->n_channels + channel;
}

static inline struct channel *channel_of(const struct oracle *o, const struct element *e)
{
    return channel_at(o, e->channel, e->home);
}

/* So many of those that were sent and have not come may have been purged. */
static inline uint64_t purged(const struct channel *ch)
{
    return ch->purging || ch->purges ? UINT64_MAX - ch->calls : ch->purged;
}

struct stream *oracle_stream(struct oracle *o, uint64_t incarnation);

#endif
