/* manner.h - how an element travels, beside its bytes.   SPDX-License-Identifier: MIT
 *
 * What is said once for a whole section: so only elements of one manner share one.  Most elements have none: all zero. */
#ifndef NODE_MANNER_H
#define NODE_MANNER_H

#include "node/runnel.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <stddef.h>

struct manner {
    uint32_t flags;            /* of WIRE_MANNER and WIRE_TIMED */
    uint64_t delay_ms, ttl_ms; /* with WIRE_TIMED, else 0, as the next */
    int64_t at_ns;             /* to be had then, ns since 1970; 0: delay_ms says when */
};

static inline bool manner_same(const struct manner *a, const struct manner *b)
{
    if (a->flags != b->flags)
        return false;
    return !(a->flags & WIRE_TIMED) ||
           (a->delay_ms == b->delay_ms && a->ttl_ms == b->ttl_ms && a->at_ns == b->at_ns);
}

/* How long a section's header is then. */
static inline size_t manner_header(const struct manner *m)
{
    return m->flags & WIRE_TIMED ? WIRE_SECTION_HEADER + WIRE_SECTION_TIMES : WIRE_SECTION_HEADER;
}

/* The times that a send states.  0, or -EINVAL: they make no sense. */
int manner_read(struct manner *m, const rn_send_opts *o);

/* Says it in the header of a section that leaves now. */
void manner_put(struct wire_section *s, const struct manner *m);

#endif
