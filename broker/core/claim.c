/* claim.c - claims on offers, and what becomes of both.   SPDX-License-Identifier: MIT
 *
 * Invariant: an offer is in the line, or a receiver has a claim on it, never both; when it is neither it is over, and its
 * sender was told Commit or Abort, once. */
#include "broker/core/claim.h"

#include "broker/core/call.h"
#include "broker/core/meet.h"
#include "broker/core/pieces.h"
#include "broker/core/state.h"
#include "broker/core/tap.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>

static int broken(const char **why, const char *rule)
{
    *why = rule;
    return -EPROTO;
}

/* ---- what is said ------------------------------------------------------------------------------------------------- */

static void say_claim(struct binding *b, const struct offer *o)
{
    call_say(b, (struct wire_control){ .what = WIRE_CLAIM,
                                       .meet = { .claim = o->claim, .offer = o->operation } });
}

static void say_void(struct binding *b, uint64_t claim, bool asks)
{
    call_say(b,
             (struct wire_control){ .what = WIRE_ABORT, .meet = { .claim = claim, .asks = asks } });
}

static void say_commit(struct binding *b, uint64_t claim, uint64_t number)
{
    call_say(b, (struct wire_control){ .what = WIRE_COMMIT,
                                       .meet = { .claim = claim, .number = number } });
}

/* ---- receives that wait ------------------------------------------------------------------------------------------- */

void meet_place(struct binding *b)
{
    if (b->weak) {
        side_unask(b); /* who does not wait meets nobody */
        hook_take(&b->weak_due);
        b->weak = false;
        side_wait(b, 0);
    }
    if (b->waiting > 0 && !b->ended && !call_is_mute(b))
        side_ask(b);
    else
        side_unask(b);
}

/* A receive that had been taken for granted waits again, first in line. */
static void receive_again(struct binding *b)
{
    call_adjust(b, +1);
    meet_place(b);
    side_ask_first(b);
}

/* ---- how an offer ends -------------------------------------------------------------------------------------------- */

void claim_offer_end(struct offer *o, enum ending how)
{
    struct binding *b = o->sender;
    struct wire_operation operation = o->operation;
    uint64_t number = o->number;
    int64_t stamp = o->place.stamp;

    rn_assert(o->receiver == NULL);
    offer_leave(&b->channel->line, o);
    offer_free(o);
    call_say(b, call_aborted(number, how == AGAIN));
    if (how == AGAIN)
        call_again(b, &operation, stamp);
}

struct run *claim_back_end(struct line *line, struct offer *o)
{
    struct run *r = o->run;

    line->n_back--;
    line->back_bytes -= r->s.bytes;
    o->run = NULL;
    offer_free(o);
    return r;
}

static void back_to_queue(struct channel *ch, struct run *r)
{
    struct run_queue one;

    run_queue_init(&one);
    run_queue_push(&one, r);
    run_queue_merge(&ch->queue, &one);
}

void claim_offer_goes_on(struct channel *ch, struct offer *o)
{
    if (o->sender == NULL) {
        back_to_queue(ch, claim_back_end(&ch->line, o));
        return;
    }
    if (ch->closed || o->withdrawn) {
        claim_offer_end(o, OVER);
        return;
    }
    line_join(&ch->line, &o->place);
    if (!o->patient)
        hook_put(&ch->line.hasty, &o->hasty);
}

/* ---- how a claim ends --------------------------------------------------------------------------------------------- */

void claim_end(struct offer *o, enum ending how)
{
    struct binding *b = o->receiver;

    say_void(b, o->claim, how == AGAIN);
    offer_unclaim(o);
    if (how == AGAIN)
        receive_again(b);
}

void claim_unanswered(struct due *d)
{
    struct offer *o = due_entry(d, struct offer, silence);
    struct binding *b = o->receiver;
    struct channel *ch = b->channel;
    int64_t until = call_silent_until(b, o->claimed_ns);

    if (until > ch->core->now_ns) {
        due_put(&ch->core->dues, d, until);
        return;
    }
    rn_reached("claim: a silent receiver is passed over");
    say_void(b, o->claim, /* asks= */ false);
    offer_unclaim(o);
    call_mute(b);
    claim_offer_goes_on(ch, o);
    channel_after(ch);
}

/* ---- claims, and their answers ------------------------------------------------------------------------------------ */

bool claim_make(struct offer *o, struct binding *b)
{
    struct core *core = b->channel->core;

    if (!offer_claim(o, b, b->last_claim + 1))
        return false;
    b->last_claim++;
    o->claimed_ns = core->now_ns;
    due_put(&core->dues, &o->silence, core->now_ns + MEET_SILENCE_NS);
    side_unask(b);
    call_adjust(b, -1);
    meet_place(b); /* at the end, so that every receiver has its turn */
    say_claim(b, o);
    return true;
}

/* What b is given, under the number that it is told. */
static void hand_over(struct binding *b, struct run *r, uint64_t claim)
{
    r->s.number = ++b->last_commit;
    r->s.flags &= WIRE_OFFER | WIRE_MANNER;
    r->claim = claim;
    say_commit(b, claim, r->s.number);
    binding_deliver(b, r);
    side_hold(b, 1, r->s.bytes, 0);
}

/* The element of o is accepted.  Gives its run. */
static struct run *accept(struct channel *ch, struct offer *o)
{
    struct binding *sender = o->sender;
    struct run *r = o->run;

    r->s.position = ch->next_position++;
    r->s.deliveries = 1;
    r->accepted_ns = ch->core->now_ns;
    tap_see(ch, r);
    ch->ledger.accepted++;
    sender->accepted_said = ++sender->accepted; /* Commit says it */
    say_commit(sender, 0, o->number);
    offer_leave(&ch->line, o);
    o->run = NULL;
    offer_free(o);
    return r;
}

int meet_claimed(struct binding *b, uint64_t claim, const char **why)
{
    struct channel *ch = b->channel;
    struct offer *o = offer_find_claim(b, claim);

    if (b->ended)
        return 0;
    if (claim == 0 || claim > b->last_claim)
        return broken(why, "a claim was answered that was never said");
    rn_reached_if(o == NULL, "claim: an answer crosses the abort");
    if (o == NULL)
        return 0;
    offer_unclaim(o);
    hand_over(b, o->sender != NULL ? accept(ch, o) : claim_back_end(&ch->line, o), claim);
    return 0;
}

static struct run *find_committed(const struct run_queue *q, uint64_t claim)
{
    list_each(&q->head, at)
    {
        struct run *r = list_entry(at, struct run, hook);
        if (r->claim == claim)
            return r;
    }
    return NULL;
}

/* The receive of that claim yielded after its commit: the element goes to another.  One that is not there was aborted,
 * and that crossed on the way. */
static void give_back(struct binding *b, uint64_t claim)
{
    struct channel *ch = b->channel;
    struct run_queue *q = &b->delivered;
    struct run *r = find_committed(q, claim);

    if (r == NULL) {
        q = &b->outbox;
        r = find_committed(q, claim);
    }
    if (r == NULL)
        return;
    rn_reached("claim: an element is given back after its commit");
    run_queue_take(q, r);
    pieces_end(b, r);
    if (!binding_has_sections(b))
        hook_take(&b->turn);
    side_give_back(b, 1, r->s.bytes);
    ch->ledger.returned++;
    back_to_queue(ch, r);
}

int meet_refuse(struct binding *b, uint64_t claim, const char **why)
{
    struct offer *o = offer_find_claim(b, claim);

    if (b->ended)
        return 0;
    if (claim == 0 || claim > b->last_claim)
        return broken(why, "a claim was refused that was never said");
    if (o == NULL) {
        give_back(b, claim);
        return 0;
    }
    offer_unclaim(o);
    claim_offer_goes_on(b->channel, o);
    return 0;
}
