/* zlink_guard.c - see zlink_guard.h.   SPDX-License-Identifier: MIT
 *
 * The invariant of waiting is zlink.c's: each of the two sockets has said EAGAIN, and was not touched since, when the
 * goroutine waits for their descriptors.
 *
 * Whoever is refused tries again soon, so of each kind of refusal one is told a second, with how many were not. */
#include "proto/link/zlink_guard.h"

#include "proto/link/zlink_inside.h"
#include "runtime/sched.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#define ZAP_URL     "inproc://zeromq.zap.01" /* where ZeroMQ looks for it, in each context */
#define ZAP_DOMAIN  "runnel"
#define MONITOR_URL "inproc://guard"
#define MONITORED   (ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
#define TELL_NS     RN_SEC

enum refusal { REFUSED_STRANGER, REFUSED_MECHANISM, REFUSED_KEY, REFUSED_BEFORE };
#define REFUSALS 4

struct zlink_guard {
    /* Fixed. */
    bool encrypts;
    void (*tell)(void *arg, const char *sentence); /* or NULL */
    void *tell_arg;
    rn_chan *ended; /* closed by the goroutine at its end */

    /* The goroutine's, once it runs. */
    void *zap, *monitor; /* either may be NULL */
    int fd;              /* an epoll of their descriptors */
    struct {
        rn_time next_ns; /* nothing is told before */
        uint64_t untold;
    } refused[REFUSALS];

    struct rn__note note; /* set to end it */
    atomic_bool ending;
    pthread_mutex_t lock;
    struct key_list *clients; /* guarded by lock */
};

/* ---- telling ---- */

static void guard_tell(struct zlink_guard *g, enum refusal why, const char *sentence)
{
    char text[400];
    rn_time now_ns = rn_now();

    if (g->tell == NULL)
        return;
    if (now_ns < g->refused[why].next_ns) {
        g->refused[why].untold++;
        return;
    }
    if (g->refused[why].untold > 0)
        snprintf(text, sizeof text, "%s (and %llu such before)", sentence,
                 (unsigned long long)g->refused[why].untold);
    else
        snprintf(text, sizeof text, "%s", sentence);
    g->refused[why].untold = 0;
    g->refused[why].next_ns = now_ns + TELL_NS;
    g->tell(g->tell_arg, text);
}

/* Of two that do not agree about encryption the one that finds out first hangs up, and to the other the connection has
 * just ended; as one has of which somebody only looked whether the port is open.  A plain listener says nothing of these. */
static void guard_heard(struct zlink_guard *g, uint16_t event, uint32_t value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) {
        if (g->encrypts)
            guard_tell(g, REFUSED_BEFORE, "a connection ended before it was encrypted");
    } else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        guard_tell(g, REFUSED_MECHANISM,
                   g->encrypts ? "refused a connection that is not encrypted"
                               : "refused a connection that is encrypted: it needs --keyfile");
    } else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) {
        guard_tell(g, REFUSED_KEY,
                   "refused a connection of a node that has another public key for this broker");
    }
}

static void guard_look(struct zlink_guard *g)
{
    uint16_t event;
    uint32_t value;

    while (zlink_monitor_next(g->monitor, &event, &value) == 0)
        guard_heard(g, event, value);
}

/* ---- ZAP (ZeroMQ's RFC 27): a question and its answer, each of several parts ---- */

enum { ZAP_VERSION, ZAP_ID, ZAP_DOMAIN_PART, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_KEY };
#define ZAP_PARTS 7

struct zap_question {
    zmq_msg_t part[ZAP_PARTS];
    int n; /* parts that are there; a question of more is none of ours */
    bool more;
};

static void zap_question_fini(struct zap_question *q)
{
    for (int i = 0; i < q->n; i++)
        zmq_msg_close(&q->part[i]);
}

/* 0 or -EAGAIN. */
static int zap_ask(void *socket, struct zap_question *q)
{
    bool more = true;

    q->n = 0;
    while (more && q->n < ZAP_PARTS) {
        int rc = zlink_message_receive(socket, &q->part[q->n]);

        if (rc < 0) {
            zap_question_fini(q);
            return rc;
        }
        more = zmq_msg_more(&q->part[q->n++]) != 0;
    }
    q->more = zlink_parts_skip(socket, more);
    return 0;
}

static bool part_is(zmq_msg_t *part, const char *text)
{
    return zmq_msg_size(part) == strlen(text) &&
           memcmp(zmq_msg_data(part), text, zmq_msg_size(part)) == 0;
}

static bool zap_admits(struct zlink_guard *g, struct zap_question *q)
{
    char sentence[300], text[KEY_TEXT + 1];
    struct key key;
    bool known;

    if (q->n < ZAP_PARTS || q->more || !part_is(&q->part[ZAP_MECHANISM], "CURVE") ||
        zmq_msg_size(&q->part[ZAP_KEY]) != KEY_BYTES)
        return false;
    memcpy(key.bytes, zmq_msg_data(&q->part[ZAP_KEY]), KEY_BYTES);
    pthread_mutex_lock(&g->lock);
    known = key_list_has(g->clients, &key);
    pthread_mutex_unlock(&g->lock);
    if (known)
        return true;
    key_text(&key, text);
    snprintf(sentence, sizeof sentence,
             "refused a node at %.*s: its key %s is not in the list of clients",
             (int)zmq_msg_size(&q->part[ZAP_ADDRESS]),
             (const char *)zmq_msg_data(&q->part[ZAP_ADDRESS]), text);
    guard_tell(g, REFUSED_STRANGER, sentence);
    return false;
}

static void zap_part(void *socket, const void *data, size_t size, int flags)
{
    zmq_msg_t part;

    if (zlink_result(zmq_msg_init_size(&part, size)) < 0)
        return; /* the answer is spoilt, and who asked refuses */
    if (size > 0)
        memcpy(zmq_msg_data(&part), data, size);
    zlink_message_send(socket, &part, flags);
}

static void zap_answer(void *socket, struct zap_question *q, bool admitted)
{
    static const char version[] = "1.0";
    const char *status = admitted ? "200" : "400";

    zap_part(socket, version, strlen(version), ZMQ_SNDMORE);
    if (q->n > ZAP_ID)
        zap_part(socket, zmq_msg_data(&q->part[ZAP_ID]), zmq_msg_size(&q->part[ZAP_ID]),
                 ZMQ_SNDMORE);
    zap_part(socket, status, strlen(status), ZMQ_SNDMORE);
    zap_part(socket, "", 0, ZMQ_SNDMORE); /* in words */
    zap_part(socket, "", 0, ZMQ_SNDMORE); /* a name for the client */
    zap_part(socket, "", 0, 0);           /* more about it */
}

static void guard_answer(struct zlink_guard *g)
{
    struct zap_question q;

    while (zap_ask(g->zap, &q) == 0) {
        zap_answer(g->zap, &q, zap_admits(g, &q));
        zap_question_fini(&q);
    }
}

/* ---- the goroutine ---- */

static void guard_run(void *arg)
{
    struct zlink_guard *g = arg;
    rn_chan *ended = rn_chan_ref(g->ended); /* g may be gone when it is closed */

    while (!atomic_load(&g->ending)) {
        if (g->zap != NULL)
            guard_answer(g);
        if (g->monitor != NULL)
            guard_look(g);
        if (rn__note_wait(&g->note, g->fd, POLLIN, RN_FOREVER) < 0)
            break;
    }
    rn_chan_close(ended);
    rn_chan_unref(ended);
}

/* ---- opening and closing ---- */

static __attribute__((noinline)) int watch(int epoll_fd, void *socket)
{
    struct epoll_event event = { .events = EPOLLIN };
    int fd = zlink_socket_fd(socket);

    if (fd < 0)
        return fd;
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/* ZeroMQ asks for each connection, and lets none in that is not answered for.  But it admits all while there is no such
 * socket: so this one is there before the listener is bound, and while anybody reads what comes by it. */
static int guard_admission(struct zlink_guard *g, void *context, void *socket)
{
    static const struct zlink_setting settings[] = { { ZMQ_LINGER, 0 }, { 0 } };
    int rc;

    g->zap = zmq_socket(context, ZMQ_REP);
    if (g->zap == NULL)
        return zlink_result(-1);
    rc = zlink_settings(g->zap, settings);
    if (rc == 0)
        rc = zlink_result(zmq_bind(g->zap, ZAP_URL));
    if (rc == 0)
        rc = zlink_result(zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)));
    return rc < 0 ? rc : watch(g->fd, g->zap);
}

static int guard_sockets(struct zlink_guard *g, void *context, void *socket)
{
    int rc;

    g->fd = epoll_create1(EPOLL_CLOEXEC);
    if (g->fd < 0)
        return -errno;
    rc = g->clients != NULL ? guard_admission(g, context, socket) : 0;
    if (rc == 0 && g->tell != NULL)
        rc = zlink_monitor_open(context, socket, MONITOR_URL, MONITORED, &g->monitor);
    return rc == 0 && g->monitor != NULL ? watch(g->fd, g->monitor) : rc;
}

static void guard_free(struct zlink_guard *g, void *socket)
{
    zlink_monitor_close(g->monitor, socket);
    if (g->zap != NULL)
        zmq_close(g->zap);
    if (g->fd >= 0)
        rn_fd_close(g->fd);
    rn_chan_unref(g->ended);
    rn__note_fini(&g->note);
    pthread_mutex_destroy(&g->lock);
    key_list_free(g->clients);
    free(g);
}

int zlink_guard_start(void *context, void *socket, struct zlink_listening *how,
                      struct zlink_guard **out)
{
    struct zlink_guard *g = calloc(1, sizeof *g);
    int rc = -ENOMEM;

    if (g == NULL)
        return rc;
    g->encrypts = how->secret != NULL;
    g->tell = how->tell;
    g->tell_arg = how->tell_arg;
    g->clients = how->clients;
    how->clients = NULL;
    g->fd = -1;
    rn__note_init(&g->note);
    atomic_init(&g->ending, false);
    pthread_mutex_init(&g->lock, NULL);
    g->ended = rn_chan_new(0, 0, NULL);
    if (g->ended != NULL)
        rc = guard_sockets(g, context, socket);
    if (rc == 0)
        rc = rn__go_system(guard_run, g, "runnel guard");
    if (rc < 0) {
        guard_free(g, socket);
        return rc;
    }
    *out = g;
    return 0;
}

void zlink_guard_admit(struct zlink_guard *g, struct key_list *clients)
{
    struct key_list *old;

    pthread_mutex_lock(&g->lock);
    old = g->clients;
    g->clients = clients;
    pthread_mutex_unlock(&g->lock);
    key_list_free(old);
}

void zlink_guard_stop(struct zlink_guard *g, void *socket)
{
    if (g == NULL)
        return;
    atomic_store(&g->ending, true);
    rn__note_set(&g->note);
    rn_shield(1);
    rn_hold();
    rn_chan_recv(g->ended, NULL, RN_FOREVER);
    rn_release();
    rn_shield(0);
    guard_free(g, socket);
}
