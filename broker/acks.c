/* acks.c - see acks.h.   SPDX-License-Identifier: MIT */
#include "broker/acks.h"

#include "broker/session.h"
#include "proto/limits.h"

#include <utlist.h>

void acks_wait(struct acks *a, struct broker_session *s, int64_t now_ns)
{
    int64_t part_ns = s->lease_ns / WIRE_ACK_PART;

    if (s->ack_due_ns != 0)
        return;
    s->ack_due_ns = (now_ns / part_ns + 1) * part_ns;
    DL_APPEND2(a->waiting, s, ack_prev, ack_next);
    if (s->ack_due_ns < a->due_ns)
        a->due_ns = s->ack_due_ns;
}

void acks_leave(struct broker_session *s)
{
    s->ack_due = false;
    if (s->ack_due_ns == 0)
        return;
    s->ack_due_ns = 0;
    DL_DELETE2(s->acks->waiting, s, ack_prev, ack_next);
}

void acks_step(struct acks *a, int64_t now_ns)
{
    struct broker_session *s, *following;

    if (now_ns < a->due_ns)
        return;
    a->due_ns = INT64_MAX;
    DL_FOREACH_SAFE2(a->waiting, s, following, ack_next) {
        if (s->ack_due_ns > now_ns) {
            if (s->ack_due_ns < a->due_ns)
                a->due_ns = s->ack_due_ns;
            continue;
        }
        acks_leave(s);
        s->ack_due = true;
        broker_session_touch(s);
    }
}
