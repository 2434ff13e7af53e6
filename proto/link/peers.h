/* peers.h - the peers of an endpoint that others dial: identities of connections <-> numbers.
 *   SPDX-License-Identifier: MIT
 *
 * An identity is what the transport calls a connection; a number is what the link calls it. */
#ifndef PROTO_LINK_PEERS_H
#define PROTO_LINK_PEERS_H

#include "proto/link/link.h"

#include <uthash.h>

#define PEER_IDENTITY_MAX 255

struct peer_entry {
    link_peer number;
    bool lost; /* found no room in a table */
    UT_hash_handle by_number, by_identity;
    uint8_t size;
    uint8_t identity[];
};

/* All zero is an empty one.  Owned by the endpoint's owner. */
struct peers {
    link_peer newest;
    struct peer_entry *by_number, *by_identity;
};

void peers_fini(struct peers *t);

/* The peer of that number, or NULL. */
struct peer_entry *peers_find(const struct peers *t, link_peer number);

/* Who has that identity: if nobody has, he is given the next number.  NULL: no memory. */
struct peer_entry *peers_meet(struct peers *t, const void *identity, size_t size);

void peers_forget(struct peers *t, struct peer_entry *p);

#endif
