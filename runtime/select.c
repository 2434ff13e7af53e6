/* select.c - one of several operations, whichever can be performed first.   SPDX-License-Identifier: MIT
 *
 * All channels are locked in the order of their addresses while the cases are attempted in a random order, and while
 * they are queued: so no channel becomes ready between.  Then the claim word decides. */
#include "runtime/assert.h"
#include "runtime/chan.h"
#include "runtime/rand.h"
#include "runtime/sched.h"

#define CASES_MAX 64

struct selection {
    struct rn__op *ops; /* the cases that can be ready */
    int n;
    uint8_t order[CASES_MAX]; /* in which they are attempted */
    uint8_t locks[CASES_MAX]; /* in which they are locked: by address */
};

/* ---- the order of things ---- */

static void shuffle(struct selection *s)
{
    uint64_t random = rn__rand64();

    for (int i = 0; i < s->n; i++) {
        int k = (int)((rn__rand_next(&random) >> 32) * (uint64_t)(i + 1) >> 32);

        s->order[i] = s->order[k];
        s->order[k] = (uint8_t)i;
    }
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
            rn__chan_lock(c);
        last = c;
    }
}

static void unlock_all(struct selection *s)
{
    rn_chan *last = NULL;

    for (int i = s->n - 1; i >= 0; i--) {
        rn_chan *c = s->ops[s->locks[i]].chan;

        if (c != last)
            rn__chan_unlock(c);
        last = c;
    }
}

/* ---- the steps ---- */

/* Gives the case whose preparation failed, with its error in *rc, or -1. */
static int prepare_all(struct selection *s, int *rc)
{
    for (int i = 0; i < s->n; i++) {
        *rc = rn__op_prepare(&s->ops[i]);
        if (*rc < 0)
            return i;
    }
    return -1;
}

/* Finishes all cases but `fired`; those that were not prepared need nothing. */
static void finish_others(struct selection *s, int fired)
{
    for (int i = 0; i < s->n; i++)
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
        *rc = rn__op_attempt(&s->ops[s->order[i]], peer);
        if (*rc != RN__NOT_READY)
            return s->order[i];
    }
    return -1;
}

static void miss_all(struct selection *s)
{
    for (int i = 0; i < s->n; i++)
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
    lock_all(s);
    for (int i = 0; i < s->n; i++)
        rn__op_dequeue(&s->ops[i]);
    unlock_all(s);
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
            *rc = s->ops[fired].rc;
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

static int select_inside(rn_case *cases, int n, rn_time deadline)
{
    struct rn__op ops[n > 0 && n <= CASES_MAX ? n : 1];
    uint8_t case_of[CASES_MAX];
    struct selection s = { .ops = ops };
    int rc = rn__check(), fired;

    if (n < 0 || n > CASES_MAX)
        return -EINVAL;
    if (rc < 0)
        return rc;
    for (int i = 0; i < n; i++) {
        if (cases[i].chan == NULL || cases[i].op == RN_OFF)
            continue;
        case_of[s.n] = (uint8_t)i;
        ops[s.n] = (struct rn__op){ .chan = cases[i].chan,
                                    .elem = cases[i].elem,
                                    .kind = cases[i].op,
                                    .index = (uint32_t)s.n,
                                    .deadline = deadline };
        s.n++;
    }
    if (s.n == 0)
        return rn__wait_forever(deadline);
    sort_locks(&s);
    do {
        shuffle(&s);
        fired = select_once(&s, deadline, &rc);
    } while (fired >= 0 && rc == RN__RETRY);
    if (fired < 0)
        return fired;
    if (rc == RN_ETIMEDOUT || rc == RN_ECANCELED)
        return rc; /* of a bound channel: it was withdrawn, nothing was performed */
    cases[case_of[fired]].rc = rc;
    rn__count(RN__COUNT_SELECTS);
    return case_of[fired];
}

int rn_select(rn_case *cases, int n, rn_time deadline)
{
    int rc;

    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = select_inside(cases, n, deadline);
    rn__outside_leave();
    return rc;
}
