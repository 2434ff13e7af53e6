/* heirloom.h - one thing that a goroutine has, and that those inherit whom it starts.   SPDX-License-Identifier: MIT
 *
 * For whoever is built on goroutines (node/ has its trace contexts there); the runtime hands it on and knows nothing of it.
 * Counted, because many have the same one; so whoever wants another one replaces his, and changes none that others may have.
 * A plain thread has one, too.  Services inherit none, nor does what a timer starts. */
#ifndef RN__HEIRLOOM_H
#define RN__HEIRLOOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct rn__g;
struct rn__worker;

struct rn__heirloom {
    atomic_uint refs;
    void (*release)(
        struct rn__heirloom
            *h); /* at the last unref: frees it.  Any goroutine or thread; must not park */
};

/* Has there ever been one in this process?  Else nobody need look. */
extern _Atomic bool rn__heirlooms __attribute__((visibility("hidden")));

static inline bool rn__heirlooms_used(void)
{
    /* Relaxed: who has one has set it, or begun after one who had. */
    return atomic_load_explicit(&rn__heirlooms, memory_order_relaxed);
}

void rn__heirloom_ref(struct rn__heirloom *h); /* NULL is fine; so for the next */
void rn__heirloom_unref(struct rn__heirloom *h);

/* The caller's: borrowed until it takes another; NULL: none. */
struct rn__heirloom *rn__heirloom_mine(void);
static inline struct rn__heirloom *rn__heirloom(void)
{
    return rn__heirlooms_used() ? rn__heirloom_mine() : NULL;
}
/* From now on the caller has h (takes it; NULL: none), and lets go of what it had.  0; -ENOMEM, only on a plain thread: then h
 * is let go of, and it has what it had. */
int rn__heirloom_take(struct rn__heirloom *h);

/* ---- for g.c and life.c ---- */
/* The caller's, with a reference; w: its worker, NULL on a plain thread. */
struct rn__heirloom *rn__heirloom_inherit(const struct rn__worker *w);
/* A goroutine ends. */
void rn__heirloom_drop(struct rn__g *g);

#endif
