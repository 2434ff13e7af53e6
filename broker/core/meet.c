/* meet.c - offer, claim, commit.   SPDX-License-Identifier: MIT
 *
 * Invariant: an offer is in the line, or a receiver has a claim on it, never both; when it is neither it is over, and its
 * sender was told Commit or Abort, once.  line.calls = the calls that are out to nodes that are heard from. */
#include "broker/core/meet.h"

#include "broker/core/state.h"
#include "runtime/assert.h"

#include <errno.h>
#include <string.h>

#define MS_NS INT64_C(1000000)

static int broken(const char **why, const char *rule)
{
    *why = rule;
    return -EPROTO;
}

static bool is_mute(const struct binding *b)
{
    return hook_linked(&b->mute);
}

/* ---- what is said --------------------------------------------------------------------------------------------------- */

static void say(struct binding *b, struct wire_control c)
{
    if (!b->ended)
        binding_control(b, &c);
}

static void say_claim(struct binding *b, const struct offer *o)
{
    say(b, (struct wire_control){ .what = WIRE_CLAIM,
                                  .meet = { .claim = o->claim, .offer = o->operation } });
}

static void say_void(struct binding *b, uint64_t claim, bool asks)
{
    say(b, (struct wire_control){ .what = WIRE_ABORT, .meet = { .claim = claim, .asks = asks } });
}

static struct wire_control aborted(uint64_t number, bool asks)
{
    return (struct wire_control){ .what = WIRE_ABORT, .meet = { .number = number, .asks = asks } };
}

static void say_commit(struct binding *b, uint64_t claim, uint64_t number)
{
    say(b,
        (struct wire_control){ .what = WIRE_COMMIT, .meet = { .claim = claim, .number = number } });
}

/* ---- waiting ---------------------------------------------------------------------------------------------------------- */

void meet_place(struct binding *b)
{
    if (b->weak) {
        side_unask(b); /* who does not wait meets nobody */
        hook_take(&b->weak_due);
        b->weak = false;
        side_wait(b, 0);
    }
    if (b->waiting > 0 && !b->ended && !is_mute(b))
        side_ask(b);
    else
        side_unask(b);
}

/* We change how many of b's operations wait: the node hears of it, and Ask will tell whether it had when it was said. */
static void adjust(struct binding *b, int change)
{
    b->adjusted += change;
    b->sole = 0;
    if (change < 0)
        (void)side_answer(b, 1);
    else if (b->waiting < UINT32_MAX)
        side_wait(b, b->waiting + 1);
}

/* A receive that had been taken for granted waits again, first in line. */
static void receive_again(struct binding *b)
{
    adjust(b, +1);
    meet_place(b);
    side_ask_first(b);
}

/* Stands in the line from `stamp` on, or from where it stands already if that is before. */
static void line_up(struct binding *b, int64_t stamp)
{
    struct channel *ch = b->channel;

    if (hook_linked(&b->place.hook) && b->place.stamp <= stamp)
        return;
    line_leave(&b->place);
    b->place.stamp = stamp;
    if (b->waiting > 0 && !ch->closed && !is_mute(b))
        line_join(&ch->line, &b->place);
}

/* An operation whose offer came to nothing waits to be called again, where it stood. */
static void send_again(struct binding *b, const struct wire_operation *operation, int64_t stamp)
{
    adjust(b, +1);
    if (b->waiting == 1)
        b->sole = operation->number;
    line_up(b, stamp);
}

/* ---- silence ------------------------------------------------------------------------------------------------------------ */

/* When a silence that began with something said at `said_ns` is over. */
static int64_t silent_until(const struct binding *b, int64_t said_ns)
{
    const struct core_session *s = b->session;

    return (s->heard_ns > said_ns ? s->heard_ns : said_ns) + MEET_SILENCE_NS;
}

/* Its node is silent: it is passed over until it is heard. */
static void go_mute(struct binding *b)
{
    if (is_mute(b))
        return;
    hook_put(&b->session->mute, &b->mute);
    if (b->direction == WIRE_IN) {
        side_unask(b);
        return;
    }
    b->channel->line.calls -= b->held;
    line_leave(&b->place);
}

/* The calls to b wait for answers from now on. */
static void await_calls(struct binding *b)
{
    struct core *core = b->session->core;

    b->called_ns = core->now_ns;
    due_put(&core->dues, &b->silence, core->now_ns + MEET_SILENCE_NS);
}

void meet_heard(struct binding *b)
{
    hook_take(&b->mute);
    if (b->direction == WIRE_IN) {
        meet_place(b);
    } else {
        b->channel->line.calls += b->held;
        if (b->held > 0)
            await_calls(b);
        line_up(b, b->place.stamp);
    }
    channel_after(b->channel);
}

static void calls_unanswered(struct due *d)
{
    struct binding *b = due_entry(d, struct binding, silence);
    struct core *core = b->session->core;
    int64_t until = silent_until(b, b->called_ns);

    if (until > core->now_ns) {
        due_put(&core->dues, d, until);
        return;
    }
    go_mute(b);
    channel_after(b->channel);
}

/* ---- calls ---------------------------------------------------------------------------------------------------------------- */

/* Those that still wait after one was called go to the end of the line, so that every binding has its turn.  `but`: the
 * operation that the call is not for, or 0. */
static void call(struct binding *b, uint64_t but)
{
    struct line *line = &b->channel->line;

    if (b->grant > 0 && b->grant_but != but)
        binding_speak(b);
    b->grant_but = but;
    if (b->held == 0) {
        b->call_stamp = b->place.stamp;
        await_calls(b);
    }
    adjust(b, -1);
    side_hold(b, 1, 0, 0);
    line->calls++;
    b->grant++;
    binding_will_speak(b);
    line_leave(&b->place);
    line_up(b, line_stamp(line));
}

/* n calls were answered. */
static void call_less(struct binding *b, uint64_t n)
{
    side_release(b, n, 0);
    if (!is_mute(b))
        b->channel->line.calls -= n;
    if (b->held == 0)
        due_take(&b->silence);
}

/* ---- how an offer ends ------------------------------------------------------------------------------------------------------ */

/* Nothing was sent.  AGAIN: its operation waits to be called. */
enum ending { OVER, AGAIN };

static void offer_end(struct offer *o, enum ending how)
{
    struct binding *b = o->sender;
    struct wire_operation operation = o->operation;
    uint64_t number = o->number;
    int64_t stamp = o->place.stamp;

    rn_assert(o->receiver == NULL);
    offer_leave(&b->channel->line, o);
    offer_free(o);
    say(b, aborted(number, how == AGAIN));
    if (how == AGAIN)
        send_again(b, &operation, stamp);
}

/* An element that was given back has no claim on it any more.  Gives its run. */
static struct run *back_end(struct line *line, struct offer *o)
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

/* Nobody has a claim on it any more: it is there for the next. */
static void offer_goes_on(struct channel *ch, struct offer *o)
{
    if (o->sender == NULL) {
        back_to_queue(ch, back_end(&ch->line, o));
        return;
    }
    if (ch->closed || o->withdrawn) {
        offer_end(o, OVER);
        return;
    }
    line_join(&ch->line, &o->place);
    if (!o->patient)
        hook_put(&ch->line.hasty, &o->hasty);
}

/* It is wanted back.  Who has a claim on it decides first. */
static void offer_withdraw(struct offer *o)
{
    o->withdrawn = true;
    due_take(&o->deadline);
    if (o->receiver == NULL)
        offer_end(o, OVER);
}

static void deadline_passed(struct due *d)
{
    struct offer *o = due_entry(d, struct offer, deadline);
    struct channel *ch = o->sender->channel;

    offer_withdraw(o);
    channel_after(ch);
}

static void claim_unanswered(struct due *d)
{
    struct offer *o = due_entry(d, struct offer, silence);
    struct binding *b = o->receiver;
    struct channel *ch = b->channel;
    int64_t until = silent_until(b, o->claimed_ns);

    if (until > ch->core->now_ns) {
        due_put(&ch->core->dues, d, until);
        return;
    }
    say_void(b, o->claim, /* asks= */ false);
    offer_unclaim(o);
    go_mute(b);
    offer_goes_on(ch, o);
    channel_after(ch);
}

/* ---- events of senders ------------------------------------------------------------------------------------------------------ */

void meet_join(struct binding *b)
{
    hook_init(&b->mute);
    place_init(&b->place, /* is_offer= */ false);
    due_init(&b->silence, calls_unanswered);
}

int meet_ask(struct binding *b, const struct wire_control *c, const char **why)
{
    struct channel *ch = b->channel;
    int64_t waiting = c->ask.weak ? 0 : c->ask.waiting + (b->adjusted - c->ask.adjusted);

    (void)why;
    if (b->ended || (b->direction == WIRE_OUT && ch->closed))
        return 0; /* what says so crossed on the way */
    if (b->adjusted != c->ask.adjusted)
        b->sole = 0; /* it was before that */
    side_wait(b, waiting < 0 ? 0 : waiting < UINT32_MAX ? (uint32_t)waiting : UINT32_MAX);
    if (b->direction == WIRE_IN) {
        meet_place(b);
        return 0;
    }
    if (b->waiting == 0)
        line_leave(&b->place);
    else
        line_up(b, line_stamp(&ch->line));
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
    call_less(b, c->credit.elements);
    return 0;
}

static const char *section_fault(const struct binding *b, const struct wire_section *s)
{
    const struct channel *ch = b->channel;

    if (b->direction != WIRE_OUT)
        return "a section for a binding that receives";
    if (s->incarnation != ch->incarnation || s->epoch != ch->epoch)
        return "a section for another incarnation or epoch of its channel";
    if (s->count != 1 || (s->flags & ~WIRE_PATIENT) != WIRE_OFFER)
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
    struct wire_control verdict = aborted(s->number, /* asks= */ !ch->closed);
    bool full = s->flags & WIRE_PATIENT &&
                s->bytes > ch->attributes.capacity_bytes - ch->line.parked_bytes;

    if (!ch->closed && !full)
        return false;
    binding_control(b, &verdict);
    if (!ch->closed) {
        struct wire_operation operation = operation_of(b, s);
        send_again(b, &operation, line_stamp(&ch->line));
    }
    return true;
}

int meet_offer(struct binding *b, const struct wire_section *s, struct frame *frame,
               const char **why)
{
    struct channel *ch = b->channel;
    const char *fault = section_fault(b, s);
    struct offer *o = NULL;

    if (fault != NULL)
        return broken(why, fault);
    if (!turned_away(b, s) && (o = offer_of(b, s, frame)) == NULL)
        return -ENOMEM;
    b->next_number++;
    if (!(s->flags & WIRE_PATIENT))
        call_less(b, 1);
    if (o == NULL)
        return 0;
    o->place.stamp = o->patient ? line_stamp(&ch->line) : b->call_stamp;
    if (s->deliveries > 0)
        due_put(&ch->core->dues, &o->deadline, ch->core->now_ns + s->deliveries * MS_NS);
    offer_goes_on(ch, o);
    return 0;
}

int meet_withdraw(struct binding *b, uint64_t number, const char **why)
{
    struct offer *o = offer_find(b, number);

    if (number == 0 || number >= b->next_number)
        return broken(why, "an offer was withdrawn that was never made");
    if (o != NULL)
        offer_withdraw(o); /* else its verdict crossed on the way */
    return 0;
}

/* ---- events of receivers ------------------------------------------------------------------------------------------------------ */

/* What b is given, under the number that it is told. */
static void hand_over(struct binding *b, struct run *r, uint64_t claim)
{
    r->s.number = ++b->last_commit;
    r->s.flags = WIRE_OFFER;
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
    if (o == NULL)
        return 0; /* the Abort crossed on the way */
    offer_unclaim(o);
    hand_over(b, o->sender != NULL ? accept(ch, o) : back_end(&ch->line, o), claim);
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
    run_queue_take(q, r);
    if (b->outbox.count == 0)
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
    offer_goes_on(b->channel, o);
    return 0;
}

/* ---- bringing together ---------------------------------------------------------------------------------------------------------- */

/* Says to b that o is there for it.  false: no memory. */
static bool claim(struct offer *o, struct binding *b)
{
    struct core *core = b->channel->core;

    if (!offer_claim(o, b, b->last_claim + 1))
        return false;
    b->last_claim++;
    o->claimed_ns = core->now_ns;
    due_put(&core->dues, &o->silence, core->now_ns + MEET_SILENCE_NS);
    side_unask(b);
    adjust(b, -1);
    meet_place(b); /* at the end, so that every receiver has its turn */
    say_claim(b, o);
    return true;
}

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
        if (!claim(o, b)) {
            offer_goes_on(ch, o);
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
            if (!claim(list_entry(p, struct offer, place), receiver))
                return false;
            at = ch->in.askers.next;
        } else {
            sender = list_entry(p, struct binding, place);
            call(sender, never_for(sender, receiver));
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
        offer_end(o, AGAIN);
    return any;
}

void meet_settle(struct channel *ch)
{
    do {
        if (!settle_back(ch) || !settle_line(ch))
            channel_doubt(ch); /* no memory now: look again in a while */
    } while (settle_hasty(ch));
}

/* ---- ends ------------------------------------------------------------------------------------------------------------------------- */

void meet_close(struct channel *ch)
{
    struct place *p;

    while ((p = list_first(&ch->line.places, struct place, hook)) != NULL) {
        if (p->is_offer)
            offer_end(list_entry(p, struct offer, place), OVER);
        else
            line_leave(p);
    }
}

/* Nothing comes of the claim on o.  AGAIN: its receive waits again. */
static void claim_end(struct offer *o, enum ending how)
{
    struct binding *b = o->receiver;

    say_void(b, o->claim, how == AGAIN);
    offer_unclaim(o);
    if (how == AGAIN)
        receive_again(b);
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
                offer_end(o, OVER);
            } else {
                run_free(back_end(&ch->line, o));
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
        offer_end(o, OVER);
    }
    if (!is_mute(b))
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
        offer_goes_on(b->channel, o);
    }
    hook_take(&b->mute);
}

/* ---- checking ------------------------------------------------------------------------------------------------------------------------ */

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
    bool asks = b->waiting > 0 && !b->channel->closed && !is_mute(b);

    for (const struct offer *o = b->offers; o != NULL; o = o->hh.next) {
        check_offer(b, o);
        sum->n_offers++;
        sum->bytes += o->run->s.bytes;
        sum->n_parked += o->patient;
        sum->parked_bytes += o->patient ? o->run->s.bytes : 0;
    }
    rn_assert(hook_linked(&b->place.hook) == asks);
    rn_assert(is_mute(b) || due_pending(&b->silence) == (b->held > 0));
    rn_assert(b->grant <= b->held);
    sum->calls += is_mute(b) ? 0 : b->held;
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
    rn_assert(hook_linked(&b->asking) == (b->waiting > 0 && !b->ended && !is_mute(b)));
    rn_assert(!b->ended || b->claims == NULL);
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
            rn_assert(r->s.flags == WIRE_OFFER);
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
