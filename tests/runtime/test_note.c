/* test_note.c - the event with one waiter.   SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "runtime/note.h"
#include "runtime/poll.h"
#include "tests/runtime/inside.h"

enum { SETS = 20000 };

static int in_simple(void *arg)
{
    struct rn__note note;

    (void)arg;
    rn__note_init(&note);
    check_equal(rn__note_wait(&note, -1, 0, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn__note_wait(&note, -1, 0, rn_after(RN_MS)), RN_ETIMEDOUT);
    rn__note_set(&note);
    rn__note_set(&note);
    check_equal(rn__note_wait(&note, -1, 0, RN_NOWAIT), RN__NOTE_SET);
    check_equal(rn__note_wait(&note, -1, 0, RN_NOWAIT), RN_ETIMEDOUT);
    rn__note_set(&note);
    check_equal(rn__note_wait(&note, -1, 0, RN_FOREVER), RN__NOTE_SET);
    rn__note_fini(&note);
    return 0;
}

static void set_twice_is_one_event_and_waiting_clears_it(void **state)
{
    (void)state;
    run_inside(in_simple, NULL);
}

struct pair {
    struct rn__note *note;
    int fd;
    rn_chan *done;
};

static void wait_fn(void *arg)
{
    struct pair *p = arg;
    int rc = rn__note_wait(p->note, p->fd, POLLIN, RN_FOREVER);

    check_equal(rn_chan_send(p->done, &rc, RN_FOREVER), 0);
}

static int waited(struct pair *p)
{
    int rc;

    check_equal(rn_chan_recv(p->done, &rc, RN_FOREVER), 0);
    return rc;
}

static int in_fd(void *arg)
{
    struct rn__note note;
    struct pair p = { .note = &note, .done = rn_chan_new(sizeof(int), 0, NULL) };
    char byte;
    int fds[2];

    (void)arg;
    rn__note_init(&note);
    check(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
    p.fd = fds[0];
    check_equal(rn_go_copy(wait_fn, &p, sizeof p), 0);
    wait_until(rn__fd_waiting(fds[0]) == 1);
    rn__note_set(&note);
    check_equal(waited(&p), RN__NOTE_SET);
    check_equal(rn__fd_waiting(fds[0]), 0);

    check_equal(rn_go_copy(wait_fn, &p, sizeof p), 0);
    wait_until(rn__fd_waiting(fds[0]) == 1);
    check_equal(rn_write(fds[1], "x", 1, NULL, RN_FOREVER), 0);
    check_equal(waited(&p), RN__NOTE_FD);
    check_equal(rn__note_wait(&note, fds[0], POLLIN, RN_NOWAIT), RN__NOTE_FD);
    check_equal(rn__note_wait(&note, fds[0], POLLIN, RN_FOREVER), RN__NOTE_FD);
    rn__note_set(&note);
    check_equal(rn__note_wait(&note, fds[0], POLLIN, RN_FOREVER), RN__NOTE_SET | RN__NOTE_FD);
    check_equal(rn_read(fds[0], &byte, 1, RN_NOWAIT), 1);
    check_equal(rn__note_wait(&note, fds[0], POLLIN, rn_after(RN_MS)), RN_ETIMEDOUT);

    check_equal(rn_go_copy(wait_fn, &p, sizeof p), 0);
    wait_until(rn__fd_waiting(fds[0]) == 1);
    check_equal(rn_fd_close(fds[0]), 0);
    check_equal(waited(&p), -EBADF);
    check_equal(rn_fd_close(fds[1]), 0);
    check_equal(rn__note_wait(&note, fds[0], POLLIN, RN_FOREVER), -EBADF);
    rn_chan_unref(p.done);
    rn__note_fini(&note);
    return 0;
}

static void note_and_descriptor_are_waited_for_together(void **state)
{
    (void)state;
    run_inside(in_fd, NULL);
}

/* ---- no event is lost --------------------------------------------------------------- */

struct count {
    struct rn__note note;
    _Atomic int work; /* relaxed: the note must order it */
    int fd;
    rn_chan *done;
};

static void count_up(struct count *c)
{
    for (int i = 0; i < SETS; i++) {
        atomic_fetch_add_explicit(&c->work, 1, memory_order_relaxed);
        rn__note_set(&c->note);
    }
}

static void *count_thread(void *arg)
{
    count_up(arg);
    return NULL;
}

static void count_fn(void *arg)
{
    struct count *c = *(struct count **)arg;

    count_up(c);
    check_equal(rn_chan_send(c->done, NULL, RN_FOREVER), 0);
}

static int in_storm(void *arg)
{
    struct count c = { .fd = -1, .done = rn_chan_new(0, 0, NULL) }, *pointer = &c;
    int fds[2], seen = 0;
    pthread_t thread;

    rn__note_init(&c.note);
    check(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
    if (arg)
        c.fd = fds[0];
    check(pthread_create(&thread, NULL, count_thread, &c) == 0);
    check_equal(rn_go_copy(count_fn, &pointer, sizeof pointer), 0);
    while (seen < 2 * SETS) {
        check_equal(rn__note_wait(&c.note, c.fd, POLLIN, RN_FOREVER), RN__NOTE_SET);
        seen += atomic_exchange_explicit(&c.work, 0, memory_order_relaxed);
    }
    pthread_join(thread, NULL);
    check_equal(rn_chan_recv(c.done, NULL, RN_FOREVER), 0);
    rn_chan_unref(c.done);
    check_equal(seen, 2 * SETS);
    check_equal(rn_fd_close(fds[0]), 0);
    check_equal(rn_fd_close(fds[1]), 0);
    rn__note_fini(&c.note);
    return 0;
}

static void no_event_from_threads_and_goroutines_is_lost(void **state)
{
    (void)state;
    run_inside(in_storm, NULL);
}

static void no_event_is_lost_beside_a_descriptor(void **state)
{
    int with_fd = 1;

    (void)state;
    run_inside(in_storm, &with_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_twice_is_one_event_and_waiting_clears_it),
        cmocka_unit_test(note_and_descriptor_are_waited_for_together),
        cmocka_unit_test(no_event_from_threads_and_goroutines_is_lost),
        cmocka_unit_test(no_event_is_lost_beside_a_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
