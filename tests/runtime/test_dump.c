/* test_dump.c - what a program says when it is looked at, stuck or dying.   SPDX-License-Identifier: MIT
 *
 * Each program runs in a child, of which we see standard error and the end.  A child that must not be taken for
 * deadlocked gets what it waits for only after all its threads sleep: a wrong report would have come by then. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/chan.h"
#include "runtime/crew.h"
#include "runtime/state.h"
#include "tests/runtime/inside.h"

#define REPORT "all goroutines are asleep - deadlock!"

/* ---- children --------------------------------------------------------------------- */

struct child {
    pid_t pid;
    int to;   /* its standard input, non-blocking there */
    int from; /* its standard error */
    int status;
    char text[1 << 16];
    size_t len;
};

static void child_main(int in, int err, int (*fn)(void *))
{
    struct rlimit no_core = { 0, 0 };

    setrlimit(RLIMIT_CORE, &no_core);
    dup2(in, STDIN_FILENO);
    dup2(err, STDERR_FILENO);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    _exit(rn_main(inside_workers(), fn, NULL));
}

static void child_start(struct child *c, int (*fn)(void *))
{
    int in[2], err[2];

    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    c->len = 0;
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid == 0)
        child_main(in[0], err[1], fn);
    close(in[0]);
    close(err[1]);
    c->to = in[1];
    c->from = err[0];
}

/* Reads on; false at the end. */
static bool child_read(struct child *c)
{
    ssize_t n = c->from < 0 ? 0 : read(c->from, c->text + c->len, sizeof c->text - 1 - c->len);

    assert_true(n >= 0);
    c->len += (size_t)n;
    c->text[c->len] = '\0';
    return n > 0;
}

static void child_expect(struct child *c, const char *text)
{
    c->text[c->len] = '\0';
    while (!strstr(c->text, text))
        if (!child_read(c))
            fail_msg("no \"%s\" in:\n%s", text, c->text);
}

static void child_end(struct child *c)
{
    while (child_read(c))
        ;
    assert_int_equal(waitpid(c->pid, &c->status, 0), c->pid);
    close(c->to);
    close(c->from);
    c->from = -1;
}

static bool thread_sleeps(pid_t pid, const char *tid)
{
    char path[300], stat[512], *state;
    FILE *file;
    bool sleeps = true;

    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid, tid);
    file = fopen(path, "r");
    if (!file)
        return true; /* it has ended */
    if (fgets(stat, sizeof stat, file) && (state = strrchr(stat, ')')) != NULL)
        sleeps = state[2] == 'S' || state[2] == 'Z';
    fclose(file);
    return sleeps;
}

static bool child_sleeps(const struct child *c)
{
    char path[64];
    struct dirent *entry;
    bool sleeps = true;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/task", (int)c->pid);
    dir = opendir(path);
    assert_non_null(dir);
    while (sleeps && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            sleeps = thread_sleeps(c->pid, entry->d_name);
    closedir(dir);
    return sleeps;
}

static void child_wait_asleep(struct child *c)
{
    child_expect(c, "ready");
    while (!child_sleeps(c))
        sched_yield();
}

static void say_ready(void)
{
    check_equal(write(STDERR_FILENO, "ready\n", 6), 6);
}

/* ---- deadlocks ---------------------------------------------------------------------- */

static __attribute__((noinline)) int wait_for_nobody(rn_chan *c)
{
    int rc = rn_chan_recv(c, NULL, RN_FOREVER);

    check_equal(rc, 0);
    return rc + 1;
}

static int in_nobody(void *arg)
{
    (void)arg;
    rn_set_name("lonely");
    return wait_for_nobody(rn_chan_new(0, 0, NULL)) + 1;
}

static void waits_fn(void *arg)
{
    rn_set_name("other half");
    wait_for_nobody(*(rn_chan **)arg);
}

static int in_mutual(void *arg)
{
    rn_chan *mine = rn_chan_new(0, 0, NULL), *theirs = rn_chan_new(0, 0, NULL);

    (void)arg;
    check_equal(rn_go_copy(waits_fn, &theirs, sizeof theirs), 0);
    return wait_for_nobody(mine);
}

static int in_empty_select(void *arg)
{
    (void)arg;
    check_equal(rn_select(NULL, 0, RN_FOREVER), 0);
    return 0;
}

static int in_null_chan(void *arg)
{
    (void)arg;
    check_equal(rn_chan_send(NULL, NULL, RN_FOREVER), 0);
    return 0;
}

static int in_full_send(void *arg)
{
    rn_chan *c = rn_chan_new(0, 1, NULL);

    (void)arg;
    check_equal(rn_chan_send(c, NULL, RN_FOREVER), 0);
    return rn_chan_send(c, NULL, RN_FOREVER);
}

static int in_group(void *arg)
{
    rn_group *g = rn_group_new();
    rn_chan *c = rn_chan_new(0, 0, NULL);

    (void)arg;
    check_equal(rn_group_go(g, waits_fn, &c, sizeof c), 0);
    return rn_group_wait(g, RN_FOREVER);
}

static int in_released(void *arg)
{
    (void)arg;
    rn_hold();
    rn_hold();
    rn_release();
    rn_release();
    return wait_for_nobody(rn_chan_new(0, 0, NULL));
}

/* Lets go when all may be asleep already: they have to look again. */
static void *late_releaser(void *arg)
{
    rn_chan *c = arg;
    size_t waiting;

    do {
        rn__chan_lock(c);
        waiting = rn__chan_waiting(c, RN_RECV);
        rn__chan_unlock(c);
    } while (waiting == 0);
    rn_release();
    return NULL;
}

/* The same for a timer that would not have fired before tomorrow. */
static rn_timer_fn *tomorrow;

static void *late_stopper(void *arg)
{
    (void)arg;
    while (!rn__crew_all_idle())
        sched_yield();
    rn__lock(&rn__sched.lock); /* under which they say that, and look */
    rn__unlock(&rn__sched.lock);
    check_equal(rn_timer_stop(tomorrow), 1);
    return NULL;
}

static void never(void *arg)
{
    (void)arg;
}

static int in_stopped_late(void *arg)
{
    pthread_t thread;

    (void)arg;
    tomorrow = rn_after_func(24 * 3600 * RN_SEC, never, NULL);
    check_equal(pthread_create(&thread, NULL, late_stopper, NULL), 0);
    check_equal(pthread_detach(thread), 0);
    return wait_for_nobody(rn_chan_new(0, 0, NULL));
}

static int in_released_late(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    pthread_t thread;

    (void)arg;
    rn_hold();
    check_equal(pthread_create(&thread, NULL, late_releaser, c), 0);
    check_equal(pthread_detach(thread), 0); /* nobody will be there to join it */
    return wait_for_nobody(c);
}

static int in_stopped_timer(void *arg)
{
    rn_chan *t = rn_timer(3600 * RN_SEC);

    (void)arg;
    rn_chan_unref(t);
    return wait_for_nobody(rn_chan_new(0, 0, NULL));
}

static void expect_deadlock(struct child *c, int (*fn)(void *))
{
    child_start(c, fn);
    child_expect(c, REPORT);
    child_end(c);
    assert_true(WIFEXITED(c->status));
    assert_int_equal(WEXITSTATUS(c->status), 2);
}

static void deadlock_is_reported_with_name_reason_and_place(void **state)
{
    struct child c;

    (void)state;
    expect_deadlock(&c, in_nobody);
    child_expect(&c, "goroutine 1 ");
    child_expect(&c, "\"lonely\"");
    child_expect(&c, "[chan receive");
    child_expect(&c, "wait_for_nobody");
}

static void every_sort_of_deadlock_is_reported(void **state)
{
    struct child c;

    (void)state;
    expect_deadlock(&c, in_mutual);
    child_expect(&c, "\"other half\"");
    expect_deadlock(&c, in_empty_select);
    child_expect(&c, "in_empty_select");
    expect_deadlock(&c, in_null_chan);
    child_expect(&c, "in_null_chan");
    expect_deadlock(&c, in_full_send);
    child_expect(&c, "[chan send");
    expect_deadlock(&c, in_group);
    child_expect(&c, "\"other half\"");
    expect_deadlock(&c, in_released);
    expect_deadlock(&c, in_released_late);
    expect_deadlock(&c, in_stopped_timer);
    expect_deadlock(&c, in_stopped_late);
}

/* ---- no deadlocks --------------------------------------------------------------------- */

static int in_sleep(void *arg)
{
    (void)arg;
    return rn_sleep(rn_after(20 * RN_MS));
}

static int in_deadline(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);

    (void)arg;
    return rn_chan_recv(c, NULL, rn_after(20 * RN_MS)) == RN_ETIMEDOUT ? 0 : 1;
}

static int in_timer(void *arg)
{
    rn_chan *t = rn_timer(20 * RN_MS);
    rn_time at;

    (void)arg;
    return rn_chan_recv(t, &at, RN_FOREVER);
}

static int in_ticker(void *arg)
{
    rn_chan *t = rn_ticker(5 * RN_MS);
    rn_time at;

    (void)arg;
    return rn_chan_recv(t, &at, RN_FOREVER) || rn_chan_recv(t, &at, RN_FOREVER);
}

static void close_fn(void *arg)
{
    rn_chan_close(arg);
}

static int in_after_func(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);

    (void)arg;
    check_equal(rn_later(20 * RN_MS, close_fn, c), 0);
    return rn_chan_recv(c, NULL, RN_FOREVER) == RN_ECLOSED ? 0 : 1;
}

static void until_cancelled(void *arg)
{
    check_equal(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER), RN_ECANCELED);
}

static int in_group_deadline(void *arg)
{
    rn_group *g = rn_group_new_deadline(rn_after(20 * RN_MS));
    rn_chan *c = rn_chan_new(0, 0, NULL);

    (void)arg;
    int rc = rn_group_go(g, until_cancelled, &c, sizeof c);
    check(rc == 0 || rc == RN_ECANCELED); /* the machine may be slow, and it is over already */
    return rn_group_wait(g, RN_FOREVER);
}

static void who_sleeps_or_waits_for_a_timer_is_not_deadlocked(void **state)
{
    static int (*const fns[])(void *) = { in_sleep,  in_deadline,   in_timer,
                                          in_ticker, in_after_func, in_group_deadline };
    struct child c;

    (void)state;
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++) {
        child_start(&c, fns[i]);
        child_end(&c);
        assert_string_equal(c.text, "");
        assert_true(WIFEXITED(c.status));
        assert_int_equal(WEXITSTATUS(c.status), 0);
    }
}

static __attribute__((noinline)) int in_fd(void *arg)
{
    char byte;

    (void)arg;
    say_ready();
    return rn_read(STDIN_FILENO, &byte, 1, RN_FOREVER) == 1 ? 0 : 1;
}

static void read_blocking(void *arg)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

    (void)arg;
    check_equal(poll(&p, 1, -1), 1);
}

static int in_block(void *arg)
{
    (void)arg;
    say_ready();
    return rn_block(read_blocking, NULL);
}

static void *holder(void *arg)
{
    read_blocking(NULL);
    check_equal(rn_chan_send(arg, NULL, RN_FOREVER), 0);
    return NULL;
}

static int in_hold(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    pthread_t thread;

    (void)arg;
    rn_hold();
    check_equal(pthread_create(&thread, NULL, holder, c), 0);
    say_ready();
    check_equal(rn_chan_recv(c, NULL, RN_FOREVER), 0);
    rn_release();
    return pthread_join(thread, NULL);
}

static rn_chan *shared;

static void *two_sends(void *arg)
{
    (void)arg;
    check_equal(rn_chan_send(shared, NULL, RN_FOREVER), 0);
    read_blocking(NULL);
    check_equal(rn_chan_send(shared, NULL, RN_FOREVER), 0);
    return NULL;
}

static int in_plain_thread(void *arg)
{
    pthread_t thread;

    (void)arg;
    shared = rn_chan_new(0, 0, NULL);
    rn_hold();
    check_equal(pthread_create(&thread, NULL, two_sends, NULL), 0);
    check_equal(rn_chan_recv(shared, NULL, RN_FOREVER), 0);
    rn_release(); /* from now on it is enough that a thread has been here once */
    say_ready();
    check_equal(rn_chan_recv(shared, NULL, RN_FOREVER), 0);
    return pthread_join(thread, NULL);
}

static int in_signal(void *arg)
{
    rn_chan *c = rn_signal_chan(SIGUSR1);
    int signo;

    (void)arg;
    say_ready();
    return rn_chan_recv(c, &signo, RN_FOREVER);
}

static void who_can_be_woken_from_outside_is_not_deadlocked(void **state)
{
    static int (*const fns[])(void *) = { in_fd, in_block, in_hold, in_plain_thread, in_signal };
    struct child c;

    (void)state;
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++) {
        child_start(&c, fns[i]);
        child_wait_asleep(&c);
        (void)!write(c.to, "x", 1); /* if it is gone, its text says why */
        if (fns[i] == in_signal)
            kill(c.pid, SIGUSR1);
        child_end(&c);
        assert_string_equal(c.text, "ready\n");
        assert_true(WIFEXITED(c.status));
        assert_int_equal(WEXITSTATUS(c.status), 0);
    }
}

/* ---- looking inside ----------------------------------------------------------------------- */

static int in_dump(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    char buf[8192];
    int fds[2], parked;
    ssize_t n;

    (void)arg;
    rn_set_name("looking");
    check_equal(rn_go_copy(waits_fn, &c, sizeof c), 0);
    for (parked = 0; !parked;) { /* until the other one waits */
        rn_yield();
        check_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        rn_dump(fds[1]);
        n = read(fds[0], buf, sizeof buf - 1);
        check(n > 0);
        buf[n] = '\0';
        parked = strstr(buf, "\"other half\" [chan receive") && strstr(buf, "wait_for_nobody");
        close(fds[0]);
        close(fds[1]);
    }
    check(strstr(buf, "goroutine 1 \"looking\" [running"));
    check_equal(rn_chan_send(c, NULL, RN_FOREVER), 0);
    rn_chan_unref(c);
    return 0;
}

static void dump_shows_who_runs_and_who_waits_where(void **state)
{
    (void)state;
    run_inside(in_dump, NULL);
}

static void *thread_dump(void *arg)
{
    rn_dump(*(int *)arg);
    return NULL;
}

static int in_thread_dump(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    char buf[8192];
    int fds[2], parked;
    pthread_t thread;
    ssize_t n;

    (void)arg;
    check_equal(rn_go_copy(waits_fn, &c, sizeof c), 0);
    for (parked = 0; !parked;) {
        rn_yield();
        check_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        check_equal(pthread_create(&thread, NULL, thread_dump, &fds[1]), 0);
        check_equal(pthread_join(thread, NULL), 0);
        n = read(fds[0], buf, sizeof buf - 1);
        check(n > 0);
        buf[n] = '\0';
        parked = strstr(buf, "\"other half\" [chan receive 0x") && strstr(buf, "wait_for_nobody");
        close(fds[0]);
        close(fds[1]);
    }
    check(strstr(buf, " ms]:\n"));                        /* since when */
    check(strstr(buf, "goroutine 1 \"main\" [running]")); /* of whom it cannot see the stack */
    check(strstr(buf, "2 goroutines: 1 running, 0 runnable, 1 waiting; 0 timers\n"));
    check_equal(rn_chan_send(c, NULL, RN_FOREVER), 0);
    rn_chan_unref(c);
    return 0;
}

static void a_thread_that_is_no_goroutine_dumps_them_too(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_thread_dump, NULL), 0);
}

static void busy_fn(void *arg)
{
    char byte;

    (void)arg;
    rn_set_name("busy");
    while (read(STDIN_FILENO, &byte, 1) != 1)
        ;
}

/* All workers are in goroutines that never give way. */
static int in_busy(void *arg)
{
    (void)arg;
    for (int i = 1; i < inside_workers(); i++)
        check_equal(rn_go(busy_fn, NULL), 0);
    say_ready();
    busy_fn(NULL);
    return 0;
}

static void sigquit_prints_while_all_workers_are_busy_and_the_program_goes_on(void **state)
{
    struct child c;

    (void)state;
    child_start(&c, in_busy);
    child_expect(&c, "ready");
    for (int i = 0; i < 3; i++) {
        c.len = 0;
        kill(c.pid, SIGQUIT);
        child_expect(&c, "goroutine 1 ");
        child_expect(&c, "\n\n");
    }
    assert_int_equal(write(c.to, "xxxxxxxx", 8), 8);
    child_end(&c);
    assert_true(WIFEXITED(c.status));
    assert_int_equal(WEXITSTATUS(c.status), 0);
}

static int in_fd_named(void *arg)
{
    rn_set_name("reader");
    return in_fd(arg);
}

static void sigquit_prints_while_all_workers_are_asleep(void **state)
{
    struct child c;

    (void)state;
    child_start(&c, in_fd_named);
    child_wait_asleep(&c);
    kill(c.pid, SIGQUIT);
    child_expect(&c, "goroutine 1 \"reader\" [fd 0");
    child_expect(&c, "in_fd");
    child_expect(&c, "\n\n");
    (void)!write(c.to, "x", 1);
    child_end(&c);
    assert_true(WIFEXITED(c.status));
    assert_int_equal(WEXITSTATUS(c.status), 0);
}

/* ---- dying ------------------------------------------------------------------------------------ */

static volatile bool enough; /* never set */

static __attribute__((noinline)) int deeper(volatile char *above)
{
    volatile char here[256];

    here[0] = above[0];
    return enough ? 0 : deeper(here) + here[0];
}

static void deep_fn(void *arg)
{
    volatile char here[1] = { 0 };

    (void)arg;
    rn_set_name("deep");
    deeper(here);
}

static int in_overflow(void *arg)
{
    (void)arg;
    check_equal(rn_go(deep_fn, NULL), 0);
    wait_until(enough);
    return 0;
}

static void overflow_is_reported_by_name(void **state)
{
    struct child c;

    (void)state;
    child_start(&c, in_overflow);
    child_end(&c);
    child_expect(&c, "goroutine deep overflowed its ");
    child_expect(&c, " KiB stack\n");
    child_expect(&c, "deeper");
    assert_true(WIFSIGNALED(c.status));
    assert_int_equal(WTERMSIG(c.status), SIGABRT);
}

static struct sigaction before;
static char *volatile nowhere = (char *)8;

static void my_handler(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    _exit(info->si_addr == nowhere ? 33 : 34);
}

static int in_fault(void *arg)
{
    (void)arg;
    *(volatile char *)nowhere = 1;
    return 0;
}

static void other_faults_reach_the_handler_that_was_there_before(void **state)
{
    struct sigaction mine = { .sa_sigaction = my_handler, .sa_flags = SA_SIGINFO };
    struct child c;

    (void)state;
    sigaction(SIGSEGV, &mine, &before);
    child_start(&c, in_fault);
    sigaction(SIGSEGV, &before, NULL);
    child_end(&c);
    assert_true(WIFEXITED(c.status));
    assert_int_equal(WEXITSTATUS(c.status), 33);
}

static __attribute__((noinline)) void panics(int n)
{
    rn_panic("boom %d", n);
}

static int in_panic(void *arg)
{
    (void)arg;
    rn_set_name("nervous");
    panics(7);
    return 0;
}

static void panic_prints_the_message_and_the_stack(void **state)
{
    struct child c;

    (void)state;
    child_start(&c, in_panic);
    child_end(&c);
    child_expect(&c, "boom 7");
    child_expect(&c, "nervous");
    child_expect(&c, "panics");
    child_expect(&c, "in_panic");
    assert_true(WIFSIGNALED(c.status));
    assert_int_equal(WTERMSIG(c.status), SIGABRT);
}

/* ---- figures -------------------------------------------------------------------------------------- */

static void hundred_fn(void *arg)
{
    for (int i = 0; i < 100; i++)
        check_equal(rn_chan_send(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
}

static int in_stats(void *arg)
{
    rn_chan *c = rn_chan_new(0, 0, NULL);
    rn_stats a, b;

    (void)arg;
    rn_stats_read(&a);
    check_equal(rn_go_copy(hundred_fn, &c, sizeof c), 0);
    for (int i = 0; i < 100; i++)
        check_equal(rn_chan_recv(c, NULL, RN_FOREVER), 0);
    rn_stats_read(&b);
    check_equal(b.sends - a.sends, 100);
    check_equal(b.recvs - a.recvs, 100);
    check_equal(b.created - a.created, 1);
    check(b.goroutines >= 1 && b.stack_bytes > 0);
    check(b.parks > a.parks);
    rn_chan_unref(c);
    return 0;
}

static void stats_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        run_inside(in_stats, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlock_is_reported_with_name_reason_and_place),
        cmocka_unit_test(every_sort_of_deadlock_is_reported),
        cmocka_unit_test(who_sleeps_or_waits_for_a_timer_is_not_deadlocked),
        cmocka_unit_test(who_can_be_woken_from_outside_is_not_deadlocked),
        cmocka_unit_test(dump_shows_who_runs_and_who_waits_where),
        cmocka_unit_test(a_thread_that_is_no_goroutine_dumps_them_too),
        cmocka_unit_test(sigquit_prints_while_all_workers_are_busy_and_the_program_goes_on),
        cmocka_unit_test(sigquit_prints_while_all_workers_are_asleep),
        cmocka_unit_test(overflow_is_reported_by_name),
        cmocka_unit_test(other_faults_reach_the_handler_that_was_there_before),
        cmocka_unit_test(panic_prints_the_message_and_the_stack),
        cmocka_unit_test(stats_are_exact),
    };

    signal(SIGPIPE, SIG_IGN); /* from children that have ended too early */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
