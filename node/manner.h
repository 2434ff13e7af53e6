/* manner.h - how an element travels, beside its bytes.   SPDX-License-Identifier: MIT
 *
 * What is said once for a whole section: so only elements of one manner share one.  Most elements have none: all zero. */
#ifndef NODE_MANNER_H
#define NODE_MANNER_H

#include "proto/limits.h"
#include "proto/wire.h"

#include <stddef.h>

struct manner {
    uint32_t flags;            /* of WIRE_MANNER and WIRE_TIMED */
    uint64_t delay_ms, ttl_ms; /* with WIRE_TIMED, else 0 */
};

static inline bool manner_same(const struct manner *a, const struct manner *b)
{
    return a->flags == b->flags &&
           (!(a->flags & WIRE_TIMED) || (a->delay_ms == b->delay_ms && a->ttl_ms == b->ttl_ms));
}

/* How long a section's header is then. */
static inline size_t manner_header(const struct manner *m)
{
    return m->flags & WIRE_TIMED ? WIRE_SECTION_HEADER + WIRE_SECTION_TIMES : WIRE_SECTION_HEADER;
}

/* Says it in the section's header. */
static inline void manner_put(struct wire_section *s, const struct manner *m)
{
    s->flags |= m->flags;
    s->delay_ms = m->delay_ms;
    s->ttl_ms = m->ttl_ms;
}

#endif
