/* unit_relief.c - workers whose goroutine does not give way: their queues are taken over, others stand in for them.
 *   SPDX-License-Identifier: MIT
 *
 * The monitor itself is not there, for it would look after whoever was forgotten; a plain thread does what it does, once. */
#include "tests/loom/crew.h"

#include "runtime/chan.h"
#include "runtime/crew.h"
#include "runtime/state.h"

#include <sched.h>
#include <string.h>

#define GOROUTINES (RN__RUNQ_SIZE + 8)

/* ---- queues that are taken over ---- */

static struct {
    struct rn__runq queue, other, hand;
    struct rn__g all[GOROUTINES]; /* they never run */
    unsigned taken[GOROUTINES];
    unsigned given; /* by the owner, who gives them in order */
} q;

static void take(struct rn__g *g)
{
    loom_check(g >= q.all && g < q.all + GOROUTINES);
    loom_check(q.taken[g - q.all]++ == 0);
}

static void push(void)
{
    if (rn__runq_push(&q.queue, &q.all[q.given]))
        q.given++;
}

static void swap_next(struct rn__g *g)
{
    if ((g = rn__runq_swap_next(&q.queue, g)) != NULL)
        take(g);
}

static void pop(void)
{
    struct rn__g *g = rn__runq_pop(&q.queue);

    if (g != NULL)
        take(g);
}

static void takes_over(void *arg)
{
    (void)arg;
    rn__queue_take_over(&q.queue, &q.hand);
    loom_check(rn__runq_ring_empty(&q.hand) && !rn__runq_has_next(&q.hand));
}

static void thief(void *arg)
{
    struct rn__g *g = rn__runq_steal(&q.queue, &q.other);

    (void)arg;
    for (; g != NULL; g = rn__runq_pop(&q.other))
        take(g);
}

/* None is lost, and none is in two places. */
static void all_are_somewhere(void)
{
    uint32_t n = 0;

    while (rn__runq_has_next(&q.queue))
        swap_next(NULL);
    while (!rn__runq_ring_empty(&q.queue))
        pop();
    for (struct rn__g *g = rn__sched.common_first; g != NULL; g = g->queue_next, n++)
        take(g);
    loom_check(atomic_load(&rn__sched.common_count) == n);
    for (unsigned i = 0; i < q.given; i++)
        loom_check(q.taken[i] == 1);
    rn__sched.common_first = rn__sched.common_last = NULL;
    atomic_store(&rn__sched.common_count, 0);
}

static void set_up(unsigned in_ring)
{
    memset(&q, 0, sizeof q);
    rn__runq_init(&q.queue);
    rn__runq_init(&q.other);
    rn__runq_init(&q.hand);
    swap_next(&q.all[q.given++]);
    while (q.given <= in_ring)
        push();
}

LOOM_UNIT(take_over,
          "a queue is taken over while its owner uses it, and another steals: each goroutine once")
{
    set_up(2);
    loom_spawn(takes_over, NULL);
    loom_spawn(thief, NULL);
    loom_begin();
    push();
    swap_next(&q.all[q.given++]);
    pop();
    push();
    swap_next(NULL);
    loom_join_all();
    loom_end();
    all_are_somewhere();
}

LOOM_UNIT(take_over_full, "a full queue is taken over while its owner fills it up")
{
    set_up(RN__RUNQ_SIZE);
    loom_spawn(takes_over, NULL);
    loom_begin();
    push();
    swap_next(&q.all[q.given++]);
    push();
    push();
    loom_join_all();
    loom_end();
    all_are_somewhere();
}

/* ---- workers that are stood in for ---- */

static struct {
    bool stuck[2], freed[2];
    struct rn__worker *worker[2]; /* of the goroutines that do not give way */
    int ran, links;
    bool helped;
    struct rn__runq hand;
    rn_chan
        *to[2]; /* who receives there is put into the run-next slot, where who is started is not */
} s;

static void set_off(int i)
{
    loom_check(rn_chan_send(s.to[i], NULL, RN_NOWAIT) == 0);
}

static void await_start(int i)
{
    loom_check(rn_chan_recv(s.to[i], NULL, RN_FOREVER) == 0);
}

static void blocks_its_worker(int i)
{
    s.worker[i] = rn__worker();
    loom_tell(&s.stuck[i]);
    loom_await(&s.freed[i]);
    s.ran++;
}

static void frees_second(void *arg)
{
    (void)arg;
    await_start(1);
    s.ran++;
    loom_tell(&s.freed[1]);
}

/* Meanwhile the worker of the first comes to rest, or has, and is the one that is to stand in for this one's. */
static void frees_first(void *arg)
{
    (void)arg;
    await_start(0);
    set_off(1);
    loom_tell(&s.freed[0]);
    blocks_its_worker(1);
}

static void first(void *arg)
{
    (void)arg;
    set_off(0);
    blocks_its_worker(0);
}

static void monitor_takes_over(struct rn__worker *w)
{
    rn__crew_hands_full();
    rn__queue_take_over(&w->queue, &s.hand);
    rn__crew_hands_empty();
}

LOOM_UNIT(
    relief,
    "who waits for a worker that is blocked is run by one that stands in, a new one or one that rested")
{
    memset(&s, 0, sizeof s);
    rn__runq_init(&s.hand);
    for (int i = 0; i < 2; i++)
        s.to[i] = rn_chan_new(0, 0, NULL);
    loom_check(rn_start(1) == 0);
    loom_check(rn_go(frees_second, NULL) == 0);
    loom_check(rn_go(frees_first, NULL) == 0);
    while (rn__chan_waiting(s.to[0], RN_RECV) + rn__chan_waiting(s.to[1], RN_RECV) < 2)
        sched_yield();
    loom_begin();
    loom_check(rn_go(first, NULL) == 0);
    for (int i = 0; i < 2; i++) {
        loom_await(&s.stuck[i]);
        loom_check(rn__worker_current(s.worker[i]) != NULL);
        loom_check(rn__crew_relieve(s.worker[i], rn__worker_tick(s.worker[i])));
        monitor_takes_over(s.worker[i]);
    }
    loom_check(rn_stop(RN_FOREVER) == 0);
    loom_end();
    loom_check(s.ran == 3);
    for (int i = 0; i < 2; i++)
        rn_chan_unref(s.to[i]);
}

/* ---- and come to rest ---- */

/* Each is who runs next of whom started it; so one of them is when it is time to look around, and to rest. */
static void link_of_chain(void *arg)
{
    (void)arg;
    s.ran++;
    if (--s.links > 0)
        crew_go(link_of_chain);
}

static void one(void *arg)
{
    (void)arg;
    await_start(0);
    s.ran++;
}

static int goes_on(void *arg)
{
    (void)arg;
    crew_go(one);
    while (rn__chan_waiting(s.to[0], RN_RECV) == 0)
        rn_yield();
    loom_begin();
    set_off(0);
    s.worker[0] = rn__worker();
    loom_tell(&s.stuck[0]);
    loom_await(&s.freed[0]);
    crew_go(link_of_chain);
    crew_wait();
    loom_await(&s.helped); /* as rn__monitor_stop() sees to it */
    loom_end();
    return 0;
}

static void monitor_helps_in_vain(void *arg)
{
    (void)arg;
    loom_await(&s.stuck[0]);
    loom_check(rn__crew_relieve(s.worker[0], rn__worker_tick(s.worker[0])));
    loom_tell(&s.freed[0]);
    monitor_takes_over(s.worker[0]);
    loom_tell(&s.helped);
}

LOOM_UNIT(
    relief_rest,
    "who is free again gives away what it has and rests; all are not idle while the monitor holds some")
{
    memset(&s, 0, sizeof s);
    s.links = 4;
    s.to[0] = rn_chan_new(0, 0, NULL);
    rn__runq_init(&s.hand);
    loom_spawn(monitor_helps_in_vain, NULL);
    loom_check(rn_main(1, goes_on, NULL) == 0);
    loom_join_all();
    loom_check(s.ran == 5);
    rn_chan_unref(s.to[0]);
}

/* ---- and end ---- */

/* For one who has given way since it was looked at: so the new one is not called. */
static void monitor_hires_in_vain(void *arg)
{
    (void)arg;
    loom_await(&s.stuck[0]);
    loom_check(!rn__crew_relieve(s.worker[0], rn__worker_tick(s.worker[0]) - 1));
    loom_tell(&s.helped);
}

static int ends(void *arg)
{
    (void)arg;
    loom_begin();
    s.worker[0] = rn__worker();
    loom_tell(&s.stuck[0]);
    return 0;
}

LOOM_UNIT(relief_ends, "who is hired while the scheduler ends is told of the end, too")
{
    memset(&s, 0, sizeof s);
    loom_monitor(&s.helped);
    loom_spawn(monitor_hires_in_vain, NULL);
    loom_check(rn_main(1, ends, NULL) == 0);
    loom_join_all();
    loom_end();
}
