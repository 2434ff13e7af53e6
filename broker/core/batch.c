/* batch.c - see batch.h.   SPDX-License-Identifier: MIT
 *
 * Invariants: n_held is the number of elements with holders, live the sum of their bytes; the run has the bytes of these
 * at least, and is rewritten when they have become the smaller part of it: so what is held is at most twice what counts. */
#include "broker/core/batch.h"

#include "broker/core/fan.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <stdlib.h>
#include <string.h>

#define SMALL 512 /* bytes that are not worth a copy */

static bool is_hasty(const struct batch *b)
{
    return fan_is_hasty(b->fan->channel);
}

/* The element's bytes, with their prefix; *len without it. */
static const uint8_t *element_of(const struct batch *b, uint32_t i, size_t *len)
{
    size_t at = b->of[i].at;

    (void)section_element(&b->run->s, &at, len);
    return b->run->s.body + b->of[i].at;
}

static size_t length_of(const struct batch *b, uint32_t i)
{
    size_t len;

    (void)element_of(b, i, &len);
    return len;
}

static void falls(struct due *due)
{
    struct batch *b = due_entry(due, struct batch, due);

    b->late = true;
    fan_expires(b);
}

struct batch *batch_new(struct fan *fan, struct run *r, uint32_t holders)
{
    struct batch *b = malloc(sizeof *b + r->s.count * sizeof *b->of);
    size_t at = 0, len;

    rn_assert(r->s.count <= BATCH_MAX);
    rn_assert(holders > 0);
    if (b == NULL)
        return NULL;
    *b = (struct batch){ .fan = fan,
                         .run = r,
                         .position = r->s.position,
                         .count = r->s.count,
                         .n_held = r->s.count,
                         .live = r->s.size };
    for (uint32_t i = 0; i < b->count; i++) {
        b->of[i] = (struct batch_element){ .at = (uint32_t)at, .holders = holders };
        b->of[i].waiters = holders;
        (void)section_element(&r->s, &at, &len);
    }
    due_init(&b->due, falls);
    hook_init(&b->hook);
    hook_put(&fan->log, &b->hook);
    fan->held += b->count;
    fan->slots += b->count;
    fan->slots_bytes += r->s.bytes;
    return b;
}

void batch_expires(struct batch *b, struct due_heap *dues)
{
    const struct expiry *e = b->run->expiry;

    if (e != NULL && e->at_ns != INT64_MAX)
        due_put(dues, &b->due, e->at_ns);
}

struct batch *batch_next(const struct batch *b)
{
    struct hook *next = b->hook.next;

    while (next != &b->fan->log && list_entry(next, struct batch, hook)->late)
        next = next->next;
    return next == &b->fan->log ? NULL : list_entry(next, struct batch, hook);
}

uint64_t batch_bytes(const struct batch *b, uint32_t i, uint32_t n)
{
    uint64_t bytes = 0;

    while (n-- > 0)
        bytes += length_of(b, i++);
    return bytes;
}

uint32_t batch_fit(const struct batch *b, uint32_t i, uint32_t n, uint64_t bytes)
{
    uint32_t fit = 0;

    while (fit < n) {
        size_t len = length_of(b, i + fit);
        if (len > bytes)
            break;
        bytes -= len;
        fit++;
    }
    return fit;
}

struct run *batch_run(struct batch *b, uint32_t i, uint32_t n)
{
    struct run *r = malloc(sizeof *r);
    size_t last;

    if (r == NULL)
        return NULL;
    *r = (struct run){ .s = b->run->s, .batch = b };
    hook_init(&r->hook);
    if (b->run->expiry != NULL && !expiry_share(r, b->run)) {
        free(r);
        return NULL;
    }
    r->s.position = b->position + i;
    r->s.count = n;
    r->s.bytes = batch_bytes(b, i, n);
    r->s.deliveries = 1;
    r->s.body = b->run->s.body + b->of[i].at;
    last = (size_t)(element_of(b, i + n - 1, &last) - r->s.body) + element_size(last);
    r->s.size = (uint32_t)last;
    return r;
}

static void free_slot(struct batch *b, uint32_t i)
{
    b->fan->slots--;
    b->fan->slots_bytes -= length_of(b, i);
}

void batch_handed(struct batch *b, uint32_t i, uint32_t n)
{
    for (; n > 0; i++, n--) {
        rn_assert(b->of[i].waiters > 0);
        if (--b->of[i].waiters == 0 && is_hasty(b))
            free_slot(b, i);
    }
}

/* Only what somebody holds is kept.  Without memory all stays as it is. */
static void compact(struct batch *b)
{
    struct frame *f = frame_new(b->live);
    size_t at = 0;

    if (f == NULL)
        return;
    rn_reached("batch: what is held is copied out of what is gone");
    for (uint32_t i = 0; i < b->count; i++) {
        size_t len;
        if (b->of[i].holders == 0)
            continue;
        const uint8_t *element = element_of(b, i, &len);
        memcpy(f->data + at, element, element_size(len));
        b->of[i].at = (uint32_t)at;
        at += element_size(len);
    }
    rn_assert(at == b->live);
    frame_unref(b->run->frame);
    b->run->frame = f;
    b->run->s.body = f->data;
    b->run->s.size = (uint32_t)at;
}

static void batch_free(struct batch *b)
{
    due_take(&b->due);
    hook_take(&b->hook);
    run_free(b->run);
    free(b);
}

static void let_one_go(struct batch *b, uint32_t i)
{
    rn_assert(b->of[i].holders > 0);
    if (--b->of[i].holders > 0)
        return;
    rn_assert(b->of[i].waiters == 0);
    if (!is_hasty(b))
        free_slot(b, i);
    b->live -= element_size(length_of(b, i));
    b->n_held--;
    b->fan->held--;
}

void batch_let_go(struct batch *b, uint32_t i, uint32_t n)
{
    for (; n > 0; i++, n--)
        let_one_go(b, i);
    if (b->n_held == 0)
        batch_free(b);
    else if (b->run->frame->len > SMALL && b->live * 2 < b->run->frame->len)
        compact(b);
}

uint64_t batch_memory(const struct batch *b)
{
    return sizeof *b + b->count * sizeof *b->of + sizeof *b->run + sizeof *b->run->frame +
           b->run->frame->len + (b->run->expiry != NULL ? sizeof *b->run->expiry : 0);
}

void batch_check(const struct batch *b)
{
    uint32_t held = 0;
    size_t live = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        rn_assert(b->of[i].waiters <= b->of[i].holders);
        if (b->of[i].holders == 0)
            continue;
        held++;
        live += element_size(length_of(b, i));
    }
    rn_assert(held > 0);
    rn_assert(held == b->n_held);
    rn_assert(live == b->live);
}
