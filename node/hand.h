/* hand.h - deliveries that the program has and has not acknowledged yet.   SPDX-License-Identifier: MIT
 *
 * A handle that receives has a hand: of deliveries that are acknowledged by hand, and of those that its codec has refused.  The
 * program may keep its deliveries longer than the handle, the channel and the node live: so the hand lives until the last one has
 * come back, and has a lock of its own.  Taking a delivery and acknowledging it need no memory of their own, and tell nobody: the
 * link goroutine collects what was said since it last looked. */
#ifndef NODE_HAND_H
#define NODE_HAND_H

#include "proto/wire.h"
#include "runtime/lock.h"

#include <stddef.h>

struct handle;
struct hand;

/* What rn_msg.delivery points to. */
struct delivery {
    struct delivery *next; /* guarded by the hand's lock */
    struct hand *hand;
    uint64_t number; /* as the home counts, per binding */
    uint64_t delay_ms;
    char *why; /* ours, or NULL */
    enum wire_verdict verdict;
    struct frame *frame; /* a dead letter: what `head` lies in, a reference; else NULL */
    const uint8_t *head;
    size_t head_size;
    struct wire_header *header; /* ours, or NULL */
};

/* NULL: no memory.  h borrowed until hand_leave(). */
struct hand *hand_new(struct handle *h);
/* Its handle is going: the hand goes when the program has given back its last delivery.  NULL is fine. */
void hand_leave(struct hand *hand);

/* One for a delivery to come; NULL: no memory.  To be given back by hand_settle(), or, if none comes, by hand_spare(). */
struct delivery *hand_reserve(struct hand *hand);
void hand_spare(struct delivery *d);

/* The program's verdict; why may be NULL.  Takes d.  0, or RN_ESTALE: the home has no use for it any more.  Any thread,
 * any time. */
int hand_settle(struct delivery *d, enum wire_verdict verdict, uint64_t delay_ms, const char *why);

/* From now on every verdict is too late.  What was said before is still to be told, but for `over`: then the home hears
 * nothing any more.  The channel may be locked.  NULL is fine. */
void hand_close(struct hand *hand);
void hand_over(struct hand *hand);

/* ---- the link goroutine's ---- */
/* What was said and not told yet: those of one verdict, delay and reason together, with ascending numbers (of one reason
 * as far as they follow each other). */
struct delivery *hand_collect(struct hand *hand);
/* So far it was told: up to d, or nothing if that is the first; the rest is to be told later. */
void hand_told(struct hand *hand, struct delivery *first, struct delivery *d);

#endif
