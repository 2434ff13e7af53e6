/* store.h - the receiving side of a handle: elements delivered ahead of time.   SPDX-License-Identifier: MIT
 *
 * Pure: no lock, clock or goroutine.  The owner guards it by the channel's lock. */
#ifndef NODE_STORE_H
#define NODE_STORE_H

#include "proto/copy.h"
#include "proto/piece.h"

/* What is left of a section: the first `left` elements of the body from offset `at`. */
struct store_part {
    struct frame *frame; /* a reference: the body lies in it */
    struct wire_section section;
    size_t at;
    uint32_t left;
    uint64_t next;      /* delivery number of the first that is left */
    int64_t expires_ns; /* STORE_NEVER: it does not */
};

#define STORE_NEVER INT64_MAX

/* Deliveries that have expired here. */
struct store_gap {
    uint64_t first;
    uint32_t count;
};

struct store {
    struct store_part *ring;   /* `parts` of them from index `head` on, in the order of delivery */
    uint32_t cap, head, parts; /* cap is a power of two, or 0 */
    uint32_t timed;            /* parts that expire, and ... */
    int64_t first_ns;          /* ... none of them does before; STORE_NEVER: there are none */
    uint64_t len;              /* elements */
    uint64_t newest;           /* the newest delivery number that came */

    struct assembly coming; /* what comes in pieces; it counts as nothing until it is whole, ... */
    int64_t coming_expires_ns; /* ... and has expired then, if it took too long */

    /* What expires: dropping it must not need memory, so there is room for each timed part in `gaps`. */
    struct store_gap
        *gaps; /* what has expired and was not told yet, in the order in which it was found */
    uint32_t n_gaps, gaps_cap;
};

void store_init(struct store *s);

struct store_item {
    struct frame *frame; /* a reference, the caller's */
    const uint8_t *data;
    size_t len;
    uint64_t delivery;
    uint64_t position; /* in its channel */
    uint32_t deliveries;
    uint32_t flags; /* of its section */
};

/* Keeps a checked section that lies in frame, by a reference of its own.  0, -ENOMEM, or -EPROTO when its delivery numbers do not
 * grow. */
int store_push(struct store *s, struct frame *frame, const struct wire_section *section);

/* The same for one that expires, on the owner's clock. */
int store_push_timed(struct store *s, struct frame *frame, const struct wire_section *section,
                     int64_t expires_ns);

/* What was pushed last stays: if it is a small part of its frame, it is copied, and does not hold all of that. */
void store_settle(struct store *s);

/* Drops what has expired by now, into the gaps.  true: something. */
bool store_expire(struct store *s, int64_t now_ns);
/* The first n gaps were told. */
void store_told(struct store *s, uint32_t n);

/* Takes the oldest element out.  false: there is none. */
bool store_pop(struct store *s, struct store_item *item);

/* The flags of the oldest element's section; there is one. */
static inline uint32_t store_flags(const struct store *s)
{
    return s->ring[s->head].section.flags;
}

/* The oldest part has nothing left: takes it out, and gives its reference. */
struct frame *store_leave(struct store *s);

/* Moves on behind the oldest element, all of it but its frame; there is one.  Gives its part if more is left of that; else the
 * part's own reference goes along with its last element. */
static inline struct store_part *store_step(struct store *s, struct store_item *item)
{
    struct store_part *part = &s->ring[s->head];
    rn_assert(part->left > 0);
    item->data = section_element(&part->section, &part->at, &item->len);
    item->deliveries = part->section.deliveries;
    item->flags = part->section.flags;
    item->position = part->section.position + (part->next - part->section.number);
    item->delivery = part->next++;
    s->len--;
    if (--part->left > 0)
        return part;
    item->frame = store_leave(s);
    return NULL;
}

/* Takes the oldest element out; there is one.  If it has at most `size` bytes and there are more behind it in its section, it is
 * copied to room, and item->frame is NULL. */
static inline void store_pop_copy(struct store *s, struct store_item *item, uint8_t *room,
                                  size_t size)
{
    struct store_part *part = store_step(s, item);
    if (part == NULL)
        return;
    item->frame = NULL;
    if (item->len > size) {
        item->frame = frame_ref(part->frame);
        return;
    }
    copy_bytes(room, item->data, item->len);
    item->data = room;
}

/* Takes the oldest element out into `to`, if it has `size` bytes; there is one, and it is not scattered.  Gives its
 * delivery number, and in *frame a reference that is the caller's, or NULL; 0: it has another size, and stays. */
static inline __attribute__((always_inline)) uint64_t store_take(struct store *s, void *to,
                                                                 size_t size, struct frame **frame)
{
    struct store_part *part = &s->ring[s->head];
    size_t at = part->at, len;
    const uint8_t *data = section_element(&part->section, &at, &len);
    uint64_t number = part->next;
    *frame = NULL;
    if (len != size)
        return 0;
    part->at = at;
    part->next++;
    s->len--;
    if (--part->left == 0)
        *frame = store_leave(s);
    copy_bytes(to, data, size);
    return number;
}

/* The delivery number of the oldest element, and how many follow it without a gap, it among them; 0: there is none.  Drops the
 * oldest n. */
uint64_t store_first(const struct store *s);
uint64_t store_first_left(const struct store *s);
void store_drop(struct store *s, uint64_t n);

/* Takes out up to n of the newest elements, as far as their numbers have no gap.  Returns how many, and the delivery number of the
 * first of them (undefined when none). */
uint32_t store_return(struct store *s, uint32_t n, uint64_t *first);

/* Drops everything, also what comes in pieces. */
void store_clear(struct store *s);
void store_fini(struct store *s);

#endif
