/* inside.h - struct rn_node, for the files that make up the link goroutine.   SPDX-License-Identifier: MIT
 *
 * life.c (open, close), loop.c (the link goroutine), request.c (what it is asked), connection.c (sessions), traffic.c (what
 * goes out) with turns.c (elements), incoming.c (what comes in), node.c and error.c (what operators share with it), bind.c,
 * query.c and call.c (who asks). */
#ifndef NODE_INSIDE_H
#define NODE_INSIDE_H

#include "node/call.h"
#include "node/clock.h"
#include "node/crowd.h"
#include "node/route.h"
#include "node/handle.h"
#include "node/inspection.h"
#include "node/node.h"
#include "node/trail.h"
#include "node/uplink.h"
#include "proto/keyed.h"
#include "proto/limits.h"

#include <pthread.h>

#define STARVED_NS (10 * RN_MS) /* when something found no memory it is tried again after this */

enum request_what {
    REQUEST_BIND,    /* side: has been made SIDE_PENDING */
    REQUEST_ABANDON, /* side: who asked for the bind has left */
    REQUEST_QUERY,
    REQUEST_REPORT, /* inspection: comes back with a Report */
    REQUEST_CLOSE,  /* drain, say goodbye, end */
    REQUEST_ABORT,  /* the drain has taken too long: end now */
    REQUEST_CRASH,  /* end without a word */
};

struct request {
    struct request *next;
    enum request_what what;
    struct side *side;   /* with references to its handle and its channel */
    struct query *query; /* a reference */
    struct inspection *inspection;
    rn_chan *reply; /* a reference, or NULL */
};

/* A question that collects answers; shared by who asks and the link goroutine. */
struct answer_frame {
    struct answer_frame *next;
    struct frame *frame;
};
struct query {
    atomic_uint refs;
    struct wire_control question; /* its strings are in name and node */
    bool
        said; /* owned by the link goroutine: in a session; what changes something is not said in another */
    char name[WIRE_NAME_MAX + 1];
    char node[WIRE_TEXT_MAX + 1];
    rn_chan *done;    /* one int: 0 or why it ended */
    atomic_uint came; /* so many frames with answers, so far */
    uint32_t id; /* owned by the link goroutine until done, as the next two; then by the asker */
    struct answer_frame *frames, **frames_end;
    struct frame *newest; /* the last of frames */
    UT_hash_handle hh;
};
void query_unref(struct query *q);

/* What an end comes to, told to rn_node_close and rn__node_crash. */
struct ending {
    int rc;
    uint64_t unsent;
};

enum node_stage { NODE_OPENING, NODE_OPEN, NODE_CLOSING, NODE_ENDED };

struct rn_node {
    atomic_uint refs;

    /* Fixed. */
    char *name;
    char *urls; /* n_urls strings, one after the other */
    unsigned n_urls;
    uint8_t instance[16];
    uint64_t lease_ms; /* asked for; 0: the broker's default */
    struct link *link; /* its functions but link_wake() are the link goroutine's */
    rn_chan *opened;   /* of int: what rn_node_open waits for; cap 1 */
    rn_chan *ended;    /* of struct ending; cap 1 */

    /* Any thread, atomic. */
    _Atomic(struct handle *)
        dirty;          /* a stack of marked handles, linked by dirty_next, each with a reference */
    atomic_bool asleep; /* the link goroutine is in link_recv or about to: wake it */
    _Atomic int64_t fence_ns, end_ns;         /* rn__boottime(); written by the link goroutine */
    _Atomic int64_t ended_ns;                 /* an operation has acted on this end_ns; 0: none */
    _Atomic int64_t confirmed_ns, unacked_ns; /* as uplink_facts has them */
    atomic_bool fenced; /* an operation met the fence since the handles were last served */
    atomic_int doubts;
    atomic_bool up;
    atomic_bool down;    /* the link goroutine collects nothing any more */
    atomic_bool knocked; /* somebody cannot wait for what is tentative, see traffic_knocks() */
    struct chunk_pool chunks;
    struct crowd crowds[CROWD_KINDS]; /* the first is nobody's */
    struct trails trails;
    struct routes routes; /* these two have locks of their own */
    struct calls calls;
    atomic_uint welcomes; /* that have come */

    pthread_mutex_t lock; /* guards the next four; never held across anything that parks */
    struct request *requests, **requests_end;
    bool deaf; /* takes no more requests */
    char why[WIRE_TEXT_MAX + 1];

    /* The link goroutine's. */
    enum node_stage stage;
    struct uplink uplink;
    struct session *session; /* NULL: none */
    uint64_t leased;         /* the id of the session that end_ns is of */
    link_peer peer;          /* 0: no connection */
    struct keyed sides;      /* struct side by id: Bind was sent, and it is not over */
    struct query *queries;   /* by id */
    struct inspection *inspections;
    struct handle_list handles; /* all with a side that is neither none nor over */
    struct handle_list turns;   /* those with data, in turn */
    struct handle_list parked;  /* of them those whose next piece waits until others have arrived */
    struct handle_list meets;   /* those with something tentative */
    int64_t yield_ns;           /* when one of these gives up waiting; INT64_MAX: none does */
    struct handle_list times;   /* those with something that expires */
    int64_t expire_ns;          /* when the first of that does; INT64_MAX: nothing */
    struct home_clock clock;
    struct handle *held; /* marked handles that wait for a connection, linked by dirty_next */
    struct frame_writer writer; /* sections that are not in the session yet */
    bool writer_piece;          /* one of them is a piece */
    uint32_t binds, query_ids;  /* numbers given */
    bool binds_due;             /* a handle may have a bind that could not be said yet */
    uint64_t unsent;            /* of handles that are over, while closing */
    unsigned hangups;           /* in the middle of what is encrypted, since the last Welcome */
    int64_t hangups_ns;         /* the first of them */
    unsigned handed; /* receives that were given all that they waited for, since input was taken */
    bool heaps;      /* more came than those could take */
    bool starved;    /* something found no memory: try again soon */
    bool aborted;
};

/* ---- node.c ---- */
/* Wakes the link goroutine if it sleeps.  Any thread. */
void node_poke(struct rn_node *n);

/* ---- request.c ---- */
/* Hands r over (takes it).  0, or -ESHUTDOWN: the node has ended, and r is still the caller's. */
int node_submit(struct rn_node *n, struct request *r);
struct request *request_new(enum request_what what);
void request_side(struct request *r, struct side *side); /* what it is about */
void request_free(struct request *r);
bool node_has_requests(struct rn_node *n);
void node_serve_requests(struct rn_node *n);
/* No more requests are accepted; those that were are told -ESHUTDOWN. */
void node_answer_the_rest(struct rn_node *n);

/* ---- connection.c ---- */
/* The session is over: everything that belongs to it fails with rc. */
void node_session_over(struct rn_node *n, int rc);
/* The connection is of no more use. */
void node_broken(struct rn_node *n);
/* The same, and it is known why. */
void node_lost(struct rn_node *n, enum link_why why);
/* A frame came on the connection. */
void node_frame(struct rn_node *n, struct frame *frame);
/* Does what the uplink says is due. */
void node_step(struct rn_node *n);
struct uplink_facts node_facts(struct rn_node *n);
/* Tells operators what the lease allows from now on, and serves those whom that lets go on. */
void node_publish(struct rn_node *n);
/* Sends Bind for all that is pending. */
void node_ask_again(struct rn_node *n);
const char *node_url(const struct rn_node *n, unsigned i);

/* ---- loop.c ---- */
void node_run(void *node); /* the link goroutine */

/* ---- life.c ---- */
/* What rn_node_open waits for, once. */
void node_opened(struct rn_node *n, int rc);

/* ---- traffic.c ---- */
/* Puts what the session has to send on the link.  0, or < 0: the connection is of no more use. */
int traffic_pump(struct rn_node *n);
/* Collects what marked handles have to say and sends it with the data, as far as the window allows.  The same. */
int traffic_output(struct rn_node *n);
/* Tells the broker the counts that have changed. */
void traffic_counts(struct rn_node *n);
/* Does what was knocked for, connected or not. */
void traffic_knocks(struct rn_node *n);
/* h has got something that expires then. */
void traffic_times(struct rn_node *n, struct handle *h, int64_t expires_ns);
/* Drops what has expired, connected or not. */
void traffic_expire(struct rn_node *n);
/* Takes over the marked handles. */
void traffic_gather(struct rn_node *n);
/* Sends Bind for a pending side, if there is a session. */
void traffic_bind(struct rn_node *n, struct side *side);
void traffic_query(struct rn_node *n, struct query *q);
/* Tells what was taken; 0 or -ENOMEM.  Channel locked. */
int traffic_taken(struct rn_node *n, struct side *side);
/* The handle leaves the node's tables when no side of it is bound any more. */
void traffic_delist(struct rn_node *n, struct handle *h, int rc);
void traffic_reply(struct side *side, int rc);

/* ---- turns.c ---- */
/* The handle has data. */
void turns_add(struct rn_node *n, struct handle *h);
/* It has none, or leaves the node. */
void turns_remove(struct rn_node *n, struct handle *h);
/* Sends data as far as the window allows.  0, or < 0: the connection is of no more use. */
int turns_send(struct rn_node *n);

/* ---- incoming.c ---- */
/* A frame of the session, already taken note of by it.  0, or < 0: the broker broke the protocol or there is no memory;
 * the session cannot go on. */
int incoming_frame(struct rn_node *n, const struct frame_view *view, struct frame *frame);

#endif
