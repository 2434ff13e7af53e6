/* expiry.c - see expiry.h.   SPDX-License-Identifier: MIT */
#include "broker/core/expiry.h"

#include "broker/core/run.h"
#include "runtime/assert.h"

#include <stdlib.h>

#define MS INT64_C(1000000)

int64_t expiry_after(int64_t now_ns, uint64_t ms)
{
    uint64_t left_ms = (uint64_t)(INT64_MAX - now_ns) / MS;

    return ms < left_ms ? now_ns + (int64_t)ms * MS : INT64_MAX;
}

static void expiry_falls(struct due *due)
{
    struct expiry *e = due_entry(due, struct expiry, due);

    e->queue->expired(e->queue, e->run);
}

static struct expiry *expiry_new(struct run *r)
{
    struct expiry *e = malloc(sizeof *e);

    if (e == NULL)
        return NULL;
    due_init(&e->due, expiry_falls);
    e->run = r;
    e->queue = NULL;
    r->expiry = e;
    return e;
}

bool expiry_give(struct run *r, uint64_t ttl_ms)
{
    struct expiry *e = expiry_new(r);

    if (e == NULL)
        return false;
    e->ttl_ns = expiry_after(0, ttl_ms);
    e->at_ns = INT64_MAX;
    return true;
}

bool expiry_share(struct run *r, const struct run *from)
{
    struct expiry *e = expiry_new(r);

    if (e == NULL)
        return false;
    e->ttl_ns = from->expiry->ttl_ns;
    e->at_ns = from->expiry->at_ns;
    return true;
}

void expiry_free(struct expiry *e)
{
    if (e == NULL)
        return;
    due_take(&e->due);
    free(e);
}

void expiry_begin(struct run *r, int64_t now_ns)
{
    struct expiry *e = r->expiry;

    if (e == NULL)
        return;
    rn_assert(e->queue == NULL);
    rn_assert(e->at_ns == INT64_MAX);
    e->at_ns = e->ttl_ns < INT64_MAX - now_ns ? now_ns + e->ttl_ns : INT64_MAX;
}

bool expiry_same(const struct run *a, const struct run *b)
{
    if (a->expiry == NULL || b->expiry == NULL)
        return a->expiry == b->expiry;
    return a->expiry->at_ns == b->expiry->at_ns && a->expiry->ttl_ns == b->expiry->ttl_ns;
}

void expiry_enter(struct expiry *e, struct run_queue *q)
{
    rn_assert(e->queue == NULL);
    if (q->dues == NULL)
        return;
    e->queue = q;
    if (e->at_ns != INT64_MAX)
        due_put(q->dues, &e->due, e->at_ns);
}

void expiry_leave(struct expiry *e)
{
    e->queue = NULL;
    due_take(&e->due);
}

/* What is told is rounded up, so that a node is never stricter than the home. */
void expiry_tell(const struct expiry *e, struct wire_section *s, int64_t now_ns)
{
    int64_t now_ms = now_ns / MS, at_ms = e->at_ns / MS + (e->at_ns % MS != 0);

    if (e->at_ns == INT64_MAX)
        return;
    s->flags |= WIRE_TIMED;
    s->clock_ms = (uint64_t)now_ms;
    s->ttl_ms = at_ms > now_ms ? (uint64_t)(at_ms - now_ms) : 1;
}

void expiry_check(const struct run *r, const struct run_queue *q)
{
    const struct expiry *e = r->expiry;

    rn_assert(e->run == r);
    rn_assert(e->queue == (q->dues != NULL ? q : NULL));
    rn_assert(due_pending(&e->due) == (e->queue != NULL && e->at_ns != INT64_MAX));
}
