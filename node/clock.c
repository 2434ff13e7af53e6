/* clock.c - see clock.h.   SPDX-License-Identifier: MIT */
#include "node/clock.h"

#include "runtime/rn.h"

#define MS_MAX       ((uint64_t)INT64_MAX / RN_MS / 4) /* of what we reckon with; no clock shows that */
#define FORGET_SHIFT 12 /* two clocks may drift apart by a 4096th, 20 times what they do */

void clock_learn(struct home_clock *c, uint64_t clock_ms, int64_t now_ns)
{
    if (clock_ms == 0 || clock_ms > MS_MAX)
        return;
    int64_t ahead_ns = now_ns - (int64_t)clock_ms * RN_MS;
    int64_t known_ns = c->ahead_ns + ((now_ns - c->seen_ns) >> FORGET_SHIFT);
    c->ahead_ns = c->known && known_ns < ahead_ns ? known_ns : ahead_ns;
    c->seen_ns = now_ns;
    c->known = true;
}

int64_t clock_expiry(struct home_clock *c, const struct wire_section *s, int64_t now_ns)
{
    int64_t left_ns = s->ttl_ms < MS_MAX ? (int64_t)s->ttl_ms * RN_MS : (int64_t)MS_MAX * RN_MS;
    clock_learn(c, s->clock_ms, now_ns);
    if (!c->known || s->clock_ms > MS_MAX)
        return now_ns + left_ns;
    /* Never later than if it had come at once; and how long it was on its way is no reason to keep it longer. */
    int64_t made_ns = (int64_t)s->clock_ms * RN_MS + c->ahead_ns;
    return (made_ns < now_ns ? made_ns : now_ns) + left_ns;
}
