/* fuzz_core.c - any sequence of decodable controls and sections from three nodes against the broker's core.
 *   SPDX-License-Identifier: MIT
 *
 * The input is a program: which node says what, when the core settles, how time passes.  Whatever it is, each event is taken
 * or breaks a rule and ends its session; the core's invariants hold after each (core_check(), in builds with slow checks);
 * what it says can be packed; what it keeps of a channel is bounded by what that channel counts as used; a node that keeps
 * to the rules, on channels of its own, gets its elements through; and in the end nothing is left. */
#include "broker/core/core.h"
#include "proto/limits.h"
#include "tests/fuzz/hostile.h"
#include "tests/fuzz/standalone.h"

#include <errno.h>
#include <string.h>

#define HOSTILES 3
#define MS       INT64_C(1000000)

struct party {
    struct core_session *session;
    struct hostile mind;
    bool ready;
};

struct honest {
    struct core_session *session;
    uint64_t incarnation[5]; /* by bind: 1 OUT and 2 IN of a queue, 3 and 4 of a rendezvous */
    uint64_t credit, claim, committed, accepted;
    bool ready;
};

static struct core *core;
static int64_t now;
static struct party parties[HOSTILES];
static struct honest honest;
static uint64_t chance;

/* ---- what the core says ------------------------------------------------------------------------------------------ */

static void honest_hear(const struct wire_control *c)
{
    switch (c->what) {
    case WIRE_BOUND:
        honest.incarnation[c->bind] = c->bound.incarnation;
        break;
    case WIRE_OPENED:
        break;
    case WIRE_CREDIT:
        honest.credit += c->credit.elements;
        break;
    case WIRE_ACCEPTED:
        honest.accepted = c->number;
        break;
    case WIRE_CLAIM:
        honest.claim = c->meet.claim;
        break;
    case WIRE_COMMIT:
        honest.committed++;
        break;
    default:
        abort(); /* nobody else is on its channels */
    }
}

static int out_control(void *owner, const struct wire_control *c)
{
    static struct control_buffer packed;

    must(control_append(&packed, c) == 0);
    packed.len = packed.count = 0;
    if (owner == &honest)
        honest_hear(c);
    else
        hostile_hear(&((struct party *)owner)->mind, c);
    return 0;
}

static void out_ready(void *owner)
{
    if (owner == &honest)
        honest.ready = true;
    else
        ((struct party *)owner)->ready = true;
}

static uint64_t next_chance(void *arg)
{
    (void)arg;
    return ++chance;
}

/* ---- hostile nodes ----------------------------------------------------------------------------------------------- */

static void party_begin(struct party *p)
{
    /* Two of them are the same process. */
    uint8_t instance[16] = { 1 + (p - parties) % 2 };

    *p = (struct party){ .session = core_session_new(core, "hostile", instance, p) };
    must(p->session != NULL);
}

static void party_again(struct party *p)
{
    core_session_end(core, p->session, now);
    party_begin(p);
}

static void verdict(struct party *p, int rc, const char *why)
{
    must(rc == 0 || rc == -EPROTO);
    must(rc == 0 || why != NULL);
    if (rc < 0)
        party_again(p);
}

static void say(struct party *p, struct input *in)
{
    struct wire_control c;
    const char *why = NULL;

    hostile_control(&p->mind, in, &c);
    verdict(p, core_control(core, p->session, &c, now, &why), why);
}

/* Alone in its frame, or a part of a larger one. */
static void send(struct party *p, struct input *in)
{
    struct wire_section s;
    const char *why = NULL;

    hostile_section(&p->mind, in, &s);
    struct frame *f = frame_new(s.size + (size_t)take(in) * 8);
    memcpy(f->data, s.body, s.size);
    s.body = f->data;
    verdict(p, core_section(core, p->session, &s, f, now, &why), why);
    frame_unref(f);
}

static void pull(struct party *p, uint64_t max_bytes)
{
    struct wire_section s;

    p->ready = false;
    while (core_pull(core, p->session, max_bytes, &s)) {
        must(s.count > 0);
        must(s.bytes <= max_bytes || s.count == 1);
        hostile_get(&p->mind, &s);
    }
}

static void pass_time(struct input *in)
{
    static const int16_t ms[] = { 0, 1, 20, 100, 250, 1000, 10000, 30000 };

    now += ms[take(in) % 8] * MS;
    core_tick(core, now);
    must(core_deadline(core) > now);
}

/* Elements here have at most 130 bytes, and a run of them is at least half of its frame or has less than 512. */
static void bounded(void)
{
    for (unsigned i = 0; hostile_names[i] != NULL; i++) {
        uint64_t used = core_used(core, hostile_names[i]);
        if (used != UINT64_MAX)
            must(core_memory(core, hostile_names[i]) <= used * 1024);
    }
}

static void act(struct input *in)
{
    uint8_t what = take(in);
    struct party *p = &parties[(what >> 4) % HOSTILES];

    switch (what % 16) {
    case 6:
    case 7:
    case 8:
        send(p, in);
        break;
    case 9:
    case 10:
    case 11:
        core_flush(core);
        bounded();
        break;
    case 12:
    case 13:
        core_flush(core);
        pull(p, (uint64_t)take(in) * 4);
        break;
    case 14:
        pass_time(in);
        break;
    case 15:
        if (take(in) < 128)
            core_heard(core, p->session, now);
        else
            party_again(p);
        break;
    default:
        say(p, in);
    }
}

/* ---- an honest node ---------------------------------------------------------------------------------------------- */

static void honest_say(struct wire_control c)
{
    const char *why;

    must(core_control(core, honest.session, &c, now, &why) == 0);
}

static void honest_send(uint32_t bind, uint64_t position, uint32_t flags)
{
    struct frame *f = frame_new(9);
    const char *why;

    memset(f->data, 8, 9);
    struct wire_section s = { .bind = bind,
                              .count = 1,
                              .number = 1,
                              .position = position,
                              .incarnation = honest.incarnation[bind],
                              .epoch = 1,
                              .bytes = 8,
                              .flags = flags,
                              .size = 9,
                              .body = f->data };
    must(core_section(core, honest.session, &s, f, now, &why) == 0);
    frame_unref(f);
}

static void honest_bind(uint32_t bind, const char *name, enum wire_direction d, int64_t capacity)
{
    honest_say((struct wire_control){
        .what = WIRE_BIND,
        .bind = bind,
        .bind_ = { .name = name,
                   .direction = d,
                   .attributes = { .capacity = capacity, .type = "honest" } } });
    must(honest.incarnation[bind] != 0);
}

static void honest_begin(void)
{
    const uint8_t instance[16] = { 9 };

    honest = (struct honest){ .session = core_session_new(core, "honest", instance, &honest) };
    honest_bind(1, "honest", WIRE_OUT, 1);
    honest_bind(2, "honest", WIRE_IN, 0);
    honest_bind(3, "honest.meet", WIRE_OUT, WIRE_RENDEZVOUS);
    honest_bind(4, "honest.meet", WIRE_IN, 0);
}

static void honest_get(uint32_t bind)
{
    struct wire_section s;

    core_flush(core);
    must(honest.ready);
    honest.ready = false;
    must(core_pull(core, honest.session, 100, &s));
    must(s.bind == bind && s.count == 1 && s.number == 1 && s.bytes == 8);
    must(!core_pull(core, honest.session, 100, &s));
    honest_say((struct wire_control){ .what = WIRE_TAKEN, .bind = bind, .number = 1 });
}

static void honest_work(void)
{
    honest_say((struct wire_control){
        .what = WIRE_ASK, .bind = 1, .ask = { .waiting = 1, .first_bytes = 8, .bytes = 8 } });
    honest_say((struct wire_control){ .what = WIRE_ASK, .bind = 2, .ask = { .waiting = 1 } });
    core_flush(core);
    must(honest.credit == 1);
    honest_send(1, 0, 0);
    honest_get(2);
    must(honest.accepted == 1);

    honest_say((struct wire_control){ .what = WIRE_ASK, .bind = 4, .ask = { .waiting = 1 } });
    honest_send(3, 1, WIRE_OFFER | WIRE_PATIENT);
    core_flush(core);
    must(honest.claim == 1);
    honest_say((struct wire_control){ .what = WIRE_CLAIMED, .bind = 4, .meet = { .claim = 1 } });
    must(honest.committed == 2);
    honest_get(4);
}

/* ---- a run --------------------------------------------------------------------------------------------------------- */

static void begin(void)
{
    now = 1000 * MS;
    chance = 0;
    core = core_new(&(struct core_opts){
        .out = { .control = out_control, .ready = out_ready },
        .random = next_chance,
        .piece_bytes = 10,
        .fold_ns = 1,
    });
    must(core != NULL);
    for (unsigned i = 0; i < HOSTILES; i++)
        party_begin(&parties[i]);
    honest_begin();
}

/* All leave; when channels that were idle are forgotten too, what was accepted has been taken or dropped. */
static void end(void)
{
    struct core_totals t;

    for (unsigned i = 0; i < HOSTILES; i++)
        core_session_end(core, parties[i].session, now);
    core_session_end(core, honest.session, now);
    core_flush(core);
    core_check(core);
    now += 120000 * MS;
    core_tick(core, now);
    core_totals(core, &t);
    must(t.accepted >= 2);
    must(t.accepted >= t.taken + t.dropped);
    must(core_used(core, "honest") == UINT64_MAX);
    core_free(core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };

    begin();
    while (in.left > 0)
        act(&in);
    honest_work();
    end();
    return 0;
}
