/* autoclose.h - a channel that closes by itself when those who send into it have gone.   SPDX-License-Identifier: MIT
 *
 * Counted are the OUT bindings that asked for it; others neither keep the channel open nor count.  A binding goes in
 * order (unbound, or with a Goodbye that leaves nothing behind), or it dies with its session, or it was abandoned: then it
 * was never there.  What senders_min is compared with are those that have gone in order, so that one that died and the
 * one that came in its place are not two.
 *
 * Invariant: present is the number of bindings of the channel that asked. */
#ifndef BROKER_CORE_AUTOCLOSE_H
#define BROKER_CORE_AUTOCLOSE_H

#include <stdbool.h>
#include <stdint.h>

struct binding;
struct channel;

enum parting { PARTING_IN_ORDER, PARTING_ABANDONED, PARTING_DEATH };

struct autoclose {
    uint32_t present;
    uint32_t least;  /* the largest senders_min that those who have gone had stated */
    uint64_t parted; /* have gone in order */
    bool died;       /* a session of theirs has ended without unbind */
};

/* A binding of the channel asks for it, and goes. */
void autoclose_join(struct binding *b, uint32_t senders_min);
void autoclose_leave(struct binding *b, enum parting how);

/* Is it time?  The channel is open. */
bool autoclose_due(const struct channel *ch);
/* Closes it: failed if one of them died. */
void autoclose_close(struct channel *ch);

void autoclose_check(const struct channel *ch);

#endif
