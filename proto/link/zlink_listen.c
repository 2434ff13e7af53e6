/* zlink_listen.c - the broker's endpoint over ZeroMQ: a ROUTER and the peers it has met.   SPDX-License-Identifier: MIT
 *
 * A peer is known by the identity that ZeroMQ has for its connection.  It may have claimed that, which gains it nothing: it
 * is not taken for who it is.  Of two that claim the same one ZeroMQ ignores the second; it must not hand over
 * (ZMQ_ROUTER_HANDOVER), for then libzmq 4.3.4 aborts now and then ("!_io_error"). */
#include "proto/link/zlink_inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define RECEIVE_HIGH_WATER 1000 /* messages per connection of a listener */
#define BACKLOG            4096 /* so many may come at once; the kernel takes no more */

static int no_dial(struct link *l, const char *url, link_peer *peer)
{
    (void)l, (void)url, (void)peer;
    return -EOPNOTSUPP;
}

/* Who sent that; NULL: no memory, or an identity that no node has: who speaks ZMTP 2.0 may claim one of any length. */
static struct peer_entry *sender_of(struct zlink *z, zmq_msg_t *identity)
{
    size_t size = zmq_msg_size(identity);

    return size <= PEER_IDENTITY_MAX ? peers_meet(&z->peers, zmq_msg_data(identity), size) : NULL;
}

static int listener_take(struct zlink *z, struct link_event *event)
{
    for (;;) {
        zmq_msg_t identity;
        struct frame *f;
        struct peer_entry *p;
        int rc = zlink_message_receive(z->socket, &identity);

        if (rc < 0)
            return rc;
        if (!zmq_msg_more(&identity)) {
            zmq_msg_close(&identity);
            continue;
        }
        rc = zlink_frame_receive(z->socket, &f);
        if (rc < 0) {
            zmq_msg_close(&identity);
            continue;
        }
        p = sender_of(z, &identity);
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
    rc = zlink_message_of_frame(&message, f);
    if (rc < 0)
        return rc;
    rc = zlink_result(zmq_msg_init_size(&identity, p->size));
    if (rc < 0) {
        zmq_msg_close(&message);
        return rc;
    }
    memcpy(zmq_msg_data(&identity), p->identity, p->size);
    rc = zlink_message_send(z->socket, &identity, ZMQ_SNDMORE);
    if (rc < 0) {
        zmq_msg_close(&message);
        if (rc == -EHOSTUNREACH)
            peers_forget(&z->peers, p);
        return rc;
    }
    return zlink_message_send(z->socket, &message, 0);
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
    zlink_guard_stop(z->guard, z->socket);
    zlink_free(z);
}

static int listener_guard(struct zlink *z, struct zlink_listening *how, const char *url)
{
    int rc = zlink_socket_set(z->socket, url);

    if (rc == 0 && how->secret != NULL)
        rc = zlink_curve_listens(z->socket, how->secret);
    if (rc < 0 || (how->clients == NULL && how->tell == NULL))
        return rc;
    return zlink_guard_start(z->context, z->socket, how, &z->guard);
}

static int listener_bind(struct zlink *z, const char *url, char bound[LINK_URL_MAX])
{
    static const char localhost[] = "tcp://localhost:";
    static const struct zlink_setting listeners[] = {
        { ZMQ_ROUTER_MANDATORY, 1 },
        { ZMQ_RCVHWM, RECEIVE_HIGH_WATER },
        { ZMQ_BACKLOG, BACKLOG },
        { ZMQ_LINGER, ZLINK_LINGER_MS },
        { 0 },
    };
    char numeric[LINK_URL_MAX + 16];
    size_t size = LINK_URL_MAX;
    int rc = zlink_settings(z->socket, listeners);

    if (rc < 0)
        return rc;
    /* ZeroMQ takes a name here for that of a network interface. */
    if (strncmp(url, localhost, strlen(localhost)) == 0) {
        snprintf(numeric, sizeof numeric, "tcp://127.0.0.1:%s", url + strlen(localhost));
        url = numeric;
    }
    rc = zlink_result(zmq_bind(z->socket, url));
    if (rc < 0)
        return rc;
    return zlink_result(zmq_getsockopt(z->socket, ZMQ_LAST_ENDPOINT, bound, &size));
}

void zlink_listener_admit(struct link *l, struct key_list *clients)
{
    zlink_guard_admit(((struct zlink *)l)->guard, clients);
}

/* Gives an endpoint with a socket that is not bound. */
static int listener_new(struct zlink_listening *how, const char *url, struct zlink **out)
{
    static const struct link_ops ops = {
        .dial = no_dial,
        .send = listener_send,
        .recv = zlink_recv,
        .wake = zlink_wake,
        .drop = listener_drop,
        .close = listener_close,
    };
    struct zlink *z = zlink_new(&ops, listener_take);
    int rc;

    if (z == NULL)
        return -ENOMEM;
    z->socket = zmq_socket(z->context, ZMQ_ROUTER);
    rc = z->socket != NULL ? listener_guard(z, how, url) : zlink_result(-1);
    if (rc < 0) {
        listener_close(&z->link);
        return rc;
    }
    *out = z;
    return 0;
}

static int listener_open(const char *url, struct zlink_listening *how, char bound[LINK_URL_MAX],
                         struct link **out)
{
    struct zlink *z;
    int rc;

    if (!link_url_valid(url, LINK_URL_LISTEN))
        return -EINVAL;
    rc = listener_new(how, url, &z);
    if (rc < 0)
        return rc;
    rc = listener_bind(z, url, bound);
    if (rc == 0)
        rc = z->fd = zlink_socket_fd(z->socket);
    if (rc < 0) {
        listener_close(&z->link);
        return rc;
    }
    *out = &z->link;
    return 0;
}

/* The list of clients is the guard's once there is one, and ours until then. */
int zlink_listener(const char *url, const struct zlink_listening *how, char bound[LINK_URL_MAX],
                   struct link **out)
{
    struct zlink_listening ours = { 0 };
    int rc;

    if (how != NULL)
        ours = *how;
    rc = listener_open(url, &ours, bound, out);
    key_list_free(ours.clients);
    return rc;
}
