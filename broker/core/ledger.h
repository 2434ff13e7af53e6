/* ledger.h - what became of the elements of one incarnation.   SPDX-License-Identifier: MIT
 *
 * accepted = taken + buffered + delivered + dropped; each accepted element is in exactly one class.  What is buffered
 * and delivered the channel knows; here is what has come to its end. */
#ifndef BROKER_CORE_LEDGER_H
#define BROKER_CORE_LEDGER_H

#include <stdint.h>

struct ledger {
    uint64_t accepted;
    uint64_t taken;
    uint64_t dropped_cancelled;
    uint64_t redelivered; /* beside the sum: elements that a session's end gave back */
    uint64_t returned;    /* beside the sum: elements of a rendezvous whose receive had yielded */
};

void ledger_add(struct ledger *to, const struct ledger *from);
/* Asserts the sum, with `held` elements buffered or delivered. */
void ledger_check(const struct ledger *l, uint64_t held);

#endif
