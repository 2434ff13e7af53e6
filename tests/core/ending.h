/* ending.h - how a channel may end, reckoned beside the core from what has reached it.   SPDX-License-Identifier: MIT
 *
 * The world tells it what the core has taken in; what a node is told about an end must then be what this says.  It is
 * the rule of AUTOCLOSE in runnel.proto in the words of a test: a crash that looks like a close is found here. */
#ifndef TESTS_CORE_ENDING_H
#define TESTS_CORE_ENDING_H

#include "proto/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct handle;
struct world;

enum gone { GONE_UNBOUND, GONE_ABANDONED, GONE_GOODBYE, GONE_CRASHED };

/* Of one incarnation. */
struct ending {
    uint64_t incarnation;
    uint32_t present, least;
    uint64_t parted;
    bool crashed;
    bool closed;         /* the first that did so decides ... */
    enum wire_code code; /* ... how */
    int32_t reason;
    bool cancelled; /* but a cancellation may come on top */
    int32_t cancel_reason;
};

/* A sender is bound; it goes; one that is bound, in either direction, closes the channel by hand. */
void ending_bound(struct handle *h);
void ending_gone(struct handle *h, enum gone how);
void ending_by_hand(struct handle *h, int32_t reason);

/* The node is told that the channel ends like that: asserts that it does. */
void ending_expect(const struct handle *h, enum wire_code code, int32_t reason);
/* Has the channel that h is bound to been closed? */
bool ending_is_closed(const struct handle *h);

#endif
