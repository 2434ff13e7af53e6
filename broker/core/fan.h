/* fan.h - a fanout: each element to every receiver that was bound before it was accepted.   SPDX-License-Identifier: MIT
 *
 * What was accepted stands once in a log (batch.h).  Each receiver has a window on it: a place in the log up to which it
 * was handed everything, and runs, as every receiver has, of what it was handed and has not taken.  Nothing is ever taken
 * back from a window for another.  What comes while nobody has a window waits, not yet accepted, or is
 * dropped where nobody waits for receivers.
 *
 * A channel that blocks hands on what a receiver's prefetch has room for.  One that drops or cuts - one that is *hasty* -
 * hands on whatever the session takes: there the node drops its oldest, or its handle fails, when more lie there than its
 * window has room for, and says so (Settle LOST).  Where the session does not take it, or the node does not answer for what
 * it has, the home does the same to the log's oldest, once senders want the slots.
 *
 * What is delayed is accepted when it comes, and naps (nap.h) without a window: it goes to those that are open when it is due.
 * What expires in the log goes by every window that was not handed it, wherever that is.
 *
 * The ledger counts per window: an element that went to three windows is there three times (`copied` says how often more
 * than once). */
#ifndef BROKER_CORE_FAN_H
#define BROKER_CORE_FAN_H

#include "broker/core/run.h"

#include <stdbool.h>
#include <stdint.h>

struct batch;
struct binding;
struct channel;

struct fan {
    struct channel *channel;
    struct hook log;             /* batches, by position */
    struct run_queue come;       /* has come, and is not accepted */
    struct run_queue due;        /* has napped, and was handed to no window */
    struct hook caught;          /* windows that were handed all that there is */
    uint32_t n_windows;          /* open ones */
    uint64_t behind;             /* elements that were not handed on, of all windows together */
    uint64_t held;               /* elements that somebody holds */
    uint64_t slots;              /* elements that have their slot, ... */
    uint64_t slots_bytes;        /* ... and their lengths */
    uint64_t fresh, fresh_bytes; /* naps, and is to be due for the first time */
    bool parked; /* what has come is not accepted, because nobody is there, or no memory */
};

struct window {
    bool open;          /* it gets what is accepted */
    bool cut;           /* it was too slow: its node is to leave */
    struct hook caught; /* in fan->caught */
    struct batch *at;   /* where `next` is; NULL: caught up, or not open */
    uint64_t joined;    /* position of the first element that was to come here, ... */
    uint64_t left;      /* ... and behind the last, when it is not open any more */
    uint64_t next;      /* of the first that was not handed on, */
    uint64_t late;      /* and so many behind that have expired */
    uint64_t lost;      /* dropped for being slow */
    uint64_t missed;    /* of them: those that were never delivered, as the node is to know; ... */
    uint64_t missed_said; /* ... and was told; so is ... */
    bool cut_said;
    uint64_t dead;    /* dying, and buried */
    uint64_t expired; /* here, on the way, or in a nap */
    uint64_t napping;
    uint64_t dropped; /* purged, or out of its naps for another reason */
};

void fan_init(struct channel *ch);
void window_init(struct window *w);

/* It drops or cuts. */
bool fan_is_hasty(const struct channel *ch);

/* A receiver is there, and the channel is known to be a fanout; and it goes, with all that it had: gives how many elements
 * that were, dropped by nobody's wish but its own. */
void fan_join(struct binding *b);
uint64_t fan_leave(struct binding *b);

/* What has come is accepted, if anybody is there for it. */
void fan_accept(struct channel *ch);
/* r, which it takes, is to be had since at_ns: it was accepted, and has napped. */
void fan_due_now(struct channel *ch, struct run *r, int64_t at_ns);
/* The time of the batch is over: windows that were not handed it go by. */
void fan_expires(struct batch *batch);
/* Part of the flush, before credit is given. */
void fan_settle(struct channel *ch);
/* Senders want so many slots and bytes more than are free.  true: some came free, at the cost of who is slow. */
bool fan_make_room(struct channel *ch, uint64_t slots, uint64_t bytes);
/* Keeps a part of a hasty channel free, so that senders need not ask each time. */
void fan_ease(struct channel *ch);

/* How many elements were to come to b since it is there. */
uint64_t fan_due(const struct binding *b);
/* How many elements of the log the window is behind. */
uint64_t fan_behind(const struct binding *b);
/* How many more may be handed on, by what the node has. */
uint64_t fan_room(const struct binding *b);
/* Looks whether there is something to be pulled for b. */
void fan_place(struct binding *b);
bool fan_sendable(const struct binding *b);
/* The next run of the log for b, of at most max_bytes or one element; b holds it from now on.  NULL: no memory. */
struct run *fan_next(struct binding *b, uint64_t max_bytes);
/* What comes again to b, out of its hands or out of a nap. */
void fan_again(struct binding *b, struct run_queue *back);

/* All that nobody was handed yet is dropped, and what naps; also what has come and was not accepted.  Gives how many
 * elements that were, of all windows together. */
uint64_t fan_purge(struct channel *ch);
/* The channel is cancelled: gives how many elements were dropped from the log, and what had come is dropped, too. */
uint64_t fan_cancel(struct channel *ch);
/* All that b was to have it has had. */
bool fan_drained(const struct binding *b);

uint64_t fan_memory(const struct channel *ch);
void fan_check(const struct channel *ch);

#endif
