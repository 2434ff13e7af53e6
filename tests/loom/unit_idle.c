/* unit_idle.c - workers that go to sleep while work comes, and the end of the scheduler.   SPDX-License-Identifier: MIT */
#include "tests/loom/crew.h"

#include "runtime/sched.h"

#include <string.h>

static struct {
    int ran;
    struct rn__g *parked;
    rn_chan *c;
    int left;
    bool told[2];
} s;

static void one(void *arg)
{
    (void)arg;
    s.ran++;
}

static void push(void *arg)
{
    (void)arg;
    loom_check(rn_go(one, NULL) == 0);
}

static void push_twice(void *arg)
{
    push(arg);
    push(arg);
}

static void parks(void *arg)
{
    (void)arg;
    s.parked = rn__self();
    rn__park();
    s.ran++;
}

/* Waits in a futex of the runtime's, as rn_stop does: what is started must have run by then. */
static void end(int goroutines)
{
    loom_join_all();
    loom_check(rn_stop(RN_FOREVER) == 0);
    loom_end();
    loom_check(s.ran == goroutines);
}

LOOM_UNIT(idle_push, "what plain threads start is run, however the workers fall asleep")
{
    memset(&s, 0, sizeof s);
    loom_check(rn_start(2) == 0);
    loom_spawn(push, NULL);
    loom_spawn(push, NULL);
    loom_begin();
    end(2);
}

LOOM_UNIT(idle_one, "the same with one worker")
{
    memset(&s, 0, sizeof s);
    loom_check(rn_start(1) == 0);
    loom_spawn(push, NULL);
    loom_begin();
    push_twice(NULL);
    end(3);
}

static void ready_parked(void *arg)
{
    (void)arg;
    rn__ready(s.parked);
}

LOOM_UNIT(idle_ready,
          "a goroutine that parks is readied by a plain thread, while the workers fall asleep")
{
    memset(&s, 0, sizeof s);
    loom_check(rn_start(2) == 0);
    loom_check(rn_go(parks, NULL) == 0);
    loom_begin();
    while (s.parked == NULL)
        loom_pause();
    loom_spawn(ready_parked, NULL);
    push(NULL);
    end(2);
}

static void starts_two(void *arg)
{
    loom_check(rn_go(one, NULL) == 0);
    loom_check(rn_go(one, NULL) == 0);
    (void)arg;
}

LOOM_UNIT(idle_spread, "what a goroutine starts is run by others or by its worker")
{
    static rn_fn *const crew[] = { starts_two, starts_two, NULL };

    memset(&s, 0, sizeof s);
    loom_check(rn_start(2) == 0);
    loom_begin();
    for (int i = 0; crew[i] != NULL; i++)
        loom_check(rn_go(crew[i], NULL) == 0);
    end(4);
}

/* ---- goroutines that block their worker ---- */

static void tells_both(void *arg)
{
    (void)arg;
    s.ran++;
    loom_tell(&s.told[1]);
}

static void awaits_other(void *arg)
{
    (void)arg;
    loom_await(&s.told[1]);
    s.ran++;
    loom_tell(&s.told[0]);
}

static void starts_and_awaits(void *arg)
{
    (void)arg;
    loom_check(rn_go(awaits_other, NULL) == 0);
    loom_check(rn_go(tells_both, NULL) == 0);
    loom_check(rn_go(one, NULL) == 0); /* the run-next slot is not stolen at once */
    loom_await(&s.told[0]);
    loom_await(&s.told[1]);
}

LOOM_UNIT(
    idle_blocked,
    "what is in the ring of a worker that is blocked is run by others, as long as there are any")
{
    memset(&s, 0, sizeof s);
    loom_check(rn_start(3) == 0);
    loom_begin();
    loom_check(rn_go(starts_and_awaits, NULL) == 0);
    end(3);
}

static void tells(void *arg)
{
    (void)arg;
    s.ran++;
    loom_tell(&s.told[0]);
}

static void starts_one_and_awaits(void *arg)
{
    (void)arg;
    loom_check(rn_go(tells, NULL) == 0);
    loom_await(&s.told[0]);
    s.ran++;
}

LOOM_UNIT(idle_newborn,
          "one is started, and its starter blocks, while the other worker runs out of work")
{
    memset(&s, 0, sizeof s);
    loom_check(rn_start(2) == 0);
    loom_begin();
    loom_check(rn_go(one, NULL) == 0);
    loom_check(rn_go(starts_one_and_awaits, NULL) == 0);
    end(3);
}

/* ---- the end ---- */

static void receives(void *arg)
{
    int v, rc = rn_chan_recv(s.c, &v, RN_FOREVER);

    (void)arg;
    loom_check(rc == 0 || rc == -ESHUTDOWN || rc == RN_ECANCELED);
    s.left++;
}

LOOM_UNIT(stop_waits,
          "the end of the scheduler sends away the plain threads and goroutines that wait")
{
    memset(&s, 0, sizeof s);
    s.c = rn_chan_new(sizeof(int), 0, NULL);
    loom_check(rn_start(2) == 0);
    loom_check(rn_go(receives, NULL) == 0);
    loom_spawn(receives, NULL);
    loom_begin();
    loom_check(rn_stop(RN_FOREVER) == 0);
    loom_join_all();
    loom_end();
    loom_check(s.left == 2);
    rn_chan_unref(s.c);
}
