/* expiry.h - when a run is too old to be received.   SPDX-License-Identifier: MIT
 *
 * All elements of a run expire together.  A run that has an expiry expires where it lies, if that is a queue that sees to it: one
 * whose elements nobody has yet.  What is on its way to a receiver is that one's business until it comes back. */
#ifndef BROKER_CORE_EXPIRY_H
#define BROKER_CORE_EXPIRY_H

#include "broker/core/due.h"
#include "proto/wire.h"

struct run;
struct run_queue;

struct expiry {
    struct due due; /* pending while it lies in a queue that sees to it */
    struct run *run;
    struct run_queue *queue; /* that one, or NULL */
    int64_t ttl_ns;
    int64_t at_ns; /* INT64_MAX: its time has not begun, or never ends */
};

/* From when it begins on r lives ttl_ms.  false: no memory. */
bool expiry_give(struct run *r, uint64_t ttl_ms);
/* r has part of what `from` had.  false: no memory. */
bool expiry_share(struct run *r, const struct run *from);
void expiry_free(struct expiry *e); /* NULL is fine */

/* Its time begins, unless it has none.  r lies in no queue. */
void expiry_begin(struct run *r, int64_t now_ns);
bool expiry_same(const struct run *a, const struct run *b);

/* r was put into q, or is taken out. */
void expiry_enter(struct expiry *e, struct run_queue *q);
void expiry_leave(struct expiry *e);

/* Says in a section of it that it expires. */
void expiry_tell(const struct expiry *e, struct wire_section *s, int64_t now_ns);

void expiry_check(const struct run *r, const struct run_queue *q);

/* now + ms, as far as there are numbers. */
int64_t expiry_after(int64_t now_ns, uint64_t ms);

#endif
