/* offer.c - the line of senders, and offers: found by their number, or by the claim on them.   SPDX-License-Identifier: MIT */
#include "broker/core/offer.h"

#include "broker/core/binding.h"
#include "runtime/assert.h"

#include <stdlib.h>

void place_init(struct place *p, bool is_offer)
{
    *p = (struct place){ .is_offer = is_offer };
    hook_init(&p->hook);
}

void line_init(struct line *l)
{
    *l = (struct line){ 0 };
    hook_init(&l->places);
    hook_init(&l->hasty);
}

int64_t line_stamp(struct line *l)
{
    return ++l->last_stamp;
}

/* Who comes anew belongs at the end.  Who comes back was the first in line once, so not many are before him. */
void line_join(struct line *l, struct place *p)
{
    struct hook *at = &l->places;

    rn_assert(!hook_linked(&p->hook));
    if (!list_empty(&l->places) && list_entry(l->places.prev, struct place, hook)->stamp > p->stamp)
        for (at = l->places.next; list_entry(at, struct place, hook)->stamp <= p->stamp;)
            at = at->next;
    hook_put(at, &p->hook);
}

struct offer *offer_new(struct run *r)
{
    struct offer *o = calloc(1, sizeof *o);

    if (o == NULL)
        return NULL;
    o->run = r;
    place_init(&o->place, true);
    hook_init(&o->hasty);
    return o;
}

void offer_free(struct offer *o)
{
    rn_assert(o->sender == NULL);
    rn_assert(o->receiver == NULL);
    rn_assert(!hook_linked(&o->place.hook));
    rn_assert(!due_pending(&o->deadline));
    run_free(o->run);
    free(o);
}

bool offer_join(struct line *l, struct offer *o, struct binding *sender)
{
    HASH_ADD(hh, sender->offers, number, sizeof o->number, o);
    if (o->unhashed)
        return false;
    o->sender = sender;
    l->n_offers++;
    l->bytes += o->run->s.bytes;
    l->n_parked += o->patient;
    l->parked_bytes += o->patient ? o->run->s.bytes : 0;
    return true;
}

void offer_leave(struct line *l, struct offer *o)
{
    line_leave(&o->place);
    hook_take(&o->hasty);
    due_take(&o->deadline);
    HASH_DEL(o->sender->offers, o);
    o->sender = NULL;
    l->n_offers--;
    l->bytes -= o->run->s.bytes;
    l->n_parked -= o->patient;
    l->parked_bytes -= o->patient ? o->run->s.bytes : 0;
}

struct offer *offer_find(const struct binding *sender, uint64_t number)
{
    struct offer *o;

    HASH_FIND(hh, sender->offers, &number, sizeof number, o);
    return o;
}

bool offer_claim(struct offer *o, struct binding *receiver, uint64_t claim)
{
    o->claim = claim;
    HASH_ADD(hh_claim, receiver->claims, claim, sizeof o->claim, o);
    if (o->unhashed) {
        o->unhashed = false;
        return false;
    }
    line_leave(&o->place);
    hook_take(&o->hasty);
    o->receiver = receiver;
    return true;
}

void offer_unclaim(struct offer *o)
{
    due_take(&o->silence);
    HASH_DELETE(hh_claim, o->receiver->claims, o);
    o->receiver = NULL;
}

struct offer *offer_find_claim(const struct binding *receiver, uint64_t claim)
{
    struct offer *o;

    HASH_FIND(hh_claim, receiver->claims, &claim, sizeof claim, o);
    return o;
}
