/* zlink_inside.h - what the dialer and the listener have in common.   SPDX-License-Identifier: MIT
 *
 * zmq.h is included by the files zlink*.c only. */
#ifndef PROTO_LINK_ZLINK_INSIDE_H
#define PROTO_LINK_ZLINK_INSIDE_H

#include "proto/link/peers.h"
#include "proto/link/zlink.h"
#include "proto/link/zlink_guard.h"
#include "runtime/note.h"

#include <stdatomic.h>

struct zmq_msg_t; /* zmq.h's */

#define ZLINK_LINGER_MS 500

/* Owned by the owner goroutine, but for `note` and `woken`. */
struct zlink {
    struct link link;
    void *context;
    void *socket;     /* dialer: of the one connection, or NULL */
    int fd;           /* what to wait for: the socket's, or the dialer's epoll */
    link_peer newest; /* dialer: the last number that was given out */
    int (*take)(struct zlink *, struct link_event *); /* 0, or -EAGAIN: nothing is there */
    struct rn__note note;                             /* set by zlink_wake(), any thread */
    atomic_bool woken; /* exchanged, so that the note is set once per LINK_WOKEN */

    /* Dialer.  Its fd is an epoll of the descriptors of socket and monitor: it stays while they come and go. */
    void *monitor;     /* with socket */
    bool stirred;      /* fd was ready since the monitor was last looked at */
    bool up, down;     /* the handshake succeeded; the connection is over */
    enum link_why why; /* with down */
    bool encrypts;
    struct zlink_curve curve; /* if it does */

    /* Listener. */
    struct peers peers;
    struct zlink_guard *guard; /* or NULL */
};

/* ---- ZeroMQ's results and options ---- */
/* What a function of ZeroMQ gave, or -errno.  To be called at once. */
int zlink_result(int rc);
int zlink_option(void *socket, int name, int value);
struct zlink_setting {
    int name, value;
};
/* Sets options, up to one of name 0. */
int zlink_settings(void *socket, const struct zlink_setting *s);
/* What both kinds of sockets have in common. */
int zlink_socket_set(void *socket, const char *url);
int zlink_socket_fd(void *socket);

/* ---- CURVE: to be called before the socket connects or is bound, and after zlink_socket_set() ---- */
int zlink_curve_dials(void *socket, const struct zlink_curve *curve);
int zlink_curve_listens(void *socket, const struct key *secret);

/* ---- what ZeroMQ tells of a socket's connections ---- */
/* On error *monitor is what there is of it, for zlink_monitor_close(). */
int zlink_monitor_open(void *context, void *socket, const char *url, int events, void **monitor);
/* 0, or -EAGAIN. */
int zlink_monitor_next(void *monitor, uint16_t *event, uint32_t *value);
/* By the socket's owner.  NULL is fine. */
void zlink_monitor_close(void *monitor, void *socket);

/* ---- frames <-> messages ---- */
int zlink_message_of_frame(struct zmq_msg_t *message, struct frame *f);
/* Empties the message, also on error. */
int zlink_message_send(void *socket, struct zmq_msg_t *message, int flags);
int zlink_message_receive(void *socket, struct zmq_msg_t *message);
/* Reads away the parts that follow the one just received; true: there were some. */
bool zlink_parts_skip(void *socket, bool more);
/* Receives the one part that is a frame.  0 and the frame; -EAGAIN; or -EBADMSG: a message that is none, or for which
 * there is no memory - the session will miss it. */
int zlink_frame_receive(void *socket, struct frame **out);

/* ---- the endpoint ---- */
struct zlink *zlink_new(const struct link_ops *ops,
                        int (*take)(struct zlink *, struct link_event *));
void zlink_wake(struct link *l);
int zlink_recv(struct link *l, struct link_event *event, rn_time deadline);
/* Closes sockets and context, for as long as their linger lasts, and frees it. */
void zlink_free(struct zlink *z);

#endif
