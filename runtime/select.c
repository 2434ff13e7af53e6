/* select.c - one of several operations, whichever can be performed first.   SPDX-License-Identifier: MIT
 *
 * A goroutine first looks at all channels, and tries those that seem to be ready, in a random order.  If none is, all channels
 * are locked in the order of their addresses while the cases are attempted, and while they are queued: so no channel becomes
 * ready between.  Then the claim word decides. */
#include "runtime/assert.h"
#include "runtime/local.h"
#include "runtime/rand.h"

#define CASES_MAX 64

/* Those cases of which a channel is given. */
struct live {
    int n;
    bool bound;                 /* one of them is */
    uint64_t ready;             /* a bit for each that seems to be */
    uint8_t case_of[CASES_MAX]; /* in the order in which they were given */
};

struct selection {
    struct rn__op *ops; /* the cases that can be ready */
    int n;
    bool bound;      /* some of them: to be prepared and finished */
    bool drawn;      /* the order is random, not just any */
    rn_chan **locks; /* their channels, in the order in which they are locked: by address */
    uint8_t order[CASES_MAX]; /* in which they are attempted */
};

/* ---- the order of things ---- */

#define DRAWS 8 /* of one number of at most 64: so many are fair from 64 random bits */

/* A number below n; *random is a fraction of one, whose upper part it takes. */
static inline unsigned draw(uint64_t *random, int n)
{
    unsigned __int128 product = (unsigned __int128)*random * (unsigned)n;

    *random = (uint64_t)product;
    return (unsigned)(product >> 64);
}

static void draw_order(struct selection *s)
{
    uint64_t random = 0;

    for (int i = 0; i < s->n; i++) {
        uint8_t swap;
        int k;

        if (i % DRAWS == 0)
            random = rn__rand64();
        k = i + (int)draw(&random, s->n - i);
        swap = s->order[k];
        s->order[k] = s->order[i];
        s->order[i] = swap;
    }
    s->drawn = true;
}

/* One of those bits. */
static inline int draw_bit(uint64_t bits)
{
    uint64_t random;

    if ((bits & (bits - 1)) == 0)
        return __builtin_ctzll(bits);
    random = rn__rand64();
    for (unsigned n = draw(&random, __builtin_popcountll(bits)); n > 0; n--)
        bits &= bits - 1;
    return __builtin_ctzll(bits);
}

/* true: several cases are of one channel. */
static bool sort_locks(struct selection *s)
{
    bool several = false;

    for (int i = 0; i < s->n; i++) {
        rn_chan *c = s->ops[i].chan;
        int k = i;

        for (; k > 0 && (uintptr_t)s->locks[k - 1] > (uintptr_t)c; k--)
            s->locks[k] = s->locks[k - 1];
        s->locks[k] = c;
        several |= k > 0 && s->locks[k - 1] == c;
    }
    return several;
}

static void lock_all(struct selection *s)
{
    rn_chan *last = NULL;

    for (int i = 0; i < s->n; i++) {
        rn_chan *c = s->locks[i];

        if (c != last)
            rn__lock(&c->lock);
        last = c;
    }
}

static void unlock_all(struct selection *s)
{
    rn_chan *last = NULL;

    for (int i = s->n - 1; i >= 0; i--) {
        rn_chan *c = s->locks[i];

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

static inline bool may_be_ready(const struct rn__op *op)
{
    return op->ops != NULL || rn__chan_may_be_ready(op->chan, op->kind);
}

static bool any_may_be_ready(const struct selection *s)
{
    for (int i = 0; i < s->n; i++)
        if (may_be_ready(&s->ops[i]))
            return true;
    return false;
}

/* The case that was performed at once, with its result in *rc, or -1. */
static int attempt_all(struct selection *s, int *rc, struct rn__op **peer)
{
    if (!any_may_be_ready(s))
        return -1;
    if (!s->drawn)
        draw_order(s);
    for (int i = 0; i < s->n; i++) {
        struct rn__op *op = &s->ops[s->order[i]];

        if (!may_be_ready(op))
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

static inline void enqueue(struct rn__op *op)
{
    if (op->ops != NULL) {
        rn__op_enqueue(op);
        return;
    }
    race_offer(op);
    queue_append(op->chan, op);
}

static inline void dequeue(struct rn__op *op)
{
    rn__lock(&op->chan->lock);
    if (op->ops != NULL)
        rn__op_dequeue(op);
    else if (op->queued)
        queue_remove(op->chan, op);
    rn__unlock(&op->chan->lock);
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
    /* In the order, which is random then: of several cases on one channel a peer meets the one that is first in its line. */
    for (int i = 0; i < s->n; i++) {
        struct rn__op *op = &s->ops[s->order[i]];

        op->wait = &w;
        enqueue(op);
        if (op->chan->external)
            why = RN__WHY_SIGNAL;
        else if (op->ops != NULL && why == RN__WHY_SELECT)
            why = RN__WHY_BOUND;
    }
    unlock_all(s);
    fired = rn__wait_park(&w, why, s->ops[0].chan, deadline);
    s->ops[0].id = atomic_load_explicit(&w.id, memory_order_relaxed);
    for (int i = 0; i < s->n; i++)
        if (i != fired) /* whoever claimed it has taken it out */
            dequeue(&s->ops[i]);
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
    uint64_t ready = 0;
    bool bound = false;
    int m = 0;

    for (int i = 0; i < n; i++) {
        if (cases[i].chan == NULL || cases[i].op == RN_OFF)
            continue;
        l->case_of[m] = (uint8_t)i;
        bound |= rn__chan_is_bound(cases[i].chan);
        ready |= (uint64_t)rn__chan_seems_ready(cases[i].chan, cases[i].op) << m;
        m++;
    }
    l->n = m;
    l->bound = bound;
    l->ready = ready;
}

/* All are tried, in a random order.  That is drawn only where it is seen: when one is ready, or several wait in one channel. */
static int select_inside(rn_case *cases, const struct live *l, rn_time deadline)
{
    struct rn__op ops[l->n > 0 ? l->n : 1];
    rn_chan *locks[l->n > 0 ? l->n : 1];
    struct selection s;
    int rc = 0, fired;

    if (l->n == 0)
        return rn__wait_forever(deadline);
    s.ops = ops;
    s.n = l->n;
    s.bound = l->bound;
    s.drawn = false;
    s.locks = locks;
    for (int i = 0; i < s.n; i++) {
        op_init(&ops[i], &cases[l->case_of[i]], i, deadline);
        s.order[i] = (uint8_t)i;
    }
    if (sort_locks(&s))
        draw_order(&s);
    while ((fired = select_once(&s, deadline, &rc)) >= 0 && rc == RN__RETRY)
        draw_order(&s);
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
        rc = select_inside(cases, &l, deadline);
    }
    rn__outside_leave();
    return rc;
}

/* Tries those that seem to be ready.  The case that was performed; or -1: none, or it is not all ours to try. */
static inline int try_each(struct rn__worker *w, rn_case *cases, const struct live *l)
{
    for (uint64_t left = l->ready; left != 0;) {
        int at = draw_bit(left), k = l->case_of[at];
        int rc = rn__chan_try(w, cases[k].chan, cases[k].elem, cases[k].op);

        left &= ~(UINT64_C(1) << at);
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
