/* fuzz_node.c - a node whose broker says anything that can be decoded.   SPDX-License-Identifier: MIT
 *
 * The input is a program for both: what the node's goroutines do - send, receive, select, close, unbind, on a queue and
 * on a rendezvous - and what the broker says meanwhile, right or wrong.  Each operation has a deadline and ends; its element
 * is then on exactly one side, which elements that are freed once (no more, no less) show; and the node can be closed.
 *
 * All of it runs in a simulation, so a run is a function of its input. */
#include "node/node.h"
#include "proto/limits.h"
#include "proto/link/memlink.h"
#include "proto/link/session.h"
#include "runtime/sched.h"
#include "tests/fuzz/controls.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/standalone.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define BINDS       8
#define INCARNATION 77
#define OPS_MAX     64 /* of a goroutine */

/* What the broker knows of a binding. */
struct home_binding {
    uint32_t number; /* 0: none */
    enum wire_direction direction;
    bool meets, bound;
    uint64_t sent;                   /* OUT: the last number that came */
    uint64_t claim;                  /* IN: the last that was said */
    uint64_t delivered;              /* IN: the last number */
    uint64_t committed;              /* IN */
    struct wire_operation operation; /* OUT: of the last offer */
};

static struct input in;
static struct memnet *net;
static struct {
    struct link *link;
    link_peer peer;
    struct session *session;
    uint64_t sessions;
    struct home_binding of[BINDS];
    uint32_t inspected;
    bool stopping;
    rn_chan *done;
} home;

/* n, or something near it, or anything. */
static uint64_t nearly(uint64_t n)
{
    uint8_t how = take(&in);

    if (how < 200)
        return n;
    return how < 216 ? n + 1 : how < 232 ? n - 1 : how < 244 ? how - 232u : take_any(&in);
}

/* ---- what the broker says ------------------------------------------------------------------------------------------ */

static struct home_binding *find(uint32_t number)
{
    for (unsigned i = 0; i < BINDS; i++)
        if (number != 0 && home.of[i].number == number)
            return &home.of[i];
    return NULL;
}

static void some_attributes(struct wire_attributes *a, const struct home_binding *b)
{
    *a = (struct wire_attributes){ .kind = WIRE_QUEUE,
                                   .keep = WIRE_MEMORY,
                                   .slow = WIRE_SLOW_BLOCK,
                                   .capacity = b->meets ? WIRE_RENDEZVOUS : 10,
                                   .capacity_bytes = 10000,
                                   .max_deliveries = 16,
                                   .type = "" };
    uint8_t how = take(&in);
    if (how >= 192 && how < 224 && !b->meets) { /* a fanout, and few elements fit */
        a->kind = WIRE_FANOUT;
        a->slow = (enum wire_slow)(1 + how % 3);
        a->capacity = 1 + how / 4 % 4;
    }
    if (how < 224)
        return;
    a->capacity = how & 1 ? (int64_t)take_any(&in) : 0;
    a->capacity_bytes = how & 2 ? take_any(&in) : 10000;
    a->type = how & 4 ? "t" : "";
}

static void some_claim(struct home_binding *b, struct wire_control *c)
{
    c->what = WIRE_CLAIM;
    c->meet.claim = b->claim = nearly(b->claim + 1);
    uint8_t how = take(&in);
    c->meet.offer.number = how % 8;
    memset(c->meet.offer.instance, how >> 3, sizeof c->meet.offer.instance);
    if (how >= 128)
        for (unsigned i = 0; i < BINDS; i++) /* its own, mostly */
            if (home.of[i].operation.number != 0)
                c->meet.offer = home.of[i].operation;
}

static void some_verdict(struct home_binding *b, struct wire_control *c, enum wire_what what)
{
    c->what = what;
    if (b->direction == WIRE_OUT) {
        c->meet.number = nearly(b->sent);
    } else {
        c->meet.claim = nearly(b->claim);
        if (what == WIRE_COMMIT)
            c->meet.number = b->committed = nearly(b->committed + 1);
    }
    c->meet.asks = what == WIRE_ABORT && take(&in) & 1;
}

static void some_refusal(struct wire_control *c, enum wire_what what)
{
    c->what = what;
    c->refused.code = (enum wire_code)(take(&in) % (WIRE_CODE_LAST + 1));
    c->refused.sentence = "so it is";
}

static void some_closing(struct wire_control *c, enum wire_what what)
{
    static const enum wire_code endings[] = { WIRE_CLOSED, WIRE_FAILED, WIRE_CANCELLED };
    uint8_t how = take(&in);

    c->what = what;
    c->recall.elements = what == WIRE_RECALL ? how % 4u : 0;
    c->recall.closing = what == WIRE_RECALL && how & 8;
    c->recall.code = endings[how % 3];
    c->recall.reason = how & 16 ? -(how % 8) : 0;
}

static void some_answer(struct wire_control *c)
{
    uint8_t how = take(&in);

    if (how & 1) {
        c->what = WIRE_ANSWER;
        c->bind = how >> 1;
        c->answer.last = how & 2;
        c->answer.sentence = "";
        return;
    }
    c->what = WIRE_INSPECT;
    c->bind = home.inspected = (uint32_t)nearly(home.inspected + 1);
    c->inspect.channel = how & 2 ? "a" : "";
    c->inspect.end = how > 192;
}

static void some_control(struct home_binding *b, struct wire_control *c)
{
    uint8_t how = take(&in);

    memset(c, 0, sizeof *c);
    c->bind = how < 252 ? b->number : (uint32_t)take_any(&in);
    switch (how % 16) {
    case 0:
        c->what = WIRE_BOUND;
        c->bound.incarnation = INCARNATION;
        c->bound.epoch = 1;
        some_attributes(&c->bound.attributes, b);
        break;
    case 1:
        if (how & 16)
            some_refusal(c, how & 32 ? WIRE_REFUSED : WIRE_FAILED_);
        else
            c->what = WIRE_UNBOUND;
        break;
    case 2:
        c->what = WIRE_OPENED;
        some_attributes(&c->bound.attributes, b);
        break;
    case 3:
    case 4:
    case 5:
        c->what = WIRE_CREDIT;
        c->credit.elements = (uint32_t)nearly(1 + how / 64u);
        c->credit.bytes = nearly(8 * (uint64_t)c->credit.elements);
        c->credit.but = how & 16 && b->meets ? b->operation.number : 0;
        break;
    case 6:
        some_closing(c, WIRE_RECALL);
        break;
    case 7:
        some_closing(c, how & 16 ? WIRE_CLOSED_ : WIRE_RECALL);
        break;
    case 8:
        c->what = WIRE_ACCEPTED;
        c->number = nearly(b->sent);
        break;
    case 9:
        some_answer(c);
        break;
    case 10:
    case 11:
        some_verdict(b, c, WIRE_COMMIT);
        break;
    case 12:
        some_verdict(b, c, WIRE_ABORT);
        break;
    case 13:
        if (how < 160) {
            some_claim(b, c);
        } else if (how < 224) {
            c->what = WIRE_LOST_;
            c->lost.number = nearly(how);
            c->lost.code = how & 64 ? WIRE_SLOW : WIRE_OK;
        } else {
            c->what = WIRE_ASK; /* a node's */
        }
        break;
    default:
        some_claim(b, c);
    }
}

static void deliver(struct home_binding *b)
{
    static const uint8_t bytes[] = { 8, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0,
                                     0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0 };
    uint8_t how = take(&in);
    uint32_t count = b->meets ? 1 : 1 + how % 3u;
    struct frame_writer writer = { 0 };
    struct wire_section s = { .bind = b->number,
                              .count = count,
                              .position = b->delivered + 1,
                              .incarnation = how < 250 ? INCARNATION : 0,
                              .epoch = 1,
                              .deliveries = 1,
                              .flags = how < 240 && b->meets ? WIRE_OFFER : 0,
                              .bytes = count < 3 ? 8 * count : 19,
                              .size = count < 3 ? 9 * count : 22,
                              .body = bytes };

    if (how % 16 == 5 && !(s.flags & WIRE_OFFER)) {
        s.flags = WIRE_TIMED; /* mostly one that is over soon */
        s.clock_ms = how < 128 ? (uint64_t)rn__boottime() / 1000000 : nearly(0);
        s.ttl_ms = how < 192 ? take(&in) : nearly(0);
    }
    if (how % 8 == 2)
        s.flags |= WIRE_HEADED; /* a Header of no bytes, or none that makes sense */
    s.number = nearly(b->meets ? b->committed : b->delivered + 1);
    if (s.number == 0 || s.number > UINT64_MAX - 8)
        s.number = 1;
    b->delivered = s.number + count - 1;
    if (!session_window_open(home.session))
        return;
    must(frame_writer_section(&writer, &s) == 0);
    must(session_data(home.session, &writer) == 0);
}

static void say_one(void)
{
    uint8_t what = take(&in);
    struct home_binding *b = &home.of[what % BINDS];
    struct wire_control c;

    if (what >= 208) {
        deliver(b);
        return;
    }
    some_control(b, &c);
    must(session_control(home.session, &c) == 0);
}

/* What an honest broker would say at once: so most binds go on. */
static void say_bound(struct home_binding *b)
{
    struct wire_control c = { .what = WIRE_BOUND,
                              .bind = b->number,
                              .bound = { .incarnation = INCARNATION, .epoch = 1 } };

    b->bound = true;
    some_attributes(&c.bound.attributes, b);
    must(session_control(home.session, &c) == 0);
}

static void say_frame(struct frame *f)
{
    link_send(home.link, home.peer, f);
    frame_unref(f);
}

static void pump(void)
{
    struct frame *f;
    int rc;

    session_ack_now(home.session);
    while ((f = session_next(home.session, rn_now(), &rc)) != NULL)
        link_send(home.link, home.peer, f); /* when that is lost, the session sends it again */
}

static void speak(void)
{
    uint8_t how = take(&in);

    if (home.session == NULL)
        return;
    for (unsigned i = 0; i < BINDS; i++)
        if (home.of[i].number != 0 && !home.of[i].bound && how % 8 != 7)
            say_bound(&home.of[i]);
    for (unsigned n = how % 4; n > 0 && in.left > 0; n--)
        say_one();
    if (how >= 252)
        say_frame(frame_of_refusal(
            session_id(home.session),
            &(struct wire_refusal){ .code = how & 1 ? WIRE_SESSION_OVER : WIRE_PROTOCOL,
                                    .sentence = "no" }));
    else if (how >= 250)
        memnet_break(net, "node", "broker");
    else if (how >= 248)
        say_frame(frame_of_controls(session_id(home.session), nearly(1), nearly(0), NULL, 0));
    pump();
}

/* ---- what the broker hears ------------------------------------------------------------------------------------------ */

static void on_hello(const struct frame_view *v)
{
    struct wire_welcome welcome = { .version = WIRE_VERSION,
                                    .lease_ms = v->hello->lease_ms,
                                    .resumed = v->hello->resume };
    const char *why;

    if (home.session == NULL || !v->hello->resume) {
        session_free(home.session);
        home.session = session_new(++home.sessions);
        memset(home.of, 0, sizeof home.of);
        welcome.resumed = false;
    } else {
        session_suspend(home.session);
    }
    welcome.received = session_received(home.session);
    say_frame(frame_of_welcome(session_id(home.session), &welcome));
    (void)session_resume(home.session, welcome.resumed ? v->hello->received : 0, &why);
}

static void on_control(const struct wire_control *c)
{
    struct home_binding *b = &home.of[c->bind % BINDS];

    control_must_be_sound(c);
    if (c->what == WIRE_BIND)
        *b = (struct home_binding){ .number = c->bind,
                                    .direction = c->bind_.direction,
                                    .meets = strcmp(c->bind_.name, "meet") == 0 };
}

static void on_section(const struct wire_section *s)
{
    struct home_binding *b = find(s->bind);

    if (b == NULL)
        return;
    b->sent = s->number + s->count - 1;
    b->operation.number = s->position;
    memset(b->operation.instance, 0, sizeof b->operation.instance);
    b->operation.instance[0] = 1; /* rn_sim's seed */
}

static void on_frame(link_peer peer, struct frame *f)
{
    struct frame_view v;
    const char *why;

    must(frame_read(&v, f->data, f->len, &why) == 0);
    if (v.hello != NULL) {
        home.peer = peer;
        on_hello(&v);
    } else if (peer == home.peer && home.session != NULL &&
               session_input(home.session, &v, rn_now(), &why) == SESSION_HAND_ON) {
        for (uint32_t i = 0; i < v.n_controls; i++)
            on_control(&v.controls[i]);
        for (uint32_t i = 0; i < v.n_sections; i++)
            on_section(&v.sections[i]);
    }
    frame_view_fini(&v);
}

static void serve(void *arg)
{
    (void)arg;
    while (!home.stopping) {
        struct link_event event;
        int rc = link_recv(home.link, &event, rn_after(50 * RN_MS));
        for (; rc == 0; rc = link_recv(home.link, &event, RN_NOWAIT)) {
            if (event.what == LINK_FRAME) {
                on_frame(event.peer, event.frame);
                frame_unref(event.frame);
            }
        }
        if (in.left > 0)
            speak();
    }
    rn_chan_close(home.done);
}

/* ---- elements -------------------------------------------------------------------------------------------------------- */

/* A pointer to memory of 8 bytes: what is dropped twice or never is seen by AddressSanitizer. */
static int box_encode(const void *ctx, const void *elem, rn_buf *out)
{
    (void)ctx;
    return rn_buf_append(out, *(void *const *)elem, 8);
}

static int box_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    (void)ctx;
    if (len != 8)
        return -EBADMSG;
    *(void **)elem = malloc(8);
    memcpy(*(void **)elem, bytes, 8);
    return 0;
}

static void box_drop(const void *ctx, void *elem)
{
    (void)ctx;
    free(*(void **)elem);
}

static const rn_codec box_codec = {
    .elemsize = sizeof(void *), .encode = box_encode, .decode = box_decode, .drop = box_drop
};

/* ---- what the node does ----------------------------------------------------------------------------------------------- */

static rn_node *node;
static rn_chan *queue_out, *queue_in, *meet_out, *meet_in;

/* NULL: it could not be bound. */
static rn_chan *bound(const char *name, enum rn_dir dir, const rn_bind_opts *opts)
{
    rn_chan *c = rn_chan_new(sizeof(void *), 0, NULL);

    if (rn_bind(node, name, dir, c, &box_codec, opts, rn_after(200 * RN_MS)) == 0)
        return c;
    rn_chan_unref(c);
    return NULL;
}

static rn_time some_deadline(void)
{
    uint8_t how = take(&in);

    return how < 32 ? RN_NOWAIT : how < 40 ? rn_after(3 * RN_SEC) : rn_after(how * RN_MS);
}

static void send_one(rn_chan *c)
{
    if (c == NULL)
        return;
    void *box = calloc(1, 8);
    int rc = rn_chan_send(c, &box, some_deadline());

    if (rc != 0 && rc != RN_EUNKNOWN) /* it is still ours */
        free(box);
}

static void receive_one(rn_chan *c)
{
    void *box = NULL;

    if (c != NULL && rn_chan_recv(c, &box, some_deadline()) == 0)
        free(box);
}

static void select_one(void)
{
    uint8_t which = take(&in);
    void *boxes[4] = { calloc(1, 8), calloc(1, 8), NULL, NULL };
    rn_case cases[] = {
        { which & 1 ? queue_out : NULL, &boxes[0], RN_SEND, 0 },
        { which & 2 ? meet_out : NULL, &boxes[1], RN_SEND, 0 },
        { which & 4 ? queue_in : NULL, &boxes[2], RN_RECV, 0 },
        { which & 8 ? meet_in : NULL, &boxes[3], RN_RECV, 0 },
    };
    int i = rn_select(cases, RN_LEN(cases), some_deadline());

    for (int k = 0; k < 2; k++)
        if (i != k || (cases[k].rc != 0 && cases[k].rc != RN_EUNKNOWN))
            free(boxes[k]);
    if (i >= 2 && cases[i].rc == 0)
        free(boxes[i]);
}

static void end_one(uint8_t how)
{
    rn_chan *const all[] = { queue_out, queue_in, meet_out, meet_in };
    rn_chan *c = all[how % 4];

    if (how >= 240)
        rn_chan_unref(bound("meet", how & 1 ? RN_OUT : RN_IN, NULL));
    else if (c == NULL)
        return;
    else if (how < 64)
        rn_chan_close(c);
    else if (how < 96)
        rn_chan_fail(c, -EIO);
    else if (how < 160)
        (void)rn_unbind(c, rn_after(100 * RN_MS));
    else
        (void)rn_flush(c, rn_after(100 * RN_MS));
}

static void work(void *arg)
{
    (void)arg;
    for (int i = 0; i < OPS_MAX && in.left > 0; i++) {
        uint8_t what = take(&in);
        switch (what % 8) {
        case 0:
            send_one(queue_out);
            break;
        case 1:
            receive_one(queue_in);
            break;
        case 2:
            send_one(meet_out);
            break;
        case 3:
            receive_one(meet_in);
            break;
        case 7:
            if (what >= 192) {
                end_one(take(&in));
                break;
            }
            /* fall through */
        default:
            select_one();
        }
    }
}

/* Two goroutines at a time. */
static void work_together(void)
{
    const rn_bind_opts meets = { .capacity = RN_RENDEZVOUS };
    rn_group *g = rn_group_new();

    queue_out = bound("a", RN_OUT, NULL);
    queue_in = bound("a", RN_IN, NULL);
    meet_out = bound("meet", RN_OUT, &meets);
    meet_in = bound("meet", RN_IN, &meets);
    must(rn_group_go(g, work, NULL, 0) == 0);
    must(rn_group_go(g, work, NULL, 0) == 0);
    must(rn_group_wait(g, RN_FOREVER) == 0);
    rn_group_free(g);
}

static int run(void *arg)
{
    rn_node_opts opts = { .name = "node", .lease_ns = 2 * RN_SEC };
    uint64_t unsent;

    (void)arg;
    net = memnet_new(&(struct memnet_opts){ .seed = 1, .delay_max_ns = 100 * RN_US });
    memset(&home, 0, sizeof home);
    home.link = memnet_endpoint(net, "broker");
    home.done = rn_chan_new(0, 0, NULL);
    must(rn__go_system(serve, NULL, "home") == 0);
    must(rn__node_open_on(&node, &opts, memnet_endpoint(net, "node"), "mem://broker",
                          rn_after(RN_SEC)) == 0);
    work_together();
    (void)rn_node_close(node, rn_after(500 * RN_MS), &unsent);
    rn_chan_unref(queue_out);
    rn_chan_unref(queue_in);
    rn_chan_unref(meet_out);
    rn_chan_unref(meet_in);
    home.stopping = true;
    link_wake(home.link);
    (void)rn_chan_recv(home.done, NULL, RN_FOREVER);
    while (rn__all() > 1)
        rn_sleep(RN_MS); /* an inspection may be under way, and holds the node */
    rn_chan_unref(home.done);
    session_free(home.session);
    link_close(home.link);
    memnet_free(net);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    in = (struct input){ data, size };
    must(rn_sim(1, run, NULL) == 0);
    return 0;
}
