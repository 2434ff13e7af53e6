/* binding.c - bindings: making and ending them, and what is said about them.   SPDX-License-Identifier: MIT */
#include "broker/core/binding.h"

#include "broker/core/fold.h"
#include "broker/core/match.h"
#include "broker/core/meet.h"
#include "broker/core/state.h"
#include "runtime/assert.h"

#include <stdlib.h>
#include <string.h>

static void init_hooks(struct binding *b)
{
    struct hook *const hooks[] = {
        &b->of_side, &b->speaking, &b->asking, &b->weak_due, &b->holding,
        &b->active,  &b->hungry,   &b->ready,  &b->turn,
    };

    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
        hook_init(hooks[i]);
}

void binding_init(struct binding *b, struct core_session *s, struct channel *ch, uint32_t number,
                  enum wire_direction direction)
{
    memset(b, 0, sizeof *b);
    b->session = s;
    b->channel = ch;
    b->number = number;
    b->direction = direction;
    b->next_number = 1;
    init_hooks(b);
    window_init(&b->window);
    meet_join(b);
    run_queue_init_timed(&b->outbox, &s->core->dues, match_expired);
    run_queue_init(&b->delivered);
    run_queue_init(&b->hand);
    side_join(direction == WIRE_OUT ? &ch->out : &ch->in, b);
}

struct binding *binding_new(struct core_session *s, struct channel *ch, uint32_t number,
                            enum wire_direction direction)
{
    struct binding *b = malloc(sizeof *b);

    if (b == NULL)
        return NULL;
    if (!keyed_add(&s->bindings, number, b)) {
        free(b);
        return NULL;
    }
    binding_init(b, s, ch, number, direction);
    return b;
}

void binding_free(struct binding *b)
{
    rn_assert(b->outbox.count == 0);
    rn_assert(b->delivered.count == 0);
    rn_assert(b->hand.count == 0);
    rn_assert(b->leaving == NULL);
    assembly_drop(&b->coming);
    rn_assert(b->offers == NULL);
    rn_assert(b->claims == NULL);
    rn_assert(!due_pending(&b->silence));
    rn_assert(!hook_linked(&b->place.hook));
    rn_assert(!hook_linked(&b->mute));
    rn_assert(!b->window.open);
    side_leave(b);
    if (hook_linked(&b->active))
        b->channel->n_active--;
    if (hook_linked(&b->ready))
        b->channel->n_ready--;
    hook_take(&b->speaking);
    hook_take(&b->weak_due);
    hook_take(&b->active);
    hook_take(&b->hungry);
    hook_take(&b->ready);
    hook_take(&b->turn);
    keyed_take(&b->session->bindings, b->number, b);
    free(b);
}

bool binding_find(struct core_session *s, uint32_t number, struct binding **b)
{
    void *thing = keyed_find(&s->bindings, number);
    struct fold *f = fold_of(thing);

    *b = thing;
    if (f == NULL)
        return true;
    *b = NULL;
    if (fold_open(s->core, f, FOLD_TO_USE) == NULL)
        return false;
    *b = keyed_find(&s->bindings, number);
    return true;
}

/* A failure is the driver's business: it ends the session, which then takes the binding with it. */
void binding_control(struct binding *b, struct wire_control *c)
{
    struct core_session *s = b->session;

    c->bind = b->number;
    (void)s->core->opts.out.control(s->owner, c);
}

void binding_closed(struct binding *b, enum wire_code code, int32_t reason)
{
    struct wire_control c = { .what = WIRE_CLOSED_, .recall = { .code = code, .reason = reason } };

    b->ended = true;
    side_unask(b);
    side_place(b);
    binding_control(b, &c);
}

void binding_recall(struct binding *b, uint32_t elements)
{
    struct wire_control c = { .what = WIRE_RECALL, .recall = { .elements = elements } };

    binding_control(b, &c);
}

void binding_deliver(struct binding *b, struct run *r)
{
    struct core_session *s = b->session;

    if (list_empty(&s->turn) && !hook_linked(&s->eager))
        hook_put(&s->core->eager, &s->eager);
    if (!hook_linked(&b->turn))
        hook_put(&s->turn, &b->turn);
    run_queue_push(&b->outbox, r);
}

void binding_will_speak(struct binding *b)
{
    if (!hook_linked(&b->speaking))
        hook_put(&b->session->core->speakers, &b->speaking);
}

/* Of a fanout: what it has lost here. */
static void say_lost(struct binding *b)
{
    struct wire_control c = {
        .what = WIRE_LOST_,
        .lost = { .number = b->window.missed, .code = b->window.cut ? WIRE_SLOW : WIRE_OK },
    };

    b->window.missed_said = b->window.missed;
    b->window.cut_said = b->window.cut;
    binding_control(b, &c);
}

static void speak_of_fanout(struct binding *b)
{
    if (b->direction == WIRE_OUT && b->channel->fan.come.count == 0)
        b->accepted = b->next_number - 1; /* all that has come was accepted by the flush */
    if (b->window.missed_said != b->window.missed || b->window.cut_said != b->window.cut)
        say_lost(b);
}

void binding_speak(struct binding *b)
{
    hook_take(&b->speaking);
    if (channel_fans(b->channel))
        speak_of_fanout(b);
    if (b->grant > 0 || b->grant_bytes > 0) {
        struct wire_control c = {
            .what = WIRE_CREDIT,
            .credit = { .elements = b->grant, .bytes = b->grant_bytes, .but = b->grant_but }
        };
        b->grant = 0;
        b->grant_but = 0;
        b->grant_bytes = 0;
        binding_control(b, &c);
    }
    if (b->accepted_said < b->accepted) {
        struct wire_control c = { .what = WIRE_ACCEPTED, .number = b->accepted };
        b->accepted_said = b->accepted;
        binding_control(b, &c);
    }
}
