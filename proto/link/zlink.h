/* zlink.h - a link over ZeroMQ: ROUTER at the broker, DEALER at the node.   SPDX-License-Identifier: MIT
 *
 * Each endpoint has a ZeroMQ context of its own, so closing one waits for its own frames only and nothing is
 * shared between endpoints.  Threads of ZeroMQ block all signals. */
#ifndef PROTO_LINK_ZLINK_H
#define PROTO_LINK_ZLINK_H

#include "proto/key.h"
#include "proto/link/link.h"
#include "proto/link/url.h"

/* ---- keys: CURVE, as ZeroMQ has it ---- */

/* A dialer's: its own, and the public one of who listens. */
struct zlink_curve {
    struct key secret, broker;
};

/* The sentence for -ENOTSUP of these. */
extern const char zlink_curve_missing[];
/* A new pair; the public key of a secret one.  0, or -ENOTSUP: this libzmq cannot encrypt. */
int zlink_curve_pair(struct key *public, struct key *secret);
int zlink_curve_public(const struct key *secret, struct key *public);

/* ---- endpoints ---- */

/* A node's endpoint.  It has one connection at a time: link_dial() drops the former.  URLs are
 * "tcp://HOST:PORT" and "ipc://PATH".  Connecting to a broker that is not there goes on inside until link_drop();
 * LINK_DOWN comes when a connection that had come up breaks, or its handshake fails.  With keys, which are copied, its
 * connections are encrypted; curve NULL: they are not.
 * NULL: no memory, or no descriptors left. */
struct link *zlink_dialer(const struct zlink_curve *curve);

/* How a listener listens; all zero: to everybody, in plain text, silently. */
struct zlink_listening {
    const struct key *secret; /* borrowed; with it all connections are encrypted */
    struct key_list *
        clients; /* taken, also on error; with secret: the only keys that may connect; NULL: any may */
    /* Tells, in a sentence, of connections that are refused, at most four a second; or NULL.  Called by a goroutine of the
     * link's until that is closed. */
    void (*tell)(void *arg, const char *sentence);
    void *tell_arg;
};

/* The broker's endpoint, which listens on url; port 0 or * means any.  `bound` is told where it does listen.  how NULL: as
 * all zero.
 * LINK_DOWN never comes: a peer that is gone is found out by sending to it (-EHOSTUNREACH).
 * 0 and the link, or -EINVAL (a URL that cannot be one), -EADDRINUSE, -EADDRNOTAVAIL or -ENODEV (no such address
 * on this machine), -EACCES, -ENOENT (ipc: no such folder), -ENOMEM, -EMFILE. */
int zlink_listener(const char *url, const struct zlink_listening *how, char bound[LINK_URL_MAX],
                   struct link **out);

/* From now on these may connect, in place of those that it began with; connections that are up stay.  Takes the list.  Any
 * goroutine, until the link is closed. */
void zlink_listener_admit(struct link *l, struct key_list *clients);

#endif
