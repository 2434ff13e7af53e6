/* session.c - a reliable ordered stream of frames in both directions, above connections that break.
 *   SPDX-License-Identifier: MIT
 *
 * What is to be sent stands in three places, in the order of sending: `unacked` (numbered and sent once at least, the
 * cursor `resend` on the first that the present connection has not carried), `controls` (packed, not numbered), and
 * `data` (frames collected, not numbered).  A number is given when a frame first leaves, so control overtakes data.
 *
 * Invariants:
 *   acked <= sent, and unacked holds exactly the frames acked + 1 .. sent, in order;
 *   resend is NULL or in unacked, and nothing new is numbered while it is not NULL;
 *   window_frames and window_bytes count the data frames in unacked: at most WIRE_WINDOW_FRAMES and WIRE_WINDOW_BYTES;
 *   a control in some data->after was said after that data, and `last_after` is the newest data that has one. */
#include "proto/link/session.h"

#include "proto/limits.h"
#include "proto/spare.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENVELOPE_HEAD 64    /* bytes of an envelope without controls, at most */
#define BUFFER_KEEP   65536 /* a drained buffer larger than this is freed */

/* A frame on its way: first in `data`, then in `unacked`; controls only in the latter. */
struct parcel {
    struct parcel *next;
    struct frame *frame;         /* once it is numbered */
    struct frame_writer writer;  /* until then */
    struct control_buffer after; /* what must follow it */
    uint64_t seq;
    int64_t sent_ns;     /* when it left the first time */
    size_t window_bytes; /* what it takes of the window; 0: not a data frame */
    size_t piece_bytes;  /* of them, of pieces; see struct frame_writer */
};

struct list {
    struct parcel *head, *tail;
};

struct session {
    uint64_t id; /* 0: not known yet */
    bool suspended;

    uint64_t sent, acked; /* the newest seq that left; that was acknowledged */
    struct list unacked;
    struct parcel *resend;
    struct control_buffer controls;
    size_t controls_at; /* bytes of controls that have left */
    struct list data;
    struct parcel *last_after;
    uint32_t data_frames; /* in data */
    size_t data_bytes;
    uint32_t window_frames; /* in unacked */
    size_t window_bytes;
    size_t piece_bytes;  /* in data and in unacked */
    size_t queued_bytes; /* everywhere */
    bool probe;          /* an empty numbered frame is wanted */

    uint64_t received; /* the newest seq that was handed on */
    bool ack_owed;     /* something came since the last frame that left with an ack */
    bool ack_wanted;
    uint32_t owed_frames;  /* data frames since then */
    uint32_t owed_answers; /* frames of nothing but Accepted since then */
    bool owed_others;      /* others than those */
    uint64_t told;         /* the newest seq that the peer was told of as received */
    bool fresh;         /* since the session was resumed it has been told of none that came since */
    size_t owed_bytes;  /* of all numbered frames since then */
    struct frame *bare; /* the last bare acknowledgement; the caller has borrowed it */

    int64_t heard_ns, confirmed_ns;
    int64_t
        trip_ns; /* over this connection, from a frame to its acknowledgement: the shortest time; 0: none yet */
};

/* ---- lists --------------------------------------------------------------------------------- */

static void list_push(struct list *l, struct parcel *p)
{
    p->next = NULL;
    if (l->tail == NULL)
        l->head = p;
    else
        l->tail->next = p;
    l->tail = p;
}

static struct parcel *list_pop(struct list *l)
{
    struct parcel *p = l->head;

    l->head = p->next;
    if (l->head == NULL)
        l->tail = NULL;
    return p;
}

static struct spare parcels = { .size = sizeof(struct parcel) };

static struct parcel *parcel_new(void)
{
    struct parcel *p = spare_take(&parcels);

    if (p != NULL)
        *p = (struct parcel){ 0 };
    return p;
}

static void parcel_free(struct parcel *p)
{
    frame_unref(p->frame);
    frame_writer_fini(&p->writer);
    control_buffer_fini(&p->after);
    spare_give(&parcels, p);
}

static void list_fini(struct list *l)
{
    while (l->head != NULL)
        parcel_free(list_pop(l));
}

struct session *session_new(uint64_t id)
{
    struct session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->id = id;
    s->suspended = id == 0;
    return s;
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    list_fini(&s->unacked);
    list_fini(&s->data);
    control_buffer_fini(&s->controls);
    frame_unref(s->bare);
    free(s);
}

void session_start(struct session *s, uint64_t id)
{
    rn_assert(s->id == 0);
    rn_assert(id != 0);
    s->id = id;
    s->suspended = false;
}

uint64_t session_id(const struct session *s)
{
    return s->id;
}

uint64_t session_received(const struct session *s)
{
    return s->received;
}

/* ---- sending ------------------------------------------------------------------------------- */

/* Would the control mean something else if it overtook data that was queued before it? */
static bool follows_data(enum wire_what what)
{
    switch (what) {
    case WIRE_UNBIND:
    case WIRE_UNBOUND:
    case WIRE_CLOSE:
    case WIRE_CLOSED_:
    case WIRE_FAILED_:
    case WIRE_RECALL:
    case WIRE_WITHDRAW:
    case WIRE_GOODBYE:
        return true;
    default:
        return false;
    }
}

int session_control(struct session *s, const struct wire_control *c)
{
    struct parcel *p = follows_data(c->what) ? s->data.tail : s->last_after;
    struct control_buffer *b = p == NULL ? &s->controls : &p->after;
    size_t before = b->len;
    int rc = control_append(b, c);

    if (rc < 0)
        return rc;
    if (p != NULL)
        s->last_after = p;
    s->queued_bytes += b->len - before;
    return 0;
}

bool session_window_open(const struct session *s)
{
    return s->window_frames + s->data_frames < WIRE_WINDOW_FRAMES &&
           s->window_bytes + s->data_bytes < WIRE_WINDOW_BYTES;
}

/* As many bytes of pieces as a gigabyte a second - a byte in each nanosecond - has under way on this connection.  More would
 * not be much faster, but keep the CPUs busy in whose queues others' elements wait. */
static size_t pieces_max(const struct session *s)
{
    if (s->trip_ns >= WIRE_WINDOW_PIECES)
        return WIRE_WINDOW_PIECES;
    return s->trip_ns > WIRE_WINDOW_NEAR ? (size_t)s->trip_ns : WIRE_WINDOW_NEAR;
}

bool session_window_ample(const struct session *s)
{
    return s->window_bytes + s->data_bytes < WIRE_WINDOW_PIECES && s->piece_bytes < pieces_max(s);
}

int session_data(struct session *s, struct frame_writer *w)
{
    struct parcel *p;

    rn_assert(w->n_sections > 0);
    rn_assert(session_window_open(s));
    p = parcel_new();
    if (p == NULL)
        return -ENOMEM;
    p->writer = *w;
    p->window_bytes = frame_writer_size(w);
    p->piece_bytes = w->piece_bytes;
    *w = (struct frame_writer){ 0 };
    list_push(&s->data, p);
    s->data_frames++;
    s->data_bytes += p->window_bytes;
    s->piece_bytes += p->piece_bytes;
    s->queued_bytes += p->window_bytes;
    return 0;
}

static bool controls_queued(const struct session *s)
{
    return s->controls.len > s->controls_at;
}

int session_probe(struct session *s)
{
    s->probe = s->unacked.head == NULL && s->data.head == NULL && !controls_queued(s);
    return 0;
}

/* How many bytes at the front of the queue are whole controls of together at most `room` bytes?  A control is a tag
 * of one byte, its length as a varint, and that many bytes. */
static size_t controls_fit(const struct session *s, size_t room)
{
    size_t len = s->controls.len - s->controls_at, at = 0;

    if (len <= room)
        return len;
    const uint8_t *data = s->controls.data + s->controls_at;
    for (;;) {
        size_t i = at + 1, body = 0;
        unsigned shift = 0;

        for (; data[i] >= 0x80; i++, shift += 7)
            body |= (size_t)(data[i] & 0x7f) << shift;
        body |= (size_t)data[i++] << shift;
        if (i + body > room)
            return at;
        at = i + body;
    }
}

/* So many bytes of controls have left. */
static void controls_left(struct session *s, size_t len)
{
    s->controls_at += len;
    s->queued_bytes -= len;
    if (controls_queued(s))
        return;
    s->controls.len = 0;
    s->controls_at = 0;
    if (s->controls.cap > BUFFER_KEEP)
        control_buffer_fini(&s->controls);
}

static void ack_left(struct session *s)
{
    s->ack_owed = false;
    s->ack_wanted = false;
    s->owed_frames = 0;
    s->owed_answers = 0;
    s->owed_others = false;
    s->owed_bytes = 0;
    s->fresh = s->fresh && s->received == s->told;
    s->told = s->received;
}

/* The parcel has its frame and goes on the link for the first time. */
static struct frame *parcel_leaves(struct session *s, struct parcel *p, int64_t now_ns)
{
    p->seq = ++s->sent;
    p->sent_ns = now_ns;
    list_push(&s->unacked, p);
    ack_left(s);
    s->probe = false;
    return p->frame;
}

/* A frame of as many queued controls as it can hold; with none, a sign of life. */
static struct frame *next_controls(struct session *s, int64_t now_ns)
{
    size_t len = controls_fit(s, WIRE_ENVELOPE_MAX - ENVELOPE_HEAD);
    struct parcel *p = parcel_new();

    if (p == NULL)
        return NULL;
    p->frame = frame_of_controls(s->id, s->sent + 1, s->received,
                                 len == 0 ? NULL : s->controls.data + s->controls_at, len);
    if (p->frame == NULL) {
        parcel_free(p);
        return NULL;
    }
    controls_left(s, len);
    s->queued_bytes += p->frame->len;
    return parcel_leaves(s, p, now_ns);
}

_Static_assert(WIRE_FRAME_MAX <= WIRE_WINDOW_BYTES, "every frame can go some time");

/* May the first data frame go now?  session_data() has counted the frames; here are the bytes. */
static bool data_fits(const struct session *s)
{
    const struct parcel *p = s->data.head;

    if (p == NULL)
        return false;
    rn_assert(s->window_frames < WIRE_WINDOW_FRAMES);
    if (s->window_bytes + p->window_bytes <= WIRE_WINDOW_BYTES)
        return true;
    rn_reached("session: a frame waits for bytes of the window");
    return false;
}

/* The first data frame, with the queued controls that are left.  Takes no memory: what was promised by
 * session_data() can always leave. */
static struct frame *next_data(struct session *s, int64_t now_ns)
{
    struct parcel *p = list_pop(&s->data);
    size_t len = s->controls.len - s->controls_at;

    p->frame = frame_writer_seal_with(&p->writer, s->id, s->sent + 1, s->received,
                                      len == 0 ? NULL : s->controls.data + s->controls_at, len);
    rn_assert(p->frame != NULL);
    if (len > 0)
        controls_left(s, len);
    s->data_frames--;
    s->data_bytes -= p->window_bytes;
    s->window_frames++;
    s->window_bytes += p->window_bytes;
    s->queued_bytes += p->frame->len - p->window_bytes;

    /* What had to follow this frame is next: the queue of controls is empty now. */
    if (p->after.len > 0) {
        rn_reached("session: a control has waited behind data");
        struct control_buffer empty = s->controls;
        s->controls = p->after;
        p->after = empty;
        control_buffer_fini(&p->after);
    }
    if (s->last_after == p)
        s->last_after = NULL;
    return parcel_leaves(s, p, now_ns);
}

static bool ack_due(const struct session *s)
{
    if (!s->ack_owed)
        return false;
    return s->ack_wanted || s->owed_frames >= WIRE_WINDOW_FRAMES / 2 ||
           s->owed_bytes >= WIRE_WINDOW_BYTES / 2;
}

static struct frame *next_bare(struct session *s)
{
    struct frame *f = frame_of_controls(s->id, 0, s->received, NULL, 0);

    if (f == NULL)
        return NULL;
    frame_unref(s->bare);
    s->bare = f;
    ack_left(s);
    return f;
}

struct frame *session_next(struct session *s, int64_t now_ns, int *rc)
{
    size_t controls = s->controls.len - s->controls_at;
    struct frame *f;

    *rc = 0;
    if (s->suspended)
        return NULL;
    if (s->resend != NULL) {
        f = s->resend->frame;
        s->resend = s->resend->next;
        return f;
    }
    if (controls <= FRAME_CONTROLS_ROOM && data_fits(s))
        return next_data(s, now_ns);
    if (controls > 0 || s->probe)
        f = next_controls(s, now_ns);
    else if (ack_due(s))
        f = next_bare(s);
    else
        return NULL;
    if (f == NULL)
        *rc = -ENOMEM;
    return f;
}

void session_ack_now(struct session *s)
{
    s->ack_wanted = s->ack_owed;
}

void session_ack_others(struct session *s)
{
    s->ack_wanted = s->owed_others || s->owed_answers >= WIRE_ANSWERS_MAX ||
                    (s->fresh && s->ack_owed);
}

bool session_ack_owed(const struct session *s)
{
    return s->ack_owed;
}

/* ---- receiving ----------------------------------------------------------------------------- */

/* The other side has received all up to `ack`, which is not more than was sent. */
static void acknowledge(struct session *s, uint64_t ack)
{
    while (s->acked < ack) {
        struct parcel *p = list_pop(&s->unacked);

        rn_assert(p->seq == s->acked + 1);
        if (s->resend == p)
            s->resend = p->next;
        if (p->window_bytes > 0) {
            s->window_frames--;
            s->window_bytes -= p->window_bytes;
            s->piece_bytes -= p->piece_bytes;
        }
        s->queued_bytes -= p->frame->len;
        s->confirmed_ns = p->sent_ns;
        s->acked++;
        parcel_free(p);
    }
}

/* From when the newest frame that was acknowledged left.  If it was sent again since, or the peer left that to
 * its next frame, it is too long, and others will do. */
static void trip_took(struct session *s, int64_t ns)
{
    if (ns > 0 && (s->trip_ns == 0 || ns < s->trip_ns))
        s->trip_ns = ns;
}

static bool only_accepts(const struct frame_view *view)
{
    for (uint32_t i = 0; i < view->n_controls; i++)
        if (view->controls[i].what != WIRE_ACCEPTED)
            return false;
    return view->n_controls > 0 && view->n_sections == 0;
}

int session_input(struct session *s, const struct frame_view *view, int64_t now_ns,
                  const char **why)
{
    if (view->hello != NULL || view->welcome != NULL || view->refusal != NULL) {
        s->heard_ns = now_ns;
        return SESSION_NOTHING;
    }
    if (view->session != s->id || s->id == 0) {
        *why = "a frame names another session";
        return -EPROTO;
    }
    if (view->ack > s->sent) {
        *why = "an acknowledgement of what was never sent";
        return -EPROTO;
    }
    s->heard_ns = now_ns;
    if (view->ack > s->acked) {
        acknowledge(s, view->ack);
        trip_took(s, now_ns - s->confirmed_ns);
    }
    if (view->seq == 0)
        return SESSION_NOTHING;
    if (view->seq > s->received + 1) {
        rn_reached("session: a frame is missing");
        return SESSION_GAP;
    }
    s->ack_owed = true;
    if (view->seq <= s->received) {
        rn_reached("session: a frame came twice");
        s->owed_others = true;
        return SESSION_NOTHING;
    }
    s->received = view->seq;
    s->owed_bytes += view->len;
    s->owed_frames += view->n_sections > 0;
    if (only_accepts(view))
        s->owed_answers++;
    else
        s->owed_others = true;
    return SESSION_HAND_ON;
}

/* ---- connections --------------------------------------------------------------------------- */

void session_suspend(struct session *s)
{
    s->suspended = true;
    s->resend = NULL;
    s->trip_ns = 0; /* the next connection may take another way */
}

int session_resume(struct session *s, uint64_t received, const char **why)
{
    if (received > s->sent) {
        *why = "the peer has received what was never sent";
        return -EPROTO;
    }
    if (received < s->acked) {
        *why = "the peer has forgotten what it had acknowledged";
        return -EPROTO;
    }
    rn_reached_if(received > s->acked, "session: a resume acknowledges");
    acknowledge(s, received);
    s->resend = s->unacked.head;
    rn_reached_if(s->resend != NULL, "session: a resume sends again");
    s->suspended = false;
    s->fresh = true;
    s->told = s->received;
    return 0;
}

bool session_has_moved_on(const struct session *s, uint64_t received)
{
    return received < s->acked;
}

/* ---- looking ------------------------------------------------------------------------------- */

bool session_idle(const struct session *s)
{
    return s->unacked.head == NULL && s->data.head == NULL && !controls_queued(s) && !s->probe;
}

int64_t session_heard_ns(const struct session *s)
{
    return s->heard_ns;
}

int64_t session_confirmed_ns(const struct session *s)
{
    return s->confirmed_ns;
}

int64_t session_unacked_ns(const struct session *s)
{
    return s->unacked.head == NULL ? 0 : s->unacked.head->sent_ns;
}

size_t session_queued_bytes(const struct session *s)
{
    return s->queued_bytes;
}
