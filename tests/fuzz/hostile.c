/* hostile.c - see hostile.h.   SPDX-License-Identifier: MIT */
#include "tests/fuzz/hostile.h"

#include "proto/limits.h"

#include <string.h>

const char *const hostile_names[] = { "a", "b.c", "meet", NULL };

/* n, or something near it, or anything. */
static uint64_t nearly(struct input *in, uint64_t n)
{
    uint8_t how = take(in);

    if (how < 192)
        return n;
    if (how < 208)
        return n + 1;
    if (how < 224)
        return n - 1;
    return how < 240 ? how - 224u : take_any(in);
}

static struct hostile_binding *some_binding(struct hostile *h, struct input *in)
{
    return &h->of[take(in) % HOSTILE_BINDS];
}

/* One of which something can be said that makes sense; seldom any other, or when there is none. */
static struct hostile_binding *fitting(struct hostile *h, struct input *in,
                                       bool (*fits)(const struct hostile_binding *))
{
    uint8_t how = take(in);

    for (unsigned i = 0; how < 224 && i < HOSTILE_BINDS; i++) {
        struct hostile_binding *b = &h->of[(how + i) % HOSTILE_BINDS];
        if (b->number != 0 && fits(b))
            return b;
    }
    return &h->of[how % HOSTILE_BINDS];
}

static bool sends(const struct hostile_binding *b)
{
    return b->direction == WIRE_OUT && b->incarnation != 0;
}

static bool may_send(const struct hostile_binding *b)
{
    return sends(b) && (b->credit > 0 || b->meets);
}

static bool has_offered(const struct hostile_binding *b)
{
    return sends(b) && b->meets && b->sent > 0;
}

static bool was_recalled(const struct hostile_binding *b)
{
    return b->recall || (b->meets && b->credit > 0);
}

static bool has_elements(const struct hostile_binding *b)
{
    return b->direction == WIRE_IN && b->delivery > b->taken;
}

static bool has_had_elements(const struct hostile_binding *b)
{
    return b->direction == WIRE_IN && b->delivery > (b->by_hand ? 0 : b->taken);
}

static bool was_claimed(const struct hostile_binding *b)
{
    return b->direction == WIRE_IN && b->claim > 0;
}

static struct hostile_binding *find(struct hostile *h, uint32_t number)
{
    for (unsigned i = 0; i < HOSTILE_BINDS; i++)
        if (number != 0 && h->of[i].number == number)
            return &h->of[i];
    return NULL;
}

/* ---- what it is told --------------------------------------------------------------------------------------------- */

void hostile_hear(struct hostile *h, const struct wire_control *c)
{
    struct hostile_binding *b = find(h, c->bind);

    if (c->what == WIRE_INSPECT)
        h->inquiry = c->bind;
    if (b == NULL)
        return;
    switch (c->what) {
    case WIRE_BOUND:
        b->incarnation = c->bound.incarnation;
        b->epoch = c->bound.epoch;
        b->meets = c->bound.attributes.capacity == WIRE_RENDEZVOUS;
        break;
    case WIRE_OPENED:
        b->meets = c->bound.attributes.capacity == WIRE_RENDEZVOUS;
        break;
    case WIRE_CREDIT:
        b->credit += c->credit.elements;
        b->adjusted -= b->meets ? c->credit.elements : 0;
        break;
    case WIRE_RECALL:
        b->recall = true;
        b->recalled = c->recall.elements;
        break;
    case WIRE_CLAIM:
        b->claim = c->meet.claim;
        b->adjusted--;
        break;
    case WIRE_ABORT:
        b->adjusted += c->meet.asks;
        break;
    default:
        break;
    }
}

void hostile_get(struct hostile *h, const struct wire_section *s)
{
    struct hostile_binding *b = find(h, s->bind);

    if (b == NULL)
        return;
    if (s->flags & WIRE_PIECE && s->offset + s->size < s->bytes)
        return; /* it is not there yet */
    b->delivery = s->number + s->count - 1;
    b->adjusted -= b->meets ? 0 : s->count;
}

/* ---- what it says ------------------------------------------------------------------------------------------------ */

static int64_t some_capacity(struct input *in)
{
    static const int64_t usual[] = { 0, WIRE_RENDEZVOUS, 1, 2, 5, 40, WIRE_CAPACITY_MAX };
    uint8_t how = take(in);

    return how < 250 ? usual[how % 7] : (int64_t)take_any(in);
}

static uint64_t some_bytes(struct input *in)
{
    static const uint64_t usual[] = { 0, 0, 1, 100, 5000, UINT64_C(1) << 60 };
    uint8_t how = take(in);

    return how < 250 ? usual[how % 6] : take_any(in);
}

static void some_attributes(struct wire_attributes *a, const char *name, struct input *in)
{
    uint8_t how = take(in);

    *a = (struct wire_attributes){ .type = "" };
    a->capacity = strcmp(name, "meet") == 0 && how % 8 != 0 ? WIRE_RENDEZVOUS : some_capacity(in);
    a->capacity_bytes = some_bytes(in);
    if (how < 200)
        return;
    a->kind = (enum wire_kind)(take(in) % 3);
    a->keep = (enum wire_keep)(take(in) % 4);
    a->slow = (enum wire_slow)(take(in) % 4);
    a->max_deliveries = take(in);
    a->ttl_ms = take(in) % 4 == 0 ? (int64_t)take(in) - 1 : 0;
    a->type = how & 1 ? "t" : "u";
}

static const char *some_name(struct input *in)
{
    static const char *const odd[] = { "", "$sys.x", "a.dead", "no name", "nobody" };
    uint8_t how = take(in);

    return how < 250 ? hostile_names[how % 3] : odd[how - 250 < 5 ? how - 250 : 0];
}

static void say_bind(struct hostile *h, struct input *in, struct wire_control *c)
{
    struct hostile_binding *b = some_binding(h, in);
    uint8_t how = take(in);

    c->what = WIRE_BIND;
    c->bind = (uint32_t)nearly(in, h->last_bind + 1);
    c->bind_.name = some_name(in);
    c->bind_.direction = how & 1 ? WIRE_OUT : WIRE_IN;
    c->bind_.must_exist = how > 240;
    c->bind_.autoclose = how > 250;
    c->bind_.reply = how % 8 == 3;
    c->bind_.manual_ack = how % 4 == 0;
    c->bind_.prefetch = how & 2 ? take(in) : 0;
    some_attributes(&c->bind_.attributes, c->bind_.name, in);
    if (c->bind > h->last_bind)
        h->last_bind = c->bind;
    *b = (struct hostile_binding){ .number = c->bind,
                                   .direction = c->bind_.direction,
                                   .by_hand = c->bind_.manual_ack };
}

static void say_ask(struct hostile_binding *b, struct input *in, struct wire_control *c)
{
    uint8_t how = take(in);

    c->what = WIRE_ASK;
    c->ask.waiting = how < 250 ? how % 8 : (uint32_t)take_any(in);
    c->ask.weak = how >> 3 & 1;
    c->ask.sole = b->meets && how & 16 ? 1 + how % 8u : 0;
    if (b->meets || b->direction == WIRE_IN)
        c->ask.adjusted = (int64_t)nearly(in, (uint64_t)b->adjusted);
    if (b->direction == WIRE_IN)
        return;
    c->ask.first_bytes = nearly(in, how % 3 * 8);
    c->ask.bytes = nearly(in, c->ask.first_bytes * c->ask.waiting);
}

static void say_returned(struct hostile_binding *b, struct input *in, struct wire_control *c)
{
    c->what = WIRE_RETURNED;
    b->recall = false;
    if (b->direction == WIRE_OUT) {
        c->credit.elements = (uint32_t)nearly(in, b->credit);
        c->credit.bytes = nearly(in, 0);
        b->credit -= c->credit.elements < b->credit ? c->credit.elements : b->credit;
        return;
    }
    c->credit.elements = (uint32_t)nearly(in, take(in) % (b->recalled + UINT64_C(1)));
    c->credit.first = nearly(in, b->delivery - c->credit.elements + 1);
    b->recalled = 0;
}

static void say_taken(struct hostile_binding *b, struct input *in, struct wire_control *c)
{
    uint64_t some = b->delivery > b->taken ? take(in) % (b->delivery - b->taken + 1) : 0;

    c->what = WIRE_TAKEN;
    c->number = b->taken = nearly(in, b->taken + some);
}

/* Of what it was given, whatever has become of that since. */
static void say_settle(struct hostile_binding *b, struct input *in, struct wire_control *c)
{
    static struct wire_range ranges[3];
    uint8_t how = take(in);
    uint64_t end = 0;

    c->what = WIRE_SETTLE;
    c->settle.verdict = b->by_hand ? (enum wire_verdict)(how % 5)
                        : how & 32 ? WIRE_LOST
                                   : WIRE_UNREADABLE;
    c->settle.why = how & 16 ? "broken" : "";
    c->settle.delay_ms = how & 2 ? nearly(in, take(in)) : 0;
    c->settle.ranges = ranges;
    for (c->settle.n_ranges = 0; c->settle.n_ranges <= (how >> 2) % 3u; c->settle.n_ranges++) {
        struct wire_range *r = &ranges[c->settle.n_ranges];
        r->first = nearly(in, end + 1 + (b->delivery > end ? take(in) % (b->delivery - end) : 0));
        r->count = nearly(in, 1 + take(in) % 4u);
        if (r->first <= end || r->count == 0 || r->count - 1 > UINT64_MAX - r->first)
            break;
        end = r->first + r->count - 1;
        if (end == UINT64_MAX)
            break;
    }
    if (c->settle.n_ranges == 0) {
        ranges[0] = (struct wire_range){ 1, 1 };
        c->settle.n_ranges = 1;
    }
}

static void say_about_claim(struct hostile_binding *b, struct input *in, struct wire_control *c,
                            enum wire_what what)
{
    uint8_t how = take(in);

    c->what = what;
    c->meet.claim = nearly(in, b->claim - (how & 1));
}

static void say_close(struct input *in, struct wire_control *c)
{
    c->what = WIRE_CLOSE;
    c->recall.reason = (int8_t)take(in);
}

static void say_query(struct input *in, struct wire_control *c)
{
    uint8_t how = take(in);

    c->what = WIRE_QUERY;
    c->bind = how;
    c->query_name = how & 1 ? "" : some_name(in);
    c->query_want = (enum wire_want)(how >> 1 & 3) <= WIRE_DUMP ? (enum wire_want)(how >> 1 & 3)
                                                                : WIRE_CHANNELS;
    c->query_node = how & 8 ? "hostile" : "";
}

static void say_browse(struct input *in, struct wire_control *c)
{
    uint8_t how = take(in);

    c->what = how < 80 ? WIRE_PEEK : how < 200 ? WIRE_TAP : how < 240 ? WIRE_PURGE : WIRE_REMOVE;
    c->bind = how;
    c->peek.name = some_name(in);
    c->peek.force = c->what == WIRE_REMOVE && how & 1;
    c->peek.tap = c->what != WIRE_TAP || how & 1 ? 0 : (uint32_t)nearly(in, how / 16 % 8);
    c->peek.rate = c->peek.tap == 0 ? how / 4 % 4 * 3 : 0;
    c->peek.end = how % 16 == 0;
    if (c->what != WIRE_PEEK)
        return;
    c->peek.from = nearly(in, how % 8);
    c->peek.count = how % 3;
    c->peek.offset = nearly(in, how % 4 * 8);
}

static void say_report(struct hostile *h, struct input *in, struct wire_control *c)
{
    static const struct wire_wait waits[] = { { "a", WIRE_OUT }, { "meet", WIRE_IN } };
    static const struct wire_goroutine goroutines[] = {
        { .id = 1,
          .name = "g",
          .doing = WIRE_WAITING,
          .why = "",
          .stack = "at x",
          .waits = waits,
          .n_waits = 2 },
        { .doing = WIRE_OUTSIDE, .name = "", .why = "", .stack = "" },
    };
    uint8_t how = take(in);

    c->what = WIRE_REPORT;
    c->bind = (uint32_t)nearly(in, h->inquiry);
    c->report.host = "host";
    c->report.goroutines = goroutines;
    c->report.n_goroutines = how % 3;
    c->report.last = how & 4;
}

/* What only a broker may say, or nobody. */
static void say_wrong(struct input *in, struct wire_control *c)
{
    static const enum wire_what wrong[] = { WIRE_BOUND,  WIRE_REFUSED,  WIRE_UNBOUND, WIRE_CREDIT,
                                            WIRE_RECALL, WIRE_ACCEPTED, WIRE_CLOSED_, WIRE_FAILED_,
                                            WIRE_ANSWER, WIRE_OPENED,   WIRE_INSPECT, WIRE_CLAIM,
                                            WIRE_COMMIT, WIRE_ABORT };
    uint8_t how = take(in);

    c->what = wrong[how % 14];
    if (c->what == WIRE_CLOSED_)
        c->recall.code = WIRE_CLOSED;
    else if (c->what == WIRE_BOUND || c->what == WIRE_OPENED)
        c->bound.attributes.type = "";
    else if (c->what == WIRE_REFUSED || c->what == WIRE_FAILED_)
        c->refused.sentence = "";
    else if (c->what == WIRE_INSPECT)
        c->inspect.channel = "";
    else if (c->what == WIRE_ANSWER)
        c->answer.sentence = "";
}

static void say_of_some(struct hostile *h, struct input *in, struct wire_control *c, uint8_t how)
{
    struct hostile_binding *b = some_binding(h, in);

    c->bind = b->number;
    switch (how) {
    case 5:
        c->what = WIRE_UNBIND;
        break;
    case 6:
        say_close(in, c);
        break;
    case 11:
        c->what = WIRE_COUNTS;
        c->counts = (struct wire_counts){ take_any(in), take_any(in), take(in), take(in) };
        break;
    default:
        say_ask(b, in, c);
    }
}

static void say_of_fitting(struct hostile *h, struct input *in, struct wire_control *c, uint8_t how)
{
    static bool (*const fits[])(const struct hostile_binding *) = {
        [2] = was_recalled, has_elements, has_had_elements, [7] = was_claimed,
        was_claimed,        was_claimed,  has_offered,
    };
    struct hostile_binding *b = fitting(h, in, fits[how]);

    c->bind = b->number;
    switch (how) {
    case 2:
        say_returned(b, in, c);
        break;
    case 3:
        say_taken(b, in, c);
        break;
    case 4:
        if (b->by_hand || take(in) < 64)
            say_settle(b, in, c);
        else
            say_taken(b, in, c);
        break;
    case 7:
    case 8:
        say_about_claim(b, in, c, WIRE_CLAIMED);
        break;
    case 9:
        say_about_claim(b, in, c, WIRE_REFUSE);
        break;
    default:
        c->what = WIRE_WITHDRAW;
        c->number = nearly(in, b->sent);
    }
}

void hostile_control(struct hostile *h, struct input *in, struct wire_control *c)
{
    uint8_t how = take(in);

    memset(c, 0, sizeof *c);
    switch (how % 16) {
    case 0:
    case 1:
        say_bind(h, in, c);
        break;
    case 2:
    case 3:
    case 4:
    case 7:
    case 8:
    case 9:
    case 10:
        say_of_fitting(h, in, c, how % 16);
        break;
    case 12:
        if (how < 64)
            say_browse(in, c);
        else if (how < 128)
            say_query(in, c);
        else
            say_report(h, in, c);
        return;
    case 13:
        if (how > 200) {
            say_wrong(in, c);
            break;
        }
        /* fall through */
    default:
        say_of_some(h, in, c, how % 16);
    }
    if (how >= 248)
        c->bind = (uint32_t)take_any(in);
}

/* ---- what it sends ------------------------------------------------------------------------------------------------- */

static void some_elements(struct wire_section *s, struct input *in, uint32_t count)
{
    static uint8_t body[HOSTILE_BODY_MAX];
    static const uint16_t lengths[] = { 0, 1, 8, 8, 8, 16, 100, 130 };
    size_t at = 0;

    s->body = body;
    s->bytes = 0;
    for (s->count = 0; s->count < count; s->count++) {
        size_t len = lengths[take(in) % 8];
        if (at + element_size(len) > sizeof body)
            break;
        at += element_prefix(body + at, len);
        memset(body + at, (int)s->count, len);
        at += len;
        s->bytes += len;
    }
    s->size = (uint32_t)at;
}

/* The next piece of some element, or nearly.  true: its last. */
static bool some_piece(struct hostile_binding *b, struct input *in, struct wire_section *s)
{
    static uint8_t body[64];

    if (b->at >= b->whole) {
        b->whole = 1 + 2u * take(in);
        b->at = 0;
    }
    s->count = 1;
    s->flags |= WIRE_PIECE;
    s->body = body;
    s->size = 1 + take(in) % sizeof body;
    if (s->size > b->whole - b->at)
        s->size = (uint32_t)(b->whole - b->at);
    s->bytes = nearly(in, b->whole) & 0xffff;
    s->offset = nearly(in, b->at) & 0xffff;
    if (s->bytes < s->offset + s->size)
        s->bytes = s->offset + s->size;
    b->at += s->size;
    return b->at >= b->whole;
}

void hostile_section(struct hostile *h, struct input *in, struct wire_section *s)
{
    struct hostile_binding *b = fitting(h, in, may_send);
    uint8_t how = take(in);
    bool offer = how < 240 ? b->meets : how & 1;

    *s = (struct wire_section){ .bind = b->number, .epoch = b->epoch };
    some_elements(s, in, offer ? 1 : 1 + how % 5u);
    s->incarnation = nearly(in, b->incarnation);
    s->number = nearly(in, b->sent + 1);
    if (s->number == 0 || s->number > UINT64_MAX - s->count)
        s->number = 1;
    if (offer) {
        s->flags = WIRE_OFFER | (how & WIRE_PATIENT);
        s->position = 1 + take(in) % 8;
        s->deliveries = how & 4 ? take(in) : 0;
    }
    if (!offer && how % 8 == 3) {
        s->flags = WIRE_TIMED;
        s->delay_ms = take(in);
        s->ttl_ms = take(in);
        s->position = take(in) % 4;
    }
    if (how % 4 == 1)
        s->flags |= WIRE_HEADED; /* the broker does not look */
    if (how >= 200 && how < 240 && !(s->flags & WIRE_PATIENT) && !some_piece(b, in, s))
        return;
    b->sent = s->number + s->count - 1;
    b->credit -= b->credit < s->count ? b->credit : s->count;
}
