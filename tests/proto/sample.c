/* sample.c - see sample.h.   SPDX-License-Identifier: MIT */
#include "tests/proto/sample.h"

#include "tests/proto/random.h"

#include <string.h>

static const char *random_text(struct sample *s, size_t max)
{
    char *t = s->texts[s->n_texts++ % SAMPLE_TEXTS];
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
        .n_bindings = (uint32_t)random_below(SAMPLE_INFOS + 1),
    };
    random_attributes(s, &c->attributes);
    c->taps = s->taps[at];
    c->n_taps = (uint32_t)random_below(SAMPLE_INFOS + 1);
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
    *n = (uint32_t)random_below(SAMPLE_INFOS + 1);
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
            .n_waits = (uint32_t)random_below(SAMPLE_INFOS + 1),
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

const enum wire_what sample_whats[SAMPLE_WHATS] = {
    WIRE_BIND,     WIRE_UNBIND,  WIRE_BOUND,    WIRE_REFUSED,  WIRE_UNBOUND, WIRE_ASK,
    WIRE_CREDIT,   WIRE_RECALL,  WIRE_RETURNED, WIRE_ACCEPTED, WIRE_TAKEN,   WIRE_CLOSE,
    WIRE_CLOSED_,  WIRE_FAILED_, WIRE_COUNTS,   WIRE_QUERY,    WIRE_ANSWER,  WIRE_OPENED,
    WIRE_GOODBYE,  WIRE_CLAIM,   WIRE_CLAIMED,  WIRE_REFUSE,   WIRE_COMMIT,  WIRE_ABORT,
    WIRE_WITHDRAW, WIRE_INSPECT, WIRE_REPORT,   WIRE_SETTLE,   WIRE_LOST_,   WIRE_PEEK,
    WIRE_PURGE,    WIRE_REMOVE,  WIRE_TAP,
};
static void random_ranges(struct sample *s)
{
    uint64_t end = 0;
    uint32_t n = 1 + (uint32_t)random_below(SAMPLE_RANGES);

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
    c->answer.n_elements = (uint32_t)random_below(SAMPLE_INFOS + 1);
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

void sample_make(struct sample *s, enum wire_what what, uint64_t seed)
{
    struct wire_control *c = &s->control;

    random_state = seed; /* this file's own */
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
        c->answer.n_channels = (uint32_t)random_below(SAMPLE_INFOS + 1);
        c->answer.last = random_chance(50);
        for (uint32_t i = 0; i < c->answer.n_channels; i++)
            random_channel(s, i);
        c->answer.nodes = s->nodes;
        c->answer.n_nodes = (uint32_t)random_below(SAMPLE_INFOS + 1);
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
