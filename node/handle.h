/* handle.h - a local channel that is bound: an rn_chan's other half.   SPDX-License-Identifier: MIT
 *
 * Operators (any goroutine or thread) come in through the channel's operations table; the node's link goroutine
 * comes in through the functions below that say so.  They meet under the channel's lock. */
#ifndef NODE_HANDLE_H
#define NODE_HANDLE_H

#include "node/hand.h"
#include "node/pairing.h"
#include "node/outbox.h"
#include "node/parcel.h"
#include "node/runnel.h"
#include "node/slow.h"
#include "node/store.h"
#include "node/users.h"
#include "proto/link/session.h"
#include "runtime/chan.h"
#include "runtime/sched.h"

#include <uthash.h>

struct handle;

enum side_state {
    SIDE_NONE,    /* not bound in this direction */
    SIDE_PENDING, /* wants to be bound; Bind is sent as soon as there is a session */
    SIDE_BINDING, /* Bind is sent */
    SIDE_BOUND,
    SIDE_UNBINDING, /* Unbind is sent */
    SIDE_OVER,      /* unbound, refused, or its session is over */
};

/* One direction of a handle: a binding of the protocol.  With thousands of handles each operation finds them cold: what each looks
 * at is in one cache line. */
struct side {
    /* codec, confirms and by_hand are fixed from rn_bind on. */
    _Alignas(64) struct rn_codec codec;
    bool confirms, by_hand; /* as opts has it */
    atomic_bool usable;     /* set once bound, for prepare, which holds no lock; never cleared */
    atomic_bool bulky;      /* OUT, a hint: the last element did not fit into a quick send's room */
    int closed; /* < 0: what operations get (IN: once nothing is left); 0: open; guarded by the channel's lock */
    bool messages; /* its codec is rn_codec_msg; fixed as the codec, as the next */
    uint16_t
        flat; /* > 0: each element is so many bytes, its own, and quick: see codec_flat(); else 0 */

    /* What the link goroutine looks at for each section: guarded by the channel's lock, but for id and dir. */
    enum side_state state; /* written by the link goroutine (SIDE_PENDING: by rn_bind) */
    enum rn_dir dir;
    struct handle *handle;
    uint32_t id;      /* the binding's number in the session; the link goroutine's */
    uint32_t waiting; /* operations in the channel's queue of this direction */
    uint32_t muted;   /* of them: tentative elsewhere, so that the home is not asked for them */
    bool close_due,
        unbind_due;  /* to be said to the home as soon as everything before it has been said */
    bool asked_over; /* the home may have answered one asking twice: tell it that nobody waits */
    bool missed;     /* an operation that does not wait was not served: a weak Ask is due */
    int64_t
        asked; /* how many of them the home knows of, as it counts: see side_answered(), side_adjust() */
    int64_t adjusted;   /* rendezvous: what the home has changed that by, in all */
    uint64_t sole;      /* rendezvous: the operation that it knows to be the only one; 0: none */
    int64_t weak_until; /* a weak Ask is out until then, rn__boottime() */

    uint64_t waiting_bytes; /* OUT: of all of them */
    uint64_t asked_first, asked_bytes;
    uint64_t incarnation;
    uint32_t epoch;
    bool closing; /* this end has closed it: the first close or failure decides */
    int close_reason;
    size_t missed_bytes;

    struct rn_bind_opts opts;
    char *type;  /* copy of codec.type */
    bool maker;  /* its bind makes a reply channel */
    bool leaves; /* OUT: it unbinds by itself when the channel ends */

    /* Owned by the link goroutine. */
    rn_chan *reply; /* of int: who waits in rn_bind; a reference, or NULL */
    bool abandoned; /* nobody has the bind: it is undone when its answer comes, or has come */
    struct wire_counts reported; /* OUT: the counts last sent */

    struct users users;
};

/* What each operation looks at comes first, in a line, and one each for sending and receiving. */
struct handle {
    _Alignas(64) atomic_uint refs;
    atomic_bool dirty; /* on the node's list of handles with something to say; see node_mark() */

    /* Guarded by the channel's lock. */
    bool over;        /* the home has no part in it any more: no answer will come */
    bool draining;    /* rn_unbind waits: sends queue */
    bool fans;        /* it is a fanout */
    int fatal;        /* < 0: every operation gets it */
    uint32_t trail;   /* its number on the node's trail; constant */
    int64_t capacity; /* the named channel's; 0: not known */
    uint64_t capacity_bytes;

    rn_chan *chan;        /* the channel's lock guards the handle; a reference while `listed` */
    struct rn_node *node; /* a reference */
    struct handle *dirty_next; /* owned by who set dirty, then by the link goroutine */
    struct hand
        *hand; /* bound IN: of deliveries of which more is to be said than that they are taken */

    _Alignas(64) struct outbox out; /* guarded by the channel's lock, as the next ones */
    uint64_t excluded;              /* numbers not accepted whose send did not give 0, or not yet */
    _Alignas(64) uint64_t popped;   /* elements handed to takers so far */
    uint64_t finished;              /* the first so many were decoded, each in its turn */
    uint64_t taken;                 /* delivery number of the newest of those */
    uint64_t taken_reported;        /* as the home was last told; written by the link goroutine */
    struct parcel_list
        turns;           /* takers that wait until those before them have finished; by number */
    atomic_bool settles; /* there may be something that hand_collect() gives; any thread */
    struct store in;

    struct side side[2]; /* by enum rn_dir; side[RN_OUT].handle != NULL etc. always */

    /* Owned by the link goroutine, but for slow and pairing, which the channel's lock guards. */
    _Alignas(64) TAILQ_ENTRY(handle) turn; /* among those with data to send */
    bool listed, in_turn, in_meets, in_times;
    bool parked; /* in_turn, but among those that wait with a piece */
    struct slow slow;
    struct pairing pairing;
    TAILQ_ENTRY(handle) all;   /* among the node's handles while listed */
    TAILQ_ENTRY(handle) meets; /* among those with something tentative */
    TAILQ_ENTRY(handle) times; /* among those with something that expires */

    char *name;
    struct parcel_pool pool;

    /* Guarded by the channel's lock. */
    struct parcel_list
        verdicts;    /* sends and flushes that wait until their number is accepted; ascending */
    int reason;      /* what rn_chan_err gives; 0 */
    uint64_t broken; /* place in the order of taking of the element that did not decode; 0: none */
    struct parcel_list leavers; /* who waits until the handle is over */
};
TAILQ_HEAD(handle_list, handle);

extern const struct rn__chan_ops handle_ops;

/* A handle for chan, bound to nothing yet; the caller owns a reference.  NULL: no memory. */
struct handle *handle_new(struct rn_node *node, const char *name, rn_chan *chan);
struct handle *handle_ref(struct handle *h);
void handle_unref(struct handle *h);

/* Are the channel's operations ours?  Before rn_bind has succeeded it is a local channel, and who waits in it is not our
 * business.  */
static inline bool handle_attached(const struct handle *h)
{
    return rn__chan_ops(h->chan) == &handle_ops && rn__chan_bound(h->chan) == h;
}

/* Is the channel one of capacity 0? */
static inline bool handle_meets(const struct handle *h)
{
    return h->capacity == WIRE_RENDEZVOUS;
}

/* The handle behind a channel, with a reference; NULL: it is not bound.  Takes the channel's lock. */
struct handle *handle_of(const rn_chan *c);

/* ---- the link goroutine's; they take the channel's lock ---- */
void handle_attributes(struct side *side, const struct wire_attributes *a);
/* `but`: see Credit in proto/runnel.proto. */
void handle_credit(struct handle *h, uint64_t elements, uint64_t bytes, uint64_t but);
int handle_accepted(struct handle *h, uint64_t number); /* 0 or -EPROTO */
/* expires_ns: rn__boottime(), or STORE_NEVER.  < 0: as incoming_frame(); else how many receives, that waited, have it all and
 * will soon be done with it. */
int handle_section(struct handle *h, struct frame *frame, const struct wire_section *s,
                   int64_t expires_ns);
/* Claim, Commit, Abort; 0 or -ENOMEM. */
int handle_pairing(struct side *side, const struct wire_control *c);
/* Tries again what could not be served while the lease was in its last quarter. */
void handle_serve(struct handle *h);
/* The side is closed at the home; `result` is what its operations get, `reason` what rn_chan_err gives. */
void handle_closed(struct side *side, int result, int reason);
/* The home has no part in the handle any more.  Every operation gets rc; elements that left this process and
 * were not accepted stay in doubt. */
void handle_over(struct handle *h, int rc);
/* Every operation gets rc from now on, but the home is still to be told. */
void handle_fail(struct handle *h, int rc);

/* Takes the reference to a bound channel: what was sent is still sent, and then it is unbound, without anybody's waiting for that.
 * Any goroutine or thread. */
void chan_dismiss(rn_chan *c);

/* ---- the channel is locked ---- */
/* A rendezvous: the home has changed the number of those that it knows to wait. */
void side_adjust(struct side *side, int64_t change);
/* If exactly one operation is to be asked for, and it waits on the channel's other side too: its number, else 0. */
uint64_t side_sole(const struct side *side);
/* Is there an operation, or are there none, that the home does not know of? */
bool side_must_ask(const struct side *side);
void handle_serve_locked(struct handle *h);
/* Drops what has expired here; the home is told. */
void handle_expire_locked(struct handle *h);
void handle_fail_locked(struct handle *h, int rc);
/* Drops what lies here and nobody has taken. */
void handle_forget_ahead(struct handle *h);
/* Elements that are neither accepted nor given up, and the ledger for the broker. */
void handle_counts(const struct handle *h, struct wire_counts *out);
uint64_t handle_unsent(const struct handle *h);
/* Puts p among the verdicts and gives 0, or gives what it would be told at once (> 0: covered already). */
int handle_verdict_join(struct handle *h, struct parcel *p, uint64_t number);
/* Asserts its invariants, the ledger among them: sends that gave 0 = confirmed + queued + unknown. */
void handle_check(const struct handle *h);
#ifdef RN_SLOW_CHECKS
#define handle_check_slowly(h) handle_check(h)
#else
#define handle_check_slowly(h) ((void)(h))
#endif

#endif
