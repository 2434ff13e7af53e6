/* bind.c - Bind: may it be, and what does it fix?   SPDX-License-Identifier: MIT
 *
 * A bind fixes all that it states or, failing, nothing: so everything is checked, and all memory taken, before anything
 * is changed. */
#include "broker/core/bind.h"

#include "broker/core/attributes.h"
#include "broker/core/dead.h"
#include "broker/core/match.h"
#include "broker/core/reply.h"
#include "proto/name.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct refusal {
    enum wire_code code; /* OK: none */
    char sentence[WIRE_TEXT_MAX];
};

static void refuse(struct refusal *r, enum wire_code code, const char *name, const char *phrase)
{
    r->code = code;
    snprintf(r->sentence, sizeof r->sentence, "channel '%.*s': %s", WIRE_NAME_MAX, name, phrase);
}

/* A name that is refused may be anything: it is repeated only when that cannot hurt. */
static void refuse_name(struct refusal *r, const char *name, const char *fault)
{
    r->code = WIRE_BAD_NAME;
    snprintf(r->sentence, sizeof r->sentence, "the channel's name '%s' %s",
             strnlen(name, WIRE_NAME_MAX + 1) > WIRE_NAME_MAX ? "..." : name, fault);
}

/* A phrase, or NULL: whoever acknowledges by hand has stated that the channel is no rendezvous, and drops nothing. */
static const char *hand_differs(const struct channel *ch, const struct wire_control *c)
{
    if (c->bind_.manual_ack && channel_meets(ch))
        return "capacity is rendezvous, not at least 1, as acknowledging by hand needs it";
    if (ch->at_least_one && c->bind_.attributes.capacity == WIRE_RENDEZVOUS)
        return "capacity is at least 1, for a receiver that acknowledges by hand, not rendezvous";
    if (c->bind_.manual_ack && fan_is_hasty(ch))
        return "slow is drop-oldest or cut, not block, as acknowledging by hand needs it";
    if (ch->at_least_one && c->bind_.attributes.slow > WIRE_SLOW_BLOCK)
        return "slow is block, for a receiver that acknowledges by hand, not drop-oldest or cut";
    return NULL;
}

static void examine(struct refusal *r, const struct wire_control *c, const struct channel *ch)
{
    const char *name = c->bind_.name, *fault;
    struct wire_attributes fixed = { .type = "" }, stated = c->bind_.attributes;
    bool in = c->bind_.direction == WIRE_IN;
    char text[WIRE_TEXT_MAX - WIRE_NAME_MAX - sizeof "channel: '' "];

    if (ch != NULL)
        fixed = ch->attributes;
    else if (name_is_dead(name))
        fixed = dead_attributes();
    else if (c->bind_.reply)
        attributes_fix_rest(&fixed);
    r->code = WIRE_OK;
    attributes_imply(&stated);
    if ((fault = in ? name_fault_in(name) : name_fault(name)) != NULL)
        refuse_name(r, name, fault);
    else if ((fault = attributes_fault(&stated)) != NULL)
        refuse(r, WIRE_BAD_ATTRIBUTE, name, fault);
    else if (c->bind_.direction == WIRE_OUT && c->bind_.senders_min > 0 && !c->bind_.autoclose)
        refuse(r, WIRE_BAD_ATTRIBUTE, name, "senders_min is stated without autoclose");
    else if (c->bind_.manual_ack && c->bind_.attributes.capacity == WIRE_RENDEZVOUS)
        refuse(r, WIRE_BAD_ATTRIBUTE, name, "a rendezvous cannot be acknowledged by hand");
    else if ((fault = reply_fault(c, ch)) != NULL)
        refuse(r, WIRE_BAD_ATTRIBUTE, name, fault);
    else if (name_is_reply(name) && !c->bind_.reply && reply_is_gone(ch))
        refuse(r, WIRE_NOT_FOUND, name, "who made it has gone, or it never was");
    else if (c->bind_.manual_ack && c->bind_.attributes.slow > WIRE_SLOW_BLOCK)
        refuse(r, WIRE_BAD_ATTRIBUTE, name,
               "what drops or cuts keeps nothing until it is acknowledged by hand");
    else if (ch == NULL && c->bind_.must_exist)
        refuse(r, WIRE_NOT_FOUND, name, "it does not exist, and was to be bound only if it does");
    else if (attributes_differ(&fixed, &stated, text, sizeof text))
        refuse(r, WIRE_MISMATCH, name, text);
    else if (ch != NULL && (fault = hand_differs(ch, c)) != NULL)
        refuse(r, WIRE_MISMATCH, name, fault);
    else if ((fault = attributes_unsupported(&stated)) != NULL)
        refuse(r, WIRE_UNSUPPORTED, name, fault);
}

static void say_refused(struct core_session *s, uint32_t bind, const struct refusal *r)
{
    struct wire_control c = {
        .what = WIRE_REFUSED,
        .bind = bind,
        .refused = { .code = r->code, .sentence = r->sentence },
    };

    (void)s->core->opts.out.control(s->owner, &c);
}

static void say_bound(struct binding *b)
{
    const struct channel *ch = b->channel;
    struct wire_control c = {
        .what = WIRE_BOUND,
        .bound = { .incarnation = ch->incarnation,
                   .epoch = ch->epoch,
                   .attributes = ch->attributes },
    };

    binding_control(b, &c);
}

/* All is fixed now: whoever was bound before learns it.  They all receive, for a sender would have fixed all. */
static void say_opened(struct channel *ch, const struct binding *except)
{
    rn_assert(ch->out.n_bindings == (except->direction == WIRE_OUT));
    list_each(&ch->in.bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        struct wire_control c = { .what = WIRE_OPENED, .bound = { .attributes = ch->attributes } };
        if (b == except)
            continue;
        rn_reached("bind: a receiver was there before the attributes");
        binding_control(b, &c);
        match_place(b);
    }
}

/* It is a fanout from now on: whoever receives has a window. */
static void open_windows(struct channel *ch)
{
    rn_assert(ch->next_position == 1);
    list_each(&ch->in.bindings, at) fan_join(list_entry(at, struct binding, of_side));
}

static void fix(struct channel *ch, struct binding *b, const struct wire_attributes *stated,
                char *type)
{
    bool fans = channel_fans(ch);

    attributes_fix(&ch->attributes, stated);
    if (type != NULL)
        ch->attributes.type = type;
    if (b->direction == WIRE_OUT || ch->is_reply)
        attributes_fix_rest(&ch->attributes);
    if (!fans && channel_fans(ch))
        open_windows(ch);
    else if (fans && b->direction == WIRE_IN)
        fan_join(b);
}

/* Makes channel (if there is none) and binding.  NULL: no memory, and nothing has changed. */
static struct binding *establish(struct core_session *s, struct channel *ch,
                                 const struct wire_control *c)
{
    struct wire_attributes implied = c->bind_.attributes;
    const struct wire_attributes *stated = &implied;
    bool made = ch == NULL, states_type = stated->type[0] != '\0' &&
                                          !name_is_dead(c->bind_.name) && /* that stays raw */
                                          (made || ch->attributes.type[0] == '\0');
    struct binding *b;
    char *type = NULL;

    attributes_imply(&implied);
    if (states_type && (type = strdup(stated->type)) == NULL)
        return NULL;
    if (made && (ch = channel_new(s->core, c->bind_.name)) == NULL)
        goto free_type;
    b = binding_new(s, ch, c->bind, c->bind_.direction);
    if (b == NULL)
        goto free_channel;
    b->prefetch = c->bind_.prefetch;
    b->by_hand = c->bind_.manual_ack && b->direction == WIRE_IN;
    ch->at_least_one |= b->by_hand;
    if (c->bind_.autoclose && b->direction == WIRE_OUT)
        autoclose_join(b, c->bind_.senders_min);
    if (c->bind_.reply)
        reply_made(b);
    fix(ch, b, stated, type);
    return b;

free_channel:
    if (made)
        channel_free(ch);
free_type:
    free(type);
    return NULL;
}

int bind_answer(struct core_session *s, const struct wire_control *c, const char **why)
{
    struct channel *ch;
    struct refusal refusal;
    struct binding *b = NULL;
    bool found;

    if (c->bind <= s->last_bind) {
        *why = "a bind with a number that was used before (numbers only grow)";
        return -EPROTO;
    }
    if ((unsigned)c->bind_.direction > WIRE_OUT) {
        *why = "a bind in a direction that does not exist";
        return -EPROTO;
    }
    s->last_bind = c->bind;
    found = channel_find(s->core, c->bind_.name, &ch);
    examine(&refusal, c, ch);
    if (!found || (refusal.code == WIRE_OK && (b = establish(s, ch, c)) == NULL))
        refuse(&refusal, WIRE_NO_MEMORY, c->bind_.name,
               "the broker has no memory for another binding");
    if (refusal.code != WIRE_OK) {
        say_refused(s, c->bind, &refusal);
        return 0;
    }

    ch = b->channel;
    say_bound(b);
    if (!ch->complete && attributes_complete(&ch->attributes)) {
        ch->complete = true;
        say_opened(ch, b);
    }
    rn_reached_if(ch->closed && b->direction == WIRE_IN, "bind: a receiver comes after the close");
    if (ch->closed && (b->direction == WIRE_OUT || ch->code == WIRE_CANCELLED)) {
        rn_reached_if(b->direction == WIRE_OUT, "bind: a sender comes after the close");
        binding_closed(b, ch->code, ch->reason);
    }
    if (b->direction == WIRE_IN)
        match_place(b);
    channel_after(ch);
    return 0;
}
