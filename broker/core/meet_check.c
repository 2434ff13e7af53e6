/* meet_check.c - what must hold of a rendezvous; see meet.h, call.c and claim.c.   SPDX-License-Identifier: MIT */
#include "broker/core/call.h"
#include "broker/core/meet.h"
#include "runtime/assert.h"

static void check_count(const struct binding *b)
{
    rn_assert(b->lacking == 0 || b->waiting == 0);
}

static void check_offer(const struct binding *b, const struct offer *o)
{
    rn_assert(o->sender == b);
    rn_assert(o->operation.number != 0);
    rn_assert(o->number < b->next_number);
    rn_assert(o->run->s.count == 1);
    rn_assert((o->receiver != NULL) != hook_linked(&o->place.hook));
    rn_assert(hook_linked(&o->hasty) == (o->receiver == NULL && !o->patient));
    rn_assert(o->receiver != NULL || !o->withdrawn);
    rn_assert(o->receiver != NULL || !b->channel->closed);
    rn_assert(o->receiver == NULL || offer_find_claim(o->receiver, o->claim) == o);
}

static void check_sender(const struct binding *b, struct line *sum)
{
    bool asks = b->waiting > 0 && !b->channel->closed && !call_is_mute(b);

    for (const struct offer *o = b->offers; o != NULL; o = o->hh.next) {
        check_offer(b, o);
        sum->n_offers++;
        sum->bytes += o->run->s.bytes;
        sum->n_parked += o->patient;
        sum->parked_bytes += o->patient ? o->run->s.bytes : 0;
    }
    check_count(b);
    rn_assert(hook_linked(&b->place.hook) == asks);
    rn_assert(call_is_mute(b) || due_pending(&b->silence) == (b->held > 0));
    rn_assert(b->grant <= b->held);
    sum->calls += call_is_mute(b) ? 0 : b->held;
}

static void check_claims(const struct binding *b, struct line *sum)
{
    for (const struct offer *o = b->claims; o != NULL; o = o->hh_claim.next) {
        rn_assert(o->receiver == b);
        rn_assert(o->claim <= b->last_claim);
        rn_assert(due_pending(&o->silence));
        if (o->sender != NULL)
            continue;
        sum->n_back++;
        sum->back_bytes += o->run->s.bytes;
    }
    rn_assert(hook_linked(&b->asking) == (b->waiting > 0 && !b->ended && !call_is_mute(b)));
    rn_assert(!b->ended || b->claims == NULL);
    check_count(b);
}

static void check_given(const struct binding *b)
{
    const struct run_queue *const queues[] = { &b->delivered, &b->outbox };
    uint64_t number = 0;

    for (size_t i = 0; i < 2; i++) {
        list_each(&queues[i]->head, at)
        {
            const struct run *r = list_entry(at, struct run, hook);
            rn_assert(r->s.count == 1);
            rn_assert((r->s.flags & ~WIRE_MANNER) == WIRE_OFFER);
            rn_assert(r->s.number > number);
            number = r->s.number;
        }
    }
    rn_assert(number <= b->last_commit);
}

static void check_line(const struct line *line)
{
    int64_t stamp = 0;

    list_each(&line->places, at)
    {
        const struct place *p = list_entry(at, struct place, hook);
        rn_assert(p->stamp >= stamp);
        stamp = p->stamp;
    }
    rn_assert(stamp <= line->last_stamp);
}

void meet_check(const struct channel *ch)
{
    const struct line *line = &ch->line;
    struct line sum = { 0 };

    list_each(&ch->out.bindings, at) check_sender(list_entry(at, struct binding, of_side), &sum);
    list_each(&ch->in.bindings, at)
    {
        const struct binding *b = list_entry(at, struct binding, of_side);
        check_claims(b, &sum);
        check_given(b);
    }
    check_line(line);
    rn_assert(sum.calls == line->calls);
    rn_assert(sum.n_offers == line->n_offers);
    rn_assert(sum.bytes == line->bytes);
    rn_assert(sum.n_parked == line->n_parked);
    rn_assert(sum.parked_bytes == line->parked_bytes);
    rn_assert(sum.n_back == line->n_back);
    rn_assert(sum.back_bytes == line->back_bytes);
    rn_assert(line->parked_bytes <= ch->attributes.capacity_bytes);
}
