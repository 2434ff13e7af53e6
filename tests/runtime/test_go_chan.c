/* test_go_chan.c - channels and select behave as Go's.   SPDX-License-Identifier: MIT
 *
 * The behaviours that runtime/chan_test.go and test/chan of Go's tests look at and that no other test of ours has; which
 * test has which is in go_tests.txt. */
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/rand.h"
#include "runtime/sync.h"
#include "tests/runtime/channels.h"

/* ---- plain operations, at every capacity --------------------------------------------------------- */

static void receives_fn(void *arg)
{
    check_equal(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
}

static void sends_fn(void *arg)
{
    int n = 0;

    check_equal(rn_chan_send(*(rn_chan **)arg, &n, RN_FOREVER), 0);
}

/* An empty one makes receivers wait, a full one senders; whoever does not wait is told so. */
static void waits_when_it_must(size_t cap)
{
    rn_chan *c = rn_chan_new(sizeof(int), cap, NULL);
    rn_group *g = rn_group_new();
    int n = 0;

    for (int i = 0; i < 2; i++)
        check_equal(rn_group_go(g, receives_fn, &c, sizeof c), 0);
    await_waiting(c, RN_RECV, 2);
    check_equal(rn_chan_recv(c, &n, RN_NOWAIT), RN_ETIMEDOUT);
    for (int i = 0; i < 2; i++)
        check_equal(rn_chan_send(c, &n, RN_NOWAIT), 0); /* straight to one who waits */
    check_equal(rn_group_wait(g, RN_FOREVER), 0);

    for (n = 0; n < (int)cap; n++)
        check_equal(rn_chan_send(c, &n, RN_NOWAIT), 0);
    check_equal(rn_group_go(g, sends_fn, &c, sizeof c), 0);
    await_waiting(c, RN_SEND, 1);
    check_equal(rn_chan_send(c, &n, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(c);
}

static void is_closed_fn(void *arg)
{
    check_equal(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER), RN_ECLOSED);
}

static void closes(size_t cap)
{
    rn_chan *c = rn_chan_new(sizeof(int), cap, NULL), *empty = rn_chan_new(sizeof(int), cap, NULL);
    rn_group *g = rn_group_new();
    int n;

    check_equal(rn_chan_len(c), 0);
    check_equal(rn_chan_cap(c), cap);
    for (n = 0; n < (int)cap; n++)
        check_equal(rn_chan_send(c, &n, RN_NOWAIT), 0);
    check_equal(rn_chan_len(c), cap);
    rn_chan_close(c);
    for (int i = 0; i < (int)cap; i++) {
        check_equal(rn_chan_recv(c, &n, RN_NOWAIT), 0);
        check_equal(n, i);
    }
    for (int i = 0; i < 2; i++)
        check_equal(rn_chan_recv(c, &n, RN_FOREVER), RN_ECLOSED);

    check_equal(rn_group_go(g, is_closed_fn, &empty, sizeof empty), 0);
    await_waiting(empty, RN_RECV, 1);
    rn_chan_close(empty);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(c);
    rn_chan_unref(empty);
}

enum { PEERS = 4, NUMBERS = 200 / SLOWER };

struct numbers {
    rn_chan *c;
    _Atomic int got[NUMBERS];
};

static void sends_numbers_fn(void *arg)
{
    for (int i = 0; i < NUMBERS; i++)
        check_equal(rn_chan_send((*(struct numbers **)arg)->c, &i, RN_FOREVER), 0);
}

static void counts_numbers_fn(void *arg)
{
    struct numbers *s = *(struct numbers **)arg;
    int n;

    for (int i = 0; i < NUMBERS; i++) {
        check_equal(rn_chan_recv(s->c, &n, RN_FOREVER), 0);
        s->got[n]++;
    }
}

static void many_meet_many(size_t cap)
{
    struct numbers s = { .c = rn_chan_new(sizeof(int), cap, NULL) }, *p = &s;
    rn_group *g = rn_group_new();

    for (int i = 0; i < PEERS; i++) {
        check_equal(rn_group_go(g, sends_numbers_fn, &p, sizeof p), 0);
        check_equal(rn_group_go(g, counts_numbers_fn, &p, sizeof p), 0);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 0; i < NUMBERS; i++)
        check_equal(s.got[i], PEERS);
    rn_group_free(g);
    rn_chan_unref(s.c);
}

static int in_every_capacity(void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 12; cap++) {
        waits_when_it_must(cap);
        closes(cap);
        many_meet_many(cap);
    }
    return 0;
}

/* Go: TestChan. */
static void channel_behaves_alike_at_every_capacity(void **state)
{
    (void)state;
    run_everywhere(in_every_capacity, NULL);
}

/* ---- what does not wait ---------------------------------------------------------------------------------- */

static void takes_something_fn(void *arg)
{
    int n, rc = rn_chan_recv(*(rn_chan **)arg, &n, RN_NOWAIT);

    check(rc == 0 ||
          rc == RN_ECLOSED); /* an element or the close: one of both is there all the time */
    rn_chan_unref(*(rn_chan **)arg);
}

static int in_recv_race(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 200 / SLOWER; i++) {
        rn_chan *c = rn_chan_new(sizeof i, 1, NULL), *theirs = rn_chan_ref(c);

        check_equal(rn_chan_send(c, &i, RN_NOWAIT), 0);
        check_equal(rn_group_go(g, takes_something_fn, &theirs, sizeof theirs), 0);
        if (i % 2)
            rn_yield();
        rn_chan_close(c);
        (void)rn_chan_recv(c, NULL, RN_NOWAIT);
        rn_chan_unref(c);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

/* Go: TestNonblockRecvRace. */
static void receive_that_does_not_wait_sees_the_element_or_the_close(void **state)
{
    (void)state;
    run_everywhere(in_recv_race, NULL);
}

static void finds_one_ready_fn(void *arg)
{
    rn_chan **c = arg;
    rn_case cases[] = { { c[0], NULL, RN_RECV, 0 }, { c[1], NULL, RN_RECV, 0 } };

    check(rn_select(cases, 2, RN_NOWAIT) >= 0);
    rn_chan_unref(c[0]);
    rn_chan_unref(c[1]);
}

/* The second becomes ready before the first stops to be so. */
static int in_select_race(void *arg)
{
    bool by_close = *(bool *)arg;
    rn_group *g = rn_group_new();

    for (int i = 0; i < 200 / SLOWER; i++) {
        rn_chan *c[] = { rn_chan_new(0, 1, NULL), rn_chan_new(0, 1, NULL) };
        rn_chan *theirs[] = { rn_chan_ref(c[0]), rn_chan_ref(c[1]) };

        check_equal(rn_chan_send(c[0], NULL, RN_NOWAIT), 0);
        check_equal(rn_group_go(g, finds_one_ready_fn, theirs, sizeof theirs), 0);
        if (i % 2)
            rn_yield();
        if (by_close)
            rn_chan_close(c[1]);
        else
            check_equal(rn_chan_send(c[1], NULL, RN_NOWAIT), 0);
        (void)rn_chan_recv(c[0], NULL, RN_NOWAIT);
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        rn_chan_unref(c[0]);
        rn_chan_unref(c[1]);
    }
    rn_group_free(g);
    return 0;
}

/* Go: TestNonblockSelectRace, TestNonblockSelectRace2. */
static void select_sees_all_channels_at_one_moment(void **state)
{
    static bool by_close[] = { false, true };

    (void)state;
    run_everywhere(in_select_race, &by_close[0]);
    run_everywhere(in_select_race, &by_close[1]);
}

struct peer {
    rn_chan *c;
    size_t size;
    bool selects;
};

static unsigned char pattern[5000];

static void sends_pattern_fn(void *arg)
{
    struct peer *p = arg;
    rn_case one = { p->c, pattern, RN_SEND, 0 };

    check_equal(
        p->selects ? rn_select(&one, 1, RN_FOREVER) : rn_chan_send(p->c, pattern, RN_FOREVER), 0);
}

static void receives_pattern_fn(void *arg)
{
    struct peer *p = arg;
    unsigned char elem[sizeof pattern] = { 0 };
    rn_case one = { p->c, elem, RN_RECV, 0 };

    check_equal(p->selects ? rn_select(&one, 1, RN_FOREVER) : rn_chan_recv(p->c, elem, RN_FOREVER),
                0);
    check(memcmp(elem, pattern, p->size) == 0);
}

/* What does not wait meets who waits, in a plain call or in a select; elements of several sizes. */
static int in_no_waiting(void *arg)
{
    static const size_t sizes[] = { 1, 4, 8, 24, sizeof pattern };
    unsigned char elem[sizeof pattern];
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 2 * RN_LEN(sizes); i++) {
        struct peer p = { .size = sizes[i / 2], .selects = i % 2 };

        p.c = rn_chan_new(p.size, 0, NULL);
        check_equal(rn_chan_send(p.c, pattern, RN_NOWAIT), RN_ETIMEDOUT);
        check_equal(rn_chan_recv(p.c, elem, RN_NOWAIT), RN_ETIMEDOUT);
        check_equal(rn_group_go(g, receives_pattern_fn, &p, sizeof p), 0);
        await_waiting(p.c, RN_RECV, 1);
        check_equal(rn_chan_send(p.c, pattern, RN_NOWAIT), 0);
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        check_equal(rn_group_go(g, sends_pattern_fn, &p, sizeof p), 0);
        await_waiting(p.c, RN_SEND, 1);
        memset(elem, 0, sizeof elem);
        check_equal(rn_chan_recv(p.c, elem, RN_NOWAIT), 0);
        check(memcmp(elem, pattern, p.size) == 0);
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        rn_chan_unref(p.c);
    }
    rn_group_free(g);
    return 0;
}

/* Go: nonblock.go. */
static void what_does_not_wait_meets_who_waits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (unsigned char)(i * 7 + 1);
    run_everywhere(in_no_waiting, NULL);
}

#define HOUR (3600 * RN_SEC)

static bool waits(rn_case *cases, int n)
{
    return rn_select(cases, n, rn_after(HOUR)) == RN_ETIMEDOUT;
}

static bool never_waits(rn_case *cases, int n)
{
    rn_time before = rn_now();

    return rn_select(cases, n, rn_after(HOUR)) >= 0 && rn_now() < before + RN_SEC;
}

static int in_basics(void *arg)
{
    rn_chan *empty = rn_chan_new(sizeof(int), 0, NULL), *closed = rn_chan_new(sizeof(int), 0, NULL),
            *room = rn_chan_new(sizeof(int), 1, NULL);
    int n = 7;
    rn_case nulls[] = { { NULL, &n, RN_SEND, 0 }, { NULL, &n, RN_RECV, 0 } };
    rn_case receive = { empty, &n, RN_RECV, 0 }, send = { empty, &n, RN_SEND, 0 };
    rn_case both[] = { { empty, &n, RN_SEND, 0 }, { empty, &n, RN_RECV, 0 } };
    rn_case to_room = { room, &n, RN_SEND, 0 }, from_room = { room, &n, RN_RECV, 0 };
    rn_case from_closed = { closed, &n, RN_RECV, 0 }, to_closed = { closed, &n, RN_SEND, 0 };

    (void)arg;
    rn_chan_close(closed);
    check_equal(rn_chan_send(NULL, &n, rn_after(HOUR)), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(NULL, &n, rn_after(HOUR)), RN_ETIMEDOUT);
    check_equal(rn_chan_recv(empty, &n, rn_after(HOUR)), RN_ETIMEDOUT);
    check(waits(NULL, 0) && waits(nulls, 1) && waits(nulls + 1, 1) && waits(nulls, 2));
    check(waits(&receive, 1) && waits(&send, 1) && waits(both, 2)); /* not with itself */
    check_equal(rn_select(nulls, 2, RN_NOWAIT), RN_ETIMEDOUT);
    check(never_waits(&to_room, 1) && never_waits(&from_room, 1));
    for (int i = 0; i < 10; i++)
        check(never_waits(&from_closed, 1) && from_closed.rc == RN_ECLOSED);
    check(never_waits(&to_closed, 1) && to_closed.rc == RN_ECLOSED);
    check_equal(n, 7);
    rn_chan_unref(empty);
    rn_chan_unref(closed);
    rn_chan_unref(room);
    return 0;
}

/* Go: select3.go; where it waits for ever, here for an hour of virtual time. */
static void only_what_is_ready_does_not_wait(void **state)
{
    (void)state;
    sim_with_seeds(in_basics, NULL);
}

/* ---- several cases, several waiters ---------------------------------------------------------------------- */

static void offers_its_number_fn(void *arg)
{
    struct {
        rn_chan *c;
        int number;
    } *me = arg;
    int theirs;
    rn_case cases[] = { { me->c, &me->number, RN_SEND, 0 }, { me->c, &theirs, RN_RECV, 0 } };

    for (int i = 0; i < 200 / SLOWER; i++) {
        theirs = -1;
        if (rn_select(cases, 2, RN_FOREVER) == 1)
            check(rn_chan_cap(me->c) > 0 || theirs == !me->number);
    }
}

static int in_self_select(void *arg)
{
    struct {
        rn_chan *c;
        int number;
    } one = { .number = 0 };
    rn_group *g = rn_group_new();

    one.c = rn_chan_new(sizeof(int), *(size_t *)arg, NULL);
    for (; one.number < 2; one.number++)
        check_equal(rn_group_go(g, offers_its_number_fn, &one, sizeof one), 0);
    check_equal(rn_group_wait(g, RN_FOREVER),
                0); /* as many meet as there are: nobody is left over */
    rn_group_free(g);
    rn_chan_unref(one.c);
    return 0;
}

/* Go: TestSelfSelect. */
static void selects_meet_one_another_but_never_themselves(void **state)
{
    static size_t caps[] = { 0, 10 };

    (void)state;
    run_everywhere(in_self_select, &caps[0]);
    run_everywhere(in_self_select, &caps[1]);
}

enum { EACH = 300 / SLOWER };

struct stress {
    rn_chan *c[4];
};

static void sends_each_fn(void *arg)
{
    for (int i = 0; i < EACH; i++)
        check_equal(rn_chan_send(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
}

static void receives_each_fn(void *arg)
{
    for (int i = 0; i < EACH; i++)
        check_equal(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
}

static void selects_each(const struct stress *s, enum rn_op op)
{
    rn_case cases[4];
    int n[4] = { 0 };

    for (int i = 0; i < 4; i++)
        cases[i] = (rn_case){ s->c[i], NULL, op, 0 };
    for (int i = 0; i < 4 * EACH; i++) {
        int k = rn_select(cases, 4, RN_FOREVER);

        check(k >= 0 && cases[k].rc == 0);
        if (++n[k] == EACH)
            cases[k].chan = NULL;
    }
}

static void sends_by_select_fn(void *arg)
{
    selects_each(arg, RN_SEND);
}

static void receives_by_select_fn(void *arg)
{
    selects_each(arg, RN_RECV);
}

static int in_stress(void *arg)
{
    struct stress s = { { rn_chan_new(0, 0, NULL), rn_chan_new(0, 0, NULL), rn_chan_new(0, 2, NULL),
                          rn_chan_new(0, 3, NULL) } };
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 4; i++) {
        check_equal(rn_group_go(g, sends_each_fn, &s.c[i], sizeof s.c[i]), 0);
        check_equal(rn_group_go(g, receives_each_fn, &s.c[i], sizeof s.c[i]), 0);
    }
    check_equal(rn_group_go(g, sends_by_select_fn, &s, sizeof s), 0);
    check_equal(rn_group_go(g, receives_by_select_fn, &s, sizeof s), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 0; i < 4; i++) {
        check_equal(rn_chan_len(s.c[i]), 0);
        rn_chan_unref(s.c[i]);
    }
    rn_group_free(g);
    return 0;
}

/* Go: TestSelectStress. */
static void selects_and_plain_operations_come_out_even(void **state)
{
    (void)state;
    run_everywhere(in_stress, NULL);
}

enum { COINS = 100 };

static void tosses_fn(void *arg)
{
    rn_chan *c = *(rn_chan **)arg;
    int zero = 0, one = 1;
    rn_case cases[] = { { c, &one, RN_SEND, 0 }, { c, &zero, RN_SEND, 0 } };

    for (int i = 0; i < COINS; i++)
        check(rn_select(cases, 2, RN_FOREVER) >= 0);
}

static int in_coins(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(int), *(size_t *)arg, NULL);
    rn_group *g = rn_group_new();
    int ones = 0, n;

    check_equal(rn_group_go(g, tosses_fn, &c, sizeof c), 0);
    for (int i = 0; i < COINS; i++) {
        rn_yield();
        check_equal(rn_chan_recv(c, &n, RN_FOREVER), 0);
        ones += n;
    }
    check(ones > COINS / 10 && ones < COINS - COINS / 10);
    rn_group_free(g);
    rn_chan_unref(c);
    return 0;
}

/* Go: TestPseudoRandomSend. */
static void two_sends_on_one_channel_are_chosen_fairly(void **state)
{
    static size_t caps[] = { 0, COINS };

    (void)state;
    run_everywhere(in_coins, &caps[0]);
    run_everywhere(in_coins, &caps[1]);
}

enum { WORKERS = 23, ITEMS = 5000 / SLOWER };

static const int primes[] = { 2, 3, 7, 11, 13, 17, 19, 23, 27, 31 };

struct mill {
    rn_chan *in, *out;
    int number;
};

static void mills_fn(void *arg)
{
    struct mill *m = arg;
    int n;

    while (rn_chan_recv(m->in, &n, RN_FOREVER) == 0) {
        if (n == primes[m->number % RN_LEN(primes)])
            rn_yield();
        check_equal(rn_chan_send(m->out, &n, RN_FOREVER), 0);
    }
}

static void feeds_fn(void *arg)
{
    struct mill m = *(struct mill *)arg;
    rn_group *workers = rn_group_new();

    for (m.number = 0; m.number < WORKERS; m.number++)
        check_equal(rn_group_go(workers, mills_fn, &m, sizeof m), 0);
    for (int i = 0; i < ITEMS; i++)
        check_equal(rn_chan_send(m.in, &primes[i % RN_LEN(primes)], RN_FOREVER), 0);
    rn_chan_close(m.in);
    check_equal(rn_group_wait(workers, RN_FOREVER), 0);
    rn_chan_close(m.out);
    rn_group_free(workers);
}

static int in_consumers(void *arg)
{
    struct mill m = { rn_chan_new(sizeof(int), WORKERS * 3, NULL),
                      rn_chan_new(sizeof(int), WORKERS * 3, NULL), 0 };
    rn_group *g = rn_group_new();
    int n, count = 0;
    long sum = 0, expected = 0;

    (void)arg;
    check_equal(rn_group_go(g, feeds_fn, &m, sizeof m), 0);
    for (; rn_chan_recv(m.out, &n, RN_FOREVER) == 0; count++)
        sum += n;
    for (int i = 0; i < ITEMS; i++)
        expected += primes[i % RN_LEN(primes)];
    check_equal(count, ITEMS);
    check_equal(sum, expected);
    rn_group_free(g);
    rn_chan_unref(m.in);
    rn_chan_unref(m.out);
    return 0;
}

/* Go: TestMultiConsumer. */
static void many_workers_lose_nothing_and_end_by_the_close(void **state)
{
    (void)state;
    run_inside(in_consumers, NULL);
    assert_int_equal(rn_sim(1, in_consumers, NULL), 0);
}

/* ---- a select leaves its lines as if it had not been there ---------------------------------------------------- */

struct lines {
    rn_chan *c, *d, *e;
};

static void waits_twice_fn(void *arg)
{
    struct lines *l = arg;
    rn_case cases[] = { { l->c, NULL, RN_RECV, 0 },
                        { l->c, NULL, RN_RECV, 0 },
                        { l->d, NULL, RN_RECV, 0 } };

    check_equal(rn_select(cases, 3, RN_FOREVER), 2);
    check_equal(rn_chan_send(l->e, NULL, RN_FOREVER), 0);
}

static void waits_once_fn(void *arg)
{
    check_equal(rn_chan_recv(((struct lines *)arg)->c, NULL, RN_FOREVER), 0);
}

static struct lines lines_new(void)
{
    return (struct lines){ rn_chan_new(0, 0, NULL), rn_chan_new(0, 0, NULL),
                           rn_chan_new(0, 0, NULL) };
}

static void lines_free(struct lines *l)
{
    rn_chan_unref(l->c);
    rn_chan_unref(l->d);
    rn_chan_unref(l->e);
}

static int in_duplicate(void *arg)
{
    struct lines l = lines_new();
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, waits_twice_fn, &l, sizeof l), 0);
    await_waiting(l.c, RN_RECV, 2);
    check_equal(rn_group_go(g, waits_once_fn, &l, sizeof l), 0);
    await_waiting(l.c, RN_RECV, 3);
    check_equal(rn_chan_send(l.d, NULL, RN_FOREVER), 0);
    check_equal(rn_chan_recv(l.e, NULL, RN_FOREVER), 0);
    check_equal(waiting(l.c, RN_RECV), 1);
    check_equal(rn_chan_send(l.c, NULL, RN_FOREVER), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    lines_free(&l);
    return 0;
}

/* Go: TestSelectDuplicateChannel. */
static void select_may_wait_twice_in_one_line(void **state)
{
    (void)state;
    run_everywhere(in_duplicate, NULL);
}

static void waits_last_fn(void *arg)
{
    struct lines *l = arg;
    rn_case cases[] = { { l->c, NULL, RN_RECV, 0 }, { l->d, NULL, RN_RECV, 0 } };

    check_equal(rn_select(cases, 2, RN_FOREVER), 1);
    check_equal(rn_chan_send(l->e, NULL, RN_FOREVER), 0);
    check_equal(rn_chan_recv(l->c, NULL, RN_FOREVER), 0);
}

static int in_last(void *arg)
{
    struct lines l = lines_new();
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn_group_go(g, waits_once_fn, &l, sizeof l), 0);
    await_waiting(l.c, RN_RECV, 1);
    check_equal(rn_group_go(g, waits_last_fn, &l, sizeof l), 0);
    await_waiting(l.c, RN_RECV, 2);
    check_equal(rn_chan_send(l.d, NULL, RN_FOREVER), 0);
    check_equal(rn_chan_recv(l.e, NULL, RN_FOREVER), 0);
    for (int i = 0; i < 2; i++)
        check_equal(rn_chan_send(l.c, NULL, RN_FOREVER), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    lines_free(&l);
    return 0;
}

/* Go: select6.go. */
static void who_waits_behind_a_select_that_has_left_is_woken(void **state)
{
    (void)state;
    run_everywhere(in_last, NULL);
}

/* Receives and throws away: plainly, in a select of one, in a select of two. */
static void throws_away_fn(void *arg)
{
    struct lines *l = *(struct lines **)arg;
    rn_case cases[] = { { l->c, NULL, RN_RECV, 0 }, { l->d, NULL, RN_RECV, 0 } };

    check_equal(rn_chan_recv(l->c, NULL, RN_FOREVER), 0);
    check_equal(rn_select(cases, 1, RN_FOREVER), 0);
    check_equal(rn_select(cases, 2, RN_FOREVER), 0);
}

static int in_discard(void *arg)
{
    struct lines l = { rn_chan_new(sizeof(int), 0, NULL), rn_chan_new(0, 0, NULL),
                       rn_chan_new(0, 0, NULL) },
                 *p = &l;
    rn_group *g = rn_group_new();
    int n = 5;
    rn_case cases[] = { { l.c, &n, RN_SEND, 0 }, { l.e, NULL, RN_SEND, 0 } };

    (void)arg;
    for (int i = 0; i < 3; i++)
        check_equal(rn_group_go(g, throws_away_fn, &p, sizeof p), 0);
    for (int i = 0; i < 3; i++) {
        check_equal(rn_chan_send(l.c, &n, RN_FOREVER), 0);
        check_equal(rn_select(cases, 1, RN_FOREVER), 0);
        check_equal(rn_select(cases, 2, RN_FOREVER), 0);
    }
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    lines_free(&l);
    return 0;
}

/* Go: select7.go. */
static void element_may_be_thrown_away_in_a_select(void **state)
{
    (void)state;
    run_everywhere(in_discard, NULL);
}

static void selects_in_vain(int times)
{
    struct lines l = lines_new();
    rn_case cases[] = { { l.c, NULL, RN_RECV, 0 }, { l.d, NULL, RN_SEND, 0 } };

    for (int i = 0; i < times; i++)
        check_equal(rn_select(cases, 2, i % 2 ? RN_NOWAIT : rn_after(RN_US)), RN_ETIMEDOUT);
    check_equal(waiting(l.c, RN_RECV) + waiting(l.d, RN_SEND), 0);
    lines_free(&l);
}

static int in_vain(void *arg)
{
    size_t before;

    (void)arg;
    selects_in_vain(100);
    before = mallinfo2().uordblks;
    selects_in_vain(10000);
    check(mallinfo2().uordblks < before + 20000); /* two bytes for each would be more */
    return 0;
}

/* Go: select2.go. */
static void selects_leave_no_memory_behind(void **state)
{
    (void)state;
    assert_int_equal(rn_sim(1, in_vain, NULL), 0);
}

/* ---- long chains ------------------------------------------------------------------------------------------------ */

enum { CHAIN = 2000 / SLOWER };

static void hands_on_fn(void *arg)
{
    rn_chan **c = arg;
    int n;

    check_equal(rn_chan_recv(c[1], &n, RN_FOREVER), 0);
    n++;
    check_equal(rn_chan_send(c[0], &n, RN_FOREVER), 0);
    rn_chan_unref(c[0]);
    rn_chan_unref(c[1]);
}

static int in_chain(void *arg)
{
    rn_chan *first = rn_chan_new(sizeof(int), 0, NULL), *left = first;
    rn_group *g = rn_group_new();
    int n = 0;

    (void)arg;
    for (int i = 0; i < CHAIN; i++) {
        rn_chan *right = rn_chan_new(sizeof(int), 0, NULL), *both[] = { rn_chan_ref(left), right };

        check_equal(rn_group_go(g, hands_on_fn, both, sizeof both), 0);
        if (left != first)
            rn_chan_unref(left);
        left = rn_chan_ref(right);
    }
    check_equal(rn_chan_send(left, &n, RN_FOREVER), 0);
    check_equal(rn_chan_recv(first, &n, RN_FOREVER), 0);
    check_equal(n, CHAIN);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(left);
    rn_chan_unref(first);
    return 0;
}

/* Go: goroutines.go. */
static void value_goes_through_a_long_chain_of_goroutines(void **state)
{
    (void)state;
    run_inside(in_chain, NULL);
    assert_int_equal(rn_sim(1, in_chain, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channel_behaves_alike_at_every_capacity),
        cmocka_unit_test(receive_that_does_not_wait_sees_the_element_or_the_close),
        cmocka_unit_test(select_sees_all_channels_at_one_moment),
        cmocka_unit_test(what_does_not_wait_meets_who_waits),
        cmocka_unit_test(only_what_is_ready_does_not_wait),
        cmocka_unit_test(selects_meet_one_another_but_never_themselves),
        cmocka_unit_test(selects_and_plain_operations_come_out_even),
        cmocka_unit_test(two_sends_on_one_channel_are_chosen_fairly),
        cmocka_unit_test(many_workers_lose_nothing_and_end_by_the_close),
        cmocka_unit_test(select_may_wait_twice_in_one_line),
        cmocka_unit_test(who_waits_behind_a_select_that_has_left_is_woken),
        cmocka_unit_test(element_may_be_thrown_away_in_a_select),
        cmocka_unit_test(selects_leave_no_memory_behind),
        cmocka_unit_test(value_goes_through_a_long_chain_of_goroutines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
