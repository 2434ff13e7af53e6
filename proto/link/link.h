/* link.h - the seam to the network: an endpoint that sends frames to peers and receives theirs.
 *   SPDX-License-Identifier: MIT
 *
 * Two kinds: zlink (over ZeroMQ) and memlink (in memory, with faults, by seed).  A *peer* is one
 * connection, not who is behind it.  Frames of one peer arrive in order and whole; any number of them
 * may be lost when the connection breaks, with or without a LINK_DOWN: sessions (session.h) repair that.
 *
 * An endpoint has one owner goroutine; it alone calls these, except link_wake(). */
#ifndef PROTO_LINK_LINK_H
#define PROTO_LINK_LINK_H

#include "proto/frame.h"
#include "runtime/rn.h"

typedef uint64_t link_peer; /* never used again for another connection; never 0 */

enum link_what {
    LINK_FRAME, /* a frame came; the receiver takes its reference */
    LINK_DOWN,  /* the connection is known to be broken; its peer number is dead */
    LINK_WOKEN, /* link_wake() was called since the last LINK_WOKEN */
};

/* Why a connection is down: it was up, or nothing more is known; or it never came up. */
enum link_why {
    LINK_WHY_BROKEN,
    LINK_WHY_UNMET,     /* the two could not greet each other */
    LINK_WHY_ENCRYPTED, /* the other side wants encryption, and this one has none */
    LINK_WHY_PLAIN,     /* this side encrypts, the other does not */
    LINK_WHY_KEY, /* the other side hung up when it heard what was encrypted for it: its key is perhaps another */
    LINK_WHY_STRANGER, /* the other side does not want whoever has this key */
};

struct link_event {
    enum link_what what;
    link_peer peer;
    struct frame *frame;
    enum link_why why; /* of LINK_DOWN */
};

struct link;
struct link_ops {
    int (*dial)(struct link *, const char *url, link_peer *peer);
    int (*send)(struct link *, link_peer, struct frame *);
    int (*recv)(struct link *, struct link_event *, rn_time deadline);
    void (*wake)(struct link *);
    void (*drop)(struct link *, link_peer);
    void (*close)(struct link *);
};
struct link {
    const struct link_ops *ops;
};

/* Begins a connection; it may come up later, or never: what is sent before it is up is sent when it is.
 * 0 and the peer, or -EINVAL for a URL that cannot be one, -ENOMEM, -EMFILE ... */
static inline int link_dial(struct link *l, const char *url, link_peer *peer)
{
    return l->ops->dial(l, url, peer);
}

/* Queues a frame for the peer; borrows it (keeps a reference of its own if it must).  Never blocks.
 * 0: it may arrive.  -EHOSTUNREACH: the peer is gone.  -EAGAIN: its queue is full; the session treats
 * that as a broken connection, because its window is smaller than any queue. */
static inline int link_send(struct link *l, link_peer peer, struct frame *f)
{
    return l->ops->send(l, peer, f);
}

/* Waits for the next event, at most until deadline; RN_NOWAIT looks once.  0 and the event, RN_ETIMEDOUT,
 * or an error of the endpoint itself (it is of no more use). */
static inline int link_recv(struct link *l, struct link_event *event, rn_time deadline)
{
    return l->ops->recv(l, event, deadline);
}

/* Makes the owner's link_recv return LINK_WOKEN.  Any goroutine or thread; cheap when already woken. */
static inline void link_wake(struct link *l)
{
    l->ops->wake(l);
}

/* Forgets a connection and closes it if it is ours.  Frames queued for it may be lost. */
static inline void link_drop(struct link *l, link_peer peer)
{
    l->ops->drop(l, peer);
}

/* Closes the endpoint and frees it.  May park for the time that a bounded linger takes (1 s at most). */
static inline void link_close(struct link *l)
{
    if (l != NULL)
        l->ops->close(l);
}

#endif
