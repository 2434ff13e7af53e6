/* memlink.c - a network in memory, with delays, losses and partitions, by seed.   SPDX-License-Identifier: MIT
 *
 * Here are the endpoints and their calls; what lies between them is in memlink_wire.c, what goes wrong in memlink_faults.c.
 * Nothing happens by itself: an endpoint's link_recv looks at its lanes and sleeps until the first frame is due, so all
 * that is random is decided by who calls what when, and by the net's generator. */
#include "proto/link/memlink_inside.h"

#include "runtime/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define URL_PREFIX "mem://"

/* ---- an endpoint's calls ------------------------------------------------------------------- */

static struct side *endpoint_side(struct endpoint *e, link_peer peer)
{
    struct side *s = e->sides;

    while (s != NULL && s->peer != peer)
        s = s->next;
    return s;
}

static int dial_locked(struct endpoint *e, const char *name, link_peer *peer)
{
    struct memnet *net = e->net;
    struct connection *c, **at = &net->pending;
    struct endpoint *to = memlink_find(net, name);

    if (e->killed)
        return -ECONNABORTED;
    c = memlink_connection_new(e->name, name);
    if (c == NULL)
        return -ENOMEM;
    memlink_side_attach(&c->side[0], e);
    *peer = c->side[0].peer;
    if (to != NULL && !to->killed) {
        memlink_side_attach(&c->side[1], to);
        return 0;
    }
    while (*at != NULL)
        at = &(*at)->next;
    *at = c;
    c->pending = true;
    return 0;
}

static int mem_dial(struct link *l, const char *url, link_peer *peer)
{
    struct endpoint *e = (struct endpoint *)l;
    int rc;

    if (strncmp(url, URL_PREFIX, strlen(URL_PREFIX)) != 0 || url[strlen(URL_PREFIX)] == '\0')
        return -EINVAL;
    pthread_mutex_lock(&e->net->lock);
    rc = dial_locked(e, url + strlen(URL_PREFIX), peer);
    pthread_mutex_unlock(&e->net->lock);
    return rc;
}

/* Puts the frame on the way to side s. */
static int side_push(struct memnet *net, struct side *s, struct frame *f)
{
    struct lane *l = &s->in;
    struct partition *partition = memlink_side_partition(net, s);
    int rc;

    if (partition != NULL && partition->lossy)
        l->cut = true;
    if (l->cut) {
        net->stats.lost++;
        return 0;
    }
    rc = memlink_lane_push(l, f, memlink_later(l->due, rn_now() + memlink_delay(net)));
    if (rc < 0)
        return rc;
    if (!l->used)
        memlink_stale_come(net, s);
    l->used = true;
    /* A receiver that knows of an earlier frame of this lane will look again by itself. */
    if (l->n == 1 && s->endpoint != NULL)
        rn__note_set(&s->endpoint->note);
    return 0;
}

/* A frame was sent to s.  true: the trap springs. */
static bool trap_counts(struct trap *t, struct side *s)
{
    if (t->frames == 0 || strcmp(s->name, t->to) != 0 ||
        strcmp(memlink_side_other(s)->name, t->from) != 0)
        return false;
    return --t->frames == 0;
}

static int mem_send(struct link *l, link_peer peer, struct frame *f)
{
    struct endpoint *e = (struct endpoint *)l;
    struct trap trap = { 0 };
    int rc = -EHOSTUNREACH;

    pthread_mutex_lock(&e->net->lock);
    struct side *s = endpoint_side(e, peer);
    if (s != NULL)
        rc = side_push(e->net, memlink_side_other(s), f);
    if (rc == 0) {
        e->net->stats.sent++;
        if (trap_counts(&e->net->trap, memlink_side_other(s)))
            trap = e->net->trap;
    }
    pthread_mutex_unlock(&e->net->lock);
    if (trap.fn != NULL)
        trap.fn(trap.arg);
    return rc;
}

/* When the next event of the lane is due; RN_FOREVER: none is. */
static rn_time side_due(struct memnet *net, struct side *s)
{
    if (s->in.head == NULL)
        return s->in.told ? s->in.down_due : RN_FOREVER;
    return memlink_side_partition(net, s) == NULL ? s->in.head->due : RN_FOREVER;
}

/* The side whose event is due first (the older one of two), and when. */
static struct side *endpoint_first(struct endpoint *e, rn_time *due)
{
    struct side *first = NULL;

    *due = RN_FOREVER;
    for (struct side *s = e->sides; s != NULL; s = s->next) {
        rn_time at = side_due(e->net, s);
        if (at < *due) {
            *due = at;
            first = s;
        }
    }
    return first;
}

static void side_event(struct side *s, struct link_event *event)
{
    struct memnet *net = s->endpoint->net;

    *event = (struct link_event){ .what = LINK_DOWN, .peer = s->peer };
    if (s->in.head == NULL) {
        memlink_side_other(s)->in.cut = true;
        memlink_side_detach(s);
        return;
    }
    event->what = LINK_FRAME;
    event->frame = memlink_lane_pop(&s->in);
    net->stats.delivered++;
}

/* 1 and the event, or an error, or 0 and until when there is nothing to look for. */
static int endpoint_look(struct endpoint *e, struct link_event *event, rn_time deadline,
                         rn_time *until)
{
    rn_time now = rn_now(), due;

    *until = RN_FOREVER;
    if (e->killed)
        return -ECONNABORTED;
    if (e->frozen)
        return 0;
    struct side *s = endpoint_first(e, &due);
    bool ready = s != NULL && due <= now;
    if (!(ready && e->woken_last) && atomic_exchange(&e->woken, false)) {
        e->woken_last = true;
        *event = (struct link_event){ .what = LINK_WOKEN };
        return 1;
    }
    if (ready) {
        e->woken_last = false;
        side_event(s, event);
        return 1;
    }
    if (deadline <= now)
        return RN_ETIMEDOUT;
    *until = due < deadline ? due : deadline;
    return 0;
}

static int mem_recv(struct link *l, struct link_event *event, rn_time deadline)
{
    struct endpoint *e = (struct endpoint *)l;

    for (;;) {
        rn_time until;

        pthread_mutex_lock(&e->net->lock);
        int rc = endpoint_look(e, event, deadline, &until);
        pthread_mutex_unlock(&e->net->lock);
        if (rc != 0)
            return rc < 0 ? rc : 0;
        rn__note_wait(&e->note, -1, 0, until);
    }
}

static void mem_wake(struct link *l)
{
    struct endpoint *e = (struct endpoint *)l;

    if (!atomic_exchange(&e->woken, true))
        rn__note_set(&e->note);
}

static void mem_drop(struct link *l, link_peer peer)
{
    struct endpoint *e = (struct endpoint *)l;

    pthread_mutex_lock(&e->net->lock);
    struct side *s = endpoint_side(e, peer);
    if (s != NULL) {
        memlink_side_cut(e->net, memlink_side_other(s),
                         memlink_chance(e->net, TOLD_PERCENT) ? LOSE_NOTHING : LOSE_SOME);
        memlink_side_detach(s);
    }
    pthread_mutex_unlock(&e->net->lock);
}

static void mem_close(struct link *l)
{
    struct endpoint *e = (struct endpoint *)l, **at;
    struct memnet *net = e->net;

    pthread_mutex_lock(&net->lock);
    while (e->sides != NULL) { /* what was sent arrives: the linger of a good close */
        memlink_side_cut(net, memlink_side_other(e->sides), LOSE_NOTHING);
        memlink_side_detach(e->sides);
    }
    for (at = &net->endpoints; *at != e; at = &(*at)->next)
        continue;
    *at = e->next;
    pthread_mutex_unlock(&net->lock);
    rn__note_fini(&e->note);
    free(e->name);
    free(e);
}

static const struct link_ops mem_ops = {
    mem_dial, mem_send, mem_recv, mem_wake, mem_drop, mem_close
};

/* ---- the net ------------------------------------------------------------------------------- */

struct memnet *memnet_new(const struct memnet_opts *opts)
{
    struct memnet *net = calloc(1, sizeof *net);

    if (net == NULL)
        return NULL;
    pthread_mutex_init(&net->lock, NULL);
    net->opts = *opts;
    net->random = opts->seed;
    return net;
}

void memnet_free(struct memnet *net)
{
    if (net == NULL)
        return;
    rn_assert(net->endpoints == NULL);
    while (net->partitions != NULL) {
        struct partition *p = net->partitions;
        net->partitions = p->next;
        free(p->from);
        free(p->to);
        free(p);
    }
    free(net->trap.from);
    free(net->trap.to);
    memlink_stale_free_all(net);
    pthread_mutex_destroy(&net->lock);
    free(net);
}

/* Whoever dialled this name while it had no endpoint is connected now, oldest first. */
static void endpoint_accept_pending(struct endpoint *e)
{
    struct connection **at = &e->net->pending;

    while (*at != NULL) {
        struct connection *c = *at;
        if (strcmp(c->side[1].name, e->name) != 0) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        c->pending = false;
        memlink_side_attach(&c->side[1], e);
    }
}

struct link *memnet_endpoint(struct memnet *net, const char *name)
{
    struct endpoint *e = calloc(1, sizeof *e);

    if (e == NULL)
        return NULL;
    e->link.ops = &mem_ops;
    e->net = net;
    e->name = strdup(name);
    if (e->name == NULL) {
        free(e);
        return NULL;
    }
    pthread_mutex_lock(&net->lock);
    bool taken = memlink_find(net, name) != NULL;
    if (!taken) {
        rn__note_init(&e->note);
        e->next = net->endpoints;
        net->endpoints = e;
        endpoint_accept_pending(e);
    }
    pthread_mutex_unlock(&net->lock);
    if (!taken)
        return &e->link;
    free(e->name);
    free(e);
    return NULL;
}

void memnet_stats(const struct memnet *net, struct memnet_stats *out)
{
    struct memnet *n = (struct memnet *)net; /* only its lock is changed */

    pthread_mutex_lock(&n->lock);
    *out = n->stats;
    pthread_mutex_unlock(&n->lock);
}
