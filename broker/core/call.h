/* call.h - senders of a rendezvous that wait, and the calls that are out to them.   SPDX-License-Identifier: MIT
 *
 * A part of meet.h, for claim.c and meet.c. */
#ifndef BROKER_CORE_CALL_H
#define BROKER_CORE_CALL_H

#include "broker/core/channel.h"

/* Is its node silent, so that it is passed over until that is heard? */
static inline bool call_is_mute(const struct binding *b)
{
    return hook_linked(&b->mute);
}

/* From now on it is. */
void call_mute(struct binding *b);
/* When a silence that began with something said at `said_ns` is over. */
int64_t call_silent_until(const struct binding *b, int64_t said_ns);

/* Says it, unless b has heard the last word. */
void call_say(struct binding *b, struct wire_control c);
struct wire_control call_aborted(uint64_t number, bool asks);

/* We change how many of b's operations wait: the node hears of it, and Ask will tell whether it had when it was said. */
void call_adjust(struct binding *b, int change);
/* Stands in the line from `stamp` on, or from where it stands already if that is before. */
void call_line_up(struct binding *b, int64_t stamp);
/* An operation whose offer came to nothing waits to be called again, where it stood. */
void call_again(struct binding *b, const struct wire_operation *operation, int64_t stamp);

/* Those that still wait after one was called go to the end of the line, so that every binding has its turn.  `but`: the
 * operation that the call is not for, or 0. */
void call_sender(struct binding *b, uint64_t but);
/* n calls were answered. */
void call_answered(struct binding *b, uint64_t n);

#endif
