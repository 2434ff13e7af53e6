/* cond.c - waiting for a change of what a mutex guards; see sync.h.   SPDX-License-Identifier: MIT
 *
 * Who waits is in the line before he unlocks the mutex, so whoever changes something under the mutex afterwards and signals
 * finds him.  A signal is a claim: it goes to one who has not been claimed by his deadline, so none is lost. */
#include "runtime/line.h"

#include "runtime/sched.h"

_Static_assert(sizeof(struct rn__line) == sizeof(rn_cond), "the size is the contract's");

static struct rn__line *line_of(rn_cond *c)
{
    return (struct rn__line *)(void *)c;
}

int rn_cond_wait(rn_cond *c, rn_mutex *m, rn_time deadline)
{
    struct rn__waiter w;
    int rc = rn__line_enter_checked();

    if (rc < 0)
        return rc;
    if (rn__deadline_passed(deadline)) {
        rn__line_leave();
        return RN_ETIMEDOUT;
    }
    rn__waiter_init(&w);
    rn__line_lock(line_of(c), 0);
    (void)rn__line_append(line_of(c), &w);
    rn__line_unlock(line_of(c), 0, 0);
    rn_mutex_unlock(m);
    rc = rn__wait_park(&w.wait, RN__WHY_COND, c, deadline);
    if (rc < 0)
        rn__line_quit(line_of(c), &w);
    rn__line_leave(); /* first: a plain thread must not hold up the end of the scheduler by waiting for m */
    rn_mutex_lock(m);
    return rc;
}

static void wake(struct rn__line *c, struct rn__waiter *claim(struct rn__line *c))
{
    struct rn__waiter *won;

    /* Relaxed: whoever was in the line before we had the mutex, under which we changed what is waited for, is seen. */
    if (!(atomic_load_explicit(&c->word, memory_order_relaxed) & RN__LINE_WAITERS))
        return;
    rn__line_enter();
    rn__line_lock(c, 0);
    won = claim(c);
    rn__line_unlock(c, 0, 0);
    rn__waiters_wake(won);
    rn__line_leave();
}

void rn_cond_signal(rn_cond *c)
{
    wake(line_of(c), rn__line_claim);
}

void rn_cond_broadcast(rn_cond *c)
{
    wake(line_of(c), rn__line_claim_all);
}
