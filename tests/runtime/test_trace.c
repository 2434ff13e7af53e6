/* test_trace.c - the execution trace that RN_TRACE asks for.   SPDX-License-Identifier: MIT
 *
 * What holds in every trace - it is JSON, slices follow one another, arrows have both their ends - is checked whenever one is
 * read (events.c).  Where it matters who woke whom the program is simulated. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/sync.h"
#include "tests/runtime/events.h"
#include "tests/runtime/inside.h"

static char path[64]; /* of the file of this test */
static char other[80];

static int begin(void **state)
{
    int fd;

    (void)state;
    snprintf(path, sizeof path, "/tmp/runnel-trace.XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(other, sizeof other, "%s.other", path);
    setenv("RN_TRACE", path, 1);
    unsetenv("RN_TRACE_RECORDS");
    return 0;
}

static int end(void **state)
{
    (void)state;
    unsetenv("RN_TRACE");
    unsetenv("RN_TRACE_RECORDS");
    unlink(path);
    unlink(other);
    return 0;
}

static void run_sim(uint64_t seed, int (*fn)(void *arg))
{
    assert_int_equal(rn_sim(seed, fn, NULL), 0);
}

/* ---- programs ------------------------------------------------------------------------------- */

static rn_chan *chan;
static rn_mutex mutex;

static void receiver_fn(void *arg)
{
    (void)arg;
    rn_set_name("receiver");
    while (rn_chan_recv(chan, NULL, RN_FOREVER) == 0)
        ;
}

static int in_rendezvous(void *arg)
{
    (void)arg;
    chan = rn_chan_new(0, 0, NULL);
    check_equal(rn_go(receiver_fn, NULL), 0);
    check_equal(rn_sleep(rn_after(RN_MS)), 0); /* the receiver waits */
    for (int i = 0; i < 3; i++) {
        check_equal(rn_chan_send(chan, NULL, RN_FOREVER), 0);
        check_equal(rn_sleep(rn_after(RN_MS)), 0);
    }
    rn_chan_close(chan);
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    rn_chan_unref(chan);
    return 0;
}

static int in_buffer(void *arg)
{
    (void)arg;
    chan = rn_chan_new(0, 4, NULL);
    for (int i = 0; i < 4; i++)
        check_equal(rn_chan_send(chan, NULL, RN_FOREVER), 0);
    check_equal(rn_go(receiver_fn, NULL), 0);
    check_equal(rn_sleep(rn_after(RN_MS)), 0); /* it has taken them */
    rn_chan_close(chan);
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    rn_chan_unref(chan);
    return 0;
}

static void sender_fn(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        check_equal(rn_chan_send(chan, NULL, RN_FOREVER), 0);
}

static void locker_fn(void *arg)
{
    for (int i = 0; i < 20; i++) {
        rn_mutex_lock(&mutex);
        rn_yield();
        rn_mutex_unlock(&mutex);
    }
    rn_waitgroup_done(arg);
}

/* A bit of everything. */
static int in_crowd(void *arg)
{
    rn_waitgroup lockers = { 0 };
    rn_chan *tick = rn_ticker(RN_MS);
    int64_t at;

    (void)arg;
    chan = rn_chan_new(0, 2, NULL);
    for (int i = 0; i < 3; i++) {
        check_equal(rn_go(sender_fn, NULL), 0);
        rn_waitgroup_add(&lockers, 1);
        check_equal(rn_go(locker_fn, &lockers), 0);
    }
    for (int i = 0; i < 60; i++) {
        rn_case cases[] = { { chan, NULL, RN_RECV, 0 }, { tick, &at, RN_RECV, 0 } };
        int fired = rn_select(cases, RN_LEN(cases), RN_FOREVER);

        check(fired >= 0);
        i -= fired == 1;
    }
    check_equal(rn_waitgroup_wait(&lockers, RN_FOREVER), 0);
    rn_chan_unref(tick);
    rn_chan_unref(chan);
    return 0;
}

/* ---- what is in it ------------------------------------------------------------------------------ */

static void wakes_lead_from_who_woke_to_who_goes_on(void **state)
{
    int64_t main_track, receiver;
    struct events e;

    (void)state;
    run_sim(1, in_rendezvous);
    events_read(&e, path);
    main_track = events_track(&e, "main [1]");
    receiver = events_track(&e, "receiver [2]");
    assert_int_equal(events_arrows(&e, "go", main_track, receiver), 1);
    assert_int_equal(events_arrows(&e, "wake", main_track, receiver), 4); /* the close, too */
    assert_int_equal(events_arrows(&e, "wake", receiver, main_track), 0); /* that was the clock */
    assert_int_equal(events_arrows(&e, "element", main_track, receiver), 0);
    assert_int_equal(events_slices(&e, receiver, "chan receive"), 4);
    assert_int_equal(events_slices(&e, receiver, "running"), 5);
    assert_int_equal(events_slices(&e, main_track, "sleep"), 5);
    assert_int_equal(e.dropped, 0);
    events_free(&e);
}

static void elements_lead_from_their_send_to_their_receive(void **state)
{
    int64_t main_track, receiver;
    struct events e;

    (void)state;
    run_sim(1, in_buffer);
    events_read(&e, path);
    main_track = events_track(&e, "main");
    receiver = events_track(&e, "receiver");
    assert_int_equal(events_arrows(&e, "element", main_track, receiver), 4);
    assert_int_equal(events_arrows(&e, "wake", main_track, receiver), 1);
    assert_int_equal(events_slices(&e, receiver, "chan receive"), 1);
    events_free(&e);
}

static void a_slice_says_what_ended_it_and_in_which_channel(void **state)
{
    bool ended = false, waited = false;
    struct events e;
    int64_t receiver;

    (void)state;
    run_sim(1, in_rendezvous);
    events_read(&e, path);
    receiver = events_track(&e, "receiver");
    for (size_t i = 0; i < e.n; i++) {
        if (e.of[i].process != 1 || e.of[i].track != receiver)
            continue;
        ended = ended || strcmp(e.of[i].arg_until, "end") == 0;
        waited = waited || (strcmp(e.of[i].name, "chan receive") == 0 && e.of[i].arg_chan == 1);
    }
    assert_true(ended);
    assert_true(waited);
    events_free(&e);
}

static void plain_fn(void *arg)
{
    rn_set_name(arg);
}

static int in_names(void *arg)
{
    (void)arg;
    check_equal(rn_go(sender_fn, NULL), 0);
    check_equal(rn_go(plain_fn, (void *)"a \"quoted\\ \n name"), 0);
    check_equal(rn_go(plain_fn, (void *)"caf\xc3\xa9 \xff\xc3"), 0);
    check_equal(rn_go_with(&(rn_go_opts){ .name = "one that has thirty-one letters" }, plain_fn,
                           "and another that is as long, too", 0),
                0);
    chan = rn_chan_new(0, 20, NULL);
    check_equal(rn_sleep(rn_after(RN_MS)), 0);
    rn_chan_unref(chan);
    return 0;
}

static void tracks_have_names_whatever_is_in_them(void **state)
{
    struct events e;

    (void)state;
    run_sim(1, in_names);
    events_read(&e, path);
    assert_int_equal(events_track(&e, "main [1]"), 1);
    assert_int_equal(events_track(&e, "sender_fn [2]"), 2); /* by its function */
    assert_int_equal(events_track(&e, "a \"quoted\\ ? name [3]"), 3);
    assert_int_equal(events_track(&e, "caf\xc3\xa9 ?? [4]"), 4);
    assert_int_equal(events_track(&e, "and another that is as long, to [5]"), 5);
    events_free(&e);
}

/* ---- where it holds ------------------------------------------------------------------------------- */

static void a_crowd_on_several_workers_can_be_traced(void **state)
{
    struct events e;

    (void)state;
    for (int i = 0; i < 10; i++) {
        run_inside(in_crowd, NULL);
        events_read(&e, path);
        assert_true(e.records > 100);
        assert_int_equal(e.dropped, 0);
        events_free(&e);
    }
}

static bool same(const char *a, const char *b)
{
    FILE *f = fopen(a, "r"), *g = fopen(b, "r");
    int c, d;

    assert_non_null(f);
    assert_non_null(g);
    do {
        c = fgetc(f);
        d = fgetc(g);
    } while (c == d && c != EOF);
    fclose(f);
    fclose(g);
    return c == d;
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    int differ = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        setenv("RN_TRACE", other, 1);
        run_sim(seed, in_crowd);
        setenv("RN_TRACE", path, 1);
        run_sim(seed, in_crowd);
        if (!same(path, other))
            fail_msg("seed %d gives two traces", (int)seed);
        run_sim(seed + 100, in_crowd);
        differ += !same(path, other);
    }
    assert_int_equal(differ, 20);
}

static void the_oldest_records_are_dropped_and_counted(void **state)
{
    struct events all, few;

    (void)state;
    run_sim(1, in_crowd);
    events_read(&all, path);
    setenv("RN_TRACE_RECORDS", "64", 1);
    run_sim(1, in_crowd);
    events_read(&few, path);
    assert_in_range(few.records, 64,
                    2 * 64); /* of the worker, and of the thread that began it all */
    assert_int_equal(few.records + few.dropped, all.records);
    assert_true(few.dropped > 0);
    events_free(&all);
    events_free(&few);
    for (int i = 0; i < 10; i++) {
        run_inside(in_crowd, NULL);
        events_read(&few, path);
        assert_true(few.dropped > 0);
        events_free(&few);
    }
}

static void outside_fn(void *arg)
{
    check_equal(rn_chan_send(arg, NULL, RN_FOREVER), 0);
    check_equal(rn_chan_recv(arg, NULL, RN_FOREVER), 0);
}

static int in_threads(void *arg)
{
    rn_chan *full = rn_chan_new(0, 1, NULL);

    (void)arg;
    for (int i = 0; i < 20; i++)
        check_equal(rn_block(outside_fn, full), 0); /* sends to itself, by the buffer */
    rn_chan_unref(full);
    return 0;
}

static void threads_that_are_no_goroutines_have_no_arrows(void **state)
{
    struct events e;

    (void)state;
    run_inside(in_threads, NULL);
    events_read(&e, path);
    assert_true(e.records >= 40);
    for (size_t i = 0; i < e.n; i++)
        assert_true(e.of[i].kind != 's');
    events_free(&e);
}

/* ---- ends ----------------------------------------------------------------------------------------------- */

/* Runs fn in a child, whose standard error is thrown away; its status. */
static int child(int (*fn)(void *arg))
{
    struct rlimit no_core = { 0, 0 };
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        _exit(rn_main(inside_workers(), fn, NULL));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int in_deadlock(void *arg)
{
    (void)arg;
    return rn_chan_recv(rn_chan_new(0, 0, NULL), NULL, RN_FOREVER);
}

static int in_panic(void *arg)
{
    (void)arg;
    rn_set_name("nervous");
    rn_yield();
    rn_panic("that is the test");
}

static volatile bool enough; /* never set */

static __attribute__((noinline)) int deeper(volatile char *above)
{
    volatile char here[256];

    here[0] = above[0];
    return enough ? 0 : deeper(here) + here[0];
}

static int in_overflow(void *arg)
{
    volatile char here[1] = { 0 };

    (void)arg;
    return deeper(here);
}

static int in_exit(void *arg)
{
    (void)arg;
    exit(7);
}

static void a_deadlock_leaves_a_trace(void **state)
{
    struct events e;
    int status = child(in_deadlock);

    (void)state;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    events_read(&e, path);
    assert_int_equal(events_slices(&e, events_track(&e, "main"), "chan receive"), 1);
    events_free(&e);
}

static void a_panic_leaves_a_trace(void **state)
{
    struct events e;
    int status = child(in_panic);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    events_read(&e, path);
    assert_true(events_slices(&e, events_track(&e, "nervous"), "running") > 0);
    events_free(&e);
}

static void an_overflow_leaves_a_trace(void **state)
{
    struct events e;
    int status = child(in_overflow);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    events_read(&e, path);
    assert_true(events_slices(&e, events_track(&e, "main"), "running") > 0);
    events_free(&e);
}

static void an_exit_leaves_a_trace(void **state)
{
    struct events e;
    int status = child(in_exit);

    (void)state;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    events_read(&e, path);
    assert_int_equal(events_slices(&e, events_track(&e, "main"), "running"), 1);
    events_free(&e);
}

static bool there_is_something(void)
{
    FILE *f = fopen(path, "r");
    long size;

    check(f != NULL);
    fseek(f, -3, SEEK_END);
    size = fgetc(f);
    fclose(f);
    return size == ']'; /* the end of the file is written last */
}

static int in_sigquit(void *arg)
{
    (void)arg;
    check_equal(rn_chan_send(rn_chan_new(0, 1, NULL), NULL, RN_FOREVER), 0);
    check(!there_is_something());
    kill(getpid(), SIGQUIT);
    wait_until(there_is_something());
    _exit(33); /* without another trace */
}

static void sigquit_makes_a_trace_of_what_there_is_so_far(void **state)
{
    struct events e;
    int status = child(in_sigquit);

    (void)state;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 33);
    events_read(&e, path);
    assert_true(events_slices(&e, events_track(&e, "main"), "running") > 0);
    events_free(&e);
}

/* ---- files that cannot be ---------------------------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Runs a program in this process and gives what it says on standard error. */
static void said(char *text, size_t size)
{
    int fds[2], saved = dup(STDERR_FILENO);
    ssize_t n;

    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    dup2(fds[1], STDERR_FILENO);
    run_inside(nothing, NULL);
    dup2(saved, STDERR_FILENO);
    n = read(fds[0], text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fds[0]);
    close(fds[1]);
    close(saved);
}

static void what_cannot_be_made_is_said_and_the_program_goes_on(void **state)
{
    char text[512];

    (void)state;
    setenv("RN_TRACE", "/nowhere/at/all", 1);
    said(text, sizeof text);
    assert_string_equal(
        text, "runnel: RN_TRACE: cannot make /nowhere/at/all: No such file or directory\n");
    setenv("RN_TRACE", "/dev/full", 1);
    said(text, sizeof text);
    assert_string_equal(text,
                        "runnel: RN_TRACE: cannot write /dev/full: No space left on device\n");
    setenv("RN_TRACE", "", 1);
    said(text, sizeof text);
    assert_string_equal(text, "");
}

static void a_file_may_have_the_process_in_its_name(void **state)
{
    char name[128];
    struct events e;

    (void)state;
    snprintf(name, sizeof name, "%s.%%p.x", path);
    setenv("RN_TRACE", name, 1);
    run_inside(nothing, NULL);
    snprintf(name, sizeof name, "%s.%ld.x", path, (long)getpid());
    events_read(&e, name);
    events_free(&e);
    unlink(name);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wakes_lead_from_who_woke_to_who_goes_on),
        TEST(elements_lead_from_their_send_to_their_receive),
        TEST(a_slice_says_what_ended_it_and_in_which_channel),
        TEST(tracks_have_names_whatever_is_in_them),
        TEST(a_crowd_on_several_workers_can_be_traced),
        TEST(the_same_seed_gives_the_same_bytes),
        TEST(the_oldest_records_are_dropped_and_counted),
        TEST(threads_that_are_no_goroutines_have_no_arrows),
        TEST(a_deadlock_leaves_a_trace),
        TEST(a_panic_leaves_a_trace),
        TEST(an_overflow_leaves_a_trace),
        TEST(an_exit_leaves_a_trace),
        TEST(sigquit_makes_a_trace_of_what_there_is_so_far),
        TEST(what_cannot_be_made_is_said_and_the_program_goes_on),
        TEST(a_file_may_have_the_process_in_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
