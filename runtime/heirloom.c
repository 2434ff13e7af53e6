/* heirloom.c - one thing that a goroutine has, and that those inherit whom it starts.   SPDX-License-Identifier: MIT */
#include "runtime/heirloom.h"

#include "runtime/assert.h"
#include "runtime/sched.h"

#include <errno.h>
#include <pthread.h>

_Atomic bool rn__heirlooms;

/* Of plain threads: a key, so that a thread that ends lets go of its own. */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key; /* written once, under key_once */

static void thread_ends(void *h)
{
    rn__heirloom_unref(h);
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, thread_ends) == 0;
}

static bool thread_can(void)
{
    pthread_once(&key_once, make_key);
    return has_key;
}

static struct rn__heirloom *of_thread(void)
{
    return thread_can() ? pthread_getspecific(key) : NULL;
}

void rn__heirloom_ref(struct rn__heirloom *h)
{
    /* Relaxed: who makes a reference has one already, so the count cannot reach zero meanwhile. */
    if (h != NULL)
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
}

void rn__heirloom_unref(struct rn__heirloom *h)
{
    /* acq_rel: the last one sees all that the others did before they let go. */
    if (h != NULL && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
        h->release(h);
}

struct rn__heirloom *rn__heirloom_mine(void)
{
    struct rn__g *self = rn__self();

    return self != NULL ? self->heirloom : of_thread();
}

int rn__heirloom_take(struct rn__heirloom *h)
{
    struct rn__g *self = rn__self();
    struct rn__heirloom *had = rn__heirloom();

    if (self == NULL && (!thread_can() || pthread_setspecific(key, h) != 0)) {
        rn__heirloom_unref(h);
        return -ENOMEM;
    }
    if (self != NULL)
        self->heirloom = h;
    atomic_store_explicit(&rn__heirlooms, true, memory_order_relaxed);
    rn__heirloom_unref(had);
    return 0;
}

struct rn__heirloom *rn__heirloom_inherit(const struct rn__worker *w)
{
    struct rn__heirloom *h = w == NULL            ? of_thread()
                             : w->current != NULL ? w->current->heirloom
                                                  : NULL;

    rn__heirloom_ref(h);
    return h;
}

void rn__heirloom_drop(struct rn__g *g)
{
    struct rn__heirloom *h = g->heirloom;

    g->heirloom = NULL;
    rn__heirloom_unref(h);
}
