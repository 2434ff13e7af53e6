/* oracle.c - the bookkeeping of a run; see oracle.h.   SPDX-License-Identifier: MIT
 *
 * Everything grows and nothing is forgotten before the end: doubles are judged there, because a redelivery may
 * arrive before its first receiver learns that its session is over. */
#include "tests/sim/oracle_inside.h"

#include "node/runnel.h"
#include "runtime/sched.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void *vector_push(struct vector *v, size_t size)
{
    if (v->len == v->cap) {
        v->cap = v->cap == 0 ? 64 : v->cap * 2;
        v->data = realloc(v->data, v->cap * size);
        if (v->data == NULL)
            abort();
    }
    return (char *)v->data + v->len++ * size;
}

struct stream *oracle_stream(struct oracle *o, uint64_t incarnation)
{
    struct stream *s = o->streams.data;

    for (size_t i = 0; i < o->streams.len; i++)
        if (s[i].incarnation == incarnation)
            return &s[i];
    s = vector_push(&o->streams, sizeof *s);
    *s = (struct stream){ .incarnation = incarnation };
    return s;
}

static void home_begins(struct oracle *o)
{
    for (int i = 0; i < o->n_channels; i++)
        *(struct channel *)vector_push(&o->channels,
                                       sizeof(struct channel)) = (struct channel){ 0 };
}

struct oracle *oracle_new(int channels)
{
    struct oracle *o = calloc(1, sizeof *o);

    if (o == NULL)
        abort();
    o->n_channels = channels;
    o->fans = calloc((size_t)channels + 1, sizeof *o->fans);
    if (o->fans == NULL)
        abort();
    home_begins(o);
    return o;
}

void oracle_free(struct oracle *o)
{
    free(o->fans);
    free(o->elements.data);
    free(o->handles.data);
    free(o->receipts.data);
    free(o->channels.data);
    free(o->senders.data);
    free(o->streams.data);
    free(o->conflicts.data);
    free(o);
}

void oracle_fans(struct oracle *o, int channel)
{
    o->fans[channel] = true;
}

unsigned oracle_home(const struct oracle *o)
{
    return o->home;
}

void oracle_home_lost(struct oracle *o)
{
    o->home++;
    home_begins(o);
}

uint32_t oracle_sender(struct oracle *o, int channel, unsigned home, uint64_t incarnation,
                       uint32_t least)
{
    struct sender *s = vector_push(&o->senders, sizeof *s);

    *s = (struct sender){
        .channel = channel, .home = home, .incarnation = incarnation, .least = least
    };
    return (uint32_t)(o->senders.len - 1);
}

void oracle_sender_gone(struct oracle *o, uint32_t handle, enum gone how)
{
    sender_at(o, handle)->gone = how;
}

uint32_t oracle_try(struct oracle *o, uint32_t handle, int sender, uint32_t order)
{
    struct element *e = vector_push(&o->elements, sizeof *e);
    const struct sender *s = sender_at(o, handle);

    *e = (struct element){
        .channel = s->channel, .home = s->home, .sender = sender, .order = order, .via = handle
    };
    return (uint32_t)(o->elements.len - 1);
}

void oracle_fate(struct oracle *o, uint32_t element, enum fate fate)
{
    struct element *e = element_at(o, element);

    if (fate == FATE_NOT_SENT && e->shown)
        sim_fail("element %u was shown, though its send said that nothing was sent", element);
    if (fate == FATE_NOT_SENT && e->receipts > 0)
        sim_fail("element %u was received, though its send said that nothing was sent", element);
    channel_of(o, e)->sent += fate == FATE_SENT;
    if (fate == FATE_SENT && e->receipts == 0 && !e->dying)
        channel_of(o, e)->outstanding++;
    if (fate == FATE_DOUBT && e->fate == FATE_SENT && e->receipts == 0 && !e->dying)
        channel_of(o, e)->outstanding--;
    e->fate = fate;
    e->gave_0 |= fate == FATE_SENT;
}

void oracle_times(struct oracle *o, uint32_t element, int64_t delay_ns, int64_t ttl_ns)
{
    struct element *e = element_at(o, element);

    e->begun_ns = rn__boottime();
    e->delay_ns = delay_ns;
    e->ttl_ns = ttl_ns;
    channel_of(o, e)->expires |= ttl_ns > 0;
}

void oracle_accepted(struct oracle *o, uint32_t element)
{
    element_at(o, element)->accepted_ns = rn__boottime();
}

bool oracle_expires(const struct oracle *o, uint32_t element)
{
    return element_at(o, element)->ttl_ns > 0;
}

bool oracle_had_time(const struct oracle *o, uint32_t element, int64_t at_ns)
{
    const struct element *e = element_at(o, element);

    return e->ttl_ns > 0 && at_ns >= e->begun_ns + e->ttl_ns;
}

bool oracle_in_doubt(const struct oracle *o, uint32_t element)
{
    return element_at(o, element)->fate == FATE_DOUBT;
}

bool oracle_is_sent(const struct oracle *o, uint32_t element)
{
    return element_at(o, element)->fate == FATE_SENT;
}

uint64_t oracle_sessions_ended(const struct oracle *o)
{
    return o->ended;
}

void oracle_shown(struct oracle *o, int channel, unsigned home, uint32_t element, int *sender,
                  uint32_t *order)
{
    struct element *e = element_at(o, element);

    if (e->channel != channel || e->home != home)
        sim_fail("element %u was shown in channel %d of home %u, and was sent to another", element,
                 channel, home);
    if (e->fate == FATE_NOT_SENT)
        sim_fail("element %u was shown, though its send said that nothing was sent", element);
    e->shown = true;
    *sender = e->sender;
    *order = e->order;
}

void oracle_purging(struct oracle *o, int channel, unsigned home)
{
    channel_at(o, channel, home)->purging = true;
}

void oracle_purged(struct oracle *o, int channel, unsigned home, int64_t elements)
{
    struct channel *ch = channel_at(o, channel, home);

    ch->purging = false;
    ch->purges |= elements < 0;
    ch->purged += elements > 0 ? (uint64_t)elements : 0;
}

void oracle_cancelled(struct oracle *o, int channel, unsigned home)
{
    channel_at(o, channel, home)->cancelled = true;
}

void oracle_sender_ended(struct oracle *o)
{
    o->ended++;
}

void oracle_failed(struct oracle *o, int channel, unsigned home)
{
    channel_at(o, channel, home)->failed = true;
}

void oracle_by_hand(struct oracle *o, uint64_t incarnation)
{
    oracle_stream(o, incarnation)->by_hand = true;
}

void oracle_may_die(struct oracle *o)
{
    o->may_die = true;
}

void oracle_may_leave(struct oracle *o)
{
    o->may_leave = true;
}

/* Of the senders that asked for autoclose. */
struct tally {
    uint32_t asked, least;
    uint32_t parted, perhaps; /* in order */
};

static struct tally tally_of(const struct oracle *o, uint64_t incarnation)
{
    struct tally t = { 0 };

    for (uint32_t i = 0; i < o->senders.len; i++) {
        const struct sender *s = sender_at(o, i);
        if (s->incarnation != incarnation || s->least == 0)
            continue;
        t.asked++;
        t.parted += s->gone == GONE_UNBOUND;
        t.perhaps += s->gone == GONE_UNSURE;
        if (s->gone != GONE_NOT && s->least > t.least)
            t.least = s->least;
    }
    return t;
}

enum closing oracle_closes(const struct oracle *o, uint64_t incarnation)
{
    struct tally t = tally_of(o, incarnation);

    if (t.asked == 0)
        return CLOSES_NOT;
    if (t.least == 1 || t.parted >= t.least)
        return CLOSES_SURELY;
    return t.parted + t.perhaps >= t.least ? CLOSES_PERHAPS : CLOSES_NOT;
}

void oracle_shut(struct oracle *o, int channel, unsigned home)
{
    channel_at(o, channel, home)->shut = true;
}

/* May it have been closed, which nobody need know yet? */
static bool may_be_closed(const struct oracle *o, const struct element *e)
{
    uint64_t incarnation = sender_at(o, e->via)->incarnation;

    return oracle_stream((struct oracle *)o, incarnation)->by_hand ||
           oracle_closes(o, incarnation) != CLOSES_NOT || channel_of(o, e)->cancelled;
}

void oracle_in_time(const struct oracle *o, uint32_t element, int64_t slack_ns)
{
    const struct element *e = element_at(o, element);
    int64_t now_ns = rn__boottime(), due_ns = e->accepted_ns + e->delay_ns + e->ttl_ns;

    if (now_ns < e->begun_ns + e->delay_ns && !may_be_closed(o, e))
        sim_fail("element %u came %lld us before its time", element,
                 (long long)(e->begun_ns + e->delay_ns - now_ns) / 1000);
    if (e->ttl_ns > 0 && e->accepted_ns > 0 && now_ns > due_ns + slack_ns)
        sim_fail("element %u came %lld us after its time", element,
                 (long long)(now_ns - due_ns) / 1000);
}

uint32_t oracle_handle(struct oracle *o, int channel, unsigned home, uint64_t incarnation,
                       bool alone)
{
    struct handle *h = vector_push(&o->handles, sizeof *h);

    *h = (struct handle){
        .channel = channel, .home = home, .incarnation = incarnation, .alone = alone
    };
    return (uint32_t)(o->handles.len - 1);
}

void oracle_session_ended(struct oracle *o, uint32_t handle)
{
    handle_at(o, handle)->ended = true;
    o->ended++;
}

void oracle_may_reorder(struct oracle *o)
{
    o->may_reorder = true;
}

static struct channel *handle_channel(const struct oracle *o, uint32_t handle)
{
    const struct handle *h = handle_at(o, handle);

    return channel_at(o, h->channel, h->home);
}

void oracle_calls(struct oracle *o, uint32_t handle)
{
    handle_channel(o, handle)->calls++;
    handle_channel(o, handle)->begun++;
}

void oracle_returns(struct oracle *o, uint32_t handle)
{
    handle_channel(o, handle)->calls--;
}

static void check_origin(const struct oracle *o, uint32_t handle, uint32_t element)
{
    const struct element *e = element_at(o, element);
    const struct handle *h = handle_at(o, handle);

    if (e->channel != h->channel)
        sim_fail("element %u of channel %d came out of channel %d", element, e->channel,
                 h->channel);
    if (e->home != h->home)
        sim_fail("element %u of home %u came from home %u", element, e->home, h->home);
    if (e->fate == FATE_NOT_SENT)
        sim_fail("element %u came, though its send said that nothing was sent", element);
}

void oracle_received(struct oracle *o, uint32_t handle, uint32_t element)
{
    struct element *e = element_at(o, element);
    struct receipt *r = vector_push(&o->receipts, sizeof *r);

    *r = (struct receipt){ .handle = handle, .element = element };
    check_origin(o, handle, element);
    if (e->receipts++ == 0 && e->fate == FATE_SENT && !e->dying)
        channel_of(o, e)->outstanding--;
}

/* What a session that has ended had sent counts as sent until its sender knows. */
static __attribute__((format(printf, 2, 3))) void suspect(struct oracle *o, const char *format, ...)
{
    va_list args;

    if (o->suspicion[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(o->suspicion, sizeof o->suspicion, format, args);
    va_end(args);
}

void oracle_out_of_order(struct oracle *o, int channel, int sender, uint32_t order, int64_t after)
{
    suspect(o, "channel %d, sender %d: a tap has shown order %u after %lld", channel, sender, order,
            (long long)after);
}

void oracle_delivered(struct oracle *o, uint32_t handle, uint32_t element, uint32_t deliveries)
{
    struct element *e = element_at(o, element);

    check_origin(o, handle, element);
    if (e->holder != 0)
        *(struct conflict *)vector_push(&o->conflicts, sizeof(struct conflict)) = (struct conflict){
            .element = element, .older = e->holder - 1, .newer = handle
        };
    e->holder = handle + 1;
    if (deliveries != 1 + e->nacks)
        suspect(o,
                "element %u has come %u times, as its delivery says, and was wanted again %u times",
                element, deliveries, e->nacks);
    if (deliveries == 0)
        sim_fail("element %u came for the 0th time", element);
}

void oracle_acknowledged(struct oracle *o, uint32_t handle, uint32_t element)
{
    oracle_received(o, handle, element); /* and nobody may have it any more */
}

/* It will not come any more, and it does not count in its channel when it is buried. */
static void dies(struct oracle *o, struct element *e)
{
    if (!e->dying && e->receipts == 0 && e->fate == FATE_SENT)
        channel_of(o, e)->outstanding--;
    e->dying = true;
}

void oracle_again(struct oracle *o, uint32_t handle, uint32_t element, bool once_too_often)
{
    struct element *e = element_at(o, element);

    e->nacks++;
    e->holder = once_too_often ? handle + 1 : 0;
    if (once_too_often)
        dies(o, e);
}

void oracle_rejected(struct oracle *o, uint32_t handle, uint32_t element)
{
    struct element *e = element_at(o, element);

    e->rejected = true;
    e->holder = handle + 1; /* nobody may be given it any more */
    dies(o, e);
}

void oracle_refused(struct oracle *o, uint32_t element)
{
    struct element *e = element_at(o, element);

    e->refused = true;
    dies(o, e);
    channel_of(o, e)->begun++;
}

void oracle_dead(struct oracle *o, int channel, unsigned home, uint32_t element, enum death death)
{
    struct element *e = element_at(o, element);

    if (e->channel != channel || e->home != home)
        sim_fail("element %u died in channel %d of home %u, and was sent to another", element,
                 channel, home);
    if (e->fate == FATE_NOT_SENT)
        sim_fail("element %u died, though its send said that nothing was sent", element);
    if ((death == DEATH_BY_HAND && !e->rejected) || (death == DEATH_BY_CODEC && !e->refused))
        sim_fail("element %u died as one that was rejected, and nobody has rejected it", element);
    e->dead = true;
}

void oracle_let_go(struct oracle *o, uint32_t element)
{
    element_at(o, element)->holder = 0;
}

bool oracle_is_cancelled(const struct oracle *o, int channel, unsigned home)
{
    return channel_at(o, channel, home)->cancelled;
}

/* A channel that nobody closed has closed. */
static void check_autoclose(const struct oracle *o, const struct handle *h, int reason)
{
    struct tally t = tally_of(o, h->incarnation);

    if (reason == RN_ESESSION && !o->may_die)
        sim_fail("channel %d has failed over a sender's death, but no session has ended",
                 h->channel);
    if (!o->may_leave && t.least > 1 && t.parted + t.perhaps < t.least)
        sim_fail("channel %d has closed when %u senders had gone, not %u", h->channel,
                 t.parted + t.perhaps, t.least);
}

void oracle_closed(struct oracle *o, uint32_t handle, int reason)
{
    struct channel *ch = handle_channel(o, handle);
    const struct handle *h = handle_at(o, handle);
    struct stream *stream = oracle_stream(o, h->incarnation);

    ch->closed = true;
    ch->reason |= reason != 0;
    if (!o->fans[h->channel] && !ch->cancelled && !ch->expires &&
        ch->outstanding > ch->calls + purged(ch))
        suspect(o,
                "channel %d is closed and drained, but %llu elements have not come (%llu in hand)",
                h->channel, (unsigned long long)ch->outstanding, (unsigned long long)ch->calls);
    if (reason != 0 && reason != RN_ESESSION && !ch->cancelled && !ch->failed)
        sim_fail("channel %d ended with %d, but nobody has failed it", h->channel, reason);
    stream->plain |= reason == 0;
    if (!stream->by_hand && (reason == 0 || reason == RN_ESESSION))
        check_autoclose(o, h, reason);
}

void oracle_capacity(struct oracle *o, int channel, unsigned home, size_t capacity, bool yields)
{
    const struct channel *ch = channel_at(o, channel, home);

    if (o->fans[channel])
        return;
    if (capacity == 0 && ch->sent > ch->begun)
        sim_fail("channel %d is a rendezvous: %llu sends gave 0, only %llu receives were called",
                 channel, (unsigned long long)ch->sent, (unsigned long long)ch->begun);
    if (capacity == 0 && (yields || ch->cancelled))
        return;
    if (ch->expires)
        return;
    if (purged(ch) < UINT64_MAX / 2 && ch->outstanding > capacity + ch->calls + purged(ch))
        suspect(o, "channel %d holds %llu elements, its capacity is %zu (%llu in hand)", channel,
                (unsigned long long)ch->outstanding, capacity, (unsigned long long)ch->calls);
}

void oracle_expired(struct oracle *o, uint64_t expired)
{
    o->expired_known = true;
    o->expired = expired;
}

void oracle_expired_in_fanouts(struct oracle *o, uint64_t least, uint64_t most)
{
    o->fans_least = least;
    o->fans_most = most;
}
