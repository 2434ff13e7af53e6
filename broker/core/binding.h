/* binding.h - one direction of one handle: the channel's end of it.   SPDX-License-Identifier: MIT
 *
 * Invariants: OUT: held = credit lent and not used or returned.  IN: held = elements in outbox + delivered + hand.  On a
 * rendezvous a credit is a call to make one offer (meet.h). */
#ifndef BROKER_CORE_BINDING_H
#define BROKER_CORE_BINDING_H

#include "broker/core/fan.h"
#include "broker/core/offer.h"
#include "broker/core/run.h"
#include "broker/core/side.h"
#include "proto/piece.h"

struct channel;
struct core_session;

/* With thousands of channels each section finds its bindings cold: what a plain queue looks at comes first, each direction's
 * together. */
struct binding {
    struct core_session *session;
    struct channel *channel;
    struct side *side; /* of channel */
    uint32_t number;
    enum wire_direction direction;
    bool ended;       /* Closed was said: IN: what still comes from it crossed on the way */
    bool weak;        /* it missed without waiting; see side.h */
    bool fresh;       /* it may hold something that the last Recall did not see */
    bool by_hand;     /* IN: manual_ack; see settle.h */
    uint32_t recalls; /* unanswered; IN: at most one */
    uint32_t waiting; /* operations that wait and were not answered yet */
    uint32_t
        unsure; /* so many of them may have been answered by what was on its way when they asked */

    /* holding */
    uint64_t held, held_bytes, claimed;
    uint64_t in_hand;        /* IN, of held: taken and not settled */
    struct hook holding;     /* in side->spare or side->claimed */
    struct hook *holding_in; /* which of them; NULL: none */
    struct run *leaving;     /* the last of delivered, while it is pulled piece by piece; or NULL */
    struct hook asking;      /* in side->askers or side->weak */

    /* OUT */
    uint64_t next_number, accepted, accepted_said;
    uint64_t grant_bytes; /* lent, but not said yet; so */
    uint32_t grant;
    struct hook speaking;   /* in core->speakers: it has credit or acceptance to be told */
    int64_t used_ns;        /* when it last asked for or used credit */
    struct hook active;     /* in channel->active, by used_ns */
    struct hook hungry;     /* in channel->hungry: look whether its share should be filled up */
    struct assembly coming; /* next_number, while it comes in pieces */

    /* IN */
    struct run_queue outbox;    /* assigned, not pulled yet */
    struct run_queue delivered; /* pulled, not taken; ascending by number */
    uint64_t last_delivery, taken_number, taken;
    uint64_t ask_seen;    /* when it last asked it had seen the deliveries up to this, ... */
    uint32_t ask_waiting; /* ... and so many waited */
    uint32_t prefetch;    /* 0: chosen here */
    struct hook ready;    /* in channel->ready: has room for more */
    struct hook turn;     /* in session->turn: its outbox is not empty */

    /* what happens now and then */
    struct hook of_side;               /* in side->bindings */
    struct hook weak_due;              /* in core->weak_due */
    int64_t weak_until;                /* ns */
    uint64_t recalled;                 /* IN: how many elements it may give back */
    uint64_t expected, expected_bytes; /* what the answers may bring, part of side->returning */
    bool maker;                        /* of its channel; see reply.h */

    /* OUT */
    bool autoclose; /* the channel stays open for it, and closes when the last such one has gone */
    uint32_t senders_min; /* with autoclose: as it was stated */
    uint32_t in_line;     /* of those that wait, those that go before whoever else is in line */
    uint64_t first_bytes, ask_bytes; /* of the first waiting element, of all */
    uint64_t together;   /* what it sends with this number is to be had at one time; ... */
    int64_t together_ns; /* ... that one */
    struct wire_counts counts;

    /* IN */
    uint64_t leaving_at; /* so many bytes of it have left */
    struct run_queue
        hand; /* by hand: taken and not settled; the numbers before those in delivered */
    struct window window; /* on a fanout; see fan.h */

    /* rendezvous: OUT: held = calls; IN: delivery numbers are given when an element enters the outbox */
    struct hook mute;     /* in session->mute: passed over until its silent node is heard */
    struct place place;   /* OUT: in channel->line, while operations wait to be called */
    struct offer *offers; /* OUT: uthash, by number */
    int64_t call_stamp;   /* OUT: the place that the oldest call was for */
    int64_t called_ns;    /* OUT: since when calls are unanswered */
    struct due silence;   /* OUT: looks whether its node is heard from, while calls are out */
    uint64_t grant_but;   /* OUT: what the calls that were not said yet are not for; 0: none */
    int64_t adjusted;     /* what we have changed `waiting` by, in all; see Ask */
    uint64_t lacking;     /* by an Ask that crossed those changes so many fewer than none wait */
    uint64_t sole; /* waiting is 1, and this is its number; 0: not known, or on this side only */
    struct offer *claims; /* IN: uthash, by claim */
    uint64_t last_claim;  /* IN: the largest number that was used; so last_commit, of deliveries */
    uint64_t last_commit;
};

/* NULL: no memory. */
struct binding *binding_new(struct core_session *s, struct channel *ch, uint32_t number,
                            enum wire_direction direction);
/* Takes it off everything; it must hold nothing any more. */
void binding_free(struct binding *b);
/* false: no memory.  NULL in *b: there is none. */
bool binding_find(struct core_session *s, uint32_t number, struct binding **b);
/* The part of binding_new() that fold.c has to do alone: all that a new one has, in memory that is there. */
void binding_init(struct binding *b, struct core_session *s, struct channel *ch, uint32_t number,
                  enum wire_direction direction);

/* Sends a control about b to its session. */
void binding_control(struct binding *b, struct wire_control *c);
void binding_closed(struct binding *b, enum wire_code code, int32_t reason);
void binding_recall(struct binding *b, uint32_t elements);
/* Puts r, which it takes, into b's outbox. */
void binding_deliver(struct binding *b, struct run *r);
/* Does it have something to be pulled? */
static inline bool binding_has_sections(const struct binding *b)
{
    return b->outbox.count > 0 || b->leaving != NULL;
}
/* The newest delivery that has left whole: what its node may speak of. */
static inline uint64_t binding_delivered(const struct binding *b)
{
    return b->last_delivery - (b->leaving != NULL);
}
/* Says what credit and acceptance has gathered since the last time. */
void binding_speak(struct binding *b);
/* It has something to say at the end of the flush. */
void binding_will_speak(struct binding *b);

#endif
