/* purge.c - see purge.h.   SPDX-License-Identifier: MIT */
#include "broker/core/purge.h"

#include "broker/core/credit.h"
#include "broker/core/match.h"
#include "broker/core/meet.h"
#include "broker/core/nap.h"
#include "broker/core/page.h"
#include "broker/core/tap.h"
#include "proto/limits.h"
#include "runtime/reach.h"

#include <stdio.h>

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

static void say_dropped(struct core_session *s, uint32_t id, const struct channel *ch,
                        struct dropped d)
{
    page_say(NULL, s, id,
             (struct wire_control){ .answer = { .incarnation = ch->incarnation,
                                                .dropped = d.elements,
                                                .dropped_bytes = d.bytes } });
}

void purge_answer(struct core_session *s, const struct wire_control *c)
{
    struct channel *ch = page_channel(s, c);

    if (ch == NULL)
        return;
    say_dropped(s, c->bind, ch, drop_buffered(ch));
    channel_after(ch); /* it may have been the last that a closed one held */
}

/* ---- a channel is removed ------------------------------------------------------------------------------------------- */

/* The last that its node hears of b. */
static void say_removed(struct binding *b)
{
    char sentence[WIRE_TEXT_MAX];
    struct wire_control c = { .what = WIRE_FAILED_,
                              .refused = { .code = WIRE_REMOVED, .sentence = sentence } };

    snprintf(sentence, sizeof sentence, "channel \"%s\": it was removed, with what was in it",
             b->channel->name);
    binding_speak(b); /* what was accepted of it */
    b->ended = true;
    b->session->bereft = true;
    binding_control(b, &c);
}

/* b goes, with what it has. */
static void drop_binding(struct dropped *d, struct binding *b)
{
    meet_leave(b);
    if (b->direction == WIRE_OUT) {
        credit_leave(b);
    } else {
        if (channel_fans(b->channel))
            d->elements += fan_leave(b);
        d->elements += match_drop(b);
    }
    autoclose_leave(b, PARTING_ABANDONED);
    binding_free(b);
}

static void each_binding(struct channel *ch, void (*fn)(struct binding *b))
{
    list_each(&ch->out.bindings, at) fn(list_entry(at, struct binding, of_side));
    list_each(&ch->in.bindings, at) fn(list_entry(at, struct binding, of_side));
}

static struct dropped drop_all(struct channel *ch)
{
    struct dropped d = { 0 }, rest;
    struct binding *b;

    each_binding(ch, say_removed); /* all of them first: nothing else is said to any */
    while ((b = list_first(&ch->out.bindings, struct binding, of_side)) != NULL)
        drop_binding(&d, b);
    d.bytes = channel_used_bytes(ch) + ch->line.back_bytes;
    while ((b = list_first(&ch->in.bindings, struct binding, of_side)) != NULL)
        drop_binding(&d, b);
    ch->ledger.dropped_purged += d.elements;
    rest = drop_buffered(ch);
    d.elements += rest.elements;
    return d;
}

void remove_answer(struct core_session *s, const struct wire_control *c)
{
    struct channel *ch = page_channel(s, c);
    char phrase[200];

    if (ch == NULL)
        return;
    if (!c->peek.force && ch->out.n_bindings + ch->in.n_bindings > 0) {
        snprintf(phrase, sizeof phrase, "it is in use, by %u sender%s and %u receiver%s",
                 (unsigned)ch->out.n_bindings, ch->out.n_bindings == 1 ? "" : "s",
                 (unsigned)ch->in.n_bindings, ch->in.n_bindings == 1 ? "" : "s");
        page_refuse(s, c->bind, WIRE_BUSY, ch->name, phrase);
        return;
    }
    say_dropped(s, c->bind, ch, drop_all(ch));
    tap_end_all(ch, WIRE_REMOVED);
    channel_forget(ch);
}
