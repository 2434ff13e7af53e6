/* redis.c - Redis: lists, RPUSH in pipelines and BLMPOP of many; or streams.   SPDX-License-Identifier: MIT
 *
 * A list has no bound, so the producer makes one: RPUSH answers how long the list is.  Elements of a stream are acknowledged,
 * and then deleted: XADD, XREADGROUP, XACK and XDEL, as many at once as of lists. */
#include "bench/peers/peer.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIPELINE     64
#define PIPELINE_LEN (1 << 20) /* bytes */
#define LIST_MAX     16384

struct peer_end {
    redisContext *context;
    char list[32];
    bool prompt;
    int unanswered;
    size_t unanswered_bytes;
    redisReply *got; /* elements that have come; `at` is the next */
    size_t at;
};

static bool redis_serve(struct crew *crew, const char *directory, struct peer_url *url)
{
    char port[16];
    char *argv[] = { (char[]){ "redis-server" },
                     (char[]){ "--port" },
                     port,
                     (char[]){ "--bind" },
                     (char[]){ "127.0.0.1" },
                     (char[]){ "--save" },
                     (char[]){ "" },
                     (char[]){ "--appendonly" },
                     (char[]){ "no" },
                     (char[]){ "--dir" },
                     (char *)directory,
                     NULL };

    url->port[0] = peer_free_port();
    snprintf(port, sizeof port, "%d", url->port[0]);
    return crew_exec(crew, CREW_SERVER, argv, -1) == 0 && peer_listens(url->port[0]);
}

static struct peer_end *open_end(const struct peer_url *url, int place)
{
    struct peer_end *e = calloc(1, sizeof *e);

    if (e == NULL)
        return NULL;
    snprintf(e->list, sizeof e->list, "bench.%d", place);
    e->context = redisConnect("127.0.0.1", url->port[0]);
    return e->context != NULL && e->context->err == 0 ? e : NULL;
}

static struct peer_end *redis_sender(const struct peer_url *url, int place, int consumers,
                                     bool prompt)
{
    struct peer_end *e = open_end(url, place);

    (void)consumers;
    if (e != NULL)
        e->prompt = prompt;
    return e;
}

static struct peer_end *redis_receiver(const struct peer_url *url, int place, int number)
{
    (void)number;
    return open_end(url, place);
}

static int answer(struct peer_end *e, long long *length)
{
    redisReply *reply = NULL;
    int rc = redisGetReply(e->context, (void **)&reply) == REDIS_OK && reply != NULL &&
                     reply->type == REDIS_REPLY_INTEGER
                 ? 0
                 : -1;

    if (rc == 0)
        *length = reply->integer;
    freeReplyObject(reply);
    return rc;
}

static int redis_flush(struct peer_end *e)
{
    long long length = 0;
    int rc = 0;

    for (; e->unanswered > 0 && rc == 0; e->unanswered--)
        rc = answer(e, &length);
    e->unanswered_bytes = 0;
    while (rc == 0 && length > LIST_MAX) {
        poll(NULL, 0, 1);
        rc = redisAppendCommand(e->context, "LLEN %s", e->list) == REDIS_OK ? answer(e, &length)
                                                                            : -1;
    }
    return rc;
}

static int redis_send(struct peer_end *e, const void *data, size_t size)
{
    const char *argv[] = { "RPUSH", e->list, data };
    size_t lengths[] = { 5, strlen(e->list), size };

    if (redisAppendCommandArgv(e->context, 3, argv, lengths) != REDIS_OK)
        return -1;
    e->unanswered++;
    e->unanswered_bytes += size;
    if (e->prompt || e->unanswered == PIPELINE || e->unanswered_bytes >= PIPELINE_LEN)
        return redis_flush(e);
    return 0;
}

static int redis_receive(struct peer_end *e, void *head, size_t head_size, size_t size)
{
    if (e->got == NULL) {
        e->got = redisCommand(e->context, "BLMPOP %f 1 %s LEFT COUNT %d", RECEIVE_MS / 1000.0,
                              e->list, size * PIPELINE > PIPELINE_LEN ? 1 : PIPELINE);
        if (e->got == NULL || e->got->type == REDIS_REPLY_ERROR)
            return -1;
        if (e->got->type != REDIS_REPLY_ARRAY) {
            freeReplyObject(e->got);
            e->got = NULL;
            return PEER_SILENCE;
        }
        e->at = 0;
    }
    const redisReply *elements = e->got->element[1]; /* behind the list's name */
    const redisReply *element = elements->element[e->at++];
    if (element->len != size)
        return -1;
    memcpy(head, element->str, head_size);
    if (e->at == elements->elements) {
        freeReplyObject(e->got);
        e->got = NULL;
    }
    return PEER_ELEMENT;
}

const struct peer peer_redis = {
    .name = "redis",
    .serve = redis_serve,
    .sender = redis_sender,
    .receiver = redis_receiver,
    .send = redis_send,
    .flush = redis_flush,
    .receive = redis_receive,
};

/* ---- streams ---- */

static struct peer_end *stream_sender(const struct peer_url *url, int place, int consumers,
                                      bool prompt)
{
    (void)consumers;
    (void)prompt;
    return open_end(url, place);
}

static struct peer_end *stream_receiver(const struct peer_url *url, int place, int number)
{
    struct peer_end *e = open_end(url, place);

    (void)number;
    if (e != NULL) /* it may be there */
        freeReplyObject(redisCommand(e->context, "XGROUP CREATE %s all 0 MKSTREAM", e->list));
    return e;
}

/* One answer of which nothing is wanted but that it is no error. */
static int answered(struct peer_end *e)
{
    redisReply *reply = NULL;
    int rc = redisGetReply(e->context, (void **)&reply) == REDIS_OK && reply != NULL &&
                     reply->type != REDIS_REPLY_ERROR
                 ? 0
                 : -1;

    freeReplyObject(reply);
    return rc;
}

static int stream_flush(struct peer_end *e)
{
    int rc = 0;

    for (long long length = LIST_MAX + 1; rc == 0 && length > LIST_MAX;) {
        rc = redisAppendCommand(e->context, "XLEN %s", e->list) == REDIS_OK ? 0 : -1;
        for (; rc == 0 && e->unanswered > 0; e->unanswered--)
            rc = answered(e);
        if (rc == 0)
            rc = answer(e, &length);
        if (rc == 0 && length > LIST_MAX)
            poll(NULL, 0, 1);
    }
    e->unanswered_bytes = 0;
    return rc;
}

static int stream_send(struct peer_end *e, const void *data, size_t size)
{
    const char *argv[] = { "XADD", e->list, "*", "e", data };
    size_t lengths[] = { 4, strlen(e->list), 1, 1, size };

    if (redisAppendCommandArgv(e->context, 5, argv, lengths) != REDIS_OK)
        return -1;
    e->unanswered++;
    e->unanswered_bytes += size;
    if (e->unanswered == PIPELINE || e->unanswered_bytes >= PIPELINE_LEN)
        return stream_flush(e);
    return 0;
}

/* [[stream, [[id, [field, element]], ...]]] */
static const redisReply *stream_elements(const struct peer_end *e)
{
    return e->got->element[0]->element[1];
}

static int stream_settle(struct peer_end *e, const char *command, const char *group)
{
    const char *argv[3 + PIPELINE] = { command, e->list, group };
    const redisReply *elements = stream_elements(e);
    int n = group != NULL ? 3 : 2;

    for (size_t i = 0; i < elements->elements; i++)
        argv[n++] = elements->element[i]->element[0]->str;
    return redisAppendCommandArgv(e->context, n, argv, NULL) == REDIS_OK ? 0 : -1;
}

/* What was read is settled with the same trip that reads more. */
static int stream_read(struct peer_end *e, size_t size)
{
    bool settles = e->got != NULL;

    if (settles && (stream_settle(e, "XACK", "all") < 0 || stream_settle(e, "XDEL", NULL) < 0))
        return -1;
    freeReplyObject(e->got);
    e->got = NULL;
    e->at = 0;
    if (redisAppendCommand(e->context, "XREADGROUP GROUP all one COUNT %d BLOCK %d STREAMS %s >",
                           size * PIPELINE > PIPELINE_LEN ? 1 : PIPELINE, RECEIVE_MS,
                           e->list) != REDIS_OK ||
        (settles && (answered(e) < 0 || answered(e) < 0)) ||
        redisGetReply(e->context, (void **)&e->got) != REDIS_OK || e->got == NULL ||
        e->got->type == REDIS_REPLY_ERROR)
        return -1;
    if (e->got->type == REDIS_REPLY_ARRAY)
        return PEER_ELEMENT;
    freeReplyObject(e->got);
    e->got = NULL;
    return PEER_SILENCE;
}

static int stream_receive(struct peer_end *e, void *head, size_t head_size, size_t size)
{
    if (e->got == NULL || e->at == stream_elements(e)->elements) {
        int rc = stream_read(e, size);

        if (rc != PEER_ELEMENT)
            return rc;
    }
    const redisReply *element = stream_elements(e)->element[e->at++]->element[1]->element[1];
    if (element->len != size)
        return -1;
    memcpy(head, element->str, head_size);
    return PEER_ELEMENT;
}

const struct peer peer_redis_stream = {
    .name = "redis-stream",
    .serve = redis_serve,
    .sender = stream_sender,
    .receiver = stream_receiver,
    .send = stream_send,
    .flush = stream_flush,
    .receive = stream_receive,
};
