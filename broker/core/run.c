/* run.c - runs of elements and queues of them.   SPDX-License-Identifier: MIT
 *
 * Invariants: a queue's count and bytes are the sums over its runs; a run is not a small part of a large frame (unless
 * there was no memory to copy it), whatever was cut off and taken from what it began as: else a slow receiver that holds
 * one element of each of many frames would hold all of them. */
#include "broker/core/run.h"

#include "broker/core/batch.h"
#include "broker/core/dead.h"
#include "proto/scatter.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <stdlib.h>
#include <string.h>

/* A run that is a smaller part of its frame than this gets a frame of its own: what is held is at most so many times what
 * counts.  In a frame of FRAME_SMALL bytes or less that is not worth it. */
#define SMALL_PART  2
#define FRAME_SMALL 512

/* false: no memory; then all is as it was. */
static bool run_fit(struct run *r)
{
    if (r->batch != NULL)
        return true; /* that looks after its own bytes */
    if (r->frame->len <= FRAME_SMALL || (size_t)r->s.size * SMALL_PART >= r->frame->len)
        return true;
    struct frame *copy = frame_new(r->s.size);
    if (copy == NULL)
        return false;
    memcpy(copy->data, r->s.body, r->s.size);
    frame_unref(r->frame);
    r->frame = copy;
    r->s.body = copy->data;
    return true;
}

struct run *run_new(const struct wire_section *s, struct frame *frame)
{
    struct run *r = malloc(sizeof *r);

    if (r == NULL)
        return NULL;
    hook_init(&r->hook);
    r->claim = 0;
    r->accepted_ns = 0;
    r->epitaph = NULL;
    r->expiry = NULL;
    r->batch = NULL;
    r->frame = frame_ref(frame);
    r->s = *s;
    if (run_fit(r))
        return r;
    run_free(r);
    return NULL;
}

bool run_gather(struct run *r)
{
    if (r->batch != NULL || !frame_is_scattered(r->frame))
        return true;
    rn_reached("run: a large element is gathered");
    return scatter_gather(&r->frame, &r->s) == 0;
}

/* Of a run that refers to a batch. */
static void let_go(struct run *r, uint64_t position, uint32_t n)
{
    batch_let_go(r->batch, (uint32_t)(position - r->batch->position), n);
}

void run_free(struct run *r)
{
    if (r == NULL)
        return;
    rn_assert(!hook_linked(&r->hook));
    if (r->batch != NULL)
        let_go(r, r->s.position, r->s.count);
    else
        frame_unref(r->frame);
    epitaph_unref(r->epitaph);
    expiry_free(r->expiry);
    free(r);
}

struct run *run_cut(struct run *r, uint32_t n)
{
    struct run *head = malloc(sizeof *head);

    if (head == NULL)
        return NULL;
    head->expiry = NULL;
    if (r->expiry != NULL && !expiry_share(head, r)) {
        free(head);
        return NULL;
    }
    hook_init(&head->hook);
    head->frame = r->batch != NULL ? NULL : frame_ref(r->frame);
    head->batch = r->batch;
    head->claim = r->claim;
    head->accepted_ns = r->accepted_ns;
    head->epitaph = epitaph_ref(r->epitaph);
    batch_look(r);
    section_split(&r->s, &head->s, n);
    /* Without memory they share a frame that is too large for them; that is no reason not to go on. */
    (void)run_fit(head);
    (void)run_fit(r);
    return head;
}

void run_shorten(struct run *r, uint32_t n)
{
    struct wire_section gone;

    batch_look(r);
    section_split(&r->s, &gone, n);
    if (r->batch != NULL)
        let_go(r, gone.position, n);
    (void)run_fit(r);
}

void run_queue_init(struct run_queue *q)
{
    hook_init(&q->head);
    q->count = q->bytes = 0;
    q->dues = NULL;
    q->expired = NULL;
}

void run_queue_init_timed(struct run_queue *q, struct due_heap *dues,
                          void (*expired)(struct run_queue *q, struct run *r))
{
    run_queue_init(q);
    q->dues = dues;
    q->expired = expired;
}

void run_queue_free(struct run_queue *q)
{
    struct run *r;

    while ((r = run_queue_first(q)) != NULL) {
        run_queue_take(q, r);
        run_free(r);
    }
}

struct run *run_queue_first(const struct run_queue *q)
{
    return list_first(&q->head, struct run, hook);
}

struct run *run_queue_last(const struct run_queue *q)
{
    return list_empty(&q->head) ? NULL : list_entry(q->head.prev, struct run, hook);
}

static void put_before(struct run_queue *q, struct hook *at, struct run *r)
{
    hook_put(at, &r->hook);
    q->count += r->s.count;
    q->bytes += r->s.bytes;
    if (r->expiry != NULL)
        expiry_enter(r->expiry, q);
}

void run_queue_push(struct run_queue *q, struct run *r)
{
    put_before(q, &q->head, r);
}

void run_queue_unshift(struct run_queue *q, struct run *r)
{
    put_before(q, q->head.next, r);
}

void run_queue_take(struct run_queue *q, struct run *r)
{
    hook_take(&r->hook);
    rn_assert(q->count >= r->s.count);
    rn_assert(q->bytes >= r->s.bytes);
    q->count -= r->s.count;
    q->bytes -= r->s.bytes;
    if (r->expiry != NULL)
        expiry_leave(r->expiry);
}

/* Are b's elements those that followed a's in the same section?  What is between them in a batch is gone. */
static bool follows(const struct run *a, const struct run *b)
{
    return a->frame == b->frame && a->batch == b->batch &&
           (a->batch != NULL || a->s.body + a->s.size == b->s.body) &&
           a->s.position + a->s.count == b->s.position && a->s.deliveries == b->s.deliveries &&
           expiry_same(a, b) &&
           !(a->s.flags & WIRE_OFFER); /* those of a rendezvous go one by one */
}

/* Joins r to the run before it, if they fit together; so that being handed to and fro does not make runs ever smaller. */
static void join(struct run_queue *q, struct run *r)
{
    if (r->hook.prev == &q->head)
        return;
    struct run *before = list_entry(r->hook.prev, struct run, hook);
    if (!follows(before, r))
        return;
    rn_reached("run: what was cut is joined again");
    before->s.count += r->s.count;
    before->s.bytes += r->s.bytes;
    before->s.size += r->s.size;
    hook_take(&r->hook);
    r->s.count = 0; /* a batch is still held by the other */
    run_free(r);
}

void run_queue_merge(struct run_queue *q, struct run_queue *from)
{
    struct hook *at = q->head.next;
    struct run *r;

    while ((r = run_queue_first(from)) != NULL) {
        run_queue_take(from, r);
        if (at != q->head.next &&
            list_entry(at->prev, struct run, hook)->s.position > r->s.position) {
            rn_reached("run: what comes back is out of order");
            at = q->head.next;
        }
        while (at != &q->head && list_entry(at, struct run, hook)->s.position < r->s.position)
            at = at->next;
        put_before(q, at, r);
        join(q, r);
    }
    if (at != &q->head)
        join(q, list_entry(at, struct run, hook));
}

void run_queue_drop(struct run_queue *q, uint32_t n)
{
    struct run *r = run_queue_first(q);

    if (n < r->s.count) {
        run_queue_drop_of(q, r, n);
        return;
    }
    run_queue_take(q, r);
    run_free(r);
}

void run_queue_drop_of(struct run_queue *q, struct run *r, uint32_t n)
{
    struct hook *next = r->hook.next;

    run_queue_take(q, r);
    run_shorten(r, n);
    put_before(q, next, r);
}

bool run_queue_cut_at(struct run *r, uint32_t n)
{
    struct run *head = run_cut(r, n);

    if (head == NULL)
        return false;
    hook_put(&r->hook, &head->hook);
    if (head->expiry != NULL && r->expiry->queue != NULL)
        expiry_enter(head->expiry, r->expiry->queue);
    return true;
}

bool run_queue_cut_first(struct run_queue *q, uint32_t n)
{
    struct run *r = run_queue_first(q);

    return r->s.count <= n || run_queue_cut_at(r, n);
}

uint64_t run_queue_memory(const struct run_queue *q)
{
    uint64_t bytes = 0;

    list_each(&q->head, at)
    {
        const struct run *r = list_entry(at, struct run, hook);
        bytes += sizeof *r;
        if (r->batch == NULL)
            bytes += sizeof *r->frame + r->frame->len;
        bytes += r->expiry != NULL ? sizeof *r->expiry : 0;
    }
    return bytes;
}

void run_queue_check(const struct run_queue *q)
{
    uint64_t count = 0, bytes = 0;

    list_each(&q->head, at)
    {
        const struct run *r = list_entry(at, struct run, hook);
        rn_assert(r->s.count > 0);
        rn_assert(r->s.deliveries > 0);
        rn_assert((r->frame == NULL) == (r->batch != NULL));
        if (r->batch == NULL) {
            rn_assert(r->s.body >= r->frame->data);
            rn_assert(r->s.body + r->s.size <= r->frame->data + r->frame->len);
        }
        if (r->expiry != NULL)
            expiry_check(r, q);
        count += r->s.count;
        bytes += r->s.bytes;
    }
    rn_assert(count == q->count);
    rn_assert(bytes == q->bytes);
}
