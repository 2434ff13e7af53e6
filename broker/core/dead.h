/* dead.h - dead letters: what nobody is to get any more goes to the channel NAME.dead.   SPDX-License-Identifier: MIT
 *
 * What is dying holds its slot in its own channel, and is given to nobody, until the other has room for it. */
#ifndef BROKER_CORE_DEAD_H
#define BROKER_CORE_DEAD_H

#include "broker/core/channel.h"

/* Why an element died, shared by the runs that it was said of. */
struct epitaph {
    uint32_t refs;
    enum wire_cause cause;
    char why[];
};

/* NULL: no memory. */
struct epitaph *epitaph_new(enum wire_cause cause, const char *why);
struct epitaph *epitaph_ref(struct epitaph *e);
void epitaph_unref(struct epitaph *e); /* NULL is fine */

/* All of `from` is to die; e: why, NULL: it was delivered too often.  In a reply channel it is dropped. */
void dead_die(struct channel *ch, struct run_queue *from, struct epitaph *e);
/* `from` comes back from a receiver that acknowledges by hand, to be delivered once more: those that may be go back to
 * it, those that were too often die.  Gives how many may be. */
uint64_t dead_sift(struct channel *ch, struct run_queue *from);

/* Buries as much as there is room for.  true: something; ch is to be looked after. */
bool dead_bury(struct channel *ch);
/* ch is a channel of dead letters that may have room, or is going: whoever waits for that is looked at again. */
void dead_wake(struct channel *ch);

/* How a channel of dead letters is. */
struct wire_attributes dead_attributes(void);

#endif
