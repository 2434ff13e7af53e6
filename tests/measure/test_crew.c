/* test_crew.c - processes that are started, ended, and end with who started them.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int wait_for_ever(void *arg)
{
    (void)arg;
    while (pause() < 0)
        continue;
    return 0;
}

static int give(void *arg)
{
    return *(int *)arg;
}

/* The only one there is. */
static const struct crew_member *wait_for_one(struct crew *c)
{
    siginfo_t end;

    assert_int_equal(waitid(P_PID, (id_t)c->member[0].pid, &end, WEXITED | WNOWAIT), 0);
    return crew_look(c);
}

static void one_that_ends_well_is_no_news(void **state)
{
    struct crew c = { .n = 0 };
    int status = 0;
    (void)state;

    assert_int_equal(crew_fork(&c, CREW_PRODUCER, give, &status), 0);
    assert_null(wait_for_one(&c));
    assert_false(crew_runs(&c, CREW_PRODUCER));
}

static void one_that_fails_is_told_with_its_status(void **state)
{
    struct crew c = { .n = 0 };
    int status = 3;
    char how[64];
    (void)state;

    assert_int_equal(crew_fork(&c, CREW_PRODUCER, give, &status), 0);
    const struct crew_member *m = wait_for_one(&c);
    assert_non_null(m);
    crew_how_ended(m, how, sizeof how);
    assert_string_equal(how, "exit status 3");
}

static void one_that_is_killed_is_told_with_the_signal(void **state)
{
    struct crew c = { .n = 0 };
    char how[64];
    (void)state;

    assert_int_equal(crew_fork(&c, CREW_PRODUCER, wait_for_ever, NULL), 0);
    assert_true(crew_runs(&c, CREW_PRODUCER));
    assert_false(crew_runs(&c, CREW_CONSUMER));
    kill(c.member[0].pid, SIGKILL);
    crew_how_ended(wait_for_one(&c), how, sizeof how);
    assert_string_equal(how, "signal 9 (Killed)");
}

static void a_program_that_is_not_there_is_status_127(void **state)
{
    struct crew c = { .n = 0 };
    char *argv[] = { (char[]){ "/nowhere/at/all" }, NULL };
    char how[64];
    (void)state;

    assert_int_equal(crew_exec(&c, CREW_PRODUCER, argv, -1), 0);
    crew_how_ended(wait_for_one(&c), how, sizeof how);
    assert_string_equal(how, "exit status 127");
}

static void an_end_ends_them_all(void **state)
{
    struct crew c = { .n = 0 };
    pid_t pid[2];
    (void)state;

    assert_int_equal(crew_fork(&c, CREW_PRODUCER, wait_for_ever, NULL), 0);
    assert_int_equal(crew_fork(&c, CREW_CONSUMER, wait_for_ever, NULL), 0);
    assert_true(crew_memory_kib(&c, CREW_PRODUCER, "VmRSS") > 0);
    assert_true(crew_cpu_ns(&c, CREW_CONSUMER) >= 0);
    pid[0] = c.member[0].pid;
    pid[1] = c.member[1].pid;
    crew_end(&c);
    assert_false(crew_runs(&c, CREW_PRODUCER));
    for (int i = 0; i < 2; i++)
        assert_int_equal(waitpid(pid[i], NULL, WNOHANG), -1); /* waited for already */
    assert_int_equal(crew_cpu_ns(&c, CREW_CONSUMER), 0);
}

/* Of a pipe whose writing end the member holds, we read the end when it has gone. */
static int start_member_and_wait(void *arg)
{
    struct crew c = { .n = 0 };
    int *fds = arg;

    if (crew_fork(&c, CREW_PRODUCER, wait_for_ever, NULL) < 0)
        return 1;
    if (write(fds[1], "x", 1) != 1)
        return 1;
    close(fds[1]);
    return wait_for_ever(NULL);
}

static void a_member_ends_with_who_started_it(void **state)
{
    struct crew c = { .n = 0 };
    int fds[2];
    char byte;
    (void)state;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(crew_fork(&c, CREW_PRODUCER, start_member_and_wait, fds), 0);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1); /* the member has been started */
    kill(c.member[0].pid, SIGKILL);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
    crew_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_ends_well_is_no_news),
        cmocka_unit_test(one_that_fails_is_told_with_its_status),
        cmocka_unit_test(one_that_is_killed_is_told_with_the_signal),
        cmocka_unit_test(a_program_that_is_not_there_is_status_127),
        cmocka_unit_test(an_end_ends_them_all),
        cmocka_unit_test(a_member_ends_with_who_started_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
