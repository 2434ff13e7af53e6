/* run.h - runs of elements, still encoded inside the frame they came in.   SPDX-License-Identifier: MIT
 *
 * A run is what is left of a section, or a part of one: its elements follow each other in the channel.  Runs are
 * cut by reference and, where they still fit together, joined again. */
#ifndef BROKER_CORE_RUN_H
#define BROKER_CORE_RUN_H

#include "broker/core/expiry.h"
#include "broker/core/list.h"
#include "proto/frame.h"

struct run {
    struct hook hook;      /* in a run_queue */
    struct wire_section s; /* body lies in frame; number: first delivery number once pulled */
    struct frame *frame;
    uint64_t claim; /* rendezvous: by which it was committed to its receiver */
    int64_t accepted_ns;
    struct epitaph *epitaph; /* dying: why, see dead.h; else NULL */
    struct expiry *expiry;   /* NULL: it never expires */
    struct batch *batch; /* fanout: what has its bytes; frame is NULL; see batch.h.  Else NULL */
};

struct run_queue {
    struct hook head;
    uint64_t count, bytes; /* of all runs together */
    /* What lies in it expires: by this heap, and this takes it out and frees it.  NULL: not here. */
    struct due_heap *dues;
    void (*expired)(struct run_queue *q, struct run *r);
};

/* Gives a run over the section, with a reference of its own to the frame; elements that are a small part of a
 * large frame are copied, so that they do not hold all of it.  NULL: no memory. */
struct run *run_new(const struct wire_section *s, struct frame *frame);
void run_free(struct run *r);
/* Makes sure that the bytes of r lie together, as those of a large element may not.  false: no memory. */
bool run_gather(struct run *r);
/* Cuts off the first n elements, 0 < n < count, and gives them as a run.  NULL: no memory, nothing changed. */
struct run *run_cut(struct run *r, uint32_t n);
/* Drops the first n elements, 0 < n < count. */
void run_shorten(struct run *r, uint32_t n);

void run_queue_init(struct run_queue *q);
/* One that sees to what expires in it. */
void run_queue_init_timed(struct run_queue *q, struct due_heap *dues,
                          void (*expired)(struct run_queue *q, struct run *r));
void run_queue_free(struct run_queue *q); /* frees what is in it */
struct run *run_queue_first(const struct run_queue *q);
struct run *run_queue_last(const struct run_queue *q);
void run_queue_push(struct run_queue *q, struct run *r);    /* takes r */
void run_queue_unshift(struct run_queue *q, struct run *r); /* the same, at the front */
void run_queue_take(struct run_queue *q, struct run *r);    /* gives r */
/* Puts each run of `from` where it belongs by position.  q is in order; `from` mostly is, else it takes longer. */
void run_queue_merge(struct run_queue *q, struct run_queue *from);
/* Drops the first n elements of the first run, n <= its count. */
void run_queue_drop(struct run_queue *q, uint32_t n);
/* Drops the first n elements of a run of q, n < its count. */
void run_queue_drop_of(struct run_queue *q, struct run *r, uint32_t n);
/* Cuts a run of a queue so that its first n elements are a run of their own, before it, 0 < n < count.
 * false: no memory, nothing changed. */
bool run_queue_cut_at(struct run *r, uint32_t n);
/* The same for the first run of q, unless it has no more than n elements anyway. */
bool run_queue_cut_first(struct run_queue *q, uint32_t n);
/* Bytes of memory that it takes, a frame that several runs share counted for each. */
uint64_t run_queue_memory(const struct run_queue *q);
void run_queue_check(const struct run_queue *q);

#endif
