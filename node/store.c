/* store.c - the receiving side of a handle: elements delivered ahead of time.   SPDX-License-Identifier: MIT
 *
 * Invariants: len is the sum of `left` over the parts, no part is empty, and delivery numbers grow along the
 * ring.  Elements leave at the front (taken) or at the back (given back), or a whole part does (expired), so each part stays one
 * run.  There is room for timed + n_gaps gaps. */
#include "node/store.h"

#include "runtime/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void store_init(struct store *s)
{
    *s = (struct store){ .first_ns = STORE_NEVER };
}

static struct store_part *store_at(struct store *s, uint32_t i)
{
    return &s->ring[(s->head + i) & (s->cap - 1)];
}

static int store_grow(struct store *s)
{
    uint32_t cap = s->cap == 0 ? 8 : s->cap * 2;
    struct store_part *ring = calloc(cap, sizeof *ring);
    if (ring == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < s->parts; i++)
        ring[i] = *store_at(s, i);
    free(s->ring);
    s->ring = ring;
    s->cap = cap;
    s->head = 0;
    return 0;
}

/* One element of a slow channel need not hold what a frame brought for a hundred busy ones.  Without memory it does. */
void store_settle(struct store *s)
{
    if (s->parts == 0)
        return;
    struct store_part *part = store_at(s, s->parts - 1);
    struct frame *kept = frame_keep(part->frame, &part->section.body, part->section.size);
    if (kept == NULL)
        return;
    frame_unref(part->frame);
    part->frame = kept;
}

/* Room for one gap more. */
static int gaps_grow(struct store *s)
{
    if (s->timed + s->n_gaps < s->gaps_cap)
        return 0;
    uint32_t cap = s->gaps_cap == 0 ? 8 : s->gaps_cap * 2;
    struct store_gap *gaps = realloc(s->gaps, cap * sizeof *gaps);
    if (gaps == NULL)
        return -ENOMEM;
    s->gaps = gaps;
    s->gaps_cap = cap;
    return 0;
}

int store_push(struct store *s, struct frame *frame, const struct wire_section *section)
{
    return store_push_timed(s, frame, section, STORE_NEVER);
}

int store_push_timed(struct store *s, struct frame *frame, const struct wire_section *section,
                     int64_t expires_ns)
{
    if (section->count == 0 || section->number <= s->newest)
        return -EPROTO;
    if (s->parts == s->cap && store_grow(s) < 0)
        return -ENOMEM;
    if (expires_ns != STORE_NEVER && gaps_grow(s) < 0)
        return -ENOMEM;
    *store_at(s, s->parts) = (struct store_part){
        .frame = frame_ref(frame),
        .section = *section,
        .left = section->count,
        .next = section->number,
        .expires_ns = expires_ns,
    };
    s->parts++;
    s->timed += expires_ns != STORE_NEVER;
    if (expires_ns < s->first_ns)
        s->first_ns = expires_ns;
    s->len += section->count;
    s->newest = section->number + section->count - 1;
    return 0;
}

/* A part is gone: taken, given back or expired. */
static void part_left(struct store *s, const struct store_part *part)
{
    if (part->expires_ns != STORE_NEVER && --s->timed == 0)
        s->first_ns = STORE_NEVER;
}

/* One less; the next that comes to an empty ring lies where the last one did, which is in the processor's cache. */
static void part_fewer(struct store *s)
{
    if (--s->parts == 0)
        s->head = 0;
}

bool store_expire(struct store *s, int64_t now_ns)
{
    uint32_t kept = 0, before = s->n_gaps;
    int64_t first_ns = STORE_NEVER;
    if (now_ns < s->first_ns)
        return false;
    for (uint32_t i = 0; i < s->parts; i++) {
        struct store_part *part = store_at(s, i);
        if (part->expires_ns <= now_ns) {
            s->gaps[s->n_gaps++] = (struct store_gap){ part->next, part->left };
            s->len -= part->left;
            frame_unref(part->frame);
            part_left(s, part);
            continue;
        }
        if (part->expires_ns < first_ns)
            first_ns = part->expires_ns;
        if (kept != i)
            *store_at(s, kept) = *part;
        kept++;
    }
    s->parts = kept;
    s->first_ns = first_ns;
    return s->n_gaps > before;
}

void store_told(struct store *s, uint32_t n)
{
    s->n_gaps -= n;
    memmove(s->gaps, s->gaps + n, s->n_gaps * sizeof *s->gaps);
}

struct frame *store_leave(struct store *s)
{
    struct store_part *part = store_at(s, 0);
    struct frame *frame = part->frame;
    part_left(s, part);
    s->head = (s->head + 1) & (s->cap - 1);
    part_fewer(s);
    return frame;
}

bool store_pop(struct store *s, struct store_item *item)
{
    if (s->parts == 0)
        return false;
    struct store_part *part = store_step(s, item);
    if (part != NULL)
        item->frame = frame_ref(part->frame);
    return true;
}

uint64_t store_first(const struct store *s)
{
    return s->len > 0 ? store_at((struct store *)s, 0)->next : 0;
}

uint64_t store_first_left(const struct store *s)
{
    return s->len > 0 ? store_at((struct store *)s, 0)->left : 0;
}

void store_drop(struct store *s, uint64_t n)
{
    struct store_item item;
    while (n-- > 0 && store_pop(s, &item))
        frame_unref(item.frame);
}

uint32_t store_return(struct store *s, uint32_t n, uint64_t *first)
{
    uint32_t given = 0;
    while (given < n && s->parts > 0) {
        struct store_part *part = store_at(s, s->parts - 1);
        if (given > 0 && part->next + part->left != *first)
            break; /* what was between has expired */
        uint32_t cut = n - given < part->left ? n - given : part->left;
        part->left -= cut;
        given += cut;
        s->len -= cut;
        *first = part->next + part->left;
        if (part->left == 0) {
            frame_unref(part->frame);
            part_left(s, part);
            part_fewer(s);
        }
    }
    return given;
}

void store_clear(struct store *s)
{
    for (uint32_t i = 0; i < s->parts; i++)
        frame_unref(store_at(s, i)->frame);
    s->parts = 0;
    s->len = 0;
    s->timed = 0;
    s->first_ns = STORE_NEVER;
    s->n_gaps = 0;
    assembly_drop(&s->coming);
}

void store_fini(struct store *s)
{
    store_clear(s);
    free(s->ring);
    free(s->gaps);
    store_init(s);
}
