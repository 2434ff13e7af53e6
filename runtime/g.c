/* g.c - goroutines from birth to end, and the registries that know them all.   SPDX-License-Identifier: MIT */
#include "runtime/g.h"

#include "runtime/assert.h"
#include "runtime/fiber.h"
#include "runtime/group.h"
#include "runtime/state.h"

#include <string.h>

void rn__g_free(struct rn__worker *w, struct rn__g *g)
{
    rn__tsan_free(g->tsan_fiber);
    rn__stack_put(g->stack, &w->stacks);
}

/* ---- goroutines --------------------------------------------------------------------------------------------- */

static void registry_add(struct rn__worker *w, struct rn__g *g)
{
    struct rn__registry *r = &w->registry;

    g->home = w;
    rn__lock(&r->lock);
    g->all_next = r->first;
    if (r->first != NULL)
        r->first->all_prev = g;
    r->first = g;
    r->all++;
    r->live += !g->system;
    rn__unlock(&r->lock);
}

static void registry_remove(struct rn__g *g)
{
    struct rn__registry *r = &g->home->registry;

    rn__lock(&r->lock);
    if (g->all_prev != NULL)
        g->all_prev->all_next = g->all_next;
    else
        r->first = g->all_next;
    if (g->all_next != NULL)
        g->all_next->all_prev = g->all_prev;
    for (struct rn__cursor *c = r->cursors; c != NULL; c = c->next)
        if (c->at == g)
            c->at = g->all_next;
    r->all--;
    r->live -= !g->system;
    rn__unlock(&r->lock);
}

static void g_main(void *arg)
{
    struct rn__g *g = arg;

    rn__asan_arrive(NULL, NULL, NULL);
    rn__arrive();
    g->fn(g->arg);
    rn__group_leave(g);
    registry_remove(g);
    if (atomic_load(&rn__sched.stop_waits)) {
        atomic_fetch_add(&rn__sched.ended, 1);
        rn__futex_wake(&rn__sched.ended, 1);
    }
    rn__leave(RN__LEFT_ENDED);
    __builtin_unreachable();
}

static void set_name(struct rn__g *g, const char *name)
{
    size_t n = name != NULL ? strnlen(name, RN__NAME_MAX - 1) : 0;

    if (n > 0)
        memcpy(g->name, name, n);
    g->name[n] = '\0';
}

void rn_set_name(const char *name)
{
    struct rn__g *g = rn__self();

    if (g == NULL)
        return;
    rn__lock(&g->home->registry.lock);
    set_name(g, name);
    rn__unlock(&g->home->registry.lock);
}

/* Lays out record, argument and first frame on a new stack. */
static struct rn__g *g_new(struct rn__worker *w, const struct rn__spawn *s)
{
    struct rn__stack *stack = rn__stack_get(s->stack_bytes, w != NULL ? &w->stacks : NULL);
    char *top;
    struct rn__g *g;

    if (stack == NULL)
        return NULL;
    g = (struct rn__g *)(stack + 1);
    memset(g, 0, sizeof *g);
    g->stack = stack;
    g->fn = s->fn;
    g->arg = (void *)s->arg;
    g->group = s->group;
    g->system = s->system;
    /* Relaxed: only numbers. */
    g->id = atomic_fetch_add_explicit(&rn__sched.next_id, 1, memory_order_relaxed) + 1;
    set_name(g, s->name);
    top = (char *)((uintptr_t)(rn__stack_top(stack) - s->size) & ~(uintptr_t)63);
    if (s->size > 0) {
        memcpy(top, s->arg, s->size);
        g->arg = top;
    }
    rn__ctx_init(&g->ctx, top, g_main, g);
    g->tsan_fiber = rn__tsan_new();
    return g;
}

static int spawn(const struct rn__spawn *s)
{
    struct rn__worker *w = rn__worker();
    struct rn__g *g;

    if (s->size > 4096 || s->fn == NULL)
        return -EINVAL;
    g = g_new(w, s);
    if (g == NULL)
        return -ENOMEM;
    if (!rn__group_join(g, s->anyway)) {
        rn__tsan_free(g->tsan_fiber);
        rn__stack_put(g->stack, w != NULL ? &w->stacks : NULL);
        return RN_ECANCELED;
    }
    if (w != NULL)
        rn__bump(&w->counters.created);
    registry_add(w != NULL ? w : &rn__sched.workers[0], g);
    rn__make_runnable(g);
    return 0;
}

int rn__spawn(const struct rn__spawn *s)
{
    int rc;

    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = spawn(s);
    rn__outside_leave();
    return rc;
}

int rn__go_system(rn_fn *fn, void *arg, const char *name)
{
    return rn__spawn(&(struct rn__spawn){ .fn = fn, .arg = arg, .name = name, .system = true });
}

/* Whoever wants to begin or end one has its turn after so many. */
#define AT_A_TIME 64

static void registry_walk(struct rn__registry *r, void (*fn)(struct rn__g *g, void *arg), void *arg)
{
    struct rn__cursor cursor, **at;

    rn__lock(&r->lock);
    cursor = (struct rn__cursor){ .at = r->first, .next = r->cursors };
    r->cursors = &cursor;
    for (unsigned n = 1; cursor.at != NULL; n++) {
        struct rn__g *g = cursor.at;

        cursor.at = g->all_next;
        fn(g, arg);
        if (n % AT_A_TIME == 0) {
            rn__unlock(&r->lock);
            rn__lock(&r->lock);
        }
    }
    for (at = &r->cursors; *at != &cursor;)
        at = &(*at)->next;
    *at = cursor.next;
    rn__unlock(&r->lock);
}

void rn__each_g(void (*fn)(struct rn__g *g, void *arg), void *arg)
{
    if (!rn__outside_enter())
        return;
    for (unsigned i = 0; i < rn__sched.n_workers; i++)
        registry_walk(&rn__sched.workers[i].registry, fn, arg);
    rn__outside_leave();
}

static uint64_t registry_sum(bool all)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < rn__sched.n_workers; i++) {
        struct rn__registry *r = &rn__sched.workers[i].registry;

        rn__lock(&r->lock);
        n += all ? r->all : r->live;
        rn__unlock(&r->lock);
    }
    return n;
}

uint64_t rn__live(void)
{
    return registry_sum(/* all= */ false);
}

uint64_t rn__all(void)
{
    uint64_t n;

    if (!rn__outside_enter())
        return 0;
    n = registry_sum(/* all= */ true);
    rn__outside_leave();
    return n;
}
