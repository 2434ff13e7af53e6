/* acks.h - the sessions whose acknowledgement waits for those of others.   SPDX-License-Identifier: MIT
 *
 * A wake-up of the broker costs more than what it says to a node.  So a node at rest, whose sign of life nobody hurries, is
 * answered together with others, at multiples of a 32nd of its lease; nodes give their signs of life a little before those
 * (node/uplink.c), so that they come together, too.  And when input never ceases, so that nobody is answered because there is
 * nothing else to do, everybody is at those times. */
#ifndef BROKER_ACKS_H
#define BROKER_ACKS_H

#include <stdint.h>

struct broker_session;

/* Owned by the shard.  All zero but due_ns: INT64_MAX. */
struct acks {
    struct broker_session *waiting;
    int64_t due_ns; /* the first has waited enough; INT64_MAX: none waits */
};

/* The session owes one.  Does nothing if it waits already. */
void acks_wait(struct acks *a, struct broker_session *s, int64_t now_ns);
/* It does not wait any more. */
void acks_leave(struct broker_session *s);
/* Those that have waited enough have something to say, see broker_session_touch(). */
void acks_step(struct acks *a, int64_t now_ns);

#endif
