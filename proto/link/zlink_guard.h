/* zlink_guard.h - who may connect to a listener, and a word on those who may not.   SPDX-License-Identifier: MIT
 *
 * A goroutine of its own: it alone has the sockets by which ZeroMQ asks whether a client's key is one of those that may
 * connect (ZAP), and by which it tells of handshakes that failed.  Nothing of it lies on the way of frames. */
#ifndef PROTO_LINK_ZLINK_GUARD_H
#define PROTO_LINK_ZLINK_GUARD_H

#include "proto/link/zlink.h"

struct zlink_guard;

/* Guards the socket, which is not bound yet.  how->clients is taken if NULL is there afterwards, whatever the result: 0,
 * -ENOMEM, -EMFILE ... */
int zlink_guard_start(void *context, void *socket, struct zlink_listening *how,
                      struct zlink_guard **out);

/* Takes the list.  Any goroutine. */
void zlink_guard_admit(struct zlink_guard *g, struct key_list *clients);

/* Before the socket is closed, by its owner; parks until the goroutine has ended.  NULL is fine. */
void zlink_guard_stop(struct zlink_guard *g, void *socket);

#endif
