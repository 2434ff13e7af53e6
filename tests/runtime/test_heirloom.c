/* test_heirloom.c - what a goroutine has is inherited by those that it starts, and let go of by all.   SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "runtime/heirloom.h"
#include "runtime/sched.h"
#include "tests/runtime/inside.h"

static atomic_int alive;

static void release(struct rn__heirloom *h)
{
    atomic_fetch_sub(&alive, 1);
    free(h);
}

/* A new one, which the caller has. */
static struct rn__heirloom *take_new(void)
{
    struct rn__heirloom *h = malloc(sizeof *h);

    check(h != NULL);
    atomic_init(&h->refs, 1);
    h->release = release;
    atomic_fetch_add(&alive, 1);
    check_equal(rn__heirloom_take(h), 0);
    return h;
}

struct heir {
    rn_chan *done;
    const struct rn__heirloom *expected;
    int depth;
};

/* It has what its starter has; its children, what it has by then. */
static void heir(void *arg)
{
    struct heir *h = arg, child = { h->done, NULL, h->depth - 1 };

    check(rn__heirloom() == h->expected);
    rn_yield();
    check(rn__heirloom() == h->expected);
    child.expected = h->depth % 2 == 0 ? take_new() : h->expected;
    if (h->depth == 0) {
        rn_chan_send(h->done, NULL, RN_FOREVER);
        return;
    }
    check_equal(rn_go_copy(heir, &child, sizeof child), 0);
    check_equal(rn_go_copy(heir, &child, sizeof child), 0);
}

static int inherited(void *arg)
{
    struct heir first = { rn_chan_new(0, 0, NULL), NULL, 6 };

    (void)arg;
    check(rn__heirloom() == NULL);
    first.expected = take_new();
    check_equal(rn_go_copy(heir, &first, sizeof first), 0);
    check_equal(rn__heirloom_take(NULL), 0);
    for (int i = 0; i < 1 << 6; i++)
        check_equal(rn_chan_recv(first.done, NULL, RN_FOREVER), 0);
    wait_until(rn__live() == 1);
    check_equal(atomic_load(&alive), 0);
    rn_chan_unref(first.done);
    return 0;
}

static void who_is_started_has_what_the_starter_had(void **state)
{
    (void)state;
    run_everywhere(inherited, NULL);
}

static void expect_none(void *arg)
{
    check(rn__heirloom() == NULL);
    rn_chan_send(*(rn_chan **)arg, NULL, RN_FOREVER);
}

static int not_of_services(void *arg)
{
    rn_chan *done = rn_chan_new(0, 1, NULL);

    (void)arg;
    take_new();
    check_equal(rn__go_system(expect_none, &done, "service"), 0);
    check_equal(rn_chan_recv(done, NULL, RN_FOREVER), 0);
    rn_chan_unref(done);
    return 0;
}

static void services_have_none(void **state)
{
    (void)state;
    run_everywhere(not_of_services, NULL);
}

static void wait_for_ever(void *arg)
{
    check(rn__heirloom() != NULL);
    rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER);
}

static int leaves_some_behind(void *arg)
{
    static rn_chan *never; /* of those that are abandoned in it nobody ever lets go */

    (void)arg;
    if (never == NULL)
        never = rn_chan_new(0, 0, NULL);
    take_new();
    for (int i = 0; i < 10; i++)
        check_equal(rn_go_copy(wait_for_ever, &never, sizeof never), 0);
    rn_yield();
    return 0;
}

static void who_is_abandoned_lets_go(void **state)
{
    (void)state;
    run_everywhere(leaves_some_behind, NULL);
    assert_int_equal(atomic_load(&alive), 0);
}

static void *on_a_thread(void *arg)
{
    (void)arg;
    check(rn__heirloom() == NULL);
    take_new();
    const struct rn__heirloom *h = take_new();
    check(rn__heirloom() == h);
    check_equal(atomic_load(&alive), 1);
    return NULL;
}

static void a_thread_lets_go_at_its_end(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, on_a_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&alive), 0);
}

static int of_main(void *arg)
{
    check(rn__heirloom() == arg);
    return 0;
}

static void the_first_goroutine_inherits_from_its_thread(void **state)
{
    struct rn__heirloom *h = take_new();

    (void)state;
    run_inside(of_main, h);
    assert_ptr_equal(rn__heirloom(), h);
    assert_int_equal(rn__heirloom_take(NULL), 0);
    assert_int_equal(atomic_load(&alive), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_started_has_what_the_starter_had),
        cmocka_unit_test(services_have_none),
        cmocka_unit_test(who_is_abandoned_lets_go),
        cmocka_unit_test(a_thread_lets_go_at_its_end),
        cmocka_unit_test(the_first_goroutine_inherits_from_its_thread),
    };

    return cmocka_run_group_tests_name("heirloom", tests, NULL, NULL);
}
