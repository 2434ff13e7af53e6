/* verdict.c - what the oracle says at the end of a run.   SPDX-License-Identifier: MIT */
#include "tests/sim/oracle_inside.h"

#include "runtime/sched.h"

#include <stdlib.h>

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
        const struct stream *stream = oracle_stream(o, s->incarnation);

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
