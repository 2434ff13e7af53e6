/* unit_select.c - select against select, close, deadlines and cancellation.   SPDX-License-Identifier: MIT */
#include "tests/loom/crew.h"

#include "runtime/sched.h"

#include <string.h>

#define WORKERS 2
#define DEADLINE \
    (s.begin + RN_MS) /* of a test; before anybody who is idle looks around (WATCH_NS) */

static struct {
    rn_chan *a, *b;
    rn_group *group;
    rn_time begin;
    int sent[2], received[2]; /* in a and in b */
    int other;                /* operations that ended otherwise */
} s;

static void made(size_t cap)
{
    memset(&s, 0, sizeof s);
    s.a = rn_chan_new(sizeof(int), cap, NULL);
    s.b = rn_chan_new(sizeof(int), cap, NULL);
    s.begin = loom_now();
}

static void unmade(void)
{
    rn_chan_unref(s.a);
    rn_chan_unref(s.b);
}

/* The elements in a are 1, in b 2. */
static int select_two(enum rn_op in_a, enum rn_op in_b, rn_time deadline)
{
    int to_a = 1, to_b = 2, of_a = 0, of_b = 0;
    rn_case cases[] = {
        { s.a, in_a == RN_SEND ? &to_a : &of_a, in_a, 0 },
        { s.b, in_b == RN_SEND ? &to_b : &of_b, in_b, 0 },
    };
    int chosen = rn_select(cases, 2, deadline);

    loom_check(of_a == (chosen == 0 && in_a == RN_RECV && cases[0].rc == 0 ? 1 : 0));
    loom_check(of_b == (chosen == 1 && in_b == RN_RECV && cases[1].rc == 0 ? 2 : 0));
    if (chosen < 0 || cases[chosen].rc != 0)
        s.other++;
    else if ((chosen == 0 ? in_a : in_b) == RN_SEND)
        s.sent[chosen]++;
    else
        s.received[chosen]++;
    return chosen < 0 ? chosen : cases[chosen].rc;
}

static void agree(int buffered)
{
    loom_check(s.sent[0] == s.received[0] + (int)rn_chan_len(s.a));
    loom_check(s.sent[1] == s.received[1] + (int)rn_chan_len(s.b));
    loom_check((int)(rn_chan_len(s.a) + rn_chan_len(s.b)) == buffered);
}

/* ---- select against select ---- */

static void send_a_recv_b(void *arg)
{
    (void)arg;
    loom_check(select_two(RN_SEND, RN_RECV, RN_FOREVER) == 0);
}

static void recv_a_send_b(void *arg)
{
    (void)arg;
    loom_check(select_two(RN_RECV, RN_SEND, RN_FOREVER) == 0);
}

LOOM_UNIT(select_cross, "two selects that can meet in two ways meet in one of them")
{
    static rn_fn *const crew[] = { send_a_recv_b, recv_a_send_b, NULL };

    made(0);
    crew_run(WORKERS, crew);
    agree(0);
    loom_check(s.received[0] + s.received[1] == 1);
    unmade();
}

LOOM_UNIT(select_crowd, "four selects that can meet in two ways meet in pairs")
{
    static rn_fn *const crew[] = { send_a_recv_b, recv_a_send_b, recv_a_send_b, send_a_recv_b,
                                   NULL };

    made(0);
    crew_run(WORKERS, crew);
    agree(0);
    loom_check(s.received[0] + s.received[1] == 2);
    unmade();
}

static void recv_any_twice(void *arg)
{
    (void)arg;
    loom_check(select_two(RN_RECV, RN_RECV, RN_FOREVER) == 0);
    loom_check(select_two(RN_RECV, RN_RECV, RN_FOREVER) == 0);
}

static void send_a(void *arg)
{
    int v = 1;

    (void)arg;
    loom_check(rn_chan_send(s.a, &v, RN_FOREVER) == 0);
    s.sent[0]++;
}

static void send_b(void *arg)
{
    int v = 2;

    (void)arg;
    loom_check(rn_chan_send(s.b, &v, RN_FOREVER) == 0);
    s.sent[1]++;
}

LOOM_UNIT(select_recv, "a select that two senders find takes from one, and then from the other")
{
    static rn_fn *const crew[] = { recv_any_twice, send_a, send_b, NULL };

    made(0);
    crew_run(WORKERS, crew);
    agree(0);
    unmade();
}

/* ---- against close ---- */

static void recv_any_until_closed(void *arg)
{
    (void)arg;
    while (select_two(RN_RECV, RN_RECV, RN_FOREVER) == 0)
        ;
}

static void close_a(void *arg)
{
    (void)arg;
    rn_chan_close(s.a);
}

LOOM_UNIT(select_close, "a close ends a select, or comes after what it has received")
{
    static rn_fn *const crew[] = { recv_any_until_closed, close_a, send_b, NULL };

    made(1);
    crew_run(WORKERS, crew);
    agree((int)rn_chan_len(s.b));
    loom_check(s.other == 1 && s.sent[1] == 1);
    unmade();
}

/* ---- against time ---- */

static void recv_until(void *arg)
{
    int v, rc = rn_chan_recv(s.a, &v, DEADLINE);

    (void)arg;
    loom_check(rc == 0 || (rc == RN_ETIMEDOUT && loom_now() >= DEADLINE));
    s.received[0] += rc == 0;
    s.other += rc != 0;
}

static void send_until(void *arg)
{
    int v = 1, rc = rn_chan_send(s.a, &v, DEADLINE);

    (void)arg;
    loom_check(rc == 0 || (rc == RN_ETIMEDOUT && loom_now() >= DEADLINE));
    s.sent[0] += rc == 0;
    s.other += rc != 0;
}

static void select_until(void *arg)
{
    int rc = select_two(RN_RECV, RN_SEND, DEADLINE);

    (void)arg;
    loom_check(rc == 0 || (rc == RN_ETIMEDOUT && loom_now() >= DEADLINE));
}

/* Time comes whenever it likes. */
static void time_goes_on(void *arg)
{
    (void)arg;
    loom_point("the clock");
    loom_advance(RN_MS);
}

LOOM_UNIT(chan_timeout, "a deadline beside a rendezvous: both sides agree whether they met")
{
    static rn_fn *const crew[] = { recv_until, send_until, NULL };

    made(0);
    loom_may_sleep(DEADLINE + RN_MS);
    loom_spawn(time_goes_on, NULL);
    crew_run(WORKERS, crew);
    agree(0);
    loom_check(s.other + s.received[0] + s.sent[0] == 2);
    unmade();
}

LOOM_UNIT(select_timeout, "a deadline beside a select: exactly one of all that could end it did")
{
    static rn_fn *const crew[] = { select_until, send_until, NULL };

    made(0);
    loom_may_sleep(DEADLINE + RN_MS);
    loom_spawn(time_goes_on, NULL);
    crew_run(WORKERS, crew);
    agree(0);
    unmade();
}

/* ---- against cancellation ---- */

static void cancelled_select(void *arg)
{
    int rc = select_two(RN_RECV, RN_RECV, RN_FOREVER);

    (void)arg;
    loom_check(rc == 0 || rc == RN_ECANCELED);
}

static void grouped(void *arg)
{
    (void)arg;
    s.group = rn_group_new();
    loom_check(rn_group_go(s.group, cancelled_select, NULL, 0) == 0);
    rn_group_cancel(s.group);
    loom_check(rn_group_wait(s.group, RN_FOREVER) == 0);
    rn_group_free(s.group);
}

static void send_at_once(void *arg)
{
    int v = 1, rc = rn_chan_send(s.a, &v, RN_NOWAIT);

    (void)arg;
    loom_check(rc == 0 || rc == RN_ETIMEDOUT);
    s.sent[0] += rc == 0;
}

LOOM_UNIT(select_cancel, "a cancellation beside a send: the select ends by one of them")
{
    static rn_fn *const crew[] = { grouped, send_at_once, NULL };

    made(0);
    crew_run(WORKERS, crew);
    agree(0);
    loom_check(s.other + s.received[0] == 1);
    unmade();
}
