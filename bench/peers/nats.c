/* nats.c - NATS: nats-server, and its client for C.   SPDX-License-Identifier: MIT */
#include "bench/peers/peer.h"

#include <nats/nats.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer_end {
    natsConnection *connection;
    natsSubscription *subscription;
    char subject[32];
    /* Of many: */
    int n, next;
    char (*subjects)[32];
    natsSubscription **subscriptions;
};

/* It writes {"nats":["nats://127.0.0.1:PORT"],...} into a file named after itself and its pid. */
static bool read_url(const char *path, struct peer_url *url)
{
    char text[512] = "";
    FILE *f = fopen(path, "re");
    char *begin, *end;

    if (f == NULL)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    begin = strstr(text, "nats://");
    end = begin ? strchr(begin, '"') : NULL;
    if (end == NULL)
        return false;
    *end = '\0';
    snprintf(url->text, sizeof url->text, "%.100s", begin);
    return true;
}

static bool nats_serve(struct crew *crew, const char *directory, struct peer_url *url)
{
    char *argv[] = { (char[]){ "nats-server" }, (char[]){ "-a" },
                     (char[]){ "127.0.0.1" },   (char[]){ "-p" },
                     (char[]){ "-1" },          (char[]){ "-l" },
                     (char[]){ "/dev/null" },   (char[]){ "--ports_file_dir" },
                     (char *)directory,         NULL };
    char path[256];

    if (crew_exec(crew, CREW_SERVER, argv, -1) < 0)
        return false;
    snprintf(path, sizeof path, "%s/nats-server_%d.ports", directory,
             (int)crew->member[crew->n - 1].pid);
    for (int tries = 0; tries < 1000 && crew_look(crew) == NULL; tries++) {
        if (read_url(path, url))
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static struct peer_end *open_end(const struct peer_url *url, int place, bool prompt)
{
    struct peer_end *e = calloc(1, sizeof *e);
    natsOptions *options = NULL;

    if (e == NULL || natsOptions_Create(&options) != NATS_OK)
        return NULL;
    snprintf(e->subject, sizeof e->subject, "bench.%d", place);
    natsOptions_SetURL(options, url->text);
    natsOptions_SetSendAsap(options, prompt);
    if (natsConnection_Connect(&e->connection, options) != NATS_OK)
        return NULL;
    return e;
}

static struct peer_end *nats_sender(const struct peer_url *url, int place, int consumers,
                                    bool prompt)
{
    (void)consumers;
    return open_end(url, place, prompt);
}

/* Its client would drop what waits beyond a limit; there is none here, so that it gets every chance. */
static struct peer_end *nats_receiver(const struct peer_url *url, int place, int number)
{
    struct peer_end *e = open_end(url, place, false);

    (void)number;
    if (e == NULL || natsConnection_QueueSubscribeSync(&e->subscription, e->connection, e->subject,
                                                       "all") != NATS_OK)
        return NULL;
    natsSubscription_SetPendingLimits(e->subscription, -1, -1);
    return natsConnection_Flush(e->connection) == NATS_OK ? e : NULL;
}

static int nats_send(struct peer_end *e, const void *data, size_t size)
{
    return natsConnection_Publish(e->connection, e->subject, data, (int)size) == NATS_OK ? 0 : -1;
}

static int nats_flush(struct peer_end *e)
{
    return natsConnection_Flush(e->connection) == NATS_OK ? 0 : -1;
}

static int receive_from(natsSubscription *subscription, void *head, size_t head_size, size_t size)
{
    natsMsg *message = NULL;
    natsStatus status = natsSubscription_NextMsg(&message, subscription, RECEIVE_MS);

    if (status == NATS_TIMEOUT)
        return PEER_SILENCE;
    if (status != NATS_OK || (size_t)natsMsg_GetDataLength(message) != size)
        return -1;
    memcpy(head, natsMsg_GetData(message), head_size);
    natsMsg_Destroy(message);
    return PEER_ELEMENT;
}

static int nats_receive(struct peer_end *e, void *head, size_t head_size, size_t size)
{
    return receive_from(e->subscription, head, head_size, size);
}

/* ---- many ---- */

static bool name_subjects(struct peer_end *e, int n)
{
    e->n = n;
    e->subjects = calloc((size_t)n, sizeof *e->subjects);
    for (int k = 0; e->subjects != NULL && k < n; k++)
        snprintf(e->subjects[k], sizeof *e->subjects, "bench.%d", k);
    return e->subjects != NULL;
}

static struct peer_end *many_sender(const struct peer_url *url, int n)
{
    struct peer_end *e = open_end(url, 0, false);

    return e != NULL && name_subjects(e, n) ? e : NULL;
}

static struct peer_end *many_receiver(const struct peer_url *url)
{
    return open_end(url, 0, false);
}

static bool many_subscribe(struct peer_end *e, int n)
{
    e->subscriptions = calloc((size_t)n, sizeof(natsSubscription *));
    if (e->subscriptions == NULL || !name_subjects(e, n))
        return false;
    for (int k = 0; k < n; k++) {
        natsSubscription **s = &e->subscriptions[k];

        if (natsConnection_SubscribeSync(s, e->connection, e->subjects[k]) != NATS_OK)
            return false;
        natsSubscription_SetPendingLimits(*s, -1, -1);
    }
    return natsConnection_Flush(e->connection) == NATS_OK;
}

static int many_send(struct peer_end *e, int subject, const void *data, size_t size)
{
    return natsConnection_Publish(e->connection, e->subjects[subject], data, (int)size) == NATS_OK
               ? 0
               : -1;
}

/* It waits at the subject whose turn it is with the producer: without a thread or a look at each of them. */
static int many_receive(struct peer_end *e, void *head, size_t head_size, size_t size)
{
    int rc = receive_from(e->subscriptions[e->next], head, head_size, size);

    if (rc == PEER_ELEMENT)
        e->next = e->next + 1 < e->n ? e->next + 1 : 0;
    return rc;
}

const struct peer peer_nats = {
    .name = "nats",
    .serve = nats_serve,
    .sender = nats_sender,
    .receiver = nats_receiver,
    .send = nats_send,
    .flush = nats_flush,
    .receive = nats_receive,
    .many_sender = many_sender,
    .many_receiver = many_receiver,
    .many_subscribe = many_subscribe,
    .many_send = many_send,
    .many_receive = many_receive,
};
