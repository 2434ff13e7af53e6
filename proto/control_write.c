/* control_write.c - from a control's struct to its bytes in an envelope.   SPDX-License-Identifier: MIT
 *
 * The message is built on the stack, the lists of an Answer in an arena, and packed at once.  What a reader would refuse
 * for its length is not written: names and types are an error, sentences are cut. */
#include "proto/codec.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_MAX \
    (WIRE_ENVELOPE_MAX - 64) /* beside it in an envelope: session, seq, ack, tag and length */

char *text_clip(const char *s, char room[])
{
    size_t len = s == NULL ? 0 : strnlen(s, WIRE_TEXT_MAX + 1);

    if (len == 0)
        return (char *)protobuf_c_empty_string;
    if (len <= WIRE_TEXT_MAX)
        return (char *)s;
    len = WIRE_TEXT_MAX;
    while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80) /* not inside a UTF-8 character */
        len--;
    memcpy(room, s, len);
    room[len] = '\0';
    return room;
}

int text_clip_in(char **to, const char *s, struct arena *a)
{
    char *room = NULL;

    if (s != NULL && strnlen(s, WIRE_TEXT_MAX + 1) > WIRE_TEXT_MAX) {
        room = arena_alloc(a, WIRE_TEXT_MAX + 1);
        if (room == NULL)
            return -ENOMEM;
    }
    *to = text_clip(s, room);
    return 0;
}

int text_write(char **to, const char *s, size_t max)
{
    if (s == NULL)
        s = "";
    if (strnlen(s, max + 1) > max)
        return -EMSGSIZE;
    *to = (char *)s;
    return 0;
}

static int attributes_write(Runnel__Attributes *pb, const struct wire_attributes *from)
{
    runnel__attributes__init(pb);
    pb->kind = (Runnel__Kind)from->kind;
    pb->keep = (Runnel__Keep)from->keep;
    pb->slow = (Runnel__Slow)from->slow;
    pb->capacity = from->capacity;
    pb->capacity_bytes = from->capacity_bytes;
    pb->max_deliveries = from->max_deliveries;
    pb->ttl_ms = from->ttl_ms;
    return text_write(&pb->type, from->type, WIRE_TYPE_MAX);
}

static void counts_write(Runnel__Counts *pb, const struct wire_counts *from)
{
    runnel__counts__init(pb);
    pb->sent = from->sent;
    pb->confirmed = from->confirmed;
    pb->queued = from->queued;
    pb->unknown = from->unknown;
}

static int binding_info_write(Runnel__BindingInfo *pb, const struct wire_binding_info *from,
                              struct arena *a)
{
    runnel__binding_info__init(pb);
    pb->direction = (Runnel__Direction)from->direction;
    pb->accepted = from->accepted;
    pb->lent = from->lent;
    pb->delivered = from->delivered;
    pb->taken = from->taken;
    pb->waiting = from->waiting;
    pb->buffered = from->buffered;
    pb->delayed = from->delayed;
    pb->lost = from->lost;
    pb->dead = from->dead;
    pb->expired = from->expired;
    pb->counts = arena_alloc(a, sizeof *pb->counts);
    if (pb->counts == NULL)
        return -ENOMEM;
    counts_write(pb->counts, &from->counts);
    return text_clip_in(&pb->node, from->node, a);
}

static int bindings_write(Runnel__ChannelInfo *pb, const struct wire_channel_info *from,
                          struct arena *a)
{
    Runnel__BindingInfo *infos;
    int rc = 0;

    if (from->n_bindings == 0)
        return 0;
    pb->binding = arena_alloc(a, from->n_bindings * sizeof *pb->binding);
    infos = arena_alloc(a, from->n_bindings * sizeof *infos);
    if (pb->binding == NULL || infos == NULL)
        return -ENOMEM;
    pb->n_binding = from->n_bindings;
    for (uint32_t i = 0; i < from->n_bindings && rc == 0; i++) {
        pb->binding[i] = &infos[i];
        rc = binding_info_write(&infos[i], &from->bindings[i], a);
    }
    return rc;
}

static int channel_info_write(Runnel__ChannelInfo *pb, const struct wire_channel_info *from,
                              struct arena *a)
{
    int rc;

    runnel__channel_info__init(pb);
    pb->incarnation = from->incarnation;
    pb->epoch = from->epoch;
    pb->senders = from->senders;
    pb->receivers = from->receivers;
    pb->closed = from->closed;
    pb->accepted = from->accepted;
    pb->taken = from->taken;
    pb->buffered = from->buffered;
    pb->delivered = from->delivered;
    pb->delayed = from->delayed;
    pb->expired = from->expired;
    pb->dropped_cancelled = from->dropped_cancelled;
    pb->dropped_purged = from->dropped_purged;
    pb->dropped_slow = from->dropped_slow;
    pb->dropped_nobody = from->dropped_nobody;
    pb->dead = from->dead;
    pb->redelivered = from->redelivered;
    pb->lent = from->lent;
    pb->bytes = from->bytes;
    pb->copied = from->copied;
    pb->dropped_left = from->dropped_left;
    pb->parked = from->parked;
    pb->age_ms = from->age_ms;
    rc = text_write(&pb->name, from->name, WIRE_NAME_MAX);
    if (rc < 0)
        return rc;
    pb->attributes = arena_alloc(a, sizeof *pb->attributes);
    if (pb->attributes == NULL)
        return -ENOMEM;
    rc = attributes_write(pb->attributes, &from->attributes);
    if (rc == 0)
        rc = taps_write(pb, from, a);
    return rc < 0 ? rc : bindings_write(pb, from, a);
}

static int channels_write(Runnel__Answer *pb, const struct wire_control *c, struct arena *a)
{
    uint32_t n = c->answer.n_channels;
    Runnel__ChannelInfo *infos;
    int rc = 0;

    if (n == 0)
        return 0;
    pb->channel = arena_alloc(a, n * sizeof *pb->channel);
    infos = arena_alloc(a, n * sizeof *infos);
    if (pb->channel == NULL || infos == NULL)
        return -ENOMEM;
    pb->n_channel = n;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        pb->channel[i] = &infos[i];
        rc = channel_info_write(&infos[i], &c->answer.channels[i], a);
    }
    return rc;
}

uint8_t *control_reserve(struct control_buffer *b, size_t need)
{
    if (need > b->cap - b->len) {
        size_t cap = b->cap == 0 ? 256 : 2 * b->cap;
        while (cap - b->len < need)
            cap *= 2;
        uint8_t *data = realloc(b->data, cap);
        if (data == NULL)
            return NULL;
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

int control_pack(struct control_buffer *b, const Runnel__Control *pb)
{
    size_t body = runnel__control__get_packed_size(pb);
    size_t need = 1 + element_size(body);

    if (need > CONTROL_MAX)
        return -EMSGSIZE;
    if (control_reserve(b, need) == NULL)
        return -ENOMEM;
    b->data[b->len++] = CONTROL_TAG;
    b->len += element_prefix(b->data + b->len, body);
    b->len += runnel__control__pack(pb, b->data + b->len);
    b->count++;
    return 0;
}

static int answer_append(struct control_buffer *b, const struct wire_control *c,
                         Runnel__Control *pb)
{
    char room[WIRE_TEXT_MAX + 1];
    Runnel__Answer m = RUNNEL__ANSWER__INIT;
    struct arena a;
    int rc = arena_init(&a, 4096, SIZE_MAX);

    if (rc < 0)
        return rc;
    m.id = c->bind;
    m.last = c->answer.last;
    m.code = (Runnel__Code)c->answer.code;
    m.sentence = text_clip(c->answer.sentence, room);
    pb->answer = &m;
    rc = channels_write(&m, c, &a);
    if (rc == 0)
        rc = nodes_write(&m, c, &a);
    if (rc == 0)
        rc = elements_write(&m, c, &a);
    if (rc == 0)
        rc = control_pack(b, pb);
    arena_fini(&a);
    return rc;
}

static int bind_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb)
{
    Runnel__Attributes attributes;
    Runnel__Bind m = RUNNEL__BIND__INIT;
    int rc = attributes_write(&attributes, &c->bind_.attributes);

    if (rc == 0)
        rc = text_write(&m.name, c->bind_.name, WIRE_NAME_MAX);
    if (rc < 0)
        return rc;
    m.bind = c->bind;
    m.direction = (Runnel__Direction)c->bind_.direction;
    m.attributes = &attributes;
    m.must_exist = c->bind_.must_exist;
    m.prefetch = c->bind_.prefetch;
    m.autoclose = c->bind_.autoclose;
    m.senders_min = c->bind_.senders_min;
    m.manual_ack = c->bind_.manual_ack;
    m.reply = c->bind_.reply;
    pb->bind = &m;
    return control_pack(b, pb);
}

/* Bound, Opened */
static int bound_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb)
{
    Runnel__Attributes attributes;
    Runnel__Bound bound = RUNNEL__BOUND__INIT;
    Runnel__Opened opened = RUNNEL__OPENED__INIT;
    int rc = attributes_write(&attributes, &c->bound.attributes);

    if (rc < 0)
        return rc;
    if (c->what == WIRE_OPENED) {
        opened.bind = c->bind;
        opened.attributes = &attributes;
        pb->opened = &opened;
    } else {
        bound.bind = c->bind;
        bound.incarnation = c->bound.incarnation;
        bound.epoch = c->bound.epoch;
        bound.attributes = &attributes;
        pb->bound = &bound;
    }
    return control_pack(b, pb);
}

/* Refused, Failed */
static int refused_append(struct control_buffer *b, const struct wire_control *c,
                          Runnel__Control *pb)
{
    char room[WIRE_TEXT_MAX + 1];
    Runnel__Refused refused = RUNNEL__REFUSED__INIT;
    Runnel__Failed failed = RUNNEL__FAILED__INIT;

    if (c->what == WIRE_REFUSED) {
        refused.bind = c->bind;
        refused.code = (Runnel__Code)c->refused.code;
        refused.sentence = text_clip(c->refused.sentence, room);
        pb->refused = &refused;
    } else {
        failed.bind = c->bind;
        failed.code = (Runnel__Code)c->refused.code;
        failed.sentence = text_clip(c->refused.sentence, room);
        pb->failed = &failed;
    }
    return control_pack(b, pb);
}

static int query_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb)
{
    char room[WIRE_TEXT_MAX + 1];
    Runnel__Query m = RUNNEL__QUERY__INIT;
    int rc = text_write(&m.name, c->query_name, WIRE_NAME_MAX);

    if (rc < 0)
        return rc;
    m.want = (Runnel__Want)c->query_want;
    m.node = text_clip(c->query_node, room);
    m.id = c->bind;
    pb->query = &m;
    return control_pack(b, pb);
}

static int claim_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb)
{
    Runnel__Claim m = RUNNEL__CLAIM__INIT;

    m.bind = c->bind;
    m.claim = c->meet.claim;
    m.operation = c->meet.offer.number;
    m.instance.len = sizeof c->meet.offer.instance;
    m.instance.data = (uint8_t *)c->meet.offer.instance;
    pb->claim = &m;
    return control_pack(b, pb);
}

static int inspect_append(struct control_buffer *b, const struct wire_control *c,
                          Runnel__Control *pb)
{
    Runnel__Inspect m = RUNNEL__INSPECT__INIT;
    int rc = text_write(&m.channel, c->inspect.channel, WIRE_NAME_MAX);

    if (rc < 0)
        return rc;
    m.id = c->bind;
    m.end = c->inspect.end;
    pb->inspect = &m;
    return control_pack(b, pb);
}

/* -EINVAL when there are no ranges, too many, or they are not in order. */
static int settle_append(struct control_buffer *b, const struct wire_control *c,
                         Runnel__Control *pb)
{
    uint64_t numbers[2 * WIRE_RANGES_MAX], end = 0;
    Runnel__Settle m = RUNNEL__SETTLE__INIT;
    int rc = text_write(&m.why, c->settle.why, WIRE_WHY_MAX);

    if (rc < 0)
        return rc;
    if (c->settle.n_ranges == 0 || c->settle.n_ranges > WIRE_RANGES_MAX)
        return -EINVAL;
    for (uint32_t i = 0; i < c->settle.n_ranges; i++) {
        const struct wire_range *r = &c->settle.ranges[i];
        if (r->count == 0 || r->first <= end || r->count - 1 > UINT64_MAX - r->first)
            return -EINVAL;
        numbers[2 * i] = r->first - end - 1;
        numbers[2 * i + 1] = r->count;
        end = r->first + r->count - 1;
    }
    m.bind = c->bind;
    m.verdict = (Runnel__Verdict)c->settle.verdict;
    m.range = numbers;
    m.n_range = 2 * c->settle.n_ranges;
    m.delay_ms = c->settle.delay_ms;
    pb->settle = &m;
    return control_pack(b, pb);
}

/* Those that end something, or call something back. */
static int end_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb)
{
    union {
        Runnel__Unbind unbind;
        Runnel__Unbound unbound;
        Runnel__Recall recall;
        Runnel__Close close;
        Runnel__Closed closed;
        Runnel__Goodbye goodbye;
        Runnel__Lost lost;
    } m;

    switch (c->what) {
    case WIRE_UNBIND:
        runnel__unbind__init(&m.unbind);
        m.unbind.bind = c->bind;
        m.unbind.abandoned = c->unbind.abandoned;
        pb->unbind = &m.unbind;
        break;
    case WIRE_UNBOUND:
        runnel__unbound__init(&m.unbound);
        m.unbound.bind = c->bind;
        pb->unbound = &m.unbound;
        break;
    case WIRE_RECALL:
        runnel__recall__init(&m.recall);
        m.recall.bind = c->bind;
        m.recall.elements = c->recall.elements;
        m.recall.closing = c->recall.closing;
        m.recall.code = (Runnel__Code)c->recall.code;
        m.recall.reason = c->recall.reason;
        pb->recall = &m.recall;
        break;
    case WIRE_CLOSE:
        runnel__close__init(&m.close);
        m.close.bind = c->bind;
        m.close.reason = c->recall.reason;
        pb->close = &m.close;
        break;
    case WIRE_CLOSED_:
        runnel__closed__init(&m.closed);
        m.closed.bind = c->bind;
        m.closed.code = (Runnel__Code)c->recall.code;
        m.closed.reason = c->recall.reason;
        pb->closed = &m.closed;
        break;
    case WIRE_GOODBYE:
        runnel__goodbye__init(&m.goodbye);
        m.goodbye.unsent = c->goodbye.unsent;
        pb->goodbye = &m.goodbye;
        break;
    case WIRE_LOST_:
        runnel__lost__init(&m.lost);
        m.lost.bind = c->bind;
        m.lost.number = c->lost.number;
        m.lost.code = (Runnel__Code)c->lost.code;
        pb->lost = &m.lost;
        break;
    default:
        return -EINVAL;
    }
    return control_pack(b, pb);
}

int control_append(struct control_buffer *b, const struct wire_control *c)
{
    Runnel__Control pb = RUNNEL__CONTROL__INIT;
    int rc = numbers_append(b, c);

    if (rc != -EINVAL)
        return rc;
    pb.what_case = (Runnel__Control__WhatCase)c->what;
    switch (c->what) {
    case WIRE_BIND:
        return bind_append(b, c, &pb);
    case WIRE_BOUND:
    case WIRE_OPENED:
        return bound_append(b, c, &pb);
    case WIRE_REFUSED:
    case WIRE_FAILED_:
        return refused_append(b, c, &pb);
    case WIRE_QUERY:
        return query_append(b, c, &pb);
    case WIRE_ANSWER:
        return answer_append(b, c, &pb);
    case WIRE_INSPECT:
        return inspect_append(b, c, &pb);
    case WIRE_REPORT:
        return report_append(b, c, &pb);
    case WIRE_SETTLE:
        return settle_append(b, c, &pb);
    case WIRE_CLAIM:
        return claim_append(b, c, &pb);
    case WIRE_PEEK:
    case WIRE_PURGE:
    case WIRE_REMOVE:
    case WIRE_TAP:
        return browse_append(b, c, &pb);
    default:
        return end_append(b, c, &pb);
    }
}

void control_buffer_fini(struct control_buffer *b)
{
    free(b->data);
    *b = (struct control_buffer){ 0 };
}
