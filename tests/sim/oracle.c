/* oracle.c - the bookkeeping of a run; see oracle.h.   SPDX-License-Identifier: MIT
 *
 * Everything grows and nothing is forgotten before the end: doubles are judged there, because a redelivery may
 * arrive before its first receiver learns that its session is over. */
#include "tests/sim/oracle.h"

#include "node/runnel.h"
#include "runtime/sched.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct element {
    int channel, sender;
    unsigned home;
    uint32_t order, via; /* the sender's handle */
    enum fate fate;
    bool gave_0; /* its send, though it may be in doubt by now */
    uint32_t receipts;
    uint32_t live_receipts; /* by handles whose session did not end; filled in at the end */
    uint32_t
        holder; /* by hand: the handle, + 1, that has it or has said that it is over; 0: none */
    uint32_t nacks;
    int64_t begun_ns, delay_ns, ttl_ns; /* ttl_ns 0: for ever */
    int64_t accepted_ns;                /* not later than that; 0: nobody knows */
    bool rejected, refused, dying, dead, shown;
};

/* An element came to a handle while another had it. */
struct conflict {
    uint32_t element, older, newer;
};

/* One that receives. */
struct handle {
    int channel;
    unsigned home;
    uint64_t incarnation;
    bool alone, ended;
};

/* One that sends. */
struct sender {
    int channel;
    unsigned home;
    uint64_t incarnation;
    uint32_t least; /* 0: does not ask for autoclose */
    enum gone gone;
};

/* One incarnation of a channel. */
struct stream {
    uint64_t incarnation;
    bool by_hand;
    bool plain; /* a receiver was told of a close without a reason */
};

struct receipt {
    uint32_t handle, element;
};

/* A channel under one home. */
struct channel {
    uint64_t outstanding; /* sent and not received */
    uint64_t calls;       /* receives that have not returned */
    uint64_t sent, begun; /* of all time: sends that gave 0, receives that were called */
    bool cancelled, failed;
    bool expires;      /* some of its elements do */
    bool closed;       /* a receiver was told so, ... */
    bool shut, reason; /* a sender has closed it; ... and a receiver was told a reason */
    uint64_t purged;   /* elements, as was answered */
    bool purging,
        purges; /* a purge is on its way; it may have been done, and nobody knows how much it was */
};

struct vector {
    void *data;
    size_t len, cap;
};

#define DELAYS 8 /* more than there are */

struct oracle {
    struct vector elements, handles, receipts, senders, streams, conflicts;
    struct vector channels; /* of each home in turn, n_channels each */
    int n_channels;
    bool *fans; /* by channel */
    unsigned home;
    uint64_t ended; /* handles that have lost their session */
    bool may_reorder, may_die, may_leave;
    bool expired_known;
    uint64_t expired, fans_least, fans_most;
    int64_t delays_ns[DELAYS]; /* that came, but 0 */
    char suspicion[200];       /* the first that there was; "": none */
};

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

static struct element *element_at(const struct oracle *o, uint32_t i)
{
    if (i >= o->elements.len)
        sim_fail("an element came that was never made: %u", i);
    return (struct element *)o->elements.data + i;
}

static struct handle *handle_at(const struct oracle *o, uint32_t i)
{
    return (struct handle *)o->handles.data + i;
}

static struct sender *sender_at(const struct oracle *o, uint32_t i)
{
    return (struct sender *)o->senders.data + i;
}

static struct stream *stream_of(struct oracle *o, uint64_t incarnation)
{
    struct stream *s = o->streams.data;

    for (size_t i = 0; i < o->streams.len; i++)
        if (s[i].incarnation == incarnation)
            return &s[i];
    s = vector_push(&o->streams, sizeof *s);
    *s = (struct stream){ .incarnation = incarnation };
    return s;
}

static struct channel *channel_at(const struct oracle *o, int channel, unsigned home)
{
    return (struct channel *)o->channels.data + (size_t)home * (size_t)o->n_channels + channel;
}

static struct channel *channel_of(const struct oracle *o, const struct element *e)
{
    return channel_at(o, e->channel, e->home);
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

/* So many of those that were sent and have not come may have been purged. */
static uint64_t purged(const struct channel *ch)
{
    return ch->purging || ch->purges ? UINT64_MAX - ch->calls : ch->purged;
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
    stream_of(o, incarnation)->by_hand = true;
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

    return stream_of((struct oracle *)o, incarnation)->by_hand ||
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

/* While a session lives nobody else is given what it has, or has acknowledged. */
static void check_conflicts(const struct oracle *o)
{
    const struct conflict *c = o->conflicts.data;

    for (size_t i = 0; i < o->conflicts.len; i++)
        if (!handle_at(o, c[i].older)->ended)
            sim_fail(
                "element %u came to handle %u, while handle %u had it, or had acknowledged or rejected it",
                c[i].element, c[i].newer, c[i].older);
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
    struct stream *stream = stream_of(o, h->incarnation);

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

/* Elements with other delays overtake each other. */
static size_t delay_of(struct oracle *o, const struct element *e)
{
    int64_t *known = o->delays_ns;
    size_t i = 0;

    while (i < DELAYS - 1 && known[i] != e->delay_ns && known[i] != 0)
        i++;
    known[i] = e->delay_ns;
    return e->delay_ns == 0 ? DELAYS - 1 : i;
}

/* Per handle, sender and delay the orders grow.  Redelivery may reorder: only asked where no session ended. */
static void check_order(struct oracle *o)
{
    const struct receipt *receipts = o->receipts.data;
    size_t n = o->receipts.len;
    int senders = 0;
    int64_t *last;

    for (uint32_t i = 0; i < o->elements.len; i++)
        if (element_at(o, i)->sender >= senders)
            senders = element_at(o, i)->sender + 1;
    last = malloc((o->handles.len * (size_t)senders + 1) * DELAYS * sizeof *last);
    if (last == NULL)
        abort();
    for (size_t i = 0; i < o->handles.len * (size_t)senders * DELAYS; i++)
        last[i] = -1;
    for (size_t i = 0; i < n; i++) {
        const struct element *e = element_at(o, receipts[i].element);
        size_t sender = receipts[i].handle * (size_t)senders + (size_t)e->sender;
        int64_t *seen = &last[sender * DELAYS + delay_of(o, e)];

        if (!handle_at(o, receipts[i].handle)->alone)
            continue;
        if (e->order <= *seen)
            sim_fail("channel %d, sender %d: element %u (order %u) came after order %lld",
                     e->channel, e->sender, receipts[i].element, e->order, (long long)*seen);
        *seen = e->order;
    }
    free(last);
}

/* May it be gone although its send gave 0?  Or still in the channel: receivers that had seen the close under a home that
 * was lost then are not there under the next. */
static bool may_be_gone(const struct oracle *o, const struct element *e)
{
    return e->home < o->home || channel_of(o, e)->cancelled || !channel_of(o, e)->closed ||
           purged(channel_of(o, e)) > 0; /* how many is counted by check_purged() */
}

/* A send that gave 0 had a slot, so its handle was there while the channel was open: the channel could not close before it
 * was gone. */
static void check_deaths(struct oracle *o)
{
    for (uint32_t i = 0; i < o->elements.len; i++) {
        const struct element *e = element_at(o, i);
        const struct sender *s = sender_at(o, e->via);
        const struct stream *stream = stream_of(o, s->incarnation);

        if (o->fans[e->channel] || !e->gave_0 || s->least == 0 || !stream->plain ||
            stream->by_hand || channel_of(o, e)->cancelled)
            continue;
        if (s->gone == GONE_DEAD)
            sim_fail("channel %d was closed as if sender %d, who died, had gone in order",
                     e->channel, e->sender);
        if (e->receipts == 0 && !e->dead && e->ttl_ns == 0 && purged(channel_of(o, e)) == 0 &&
            e->home == o->home) /* else it may have died with its home */
            sim_fail("channel %d was closed as if element %u, which stayed behind, had come",
                     e->channel, i);
    }
}

/* Counts who has got what.  What comes again was in a session that has ended: so nobody may take it in that session once
 * somebody else has it. */
static void count_receipts(const struct oracle *o)
{
    const struct receipt *receipts = o->receipts.data;

    for (size_t i = 0; i < o->receipts.len; i++) {
        struct element *e = element_at(o, receipts[i].element);

        if (o->fans[e->channel])
            continue;
        if (!handle_at(o, receipts[i].handle)->ended)
            e->live_receipts++;
        else if (e->live_receipts > 0)
            sim_fail(
                "element %u was taken in a session that had ended: it had come in another before",
                receipts[i].element);
    }
}

/* Somebody has failed it before anybody has closed it. */
static void check_reasons(const struct oracle *o)
{
    const struct channel *ch = o->channels.data;

    for (size_t i = 0; i < o->channels.len; i++)
        if (ch[i].failed && !ch[i].shut && !ch[i].cancelled && ch[i].closed && !ch[i].reason)
            sim_fail("channel %zu was failed, and ended as if it had been closed",
                     i % (size_t)o->n_channels);
}

/* A session that has ended may have taken what has expired since, and nobody can count that. */
static void check_expired(const struct oracle *o)
{
    uint64_t least = o->fans_least, most = o->fans_most;

    for (uint32_t i = 0; i < o->elements.len; i++) {
        const struct element *e = element_at(o, i);

        if (channel_of(o, e)->cancelled || purged(channel_of(o, e)) > 0)
            return;
        if (e->ttl_ns == 0 || e->receipts > 0 || e->dead || o->fans[e->channel])
            continue;
        least += e->fate == FATE_SENT;
        most += e->fate == FATE_SENT || e->fate == FATE_DOUBT;
    }
    if (o->expired < least || o->expired > most)
        sim_fail("the home has counted %llu elements as expired, but %llu to %llu did not come",
                 (unsigned long long)o->expired, (unsigned long long)least,
                 (unsigned long long)most);
}

/* As many are gone as were purged: no more, and if every send is known and no session has ended, no fewer. */
static void check_purged(const struct oracle *o, int channel)
{
    const struct channel *ch = channel_at(o, channel, o->home);
    uint64_t gone = 0, doubt = 0;

    if (ch->cancelled || ch->expires || !ch->closed || ch->purges || o->fans[channel])
        return;
    for (uint32_t i = 0; i < o->elements.len; i++) {
        const struct element *e = element_at(o, i);

        if (e->channel != channel || e->home != o->home || e->receipts > 0 || e->dead)
            continue;
        gone += e->fate == FATE_SENT;
        doubt += e->fate == FATE_DOUBT;
    }
    if (gone > ch->purged || (o->ended == 0 && gone + doubt < ch->purged))
        sim_fail("%llu elements were purged from channel %d, and %llu have not come, %llu in doubt",
                 (unsigned long long)ch->purged, channel, (unsigned long long)gone,
                 (unsigned long long)doubt);
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

void oracle_finish(struct oracle *o)
{
    count_receipts(o);
    for (uint32_t i = 0; i < o->elements.len; i++) {
        const struct element *e = element_at(o, i);

        if (e->fate == FATE_TRYING)
            sim_fail("the send of element %u never returned", i);
        if (o->fans[e->channel])
            continue;
        if (e->dead && e->live_receipts > 0)
            sim_fail("element %u was acknowledged, and died all the same", i);
        if (e->fate == FATE_SENT && e->receipts == 0 && !e->dead && !may_be_gone(o, e) &&
            !oracle_had_time(o, i, rn__boottime()))
            sim_fail("element %u (channel %d, sender %d, order %u) is lost", i, e->channel,
                     e->sender, e->order);
        if (e->live_receipts > 1)
            sim_fail("element %u came %u times to sessions that live", i, e->live_receipts);
        if (e->receipts > 1 && e->receipts == e->live_receipts)
            sim_fail("element %u is doubled", i);
    }
    for (int i = 0; i < o->n_channels; i++)
        check_purged(o, i);
    check_deaths(o);
    check_conflicts(o);
    if (o->ended == 0 && o->suspicion[0] != '\0')
        sim_fail("%s", o->suspicion);
    if (o->ended == 0)
        check_reasons(o);
    if (o->ended == 0 && o->expired_known && o->home == 0)
        check_expired(o);
    if (o->ended == 0 && !o->may_reorder)
        check_order(o);
}

void oracle_counts(const struct oracle *o, struct oracle_counts *out)
{
    *out = (struct oracle_counts){ .ended = o->ended };
    for (uint32_t i = 0; i < o->elements.len; i++) {
        const struct element *e = element_at(o, i);

        out->sent += e->fate == FATE_SENT;
        out->doubt += e->fate == FATE_DOUBT;
        out->not_sent += e->fate == FATE_NOT_SENT;
        out->received += e->receipts > 0;
        if (o->fans[e->channel])
            continue;
        out->doubled += e->receipts > 1 ? e->receipts - 1 : 0;
        if (e->fate == FATE_SENT && e->receipts == 0 && !e->dead) {
            bool gone = e->home < o->home, dropped = !gone && channel_of(o, e)->cancelled;
            bool away = !gone && !dropped && e->ttl_ns == 0;
            out->gone += gone;
            out->dropped += dropped;
            out->purged += away;
            out->expired += !gone && !dropped && !away;
        }
    }
}
