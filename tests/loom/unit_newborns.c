/* unit_newborns.c - the newborns of a worker, its owner and thieves.   SPDX-License-Identifier: MIT */
#include "tests/loom/loom.h"

#include "runtime/newborns.h"

#include <string.h>

#define ELEMENTS 8

static struct {
    struct rn__newborns newborns;
    char elements[ELEMENTS]; /* their addresses are the goroutines */
    unsigned taken[ELEMENTS];
} s;

static struct rn__g *element(unsigned i)
{
    return (struct rn__g *)(void *)&s.elements[i];
}

static int take(const struct rn__g *g)
{
    int number = (int)((const char *)(const void *)g - s.elements);

    loom_check(number >= 0 && number < ELEMENTS);
    loom_check(s.taken[number]++ == 0);
    return number;
}

/* What is stolen is older than what is stolen after it. */
static void thief(void *arg)
{
    int last = -1;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct rn__g *g = rn__newborns_steal(&s.newborns);
        int number = g != NULL ? take(g) : last + 1;

        loom_check(number > last);
        last = number;
    }
}

static void pop(void)
{
    struct rn__g *g = rn__newborns_pop(&s.newborns);

    if (g != NULL)
        take(g);
}

static void set_up(unsigned n)
{
    memset(&s, 0, sizeof s);
    rn__newborns_init(&s.newborns);
    for (unsigned i = 0; i < n; i++)
        loom_check(rn__newborns_push(&s.newborns, element(i)));
}

static void all_taken(unsigned n)
{
    loom_join_all();
    loom_end();
    while (!rn__newborns_empty(&s.newborns))
        pop();
    for (unsigned i = 0; i < n; i++)
        loom_check(s.taken[i] == 1);
    rn__newborns_fini(&s.newborns);
}

LOOM_UNIT(newborns_last, "the owner and two thieves want the last: one has it, and none is lost")
{
    set_up(1);
    loom_spawn(thief, NULL);
    loom_spawn(thief, NULL);
    loom_begin();
    pop();
    loom_check(rn__newborns_push(&s.newborns, element(1)));
    pop();
    all_taken(2);
}

LOOM_UNIT(newborns_room, "thieves are at work while the room grows and shrinks: each element once")
{
    set_up(RN__NEWBORNS_FIRST);
    loom_spawn(thief, NULL);
    loom_spawn(thief, NULL);
    loom_begin();
    loom_check(rn__newborns_push(&s.newborns, element(2)));
    loom_check(rn__newborns_push(&s.newborns, element(3)));
    pop();
    pop();
    pop();
    pop();
    loom_check(rn__newborns_push(&s.newborns, element(4)));
    pop();
    all_taken(5);
}
