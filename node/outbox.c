/* outbox.c - the sending side of a handle: credit in hand, elements on their way.   SPDX-License-Identifier: MIT
 *
 * Invariants: accepted <= departed <= numbered, and the chunks hold departed + 1 ... numbered without a gap; of the first
 * `sent` bytes have left, and it is large if that is not 0.
 * Credit is made by outbox_credit() and by a withdrawal, and used by outbox_push() and outbox_surrender(); so
 * the home's count of what is lent and ours differ only by what is on the wire. */
#include "node/outbox.h"

#include "proto/large.h"
#include "proto/limits.h"
#include "proto/piece.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SMALL 1024u /* bytes of body that a handle starts with */
/* A section of a full chunk and an envelope still make a frame of about the target. */
#define CHUNK_FULL (WIRE_FRAME_TARGET - WIRE_SECTION_HEADER - 256u)
/* Behind another one.  Among thousands of handles that have an element now and then, full ones would be gigabytes of which
 * hardly anything is used; so who fills one gets a larger one next, until who leaves one nearly empty. */
#define CHUNK_BEHIND 4096u
#define CHUNK_GROWS  4u
#define CHUNK_UNUSED 16u
#define KEPT_MAX     ((size_t)32 << 20) /* bytes of chunks of less than full size */

static struct chunk *chunk_new(size_t cap)
{
    struct chunk *c = malloc(sizeof *c + cap);
    if (c == NULL)
        return NULL;
    *c = (struct chunk){ .cap = cap };
    c->data = c->room;
    return c;
}

/* Of one large element; own: its memory goes along. */
static struct chunk *chunk_new_large(const struct manner *manner, uint8_t *data, size_t len,
                                     uint8_t *own)
{
    struct chunk *c = malloc(sizeof *c);
    if (c == NULL)
        return NULL;
    *c = (struct chunk){
        .count = 1,
        .large = true,
        .bytes = len,
        .manner = *manner,
        .len = len,
        .data = data,
        .own = own,
    };
    return c;
}

/* ---- what is kept ---- */

static const size_t kept_cap[CHUNK_SIZES] = { CHUNK_BEHIND, CHUNK_BEHIND *CHUNK_GROWS };

_Static_assert(CHUNK_BEHIND *CHUNK_GROWS *CHUNK_GROWS *CHUNK_GROWS > CHUNK_FULL,
               "what follows these sizes is full");

/* CHUNK_SIZES: none that is kept. */
static unsigned kept_size(size_t cap)
{
    unsigned i = 0;
    while (i < CHUNK_SIZES && kept_cap[i] != cap)
        i++;
    return i;
}

static struct chunk *kept_take(struct chunk_pool *pool, size_t cap)
{
    unsigned i = kept_size(cap);
    if (i == CHUNK_SIZES)
        return NULL;
    rn__lock(&pool->lock);
    struct chunk *c = pool->kept[i];
    if (c != NULL) {
        pool->kept[i] = c->next;
        pool->kept_bytes -= c->cap;
    }
    rn__unlock(&pool->lock);
    return c;
}

/* false: it is not to be kept. */
static bool kept_give(struct chunk_pool *pool, struct chunk *c)
{
    unsigned i = kept_size(c->cap);
    if (i == CHUNK_SIZES)
        return false;
    rn__lock(&pool->lock);
    bool room = pool->kept_bytes + c->cap <= KEPT_MAX;
    if (room) {
        c->next = pool->kept[i];
        pool->kept[i] = c;
        pool->kept_bytes += c->cap;
    }
    rn__unlock(&pool->lock);
    return room;
}

/* Frees so many bytes of what is kept, or somewhat more, or all. */
static void kept_free(struct chunk_pool *pool, size_t bytes)
{
    size_t freed = 0;
    for (unsigned i = 0; i < CHUNK_SIZES; i++)
        for (struct chunk *c; freed < bytes && (c = kept_take(pool, kept_cap[i])) != NULL;) {
            freed += c->cap;
            free(c);
        }
}

void chunk_pool_rest(struct chunk_pool *pool)
{
    rn__lock(&pool->lock);
    size_t kept = pool->kept_bytes;
    rn__unlock(&pool->lock);
    kept_free(pool, kept / 2);
}

static struct chunk *chunk_get(struct chunk_pool *pool)
{
    for (int i = 0; pool != NULL && i < CHUNK_SLOTS; i++) {
        /* Acquire pairs with the release in chunk_give(); the load before is only a hint. */
        if (atomic_load_explicit(&pool->slot[i], memory_order_relaxed) == NULL)
            continue;
        struct chunk *c = atomic_exchange_explicit(&pool->slot[i], NULL, memory_order_acquire);
        if (c != NULL)
            return c;
    }
    return chunk_new(CHUNK_FULL);
}

static void chunk_give(struct chunk_pool *pool, struct chunk *c)
{
    if (c->counted > 0)
        atomic_fetch_sub(c->large ? &pool->large : &pool->queued, c->counted);
    c->counted = 0;
    for (int i = 0; pool != NULL && c->cap == CHUNK_FULL && i < CHUNK_SLOTS; i++) {
        struct chunk *empty = NULL;
        if (atomic_load_explicit(&pool->slot[i], memory_order_relaxed) == NULL &&
            /* Release: the next owner sees the chunk as we left it.  A failure publishes nothing. */
            atomic_compare_exchange_strong_explicit(&pool->slot[i], &empty, c, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    if (pool != NULL && kept_give(pool, c))
        return;
    free(c->own);
    free(c);
}

void chunks_drop(struct chunk_pool *pool, struct chunk *list)
{
    while (list != NULL) {
        struct chunk *c = list;
        list = c->next;
        chunk_give(pool, c);
    }
}

void chunk_pool_fini(struct chunk_pool *pool)
{
    for (int i = 0; i < CHUNK_SLOTS; i++)
        free(atomic_exchange(&pool->slot[i], NULL));
    kept_free(pool, SIZE_MAX);
}

void outbox_init(struct outbox *o, struct chunk_pool *pool)
{
    *o = (struct outbox){
        .pool = pool, .large = WIRE_WHOLE_MAX, .piece = WIRE_PIECE_BYTES, .behind = CHUNK_BEHIND
    };
    if (pool->piece > 0) {
        o->piece = pool->piece;
        o->large = 4 * pool->piece;
    }
}

void outbox_fini(struct outbox *o)
{
    chunks_drop(o->pool, outbox_clear(o));
    free(o->spare);
    o->spare = NULL;
}

void outbox_credit(struct outbox *o, uint64_t elements, uint64_t bytes)
{
    o->credit_elements += elements;
    o->credit_bytes += bytes;
}

void outbox_surrender(struct outbox *o, uint64_t *elements, uint64_t *bytes)
{
    *elements = o->credit_elements;
    *bytes = o->credit_bytes;
    o->credit_elements = 0;
    o->credit_bytes = 0;
}

static struct chunk *chunk_counted(struct chunk_pool *pool, struct chunk *c)
{
    if (c == NULL)
        return NULL;
    c->counted = c->cap;
    atomic_fetch_add(&pool->queued, c->cap);
    return c;
}

static struct chunk *chunk_behind(struct chunk_pool *pool, size_t cap)
{
    struct chunk *c = cap * CHUNK_GROWS > CHUNK_FULL ? chunk_get(pool) : kept_take(pool, cap);
    return chunk_counted(pool, c != NULL ? c : chunk_new(cap));
}

/* A chunk for an element that takes `need` bytes: an own one for a large element; a small one when nothing is
 * queued, because then the stream may be a trickle; else one of the size that the last ones had use for. */
static struct chunk *outbox_chunk(struct outbox *o, size_t need)
{
    if (need > CHUNK_FULL)
        return chunk_counted(o->pool, chunk_new(need));
    if (o->tail != NULL || need > CHUNK_SMALL) {
        size_t cap = o->behind;
        if (o->tail != NULL && o->tail->cap >= cap && o->tail->len + need > o->tail->cap)
            cap = o->behind = cap * CHUNK_GROWS < CHUNK_FULL ? cap * CHUNK_GROWS : CHUNK_FULL;
        if (cap < need)
            cap = need;
        return chunk_behind(o->pool, cap);
    }
    struct chunk *c = o->spare;
    o->spare = NULL;
    return c != NULL ? c : chunk_new(CHUNK_SMALL);
}

static void outbox_append(struct outbox *o, struct chunk *c)
{
    if (o->tail != NULL)
        o->tail->next = c;
    else
        o->head = c;
    o->tail = c;
    c->first = o->numbered + 1;
}

struct chunk *outbox_extend(struct outbox *o, const struct manner *manner, size_t need)
{
    const struct chunk *tail = o->tail;
    rn_reached_if(tail != NULL && !manner_same(&tail->manner, manner),
                  "outbox: the next element is of another manner");
    struct chunk *c = outbox_chunk(o, need);
    if (c == NULL)
        return NULL;
    c->next = NULL;
    c->count = 0;
    c->bytes = 0;
    c->manner = *manner;
    c->len = 0;
    outbox_append(o, c);
    return c;
}

int outbox_push_large(struct outbox *o, const struct manner *manner, uint8_t *data, size_t len,
                      uint64_t *number)
{
    rn_assert(outbox_fits(o, len));
    rn_assert(len > o->large);
    struct chunk *c = chunk_new_large(manner, data, len, data);
    if (c == NULL)
        return -ENOMEM;
    c->counted = len;
    atomic_fetch_add(&o->pool->large, len);
    outbox_append(o, c);
    *number = outbox_number(o, len);
    return 0;
}

struct chunk *outbox_pack(struct outbox *o, const struct manner *manner, const uint8_t *data,
                          size_t len)
{
    size_t need = element_size(len);
    struct chunk *c = o->spare;

    if (len > o->large)
        return chunk_new_large(manner, (uint8_t *)data, len, NULL);
    if (need <= CHUNK_SMALL && c != NULL)
        o->spare = NULL;
    else
        c = chunk_new(need > CHUNK_SMALL ? need : CHUNK_SMALL);
    if (c == NULL)
        return NULL;
    c->next = NULL;
    c->first = 0;
    c->count = 1;
    c->bytes = len;
    c->manner = *manner;
    c->len = element_prefix(c->data, len);
    if (len > 0)
        memcpy(c->data + c->len, data, len);
    c->len += len;
    return c;
}

/* Where the index-th element of c begins with its prefix; its payload's length in *len, both lengths' sum in *size. */
static size_t chunk_find(const struct chunk *c, uint32_t index, size_t *len, size_t *size)
{
    struct wire_section s = { .count = c->count, .size = (uint32_t)c->len, .body = c->data };
    size_t at = 0, start = 0;
    for (uint32_t i = 0; i <= index; i++) {
        start = at;
        section_element(&s, &at, len);
    }
    *size = at - start;
    return start;
}

/* Takes the index-th element out of c, and gives its length. */
static size_t chunk_drop(struct chunk *c, uint32_t index)
{
    size_t len = c->bytes, size = 0;
    if (!c->large) {
        size_t start = chunk_find(c, index, &len, &size);
        memmove(c->data + start, c->data + start + size, c->len - start - size);
        c->len -= size;
    }
    c->count--;
    c->bytes -= len;
    return len;
}

/* An emptied chunk leaves the list. */
static void outbox_unlink(struct outbox *o, struct chunk *c)
{
    struct chunk *before = NULL;
    for (struct chunk *i = o->head; i != c; i = i->next)
        before = i;
    if (before != NULL)
        before->next = c->next;
    else
        o->head = c->next;
    if (o->tail == c)
        o->tail = before;
    outbox_give(o, c);
}

bool outbox_withdraw(struct outbox *o, uint64_t number)
{
    rn_assert(number >= 1);
    rn_assert(number <= o->numbered);
    if (number <= o->departed)
        return false;
    struct chunk *c = o->head;
    while (c != NULL && number >= c->first + c->count)
        c = c->next;
    if (c == NULL)
        return false; /* cleared: the session is over */
    rn_reached_if(c == o->head && o->sent > 0, "outbox: withdrawn half way");
    if (c == o->head)
        o->sent = 0; /* the home forgets what came of it when another comes in its place */
    size_t len = chunk_drop(c, (uint32_t)(number - c->first));
    for (struct chunk *later = c->next; later != NULL; later = later->next)
        later->first--;
    rn_reached_if(c->count > 0, "outbox: withdrawn from among others");
    if (c->count == 0)
        outbox_unlink(o, c);
    o->numbered--;
    outbox_credit(o, 1, len);
    return true;
}

size_t chunk_piece_size(const struct chunk *c, size_t sent, size_t piece)
{
    size_t left = c->len - sent, header = manner_header(&c->manner);
    if (!c->large)
        return header + left;
    return header + WIRE_PIECE_HEADER + (left < piece ? left : piece);
}

size_t outbox_next_size(const struct outbox *o)
{
    return o->head != NULL ? chunk_piece_size(o->head, o->sent, o->piece) : 0;
}

bool outbox_next_piece(const struct outbox *o, struct wire_section *s)
{
    const struct chunk *c = o->head;
    if (c == NULL || !c->large)
        return false;
    struct wire_section whole = { .count = 1, .number = c->first, .bytes = c->bytes };
    manner_put(&whole, &c->manner);
    piece_cut(s, &whole, c->data, o->sent, o->piece);
    return true;
}

void outbox_piece_left(struct outbox *o, const struct wire_section *s)
{
    struct chunk *c = o->head;
    if (c->own != NULL && c->len >= LARGE_MIN)
        large_give_part(c->own, o->sent, o->sent + s->size);
    o->sent += s->size;
    c->counted -= s->size;
    atomic_fetch_sub(&o->pool->large, s->size);
    if (o->sent < c->len)
        return;
    o->sent = 0;
    outbox_give(o, outbox_take(o));
}

/* The sizes are the same on the way down as on the way up, where what would nearly be full is. */
static size_t size_below(size_t cap)
{
    size_t below = CHUNK_BEHIND;

    while (below * CHUNK_GROWS < cap && below * CHUNK_GROWS * CHUNK_GROWS <= CHUNK_FULL)
        below *= CHUNK_GROWS;
    return below;
}

struct chunk *outbox_take(struct outbox *o)
{
    struct chunk *c = o->head;
    if (c == NULL)
        return NULL;
    o->head = c->next;
    if (o->head == NULL)
        o->tail = NULL;
    c->next = NULL;
    if (c->cap >= o->behind && c->len < c->cap / CHUNK_UNUSED)
        o->behind = size_below(o->behind);
    rn_assert(c->first == o->departed + 1);
    o->departed += c->count;
    rn_assert(o->head != NULL ? o->departed < o->numbered : o->departed == o->numbered);
    return c;
}

void outbox_give(struct outbox *o, struct chunk *c)
{
    if (c->cap == CHUNK_SMALL && o->spare == NULL)
        o->spare = c;
    else
        chunk_give(o->pool, c);
}

void outbox_untake(struct outbox *o, struct chunk *c)
{
    o->departed -= c->count;
    rn_assert(c->first == o->departed + 1);
    c->next = o->head;
    o->head = c;
    if (o->tail == NULL)
        o->tail = c;
}

int outbox_accept(struct outbox *o, uint64_t number)
{
    if (number > o->departed)
        return -EPROTO;
    if (number > o->accepted)
        o->accepted = number;
    return 0;
}

struct chunk *outbox_clear(struct outbox *o)
{
    struct chunk *list = o->head;
    o->head = o->tail = NULL;
    o->sent = 0;
    o->credit_elements = 0;
    o->credit_bytes = 0;
    return list;
}
