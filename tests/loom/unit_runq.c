/* unit_runq.c - the queue of a worker, its owner and thieves.   SPDX-License-Identifier: MIT */
#include "tests/loom/loom.h"

#include "runtime/runq.h"

#include <string.h>

#define ELEMENTS 8

static struct {
    struct rn__runq queue, other, third;
    char elements[RN__RUNQ_SIZE * 2]; /* their addresses are the goroutines */
    unsigned taken[RN__RUNQ_SIZE * 2];
    int last_popped; /* by the owner */
} s;

static void set_up(void)
{
    memset(&s, 0, sizeof s);
    s.last_popped = -1;
    rn__runq_init(&s.queue);
    rn__runq_init(&s.other);
    rn__runq_init(&s.third);
}

static struct rn__g *element(unsigned i)
{
    return (struct rn__g *)(void *)&s.elements[i];
}

static unsigned number(const struct rn__g *g)
{
    return (unsigned)((const char *)(const void *)g - s.elements);
}

static void take(const struct rn__g *g)
{
    loom_check(g != NULL);
    loom_check(number(g) < sizeof s.elements);
    loom_check(s.taken[number(g)]++ == 0);
}

static void all_taken(unsigned n)
{
    struct rn__runq *all[] = { &s.queue, &s.other, &s.third };

    for (int i = 0; i < 3; i++) {
        struct rn__g *g;

        while ((g = rn__runq_pop(all[i])) != NULL)
            take(g);
        while ((g = rn__runq_swap_next(all[i], NULL)) != NULL)
            take(g);
        loom_check(rn__runq_ring_empty(all[i]));
    }
    for (unsigned i = 0; i < n; i++)
        loom_check(s.taken[i] == 1);
}

/* Takes what he is given to run, then the rest of what he stole, as a worker does. */
static void steal_into(struct rn__runq *to)
{
    struct rn__g *g = rn__runq_steal(&s.queue, to);

    for (; g != NULL; g = rn__runq_pop(to))
        take(g);
}

static void thief(void *arg)
{
    steal_into(arg);
}

/* The owner pops in order of pushing, among what the thieves have left. */
static void pop_in_order(void)
{
    struct rn__g *g = rn__runq_pop(&s.queue);

    if (g == NULL)
        return;
    loom_check((int)number(g) > s.last_popped);
    s.last_popped = (int)number(g);
    take(g);
}

LOOM_UNIT(runq_steal, "the owner pushes and pops, two thieves steal: each element once, in order")
{
    set_up();
    for (unsigned i = 0; i < 3; i++)
        loom_check(rn__runq_push(&s.queue, element(i)));
    loom_spawn(thief, &s.other);
    loom_spawn(thief, &s.third);
    loom_begin();
    pop_in_order();
    loom_check(rn__runq_push(&s.queue, element(3)));
    loom_check(rn__runq_push(&s.queue, element(4)));
    pop_in_order();
    pop_in_order();
    loom_join_all();
    loom_end();
    all_taken(5);
}

/* The ring is full, and its head is where an index overflows. */
LOOM_UNIT(runq_full, "a full ring refuses, and takes as many as were stolen")
{
    unsigned n = 0;

    set_up();
    s.queue.head = s.queue.tail = UINT32_MAX - 1;
    while (rn__runq_push(&s.queue, element(n)))
        n++;
    loom_check(n == RN__RUNQ_SIZE);
    loom_spawn(thief, &s.other);
    loom_spawn(thief, &s.third);
    loom_begin();
    n += rn__runq_push(&s.queue, element(n));
    pop_in_order();
    n += rn__runq_push(&s.queue, element(n));
    n += rn__runq_push(&s.queue, element(n));
    loom_join_all();
    loom_end();
    all_taken(n);
}

static void next_thief(void *arg)
{
    struct rn__g *g = rn__runq_steal_next(&s.queue);

    (void)arg;
    if (g != NULL)
        take(g);
}

LOOM_UNIT(runq_next, "the run-next slot is given and taken once")
{
    struct rn__g *g;

    set_up();
    loom_spawn(next_thief, NULL);
    loom_spawn(next_thief, NULL);
    loom_begin();
    for (unsigned i = 0; i < 3; i++) {
        g = rn__runq_set_next(&s.queue, element(i));
        if (g != NULL)
            take(g);
    }
    if (rn__runq_has_next(&s.queue) && (g = rn__runq_swap_next(&s.queue, NULL)) != NULL)
        take(g);
    loom_join_all();
    loom_end();
    all_taken(3);
}

/* What sched.c and idle.c rely on: one of both sees the other. */
static struct {
    uint32_t sleeping;
    bool seen_work, seen_sleeper;
} idle;

static void sleeper(void *arg)
{
    (void)arg;
    atomic_store(&idle.sleeping, 1);
    idle.seen_work = !rn__runq_ring_empty(&s.queue);
}

LOOM_UNIT(runq_idle, "who pushes sees the sleeper, or who goes to sleep sees the work")
{
    set_up();
    memset(&idle, 0, sizeof idle);
    loom_spawn(sleeper, NULL);
    loom_begin();
    loom_check(rn__runq_push(&s.queue, element(0)));
    atomic_thread_fence(memory_order_seq_cst); /* as in wake_for_ring() */
    idle.seen_sleeper = atomic_load(&idle.sleeping) != 0;
    loom_join_all();
    loom_end();
    loom_check(idle.seen_sleeper || idle.seen_work);
    all_taken(1);
}
