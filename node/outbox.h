/* outbox.h - the sending side of a handle: credit in hand, elements on their way.   SPDX-License-Identifier: MIT
 *
 * No clock or goroutine.  The owner guards it by the channel's lock; the chunks that are kept have one of their own, taken under
 * that. */
#ifndef NODE_OUTBOX_H
#define NODE_OUTBOX_H

#include "node/manner.h"
#include "proto/copy.h"
#include "proto/frame.h"
#include "proto/wire.h"
#include "runtime/lock.h"

#include <errno.h>

/* Consecutive elements of one binding and one manner, packed as the body of a section; or one large one, which leaves in
 * pieces. */
struct chunk {
    struct chunk *next;
    uint64_t first; /* number of the first element */
    uint32_t count;
    bool large;     /* data is the element alone, without its prefix */
    size_t counted; /* bytes of it in its pool's `large` or `queued` */
    uint64_t bytes; /* payload, without the length prefixes */
    struct manner manner;
    size_t len, cap;
    uint8_t *data; /* room, or, of a large one, ... */
    uint8_t *own;  /* ... this, to be freed with it, or borrowed memory (then this is NULL) */
    uint8_t room[];
};

/* Chunks kept for the next ones: of a node, shared by its handles; any thread.  Those of full size are had without a lock.
 * Smaller ones behind others are thousands where there are thousands of handles: malloc would give their memory back to the
 * system, and have it faulted in again a moment later. */
#define CHUNK_SLOTS 8
#define CHUNK_SIZES 2
struct chunk_pool {
    _Atomic(struct chunk *) slot[CHUNK_SLOTS];
    struct rn__lock lock;            /* guards the next two */
    struct chunk *kept[CHUNK_SIZES]; /* of less than full size, the newest first ... */
    size_t kept_bytes;               /* ... and what they take */
    _Atomic size_t queued; /* bytes of the chunks that lie behind others in outboxes ... */
    _Atomic size_t large;  /* ... and of large elements there, without what has left of them */
    size_t crowd;          /* for tests: so many are too many; 0: CROWD_BYTES */
    size_t
        piece; /* for tests: an element larger than four pieces leaves in pieces of so many bytes; 0: as limits.h has it */
};
void chunk_pool_fini(struct chunk_pool *pool);
/* Chunks that no outbox has any more, or NULL.  Any thread. */
void chunks_drop(struct chunk_pool *pool, struct chunk *list);
/* Some time has passed: part of what is kept, and may be of no use any more, goes. */
void chunk_pool_rest(struct chunk_pool *pool);

/* What crowds.  Large elements crowd only their like: a gigabyte that is on its way is no reason to hold up the rest, which
 * passes between its pieces. */
enum crowd_kind { CROWD_NONE, CROWD_SMALL, CROWD_LARGE, CROWD_KINDS };

static inline size_t chunk_pool_bytes(const struct chunk_pool *pool, enum crowd_kind kind)
{
    return atomic_load(&pool->queued) + (kind == CROWD_LARGE ? atomic_load(&pool->large) : 0);
}

/* Does more lie in outboxes than should?  No more, and a good deal less?  Any thread; true a moment ago. */
#define CROWD_BYTES (UINT64_C(128) << 20)
static inline size_t chunk_pool_crowd(const struct chunk_pool *pool)
{
    return pool->crowd > 0 ? pool->crowd : CROWD_BYTES;
}
static inline bool chunk_pool_crowded(const struct chunk_pool *pool, enum crowd_kind kind)
{
    return chunk_pool_bytes(pool, kind) > chunk_pool_crowd(pool);
}
static inline bool chunk_pool_eased(const struct chunk_pool *pool, enum crowd_kind kind)
{
    return chunk_pool_bytes(pool, kind) <= chunk_pool_crowd(pool) / 4 * 3;
}

struct outbox {
    uint64_t credit_elements, credit_bytes; /* slots in hand */
    uint64_t numbered;                      /* the newest number given; numbers begin at 1 */
    uint64_t departed;                      /* the newest number that was handed to the session */
    uint64_t accepted;                      /* the newest number that the home has accepted */
    struct chunk *head, *tail;              /* numbers departed + 1 ... numbered */
    struct chunk *spare;                    /* a small one, or NULL */

    struct chunk_pool *pool; /* borrowed */
    size_t behind;           /* bytes that a chunk behind another one is made for */
    size_t large;            /* an element of more bytes leaves in pieces, ... */
    size_t piece;            /* ... of so many bytes */
    size_t sent;             /* bytes of head that have left, if it is large */
};

/* The crowd that what was pushed last is part of.  What lies in a small chunk at the front is of none. */
static inline enum crowd_kind outbox_crowds(const struct outbox *o)
{
    const struct chunk *c = o->tail;
    enum crowd_kind kind = c->large ? CROWD_LARGE : CROWD_SMALL;
    return c->counted > 0 && chunk_pool_crowded(o->pool, kind) ? kind : CROWD_NONE;
}

void outbox_init(struct outbox *o, struct chunk_pool *pool);
void outbox_fini(struct outbox *o);

void outbox_credit(struct outbox *o, uint64_t elements, uint64_t bytes);
static inline bool outbox_fits(const struct outbox *o, size_t len)
{
    return o->credit_elements > 0 && o->credit_bytes >= len;
}
/* Takes all the credit that is in hand. */
void outbox_surrender(struct outbox *o, uint64_t *elements, uint64_t *bytes);

/* Adds a chunk for the next element, which takes `need` bytes and does not go to the last one.  NULL: no memory. */
struct chunk *outbox_extend(struct outbox *o, const struct manner *manner, size_t need);

/* Gives the chunk that the next element goes to, with room for it. */
static inline __attribute__((always_inline)) struct chunk *outbox_room(struct outbox *o,
                                                                       const struct manner *manner,
                                                                       size_t need)
{
    struct chunk *tail = o->tail;
    if (tail != NULL && tail->len + need <= tail->cap && manner_same(&tail->manner, manner))
        return tail;
    return outbox_extend(o, manner, need);
}

/* An element of len bytes has joined the tail: it takes credit, and gets a number. */
static inline uint64_t outbox_number(struct outbox *o, size_t len)
{
    o->credit_elements--;
    o->credit_bytes -= len;
    return ++o->numbered;
}

/* Uses credit for one element and queues a copy; outbox_fits() holds.  0 and its number, or -ENOMEM. */
static inline __attribute__((always_inline)) int outbox_push(struct outbox *o,
                                                             const struct manner *manner,
                                                             const uint8_t *data, size_t len,
                                                             uint64_t *number)
{
    rn_assert(outbox_fits(o, len));
    struct chunk *c = outbox_room(o, manner, element_size(len));
    if (c == NULL)
        return -ENOMEM;
    uint8_t *at = c->data + c->len;
    size_t prefix = element_prefix(at, len);
    c->len += prefix + len;
    c->count++;
    c->bytes += len;
    *number = outbox_number(o, len);
    copy_bytes(at + prefix, data, len);
    return 0;
}

/* The same for one of more than `large` bytes; on success data, from malloc, is the box's. */
int outbox_push_large(struct outbox *o, const struct manner *manner, uint8_t *data, size_t len,
                      uint64_t *number);

/* Takes an element out again that has not departed whole; those after it move up by one number.  Gives its
 * credit back to the box.  false: it has departed. */
bool outbox_withdraw(struct outbox *o, uint64_t number);

/* A chunk of its own for one element, numbered by nobody; for outbox_give().  It borrows the bytes of a large one.  NULL: no
 * memory. */
struct chunk *outbox_pack(struct outbox *o, const struct manner *manner, const uint8_t *data,
                          size_t len);

/* How many bytes the next section takes in a frame; 0: there is none. */
size_t outbox_next_size(const struct outbox *o);
/* Is it a piece?  Then *s is filled but for the binding, and borrows the chunk's bytes; outbox_piece_left() when it has left.
 * There is no need to take the chunk: it departs with its last piece. */
bool outbox_next_piece(const struct outbox *o, struct wire_section *s);
void outbox_piece_left(struct outbox *o, const struct wire_section *s);
/* How many bytes the next piece of a chunk takes in a frame, of which `sent` bytes have left; and the piece. */
size_t chunk_piece_size(const struct chunk *c, size_t sent, size_t piece);
/* The oldest chunk departs: the caller owns it until outbox_give().  NULL: nothing is queued. */
struct chunk *outbox_take(struct outbox *o);
void outbox_give(struct outbox *o, struct chunk *c);
/* What the session did not accept for want of memory goes back to the front. */
void outbox_untake(struct outbox *o, struct chunk *c);

/* The home has accepted everything up to number.  0, or -EPROTO when it cannot have. */
int outbox_accept(struct outbox *o, uint64_t number);

/* Nothing departs any more: gives what is queued, to be dropped by the caller when nothing is locked, for to free a gigabyte
 * takes the system a tenth of a second. */
struct chunk *outbox_clear(struct outbox *o);

#endif
