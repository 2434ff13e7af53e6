/* unit_group.c - groups that are waited for and cancelled, and calls that block a thread.   SPDX-License-Identifier: MIT */
#include "tests/loom/crew.h"

#include "runtime/sched.h"

#include <string.h>

#define WORKERS 2

static struct {
    rn_group *group;
    rn_time begin;
    int done, cancelled;
} s;

static void set_up(void)
{
    memset(&s, 0, sizeof s);
    s.begin = loom_now();
}

static void returns(void *arg)
{
    (void)arg;
    s.done++;
}

static void waits_for_two(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    loom_check(rn_group_go(g, returns, NULL, 0) == 0);
    loom_check(rn_group_go(g, returns, NULL, 0) == 0);
    loom_check(rn_group_wait(g, RN_FOREVER) == 0);
    loom_check(s.done == 2);
    rn_group_free(g);
}

LOOM_UNIT(group_wait, "a group is waited for until all have returned")
{
    static rn_fn *const crew[] = { waits_for_two, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.done == 2);
}

static void waits_for_ever(void *arg)
{
    (void)arg;
    loom_check(rn_chan_recv(NULL, NULL, RN_FOREVER) == RN_ECANCELED);
    s.cancelled++;
}

static void cancels(void *arg)
{
    (void)arg;
    rn_group_cancel(s.group);
}

static void frees_group(void *arg)
{
    (void)arg;
    s.group = rn_group_new();
    loom_check(rn_group_go(s.group, waits_for_ever, NULL, 0) == 0);
    loom_check(rn_group_go(s.group, waits_for_ever, NULL, 0) == 0);
    crew_go(cancels);
    loom_check(rn_group_wait(s.group, RN_FOREVER) == 0);
    loom_check(s.cancelled == 2);
    rn_group_free(s.group);
}

LOOM_UNIT(group_cancel, "a cancellation finds all members, whether they wait already or not")
{
    static rn_fn *const crew[] = { frees_group, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.cancelled == 2);
}

static void waits_until(void *arg)
{
    (void)arg;
    loom_check(rn_sleep(s.begin + RN_SEC) == RN_ECANCELED);
    s.cancelled++;
}

static void deadline_group(void *arg)
{
    rn_group *g = rn_group_new_deadline(s.begin + RN_MS);
    int rc = rn_group_go(g, waits_until, NULL, 0);

    (void)arg;
    loom_check(rc == 0 || rc == RN_ECANCELED);
    s.done = rc == 0;
    loom_check(rn_group_wait(g, RN_FOREVER) == 0);
    rn_group_free(g);
}

static void time_goes_on(void *arg)
{
    (void)arg;
    loom_point("the clock");
    loom_advance(RN_MS);
}

LOOM_UNIT(group_deadline, "a group's deadline cancels who is in it by then")
{
    static rn_fn *const crew[] = { deadline_group, NULL };

    set_up();
    loom_may_sleep(s.begin + 2 * RN_MS);
    loom_spawn(time_goes_on, NULL);
    crew_run(WORKERS, crew);
    loom_check(s.cancelled == s.done);
}

/* ---- calls that block a thread ---- */

static void call(void *arg)
{
    loom_point("a call that blocks");
    ++*(int *)arg;
}

static void blocks(void *arg)
{
    int mine = 0;

    (void)arg;
    loom_check(rn_block(call, &mine) == 0);
    loom_check(mine == 1);
    s.done++;
}

LOOM_UNIT(block, "calls that block a thread are each run once, and waited for")
{
    static rn_fn *const crew[] = { blocks, blocks, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.done == 2);
}
