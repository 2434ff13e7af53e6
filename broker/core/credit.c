/* credit.c - who may send how much.   SPDX-License-Identifier: MIT
 *
 * Invariant: credit is made only by grant(), out of free slots and free bytes, and ends only by credit_accept() (it
 * became an element), credit_returned() and credit_leave(). */
#include "broker/core/credit.h"

#include "broker/core/nap.h"
#include "broker/core/pieces.h"
#include "broker/core/state.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>

#define SHARE_MAX       UINT64_C(4096) /* elements lent to one sender, beyond what it asked for */
#define SHARE_BYTES_MAX (UINT64_C(8) << 20)
#define RESERVE_PART    16 /* this part of a channel is not lent, so that an asker need not wait */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int broken(const char **why, const char *rule)
{
    *why = rule;
    return -EPROTO;
}

static void grant(struct binding *b, uint64_t n, uint64_t bytes, uint64_t claimed)
{
    rn_assert(n <= channel_free_slots(b->channel));
    rn_assert(bytes <= channel_free_bytes(b->channel));
    rn_assert(n <= UINT32_MAX - b->grant);
    b->grant += (uint32_t)n;
    b->grant_bytes += bytes;
    side_hold(b, n, bytes, claimed);
    binding_will_speak(b);
}

/* ---- who is active -------------------------------------------------------------------------------------------- */

static void touch(struct binding *b)
{
    struct channel *ch = b->channel;

    if (!hook_linked(&b->active))
        ch->n_active++;
    b->used_ns = ch->core->now_ns;
    hook_put(&ch->active, &b->active);
    if (!hook_linked(&b->hungry))
        hook_put(&ch->hungry, &b->hungry);
}

static void retire_inactive(struct channel *ch)
{
    struct binding *b;

    while ((b = list_first(&ch->active, struct binding, active)) != NULL) {
        if (ch->core->now_ns - b->used_ns < CORE_ACTIVE_NS)
            break;
        hook_take(&b->active);
        hook_take(&b->hungry);
        ch->n_active--;
    }
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

int credit_ask(struct binding *b, const struct wire_control *c, const char **why)
{
    const struct channel *ch = b->channel;

    if (ch->closed) {
        rn_reached("credit: an ask crosses the close");
        return 0; /* the Recall that says so crossed on the way */
    }
    if (c->ask.waiting > 0 && c->ask.first_bytes > ch->attributes.capacity_bytes)
        return broken(why, "an ask for an element larger than its channel's capacity_bytes");
    if (c->ask.waiting > 0 && c->ask.bytes < c->ask.first_bytes)
        return broken(why, "an ask for fewer bytes than its first element has");

    if (c->ask.waiting == 0 || c->ask.weak != b->weak) {
        side_unask(b);
        hook_take(&b->weak_due);
    }
    side_wait(b, c->ask.waiting);
    b->weak = c->ask.weak;
    b->first_bytes = c->ask.first_bytes;
    b->ask_bytes = c->ask.bytes;
    if (c->ask.waiting == 0)
        return 0;
    /* Operations that join a binding in line do not go before others that have waited longer. */
    b->in_line = hook_linked(&b->asking) && b->in_line < b->waiting ? b->in_line : b->waiting;
    side_ask(b);
    if (b->weak) {
        b->weak_until = ch->core->now_ns + CORE_WEAK_NS;
        hook_put(&ch->core->weak_due, &b->weak_due);
    } else {
        touch(b);
    }
    return 0;
}

const char *credit_fault(const struct binding *b, const struct wire_section *s)
{
    const struct channel *ch = b->channel;

    if (b->direction != WIRE_OUT)
        return "a section for a binding that receives";
    if (s->incarnation != ch->incarnation || s->epoch != ch->epoch)
        return "a section for another incarnation or epoch of its channel";
    if (s->count == 0 || (s->flags & ~(WIRE_MANNER | WIRE_TIMED | WIRE_PIECE)) != 0)
        return "a section without elements or with unknown flags";
    if (s->number != b->next_number)
        return "a section whose number is out of sequence";
    if (s->count > b->held)
        return "more elements than were lent";
    if (s->bytes > b->held_bytes)
        return "more bytes than were lent";
    return NULL;
}

/* How long an element may wait to be received: the shorter of what its sender and its channel say.  0: for ever. */
static uint64_t time_to_live(const struct channel *ch, const struct wire_section *s)
{
    uint64_t ttl_ms = ch->attributes.ttl_ms > 0 ? (uint64_t)ch->attributes.ttl_ms : 0;

    if (ttl_ms == 0 || (s->ttl_ms > 0 && s->ttl_ms < ttl_ms))
        return s->ttl_ms;
    return ttl_ms;
}

/* What came, ready to be buffered, or to nap before that.  NULL: no memory. */
static struct run *arrival(const struct channel *ch, const struct wire_section *s,
                           struct frame *frame)
{
    struct run *r = run_new(s, frame);
    uint64_t ttl_ms = time_to_live(ch, s);

    if (r == NULL)
        return NULL;
    r->s.flags &= ~WIRE_TIMED;
    r->s.delay_ms = r->s.ttl_ms = 0;
    r->s.deliveries = 1;
    r->accepted_ns = ch->core->now_ns;
    if (ttl_ms == 0 || expiry_give(r, ttl_ms))
        return r;
    run_free(r);
    return NULL;
}

int credit_accept(struct binding *b, const struct wire_section *s, struct frame *frame,
                  const char **why)
{
    struct channel *ch = b->channel;
    const char *fault = credit_fault(b, s);

    if (fault != NULL)
        return broken(why, fault);
    bool cancelled = ch->closed && ch->code == WIRE_CANCELLED;
    bool naps = nap_is_due(b, s) && !ch->closed;
    struct run *r = cancelled ? NULL : arrival(ch, s, frame);
    struct nap *nap = r != NULL && naps ? nap_new(ch, NULL) : NULL;
    if (!cancelled && (r == NULL || (naps && nap == NULL))) {
        run_free(r);
        return -ENOMEM;
    }

    if (b->coming.frame != NULL) /* this one comes in its place */
        assembly_drop(&b->coming);
    side_release(b, s->count, s->bytes);
    b->next_number += s->count;
    binding_will_speak(b);
    if (channel_fans(ch) && !cancelled &&
        !naps) { /* it is accepted when somebody is there for it */
        run_queue_push(&ch->fan.come, r);
        if (!ch->closed)
            touch(b);
        return 0;
    }
    if (!channel_fans(
            ch)) /* else see binding_speak: not before what has come and is not accepted */
        b->accepted += s->count;
    ch->ledger.accepted += s->count;
    if (cancelled) {
        rn_reached("credit: a section crosses the cancellation");
        ch->ledger.dropped_cancelled += s->count;
    } else if (naps) {
        nap_begin_new(nap, r, s->delay_ms, b);
    } else {
        channel_buffer(ch, r, ch->core->now_ns);
    }
    if (!ch->closed)
        touch(b);
    return 0;
}

int credit_returned(struct binding *b, const struct wire_control *c, const char **why)
{
    if (b->recalls == 0)
        return broken(why, "credit was returned that was not recalled");
    if (c->credit.elements > b->held || c->credit.bytes > b->held_bytes)
        return broken(why, "more credit was returned than was lent");
    rn_reached_if(c->credit.elements > 0 && b->channel->closed,
                  "credit: a close brings credit back");
    if (b->recalls == 1) {
        side_answered(b);
    } else {
        rn_reached("credit: a close on top of a recall");
        b->recalls--; /* closing came on top of a Recall: the second answer settles both */
    }
    side_give_back(b, c->credit.elements, c->credit.bytes);
    pieces_uncredited(b);
    return 0;
}

/* ---- granting ---------------------------------------------------------------------------------------------------- */

/* Gives the first asker what there is of what it asked for.  false: not even one whole element. */
static bool serve(struct channel *ch, struct binding *b)
{
    uint64_t slots = channel_free_slots(ch), bytes = channel_free_bytes(ch);

    rn_reached_if(slots > 0 && bytes < b->first_bytes,
                  "credit: the first element is too large now");
    if (slots == 0 || bytes < b->first_bytes)
        return false;
    uint64_t n = least(b->weak ? 1 : b->in_line, slots);
    uint64_t wanted = b->ask_bytes;
    if (n < b->waiting || wanted > bytes) {
        rn_reached_if(wanted > bytes, "credit: less is free in bytes than is asked for");
        /* Not all fits.  The sizes behind the first are not known, so they count as equal. */
        uint64_t each = (b->ask_bytes + b->waiting - 1) / b->waiting;
        n = each <= bytes ? least(n, each > 0 ? bytes / each : n) : 1;
        wanted = least(bytes, n * each);
    }
    if (wanted < b->first_bytes)
        wanted = b->first_bytes;

    uint32_t left = b->weak ? 0 : b->waiting - (uint32_t)n;
    b->ask_bytes -= least(b->ask_bytes, wanted);
    b->first_bytes = left > 0 ? least(b->first_bytes, b->ask_bytes / left) : 0;
    if (left == 0) {
        side_unask(b);
        hook_take(&b->weak_due);
    }
    b->in_line -= least(b->in_line, n);
    uint64_t sure = side_answer(b, b->weak ? b->waiting : n);
    if (left > 0 && b->in_line == 0) {
        b->in_line = left; /* those that joined later go behind whoever is in line by now */
        hook_put(&ch->out.askers, &b->asking);
    }
    grant(b, n, wanted, b->weak ? 0 : sure);
    return true;
}

/* Lends what askers leave to active senders that have used up half of their share.  What a sender holds already is
 * part of what there is to share: else the share of the only sender would shrink as it is filled. */
static void lend(struct channel *ch)
{
    struct binding *b;

    retire_inactive(ch);
    while ((b = list_first(&ch->hungry, struct binding, hungry)) != NULL) {
        uint64_t capacity = (uint64_t)ch->attributes.capacity,
                 capacity_bytes = ch->attributes.capacity_bytes;
        uint64_t slots = channel_free_slots(ch), bytes = channel_free_bytes(ch);
        if (ch->out.n_bindings > 1) { /* else nobody is there for whom to reserve it */
            slots -= least(slots, capacity / RESERVE_PART);
            bytes -= least(bytes, capacity_bytes / RESERVE_PART);
        }
        uint64_t share = least((slots + b->held) / ch->n_active, SHARE_MAX);
        uint64_t share_bytes = least((bytes + b->held_bytes) / ch->n_active, SHARE_BYTES_MAX);
        uint64_t n = share > b->held ? least(share - b->held, slots) : 0;
        uint64_t m = share_bytes > b->held_bytes ? least(share_bytes - b->held_bytes, bytes) : 0;
        if (share < 2 || share_bytes == 0 || slots == 0)
            return;
        hook_take(&b->hungry);
        if (b->held * 2 < share || b->held_bytes * 2 < share_bytes)
            grant(b, n, m, 0);
    }
}

static void recall(struct binding *b)
{
    side_recall(b, b->held - b->claimed, b->held_bytes);
    binding_recall(b, 0);
    if (b->grant > 0) {
        rn_reached("credit: a recall overtakes credit");
        b->fresh =
            true; /* this credit will be said after the Recall, so the Recall does not see it */
        side_place(b);
    }
}

/* The asker at the head gets nothing as it is: brings back what others hold and do not use. */
static void bring_back(struct channel *ch, const struct binding *asker)
{
    struct side *out = &ch->out;
    uint64_t wanted = out->waiting > 0 ? out->waiting : 1;
    struct binding *b;

    while (channel_free_slots(ch) + out->returning < wanted ||
           channel_free_bytes(ch) + out->returning_bytes < asker->first_bytes) {
        b = list_first(&out->spare, struct binding, holding);
        if (b == NULL)
            break;
        rn_reached("credit: spare credit is recalled");
        recall(b);
    }
    if (out->held > 0 || out->held_bytes > 0)
        channel_doubt(ch);
}

/* At the cost of receivers that are too slow for their channel. */
static bool make_room(struct channel *ch, const struct binding *asker)
{
    uint64_t slots = channel_free_slots(ch), bytes = channel_free_bytes(ch);
    uint64_t wanted = asker->weak ? 1 : asker->in_line;

    if (!channel_fans(ch))
        return false;
    return fan_make_room(ch, wanted - least(wanted, slots),
                         asker->first_bytes - least(asker->first_bytes, bytes));
}

/* false: there is not enough for somebody. */
static bool serve_all(struct channel *ch, struct hook *list)
{
    struct binding *b;

    while ((b = list_first(list, struct binding, asking)) != NULL) {
        if (serve(ch, b) || make_room(ch, b))
            continue;
        bring_back(ch, b);
        return false;
    }
    return true;
}

void credit_settle(struct channel *ch)
{
    if (ch->closed)
        return;
    if (channel_fans(ch) && ch->fan.n_windows == 0 && !fan_is_hasty(ch))
        return; /* nobody is there to send to */
    if (!serve_all(ch, &ch->out.askers) || !serve_all(ch, &ch->out.weak))
        return;
    if (channel_fans(ch) && !list_empty(&ch->hungry))
        fan_ease(ch);
    lend(ch);
}

void credit_close(struct channel *ch)
{
    list_each(&ch->out.bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        struct wire_control c = {
            .what = WIRE_RECALL,
            .recall = { .closing = true, .code = ch->code, .reason = ch->reason },
        };
        if (b->ended)
            continue;
        side_unask(b);
        side_wait(b, 0);
        hook_take(&b->weak_due);
        side_recall(b, 0, 0);
        binding_control(b, &c);
    }
}

void credit_leave(struct binding *b)
{
    side_release(b, b->held, b->held_bytes);
}
