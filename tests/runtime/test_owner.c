/* test_owner.c - goroutines that wait for one another's locks, while others go on.   SPDX-License-Identifier: MIT
 *
 * Random goroutines lock and unlock at random in simulations.  In the end somebody is stuck if and only if a cycle was
 * reported, at a moment when, by the test's own books, each of it waited for a lock that the next one held. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/deadlock.h"
#include "runtime/owner.h"
#include "runtime/rand.h"
#include "runtime/sched.h"
#include "runtime/sim.h"
#include "tests/runtime/locks.h"

#define GOROUTINES 6
#define LOCKS      5 /* the first two are mutexes */
#define STEPS      8
#define SEEDS      2000

/* ---- the books ------------------------------------------------------------------------------------------ */

static struct {
    rn_mutex mutex[2];
    rn_rwmutex rwmutex[LOCKS];
    bool ordered; /* everybody locks in the order of the locks, none twice */
    int stuck;
    int reports;
    struct one {
        uint64_t id;
        int waits_for;   /* or -1 */
        int held[LOCKS]; /* 1: alone, 2: reading */
        bool done;
    } one[GOROUTINES];
} world;

static const void *address_of(int lock)
{
    return lock < 2 ? (const void *)&world.mutex[lock] : &world.rwmutex[lock];
}

static struct one *one_of(uint64_t id)
{
    for (int i = 0; i < GOROUTINES; i++)
        if (world.one[i].id == id)
            return &world.one[i];
    rn_panic("a stranger is in the cycle");
}

static void found(struct rn__want *last)
{
    struct rn__want *at = last;

    world.reports++;
    do {
        const struct one *waits = one_of(at->id), *holds = one_of(rn__want_next(at)->id);

        check(waits->waits_for >= 0 && address_of(waits->waits_for) == at->lock);
        /* Or it is a writer that waits in front. */
        check(holds->held[waits->waits_for] > 0 || holds->waits_for == waits->waits_for);
        at = rn__want_next(at);
    } while (at != last);
}

/* ---- goroutines at random --------------------------------------------------------------------------------- */

static uint64_t below(uint64_t n)
{
    return rn__sim_random() % n;
}

/* true: it is locked. */
static bool lock_it(int lock, bool reads, bool patient)
{
    if (lock < 2 && !patient)
        return rn_mutex_lock_until(&world.mutex[lock], rn_after(RN_MS)) == 0;
    if (lock < 2 && reads)
        return rn_mutex_lock_until(&world.mutex[lock], RN_FOREVER) == 0;
    if (lock < 2)
        rn_mutex_lock(&world.mutex[lock]);
    else if (reads)
        rn_rwmutex_rlock(&world.rwmutex[lock]);
    else
        rn_rwmutex_lock(&world.rwmutex[lock]);
    return true;
}

static void unlock_it(struct one *me, int lock)
{
    int how = me->held[lock];

    me->held[lock] = 0;
    if (lock < 2)
        rn_mutex_unlock(&world.mutex[lock]);
    else if (how == 1)
        rn_rwmutex_unlock(&world.rwmutex[lock]);
    else
        rn_rwmutex_runlock(&world.rwmutex[lock]);
}

static bool may_lock(const struct one *me, int lock)
{
    if (me->held[lock])
        return !world.ordered && below(20) == 0; /* who waits for himself */
    for (int i = lock; world.ordered && i < LOCKS; i++)
        if (me->held[i])
            return false;
    return true;
}

static void step(struct one *me)
{
    int lock = (int)below(LOCKS);
    bool reads = below(2) == 0, held = me->held[lock] > 0;

    if (held && below(2) == 0) {
        unlock_it(me, lock);
    } else if (may_lock(me, lock)) {
        me->waits_for = lock;
        /* Who reads could have it once more, and would have to unlock it twice: that is not in the books. */
        if (!(reads && me->held[lock] == 2) && lock_it(lock, reads, below(4) > 0))
            me->held[lock] = lock >= 2 && reads ? 2 : 1;
        me->waits_for = -1;
    }
    if (below(2) == 0)
        rn_yield();
    else
        rn_sleep(rn_after((int64_t)below(20) * RN_US));
}

static void one_main(void *arg)
{
    struct one *me = &world.one[*(int *)arg];

    me->id = rn__self()->id;
    for (int i = 0; i < STEPS; i++)
        step(me);
    for (int lock = 0; lock < LOCKS; lock++)
        if (me->held[lock])
            unlock_it(me, lock);
    me->done = true;
}

static int in_world(void *arg)
{
    (void)arg;
    for (int i = 0; i < GOROUTINES; i++)
        check_equal(rn_go_copy(one_main, &i, sizeof i), 0);
    rn_sleep(rn_after(3600 * RN_SEC)); /* whoever can end has */
    for (int i = 0; i < GOROUTINES; i++)
        world.stuck += !world.one[i].done;
    return 0;
}

static void a_cycle_is_reported_if_and_only_if_there_is_one(void **state)
{
    int with = 0;

    (void)state;
    rn__owners_found = found;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        memset(&world, 0, sizeof world);
        for (int i = 0; i < GOROUTINES; i++)
            world.one[i].waits_for = -1;
        world.ordered = seed % 4 == 0;
        assert_int_equal(rn_sim(seed, in_world, NULL), 0);
        if ((world.stuck > 0) != (world.reports > 0) || (world.ordered && world.stuck > 0))
            fail_msg("seed %llu: %d are stuck, %d cycles were reported", (unsigned long long)seed,
                     world.stuck, world.reports);
        with += world.stuck > 0;
    }
    rn__owners_found = rn__deadlock_cycle;
    assert_in_range(with, SEEDS / 10, SEEDS * 9 / 10); /* both cases matter */
}

/* ---- what is none ------------------------------------------------------------------------------------------- */

static rn_mutex signal_lock;

static void unlock_signal(void *arg)
{
    (void)arg;
    rn_mutex_unlock(&signal_lock);
}

static int in_signal(void *arg)
{
    (void)arg;
    rn_mutex_lock(&signal_lock);
    check_equal(rn_go(unlock_signal, NULL), 0);
    rn_sleep(rn_after(
        RN_MS)); /* it has been unlocked, by another: from now on nobody is said to own it */
    for (int i = 0; i < 3; i++) {
        rn_mutex_lock(&signal_lock);
        check_equal(rn_go(unlock_signal, NULL), 0);
        rn_mutex_lock(&signal_lock);
        rn_mutex_unlock(&signal_lock);
    }
    return 0;
}

static void a_lock_that_others_unlock_has_no_owner(void **state)
{
    (void)state;
    sim_with_seeds(in_signal, NULL);
}

struct pair {
    rn_mutex *first, *second;
    rn_time deadline;
};

static void lock_pair(void *arg)
{
    struct pair *p = arg;

    rn_mutex_lock(p->first);
    rn_sleep(rn_after(RN_MS));
    if (p->deadline == 0)
        rn_mutex_lock(p->second);
    else if (rn_mutex_lock_until(p->second, p->deadline) < 0)
        p->second = NULL;
    if (p->second != NULL)
        rn_mutex_unlock(p->second);
    rn_mutex_unlock(p->first);
}

static int in_ending(void *deadline)
{
    rn_mutex a = { { 0 } }, b = { { 0 } };
    rn_group *g = rn_group_new();
    struct pair there = { &a, &b, 0 }, back = { &b, &a, *(rn_time *)deadline };

    check_equal(rn_group_go(g, lock_pair, &there, sizeof there), 0);
    rn_go_with(&(rn_go_opts){ .name = "back" }, lock_pair, &back, sizeof back);
    rn_sleep(rn_after(10 * RN_MS));
    rn_mutex_lock(&b); /* both have ended */
    rn_mutex_unlock(&b);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void a_wait_with_a_deadline_closes_no_cycle(void **state)
{
    rn_time deadline = RN_SEC + RN_SEC; /* of the simulation's clock, which begins at one second */

    (void)state;
    sim_with_seeds(in_ending, &deadline);
}

/* ---- reports ------------------------------------------------------------------------------------------------- */

static void tick(void *arg)
{
    (void)arg;
    for (;;)
        rn_sleep(rn_after(RN_MS)); /* somebody goes on */
}

static rn_mutex left, right;
static rn_chan *both;

static void meet(void)
{
    if (rn_chan_recv(both, NULL, RN_NOWAIT) < 0)
        check_equal(rn_chan_send(both, NULL, RN_FOREVER), 0);
}

static void left_then_right(void *arg)
{
    (void)arg;
    rn_mutex_lock(&left);
    meet();
    rn_mutex_lock(&right);
}

static void right_then_left(void *arg)
{
    (void)arg;
    rn_mutex_lock(&right);
    meet();
    rn_mutex_lock(&left);
}

static int in_cycle(void *arg)
{
    (void)arg;
    both = rn_chan_new(0, 0, NULL);
    check_equal(rn_go(tick, NULL), 0);
    check_equal(rn_go_with(&(rn_go_opts){ .name = "lefty" }, left_then_right, NULL, 0), 0);
    check_equal(rn_go_with(&(rn_go_opts){ .name = "righty" }, right_then_left, NULL, 0), 0);
    rn_sleep(RN_FOREVER);
    return 0;
}

static int in_self(void *arg)
{
    (void)arg;
    check_equal(rn_go(tick, NULL), 0);
    rn_set_name("selfish");
    rn_mutex_lock(&left);
    rn_mutex_lock(&left);
    return 0;
}

enum manner { IN_MAIN, IN_SIM, IN_BACKGROUND };

static void call(void *fn)
{
    (void)(*(int (**)(void *))fn)(NULL);
}

struct program {
    enum manner manner;
    int (*fn)(void *);
};

static void run_program(void *arg)
{
    struct program *p = arg;

    if (p->manner == IN_MAIN)
        exit(rn_main(inside_workers(), p->fn, NULL));
    if (p->manner == IN_SIM)
        exit(rn_sim(77, p->fn, NULL));
    rn_start(inside_workers());
    rn_go(call, (void *)&p->fn);
    for (;;)
        pause();
}

static int end_in(enum manner manner, int (*fn)(void *), char *text, size_t size)
{
    return child_end(run_program, &(struct program){ manner, fn }, text, size);
}

static void says(enum manner manner, int (*fn)(void *), const char *const *words)
{
    static char text[32768];
    int status = end_in(manner, fn, text, sizeof text);

    if (manner == IN_BACKGROUND ? !WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT
                                : !WIFEXITED(status) || WEXITSTATUS(status) != 2)
        fail_msg("status %#x and: %s", (unsigned)status, text);
    for (; *words != NULL; words++)
        if (strstr(text, *words) == NULL)
            fail_msg("no \"%s\" in: %s", *words, text);
}

static const char *const in_cycle_words[] = {
    "fatal error: goroutines wait for one another - deadlock!\n",
    "\"lefty\" waits for mutex 0x",
    "\"righty\" waits for mutex 0x",
    "\"righty\" has locked ",
    " ago at left_then_right+",
    " ago at right_then_left+",
    "\"lefty\" [mutex 0x",
    "\"righty\" [mutex 0x",
    NULL,
};

static const char *const in_self_words[] = {
    "fatal error: a goroutine waits for itself - deadlock!\n",
    "\"selfish\" waits for mutex 0x",
    "which it has itself locked ",
    " ago at in_self+",
    "\"selfish\" [mutex 0x",
    NULL,
};

static void a_simulation_reports_a_cycle_when_it_closes(void **state)
{
    (void)state;
    says(IN_SIM, in_cycle, in_cycle_words);
    says(IN_SIM, in_cycle, (const char *const[]){ "rn_sim: seed 77", NULL });
    says(IN_SIM, in_self, in_self_words);
}

#if defined(RN_SLOW_CHECKS) && !defined(RN__TSAN)
static void a_build_with_checks_reports_a_cycle_when_it_closes(void **state)
{
    (void)state;
    says(IN_MAIN, in_cycle, in_cycle_words);
    says(IN_MAIN, in_self, in_self_words);
    says(IN_BACKGROUND, in_cycle, in_cycle_words);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cycle_is_reported_if_and_only_if_there_is_one),
        cmocka_unit_test(a_lock_that_others_unlock_has_no_owner),
        cmocka_unit_test(a_wait_with_a_deadline_closes_no_cycle),
        cmocka_unit_test(a_simulation_reports_a_cycle_when_it_closes),
#if defined(RN_SLOW_CHECKS) && !defined(RN__TSAN)
        cmocka_unit_test(a_build_with_checks_reports_a_cycle_when_it_closes),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
