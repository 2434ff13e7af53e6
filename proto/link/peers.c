/* peers.c - see peers.h.   SPDX-License-Identifier: MIT
 *
 * Invariant: each entry is in both tables. */
#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((entry)->lost = true)
#include "proto/link/peers.h"

#include "runtime/assert.h"

#include <stdlib.h>
#include <string.h>

void peers_fini(struct peers *t)
{
    while (t->by_number != NULL)
        peers_forget(t, t->by_number);
}

struct peer_entry *peers_find(const struct peers *t, link_peer number)
{
    struct peer_entry *p;

    HASH_FIND(by_number, t->by_number, &number, sizeof number, p);
    return p;
}

static struct peer_entry *add(struct peers *t, const void *identity, size_t size)
{
    struct peer_entry *p = calloc(1, sizeof *p + size);

    if (p == NULL)
        return NULL;
    p->number = ++t->newest;
    p->size = (uint8_t)size;
    memcpy(p->identity, identity, size);
    HASH_ADD(by_number, t->by_number, number, sizeof p->number, p);
    if (p->lost)
        goto free_entry;
    HASH_ADD(by_identity, t->by_identity, identity, size, p);
    if (p->lost)
        goto leave_table;
    return p;

leave_table:
    HASH_DELETE(by_number, t->by_number, p);
free_entry:
    free(p);
    return NULL;
}

struct peer_entry *peers_meet(struct peers *t, const void *identity, size_t size)
{
    struct peer_entry *p;

    rn_assert(size <= PEER_IDENTITY_MAX);
    HASH_FIND(by_identity, t->by_identity, identity, size, p);
    return p != NULL ? p : add(t, identity, size);
}

void peers_forget(struct peers *t, struct peer_entry *p)
{
    HASH_DELETE(by_number, t->by_number, p);
    HASH_DELETE(by_identity, t->by_identity, p);
    free(p);
}
