/* unit_poll.c - descriptors: waiting beside their becoming ready, closing and deadlines.   SPDX-License-Identifier: MIT */
#include "tests/loom/crew.h"

#include "runtime/note.h"
#include "runtime/sched.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#define WORKERS 2

static struct {
    int fd;
    rn_time begin;
    int ready, closed, late;
    struct rn__note note;
    _Atomic int given; /* what the note tells of; relaxed: the note's order is enough */
    int taken;
} s;

static void set_up(void)
{
    memset(&s, 0, sizeof s);
    s.fd = loom_fd();
    s.begin = loom_now();
}

static void wait_in(rn_time deadline)
{
    int rc = rn_wait_fd(s.fd, POLLIN, deadline);

    loom_check(rc == POLLIN || rc == -EBADF || rc == RN_ETIMEDOUT);
    s.ready += rc == POLLIN;
    s.closed += rc == -EBADF;
    s.late += rc == RN_ETIMEDOUT;
}

static void waits(void *arg)
{
    (void)arg;
    wait_in(RN_FOREVER);
}

static void becomes_ready(void *arg)
{
    (void)arg;
    loom_fd_ready(s.fd, EPOLLIN);
}

LOOM_UNIT(poll_ready, "two who wait for a descriptor are woken when it becomes ready")
{
    static rn_fn *const crew[] = { waits, waits, NULL };

    set_up();
    loom_spawn(becomes_ready, NULL);
    crew_run(WORKERS, crew);
    loom_check(s.ready == 2);
}

static void closes(void *arg)
{
    int rc = rn_fd_close(s.fd);

    (void)arg;
    loom_check(rc == 0);
}

LOOM_UNIT(poll_close,
          "a close beside a wait and readiness: the wait ends, the number is closed once")
{
    static rn_fn *const crew[] = { waits, closes, NULL };

    set_up();
    loom_spawn(becomes_ready, NULL);
    crew_run(WORKERS, crew);
    loom_check(s.ready + s.closed == 1 && !loom_fd_is_open(s.fd));
}

LOOM_UNIT(poll_evict, "a close ends the waits of a descriptor that never becomes ready")
{
    static rn_fn *const crew[] = { waits, closes, waits, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.closed == 2 && !loom_fd_is_open(s.fd));
}

static void waits_a_while(void *arg)
{
    (void)arg;
    wait_in(s.begin + RN_MS);
}

static void time_goes_on(void *arg)
{
    (void)arg;
    loom_point("the clock");
    loom_advance(RN_MS);
}

LOOM_UNIT(poll_timeout,
          "a deadline beside readiness: one ends the wait, and another's wait is not lost")
{
    static rn_fn *const crew[] = { waits_a_while, waits, NULL };

    set_up();
    loom_may_sleep(s.begin + 2 * RN_MS);
    loom_spawn(becomes_ready, NULL);
    loom_spawn(time_goes_on, NULL);
    crew_run(WORKERS, crew);
    loom_check(s.ready + s.late == 2 && s.ready >= 1);
}

/* ---- notes ---- */

static void serves(void *arg)
{
    (void)arg;
    while (s.taken < 3) {
        loom_check(rn__note_wait(&s.note, -1, 0, RN_FOREVER) == RN__NOTE_SET);
        s.taken = atomic_load_explicit(&s.given, memory_order_relaxed);
    }
}

/* Each is told of once, by whoever: so the last note that is set tells of all. */
static void tells(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&s.given, 1, memory_order_relaxed);
    rn__note_set(&s.note);
}

static void tells_twice(void *arg)
{
    tells(arg);
    tells(arg);
}

static void serves_thread(void *arg)
{
    (void)arg;
    while (s.taken < 2) {
        loom_check(rn__note_wait(&s.note, -1, 0, RN_FOREVER) == RN__NOTE_SET);
        s.taken = atomic_load_explicit(&s.given, memory_order_relaxed);
    }
}

static void writes_and_tells(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 2; i++) {
        atomic_store_explicit(&s.given, i, memory_order_relaxed);
        rn__note_set(&s.note);
    }
}

LOOM_UNIT(note_order, "what was written before a note was set is seen after it, set already or not")
{
    static rn_fn *const crew[] = { serves_thread, NULL };

    set_up();
    rn__note_init(&s.note);
    loom_spawn(writes_and_tells, NULL);
    crew_run(WORKERS, crew);
    rn__note_fini(&s.note);
}

LOOM_UNIT(note_set, "a note that is set while its waiter looks is not lost")
{
    static rn_fn *const crew[] = { serves, tells, NULL };

    set_up();
    rn__note_init(&s.note);
    loom_spawn(tells_twice, NULL);
    crew_run(WORKERS, crew);
    loom_check(s.taken == 3);
    rn__note_fini(&s.note);
}

static void serves_both(void *arg)
{
    int seen = 0;

    (void)arg;
    while (seen != (RN__NOTE_SET | RN__NOTE_FD)) {
        int rc = rn__note_wait(&s.note, seen & RN__NOTE_FD ? -1 : s.fd, POLLIN, RN_FOREVER);

        loom_check(rc > 0);
        seen |= rc;
    }
}

LOOM_UNIT(note_fd, "a note and a descriptor, waited for together, are both seen")
{
    static rn_fn *const crew[] = { serves_both, tells, NULL };

    set_up();
    rn__note_init(&s.note);
    loom_spawn(becomes_ready, NULL);
    crew_run(WORKERS, crew);
    rn__note_fini(&s.note);
}
