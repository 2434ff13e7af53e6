/* manner.h - how an element travels, beside its bytes.   SPDX-License-Identifier: MIT
 *
 * What is said once for a whole section: so only elements of one manner share one.  Most elements have none: all zero. */
#ifndef NODE_MANNER_H
#define NODE_MANNER_H

#include "proto/wire.h"

struct manner {
    uint32_t flags; /* of WIRE_MANNER */
};

static inline bool manner_same(const struct manner *a, const struct manner *b)
{
    return a->flags == b->flags;
}

/* Says it in the section's header. */
static inline void manner_put(struct wire_section *s, const struct manner *m)
{
    s->flags |= m->flags;
}

#endif
