/* parcel.c - one element on its way between an operator's stack and the network.   SPDX-License-Identifier: MIT
 *
 * Invariants: a parcel in a pool is on no list, refers to no frame, and its `done` is empty.  A parcel that is
 * waited for is signalled exactly once, by whoever took it off its list. */
#include "node/parcel.h"

#include "runtime/assert.h"
#include "runtime/chan.h"

#include <stdlib.h>

struct parcel *parcel_get(struct parcel_pool *pool)
{
    for (int i = 0; i < PARCEL_SLOTS; i++) {
        /* A look before the exchange keeps the cache line shared while the slot is empty.  Relaxed: the
         * value is only a hint, the exchange decides. */
        if (atomic_load_explicit(&pool->slot[i], memory_order_relaxed) == NULL)
            continue;
        /* Acquire pairs with the release in parcel_give(): the parcel's fields are seen as they were left. */
        struct parcel *p = atomic_exchange_explicit(&pool->slot[i], NULL, memory_order_acquire);
        if (p != NULL) {
            p->pooled = false;
            return p;
        }
    }
    return calloc(1, sizeof(struct parcel));
}

static void parcel_free(struct parcel *p)
{
    buf_fini(&p->buf);
    rn_chan_unref(p->done);
    free(p);
}

void parcel_give(struct parcel_pool *pool, struct parcel *p)
{
    if (p == NULL)
        return;
    rn_assert(!p->pooled);
    rn_assert(!p->waiting);
    if (p->frame != NULL)
        frame_unref(p->frame);
    p->frame = NULL;
    p->data = NULL;
    p->len = 0;
    p->number = 0;
    p->delivery = p->position = 0;
    p->deliveries = 0;
    p->letter = NULL;
    p->headed = false;
    p->manner = (struct manner){ 0 };
    rn_assert(p->place == NULL);
    p->orphan = false;
    p->counted = false;
    p->confirm = false;
    p->kept = false;
    p->crowds = CROWD_NONE;
    p->rc = 0;
    rn_assert(p->op == NULL && p->chunk == NULL);
    p->claim = 0;
    p->knocked_ns = 0;
    p->patient = p->asks = p->withdrawn = p->withdraw_due = p->muted = p->twin = p->both = false;
    buf_reset(&p->buf);
    p->pooled = true;
    for (int i = 0; i < PARCEL_SLOTS; i++) {
        struct parcel *empty = NULL;
        if (atomic_load_explicit(&pool->slot[i], memory_order_relaxed) == NULL &&
            /* Release: see parcel_get().  A failed exchange reads nothing that we use. */
            atomic_compare_exchange_strong_explicit(&pool->slot[i], &empty, p, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    parcel_free(p);
}

void parcel_pool_fini(struct parcel_pool *pool)
{
    for (int i = 0; i < PARCEL_SLOTS; i++) {
        struct parcel *p = atomic_exchange(&pool->slot[i], NULL);
        if (p != NULL)
            parcel_free(p);
    }
}

int parcel_waitable(struct parcel *p)
{
    if (p->done == NULL)
        p->done = rn_chan_new(0, 1, NULL);
    return p->done != NULL ? 0 : -ENOMEM;
}

void parcel_signal(struct parcel *p)
{
    int rc = rn__chan_offer(p->done, NULL);
    rn_assert(rc == 0);
}

int parcel_wait(struct parcel *p, rn_time deadline)
{
    /* The answer comes from outside the program: being the only one that waits is no deadlock. */
    rn_hold();
    int rc = rn_chan_recv(p->done, NULL, deadline);
    rn_release();
    return rc;
}

void parcel_await(struct parcel *p)
{
    rn_shield(1);
    parcel_wait(p, RN_FOREVER);
    rn_shield(0);
}

void parcel_signal_all(struct parcel_list *list)
{
    struct parcel *p;
    while ((p = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, p, link);
        parcel_signal(p);
    }
}
