/* script.c - see script.h.   SPDX-License-Identifier: MIT */
#include "tests/broker/script.h"

#include "runtime/sched.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define PATIENCE_NS (3 * RN_SEC) /* virtual */

static uint64_t seed_now;

/* Also when an assert of the broker aborts, the seed must be known. */
static void say_seed(int signal)
{
    (void)signal;
    fprintf(stderr, "\nseed %llu; to replay: BROKER_SEED=%llu %s\n", (unsigned long long)seed_now,
            (unsigned long long)seed_now, program_invocation_name);
}

void script_simulate(int (*fn)(void *arg))
{
    const char *from = getenv("BROKER_SEED"), *runs = getenv("BROKER_RUNS");
    uint64_t first = from != NULL ? strtoull(from, NULL, 0) : 1;
    uint64_t n = runs != NULL ? strtoull(runs, NULL, 0) : from != NULL ? 1 : 50;

    signal(SIGABRT, say_seed);
    for (seed_now = first; seed_now < first + n; seed_now++)
        check(rn_sim(seed_now, fn, NULL) == 0);
    signal(SIGABRT, SIG_DFL);
}

struct script *script_new(struct link *link, const char *url, uint8_t instance)
{
    struct script *n = calloc(1, sizeof *n);

    check(n != NULL && link != NULL);
    n->link = link;
    n->url = url;
    memset(n->instance, instance, sizeof n->instance);
    return n;
}

void script_free(struct script *n)
{
    for (size_t i = 0; i < n->n_frames; i++) {
        frame_view_fini(&n->views[i]);
        frame_unref(n->frames[i]);
    }
    session_free(n->session);
    link_close(n->link);
    free(n);
}

void script_send(struct script *n, struct frame *f)
{
    check(f != NULL);
    link_send(n->link, n->peer, f);
    frame_unref(f);
}

/* Puts on the link what the session has to say. */
static void pump(struct script *n)
{
    struct frame *f;
    int rc = 0;

    if (n->session == NULL)
        return;
    while ((f = session_next(n->session, rn__boottime(), &rc)) != NULL)
        link_send(n->link, n->peer, f);
    check(rc == 0);
}

void script_hello(struct script *n, bool resume)
{
    struct wire_hello hello = {
        .version = WIRE_VERSION,
        .name = n->name != NULL ? n->name : "script",
        .lease_ms = (uint64_t)n->lease_ms,
        .resume = resume,
        .received = resume ? session_received(n->session) : 0,
    };

    memcpy(hello.instance, n->instance, sizeof hello.instance);
    if (n->peer != 0)
        link_drop(n->link, n->peer);
    check(link_dial(n->link, n->url, &n->peer) == 0);
    n->refusal.code = WIRE_OK;
    n->welcome.version = 0;
    n->down = false;
    if (resume) {
        session_suspend(n->session);
    } else {
        session_free(n->session);
        n->session = NULL;
        n->id = 0;
    }
    script_send(n, frame_of_hello(n->id, &hello));
}

static void welcome(struct script *n, const struct frame_view *view)
{
    const char *why = "";

    n->welcome = *view->welcome;
    if (n->session == NULL) {
        check(!view->welcome->resumed);
        n->id = view->session;
        n->session = session_new(n->id);
        check(n->session != NULL);
        return;
    }
    check(view->welcome->resumed && view->session == n->id);
    check(session_resume(n->session, view->welcome->received, &why) == 0);
}

static void answer_recall(struct script *n, uint32_t bind)
{
    struct wire_control c = { .what = WIRE_RETURNED, .bind = bind };

    c.credit.elements = (uint32_t)n->bound[bind].credit;
    c.credit.bytes = n->bound[bind].credit_bytes;
    n->bound[bind].credit = n->bound[bind].credit_bytes = 0;
    check(session_control(n->session, &c) == 0);
}

static void obey(struct script *n, const struct wire_control *c)
{
    if (c->bind >= SCRIPT_BINDS)
        return;
    if (c->what == WIRE_RECALL) {
        answer_recall(n, c->bind);
    } else if (c->what == WIRE_CREDIT) {
        n->bound[c->bind].credit += c->credit.elements;
        n->bound[c->bind].credit_bytes += c->credit.bytes;
    }
}

static void keep(struct script *n, struct frame *f, struct frame_view *view)
{
    check(n->n_frames < SCRIPT_HEARD_MAX);
    check(n->n_controls + view->n_controls <= SCRIPT_HEARD_MAX);
    check(n->n_sections + view->n_sections <= SCRIPT_HEARD_MAX);
    for (uint32_t i = 0; i < view->n_controls; i++) {
        n->controls[n->n_controls++] = view->controls[i];
        obey(n, &view->controls[i]);
    }
    for (uint32_t i = 0; i < view->n_sections; i++)
        n->sections[n->n_sections++] = view->sections[i];
    n->views[n->n_frames] = *view;
    n->frames[n->n_frames++] = f;
}

static void hear(struct script *n, struct frame *f)
{
    struct frame_view view;
    const char *why = "";
    int rc;

    check(frame_read(&view, f->data, f->len, &why) == 0);
    if (view.refusal != NULL) {
        n->refusal.code = view.refusal->code;
        n->refusal.sentence = n->sentence;
        snprintf(n->sentence, sizeof n->sentence, "%s", view.refusal->sentence);
    } else if (view.welcome != NULL) {
        welcome(n, &view);
    } else if (n->session != NULL) {
        rc = session_input(n->session, &view, rn__boottime(), &why);
        check(rc > 0 && rc != SESSION_GAP);
        if (rc == SESSION_HAND_ON) {
            keep(n, f, &view);
            session_ack_others(n->session);
            return;
        }
    }
    frame_view_fini(&view);
    frame_unref(f);
}

/* Waits for one event; false: the deadline came first. */
static bool step(struct script *n, rn_time deadline)
{
    struct link_event event;
    int rc;

    pump(n);
    rc = link_recv(n->link, &event, deadline);
    if (rc == RN_ETIMEDOUT)
        return false;
    check(rc == 0);
    if (event.what == LINK_FRAME && event.peer == n->peer)
        hear(n, event.frame);
    else if (event.what == LINK_FRAME)
        frame_unref(event.frame);
    else if (event.what == LINK_DOWN && event.peer == n->peer)
        n->down = true;
    pump(n);
    return true;
}

/* Waits for one event, where a refusal is not what the test is about. */
static void step_on(struct script *n, rn_time deadline)
{
    check(step(n, deadline));
    if (n->refusal.code != WIRE_OK)
        fprintf(stderr, "refused: %s\n", n->sentence);
    check(n->refusal.code == WIRE_OK);
}

void script_run(struct script *n, rn_time deadline)
{
    while (step(n, deadline))
        continue;
}

static void open_session(struct script *n, bool resume)
{
    rn_time deadline = rn_after(PATIENCE_NS);

    script_hello(n, resume);
    while (n->welcome.version == 0)
        step_on(n, deadline);
    pump(n);
}

void script_open(struct script *n)
{
    open_session(n, /* resume= */ false);
}

void script_resume(struct script *n)
{
    open_session(n, /* resume= */ true);
}

void script_say(struct script *n, const struct wire_control *c)
{
    check(session_control(n->session, c) == 0);
    pump(n);
}

void script_elements(struct script *n, uint32_t bind, uint64_t number, uint32_t count, size_t len)
{
    struct frame_writer writer = { 0 };
    size_t size = count * element_size(len);
    uint8_t *body = malloc(size), *at = body;
    struct wire_section s = {
        .bind = bind,
        .count = count,
        .number = number,
        .bytes = count * len,
        .size = (uint32_t)size,
        .body = body,
    };

    check(body != NULL);
    for (uint32_t i = 0; i < count; i++) {
        at += element_prefix(at, len);
        memset(at, (int)(number + i), len);
        at += len;
    }
    while (!session_window_open(n->session))
        step_on(n, rn_after(PATIENCE_NS));
    if (bind < SCRIPT_BINDS) {
        s.incarnation = n->bound[bind].incarnation;
        s.epoch = n->bound[bind].epoch;
        n->bound[bind].credit -= count;
        n->bound[bind].credit_bytes -= count * len;
    }
    check(frame_writer_section(&writer, &s) == 0);
    check(session_data(n->session, &writer) == 0);
    frame_writer_fini(&writer);
    free(body);
    pump(n);
}

uint32_t script_credit(struct script *n, uint32_t bind, size_t len)
{
    rn_time deadline = rn_after(PATIENCE_NS);
    uint64_t fit;

    while (n->bound[bind].credit == 0 || n->bound[bind].credit_bytes < len)
        step_on(n, deadline);
    fit = n->bound[bind].credit_bytes / len;
    return (uint32_t)(n->bound[bind].credit < fit ? n->bound[bind].credit : fit);
}

const struct wire_control *script_expect(struct script *n, enum wire_what what)
{
    rn_time deadline = rn_after(PATIENCE_NS);

    for (;;) {
        while (n->controls_at < n->n_controls)
            if (n->controls[n->controls_at++].what == what)
                return &n->controls[n->controls_at - 1];
        step_on(n, deadline);
    }
}

const struct wire_section *script_expect_section(struct script *n)
{
    rn_time deadline = rn_after(PATIENCE_NS);

    while (n->sections_at == n->n_sections)
        step_on(n, deadline);
    return &n->sections[n->sections_at++];
}

void script_expect_refusal(struct script *n, enum wire_code code)
{
    rn_time deadline = rn_after(PATIENCE_NS);

    while (n->refusal.code == WIRE_OK)
        check(step(n, deadline));
    check(n->refusal.code == code);
    check(n->sentence[0] != '\0');
}

uint64_t script_bind(struct script *n, uint32_t bind, const char *name,
                     enum wire_direction direction, int64_t capacity)
{
    struct wire_control c = { .what = WIRE_BIND, .bind = bind };
    const struct wire_control *bound;

    c.bind_.name = name;
    c.bind_.direction = direction;
    c.bind_.attributes.type = "";
    c.bind_.attributes.capacity = capacity;
    script_say(n, &c);
    bound = script_expect(n, WIRE_BOUND);
    if (bind < SCRIPT_BINDS) {
        n->bound[bind].incarnation = bound->bound.incarnation;
        n->bound[bind].epoch = bound->bound.epoch;
    }
    return bound->bound.incarnation;
}

void script_ask(struct script *n, uint32_t bind, uint32_t waiting, uint64_t bytes)
{
    struct wire_control c = { .what = WIRE_ASK, .bind = bind };

    c.ask.waiting = waiting;
    c.ask.first_bytes = waiting != 0 ? bytes / waiting : 0;
    c.ask.bytes = bytes;
    script_say(n, &c);
}

void script_taken(struct script *n, uint32_t bind, uint64_t number)
{
    struct wire_control c = { .what = WIRE_TAKEN, .bind = bind };

    c.number = number;
    script_say(n, &c);
}
