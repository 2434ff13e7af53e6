/* trail.c - see trail.h.   SPDX-License-Identifier: MIT */
#include "node/trail.h"

#include "node/handle.h"

#include <stdlib.h>
#include <string.h>

#define GROWS      4u
#define PLACES_MAX (UINT32_C(1) << 20)
#define LINE       64u /* bytes of a cache line */

/* All of it is a hint. */
#define look(x)     atomic_load_explicit(&(x), memory_order_relaxed)
#define write(x, v) atomic_store_explicit(&(x), (v), memory_order_relaxed)

static struct trail *trail_new(uint32_t places, struct trail *before)
{
    size_t size = sizeof(struct trail) + places * sizeof(struct trail_place);
    struct trail *t = aligned_alloc(LINE, (size + LINE - 1) & ~(size_t)(LINE - 1));

    if (t == NULL)
        return NULL;
    memset(t, 0, size);
    t->before = before;
    t->mask = places - 1;
    return t;
}

/* Without memory it stays as it is: some share a place. */
uint32_t trails_join(struct trails *t)
{
    uint32_t number = atomic_fetch_add_explicit(&t->handles, 1, memory_order_relaxed);
    struct trail *now = atomic_load_explicit(&t->now, memory_order_acquire), *larger;
    uint32_t places = now == NULL ? TRAIL_FROM : now->mask + 1;

    if (number < places || places * GROWS > PLACES_MAX)
        return number;
    larger = trail_new(places * GROWS, now);
    if (larger != NULL && !atomic_compare_exchange_strong(&t->now, &now, larger))
        free(larger);
    return number;
}

void trails_leave(struct trails *t)
{
    atomic_fetch_sub_explicit(&t->handles, 1, memory_order_relaxed);
}

void trails_fini(struct trails *t)
{
    struct trail *before;

    for (struct trail *at = atomic_load(&t->now); at != NULL; at = before) {
        before = at->before;
        free(at);
    }
}

/* Of what may be NULL, too, which is no address to count from. */
static void expect(const void *p, size_t offset, size_t lines)
{
    for (size_t i = 0; i < lines; i++)
        __builtin_prefetch((const void *)((uintptr_t)p + offset + LINE * i), 1);
}

static void expect_handle(const struct trail_place *p)
{
    const void *h = look(p->handle);

    expect(look(p->chan), 0, 2);
    expect(h, 0, 1);
    expect(h, offsetof(struct handle, out), 1);
    expect(h, offsetof(struct handle, side[RN_OUT]), 1);
}

void trail_walk(struct trail *t, uint32_t number, const struct handle *h, const void *to)
{
    const struct rn__worker *w = rn__worker();
    uint32_t here = number & t->mask, last;
    struct trail_place *p = &t->place[here];

    if (w == NULL)
        return;
    _Atomic uint32_t *mine = &t->last[w->index % TRAIL_WORKERS].place;
    last = look(*mine);
    if (last == here)
        return;
    write(*mine, here);
    if (look(t->place[last].next) != here)
        write(t->place[last].next, here);
    if (look(p->handle) != h) {
        write(p->handle, h);
        write(p->chan, h->chan);
    }
    write(p->to, to);
    /* What a handle is asked for comes before where its element will lie: that is known only since it was sent into. */
    p = &t->place[look(p->next)];
    p = &t->place[look(p->next)];
    expect(look(p->to), 0, 3);
    expect_handle(&t->place[look(p->next)]);
}
