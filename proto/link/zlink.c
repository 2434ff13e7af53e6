/* zlink.c - see zlink.h.   SPDX-License-Identifier: MIT
 *
 * The only file that knows ZeroMQ.  A socket is used by its endpoint's owner goroutine alone, which may move from
 * one worker to another: a switch of goroutines is a full fence, which is what ZeroMQ asks for.
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
 * nor their locks; it is told below to ignore what the library itself touches. */
#include "proto/link/zlink.h"

#include "proto/limits.h"
#include "proto/link/peers.h"
#include "runtime/note.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

/* Below this a copy is cheaper than the count of references that ZeroMQ allocates for a buffer of ours. */
#define SEND_COPY_MAX 2048
/* Shorter messages lie in a receive buffer of 8 KiB that they would keep alive. */
#define RECEIVE_COPY_MAX 4096

#define HEARTBEAT_MS         2000
#define HEARTBEAT_TIMEOUT_MS 15000 /* the answer waits behind a frame of up to 64 MiB */
#define HANDSHAKE_MS         5000
#define CONNECT_MS           5000
#define RETRY_MS             100 /* after a break: by then the owner has closed the socket */
#define RETRY_MAX_MS         200
#define LINGER_MS            500
#define RECEIVE_HIGH_WATER   1000 /* messages per connection of a listener */
#define BACKLOG              1024

#define MONITORED                                                                 \
    (ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |                     \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZLINK_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define ZLINK_TSAN 1
#endif
#ifdef ZLINK_TSAN
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so\n"
           "called_from_lib:libstdc++.so\n" /* whose only user here is ZeroMQ */
           "race:libzmq.so\n";
}
#endif

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
    void *monitor; /* with socket */
    bool stirred;  /* fd was ready since the monitor was last looked at */
    bool up, down; /* the handshake succeeded; the connection is over */

    /* Listener. */
    struct peers peers;
};

/* A received message as a frame. */
struct zframe {
    struct frame frame;
    zmq_msg_t message;
};

/* ---- ZeroMQ's results ------------------------------------------------------------------------ */

/* zmq_errno() is a real call: unlike errno it is read on the thread that we are on now. */
static int result(int rc)
{
    return rc >= 0 ? rc : -zmq_errno();
}

static int option(void *socket, int name, int value)
{
    return result(zmq_setsockopt(socket, name, &value, sizeof value));
}

static int socket_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    int rc = result(zmq_getsockopt(socket, ZMQ_FD, &fd, &size));

    return rc < 0 ? rc : fd;
}

struct setting {
    int name, value;
};

/* Sets options, up to one of name 0. */
static int settings(void *socket, const struct setting *s)
{
    int rc = 0;

    for (; rc == 0 && s->name != 0; s++)
        rc = option(socket, s->name, s->value);
    return rc;
}

/* What both kinds of sockets have in common. */
static int socket_set(void *socket, const char *url)
{
    static const struct setting common[] = {
        { ZMQ_SNDHWM, 0 },
        { ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS },
        { ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS },
        { ZMQ_HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS + HEARTBEAT_MS },
        { ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
        { 0 },
    };
    int64_t largest = WIRE_FRAME_MAX;
    int rc = result(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest));

    if (rc == 0)
        rc = settings(socket, common);
    if (rc == 0)
        rc = option(socket, ZMQ_IPV6, strchr(url, '[') != NULL);
    return rc;
}

/* ---- frames <-> messages ---------------------------------------------------------------------- */

static void zframe_release(struct frame *f)
{
    struct zframe *z = (struct zframe *)f;

    zmq_msg_close(&z->message);
    free(z);
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
    z = malloc(sizeof *z);
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
    frame_unref(frame);
}

static int message_of_frame(zmq_msg_t *message, struct frame *f)
{
    int rc;

    if (f->len < SEND_COPY_MAX) {
        rc = result(zmq_msg_init_size(message, f->len));
        if (rc == 0 && f->len > 0)
            memcpy(zmq_msg_data(message), f->data, f->len);
        return rc;
    }
    frame_ref(f);
    rc = result(zmq_msg_init_data(message, f->data, f->len, message_release, f));
    if (rc < 0)
        frame_unref(f);
    return rc;
}

static int message_send(void *socket, zmq_msg_t *message, int flags)
{
    int rc;

    do
        rc = result(zmq_msg_send(message, socket, flags | ZMQ_DONTWAIT));
    while (rc == -EINTR);
    if (rc < 0)
        zmq_msg_close(message);
    return rc < 0 ? rc : 0;
}

static int message_receive(void *socket, zmq_msg_t *message)
{
    int rc;

    zmq_msg_init(message);
    do
        rc = result(zmq_msg_recv(message, socket, ZMQ_DONTWAIT));
    while (rc == -EINTR);
    if (rc < 0)
        zmq_msg_close(message);
    return rc < 0 ? rc : 0;
}

/* Reads away the parts that follow the one just received; true: there were some. */
static bool parts_skip(void *socket, bool more)
{
    bool some = more;

    while (more) {
        zmq_msg_t part;

        if (message_receive(socket, &part) < 0)
            break;
        more = zmq_msg_more(&part) != 0;
        zmq_msg_close(&part);
    }
    return some;
}

/* Receives the one part that is a frame.  0 and the frame; -EAGAIN; or -EBADMSG: a message that is none, or for which
 * there is no memory - the session will miss it. */
static int frame_receive(void *socket, struct frame **out)
{
    zmq_msg_t message;
    int rc = message_receive(socket, &message);

    if (rc < 0)
        return rc;
    if (parts_skip(socket, zmq_msg_more(&message) != 0)) {
        zmq_msg_close(&message);
        return -EBADMSG;
    }
    *out = frame_of_message(&message);
    return *out != NULL ? 0 : -EBADMSG;
}

/* ---- both kinds ------------------------------------------------------------------------------- */

static struct zlink *zlink_new(const struct link_ops *ops,
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

static void zlink_wake(struct link *l)
{
    struct zlink *z = (struct zlink *)l;

    if (!atomic_exchange(&z->woken, true))
        rn__note_set(&z->note);
}

static int zlink_recv(struct link *l, struct link_event *event, rn_time deadline)
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

    if (z->monitor != NULL) {
        zmq_socket_monitor(z->socket, NULL, 0);
        zmq_close(z->monitor);
    }
    if (z->socket != NULL)
        zmq_close(z->socket);
    while (result(zmq_ctx_term(z->context)) == -EINTR)
        continue;
}

static void zlink_free(struct zlink *z)
{
    if (rn_block(zlink_shut, z) < 0)
        zlink_shut(z);
    rn__note_fini(&z->note);
    free(z);
}

/* ---- dialer ----------------------------------------------------------------------------------- */

static __attribute__((noinline)) int watch(int epoll_fd, int fd, int operation)
{
    struct epoll_event event = { .events = EPOLLIN };

    return epoll_ctl(epoll_fd, operation, fd, &event) == 0 ? 0 : -errno;
}

static void unwatch(struct zlink *z, void *socket)
{
    int fd = socket_fd(socket);

    if (fd >= 0)
        watch(z->fd, fd, EPOLL_CTL_DEL);
}

static int watch_socket(struct zlink *z, void *socket)
{
    int fd = socket_fd(socket);

    return fd < 0 ? fd : watch(z->fd, fd, EPOLL_CTL_ADD);
}

/* Closes the connection, if there is one, and forgets what it had not sent. */
static void dialer_hang_up(struct zlink *z)
{
    if (z->socket == NULL)
        return;
    unwatch(z, z->socket);
    if (z->monitor != NULL) {
        unwatch(z, z->monitor);
        zmq_socket_monitor(z->socket, NULL, 0);
        zmq_close(z->monitor);
        z->monitor = NULL;
    }
    option(z->socket, ZMQ_LINGER, 0);
    zmq_close(z->socket);
    z->socket = NULL;
}

/* Reads what the monitor has to say.  Its messages have two parts: the number of the event and a value, 6 bytes; and
 * the URL. */
static void dialer_look(struct zlink *z)
{
    zmq_msg_t message;

    z->stirred = false;
    while (message_receive(z->monitor, &message) == 0) {
        uint16_t event = 0;

        if (zmq_msg_size(&message) >= sizeof event)
            memcpy(&event, zmq_msg_data(&message), sizeof event);
        parts_skip(z->monitor, zmq_msg_more(&message) != 0);
        zmq_msg_close(&message);
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            z->up = true;
        else
            z->down = true;
    }
}

/* Frames that came before a break are handed on before it is told. */
static int dialer_take(struct zlink *z, struct link_event *event)
{
    struct frame *f;
    int rc;

    if (z->socket == NULL)
        return -EAGAIN;
    for (;;) {
        do
            rc = frame_receive(z->socket, &f);
        while (rc == -EBADMSG);
        if (rc == 0) {
            *event = (struct link_event){ .what = LINK_FRAME, .peer = z->newest, .frame = f };
            return 0;
        }
        if (rc != -EAGAIN)
            return rc;
        if (z->down)
            break;
        if (!z->stirred)
            return -EAGAIN;
        dialer_look(z);
        if (!z->down)
            return -EAGAIN;
    }
    dialer_hang_up(z);
    *event = (struct link_event){ .what = LINK_DOWN, .peer = z->newest };
    return 0;
}

/* ZeroMQ tells of a break through a pair of sockets inside the context. */
static int dialer_monitor(struct zlink *z)
{
    /* With a high-water mark a slow owner would hold up ZeroMQ's thread. */
    static const struct setting monitors[] = { { ZMQ_LINGER, 0 }, { ZMQ_RCVHWM, 0 }, { 0 } };
    char url[64];
    int rc;

    snprintf(url, sizeof url, "inproc://monitor-%llu", (unsigned long long)z->newest);
    rc = result(zmq_socket_monitor(z->socket, url, MONITORED));
    if (rc < 0)
        return rc;
    z->monitor = zmq_socket(z->context, ZMQ_PAIR);
    if (z->monitor == NULL)
        return result(-1);
    rc = settings(z->monitor, monitors);
    if (rc == 0)
        rc = result(zmq_connect(z->monitor, url));
    if (rc == 0)
        rc = watch_socket(z, z->monitor);
    return rc;
}

static int dialer_connect(struct zlink *z, const char *url)
{
    /* Without a pause before the next attempt what is queued could reach the broker on a connection that has not
     * said Hello, before the owner has seen the break; the broker would ignore it. */
    static const struct setting dialers[] = {
        { ZMQ_RECONNECT_IVL, RETRY_MS },
        { ZMQ_RECONNECT_IVL_MAX, RETRY_MAX_MS },
        { ZMQ_CONNECT_TIMEOUT, CONNECT_MS },
        { ZMQ_RCVHWM, 0 },
        { ZMQ_LINGER, 0 },
        { 0 },
    };
    int rc = socket_set(z->socket, url);

    if (rc == 0)
        rc = settings(z->socket, dialers);
    if (rc == 0)
        rc = dialer_monitor(z);
    if (rc == 0)
        rc = result(zmq_connect(z->socket, url));
    if (rc == 0)
        rc = watch_socket(z, z->socket);
    return rc;
}

static int dialer_dial(struct link *l, const char *url, link_peer *peer)
{
    struct zlink *z = (struct zlink *)l;
    int rc;

    if (!link_url_valid(url, LINK_URL_DIAL))
        return -EINVAL;
    dialer_hang_up(z);
    z->socket = zmq_socket(z->context, ZMQ_DEALER);
    if (z->socket == NULL)
        return result(-1);
    z->newest++;
    z->up = z->down = false;
    z->stirred = true;
    rc = dialer_connect(z, url);
    if (rc < 0) {
        dialer_hang_up(z);
        return rc;
    }
    *peer = z->newest;
    return 0;
}

static int dialer_send(struct link *l, link_peer peer, struct frame *f)
{
    struct zlink *z = (struct zlink *)l;
    zmq_msg_t message;
    int rc;

    if (peer != z->newest || z->socket == NULL || z->down)
        return -EHOSTUNREACH;
    rc = message_of_frame(&message, f);
    return rc < 0 ? rc : message_send(z->socket, &message, 0);
}

static void dialer_drop(struct link *l, link_peer peer)
{
    struct zlink *z = (struct zlink *)l;

    if (peer == z->newest)
        dialer_hang_up(z);
}

static __attribute__((noinline)) void dialer_close(struct link *l)
{
    struct zlink *z = (struct zlink *)l;
    int fd = z->fd;

    if (z->monitor != NULL)
        dialer_look(z);
    if (z->socket != NULL && (!z->up || z->down))
        dialer_hang_up(z); /* nobody is there to take what is queued */
    if (z->socket != NULL)
        option(z->socket, ZMQ_LINGER, LINGER_MS);
    zlink_free(z);
    rn_fd_close(fd);
}

static int no_dial(struct link *l, const char *url, link_peer *peer)
{
    (void)l, (void)url, (void)peer;
    return -EOPNOTSUPP;
}

struct link *zlink_dialer(void)
{
    static const struct link_ops ops = {
        .dial = dialer_dial,
        .send = dialer_send,
        .recv = zlink_recv,
        .wake = zlink_wake,
        .drop = dialer_drop,
        .close = dialer_close,
    };
    struct zlink *z = zlink_new(&ops, dialer_take);

    if (z == NULL)
        return NULL;
    z->fd = epoll_create1(EPOLL_CLOEXEC);
    if (z->fd < 0) {
        zlink_free(z);
        return NULL;
    }
    return &z->link;
}

/* ---- listener --------------------------------------------------------------------------------- */

static int listener_take(struct zlink *z, struct link_event *event)
{
    for (;;) {
        zmq_msg_t identity;
        struct frame *f;
        struct peer_entry *p;
        int rc = message_receive(z->socket, &identity);

        if (rc < 0)
            return rc;
        if (!zmq_msg_more(&identity)) {
            zmq_msg_close(&identity);
            continue;
        }
        rc = frame_receive(z->socket, &f);
        if (rc < 0) {
            zmq_msg_close(&identity);
            continue;
        }
        p = peers_meet(&z->peers, zmq_msg_data(&identity), zmq_msg_size(&identity));
        zmq_msg_close(&identity);
        if (p == NULL) {
            frame_unref(f);
            continue;
        }
        *event = (struct link_event){ .what = LINK_FRAME, .peer = p->number, .frame = f };
        return 0;
    }
}

static int listener_send(struct link *l, link_peer peer, struct frame *f)
{
    struct zlink *z = (struct zlink *)l;
    struct peer_entry *p = peers_find(&z->peers, peer);
    zmq_msg_t identity, message;
    int rc;

    if (p == NULL)
        return -EHOSTUNREACH;
    rc = message_of_frame(&message, f);
    if (rc < 0)
        return rc;
    rc = result(zmq_msg_init_size(&identity, p->size));
    if (rc < 0) {
        zmq_msg_close(&message);
        return rc;
    }
    memcpy(zmq_msg_data(&identity), p->identity, p->size);
    rc = message_send(z->socket, &identity, ZMQ_SNDMORE);
    if (rc < 0) {
        zmq_msg_close(&message);
        if (rc == -EHOSTUNREACH)
            peers_forget(&z->peers, p);
        return rc;
    }
    return message_send(z->socket, &message, 0);
}

/* The connection itself is the peer's to close: ZeroMQ 4.3 cannot close one of a ROUTER's. */
static void listener_drop(struct link *l, link_peer peer)
{
    struct zlink *z = (struct zlink *)l;
    struct peer_entry *p = peers_find(&z->peers, peer);

    if (p != NULL)
        peers_forget(&z->peers, p);
}

static void listener_close(struct link *l)
{
    struct zlink *z = (struct zlink *)l;

    peers_fini(&z->peers);
    zlink_free(z);
}

static int listener_bind(struct zlink *z, const char *url, char bound[LINK_URL_MAX])
{
    static const char localhost[] = "tcp://localhost:";
    static const struct setting listeners[] = {
        { ZMQ_ROUTER_MANDATORY, 1 },
        { ZMQ_RCVHWM, RECEIVE_HIGH_WATER },
        { ZMQ_BACKLOG, BACKLOG },
        { ZMQ_LINGER, LINGER_MS },
        { 0 },
    };
    char numeric[LINK_URL_MAX + 16];
    size_t size = LINK_URL_MAX;
    int rc = socket_set(z->socket, url);

    if (rc == 0)
        rc = settings(z->socket, listeners);
    if (rc < 0)
        return rc;
    /* ZeroMQ takes a name here for that of a network interface. */
    if (strncmp(url, localhost, strlen(localhost)) == 0) {
        snprintf(numeric, sizeof numeric, "tcp://127.0.0.1:%s", url + strlen(localhost));
        url = numeric;
    }
    rc = result(zmq_bind(z->socket, url));
    if (rc < 0)
        return rc;
    return result(zmq_getsockopt(z->socket, ZMQ_LAST_ENDPOINT, bound, &size));
}

int zlink_listener(const char *url, char bound[LINK_URL_MAX], struct link **out)
{
    static const struct link_ops ops = {
        .dial = no_dial,
        .send = listener_send,
        .recv = zlink_recv,
        .wake = zlink_wake,
        .drop = listener_drop,
        .close = listener_close,
    };
    struct zlink *z;
    int rc;

    if (!link_url_valid(url, LINK_URL_LISTEN))
        return -EINVAL;
    z = zlink_new(&ops, listener_take);
    if (z == NULL)
        return -ENOMEM;
    z->socket = zmq_socket(z->context, ZMQ_ROUTER);
    rc = z->socket != NULL ? listener_bind(z, url, bound) : result(-1);
    if (rc == 0)
        rc = z->fd = socket_fd(z->socket);
    if (rc < 0) {
        zlink_free(z);
        return rc;
    }
    *out = &z->link;
    return 0;
}
