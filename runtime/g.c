/* g.c - goroutines from birth to end, and how to see them all.   SPDX-License-Identifier: MIT */
#include "runtime/g.h"

#include "runtime/assert.h"
#include "runtime/group.h"
#include "runtime/heirloom.h"
#include "runtime/race.h"
#include "runtime/region.h"
#include "runtime/state.h"
#include "runtime/trace.h"

#include <string.h>

#define ID_BLOCK 64

/* Its record lies above the stack's. */
static struct rn__g *g_on(struct rn__stack *s)
{
    return (struct rn__g *)(s + 1);
}

void rn__g_free(struct rn__worker *w, struct rn__g *g)
{
    rn__tsan_free(g->tsan_fiber);
    rn__race_memory_old(g->stack->low, g->stack->size);
    rn__stack_put(g->stack, &w->stacks);
}

/* ---- goroutines --------------------------------------------------------------------------------------------- */

static void count_begun(struct rn__worker *w, const struct rn__g *g)
{
    if (w != NULL) {
        rn__bump(&w->counters.begun[g->system]);
        rn__add(&w->counters.stacks_begun, g->stack->size);
    } else { /* relaxed: a statistic of many threads */
        atomic_fetch_add_explicit(&rn__sched.retired.begun[g->system], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&rn__sched.retired.stacks_begun, g->stack->size,
                                  memory_order_relaxed);
    }
}

static void count_ended(struct rn__worker *w, const struct rn__g *g)
{
    rn__bump(&w->counters.ended[g->system]);
    rn__add(&w->counters.stacks_ended, g->stack->size);
}

/* Sequentially consistent, like what rn_stop does: it says that it waits, then counts. */
static void tell_stopper(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&rn__sched.stop_waits)) {
        atomic_fetch_add(&rn__sched.ended, 1);
        rn__futex_wake(&rn__sched.ended, 1);
    }
}

static void g_main(void *arg)
{
    struct rn__g *g = arg;

    rn__asan_arrive(NULL, NULL, NULL);
    rn__arrive();
    if (g->system)
        rn__race_hide(); /* what it does for all orders none of them */
    g->fn(g->arg);
    if (g->system)
        rn__race_show();
    rn__race_release(&rn__sched.ended);
    if (g->heirloom != NULL)
        rn__heirloom_drop(g);
    if (g->group != NULL)
        rn__group_leave(g);
    rn__region_vacate(g->stack);
    count_ended(rn__worker(), g);
    if (rn__sched.mode == RN__MODE_BACKGROUND)
        tell_stopper();
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
    rn__lock(&g->lock);
    set_name(g, name);
    rn__unlock(&g->lock);
    if (rn__tracing())
        rn__trace_name(g);
}

/* Numbers from a block that is the worker's own. */
static uint64_t id_new(struct rn__worker *w)
{
    uint64_t n = w != NULL ? ID_BLOCK : 1, first;

    if (w != NULL && w->id_next != w->id_end)
        return w->id_next++;
    /* Relaxed: only numbers. */
    first = atomic_fetch_add_explicit(&rn__sched.next_id, n, memory_order_relaxed) + 1;
    if (w != NULL) {
        w->id_next = first + 1;
        w->id_end = first + n;
    }
    return first;
}

/* Field by field: not all of the record is needed in the CPU's cache. */
static void g_init(struct rn__g *g, struct rn__stack *stack, const struct rn__spawn *s)
{
    atomic_init(&g->token, 0);
    atomic_init(&g->state, RN__G_RUNNABLE);
    g->queue_next = g->queue_ahead = NULL;
    g->stack = stack;
    g->group = s->group;
    g->fn = s->fn;
    g->arg = (void *)s->arg;
    g->shield = 0;
    g->system = s->system;
    g->cancelled = &rn__sched.root_cancelled; /* a group tells its own */
    g->canary = stack->guard == RN__GUARD_CANARY;
    g->ready_ns = 0;
    g->ready_weight = 0;
    g->waiting = NULL;
    g->heirloom = NULL;
    atomic_init(&g->lock.word, 0);
    g->cancellable = NULL;
    atomic_init(&g->why, RN__WHY_NONE);
    atomic_init(&g->object, NULL);
    atomic_init(&g->since_ns, 0);
    set_name(g, s->name);
    g->asan_fake_stack = NULL;
}

/* Once all else is laid out, for what is written before is in order with it. */
static void *fiber_new(const struct rn__spawn *s)
{
    void *fiber = rn__tsan_new();

    if (s->after != NULL) {
        void *self = rn__race_as(fiber);

        rn__race_acquire(s->after);
        (void)rn__race_as(self);
    }
    return fiber;
}

/* Lays out record, argument and first frame on a new stack. */
static struct rn__g *g_new(struct rn__worker *w, const struct rn__spawn *s)
{
    struct rn__stack *stack = rn__stack_get(s->stack_bytes, w != NULL ? &w->stacks : NULL);
    char *top;
    struct rn__g *g;

    if (stack == NULL)
        return NULL;
    rn__race_memory_new(stack->low, stack->size);
    g = g_on(stack);
    g_init(g, stack, s);
    g->id = id_new(w);
    top = rn__stack_top(stack);
    if (s->size > 0) {
        top = (char *)((uintptr_t)(top - s->size) & ~(uintptr_t)63);
        memcpy(top, s->arg, s->size);
        g->arg = top;
    }
    rn__ctx_init(&g->ctx, top, g_main, g);
    g->tsan_fiber = fiber_new(s);
    return g;
}

/* `w` is the caller's worker, or NULL on a plain thread that is inside. */
static int spawn(struct rn__worker *w, const struct rn__spawn *s)
{
    struct rn__g *g;

    if (s->size > 4096 || s->fn == NULL)
        return -EINVAL;
    g = g_new(w, s);
    if (g == NULL)
        return -ENOMEM;
    if (g->group != NULL && !rn__group_join(g, s->anyway)) {
        rn__tsan_free(g->tsan_fiber);
        rn__race_memory_old(g->stack->low, g->stack->size);
        rn__stack_put(g->stack, w != NULL ? &w->stacks : NULL);
        return RN_ECANCELED;
    }
    if (rn__heirlooms_used() && !s->system && s->after == NULL)
        g->heirloom = rn__heirloom_inherit(w);
    count_begun(w, g);
    rn__region_settle(g->stack);
    rn__make_runnable_new(w, g);
    return 0;
}

int rn__spawn(const struct rn__spawn *s)
{
    struct rn__worker *w = rn__worker();
    int rc;

    if (w != NULL)
        return spawn(w, s);
    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = spawn(NULL, s);
    rn__outside_leave();
    return rc;
}

int rn__go_system(rn_fn *fn, void *arg, const char *name)
{
    return rn__spawn(&(struct rn__spawn){ .fn = fn, .arg = arg, .name = name, .system = true });
}

struct visit {
    void (*fn)(struct rn__g *g, void *arg);
    void *arg;
};

static void visit_g(struct rn__stack *s, void *arg)
{
    const struct visit *v = arg;

    v->fn(g_on(s), v->arg);
}

void rn__each_g(void (*fn)(struct rn__g *g, void *arg), void *arg)
{
    if (!rn__outside_enter())
        return;
    rn__region_visit(visit_g, &(struct visit){ fn, arg });
    rn__outside_leave();
}

void rn__each_g_left(void (*fn)(struct rn__g *g, void *arg), void *arg)
{
    rn__region_visit_alone(visit_g, &(struct visit){ fn, arg });
}

static uint64_t sum(bool ended, bool system)
{
    const struct rn__counters *c = &rn__sched.retired;
    uint64_t n = atomic_load(&(ended ? c->ended : c->begun)[system]);

    for (unsigned i = 0; i < rn__sched.n_workers; i++) {
        c = &rn__sched.workers[i].counters;
        n += atomic_load(&(ended ? c->ended : c->begun)[system]);
    }
    return n;
}

/* Those who have ended first: so it is never too few, and 0 only if it was so at a moment between. */
static uint64_t live(bool system)
{
    uint64_t ended = sum(/* ended= */ true, system);

    return sum(/* ended= */ false, system) - ended;
}

uint64_t rn__live(void)
{
    return live(/* system= */ false);
}

uint64_t rn__all(void)
{
    uint64_t n;

    if (!rn__outside_enter())
        return 0;
    n = live(/* system= */ false) + live(/* system= */ true);
    rn__outside_leave();
    return n;
}
