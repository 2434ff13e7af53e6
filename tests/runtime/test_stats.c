/* test_stats.c - the figures of the runtime.   SPDX-License-Identifier: MIT
 *
 * In a simulation nothing happens by itself and the clock is ours, so there they are exact. */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "runtime/histogram.h"
#include "runtime/sync.h"
#include "tests/runtime/inside.h"

#define SEED 11

static void run_sim(int (*fn)(void *arg))
{
    assert_int_equal(rn_sim(SEED, fn, NULL), 0);
}

/* ---- histograms ----------------------------------------------------------------------------- */

static void each_bucket_begins_where_the_last_one_ends(void **state)
{
    (void)state;
    assert_int_equal(rn_latency_from(0), 0);
    for (unsigned i = 0; i < RN_LATENCIES; i++) {
        int64_t from = rn_latency_from(i), to = rn_latency_from(i + 1);

        assert_true(from < to);
        assert_int_equal(rn__histogram_bucket(from), i);
        assert_int_equal(rn__histogram_bucket(to - 1), i);
    }
    assert_int_equal(rn__histogram_bucket(-5), 0);
    assert_int_equal(rn__histogram_bucket(INT64_MAX), RN_LATENCIES - 1);
}

static void a_part_of_them_was_as_fast_as_that(void **state)
{
    rn_stats s = { 0 };

    (void)state;
    assert_int_equal(rn_latency_part(&s, 0.5), 0);
    s.latency[rn__histogram_bucket(1000)] = 99;
    s.latency[rn__histogram_bucket(1000000)] = 1;
    assert_true(rn_latency_part(&s, 0.5) > 1000 && rn_latency_part(&s, 0.5) <= 1250);
    assert_int_equal(rn_latency_part(&s, 0.99), rn_latency_part(&s, 0.5));
    assert_true(rn_latency_part(&s, 1) > 1000000 && rn_latency_part(&s, 1) <= 1250000);
    s.latency[RN_LATENCIES - 1] = 1;
    assert_int_equal(rn_latency_part(&s, 1), INT64_MAX);
}

/* ---- what goroutines do ------------------------------------------------------------------------ */

static rn_chan *stop;
static rn_mutex mutex;
static rn_rwmutex rwmutex;

static void receive_fn(void *arg)
{
    (void)arg;
    check_equal(rn_chan_recv(stop, NULL, RN_FOREVER), RN_ECLOSED);
}

static void lock_fn(void *arg)
{
    (void)arg;
    rn_mutex_lock(&mutex);
    rn_mutex_unlock(&mutex);
}

static uint64_t waiting_for(const char *why)
{
    rn_reason reasons[8];
    int n = rn_stats_reasons(reasons, RN_LEN(reasons));

    check(n <= RN_LEN(reasons));
    for (int i = 1; i < n; i++)
        check(reasons[i - 1].goroutines >= reasons[i].goroutines);
    for (int i = 0; i < n; i++) {
        check(reasons[i].goroutines > 0 && reasons[i].longest_ns >= 0);
        if (strcmp(reasons[i].why, why) == 0)
            return reasons[i].goroutines;
    }
    return 0;
}

static int in_states(void *arg)
{
    rn_reason one;
    rn_stats s;

    (void)arg;
    stop = rn_chan_new(0, 0, NULL);
    rn_mutex_lock(&mutex);
    for (int i = 0; i < 5; i++)
        check_equal(rn_go(i < 3 ? receive_fn : lock_fn, NULL), 0);
    wait_until(waiting_for("chan receive") == 3 && waiting_for("mutex") == 2);
    check_equal(rn_stats_reasons(NULL, 0), 2);
    check_equal(rn_stats_reasons(&one, 1), 2);
    check_equal(one.goroutines, 3);
    do { /* a worker may be just leaving its last goroutine */
        rn_stats_read(&s);
        check_equal(s.running + s.runnable + s.waiting, s.goroutines);
        check(s.running >= 1 && s.workers_idle < s.workers);
    } while (s.waiting != 5);
    check_equal(s.goroutines, 6);
    check(s.workers >= (uint64_t)inside_workers()); /* and stand-ins, on a busy machine */
    check_equal(s.waiting_outside, 0);
    rn_mutex_unlock(&mutex);
    rn_chan_close(stop);
    wait_until((rn_stats_read(&s), s.goroutines) == 1);
    check_equal(s.waiting, 0);
    rn_chan_unref(stop);
    return 0;
}

static void goroutines_are_counted_by_what_they_do(void **state)
{
    (void)state;
    run_inside(in_states, NULL);
}

static void nothing_fn(void *arg)
{
    (void)arg;
}

static int in_queue(void *arg)
{
    rn_worker_stats w;
    rn_stats s;

    (void)arg;
    for (int i = 0; i < 10; i++)
        check_equal(rn_go(nothing_fn, NULL), 0);
    rn_stats_read(&s);
    check_equal(s.goroutines, 11);
    check_equal(s.running, 1);
    check_equal(s.runnable, 10);
    check_equal(s.waiting, 0);
    check(s.workers >= 1);
    check_equal(rn_stats_worker(0, &w), 0);
    check_equal(w.queued + s.queued_common, 10);
    check_equal(w.created, 10);
    check_equal(s.created, 11); /* we were made by the thread that began it all */
    check_equal(rn_stats_worker(1000, &w), -ENOENT);
    return 0;
}

static void the_queues_say_how_many_are_in_them(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_queue, NULL), 0);
    run_sim(in_queue);
}

static int in_stacks(void *arg)
{
    rn_stats a, b;

    (void)arg;
    stop = rn_chan_new(0, 0, NULL);
    rn_stats_read(&a);
    for (int i = 0; i < 4; i++)
        check_equal(rn_go_with(&(rn_go_opts){ .stack_bytes = 256 << 10 }, receive_fn, NULL, 0), 0);
    rn_stats_read(&b);
    check(b.stack_bytes_used - a.stack_bytes_used >= 4 * (256 << 10));
    check(b.stack_bytes >= b.stack_bytes_used);
    rn_chan_close(stop);
    wait_until((rn_stats_read(&b), b.goroutines) == 1);
    check_equal(b.stack_bytes_used, a.stack_bytes_used);
    rn_chan_unref(stop);
    return 0;
}

static void stacks_in_use_are_told_from_those_that_are_kept(void **state)
{
    (void)state;
    run_inside(in_stacks, NULL);
}

/* ---- latency ---------------------------------------------------------------------------------------- */

static uint64_t latencies(const rn_stats *s)
{
    uint64_t n = 0;

    for (int i = 0; i < RN_LATENCIES; i++)
        n += s->latency[i];
    return n;
}

static int in_few(void *arg)
{
    rn_stats s;

    (void)arg;
    for (int i = 0; i < 10; i++)
        check_equal(rn_go(nothing_fn, NULL), 0);
    wait_until((rn_stats_read(&s), s.goroutines) == 1);
    check(latencies(&s) >= 11); /* we ourselves, too, whenever another was in front of us */
    /* Each step takes a microsecond, and nobody waited for all the others. */
    check(rn_latency_part(&s, 0.01) >= 1000);
    check(rn_latency_part(&s, 1) < 100000);
    return 0;
}

static void all_of_a_few_schedulings_are_timed(void **state)
{
    (void)state;
    run_sim(in_few);
}

static void yield_fn(void *arg)
{
    for (int i = 0; i < 100000; i++)
        rn_yield();
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static int in_many(void *arg)
{
    _Atomic int done = 0;
    rn_stats s;

    (void)arg;
    for (int i = 0; i < 3; i++)
        check_equal(rn_go(yield_fn, (void *)&done), 0);
    wait_until(atomic_load(&done) == 3);
    rn_stats_read(&s);
    /* All three yielded to one another, as did we: each sample stands for those that were not looked at. */
    check(latencies(&s) > 250000 && latencies(&s) < 100000000);
    check(rn_latency_part(&s, 0.5) > 0);
    check(rn_latency_part(&s, 0.5) <= rn_latency_part(&s, 0.99));
    return 0;
}

static void of_many_schedulings_a_sample_stands_for_all(void **state)
{
    (void)state;
    assert_int_equal(rn_main(1, in_many, NULL), 0);
}

/* ---- waits ------------------------------------------------------------------------------------------- */

static void write_fn(void *arg)
{
    (void)arg;
    rn_rwmutex_lock(&rwmutex);
    rn_rwmutex_unlock(&rwmutex);
}

static void read_fn(void *arg)
{
    (void)arg;
    rn_rwmutex_rlock(&rwmutex);
    rn_rwmutex_runlock(&rwmutex);
}

static void waits_5_ms(rn_fn *fn, void (*unlock)(void))
{
    rn_stats a, b;

    rn_stats_read(&a);
    check_equal(rn_go(fn, NULL), 0);
    check_equal(rn_sleep(rn_after(5 * RN_MS)), 0);
    unlock();
    wait_until((rn_stats_read(&b), b.goroutines) == 1);
    check_equal(b.lock_waits - a.lock_waits, 1);
    check(b.lock_wait_ns - a.lock_wait_ns > 49 * RN_MS / 10);
    check(b.lock_wait_ns - a.lock_wait_ns < 51 * RN_MS / 10);
}

static void mutex_unlock(void)
{
    rn_mutex_unlock(&mutex);
}

static void rwmutex_unlock(void)
{
    rn_rwmutex_unlock(&rwmutex);
}

static int in_locks(void *arg)
{
    rn_stats s;

    (void)arg;
    rn_mutex_lock(&mutex);
    rn_stats_read(&s);
    check_equal(s.lock_waits, 0); /* nobody had to wait */
    waits_5_ms(lock_fn, mutex_unlock);
    rn_rwmutex_lock(&rwmutex);
    waits_5_ms(write_fn, rwmutex_unlock);
    rn_rwmutex_lock(&rwmutex);
    waits_5_ms(read_fn, rwmutex_unlock);
    return 0;
}

static void waits_for_locks_are_summed_up(void **state)
{
    (void)state;
    run_sim(in_locks);
}

static int fds[2];

static void fd_fn(void *arg)
{
    char byte;

    (void)arg;
    check_equal(rn_read(fds[0], &byte, 1, RN_FOREVER), 1);
}

static void in_thread(void *arg)
{
    rn_stats s;

    (void)arg;
    rn_stats_read(&s); /* in a thread that is no goroutine */
    check(s.block_threads >= 1);
    check_equal(s.goroutines, 1);
}

static int in_outside(void *arg)
{
    rn_stats a, b;

    (void)arg;
    check_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    rn_stats_read(&a);
    check_equal(rn_go(fd_fn, NULL), 0);
    wait_until((rn_stats_read(&b), b.waiting_outside) == 1);
    check_equal(waiting_for("fd"), 1);
    check_equal(write(fds[1], "x", 1), 1);
    wait_until((rn_stats_read(&b), b.goroutines) == 1);
    check_equal(b.polled - a.polled, 1);
    check(b.polls > a.polls);
    check_equal(rn_block(in_thread, NULL), 0);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void what_comes_from_outside_is_counted(void **state)
{
    (void)state;
    run_inside(in_outside, NULL);
}

/* ---- who may ask --------------------------------------------------------------------------------------- */

static void without_a_scheduler_there_is_nothing(void **state)
{
    rn_worker_stats w;
    rn_stats s;

    (void)state;
    rn_stats_read(&s);
    assert_int_equal(s.goroutines + s.running + s.runnable + s.waiting + s.workers, 0);
    assert_int_equal(rn_stats_worker(0, &w), -ENOENT);
    assert_int_equal(rn_stats_reasons(NULL, 0), 0);
}

static int in_sizes(void *arg)
{
    struct {
        uint64_t goroutines, others[10]; /* what there was in the first version */
        uint64_t beyond;
    } old;
    struct {
        rn_stats known;
        uint64_t unknown;
    } newer;

    (void)arg;
    memset(&old, 0x55, sizeof old);
    rn_stats_read_v((void *)&old, offsetof(rn_stats, running));
    check_equal(old.goroutines, 1);
    check_equal(old.beyond, 0x5555555555555555);
    memset(&newer, 0x55, sizeof newer);
    rn_stats_read_v((void *)&newer, sizeof newer);
    check_equal(newer.known.goroutines, 1);
    check_equal(newer.unknown, 0);
    return 0;
}

static void programs_of_other_versions_get_what_they_know(void **state)
{
    (void)state;
    run_inside(in_sizes, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bucket_begins_where_the_last_one_ends),
        cmocka_unit_test(a_part_of_them_was_as_fast_as_that),
        cmocka_unit_test(goroutines_are_counted_by_what_they_do),
        cmocka_unit_test(the_queues_say_how_many_are_in_them),
        cmocka_unit_test(stacks_in_use_are_told_from_those_that_are_kept),
        cmocka_unit_test(all_of_a_few_schedulings_are_timed),
        cmocka_unit_test(of_many_schedulings_a_sample_stands_for_all),
        cmocka_unit_test(waits_for_locks_are_summed_up),
        cmocka_unit_test(what_comes_from_outside_is_counted),
        cmocka_unit_test(without_a_scheduler_there_is_nothing),
        cmocka_unit_test(programs_of_other_versions_get_what_they_know),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
