/* timer.c - heaps of timers; see timer.h.   SPDX-License-Identifier: MIT */
#include "runtime/timer.h"

#include "runtime/assert.h"
#include "runtime/poll.h"
#include "runtime/race.h"
#include "runtime/state.h"

#include <stdlib.h>

/* ---- the heap; its lock is held ---- */

static bool before(const struct rn__timer *a, const struct rn__timer *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static void put(struct rn__timers *h, size_t i, struct rn__timer *t)
{
    h->heap[i] = t;
    t->place = i + 1;
}

static void sift_up(struct rn__timers *h, size_t i, struct rn__timer *t)
{
    while (i > 0 && before(t, h->heap[(i - 1) / 4])) {
        put(h, i, h->heap[(i - 1) / 4]);
        i = (i - 1) / 4;
    }
    put(h, i, t);
}

static void sift_down(struct rn__timers *h, size_t i, struct rn__timer *t)
{
    for (;;) {
        size_t child = 4 * i + 1, least = child;

        if (child >= h->count)
            break;
        for (size_t k = child + 1; k < child + 4 && k < h->count; k++)
            if (before(h->heap[k], h->heap[least]))
                least = k;
        if (!before(h->heap[least], t))
            break;
        put(h, i, h->heap[least]);
        i = least;
    }
    put(h, i, t);
}

static rn_time first_of(const struct rn__timers *h)
{
    return h->count > 0 ? h->heap[0]->when : RN_FOREVER;
}

/* Exactly: what it says may have been too early. */
static void publish_first(struct rn__timers *h)
{
    atomic_store(&h->first_when, first_of(h));
}

/* A timer has been set, or moved.  true: it is earlier than what was said; sequentially consistent, for
 * rn__sched_timer_set() looks next.  One that is later, or that has gone, leaves what was said: most are stopped before they
 * fire, and the next is set where they were.  Who sleeps until then, or looks then, finds nothing, and says what is true; but
 * in a simulation that moment would be seen. */
static bool publish_earlier(struct rn__timers *h)
{
    rn_time first = first_of(h), was = atomic_load_explicit(&h->first_when, memory_order_relaxed);

    if (first < was || rn__sched.mode == RN__MODE_SIM)
        publish_first(h);
    return first < was;
}

static int insert(struct rn__timers *h, struct rn__timer *t)
{
    if (h->count == h->room) {
        size_t room = h->room == 0 ? 64 : h->room * 2;
        struct rn__timer **heap;

        rn__race_hide();
        heap = realloc(h->heap, room * sizeof *heap);
        rn__race_show();
        if (heap == NULL)
            return -ENOMEM;
        h->heap = heap;
        h->room = room;
    }
    t->order = h->order++;
    h->user += !t->system;
    sift_up(h, h->count++, t);
    return 0;
}

static void removed(struct rn__timers *h, struct rn__timer *t)
{
    size_t i = t->place - 1;
    struct rn__timer *last = h->heap[--h->count];

    h->user -= !t->system;
    t->place = 0;
    if (last == t)
        return;
    if (i > 0 && before(last, h->heap[(i - 1) / 4]))
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
}

/* ---- */

void rn__timers_init(struct rn__timers *h)
{
    *h = (struct rn__timers){ .first_when = RN_FOREVER };
}

void rn__timers_fini(struct rn__timers *h)
{
    for (size_t i = 0; i < h->count; i++) {
        h->heap[i]->place = 0;
        if (h->heap[i]->ours)
            free(h->heap[i]);
    }
    free(h->heap);
    free(h->spare);
    rn__timers_init(h);
}

int rn__timers_run(struct rn__timers *h, rn_time now)
{
    int n = 0;

    rn__lock(&h->lock);
    while (h->count > 0 && h->heap[0]->when <= now) {
        struct rn__timer *t = h->heap[0];
        rn_time again;

        removed(h, t);
        again = t->fire(t, now); /* unless it says when again, *t may be gone */
        if (again != 0) {
            t->when = again;
            rn_assert(insert(h, t) == 0); /* its place has just been freed */
        }
        n++;
    }
    publish_first(h);
    rn__unlock(&h->lock);
    return n;
}

static int start(struct rn__worker *w, struct rn__timer *t, rn_time when)
{
    bool first;
    int rc;

    rn__race_release(t);
    rn__lock(&w->timers.lock);
    t->home = w->index + 1;
    t->when = when;
    t->place = 0;
    rc = insert(&w->timers, t);
    first = rc == 0 && publish_earlier(&w->timers);
    rn__unlock(&w->timers.lock);
    if (first)
        rn__sched_timer_set(when);
    return rc;
}

int rn__timer_start(struct rn__timer *t, rn_time when)
{
    struct rn__worker *w = rn__worker();
    int rc;

    if (w != NULL)
        return start(w, t, when);
    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = start(rn__worker_at(0), t, when);
    rn__outside_leave();
    return rc;
}

/* *last: no timer of users is left there. */
static bool stop(struct rn__timer *t, bool *last)
{
    /* Perhaps a worker of an earlier scheduler, which took all its timers out: then it is not there now, or not set. */
    struct rn__worker *w = rn__worker_at(t->home - 1);
    bool set;

    if (w == NULL)
        return false;
    rn__lock(&w->timers.lock);
    set = t->place != 0;
    if (set) {
        removed(&w->timers, t);
        if (rn__sched.mode == RN__MODE_SIM)
            publish_first(&w->timers);
        *last = w->timers.user == 0;
    }
    rn__unlock(&w->timers.lock);
    return set;
}

bool rn__timer_stop(struct rn__timer *t)
{
    bool set, last = false;

    if (t->home == 0)
        return false;
    if (rn__worker() != NULL)
        return stop(t, &last);
    if (!rn__outside_enter())
        return false;
    set = stop(t, &last);
    if (last)
        rn__poll_break(); /* if all sleep, it may be a deadlock from now on: let them look again */
    rn__outside_leave();
    return set;
}

/* t is of this heap, set or not: 1 it was set, 0 not, or -ENOMEM. */
static int move_within(struct rn__timers *h, struct rn__timer *t, rn_time when)
{
    bool was_set = t->place != 0;
    int rc = 0;

    if (was_set)
        removed(h, t);
    t->when = when;
    rc = insert(h, t); /* cannot fail if it was set */
    return rc < 0 ? rc : was_set;
}

int rn__timer_move(struct rn__timer *t, rn_time when)
{
    struct rn__worker *w = rn__worker();
    bool first;
    int rc;

    /* Only who has the timer starts it, so its home does not change meanwhile. */
    if (w == NULL || t->home != w->index + 1) {
        bool was_set = rn__timer_stop(t);

        rc = rn__timer_start(t, when);
        return rc < 0 ? rc : was_set;
    }
    rn__race_release(t);
    rn__lock(&w->timers.lock);
    rc = move_within(&w->timers, t, when);
    first = publish_earlier(&w->timers);
    rn__unlock(&w->timers.lock);
    if (first)
        rn__sched_timer_set(when);
    return rc;
}
