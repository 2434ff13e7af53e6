/* clock.h - the home's clock, as far as a node can know it.   SPDX-License-Identifier: MIT
 *
 * The home stamps what it says with its clock.  By ours each stamp comes later by the same difference, which nobody knows, and by
 * the way it took.  So the smallest difference is nearest to the truth; it is forgotten slowly, because two clocks do not
 * run alike.  Pure; the link goroutine's. */
#ifndef NODE_CLOCK_H
#define NODE_CLOCK_H

#include "proto/wire.h"

struct home_clock {
    bool known;
    int64_t ahead_ns; /* of ours, before its own */
    int64_t seen_ns;  /* when that was learnt, rn__boottime() */
};

/* The home's clock was clock_ms when it sent what has come now; 0: it did not say. */
void clock_learn(struct home_clock *c, uint64_t clock_ms, int64_t now_ns);

/* When the elements of a timed section expire that has come now, on our clock; it is learnt from. */
int64_t clock_expiry(struct home_clock *c, const struct wire_section *s, int64_t now_ns);

#endif
