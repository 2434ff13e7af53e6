/* test_chan.c - channels: hand-off, buffer, order, close, deadlines.   SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "tests/runtime/channels.h"

enum { MANY = 20000 };

/* ---- elements ------------------------------------------------------------------------ */

static void numbers_fn(void *arg)
{
    rn_chan *c = *(rn_chan **)arg;

    for (int64_t i = 0; i < MANY; i++)
        check_equal(rn_chan_send(c, &i, RN_FOREVER), 0);
    rn_chan_close(c);
    rn_chan_unref(c);
}

static int in_order(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(int64_t), *(size_t *)arg, NULL), *theirs = rn_chan_ref(c);
    int64_t n = -1;

    check_equal(rn_go_copy(numbers_fn, &theirs, sizeof theirs), 0);
    for (int64_t i = 0; i < MANY; i++) {
        check_equal(rn_chan_recv(c, &n, RN_FOREVER), 0);
        check_equal(n, i);
    }
    check_equal(rn_chan_recv(c, &n, RN_FOREVER), RN_ECLOSED);
    check_equal(n, MANY - 1); /* untouched */
    rn_chan_unref(c);
    return 0;
}

/* Go: fifo.go. */
static void elements_arrive_once_and_in_order(void **state)
{
    static size_t caps[] = { 0, 1, 2, 7, 128 };

    (void)state;
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++)
        run_inside(in_order, &caps[i]);
}

struct large {
    int32_t head;
    char body[5000];
    int32_t tail;
};

static int in_sizes(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(struct large), 3, NULL), *byte = rn_chan_new(1, 5, NULL);
    struct large in = { 0 }, out;
    char b;

    (void)arg;
    for (int i = 0; i < 50; i++) {
        for (int k = 0; k < 3; k++) {
            in.head = in.tail = i * 3 + k;
            memset(in.body, i + k, sizeof in.body);
            check_equal(rn_chan_send(c, &in, RN_NOWAIT), 0);
        }
        check_equal(rn_chan_send(c, &in, RN_NOWAIT), RN_ETIMEDOUT);
        for (int k = 0; k < 3; k++) {
            check_equal(rn_chan_recv(c, &out, RN_NOWAIT), 0);
            check(out.head == i * 3 + k && out.tail == out.head && out.body[4999] == (char)(i + k));
        }
        check_equal(rn_chan_recv(c, &out, RN_NOWAIT), RN_ETIMEDOUT);
    }
    for (int i = 0; i < 23; i++) {
        b = (char)i;
        check_equal(rn_chan_send(byte, &b, RN_NOWAIT), 0);
        b = 0;
        check_equal(rn_chan_recv(byte, &b, RN_NOWAIT), 0);
        check_equal(b, i);
    }
    check(rn_chan_new(65537, 0, NULL) == NULL);
    check(rn_chan_new(8, SIZE_MAX / 4, NULL) == NULL);
    rn_chan_unref(c);
    rn_chan_unref(byte);
    c = rn_chan_new(65536, 1, NULL);
    check(c != NULL);
    rn_chan_unref(c);
    return 0;
}

static void elements_of_any_size_are_copied_whole(void **state)
{
    (void)state;
    run_inside(in_sizes, NULL);
}

static int in_signals(void *arg)
{
    rn_chan *c = rn_chan_new(0, 2, NULL);

    (void)arg;
    check_equal(rn_chan_send(c, NULL, RN_NOWAIT), 0);
    check_equal(rn_chan_send(c, NULL, RN_NOWAIT), 0);
    check_equal(rn_chan_send(c, NULL, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_chan_len(c), 2);
    check_equal(rn_chan_cap(c), 2);
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), 0);
    check_equal(rn_chan_len(c), 1);
    rn_chan_unref(c);
    return 0;
}

/* Go: zerosize.go. */
static void elemsize_zero_counts_signals(void **state)
{
    (void)state;
    run_inside(in_signals, NULL);
}

/* ---- who waits ------------------------------------------------------------------------- */

struct turn {
    rn_chan *c;
    rn_chan *log;
    int number;
};

static void recv_turn_fn(void *arg)
{
    struct turn *t = arg;
    int got = -1, rc = rn_chan_recv(t->c, &got, RN_FOREVER);

    check_equal(rc, 0);
    check_equal(got, t->number); /* first in line, first served */
}

static void send_turn_fn(void *arg)
{
    struct turn *t = arg;

    check_equal(rn_chan_send(t->c, &t->number, RN_FOREVER), 0);
}

static int in_fifo(void *arg)
{
    struct turn t = { .c = rn_chan_new(sizeof(int), 0, NULL) };
    rn_group *g = rn_group_new();
    int got;

    (void)arg;
    for (t.number = 0; t.number < 20; t.number++) {
        check_equal(rn_group_go(g, recv_turn_fn, &t, sizeof t), 0);
        await_waiting(t.c, RN_RECV, (size_t)t.number + 1);
    }
    for (int i = 0; i < 20; i++)
        check_equal(rn_chan_send(t.c, &i, RN_NOWAIT), 0); /* each meets a receiver: none waits */
    check_equal(rn_chan_send(t.c, &t.number, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (t.number = 0; t.number < 20; t.number++) {
        check_equal(rn_group_go(g, send_turn_fn, &t, sizeof t), 0);
        await_waiting(t.c, RN_SEND, (size_t)t.number + 1);
    }
    for (int i = 0; i < 20; i++) {
        check_equal(rn_chan_recv(t.c, &got, RN_NOWAIT), 0);
        check_equal(got, i);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(t.c);
    return 0;
}

static void waiters_are_served_first_in_first_out(void **state)
{
    (void)state;
    run_inside(in_fifo, NULL);
}

/* ---- close ------------------------------------------------------------------------------- */

static void recv_closed_fn(void *arg)
{
    int untouched = 77;

    check_equal(rn_chan_recv(*(rn_chan **)arg, &untouched, RN_FOREVER), RN_ECLOSED);
    check_equal(untouched, 77);
}

static void send_closed_fn(void *arg)
{
    int n = 1;

    check_equal(rn_chan_send(*(rn_chan **)arg, &n, RN_FOREVER), RN_ECLOSED);
}

static int in_close(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(int), 0, NULL), *full = rn_chan_new(sizeof(int), 2, NULL);
    rn_group *g = rn_group_new();
    int n = 5;

    (void)arg;
    for (int i = 0; i < 10; i++)
        check_equal(rn_group_go(g, recv_closed_fn, &c, sizeof c), 0);
    await_waiting(c, RN_RECV, 10);
    rn_chan_close(c);
    rn_chan_close(c);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(rn_chan_err(c), 0);
    check_equal(rn_chan_send(c, &n, RN_FOREVER), RN_ECLOSED);
    check_equal(rn_chan_send(c, &n, RN_NOWAIT), RN_ECLOSED);

    for (n = 5; n < 7; n++)
        check_equal(rn_chan_send(full, &n, RN_FOREVER), 0);
    for (int i = 0; i < 10; i++)
        check_equal(rn_group_go(g, send_closed_fn, &full, sizeof full), 0);
    await_waiting(full, RN_SEND, 10);
    rn_chan_close(full);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 5; i < 7; i++) { /* drained first */
        check_equal(rn_chan_recv(full, &n, RN_NOWAIT), 0);
        check_equal(n, i);
    }
    check_equal(rn_chan_recv(full, &n, RN_NOWAIT), RN_ECLOSED);
    rn_group_free(g);
    rn_chan_unref(c);
    rn_chan_unref(full);
    return 0;
}

static void close_wakes_all_and_the_buffer_is_drained_first(void **state)
{
    (void)state;
    run_inside(in_close, NULL);
}

static int in_fail(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(int), 1, NULL), *d = rn_chan_new(0, 0, NULL),
            *e = rn_chan_new(0, 0, NULL);
    int n = 3;

    (void)arg;
    check_equal(rn_chan_err(c), 0);
    check_equal(rn_chan_send(c, &n, RN_NOWAIT), 0);
    rn_chan_fail(c, -EPIPE);
    check_equal(rn_chan_err(c), -EPIPE);
    rn_chan_close(c);
    rn_chan_fail(c, -EIO);
    check_equal(rn_chan_err(c), -EPIPE); /* the first decides */
    check_equal(rn_chan_send(c, &n, RN_NOWAIT), RN_ECLOSED);
    check_equal(rn_chan_recv(c, &n, RN_NOWAIT), 0);
    check_equal(rn_chan_recv(c, &n, RN_NOWAIT), RN_ECLOSED);
    rn_chan_close(d);
    rn_chan_fail(d, -EIO);
    check_equal(rn_chan_err(d), 0);
    rn_chan_fail(e, 5); /* no reason: a close */
    check_equal(rn_chan_err(e), 0);
    check_equal(rn_chan_recv(e, NULL, RN_NOWAIT), RN_ECLOSED);
    rn_chan_unref(c);
    rn_chan_unref(d);
    rn_chan_unref(e);
    rn_chan_close(NULL);
    rn_chan_fail(NULL, -1);
    rn_chan_unref(NULL);
    return 0;
}

static void failure_is_a_close_with_a_reason_and_the_first_decides(void **state)
{
    (void)state;
    run_inside(in_fail, NULL);
}

/* ---- drop ----------------------------------------------------------------------------------- */

static int dropped[8];

static void drop_int(void *elem)
{
    dropped[*(int *)elem]++;
}

static int in_drop(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(int), 6, drop_int);
    int n;

    (void)arg;
    memset(dropped, 0, sizeof dropped);
    for (n = 0; n < 6; n++)
        check_equal(rn_chan_send(c, &n, RN_NOWAIT), 0);
    check_equal(rn_chan_recv(c, &n, RN_NOWAIT), 0);
    check_equal(rn_chan_recv(c, &n, RN_NOWAIT), 0);
    n = 7;
    check_equal(rn_chan_send(c, &n, RN_NOWAIT), 0); /* behind the wrap */
    rn_chan_close(c);
    rn_chan_unref(rn_chan_ref(c));
    check_equal(dropped[2], 0);
    rn_chan_unref(c);
    for (int i = 0; i < 8; i++)
        check_equal(dropped[i], (i >= 2 && i <= 5) || i == 7);
    return 0;
}

static void last_unref_drops_what_is_still_buffered(void **state)
{
    (void)state;
    run_inside(in_drop, NULL);
}

static int in_discard(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(int), 1, drop_int);
    int n = 1;

    (void)arg;
    memset(dropped, 0, sizeof dropped);
    check_equal(rn_chan_send(c, &n, RN_NOWAIT), 0);
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), 0);
    check_equal(rn_chan_len(c), 0);
    rn_chan_unref(c);
    check_equal(dropped[1], 0); /* drop is for what is still buffered at the last unref */
    return 0;
}

static void receive_into_null_discards_without_drop(void **state)
{
    (void)state;
    run_inside(in_discard, NULL);
}

/* ---- deadlines -------------------------------------------------------------------------------- */

static int in_deadline(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(int), 0, NULL), *full = rn_chan_new(sizeof(int), 1, NULL);
    rn_time until;
    int n = 9;

    (void)arg;
    check_equal(rn_chan_send(full, &n, RN_NOWAIT), 0);
    for (int i = 0; i < 5; i++) {
        until = rn_after(RN_MS);
        check_equal(rn_chan_recv(c, &n, until), RN_ETIMEDOUT);
        check(rn_now() >= until);
        until = rn_after(RN_MS);
        check_equal(rn_chan_send(full, &n, until), RN_ETIMEDOUT);
        check(rn_now() >= until);
    }
    check_equal(n, 9);
    check_equal(rn_chan_recv(c, &n, rn_now() - 1), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(c, &n, -5), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(full, &n, rn_now() - 1), 0); /* passed: once, without waiting */
    check_equal(rn__chan_waiting(c, RN_RECV), 0);
    check_equal(rn__chan_waiting(full, RN_SEND), 0);
    rn_chan_unref(c);
    rn_chan_unref(full);
    return 0;
}

static void deadline_ends_a_wait_and_nothing_happened(void **state)
{
    (void)state;
    run_inside(in_deadline, NULL);
}

static int in_null(void *arg)
{
    rn_time until = rn_after(RN_MS);
    int n = 0;

    (void)arg;
    check_equal(rn_chan_send(NULL, &n, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(NULL, &n, until), RN_ETIMEDOUT);
    check(rn_now() >= until);
    check_equal(rn_chan_len(NULL), 0);
    check_equal(rn_chan_cap(NULL), 0);
    check(rn_chan_ref(NULL) == NULL);
    return 0;
}

/* Go: select3.go. */
static void null_channel_is_never_ready(void **state)
{
    (void)state;
    run_inside(in_null, NULL);
}

/* Many deadlines that pass at the moment when the peer comes: whoever wins, nothing is lost or doubled. */
struct race {
    rn_chan *c;
    _Atomic int sent, received;
    _Atomic bool done;
};

static void late_send_fn(void *arg)
{
    struct race *r = *(struct race **)arg;

    for (int i = 0; i < 3000; i++)
        if (rn_chan_send(r->c, &i, rn_after(i % 7 * RN_US)) == 0)
            atomic_fetch_add(&r->sent, 1);
}

static void late_recv_fn(void *arg)
{
    struct race *r = *(struct race **)arg;
    int n, rc;

    while ((rc = rn_chan_recv(r->c, &n, rn_after(3 * RN_US))) != RN_ECLOSED)
        if (rc == 0)
            atomic_fetch_add(&r->received, 1);
}

static int in_race(void *arg)
{
    struct race race = { .c = rn_chan_new(sizeof(int), *(size_t *)arg, NULL) }, *r = &race;
    rn_group *senders = rn_group_new(), *receivers = rn_group_new();

    for (int i = 0; i < 3; i++) {
        check_equal(rn_group_go(senders, late_send_fn, &r, sizeof r), 0);
        check_equal(rn_group_go(receivers, late_recv_fn, &r, sizeof r), 0);
    }
    check_equal(rn_group_wait(senders, RN_FOREVER), 0);
    rn_chan_close(r->c);
    check_equal(rn_group_wait(receivers, RN_FOREVER), 0);
    check_equal(r->sent, r->received);
    rn_group_free(senders);
    rn_group_free(receivers);
    rn_chan_unref(r->c);
    return 0;
}

static void deadline_against_peer_loses_and_doubles_nothing(void **state)
{
    static size_t caps[] = { 0, 1, 4 };

    (void)state;
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++)
        run_inside(in_race, &caps[i]);
}

/* ---- many to many ----------------------------------------------------------------------------------- */

struct crowd {
    rn_chan *c;
    _Atomic uint64_t sum, count;
};

static void crowd_send_fn(void *arg)
{
    struct crowd *w = *(struct crowd **)arg;

    for (uint64_t i = 1; i <= MANY / 8; i++)
        check_equal(rn_chan_send(w->c, &i, RN_FOREVER), 0);
}

static void crowd_recv_fn(void *arg)
{
    struct crowd *w = *(struct crowd **)arg;
    uint64_t n;

    while (rn_chan_recv(w->c, &n, RN_FOREVER) == 0) {
        atomic_fetch_add(&w->sum, n);
        atomic_fetch_add(&w->count, 1);
    }
}

static int in_crowd(void *arg)
{
    struct crowd crowd = { .c = rn_chan_new(sizeof(uint64_t), *(size_t *)arg, NULL) }, *w = &crowd;
    rn_group *senders = rn_group_new(), *receivers = rn_group_new();
    uint64_t each = MANY / 8;

    for (int i = 0; i < 8; i++) {
        check_equal(rn_group_go(senders, crowd_send_fn, &w, sizeof w), 0);
        check_equal(rn_group_go(receivers, crowd_recv_fn, &w, sizeof w), 0);
    }
    check_equal(rn_group_wait(senders, RN_FOREVER), 0);
    rn_chan_close(w->c);
    check_equal(rn_group_wait(receivers, RN_FOREVER), 0);
    check_equal(w->count, 8 * each);
    check_equal(w->sum, 8 * (each * (each + 1) / 2));
    rn_group_free(senders);
    rn_group_free(receivers);
    rn_chan_unref(w->c);
    return 0;
}

static void eight_senders_and_eight_receivers_lose_nothing(void **state)
{
    static size_t caps[] = { 0, 1, 128 };

    (void)state;
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++)
        run_inside(in_crowd, &caps[i]);
}

/* The receiver frees the channel at once, while the sender is still inside its send. */
static void last_send_fn(void *arg)
{
    check_equal(rn_chan_send(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
}

static int in_one_ref(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        rn_chan *c = rn_chan_new(0, (size_t)i % 2, NULL);

        check_equal(rn_go_copy(last_send_fn, &c, sizeof c), 0);
        check_equal(rn_chan_recv(c, NULL, RN_FOREVER), 0);
        rn_chan_unref(c);
    }
    return 0;
}

static void receiver_may_free_a_channel_that_the_sender_borrowed(void **state)
{
    (void)state;
    run_inside(in_one_ref, NULL);
}

/* ---- beyond a run ------------------------------------------------------------------------------------- */

static rn_chan *lasting;

static void stuck_fn(void *arg)
{
    (void)arg;
    (void)rn_chan_recv(lasting, NULL, RN_FOREVER);
}

static int in_abandon(void *arg)
{
    (void)arg;
    check_equal(rn_go(stuck_fn, NULL), 0);
    await_waiting(lasting, RN_RECV, 1);
    return 0;
}

static int in_after(void *arg)
{
    (void)arg;
    check_equal(rn_chan_send(lasting, NULL, RN_NOWAIT), RN_ETIMEDOUT); /* nobody waits any more */
    rn_chan_close(lasting);
    return 0;
}

static void channel_outlives_goroutines_that_were_abandoned_in_it(void **state)
{
    (void)state;
    lasting = rn_chan_new(0, 0, NULL);
    run_inside(in_abandon, NULL);
    run_inside(in_after, NULL);
    rn_chan_unref(lasting);
}

static void without_a_scheduler_calls_give_eshutdown(void **state)
{
    rn_chan *c = rn_chan_new(0, 1, NULL);

    (void)state;
    assert_int_equal(rn_chan_send(c, NULL, RN_FOREVER), -ESHUTDOWN);
    assert_int_equal(rn_chan_recv(c, NULL, RN_NOWAIT), -ESHUTDOWN);
    assert_int_equal(rn_select(NULL, 0, RN_FOREVER), -ESHUTDOWN);
    assert_int_equal(rn_sleep(RN_FOREVER), -ESHUTDOWN);
    assert_int_equal(rn_go(stuck_fn, NULL), -ESHUTDOWN);
    rn_chan_unref(c);
}

/* ---- the typed macros ------------------------------------------------------------------------------------ */

struct job {
    int id;
    double weight;
};
typedef rn_chan_of(struct job) job_chan;

static int in_typed(void *arg)
{
    struct job out = { 0 };
    job_chan jobs;

    (void)arg;
    check(rn_make(&jobs, 2) != NULL);
    check_equal(rn_send(jobs, { .id = 3, .weight = 1.5 }), 0);
    check_equal(rn_recv(jobs, &out), 0);
    check(out.id == 3 && out.weight == 1.5);
    rn_close(jobs);
    check_equal(rn_recv(jobs, &out), RN_ECLOSED);
    rn_chan_unref(jobs.chan);
    return 0;
}

static void typed_macros_send_and_receive(void **state)
{
    (void)state;
    run_inside(in_typed, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_scheduler_calls_give_eshutdown),
        cmocka_unit_test(elements_arrive_once_and_in_order),
        cmocka_unit_test(elements_of_any_size_are_copied_whole),
        cmocka_unit_test(elemsize_zero_counts_signals),
        cmocka_unit_test(waiters_are_served_first_in_first_out),
        cmocka_unit_test(close_wakes_all_and_the_buffer_is_drained_first),
        cmocka_unit_test(failure_is_a_close_with_a_reason_and_the_first_decides),
        cmocka_unit_test(last_unref_drops_what_is_still_buffered),
        cmocka_unit_test(receive_into_null_discards_without_drop),
        cmocka_unit_test(deadline_ends_a_wait_and_nothing_happened),
        cmocka_unit_test(null_channel_is_never_ready),
        cmocka_unit_test(deadline_against_peer_loses_and_doubles_nothing),
        cmocka_unit_test(eight_senders_and_eight_receivers_lose_nothing),
        cmocka_unit_test(receiver_may_free_a_channel_that_the_sender_borrowed),
        cmocka_unit_test(channel_outlives_goroutines_that_were_abandoned_in_it),
        cmocka_unit_test(typed_macros_send_and_receive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
