/* test_slice.c - workers have a short slice, and only they.   SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/slice.h"
#include "tests/runtime/inside.h"

/* Of the calling thread; 0: the system knows none. */
static uint64_t slice_ns(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } a = { 0 };

    check(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) == 0);
    return a.policy == SCHED_OTHER ? a.runtime : 0;
}

static void *look(void *at)
{
    *(uint64_t *)at = slice_ns();
    return NULL;
}

/* out[0]: of a worker, out[1]: of a thread that it has made */
static int look_inside(void *out)
{
    uint64_t *of = out;
    pthread_t thread;

    of[0] = slice_ns();
    check_equal(pthread_create(&thread, NULL, look, &of[1]), 0);
    pthread_join(thread, NULL);
    return 0;
}

static void a_worker_and_its_threads_have_a_short_slice_until_it_ends(void **state)
{
    uint64_t before = slice_ns(), of[2] = { 0 };

    (void)state;
    if (before <= 100000)
        skip(); /* the system has none, or it is short already */
    run_inside(look_inside, of);
    assert_int_equal(of[0], 100000);
    assert_int_equal(of[1], 100000);
    assert_int_equal(slice_ns(), before);
}

static void it_is_shortened_once(void **state)
{
    uint64_t before = slice_ns(), was = rn__slice_shorten();

    (void)state;
    assert_int_equal(was, before <= 100000 ? 0 : before);
    assert_int_equal(rn__slice_shorten(), 0);
    rn__slice_restore(0);
    assert_int_equal(slice_ns(), before <= 100000 ? before : 100000);
    rn__slice_restore(was);
    assert_int_equal(slice_ns(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_and_its_threads_have_a_short_slice_until_it_ends),
        cmocka_unit_test(it_is_shortened_once),
    };

    return cmocka_run_group_tests_name("slice", tests, NULL, NULL);
}
