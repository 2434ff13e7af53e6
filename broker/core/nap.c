/* nap.c - see nap.h.   SPDX-License-Identifier: MIT */
#include "broker/core/nap.h"

#include "broker/core/state.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <stdlib.h>

struct nap {
    struct due due;
    struct hook hook; /* in channel->naps */
    struct channel *channel;
    struct binding *owner; /* or NULL */
    struct run_queue runs;
    int64_t at_ns; /* when it ends */
    bool is_new;   /* it was not to be had before */
};

/* Takes it off everything but its runs. */
static void nap_leave(struct nap *nap)
{
    struct channel *ch = nap->channel;

    due_take(&nap->due);
    hook_take(&nap->hook);
    ch->delayed -= nap->runs.count;
    ch->delayed_bytes -= nap->runs.bytes;
    if (nap->is_new) {
        ch->fan.fresh -= nap->runs.count;
        ch->fan.fresh_bytes -= nap->runs.bytes;
    }
    if (nap->owner != NULL)
        nap->owner->window.napping -= nap->runs.count;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A broker that was held up is no reason to be had for longer. */
static void nap_end(struct nap *nap)
{
    struct channel *ch = nap->channel;
    int64_t at_ns = earlier(nap->at_ns, ch->core->now_ns);
    struct run *r;

    nap_leave(nap);
    if (nap->owner != NULL)
        fan_again(nap->owner, &nap->runs);
    while (nap->is_new && (r = run_queue_first(&nap->runs)) != NULL) {
        run_queue_take(&nap->runs, r);
        if (channel_fans(ch))
            fan_due_now(ch, r, at_ns);
        else
            channel_buffer(ch, r, at_ns);
    }
    run_queue_merge(&ch->queue, &nap->runs);
    free(nap);
}

/* Its time is over before its nap. */
static void nap_expired(struct run_queue *q, struct run *r)
{
    struct nap *nap = list_entry(q, struct nap, runs);
    struct channel *ch = nap->channel;

    rn_reached("nap: what was to come again expires");
    run_queue_take(q, r);
    ch->delayed -= r->s.count;
    ch->delayed_bytes -= r->s.bytes;
    ch->ledger.expired += r->s.count;
    if (nap->owner != NULL) {
        nap->owner->window.napping -= r->s.count;
        nap->owner->window.expired += r->s.count;
    }
    run_free(r);
    if (q->count == 0) {
        nap_leave(nap);
        free(nap);
    }
    channel_after(ch);
}

static void nap_falls(struct due *due)
{
    struct nap *nap = due_entry(due, struct nap, due);
    struct channel *ch = nap->channel;

    rn_reached("nap: a delay is over");
    nap_end(nap);
    channel_after(ch);
}

struct nap *nap_new(struct channel *ch, struct binding *owner)
{
    struct nap *nap = malloc(sizeof *nap);

    if (nap == NULL)
        return NULL;
    nap->channel = ch;
    nap->owner = owner;
    due_init(&nap->due, nap_falls);
    hook_init(&nap->hook);
    run_queue_init_timed(&nap->runs, &ch->core->dues, nap_expired);
    nap->is_new = false;
    return nap;
}

static void begin_at(struct nap *nap, struct run_queue *runs, int64_t at_ns)
{
    struct channel *ch = nap->channel;

    ch->delayed += runs->count;
    ch->delayed_bytes += runs->bytes;
    if (nap->is_new) {
        ch->fan.fresh += runs->count;
        ch->fan.fresh_bytes += runs->bytes;
    }
    if (nap->owner != NULL)
        nap->owner->window.napping += runs->count;
    run_queue_merge(&nap->runs, runs);
    hook_put(&ch->naps, &nap->hook);
    nap->at_ns = at_ns;
    due_put(&ch->core->dues, &nap->due, nap->at_ns);
}

void nap_begin(struct nap *nap, struct run_queue *runs, uint64_t delay_ms)
{
    begin_at(nap, runs, expiry_after(nap->channel->core->now_ns, delay_ms));
}

/* Behind those that are still to be had at its time it is so, too, though it may be late itself. */
bool nap_is_due(const struct binding *sender, const struct wire_section *s)
{
    return s->delay_ms > 0 || (s->position != 0 && s->position == sender->together &&
                               sender->together_ns > sender->channel->core->now_ns);
}

/* What its sender wants to be had at the same time of the day comes with delays that become shorter, in frames that take more or
 * less time; none is due before that time.  So all are due when the first is, and keep their order. */
static int64_t due_with(const struct run *r, uint64_t delay_ms, struct binding *sender)
{
    if (r->s.position == 0 || r->s.position != sender->together) {
        sender->together = r->s.position;
        sender->together_ns = expiry_after(sender->channel->core->now_ns, delay_ms);
    }
    return sender->together_ns;
}

void nap_begin_new(struct nap *nap, struct run *r, uint64_t delay_ms, struct binding *sender)
{
    int64_t at_ns = due_with(r, delay_ms, sender);
    struct run_queue runs;

    r->s.position = 0; /* that said what is due together; it gets one when it is due */
    run_queue_init(&runs);
    run_queue_push(&runs, r);
    nap->is_new = true;
    begin_at(nap, &runs, at_ns);
}

void nap_done(struct nap *nap)
{
    if (!hook_linked(&nap->hook))
        free(nap);
}

void nap_end_all(struct channel *ch)
{
    struct nap *nap;

    while ((nap = list_first(&ch->naps, struct nap, hook)) != NULL) {
        rn_reached("nap: a close ends a delay");
        nap_end(nap);
    }
}

static void nap_drop(struct nap *nap)
{
    nap_leave(nap);
    run_queue_free(&nap->runs);
    free(nap);
}

uint64_t nap_drop_all(struct channel *ch)
{
    uint64_t n = ch->delayed;
    struct nap *nap;

    while ((nap = list_first(&ch->naps, struct nap, hook)) != NULL) {
        if (nap->owner != NULL)
            nap->owner->window.dropped += nap->runs.count;
        nap_drop(nap);
    }
    return n;
}

uint64_t nap_drop_of(struct binding *owner)
{
    uint64_t n = owner->window.napping;
    struct hook *next;

    for (struct hook *at = owner->channel->naps.next; owner->window.napping > 0; at = next) {
        struct nap *nap = list_entry(at, struct nap, hook);
        next = at->next;
        if (nap->owner == owner)
            nap_drop(nap);
    }
    return n;
}

void nap_each(const struct channel *ch,
              void (*fn)(void *arg, const struct run_queue *runs, int64_t due_ns), void *arg)
{
    list_each(&ch->naps, at)
    {
        const struct nap *nap = list_entry(at, struct nap, hook);
        fn(arg, &nap->runs, nap->at_ns);
    }
}

uint64_t nap_memory(const struct channel *ch)
{
    uint64_t bytes = 0;

    list_each(&ch->naps, at)
    {
        const struct nap *nap = list_entry(at, struct nap, hook);
        bytes += sizeof *nap + run_queue_memory(&nap->runs);
    }
    return bytes;
}

void nap_check(const struct channel *ch)
{
    uint64_t n = 0, bytes = 0;

    list_each(&ch->naps, at)
    {
        const struct nap *nap = list_entry(at, struct nap, hook);
        rn_assert(due_pending(&nap->due));
        rn_assert(nap->runs.count > 0);
        run_queue_check(&nap->runs);
        n += nap->runs.count;
        bytes += nap->runs.bytes;
    }
    rn_assert(n == ch->delayed);
    rn_assert(bytes == ch->delayed_bytes);
    rn_assert(!ch->closed || n == 0);
}
