/* ledger.h - what became of the elements of one incarnation.   SPDX-License-Identifier: MIT
 *
 * accepted + copied = taken + buffered + delivered + delayed + dropped + dead; each accepted element is in exactly one class; in a
 * fanout, each that went to a window is so once for each window, and `copied` says how often more than once.  What is
 * buffered, delivered and delayed the channel knows; here is what has come to its end. */
#ifndef BROKER_CORE_LEDGER_H
#define BROKER_CORE_LEDGER_H

#include <stdint.h>

struct ledger {
    uint64_t accepted;
    uint64_t copied; /* fanout: for more windows than one */
    uint64_t taken;
    uint64_t dropped_cancelled, dropped_purged;
    uint64_t expired;
    uint64_t dropped_slow, dropped_nobody; /* fanout */
    uint64_t left; /* fanout: with receivers that have gone and had not taken it */
    uint64_t dead; /* in the channel of dead letters, where they count as accepted */
    uint64_t
        redelivered; /* beside the sum: elements that came back by a session's end, or were to come again */
    uint64_t returned; /* beside the sum: elements of a rendezvous whose receive had yielded */
};

void ledger_add(struct ledger *to, const struct ledger *from);
/* Asserts the sum, with `held` elements buffered, delivered or delayed. */
void ledger_check(const struct ledger *l, uint64_t held);

#endif
