/* crew.c - see crew.h.   SPDX-License-Identifier: MIT
 *
 * Who waits for the others does so with the two doors of the scheduler and a plain count: nothing runs between two atomics,
 * so that the count needs no lock, and the unit's schedules are not those of a wait group. */
#include "tests/loom/crew.h"

#include "runtime/sched.h"

static struct {
    rn_fn *const *fns;
    unsigned left;
    struct rn__g *waits;
} crew;

static void member(void *arg)
{
    rn_fn *fn = *(rn_fn **)arg;

    fn(NULL);
    if (--crew.left == 0 && crew.waits != NULL)
        rn__ready(crew.waits);
}

void crew_go(rn_fn *fn)
{
    crew.left++;
    loom_check(rn_go_copy(member, &fn, sizeof fn) == 0);
}

void crew_wait(void)
{
    if (crew.left == 0)
        return;
    crew.waits = rn__self();
    rn__park();
    crew.waits = NULL;
    loom_check(crew.left == 0);
}

static int first(void *arg)
{
    (void)arg;
    for (int i = 0; crew.fns[i] != NULL; i++)
        crew_go(crew.fns[i]);
    loom_begin();
    crew_wait();
    loom_end();
    return 0;
}

void crew_run(int workers, rn_fn *const *fns)
{
    crew.fns = fns;
    crew.left = 0;
    crew.waits = NULL;
    loom_check(rn_main(workers, first, NULL) == 0);
    loom_join_all();
}
