/* racy.c - programs that race, each by the lack of one edge.   SPDX-License-Identifier: MIT
 *
 * None of them depends on who comes first: there is no edge in either order.  Where an order is wanted nonetheless, so that what
 * is looked at happens, it is made by relaxed atomics, which order nothing. */
#include "tests/race/pair.h"
#include "tests/race/programs.h"

#include <runnel/sync.h>
#include <stdatomic.h>
#include <stddef.h>

static volatile int shared;
static _Atomic int turn; /* relaxed */
static rn_chan *chan;

static void turn_to(int n)
{
    atomic_store_explicit(&turn, n, memory_order_relaxed);
}

static void await(int n)
{
    while (atomic_load_explicit(&turn, memory_order_relaxed) < n)
        rn_yield();
}

/* ---- two goroutines, and what they do ---- */

static int both(void *arg)
{
    (void)arg;
    run_halves();
    return 0;
}

static void run_both(int workers, void (*a)(void), void (*b)(void))
{
    halves[0] = a;
    halves[1] = b;
    rn_main(workers, both, NULL);
}

#define TIMES 3

/* ThreadSanitizer may miss two that look at its shadow in the same few nanoseconds: so several times, with something between. */
static void rest(void)
{
    for (volatile int i = 0; i < 200; i++)
        continue;
}

static void writes(void)
{
    for (int i = 0; i < TIMES; i++) {
        shared = 1;
        rest();
    }
}

static void reads(void)
{
    for (int i = 0; i < TIMES; i++) {
        (void)shared;
        rest();
    }
}

#define PAIR(name, a, b)          \
    static void name(int workers) \
    {                             \
        run_both(workers, a, b);  \
    }

PAIR(two_writes, writes, writes)
PAIR(a_write_and_a_read, writes, reads)

static void writes_and_yields(void)
{
    for (int i = 0; i < 5; i++) {
        shared = i;
        rn_yield();
    }
}

PAIR(to_yield_orders_nothing, writes_and_yields, writes_and_yields)

/* ---- channels ---- */

static void send(void)
{
    rn_chan_send(chan, &(int64_t){ 1 }, RN_FOREVER);
}

static void recv(void)
{
    int64_t n;

    rn_chan_recv(chan, &n, RN_FOREVER);
}

static void sends_then_writes(void)
{
    send();
    writes();
}

static void receives_then_reads(void)
{
    recv();
    reads();
}

static void lingers_then_sends_then_writes(void)
{
    linger();
    sends_then_writes();
}

static void lingers_then_receives_then_reads(void)
{
    linger();
    receives_then_reads();
}

static void writes_then_sends(void)
{
    writes();
    send();
}

static void reads_then_receives(void)
{
    reads();
    recv();
}

static void writes_then_receives(void)
{
    writes();
    recv();
}

static void sends_then_reads(void)
{
    send();
    reads();
}

static void lingers_then_sends_then_reads(void)
{
    linger();
    sends_then_reads();
}

static void lingers_then_writes_then_receives(void)
{
    linger();
    writes_then_receives();
}

#define OVER(name, elemsize, cap, a, b)              \
    static void name(int workers)                    \
    {                                                \
        chan = rn_chan_new((elemsize), (cap), NULL); \
        run_both(workers, a, b);                     \
        rn_chan_unref(chan);                         \
    }

OVER(what_is_written_after_a_send, 8, 0, sends_then_writes, receives_then_reads)
OVER(what_is_written_after_a_send_to_one_who_waits, 8, 0, lingers_then_sends_then_writes,
     receives_then_reads)
OVER(what_is_written_after_a_send_that_waited, 8, 0, sends_then_writes,
     lingers_then_receives_then_reads)
OVER(what_is_read_before_a_receive, 8, 0, writes_then_sends, reads_then_receives)
OVER(a_receive_does_not_order_a_send_to_a_buffer, 8, 1, sends_then_reads,
     lingers_then_writes_then_receives)
OVER(a_receive_that_waits_does_not_order_a_send_to_a_buffer, 8, 1, lingers_then_sends_then_reads,
     writes_then_receives)
OVER(nor_of_elements_without_a_size, 0, 1, lingers_then_sends_then_reads, writes_then_receives)
OVER(two_sends_are_in_no_order, 8, 2, writes_then_sends, sends_then_writes)

struct large {
    char bytes[200];
};

static struct large from, into;

static void sends_large(void)
{
    rn_chan_send(chan, &from, RN_FOREVER);
}

static void writes_into_large(void)
{
    from.bytes[77] = 1;
}

static void receives_large(void)
{
    struct large none;

    rn_chan_recv(chan, &none, RN_FOREVER);
}

static void receives_into_shared(void)
{
    rn_chan_recv(chan, &into, RN_FOREVER);
}

static void reads_what_is_received(void)
{
    (void)*(volatile char *)&into.bytes[123];
}

static void serves_large(void *arg)
{
    (void)arg;
    receives_large();
}

static void feeds_large(void *arg)
{
    (void)arg;
    sends_large();
    sends_large();
}

static int three(void *arg)
{
    rn_go(*(rn_fn **)arg, NULL);
    return both(NULL);
}

static void an_element_that_is_written_while_it_is_sent(int workers)
{
    rn_fn *third = serves_large;

    chan = rn_chan_new(sizeof(struct large), 0, NULL);
    halves[0] = sends_large;
    halves[1] = writes_into_large;
    rn_main(workers, three, &third);
    rn_chan_unref(chan);
}

/* With a buffer: without, the first would be before the end of its send, and so before the second. */
static void two_receives_into_one_place(int workers)
{
    rn_fn *third = feeds_large;

    chan = rn_chan_new(sizeof(struct large), 2, NULL);
    halves[0] = halves[1] = receives_into_shared;
    rn_main(workers, three, &third);
    rn_chan_unref(chan);
}

static void a_read_of_what_is_received(int workers)
{
    rn_fn *third = feeds_large;

    chan = rn_chan_new(sizeof(struct large), 2, NULL);
    halves[0] = receives_into_shared;
    halves[1] = reads_what_is_received;
    rn_main(workers, three, &third);
    rn_chan_unref(chan);
}

static void closes_then_writes(void)
{
    rn_chan_close(chan);
    writes();
}

OVER(what_is_written_after_a_close, 8, 0, closes_then_writes, receives_then_reads)

static void selects_then_writes(void)
{
    rn_case c[] = { { chan, NULL, RN_RECV, 0 } };

    rn_select(c, 1, RN_FOREVER);
    writes();
}

static void offers_then_writes(void)
{
    rn_case c[] = { { chan, &(int64_t){ 1 }, RN_SEND, 0 } };

    rn_select(c, 1, RN_FOREVER);
    writes();
}

OVER(what_is_written_after_a_select, 8, 0, selects_then_writes, offers_then_writes)

/* ---- locks ---- */

static rn_mutex mutex, other;
static rn_rwmutex rw;
static rn_sem sem;
static rn_once once;
static rn_waitgroup all;

static void writes_locked(void)
{
    rn_mutex_lock(&mutex);
    writes();
    rn_mutex_unlock(&mutex);
}

static void writes_locked_otherwise(void)
{
    rn_mutex_lock(&other);
    writes();
    rn_mutex_unlock(&other);
}

static void writes_after_its_lock(void)
{
    rn_mutex_lock(&mutex);
    rn_mutex_unlock(&mutex);
    writes();
}

static void writes_reading(void)
{
    rn_rwmutex_rlock(&rw);
    writes();
    rn_rwmutex_runlock(&rw);
}

static void releases_then_writes(void)
{
    rn_sem_release(&sem, 1);
    writes();
}

static void acquires_then_writes(void)
{
    rn_sem_acquire(&sem, 1, RN_FOREVER);
    writes();
}

static void nothing(void *arg)
{
    (void)arg;
}

static void writes_after_once(void)
{
    rn_once_do(&once, nothing, NULL);
    writes();
}

static void done_then_writes(void)
{
    rn_waitgroup_done(&all);
    writes();
}

static void waits_then_reads(void)
{
    rn_waitgroup_wait(&all, RN_FOREVER);
    reads();
}

PAIR(one_locks_and_the_other_does_not, writes_locked, writes)
PAIR(each_has_a_lock_of_its_own, writes_locked, writes_locked_otherwise)
PAIR(both_have_unlocked, writes_after_its_lock, writes_after_its_lock)
PAIR(both_write_under_a_lock_for_readers, writes_reading, writes_reading)
PAIR(what_is_written_after_a_release, releases_then_writes, acquires_then_writes)
PAIR(what_is_written_after_once, writes_after_once, writes_after_once)

static void what_is_written_after_done(int workers)
{
    rn_waitgroup_add(&all, 1);
    run_both(workers, done_then_writes, waits_then_reads);
}

/* ---- goroutines, groups, timers, threads ---- */

static void write_fn(void *arg)
{
    (void)arg;
    writes();
    turn_to(1);
}

static int starts_then_writes(void *arg)
{
    (void)arg;
    rn_go(write_fn, NULL);
    writes();
    await(1);
    return 0;
}

static int starts_another_when_one_has_ended(void *arg)
{
    (void)arg;
    rn_go(write_fn, NULL);
    await(1);
    linger();
    turn_to(0);
    rn_go(write_fn, NULL); /* likely on the same stack */
    await(1);
    return 0;
}

static int sets_a_timer_then_writes(void *arg)
{
    (void)arg;
    rn_later(RN_US, write_fn, NULL);
    writes();
    await(1);
    return 0;
}

static void pauses_then_writes(void *arg)
{
    (void)arg;
    await(1);
    writes();
    turn_to(2);
}

/* The timer fires beside a goroutine that has written: it is not after that. */
static int fires_beside_one_who_writes(void *arg)
{
    (void)arg;
    rn_later(RN_US, pauses_then_writes, NULL);
    rn_go(write_fn, NULL);
    await(2);
    return 0;
}

static int waits_in_vain_then_writes(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    rn_group_go(g, write_fn, NULL, 0);
    rn_group_wait(g, RN_NOWAIT);
    await(1);
    writes();
    rn_group_free(g);
    return 0;
}

static void heeds_then_writes(void *arg)
{
    (void)arg;
    while (rn_cancelled() == 0)
        rn_yield();
    await(1); /* two writes within the same few nanoseconds are not always seen */
    writes();
    turn_to(2);
}

static int cancels_then_writes(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    rn_group_go(g, heeds_then_writes, NULL, 0);
    rn_group_cancel(g);
    writes();
    turn_to(1);
    await(2);
    rn_group_free(g);
    return 0;
}

static void blocks_and_writes(void)
{
    rn_block(nothing, NULL);
    rn_block(write_fn, NULL);
}

PAIR(two_calls_on_spare_threads, blocks_and_writes, blocks_and_writes)

#define ONE(name, fn)               \
    static void name(int workers)   \
    {                               \
        rn_main(workers, fn, NULL); \
    }

ONE(what_is_written_after_go, starts_then_writes)
ONE(a_goroutine_and_one_after_its_end, starts_another_when_one_has_ended)
ONE(what_is_written_after_a_timer_was_set, sets_a_timer_then_writes)
ONE(a_timer_is_not_after_who_runs, fires_beside_one_who_writes)
ONE(a_wait_that_timed_out, waits_in_vain_then_writes)
ONE(what_is_written_after_a_cancellation, cancels_then_writes)

/* clang-format off */
#define PROGRAM(name) { #name, name }
const struct program racy[] = {
    PROGRAM(two_writes),
    PROGRAM(a_write_and_a_read),
    PROGRAM(to_yield_orders_nothing),
    PROGRAM(what_is_written_after_a_send),
    PROGRAM(what_is_written_after_a_send_to_one_who_waits),
    PROGRAM(what_is_written_after_a_send_that_waited),
    PROGRAM(what_is_read_before_a_receive),
    PROGRAM(a_receive_does_not_order_a_send_to_a_buffer),
    PROGRAM(a_receive_that_waits_does_not_order_a_send_to_a_buffer),
    PROGRAM(nor_of_elements_without_a_size),
    PROGRAM(two_sends_are_in_no_order),
    PROGRAM(an_element_that_is_written_while_it_is_sent),
    PROGRAM(two_receives_into_one_place),
    PROGRAM(a_read_of_what_is_received),
    PROGRAM(what_is_written_after_a_close),
    PROGRAM(what_is_written_after_a_select),
    PROGRAM(one_locks_and_the_other_does_not),
    PROGRAM(each_has_a_lock_of_its_own),
    PROGRAM(both_have_unlocked),
    PROGRAM(both_write_under_a_lock_for_readers),
    PROGRAM(what_is_written_after_a_release),
    PROGRAM(what_is_written_after_once),
    PROGRAM(what_is_written_after_done),
    PROGRAM(two_calls_on_spare_threads),
    PROGRAM(what_is_written_after_go),
    PROGRAM(a_goroutine_and_one_after_its_end),
    PROGRAM(what_is_written_after_a_timer_was_set),
    PROGRAM(a_timer_is_not_after_who_runs),
    PROGRAM(a_wait_that_timed_out),
    PROGRAM(what_is_written_after_a_cancellation),
    { NULL, NULL },
};
