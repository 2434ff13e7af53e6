/* match.h - the receivers' side: who gets which elements.   SPDX-License-Identifier: MIT
 *
 * Waiting receivers come first, in the order in which they began to wait; the rest is delivered ahead of time, in turn
 * and in equal parts, up to each one's prefetch.  When nothing is buffered and a receiver waits, half of what another
 * holds and does not seem to need is taken back: from its outbox at once, else by a Recall, and until that is answered
 * it gets nothing more. */
#ifndef BROKER_CORE_MATCH_H
#define BROKER_CORE_MATCH_H

#include "broker/core/channel.h"

/* Each returns 0, -EPROTO with *why, or -ENOMEM, then nothing has changed. */
int match_ask(struct binding *b, const struct wire_control *c, const char **why);
int match_taken(struct binding *b, uint64_t number, const char **why);
int match_returned(struct binding *b, const struct wire_control *c, const char **why);

/* b does not hold n elements any more that it had; they are in none of its queues. */
void match_gave_back(struct binding *b, uint64_t n, uint64_t bytes);

void match_settle(struct channel *ch);
/* To be called whenever what b was given, asks or has taken changes. */
void match_recount(struct binding *b);
/* How many more elements may be delivered to b now, and how many bytes more are sent ahead if the prefetch is left to us. */
uint64_t match_room(const struct binding *b);
uint64_t match_bytes_left(const struct binding *b);
/* Nobody is looked for on behalf of b any more. */
void match_unplace(struct binding *b);
/* Looks whether b waits and has room; to be called whenever either may have changed. */
void match_place(struct binding *b);
/* Gives the next section of b's outbox, of at most max_bytes or one element.  false: no memory. */
bool match_pull(struct binding *b, uint64_t max_bytes, struct wire_section *section);

enum match_end { MATCH_UNBOUND, MATCH_SESSION_OVER };
/* The binding goes: what it has not taken comes back, with deliveries + 1 when its session is over; of a fanout it is
 * dropped, for nobody else is to have it. */
void match_leave(struct binding *b, enum match_end how);
/* A run of a binding's outbox has expired. */
void match_expired(struct run_queue *outbox, struct run *r);
/* Drops all that b has not taken, of a fanout also what was to come to it, and gives the number of elements. */
uint64_t match_drop(struct binding *b);
/* Asserts that the count of who waits there follows from what it asked and was given. */
void match_check(const struct binding *b);

#endif
