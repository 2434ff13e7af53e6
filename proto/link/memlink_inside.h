/* memlink_inside.h - what the memlink files share.   SPDX-License-Identifier: MIT
 *
 * A connection is two sides with a lane towards each: frames in the order of sending, each due at a time that never
 * lies before the one ahead of it.
 *
 * Invariants, all under the net's lock:
 *   a side is in its endpoint's list exactly while its endpoint is not NULL;
 *   a connection exists while one of its sides has an endpoint or is yet to get one (pending);
 *   nothing enters a lane that is cut; a lane on which something was lost is cut, so no stream ever has a hole
 *   that is not at its end - but for what memnet_lose() takes out and what comes again after a break. */
#ifndef PROTO_LINK_MEMLINK_INSIDE_H
#define PROTO_LINK_MEMLINK_INSIDE_H

#include "proto/link/memlink.h"

#include "runtime/note.h"

#include <pthread.h>
#include <stdatomic.h>

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

/* Of all that follows: the net's lock is held. */

/* ---- chance; by the net's generator ---- */
bool memlink_chance(struct memnet *net, unsigned percent);
rn_time memlink_delay(struct memnet *net);

static inline rn_time memlink_later(rn_time a, rn_time b)
{
    return a > b ? a : b;
}

/* ---- lanes ---- */
int memlink_lane_push(struct lane *l, struct frame *f, rn_time due);
/* The first frame of a lane that is not empty: gives the lane's reference. */
struct frame *memlink_lane_pop(struct lane *l);
/* Loses all frames but the first `keep`. */
void memlink_lane_lose(struct memnet *net, struct lane *l, size_t keep);

/* ---- connections ---- */
static inline struct side *memlink_side_other(struct side *s)
{
    struct connection *c = s->connection;

    return s == &c->side[0] ? &c->side[1] : &c->side[0];
}

/* NULL: no memory. */
struct connection *memlink_connection_new(const char *from, const char *to);
void memlink_side_attach(struct side *s, struct endpoint *e);
/* The endpoint of s has done with the connection; frees it when the other one has, too. */
void memlink_side_detach(struct side *s);
enum loss { LOSE_NOTHING, LOSE_SOME, LOSE_ALL };
/* Nothing enters the lane of s any more; perhaps its end is lost, perhaps s is told. */
void memlink_side_cut(struct memnet *net, struct side *s, enum loss loss);

/* ---- who, and from whom nothing arrives; or NULL ---- */
struct endpoint *memlink_find(struct memnet *net, const char *name);
struct partition *memlink_partition(struct memnet *net, const char *from, const char *to);
struct partition *memlink_side_partition(struct memnet *net, struct side *s);

/* ---- what comes again after a break ---- */
/* The connection is about to break: by chance what is under way to s is kept for the next one. */
void memlink_stale_keep(struct memnet *net, struct side *s);
/* The first frame of a connection is on its way to s; behind it comes what the last one has lost. */
void memlink_stale_come(struct memnet *net, struct side *s);
void memlink_stale_free_all(struct memnet *net);

#endif
