/* stage.c - a core that is spoken to word for word.   SPDX-License-Identifier: MIT */
#include "tests/core/stage.h"

#include "runtime/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is told ------------------------------------------------------------------------------------------------- */

static __attribute__((format(printf, 2, 3))) void note(struct end *e, const char *format, ...)
{
    size_t used = strlen(e->told);
    va_list args;

    if (used > 0)
        used += (size_t)snprintf(e->told + used, sizeof e->told - used, "; ");
    va_start(args, format);
    used += (size_t)vsnprintf(e->told + used, sizeof e->told - used, format, args);
    va_end(args);
    rn_assert(used < sizeof e->told);
}

static struct end *end_of(struct peer *p, uint32_t number)
{
    rn_assert(number > 0 && number <= STAGE_ENDS && p->ends[number - 1].peer != NULL);
    return &p->ends[number - 1];
}

static unsigned long long ull(uint64_t n)
{
    return n;
}

static void note_claim(struct end *e, const struct wire_control *c)
{
    const struct wire_operation *o = &c->meet.offer;

    if (o->number == 0)
        note(e, "claim %llu of nobody", ull(c->meet.claim));
    else
        note(e, "claim %llu of %c%llu", ull(c->meet.claim), o->instance[0], ull(o->number));
}

static void note_call(struct end *e, const struct wire_control *c)
{
    rn_assert(c->credit.bytes == 0);
    if (c->credit.but == 0)
        note(e, "call %u", c->credit.elements);
    else
        note(e, "call %u but %llu", c->credit.elements, ull(c->credit.but));
}

static void note_verdict(struct end *e, const struct wire_control *c)
{
    bool out = e->direction == WIRE_OUT;

    if (c->what == WIRE_COMMIT && out)
        note(e, "commit %llu", ull(c->meet.number));
    else if (c->what == WIRE_COMMIT)
        note(e, "commit claim %llu as %llu", ull(c->meet.claim), ull(c->meet.number));
    else
        note(e, "abort %s%llu%s", out ? "" : "claim ", ull(out ? c->meet.number : c->meet.claim),
             c->meet.asks ? " asks" : "");
}

static void note_closed(struct end *e, const struct wire_control *c)
{
    if (c->recall.code == WIRE_CLOSED)
        note(e, "closed");
    else
        note(e, "%s %d", c->recall.code == WIRE_FAILED ? "failed" : "cancelled", c->recall.reason);
}

/* What it changes the count of those who wait by, as the specification has it. */
static int64_t change_of(const struct wire_control *c)
{
    return c->what == WIRE_CREDIT  ? -(int64_t)c->credit.elements
           : c->what == WIRE_CLAIM ? -1
                                   : c->what == WIRE_ABORT && c->meet.asks;
}

static int out_control(void *owner, const struct wire_control *c)
{
    struct end *e = end_of(owner, c->bind);

    e->adjusted += change_of(c);
    switch (c->what) {
    case WIRE_BOUND:
        e->incarnation = c->bound.incarnation;
        e->epoch = c->bound.epoch;
        break;
    case WIRE_OPENED:
        note(e, "opened");
        break;
    case WIRE_REFUSED:
        note(e, "refused");
        break;
    case WIRE_UNBOUND:
        note(e, "unbound");
        break;
    case WIRE_CREDIT:
        note_call(e, c);
        break;
    case WIRE_CLAIM:
        note_claim(e, c);
        break;
    case WIRE_COMMIT:
    case WIRE_ABORT:
        note_verdict(e, c);
        break;
    case WIRE_RECALL:
        note(e, c->recall.closing ? "recall closing" : "recall");
        break;
    case WIRE_CLOSED_:
        note_closed(e, c);
        break;
    case WIRE_FAILED_:
        note(e, "removed");
        break;
    case WIRE_ANSWER:
        e->tap = c->answer.tap;
        if (c->answer.n_elements > 0)
            note(e, "shown %u at %llu", (unsigned)c->answer.n_elements,
                 ull(c->answer.elements[0].position));
        else
            note(e, "%llu dropped", ull(c->answer.dropped));
        break;
    default:
        note(e, "control %d", (int)c->what);
    }
    return 0;
}

static void out_ready(void *owner)
{
    ((struct peer *)owner)->ready = true;
}

static void pull(struct peer *p)
{
    struct wire_section s;

    p->ready = false;
    while (core_pull(p->stage->core, p->session, UINT64_MAX, &s)) {
        struct end *e = end_of(p, s.bind);
        size_t at = 0, len;
        const uint8_t *text = section_element(&s, &at, &len);
        rn_assert(s.count == 1);
        rn_assert((s.flags & ~WIRE_HEADED) == WIRE_OFFER);
        rn_assert(s.incarnation == e->incarnation && s.epoch == e->epoch);
        note(e, "element %llu '%.*s' at %llu", ull(s.number), (int)len, (const char *)text,
             ull(s.position));
        if (s.flags & WIRE_HEADED)
            strcat(e->told, " headed");
        if (s.deliveries != 1)
            snprintf(e->told + strlen(e->told), sizeof e->told - strlen(e->told), " deliveries %u",
                     s.deliveries);
    }
}

const char *heard(struct end *e)
{
    static char text[sizeof e->told];
    struct stage *t = e->peer->stage;

    core_flush(t->core);
    for (size_t i = 0; i < STAGE_PEERS; i++) {
        if (t->peers[i].session != NULL && t->peers[i].ready)
            pull(&t->peers[i]);
    }
    core_check(t->core);
    memcpy(text, e->told, sizeof text);
    e->told[0] = '\0';
    return text;
}

/* ---- who is there --------------------------------------------------------------------------------------------------- */

static uint64_t next_random(void *arg)
{
    struct stage *t = arg;

    return ++t->random;
}

static struct stage *stage_new(void)
{
    struct stage *t = calloc(1, sizeof *t);

    rn_assert(t != NULL);
    t->now = 1000000000;
    t->core = core_new(&(struct core_opts){
        .out = { .control = out_control, .ready = out_ready },
        .random = next_random,
        .random_arg = t,
    });
    rn_assert(t->core != NULL);
    return t;
}

int stage_setup(void **state)
{
    *state = stage_new();
    return 0;
}

int stage_teardown(void **state)
{
    struct stage *t = *state;

    core_check(t->core);
    core_free(t->core);
    free(t);
    return 0;
}

struct peer *enters(struct stage *t, char name)
{
    uint8_t instance[16];
    size_t i = 0;

    while (t->peers[i].stage != NULL)
        rn_assert(++i < STAGE_PEERS);
    struct peer *p = &t->peers[i];
    memset(instance, name, sizeof instance);
    *p = (struct peer){ .stage = t, .name = name };
    p->session = core_session_new(t->core, (const char[2]){ name }, instance, p);
    rn_assert(p->session != NULL);
    return p;
}

void leaves(struct peer *p)
{
    core_session_end(p->stage->core, p->session, p->stage->now);
    p->session = NULL;
    core_check(p->stage->core);
}

void passes(struct stage *t, int64_t ms, struct peer *awake)
{
    for (int64_t until = t->now + ms * 1000000, at; t->now < until;) {
        at = core_deadline(t->core);
        t->now = at < until ? (at > t->now ? at : t->now) : until;
        if (awake != NULL)
            core_heard(t->core, awake->session, t->now);
        core_tick(t->core, t->now);
        core_flush(t->core);
        core_check(t->core);
    }
}

struct end *binds(struct peer *p, const char *channel, enum wire_direction d,
                  const struct wire_attributes *a)
{
    size_t i = 0;

    while (p->ends[i].peer != NULL)
        rn_assert(++i < STAGE_ENDS);
    struct end *e = &p->ends[i];
    *e = (struct end){ .peer = p, .number = (uint32_t)i + 1, .direction = d };
    int rc = tells(
        e, (struct wire_control){ .what = WIRE_BIND,
                                  .bind_ = { .name = channel, .direction = d, .attributes = *a } });
    rn_assert(rc == 0);
    return e;
}

struct end *sender(struct stage *t, char name)
{
    return binds(enters(t, name), "x", WIRE_OUT,
                 &(struct wire_attributes){ .capacity = WIRE_RENDEZVOUS, .type = "" });
}

struct end *receiver(struct stage *t, char name)
{
    return binds(enters(t, name), "x", WIRE_IN, &(struct wire_attributes){ .type = "" });
}

/* ---- what they say ---------------------------------------------------------------------------------------------------- */

int tells(struct end *e, struct wire_control c)
{
    struct stage *t = e->peer->stage;

    c.bind = e->number;
    int rc = core_control(t->core, e->peer->session, &c, t->now, &t->why);
    core_check(t->core);
    return rc;
}

int shows(struct end *e, struct wire_section s, const char *text)
{
    struct stage *t = e->peer->stage;
    struct frame *f = frame_new(element_size(strlen(text)));

    rn_assert(f != NULL);
    memcpy(f->data + element_prefix(f->data, strlen(text)), text, strlen(text));
    s.bind = e->number;
    s.incarnation = s.incarnation != 0 ? s.incarnation : e->incarnation;
    s.epoch = e->epoch;
    s.count = s.count != 0 ? s.count : 1;
    s.bytes = strlen(text);
    s.size = (uint32_t)f->len;
    s.body = f->data;
    int rc = core_section(t->core, e->peer->session, &s, f, t->now, &t->why);
    frame_unref(f);
    core_check(t->core);
    return rc;
}

static void surely(struct end *e, struct wire_control c)
{
    int rc = tells(e, c);

    if (rc < 0)
        fprintf(stderr, "core: %d %s\n", rc, e->peer->stage->why);
    rn_assert(rc == 0);
}

static void show_offer(struct end *e, uint64_t operation, const char *text, uint32_t flags,
                       uint32_t ms)
{
    struct wire_section s = {
        .number = ++e->offered, .position = operation, .deliveries = ms, .flags = WIRE_OFFER | flags
    };
    int rc = shows(e, s, text);

    if (rc < 0)
        fprintf(stderr, "core: %d %s\n", rc, e->peer->stage->why);
    rn_assert(rc == 0);
}

static void ask(struct end *e, uint32_t waiting, uint64_t sole, int64_t unseen)
{
    surely(e, (struct wire_control){
                  .what = WIRE_ASK,
                  .ask = { .waiting = waiting, .adjusted = e->adjusted - unseen, .sole = sole } });
}

void asks(struct end *e, uint32_t waiting)
{
    ask(e, waiting, 0, 0);
}

void asks_alone(struct end *e, uint64_t operation)
{
    ask(e, 1, operation, 0);
}

void asks_crossing(struct end *e, uint32_t waiting, int64_t unseen)
{
    ask(e, waiting, 0, unseen);
}

void asks_alone_crossing(struct end *e, uint64_t operation, int64_t unseen)
{
    ask(e, 1, operation, unseen);
}

void offers(struct end *e, uint64_t operation, const char *text)
{
    show_offer(e, operation, text, WIRE_PATIENT, 0);
}

void comes(struct end *e, uint64_t operation, const char *text)
{
    show_offer(e, operation, text, 0, 0);
}

void offers_within(struct end *e, uint64_t operation, const char *text, uint32_t ms)
{
    show_offer(e, operation, text, WIRE_PATIENT, ms);
}

void withdraws(struct end *e, uint64_t number)
{
    surely(e, (struct wire_control){ .what = WIRE_WITHDRAW, .number = number });
}

void returns(struct end *e, uint32_t calls)
{
    surely(e, (struct wire_control){ .what = WIRE_RETURNED, .credit = { .elements = calls } });
}

void accepts(struct end *e, uint64_t claim)
{
    surely(e, (struct wire_control){ .what = WIRE_CLAIMED, .meet = { .claim = claim } });
}

void refuses(struct end *e, uint64_t claim)
{
    surely(e, (struct wire_control){ .what = WIRE_REFUSE, .meet = { .claim = claim } });
}

void takes(struct end *e, uint64_t number)
{
    surely(e, (struct wire_control){ .what = WIRE_TAKEN, .number = number });
}

void closes(struct end *e, int32_t reason)
{
    surely(e, (struct wire_control){ .what = WIRE_CLOSE, .recall = { .reason = reason } });
}

void purges(struct end *e)
{
    rn_assert(tells(e, (struct wire_control){ .what = WIRE_PURGE, .peek = { .name = "x" } }) == 0);
}

void removes(struct end *e)
{
    rn_assert(tells(e, (struct wire_control){ .what = WIRE_REMOVE,
                                              .peek = { .name = "x", .force = true } }) == 0);
}

void unbinds(struct end *e)
{
    surely(e, (struct wire_control){ .what = WIRE_UNBIND });
}
