/* tap.h - copies of what a channel accepts, for somebody who looks.   SPDX-License-Identifier: MIT
 *
 * A tap holds references to the elements' bytes until its node has asked for them, so many elements and bytes at most;
 * what it has no room for, or what comes faster than its rate, it skips.  It is no receiver: the channel does not wait for it, nor
 * live for it. */
#ifndef BROKER_CORE_TAP_H
#define BROKER_CORE_TAP_H

#include "broker/core/state.h"

#define TAP_ELEMENTS_MAX UINT64_C(4096)
#define TAP_BYTES_MAX    (UINT64_C(1) << 20)
#define TAPS_MAX         16                  /* of a channel */
#define TAP_TELL_NS      INT64_C(1000000000) /* what was only skipped is told that late */

struct tap {
    struct core_session *session;
    struct hook of_session;
    struct channel *channel; /* NULL: it has come to its end, ... */
    enum wire_code end;      /* ... like that */
    char name[WIRE_NAME_MAX + 1];
    struct hook of_channel;
    uint32_t number; /* that its node knows it by */

    uint32_t rate;
    int64_t allowed_ns, allowed_at_ns; /* elements that may come now, in time; and since when */
    uint64_t tapped, skipped;
    struct run_queue queue;
    uint64_t next;   /* position that is told next, and ... */
    uint64_t offset; /* ... byte of it */
    uint64_t seen;   /* the first position that it has not looked at */

    bool asked; /* a question is open, and its ... */
    uint32_t id;
    bool overdue;        /* what was skipped is to be told now */
    struct due due;      /* looks whether it is */
    struct hook telling; /* in core->telling: asked, and there is something to say */
};

/* Answers a Tap, now or by the flush.  0 or -ENOMEM. */
int tap_answer(struct core_session *s, const struct wire_control *c);

/* r has been accepted and has its position - after its delay, if it has one -; to be called for each, when the channel has taps. */
void tap_see(struct channel *ch, const struct run *r);

/* Nothing more will be accepted, and why. */
void tap_end_all(struct channel *ch, enum wire_code code);

/* The session goes, with its taps. */
void tap_leave(struct core_session *s);

/* Part of the flush: those that are asked say what there is to say. */
void tap_tell_all(struct core *core);

void tap_check(const struct channel *ch);

#endif
