/* zlink.h - a link over ZeroMQ: ROUTER at the broker, DEALER at the node.   SPDX-License-Identifier: MIT
 *
 * Each endpoint has a ZeroMQ context of its own, so closing one waits for its own frames only and nothing is
 * shared between endpoints.  Threads of ZeroMQ block all signals. */
#ifndef PROTO_LINK_ZLINK_H
#define PROTO_LINK_ZLINK_H

#include "proto/link/link.h"
#include "proto/link/url.h"

/* A node's endpoint.  It has one connection at a time: link_dial() drops the former.  URLs are
 * "tcp://HOST:PORT" and "ipc://PATH".  Connecting to a broker that is not there goes on inside until link_drop();
 * LINK_DOWN comes when a connection that had come up breaks, or its handshake fails.
 * NULL: no memory, or no descriptors left. */
struct link *zlink_dialer(void);

/* The broker's endpoint, which listens on url; port 0 or * means any.  `bound` is told where it does listen.
 * LINK_DOWN never comes: a peer that is gone is found out by sending to it (-EHOSTUNREACH).
 * 0 and the link, or -EINVAL (a URL that cannot be one), -EADDRINUSE, -EADDRNOTAVAIL or -ENODEV (no such address
 * on this machine), -EACCES, -ENOENT (ipc: no such folder), -ENOMEM, -EMFILE. */
int zlink_listener(const char *url, char bound[LINK_URL_MAX], struct link **out);

#endif
