/* fuzz_shard.c - three hostile nodes on the link of a whole broker.   SPDX-License-Identifier: MIT
 *
 * The input is a program: who connects, breaks, resumes, says what with which numbers, and how much time passes.  The link
 * is one of our own and the clock is ours too (--wrap), so a run is a function of its input.  What the broker sends can be
 * read; in the end it still serves an honest node, and when it is stopped nothing is left. */
#include "broker/core/core.h"
#include "broker/shard.h"
#include "proto/limits.h"
#include "runtime/rand.h"
#include "runtime/sched.h"
#include "tests/fuzz/controls.h"
#include "tests/fuzz/hostile.h"
#include "tests/fuzz/standalone.h"

#include <errno.h>
#include <string.h>

#define NODES  4 /* the last one is honest */
#define HONEST (&nodes[NODES - 1])
#define MS     INT64_C(1000000)

struct node {
    link_peer peer; /* 0: not connected */
    bool deaf;      /* what is sent to it finds its connection broken */
    uint64_t session, sent, received;
    struct hostile mind;
    struct frame *last; /* that it has said */
};

static struct link link;
static struct shard *shard;
static struct input in;
static struct node nodes[NODES];
static link_peer last_peer;
static int64_t now;

/* Of the honest one. */
static unsigned scene;
static uint64_t incarnation, credit, came;

/* ---- the world --------------------------------------------------------------------------------------------------- */

int64_t __wrap_rn__boottime(void);
void __wrap_rn__entropy(void *to, size_t len);
void __wrap_rn_yield(void);

int64_t __wrap_rn__boottime(void)
{
    return now;
}

void __wrap_rn__entropy(void *to, size_t len)
{
    memset(to, 7, len);
}

void __wrap_rn_yield(void) {}

/* ---- what the broker says ---------------------------------------------------------------------------------------- */

static struct node *node_of(link_peer peer)
{
    for (unsigned i = 0; i < NODES; i++)
        if (peer != 0 && nodes[i].peer == peer)
            return &nodes[i];
    return NULL;
}

static void honest_hear(const struct wire_control *c)
{
    if (c->what == WIRE_BOUND)
        incarnation = c->bound.incarnation;
    else if (c->what == WIRE_CREDIT)
        credit += c->credit.elements;
}

static void hear_numbered(struct node *n, const struct frame_view *v)
{
    if (v->seq <= n->received)
        return; /* again, after a resume */
    if (n == HONEST)
        must(v->seq == n->received + 1);
    n->received = v->seq;
    for (uint32_t i = 0; i < v->n_controls; i++) {
        control_must_be_sound(&v->controls[i]);
        hostile_hear(&n->mind, &v->controls[i]);
        if (n == HONEST)
            honest_hear(&v->controls[i]);
    }
    for (uint32_t i = 0; i < v->n_sections; i++) {
        hostile_get(&n->mind, &v->sections[i]);
        came += n == HONEST;
    }
}

static void hear(struct node *n, const struct frame_view *v)
{
    must(v->hello == NULL);
    if (v->welcome != NULL) {
        if (!v->welcome->resumed) {
            n->sent = n->received = 0;
            n->mind = (struct hostile){ 0 };
        }
        n->session = v->session;
    } else if (v->refusal != NULL) {
        must(n != HONEST);
        must(v->refusal->sentence[0] != '\0');
    } else {
        must(v->session != 0);
        hear_numbered(n, v);
    }
}

static int link_said(struct link *l, link_peer peer, struct frame *f)
{
    struct node *n = node_of(peer);
    struct frame_view v;
    const char *why;

    (void)l;
    must(frame_read(&v, f->data, f->len, &why) == 0);
    if (n != NULL && !n->deaf)
        hear(n, &v);
    frame_view_fini(&v);
    return n == NULL || n->deaf ? -EHOSTUNREACH : 0;
}

/* ---- what the nodes say -------------------------------------------------------------------------------------------- */

static struct link_event event_of(struct node *n, struct frame *f)
{
    frame_unref(n->last);
    n->last = frame_ref(f);
    return (struct link_event){ .what = LINK_FRAME, .peer = n->peer, .frame = f };
}

static struct link_event hello(struct node *n)
{
    static const uint32_t versions[] = { 1, 1, 1, 1, 1, 1, 1, 2 };
    uint8_t how = take(&in);
    struct wire_hello h = {
        .version = n == HONEST ? 1 : versions[how % 8],
        .instance = { (uint8_t)(how < 240 ? 1 + (n - nodes) : 0) },
        .name = n == HONEST ? "honest" : "hostile",
        .lease_ms = how & 16 ? take(&in) * UINT64_C(100) : 0,
        .resume = how & 8,
        .received = n->received + (how > 250) - (how == 250),
    };

    if (n->peer == 0) {
        n->peer = ++last_peer;
        n->deaf = false;
    }
    return event_of(n, frame_of_hello(how & 8 ? n->session : 0, &h));
}

static void collect_controls(struct node *n, struct control_buffer *b, unsigned count)
{
    struct wire_control c;

    while (count-- > 0) {
        hostile_control(&n->mind, &in, &c);
        must(control_append(b, &c) == 0);
    }
}

static void collect_sections(struct node *n, struct frame_writer *w, unsigned count)
{
    struct wire_section s;

    while (count-- > 0) {
        hostile_section(&n->mind, &in, &s);
        must(frame_writer_section(w, &s) == 0);
    }
}

/* A frame of controls or of sections, or of both when the controls are few; numbered right, or not quite. */
static struct link_event numbered(struct node *n)
{
    struct control_buffer b = { 0 };
    struct frame_writer w = { 0 };
    uint8_t how = take(&in);
    uint64_t seq = n->sent + 1, ack = n->received;
    struct frame *f;

    if (how >= 232)
        seq += how < 240 ? (uint64_t)(how - 236) : 0;
    if (how >= 240)
        ack = how < 244 ? ack + 1 : how < 252 ? 0 : take_any(&in);
    n->sent += how < 232 || how >= 240;
    collect_controls(n, &b, how & 3);
    collect_sections(n, &w, b.len > FRAME_CONTROLS_ROOM ? 0 : how >> 2 & 3);
    if (w.n_sections > 0)
        f = frame_writer_seal_with(&w, n->session, seq, ack, b.data, b.len);
    else
        f = frame_of_controls(n->session, seq, ack, b.data, b.len);
    control_buffer_fini(&b);
    return event_of(n, f);
}

static struct link_event bare(struct node *n)
{
    return event_of(n, frame_of_controls(n->session, 0, n->received, NULL, 0));
}

static struct link_event goodbye(struct node *n)
{
    struct wire_control c = { .what = WIRE_GOODBYE };
    struct control_buffer b = { 0 };

    must(control_append(&b, &c) == 0);
    struct frame *f = frame_of_controls(n->session, ++n->sent, n->received, b.data, b.len);
    control_buffer_fini(&b);
    return event_of(n, f);
}

/* What was said last comes again, as it was or with bytes changed. */
static struct link_event again(struct node *n, bool damaged)
{
    struct frame *f = frame_new(n->last->len);

    memcpy(f->data, n->last->data, f->len);
    for (unsigned i = 0; damaged && i < 2; i++)
        f->data[take16(&in) % f->len] ^= take(&in);
    return (struct link_event){ .what = LINK_FRAME, .peer = n->peer, .frame = f };
}

static struct link_event breaks(struct node *n)
{
    struct link_event event = { .what = LINK_DOWN, .peer = n->peer };

    n->peer = 0;
    return event;
}

static struct link_event bytes(struct node *n)
{
    size_t len = take(&in);
    struct frame *f = frame_new(len);

    for (size_t i = 0; i < len; i++)
        f->data[i] = take(&in);
    return (struct link_event){ .what = LINK_FRAME, .peer = n->peer, .frame = f };
}

static void pass_time(void)
{
    static const int16_t ms[] = { 1, 20, 100, 250, 1000, 3000, 10000, 30000 };

    now += ms[take(&in) % 8] * MS;
}

/* The next thing that happens.  false: nothing now, the broker's input is drained. */
static bool act(struct link_event *event)
{
    uint8_t what = take(&in);
    struct node *n = &nodes[(what >> 4) % (NODES - 1)];

    if (what % 16 == 15) {
        pass_time();
        return false;
    }
    if (what % 16 >= 13)
        return false;
    if (n->peer == 0 || n->session == 0 || n->last == NULL || what % 16 == 0)
        *event = hello(n);
    else if (what % 16 == 1)
        *event = breaks(n);
    else if (what % 16 == 2)
        *event = again(n, what >= 128);
    else if (what % 16 == 3)
        *event = what < 128 ? bare(n) : what < 192 ? bytes(n) : goodbye(n);
    else if (what % 16 == 4 && what >= 192)
        n->deaf = true, *event = bare(n);
    else
        *event = numbered(n);
    return true;
}

/* ---- an honest node ---------------------------------------------------------------------------------------------- */

static struct link_event honest_say(const struct wire_control *c, unsigned count)
{
    struct control_buffer b = { 0 };

    for (unsigned i = 0; i < count; i++)
        must(control_append(&b, &c[i]) == 0);
    struct frame *f = frame_of_controls(HONEST->session, ++HONEST->sent, HONEST->received, b.data,
                                        b.len);
    control_buffer_fini(&b);
    return event_of(HONEST, f);
}

static struct link_event honest_bind(void)
{
    const struct wire_control c[] = {
        { .what = WIRE_BIND,
          .bind = 1,
          .bind_ = { .name = "honest", .direction = WIRE_OUT, .attributes = { .type = "" } } },
        { .what = WIRE_BIND,
          .bind = 2,
          .bind_ = { .name = "honest", .direction = WIRE_IN, .attributes = { .type = "" } } },
        { .what = WIRE_ASK, .bind = 1, .ask = { .waiting = 1, .first_bytes = 2, .bytes = 2 } },
        { .what = WIRE_ASK, .bind = 2, .ask = { .waiting = 1 } },
    };

    return honest_say(c, 4);
}

static struct link_event honest_send(void)
{
    static const uint8_t body[] = { 2, 'h', 'i' };
    struct frame_writer w = { 0 };
    struct wire_section s = { .bind = 1,
                              .count = 1,
                              .number = 1,
                              .incarnation = incarnation,
                              .epoch = 1,
                              .bytes = 2,
                              .size = sizeof body,
                              .body = body };

    must(credit > 0);
    must(frame_writer_section(&w, &s) == 0);
    return event_of(HONEST,
                    frame_writer_seal(&w, HONEST->session, ++HONEST->sent, HONEST->received));
}

/* One thing at a time; between them the broker's input is drained.  false: so it is. */
static bool honest_act(struct link_event *event)
{
    switch (scene++) {
    case 1:
        *event = hello(HONEST);
        return true;
    case 3:
        *event = honest_bind();
        return true;
    case 5:
        *event = honest_send();
        return true;
    case 7:
        must(came == 1);
        *event = goodbye(HONEST);
        return true;
    case 9:
        core_check(shard_core(shard));
        shard_stop(shard);
        return false;
    default:
        return false;
    }
}

/* ---- the link ------------------------------------------------------------------------------------------------------ */

static int link_next(struct link *l, struct link_event *event, rn_time deadline)
{
    (void)l;
    (void)deadline;
    return (in.left > 0 ? act(event) : honest_act(event)) ? 0 : RN_ETIMEDOUT;
}

static void link_dropped(struct link *l, link_peer peer)
{
    struct node *n = node_of(peer);

    (void)l;
    must(n != HONEST);
    if (n != NULL)
        n->peer = 0;
}

static void link_nothing(struct link *l)
{
    (void)l;
}

static const struct link_ops ops = {
    .send = link_said,
    .recv = link_next,
    .wake = link_nothing,
    .drop = link_dropped,
    .close = link_nothing,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    in = (struct input){ data, size };
    now = 1000 * MS;
    last_peer = 0;
    scene = 0;
    credit = came = 0;
    memset(nodes, 0, sizeof nodes);
    link.ops = &ops;
    shard = shard_new(&link, NULL);
    must(shard != NULL);
    must(shard_run(shard) == 0);
    must(scene == 10);
    must(shard_sessions(shard) == 0);
    shard_free(shard);
    for (unsigned i = 0; i < NODES; i++)
        frame_unref(nodes[i].last);
    return 0;
}
