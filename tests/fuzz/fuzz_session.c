/* fuzz_session.c - a session on a connection that says anything.   SPDX-License-Identifier: MIT
 *
 * The input is a program: each byte an act (say a control, say data, get frames, let the last frame of the peer come,
 * damaged or not, again or not, let a forged one come, break, resume with any number).  Whatever comes, the session does not
 * crash, hands on numbers in order, keeps its window, counts what it keeps, and gives back all memory. */
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/link/session.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/standalone.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define KEPT 8

/* A session and the newest frames that it has given. */
struct end {
    struct session *session;
    struct frame *kept[KEPT];
    unsigned n;
    bool was_large; /* one large frame is enough: they take time */
};

static void say_control(struct end *e, uint8_t what)
{
    static const enum wire_what kinds[] = {
        WIRE_ACCEPTED, WIRE_UNBIND,  WIRE_ASK,      WIRE_RECALL,
        WIRE_CLAIM,    WIRE_CLAIMED, WIRE_WITHDRAW, WIRE_CLOSE
    };
    struct wire_control c = { .what = kinds[what % 8], .bind = what };

    if (c.what == WIRE_ACCEPTED || c.what == WIRE_WITHDRAW)
        c.number = what;
    must(session_control(e->session, &c) == 0);
}

static void say_data(struct end *e, size_t len)
{
    static uint8_t body[WIRE_WINDOW_BYTES / 3 + 8];
    struct frame_writer w = { 0 };

    if (!session_window_open(e->session))
        return;
    size_t n = element_prefix(body, len);
    struct wire_section s = {
        .count = 1, .number = 1, .bytes = len, .size = (uint32_t)(n + len), .body = body
    };
    must(frame_writer_section(&w, &s) == 0);
    must(session_data(e->session, &w) == 0);
    memset(body, 0, n);
}

/* Frames of one byte, of a kilobyte or so, or large ones, of which the window holds two. */
static void say_more_data(struct end *e, uint8_t how)
{
    bool large = how == 77 && !e->was_large;

    e->was_large |= large;
    say_data(e, large ? WIRE_WINDOW_BYTES / 3 : (size_t)how << 4);
}

static void get(struct end *e, int64_t now)
{
    int rc;
    struct frame *f = session_next(e->session, now, &rc);

    must(rc == 0);
    if (f == NULL)
        return;
    frame_unref(e->kept[e->n % KEPT]);
    e->kept[e->n++ % KEPT] = frame_ref(f);
}

static void arrive(struct end *to, const uint8_t *data, size_t len, int64_t now)
{
    struct frame_view v;
    const char *why = NULL;
    uint64_t before = session_received(to->session);

    if (frame_read(&v, data, len, &why) != 0)
        return;
    int rc = session_input(to->session, &v, now, &why);
    must(rc == SESSION_HAND_ON || rc == SESSION_NOTHING || rc == SESSION_GAP ||
         (rc == -EPROTO && why != NULL));
    must(session_received(to->session) == before + (rc == SESSION_HAND_ON));
    must(rc != SESSION_HAND_ON || v.seq == before + 1);
    must(rc != SESSION_GAP || v.seq > before + 1);
    frame_view_fini(&v);
}

static void deliver(struct end *from, struct end *to, struct input *in, bool damage, int64_t now)
{
    struct frame *f = from->kept[take(in) % KEPT];

    if (f == NULL)
        return;
    uint8_t *copy = malloc(f->len);
    size_t len = f->len;
    memcpy(copy, f->data, len);
    if (damage) {
        size_t at = take(in);
        copy[at % len] = take(in);
        if (take(in) % 4 == 0)
            len -= take(in) % len;
    }
    arrive(to, copy, len, now);
    free(copy);
}

/* A frame of controls that nobody has said, with numbers near those that would be right. */
static void forge(struct end *to, struct input *in, int64_t now)
{
    struct wire_control c = { .what = WIRE_TAKEN, .bind = 1, .number = 1 };
    struct control_buffer b = { 0 };
    uint8_t how = take(in);
    uint64_t seq = session_received(to->session) + 1 + (how & 3u) - (how >> 2 & 3u);

    for (unsigned i = 0; i < (how >> 4 & 3u) && seq != 0; i++)
        must(control_append(&b, &c) == 0);
    struct frame *f = frame_of_controls(how >> 7 ? 2 : 1, seq, take(in) % 8, b.data, b.len);
    arrive(to, f->data, f->len, now);
    frame_unref(f);
    control_buffer_fini(&b);
}

static void act(struct end *a, struct end *b, struct input *in, int64_t now)
{
    const char *why;

    switch (take(in) % 13) {
    case 0:
        say_control(a, take(in));
        break;
    case 1:
        say_data(a, take(in));
        break;
    case 2:
        say_more_data(a, take(in));
        break;
    case 3:
        deliver(a, b, in, true, now);
        break;
    case 4:
        session_suspend(a->session);
        break;
    case 5:
        (void)session_resume(a->session, take(in), &why);
        break;
    case 6:
        (void)session_resume(a->session, session_received(b->session), &why);
        break;
    case 7:
        session_ack_now(a->session);
        break;
    case 8:
        must(session_probe(a->session) == 0);
        break;
    case 9:
        deliver(a, b, in, false, now);
        break;
    case 10:
        forge(b, in, now);
        break;
    default:
        get(a, now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    struct end ends[2] = { { .session = session_new(1) }, { .session = session_new(1) } };

    for (int64_t now = 1; in.left > 0; now++) {
        unsigned side = take(&in) & 1;
        act(&ends[side], &ends[1 - side], &in, now);
        must(!session_idle(ends[side].session) || session_queued_bytes(ends[side].session) == 0);
    }
    for (int i = 0; i < 2; i++) {
        session_free(ends[i].session);
        for (unsigned k = 0; k < KEPT; k++)
            frame_unref(ends[i].kept[k]);
    }
    return 0;
}
