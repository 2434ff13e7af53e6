/* hand.c - deliveries that the program has and has not acknowledged yet.   SPDX-License-Identifier: MIT
 *
 * Invariants: a delivery is spare, with the program (or a receive that may become one of its), or settled and not told;
 * `out` counts the second kind.  While the hand is not closed its handle lives.  Locks: the channel's, then the hand's. */
#include "node/hand.h"

#include "node/handle.h"
#include "node/node.h"
#include "proto/limits.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 64 /* deliveries that are made at once */

struct block {
    struct block *next;
    struct delivery of[BLOCK];
};

struct hand {
    struct rn__lock lock;
    struct handle *handle;
    bool closed; /* guarded by lock, as all below */
    bool left;
    uint64_t out;
    struct delivery *spare;
    struct delivery *settled, **settled_end;
    struct block *blocks;
};

struct hand *hand_new(struct handle *h)
{
    struct hand *hand = calloc(1, sizeof *hand);
    if (hand == NULL)
        return NULL;
    hand->handle = h;
    hand->settled_end = &hand->settled;
    return hand;
}

static void spare_push(struct hand *hand, struct delivery *d)
{
    free(d->why);
    d->why = NULL;
    free(d->header);
    d->header = NULL;
    if (d->frame != NULL)
        frame_unref(d->frame);
    d->frame = NULL;
    d->next = hand->spare;
    hand->spare = d;
}

/* The settled ones are of no use any more.  Locked. */
static void settled_drop(struct hand *hand)
{
    struct delivery *d;
    while ((d = hand->settled) != NULL) {
        hand->settled = d->next;
        spare_push(hand, d);
    }
    hand->settled_end = &hand->settled;
}

static void hand_free(struct hand *hand)
{
    struct block *b;
    settled_drop(hand);
    while ((b = hand->blocks) != NULL) {
        hand->blocks = b->next;
        free(b);
    }
    free(hand);
}

void hand_leave(struct hand *hand)
{
    if (hand == NULL)
        return;
    rn__lock(&hand->lock);
    hand->closed = true;
    hand->left = true;
    hand->handle = NULL;
    bool last = hand->out == 0;
    rn__unlock(&hand->lock);
    rn_reached_if(!last, "hand: deliveries outlive their handle");
    if (last)
        hand_free(hand);
}

/* A block more.  Allocated without the lock; what two find missing at once is made twice, and kept. */
static bool hand_grow(struct hand *hand)
{
    struct block *b = calloc(1, sizeof *b);
    if (b == NULL)
        return false;
    rn__lock(&hand->lock);
    b->next = hand->blocks;
    hand->blocks = b;
    for (int i = 0; i < BLOCK; i++) {
        b->of[i].hand = hand;
        spare_push(hand, &b->of[i]);
    }
    rn__unlock(&hand->lock);
    return true;
}

struct delivery *hand_reserve(struct hand *hand)
{
    struct delivery *d;
    do {
        rn__lock(&hand->lock);
        d = hand->spare;
        if (d != NULL) {
            hand->spare = d->next;
            hand->out++;
        }
        rn__unlock(&hand->lock);
    } while (d == NULL && hand_grow(hand));
    return d;
}

/* d comes back from the program.  Locked; unlocks, and may free the hand. */
static void give_back(struct hand *hand, struct delivery *d)
{
    spare_push(hand, d);
    hand->out--;
    bool last = hand->left && hand->out == 0;
    rn__unlock(&hand->lock);
    if (last)
        hand_free(hand);
}

void hand_spare(struct delivery *d)
{
    rn__lock(&d->hand->lock);
    give_back(d->hand, d);
}

int hand_settle(struct delivery *d, enum wire_verdict verdict, uint64_t delay_ms, const char *why)
{
    struct hand *hand = d->hand;
    struct handle *marked = NULL;
    if (why != NULL) /* without memory nobody learns it */
        d->why = strndup(why, WIRE_WHY_MAX);
    rn__lock(&hand->lock);
    if (hand->closed || node_lease_over_glance(hand->handle->node)) {
        give_back(hand, d);
        return RN_ESTALE;
    }
    d->verdict = verdict;
    d->delay_ms = delay_ms;
    d->next = NULL;
    hand->out--;
    if (hand->settled == NULL) { /* else the link goroutine has been told already */
        marked = handle_ref(hand->handle);
        atomic_store(&marked->settles, true);
    }
    *hand->settled_end = d;
    hand->settled_end = &d->next;
    rn__unlock(&hand->lock);
    if (marked != NULL) {
        node_mark_unlocked(marked->node, marked);
        handle_unref(marked);
    }
    return 0;
}

void hand_close(struct hand *hand)
{
    if (hand == NULL)
        return;
    rn__lock(&hand->lock);
    hand->closed = true;
    rn__unlock(&hand->lock);
}

void hand_over(struct hand *hand)
{
    if (hand == NULL)
        return;
    rn__lock(&hand->lock);
    hand->closed = true;
    settled_drop(hand);
    rn__unlock(&hand->lock);
}

/* ---- the link goroutine's ---- */

static bool comes_before(const struct delivery *a, const struct delivery *b)
{
    if (a->verdict != b->verdict)
        return a->verdict < b->verdict;
    if (a->delay_ms != b->delay_ms)
        return a->delay_ms < b->delay_ms;
    return a->number < b->number;
}

static struct delivery *merge(struct delivery *a, struct delivery *b)
{
    struct delivery *first = NULL, **end = &first;
    while (a != NULL && b != NULL) {
        struct delivery **least = comes_before(b, a) ? &b : &a;
        *end = *least;
        end = &(*least)->next;
        *least = *end;
    }
    *end = a != NULL ? a : b;
    return first;
}

/* A merge sort that finds what is in order already: most programs acknowledge in the order in which they took. */
static struct delivery *sort(struct delivery *list)
{
    struct delivery *sorted[48] = { NULL }; /* the i-th of 2^i runs or more */
    while (list != NULL) {
        struct delivery *run = list, *last = list;
        while (last->next != NULL && comes_before(last, last->next))
            last = last->next;
        list = last->next;
        last->next = NULL;
        size_t i = 0;
        for (; sorted[i] != NULL; i++) {
            run = merge(sorted[i], run);
            sorted[i] = NULL;
        }
        sorted[i] = run;
    }
    struct delivery *all = NULL;
    for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++)
        all = merge(sorted[i], all);
    return all;
}

struct delivery *hand_collect(struct hand *hand)
{
    rn__lock(&hand->lock);
    struct delivery *list = hand->settled;
    hand->settled = NULL;
    hand->settled_end = &hand->settled;
    rn__unlock(&hand->lock);
    return sort(list);
}

void hand_told(struct hand *hand, struct delivery *first, struct delivery *d)
{
    rn__lock(&hand->lock);
    while (first != d) {
        struct delivery *next = first->next;
        spare_push(hand, first);
        first = next;
    }
    if (d != NULL) { /* the rest goes before what was said meanwhile */
        struct delivery *last = d;
        while (last->next != NULL)
            last = last->next;
        last->next = hand->settled;
        if (hand->settled == NULL)
            hand->settled_end = &last->next;
        hand->settled = d;
    }
    rn__unlock(&hand->lock);
}
