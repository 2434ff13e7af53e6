/* test_seeds.c - the seed that fails is found, whatever happens in it.   SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/sim.h"
#include "tests/runtime/child.h"
#include "tests/runtime/inside.h"

#define BAD 7 /* the seed that fails */

static int (*fails)(void); /* how */

/* What is tried.  It must find its memory as if it were the first. */
static int tried(void *arg)
{
    static int runs;

    (void)arg;
    printf("output of seed %llu\n", (unsigned long long)rn__sim_seed());
    if (runs++ > 0)
        return 99;
    return rn__sim_seed() == BAD ? fails() : 0;
}

/* ---- what is said of it ------------------------------------------------------------------------ */

struct search {
    int (*how)(void);
    const char *environment;
};

static void run_search(void *arg)
{
    const struct search *s = arg;
    char copy[100], *at, *word;
    int status;

    fails = s->how;
    dup2(STDERR_FILENO, STDOUT_FILENO);
    snprintf(copy, sizeof copy, "%s", s->environment);
    for (word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at))
        putenv(word);
    status = rn_sim_seeds(1, 10, tried, NULL);
    fflush(NULL);
    _exit(status);
}

/* Searches in a child, with this in its environment ("NAME=value ..."); what it gives, and what it said. */
static int search(int (*how)(void), const char *environment, char *text, size_t size)
{
    int status;

    fflush(NULL);
    status = child_end(run_search, &(struct search){ how, environment }, text, size);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool says(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

/* Seed 7 is named with what has become of it, and only its output is shown. */
static void finds(int (*how)(void), const char *environment, const char *what)
{
    static char text[1 << 16];
    int rc = search(how, environment, text, sizeof text);

    if (rc != 1 || !says(text, what) || !says(text, "seed 7 failed: ") ||
        !says(text, "; replay with RN_SEED=7 ") || !says(text, "output of seed 7\n") ||
        says(text, "output of seed 6\n"))
        fail_msg("not found as it should: %d and: %s", rc, text);
}

/* ---- how it fails -------------------------------------------------------------------------------- */

static int returns_0(void)
{
    return 0;
}

static int returns_3(void)
{
    return 3;
}

static int returns_256(void)
{
    return 256;
}

static int exits(void)
{
    exit(5);
}

static int panics(void)
{
    rn_panic("as it should");
}

static int crashes(void)
{
    int *volatile nowhere = NULL;

    return *nowhere;
}

static int is_deadlocked(void)
{
    return rn_chan_recv(NULL, NULL, RN_FOREVER);
}

static int yields_for_ever(void)
{
    while (fails != NULL)
        rn_yield();
    return 0;
}

static int loops_for_ever(void)
{
    for (volatile int i = 0; i >= 0; i = !i)
        continue;
    return 0;
}

static void result_that_is_not_0_is_found(void **state)
{
    (void)state;
    finds(returns_3, "", "exit status 3");
    finds(returns_256, "", "exit status 1");
}

static void exit_is_found(void **state)
{
    (void)state;
    finds(exits, "", "exit status 5");
}

static void panic_is_found(void **state)
{
    (void)state;
    finds(panics, "", "signal 6 (Aborted)");
    finds(panics, "", "as it should");
}

static void crash_is_found(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    finds(crashes, "", "seed 7");
#else
    finds(crashes, "", "signal 11 (Segmentation fault)");
#endif
}

static void deadlock_is_found(void **state)
{
    (void)state;
    finds(is_deadlocked, "", "exit status 2");
    finds(is_deadlocked, "", "all goroutines are asleep - deadlock!");
}

/* The second that it waits is the shortest that can be asked for. */
static void what_does_not_end_is_found_and_says_where_it_is(void **state)
{
    (void)state;
    finds(yields_for_ever, "RN_SEED_SECONDS=1", "no end within 1 s");
    finds(yields_for_ever, "RN_SEED_SECONDS=1", "goroutine 1 \"main\"");
    finds(loops_for_ever, "RN_SEED_SECONDS=1", "no end within 1 s");
}

/* ---- and when none fails ----------------------------------------------------------------------------- */

static void nothing_is_said_when_none_fails(void **state)
{
    char text[1000];

    (void)state;
    assert_int_equal(search(returns_0, "", text, sizeof text), 0);
    assert_string_equal(text, "");
}

static void environment_chooses_seeds(void **state)
{
    char text[1000];

    (void)state;
    assert_int_equal(search(returns_3, "RN_SEEDS=6", text, sizeof text), 0); /* 1 to 6 */
    assert_int_equal(search(returns_3, "RN_SEEDS=7", text, sizeof text), 1);
    assert_int_equal(search(returns_3, "RN_SEED=6", text, sizeof text), 0);
    assert_string_equal(text, "output of seed 6\n");
    assert_int_equal(search(returns_3, "RN_SEED=7", text, sizeof text), 1);
    assert_non_null(strstr(text, "seed 7 failed: exit status 3\n"));
    assert_int_equal(search(returns_3, "RN_SEEDS=many", text, sizeof text), 1); /* is none */
}

static int in_scheduler(void *arg)
{
    (void)arg;
    check_equal(rn_sim_seeds(1, 1, tried, NULL), -EBUSY);
    return 0;
}

static void not_while_a_scheduler_runs(void **state)
{
    (void)state;
    run_inside(in_scheduler, NULL);
    assert_int_equal(rn_start(1), 0);
    assert_int_equal(rn_sim_seeds(1, 1, tried, NULL), -EBUSY);
    assert_int_equal(rn_stop(RN_FOREVER), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result_that_is_not_0_is_found),
        cmocka_unit_test(exit_is_found),
        cmocka_unit_test(panic_is_found),
        cmocka_unit_test(crash_is_found),
        cmocka_unit_test(deadlock_is_found),
        cmocka_unit_test(what_does_not_end_is_found_and_says_where_it_is),
        cmocka_unit_test(nothing_is_said_when_none_fails),
        cmocka_unit_test(environment_chooses_seeds),
        cmocka_unit_test(not_while_a_scheduler_runs),
    };

    unsetenv("RN_SEED");
    unsetenv("RN_SEEDS");
    unsetenv("RN_SEED_SECONDS");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
