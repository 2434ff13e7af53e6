/* oracle.c - the bookkeeping of a run; see oracle.h.   SPDX-License-Identifier: MIT
 *
 * Everything grows and nothing is forgotten before the end: doubles are judged there, because a redelivery may
 * arrive before its first receiver learns that its session is over. */
#include "tests/sim/oracle.h"

#include <stdlib.h>

struct element {
    int channel, sender;
    uint32_t order;
    enum fate fate;
    uint32_t receipts;
    uint32_t live_receipts; /* by handles whose session did not end; filled in at the end */
};

struct handle {
    int channel;
    bool alone, ended;
};

struct receipt {
    uint32_t handle, element;
};

struct channel {
    uint64_t outstanding; /* sent and not received */
};

struct vector {
    void *data;
    size_t len, cap;
};

struct oracle {
    struct vector elements, handles, receipts;
    struct channel *channels;
    int n_channels;
    uint64_t ended;
    bool may_reorder;
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

struct oracle *oracle_new(int channels)
{
    struct oracle *o = calloc(1, sizeof *o);

    if (o == NULL || (o->channels = calloc((size_t)channels, sizeof *o->channels)) == NULL)
        abort();
    o->n_channels = channels;
    return o;
}

void oracle_free(struct oracle *o)
{
    free(o->elements.data);
    free(o->handles.data);
    free(o->receipts.data);
    free(o->channels);
    free(o);
}

uint32_t oracle_try(struct oracle *o, int channel, int sender, uint32_t order)
{
    struct element *e = vector_push(&o->elements, sizeof *e);

    *e = (struct element){ .channel = channel, .sender = sender, .order = order };
    return (uint32_t)(o->elements.len - 1);
}

void oracle_fate(struct oracle *o, uint32_t element, enum fate fate)
{
    struct element *e = element_at(o, element);

    if (fate == FATE_NOT_SENT && e->receipts > 0)
        sim_fail("element %u was received, though its send said that nothing was sent", element);
    if (fate == FATE_SENT && e->receipts == 0)
        o->channels[e->channel].outstanding++;
    if (fate == FATE_DOUBT && e->fate == FATE_SENT && e->receipts == 0)
        o->channels[e->channel].outstanding--;
    e->fate = fate;
}

uint32_t oracle_handle(struct oracle *o, int channel, bool alone)
{
    struct handle *h = vector_push(&o->handles, sizeof *h);

    *h = (struct handle){ .channel = channel, .alone = alone };
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

void oracle_received(struct oracle *o, uint32_t handle, uint32_t element)
{
    struct element *e = element_at(o, element);
    struct receipt *r = vector_push(&o->receipts, sizeof *r);

    *r = (struct receipt){ .handle = handle, .element = element };
    if (e->channel != handle_at(o, handle)->channel)
        sim_fail("element %u of channel %d came out of channel %d", element, e->channel,
                 handle_at(o, handle)->channel);
    if (e->fate == FATE_NOT_SENT)
        sim_fail("element %u came, though its send said that nothing was sent", element);
    if (e->receipts++ == 0 && e->fate == FATE_SENT)
        o->channels[e->channel].outstanding--;
}

void oracle_closed(struct oracle *o, int channel, size_t in_hand)
{
    if (o->channels[channel].outstanding > in_hand)
        sim_fail("channel %d is closed and drained, but %llu elements have not come", channel,
                 (unsigned long long)o->channels[channel].outstanding);
}

void oracle_capacity(struct oracle *o, int channel, size_t capacity, size_t in_hand)
{
    if (o->ended == 0 && o->channels[channel].outstanding > capacity + in_hand)
        sim_fail("channel %d holds %llu elements, its capacity is %zu (%zu in hand)", channel,
                 (unsigned long long)o->channels[channel].outstanding, capacity, in_hand);
}

/* Per handle and sender the orders grow.  Redelivery may reorder: only asked where no session ended. */
static void check_order(const struct oracle *o)
{
    const struct receipt *receipts = o->receipts.data;
    size_t n = o->receipts.len;
    int senders = 0;
    int64_t *last;

    for (uint32_t i = 0; i < o->elements.len; i++)
        if (element_at(o, i)->sender >= senders)
            senders = element_at(o, i)->sender + 1;
    last = malloc((o->handles.len * (size_t)senders + 1) * sizeof *last);
    if (last == NULL)
        abort();
    for (size_t i = 0; i < o->handles.len * (size_t)senders; i++)
        last[i] = -1;
    for (size_t i = 0; i < n; i++) {
        const struct element *e = element_at(o, receipts[i].element);
        int64_t *seen = &last[receipts[i].handle * (size_t)senders + (size_t)e->sender];

        if (!handle_at(o, receipts[i].handle)->alone)
            continue;
        if (e->order <= *seen)
            sim_fail("channel %d, sender %d: element %u (order %u) came after order %lld",
                     e->channel, e->sender, receipts[i].element, e->order, (long long)*seen);
        *seen = e->order;
    }
    free(last);
}

void oracle_finish(struct oracle *o)
{
    const struct receipt *receipts = o->receipts.data;

    for (size_t i = 0; i < o->receipts.len; i++)
        if (!handle_at(o, receipts[i].handle)->ended)
            element_at(o, receipts[i].element)->live_receipts++;
    for (uint32_t i = 0; i < o->elements.len; i++) {
        const struct element *e = element_at(o, i);

        if (e->fate == FATE_TRYING)
            sim_fail("the send of element %u never returned", i);
        if (e->fate == FATE_SENT && e->receipts == 0)
            sim_fail("element %u (channel %d, sender %d, order %u) is lost", i, e->channel,
                     e->sender, e->order);
        if (e->live_receipts > 1)
            sim_fail("element %u came %u times to sessions that live", i, e->live_receipts);
        if (e->receipts > 1 && e->receipts == e->live_receipts)
            sim_fail("element %u is doubled", i);
    }
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
        out->doubled += e->receipts > 1 ? e->receipts - 1 : 0;
    }
}
