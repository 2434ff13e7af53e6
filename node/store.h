/* store.h - the receiving side of a handle: elements delivered ahead of time.   SPDX-License-Identifier: MIT
 *
 * Pure: no lock, clock or goroutine.  The owner guards it by the channel's lock. */
#ifndef NODE_STORE_H
#define NODE_STORE_H

#include "proto/frame.h"

/* What is left of a section: the first `left` elements of the body from offset `at`. */
struct store_part {
    struct frame *frame; /* a reference: the body lies in it */
    struct wire_section section;
    size_t at;
    uint32_t left;
    uint64_t next; /* delivery number of the first that is left */
};

struct store {
    struct store_part *ring;   /* `parts` of them from index `head` on, in the order of delivery */
    uint32_t cap, head, parts; /* cap is a power of two, or 0 */
    uint64_t len;              /* elements */
    uint64_t newest;           /* the newest delivery number that came */
};

struct store_item {
    struct frame *frame; /* a reference, the caller's */
    const uint8_t *data;
    size_t len;
    uint64_t delivery;
    uint64_t position; /* in its channel */
    uint32_t deliveries;
    uint32_t flags; /* of its section */
};

/* Keeps a checked section that lies in frame (by a reference of its own, or a copy if it is a small part of it).  0, -ENOMEM, or -EPROTO when its
 * delivery numbers do not grow. */
int store_push(struct store *s, struct frame *frame, const struct wire_section *section);

/* Takes the oldest element out.  false: there is none. */
bool store_pop(struct store *s, struct store_item *item);

/* Takes out up to n of the newest elements.  Returns how many, and the delivery number of the first of them
 * (undefined when none). */
uint32_t store_return(struct store *s, uint32_t n, uint64_t *first);

void store_clear(struct store *s);
void store_fini(struct store *s);

#endif
