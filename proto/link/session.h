/* session.h - a reliable ordered stream of frames in both directions, above connections that break.
 *   SPDX-License-Identifier: MIT
 *
 * Pure: no socket, goroutine or clock; time comes in as an argument (ns, CLOCK_BOOTTIME or virtual).
 * The same code runs at the node and at the broker; see SESSION and WINDOW in proto/runnel.proto.
 * The owner puts what session_next() gives on the link, and hands what arrives to session_input(). */
#ifndef PROTO_LINK_SESSION_H
#define PROTO_LINK_SESSION_H

#include "proto/frame.h"

struct session;

/* id 0: not known yet (a node before its Welcome); session_next() gives nothing until session_start() sets it.
 * NULL: no memory. */
struct session *session_new(uint64_t id);
void session_free(struct session *s);

void session_start(struct session *s, uint64_t id);
uint64_t session_id(const struct session *s);
uint64_t session_received(
    const struct session *s); /* the last seq handed on: for Hello and Welcome */

/* ---- sending ---- */

/* Queues a control; it is packed at once.  0, -ENOMEM, or -EMSGSIZE and -EINVAL as control_append().
 *
 * Controls keep their order among themselves and overtake data that is queued, except that one which ends something
 * or names the newest of something (Unbind, Unbound, Close, Closed, Failed, Recall, Withdraw, Goodbye) stays behind the data
 * that was queued before it, and what is queued later stays behind it. */
int session_control(struct session *s, const struct wire_control *c);

/* Is there room in the link window for one more data frame? */
bool session_window_open(const struct session *s);

/* May a piece of a large element take some of it?  They leave most of it to others, and the sooner acknowledgements come the
 * fewer are under way: so what comes next has little before it. */
bool session_window_ample(const struct session *s);

/* Queues the sections that the writer has collected as one data frame; the window must be open.  0, and the writer is
 * empty; or -ENOMEM, and it is as it was.  A frame that the window cannot hold beside the others waits for them. */
int session_data(struct session *s, struct frame_writer *w);

/* Queues an empty numbered frame, so that an acknowledgement comes back: a sign of life.  Does nothing when a
 * numbered frame is already waiting for its acknowledgement.  0 or -ENOMEM. */
int session_probe(struct session *s);

/* The next frame to put on the link, or NULL: what must be sent again first, then controls, then data, then, if
 * one is due, a bare acknowledgement.  Borrowed: valid until the next call on s.  Nothing comes while the
 * session is suspended (no connection).  *rc is 0, or -ENOMEM when a frame could not be made: nothing is lost, try
 * again later. */
struct frame *session_next(struct session *s, int64_t now_ns, int *rc);

/* What was received is acknowledged by the next session_next(), even a single frame; the owner says so when its input
 * is drained.  Otherwise a bare acknowledgement is due when half a window has come. */
void session_ack_now(struct session *s);
/* The same, if more has come than a few frames that only accept what was sent: nobody waits until those are acknowledged, and
 * the next frame that leaves does it.  But the first that comes after a session was resumed is acknowledged at once: by that the
 * peer knows a Hello that was overtaken. */
void session_ack_others(struct session *s);
bool session_ack_owed(
    const struct session *s); /* has something come since the last frame that left? */

/* ---- receiving ---- */

enum session_verdict {
    SESSION_HAND_ON = 1, /* new: handle its controls and sections */
    SESSION_NOTHING,     /* a duplicate or a bare acknowledgement */
    SESSION_GAP,         /* something is missing: break the connection and resume */
};

/* Takes note of a frame of this session.  A verdict, or -EPROTO with *why (another session's number, an acknowledgement
 * of what was never sent).  Frames with a Hello, Welcome or Refusal are the owner's: here they are SESSION_NOTHING.
 * Takes no memory. */
int session_input(struct session *s, const struct frame_view *view, int64_t now_ns,
                  const char **why);

/* ---- connections ---- */

void session_suspend(struct session *s); /* the connection broke; session_next() gives NULL */

/* A new connection: the peer has received up to `received`; what it lacks is sent again.  0, or -EPROTO with
 * *why when the number cannot be (the peer forgot what it had acknowledged, or claims what was never sent). */
int session_resume(struct session *s, uint64_t received, const char **why);
/* Has the peer acknowledged more than what it says here that it has received?  Then it said so before that. */
bool session_has_moved_on(const struct session *s, uint64_t received);

/* ---- looking ---- */

bool session_idle(const struct session *s);        /* nothing queued, nothing unacknowledged */
int64_t session_heard_ns(const struct session *s); /* when the last frame came; 0: never */
int64_t session_confirmed_ns(
    const struct session *s); /* when the newest frame was *sent* that has been acknowledged */
int64_t session_unacked_ns(
    const struct session *s); /* when the oldest unacknowledged frame was first sent; 0: none */
size_t session_queued_bytes(const struct session *s); /* kept for resending, and queued */

#endif
