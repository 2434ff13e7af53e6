/* purge.c - see purge.h.   SPDX-License-Identifier: MIT */
#include "broker/core/purge.h"

#include "broker/core/nap.h"
#include "broker/core/page.h"
#include "runtime/reach.h"

/* So much was dropped. */
struct dropped {
    uint64_t elements, bytes;
};

static void drop_queue(struct dropped *d, struct run_queue *q)
{
    d->elements += q->count;
    run_queue_free(q);
}

/* What a receiver is just being given at a rendezvous is with nobody yet, and stays: it has been promised.  Of a fanout each
 * window loses what it was not handed yet. */
static struct dropped drop_buffered(struct channel *ch)
{
    struct dropped d = { .elements = ch->delayed };
    uint64_t bytes = channel_used_bytes(ch);

    rn_reached_if(ch->delayed > 0, "purge: what is delayed is dropped");
    if (channel_fans(ch)) {
        d.elements = fan_purge(ch);
    } else {
        (void)nap_drop_all(ch);
        drop_queue(&d, &ch->queue);
    }
    drop_queue(&d, &ch->dying);
    d.bytes = bytes - channel_used_bytes(ch);
    ch->ledger.dropped_purged += d.elements;
    return d;
}

void purge_answer(struct core *core, struct core_session *s, const struct wire_control *c)
{
    struct channel *ch = channel_find(core, c->peek.name);
    struct wire_control answer = { .what = WIRE_ANSWER };

    if (ch == NULL) {
        page_refuse(s, c->bind, WIRE_NOT_FOUND, c->peek.name, "this broker has no such channel");
        return;
    }
    struct dropped d = drop_buffered(ch);
    answer.answer.incarnation = ch->incarnation;
    answer.answer.dropped = d.elements;
    answer.answer.dropped_bytes = d.bytes;
    page_say(NULL, s, c->bind, answer);
    channel_after(ch); /* it may have been the last that a closed one held */
}
