/* test_frame.c - frames: what is written is read, and what is wrong is refused.   SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "proto/frame.h"
#include "proto/limits.h"
#include "tests/proto/alloc.h"
#include "tests/proto/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- random controls ----------------------------------------------------------------------- */

#define INFOS  3
#define RANGES 7
#define TEXTS  128 /* more than a control has */

/* A control and all that it points to. */
struct sample {
    struct wire_control control;
    char texts[TEXTS][WIRE_TEXT_MAX + 1];
    int n_texts;
    struct wire_channel_info channels[INFOS];
    struct wire_binding_info bindings[INFOS][INFOS];
    struct wire_node_info nodes[INFOS];
    struct wire_goroutine goroutines[INFOS][INFOS];
    struct wire_wait waits[INFOS][INFOS][INFOS];
    struct wire_range ranges[RANGES];
    struct wire_element elements[INFOS];
    struct wire_tap_info taps[INFOS][INFOS];
};

static const char *random_text(struct sample *s, size_t max)
{
    char *t = s->texts[s->n_texts++ % TEXTS];
    size_t len = random_chance(10) ? max : random_below(random_chance(20) ? max + 1 : 20);

    for (size_t i = 0; i < len; i++)
        t[i] = (char)(1 + random_below(127));
    t[len] = '\0';
    return t;
}

static void random_attributes(struct sample *s, struct wire_attributes *a)
{
    a->kind = (enum wire_kind)random_below(WIRE_FANOUT + 1);
    a->keep = (enum wire_keep)random_below(WIRE_QUORUM + 1);
    a->slow = (enum wire_slow)random_below(WIRE_SLOW_CUT + 1);
    a->capacity = random_chance(20) ? WIRE_RENDEZVOUS : (int64_t)random_number();
    a->capacity_bytes = random_number();
    a->max_deliveries = (uint32_t)random_number();
    a->ttl_ms = (int64_t)random_number();
    a->type = random_text(s, WIRE_TYPE_MAX);
}

static struct wire_counts random_counts(void)
{
    return (struct wire_counts){ random_number(), random_number(), random_number(),
                                 random_number() };
}

static enum wire_code random_ending(void)
{
    static const enum wire_code endings[] = { WIRE_CLOSED, WIRE_FAILED, WIRE_CANCELLED };

    return endings[random_below(3)];
}

static void random_channel(struct sample *s, uint32_t at)
{
    struct wire_channel_info *c = &s->channels[at];

    *c = (struct wire_channel_info){
        .name = random_text(s, WIRE_NAME_MAX),
        .incarnation = random_number(),
        .epoch = (uint32_t)random_number(),
        .senders = (uint32_t)random_number(),
        .receivers = (uint32_t)random_number(),
        .closed = random_chance(50),
        .accepted = random_number(),
        .taken = random_number(),
        .buffered = random_number(),
        .delivered = random_number(),
        .delayed = random_number(),
        .expired = random_number(),
        .dropped_cancelled = random_number(),
        .dropped_purged = random_number(),
        .dropped_slow = random_number(),
        .dropped_nobody = random_number(),
        .dead = random_number(),
        .redelivered = random_number(),
        .lent = random_number(),
        .bytes = random_number(),
        .copied = random_number(),
        .dropped_left = random_number(),
        .parked = random_number(),
        .age_ms = random_number(),
        .bindings = s->bindings[at],
        .n_bindings = (uint32_t)random_below(INFOS + 1),
    };
    random_attributes(s, &c->attributes);
    c->taps = s->taps[at];
    c->n_taps = (uint32_t)random_below(INFOS + 1);
    for (uint32_t i = 0; i < c->n_taps; i++)
        s->taps[at][i] = (struct wire_tap_info){ random_text(s, WIRE_TEXT_MAX),
                                                 (uint32_t)random_number(), random_number(),
                                                 random_number() };
    for (uint32_t i = 0; i < c->n_bindings; i++)
        s->bindings[at][i] = (struct wire_binding_info){
            .node = random_text(s, WIRE_TEXT_MAX),
            .direction = (enum wire_direction)random_below(2),
            .accepted = random_number(),
            .counts = random_counts(),
            .lent = random_number(),
            .delivered = random_number(),
            .taken = random_number(),
            .waiting = (uint32_t)random_number(),
            .buffered = random_number(),
            .delayed = random_number(),
            .lost = random_number(),
            .dead = random_number(),
        };
}

static void random_goroutines(struct sample *s, uint32_t at, const struct wire_goroutine **to,
                              uint32_t *n)
{
    *to = s->goroutines[at];
    *n = (uint32_t)random_below(INFOS + 1);
    for (uint32_t i = 0; i < *n; i++) {
        struct wire_goroutine *g = &s->goroutines[at][i];

        *g = (struct wire_goroutine){
            .id = random_number(),
            .name = random_text(s, 31),
            .doing = (enum wire_doing)random_below(WIRE_OUTSIDE + 1),
            .system = random_chance(50),
            .why = random_text(s, 31),
            .waited_ms = random_number(),
            .waits = s->waits[at][i],
            .n_waits = (uint32_t)random_below(INFOS + 1),
            .sends = random_chance(50),
            .receives = random_chance(50),
            .stack = random_text(s, WIRE_TEXT_MAX),
        };
        for (uint32_t k = 0; k < g->n_waits; k++)
            s->waits[at][i][k] = (struct wire_wait){ random_text(s, WIRE_NAME_MAX),
                                                     (enum wire_direction)random_below(2) };
    }
}

static void random_node(struct sample *s, uint32_t at)
{
    struct wire_node_info *n = &s->nodes[at];

    *n = (struct wire_node_info){
        .name = random_text(s, WIRE_TEXT_MAX),
        .session = random_number(),
        .host = random_text(s, 64),
        .pid = (uint32_t)random_number(),
        .voice = (enum wire_voice)random_below(WIRE_LEFT + 1),
        .heard_ms = random_number(),
        .connected = random_chance(50),
        .sends = random_chance(50),
        .receives = random_chance(50),
        .last = random_chance(50),
    };
    random_goroutines(s, at, &n->goroutines, &n->n_goroutines);
}

static const enum wire_what whats[] = {
    WIRE_BIND,     WIRE_UNBIND,  WIRE_BOUND,    WIRE_REFUSED,  WIRE_UNBOUND, WIRE_ASK,
    WIRE_CREDIT,   WIRE_RECALL,  WIRE_RETURNED, WIRE_ACCEPTED, WIRE_TAKEN,   WIRE_CLOSE,
    WIRE_CLOSED_,  WIRE_FAILED_, WIRE_COUNTS,   WIRE_QUERY,    WIRE_ANSWER,  WIRE_OPENED,
    WIRE_GOODBYE,  WIRE_CLAIM,   WIRE_CLAIMED,  WIRE_REFUSE,   WIRE_COMMIT,  WIRE_ABORT,
    WIRE_WITHDRAW, WIRE_INSPECT, WIRE_REPORT,   WIRE_SETTLE,   WIRE_LOST_,   WIRE_PEEK,
    WIRE_PURGE,    WIRE_REMOVE,  WIRE_TAP,
};
#define WHATS (sizeof whats / sizeof *whats)

static enum wire_what random_what(void)
{
    return whats[random_below(WHATS)];
}

static void random_ranges(struct sample *s)
{
    uint64_t end = 0;
    uint32_t n = 1 + (uint32_t)random_below(RANGES);

    for (uint32_t i = 0; i < n; i++) {
        s->ranges[i] = (struct wire_range){ end + 1 + random_below(1000), 1 + random_below(300) };
        end = s->ranges[i].first + s->ranges[i].count - 1;
    }
    if (random_chance(10))
        s->ranges[n - 1].count = UINT64_MAX - s->ranges[n - 1].first + 1;
    s->control.settle.ranges = s->ranges;
    s->control.settle.n_ranges = n;
}

static void random_elements(struct sample *s)
{
    struct wire_control *c = &s->control;

    c->answer.elements = s->elements;
    c->answer.n_elements = (uint32_t)random_below(INFOS + 1);
    for (uint32_t i = 0; i < c->answer.n_elements; i++) {
        const char *bytes = random_text(s, WIRE_TEXT_MAX);

        s->elements[i] = (struct wire_element){
            .position = random_number(),
            .deliveries = (uint32_t)random_number(),
            .place = (enum wire_place)random_below(WIRE_PLACE_LAST + 1),
            .node = random_text(s, WIRE_TEXT_MAX),
            .age_ms = random_number(),
            .due_ms = random_number(),
            .flags = (uint32_t)random_number(),
            .offset = random_below(1000),
            .skipped = random_number(),
            .bytes = (const uint8_t *)bytes,
            .len = strlen(bytes),
        };
        s->elements[i].size = s->elements[i].offset + s->elements[i].len + random_below(1000);
    }
    c->answer.more = random_chance(50);
    c->answer.dropped = random_number();
    c->answer.dropped_bytes = random_number();
    c->answer.tap = (uint32_t)random_number();
    c->answer.skipped = random_number();
    c->answer.incarnation = random_number();
}

static void random_control(struct sample *s, enum wire_what what)
{
    struct wire_control *c = &s->control;

    memset(c, 0, sizeof *c);
    s->n_texts = 0;
    c->what = what;
    c->bind = what == WIRE_GOODBYE ? 0 : (uint32_t)random_number();
    switch (what) {
    case WIRE_BIND:
        c->bind_.name = random_text(s, WIRE_NAME_MAX);
        c->bind_.direction = (enum wire_direction)random_below(2);
        random_attributes(s, &c->bind_.attributes);
        c->bind_.must_exist = random_chance(50);
        c->bind_.prefetch = (uint32_t)random_number();
        c->bind_.autoclose = random_chance(50);
        c->bind_.senders_min = (uint32_t)random_number();
        c->bind_.manual_ack = random_chance(50);
        c->bind_.reply = random_chance(50);
        break;
    case WIRE_BOUND:
        c->bound.incarnation = random_number();
        c->bound.epoch = (uint32_t)random_number();
        random_attributes(s, &c->bound.attributes);
        break;
    case WIRE_OPENED:
        random_attributes(s, &c->bound.attributes);
        break;
    case WIRE_REFUSED:
    case WIRE_FAILED_:
        c->refused.code = (enum wire_code)random_below(WIRE_CODE_LAST + 1);
        c->refused.sentence = random_text(s, WIRE_TEXT_MAX);
        break;
    case WIRE_ASK:
        c->ask.waiting = (uint32_t)random_number();
        c->ask.first_bytes = random_number();
        c->ask.bytes = random_number();
        c->ask.weak = random_chance(50);
        c->ask.adjusted = (int64_t)random_number();
        c->ask.sole = random_number();
        break;
    case WIRE_RETURNED:
        c->credit.first = random_number();
        /* fall through */
    case WIRE_CREDIT:
        c->credit.elements = (uint32_t)random_number();
        c->credit.bytes = random_number();
        break;
    case WIRE_RECALL:
        c->recall.elements = (uint32_t)random_number();
        c->recall.closing = random_chance(50);
        c->recall.code = c->recall.closing ? random_ending() : WIRE_OK;
        c->recall.reason = (int32_t)random_next();
        break;
    case WIRE_CLOSED_:
        c->recall.code = random_ending();
        /* fall through */
    case WIRE_CLOSE:
        c->recall.reason = (int32_t)random_next();
        break;
    case WIRE_ACCEPTED:
    case WIRE_TAKEN:
        c->number = random_number();
        break;
    case WIRE_COUNTS:
        c->counts = random_counts();
        break;
    case WIRE_QUERY:
        c->query_name = random_text(s, WIRE_NAME_MAX);
        c->query_want = (enum wire_want)random_below(WIRE_DUMP + 1);
        c->query_node = random_text(s, WIRE_TEXT_MAX);
        break;
    case WIRE_INSPECT:
        c->inspect.channel = random_text(s, WIRE_NAME_MAX);
        c->inspect.end = random_chance(50);
        break;
    case WIRE_REPORT:
        c->report.host = random_text(s, 64);
        c->report.pid = (uint32_t)random_number();
        c->report.last = random_chance(50);
        random_goroutines(s, 0, &c->report.goroutines, &c->report.n_goroutines);
        break;
    case WIRE_ANSWER:
        c->answer.channels = s->channels;
        c->answer.n_channels = (uint32_t)random_below(INFOS + 1);
        c->answer.last = random_chance(50);
        for (uint32_t i = 0; i < c->answer.n_channels; i++)
            random_channel(s, i);
        c->answer.nodes = s->nodes;
        c->answer.n_nodes = (uint32_t)random_below(INFOS + 1);
        for (uint32_t i = 0; i < c->answer.n_nodes; i++)
            random_node(s, i);
        c->answer.code = (enum wire_code)random_below(WIRE_CODE_LAST + 1);
        c->answer.sentence = random_text(s, WIRE_TEXT_MAX);
        random_elements(s);
        break;
    case WIRE_PEEK:
        c->peek.name = random_text(s, WIRE_NAME_MAX);
        c->peek.from = random_number();
        c->peek.offset = random_number();
        c->peek.count = (uint32_t)random_number();
        break;
    case WIRE_REMOVE:
        c->peek.force = random_chance(50);
        /* fall through */
    case WIRE_TAP:
        if (what == WIRE_TAP) {
            c->peek.tap = (uint32_t)random_number();
            c->peek.rate = (uint32_t)random_number();
            c->peek.end = random_chance(50);
        }
        /* fall through */
    case WIRE_PURGE:
        c->peek.name = random_text(s, WIRE_NAME_MAX);
        break;
    case WIRE_CLAIM:
        c->meet.claim = random_number();
        c->meet.offer.number = random_number();
        for (size_t i = 0; i < sizeof c->meet.offer.instance; i++)
            c->meet.offer.instance[i] = (uint8_t)random_below(256);
        break;
    case WIRE_REFUSE:
        /* fall through */
    case WIRE_CLAIMED:
        c->meet.claim = random_number();
        break;
    case WIRE_ABORT:
        c->meet.asks = random_chance(50);
        /* fall through */
    case WIRE_COMMIT:
        c->meet.claim = random_number();
        c->meet.number = random_number();
        break;
    case WIRE_WITHDRAW:
        c->number = random_number();
        break;
    case WIRE_UNBIND:
        c->unbind.abandoned = random_chance(50);
        break;
    case WIRE_GOODBYE:
        c->goodbye.unsent = random_chance(50);
        break;
    case WIRE_LOST_:
        c->lost.number = random_number();
        c->lost.code = random_chance(50) ? WIRE_SLOW : WIRE_OK;
        break;
    case WIRE_SETTLE:
        c->settle.verdict = (enum wire_verdict)random_below(WIRE_LOST + 1);
        c->settle.why = random_text(s, WIRE_WHY_MAX);
        c->settle.delay_ms = random_number();
        random_ranges(s);
        break;
    case WIRE_UNBOUND:
        break;
    }
}

/* ---- comparing ----------------------------------------------------------------------------- */

static void same_attributes(const struct wire_attributes *a, const struct wire_attributes *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->keep, b->keep);
    assert_int_equal(a->slow, b->slow);
    assert_int_equal(a->capacity, b->capacity);
    assert_int_equal(a->capacity_bytes, b->capacity_bytes);
    assert_int_equal(a->max_deliveries, b->max_deliveries);
    assert_int_equal(a->ttl_ms, b->ttl_ms);
    assert_string_equal(a->type, b->type);
}

static void same_counts(const struct wire_counts *a, const struct wire_counts *b)
{
    assert_memory_equal(a, b, sizeof *a);
}

static void same_binding(const struct wire_binding_info *a, const struct wire_binding_info *b)
{
    assert_string_equal(a->node, b->node);
    assert_int_equal(a->direction, b->direction);
    assert_int_equal(a->accepted, b->accepted);
    same_counts(&a->counts, &b->counts);
    assert_int_equal(a->lent, b->lent);
    assert_int_equal(a->delivered, b->delivered);
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->waiting, b->waiting);
}

static void same_channel(const struct wire_channel_info *a, const struct wire_channel_info *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->incarnation, b->incarnation);
    assert_int_equal(a->epoch, b->epoch);
    same_attributes(&a->attributes, &b->attributes);
    assert_int_equal(a->senders, b->senders);
    assert_int_equal(a->receivers, b->receivers);
    assert_int_equal(a->closed, b->closed);
    assert_int_equal(a->accepted, b->accepted);
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->buffered, b->buffered);
    assert_int_equal(a->delivered, b->delivered);
    assert_int_equal(a->delayed, b->delayed);
    assert_int_equal(a->expired, b->expired);
    assert_int_equal(a->dropped_cancelled, b->dropped_cancelled);
    assert_int_equal(a->dropped_purged, b->dropped_purged);
    assert_int_equal(a->dropped_slow, b->dropped_slow);
    assert_int_equal(a->dropped_nobody, b->dropped_nobody);
    assert_int_equal(a->dead, b->dead);
    assert_int_equal(a->redelivered, b->redelivered);
    assert_int_equal(a->lent, b->lent);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->age_ms, b->age_ms);
    assert_int_equal(a->n_bindings, b->n_bindings);
    assert_int_equal(a->n_taps, b->n_taps);
    for (uint32_t i = 0; i < a->n_taps; i++) {
        assert_string_equal(a->taps[i].node, b->taps[i].node);
        assert_int_equal(a->taps[i].rate, b->taps[i].rate);
        assert_int_equal(a->taps[i].tapped, b->taps[i].tapped);
        assert_int_equal(a->taps[i].skipped, b->taps[i].skipped);
    }
    for (uint32_t i = 0; i < a->n_bindings; i++)
        same_binding(&a->bindings[i], &b->bindings[i]);
}

static void same_goroutines(const struct wire_goroutine *a, const struct wire_goroutine *b,
                            uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(a[i].id, b[i].id);
        assert_string_equal(a[i].name, b[i].name);
        assert_int_equal(a[i].doing, b[i].doing);
        assert_int_equal(a[i].system, b[i].system);
        assert_string_equal(a[i].why, b[i].why);
        assert_int_equal(a[i].waited_ms, b[i].waited_ms);
        assert_int_equal(a[i].sends, b[i].sends);
        assert_int_equal(a[i].receives, b[i].receives);
        assert_string_equal(a[i].stack, b[i].stack);
        assert_int_equal(a[i].n_waits, b[i].n_waits);
        for (uint32_t k = 0; k < a[i].n_waits; k++) {
            assert_string_equal(a[i].waits[k].channel, b[i].waits[k].channel);
            assert_int_equal(a[i].waits[k].direction, b[i].waits[k].direction);
        }
    }
}

static void same_node(const struct wire_node_info *a, const struct wire_node_info *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->session, b->session);
    assert_string_equal(a->host, b->host);
    assert_int_equal(a->pid, b->pid);
    assert_int_equal(a->voice, b->voice);
    assert_int_equal(a->heard_ms, b->heard_ms);
    assert_int_equal(a->connected, b->connected);
    assert_int_equal(a->sends, b->sends);
    assert_int_equal(a->receives, b->receives);
    assert_int_equal(a->last, b->last);
    assert_int_equal(a->n_goroutines, b->n_goroutines);
    same_goroutines(a->goroutines, b->goroutines, a->n_goroutines);
}

static void same_element(const struct wire_element *a, const struct wire_element *b)
{
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->deliveries, b->deliveries);
    assert_int_equal(a->place, b->place);
    assert_string_equal(a->node, b->node);
    assert_int_equal(a->age_ms, b->age_ms);
    assert_int_equal(a->due_ms, b->due_ms);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->skipped, b->skipped);
    assert_int_equal(a->len, b->len);
    if (a->len > 0)
        assert_memory_equal(a->bytes, b->bytes, a->len);
}

static void same_control(const struct wire_control *a, const struct wire_control *b)
{
    assert_int_equal(a->what, b->what);
    assert_int_equal(a->bind, b->bind);
    switch (a->what) {
    case WIRE_BIND:
        assert_string_equal(a->bind_.name, b->bind_.name);
        assert_int_equal(a->bind_.direction, b->bind_.direction);
        same_attributes(&a->bind_.attributes, &b->bind_.attributes);
        assert_int_equal(a->bind_.must_exist, b->bind_.must_exist);
        assert_int_equal(a->bind_.prefetch, b->bind_.prefetch);
        assert_int_equal(a->bind_.autoclose, b->bind_.autoclose);
        assert_int_equal(a->bind_.senders_min, b->bind_.senders_min);
        assert_int_equal(a->bind_.manual_ack, b->bind_.manual_ack);
        assert_int_equal(a->bind_.reply, b->bind_.reply);
        break;
    case WIRE_BOUND:
    case WIRE_OPENED:
        assert_int_equal(a->bound.incarnation, b->bound.incarnation);
        assert_int_equal(a->bound.epoch, b->bound.epoch);
        same_attributes(&a->bound.attributes, &b->bound.attributes);
        break;
    case WIRE_REFUSED:
    case WIRE_FAILED_:
        assert_int_equal(a->refused.code, b->refused.code);
        assert_string_equal(a->refused.sentence, b->refused.sentence);
        break;
    case WIRE_ASK:
        assert_int_equal(a->ask.waiting, b->ask.waiting);
        assert_int_equal(a->ask.first_bytes, b->ask.first_bytes);
        assert_int_equal(a->ask.bytes, b->ask.bytes);
        assert_int_equal(a->ask.weak, b->ask.weak);
        assert_int_equal(a->ask.adjusted, b->ask.adjusted);
        assert_int_equal(a->ask.sole, b->ask.sole);
        break;
    case WIRE_CREDIT:
    case WIRE_RETURNED:
        assert_int_equal(a->credit.elements, b->credit.elements);
        assert_int_equal(a->credit.bytes, b->credit.bytes);
        assert_int_equal(a->credit.first, b->credit.first);
        break;
    case WIRE_RECALL:
    case WIRE_CLOSE:
    case WIRE_CLOSED_:
        assert_int_equal(a->recall.elements, b->recall.elements);
        assert_int_equal(a->recall.closing, b->recall.closing);
        assert_int_equal(a->recall.code, b->recall.code);
        assert_int_equal(a->recall.reason, b->recall.reason);
        break;
    case WIRE_ACCEPTED:
    case WIRE_TAKEN:
    case WIRE_WITHDRAW:
        assert_int_equal(a->number, b->number);
        break;
    case WIRE_LOST_:
        assert_int_equal(a->lost.number, b->lost.number);
        assert_int_equal(a->lost.code, b->lost.code);
        break;
    case WIRE_SETTLE:
        assert_int_equal(a->settle.verdict, b->settle.verdict);
        assert_int_equal(a->settle.delay_ms, b->settle.delay_ms);
        assert_string_equal(a->settle.why, b->settle.why);
        assert_int_equal(a->settle.n_ranges, b->settle.n_ranges);
        assert_memory_equal(a->settle.ranges, b->settle.ranges,
                            a->settle.n_ranges * sizeof *a->settle.ranges);
        break;
    case WIRE_CLAIM:
    case WIRE_CLAIMED:
    case WIRE_REFUSE:
    case WIRE_COMMIT:
    case WIRE_ABORT:
        assert_int_equal(a->meet.claim, b->meet.claim);
        assert_int_equal(a->meet.number, b->meet.number);
        assert_int_equal(a->meet.offer.number, b->meet.offer.number);
        assert_memory_equal(a->meet.offer.instance, b->meet.offer.instance,
                            sizeof a->meet.offer.instance);
        assert_int_equal(a->meet.asks, b->meet.asks);
        break;
    case WIRE_COUNTS:
        same_counts(&a->counts, &b->counts);
        break;
    case WIRE_QUERY:
        assert_string_equal(a->query_name, b->query_name);
        assert_int_equal(a->query_want, b->query_want);
        assert_string_equal(a->query_node, b->query_node);
        break;
    case WIRE_INSPECT:
        assert_string_equal(a->inspect.channel, b->inspect.channel);
        assert_int_equal(a->inspect.end, b->inspect.end);
        break;
    case WIRE_REPORT:
        assert_string_equal(a->report.host, b->report.host);
        assert_int_equal(a->report.pid, b->report.pid);
        assert_int_equal(a->report.last, b->report.last);
        assert_int_equal(a->report.n_goroutines, b->report.n_goroutines);
        same_goroutines(a->report.goroutines, b->report.goroutines, a->report.n_goroutines);
        break;
    case WIRE_ANSWER:
        assert_int_equal(a->answer.last, b->answer.last);
        assert_int_equal(a->answer.n_channels, b->answer.n_channels);
        for (uint32_t i = 0; i < a->answer.n_channels; i++)
            same_channel(&a->answer.channels[i], &b->answer.channels[i]);
        assert_int_equal(a->answer.n_nodes, b->answer.n_nodes);
        for (uint32_t i = 0; i < a->answer.n_nodes; i++)
            same_node(&a->answer.nodes[i], &b->answer.nodes[i]);
        assert_int_equal(a->answer.code, b->answer.code);
        assert_string_equal(a->answer.sentence, b->answer.sentence);
        assert_int_equal(a->answer.n_elements, b->answer.n_elements);
        for (uint32_t i = 0; i < a->answer.n_elements; i++)
            same_element(&a->answer.elements[i], &b->answer.elements[i]);
        assert_int_equal(a->answer.more, b->answer.more);
        assert_int_equal(a->answer.incarnation, b->answer.incarnation);
        assert_int_equal(a->answer.dropped, b->answer.dropped);
        assert_int_equal(a->answer.dropped_bytes, b->answer.dropped_bytes);
        assert_int_equal(a->answer.tap, b->answer.tap);
        assert_int_equal(a->answer.skipped, b->answer.skipped);
        break;
    case WIRE_PEEK:
    case WIRE_PURGE:
    case WIRE_REMOVE:
    case WIRE_TAP:
        assert_int_equal(a->peek.tap, b->peek.tap);
        assert_int_equal(a->peek.rate, b->peek.rate);
        assert_int_equal(a->peek.end, b->peek.end);
        assert_int_equal(a->peek.force, b->peek.force);
        assert_string_equal(a->peek.name, b->peek.name);
        assert_int_equal(a->peek.from, b->peek.from);
        assert_int_equal(a->peek.offset, b->peek.offset);
        assert_int_equal(a->peek.count, b->peek.count);
        break;
    case WIRE_UNBIND:
        assert_int_equal(a->unbind.abandoned, b->unbind.abandoned);
        break;
    case WIRE_GOODBYE:
        assert_int_equal(a->goodbye.unsent, b->goodbye.unsent);
        break;
    default:
        break;
    }
}

/* ---- helpers ------------------------------------------------------------------------------- */

static void read_good(struct frame_view *v, const struct frame *f)
{
    const char *why = "";
    int rc = frame_read(v, f->data, f->len, &why);

    if (rc != 0)
        fail_msg("refused: %s", why);
}

/* The bytes, in memory of exactly their size so that a sanitizer sees one byte too far, must be refused. */
static const char *read_bad(const uint8_t *data, size_t len)
{
    struct frame_view v = { .seq = 12345 };
    const char *why = NULL;
    uint8_t *copy = malloc(len + (len == 0));
    int rc;

    memcpy(copy, data, len);
    rc = frame_read(&v, copy, len, &why);
    free(copy);
    assert_int_equal(rc, -EPROTO);
    assert_non_null(why);
    assert_int_equal(v.seq, 12345);
    return why;
}

/* A section of n elements with the lengths given; the body is the caller's to free. */
static struct wire_section section_of(const size_t *lens, uint32_t n)
{
    struct wire_section s = {
        .bind = 3,
        .count = n,
        .number = 10,
        .position = 20,
        .incarnation = UINT64_C(0xfedcba9876543210),
        .epoch = 4,
        .deliveries = 2,
    };
    size_t size = 0, at = 0;

    for (uint32_t i = 0; i < n; i++)
        size += element_size(lens[i]);
    uint8_t *body = malloc(size);
    for (uint32_t i = 0; i < n; i++) {
        at += element_prefix(body + at, lens[i]);
        memset(body + at, (int)i, lens[i]);
        at += lens[i];
        s.bytes += lens[i];
    }
    assert_int_equal(at, size);
    s.size = (uint32_t)size;
    s.body = body;
    return s;
}

static struct frame *frame_with_sections(uint32_t n_sections, uint32_t count, size_t len)
{
    struct frame_writer w = { 0 };
    size_t lens[64];

    for (uint32_t i = 0; i < count; i++)
        lens[i] = len + i;
    for (uint32_t i = 0; i < n_sections; i++) {
        struct wire_section s = section_of(lens, count);
        assert_int_equal(frame_writer_section(&w, &s), 0);
        free((void *)s.body);
    }
    struct frame *f = frame_writer_seal(&w, 42, 1, 0);
    assert_non_null(f);
    return f;
}

/* Where the first section begins. */
static size_t sections_at(const struct frame *f)
{
    return 4 + (f->data[0] | (size_t)f->data[1] << 8);
}

static struct frame *frame_of_bytes(const void *data, size_t len)
{
    struct frame *f = frame_new(len);

    memcpy(f->data, data, len);
    return f;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void every_control_is_read_as_it_was_written(void **state)
{
    static struct sample samples[8];

    (void)state;
    for (random_begin(20000); random_more();) {
        struct control_buffer b = { 0 };
        uint32_t n = 1 + (uint32_t)random_below(8);
        struct frame_view v;

        for (uint32_t i = 0; i < n; i++) {
            random_control(&samples[i], random_what());
            assert_int_equal(control_append(&b, &samples[i].control), 0);
        }
        assert_int_equal(b.count, n);
        uint64_t session = random_next() | 1, seq = random_number() | 1, ack = random_number();
        struct frame *f = frame_of_controls(session, seq, ack, b.data, b.len);
        read_good(&v, f);
        assert_int_equal(v.session, session);
        assert_int_equal(v.seq, seq);
        assert_int_equal(v.ack, ack);
        assert_int_equal(v.len, f->len);
        assert_int_equal(v.n_controls, n);
        for (uint32_t i = 0; i < n; i++)
            same_control(&samples[i].control, &v.controls[i]);
        frame_view_fini(&v);
        frame_unref(f);
        control_buffer_fini(&b);
    }
}

static void every_kind_of_control_is_read_as_it_was_written(void **state)
{
    static struct sample s;

    (void)state;
    for (size_t i = 0; i < WHATS; i++) {
        struct control_buffer b = { 0 };
        struct frame_view v;

        random_control(&s, whats[i]);
        assert_int_equal(control_append(&b, &s.control), 0);
        struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
        read_good(&v, f);
        assert_int_equal(v.n_controls, 1);
        same_control(&s.control, &v.controls[0]);
        frame_view_fini(&v);
        frame_unref(f);
        control_buffer_fini(&b);
    }
}

static void greetings_are_read_as_they_were_written(void **state)
{
    struct wire_hello hello = { 1, 5, "0123456789abcde", "a node", 12345, true, 77 };
    struct wire_welcome welcome = { 1, 6, 10000, 78, true, 79 };
    struct wire_refusal refusal = { WIRE_SESSION_OVER, "the lease of this session ended" };
    struct frame *f;
    struct frame_view v;

    (void)state;
    f = frame_of_hello(9, &hello);
    read_good(&v, f);
    assert_int_equal(v.session, 9);
    assert_int_equal(v.hello->version, 1);
    assert_int_equal(v.hello->features, 5);
    assert_memory_equal(v.hello->instance, hello.instance, 16);
    assert_string_equal(v.hello->name, "a node");
    assert_int_equal(v.hello->lease_ms, 12345);
    assert_true(v.hello->resume);
    assert_int_equal(v.hello->received, 77);
    assert_null(v.welcome);
    assert_null(v.refusal);
    frame_view_fini(&v);
    frame_unref(f);

    f = frame_of_welcome(10, &welcome);
    read_good(&v, f);
    assert_int_equal(v.session, 10);
    assert_int_equal(v.welcome->version, 1);
    assert_int_equal(v.welcome->features, 6);
    assert_int_equal(v.welcome->lease_ms, 10000);
    assert_int_equal(v.welcome->received, 78);
    assert_true(v.welcome->resumed);
    assert_int_equal(v.welcome->clock_ms, 79);
    assert_null(v.hello);
    frame_view_fini(&v);
    frame_unref(f);

    f = frame_of_refusal(11, &refusal);
    read_good(&v, f);
    assert_int_equal(v.refusal->code, WIRE_SESSION_OVER);
    assert_string_equal(v.refusal->sentence, refusal.sentence);
    frame_view_fini(&v);
    frame_unref(f);
}

static void elements_are_read_as_they_were_written(void **state)
{
    static const size_t lens[] = { 0, 1, 127, 128, 129, 16383, 16384, 65535, 131072, 5 };
    struct frame_writer w = { 0 };
    struct wire_section s = section_of(lens, 10);
    struct frame_view v;
    struct frame *f;

    (void)state;
    assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_size(&w), 2 * (WIRE_SECTION_HEADER + s.size));
    f = frame_writer_seal(&w, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2);
    assert_null(w.frame);
    read_good(&v, f);
    assert_int_equal(v.session, UINT64_MAX);
    assert_int_equal(v.seq, UINT64_MAX - 1);
    assert_int_equal(v.ack, UINT64_MAX - 2);
    assert_int_equal(v.n_sections, 2);
    for (int k = 0; k < 2; k++) {
        const struct wire_section *r = &v.sections[k];
        size_t at = 0;

        assert_int_equal(r->bind, s.bind);
        assert_int_equal(r->count, s.count);
        assert_int_equal(r->number, s.number);
        assert_int_equal(r->position, s.position);
        assert_int_equal(r->incarnation, s.incarnation);
        assert_int_equal(r->epoch, s.epoch);
        assert_int_equal(r->deliveries, s.deliveries);
        assert_int_equal(r->bytes, s.bytes);
        assert_int_equal(r->flags, 0);
        for (uint32_t i = 0; i < r->count; i++) {
            size_t len;
            const uint8_t *e = section_element(r, &at, &len);
            assert_int_equal(len, lens[i]);
            assert_true(len == 0 || (e[0] == i && e[len - 1] == i));
        }
        assert_int_equal(at, r->size);
    }
    frame_view_fini(&v);
    frame_unref(f);
    free((void *)s.body);
}

static void split_and_fit_keep_every_element(void **state)
{
    (void)state;
    for (random_begin(2000); random_more();) {
        size_t lens[50];
        uint32_t n = 2 + (uint32_t)random_below(49), cut, fit;
        uint64_t bytes = 0, room;

        for (uint32_t i = 0; i < n; i++)
            lens[i] = random_below(random_chance(20) ? 20000 : 140);
        struct wire_section whole = section_of(lens, n), rest = whole, head;

        room = random_below(whole.bytes + 200);
        fit = section_fit(&whole, room);
        for (uint32_t i = 0; i < fit; i++)
            bytes += lens[i];
        assert_true(bytes <= room);
        assert_true(fit == n || bytes + lens[fit] > room);

        cut = 1 + (uint32_t)random_below(n - 1);
        section_split(&rest, &head, cut);
        assert_int_equal(head.count, cut);
        assert_int_equal(rest.count, n - cut);
        assert_int_equal(head.bytes + rest.bytes, whole.bytes);
        assert_int_equal(head.size + rest.size, whole.size);
        assert_ptr_equal(head.body, whole.body);
        assert_ptr_equal(rest.body, whole.body + head.size);
        assert_int_equal(head.number, whole.number);
        assert_int_equal(rest.number, whole.number + cut);
        assert_int_equal(rest.position, whole.position + cut);

        /* Each part is a good section by itself. */
        struct frame_writer w = { 0 };
        struct frame_view v;
        assert_int_equal(frame_writer_section(&w, &rest), 0);
        assert_int_equal(frame_writer_section(&w, &head), 0);
        struct frame *f = frame_writer_seal(&w, 1, 1, 1);
        read_good(&v, f);
        frame_view_fini(&v);
        frame_unref(f);
        free((void *)whole.body);
    }
}

static void controls_and_sections_share_a_frame(void **state)
{
    struct control_buffer b = { 0 };
    struct frame_writer w = { 0 };
    size_t lens[] = { 7, 9 };
    struct wire_section s = section_of(lens, 2);
    struct wire_control taken = { .what = WIRE_TAKEN, .bind = 5, .number = 6 };
    struct frame_view v;

    (void)state;
    assert_int_equal(control_append(&b, &taken), 0);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    struct frame *f = frame_writer_seal_with(&w, 42, 2, 1, b.data, b.len);
    read_good(&v, f);
    assert_int_equal(v.n_controls, 1);
    assert_int_equal(v.n_sections, 1);
    same_control(&taken, &v.controls[0]);
    frame_view_fini(&v);
    frame_unref(f);
    control_buffer_fini(&b);
    free((void *)s.body);
}

static void a_frame_cut_anywhere_is_refused(void **state)
{
    struct control_buffer b = { 0 };
    struct frame_writer w = { 0 };
    size_t lens[] = { 7, 200, 0 };
    struct wire_section s = section_of(lens, 3);
    struct wire_control c = { .what = WIRE_REFUSED,
                              .bind = 5,
                              .refused = { WIRE_MISMATCH, "capacity" } };

    (void)state;
    assert_int_equal(control_append(&b, &c), 0);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    struct frame *f = frame_writer_seal_with(&w, 42, 2, 1, b.data, b.len);
    for (size_t len = 0; len < f->len; len++)
        read_bad(f->data, len);
    uint8_t *longer = malloc(f->len + 1);
    memcpy(longer, f->data, f->len);
    longer[f->len] = 0;
    assert_non_null(strstr(read_bad(longer, f->len + 1), "left over"));
    free(longer);
    frame_unref(f);
    control_buffer_fini(&b);
    free((void *)s.body);
}

/* Replaces `size` bytes at `at` by value and wants a refusal. */
static void corrupt(const struct frame *f, size_t at, size_t size, uint64_t value)
{
    struct frame *g = frame_of_bytes(f->data, f->len);

    for (size_t i = 0; i < size; i++)
        g->data[at + i] = (uint8_t)(value >> (8 * i));
    read_bad(g->data, g->len);
    frame_unref(g);
}

static void each_length_of_a_section_must_agree_with_the_others(void **state)
{
    struct frame *f = frame_with_sections(2, 5, 100);
    size_t at = sections_at(f);

    (void)state;
    static const uint64_t counts[] = { 0, 4, 6, 515, UINT32_MAX };
    for (size_t i = 0; i < 5; i++)
        corrupt(f, at + 4, 4, counts[i]);
    static const uint64_t numbers[] = { 0, UINT64_MAX, UINT64_MAX - 4 };
    for (size_t i = 0; i < 3; i++)
        corrupt(f, at + 8, 8, numbers[i]);
    corrupt(f, at + 16, 8, UINT64_MAX); /* position */
    static const uint64_t bytes[] = { 0, 509, 511, 1000, UINT64_MAX, UINT64_MAX - 10 };
    for (size_t i = 0; i < 6; i++)
        corrupt(f, at + 40, 8, bytes[i]);
    static const uint64_t sizes[] = { 0, 1, 514, 516, 4000, UINT32_MAX, UINT32_MAX - 56 };
    for (size_t i = 0; i < 7; i++)
        corrupt(f, at + 48, 4, sizes[i]);
    static const uint64_t flags[] = { WIRE_OFFER /* of several elements */,
                                      WIRE_PATIENT,
                                      128,
                                      WIRE_DEAD | WIRE_OFFER,
                                      WIRE_TIMED | WIRE_OFFER,
                                      WIRE_TIMED | WIRE_DEAD,
                                      WIRE_HEADED | WIRE_PATIENT,
                                      UINT32_MAX };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        corrupt(f, at + 52, 4, flags[i]);
    for (uint64_t length = 0; length < 256; length++) /* the first element's prefix */
        if (length != 100)
            corrupt(f, at + 56, 1, length);
    frame_unref(f);
}

static void an_offer_is_one_element(void **state)
{
    static const uint32_t flags[] = { WIRE_OFFER | WIRE_HEADED, WIRE_OFFER | WIRE_PATIENT };
    size_t lens[] = { 100, 100 };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint32_t n = i < 2 ? 1 : 2;
        struct frame_writer w = { 0 };
        struct wire_section s = section_of(lens, n);
        struct frame_view v;

        s.flags = flags[i % 2];
        assert_int_equal(frame_writer_section(&w, &s), 0);
        struct frame *f = frame_writer_seal(&w, 1, 1, 0);
        if (n == 1) {
            read_good(&v, f);
            assert_int_equal(v.sections[0].flags, flags[i % 2]);
            frame_view_fini(&v);
        } else {
            assert_non_null(strstr(read_bad(f->data, f->len), "an offer"));
        }
        frame_unref(f);
        free((void *)s.body);
    }
}

static void a_timed_section_has_its_times_behind_its_header(void **state)
{
    size_t lens[] = { 0, 100, 7 };
    struct wire_section s = section_of(lens, 3);
    struct frame_writer w = { 0 };
    struct frame_view v;

    (void)state;
    s.flags = WIRE_TIMED;
    s.delay_ms = 12;
    s.ttl_ms = UINT64_MAX;
    assert_int_equal(section_header_size(&s), 72);
    assert_int_equal(frame_writer_section(&w, &s), 0);
    s.flags = 0;
    assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_size(&w), 72 + 56 + 2 * s.size);
    struct frame *f = frame_writer_seal(&w, 1, 1, 0);
    read_good(&v, f);
    assert_int_equal(v.n_sections, 2);
    assert_int_equal(v.sections[0].flags, WIRE_TIMED);
    assert_int_equal(v.sections[0].delay_ms, 12);
    assert_int_equal(v.sections[0].ttl_ms, UINT64_MAX);
    assert_memory_equal(v.sections[0].body, s.body, s.size);
    assert_int_equal(v.sections[1].delay_ms, 0);
    assert_int_equal(v.sections[1].ttl_ms, 0);
    assert_memory_equal(v.sections[1].body, s.body, s.size);
    frame_view_fini(&v);
    frame_unref(f);
    free((void *)s.body);
}

static void times_that_are_cut_off_are_refused(void **state)
{
    struct frame *f = frame_with_sections(1, 1, 1);
    size_t at = sections_at(f);

    (void)state;
    assert_int_equal(f->len, at + WIRE_SECTION_HEADER + 2);
    f->data[at + 52] = WIRE_TIMED;
    assert_non_null(strstr(read_bad(f->data, f->len), "cut off"));
    frame_unref(f);
}

static void a_length_must_have_its_shortest_form(void **state)
{
    static const uint8_t bodies[][8] = {
        { 0x80, 0x00 },      /* 0 in two bytes */
        { 0x81, 0x00, 'x' }, /* 1 in two bytes */
        { 0x81, 0x80, 0x00, 'x' },
        { 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 'x' }, /* six bytes */
        { 0x80, 0x80, 0x80, 0x80, 0x10, 0x00 },      /* 2^32 */
        { 0x80, 0x80, 0x80, 0x80 },                  /* cut off */
        { 0x80 },
    };
    static const uint8_t sizes[] = { 2, 3, 4, 7, 6, 4, 1 };
    static const uint8_t bytes[] = { 0, 1, 1, 1, 0, 0, 0 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes; i++) {
        struct wire_section s = {
            .count = 1, .number = 1, .size = sizes[i], .bytes = bytes[i], .body = bodies[i]
        };
        struct frame_writer w = { 0 };
        assert_int_equal(frame_writer_section(&w, &s), 0);
        struct frame *f = frame_writer_seal(&w, 1, 1, 0);
        read_bad(f->data, f->len);
        frame_unref(f);
    }
}

static void elements_beyond_the_body_are_refused(void **state)
{
    struct frame *f = frame_with_sections(1, 1, 100);
    size_t at = sections_at(f), size = 250;
    uint8_t *data = calloc(1, at + WIRE_SECTION_HEADER + size);

    /* Ten elements of 30 bytes in room for eight and a bit. */
    (void)state;
    memcpy(data, f->data, at + WIRE_SECTION_HEADER);
    for (size_t i = 0; i < size; i += 31)
        data[at + WIRE_SECTION_HEADER + i] = 30;
    data[at + 4] = 10;
    data[at + 40] = 240;
    data[at + 48] = (uint8_t)size;
    read_bad(data, at + WIRE_SECTION_HEADER + size);
    free(data);
    frame_unref(f);
}

static void what_is_longer_than_256_kib_is_not_whole(void **state)
{
    size_t len = WIRE_WHOLE_MAX, n = 3;
    uint8_t *body = calloc(1, n + len + 1);
    struct frame_view v;

    (void)state;
    assert_int_equal(element_prefix(body, len), n);
    for (int more = 0; more < 2; more++) {
        struct wire_section s = {
            .count = 1, .number = 1, .bytes = len, .size = (uint32_t)(n + len), .body = body
        };
        struct frame_writer w = { 0 };
        assert_int_equal(frame_writer_section(&w, &s), 0);
        struct frame *f = frame_writer_seal(&w, 1, 1, 0);
        if (more == 0) {
            read_good(&v, f);
            frame_view_fini(&v);
        } else {
            read_bad(f->data, f->len);
        }
        frame_unref(f);
        len++;
        body[0]++; /* the lowest bits of the prefix */
    }
    free(body);
}

static void a_frame_has_at_most_4096_sections(void **state)
{
    static const uint8_t body[] = { 0 };
    struct wire_section s = { .count = 1, .number = 1, .size = 1, .body = body };
    size_t one = WIRE_SECTION_HEADER + sizeof body;
    struct frame_writer w = { 0 };
    struct frame_view v;

    (void)state;
    for (int i = 0; i < WIRE_SECTIONS_MAX; i++)
        assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(frame_writer_section(&w, &s), -EMSGSIZE);
    struct frame *f = frame_writer_seal(&w, 1, 1, 0);
    read_good(&v, f);
    assert_int_equal(v.n_sections, WIRE_SECTIONS_MAX);
    frame_view_fini(&v);

    /* One more, by hand: its bytes, and the lowest bits of the number of sections, which ends the envelope. */
    struct frame *g = frame_new(f->len + one);
    memcpy(g->data, f->data, f->len);
    memcpy(g->data + f->len, f->data + f->len - one, one);
    assert_int_equal(g->data[sections_at(f) - 2], 0x80);
    g->data[sections_at(f) - 2]++;
    assert_non_null(strstr(read_bad(g->data, g->len), "more sections"));
    frame_unref(g);
    frame_unref(f);
}

static void an_envelope_has_at_most_60_kib(void **state)
{
    /* session 1, seq 1, a field 15 that nobody knows and that fills the rest */
    static const uint8_t head[] = { 0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0x7a };
    struct frame_view v;

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        size_t len = WIRE_ENVELOPE_MAX + more, rest = len - sizeof head - 3;
        struct frame *f = frame_new(4 + len);
        memset(f->data, 0, f->len);
        f->data[0] = (uint8_t)len;
        f->data[1] = (uint8_t)(len >> 8);
        memcpy(f->data + 4, head, sizeof head);
        assert_int_equal(element_prefix(f->data + 4 + sizeof head, rest), 3);
        if (more == 0) {
            read_good(&v, f);
            frame_view_fini(&v);
        } else {
            read_bad(f->data, f->len);
        }
        frame_unref(f);
    }
}

static void a_hello_needs_an_instance_of_16_bytes(void **state)
{
    (void)state;
    for (uint8_t len = 0; len <= 32; len++) {
        uint8_t data[4 + 2 + 2 + 2 + 32] = { (uint8_t)(6 + len), 0,    0, 0,    0x32,
                                             (uint8_t)(4 + len), 0x08, 1, 0x1a, len };
        struct frame *f = frame_of_bytes(data, (size_t)10 + len);
        struct frame_view v;

        if (len == 16) {
            read_good(&v, f);
            frame_view_fini(&v);
        } else {
            read_bad(f->data, f->len);
        }
        frame_unref(f);
    }
}

static void an_envelope_greets_once(void **state)
{
    struct wire_welcome welcome = { .version = 1 };
    struct frame *f = frame_of_welcome(1, &welcome), *g = frame_new(f->len + 4);

    (void)state;
    memcpy(g->data, f->data, f->len);
    memcpy(g->data + f->len, "\x42\x02\x08\x01", 4); /* a Refusal */
    g->data[0] += 4;
    assert_non_null(strstr(read_bad(g->data, g->len), "more than one"));
    frame_unref(g);
    frame_unref(f);
}

static void promises_take_no_memory(void **state)
{
    static const uint8_t many_sections[] = {
        4 + 11, 0, 0, 0, 0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0x20, 0xff, 0xff, 0xff, 0x0f
    };
    struct frame *f = frame_with_sections(1, 1, 10);
    uint8_t *big;

    (void)state;
    alloc_largest = 0;
    corrupt(f, 0, 4, UINT32_MAX);
    corrupt(f, 0, 4, WIRE_ENVELOPE_MAX + 1);
    corrupt(f, sections_at(f) + 4, 4, UINT32_MAX);
    corrupt(f, sections_at(f) + 48, 4, UINT32_MAX);
    read_bad(many_sections, sizeof many_sections);
    frame_unref(f);
    if (ALLOC_HOOKED)
        assert_in_range(alloc_largest, 1, 2048);

    /* 60 KiB of empty controls are the most that protobuf-c can be made to allocate. */
    big = calloc(1, 4 + WIRE_ENVELOPE_MAX);
    big[1] = WIRE_ENVELOPE_MAX >> 8;
    memcpy(big + 4, "\x09\x01\0\0\0\0\0\0\0\x10\x01", 11);
    big[4 + 11] = 0x18; /* ack, so that the rest is even */
    for (size_t i = 4 + 13; i + 1 < 4 + WIRE_ENVELOPE_MAX; i += 2)
        big[i] = 0x2a;
    big[4 + WIRE_ENVELOPE_MAX - 1] = 0;
    alloc_total = 0;
    struct frame_view v;
    const char *why;
    int rc = frame_read(&v, big, 4 + WIRE_ENVELOPE_MAX, &why);
    assert_true(rc == 0 || rc == -EPROTO);
    if (rc == 0)
        frame_view_fini(&v);
    if (ALLOC_HOOKED)
        assert_in_range(alloc_total, 1, 24 << 20);
    free(big);

    /* A frame longer than the longest is refused by its length alone. */
    uint8_t four[4] = { 0 };
    assert_int_equal(frame_read(&v, four, (size_t)WIRE_FRAME_MAX + 1, &why), -EPROTO);
}

static void seq_decides_what_may_stand_in_an_envelope(void **state)
{
    struct wire_control c = { .what = WIRE_UNBIND, .bind = 5 };
    struct control_buffer b = { 0 };
    struct frame *f;

    (void)state;
    assert_int_equal(control_append(&b, &c), 0);
    f = frame_of_controls(1, 0, 0, b.data, b.len); /* a control outside the stream */
    read_bad(f->data, f->len);
    frame_unref(f);
    f = frame_of_controls(0, 1, 0, b.data, b.len); /* no session */
    read_bad(f->data, f->len);
    frame_unref(f);
    control_buffer_fini(&b);

    struct wire_welcome welcome = { .version = 1 };
    f = frame_of_welcome(1, &welcome);
    struct frame *g = frame_new(f->len + 2); /* the same with seq 1 */
    memcpy(g->data, f->data, f->len);
    memcpy(g->data + f->len, "\x10\x01", 2);
    g->data[0] += 2;
    read_bad(g->data, g->len);
    frame_unref(g);
    frame_unref(f);
}

/* Packs c without looking, as a stranger might. */
static void stranger_is_refused(const struct wire_control *c)
{
    struct control_buffer b = { 0 };

    assert_int_equal(control_append(&b, c), 0);
    struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
    read_bad(f->data, f->len);
    frame_unref(f);
    control_buffer_fini(&b);
}

static void values_out_of_range_are_refused(void **state)
{
    struct wire_control c;

    (void)state;
    c = (struct wire_control){ .what = WIRE_BIND,
                               .bind_ = { .name = "a", .direction = (enum wire_direction)2 } };
    stranger_is_refused(&c);
    c.bind_.direction = WIRE_IN;
    c.bind_.attributes.kind = (enum wire_kind)3;
    stranger_is_refused(&c);
    c.bind_.attributes.kind = (enum wire_kind) - 1;
    stranger_is_refused(&c);
    c.bind_.attributes.kind = WIRE_KIND_ANY;
    c.bind_.attributes.keep = (enum wire_keep)4;
    stranger_is_refused(&c);
    c.bind_.attributes.keep = WIRE_KEEP_ANY;
    c.bind_.attributes.slow = (enum wire_slow)4;
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_REFUSED,
                               .refused = { (enum wire_code)(WIRE_CODE_LAST + 1), "x" } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_FAILED_, .refused = { (enum wire_code) - 1, "x" } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_CLOSED_, .recall = { .code = WIRE_OK } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_RECALL,
                               .recall = { .closing = true, .code = WIRE_DENIED } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_RECALL, .recall = { .code = (enum wire_code)99 } };
    stranger_is_refused(&c);
    struct wire_binding_info binding = { .node = "n", .direction = (enum wire_direction)7 };
    struct wire_channel_info channel = { .name = "n", .bindings = &binding, .n_bindings = 1 };
    c = (struct wire_control){ .what = WIRE_ANSWER,
                               .answer = { .channels = &channel, .n_channels = 1, .last = true } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_ANSWER,
                               .answer = { .code = (enum wire_code)(WIRE_CODE_LAST + 1) } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_QUERY, .query_want = (enum wire_want)3 };
    stranger_is_refused(&c);
    struct wire_goroutine g = { .doing = (enum wire_doing)5 };
    struct wire_node_info node = { .name = "n", .goroutines = &g, .n_goroutines = 1 };
    c = (struct wire_control){ .what = WIRE_REPORT,
                               .report = { .goroutines = &g, .n_goroutines = 1 } };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_ANSWER, .answer = { .nodes = &node, .n_nodes = 1 } };
    stranger_is_refused(&c);
    node.n_goroutines = 0;
    node.voice = (enum wire_voice)3;
    stranger_is_refused(&c);
    struct wire_range range = { 1, 1 };
    c = (struct wire_control){
        .what = WIRE_SETTLE,
        .settle = { .verdict = (enum wire_verdict)(WIRE_LOST + 1), .ranges = &range, .n_ranges = 1 }
    };
    stranger_is_refused(&c);
    c = (struct wire_control){ .what = WIRE_LOST_, .lost = { .code = WIRE_CLOSED } };
    stranger_is_refused(&c);
    struct wire_wait wait = { "a", (enum wire_direction)2 };
    g = (struct wire_goroutine){ .waits = &wait, .n_waits = 1 };
    c = (struct wire_control){ .what = WIRE_REPORT,
                               .report = { .goroutines = &g, .n_goroutines = 1 } };
    stranger_is_refused(&c);
}

static void ranges_ascend_and_lie_apart(void **state)
{
    static struct wire_range many[WIRE_RANGES_MAX + 1];
    static const struct wire_range bad[][2] = {
        { { 0, 1 }, { 5, 1 } },          { { 1, 0 }, { 5, 1 } }, { { 1, 5 }, { 5, 1 } },
        { { 5, 1 }, { 1, 1 } },          { { 5, 1 }, { 5, 1 } }, { { 1, 1 }, { UINT64_MAX, 2 } },
        { { 2, UINT64_MAX }, { 5, 1 } },
    };
    struct wire_control c = { .what = WIRE_SETTLE, .settle = { .why = "", .n_ranges = 2 } };
    struct control_buffer b = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        c.settle.ranges = bad[i];
        assert_int_equal(control_append(&b, &c), -EINVAL);
    }
    for (uint64_t i = 0; i < WIRE_RANGES_MAX + 1; i++)
        many[i] = (struct wire_range){ 2 * i + 1, 1 };
    c.settle.ranges = many;
    c.settle.n_ranges = WIRE_RANGES_MAX + 1;
    assert_int_equal(control_append(&b, &c), -EINVAL);
    c.settle.n_ranges = 0;
    assert_int_equal(control_append(&b, &c), -EINVAL);
    assert_int_equal(b.len, 0);

    /* What is read is no better: the last byte of what is written is the count of the last range. */
    c.settle.ranges = (const struct wire_range[]){ { 3, 1 }, { 5, 7 } };
    c.settle.n_ranges = 2;
    assert_int_equal(control_append(&b, &c), 0);
    assert_int_equal(b.data[b.len - 1], 7);
    b.data[b.len - 1] = 0;
    struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
    read_bad(f->data, f->len);
    frame_unref(f);
    control_buffer_fini(&b);
}

static void a_string_with_a_nul_inside_is_refused(void **state)
{
    struct wire_control controls[] = {
        { .what = WIRE_QUERY, .query_name = "abc" },
        { .what = WIRE_BIND, .bind_ = { .name = "abc" } },
        { .what = WIRE_OPENED, .bound = { .attributes = { .type = "abc" } } },
        { .what = WIRE_FAILED_, .refused = { WIRE_DENIED, "abc" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        struct control_buffer b = { 0 };
        assert_int_equal(control_append(&b, &controls[i]), 0);
        uint8_t *abc = memmem(b.data, b.len, "abc", 3);
        assert_non_null(abc);
        for (int k = 0; k < 3; k++) {
            abc[k] = 0;
            struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
            read_bad(f->data, f->len);
            frame_unref(f);
            abc[k] = 'x';
        }
        control_buffer_fini(&b);
    }
}

static void strings_that_are_too_long_are_not_written_nor_read(void **state)
{
    static char name[WIRE_NAME_MAX + 2], text[WIRE_TEXT_MAX + 3];
    struct wire_control c = { .what = WIRE_QUERY, .query_name = name };
    struct control_buffer b = { 0 };
    struct frame_view v;
    uint8_t raw[4 + 11 + 300] = { 0 };

    (void)state;
    memset(name, 'a', WIRE_NAME_MAX + 1);
    assert_int_equal(control_append(&b, &c), -EMSGSIZE);
    assert_int_equal(b.len, 0);

    /* session 1, seq 1, control { query { name: 256 bytes } } */
    uint8_t *p = raw + 4;
    memcpy(p, "\x09\x01\0\0\0\0\0\0\0\x10\x01", 11);
    p += 11;
    memcpy(p, "\x2a\x87\x02\x82\x01\x83\x02\x12\x80\x02", 10);
    memset(p + 10, 'a', 256);
    raw[0] = (uint8_t)(11 + 10 + 256 - 256);
    raw[1] = 1;
    assert_non_null(strstr(read_bad(raw, 4 + 11 + 10 + 256), "too long"));

    /* Sentences are cut instead, between characters. */
    memset(text, 'a', WIRE_TEXT_MAX + 2);
    memcpy(text + WIRE_TEXT_MAX - 1, "\xc3\xbc", 2);
    c = (struct wire_control){ .what = WIRE_REFUSED, .refused = { WIRE_DENIED, text } };
    assert_int_equal(control_append(&b, &c), 0);
    struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
    read_good(&v, f);
    assert_int_equal(strlen(v.controls[0].refused.sentence), WIRE_TEXT_MAX - 1);
    frame_view_fini(&v);
    frame_unref(f);
    control_buffer_fini(&b);
}

static void an_answer_too_large_for_an_envelope_is_not_written(void **state)
{
    static struct wire_channel_info channels[3000];
    struct wire_control c = { .what = WIRE_ANSWER,
                              .answer = { .channels = channels, .n_channels = 3000 } };
    struct control_buffer b = { 0 };

    (void)state;
    for (int i = 0; i < 3000; i++)
        channels[i].name = "a.channel.with.a.name";
    assert_int_equal(control_append(&b, &c), -EMSGSIZE);
    assert_int_equal(b.len, 0);
    c.answer.n_channels = 1000;
    assert_int_equal(control_append(&b, &c), 0);
    control_buffer_fini(&b);
}

#define MANY 2000

/* A node fills a Report by the sizes of its goroutines, and the broker hands on whatever a Report may hold. */
static void a_report_that_may_be_written_fits_into_an_answer(void **state)
{
    static struct wire_goroutine all[MANY];
    static char text[2 * WIRE_STACK_MAX];
    struct wire_wait waits[2 * WIRE_WAITS_MAX];
    struct control_buffer b = { 0 };
    struct wire_control c = { .what = WIRE_REPORT, .report = { .host = text, .goroutines = all } };
    struct wire_node_info node = { .name = text, .host = text, .goroutines = all };
    size_t before = 0, after = 0;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i < 2 * WIRE_WAITS_MAX; i++)
        waits[i] = (struct wire_wait){ text + sizeof text - 1 - WIRE_NAME_MAX, WIRE_OUT };
    for (unsigned i = 0; i < MANY; i++)
        all[i] = (struct wire_goroutine){ .id = UINT64_MAX,
                                          .waited_ms = UINT64_MAX,
                                          .doing = WIRE_WAITING,
                                          .system = true,
                                          .sends = true,
                                          .receives = true,
                                          .name = text + sizeof text - 1 - i % 50,
                                          .stack = text + sizeof text - 1 - i % 700 };
    all[0] = (struct wire_goroutine){ .name = text, .why = text, .stack = text };
    all[0].waits = waits;
    all[0].n_waits = 2 * WIRE_WAITS_MAX;
    for (uint32_t n = 1; n <= MANY; n++) {
        size_t size = goroutine_size(&all[n - 1]);
        int rc;

        c.report.n_goroutines = n;
        before = b.len;
        rc = control_append(&b, &c);
        if (rc == -EMSGSIZE) {
            assert_true(n > 1);
            break;
        }
        assert_int_equal(rc, 0);
        assert_true(n == 1 || b.len - before - after <= size); /* what this one has added */
        after = b.len - before;
        b.len = 0;
        node.n_goroutines = n;
        struct wire_control answer = { .what = WIRE_ANSWER,
                                       .answer = { .nodes = &node, .n_nodes = 1 } };
        assert_int_equal(control_append(&b, &answer), 0);
        b.len = 0;
    }
    assert_true(c.report.n_goroutines < MANY);
    control_buffer_fini(&b);
}

/* A Report of n goroutines with a name of 28 bytes each, as somebody else might write it. */
static struct frame *frame_of_report(uint32_t n)
{
    size_t len = 32 * (size_t)n, at = 0;
    uint8_t length[8], *data = malloc(len + 32);

    data[at++] = 0x2a; /* control */
    at += element_prefix(data + at, len + 2 + element_prefix(length, len));
    data[at++] = 0xaa; /* report: field 21 */
    data[at++] = 0x01;
    at += element_prefix(data + at, len);
    for (uint32_t i = 0; i < n; i++, at += 32)
        memcpy(data + at,
               "\x22\x1e\x12\x1c"
               "0123456789012345678901234567",
               32);
    struct frame *f = frame_of_controls(1, 1, 0, data, at);
    free(data);
    return f;
}

static void a_report_that_is_too_large_is_refused(void **state)
{
    uint32_t most = WIRE_REPORT_MAX / 32;
    struct frame *f = frame_of_report(most);
    struct frame_view v;

    (void)state;
    read_good(&v, f);
    assert_int_equal(v.controls[0].what, WIRE_REPORT);
    assert_int_equal(v.controls[0].report.n_goroutines, most);
    frame_view_fini(&v);
    frame_unref(f);
    f = frame_of_report(most + 1);
    assert_non_null(strstr(read_bad(f->data, f->len), "too long"));
    frame_unref(f);
}

static void unknown_controls_and_fields_are_skipped(void **state)
{
    static const uint8_t raw[] = {
        34,   0, 0,    0, 0x09, 1, 0,    0,    0, 0,    0,
        0,    0, 0x10, 1, 0x2a, 5, 0xe2, 0x03, 2, 0x08, 7, /* control 60 */
        0x2a, 4, 0x12, 2, 0x08, 5,                         /* Unbind 5 */
        0x2a, 0,                                           /* an empty control */
        0x2a, 6, 0x12, 4, 0x08, 6, 0x78, 1,                /* Unbind 6 with a field 15 */
    };
    struct frame_view v;
    const char *why = "";

    (void)state;
    assert_int_equal(sizeof raw, 38);
    assert_int_equal(frame_read(&v, raw, sizeof raw, &why), 0);
    assert_int_equal(v.n_controls, 2);
    assert_int_equal(v.controls[0].what, WIRE_UNBIND);
    assert_int_equal(v.controls[0].bind, 5);
    assert_int_equal(v.controls[1].bind, 6);
    frame_view_fini(&v);
}

static void damaged_frames_are_refused_or_read_but_never_wrong_in_their_sums(void **state)
{
    struct frame *f = frame_with_sections(3, 6, 50);

    (void)state;
    for (random_begin(20000); random_more();) {
        struct frame *g = frame_of_bytes(f->data, f->len);
        struct frame_view v;
        const char *why = NULL;

        for (uint64_t n = 1 + random_below(4); n > 0; n--)
            g->data[random_below(random_chance(50) ? 100 : g->len)] ^= (uint8_t)(1 +
                                                                                 random_below(255));
        int rc = frame_read(&v, g->data, g->len, &why);
        if (rc == 0) {
            for (uint32_t i = 0; i < v.n_sections; i++) {
                uint64_t bytes = 0;
                size_t at = 0, len;
                for (uint32_t k = 0; k < v.sections[i].count; k++) {
                    section_element(&v.sections[i], &at, &len);
                    bytes += len;
                }
                assert_int_equal(at, v.sections[i].size);
                assert_int_equal(bytes, v.sections[i].bytes);
            }
            frame_view_fini(&v);
        } else {
            assert_int_equal(rc, -EPROTO);
            assert_non_null(why);
        }
        frame_unref(g);
    }
    frame_unref(f);
}

static void reading_and_writing_survive_a_lack_of_memory(void **state)
{
    static struct sample s;

    (void)state;
    if (!ALLOC_HOOKED)
        skip();
    for (random_begin(300); random_more();) {
        struct control_buffer b = { 0 };
        struct frame_view v;
        const char *why = "";
        int rc = -ENOMEM;

        random_control(&s, random_chance(50) ? WIRE_ANSWER : random_what());
        for (long at = 0; rc != 0; at++) {
            alloc_fail_in = at;
            rc = control_append(&b, &s.control);
            alloc_fail_in = -1;
            assert_true(rc == 0 || (rc == -ENOMEM && b.len == 0));
        }
        struct frame *f = frame_of_controls(1, 1, 0, b.data, b.len);
        rc = -ENOMEM;
        for (long at = 0; rc != 0; at++) {
            alloc_fail_in = at;
            rc = frame_read(&v, f->data, f->len, &why);
            alloc_fail_in = -1;
            assert_true(rc == 0 || rc == -ENOMEM);
        }
        same_control(&s.control, &v.controls[0]);
        frame_view_fini(&v);
        frame_unref(f);
        control_buffer_fini(&b);
    }
}

static int released;

static void count_release(struct frame *f)
{
    (void)f;
    released++;
}

static void a_frame_is_released_at_its_last_unref(void **state)
{
    struct frame f = { .refs = 1, .release = count_release };

    (void)state;
    released = 0;
    assert_ptr_equal(frame_ref(&f), &f);
    frame_unref(&f);
    assert_int_equal(released, 0);
    frame_unref(&f);
    assert_int_equal(released, 1);
    frame_unref(NULL);
}

/* A frame of sections of 4 KiB, as many as it may have. */
static struct frame *full_frame(uint8_t fill)
{
    static uint8_t body[4096];
    struct wire_section s = {
        .bind = 1, .count = 1, .number = 1, .size = sizeof body, .body = body
    };
    struct frame_writer w = { 0 };

    memset(body, fill, sizeof body);
    s.bytes = sizeof body - element_prefix(body, sizeof body - 2);
    while (frame_writer_size(&w) + WIRE_SECTION_HEADER + sizeof body <= WIRE_FRAME_TARGET)
        assert_int_equal(frame_writer_section(&w, &s), 0);
    struct frame *f = frame_writer_seal(&w, 1, 2, 3);
    assert_non_null(f);
    return f;
}

/* Also with more of them in use than are kept. */
static void full_frames_are_used_again_and_never_two_at_once(void **state)
{
    enum { FRAMES = 40 };
    struct frame *frames[FRAMES];

    (void)state;
    for (int i = 0; i < FRAMES; i++)
        frames[i] = full_frame((uint8_t)i);
    for (int i = 0; i < FRAMES; i++) {
        struct frame_view view;
        const char *why = "";
        assert_int_equal(frame_read(&view, frames[i]->data, frames[i]->len, &why), 0);
        assert_int_equal(view.sections[0].body[5], i);
        assert_int_equal(view.sections[view.n_sections - 1].body[4095], i);
        frame_view_fini(&view);
    }
    for (int i = 0; i < FRAMES; i++)
        frame_unref(frames[i]);
    alloc_largest = 0;
    frame_unref(full_frame(1));
#if ALLOC_HOOKED && !defined(ALLOC_ASAN)
    assert_true(alloc_largest < WIRE_FRAME_TARGET);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_control_is_read_as_it_was_written),
        cmocka_unit_test(every_control_is_read_as_it_was_written),
        cmocka_unit_test(greetings_are_read_as_they_were_written),
        cmocka_unit_test(elements_are_read_as_they_were_written),
        cmocka_unit_test(split_and_fit_keep_every_element),
        cmocka_unit_test(controls_and_sections_share_a_frame),
        cmocka_unit_test(a_frame_cut_anywhere_is_refused),
        cmocka_unit_test(each_length_of_a_section_must_agree_with_the_others),
        cmocka_unit_test(an_offer_is_one_element),
        cmocka_unit_test(a_timed_section_has_its_times_behind_its_header),
        cmocka_unit_test(times_that_are_cut_off_are_refused),
        cmocka_unit_test(a_length_must_have_its_shortest_form),
        cmocka_unit_test(elements_beyond_the_body_are_refused),
        cmocka_unit_test(what_is_longer_than_256_kib_is_not_whole),
        cmocka_unit_test(a_frame_has_at_most_4096_sections),
        cmocka_unit_test(an_envelope_has_at_most_60_kib),
        cmocka_unit_test(a_hello_needs_an_instance_of_16_bytes),
        cmocka_unit_test(an_envelope_greets_once),
        cmocka_unit_test(promises_take_no_memory),
        cmocka_unit_test(seq_decides_what_may_stand_in_an_envelope),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(ranges_ascend_and_lie_apart),
        cmocka_unit_test(a_string_with_a_nul_inside_is_refused),
        cmocka_unit_test(strings_that_are_too_long_are_not_written_nor_read),
        cmocka_unit_test(an_answer_too_large_for_an_envelope_is_not_written),
        cmocka_unit_test(a_report_that_may_be_written_fits_into_an_answer),
        cmocka_unit_test(a_report_that_is_too_large_is_refused),
        cmocka_unit_test(unknown_controls_and_fields_are_skipped),
        cmocka_unit_test(damaged_frames_are_refused_or_read_but_never_wrong_in_their_sums),
        cmocka_unit_test(reading_and_writing_survive_a_lack_of_memory),
        cmocka_unit_test(a_frame_is_released_at_its_last_unref),
        cmocka_unit_test(full_frames_are_used_again_and_never_two_at_once),
    };

    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
