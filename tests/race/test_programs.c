/* test_programs.c - a race is reported, and what is in order never.   SPDX-License-Identifier: MIT
 *
 * Each program runs several times with one worker and as often with two, in a process of its own: a detector that has reported a
 * race does not report it again.  Two accesses within the same few nanoseconds it may miss, so with two workers a race is to be
 * reported nearly each time; an edge too many hides it each time. */
#include "tests/race/programs.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define RACY_RUNS    20
#define ORDERLY_RUNS 10
#define REPORTED     66
#define TESTS_MAX    128
#define LIMIT_SECS   60

/* TSan calls it for each report. */
void __tsan_on_report(void *report);

const char *__tsan_default_options(void);

static atomic_int reports;

/* Not instrumented: two reports at a time would be a race inside one, which waits for itself. */
__attribute__((no_sanitize("thread"))) void __tsan_on_report(void *report)
{
    (void)report;
    atomic_fetch_add(&reports, 1);
}

/* To look up names takes most of the time; TSAN_OPTIONS=symbolize=1 for who wants them. */
const char *__tsan_default_options(void)
{
    return "symbolize=0";
}

static int run_apart(const struct program *p, int workers, FILE *said)
{
    int status;
    pid_t pid;

    rewind(said);
    if (ftruncate(fileno(said), 0) < 0)
        abort();
    pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        dup2(fileno(said), STDERR_FILENO);
        alarm(LIMIT_SECS);
        p->run(workers);
        _exit(reports > 0 ? REPORTED : 0);
    }
    if (waitpid(pid, &status, 0) < 0)
        abort();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void show(FILE *said)
{
    char line[512];

    rewind(said);
    for (int i = 0; i < 60 && fgets(line, sizeof line, said) != NULL; i++)
        fputs(line, stderr);
}

/* `missed` is what may be missed with two workers. */
static void run_all(const struct program *p, int runs, int wanted, int missed)
{
    FILE *said = tmpfile();

    assert_non_null(said);
    for (int workers = 1; workers <= 2; workers++)
        for (int i = 0, left = workers == 1 ? 0 : missed; i < runs; i++) {
            int got = run_apart(p, workers, said);

            if (got == wanted || (got == 0 && left-- > 0))
                continue;
            show(said);
            fail_msg("%s, %d workers, run %d of %d: ended with %d, not %d", p->name, workers, i + 1,
                     runs, got, wanted);
        }
    fclose(said);
}

static void is_reported(void **state)
{
    run_all(*state, RACY_RUNS, REPORTED, RACY_RUNS / 4);
}

static void is_never_reported(void **state)
{
    run_all(*state, ORDERLY_RUNS, 0, 0);
}

static int add(struct CMUnitTest *tests, int n, const struct program *p, CMUnitTestFunction test)
{
    for (; p->name != NULL && n < TESTS_MAX; p++)
        tests[n++] = (struct CMUnitTest){ p->name, test, NULL, NULL, (void *)p };
    return n;
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[TESTS_MAX];
    int n = 0;

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    n = add(tests, n, racy, is_reported);
    n = add(tests, n, orderly, is_never_reported);
    return _cmocka_run_group_tests("race", tests, (size_t)n, NULL, NULL);
}
