/* test_once.c - what is done once, and by all waited for.   SPDX-License-Identifier: MIT
 *
 * Go's once_test.go, as far as C can say it. */
#include "tests/runtime/locks.h"

struct done {
    rn_once o;
    _Atomic int begun;
    int ended; /* guarded by o */
    _Atomic bool go;
};

static void increment_fn(void *arg)
{
    struct done *d = arg;

    d->begun++;
    for (int i = 0; i < 20; i++)
        rn_yield();
    d->ended++;
}

static void does_fn(void *arg)
{
    struct done *d = *(struct done **)arg;

    rn_once_do(&d->o, increment_fn, d);
    check_equal(d->ended, 1);
}

static int in_once(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct done d = { .begun = 0 }, *p = &d;
        rn_group *g = rn_group_new();

        for (int k = 0; k < 10; k++)
            check_equal(rn_group_go(g, does_fn, &p, sizeof p), 0);
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        check_equal(d.begun, 1);
        check_equal(d.ended, 1);
        rn_once_do(&d.o, increment_fn, &d);
        check_equal(d.begun, 1);
        rn_group_free(g);
    }
    return 0;
}

/* Go: TestOnce. */
static void it_is_done_once_and_all_return_after_it(void **state)
{
    (void)state;
    run_everywhere(in_once, NULL);
}

static void slow_fn(void *arg)
{
    struct done *d = arg;

    d->begun++;
    wait_until(d->go);
    d->ended++;
}

static void does_slowly_fn(void *arg)
{
    struct done *d = *(struct done **)arg;

    rn_once_do(&d->o, slow_fn, d);
    check_equal(d->ended, 1);
}

static int in_cancelled(void *arg)
{
    struct done d = { .begun = 0 }, *p = &d;
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, does_slowly_fn, &p, sizeof p), 0);
    wait_until(d.begun == 1);
    start_waiting(g, does_slowly_fn, p, &d.o, 1);
    start_waiting(g, does_slowly_fn, p, &d.o, 2);
    rn_group_cancel(g);
    d.go = true;
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void waiting_for_it_is_not_cancelled(void **state)
{
    (void)state;
    run_everywhere(in_cancelled, NULL);
}

static void *does_main(void *d)
{
    does_fn(&d);
    return NULL;
}

static int in_mixture(void *arg)
{
    struct done d = { .begun = 0 }, *p = &d;
    rn_group *g = rn_group_new();
    pthread_t threads[4];

    (void)arg;
    for (int i = 0; i < 4; i++) {
        check_equal(pthread_create(&threads[i], NULL, does_main, p), 0);
        check_equal(rn_group_go(g, does_fn, &p, sizeof p), 0);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    check_equal(d.begun, 1);
    rn_group_free(g);
    return 0;
}

static void *does_slowly_main(void *d)
{
    does_slowly_fn(&d);
    return NULL;
}

/* One runs it and one waits, in threads, while a scheduler ends. */
static void plain_threads_and_goroutines_share_it(void **state)
{
    struct done d = { .begun = 0 };
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 10; i++)
        run_inside(in_mixture, NULL);
    assert_int_equal(rn_start(2), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, does_slowly_main, &d), 0);
    wait_until(d.begun == 1);
    assert_int_equal(pthread_create(&threads[1], NULL, does_slowly_main, &d), 0);
    wait_until(in_line(&d.o) == 1);
    assert_int_equal(rn_stop(RN_FOREVER), 0);
    wait_until(in_line(&d.o) == 1);
    d.go = true;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(d.begun, 1);
}

static void panics_fn(void *arg)
{
    (void)arg;
    rn_panic("in the middle of it");
}

static int in_panic(void *arg)
{
    rn_once o = { { 0 } };

    (void)arg;
    rn_once_do(&o, panics_fn, NULL);
    return 0;
}

/* Go: TestOncePanic; here nobody recovers. */
static void panic_in_it_is_a_panic(void **state)
{
    (void)state;
    panics(in_panic, "in the middle of it");
}

static rn_once again;

static void again_fn(void *arg)
{
    rn_once_do(&again, again_fn, arg);
}

static int in_deadlock(void *arg)
{
    again_fn(arg);
    return 0;
}

static void doing_it_in_itself_is_a_deadlock(void **state)
{
    const char *const words[] = { "\"main\" [once 0x", NULL };

    (void)state;
    deadlocks(in_deadlock, words);
}

#ifdef RN__TSAN
static int in_seen(void *arg)
{
    static struct done d;
    struct done *p = &d;
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 8; i++)
        check_equal(rn_group_go(g, does_fn, &p, sizeof p), 0);
    does_fn(&p);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void tsan_sees_that_it_comes_before(void **state)
{
    (void)state;
    races(in_seen, false);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_done_once_and_all_return_after_it),
        cmocka_unit_test(waiting_for_it_is_not_cancelled),
        cmocka_unit_test(plain_threads_and_goroutines_share_it),
        cmocka_unit_test(panic_in_it_is_a_panic),
        cmocka_unit_test(doing_it_in_itself_is_a_deadlock),
#ifdef RN__TSAN
        cmocka_unit_test(tsan_sees_that_it_comes_before),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
