/* session.c - see session.h.   SPDX-License-Identifier: MIT
 *
 * What the core says is packed into the stream at once; what it delivers is pulled only while the link window is
 * open and the stream can be emptied onto the link.  So no delivery waits in the stream where a later control (a
 * Recall) could overtake it. */
#include "broker/session.h"

#include "broker/acks.h"
#include "broker/inquiry.h"
#include "proto/limits.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* A node that asks and asks and does not take the answers is cut off here. */
#define QUEUED_BYTES_MAX ((size_t)128 << 20)

void broker_session_touch(struct broker_session *s)
{
    if (s->is_dirty)
        return;
    s->is_dirty = true;
    DL_APPEND(*s->dirty, s);
}

static void untouch(struct broker_session *s)
{
    if (!s->is_dirty)
        return;
    s->is_dirty = false;
    DL_DELETE(*s->dirty, s);
}

/* ---- what the core says -------------------------------------------------------------------------- */

static int out_control(void *owner, const struct wire_control *c)
{
    struct broker_session *s = owner;
    int rc = session_control(s->stream, c);

    if (rc < 0)
        s->failed = true;
    broker_session_touch(s);
    return rc;
}

/* Elements go before what is only said to others - accepted, credit - because somebody waits for them. */
static void out_ready(void *owner)
{
    struct broker_session *s = owner;

    s->ready = true;
    untouch(s);
    s->is_dirty = true;
    DL_PREPEND(*s->dirty, s);
}

const struct core_out broker_session_out = { .control = out_control, .ready = out_ready };

/* ---- life ------------------------------------------------------------------------------------------ */

struct broker_session *broker_session_new(uint64_t id, const struct wire_hello *hello,
                                          struct core *core, struct broker_session **dirty)
{
    struct broker_session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->id = id;
    memcpy(s->instance, hello->instance, sizeof s->instance);
    s->core = core;
    s->dirty = dirty;
    s->stream = session_new(id);
    if (s->stream == NULL)
        goto free_session;
    session_suspend(s->stream);
    s->party = core_session_new(core, hello->name, hello->instance, s);
    if (s->party == NULL)
        goto free_stream;
    return s;

free_stream:
    session_free(s->stream);
free_session:
    free(s);
    return NULL;
}

void broker_session_free(struct broker_session *s, int64_t now_ns)
{
    if (s->in_order)
        core_session_leave(s->core, s->party, now_ns);
    else
        core_session_end(s->core, s->party, now_ns);
    untouch(s);
    acks_leave(s);
    session_free(s->stream);
    free(s);
}

int broker_session_attach(struct broker_session *s, link_peer peer, uint64_t received,
                          const char **why)
{
    int rc = session_resume(s->stream, received, why);

    if (rc < 0)
        return rc;
    s->peer = peer;
    broker_session_touch(s);
    return 0;
}

void broker_session_detach(struct broker_session *s)
{
    s->peer = 0;
    session_suspend(s->stream);
}

/* ---- what the node says ------------------------------------------------------------------------------ */

static int hand_on_control(struct broker_session *s, const struct wire_control *c, int64_t now_ns,
                           const char **why)
{
    if (c->what == WIRE_QUERY && c->query_want != WIRE_CHANNELS)
        return inquiries_query(s->inquiries, s, c, now_ns, why);
    if (c->what == WIRE_REPORT)
        return inquiries_report(s->inquiries, s, c, now_ns, why);
    return core_control(s->core, s->party, c, now_ns, why);
}

/* So many controls or sections ahead the core is told what will follow. */
#define SOON 6
#define NEXT 3

static void expect_controls(const struct broker_session *s, const struct frame_view *view,
                            uint32_t i)
{
    if (i + SOON < view->n_controls)
        core_expect_soon(s->party, view->controls[i + SOON].bind);
    if (i + NEXT < view->n_controls)
        core_expect_next(s->party, view->controls[i + NEXT].bind);
}

static void expect_sections(const struct broker_session *s, const struct frame_view *view,
                            uint32_t i)
{
    if (i + SOON < view->n_sections)
        core_expect_soon(s->party, view->sections[i + SOON].bind);
    if (i + NEXT < view->n_sections)
        core_expect_next(s->party, view->sections[i + NEXT].bind);
}

static int hand_on(struct broker_session *s, const struct frame_view *view, struct frame *frame,
                   int64_t now_ns, const char **why)
{
    for (uint32_t i = 0; i < view->n_controls; i++) {
        int rc;

        if (view->controls[i].what == WIRE_GOODBYE) {
            s->in_order = !view->controls[i].goodbye.unsent;
            rn_reached_if(!s->in_order, "session: a goodbye leaves something behind");
            return BROKER_SESSION_LEFT;
        }
        expect_controls(s, view, i);
        rc = hand_on_control(s, &view->controls[i], now_ns, why);
        if (rc < 0)
            return rc;
    }
    for (uint32_t i = 0; i < view->n_sections; i++) {
        expect_sections(s, view, i);
        int rc = core_section(s->core, s->party, &view->sections[i], frame, now_ns, why);

        if (rc < 0)
            return rc;
    }
    return BROKER_SESSION_ON;
}

/* Is it only a sign of life of a node that has said nothing for a while, nor has anything to hear? */
static bool rests(const struct broker_session *s, const struct frame_view *view, int64_t now_ns)
{
    return view->seq > 0 && view->n_controls == 0 && view->n_sections == 0 && !s->is_dirty &&
           !s->ready && now_ns - s->heard_ns >= s->lease_ns / WIRE_REST_PART;
}

int broker_session_input(struct broker_session *s, const struct frame_view *view,
                         struct frame *frame, int64_t now_ns, const char **why)
{
    bool at_rest = rests(s, view, now_ns);
    int rc;

    s->heard_ns = now_ns;
    core_heard(s->core, s->party, now_ns);
    rc = session_input(s->stream, view, now_ns, why);
    if (at_rest && rc == SESSION_HAND_ON && session_idle(s->stream)) {
        rn_reached("session: a sign of life is acknowledged with others");
        acks_wait(s->acks, s, now_ns);
        return BROKER_SESSION_ON;
    }
    broker_session_touch(s);
    switch (rc) {
    case SESSION_HAND_ON:
        return hand_on(s, view, frame, now_ns, why);
    case SESSION_NOTHING:
        return BROKER_SESSION_ON;
    case SESSION_GAP:
        return BROKER_SESSION_BROKEN;
    default:
        return rc;
    }
}

/* ---- what is sent -------------------------------------------------------------------------------------- */

/* Puts everything that the stream gives on the link.  When the connection turns out to be gone the stream is
 * emptied all the same: what it gave is numbered, in its order, and is sent again when the node resumes. */
static int drain(struct broker_session *s, struct link *link, int64_t now_ns)
{
    struct frame *f;
    int rc = 0, lost = 0;

    while ((f = session_next(s->stream, now_ns, &rc)) != NULL)
        if (lost == 0)
            lost = link_send(link, s->peer, f);
    if (rc < 0)
        return rc;
    if (lost == 0)
        return 0;
    link_drop(link, s->peer);
    broker_session_detach(s);
    return -EHOSTUNREACH;
}

/* One data frame of what the core has for the node, with one piece of a large element at most.  An element is never split
 * otherwise, so a pull may give more than was asked for; the frame is closed when it is half full, so that the largest still fits
 * into it.  1: there is one; 0: there is nothing, or only pieces that have to wait for others to arrive. */
static int pull(struct broker_session *s)
{
    struct frame_writer writer = { 0 };
    struct wire_section section;
    bool small = !session_window_ample(s->stream);
    size_t size = 0;
    int rc = 0;

    while (rc == 0 && size < WIRE_FRAME_TARGET / 2) {
        if (!(small ? core_pull_small : core_pull)(s->core, s->party, WIRE_FRAME_TARGET - size,
                                                   &section)) {
            s->ready = core_has_pieces(s->party);
            break;
        }
        small |= section.flags & WIRE_PIECE;
        rc = frame_writer_section(&writer, &section);
        size = frame_writer_size(&writer);
    }
    if (rc == 0 && size > 0)
        rc = session_data(s->stream, &writer);
    frame_writer_fini(&writer);
    return rc < 0 ? rc : size > 0;
}

/* All has been said.  What came is acknowledged now, or when there is time. */
static int acknowledge(struct broker_session *s, struct link *link, bool drained, int64_t now_ns)
{
    if (!drained && !s->ack_due) {
        if (session_ack_owed(s->stream))
            acks_wait(s->acks, s, now_ns);
        return 0;
    }
    acks_leave(s);
    session_ack_now(s->stream);
    return drain(s, link, now_ns);
}

int broker_session_flush(struct broker_session *s, struct link *link, bool drained, int64_t now_ns)
{
    int rc;

    untouch(s);
    if (s->failed || session_queued_bytes(s->stream) > QUEUED_BYTES_MAX)
        return -ENOMEM;
    if (s->peer == 0)
        return 0;
    rc = drain(s, link, now_ns);
    while (rc == 0 && s->ready && session_window_open(s->stream) && (rc = pull(s)) > 0)
        rc = drain(s, link, now_ns);
    return rc == 0 ? acknowledge(s, link, drained, now_ns) : rc;
}
