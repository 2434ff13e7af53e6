/* meet.c - a rendezvous: what its senders say, who meets whom, and how it ends.   SPDX-License-Identifier: MIT
 *
 * Read offer.h first; then call.c has the senders that wait, claim.c what becomes of offers and of the claims on them. */
#include "broker/core/meet.h"

#include "broker/core/call.h"
#include "broker/core/claim.h"
#include "broker/core/pieces.h"
#include "broker/core/state.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>
#include <string.h>

#define MS_NS INT64_C(1000000)

static int broken(const char **why, const char *rule)
{
    *why = rule;
    return -EPROTO;
}

/* ---- what nodes say ----------------------------------------------------------------------------------------------- */

int meet_ask(struct binding *b, const struct wire_control *c, const char **why)
{
    struct channel *ch = b->channel;
    int64_t unseen, waiting;

    if (b->ended || (b->direction == WIRE_OUT && ch->closed))
        return 0; /* what says so crossed on the way */
    if (__builtin_sub_overflow(b->adjusted, c->ask.adjusted, &unseen) || unseen > UINT32_MAX ||
        unseen < -(int64_t)UINT32_MAX)
        return broken(why, "an ask that has seen changes which were not made");
    waiting = c->ask.weak ? 0 : c->ask.waiting + unseen;
    if (unseen != 0)
        b->sole = 0; /* it was before that */
    b->lacking = waiting < 0 ? (uint64_t)-waiting : 0;
    side_wait(b, waiting < 0 ? 0 : waiting < UINT32_MAX ? (uint32_t)waiting : UINT32_MAX);
    if (b->direction == WIRE_IN) {
        meet_place(b);
        return 0;
    }
    if (b->waiting == 0)
        line_leave(&b->place);
    else
        call_line_up(b, line_stamp(&ch->line));
    return 0;
}

int meet_returned(struct binding *b, const struct wire_control *c, const char **why)
{
    if (b->direction == WIRE_IN)
        return broken(why, "elements of a rendezvous were returned, which are never recalled");
    if (c->credit.elements > b->held)
        return broken(why, "more calls were returned than were said");
    if (b->recalls > 0)
        side_answered(b);
    call_answered(b, c->credit.elements);
    pieces_uncredited(b);
    return 0;
}

/* It is wanted back.  Who has a claim on it decides first. */
static void offer_withdraw(struct offer *o)
{
    o->withdrawn = true;
    due_take(&o->deadline);
    if (o->receiver == NULL)
        claim_offer_end(o, OVER);
}

static void deadline_passed(struct due *d)
{
    struct offer *o = due_entry(d, struct offer, deadline);
    struct channel *ch = o->sender->channel;

    rn_reached_if(o->receiver != NULL, "meet: a deadline passes while its offer is claimed");
    offer_withdraw(o);
    channel_after(ch);
}

const char *meet_fault(const struct binding *b, const struct wire_section *s)
{
    const struct channel *ch = b->channel;

    if (b->direction != WIRE_OUT)
        return "a section for a binding that receives";
    if (s->incarnation != ch->incarnation || s->epoch != ch->epoch)
        return "a section for another incarnation or epoch of its channel";
    if (s->count != 1 || (s->flags & ~(WIRE_PATIENT | WIRE_MANNER | WIRE_PIECE)) != WIRE_OFFER)
        return "a section for a rendezvous that is not one offer";
    if (s->number != b->next_number)
        return "an offer whose number is out of sequence";
    if (s->position == 0)
        return "an offer without its operation's number";
    if (s->bytes > ch->attributes.capacity_bytes)
        return "an offer of an element larger than its channel's capacity_bytes";
    if (!(s->flags & WIRE_PATIENT) && b->held == 0)
        return "an offer that was not called for";
    return NULL;
}

static struct wire_operation operation_of(const struct binding *b, const struct wire_section *s)
{
    struct wire_operation operation = { .number = s->position };

    memcpy(operation.instance, b->session->instance, sizeof operation.instance);
    return operation;
}

/* Gives an offer that its sender is found with, or NULL: no memory. */
static struct offer *offer_of(struct binding *b, const struct wire_section *s, struct frame *frame)
{
    struct run *r = run_new(s, frame);
    struct offer *o = r != NULL ? offer_new(r) : NULL;

    if (o == NULL) {
        run_free(r);
        return NULL;
    }
    o->number = s->number;
    o->operation = operation_of(b, s);
    o->patient = s->flags & WIRE_PATIENT;
    due_init(&o->deadline, deadline_passed);
    due_init(&o->silence, claim_unanswered);
    if (!offer_join(&b->channel->line, o, b)) {
        offer_free(o);
        return NULL;
    }
    return o;
}

/* An offer for which there is no place here: the channel is closed, or holds what it may hold while they wait.  Its sender
 * is told so even if it was told of the close when it was bound: the offer may have crossed that, and waits for a verdict. */
static bool turned_away(struct binding *b, const struct wire_section *s)
{
    struct channel *ch = b->channel;
    struct wire_control verdict = call_aborted(s->number, /* asks= */ !ch->closed);
    bool full = s->flags & WIRE_PATIENT &&
                (ch->line.n_parked >= MEET_PARKED_MAX ||
                 s->bytes > ch->attributes.capacity_bytes - ch->line.parked_bytes);

    if (!ch->closed && !full)
        return false;
    rn_reached_if(full, "meet: an offer finds no room");
    rn_reached_if(ch->closed, "meet: an offer crosses the close");
    binding_control(b, &verdict);
    if (!ch->closed) {
        struct wire_operation operation = operation_of(b, s);
        call_again(b, &operation, line_stamp(&ch->line));
    }
    return true;
}

int meet_offer(struct binding *b, const struct wire_section *s, struct frame *frame,
               const char **why)
{
    struct channel *ch = b->channel;
    const char *fault = meet_fault(b, s);
    struct offer *o = NULL;

    if (fault != NULL)
        return broken(why, fault);
    if (b->coming.frame != NULL) /* this one comes in its place */
        assembly_drop(&b->coming);
    if (!turned_away(b, s) && (o = offer_of(b, s, frame)) == NULL)
        return -ENOMEM;
    b->next_number++;
    if (!(s->flags & WIRE_PATIENT))
        call_answered(b, 1);
    if (o == NULL)
        return 0;
    o->place.stamp = o->patient ? line_stamp(&ch->line) : b->call_stamp;
    if (s->deliveries > 0)
        due_put(&ch->core->dues, &o->deadline, ch->core->now_ns + s->deliveries * MS_NS);
    claim_offer_goes_on(ch, o);
    return 0;
}

int meet_withdraw(struct binding *b, uint64_t number, const char **why)
{
    struct offer *o = offer_find(b, number);

    if (number == 0 || number >= b->next_number)
        return broken(why, "an offer was withdrawn that was never made");
    rn_reached_if(o != NULL && o->receiver != NULL, "meet: a withdrawal meets a claim");
    if (o != NULL)
        offer_withdraw(o); /* else its verdict crossed on the way */
    return 0;
}

/* ---- bringing together -------------------------------------------------------------------------------------------- */

/* Elements that were given back go first.  false: no memory. */
static bool settle_back(struct channel *ch)
{
    struct binding *b;
    struct offer *o;

    while (ch->queue.count > 0 && (b = list_first(&ch->in.askers, struct binding, asking))) {
        struct run *r = run_queue_first(&ch->queue);
        if ((o = offer_new(r)) == NULL)
            return false;
        due_init(&o->silence, claim_unanswered);
        run_queue_take(&ch->queue, r);
        ch->line.n_back++;
        ch->line.back_bytes += r->s.bytes;
        if (!claim_make(o, b)) {
            claim_offer_goes_on(ch, o);
            return false;
        }
    }
    return true;
}

static bool of_one_process(const struct binding *a, const struct binding *b)
{
    return memcmp(a->session->instance, b->session->instance, sizeof a->session->instance) == 0;
}

/* The operation of b's process, if any, that waits alone in the receiver: it must not meet itself.  0: none. */
static uint64_t never_for(const struct binding *b, const struct binding *receiver)
{
    return receiver->waiting == 1 && of_one_process(b, receiver) ? receiver->sole : 0;
}

/* Can somebody in the receiver take what stands there? */
static bool may_meet(const struct place *p, const struct binding *receiver)
{
    const struct offer *o = p->is_offer ? list_entry(p, struct offer, place) : NULL;
    const struct binding *b = o != NULL ? o->sender : list_entry(p, struct binding, place);
    uint64_t never = never_for(b, receiver);

    if (never == 0)
        return true;
    return o != NULL ? o->operation.number != never : b->waiting > 1 || b->sole != never;
}

static struct place *first_for(const struct line *line, const struct binding *receiver)
{
    /* Who was called and has come is not sent away for the sake of calling another. */
    list_each(&line->hasty, at)
    {
        struct offer *o = list_entry(at, struct offer, hasty);
        if (may_meet(&o->place, receiver))
            return &o->place;
    }
    list_each(&line->places, at)
    {
        struct place *p = list_entry(at, struct place, hook);
        if (may_meet(p, receiver))
            return p;
    }
    return NULL;
}

/* Receivers in their order, for each the first in line; as long as more receives wait than senders are called for.
 * false: no memory. */
static bool settle_line(struct channel *ch)
{
    struct hook *at = ch->in.askers.next;

    while (at != &ch->in.askers && !list_empty(&ch->line.places) &&
           ch->in.waiting > ch->line.calls) {
        struct binding *receiver = list_entry(at, struct binding, asking), *sender;
        struct place *p = first_for(&ch->line, receiver);
        if (p == NULL) {
            at = at->next;
        } else if (p->is_offer) {
            if (!claim_make(list_entry(p, struct offer, place), receiver))
                return false;
            at = ch->in.askers.next;
        } else {
            sender = list_entry(p, struct binding, place);
            call_sender(sender, never_for(sender, receiver));
        }
    }
    return true;
}

/* Answers offers that may not be kept.  true: there were some, and so somebody else may be called. */
static bool settle_hasty(struct channel *ch)
{
    bool any = !list_empty(&ch->line.hasty);
    struct offer *o;

    while ((o = list_first(&ch->line.hasty, struct offer, hasty)) != NULL)
        claim_offer_end(o, AGAIN);
    return any;
}

void meet_settle(struct channel *ch)
{
    do {
        if (!settle_back(ch) || !settle_line(ch))
            channel_doubt(ch); /* no memory now: look again in a while */
    } while (settle_hasty(ch));
}

/* ---- ends --------------------------------------------------------------------------------------------------------- */

void meet_close(struct channel *ch)
{
    struct place *p;

    while ((p = list_first(&ch->line.places, struct place, hook)) != NULL) {
        if (p->is_offer)
            claim_offer_end(list_entry(p, struct offer, place), OVER);
        else
            line_leave(p);
    }
}

uint64_t meet_cancel(struct channel *ch)
{
    uint64_t dropped = 0;

    list_each(&ch->in.bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        while (b->claims != NULL) {
            struct offer *o = b->claims;
            claim_end(o, OVER);
            if (o->sender != NULL) {
                claim_offer_end(o, OVER);
            } else {
                run_free(claim_back_end(&ch->line, o));
                dropped++;
            }
        }
    }
    return dropped;
}

static void sender_leave(struct binding *b)
{
    struct line *line = &b->channel->line;

    while (b->offers != NULL) {
        struct offer *o = b->offers;
        if (o->receiver != NULL)
            claim_end(o, AGAIN);
        claim_offer_end(o, OVER);
    }
    if (!call_is_mute(b))
        line->calls -= b->held;
    line_leave(&b->place);
    due_take(&b->silence);
}

void meet_leave(struct binding *b)
{
    if (b->direction == WIRE_OUT)
        sender_leave(b);
    while (b->claims != NULL) {
        struct offer *o = b->claims;
        offer_unclaim(o);
        claim_offer_goes_on(b->channel, o);
    }
    hook_take(&b->mute);
}
