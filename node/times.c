/* times.c - see times.h.   SPDX-License-Identifier: MIT */
#include "node/times.h"

#include <time.h>

/* Rounded up. */
static uint64_t to_ms(int64_t ns)
{
    return (uint64_t)ns / RN_MS + ((uint64_t)ns % RN_MS != 0);
}

/* By the clock of this machine, as it is now; whatever is set later, the delay stays what it is. */
static int64_t until(int64_t at_ns)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t now_ns = (int64_t)t.tv_sec * RN_SEC + t.tv_nsec;
    return at_ns > now_ns ? at_ns - now_ns : 0;
}

int times_read(const rn_send_opts *o, struct manner *m)
{
    if (o->ttl_ns < 0 || o->delay_ns < 0 || o->at < 0 || (o->delay_ns > 0 && o->at > 0))
        return -EINVAL;
    m->ttl_ms = o->ttl_ns == RN_FOREVER ? 0 : to_ms(o->ttl_ns);
    m->delay_ms = to_ms(o->at > 0 ? until(o->at) : o->delay_ns);
    if (m->ttl_ms > 0 || m->delay_ms > 0)
        m->flags |= WIRE_TIMED;
    return 0;
}
