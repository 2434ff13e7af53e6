/* reply.c - reply channels: made under a name that nobody else has, and gone with the binding that made them.
 *   SPDX-License-Identifier: MIT */
#include "broker/core/reply.h"

#include "broker/core/channel.h"
#include "proto/limits.h"
#include "proto/name.h"
#include "runtime/assert.h"

const char *reply_fault(const struct wire_control *c, const struct channel *ch)
{
    if (!c->bind_.reply)
        return NULL;
    if (!name_is_reply(c->bind_.name))
        return "only a channel whose name begins with reply: is made for replies";
    if (c->bind_.autoclose)
        return "a reply channel ends with its maker, and not by autoclose";
    return ch != NULL ? "it exists already, and a reply channel's name is new" : NULL;
}

bool reply_is_gone(const struct channel *ch)
{
    return ch == NULL || (ch->orphan && ch->code == WIRE_CANCELLED);
}

void reply_made(struct binding *b)
{
    b->maker = true;
    b->channel->is_reply = true;
}

void reply_orphaned(struct channel *ch, enum wire_direction direction, enum parting how)
{
    bool ended = ch->closed && ch->code == WIRE_CLOSED;

    ch->orphan = true;
    if (direction == WIRE_OUT && ended && how == PARTING_IN_ORDER)
        return;
    channel_cancel(ch, WIRE_REASON_GONE);
}

void reply_abandon(struct channel *ch)
{
    if (ch->orphan && ch->in.n_bindings == 0)
        channel_cancel(ch, WIRE_REASON_GONE);
}

static uint32_t makers(const struct side *side)
{
    uint32_t n = 0;

    list_each(&side->bindings, at) n += list_entry(at, struct binding, of_side)->maker;
    return n;
}

void reply_check(const struct channel *ch)
{
    uint32_t n = makers(&ch->in) + makers(&ch->out);

    rn_assert(n == (ch->is_reply && !ch->orphan));
    rn_assert(!ch->orphan || (ch->is_reply && ch->closed));
    rn_assert(!ch->is_reply || ch->dying.count == 0);
}
