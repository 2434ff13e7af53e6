/* keys.h - what encrypts a node's connections: its own key and its brokers'.   SPDX-License-Identifier: MIT */
#ifndef NODE_KEYS_H
#define NODE_KEYS_H

#include "proto/link/zlink.h"

/* The keys that the options or, where these are NULL, the environment name.  Without a file of its own a node has a fresh key.
 * 1: *curve has them; 0: it is not to encrypt; -EINVAL: something is wrong with them, and node_note_error() was told; -ENOTSUP. */
int keys_of_opts(const char *keyfile, const char *broker_key, struct zlink_curve *curve);

#endif
