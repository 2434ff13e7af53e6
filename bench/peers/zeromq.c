/* zeromq.c - raw ZeroMQ: PUSH to PULL, without anything in between and through zmq_proxy().   SPDX-License-Identifier: MIT
 *
 * One message per element, one copy in, as its own performance programs do; high-water marks as they come.  Many subjects are
 * XPUB to SUB: each message has its subject before the element, and the publisher waits, for the subscriptions before it begins
 * and instead of dropping. */
#include "bench/peers/peer.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct peer_end {
    void *context, *socket;
};

static bool direct_serve(struct crew *crew, const char *directory, struct peer_url *url)
{
    (void)crew;
    (void)directory;
    for (int i = 0; i < 2 * PLACES_MAX; i++)
        url->port[i] = peer_free_port();
    return true;
}

static void *open_socket(void *context, int type)
{
    void *socket = zmq_socket(context, type);
    int linger = 10000, timeout = RECEIVE_MS;

    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if (type != ZMQ_PUSH)
        zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
    return socket;
}

static struct peer_end *open_end(int type)
{
    struct peer_end *e = calloc(1, sizeof *e);

    if (e == NULL)
        return NULL;
    e->context = zmq_ctx_new();
    e->socket = open_socket(e->context, type);
    return e;
}

/* CURVE, if there are keys; who connects has a fresh pair. */
static void encrypt(void *socket, const struct peer_url *url, bool listens)
{
    char public_text[41], secret_text[41];
    int on = 1;

    if (url->public_text[0] == '\0')
        return;
    if (listens) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof on);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, url->secret_text, 40);
        return;
    }
    zmq_curve_keypair(public_text, secret_text);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, url->public_text, 40);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_text, 40);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_text, 40);
}

static bool attach(void *socket, int port, bool bind)
{
    char url[64];

    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", port);
    return (bind ? zmq_bind(socket, url) : zmq_connect(socket, url)) == 0;
}

/* The consumers of place p listen on ports p * PLACES_MAX and on; every producer connects to all. */
static struct peer_end *direct_sender(const struct peer_url *url, int place, int consumers,
                                      bool prompt)
{
    struct peer_end *e = open_end(ZMQ_PUSH);

    (void)prompt;
    if (e != NULL)
        encrypt(e->socket, url, false);
    for (int i = 0; e != NULL && i < consumers; i++)
        if (!attach(e->socket, url->port[place * PLACES_MAX + i], false))
            return NULL;
    return e;
}

static struct peer_end *direct_receiver(const struct peer_url *url, int place, int number)
{
    struct peer_end *e = open_end(ZMQ_PULL);

    if (e != NULL)
        encrypt(e->socket, url, true);
    return e != NULL && attach(e->socket, url->port[place * PLACES_MAX + number], true) ? e : NULL;
}

static int direct_send(struct peer_end *e, const void *data, size_t size)
{
    return zmq_send(e->socket, data, size, 0) >= 0 ? 0 : -1;
}

/* The context waits until all has left. */
static int direct_flush(struct peer_end *e)
{
    zmq_close(e->socket);
    return zmq_ctx_term(e->context);
}

static int direct_receive(struct peer_end *e, void *head, size_t head_size, size_t size)
{
    zmq_msg_t message;

    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, e->socket, 0) < 0)
        return zmq_errno() == EAGAIN ? PEER_SILENCE : -1;
    if (zmq_msg_size(&message) != size)
        return -1;
    memcpy(head, zmq_msg_data(&message), head_size);
    zmq_msg_close(&message);
    return PEER_ELEMENT;
}

/* ---- many subjects ---- */

#define SUBJECT 12 /* bytes, none of which is a prefix of another */

static void subject_put(char *to, int subject)
{
    char text[SUBJECT + 1];

    snprintf(text, sizeof text, "bench.%06u", (unsigned)subject % 1000000);
    memcpy(to, text, SUBJECT);
}

static struct peer_end *many_sender(const struct peer_url *url, int n)
{
    struct peer_end *e = open_end(ZMQ_XPUB);
    int on = 1;

    (void)n;
    if (e == NULL)
        return NULL;
    zmq_setsockopt(e->socket, ZMQ_XPUB_NODROP, &on, sizeof on);
    return attach(e->socket, url->port[0], true) ? e : NULL;
}

static struct peer_end *many_receiver(const struct peer_url *url)
{
    struct peer_end *e = open_end(ZMQ_SUB);
    int unlimited = 0;

    /* A subscription is a message; beyond the high-water mark it would be dropped. */
    if (e != NULL)
        zmq_setsockopt(e->socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
    return e != NULL && attach(e->socket, url->port[0], false) ? e : NULL;
}

static bool many_subscribe(struct peer_end *e, int n)
{
    char subject[SUBJECT];

    for (int k = 0; k < n; k++) {
        subject_put(subject, k);
        if (zmq_setsockopt(e->socket, ZMQ_SUBSCRIBE, subject, SUBJECT) < 0)
            return false;
    }
    return true;
}

static bool many_await(struct peer_end *e, int n)
{
    char subscription[1 + SUBJECT];
    int tries = 0;

    while (n > 0 && tries < 50) {
        if (zmq_recv(e->socket, subscription, sizeof subscription, 0) >= 0)
            n--;
        else
            tries++;
    }
    return n == 0;
}

static int many_send(struct peer_end *e, int subject, const void *data, size_t size)
{
    zmq_msg_t message;

    if (zmq_msg_init_size(&message, SUBJECT + size) < 0)
        return -1;
    subject_put(zmq_msg_data(&message), subject);
    memcpy((char *)zmq_msg_data(&message) + SUBJECT, data, size);
    return zmq_msg_send(&message, e->socket, 0) >= 0 ? 0 : -1;
}

static int many_receive(struct peer_end *e, void *head, size_t head_size, size_t size)
{
    zmq_msg_t message;

    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, e->socket, 0) < 0)
        return zmq_errno() == EAGAIN ? PEER_SILENCE : -1;
    if (zmq_msg_size(&message) != SUBJECT + size)
        return -1;
    memcpy(head, (char *)zmq_msg_data(&message) + SUBJECT, head_size);
    zmq_msg_close(&message);
    return PEER_ELEMENT;
}

const struct peer peer_zmq = {
    .name = "zeromq",
    .encrypts = true,
    .serve = direct_serve,
    .sender = direct_sender,
    .receiver = direct_receiver,
    .send = direct_send,
    .flush = direct_flush,
    .receive = direct_receive,
    .many_sender = many_sender,
    .many_receiver = many_receiver,
    .many_subscribe = many_subscribe,
    .many_await = many_await,
    .many_send = many_send,
    .many_receive = many_receive,
};

/* ---- through a proxy: a thread for each place, ports 2p (producers) and 2p + 1 (consumers) ---- */

static int proxy_main(void *arg)
{
    const struct peer_url *url = arg;
    void *context = zmq_ctx_new();
    void *in[2], *out[2];
    zmq_pollitem_t items[2];

    for (int p = 0; p < 2; p++) {
        in[p] = open_socket(context, ZMQ_PULL);
        out[p] = open_socket(context, ZMQ_PUSH);
        if (!attach(in[p], url->port[2 * p], true) || !attach(out[p], url->port[2 * p + 1], true))
            return 1;
        items[p] = (zmq_pollitem_t){ .socket = in[p], .events = ZMQ_POLLIN };
    }
    /* As zmq_proxy() does for one pair: poll, then take what there is without waiting. */
    for (;;) {
        zmq_poll(items, 2, -1);
        for (int p = 0; p < 2; p++)
            for (int i = 0; i < 1000 && (items[p].revents & ZMQ_POLLIN); i++) {
                zmq_msg_t message;

                zmq_msg_init(&message);
                if (zmq_msg_recv(&message, in[p], ZMQ_DONTWAIT) < 0)
                    break;
                zmq_msg_send(&message, out[p], 0);
            }
    }
}

static bool proxy_serve(struct crew *crew, const char *directory, struct peer_url *url)
{
    return direct_serve(crew, directory, url) &&
           crew_fork(crew, CREW_SERVER, proxy_main, url) == 0 && peer_listens(url->port[0]) &&
           peer_listens(url->port[3]);
}

static struct peer_end *proxy_sender(const struct peer_url *url, int place, int consumers,
                                     bool prompt)
{
    struct peer_end *e = open_end(ZMQ_PUSH);

    (void)consumers;
    (void)prompt;
    return e != NULL && attach(e->socket, url->port[2 * place], false) ? e : NULL;
}

static struct peer_end *proxy_receiver(const struct peer_url *url, int place, int number)
{
    struct peer_end *e = open_end(ZMQ_PULL);

    (void)number;
    return e != NULL && attach(e->socket, url->port[2 * place + 1], false) ? e : NULL;
}

const struct peer peer_zmq_proxy = {
    .name = "zeromq-proxy",
    .serve = proxy_serve,
    .sender = proxy_sender,
    .receiver = proxy_receiver,
    .send = direct_send,
    .flush = direct_flush,
    .receive = direct_receive,
};
