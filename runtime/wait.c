/* wait.c - see wait.h.   SPDX-License-Identifier: MIT
 *
 * A goroutine's wait ends by its goroutine being readied; a plain thread's by a futex.  Plain threads that wait are on a
 * list, so that the end of the scheduler finds them. */
#include "runtime/wait.h"

#include "runtime/assert.h"
#include "runtime/chan.h"
#include "runtime/group.h"
#include "runtime/race.h"
#include "runtime/sched.h"
#include "runtime/sim.h"
#include "runtime/state.h"

static struct {
    struct rn__lock lock;
    struct rn__wait *first; /* plain threads that wait; guarded by lock */
    bool evicting;          /* guarded by lock */
    _Atomic bool seen;
} plain;

void rn__wait_init_again(struct rn__wait *w, uint64_t id)
{
    rn__wait_init(w);
    atomic_init(&w->id, id);
}

void rn__wait_init(struct rn__wait *w)
{
    atomic_init(&w->claim, RN__OPEN);
    atomic_init(&w->woken, 0);
    w->g = rn__self();
    w->next = w->prev = NULL;
    w->ops = NULL;
    w->n_ops = 0;
    atomic_init(&w->id, 0);
}

/* ---- the claim word ---- */

static uint32_t knock_of(uint32_t outcome)
{
    switch (outcome) {
    case RN__BY_TIMEOUT:
        return RN__KNOCK_TIMEOUT;
    case RN__BY_CANCEL:
        return RN__KNOCK_CANCEL;
    default:
        return RN__KNOCK_PEER;
    }
}

/* true: this is the first of its kind.  The case that is negotiated learns of it. */
static bool knock(struct rn__wait *w, uint32_t seen, uint32_t kind)
{
    struct rn__op *op = &w->ops[seen >> 8];

    if (!atomic_compare_exchange_strong(&w->claim, &seen, seen | kind))
        return false;
    op->ops->hurry(op->chan, op);
    return true;
}

bool rn__claim_again(struct rn__wait *w, uint32_t outcome)
{
    for (;;) {
        uint32_t seen = atomic_load(&w->claim), state = seen & RN__STATE;

        if (state == RN__FIRED)
            return false;
        if (state == RN__OPEN || outcome == RN__BY_SHUTDOWN) {
            /* At the scheduler's end nobody is left who would decide. */
            if (atomic_compare_exchange_strong(&w->claim, &seen, RN__FIRED | outcome << 8))
                return true;
        } else if ((seen & knock_of(outcome)) != 0 || knock(w, seen, knock_of(outcome))) {
            return false;
        }
    }
}

bool rn__tentative(struct rn__wait *w, uint32_t outcome)
{
    for (;;) {
        uint32_t seen = atomic_load(&w->claim);

        if ((seen & RN__STATE) == RN__FIRED)
            return false;
        if (seen == RN__OPEN) {
            if (atomic_compare_exchange_strong(&w->claim, &seen, RN__TENTATIVE | outcome << 8))
                return true;
        } else if ((seen & RN__KNOCK_TALKS) != 0 || knock(w, seen, RN__KNOCK_TALKS)) {
            return false;
        }
    }
}

uint32_t rn__knocks(const struct rn__wait *w)
{
    return atomic_load(&w->claim) & RN__KNOCKS;
}

bool rn__tentative_fire(struct rn__wait *w)
{
    for (;;) {
        uint32_t seen = atomic_load(&w->claim);

        if ((seen & RN__STATE) == RN__FIRED)
            return false;
        rn_assert((seen & RN__STATE) == RN__TENTATIVE);
        if (atomic_compare_exchange_strong(&w->claim, &seen, RN__FIRED | (seen & ~UINT32_C(0xff))))
            return true;
    }
}

/* What a wait ends by when its negotiation has failed: first who cannot come again. */
static uint32_t word_after(uint32_t knocks)
{
    if (knocks & RN__KNOCK_CANCEL)
        return RN__FIRED | RN__BY_CANCEL << 8;
    if (knocks & RN__KNOCK_TIMEOUT)
        return RN__FIRED | RN__BY_TIMEOUT << 8;
    return knocks & RN__KNOCK_PEER ? RN__FIRED | RN__BY_AGAIN << 8 : RN__OPEN;
}

bool rn__tentative_release(struct rn__wait *w, bool *woken)
{
    *woken = false;
    for (;;) {
        uint32_t seen = atomic_load(&w->claim), next = word_after(seen & RN__KNOCKS);

        if ((seen & RN__STATE) == RN__FIRED) {
            *woken = true;
            return false;
        }
        rn_assert((seen & RN__STATE) == RN__TENTATIVE);
        if (atomic_compare_exchange_strong(&w->claim, &seen, next))
            return next == RN__OPEN;
    }
}

uint64_t rn__wait_id(struct rn__wait *w)
{
    static _Atomic uint64_t last;
    uint64_t id = atomic_load(&w->id), fresh;

    if (id != 0)
        return id;
    fresh = atomic_fetch_add(&last, 1) + 1;
    return atomic_compare_exchange_strong(&w->id, &id, fresh) ? fresh : id;
}

void rn__wake(struct rn__wait *w)
{
    struct rn__g *g = w->g;

    rn__race_release(w);
    if (g != NULL) {
        rn__ready(g);
        return;
    }
    /* Once it is stored the thread may go on and *w be gone; to wake an address that is no longer waited for is harmless. */
    atomic_store(&w->woken, 1);
    rn__futex_wake(&w->woken, 1);
}

void rn__wait_plain_mark_it(void)
{
    if (!atomic_load_explicit(&plain.seen, memory_order_relaxed))
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
    if (!rn__g_cancelled(g))
        return 0;
    rn__race_acquire(g->cancelled);
    return RN_ECANCELED;
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
    case RN__BY_AGAIN:
        return RN__AGAIN;
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
        atomic_store(&plain.seen, true);
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

/* Not once it is claimed by another, whose wake is on its way, or has been knocked on for the deadline. */
static bool deadline_matters(const struct rn__wait *w)
{
    uint32_t seen = atomic_load(&w->claim);

    return (seen & RN__STATE) != RN__FIRED && (seen & RN__KNOCK_TIMEOUT) == 0;
}

static void plain_park(struct rn__wait *w, bool real, rn_time deadline)
{
    if (!plain_enter(w))
        return;
    rn__external_add(0, real); /* so that a busy worker polls for it */
    while (atomic_load(&w->woken) == 0) {
        if (deadline != RN_FOREVER && rn_now() >= deadline && rn__claim(w, RN__BY_TIMEOUT))
            break;
        rn__futex_wait(&w->woken, 0, deadline_matters(w) ? deadline : RN_FOREVER);
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
    rn__lock(&plain.lock);
    atomic_store(&plain.seen, plain.first != NULL); /* in a lock, since before the scheduler */
    rn__unlock(&plain.lock);
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
    struct deadline d;
    bool external = why >= RN__WHY_EXTERNAL && !g->system;
    bool real = is_real(why, object);
    bool ours = false; /* we have claimed it ourselves: nobody will wake us */

    rn__wait_shown(g, why, object);
    cancellable = cancellable && g->shield == 0 && rn__g_cancellable(g);
    if (cancellable) {
        /* Published before the look: whoever cancels sets the flag, then looks for the wait. */
        set_cancellable(g, w);
        ours = rn__g_cancelled(g) && rn__claim(w, RN__BY_CANCEL);
    }
    if (deadline != RN_FOREVER) {
        d = (struct deadline){ .timer = { .fire = deadline_fire, .system = g->system }, .wait = w };
        if (!ours && rn__timer_start(&d.timer, deadline) < 0)
            ours = rn__claim(w, RN__BY_TIMEOUT); /* no memory to be woken in time */
    }
    if (!ours) {
        if (external || real)
            rn__external_add(external, real);
        g->waiting = w;
        rn__park();
        g->waiting = NULL;
        if (external || real)
            rn__external_add(-external, -real);
    }
    if (deadline != RN_FOREVER)
        rn__timer_stop(&d.timer);
    if (cancellable)
        set_cancellable(g, NULL);
    atomic_store_explicit(&g->why, RN__WHY_NONE, memory_order_relaxed);
}

/* Nothing but those who find it where it waits can end it. */
static void g_park_simply(struct rn__wait *w, enum rn__why why, const void *object)
{
    struct rn__g *g = w->g;

    rn__wait_shown(g, why, object);
    g->waiting = w;
    rn__park();
    g->waiting = NULL;
    atomic_store_explicit(&g->why, RN__WHY_NONE, memory_order_relaxed);
}

static int park(struct rn__wait *w, enum rn__why why, const void *object, rn_time deadline,
                bool cancellable)
{
    struct rn__g *g = w->g;

    if (g != NULL && deadline == RN_FOREVER && why < RN__WHY_EXTERNAL &&
        (!cancellable || g->shield > 0 || !rn__g_cancellable(g)))
        g_park_simply(w, why, object);
    else if (g != NULL)
        g_park(w, why, object, deadline, cancellable);
    else
        plain_park(w, is_real(why, object), deadline);
    rn__race_acquire(w);
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
