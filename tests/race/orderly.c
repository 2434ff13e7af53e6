/* orderly.c - programs that do not race, each thanks to one edge.   SPDX-License-Identifier: MIT */
#include "tests/race/pair.h"
#include "tests/race/programs.h"

#include <runnel/sync.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 100

static volatile int shared;
static rn_chan *chan, *back;

static void touch(void)
{
    shared++;
}

/* ---- two goroutines, and what they do; the main one comes after both ---- */

static int both(void *arg)
{
    (void)arg;
    touch();
    run_halves();
    touch();
    return 0;
}

static void run_both(int workers, void (*a)(void), void (*b)(void))
{
    halves[0] = a;
    halves[1] = b;
    rn_main(workers, both, NULL);
    touch();
}

#define PAIR(name, a, b)          \
    static void name(int workers) \
    {                             \
        run_both(workers, a, b);  \
    }

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

static void touches_then_sends(void)
{
    touch();
    send();
}

static void receives_then_touches(void)
{
    recv();
    touch();
}

static void lingers_then_touches_then_sends(void)
{
    linger();
    touches_then_sends();
}

static void lingers_then_receives_then_touches(void)
{
    linger();
    receives_then_touches();
}

static void touches_then_receives(void)
{
    touch();
    recv();
}

static void sends_then_touches(void)
{
    send();
    touch();
}

static void lingers_then_touches_then_receives(void)
{
    linger();
    touches_then_receives();
}

static void sends_twice_then_touches(void)
{
    send();
    sends_then_touches();
}

/* Turns with the other: each is after the last of the other. */
static void plays(rn_chan *out, rn_chan *in, bool first)
{
    for (int i = 0; i < MANY; i++) {
        if (!first)
            rn_chan_recv(in, NULL, RN_FOREVER);
        touch();
        rn_chan_send(out, &(int64_t){ i }, RN_FOREVER);
        if (first)
            rn_chan_recv(in, NULL, RN_FOREVER);
    }
}

static void plays_first(void)
{
    plays(chan, back, true);
}

static void plays_second(void)
{
    plays(back, chan, false);
}

static void closes(void)
{
    touch();
    rn_chan_fail(chan, -5);
}

static void finds_it_closed(void)
{
    recv();
    touch();
}

static void looks_for_the_reason(void)
{
    while (rn_chan_err(chan) == 0)
        rn_yield();
    touch();
}

static void selects_to_send(void)
{
    for (int i = 0; i < MANY; i++) {
        rn_case c[] = { { chan, &(int64_t){ 1 }, RN_SEND, 0 }, { back, NULL, RN_RECV, 0 } };

        touch();
        while (rn_select(c, 2, RN_FOREVER) != 0)
            ;
        rn_chan_recv(back, NULL, RN_FOREVER);
    }
}

static void selects_to_receive(void)
{
    for (int i = 0; i < MANY; i++) {
        rn_chan *never = rn_chan_new(0, 0, NULL);
        rn_case c[] = { { never, NULL, RN_RECV, 0 }, { chan, NULL, RN_RECV, 0 } };

        rn_select(c, 2, RN_FOREVER);
        touch();
        rn_chan_send(back, NULL, RN_FOREVER);
        rn_chan_unref(never);
    }
}

/* A buffer as a lock: who has room is after who made it. */
static void locks_by_a_buffer(void)
{
    for (int i = 0; i < MANY; i++) {
        rn_chan_send(chan, &(int64_t){ i }, RN_FOREVER);
        touch();
        rn_chan_recv(chan, NULL, RN_FOREVER);
    }
}

#define OVER(name, elemsize, cap, a, b)              \
    static void name(int workers)                    \
    {                                                \
        chan = rn_chan_new((elemsize), (cap), NULL); \
        back = rn_chan_new(0, 0, NULL);              \
        run_both(workers, a, b);                     \
        rn_chan_unref(chan);                         \
        rn_chan_unref(back);                         \
    }

OVER(a_send_is_before_its_receive, 8, 0, touches_then_sends, lingers_then_receives_then_touches)
OVER(also_of_one_who_waits, 8, 0, lingers_then_touches_then_sends, receives_then_touches)
OVER(a_receive_is_before_the_end_of_the_send, 8, 0, lingers_then_touches_then_receives,
     sends_then_touches)
OVER(also_if_it_waits, 8, 0, touches_then_receives, sends_then_touches)
OVER(through_a_buffer, 8, 3, touches_then_sends, receives_then_touches)
OVER(through_a_buffer_to_one_who_waits, 8, 3, lingers_then_touches_then_sends,
     receives_then_touches)
OVER(a_receive_is_before_a_send_that_needs_its_place, 8, 1, lingers_then_touches_then_receives,
     sends_twice_then_touches)
OVER(also_of_elements_without_a_size, 0, 1, touches_then_receives, sends_twice_then_touches)
OVER(turns, 8, 0, plays_first, plays_second)
OVER(turns_over_a_buffer, 8, 5, plays_first, plays_second)
OVER(a_buffer_of_one_is_a_lock, 8, 1, locks_by_a_buffer, locks_by_a_buffer)
OVER(without_a_size_too, 0, 1, locks_by_a_buffer, locks_by_a_buffer)
OVER(a_close_is_before_who_sees_it, 8, 2, closes, finds_it_closed)
OVER(a_close_is_before_who_asks, 8, 2, closes, looks_for_the_reason)
OVER(a_select_is_a_send_and_a_receive, 8, 0, selects_to_send, selects_to_receive)
OVER(over_a_buffer_as_well, 8, 2, selects_to_send, selects_to_receive)

/* Elements that are looked at by each who has them. */
struct large {
    int n;
    char bytes[196];
};

static void feeds_large(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        struct large l = { .n = i };

        rn_chan_send(chan, &l, RN_FOREVER);
        memset(&l, 1, sizeof l);
    }
}

static void passes_large(void *arg)
{
    struct large l;

    (void)arg;
    for (int i = 0; i < MANY / 2; i++) {
        rn_chan_recv(chan, &l, i % 2 ? RN_FOREVER : rn_after(RN_SEC));
        l.bytes[0]++;
        rn_chan_send(back, &l, RN_FOREVER);
        l.bytes[0]++;
    }
}

static int large_elements(void *arg)
{
    (void)arg;
    rn_go(feeds_large, NULL);
    rn_go(passes_large, NULL);
    rn_go(passes_large, NULL);
    for (int i = 0; i < MANY; i++) {
        struct large *l = malloc(sizeof *l);

        rn_chan_recv(back, l, RN_FOREVER);
        l->bytes[195]++;
        free(l);
    }
    return 0;
}

static void elements_are_whose_they_are(int workers)
{
    for (size_t cap = 0; cap < 3; cap += 2) {
        chan = rn_chan_new(sizeof(struct large), cap, NULL);
        back = rn_chan_new(sizeof(struct large), cap, NULL);
        rn_main(workers, large_elements, NULL);
        rn_chan_unref(chan);
        rn_chan_unref(back);
    }
}

/* ---- locks ---- */

static rn_mutex mutex;
static rn_rwmutex rw;
static rn_sem sem;
static rn_once once;
static rn_cond cond;
static rn_waitgroup all;
static bool said; /* guarded by mutex */

static void locks(void)
{
    for (int i = 0; i < MANY; i++) {
        if (i % 3 == 0)
            rn_mutex_lock(&mutex);
        else if (i % 3 == 1)
            rn_mutex_lock_until(&mutex, rn_after(RN_SEC * 60));
        else
            while (!rn_mutex_trylock(&mutex))
                rn_yield();
        touch();
        if (i % 7 == 0)
            rn_yield();
        rn_mutex_unlock(&mutex);
    }
}

static void reads_and_writes(void)
{
    for (int i = 0; i < MANY; i++) {
        rn_rwmutex_rlock(&rw);
        (void)shared;
        if (i % 7 == 0)
            rn_yield();
        rn_rwmutex_runlock(&rw);
        rn_rwmutex_lock(&rw);
        touch();
        rn_rwmutex_unlock(&rw);
    }
}

static void releases(void)
{
    touch();
    rn_sem_release(&sem, 2);
}

static void acquires(void)
{
    rn_sem_acquire(&sem, 2, RN_FOREVER);
    touch();
}

static void touch_fn(void *arg)
{
    (void)arg;
    linger();
    touch();
}

static void does_once(void)
{
    rn_once_do(&once, touch_fn, NULL);
    (void)shared;
}

static void is_done(void)
{
    touch();
    rn_waitgroup_done(&all);
}

static void waits_for_all(void)
{
    rn_waitgroup_wait(&all, RN_FOREVER);
    touch();
}

static void says(void)
{
    rn_mutex_lock(&mutex);
    said = true;
    touch();
    rn_mutex_unlock(&mutex);
    rn_cond_broadcast(&cond);
}

static void hears(void)
{
    rn_mutex_lock(&mutex);
    while (!said)
        rn_cond_wait(&cond, &mutex, RN_FOREVER);
    touch();
    rn_mutex_unlock(&mutex);
}

PAIR(who_locks_is_after_who_unlocked, locks, locks)
PAIR(readers_and_writers, reads_and_writes, reads_and_writes)
PAIR(who_acquires_is_after_who_released, releases, acquires)
PAIR(all_are_after_what_is_done_once, does_once, does_once)
PAIR(who_hears_is_after_who_said, says, hears)

static void who_waits_is_after_who_is_done(int workers)
{
    rn_waitgroup_add(&all, 1);
    run_both(workers, is_done, waits_for_all);
}

/* ---- goroutines, groups, timers ---- */

/* Touches its own stack and that of who waits for it. */
static void uses_a_stack(void *arg)
{
    volatile char own[2000];

    for (size_t i = 0; i < sizeof own; i += 100)
        own[i] = 1;
    rn_yield();
    for (size_t i = 0; i < sizeof own; i += 100)
        own[i]++;
    ++**(int **)arg;
}

static int one_after_another(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        rn_group *g = rn_group_new();
        int mine[3] = { 0 }, *at;

        for (int k = 0; k < 3; k++) {
            at = &mine[k];
            rn_group_go(g, uses_a_stack, &at, sizeof at);
        }
        rn_group_wait(g, RN_FOREVER);
        rn_group_free(g);
        if (mine[0] + mine[1] + mine[2] != 3)
            abort();
    }
    return 0;
}

static void starts_another(void *arg)
{
    (void)arg;
    touch();
    rn_go(touch_fn, NULL); /* of its group */
}

static int of_groups(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    rn_group_go(g, starts_another, NULL, 0);
    rn_group_wait(g, RN_FOREVER);
    touch();
    rn_group_free(g);
    return 0;
}

static void heeds(void *arg)
{
    (void)arg;
    while (rn_cancelled() == 0)
        rn_yield();
    (void)shared;
}

static void is_woken(void *arg)
{
    (void)arg;
    rn_chan_recv(NULL, NULL, RN_FOREVER);
    (void)shared;
}

static int cancels(void *arg)
{
    rn_group *g = rn_group_new();

    (void)arg;
    rn_group_go(g, heeds, NULL, 0);
    rn_group_go(g, is_woken, NULL, 0);
    linger();
    touch();
    rn_group_cancel(g);
    rn_group_free(g);
    touch();
    return 0;
}

static void touch_and_tell(void *arg)
{
    touch();
    rn_chan_send(arg, NULL, RN_FOREVER);
}

static int sets_timers(void *arg)
{
    rn_chan *told = rn_chan_new(0, 0, NULL), *once_more;
    rn_timer_fn *t;

    (void)arg;
    touch();
    rn_later(RN_US, touch_and_tell, told);
    rn_chan_recv(told, NULL, RN_FOREVER);
    t = rn_after_func(3600 * RN_SEC, touch_and_tell, told);
    touch();
    rn_timer_reset(t, RN_US);
    rn_chan_recv(told, NULL, RN_FOREVER);
    touch();
    rn_timer_stop(t);
    once_more = rn_ticker(RN_US * 100);
    for (int i = 0; i < 3; i++)
        rn_chan_recv(once_more, NULL, RN_FOREVER);
    rn_chan_unref(once_more);
    rn_chan_unref(told);
    return 0;
}

static void sleeps(void *arg)
{
    int64_t n = 7;

    for (int i = 0; i < 3; i++)
        if (rn_chan_recv(arg, &n, rn_after(RN_US * 50)) == 0 || n != 7)
            abort();
}

static int many_time_out(void *arg)
{
    rn_group *g = rn_group_new();
    rn_chan *never = rn_chan_new(8, 0, NULL);

    (void)arg;
    for (int i = 0; i < MANY; i++)
        rn_group_go(g, sleeps, never, 0);
    rn_group_wait(g, RN_FOREVER);
    rn_group_free(g);
    rn_chan_unref(never);
    return 0;
}

static void waits_for_ever(void *arg)
{
    *(int *)arg = 1;
    rn_chan_recv(NULL, NULL, RN_FOREVER);
}

static int abandons(void *arg)
{
    rn_go(waits_for_ever, arg);
    linger();
    return 0;
}

static void rn_main_is_after_those_it_abandons(int workers)
{
    int mine = 0;

    rn_main(workers, abandons, &mine);
    mine++;
}

static void unrefs(void *arg)
{
    int64_t n = 1;

    rn_chan_send(arg, &n, RN_NOWAIT);
    rn_chan_unref(arg);
}

static int last_one_frees(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        rn_chan *c = rn_chan_new(8, 2, NULL);

        for (int k = 0; k < 3; k++)
            rn_go(unrefs, rn_chan_ref(c));
        rn_chan_unref(c);
        rn_yield();
    }
    return 0;
}

#define ONE(name, fn)               \
    static void name(int workers)   \
    {                               \
        rn_main(workers, fn, NULL); \
    }

ONE(stacks_have_new_lives, one_after_another)
ONE(a_wait_is_after_all_members, of_groups)
ONE(who_is_cancelled_is_after_who_cancels, cancels)
ONE(a_timer_is_after_who_set_it, sets_timers)
ONE(deadlines_of_many, many_time_out)
ONE(a_channel_goes_with_its_last_reference, last_one_frees)

/* ---- threads, descriptors ---- */

static void touch_blocked(void *arg)
{
    (void)arg;
    touch();
}

static int blocks(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        touch();
        rn_block(touch_blocked, NULL);
    }
    touch();
    return 0;
}

ONE(a_call_is_between_before_and_after, blocks)

static int ends[2];

static void writes_to_a_pipe(void)
{
    touch();
    rn_write(ends[1], "x", 1, NULL, RN_FOREVER);
    linger();
    rn_fd_close(ends[1]);
}

static void reads_from_a_pipe(void)
{
    char c;

    if (rn_read(ends[0], &c, 1, RN_FOREVER) != 1)
        abort();
    touch();
    rn_read(ends[0], &c, 1, RN_FOREVER);
    rn_fd_close(ends[0]);
}

static void who_reads_is_after_who_wrote(int workers)
{
    if (pipe2(ends, O_NONBLOCK) < 0)
        abort();
    run_both(workers, writes_to_a_pipe, reads_from_a_pipe);
}

static void waits_on_a_pipe(void)
{
    rn_wait_fd(ends[0], POLLIN, RN_FOREVER);
}

static void closes_what_is_waited_for(void)
{
    linger();
    rn_fd_close(ends[0]);
    close(ends[1]);
}

static void a_descriptor_may_be_closed_beside_its_use(int workers)
{
    if (pipe2(ends, O_NONBLOCK) < 0)
        abort();
    run_both(workers, waits_on_a_pipe, closes_what_is_waited_for);
}

static void *thread_plays(void *arg)
{
    (void)arg;
    plays_second();
    return NULL;
}

static void go_plays(void *arg)
{
    plays_first();
    rn_mutex_lock(&mutex);
    *(int *)arg += 1;
    rn_mutex_unlock(&mutex);
}

static void a_plain_thread_plays_with_a_goroutine(int workers)
{
    pthread_t t;
    int mine = 0;

    chan = rn_chan_new(8, 0, NULL);
    back = rn_chan_new(8, 1, NULL);
    rn_start(workers);
    rn_go(go_plays, &mine);
    pthread_create(&t, NULL, thread_plays, NULL);
    pthread_join(t, NULL);
    rn_stop(RN_FOREVER);
    mine++;
    touch();
    rn_chan_unref(chan);
    rn_chan_unref(back);
}

static void a_simulation(int workers)
{
    chan = rn_chan_new(8, 0, NULL);
    back = rn_chan_new(8, 1, NULL);
    halves[0] = plays_first;
    halves[1] = plays_second;
    rn_sim((uint64_t)workers, both, NULL);
    rn_chan_unref(chan);
    rn_chan_unref(back);
}

/* clang-format off */
#define PROGRAM(name) { #name, name }
const struct program orderly[] = {
    PROGRAM(a_send_is_before_its_receive),
    PROGRAM(also_of_one_who_waits),
    PROGRAM(a_receive_is_before_the_end_of_the_send),
    PROGRAM(also_if_it_waits),
    PROGRAM(through_a_buffer),
    PROGRAM(through_a_buffer_to_one_who_waits),
    PROGRAM(a_receive_is_before_a_send_that_needs_its_place),
    PROGRAM(also_of_elements_without_a_size),
    PROGRAM(turns),
    PROGRAM(turns_over_a_buffer),
    PROGRAM(a_buffer_of_one_is_a_lock),
    PROGRAM(without_a_size_too),
    PROGRAM(a_close_is_before_who_sees_it),
    PROGRAM(a_close_is_before_who_asks),
    PROGRAM(a_select_is_a_send_and_a_receive),
    PROGRAM(over_a_buffer_as_well),
    PROGRAM(elements_are_whose_they_are),
    PROGRAM(who_locks_is_after_who_unlocked),
    PROGRAM(readers_and_writers),
    PROGRAM(who_acquires_is_after_who_released),
    PROGRAM(all_are_after_what_is_done_once),
    PROGRAM(who_hears_is_after_who_said),
    PROGRAM(who_waits_is_after_who_is_done),
    PROGRAM(rn_main_is_after_those_it_abandons),
    PROGRAM(stacks_have_new_lives),
    PROGRAM(a_wait_is_after_all_members),
    PROGRAM(who_is_cancelled_is_after_who_cancels),
    PROGRAM(a_timer_is_after_who_set_it),
    PROGRAM(deadlines_of_many),
    PROGRAM(a_channel_goes_with_its_last_reference),
    PROGRAM(a_call_is_between_before_and_after),
    PROGRAM(who_reads_is_after_who_wrote),
    PROGRAM(a_descriptor_may_be_closed_beside_its_use),
    PROGRAM(a_plain_thread_plays_with_a_goroutine),
    PROGRAM(a_simulation),
    { NULL, NULL },
};
