/* manner.c - see manner.h.   SPDX-License-Identifier: MIT */
#include "node/manner.h"

#include <errno.h>
#include <time.h>

/* Rounded up. */
static uint64_t to_ms(int64_t ns)
{
    return (uint64_t)ns / RN_MS + ((uint64_t)ns % RN_MS != 0);
}

/* How long until then, by the clock of this machine as it is now; whatever is set later, that is what the home waits. */
static int64_t until(int64_t at_ns)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t now_ns = (int64_t)t.tv_sec * RN_SEC + t.tv_nsec;
    return at_ns > now_ns ? at_ns - now_ns : 0;
}

int manner_read(struct manner *m, const rn_send_opts *o)
{
    if (o->ttl_ns < 0 || o->delay_ns < 0 || o->at < 0 || (o->delay_ns > 0 && o->at > 0))
        return -EINVAL;
    m->ttl_ms = o->ttl_ns == RN_FOREVER ? 0 : to_ms(o->ttl_ns);
    m->delay_ms = to_ms(o->delay_ns);
    m->at_ns = o->at;
    if (m->ttl_ms > 0 || m->delay_ms > 0 || m->at_ns > 0)
        m->flags |= WIRE_TIMED;
    return 0;
}

void manner_put(struct wire_section *s, const struct manner *m)
{
    s->flags |= m->flags;
    if (!(m->flags & WIRE_TIMED))
        return;
    s->ttl_ms = m->ttl_ms;
    s->delay_ms = m->at_ns > 0 ? to_ms(until(m->at_ns)) : m->delay_ms;
    s->position = (uint64_t)m->at_ns;
}
