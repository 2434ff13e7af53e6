/* due.c - a pairing heap.   SPDX-License-Identifier: MIT
 *
 * Invariant: nothing is earlier than what it is below.  A pairing heap, because its nodes are part of the things
 * themselves: a heap in an array would have to grow, and that can fail. */
#include "broker/core/due.h"

#include "runtime/assert.h"

static bool earlier(const struct due *a, const struct due *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->turn < b->turn;
}

/* Makes one heap of two, each of which has nothing beside its first. */
static struct due *meld(struct due *a, struct due *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (earlier(b, a)) {
        struct due *first = b;
        b = a;
        a = first;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* Makes one heap of those side by side: in pairs on the way there, the pairs together on the way back.  That order is
 * what makes it O(log n). */
static struct due *meld_pairs(struct due *at)
{
    struct due *pairs = NULL, *all = NULL;

    while (at != NULL) {
        struct due *a = at, *b = a->next;
        at = b != NULL ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b != NULL)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct due *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        all = meld(all, pair);
    }
    return all;
}

void due_take(struct due *d)
{
    struct due_heap *heap = d->heap;

    if (heap == NULL)
        return;
    struct due *below = meld_pairs(d->child);
    if (d == heap->first) {
        heap->first = below;
    } else {
        if (d->prev->child == d)
            d->prev->child = d->next;
        else
            d->prev->next = d->next;
        if (d->next != NULL)
            d->next->prev = d->prev;
        heap->first = meld(heap->first, below);
    }
    due_init(d, d->fall);
}

void due_put(struct due_heap *heap, struct due *d, int64_t at_ns)
{
    due_take(d);
    d->at_ns = at_ns;
    d->turn = heap->turns++;
    d->heap = heap;
    heap->first = meld(heap->first, d);
}

void due_fall(struct due_heap *heap, int64_t now_ns)
{
    while (heap->first != NULL && heap->first->at_ns <= now_ns) {
        struct due *d = heap->first;
        due_take(d);
        d->fall(d);
    }
}

int64_t due_next(const struct due_heap *heap)
{
    return heap->first != NULL ? heap->first->at_ns : INT64_MAX;
}

/* Walks without recursion: a heap may be as deep as it has things. */
void due_check(const struct due_heap *heap)
{
    const struct due *d = heap->first;

    if (d == NULL)
        return;
    rn_assert(d->next == NULL);
    rn_assert(d->prev == NULL);
    while (d != NULL) {
        const struct due *child = d->child;
        rn_assert(d->heap == heap);
        for (const struct due *c = child, *prev = d; c != NULL; prev = c, c = c->next) {
            rn_assert(c->prev == prev);
            rn_assert(earlier(d, c));
        }
        if (child != NULL) {
            d = child;
            continue;
        }
        while (d != NULL && d->next == NULL) {
            while (d->prev != NULL && d->prev->child != d)
                d = d->prev; /* back to the first of those beside it */
            d = d->prev;     /* and up */
        }
        d = d != NULL ? d->next : NULL;
    }
}
