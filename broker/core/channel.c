/* channel.c - the life of a channel: made, closed, drained, idle, forgotten.   SPDX-License-Identifier: MIT */
#include "broker/core/channel.h"

#include "broker/core/credit.h"
#include "broker/core/dead.h"
#include "broker/core/fold.h"
#include "broker/core/match.h"
#include "broker/core/meet.h"
#include "broker/core/reply.h"
#include "broker/core/nap.h"
#include "broker/core/settle.h"
#include "broker/core/state.h"
#include "broker/core/tap.h"
#include "proto/name.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <stdlib.h>
#include <string.h>

static uint64_t new_incarnation(const struct core *core)
{
    uint64_t n;

    do
        n = core->opts.random(core->opts.random_arg);
    while (n == 0);
    return n;
}

/* Part of what is buffered has expired. */
static void queue_expired(struct run_queue *q, struct run *r)
{
    struct channel *ch = list_entry(q, struct channel, queue);

    rn_reached("channel: what is buffered expires");
    run_queue_take(q, r);
    ch->ledger.expired += r->s.count;
    run_free(r);
    channel_after(ch);
}

uint32_t channel_hash(const struct core *core, const char *name)
{
    uint64_t h = core->seed;

    for (; *name != '\0'; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 32;
    return (uint32_t)h != 0 ? (uint32_t)h : 1;
}

struct channel *channel_alloc(const char *name)
{
    size_t size = strlen(name) + 1;
    struct channel *ch = calloc(1, sizeof *ch + size);

    if (ch == NULL)
        return NULL;
    ch->name = memcpy(ch + 1, name, size);
    return ch;
}

void channel_init(struct channel *ch, struct core *core)
{
    ch->core = core;
    ch->epoch = 1;
    ch->attributes.type = "";
    ch->next_position = 1;
    side_init(&ch->in);
    side_init(&ch->out);
    line_init(&ch->line);
    run_queue_init_timed(&ch->queue, &core->dues, queue_expired);
    fan_init(ch);
    run_queue_init(&ch->dying);
    hook_init(&ch->naps);
    hook_init(&ch->taps);
    hook_init(&ch->active);
    hook_init(&ch->hungry);
    hook_init(&ch->ready);
    hook_init(&ch->dirty);
    hook_init(&ch->idle);
    hook_init(&ch->doubtful);
    hook_init(&ch->warm);
}

struct channel *channel_new(struct core *core, const char *name)
{
    struct channel *ch = channel_alloc(name);

    if (ch == NULL)
        return NULL;
    ch->hash = channel_hash(core, name);
    if (!keyed_add(&core->channels, ch->hash, ch)) {
        free(ch);
        return NULL;
    }
    channel_init(ch, core);
    ch->incarnation = new_incarnation(core);
    ch->made_ns = core->now_ns;
    ch->is_dead = name_is_dead(name);
    if (ch->is_dead)
        ch->attributes = dead_attributes();
    ch->complete = ch->is_dead;
    return ch;
}

/* What stands in the table, or NULL. */
static void *find(struct core *core, const char *name)
{
    uint32_t hash = channel_hash(core, name), at;
    void *thing;

    if (core->channels.count == 0)
        return NULL;
    at = keyed_home(&core->channels, hash);
    while ((thing = keyed_next(&core->channels, hash, &at)) != NULL) {
        const struct fold *f = fold_of(thing);
        if (strcmp(f != NULL ? fold_name(f) : ((struct channel *)thing)->name, name) == 0)
            return thing;
    }
    return NULL;
}

bool channel_find(struct core *core, const char *name, struct channel **ch)
{
    void *thing = find(core, name);
    struct fold *f = fold_of(thing);

    *ch = f != NULL ? fold_open(core, f, FOLD_TO_USE) : thing;
    return *ch != NULL || thing == NULL;
}

struct channel *channel_awake(struct core *core, const char *name)
{
    void *thing = find(core, name);

    return fold_of(thing) == NULL ? thing : NULL;
}

const struct channel *channel_look(struct core *core, const char *name, struct unfolded *at)
{
    void *thing = find(core, name);
    const struct fold *f = fold_of(thing);

    return f != NULL ? fold_look(core, f, at) : thing;
}

void channel_free(struct channel *ch)
{
    rn_assert(ch->in.n_bindings == 0);
    rn_assert(ch->out.n_bindings == 0);
    rn_assert(list_empty(&ch->taps));
    run_queue_free(&ch->queue);
    run_queue_free(&ch->dying);
    run_queue_free(&ch->fan.come);
    run_queue_free(&ch->fan.due);
    (void)nap_drop_all(ch);
    if (ch->attributes.type[0] != '\0')
        free((char *)ch->attributes.type);
    hook_take(&ch->dirty);
    hook_take(&ch->idle);
    hook_take(&ch->doubtful);
    hook_take(&ch->warm);
    keyed_take(&ch->core->channels, ch->hash, ch);
    free(ch);
}

uint64_t channel_buffered(const struct channel *ch)
{
    if (channel_fans(ch))
        return ch->fan.behind + ch->fan.due.count + ch->dying.count;
    return ch->queue.count + ch->dying.count + (channel_meets(ch) ? ch->line.n_back : 0);
}

uint64_t channel_used(const struct channel *ch)
{
    if (channel_fans(ch))
        return ch->out.held + ch->fan.come.count + ch->fan.fresh + ch->fan.due.count +
               ch->fan.slots;
    return ch->out.held + channel_buffered(ch) + ch->in.held + ch->delayed;
}

uint64_t channel_used_bytes(const struct channel *ch)
{
    if (channel_fans(ch))
        return ch->out.held_bytes + ch->fan.come.bytes + ch->fan.fresh_bytes + ch->fan.due.bytes +
               ch->fan.slots_bytes;
    return ch->out.held_bytes + ch->queue.bytes + ch->dying.bytes + ch->in.held_bytes +
           ch->delayed_bytes;
}

uint64_t channel_free_slots(const struct channel *ch)
{
    rn_assert(ch->attributes.capacity >= 0);
    return (uint64_t)ch->attributes.capacity - channel_used(ch);
}

uint64_t channel_free_bytes(const struct channel *ch)
{
    return ch->attributes.capacity_bytes - channel_used_bytes(ch);
}

void channel_buffer(struct channel *ch, struct run *r, int64_t now_ns)
{
    r->s.position = ch->next_position;
    ch->next_position += r->s.count;
    expiry_begin(r, now_ns);
    if (!list_empty(&ch->taps))
        tap_see(ch, r);
    run_queue_push(&ch->queue, r);
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

void channel_close(struct channel *ch, enum wire_code code, int32_t reason)
{
    if (ch->closed) {
        rn_reached("channel: closed once more");
        return;
    }
    ch->closed = true;
    ch->code = code;
    ch->reason = reason;
    credit_close(ch);
    meet_close(ch);
    nap_end_all(ch);
}

void channel_cancel(struct channel *ch, int32_t reason)
{
    if (ch->closed && ch->code == WIRE_CANCELLED)
        return;
    rn_reached_if(ch->closed, "channel: cancelled after it was closed");
    rn_reached_if(ch->in.held > 0, "channel: cancelled with elements delivered");
    rn_reached_if(ch->queue.count > 0, "channel: cancelled with elements buffered");
    channel_close(ch, WIRE_CANCELLED, reason);
    ch->code =
        WIRE_CANCELLED; /* also when the close had come before: it will never be drained now */
    ch->reason = reason;
    ch->ledger.dropped_cancelled += meet_cancel(ch) + nap_drop_all(ch);
    if (channel_fans(ch))
        ch->ledger.dropped_cancelled += fan_cancel(ch);
    list_each(&ch->in.bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        if (b->ended)
            continue;
        ch->ledger.dropped_cancelled += match_drop(b);
        binding_closed(b, ch->code, ch->reason);
        match_place(b);
    }
    ch->ledger.dropped_cancelled += ch->queue.count;
    run_queue_free(&ch->queue);
}

/* All credit is back, no claim is out, and nothing is buffered, or delivered and not taken (settled, if by hand). */
static bool drained(const struct channel *ch)
{
    return channel_used(ch) == 0 && ch->line.n_offers == 0 && ch->fan.held == 0;
}

static void say_closed(struct channel *ch)
{
    list_each(&ch->in.bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        if (b->ended)
            continue;
        binding_closed(b, ch->code, ch->reason);
        match_place(b);
    }
}

void channel_forget(struct channel *ch)
{
    struct core *core = ch->core;

    ledger_check(&ch->ledger, 0);
    ledger_add(&core->totals, &ch->ledger);
    core->n_forgotten++;
    tap_end_all(ch, WIRE_NOT_FOUND);
    if (ch->is_dead)
        dead_wake(ch);
    channel_free(ch);
}

/* So it is not forgotten though nobody has bound it.  What has come and is not accepted waits where senders wait for receivers;
 * else the flush drops it, and is not followed by another look. */
static bool waits_for_somebody(const struct channel *ch)
{
    uint64_t n = ch->queue.count + ch->dying.count + ch->delayed;

    if (!fan_is_hasty(ch))
        n += ch->fan.come.count + ch->fan.due.count;
    return n > 0;
}

void channel_after(struct channel *ch)
{
    struct core *core = ch->core;
    bool unbound = ch->in.n_bindings == 0 && ch->out.n_bindings == 0;

    reply_abandon(ch);
    if (!ch->closed && autoclose_due(ch))
        autoclose_close(ch);
    if (ch->closed && drained(ch)) {
        tap_end_all(ch, ch->code);
        if (unbound) {
            channel_forget(ch);
            return;
        }
        say_closed(ch);
    }
    if (!unbound || waits_for_somebody(ch)) {
        hook_take(&ch->idle);
    } else if (!hook_linked(&ch->idle)) {
        ch->idle_until = core->now_ns + core->opts.idle_ns;
        hook_put(&core->idle, &ch->idle);
    }
    if (!hook_linked(&ch->dirty))
        hook_put(&core->dirty, &ch->dirty);
}

/* ---- the flush ---------------------------------------------------------------------------------------------------- */

void channel_settle(struct channel *ch)
{
    hook_take(&ch->dirty);
    fold_later(ch);
    if (dead_bury(ch)) {
        channel_after(
            ch); /* it may have been the last that there was; if not, its turn comes again */
        return;
    }
    if (ch->is_dead)
        dead_wake(ch);
    if (channel_meets(ch)) {
        if (ch->dying.count == 0) /* else who sends on and on would fill it */
            meet_settle(ch);
    } else {
        if (channel_fans(ch))
            fan_settle(ch);
        else
            match_settle(ch);
        credit_settle(ch);
    }
}

void channel_doubt(struct channel *ch)
{
    if (hook_linked(&ch->doubtful))
        return;
    ch->doubt_at = ch->core->now_ns + CORE_DOUBT_NS;
    hook_put(&ch->core->doubtful, &ch->doubtful);
}

void channel_undoubt(struct channel *ch)
{
    hook_take(&ch->doubtful);
    if (!list_empty(&ch->in.askers) || !list_empty(&ch->in.weak))
        side_doubt(&ch->in);
    if (!list_empty(&ch->out.askers) || !list_empty(&ch->out.weak))
        side_doubt(&ch->out);
    channel_after(ch);
}

/* ---- checking ----------------------------------------------------------------------------------------------------- */

/* What is in the program's hands: taken, and before all that is not. */
static uint64_t check_hand(const struct binding *b)
{
    uint64_t number = 0;

    list_each(&b->hand.head, at)
    {
        const struct run *r = list_entry(at, struct run, hook);
        rn_assert(r->s.number > number);
        number = r->s.number + r->s.count - 1;
    }
    rn_assert(number <= b->taken_number);
    rn_assert(b->by_hand || number == 0);
    return number;
}

static void check_receiver(const struct binding *b)
{
    uint64_t number = check_hand(b);

    run_queue_check(&b->outbox);
    run_queue_check(&b->delivered);
    run_queue_check(&b->hand);
    rn_assert(b->held == b->outbox.count + b->delivered.count + b->hand.count);
    rn_assert(b->held_bytes == b->outbox.bytes + b->delivered.bytes + b->hand.bytes);
    rn_assert(b->in_hand == settle_in_hand(b));
    rn_assert(channel_fans(b->channel) || hook_linked(&b->turn) == binding_has_sections(b));
    rn_assert(b->leaving == NULL || b->leaving == run_queue_last(&b->delivered));
    rn_assert(!b->ended || b->held == 0);
    list_each(&b->delivered.head, at)
    {
        const struct run *r = list_entry(at, struct run, hook);
        rn_assert(r->s.number > number);
        rn_assert(r->s.number > b->taken_number || r == run_queue_first(&b->delivered));
        number = r->s.number + r->s.count - 1;
        rn_assert(number > b->taken_number);
    }
    rn_assert(number <= b->last_delivery);
    if (!channel_meets(b->channel))
        match_check(b);
}

static void check_order(const struct channel *ch)
{
    uint64_t position = 1;

    list_each(&ch->queue.head, at)
    {
        const struct run *r = list_entry(at, struct run, hook);
        rn_assert(r->s.position >= position);
        position = r->s.position + r->s.count;
    }
    rn_assert(position <= ch->next_position);
}

void channel_check(const struct channel *ch)
{
    side_check(&ch->in);
    side_check(&ch->out);
    run_queue_check(&ch->queue);
    run_queue_check(&ch->dying);
    rn_assert(!ch->is_dead || (ch->dying.count == 0 && ch->out.n_bindings == 0));
    if (channel_fans(ch))
        fan_check(ch);
    else
        check_order(ch);
    list_each(&ch->in.bindings, at) check_receiver(list_entry(at, struct binding, of_side));
    nap_check(ch);
    tap_check(ch);
    ledger_check(&ch->ledger, channel_buffered(ch) + ch->in.held + ch->delayed);
    if (channel_meets(ch)) {
        meet_check(ch);
    } else {
        rn_assert(channel_used(ch) <= (uint64_t)ch->attributes.capacity);
        rn_assert(channel_used_bytes(ch) <= ch->attributes.capacity_bytes);
        rn_assert(list_empty(&ch->line.places));
    }
    rn_assert(channel_fans(ch) || list_empty(&ch->fan.log));
    rn_assert(channel_fans(ch) || ch->fan.come.count + ch->fan.due.count == 0);
    if (ch->closed)
        rn_assert(list_empty(&ch->out.askers));
    else
        rn_assert(!autoclose_due(ch));
    autoclose_check(ch);
    reply_check(ch);
}
