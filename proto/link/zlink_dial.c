/* zlink_dial.c - a node's endpoint over ZeroMQ: a DEALER with one connection, and its monitor.   SPDX-License-Identifier: MIT
 *
 * A break closes the socket: what it had not sent belongs to a connection that is over, and the session sends it again. */
#include "proto/link/zlink_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#define CONNECT_MS      5000
#define ALLOCATOR_KEEPS (4 << 20) /* bytes; of what is freed at the end of the heap twice as many */
#define RETRY_MS        100       /* after a break: by then the owner has closed the socket */
#define RETRY_MAX_MS    200
#define MONITORED                                                                 \
    (ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |                     \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

static __attribute__((noinline)) int watch(int epoll_fd, int fd, int operation)
{
    struct epoll_event event = { .events = EPOLLIN };

    return epoll_ctl(epoll_fd, operation, fd, &event) == 0 ? 0 : -errno;
}

static void unwatch(struct zlink *z, void *socket)
{
    int fd = zlink_socket_fd(socket);

    if (fd >= 0)
        watch(z->fd, fd, EPOLL_CTL_DEL);
}

static int watch_socket(struct zlink *z, void *socket)
{
    int fd = zlink_socket_fd(socket);

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
        zlink_monitor_close(z->monitor, z->socket);
        z->monitor = NULL;
    }
    zlink_option(z->socket, ZMQ_LINGER, 0);
    zmq_close(z->socket);
    z->socket = NULL;
}

/* What an event says of why there is no connection.  A broker that cannot read what was encrypted for it hangs up without a
 * word; so does one that dies.  One that encrypts, or does not, may find the difference out first, and hang up, too. */
static enum link_why reason(const struct zlink *z, uint16_t event, uint32_t value)
{
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return LINK_WHY_STRANGER;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        if (value != ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
            return LINK_WHY_UNMET;
        return z->encrypts ? LINK_WHY_PLAIN : LINK_WHY_ENCRYPTED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return z->encrypts ? LINK_WHY_KEY : LINK_WHY_UNMET;
    default:
        return LINK_WHY_BROKEN;
    }
}

/* Reads what the monitor has to say. */
static void dialer_look(struct zlink *z)
{
    uint16_t event;
    uint32_t value;

    z->stirred = false;
    while (zlink_monitor_next(z->monitor, &event, &value) == 0) {
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            z->up = true;
        } else {
            if (!z->down)
                z->why = reason(z, event, value);
            z->down = true;
        }
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
            rc = zlink_frame_receive(z->socket, &f);
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
    *event = (struct link_event){ .what = LINK_DOWN, .peer = z->newest, .why = z->why };
    return 0;
}

static int dialer_monitor(struct zlink *z)
{
    char url[64];
    int rc;

    snprintf(url, sizeof url, "inproc://monitor-%llu", (unsigned long long)z->newest);
    rc = zlink_monitor_open(z->context, z->socket, url, MONITORED, &z->monitor);
    return rc < 0 ? rc : watch_socket(z, z->monitor);
}

static int dialer_connect(struct zlink *z, const char *url)
{
    /* Without a pause before the next attempt what is queued could reach the broker on a connection that has not
     * said Hello, before the owner has seen the break; the broker would ignore it. */
    static const struct zlink_setting dialers[] = {
        { ZMQ_RECONNECT_IVL, RETRY_MS },
        { ZMQ_RECONNECT_IVL_MAX, RETRY_MAX_MS },
        { ZMQ_CONNECT_TIMEOUT, CONNECT_MS },
        { ZMQ_RCVHWM, 0 },
        { ZMQ_LINGER, 0 },
        { 0 },
    };
    int rc = zlink_socket_set(z->socket, url);

    if (rc == 0)
        rc = zlink_settings(z->socket, dialers);
    if (rc == 0 && z->encrypts)
        rc = zlink_curve_dials(z->socket, &z->curve);
    if (rc == 0)
        rc = dialer_monitor(z);
    if (rc == 0)
        rc = zlink_result(zmq_connect(z->socket, url));
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
        return zlink_result(-1);
    z->newest++;
    z->up = z->down = false;
    z->why = LINK_WHY_BROKEN;
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
    rc = zlink_message_of_frame(&message, f);
    if (rc < 0)
        return rc;
    rc = zlink_message_send(z->socket, &message, 0);
    /* The queue is never full; but after a handshake that cannot be mended ZeroMQ has none, before we have heard why. */
    return rc == -EAGAIN ? -EHOSTUNREACH : rc;
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
        zlink_option(z->socket, ZMQ_LINGER, ZLINK_LINGER_MS);
    zlink_free(z);
    rn_fd_close(fd);
}

/* The allocator gives the memory of each full frame that ZeroMQ receives back to the system, which has to clear fresh
 * pages for the next one, as long as it has not seen that this process uses larger pieces: glibc learns from the first that
 * is freed (mallopt(3): M_MMAP_THRESHOLD).  So it is shown one, of which no page is touched; whoever has set the thresholds
 * is heeded. */
static void allocator_learns(void)
{
    /* Volatile: else the compiler leaves both out. */
    void *volatile piece = malloc(ALLOCATOR_KEEPS);

    free(piece);
}

struct link *zlink_dialer(const struct zlink_curve *curve)
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
    allocator_learns();
    z->fd = epoll_create1(EPOLL_CLOEXEC);
    if (z->fd < 0) {
        zlink_free(z);
        return NULL;
    }
    z->encrypts = curve != NULL;
    if (curve != NULL)
        z->curve = *curve;
    return &z->link;
}
