/* test_sim.c - the same seed, the same run; another seed, another one.   SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/rand.h"
#include "runtime/sched.h"
#include "tests/runtime/child.h"
#include "tests/runtime/inside.h"

/* ---- a run and its trace ----------------------------------------------------------------- */

/* Everything that happens, and when, in one number. */
static uint64_t trace;

static void note(uint64_t what)
{
    trace = (trace ^ what) * UINT64_C(0x100000001b3);
    trace ^= (uint64_t)rn_now() * UINT64_C(0x9e3779b97f4a7c15);
}

struct world {
    rn_chan *c[3];
    int id;
};

static void actor_fn(void *arg)
{
    struct world *w = arg;
    uint64_t r;

    for (int i = 0; i < 30; i++) {
        int in = -1, out = w->id * 100 + i, k;
        rn_case cases[] = { { w->c[0], &in, RN_RECV, 0 },
                            { w->c[1], &out, RN_SEND, 0 },
                            { w->c[2], &in, RN_RECV, 0 },
                            { w->c[0], &out, RN_SEND, 0 } };

        r = rn__rand64();
        note(r);
        switch (r % 4) {
        case 0:
            check_equal(rn_sleep(rn_after((int64_t)(r >> 8) % RN_MS)), 0);
            break;
        case 1:
            rn_yield();
            break;
        default:
            k = rn_select(cases, 4, rn_after((int64_t)(r >> 8) % (50 * RN_US)));
            note((uint64_t)k * 1000003 + (uint64_t)in);
        }
    }
    note((uint64_t)w->id);
}

static int in_world(void *arg)
{
    struct world w = { { rn_chan_new(sizeof(int), 0, NULL), rn_chan_new(sizeof(int), 2, NULL),
                         rn_chan_new(sizeof(int), 1, NULL) },
                       0 };
    rn_group *g = rn_group_new();
    unsigned char bytes[5];

    (void)arg;
    for (w.id = 0; w.id < 8; w.id++)
        check_equal(rn_group_go(g, actor_fn, &w, sizeof w), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn__entropy(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        note(bytes[i]);
    note((uint64_t)rn__boottime());
    rn_group_free(g);
    for (int i = 0; i < 3; i++)
        rn_chan_unref(w.c[i]);
    return 0;
}

static uint64_t trace_of(uint64_t seed)
{
    trace = 0;
    assert_int_equal(rn_sim(seed, in_world, NULL), 0);
    return trace;
}

static void same_seed_gives_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        uint64_t first = trace_of(seed);
        void *moved = malloc(seed * 100 + 1); /* addresses must not matter */

        assert_true(first == trace_of(seed));
        free(moved);
        (void)rn__rand64(); /* nor what was drawn between */
        assert_true(first == trace_of(seed));
    }
}

static void different_seeds_give_different_runs(void **state)
{
    uint64_t traces[50];

    (void)state;
    for (uint64_t i = 0; i < 50; i++) {
        traces[i] = trace_of(i + 1000);
        for (uint64_t k = 0; k < i; k++)
            assert_true(traces[i] != traces[k]);
    }
}

/* In another process, where nothing lies where it did. */
static void same_seed_gives_the_same_run_in_another_process(void **state)
{
    uint64_t here = trace_of(4711), there = 0;
    int fds[2], status;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < 1000; i++)
            if (!malloc(777)) /* left behind on purpose: the heap looks different */
                _exit(1);
        trace = 0;
        if (rn_sim(4711, in_world, NULL) != 0 ||
            write(fds[1], &trace, sizeof trace) != sizeof trace)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(read(fds[0], &there, sizeof there), sizeof there);
    assert_true(here == there);
    close(fds[0]);
    close(fds[1]);
}

/* ---- all interleavings ------------------------------------------------------------------------ */

static int log_of[3], logged;

static void log_fn(void *arg)
{
    log_of[logged++] = *(int *)arg;
}

static int in_three(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    logged = 0;
    for (int i = 0; i < 3; i++)
        check_equal(rn_group_go(g, log_fn, &i, sizeof i), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void every_order_of_three_goroutines_comes_about(void **state)
{
    int seen[27] = { 0 }, orders = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        assert_int_equal(rn_sim(seed, in_three, NULL), 0);
        assert_int_equal(logged, 3);
        orders += seen[log_of[0] * 9 + log_of[1] * 3 + log_of[2]]++ == 0;
    }
    assert_int_equal(orders, 6);
}

/* ---- the clock ------------------------------------------------------------------------------------ */

static int in_clock(void *arg)
{
    rn_time a = rn_now(), b;

    (void)arg;
    check_equal(rn_now(), a); /* it stands still between steps */
    for (int i = 0; i < 10; i++)
        rn_yield();
    b = rn_now();
    check(b >= a + 10 * RN_US && b <= a + 30 * RN_US);
    check_equal(rn_sleep(b + 1000 * 86400 * RN_SEC), 0); /* 1000 days */
    check(rn_now() >= b + 1000 * 86400 * RN_SEC);
    return 0;
}

static void clock_advances_by_steps_and_jumps_over_sleep(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++)
        assert_int_equal(rn_sim(seed, in_clock, NULL), 0);
}

/* A loop that only tries must come to an end: others run meanwhile. */
static void late_fn(void *arg)
{
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    check_equal(rn_chan_send(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
}

static int in_yielding(void *arg)
{
    rn_chan *c = rn_chan_new(0, 1, NULL);

    (void)arg;
    check_equal(rn_go_copy(late_fn, &c, sizeof c), 0);
    while (rn_chan_recv(c, NULL, RN_NOWAIT) == RN_ETIMEDOUT)
        rn_yield();
    rn_chan_unref(c);
    return 0;
}

static void time_passes_while_somebody_only_yields(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++)
        assert_int_equal(rn_sim(seed, in_yielding, NULL), 0);
}

/* ---- results and ends ------------------------------------------------------------------------------- */

static int in_result(void *arg)
{
    return *(int *)arg;
}

static int in_nested(void *arg)
{
    check_equal(rn_sim(1, in_result, arg), -EBUSY);
    check_equal(rn_main(1, in_result, arg), -EBUSY);
    return 0;
}

static void result_is_the_function_s_and_runs_do_not_nest(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++)
        assert_int_equal(rn_sim((uint64_t)i, in_result, &i), i);
    assert_int_equal(rn_sim(1, in_nested, NULL), 0);
    assert_false(rn__running());
}

static int in_deadlock(void *arg)
{
    (void)arg;
    return rn_chan_recv(rn_chan_new(0, 0, NULL), NULL, RN_FOREVER);
}

static int in_panic(void *arg)
{
    (void)arg;
    rn_panic("as it should");
}

struct seeded {
    uint64_t seed;
    int (*fn)(void *);
};

static void end_seeded(void *arg)
{
    const struct seeded *s = arg;

    _exit(rn_sim(s->seed, s->fn, NULL));
}

/* Runs fn with the seed in a child; its end, and what it said. */
static int end_of(uint64_t seed, int (*fn)(void *), char *text, size_t size)
{
    return child_end(end_seeded, &(struct seeded){ seed, fn }, text, size);
}

static void deadlock_and_panic_print_the_seed(void **state)
{
    static char text[16384];
    int status = end_of(123456789, in_deadlock, text, sizeof text);

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
    assert_non_null(strstr(text, "all goroutines are asleep - deadlock!"));
    assert_non_null(strstr(text, "123456789"));
    status = end_of(987654321, in_panic, text, sizeof text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "as it should"));
    assert_non_null(strstr(text, "987654321"));
}

static void service_fn(void *arg)
{
    (void)arg;
    for (;;)
        (void)rn_sleep(rn_after(RN_SEC));
}

static int in_deadlock_beside_a_service(void *arg)
{
    check_equal(rn__go_system(service_fn, NULL, "service"), 0);
    return in_deadlock(arg);
}

static void service_that_only_sleeps_does_not_hide_a_deadlock(void **state)
{
    static char text[16384];
    int status = end_of(7, in_deadlock_beside_a_service, text, sizeof text);

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
}

static void yields_fn(void *arg)
{
    (void)arg;
    for (;;)
        rn_yield();
}

static void writes_fn(void *arg)
{
    check_equal(rn_write(*(int *)arg, "x", 1, NULL, RN_FOREVER), 0);
}

static int in_descriptors(void *arg)
{
    int fds[2];
    char c;

    (void)arg;
    check_equal(pipe2(fds, O_NONBLOCK), 0);
    check_equal(rn_go(yields_fn, NULL), 0);
    check_equal(rn_later(RN_MS, writes_fn, &fds[1]), 0);
    check_equal(rn_read(fds[0], &c, 1, RN_FOREVER), 1);
    check_equal(rn_fd_close(fds[0]), 0);
    check_equal(rn_fd_close(fds[1]), 0);
    return 0;
}

static void descriptors_are_looked_at_while_somebody_always_runs(void **state)
{
    (void)state;
    assert_int_equal(rn_sim(3, in_descriptors, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_the_same_run),
        cmocka_unit_test(different_seeds_give_different_runs),
        cmocka_unit_test(same_seed_gives_the_same_run_in_another_process),
        cmocka_unit_test(every_order_of_three_goroutines_comes_about),
        cmocka_unit_test(clock_advances_by_steps_and_jumps_over_sleep),
        cmocka_unit_test(time_passes_while_somebody_only_yields),
        cmocka_unit_test(result_is_the_function_s_and_runs_do_not_nest),
        cmocka_unit_test(deadlock_and_panic_print_the_seed),
        cmocka_unit_test(service_that_only_sleeps_does_not_hide_a_deadlock),
        cmocka_unit_test(descriptors_are_looked_at_while_somebody_always_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
