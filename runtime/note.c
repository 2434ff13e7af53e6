/* note.c - an event with one waiter, who may wait for a descriptor at the same time.   SPDX-License-Identifier: MIT
 *
 * Invariant: set is written before waiter is looked for, and waiter before set is looked at, both under the
 * lock; so a setter finds the waiter or the waiter finds the note set. */
#include "runtime/note.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/assert.h"
#include "runtime/poll.h"
#include "runtime/sched.h"

enum { BY_NOTE = 1, BY_FD = 2 }; /* outcomes of the claim */

void rn__note_init(struct rn__note *n)
{
    atomic_init(&n->set, 0);
    pthread_mutex_init(&n->lock, NULL);
    n->waiter = NULL;
}

void rn__note_fini(struct rn__note *n)
{
    rn_assert(!n->waiter);
    pthread_mutex_destroy(&n->lock);
}

void rn__note_set(struct rn__note *n)
{
    struct rn__wait *w;

    /* A load would be cheaper and wrong: it could be done before the caller's own writes are seen, and then the
     * waiter clears the note without having seen them. */
    if (atomic_exchange(&n->set, 1) || !rn__outside_enter())
        return;
    pthread_mutex_lock(&n->lock);
    w = n->waiter;
    if (w && !rn__claim(w, BY_NOTE))
        w = NULL;
    pthread_mutex_unlock(&n->lock);
    if (w)
        rn__wake(w); /* it stays until it is woken, the note need not */
    rn__outside_leave();
}

static __attribute__((noinline)) int fd_ready(int fd, int events)
{
    struct pollfd p = { .fd = fd, .events = (short)events };

    if (poll(&p, 1, 0) <= 0)
        return 0;
    return p.revents & POLLNVAL ? -EBADF : RN__NOTE_FD;
}

/* What there is without waiting: bits, or an error of the descriptor when the note is not set. */
static int look(struct rn__note *n, int fd, int events)
{
    int set = atomic_exchange(&n->set, 0) ? RN__NOTE_SET : 0;
    int ready = fd < 0 ? 0 : fd_ready(fd, events);

    return ready < 0 ? (set ? set : ready) : set | ready;
}

static void set_waiter(struct rn__note *n, struct rn__wait *w)
{
    pthread_mutex_lock(&n->lock);
    rn_assert(!w || !n->waiter);
    n->waiter = w;
    pthread_mutex_unlock(&n->lock);
}

/* Parks until something has happened: what, as far as it is known, or an error. */
static int park(struct rn__note *n, struct rn__fd *f, int events, rn_time deadline)
{
    struct rn__fd_wait q = { .result = 0 };
    struct rn__wait w;
    int rc = 0, parked = 0;
    bool queued;

    rn__wait_init(&w);
    set_waiter(n, &w);
    if (f)
        rc = rn__fd_queue(&q, f, events, &w, BY_FD);
    queued = f && rc == 0;
    /* Nothing to wait for after all: we take the claim ourselves, unless somebody has it, who is going to wake us. */
    if ((rc == 0 && !atomic_load(&n->set)) || !rn__claim(&w, BY_NOTE))
        parked = rn__wait_park_shielded(&w, RN__WHY_NOTE, f, deadline);
    if (queued) {
        rn__fd_unqueue(&q);
        rc = q.result;
    }
    set_waiter(n, NULL);
    if (parked < 0 || rc < 0)
        return parked < 0 ? parked : rc;
    return parked == BY_FD ? RN__NOTE_FD : 0;
}

int rn__note_wait(struct rn__note *n, int fd, int poll_events, rn_time deadline)
{
    struct rn__fd *f = NULL;
    int rc = look(n, fd, poll_events);

    while (rc == 0) {
        if (deadline != RN_FOREVER && deadline <= rn_now())
            return RN_ETIMEDOUT;
        if (fd >= 0)
            rc = rn__fd_enter(fd, &f);
        if (rc == 0)
            rc = park(n, f, poll_events, deadline);
        if (f)
            rn__fd_leave(f);
        f = NULL;
        if (rc >= 0 && atomic_exchange(&n->set, 0))
            rc |= RN__NOTE_SET;
        if (rc == 0)
            rc = look(n, fd, poll_events);
    }
    return rc;
}
