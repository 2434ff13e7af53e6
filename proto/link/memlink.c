/* memlink.c - a network in memory, with delays, losses and partitions, by seed.   SPDX-License-Identifier: MIT
 *
 * A connection is two sides with a lane towards each: frames in the order of sending, each due at a time that never
 * lies before the one ahead of it.  Nothing happens by itself: an endpoint's link_recv looks at its lanes and sleeps
 * until the first frame is due, so all that is random is decided by who calls what when, and by the net's generator.
 *
 * Invariants, all under the net's lock:
 *   a side is in its endpoint's list exactly while its endpoint is not NULL;
 *   a connection exists while one of its sides has an endpoint or is yet to get one (pending);
 *   nothing enters a lane that is cut; a lane on which something was lost is cut, so no stream ever has a hole
 *   that is not at its end - but for what memnet_lose() takes out and what comes again after a break. */
#include "proto/link/memlink.h"

#include "runtime/assert.h"
#include "runtime/note.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define URL_PREFIX   "mem://"
#define TOLD_PERCENT 75 /* how often an end is told that its connection broke */

struct parcel {
    struct parcel *next;
    struct frame *frame;
    rn_time due;
};

struct lane {
    struct parcel *head, *tail;
    size_t n;
    bool used;        /* something has entered */
    rn_time due;      /* of the last that entered */
    bool cut;         /* nothing enters any more */
    bool told;        /* when it is empty a LINK_DOWN comes out ... */
    rn_time down_due; /* ... not before this */
};

struct connection;

struct side {
    struct connection *connection;
    struct endpoint *endpoint; /* NULL: gone, or pending */
    struct side *next;         /* in endpoint->sides */
    char *name;                /* the endpoint's */
    link_peer peer;            /* what the endpoint calls this connection */
    struct lane in;            /* towards this side */
};

struct connection {
    struct side side[2];     /* 0 dialled */
    struct connection *next; /* in net->pending */
    bool pending;            /* side 1 has no endpoint yet */
};

struct endpoint {
    struct link link;
    struct memnet *net;
    struct endpoint *next; /* in net->endpoints */
    char *name;
    struct side *sides; /* oldest first */
    bool frozen, killed;
    bool woken_last;   /* the last event was LINK_WOKEN: a frame is first now; the owner's */
    atomic_bool woken; /* link_wake() was called; no lock */
    struct rn__note note;
};

/* Nothing arrives at `to` from `from`. */
struct partition {
    struct partition *next;
    char *from, *to;
    bool lossy;
};

/* Waits for frames from `from` to `to`. */
struct trap {
    char *from, *to;
    uint64_t frames; /* still to be sent; 0: it is not set */
    void (*fn)(void *arg);
    void *arg;
};

/* What a break has lost between two names, to come on their next connection. */
struct stale {
    struct stale *next;
    char *from, *to;
    struct lane frames;
};

struct memnet {
    pthread_mutex_t
        lock; /* guards all below, and all in endpoints and connections; never held when parking */
    uint64_t random;
    struct memnet_opts opts;
    struct endpoint *endpoints;
    struct connection *pending; /* oldest first */
    struct partition *partitions;
    struct trap trap;
    struct stale *stale; /* at most one of each pair */
    link_peer last_peer;
    struct memnet_stats stats;
};

/* ---- chance -------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t net_random(struct memnet *net)
{
    uint64_t z = net->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t net_below(struct memnet *net, uint64_t n)
{
    return net_random(net) % n;
}

static bool net_chance(struct memnet *net, unsigned percent)
{
    return net_below(net, 100) < percent;
}

static rn_time net_delay(struct memnet *net)
{
    int64_t span = net->opts.delay_max_ns - net->opts.delay_min_ns;

    return net->opts.delay_min_ns + (span > 0 ? (int64_t)net_below(net, (uint64_t)span + 1) : 0);
}

/* ---- lanes --------------------------------------------------------------------------------- */

static rn_time later(rn_time a, rn_time b)
{
    return a > b ? a : b;
}

static int lane_push(struct lane *l, struct frame *f, rn_time due)
{
    struct parcel *p = malloc(sizeof *p);

    if (p == NULL)
        return -ENOMEM;
    *p = (struct parcel){ .frame = frame_ref(f), .due = due };
    l->due = due;
    if (l->tail == NULL)
        l->head = p;
    else
        l->tail->next = p;
    l->tail = p;
    l->n++;
    return 0;
}

static struct frame *lane_pop(struct lane *l)
{
    struct parcel *p = l->head;
    struct frame *f = p->frame;

    l->head = p->next;
    if (l->head == NULL)
        l->tail = NULL;
    l->n--;
    free(p);
    return f;
}

/* Loses all frames but the first `keep`. */
static void lane_lose(struct memnet *net, struct lane *l, size_t keep)
{
    struct lane kept = { 0 };

    for (; l->head != NULL && kept.n < keep; kept.n++) {
        struct parcel *p = l->head;
        l->head = p->next;
        p->next = NULL;
        if (kept.tail == NULL)
            kept.head = p;
        else
            kept.tail->next = p;
        kept.tail = p;
    }
    while (l->head != NULL) {
        frame_unref(lane_pop(l));
        net->stats.lost++;
    }
    l->head = kept.head;
    l->tail = kept.tail;
    l->n = kept.n;
}

enum loss { LOSE_NOTHING, LOSE_SOME, LOSE_ALL };

/* Nothing enters the lane of s any more; perhaps its end is lost, perhaps s is told. */
static void side_cut(struct memnet *net, struct side *s, enum loss loss)
{
    struct lane *l = &s->in;

    if (loss != LOSE_NOTHING)
        lane_lose(net, l, loss == LOSE_ALL ? 0 : (size_t)net_below(net, l->n + 1));
    l->cut = true;
    if (s->endpoint != NULL && !l->told && (loss != LOSE_SOME || net_chance(net, TOLD_PERCENT))) {
        l->told = true;
        l->down_due = later(l->due, rn_now() + net_delay(net));
    }
    if (s->endpoint != NULL)
        rn__note_set(&s->endpoint->note);
}

/* ---- connections --------------------------------------------------------------------------- */

static struct side *side_other(struct side *s)
{
    struct connection *c = s->connection;

    return s == &c->side[0] ? &c->side[1] : &c->side[0];
}

static void pending_remove(struct connection *c, struct memnet *net)
{
    struct connection **at = &net->pending;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->pending = false;
}

static void connection_free(struct memnet *net, struct connection *c)
{
    for (int i = 0; i < 2; i++) {
        lane_lose(net, &c->side[i].in, 0);
        free(c->side[i].name);
    }
    free(c);
}

static void side_attach(struct side *s, struct endpoint *e)
{
    struct side **at = &e->sides;

    while (*at != NULL)
        at = &(*at)->next;
    *at = s;
    s->next = NULL;
    s->endpoint = e;
    s->peer = ++e->net->last_peer;
}

/* The endpoint of s has done with the connection; frees it when the other one has, too. */
static void side_detach(struct side *s)
{
    struct endpoint *e = s->endpoint;
    struct connection *c = s->connection;
    struct side **at = &e->sides;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->endpoint = NULL;
    s->in.cut = true;
    lane_lose(e->net, &s->in, 0);
    if (c->pending)
        pending_remove(c, e->net);
    if (side_other(s)->endpoint == NULL)
        connection_free(e->net, c);
}

static struct endpoint *net_find(struct memnet *net, const char *name)
{
    struct endpoint *e = net->endpoints;

    while (e != NULL && strcmp(e->name, name) != 0)
        e = e->next;
    return e;
}

static struct partition *net_partition(struct memnet *net, const char *from, const char *to)
{
    struct partition *p = net->partitions;

    while (p != NULL && (strcmp(p->from, from) != 0 || strcmp(p->to, to) != 0))
        p = p->next;
    return p;
}

static struct partition *side_partition(struct memnet *net, struct side *s)
{
    return net->partitions == NULL ? NULL : net_partition(net, side_other(s)->name, s->name);
}

static struct connection *connection_new(const char *from, const char *to)
{
    struct connection *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    for (int i = 0; i < 2; i++) {
        c->side[i].connection = c;
        c->side[i].name = strdup(i == 0 ? from : to);
    }
    if (c->side[0].name != NULL && c->side[1].name != NULL)
        return c;
    free(c->side[0].name);
    free(c->side[1].name);
    free(c);
    return NULL;
}

/* ---- what comes again after a break -------------------------------------------------------- */

static struct stale *stale_find(struct memnet *net, const struct side *from, const struct side *to)
{
    struct stale *s = net->stale;

    while (s != NULL && (strcmp(s->from, from->name) != 0 || strcmp(s->to, to->name) != 0))
        s = s->next;
    return s;
}

static struct stale *stale_new(struct memnet *net, const struct side *from, const struct side *to)
{
    struct stale *s = calloc(1, sizeof *s);

    rn_assert(s != NULL);
    s->from = strdup(from->name);
    s->to = strdup(to->name);
    rn_assert(s->from != NULL);
    rn_assert(s->to != NULL);
    s->next = net->stale;
    net->stale = s;
    return s;
}

static bool greets(const struct frame *f)
{
    struct frame_view view;
    const char *why;
    bool yes = true;

    if (frame_read(&view, f->data, f->len, &why) < 0)
        return yes;
    yes = view.hello != NULL || view.welcome != NULL || view.refusal != NULL;
    frame_view_fini(&view);
    return yes;
}

/* The connection is about to break: by chance what is under way to s is kept for the next one. */
static void stale_keep(struct memnet *net, struct side *s)
{
    struct stale *kept = stale_find(net, side_other(s), s);

    if (net->opts.again_percent == 0 || !net_chance(net, net->opts.again_percent))
        return;
    if (kept == NULL)
        kept = stale_new(net, side_other(s), s);
    lane_lose(net, &kept->frames, 0);
    for (struct parcel *p = s->in.head; p != NULL; p = p->next)
        if (!greets(p->frame))
            rn_assert(lane_push(&kept->frames, p->frame, 0) == 0);
}

/* The first frame of a connection is on its way to s; behind it comes what the last one has lost. */
static void stale_come(struct memnet *net, struct side *s)
{
    struct stale *kept = stale_find(net, side_other(s), s);

    while (kept != NULL && kept->frames.head != NULL) {
        struct frame *f = lane_pop(&kept->frames);

        rn_assert(lane_push(&s->in, f, later(s->in.due, rn_now() + net_delay(net))) == 0);
        frame_unref(f);
        net->stats.again++;
    }
}

static void stale_free_all(struct memnet *net)
{
    while (net->stale != NULL) {
        struct stale *s = net->stale;

        net->stale = s->next;
        lane_lose(net, &s->frames, 0);
        free(s->from);
        free(s->to);
        free(s);
    }
}

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
    struct endpoint *to = net_find(net, name);

    if (e->killed)
        return -ECONNABORTED;
    c = connection_new(e->name, name);
    if (c == NULL)
        return -ENOMEM;
    side_attach(&c->side[0], e);
    *peer = c->side[0].peer;
    if (to != NULL && !to->killed) {
        side_attach(&c->side[1], to);
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
    struct partition *partition = side_partition(net, s);
    int rc;

    if (partition != NULL && partition->lossy)
        l->cut = true;
    if (l->cut) {
        net->stats.lost++;
        return 0;
    }
    rc = lane_push(l, f, later(l->due, rn_now() + net_delay(net)));
    if (rc < 0)
        return rc;
    if (!l->used)
        stale_come(net, s);
    l->used = true;
    /* A receiver that knows of an earlier frame of this lane will look again by itself. */
    if (l->n == 1 && s->endpoint != NULL)
        rn__note_set(&s->endpoint->note);
    return 0;
}

/* A frame was sent to s.  true: the trap springs. */
static bool trap_counts(struct trap *t, struct side *s)
{
    if (t->frames == 0 || strcmp(s->name, t->to) != 0 || strcmp(side_other(s)->name, t->from) != 0)
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
        rc = side_push(e->net, side_other(s), f);
    if (rc == 0) {
        e->net->stats.sent++;
        if (trap_counts(&e->net->trap, side_other(s)))
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
    return side_partition(net, s) == NULL ? s->in.head->due : RN_FOREVER;
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
        side_other(s)->in.cut = true;
        side_detach(s);
        return;
    }
    event->what = LINK_FRAME;
    event->frame = lane_pop(&s->in);
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
        side_cut(e->net, side_other(s),
                 net_chance(e->net, TOLD_PERCENT) ? LOSE_NOTHING : LOSE_SOME);
        side_detach(s);
    }
    pthread_mutex_unlock(&e->net->lock);
}

static void mem_close(struct link *l)
{
    struct endpoint *e = (struct endpoint *)l, **at;
    struct memnet *net = e->net;

    pthread_mutex_lock(&net->lock);
    while (e->sides != NULL) { /* what was sent arrives: the linger of a good close */
        side_cut(net, side_other(e->sides), LOSE_NOTHING);
        side_detach(e->sides);
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
    stale_free_all(net);
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
        side_attach(&c->side[1], e);
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
    bool taken = net_find(net, name) != NULL;
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

/* ---- faults -------------------------------------------------------------------------------- */

static void net_break(struct memnet *net, const char *a, const char *b, enum loss loss)
{
    pthread_mutex_lock(&net->lock);
    struct endpoint *e = net_find(net, a);
    for (struct side *s = e == NULL ? NULL : e->sides; s != NULL; s = s->next) {
        struct side *other = side_other(s);
        if (strcmp(other->name, b) != 0 || (s->in.cut && other->in.cut))
            continue;
        net->stats.breaks++;
        stale_keep(net, s);
        stale_keep(net, other);
        side_cut(net, s, loss);
        side_cut(net, other, loss);
    }
    pthread_mutex_unlock(&net->lock);
}

void memnet_break(struct memnet *net, const char *a, const char *b)
{
    net_break(net, a, b, LOSE_SOME);
}

void memnet_sever(struct memnet *net, const char *a, const char *b, bool lossy)
{
    net_break(net, a, b, lossy ? LOSE_ALL : LOSE_NOTHING);
}

void memnet_trap(struct memnet *net, const char *from, const char *to, uint64_t frames,
                 void (*fn)(void *arg), void *arg)
{
    struct trap t = { .frames = fn != NULL ? frames : 0, .fn = fn, .arg = arg };

    t.from = strdup(from);
    t.to = strdup(to);
    rn_assert(t.from != NULL);
    rn_assert(t.to != NULL);
    pthread_mutex_lock(&net->lock);
    free(net->trap.from);
    free(net->trap.to);
    net->trap = t;
    pthread_mutex_unlock(&net->lock);
}

void memnet_lose(struct memnet *net, const char *a, const char *b)
{
    pthread_mutex_lock(&net->lock);
    struct endpoint *e = net_find(net, b);
    for (struct side *s = e == NULL ? NULL : e->sides; s != NULL; s = s->next) {
        if (strcmp(side_other(s)->name, a) != 0 || s->in.head == NULL)
            continue;
        frame_unref(lane_pop(&s->in));
        net->stats.lost++;
        break;
    }
    pthread_mutex_unlock(&net->lock);
}

static void partition_begin(struct memnet *net, const char *from, const char *to, bool lossy)
{
    struct partition *p = net_partition(net, from, to);

    if (p == NULL) {
        p = calloc(1, sizeof *p);
        rn_assert(p != NULL);
        p->from = strdup(from);
        p->to = strdup(to);
        rn_assert(p->from != NULL);
        rn_assert(p->to != NULL);
        p->next = net->partitions;
        net->partitions = p;
    }
    p->lossy = lossy;
}

static void partition_end(struct memnet *net, const char *from, const char *to)
{
    struct partition *p = net_partition(net, from, to), **at = &net->partitions;

    if (p == NULL)
        return;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    free(p->from);
    free(p->to);
    free(p);
}

/* What a partition does to the frames that are under way to s: they are lost, or come anew when it ends. */
static void side_partitioned(struct memnet *net, struct side *s, bool on, bool lossy)
{
    if (on && lossy && s->in.n > 0) {
        lane_lose(net, &s->in, 0);
        s->in.cut = true;
    }
    if (on)
        return;
    for (struct parcel *p = s->in.head; p != NULL; p = p->next)
        p->due = s->in.due = later(s->in.due, rn_now() + net_delay(net));
    rn__note_set(&s->endpoint->note);
}

void memnet_partition(struct memnet *net, const char *a, const char *b, bool on, bool lossy)
{
    pthread_mutex_lock(&net->lock);
    if (on)
        partition_begin(net, a, b, lossy);
    else
        partition_end(net, a, b);
    struct endpoint *e = net_find(net, b);
    for (struct side *s = e == NULL ? NULL : e->sides; s != NULL; s = s->next)
        if (strcmp(side_other(s)->name, a) == 0)
            side_partitioned(net, s, on, lossy);
    pthread_mutex_unlock(&net->lock);
}

void memnet_freeze(struct memnet *net, const char *name, bool on)
{
    pthread_mutex_lock(&net->lock);
    struct endpoint *e = net_find(net, name);
    if (e != NULL) {
        e->frozen = on;
        rn__note_set(&e->note);
    }
    pthread_mutex_unlock(&net->lock);
}

void memnet_kill(struct memnet *net, const char *name)
{
    pthread_mutex_lock(&net->lock);
    struct endpoint *e = net_find(net, name);
    if (e != NULL && !e->killed) {
        e->killed = true;
        while (e->sides != NULL) {
            side_cut(net, side_other(e->sides), LOSE_SOME);
            side_detach(e->sides);
        }
        rn__note_set(&e->note);
    }
    pthread_mutex_unlock(&net->lock);
}

void memnet_stats(const struct memnet *net, struct memnet_stats *out)
{
    struct memnet *n = (struct memnet *)net; /* only its lock is changed */

    pthread_mutex_lock(&n->lock);
    *out = n->stats;
    pthread_mutex_unlock(&n->lock);
}
