/* fan.c - see fan.h.   SPDX-License-Identifier: MIT
 *
 * Invariants: an open window holds every element of the log from its `next` on that has not expired; positions go on without a
 * gap from there, but for those that have, and so many are `late`.  `next` itself has not.  A window is among the `caught` if there
 * is none.  What a window was due is what it took, has, is to have, has lost, and what has died or expired there. */
#include "broker/core/fan.h"

#include "broker/core/batch.h"
#include "broker/core/match.h"
#include "broker/core/nap.h"
#include "broker/core/state.h"
#include "broker/core/tap.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#define EASE_PART \
    4 /* this part of a hasty channel is kept free for senders, if it must be at the cost of who is slow */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Its time is over, and nobody was there for it. */
static void due_expired(struct run_queue *q, struct run *r)
{
    struct channel *ch = list_entry(q, struct fan, due)->channel;

    run_queue_take(q, r);
    ch->ledger.expired += r->s.count;
    run_free(r);
    channel_after(ch);
}

void fan_init(struct channel *ch)
{
    ch->fan = (struct fan){ .channel = ch };
    hook_init(&ch->fan.log);
    run_queue_init(&ch->fan.come);
    run_queue_init_timed(&ch->fan.due, &ch->core->dues, due_expired);
    hook_init(&ch->fan.caught);
}

void window_init(struct window *w)
{
    hook_init(&w->caught);
}

bool fan_is_hasty(const struct channel *ch)
{
    return ch->attributes.slow > WIRE_SLOW_BLOCK;
}

/* ---- windows --------------------------------------------------------------------------------------------------- */

uint64_t fan_behind(const struct binding *b)
{
    const struct window *w = &b->window;

    return w->open ? b->channel->next_position - w->next - w->late : 0;
}

uint64_t fan_due(const struct binding *b)
{
    const struct window *w = &b->window;

    return (w->open ? b->channel->next_position : w->left) - w->joined;
}

void fan_join(struct binding *b)
{
    struct fan *fan = &b->channel->fan;
    struct window *w = &b->window;

    rn_assert(!w->open);
    match_unplace(b); /* it may have asked before it was known to be a fanout */
    w->joined = w->next = w->left = b->channel->next_position;
    if (b->channel->closed && b->channel->code == WIRE_CANCELLED)
        return; /* what still comes is dropped */
    w->open = true;
    hook_put(&fan->caught, &w->caught);
    fan->n_windows++;
    rn_reached_if(fan->parked, "fan: somebody comes, for whom something waits");
    rn_reached_if(!list_empty(&fan->log), "fan: a receiver comes into the middle of a stream");
}

/* The window has done with the batch that it was at, and with what has expired behind it. */
static void go_on(struct binding *b, struct batch *to)
{
    struct window *w = &b->window;
    uint64_t next = to != NULL ? to->position : b->channel->next_position;

    rn_assert(w->late >= next - w->next);
    w->late -= next - w->next;
    w->next = next;
    w->at = to;
    if (to == NULL)
        hook_put(&b->channel->fan.caught, &w->caught);
}

/* The window goes on by n elements of the batch that it is at. */
static void step(struct binding *b, uint32_t n)
{
    struct window *w = &b->window;
    struct batch *at = w->at;
    uint32_t i = (uint32_t)(w->next - at->position);

    batch_handed(at, i, n);
    w->next += n;
    at->fan->behind -= n;
    if (i + n == at->count)
        go_on(b, batch_next(at));
}

/* It will never have what comes before `until`.  Gives how many those are. */
static uint64_t skip(struct binding *b, uint64_t until)
{
    struct window *w = &b->window;
    uint64_t skipped = 0;

    while (w->next < until) {
        struct batch *at = w->at;
        uint32_t i = (uint32_t)(w->next - at->position);
        uint32_t n = (uint32_t)least(until - w->next, at->count - i);
        step(b, n);
        batch_let_go(at, i, n);
        skipped += n;
    }
    return skipped;
}

/* It gets nothing any more.  Gives how many elements it was behind. */
static uint64_t window_close(struct binding *b)
{
    struct window *w = &b->window;
    uint64_t n;

    if (!w->open)
        return 0;
    n = skip(b, b->channel->next_position);
    hook_take(&w->caught);
    w->left = w->next;
    w->open = false;
    b->channel->fan.n_windows--;
    return n;
}

uint64_t fan_leave(struct binding *b)
{
    rn_reached_if(fan_behind(b) > 0, "fan: a window goes that was behind");
    return window_close(b) + nap_drop_of(b);
}

bool fan_drained(const struct binding *b)
{
    return fan_behind(b) == 0 && b->held == 0 && b->window.napping == 0;
}

/* ---- accepting -------------------------------------------------------------------------------------------------- */

static void append(struct channel *ch, struct batch *batch)
{
    struct fan *fan = &ch->fan;
    struct binding *b;

    batch->round = ch->core->round;
    batch_expires(batch, &ch->core->dues);
    if (!list_empty(&ch->taps))
        tap_see(ch, batch->run);
    ch->next_position += batch->count;
    ch->ledger.copied += (uint64_t)batch->count * (fan->n_windows - 1);
    fan->behind += (uint64_t)batch->count * fan->n_windows;
    while ((b = list_first(&fan->caught, struct binding, window.caught)) != NULL) {
        hook_take(&b->window.caught);
        b->window.at = batch;
        fan_place(b);
    }
}

/* The first run of what has come, or is due, or a part of it, becomes a batch.  false: no memory. */
static bool accept_one(struct channel *ch, struct run_queue *from)
{
    struct batch *batch;
    struct run *r;

    if (!run_queue_cut_first(from, BATCH_MAX))
        return false;
    r = run_queue_first(from);
    run_queue_take(from, r);
    r->s.position = ch->next_position;
    batch = batch_new(&ch->fan, r, ch->fan.n_windows);
    if (batch == NULL) {
        run_queue_unshift(from, r);
        return false;
    }
    if (from == &ch->fan.come) {
        ch->ledger.accepted += r->s.count;
        expiry_begin(r, ch->core->now_ns);
    }
    append(ch, batch);
    return true;
}

/* false: no memory for all of it. */
static bool accept_all(struct channel *ch, struct run_queue *from)
{
    while (from->count > 0)
        if (!accept_one(ch, from))
            return false;
    return true;
}

/* How much is not in the log: it has come, or is due. */
static uint64_t waits_to_be_had(const struct fan *fan)
{
    return fan->come.count + fan->due.count;
}

/* All of that is accepted, and dropped. */
static void accept_for_nobody(struct channel *ch, uint64_t *dropped)
{
    struct fan *fan = &ch->fan;

    ch->ledger.accepted += fan->come.count;
    ch->next_position += waits_to_be_had(fan);
    *dropped += waits_to_be_had(fan);
    run_queue_free(&fan->come);
    run_queue_free(&fan->due);
}

/* What had come and was not accepted for a while is now: its senders are to know. */
static void unpark(struct channel *ch)
{
    ch->fan.parked = false;
    list_each(&ch->out.bindings, at) binding_will_speak(list_entry(at, struct binding, of_side));
}

void fan_accept(struct channel *ch)
{
    struct fan *fan = &ch->fan;

    if (waits_to_be_had(fan) == 0)
        return;
    if (fan->n_windows > 0) {
        if (!accept_all(ch, &fan->due) || !accept_all(ch, &fan->come))
            channel_doubt(ch); /* no memory now: look again in a while */
    } else if (fan_is_hasty(ch)) {
        rn_reached("fan: dropped, because nobody is there");
        rn_reached_if(fan->due.count > 0, "fan: due, and nobody is there");
        accept_for_nobody(ch, &ch->ledger.dropped_nobody);
    }
    if (fan->come.count > 0) {
        rn_reached_if(fan->n_windows == 0, "fan: what has come waits for the first receiver");
        fan->parked = true;
    } else if (fan->parked) {
        unpark(ch);
    }
}

void fan_due_now(struct channel *ch, struct run *r, int64_t at_ns)
{
    if (ch->fan.come.count > 0)
        fan_accept(ch); /* it is behind all that is to be had already */
    expiry_begin(r, at_ns);
    run_queue_push(&ch->fan.due, r);
    fan_accept(
        ch); /* now, for its time may be over at once: then each window that is there goes by it */
}

/* What b was not handed of the batch it will never have. */
static void pass_by(struct binding *b, struct batch *batch)
{
    struct window *w = &b->window;
    uint32_t i = w->next > batch->position ? (uint32_t)(w->next - batch->position) : 0;
    uint32_t n = batch->count - i;

    rn_reached_if(w->at != batch, "fan: something expires before what is older");
    batch_handed(batch, i, n);
    batch->fan->behind -= n;
    b->channel->ledger.expired += n;
    w->expired += n;
    w->late += n;
    if (w->at == batch)
        go_on(b, batch_next(batch));
    batch_let_go(batch, i, n); /* the last window that lets go frees it */
    fan_place(b);
}

void fan_expires(struct batch *batch)
{
    struct channel *ch = batch->fan->channel;
    uint64_t end = batch->position + batch->count;

    rn_reached("fan: something expires in the log");
    list_each(&ch->in.bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        if (b->window.open && b->window.next < end)
            pass_by(b, batch);
    }
    channel_after(ch);
}

/* ---- handing on ------------------------------------------------------------------------------------------------- */

/* So many elements a hasty node keeps; twice as many are on their way to it or there, as far as we know. */
static uint64_t keeps(const struct binding *b)
{
    uint64_t capacity = (uint64_t)b->channel->attributes.capacity;

    return b->prefetch > 0 ? least(b->prefetch, capacity) : capacity;
}

static uint64_t room_in_bytes(const struct binding *b)
{
    uint64_t most = b->channel->attributes.capacity_bytes;

    if (fan_is_hasty(b->channel))
        return most - least(most, b->held_bytes);
    return b->prefetch > 0 ? UINT64_MAX : match_bytes_left(b);
}

uint64_t fan_room(const struct binding *b)
{
    uint64_t limit = 2 * keeps(b);

    if (!fan_is_hasty(b->channel))
        return match_room(b);
    if (b->ended || (b->held > 0 && room_in_bytes(b) == 0))
        return 0;
    return limit - least(limit, b->held);
}

bool fan_sendable(const struct binding *b)
{
    return binding_has_sections(b) || (fan_behind(b) > 0 && fan_room(b) > 0);
}

void fan_place(struct binding *b)
{
    struct core_session *s = b->session;

    if (!fan_sendable(b)) {
        hook_take(&b->turn);
        return;
    }
    if (hook_linked(&b->turn))
        return;
    if (list_empty(&s->turn) && !hook_linked(&s->eager))
        hook_put(&s->core->eager, &s->eager);
    hook_put(&s->turn, &b->turn);
}

struct run *fan_next(struct binding *b, uint64_t max_bytes)
{
    struct batch *at = b->window.at;
    uint32_t i = (uint32_t)(b->window.next - at->position);
    uint32_t n = (uint32_t)least(fan_room(b), at->count - i);
    struct run *r;

    n = batch_fit(at, i, n, least(max_bytes, room_in_bytes(b)));
    r = batch_run(at, i, n > 0 ? n : 1);
    if (r == NULL)
        return NULL;
    step(b, r->s.count);
    side_hold(b, r->s.count, r->s.bytes, 0);
    if (fan_is_hasty(b->channel))
        channel_after(b->channel); /* slots came free */
    return r;
}

void fan_again(struct binding *b, struct run_queue *back)
{
    uint64_t n = back->count, bytes = back->bytes;

    rn_reached("fan: an element comes again to the same receiver");
    run_queue_merge(&b->outbox, back);
    side_hold(b, n, bytes, 0);
    match_recount(b);
    match_place(b);
}

/* ---- who is slow -------------------------------------------------------------------------------------------------- */

/* The window that is behind most, or NULL. */
static const struct binding *last_of_all(const struct channel *ch)
{
    const struct binding *last = NULL;

    list_each(&ch->in.bindings, at)
    {
        const struct binding *b = list_entry(at, struct binding, of_side);
        if (fan_behind(b) > 0 && (last == NULL || b->window.next < last->window.next))
            last = b;
    }
    return last;
}

static void lose(struct binding *b, uint64_t n)
{
    b->window.lost += n;
    b->window.missed += n;
    b->channel->ledger.dropped_slow += n;
    binding_will_speak(b);
}

static void be_slow(struct binding *b, uint64_t until)
{
    if (b->channel->attributes.slow == WIRE_SLOW_CUT) {
        rn_reached("fan: the home cuts a window");
        b->window.cut = true;
        lose(b, window_close(b));
    } else {
        rn_reached("fan: the home drops the oldest");
        lose(b, skip(b, until));
    }
    fan_place(b);
}

/* Up to where is the log to be given up, so that so many slots and bytes come free?  What was accepted since the last flush
 * nobody can have been slow with: sessions are pulled from afterwards. */
static uint64_t give_up_until(const struct channel *ch, uint64_t slots, uint64_t bytes)
{
    const struct binding *last = last_of_all(ch);
    uint64_t n = 0, m = 0, until;

    if (last == NULL)
        return 0;
    until = last->window.next;
    for (const struct batch *at = last->window.at; at != NULL; at = batch_next(at)) {
        uint32_t i = at == last->window.at ? (uint32_t)(last->window.next - at->position) : 0;
        if (at->round == ch->core->round)
            break;
        for (; i < at->count && (n < slots || m < bytes); i++, n++) {
            m += batch_bytes(at, i, 1);
            until = at->position + i + 1;
        }
    }
    return until;
}

/* false: there is nothing to be given up. */
static bool give_up(struct channel *ch, uint64_t slots, uint64_t bytes)
{
    uint64_t until = give_up_until(ch, slots, bytes);
    bool any = false;

    list_each(&ch->in.bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        if (fan_behind(b) == 0 || b->window.next >= until)
            continue;
        be_slow(b, until);
        any = true;
    }
    return any;
}

bool fan_make_room(struct channel *ch, uint64_t slots, uint64_t bytes)
{
    if (ch->fan.behind == 0 || !fan_is_hasty(ch))
        return false;
    if (give_up(ch, slots, bytes))
        return true;
    core_again(ch); /* when the sessions have been pulled from */
    return false;
}

void fan_ease(struct channel *ch)
{
    uint64_t slots = (uint64_t)ch->attributes.capacity, bytes = ch->attributes.capacity_bytes;

    if (ch->fan.behind == 0 || !fan_is_hasty(ch))
        return;
    slots -= slots / EASE_PART;
    bytes -= bytes / EASE_PART;
    slots = ch->fan.slots > slots ? ch->fan.slots - slots : 0;
    bytes = ch->fan.slots_bytes > bytes ? ch->fan.slots_bytes - bytes : 0;
    if (slots > 0 || bytes > 0)
        (void)give_up(ch, slots, bytes);
}

/* ---- ends ----------------------------------------------------------------------------------------------------------- */

uint64_t fan_purge(struct channel *ch)
{
    uint64_t n = 0;

    fan_accept(ch);
    list_each(&ch->in.bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        uint64_t m = (b->window.open ? skip(b, ch->next_position) : 0) + nap_drop_of(b);
        b->window.dropped += m;
        n += m;
        fan_place(b);
    }
    n += nap_drop_all(ch); /* what is nobody's yet */
    if (waits_to_be_had(&ch->fan) > 0 && ch->fan.n_windows == 0) {
        accept_for_nobody(ch, &n);
        unpark(ch);
    }
    return n;
}

uint64_t fan_cancel(struct channel *ch)
{
    uint64_t n = 0;

    fan_accept(ch);
    list_each(&ch->in.bindings, at) n += window_close(list_entry(at, struct binding, of_side));
    if (waits_to_be_had(&ch->fan) > 0) { /* nobody was there, or no memory to accept it */
        accept_for_nobody(ch, &n);
        unpark(ch);
    }
    return n;
}

/* Nothing more can come: each window that has had all is told so, without waiting for the others. */
static void say_ends(struct channel *ch)
{
    if (!ch->closed || ch->out.held > 0 || waits_to_be_had(&ch->fan) > 0)
        return;
    list_each(&ch->in.bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        if (b->ended || !fan_drained(b))
            continue;
        rn_reached_if(ch->fan.held > 0, "fan: a window ends before others have had all");
        binding_closed(b, ch->code, ch->reason);
        fan_place(b);
    }
}

void fan_settle(struct channel *ch)
{
    fan_accept(ch);
    if (fan_is_hasty(ch) && ch->dying.count > 0) { /* and the dead letters have no room */
        ch->ledger.dropped_slow += ch->dying.count;
        run_queue_free(&ch->dying);
    }
    say_ends(ch);
}

/* ---- looking -------------------------------------------------------------------------------------------------------- */

uint64_t fan_memory(const struct channel *ch)
{
    uint64_t bytes = 0;

    list_each(&ch->fan.log, at) bytes += batch_memory(list_entry(at, struct batch, hook));
    return bytes + run_queue_memory(&ch->fan.come) + run_queue_memory(&ch->fan.due);
}

static void check_window(const struct binding *b)
{
    const struct window *w = &b->window;
    const struct channel *ch = b->channel;
    uint64_t behind = fan_behind(b);

    rn_assert(hook_linked(&w->caught) == (w->open && behind == 0));
    rn_assert(w->late == 0 || behind > 0);
    rn_assert(!w->open || (w->at != NULL) == (behind > 0));
    rn_assert(w->missed <= w->lost);
    rn_assert(hook_linked(&b->turn) == fan_sendable(b));
    if (behind > 0) {
        rn_assert(w->next >= w->at->position);
        rn_assert(w->next < w->at->position + w->at->count);
        rn_assert(!w->at->late);
    }
    if (!ch->closed || ch->code != WIRE_CANCELLED)
        rn_assert(fan_due(b) == b->taken + b->held + behind + w->napping + w->lost + w->dead +
                                    w->dropped + w->expired);
}

void fan_check(const struct channel *ch)
{
    const struct fan *fan = &ch->fan;
    uint64_t held = 0, behind = 0, holders = 0, slots = 0, napping = 0, position = 0;
    uint32_t open = 0;

    rn_assert(ch->queue.count == 0);
    run_queue_check(&fan->come);
    run_queue_check(&fan->due);
    list_each(&ch->in.bindings, at)
    {
        const struct binding *b = list_entry(at, struct binding, of_side);
        check_window(b);
        open += b->window.open;
        behind += fan_behind(b);
        napping += b->window.napping;
    }
    list_each(&fan->log, at)
    {
        const struct batch *b = list_entry(at, struct batch, hook);
        batch_check(b);
        rn_assert(b->position >= position);
        position = b->position + b->count;
        held += b->n_held;
        for (uint32_t i = 0; i < b->count; i++) {
            holders += b->of[i].holders;
            slots += (fan_is_hasty(ch) ? b->of[i].waiters : b->of[i].holders) > 0;
        }
    }
    rn_assert(open == fan->n_windows);
    rn_assert(behind == fan->behind);
    rn_assert(held == fan->held);
    rn_assert(slots == fan->slots);
    rn_assert(napping + fan->fresh == ch->delayed);
    rn_assert(holders == behind + ch->in.held + napping + ch->dying.count);
}
