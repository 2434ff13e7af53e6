/* test_memlink.c - the network in memory does what networks do, and nothing else.   SPDX-License-Identifier: MIT
 *
 * Everything but the last test runs in virtual time.  Where chance decides, many seeds are tried and both outcomes
 * must occur. */
#include "proto/link/memlink.h"
#include "tests/runtime/inside.h"

#include <errno.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

struct pair {
    struct memnet *net;
    struct link *a, *b;
    link_peer at_a,
        at_b; /* what a and b call their connection; at_b is 0 until b has heard from a */
};

static void pair_open(struct pair *p, uint64_t seed)
{
    struct memnet_opts opts = { .seed = seed,
                                .delay_min_ns = 10 * RN_US,
                                .delay_max_ns = 500 * RN_US };

    *p = (struct pair){ .net = memnet_new(&opts) };
    check(p->net != NULL);
    p->a = memnet_endpoint(p->net, "a");
    p->b = memnet_endpoint(p->net, "b");
    check_equal(link_dial(p->a, "mem://b", &p->at_a), 0);
    check(p->at_a != 0);
}

static void pair_close(struct pair *p)
{
    struct memnet_stats stats;

    link_close(p->a);
    link_close(p->b);
    memnet_stats(p->net, &stats);
    check_equal(stats.sent, stats.delivered + stats.lost);
    memnet_free(p->net);
}

/* A frame that says n. */
static int send_number(struct link *l, link_peer peer, uint32_t n)
{
    struct frame *f = frame_new(sizeof n);
    int rc;

    memcpy(f->data, &n, sizeof n);
    rc = link_send(l, peer, f);
    frame_unref(f);
    return rc;
}

/* Takes the number out of an event's frame. */
static uint32_t number_of(struct link_event *e)
{
    uint32_t n;

    check_equal(e->what, LINK_FRAME);
    check_equal(e->frame->len, sizeof n);
    memcpy(&n, e->frame->data, sizeof n);
    frame_unref(e->frame);
    return n;
}

static uint32_t recv_number(struct link *l, link_peer *peer)
{
    struct link_event e;

    check_equal(link_recv(l, &e, rn_after(RN_SEC)), 0);
    *peer = e.peer;
    return number_of(&e);
}

static bool quiet(struct link *l)
{
    struct link_event e;

    return link_recv(l, &e, rn_after(RN_SEC)) == RN_ETIMEDOUT;
}

/* Both have heard from each other. */
static void pair_greet(struct pair *p)
{
    link_peer from;

    check_equal(send_number(p->a, p->at_a, 1), 0);
    check_equal(recv_number(p->b, &p->at_b), 1);
    check_equal(send_number(p->b, p->at_b, 2), 0);
    check_equal(recv_number(p->a, &from), 2);
    check_equal(from, p->at_a);
}

static int in_order(void *arg)
{
    struct pair p;
    link_peer from;
    struct link_event e;

    (void)arg;
    pair_open(&p, 1);
    rn_time began = rn_now();
    for (uint32_t i = 0; i < 1000; i++)
        check_equal(send_number(p.a, p.at_a, i), 0);
    check_equal(link_recv(p.b, &e, RN_NOWAIT), RN_ETIMEDOUT);
    for (uint32_t i = 0; i < 1000; i++) {
        check_equal(recv_number(p.b, &from), i);
        if (i == 0)
            check(rn_now() >= began + 10 * RN_US);
    }
    check(rn_now() < began + 5 * RN_MS);
    check(quiet(p.b));
    pair_close(&p);
    return 0;
}

static void frames_arrive_in_order_after_their_delay(void **state)
{
    (void)state;
    assert_int_equal(rn_sim(1, in_order, NULL), 0);
}

static int dial_early(void *arg)
{
    struct memnet *net = memnet_new(&(struct memnet_opts){ .seed = 1 });
    struct link *a = memnet_endpoint(net, "a"), *b;
    link_peer peer, gone, from;

    (void)arg;
    check_equal(link_dial(a, "tcp://b", &peer), -EINVAL);
    check_equal(link_dial(a, "mem://", &peer), -EINVAL);
    check(memnet_endpoint(net, "a") == NULL);
    check_equal(link_dial(a, "mem://b", &gone), 0);
    check_equal(link_dial(a, "mem://b", &peer), 0);
    check_equal(send_number(a, gone, 6), 0);
    check_equal(send_number(a, peer, 7), 0);
    link_drop(a, gone);
    check_equal(send_number(a, gone, 6), -EHOSTUNREACH);
    b = memnet_endpoint(net, "b");
    check_equal(recv_number(b, &from), 7);
    check_equal(send_number(b, from, 8), 0);
    check_equal(recv_number(a, &from), 8);
    check_equal(from, peer);
    check_equal(link_dial(a, "mem://nobody", &peer), 0);
    link_close(a);
    link_close(b);
    memnet_free(net);
    return 0;
}

static void who_dials_too_early_is_connected_when_the_other_comes(void **state)
{
    (void)state;
    assert_int_equal(rn_sim(1, dial_early, NULL), 0);
}

struct tally {
    int told, silent, all, some;
};

static int breaking(void *arg)
{
    struct tally *t = arg;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct pair p;
        struct link_event e;
        uint32_t got = 0;
        int rc;

        pair_open(&p, seed);
        pair_greet(&p);
        for (uint32_t i = 0; i < 10; i++)
            check_equal(send_number(p.a, p.at_a, i), 0);
        memnet_break(p.net, "b", "a");
        check_equal(send_number(p.a, p.at_a, 99), 0); /* lost; nobody knows yet */
        while ((rc = link_recv(p.b, &e, rn_after(RN_SEC))) == 0 && e.what == LINK_FRAME)
            check_equal(number_of(&e), got++);
        check(got <= 10);
        *(got == 10 ? &t->all : &t->some) += 1;
        if (rc == 0) {
            check_equal(e.what, LINK_DOWN);
            check_equal(e.peer, p.at_b);
            check_equal(send_number(p.b, p.at_b, 1), -EHOSTUNREACH);
            t->told++;
        } else {
            check_equal(rc, RN_ETIMEDOUT);
            check_equal(send_number(p.b, p.at_b, 1), 0);
            link_drop(p.b, p.at_b);
            check_equal(send_number(p.b, p.at_b, 1), -EHOSTUNREACH);
            t->silent++;
        }
        pair_close(&p);
    }
    return 0;
}

static void a_break_loses_a_tail_and_tells_or_is_silent(void **state)
{
    struct tally t = { 0 };

    (void)state;
    assert_int_equal(rn_sim(1, breaking, &t), 0);
    assert_true(t.told > 0 && t.silent > 0);
    assert_true(t.all > 0 && t.some > 0);
}

static int partitioning(void *arg)
{
    struct pair p;
    link_peer from;

    (void)arg;
    pair_open(&p, 3);
    pair_greet(&p);
    check_equal(send_number(p.a, p.at_a, 10), 0);
    memnet_partition(p.net, "a", "b", true, false);
    check_equal(send_number(p.a, p.at_a, 11), 0);
    check_equal(send_number(p.b, p.at_b, 20), 0);
    check(quiet(p.b));
    check_equal(recv_number(p.a, &from), 20); /* one way only */
    rn_time healed = rn_now();
    memnet_partition(p.net, "a", "b", false, false);
    check_equal(recv_number(p.b, &from), 10);
    check(rn_now() >= healed + 10 * RN_US);
    check_equal(recv_number(p.b, &from), 11);

    memnet_partition(p.net, "a", "b", true, true);
    check_equal(send_number(p.a, p.at_a, 12), 0);
    memnet_partition(p.net, "a", "b", false, false);
    check_equal(send_number(p.a, p.at_a, 13), 0); /* would come after a hole: is lost too */
    check(quiet(p.b));
    check_equal(send_number(p.b, p.at_b, 21), 0);
    check_equal(recv_number(p.a, &from), 21);
    link_drop(p.a, p.at_a);
    check_equal(link_dial(p.a, "mem://b", &p.at_a), 0); /* a new connection works */
    check_equal(send_number(p.a, p.at_a, 14), 0);
    struct link_event e;
    do
        check_equal(link_recv(p.b, &e, rn_after(RN_SEC)), 0);
    while (e.what == LINK_DOWN);
    check_equal(number_of(&e), 14);
    check(e.peer != p.at_b);
    pair_close(&p);
    return 0;
}

static void a_partition_holds_back_or_loses_one_direction(void **state)
{
    (void)state;
    assert_int_equal(rn_sim(1, partitioning, NULL), 0);
}

static int killing(void *arg)
{
    struct tally *t = arg;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct pair p;
        struct link_event e;
        int rc;

        pair_open(&p, seed);
        pair_greet(&p);
        memnet_kill(p.net, "b");
        check_equal(link_recv(p.b, &e, RN_FOREVER), -ECONNABORTED);
        check_equal(send_number(p.b, p.at_b, 1), -EHOSTUNREACH);
        check(memnet_endpoint(p.net, "b") == NULL);
        rc = link_recv(p.a, &e, rn_after(RN_SEC));
        check(rc == RN_ETIMEDOUT || (rc == 0 && e.what == LINK_DOWN));
        *(rc == 0 ? &t->told : &t->silent) += 1;
        link_close(p.b);
        p.b = memnet_endpoint(p.net, "b");
        check(p.b != NULL);
        check_equal(link_dial(p.a, "mem://b", &p.at_a), 0);
        pair_greet(&p);
        pair_close(&p);
    }
    return 0;
}

static void who_is_killed_is_gone_and_its_name_comes_back(void **state)
{
    struct tally t = { 0 };

    (void)state;
    assert_int_equal(rn_sim(1, killing, &t), 0);
    assert_true(t.told > 0 && t.silent > 0);
}

static int closing(void *arg)
{
    struct pair p;
    struct link_event e;
    link_peer from;

    (void)arg;
    pair_open(&p, 5);
    pair_greet(&p);
    for (uint32_t i = 0; i < 5; i++)
        check_equal(send_number(p.a, p.at_a, i), 0);
    link_close(p.a);
    p.a = NULL;
    for (uint32_t i = 0; i < 5; i++)
        check_equal(recv_number(p.b, &from), i);
    check_equal(link_recv(p.b, &e, rn_after(RN_SEC)), 0);
    check_equal(e.what, LINK_DOWN);
    pair_close(&p);
    return 0;
}

static void what_was_sent_before_a_close_arrives(void **state)
{
    (void)state;
    assert_int_equal(rn_sim(1, closing, NULL), 0);
}

static int waking(void *arg)
{
    struct pair p;
    struct link_event e;

    (void)arg;
    pair_open(&p, 5);
    link_wake(p.b);
    link_wake(p.b);
    check_equal(link_recv(p.b, &e, RN_NOWAIT), 0);
    check_equal(e.what, LINK_WOKEN);
    check_equal(link_recv(p.b, &e, RN_NOWAIT), RN_ETIMEDOUT);

    /* Neither wakes nor frames can keep the other away. */
    for (uint32_t i = 0; i < 3; i++)
        check_equal(send_number(p.a, p.at_a, i), 0);
    rn_sleep(rn_after(RN_SEC));
    for (uint32_t i = 0; i < 6; i++) {
        link_wake(p.b);
        check_equal(link_recv(p.b, &e, RN_NOWAIT), 0);
        if (i % 2 == 0) /* the last event was LINK_WOKEN */
            check_equal(number_of(&e), i / 2);
        else
            check_equal(e.what, LINK_WOKEN);
    }
    pair_close(&p);
    return 0;
}

static void wakes_are_one_event_and_alternate_with_frames(void **state)
{
    (void)state;
    assert_int_equal(rn_sim(1, waking, NULL), 0);
}

static void thaw_later(void *net)
{
    rn_sleep(rn_after(3 * RN_SEC));
    memnet_freeze(net, "b", false);
}

static int freezing(void *arg)
{
    struct pair p;
    struct link_event e;
    link_peer from;

    (void)arg;
    pair_open(&p, 7);
    memnet_freeze(p.net, "b", true);
    check_equal(send_number(p.a, p.at_a, 1), 0);
    rn_time began = rn_now();
    check_equal(rn_go(thaw_later, p.net), 0);
    check_equal(recv_number(p.b, &from), 1);
    check(rn_now() >= began + 3 * RN_SEC);
    check_equal(link_recv(p.b, &e, rn_after(RN_MS)), RN_ETIMEDOUT);
    pair_close(&p);
    return 0;
}

static void a_frozen_endpoint_hears_nothing_until_it_is_thawed(void **state)
{
    (void)state;
    assert_int_equal(rn_sim(1, freezing, NULL), 0);
}

/* A mixture of everything; *arg becomes a digest of all that b saw and when. */
static int anything(void *arg)
{
    uint64_t *digest = arg, seed = *digest;
    struct pair p;
    struct link_event e;

    pair_open(&p, seed);
    for (uint32_t i = 0; i < 300; i++) {
        if (send_number(p.a, p.at_a, i) != 0)
            check_equal(link_dial(p.a, "mem://b", &p.at_a), 0);
        if (i % 40 == 17)
            memnet_break(p.net, "a", "b");
        if (i % 60 == 30)
            memnet_partition(p.net, "a", "b", i % 120 == 30, i % 240 == 30);
        if (link_recv(p.a, &e, RN_NOWAIT) == 0)
            check_equal(e.what, LINK_DOWN);
        while (link_recv(p.b, &e, rn_after(30 * RN_US)) == 0)
            *digest = (*digest ^ e.what ^ (uint64_t)rn_now() ^
                       (e.what == LINK_FRAME ? number_of(&e) : 0)) *
                      UINT64_C(0x100000001b3);
    }
    pair_close(&p);
    return 0;
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t first = seed, second = seed, other = seed + 1000;

        assert_int_equal(rn_sim(seed, anything, &first), 0);
        assert_int_equal(rn_sim(seed, anything, &second), 0);
        assert_int_equal(rn_sim(seed, anything, &other), 0);
        assert_true(first == second);
        assert_true(first != other);
    }
}

enum { ECHOES = 20000, IN_FLIGHT = 64 };

static _Atomic int wakes_seen;

static void echo(void *arg)
{
    struct link *link = *(struct link **)arg;
    struct link_event e;

    while (link_recv(link, &e, RN_FOREVER) == 0) {
        if (e.what != LINK_FRAME)
            continue;
        check_equal(link_send(link, e.peer, e.frame), 0);
        frame_unref(e.frame);
    }
    link_close(link);
}

static void wake_often(void *arg)
{
    struct link *link = *(struct link **)arg;

    for (int i = 0; i < 1000; i++) {
        link_wake(link);
        rn_yield();
    }
}

static int echoing(void *arg)
{
    struct memnet *net = memnet_new(&(struct memnet_opts){ .seed = 1 });
    struct link *a = memnet_endpoint(net, "a"), *b = memnet_endpoint(net, "b");
    rn_group *wakers = rn_group_new(), *echoer = rn_group_new();
    uint32_t sent = 0, got = 0;
    link_peer peer;

    (void)arg;
    check_equal(rn_group_go(echoer, echo, &b, sizeof b), 0);
    check_equal(rn_group_go(wakers, wake_often, &a, sizeof a), 0);
    check_equal(link_dial(a, "mem://b", &peer), 0);
    while (got < ECHOES) {
        struct link_event e;

        while (sent < ECHOES && sent < got + IN_FLIGHT)
            check_equal(send_number(a, peer, sent++), 0);
        check_equal(link_recv(a, &e, rn_after(60 * RN_SEC)), 0);
        if (e.what == LINK_WOKEN)
            wakes_seen++;
        else
            check_equal(number_of(&e), got++);
    }
    check_equal(rn_group_wait(wakers, RN_FOREVER), 0);
    memnet_kill(net, "b");
    check_equal(rn_group_wait(echoer, RN_FOREVER), 0);
    rn_group_free(wakers);
    rn_group_free(echoer);
    link_close(a);
    memnet_free(net);
    return 0;
}

static void two_endpoints_on_several_workers_lose_nothing(void **state)
{
    (void)state;
    run_inside(echoing, NULL);
    assert_true(wakes_seen > 0);
}

static void sever(void *arg)
{
    struct pair *p = ((void **)arg)[0];

    memnet_sever(p->net, "a", "b", *(bool *)((void **)arg)[1]);
}

/* The third frame from a springs the trap: of three, all or none arrive, later ones never, and both ends are told. */
static int trapped(void *arg)
{
    for (int lossy = 0; lossy < 2; lossy++) {
        struct pair p;
        bool lose = lossy == 1;
        void *args[2] = { &p, &lose };
        struct link_event e;

        pair_open(&p, 1);
        memnet_trap(p.net, "b", "a", 1, sever, args);
        memnet_trap(p.net, "a", "b", 3, sever, args);
        for (uint32_t n = 0; n < 5; n++)
            check_equal(send_number(p.a, p.at_a, n), 0);
        for (uint32_t n = 0; n < 3 && !lose; n++)
            check_equal(recv_number(p.b, &p.at_b), n);
        check_equal(link_recv(p.b, &e, rn_after(RN_SEC)), 0);
        check_equal(e.what, LINK_DOWN);
        check_equal(link_recv(p.a, &e, rn_after(RN_SEC)), 0);
        check_equal(e.what, LINK_DOWN);
        pair_close(&p);
    }
    (void)arg;
    return 0;
}

static void a_trap_springs_at_its_frame_and_severs_exactly(void **state)
{
    (void)state;
    check_equal(rn_sim(1, trapped, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_in_order_after_their_delay),
        cmocka_unit_test(who_dials_too_early_is_connected_when_the_other_comes),
        cmocka_unit_test(a_break_loses_a_tail_and_tells_or_is_silent),
        cmocka_unit_test(a_partition_holds_back_or_loses_one_direction),
        cmocka_unit_test(who_is_killed_is_gone_and_its_name_comes_back),
        cmocka_unit_test(what_was_sent_before_a_close_arrives),
        cmocka_unit_test(wakes_are_one_event_and_alternate_with_frames),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(a_frozen_endpoint_hears_nothing_until_it_is_thawed),
        cmocka_unit_test(a_trap_springs_at_its_frame_and_severs_exactly),
        cmocka_unit_test(two_endpoints_on_several_workers_lose_nothing),
    };

    return cmocka_run_group_tests_name("memlink", tests, NULL, NULL);
}
