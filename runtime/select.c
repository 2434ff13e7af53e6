/* select.c - one of several operations, whichever can be performed first.   SPDX-License-Identifier: MIT
 *
 * A goroutine first looks at one channel after the other, in a random order.  If none is ready, all channels are locked in
 * the order of their addresses while the cases are attempted, and while they are queued: so no channel becomes ready
 * between.  Then the claim word decides. */
#include "runtime/assert.h"
#include "runtime/chan.h"
#include "runtime/race.h"
#include "runtime/rand.h"
#include "runtime/state.h"

#define CASES_MAX 64

struct selection {
    struct rn__op *ops; /* the cases that can be ready */
    int n;
    bool bound;               /* some of them: to be prepared and finished */
    const uint8_t *order;     /* in which they are attempted */
    uint8_t locks[CASES_MAX]; /* in which they are locked: by address */
};

/* Those cases of which a channel is given, and a random order of them, as far as it is needed. */
struct live {
    int n;
    bool bound;                 /* one of them is */
    uint64_t random;            /* a fraction of one, whose upper part the next draw takes */
    uint8_t case_of[CASES_MAX]; /* in the order in which they were given */
    uint8_t order[CASES_MAX];   /* indices into that */
};

/* ---- the order of things ---- */

#define DRAWS 8 /* of one number of at most 64: so many are fair from 64 random bits */

static inline void draw_begin(struct live *l)
{
    l->random = l->n > 1 ? rn__rand64() : 0;
}

/* The i-th, in turn. */
static inline uint8_t draw(struct live *l, int i)
{
    unsigned __int128 product;
    uint8_t swap;
    int k;

    if (i % DRAWS == DRAWS - 1)
        l->random = rn__rand64();
    product = (unsigned __int128)l->random * (unsigned)(l->n - i);
    l->random = (uint64_t)product;
    k = i + (int)(product >> 64);
    swap = l->order[k];
    l->order[k] = l->order[i];
    l->order[i] = swap;
    return swap;
}

static void draw_all(struct live *l)
{
    draw_begin(l);
    for (int i = 0; i < l->n; i++)
        draw(l, i);
}

static void sort_locks(struct selection *s)
{
    for (int i = 0; i < s->n; i++) {
        int k = i;

        for (; k > 0 && (uintptr_t)s->ops[s->locks[k - 1]].chan > (uintptr_t)s->ops[i].chan; k--)
            s->locks[k] = s->locks[k - 1];
        s->locks[k] = (uint8_t)i;
    }
}

static void lock_all(struct selection *s)
{
    rn_chan *last = NULL;

    for (int i = 0; i < s->n; i++) {
        rn_chan *c = s->ops[s->locks[i]].chan;

        if (c != last)
            rn__lock(&c->lock);
        last = c;
    }
}

static void unlock_all(struct selection *s)
{
    rn_chan *last = NULL;

    for (int i = s->n - 1; i >= 0; i--) {
        rn_chan *c = s->ops[s->locks[i]].chan;

        if (c != last)
            rn__unlock(&c->lock);
        last = c;
    }
}

/* ---- the steps ---- */

/* Gives the case whose preparation failed, with its error in *rc, or -1. */
static int prepare_all(struct selection *s, int *rc)
{
    for (int i = 0; s->bound && i < s->n; i++) {
        *rc = rn__op_prepare(&s->ops[i]);
        if (*rc < 0)
            return i;
    }
    return -1;
}

/* Finishes all cases but `fired`; those that were not prepared need nothing. */
static void finish_others(struct selection *s, int fired)
{
    for (int i = 0; s->bound && i < s->n; i++)
        if (i != fired)
            rn__op_finish(&s->ops[i], 0, 0);
}

static bool all_current(const struct selection *s)
{
    for (int i = 0; i < s->n; i++)
        if (!rn__op_current(&s->ops[i]))
            return false;
    return true;
}

/* The case that was performed at once, with its result in *rc, or -1. */
static int attempt_all(struct selection *s, int *rc, struct rn__op **peer)
{
    for (int i = 0; i < s->n; i++) {
        struct rn__op *op = &s->ops[s->order[i]];

        if (op->ops == NULL && !rn__chan_may_be_ready(op->chan, op->kind))
            continue;
        *rc = rn__op_attempt(op, peer);
        if (*rc != RN__NOT_READY)
            return s->order[i];
    }
    return -1;
}

static void miss_all(struct selection *s)
{
    for (int i = 0; s->bound && i < s->n; i++)
        if (s->ops[i].ops != NULL)
            s->ops[i].ops->missed(s->ops[i].chan, &s->ops[i]);
}

/* All are locked, and are unlocked.  The case that fired, or why none did. */
static int wait_all(struct selection *s, rn_time deadline)
{
    enum rn__why why = RN__WHY_SELECT;
    struct rn__wait w;
    int fired;

    rn__wait_init_again(&w, s->ops[0].id);
    w.ops = s->ops;
    w.n_ops = s->n;
    /* In the random order: of several cases on one channel a peer meets the one that is first in its line. */
    for (int i = 0; i < s->n; i++) {
        struct rn__op *op = &s->ops[s->order[i]];

        op->wait = &w;
        rn__op_enqueue(op);
        if (op->chan->external)
            why = RN__WHY_SIGNAL;
        else if (op->ops != NULL && why == RN__WHY_SELECT)
            why = RN__WHY_BOUND;
    }
    unlock_all(s);
    fired = rn__wait_park(&w, why, s->ops[0].chan, deadline);
    s->ops[0].id = atomic_load_explicit(&w.id, memory_order_relaxed);
    for (int i = 0; i < s->n; i++) {
        if (i == fired) /* whoever claimed it has taken it out */
            continue;
        rn__lock(&s->ops[i].chan->lock);
        rn__op_dequeue(&s->ops[i]);
        rn__unlock(&s->ops[i].chan->lock);
    }
    return fired;
}

/* One round.  The case that fired and its result in *rc (perhaps RN__RETRY), or why none did. */
static int select_once(struct selection *s, rn_time deadline, int *rc)
{
    struct rn__op *peer = NULL;
    int fired = prepare_all(s, rc);

    if (fired >= 0) {
        finish_others(s, fired);
        return fired;
    }
    lock_all(s);
    if (!all_current(s)) {
        unlock_all(s);
        finish_others(s, -1);
        s->bound = true; /* meanwhile */
        *rc = RN__RETRY;
        return 0;
    }
    fired = attempt_all(s, rc, &peer);
    if (fired >= 0) {
        unlock_all(s);
        if (peer != NULL)
            rn__op_complete(peer, 0);
    } else if (rn__deadline_passed(deadline)) {
        miss_all(s);
        unlock_all(s);
        fired = RN_ETIMEDOUT;
    } else {
        fired = wait_all(s, deadline);
        if (fired >= 0)
            *rc = rn__op_result(&s->ops[fired]);
    }
    if (fired == RN__AGAIN) {
        finish_others(s, -1);
        *rc = RN__RETRY;
        return 0;
    }
    finish_others(s, fired);
    if (fired >= 0)
        *rc = rn__op_finish(&s->ops[fired], 1, *rc);
    return fired;
}

static void op_init(struct rn__op *op, const rn_case *c, int index, rn_time deadline)
{
    op->chan = c->chan;
    op->elem = c->elem;
    op->kind = c->op;
    op->index = (uint32_t)index;
    op->deadline = deadline;
    op->id = 0;
    op->queued = false;
    op->sole = NULL;
    op->token = NULL;
    op->token_size = 0;
    op->with = NULL;
    op->ops = NULL;
}

static inline void gather(const rn_case *cases, int n, struct live *l)
{
    bool bound = false;
    int m = 0;

    for (int i = 0; i < n; i++) {
        if (cases[i].chan == NULL || cases[i].op == RN_OFF)
            continue;
        l->case_of[m] = (uint8_t)i;
        l->order[m] = (uint8_t)m;
        bound |= rn__chan_is_bound(cases[i].chan);
        m++;
    }
    l->n = m;
    l->bound = bound;
}

/* All are tried, first in the order that was drawn. */
static int select_inside(rn_case *cases, struct live *l, rn_time deadline)
{
    struct rn__op ops[l->n > 0 ? l->n : 1];
    struct selection s;
    int rc = 0, fired;

    if (l->n == 0)
        return rn__wait_forever(deadline);
    s.ops = ops;
    s.n = l->n;
    s.bound = l->bound;
    s.order = l->order;
    for (int i = 0; i < s.n; i++)
        op_init(&ops[i], &cases[l->case_of[i]], i, deadline);
    sort_locks(&s);
    while ((fired = select_once(&s, deadline, &rc)) >= 0 && rc == RN__RETRY)
        draw_all(l);
    if (fired < 0)
        return fired;
    if (rc == RN_ETIMEDOUT || rc == RN_ECANCELED)
        return rc; /* of a bound channel: it was withdrawn, nothing was performed */
    cases[l->case_of[fired]].rc = rc;
    rn__count(RN__COUNT_SELECTS);
    return l->case_of[fired];
}

static __attribute__((noinline)) int select_slowly(rn_case *cases, int n, rn_time deadline)
{
    struct live l;
    int rc;

    if (n < 0 || n > CASES_MAX)
        return -EINVAL;
    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = rn__check();
    if (rc == 0) {
        gather(cases, n, &l);
        draw_all(&l);
        rc = select_inside(cases, &l, deadline);
    }
    rn__outside_leave();
    return rc;
}

/* Tries one after the other.  The case that was performed; or -1: none, or it is not all ours to try. */
static inline int try_each(struct rn__worker *w, rn_case *cases, struct live *l)
{
    draw_begin(l);
    for (int i = 0; i < l->n; i++) {
        uint8_t k = l->case_of[draw(l, i)];
        int rc;

        if (!rn__chan_seems_ready(cases[k].chan, cases[k].op))
            continue;
        rc = rn__chan_try(w, cases[k].chan, cases[k].elem, cases[k].op);
        if (rc == RN__NOT_READY)
            continue;
        if (rc == RN__RETRY)
            break;
        cases[k].rc = rc;
        rn__bump(&w->counters.selects);
        return k;
    }
    return -1;
}

static inline __attribute__((always_inline)) int select_one(rn_case *cases, int n, rn_time deadline)
{
    struct rn__worker *w = rn__worker();
    struct live l;
    int fired;

    if (w == NULL || rn__g_stops(w->current) || n < 0 || n > CASES_MAX)
        return select_slowly(cases, n, deadline);
    gather(cases, n, &l);
    if (l.bound)
        return select_slowly(cases, n, deadline);
    fired = try_each(w, cases, &l);
    return fired >= 0 ? fired : select_inside(cases, &l, deadline);
}

int rn_select(rn_case *cases, int n, rn_time deadline)
{
    int fired;

    rn__race_call();
    fired = select_one(cases, n, deadline);
    rn__race_return();
    return fired;
}
