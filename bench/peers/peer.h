/* peer.h - another system, as a measurement uses it.   SPDX-License-Identifier: MIT
 *
 * Elements go through a place with a number, which is a subject, a list or a pair of sockets.  Or, with systems that have
 * them, through many subjects of one connection in turn. */
#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

#include "node/ctl/measure/crew.h"

#include <stdbool.h>
#include <stddef.h>

#define PLACES_MAX   16 /* a system without names has so many */
#define RECEIVE_MS   200
#define PEER_SILENCE 0 /* of receive: nothing has come for so long */
#define PEER_ELEMENT 1

struct peer_url {
    char text[128];
    char public_text[41], secret_text[41]; /* of who listens; "": not encrypted */
    int port[2 * PLACES_MAX];              /* of systems whose processes listen themselves */
};

/* One end: of one place for receiving, of any for sending. */
struct peer_end;

struct peer {
    const char *name;
    bool encrypts; /* heeds url->public_text */
    /* Starts what stands in between, in a directory of its own, and fills in the URL.  false: it could not. */
    bool (*serve)(struct crew *crew, const char *directory, struct peer_url *url);
    /* Opens ends of place `place`; there are `consumers` that receive there, and this is number `number` of them.  `prompt`:
     * each element is to leave at once.  NULL: it could not. */
    struct peer_end *(*sender)(const struct peer_url *url, int place, int consumers, bool prompt);
    struct peer_end *(*receiver)(const struct peer_url *url, int place, int number);
    /* What they give below 0 is a failure. */
    int (*send)(struct peer_end *end, const void *data, size_t size);
    int (*flush)(struct peer_end *end); /* all that was sent has left this process */
    int (*receive)(struct peer_end *end, void *head, size_t head_size, size_t size);

    /* ---- subjects 0 ... n - 1 of one connection; NULL: it has none ---- */
    struct peer_end *(*many_sender)(const struct peer_url *url, int n);
    struct peer_end *(*many_receiver)(const struct peer_url *url);
    bool (*many_subscribe)(struct peer_end *end, int n); /* to each of them, one by one */
    /* Of the sender, NULL: nothing.  Waits until it knows that all have subscribed. */
    bool (*many_await)(struct peer_end *end, int n);
    int (*many_send)(struct peer_end *end, int subject, const void *data, size_t size);
    /* Of any subject: as receive. */
    int (*many_receive)(struct peer_end *end, void *head, size_t head_size, size_t size);
};

extern const struct peer peer_nats, peer_redis, peer_redis_stream, peer_zmq, peer_zmq_proxy;

/* A port of the loopback interface that nobody listens on at the moment. */
int peer_free_port(void);
/* Waits until somebody listens there. */
bool peer_listens(int port);

#endif
