/* home.c - see home.h.   SPDX-License-Identifier: MIT */
#include "tests/node/home.h"

#include "runtime/sched.h"

#include <string.h>

#define INCARNATION 77

struct home home;

/* ---- what it says ---- */

void home_say(enum wire_direction direction, struct wire_control *c)
{
    c->bind = home.of[direction].number;
    check_rc(session_control(home.session, c), 0);
    home_wake();
}

static void say_bound(enum wire_direction direction)
{
    struct wire_control c = {
        .what = WIRE_BOUND,
        .bound = { .incarnation = INCARNATION,
                   .epoch = 1,
                   .attributes = { .kind = WIRE_QUEUE,
                                   .keep = WIRE_MEMORY,
                                   .slow = WIRE_SLOW_BLOCK,
                                   .capacity = 100,
                                   .capacity_bytes = 100000,
                                   .max_deliveries = 16,
                                   .type = "thing" } },
    };
    home_say(direction, &c);
}

void home_lend(uint32_t n)
{
    struct wire_control c = { .what = WIRE_CREDIT,
                              .credit = { .elements = n, .bytes = UINT64_C(8) * n } };
    home.of[WIRE_OUT].lent += n;
    home_say(WIRE_OUT, &c);
}

static void lend_asked(struct home_binding *b)
{
    uint32_t n = b->waiting < home.credit ? b->waiting : home.credit;
    if (n == 0)
        return;
    home.credit -= n;
    b->waiting -= n;
    home_lend(n);
}

static void answer_close(enum wire_direction direction)
{
    struct wire_control c = { .what = direction == WIRE_IN ? WIRE_CLOSED_ : WIRE_RECALL,
                              .recall = { .closing = true, .code = WIRE_CLOSED } };
    home.of[direction].closes = 0;
    home_say(direction, &c);
}

static void accept(struct home_binding *b)
{
    struct wire_control c = { .what = WIRE_ACCEPTED, .number = b->received };
    b->accepted = b->received;
    home_say(WIRE_OUT, &c);
}

/* A new thing, in a frame of its own. */
static void deliver(struct home_binding *b)
{
    struct frame_writer writer = { 0 };
    uint32_t id = thing_new(8).id;
    uint8_t body[16] = { 0 };
    size_t at = element_prefix(body, 8);
    memcpy(body + at, &id, sizeof id);
    thing_fate(id)->handed_over = 1; /* by whoever sent it */
    struct wire_section s = { .bind = b->number,
                              .count = 1,
                              .number = ++b->delivered,
                              .position = b->delivered,
                              .incarnation = INCARNATION,
                              .epoch = 1,
                              .deliveries = 1,
                              .bytes = 8,
                              .size = (uint32_t)at + 8,
                              .body = body };
    home.things--;
    check_rc(frame_writer_section(&writer, &s), 0);
    check_rc(session_data(home.session, &writer), 0);
}

/* All that it may say by now. */
static void speak(void)
{
    struct home_binding *out = &home.of[WIRE_OUT], *in = &home.of[WIRE_IN];
    if (home.session == NULL)
        return;
    for (int d = 0; d < 2 && home.binds; d++) {
        while (home.of[d].binds > 0) {
            home.of[d].binds--;
            say_bound((enum wire_direction)d);
        }
    }
    lend_asked(out);
    if (home.accepts && out->accepted < out->received)
        accept(out);
    while (in->number != 0 && in->binds == 0 && home.things > 0 &&
           session_window_open(home.session))
        deliver(in);
    for (int d = 0; d < 2 && home.closes; d++)
        if (home.of[d].closes > 0)
            answer_close((enum wire_direction)d);
    for (int d = 0; d < 2 && home.unbinds; d++) {
        if (home.of[d].unbinds == 0)
            continue;
        home.of[d].unbinds = 0;
        home.of[d].unbound++;
        home_say((enum wire_direction)d, &(struct wire_control){ .what = WIRE_UNBOUND });
    }
}

static void pump(void)
{
    struct frame *f;
    int rc = 0;
    if (home.session == NULL)
        return;
    session_ack_now(home.session);
    while ((f = session_next(home.session, rn_now(), &rc)) != NULL)
        link_send(home.link, home.peer, f); /* when that is lost, the session sends it again */
    check_rc(rc, 0);
}

/* ---- what it hears ---- */

static void on_hello(link_peer peer, const struct frame_view *view)
{
    struct wire_welcome welcome = { .version = WIRE_VERSION,
                                    .lease_ms = view->hello->lease_ms,
                                    .resumed = view->hello->resume };
    const char *why = "";
    if (home.session != NULL && !view->hello->resume) {
        session_free(home.session);
        home.session = NULL;
    }
    if (home.session == NULL) {
        check(!view->hello->resume);
        home.session = session_new(++home.sessions);
        memset(home.of, 0, sizeof home.of);
    } else {
        session_suspend(home.session);
    }
    home.peer = peer;
    welcome.received = session_received(home.session);
    struct frame *f = frame_of_welcome(session_id(home.session), &welcome);
    link_send(home.link, peer, f);
    frame_unref(f);
    check_rc(session_resume(home.session, view->hello->resume ? view->hello->received : 0, &why),
             0);
}

static void on_control(const struct wire_control *c)
{
    enum wire_direction d = c->what == WIRE_BIND                 ? c->bind_.direction
                            : c->bind == home.of[WIRE_IN].number ? WIRE_IN
                                                                 : WIRE_OUT;
    struct home_binding *b = &home.of[d];
    switch (c->what) {
    case WIRE_BIND:
        *b = (struct home_binding){ .number = c->bind, .binds = 1 };
        break;
    case WIRE_UNBIND:
        b->unbinds++;
        break;
    case WIRE_ASK:
        b->waiting = c->ask.weak ? 0 : c->ask.waiting;
        break;
    case WIRE_RETURNED:
        b->returned += c->credit.elements;
        break;
    case WIRE_TAKEN:
        check(c->number <= b->delivered);
        b->taken = c->number;
        break;
    case WIRE_CLOSE:
        b->closes++;
        b->close_reason = c->recall.reason;
        break;
    default:
        break;
    }
}

static void on_section(const struct wire_section *s)
{
    struct home_binding *b = &home.of[WIRE_OUT];
    size_t at = 0, len;
    check(s->number == b->received + 1);
    b->received += s->count;
    check(b->received <= b->lent);
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t id;
        memcpy(&id, section_element(s, &at, &len), sizeof id);
        check(id < HOME_THINGS_MAX);
        home.came[id]++;
    }
}

static void on_frame(link_peer peer, struct frame *frame)
{
    struct frame_view view;
    const char *why = "";
    check_rc(frame_read(&view, frame->data, frame->len, &why), 0);
    if (view.hello != NULL) {
        on_hello(peer, &view);
    } else if (peer == home.peer &&
               session_input(home.session, &view, rn_now(), &why) == SESSION_HAND_ON) {
        for (uint32_t i = 0; i < view.n_controls; i++)
            on_control(&view.controls[i]);
        for (uint32_t i = 0; i < view.n_sections; i++)
            on_section(&view.sections[i]);
    }
    frame_view_fini(&view);
}

static void serve(void *arg)
{
    (void)arg;
    while (!home.stopping) {
        struct link_event event;
        int rc = link_recv(home.link, &event, RN_FOREVER);
        for (; rc == 0; rc = link_recv(home.link, &event, RN_NOWAIT)) {
            if (event.what == LINK_FRAME) {
                on_frame(event.peer, event.frame);
                frame_unref(event.frame);
            }
        }
        check_rc(rc, RN_ETIMEDOUT);
        speak();
        pump();
    }
    rn_chan_close(home.done);
}

/* ---- life ---- */

void home_open(void)
{
    home = (struct home){ .link = memnet_endpoint(net, "broker") };
    check(home.link != NULL);
    home.done = rn_chan_new(0, 0, NULL);
    check_rc(rn__go_system(serve, NULL, "home"), 0);
}

void home_close(void)
{
    home.stopping = true;
    home_wake();
    check_rc(rn_chan_recv(home.done, NULL, SOON), RN_ECLOSED);
    rn_chan_unref(home.done);
    session_free(home.session);
    link_close(home.link);
}

void home_wake(void)
{
    link_wake(home.link);
}

void home_generous(void)
{
    home.binds = home.unbinds = home.accepts = home.closes = true;
    home.credit = UINT32_MAX;
    home_wake();
}
