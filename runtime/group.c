/* group.c - see group.h and rn.h.   SPDX-License-Identifier: MIT
 *
 * Cancelling sets the flag, then claims the waits of all members.  A member publishes its wait, then looks at the flag.
 * Both under the member's lock or sequentially consistent, so no wait is overlooked. */
#include "runtime/group.h"

#include "runtime/assert.h"
#include "runtime/race.h"
#include "runtime/state.h"

#include <stdlib.h>

struct tree {
    struct rn__lock lock;
    bool listed; /* guarded by trees.lock, as the next */
    struct tree *next, *prev;
    struct rn_group *top;
};

/* A goroutine or thread in rn_group_wait(); on its stack. */
struct waiter {
    struct rn__wait wait;
    struct waiter *next;
    bool queued;
};

struct rn_group {
    struct tree *tree;
    struct rn_group *parent; /* NULL: the root */
    _Atomic bool cancelled;
    /* guarded by the tree's lock: */
    struct rn_group *children, *next, *prev;
    struct rn__g *members;
    size_t busy; /* members, and children that are busy */
    struct waiter *waiters;
    struct rn__timer
        timer; /* of the deadline; under its heap's lock, which comes before the tree's */
};

static struct {
    struct rn__lock lock;
    struct tree *first;
} trees;

/* ---- cancellation ---- */

bool rn__g_cancelled(const struct rn__g *g)
{
    if (g->shield > 0 || g->system)
        return false;
    return g->group != NULL ? atomic_load(&g->group->cancelled) : rn__root_cancelled();
}

bool rn__g_cancellable(const struct rn__g *g)
{
    return !g->system && (g->group != NULL || rn__root_cancellable());
}

static void g_cancel(struct rn__g *g)
{
    struct rn__wait *w;

    rn__lock(&g->lock);
    w = g->cancellable;
    if (w != NULL && rn__claim(w, RN__BY_CANCEL))
        rn__wake(w); /* it cannot leave before it has taken this lock */
    rn__unlock(&g->lock);
}

/* The tree's lock is held. */
static void cancel_locked(struct rn_group *g)
{
    rn__race_release(&g->cancelled);
    if (atomic_exchange(&g->cancelled, true))
        return;
    for (struct rn__g *m = g->members; m != NULL; m = m->member_next)
        g_cancel(m);
    for (struct rn_group *child = g->children; child != NULL; child = child->next)
        cancel_locked(child);
}

void rn_group_cancel(rn_group *g)
{
    bool in;

    if (g == NULL)
        return;
    in = rn__outside_enter(); /* if not: it has no members any more */
    rn__lock(&g->tree->lock);
    cancel_locked(g);
    rn__unlock(&g->tree->lock);
    if (in)
        rn__outside_leave();
}

static void cancel_root_member(struct rn__g *g, void *arg)
{
    (void)arg;
    if (g->group == NULL && !g->system)
        g_cancel(g);
}

void rn__group_cancel_all(void)
{
    rn__lock(&trees.lock);
    for (struct tree *t = trees.first; t != NULL; t = t->next)
        rn_group_cancel(t->top);
    rn__unlock(&trees.lock);
    rn__each_g(cancel_root_member, NULL);
}

int rn_cancelled(void)
{
    struct rn__g *g = rn__self();

    if (g == NULL || !rn__g_cancelled(g))
        return 0;
    rn__race_acquire(g->cancelled);
    return RN_ECANCELED;
}

void rn_shield(int on)
{
    struct rn__g *g = rn__self();

    if (g == NULL)
        return;
    rn_assert(on || g->shield > 0);
    g->shield += on ? 1 : -1;
}

/* ---- members ---- */

/* The tree's lock is held; the group has become busy, and so have those above it. */
static void busy_add(struct rn_group *g)
{
    while (g != NULL && g->busy++ == 0)
        g = g->parent;
}

/* Gives those who waited for a group that is busy no longer; their claims are won. */
static struct waiter *busy_sub(struct rn_group *g)
{
    struct waiter *won = NULL, *next;

    while (g != NULL && --g->busy == 0) {
        for (struct waiter *w = g->waiters; w != NULL; w = next) {
            next = w->next;
            w->queued = false;
            if (rn__claim(&w->wait, 0)) {
                w->next = won;
                won = w;
            }
        }
        g->waiters = NULL;
        g = g->parent;
    }
    return won;
}

bool rn__group_join(struct rn__g *g, bool anyway)
{
    struct rn_group *group = g->group;
    bool in = false;

    g->cancelled = &group->cancelled;
    rn__lock(&group->tree->lock);
    if (anyway || !atomic_load(&group->cancelled)) {
        in = true;
        g->member_prev = NULL;
        g->member_next = group->members;
        if (group->members != NULL)
            group->members->member_prev = g;
        group->members = g;
        busy_add(group);
    }
    rn__unlock(&group->tree->lock);
    return in;
}

/* The tree's lock is held.  Gives the waiters that are to be woken. */
static struct waiter *member_remove(struct rn_group *group, struct rn__g *g)
{
    if (g->member_prev != NULL)
        g->member_prev->member_next = g->member_next;
    else
        group->members = g->member_next;
    if (g->member_next != NULL)
        g->member_next->member_prev = g->member_prev;
    return busy_sub(group);
}

void rn__group_leave(struct rn__g *g)
{
    struct rn_group *group = g->group;
    struct waiter *won, *next;
    struct tree *tree;

    tree = group->tree;
    rn__lock(&tree->lock);
    for (struct rn_group *up = group; RN__RACE && up != NULL; up = up->parent)
        rn__race_release(&up->busy);
    won = member_remove(group, g);
    /* From here on the group may be freed by one who did not have to wait. */
    rn__unlock(&tree->lock);
    for (; won != NULL; won = next) {
        next = won->next;
        rn__wake(&won->wait);
    }
}

void rn__group_abandon(struct rn__g *g)
{
    struct rn_group *group = g->group;

    if (group == NULL || g->system)
        return;
    rn__lock(&group->tree->lock);
    (void)member_remove(group, g); /* only abandoned goroutines still wait */
    rn__unlock(&group->tree->lock);
}

/* ---- the contract's ---- */

static rn_time deadline_fire(struct rn__timer *t, rn_time now)
{
    struct rn_group *g = (struct rn_group *)((char *)t - offsetof(struct rn_group, timer));

    (void)now;
    rn_group_cancel(g);
    return 0;
}

static struct tree *tree_new(struct rn_group *top)
{
    struct tree *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    t->top = top;
    t->listed = true;
    rn__lock(&trees.lock);
    t->next = trees.first;
    if (trees.first != NULL)
        trees.first->prev = t;
    trees.first = t;
    if (rn__root_cancelled())
        atomic_store(&top->cancelled, true);
    rn__unlock(&trees.lock);
    return t;
}

/* trees.lock is held. */
static void tree_unlist(struct tree *t)
{
    if (!t->listed)
        return;
    t->listed = false;
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        trees.first = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
}

static void tree_free(struct tree *t)
{
    rn__lock(&trees.lock);
    tree_unlist(t);
    rn__unlock(&trees.lock);
    free(t);
}

void rn__group_reset(void)
{
    rn__lock(&trees.lock);
    while (trees.first != NULL) /* their owners were abandoned, or free them yet */
        tree_unlist(trees.first);
    rn__unlock(&trees.lock);
}

rn_group *rn_group_new(void)
{
    struct rn__g *self = rn__self();
    struct rn_group *parent = self != NULL ? self->group : NULL;
    struct rn_group *g = calloc(1, sizeof *g);

    if (g == NULL)
        return NULL;
    g->parent = parent;
    g->timer.fire = deadline_fire;
    if (parent == NULL) {
        g->tree = tree_new(g);
        if (g->tree == NULL) {
            free(g);
            return NULL;
        }
        return g;
    }
    g->tree = parent->tree;
    rn__lock(&g->tree->lock);
    g->next = parent->children;
    if (parent->children != NULL)
        parent->children->prev = g;
    parent->children = g;
    rn__race_acquire(&parent->cancelled);
    atomic_store(&g->cancelled, atomic_load(&parent->cancelled));
    rn__race_release(&g->cancelled);
    rn__unlock(&g->tree->lock);
    return g;
}

rn_group *rn_group_new_deadline(rn_time deadline)
{
    struct rn_group *g = rn_group_new();

    if (g == NULL || deadline == RN_FOREVER)
        return g;
    if (deadline <= rn_now()) {
        rn_group_cancel(g);
    } else if (rn__timer_start(&g->timer, deadline) < 0) {
        rn_group_free(g);
        return NULL;
    }
    return g;
}

int rn_group_go(rn_group *g, rn_fn *fn, const void *arg, size_t size)
{
    rn_assert(g != NULL);
    return rn__spawn(&(struct rn__spawn){ .fn = fn, .arg = arg, .size = size, .group = g });
}

/* Is the caller a member of g, or of a group below it? */
static bool inside(const struct rn_group *g)
{
    struct rn__g *self = rn__self();

    for (const struct rn_group *up = self != NULL ? self->group : NULL; up != NULL; up = up->parent)
        if (up == g)
            return true;
    return false;
}

static void waiter_remove(struct rn_group *g, struct waiter *w)
{
    rn__lock(&g->tree->lock);
    if (w->queued) {
        struct waiter **at = &g->waiters;

        while (*at != w)
            at = &(*at)->next;
        *at = w->next;
    }
    rn__unlock(&g->tree->lock);
}

static int group_wait(struct rn_group *g, rn_time deadline, bool cancellable)
{
    bool passed = rn__deadline_passed(deadline), busy;
    struct waiter w;
    int rc;

    rn__wait_init(&w.wait);
    rn__lock(&g->tree->lock);
    busy = g->busy > 0;
    w.queued = busy && !passed;
    if (w.queued) {
        w.next = g->waiters;
        g->waiters = &w;
    }
    rn__unlock(&g->tree->lock);
    if (!busy)
        rn__race_acquire(&g->busy);
    if (!busy || passed)
        return busy ? RN_ETIMEDOUT : 0;
    rc = cancellable ? rn__wait_park(&w.wait, RN__WHY_GROUP, g, deadline)
                     : rn__wait_park_shielded(&w.wait, RN__WHY_GROUP, g, deadline);
    if (rc < 0)
        waiter_remove(g, &w);
    else
        rn__race_acquire(&g->busy);
    return rc;
}

int rn_group_wait(rn_group *g, rn_time deadline)
{
    int rc;

    rn_assert(g != NULL);
    if (inside(g))
        return -EDEADLK;
    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = rn__check();
    if (rc == 0)
        rc = group_wait(g, deadline, /* cancellable= */ true);
    rn__outside_leave();
    return rc;
}

static void detach(struct rn_group *g)
{
    struct tree *tree = g->tree;

    if (g->parent == NULL) {
        tree_free(tree);
        return;
    }
    rn__lock(&tree->lock);
    if (g->prev != NULL)
        g->prev->next = g->next;
    else
        g->parent->children = g->next;
    if (g->next != NULL)
        g->next->prev = g->prev;
    rn__unlock(&tree->lock);
}

/* Cancels, and waits until all members have returned; or they are abandoned, and the group forgets them. */
static void group_empty(struct rn_group *g)
{
    rn_group_cancel(g);
    if (!rn__outside_enter())
        return; /* it was told to forget them */
    rn__wait_plain_mark();
    if (group_wait(g, RN_FOREVER, /* cancellable= */ false) == -ESHUTDOWN) {
        rn__lock(&g->tree->lock); /* no worker runs any more */
        while (g->members != NULL) {
            struct rn__g *m = g->members;

            (void)member_remove(g, m);
            m->group = NULL;
        }
        rn__unlock(&g->tree->lock);
    }
    rn__outside_leave();
}

void rn_group_free(rn_group *g)
{
    if (g == NULL)
        return;
    if (inside(g))
        rn_panic("rn_group_free: called from a member of the group");
    group_empty(g);
    rn__timer_stop(&g->timer);
    rn__lock(&g->tree->lock);
    if (g->children != NULL)
        rn_panic("rn_group_free: a child group has not been freed");
    rn__unlock(&g->tree->lock);
    detach(g);
    free(g);
}
