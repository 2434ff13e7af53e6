/* autoclose.c - see autoclose.h.   SPDX-License-Identifier: MIT */
#include "broker/core/autoclose.h"

#include "broker/core/channel.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

/* A minimum of one adds nothing to the last one's having gone; else a channel whose only sender has died would never
 * tell its receivers. */
static bool enough(const struct autoclose *a)
{
    return a->least <= 1 || a->parted >= a->least;
}

void autoclose_join(struct binding *b, uint32_t senders_min)
{
    b->autoclose = true;
    b->senders_min = senders_min;
    b->channel->autoclose.present++;
}

void autoclose_leave(struct binding *b, enum parting how)
{
    struct autoclose *a = &b->channel->autoclose;

    if (!b->autoclose)
        return;
    b->autoclose = false;
    a->present--;
    /* The bind may have held and been used in the moment in which it was given up. */
    if (how == PARTING_ABANDONED && b->next_number == 1) {
        rn_reached("autoclose: a bind that was abandoned does not count");
        return;
    }
    if (b->senders_min > a->least)
        a->least = b->senders_min;
    a->died |= how == PARTING_DEATH;
    a->parted += how != PARTING_DEATH;
    rn_reached_if(a->present == 0 && !enough(a), "autoclose: all have gone, and more are to come");
}

bool autoclose_due(const struct channel *ch)
{
    const struct autoclose *a = &ch->autoclose;

    return a->present == 0 && (a->parted > 0 || a->died) && enough(a);
}

void autoclose_close(struct channel *ch)
{
    rn_reached_if(ch->out.n_bindings > 0, "autoclose: closes on senders that did not ask for it");
    rn_reached_if(channel_buffered(ch) > 0, "autoclose: closes with elements buffered");
    if (ch->autoclose.died) {
        rn_reached("autoclose: failed, because a sender died");
        rn_reached_if(ch->autoclose.parted > 0, "autoclose: failed, and others went in order");
        channel_close(ch, WIRE_FAILED, WIRE_REASON_SESSION);
    } else {
        rn_reached("autoclose: closed");
        channel_close(ch, WIRE_CLOSED, 0);
    }
}

void autoclose_check(const struct channel *ch)
{
    uint32_t present = 0;

    list_each(&ch->out.bindings, at) present += list_entry(at, struct binding, of_side)->autoclose;
    list_each(&ch->in.bindings, at) rn_assert(!list_entry(at, struct binding, of_side)->autoclose);
    rn_assert(present == ch->autoclose.present);
}
