/* match.c - who gets which elements.   SPDX-License-Identifier: MIT
 *
 * Invariant: a binding is in channel->ready if it has room, and among the askers if, besides, more of its operations
 * wait than elements are on their way to it.  (Room may have gone since, with the number of receivers: so it is looked
 * at again when its turn comes.) */
#include "broker/core/match.h"

#include "broker/core/batch.h"
#include "broker/core/dead.h"
#include "broker/core/meet.h"
#include "broker/core/pieces.h"
#include "broker/core/settle.h"
#include "broker/core/state.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>

#define AUTO_MAX   UINT64_C(4096) /* prefetch when the receiver leaves it to us: elements ... */
#define AUTO_BYTES (UINT64_C(1) << 20) /* ... and bytes, but always one element */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int broken(const char **why, const char *rule)
{
    *why = rule;
    return -EPROTO;
}

/* ---- room ----------------------------------------------------------------------------------------------------- */

static bool waits(const struct binding *b)
{
    return b->waiting > 0 && !b->weak;
}

/* ---- who waits ------------------------------------------------------------------------------------------------ */

/* How many deliveries b was given, or will be if they stay in its outbox, that its last Ask had not seen.  They answer
 * what waited then, in order. */
static uint64_t unseen(const struct binding *b)
{
    return b->last_delivery + b->outbox.count - b->ask_seen;
}

static uint64_t unanswered(const struct binding *b)
{
    return b->ask_waiting - least(b->ask_waiting, unseen(b));
}

/* To be called whenever what b was given, asks or has taken changes: how many of its operations wait, and how many of
 * the elements that it holds are those that the others wait for. */
void match_recount(struct binding *b)
{
    uint64_t first = most(b->taken_number, b->ask_seen),
             end = b->ask_seen + least(b->ask_waiting, unseen(b));

    settle_hand(b);
    if (!b->weak)
        side_wait(b, (uint32_t)unanswered(b));
    side_claim(b, end > first ? end - first : 0);
}

/* How many bytes more may be sent ahead to b if the prefetch is left to us.  What a program has in its hands is not
 * ahead; how many bytes that is, is known about. */
uint64_t match_bytes_left(const struct binding *b)
{
    uint64_t bytes = b->held_bytes;

    if (b->in_hand > 0)
        bytes = bytes / b->held * (b->held - b->in_hand);
    return bytes < AUTO_BYTES ? AUTO_BYTES - bytes : 0;
}

/* How many more elements may be delivered to b now: to whoever waits, and ahead of time. */
uint64_t match_room(const struct binding *b)
{
    const struct channel *ch = b->channel;
    uint64_t capacity = ch->attributes.capacity > 0 ? (uint64_t)ch->attributes.capacity
                                                    : WIRE_CAPACITY_DEFAULT;
    uint64_t limit = b->prefetch, ahead = b->held - b->in_hand;

    if (b->ended || b->recalls > 0)
        return 0;
    if (b->by_hand && limit > 0) /* a bound on what it has, not only on what is sent ahead */
        return least(limit, capacity) - least(least(limit, capacity), b->held);
    if (limit == 0) {
        limit = channel_fans(ch) ? capacity : most(capacity / ch->in.n_bindings, 1);
        limit = least(limit, AUTO_MAX);
        if (!waits(b) && match_bytes_left(b) == 0)
            return 0;
    }
    limit = least(limit, capacity);
    return most(limit - least(limit, ahead), b->weak ? 0 : b->waiting);
}

void match_unplace(struct binding *b)
{
    side_unask(b);
    if (!hook_linked(&b->ready))
        return;
    hook_take(&b->ready);
    b->channel->n_ready--;
}

void match_place(struct binding *b)
{
    struct channel *ch = b->channel;

    if (channel_fans(ch)) {
        fan_place(b);
        return;
    }
    bool has_room = !channel_meets(ch) && match_room(b) > 0;

    if (has_room && !hook_linked(&b->ready)) {
        hook_put(&ch->ready, &b->ready);
        ch->n_ready++;
    } else if (!has_room && hook_linked(&b->ready)) {
        hook_take(&b->ready);
        ch->n_ready--;
    }
    if (channel_meets(ch))
        meet_place(b);
    else if (b->weak ? b->waiting > 0 && has_room : has_room && waits(b))
        side_ask(b);
    else
        side_unask(b);
    side_place(b);
}

/* ---- delivering --------------------------------------------------------------------------------------------------- */

static void assign(struct binding *b, struct run *r)
{
    binding_deliver(b, r);
    side_hold(b, r->s.count, r->s.bytes, 0);
    match_recount(b);
    match_place(b);
}

/* Gives b up to `n` elements of the first run.  false: no memory. */
static bool give(struct channel *ch, struct binding *b, uint64_t n)
{
    struct run *r = run_queue_first(&ch->queue);

    n = least(least(n, match_room(b)), r->s.count);
    if (b->prefetch == 0 && n > 1) {
        n = most(1, least(n, section_fit(&r->s, match_bytes_left(b))));
    }
    rn_assert(n > 0);
    rn_reached_if(r->s.deliveries > 1, "match: an element is delivered again");
    if (!run_queue_cut_first(&ch->queue, (uint32_t)n))
        return false;
    r = run_queue_first(&ch->queue);
    run_queue_take(&ch->queue, r);
    assign(b, r);
    return true;
}

/* An equal part of what is buffered for each receiver with room, rounded up. */
static uint64_t equal_part(const struct channel *ch)
{
    uint64_t n = most(ch->n_ready, 1);

    return (ch->queue.count + n - 1) / n;
}

/* Serves the askers (or the weak ones) in turn.  false: no memory. */
static bool serve(struct channel *ch, struct hook *list)
{
    uint64_t part = equal_part(ch), each = most(1, ch->queue.count / most(ch->n_ready, 1));
    struct binding *b;

    while (ch->queue.count > 0 && (b = list_first(list, struct binding, asking)) != NULL) {
        if (b->weak) {
            rn_reached("match: a weak ask is served");
            side_unask(b); /* good for one grant */
            hook_take(&b->weak_due);
            (void)side_answer(b, b->waiting);
            b->weak = false;
            if (match_room(b) == 0) {
                match_place(b);
                continue;
            }
        }
        if (!give(ch, b, most(each, least(b->waiting, part))))
            return false;
        if (hook_linked(&b->asking))
            hook_put(list, &b->asking);
    }
    return true;
}

/* Delivers ahead of time to whoever has room.  false: no memory. */
static bool spread(struct channel *ch)
{
    uint64_t part = equal_part(ch);
    struct binding *b;

    while (ch->queue.count > 0 && (b = list_first(&ch->ready, struct binding, ready)) != NULL) {
        if (match_room(b) == 0) {
            match_place(b);
            continue;
        }
        if (!give(ch, b, part))
            return false;
        if (hook_linked(&b->ready))
            hook_put(&ch->ready, &b->ready);
    }
    return true;
}

/* ---- taking back -------------------------------------------------------------------------------------------------- */

/* Takes the newest n elements, or somewhat more, back out of b's outbox. */
static void unassign(struct binding *b, uint64_t n)
{
    struct channel *ch = b->channel;
    struct run_queue back;

    run_queue_init(&back);
    while (back.count < n) {
        struct run *r = run_queue_last(&b->outbox);
        uint64_t keep = r->s.count - least(r->s.count, n - back.count);
        if (keep > 0)
            (void)run_queue_cut_at(r, (uint32_t)keep); /* without memory the whole run comes back */
        run_queue_take(&b->outbox, r);
        run_queue_push(&back, r);
    }
    if (!binding_has_sections(b))
        hook_take(&b->turn);
    side_give_back(b, back.count, back.bytes);
    match_recount(b);
    run_queue_merge(&ch->queue, &back);
    match_place(b);
}

/* How many of the newest deliveries that have left whole and are not taken, up to n, have numbers without a gap: what one
 * Returned can name. */
static uint64_t recallable(const struct binding *b, uint64_t n)
{
    uint64_t have = 0, next = 0, untaken = b->delivered.count + b->hand.count - b->in_hand;

    for (const struct hook *at = b->delivered.head.prev; at != &b->delivered.head && have < n;
         at = at->prev) {
        const struct run *r = list_entry(at, struct run, hook);
        if (r == b->leaving)
            continue;
        if (have > 0 && r->s.number + r->s.count != next)
            break;
        next = r->s.number;
        have += r->s.count;
    }
    return least(least(have, n), untaken - (b->leaving != NULL));
}

/* How much of b's outbox is not for operations that wait there: what is, is not taken away only to be given again. */
static uint64_t loose(const struct binding *b)
{
    uint64_t needed = b->ask_seen + b->ask_waiting; /* the last delivery that is waited for */

    if (b->claimed == 0 || needed <= b->last_delivery)
        return b->outbox.count;
    return b->outbox.count - least(b->outbox.count, needed - b->last_delivery);
}

/* Takes back half of what b holds beyond its need.  true: something is in the queue again. */
static bool rob(struct binding *b)
{
    uint64_t n = (b->held - b->in_hand - b->claimed + 1) / 2;

    if (loose(b) > 0) {
        rn_reached("match: taken back before it left");
        unassign(b, least(n, loose(b)));
        return true;
    }
    n = recallable(b, least(n, UINT32_MAX));
    rn_reached("match: prefetched elements are recalled");
    side_recall(b, n, 0);
    match_place(b);
    binding_recall(b, (uint32_t)n);
    return false;
}

/* Nothing is buffered and somebody waits.  true: deliver again. */
static bool balance(struct channel *ch)
{
    struct side *in = &ch->in;
    uint64_t wanted = in->waiting > 0 ? in->waiting : !list_empty(&in->weak);
    struct binding *b;

    while (in->returning < wanted) {
        b = list_first(&in->spare, struct binding, holding);
        if (b == NULL)
            break;
        hook_put(&in->spare, &b->holding);
        if (rob(b))
            return true;
    }
    if (wanted > 0 && in->held > in->in_hand)
        channel_doubt(ch);
    return false;
}

void match_settle(struct channel *ch)
{
    do {
        if (!serve(ch, &ch->in.askers) || !serve(ch, &ch->in.weak) || !spread(ch)) {
            channel_doubt(ch); /* no memory now: look again in a while */
            return;
        }
    } while (ch->queue.count == 0 && balance(ch));
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

int match_ask(struct binding *b, const struct wire_control *c, const char **why)
{
    struct core *core = b->channel->core;
    uint64_t seen = -(uint64_t)c->ask.adjusted;

    if (b->ended) {
        rn_reached("match: an ask crosses the end");
        return 0; /* the Closed that says so crossed on the way */
    }
    if (c->ask.weak)
        seen = b->ask_seen;
    if (seen < b->ask_seen || seen > binding_delivered(b))
        return broken(
            why,
            "an ask that has seen deliveries that were not made, or fewer than the one before");
    b->ask_seen = seen;
    b->ask_waiting = c->ask.weak ? 0 : c->ask.waiting;
    if (c->ask.weak != b->weak || c->ask.waiting == 0) {
        side_unask(b);
        hook_take(&b->weak_due);
    }
    b->weak = c->ask.weak;
    if (b->weak)
        side_wait(b, c->ask.waiting);
    match_recount(b);
    if (c->ask.waiting > 0 && b->weak) {
        b->weak_until = core->now_ns + CORE_WEAK_NS;
        hook_put(&core->weak_due, &b->weak_due);
    }
    match_place(b);
    return 0;
}

int match_taken(struct binding *b, uint64_t number, const char **why)
{
    struct channel *ch = b->channel;
    struct run_queue *q = &b->delivered;
    uint64_t count = q->count, bytes = q->bytes;
    const struct run *r;

    if (b->ended)
        return 0;
    if (number > binding_delivered(b))
        return broken(why, "an element was taken that was not delivered");
    if (number < b->taken_number)
        return broken(why, "the number up to which was taken went back");
    b->taken_number = number;
    if (b->by_hand) {
        match_recount(b);
        match_place(b);
        return 0;
    }
    while ((r = run_queue_first(q)) != NULL && r->s.number <= number)
        run_queue_drop(q, (uint32_t)least(r->s.count, number - r->s.number + 1));
    count -= q->count;
    b->taken += count;
    ch->ledger.taken += count;
    side_release(b, count, bytes - q->bytes);
    if (!channel_meets(ch))
        match_recount(b);
    match_place(b);
    return 0;
}

/* The run of b->delivered that holds that number, or NULL. */
static struct run *find_delivery(struct binding *b, uint64_t number)
{
    for (struct hook *at = b->delivered.head.prev; at != &b->delivered.head; at = at->prev) {
        struct run *r = list_entry(at, struct run, hook);
        if (r->s.number <= number)
            return number < r->s.number + r->s.count ? r : NULL;
    }
    return NULL;
}

/* Are first .. last all with b, and their numbers without a gap?  `run` holds the last. */
static bool holds(const struct binding *b, const struct run *run, uint64_t first)
{
    for (const struct run *r = run; r->s.number > first;) {
        if (r->hook.prev == &b->delivered.head)
            return false;
        const struct run *before = list_entry(r->hook.prev, struct run, hook);
        if (before->s.number + before->s.count != r->s.number)
            return false;
        r = before;
    }
    return true;
}

/* Cuts so that first .. last are whole runs.  A cut that stays although a later one failed does no harm. */
static bool cut_out(struct binding *b, uint64_t first, uint64_t last)
{
    struct run *r = find_delivery(b, last);

    if (last + 1 < r->s.number + r->s.count &&
        !run_queue_cut_at(r, (uint32_t)(last + 1 - r->s.number)))
        return false;
    r = find_delivery(b, first);
    return r->s.number == first || run_queue_cut_at(r, (uint32_t)(first - r->s.number));
}

/* What comes back is not always the newest that was pulled: sections may still be on their way to the node when it
 * answers, for controls overtake data. */
int match_returned(struct binding *b, const struct wire_control *c, const char **why)
{
    uint64_t n = c->credit.elements, first = c->credit.first, last = first + n - 1;
    struct run_queue back;

    if (b->ended)
        return 0;
    if (b->recalls == 0)
        return broken(why, "elements were returned that were not recalled");
    if (n > b->recalled)
        return broken(why, "more elements were returned than were recalled");
    run_queue_init(&back);
    if (n > 0) {
        struct run *r = find_delivery(b, last);
        if (first <= b->taken_number || last < first || r == NULL || r == b->leaving ||
            !holds(b, r, first))
            return broken(why, "elements were returned that the binding does not hold");
        rn_reached_if(last < b->last_delivery, "match: what is returned is not the newest");
        if (!cut_out(b, first, last))
            return -ENOMEM;
        for (r = find_delivery(b, first); back.count < n;) {
            struct run *next = list_entry(r->hook.next, struct run, hook);
            run_queue_take(&b->delivered, r);
            run_queue_push(&back, r);
            r = next;
        }
    }
    rn_reached_if(n == 0, "match: nothing is left to return");
    b->fresh = n == b->recalled;
    side_give_back(b, back.count, back.bytes);
    side_answered(b);
    match_recount(b);
    run_queue_merge(&b->channel->queue, &back);
    match_place(b);
    return 0;
}

void match_gave_back(struct binding *b, uint64_t n, uint64_t bytes)
{
    settle_hand(b);
    side_give_back(b, n, bytes);
    if (!channel_meets(b->channel))
        match_recount(b);
    match_place(b);
}

/* The next run of its outbox.  NULL: no memory. */
static struct run *next_run(struct binding *b, uint64_t max_bytes)
{
    struct run *r = run_queue_first(&b->outbox);
    uint32_t fit;

    batch_look(r);
    fit = pieces_needed(b, r) ? 1 : section_fit(&r->s, max_bytes);
    if (!run_queue_cut_first(&b->outbox, fit > 0 ? fit : 1))
        return NULL;
    r = run_queue_first(&b->outbox);
    run_queue_take(&b->outbox, r);
    return r;
}

bool match_pull(struct binding *b, uint64_t max_bytes, struct wire_section *section)
{
    if (b->leaving != NULL) {
        pieces_pull(b, max_bytes, section);
        return true;
    }
    struct run *r = b->outbox.count > 0 ? next_run(b, max_bytes) : fan_next(b, max_bytes);

    if (r == NULL)
        return false;
    batch_look(r);
    r->s.bind = b->number;
    if (!(r->s.flags & WIRE_OFFER)) /* what was committed was told its number then */
        r->s.number = b->last_delivery + 1;
    b->last_delivery = r->s.number + r->s.count - 1;
    run_queue_push(&b->delivered, r);
    if (channel_fans(b->channel))
        match_recount(b);
    side_place(b);
    *section = r->s;
    if (r->s.count == 1 && pieces_needed(b, r)) {
        pieces_begin(b, r);
        pieces_pull(b, max_bytes, section);
    } else if (r->expiry != NULL) {
        expiry_tell(r->expiry, section, b->channel->core->now_ns);
    }
    return true;
}

void match_check(const struct binding *b)
{
    rn_assert(b->ask_seen <= binding_delivered(b));
    rn_assert(b->weak || b->ended || b->waiting == unanswered(b));
}

void match_expired(struct run_queue *outbox, struct run *r)
{
    struct binding *b = list_entry(outbox, struct binding, outbox);
    struct channel *ch = b->channel;

    rn_reached("match: what was to leave expires");
    run_queue_take(outbox, r);
    if (!binding_has_sections(b))
        hook_take(&b->turn);
    ch->ledger.expired += r->s.count;
    b->window.expired += r->s.count;
    match_gave_back(b, r->s.count, r->s.bytes);
    run_free(r);
    channel_after(ch);
}

static void drop_runs(struct binding *b)
{
    pieces_end(b, b->leaving);
    run_queue_free(&b->outbox);
    run_queue_free(&b->delivered);
    run_queue_free(&b->hand);
    hook_take(&b->turn);
    side_hand(b, 0);
    side_release(b, b->held, b->held_bytes);
}

uint64_t match_drop(struct binding *b)
{
    uint64_t n = b->held + (channel_fans(b->channel) ? fan_leave(b) : 0);

    drop_runs(b);
    match_place(b);
    return n;
}

static uint64_t redeliver(struct run_queue *q)
{
    list_each(&q->head, at) list_entry(at, struct run, hook)->s.deliveries++;
    return q->count;
}

/* What has left in part only was never there: it goes back as if it had not left.  So a large element that takes longer than
 * some sessions live does not die of it. */
static void leaving_comes_back(struct binding *b)
{
    struct run *r = b->leaving;
    struct run_queue back;

    if (r == NULL)
        return;
    pieces_end(b, r);
    run_queue_init(&back);
    run_queue_take(&b->delivered, r);
    run_queue_push(&back, r);
    run_queue_merge(&b->channel->queue, &back);
}

void match_leave(struct binding *b, enum match_end how)
{
    struct channel *ch = b->channel;

    if (channel_fans(ch)) {
        ch->ledger.left += fan_leave(b) + b->held;
        drop_runs(b);
        return;
    }
    rn_reached_if(b->held > 0 && how == MATCH_UNBOUND, "match: an unbind gives elements back");
    rn_reached_if(b->in_hand > 0, "match: what was taken and not acknowledged goes back");
    leaving_comes_back(b);
    if (how == MATCH_SESSION_OVER && b->by_hand)
        ch->ledger.redelivered += dead_sift(ch, &b->hand) + dead_sift(ch, &b->delivered);
    else if (how == MATCH_SESSION_OVER)
        ch->ledger.redelivered += redeliver(&b->delivered);
    run_queue_merge(&ch->queue, &b->hand);
    run_queue_merge(&ch->queue, &b->delivered);
    run_queue_merge(&ch->queue, &b->outbox);
    side_hand(b, 0);
    side_release(b, b->held, b->held_bytes);
}
