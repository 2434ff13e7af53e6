/* trace.c - trace contexts: which story an element, and a goroutine, is part of.   SPDX-License-Identifier: MIT
 *
 * The heirloom of a goroutine is the upper one; one that was received has the other under it.  Contexts are not changed while
 * another may have them, too: who started a goroutine and whom it started go on each with their own. */
#include "node/trace.h"

#include "node/handle.h"
#include "node/node.h"
#include "node/op.h"
#include "proto/limits.h"
#include "runtime/sched.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(RN_TRACE_MAX == WIRE_TRACEPARENT_MAX + 1, "as runnel.h has it");

static bool hex_at(const char *text, size_t n, bool may_be_zero)
{
    bool zero = true;
    for (size_t i = 0; i < n; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (!digit && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
        zero &= text[i] == '0';
    }
    return !zero || may_be_zero;
}

/*                   01 2                               33               5
 * Where they stand: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 */
bool trace_is_valid(const char *t)
{
    return strnlen(t, RN_TRACE_MAX) == RN_TRACE_MAX - 1 && memcmp(t, "00-", 3) == 0 &&
           hex_at(t + 3, 32, false) && t[35] == '-' && hex_at(t + 36, 16, false) && t[52] == '-' &&
           hex_at(t + 53, 2, true);
}

/* ---- whose ---- */

struct trace {
    struct rn__heirloom heirloom; /* first */
    uint64_t receiver;            /* the goroutine that received it, 0: a plain thread; if ... */
    bool received;                /* ... it was.  To those who inherit it, it is their own */
    char own[RN_TRACE_MAX];       /* received: what its receiver had of its own; "": none */
    char traceparent[RN_TRACE_MAX];
};

static struct trace *mine(void)
{
    return (struct trace *)rn__heirloom();
}

static void trace_free(struct rn__heirloom *h)
{
    free(h);
}

static uint64_t my_id(void)
{
    const struct rn__g *self = rn__self();
    return self != NULL ? self->id : 0;
}

const char *trace_here(void)
{
    const struct trace *t = mine();
    return t != NULL ? t->traceparent : "";
}

/* One that nobody else has, all empty: the caller's, or a new one.  NULL: no memory, and the caller has none now. */
static struct trace *trace_alone(void)
{
    struct trace *t = mine();
    /* Acquire: those who had it, too, are done with it. */
    if (t == NULL || atomic_load_explicit(&t->heirloom.refs, memory_order_acquire) > 1) {
        t = calloc(1, sizeof *t);
        if (t != NULL) {
            atomic_init(&t->heirloom.refs, 1);
            t->heirloom.release = trace_free;
        }
        if (rn__heirloom_take(t != NULL ? &t->heirloom : NULL) < 0)
            return NULL;
    }
    return t;
}

void trace_received(const char *traceparent)
{
    struct trace *t = mine();
    bool above = t != NULL && t->received && t->receiver == my_id();
    char own[RN_TRACE_MAX] = "";
    if (traceparent[0] == '\0' && !above)
        return;
    if (t != NULL)
        strcpy(own, above ? t->own : t->traceparent);
    t = trace_alone();
    if (t == NULL)
        return; /* better none than another's */
    t->received = traceparent[0] != '\0';
    t->receiver = my_id();
    strcpy(t->own, own);
    strcpy(t->traceparent, t->received ? traceparent : own);
}

/* ---- what programs ask ---- */

int rn_trace_set(const char *traceparent)
{
    if (traceparent == NULL || traceparent[0] == '\0')
        return rn__heirloom() != NULL ? rn__heirloom_take(NULL) : 0;
    if (!trace_is_valid(traceparent))
        return -EINVAL;
    struct trace *t = trace_alone();
    if (t == NULL)
        return -ENOMEM;
    t->received = false;
    strcpy(t->traceparent, traceparent);
    return 0;
}

int rn_trace_get(char traceparent[RN_TRACE_MAX])
{
    strcpy(traceparent, trace_here());
    return traceparent[0] != '\0' ? 0 : -ENOENT;
}

int rn_send_with_v(rn_chan *bound, const void *elem, const rn_send_opts *opts, size_t opts_size,
                   rn_time deadline)
{
    rn_send_opts o = { 0 };
    if (opts != NULL)
        memcpy(&o, opts, opts_size < sizeof o ? opts_size : sizeof o);
    if (bound == NULL || !rn__chan_is_bound(bound))
        return -EBADF;
    if (o.traceparent != NULL && o.traceparent[0] != '\0' && !trace_is_valid(o.traceparent))
        return -EINVAL;
    struct op_with with = { .traceparent = o.traceparent };
    int rc = manner_read(&with.times, &o);
    if (rc < 0)
        return rc;
    return rn__chan_send_with(bound, elem, &with, deadline);
}
