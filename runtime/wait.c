/* wait.c - see wait.h.   SPDX-License-Identifier: MIT
 *
 * A goroutine's wait ends by its goroutine being readied; a plain thread's by a futex.  Plain threads that wait are on a
 * list, so that the end of the scheduler finds them. */
#include "runtime/wait.h"

#include "runtime/assert.h"
#include "runtime/group.h"
#include "runtime/sched.h"
#include "runtime/sim.h"
#include "runtime/state.h"

static struct {
    struct rn__lock lock;
    struct rn__wait *first; /* plain threads that wait; guarded by lock */
    bool evicting;          /* guarded by lock */
    _Atomic bool seen;
} plain;

void rn__wait_init(struct rn__wait *w)
{
    atomic_init(&w->claim, RN__OPEN);
    atomic_init(&w->woken, 0);
    w->g = rn__self();
    w->next = w->prev = NULL;
    w->ops = NULL;
    w->n_ops = 0;
}

void rn__wake(struct rn__wait *w)
{
    struct rn__g *g = w->g;

    if (g != NULL) {
        rn__ready(g);
        return;
    }
    /* Once it is stored the thread may go on and *w be gone; to wake an address that is no longer waited for is harmless. */
    atomic_store(&w->woken, 1);
    rn__futex_wake(&w->woken, 1);
}

void rn__wait_plain_mark(void)
{
    if (rn__worker() == NULL && !atomic_load_explicit(&plain.seen, memory_order_relaxed))
        atomic_store(&plain.seen, true);
}

bool rn__deadline_passed(rn_time deadline)
{
    return deadline <= RN_NOWAIT || (deadline != RN_FOREVER && deadline <= rn_now());
}

int rn__check(void)
{
    struct rn__g *g = rn__self();

    if (g == NULL) {
        if (!rn__running())
            return -ESHUTDOWN;
        rn__wait_plain_mark();
        return 0;
    }
    if (rn__stopping())
        rn_yield(); /* rn_main's function has returned: this was the last scheduling point, we are abandoned */
    return rn__g_cancelled(g) ? RN_ECANCELED : 0;
}

static int result(const struct rn__wait *w)
{
    uint32_t outcome = rn__outcome(w);

    switch (outcome) {
    case RN__BY_TIMEOUT:
        return RN_ETIMEDOUT;
    case RN__BY_CANCEL:
        return RN_ECANCELED;
    case RN__BY_SHUTDOWN:
        return -ESHUTDOWN;
    default:
        return (int)outcome;
    }
}

/* Only the poller or another thread can end it. */
static bool is_real(enum rn__why why, const void *object)
{
    return why == RN__WHY_SIGNAL || why == RN__WHY_FD || why == RN__WHY_BLOCK ||
           (why == RN__WHY_NOTE && object != NULL);
}

/* ---- plain threads ---- */

/* false: the scheduler is ending, and the wait is ours again. */
static bool plain_enter(struct rn__wait *w)
{
    bool in = true;

    rn__lock(&plain.lock);
    if (plain.evicting && rn__claim(w, RN__BY_SHUTDOWN)) {
        in = false;
    } else {
        w->prev = NULL;
        w->next = plain.first;
        if (plain.first != NULL)
            plain.first->prev = w;
        plain.first = w;
    }
    rn__unlock(&plain.lock);
    return in;
}

static void plain_leave(struct rn__wait *w)
{
    rn__lock(&plain.lock);
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        plain.first = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    rn__unlock(&plain.lock);
}

static void plain_park(struct rn__wait *w, bool real, rn_time deadline)
{
    if (!plain_enter(w))
        return;
    rn__external_add(0, real); /* so that a busy worker polls for it */
    while (atomic_load(&w->woken) == 0) {
        if (deadline != RN_FOREVER && rn_now() >= deadline && rn__claim(w, RN__BY_TIMEOUT))
            break;
        /* Claimed by another: its wake is on its way, whatever the deadline. */
        rn__futex_wait(&w->woken, 0, atomic_load(&w->claim) == RN__OPEN ? deadline : RN_FOREVER);
    }
    rn__external_add(0, -real);
    plain_leave(w);
}

void rn__wait_evict(bool on)
{
    rn__lock(&plain.lock);
    plain.evicting = on;
    for (struct rn__wait *w = on ? plain.first : NULL, *next; w != NULL; w = next) {
        next = w->next; /* they leave the list only under the lock */
        if (rn__claim(w, RN__BY_SHUTDOWN))
            rn__wake(w);
    }
    rn__unlock(&plain.lock);
}

bool rn__wait_plain_seen(void)
{
    return atomic_load(&plain.seen);
}

void rn__wait_plain_reset(void)
{
    atomic_store(&plain.seen, false);
}

/* ---- goroutines ---- */

struct deadline {
    struct rn__timer timer;
    struct rn__wait *wait;
};

static rn_time deadline_fire(struct rn__timer *t, rn_time now)
{
    struct rn__wait *w = ((struct deadline *)t)->wait;

    (void)now;
    if (rn__claim(w, RN__BY_TIMEOUT))
        rn__wake(w);
    return 0;
}

static void set_cancellable(struct rn__g *g, struct rn__wait *w)
{
    rn__lock(&g->lock);
    g->cancellable = w;
    rn__unlock(&g->lock);
}

static void g_park(struct rn__wait *w, enum rn__why why, const void *object, rn_time deadline,
                   bool cancellable)
{
    struct rn__g *g = w->g;
    struct deadline d = { .timer = { .fire = deadline_fire, .system = g->system }, .wait = w };
    bool external = why >= RN__WHY_EXTERNAL && !g->system;
    bool real = is_real(why, object);
    int64_t since = rn__now_coarse();
    int64_t last = atomic_load_explicit(&g->since_ns, memory_order_relaxed);
    bool ours = false; /* we have claimed it ourselves: nobody will wake us */

    atomic_store_explicit(&g->object, object, memory_order_relaxed);
    /* Never the same twice: the dump tells by it whether this is still the wait that it began to look at. */
    if (since <= last)
        since = last + 1;
    atomic_store_explicit(&g->since_ns, since, memory_order_relaxed);
    atomic_store_explicit(&g->why, (int)why, memory_order_relaxed);
    cancellable = cancellable && g->shield == 0 && rn__g_cancellable(g);
    if (cancellable) {
        /* Published before the look: whoever cancels sets the flag, then looks for the wait. */
        set_cancellable(g, w);
        ours = rn__g_cancelled(g) && rn__claim(w, RN__BY_CANCEL);
    }
    if (!ours && deadline != RN_FOREVER && rn__timer_start(&d.timer, deadline) < 0)
        ours = rn__claim(w, RN__BY_TIMEOUT); /* no memory to be woken in time */
    if (!ours) {
        rn__external_add(external, real);
        g->waiting = w;
        rn__park();
        g->waiting = NULL;
        rn__external_add(-external, -real);
    }
    if (deadline != RN_FOREVER)
        rn__timer_stop(&d.timer);
    if (cancellable)
        set_cancellable(g, NULL);
    atomic_store_explicit(&g->why, RN__WHY_NONE, memory_order_relaxed);
}

static int park(struct rn__wait *w, enum rn__why why, const void *object, rn_time deadline,
                bool cancellable)
{
    if (w->g != NULL)
        g_park(w, why, object, deadline, cancellable);
    else
        plain_park(w, is_real(why, object), deadline);
    return result(w);
}

int rn__wait_park(struct rn__wait *w, enum rn__why why, const void *object, rn_time deadline)
{
    return park(w, why, object, deadline, true);
}

int rn__wait_park_shielded(struct rn__wait *w, enum rn__why why, const void *object,
                           rn_time deadline)
{
    return park(w, why, object, deadline, false);
}
