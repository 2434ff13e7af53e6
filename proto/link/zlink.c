/* zlink.c - see zlink.h.   SPDX-License-Identifier: MIT
 *
 * With the other zlink_*.c all that knows ZeroMQ.  A socket is used by its endpoint's owner goroutine
 * alone, which may move from one worker to another: a switch of goroutines is a full fence, which is what ZeroMQ
 * asks for.
 *
 * The descriptor of a socket (ZMQ_FD) says only that commands wait in the socket's mailbox, and every call on the
 * socket, zmq_msg_send too, may empty that mailbox.  Hence the one invariant of waiting here:
 *   between the last zmq_msg_recv that said EAGAIN and the wait for the descriptor, the socket is not touched.
 * That call emptied the mailbox and found nothing behind it, so it answers what ZMQ_EVENTS would, and whatever
 * comes later makes the descriptor readable.  zlink_recv() is the only place that waits, and always asks first.
 *
 * High-water marks never limit what we send: sessions do.  What a ROUTER receives is limited per connection; ZeroMQ
 * then stops reading from it and the rest stays with the sender.  Within one message ZeroMQ 4.3 has no such limit
 * (only one on each part), so a peer that sends parts without end takes memory until it stops.
 *
 * ZeroMQ is not compiled with ThreadSanitizer, which therefore sees neither how its threads hand over messages
 * nor their locks; it is told below to ignore what the library itself touches, and when a frame goes there and is
 * back. */
#include "proto/link/zlink_inside.h"

#include "proto/limits.h"
#include "proto/spare.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Below this a copy is cheaper than the count of references that ZeroMQ allocates for a buffer of ours. */
#define SEND_COPY_MAX 2048
/* Shorter messages lie in a receive buffer of 8 KiB that they would keep alive. */
#define RECEIVE_COPY_MAX 4096

#define HANDSHAKE_MS 5000

/* Whether a process lives its session finds out, by signs of life.  That a machine is gone, or takes nothing any more, the
 * kernel finds out, at no cost to a connection that is used; ZeroMQ's heartbeats would wake both processes for each. */
#define KEEPALIVE_S       30
#define KEEPALIVE_AGAIN_S 5
#define KEEPALIVE_TIMES   3
#define UNTAKEN_MS        WIRE_LEASE_MAX_MS /* then no session needs what it was for */

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZLINK_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define ZLINK_TSAN 1
#endif
#ifdef ZLINK_TSAN
#include <sanitizer/tsan_interface.h>

const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so\n"
           "called_from_lib:libstdc++.so\n" /* whose only user here is ZeroMQ, as of ... */
           "called_from_lib:libsodium.so\n"
           "race:libzmq.so\n";
}
#else
#define __tsan_acquire(f) ((void)(f))
#define __tsan_release(f) ((void)(f))
#endif

/* A received message as a frame. */
struct zframe {
    struct frame frame;
    zmq_msg_t message;
};

/* ---- ZeroMQ's results ------------------------------------------------------------------------ */

/* zmq_errno() is a real call: unlike errno it is read on the thread that we are on now. */
int zlink_result(int rc)
{
    return rc >= 0 ? rc : -zmq_errno();
}

int zlink_option(void *socket, int name, int value)
{
    return zlink_result(zmq_setsockopt(socket, name, &value, sizeof value));
}

int zlink_socket_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    int rc = zlink_result(zmq_getsockopt(socket, ZMQ_FD, &fd, &size));

    return rc < 0 ? rc : fd;
}

int zlink_settings(void *socket, const struct zlink_setting *s)
{
    int rc = 0;

    for (; rc == 0 && s->name != 0; s++)
        rc = zlink_option(socket, s->name, s->value);
    return rc;
}

int zlink_socket_set(void *socket, const char *url)
{
    static const struct zlink_setting common[] = {
        { ZMQ_SNDHWM, 0 },
        { ZMQ_TCP_KEEPALIVE, 1 },
        { ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_S },
        { ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_AGAIN_S },
        { ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_TIMES },
        { ZMQ_TCP_MAXRT, UNTAKEN_MS },
        { ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
        { 0 },
    };
    int64_t largest = WIRE_FRAME_MAX;
    int rc = zlink_result(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest));

    if (rc == 0)
        rc = zlink_settings(socket, common);
    if (rc == 0)
        rc = zlink_option(socket, ZMQ_IPV6, strchr(url, '[') != NULL);
    return rc;
}

/* ---- frames <-> messages ---------------------------------------------------------------------- */

static struct spare zframes = { .size = sizeof(struct zframe) };

static void zframe_release(struct frame *f)
{
    struct zframe *z = (struct zframe *)f;

    zmq_msg_close(&z->message);
    spare_give(&zframes, z);
}

/* Empties the message and gives a frame of it, or NULL without memory. */
static struct frame *frame_of_message(zmq_msg_t *message)
{
    size_t size = zmq_msg_size(message);
    struct zframe *z;
    struct frame *f;

    if (size <= RECEIVE_COPY_MAX) {
        f = frame_new(size);
        if (f != NULL && size > 0)
            memcpy(f->data, zmq_msg_data(message), size);
        zmq_msg_close(message);
        return f;
    }
    z = spare_take(&zframes);
    if (z == NULL) {
        zmq_msg_close(message);
        return NULL;
    }
    zmq_msg_init(&z->message);
    zmq_msg_move(&z->message, message);
    zmq_msg_close(message);
    atomic_init(&z->frame.refs, 1);
    z->frame.data = zmq_msg_data(&z->message);
    z->frame.len = size;
    z->frame.release = zframe_release;
    return &z->frame;
}

/* Called by ZeroMQ's thread, or by zmq_msg_close(), when a frame's bytes are no longer needed. */
static void message_release(void *data, void *frame)
{
    (void)data;
    __tsan_acquire(frame);
    frame_unref(frame);
}

int zlink_message_of_frame(zmq_msg_t *message, struct frame *f)
{
    int rc;

    if (f->len < SEND_COPY_MAX) {
        rc = zlink_result(zmq_msg_init_size(message, f->len));
        if (rc == 0 && f->len > 0)
            memcpy(zmq_msg_data(message), f->data, f->len);
        return rc;
    }
    frame_ref(f);
    __tsan_release(f);
    rc = zlink_result(zmq_msg_init_data(message, f->data, f->len, message_release, f));
    if (rc < 0)
        frame_unref(f);
    return rc;
}

int zlink_message_send(void *socket, zmq_msg_t *message, int flags)
{
    int rc;

    do
        rc = zlink_result(zmq_msg_send(message, socket, flags | ZMQ_DONTWAIT));
    while (rc == -EINTR);
    if (rc < 0)
        zmq_msg_close(message);
    return rc < 0 ? rc : 0;
}

int zlink_message_receive(void *socket, zmq_msg_t *message)
{
    int rc;

    zmq_msg_init(message);
    do
        rc = zlink_result(zmq_msg_recv(message, socket, ZMQ_DONTWAIT));
    while (rc == -EINTR);
    if (rc < 0)
        zmq_msg_close(message);
    return rc < 0 ? rc : 0;
}

bool zlink_parts_skip(void *socket, bool more)
{
    bool some = more;

    while (more) {
        zmq_msg_t part;

        if (zlink_message_receive(socket, &part) < 0)
            break;
        more = zmq_msg_more(&part) != 0;
        zmq_msg_close(&part);
    }
    return some;
}

int zlink_frame_receive(void *socket, struct frame **out)
{
    zmq_msg_t message;
    int rc = zlink_message_receive(socket, &message);

    if (rc < 0)
        return rc;
    if (zlink_parts_skip(socket, zmq_msg_more(&message) != 0)) {
        zmq_msg_close(&message);
        return -EBADMSG;
    }
    *out = frame_of_message(&message);
    return *out != NULL ? 0 : -EBADMSG;
}

/* ---- both kinds ------------------------------------------------------------------------------- */

struct zlink *zlink_new(const struct link_ops *ops,
                        int (*take)(struct zlink *, struct link_event *))
{
    struct zlink *z = calloc(1, sizeof *z);

    if (z == NULL)
        return NULL;
    z->context = zmq_ctx_new();
    if (z->context == NULL) {
        free(z);
        return NULL;
    }
    z->link.ops = ops;
    z->take = take;
    z->fd = -1;
    atomic_init(&z->woken, false);
    rn__note_init(&z->note);
    return z;
}

void zlink_wake(struct link *l)
{
    struct zlink *z = (struct zlink *)l;

    if (!atomic_exchange(&z->woken, true))
        rn__note_set(&z->note);
}

int zlink_recv(struct link *l, struct link_event *event, rn_time deadline)
{
    struct zlink *z = (struct zlink *)l;

    for (;;) {
        int rc;

        if (atomic_load(&z->woken) && atomic_exchange(&z->woken, false)) {
            *event = (struct link_event){ .what = LINK_WOKEN };
            return 0;
        }
        rc = z->take(z, event);
        if (rc != -EAGAIN)
            return rc;
        if (deadline == RN_NOWAIT)
            return RN_ETIMEDOUT;
        rc = rn__note_wait(&z->note, z->fd, POLLIN, deadline);
        if (rc < 0)
            return rc;
        if (rc & RN__NOTE_FD)
            z->stirred = true;
    }
}

/* Closes sockets and context; lasts as long as their linger. */
static void zlink_shut(void *arg)
{
    struct zlink *z = arg;

    zlink_monitor_close(z->monitor, z->socket);
    if (z->socket != NULL)
        zmq_close(z->socket);
    while (zlink_result(zmq_ctx_term(z->context)) == -EINTR)
        continue;
}

void zlink_free(struct zlink *z)
{
    if (rn_block(zlink_shut, z) < 0)
        zlink_shut(z);
    rn__note_fini(&z->note);
    explicit_bzero(&z->curve, sizeof z->curve);
    free(z);
}
