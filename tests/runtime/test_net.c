/* test_net.c - descriptors: reading, writing, waiting, closing, listening, dialling.   SPDX-License-Identifier: MIT
 *
 * A goroutine is known to wait when the descriptor's queue says so; nothing here depends on how long things take. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/poll.h"
#include "tests/runtime/inside.h"

#define SOON (10 * RN_MS) /* a deadline that is going to pass */

static void make_pipe(int fds[2])
{
    check(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
}

static void make_pair(int fds[2])
{
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
}

static void close_both(int fds[2])
{
    check_equal(rn_fd_close(fds[0]), 0);
    check_equal(rn_fd_close(fds[1]), 0);
}

/* ---- one reader or waiter in a goroutine of its own ------------------------------ */

struct wait {
    int fd;
    int events; /* 0: reads a byte */
    rn_time deadline;
    rn_chan *done; /* of int: the result */
};

static void wait_fn(void *arg)
{
    struct wait *w = arg;
    char byte;
    int rc = w->events ? rn_wait_fd(w->fd, w->events, w->deadline)
                       : (int)rn_read(w->fd, &byte, 1, w->deadline);

    rn_shield(1);
    check_equal(rn_chan_send(w->done, &rc, RN_FOREVER), 0);
}

static void start_wait(int fd, int events, rn_chan *done)
{
    struct wait w = { .fd = fd, .events = events, .deadline = RN_FOREVER, .done = done };

    check_equal(rn_go_copy(wait_fn, &w, sizeof w), 0);
}

static int result(rn_chan *done)
{
    int rc;

    check_equal(rn_chan_recv(done, &rc, RN_FOREVER), 0);
    return rc;
}

static int in_read_waits(void *arg)
{
    rn_chan *done = rn_chan_new(sizeof(int), 0, NULL);
    int fds[2];

    (void)arg;
    make_pipe(fds);
    start_wait(fds[0], 0, done);
    wait_until(rn__fd_waiting(fds[0]) == 1);
    check_equal(rn_write(fds[1], "x", 1, NULL, RN_FOREVER), 0);
    check_equal(result(done), 1);
    start_wait(fds[0], 0, done);
    wait_until(rn__fd_waiting(fds[0]) == 1);
    check_equal(rn_fd_close(fds[1]), 0);
    check_equal(result(done), 0);
    check_equal(rn_fd_close(fds[0]), 0);
    rn_chan_unref(done);
    return 0;
}

static void read_waits_for_bytes_and_for_the_end(void **state)
{
    (void)state;
    run_inside(in_read_waits, NULL);
}

/* What a read has left nothing of, the next one waits for before it looks. */
static int in_short_reads(void *arg)
{
    char bytes[8];
    int fds[2];

    (void)arg;
    make_pair(fds);
    check_equal(rn_write(fds[1], "abc", 3, NULL, RN_FOREVER), 0);
    check_equal(rn_read(fds[0], bytes, sizeof bytes, RN_FOREVER), 3);
    check_equal(rn_read(fds[0], bytes, sizeof bytes, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_read(fds[0], bytes, 0, RN_FOREVER), 0);
    check_equal(rn_write(fds[1], "de", 2, NULL, RN_FOREVER), 0);
    check_equal(rn_read(fds[0], bytes, sizeof bytes, RN_NOWAIT), 2);
    check_equal(rn_write(fds[1], "f", 1, NULL, RN_FOREVER), 0);
    check_equal(rn_read(fds[0], bytes, sizeof bytes, RN_FOREVER), 1);
    check(bytes[0] == 'f');
    check_equal(rn_fd_close(fds[1]), 0);
    check_equal(rn_read(fds[0], bytes, sizeof bytes, RN_FOREVER), 0);
    check_equal(rn_fd_close(fds[0]), 0);
    return 0;
}

static void short_reads_miss_nothing_that_came_since(void **state)
{
    (void)state;
    run_inside(in_short_reads, NULL);
}

static void simulation_waits_for_real_descriptors(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++)
        assert_int_equal(rn_sim(seed, in_read_waits, NULL), 0);
}

static int in_partial(void *arg)
{
    static char big[1 << 20];
    char buf[4096];
    size_t done = 7, got = 0;
    ssize_t n;
    int fds[2];

    (void)arg;
    make_pipe(fds);
    check_equal(rn_write(fds[1], big, sizeof big, &done, rn_after(SOON)), RN_ETIMEDOUT);
    check(done > 0 && done < sizeof big);
    while ((n = rn_read(fds[0], buf, sizeof buf, RN_NOWAIT)) > 0)
        got += (size_t)n;
    check_equal(n, RN_ETIMEDOUT);
    check_equal(got, done);
    close_both(fds);
    return 0;
}

static void write_that_times_out_says_how_much_it_wrote(void **state)
{
    (void)state;
    run_inside(in_partial, NULL);
}

static int in_nowait(void *arg)
{
    char byte = 0;
    int fds[2];

    (void)arg;
    make_pipe(fds);
    check_equal(rn_read(fds[0], &byte, 1, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_read(fds[0], &byte, 1, rn_now() - 1), RN_ETIMEDOUT);
    check_equal(rn_wait_fd(fds[0], POLLIN, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_wait_fd(fds[1], POLLOUT, RN_NOWAIT), POLLOUT);
    check_equal(rn_read(fds[0], &byte, 1, rn_after(SOON)), RN_ETIMEDOUT);
    check_equal(rn_wait_fd(fds[0], POLLIN, rn_after(SOON)), RN_ETIMEDOUT);
    check_equal(rn_write(fds[1], "y", 1, NULL, RN_NOWAIT), 0);
    check_equal(rn_wait_fd(fds[0], POLLIN, RN_NOWAIT), POLLIN);
    check_equal(rn_read(fds[0], &byte, 1, RN_NOWAIT), 1);
    check_equal(byte, 'y');
    close_both(fds);
    return 0;
}

static void passed_deadline_tries_once(void **state)
{
    (void)state;
    run_inside(in_nowait, NULL);
}

static int in_cancel(void *arg)
{
    rn_chan *done = rn_chan_new(sizeof(int), 8, NULL);
    struct wait w = { .deadline = RN_FOREVER, .done = done };
    rn_group *g = rn_group_new();
    int fds[2], full[2];
    size_t n = 9;
    char byte;

    (void)arg;
    make_pipe(fds);
    make_pipe(full);
    w.fd = fds[0];
    check_equal(rn_group_go(g, wait_fn, &w, sizeof w), 0);
    w.events = POLLIN;
    check_equal(rn_group_go(g, wait_fn, &w, sizeof w), 0);
    wait_until(rn__fd_waiting(fds[0]) == 2);
    rn_group_cancel(g);
    check_equal(result(done), RN_ECANCELED);
    check_equal(result(done), RN_ECANCELED);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(rn__fd_waiting(fds[0]), 0);
    rn_group_free(g);
    /* The descriptor is as good as before. */
    check_equal(rn_write(fds[1], "z", 1, &n, RN_FOREVER), 0);
    check_equal(n, 1);
    check_equal(rn_read(fds[0], &byte, 1, RN_FOREVER), 1);
    close_both(fds);
    close_both(full);
    rn_chan_unref(done);
    return 0;
}

static void cancelled_group_ends_waits(void **state)
{
    (void)state;
    run_inside(in_cancel, NULL);
}

static void cancelled_fn(void *arg)
{
    int *fds = arg;
    size_t n = 9;
    char byte;

    while (!rn_cancelled())
        rn_yield();
    check_equal(rn_read(fds[0], &byte, 1, RN_NOWAIT), RN_ECANCELED);
    check_equal(rn_write(fds[1], "b", 1, &n, RN_FOREVER), RN_ECANCELED);
    check_equal(n, 0);
    check_equal(rn_wait_fd(fds[0], POLLIN, RN_FOREVER), RN_ECANCELED);
    check_equal(rn_accept(fds[0], RN_FOREVER), RN_ECANCELED);
    check_equal(rn_dial("127.0.0.1", 1, RN_FOREVER), RN_ECANCELED);
    rn_shield(1);
    check_equal(rn_read(fds[0], &byte, 1, RN_NOWAIT), 1);
    rn_shield(0);
}

static int in_cancelled_before(void *arg)
{
    rn_group *g = rn_group_new();
    int fds[2];

    (void)arg;
    make_pipe(fds);
    check_equal(rn_write(fds[1], "a", 1, NULL, RN_FOREVER), 0);
    check_equal(rn_group_go(g, cancelled_fn, fds, sizeof fds), 0);
    rn_group_cancel(g);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    close_both(fds);
    return 0;
}

static void cancelled_group_fails_calls_before_they_try(void **state)
{
    (void)state;
    run_inside(in_cancelled_before, NULL);
}

static int in_close(void *arg)
{
    rn_chan *done = rn_chan_new(sizeof(int), 8, NULL);
    int fds[2];
    char byte;

    (void)arg;
    make_pair(fds);
    start_wait(fds[0], 0, done);
    start_wait(fds[0], POLLIN, done);
    start_wait(fds[0], 0, done);
    wait_until(rn__fd_waiting(fds[0]) == 3);
    check_equal(rn_fd_close(fds[0]), 0);
    for (int i = 0; i < 3; i++)
        check_equal(result(done), -EBADF);
    /* The last one to leave closes the number; from then on the other end sees it. */
    check_equal(rn_read(fds[1], &byte, 1, RN_FOREVER), 0);
    check_equal(rn_fd_close(fds[0]), -EBADF);
    check_equal(rn_read(fds[0], &byte, 1, RN_NOWAIT), -EBADF);
    check_equal(rn_wait_fd(fds[0], POLLIN, RN_NOWAIT), -EBADF);
    check_equal(rn_fd_close(-1), -EBADF);
    check_equal(rn_read(1 << 30, &byte, 1, RN_NOWAIT), -EBADF);
    check_equal(rn_fd_close(fds[1]), 0);
    rn_chan_unref(done);
    return 0;
}

static void close_gives_waiters_ebadf(void **state)
{
    (void)state;
    run_inside(in_close, NULL);
}

/* A pipe whose end for reading has the free number `number`, whatever other numbers are free. */
static void make_pipe_at(int fds[2], int number)
{
    make_pipe(fds);
    if (fds[0] == number)
        return;
    if (fds[1] == number)
        check((fds[1] = dup(fds[1])) >= 0);
    check_equal(dup2(fds[0], number), number);
    close(fds[0]);
    fds[0] = number;
}

static int in_behind(void *arg)
{
    rn_chan *done = rn_chan_new(sizeof(int), 0, NULL);
    int fds[2], again[2];

    (void)arg;
    for (int i = 0; i < 10; i++) {
        make_pipe(fds);
        check_equal(rn_wait_fd(fds[0], POLLIN, rn_after(RN_MS)), RN_ETIMEDOUT);
        close(fds[0]); /* as a library does it */
        close(fds[1]);
        make_pipe_at(again, fds[0]);
        start_wait(again[0], 0, done);
        wait_until(rn__fd_waiting(again[0]) == 1);
        check_equal(rn_write(again[1], "x", 1, NULL, RN_FOREVER), 0);
        check_equal(result(done), 1);
        close(again[0]);
        close(again[1]);
    }
    rn_chan_unref(done);
    return 0;
}

static void number_closed_behind_our_back_can_be_waited_for_again(void **state)
{
    (void)state;
    run_inside(in_behind, NULL);
}

static int in_many_readers(void *arg)
{
    rn_chan *done = rn_chan_new(sizeof(int), 16, NULL);
    int fds[2];

    (void)arg;
    make_pipe(fds);
    for (int i = 0; i < 16; i++)
        start_wait(fds[0], 0, done);
    wait_until(rn__fd_waiting(fds[0]) == 16);
    check_equal(rn_write(fds[1], "0123456789", 10, NULL, RN_FOREVER), 0);
    for (int i = 0; i < 10; i++)
        check_equal(result(done), 1);
    wait_until(rn__fd_waiting(fds[0]) == 6);
    check_equal(rn_fd_close(fds[1]), 0);
    for (int i = 0; i < 6; i++)
        check_equal(result(done), 0);
    check_equal(rn_fd_close(fds[0]), 0);
    rn_chan_unref(done);
    return 0;
}

static void every_reader_of_one_descriptor_is_served(void **state)
{
    (void)state;
    run_inside(in_many_readers, NULL);
}

static int in_both_directions(void *arg)
{
    static char big[1 << 20];
    rn_chan *done = rn_chan_new(sizeof(int), 2, NULL);
    size_t n;
    int fds[2];

    (void)arg;
    make_pair(fds);
    check_equal(rn_wait_fd(fds[0], POLLIN | POLLOUT, RN_FOREVER), POLLOUT);
    check_equal(rn_write(fds[0], big, sizeof big, &n, RN_NOWAIT), RN_ETIMEDOUT);
    start_wait(fds[0], POLLIN, done);
    start_wait(fds[0], POLLOUT, done);
    wait_until(rn__fd_waiting(fds[0]) == 2);
    check_equal(rn_write(fds[1], "x", 1, NULL, RN_FOREVER), 0);
    check_equal(result(done), POLLIN);
    check_equal(rn__fd_waiting(fds[0]), 1);
    while (rn_read(fds[1], big, sizeof big, RN_NOWAIT) > 0)
        ;
    check_equal(result(done), POLLOUT);
    check_equal(rn_wait_fd(fds[0], POLLIN | POLLOUT, RN_FOREVER), POLLIN | POLLOUT);
    check_equal(rn_wait_fd(fds[0], 0, RN_FOREVER), -EINVAL);
    close_both(fds);
    rn_chan_unref(done);
    return 0;
}

static void directions_wake_separately(void **state)
{
    (void)state;
    run_inside(in_both_directions, NULL);
}

static int in_file(void *arg)
{
    FILE *file = tmpfile();
    int fd = fileno(file);
    char buf[8];

    (void)arg;
    check_equal(rn_write(fd, "abc", 3, NULL, RN_FOREVER), 0);
    check_equal(rn_wait_fd(fd, POLLIN | POLLOUT, RN_FOREVER), POLLIN | POLLOUT);
    check_equal(lseek(fd, 0, SEEK_SET), 0);
    check_equal(rn_read(fd, buf, sizeof buf, RN_FOREVER), 3);
    check_equal(rn_read(fd, buf, sizeof buf, RN_FOREVER), 0);
    fclose(file);
    return 0;
}

static void regular_file_is_read_directly(void **state)
{
    (void)state;
    run_inside(in_file, NULL);
}

static int in_broken(void *arg)
{
    int fds[2];

    (void)arg;
    make_pair(fds);
    check_equal(rn_fd_close(fds[0]), 0);
    check_equal(rn_write(fds[1], "x", 1, NULL, RN_FOREVER), -EPIPE);
    check_equal(rn_fd_close(fds[1]), 0);
    make_pipe(fds);
    check_equal(rn_fd_close(fds[0]), 0);
    check_equal(rn_write(fds[1], "x", 1, NULL, RN_FOREVER), -EPIPE);
    check_equal(rn_fd_close(fds[1]), 0);
    return 0;
}

static void writing_to_nobody_is_epipe_and_no_signal(void **state)
{
    (void)state;
    run_inside(in_broken, NULL);
}

/* ---- TCP ---------------------------------------------------------------------------- */

static int port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;

    check(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    /* The port is at the same place in both families. */
    return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

static void check_stream(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;

    check((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    check((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    check(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0);
    check(on != 0);
}

static _Atomic int echoes; /* goroutines of the two below that have not ended */

static void echo_fn(void *arg)
{
    int fd = *(int *)arg;
    char buf[512];
    ssize_t n;

    while ((n = rn_read(fd, buf, sizeof buf, RN_FOREVER)) > 0)
        check_equal(rn_write(fd, buf, (size_t)n, NULL, RN_FOREVER), 0);
    check_equal(n, 0);
    check_equal(rn_fd_close(fd), 0);
    atomic_fetch_sub(&echoes, 1);
}

static void accept_fn(void *arg)
{
    int listener = *(int *)arg, fd;

    while ((fd = rn_accept(listener, RN_FOREVER)) >= 0) {
        check_stream(fd);
        atomic_fetch_add(&echoes, 1);
        check_equal(rn_go_copy(echo_fn, &fd, sizeof fd), 0);
    }
    check_equal(fd, -EBADF);
    atomic_fetch_sub(&echoes, 1);
}

static void echo_once(const char *host, int port, int i)
{
    int fd = rn_dial(host, port, rn_after(60 * RN_SEC)), back = 0;

    check(fd >= 0);
    check_stream(fd);
    check_equal(rn_write(fd, &i, sizeof i, NULL, RN_FOREVER), 0);
    check_equal(rn_read(fd, &back, sizeof back, RN_FOREVER), sizeof back);
    check_equal(back, i);
    check_equal(rn_fd_close(fd), 0);
}

static void echo_at(const char *listen_host, const char *dial_host)
{
    int listener = rn_listen(listen_host, 0);

    if (listener == -EAFNOSUPPORT || listener == -EADDRNOTAVAIL)
        return; /* this machine has no IPv6 */
    check(listener >= 0);
    check((fcntl(listener, F_GETFL) & O_NONBLOCK) != 0);
    atomic_fetch_add(&echoes, 1);
    check_equal(rn_go_copy(accept_fn, &listener, sizeof listener), 0);
    for (int i = 0; i < 20; i++)
        echo_once(dial_host, port_of(listener), i);
    wait_until(rn__fd_waiting(listener) == 1);
    check_equal(rn_fd_close(listener), 0);
    wait_until(atomic_load(&echoes) == 0);
}

static int in_echo(void *arg)
{
    (void)arg;
    echo_at("127.0.0.1", "127.0.0.1");
    echo_at("::1", "::1");
    echo_at(NULL, "127.0.0.1");
    echo_at("", NULL);
    echo_at("localhost", "localhost");
    return 0;
}

static void dialled_reaches_accepted(void **state)
{
    (void)state;
    run_inside(in_echo, NULL);
}

static int in_refused(void *arg)
{
    int listener = rn_listen("127.0.0.1", 0), port = port_of(listener);

    (void)arg;
    check_equal(rn_listen("127.0.0.1", port), -EADDRINUSE);
    check_equal(rn_fd_close(listener), 0);
    check_equal(rn_dial("127.0.0.1", port, RN_FOREVER), -ECONNREFUSED);
    check_equal(rn_dial("127.0.0.1", -1, RN_FOREVER), -EINVAL);
    check_equal(rn_dial("127.0.0.1", 65536, RN_FOREVER), -EINVAL);
    check_equal(rn_listen("127.0.0.1", 65536), -EINVAL);
    check_equal(rn_dial("localhost", port, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_dial("no-such-host.invalid", 1, RN_FOREVER), -EHOSTUNREACH);
    listener = rn_listen("127.0.0.1", port); /* at once: SO_REUSEADDR */
    check(listener >= 0);
    check_equal(rn_accept(listener, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_accept(listener, rn_after(SOON)), RN_ETIMEDOUT);
    check_equal(rn_fd_close(listener), 0);
    return 0;
}

static void refused_wrong_and_late_dials_say_so(void **state)
{
    (void)state;
    run_inside(in_refused, NULL);
}

struct dial {
    int port;
    rn_chan *done;
};

static void dial_fn(void *arg)
{
    struct dial *d = arg;
    int rc = rn_dial("127.0.0.1", d->port, RN_FOREVER);

    rn_shield(1);
    check_equal(rn_chan_send(d->done, &rc, RN_FOREVER), 0);
}

/* A full backlog drops what asks to be connected, so a dial hangs. */
static int in_hanging_dial(void *arg)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct dial d = { .done = rn_chan_new(sizeof(int), 0, NULL) };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    rn_group *g = rn_group_new();
    int fd, n = 0, in[64];

    (void)arg;
    check(bind(listener, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(listener, 0) == 0);
    d.port = port_of(listener);
    while ((fd = rn_dial("127.0.0.1", d.port, rn_after(200 * RN_MS))) >= 0 && n < 64)
        in[n++] = fd;
    check_equal(fd, RN_ETIMEDOUT);
    check_equal(rn_group_go(g, dial_fn, &d, sizeof d), 0);
    rn_yield();
    rn_group_cancel(g);
    check_equal(result(d.done), RN_ECANCELED);
    rn_group_free(g);
    while (n > 0)
        check_equal(rn_fd_close(in[--n]), 0);
    check_equal(rn_fd_close(listener), 0);
    rn_chan_unref(d.done);
    return 0;
}

static void hanging_dial_can_time_out_and_be_cancelled(void **state)
{
    (void)state;
    run_inside(in_hanging_dial, NULL);
}

/* ---- plain threads -------------------------------------------------------------------- */

struct plain {
    int fds[2];
    _Atomic int results; /* how many reads are over */
};

static void *plain_reader(void *arg)
{
    struct plain *p = arg;
    char byte;

    check_equal(rn_read(p->fds[0], &byte, 1, rn_after(SOON)), RN_ETIMEDOUT);
    atomic_fetch_add(&p->results, 1);
    check_equal(rn_read(p->fds[0], &byte, 1, RN_FOREVER), 1);
    atomic_fetch_add(&p->results, 1);
    check_equal(rn_read(p->fds[0], &byte, 1, RN_FOREVER), -EBADF);
    return NULL;
}

static int in_plain(void *arg)
{
    struct plain p = { .results = 0 };
    pthread_t thread;

    (void)arg;
    make_pipe(p.fds);
    check(pthread_create(&thread, NULL, plain_reader, &p) == 0);
    for (int i = 1; i <= 2; i++) {
        wait_until(atomic_load(&p.results) == i && rn__fd_waiting(p.fds[0]) == 1);
        if (i == 1)
            check_equal(rn_write(p.fds[1], "x", 1, NULL, RN_FOREVER), 0);
    }
    check_equal(rn_fd_close(p.fds[0]), 0);
    check_equal(rn_fd_close(p.fds[1]), 0);
    pthread_join(thread, NULL);
    return 0;
}

static void plain_thread_reads_and_is_evicted(void **state)
{
    (void)state;
    run_inside(in_plain, NULL);
}

static void *stopped_reader(void *arg)
{
    int *fds = arg;
    char byte;

    check_equal(rn_read(fds[0], &byte, 1, RN_FOREVER), -ESHUTDOWN);
    return NULL;
}

static void stop_evicts_plain_threads_and_later_calls_are_shut_down(void **state)
{
    int fds[2];
    char byte;
    pthread_t thread;

    (void)state;
    make_pipe(fds);
    assert_int_equal(rn_start(inside_workers()), 0);
    assert_int_equal(pthread_create(&thread, NULL, stopped_reader, fds), 0);
    while (rn__fd_waiting(fds[0]) == 0)
        sched_yield();
    assert_int_equal(rn_stop(RN_FOREVER), 0);
    pthread_join(thread, NULL);
    assert_int_equal(rn_read(fds[0], &byte, 1, RN_NOWAIT), -ESHUTDOWN);
    assert_int_equal(rn_write(fds[1], "x", 1, NULL, RN_NOWAIT), -ESHUTDOWN);
    assert_int_equal(rn_wait_fd(fds[1], POLLOUT, RN_NOWAIT), -ESHUTDOWN);
    assert_int_equal(rn_dial("127.0.0.1", 1, RN_NOWAIT), -ESHUTDOWN);
    assert_int_equal(rn_fd_close(fds[0]), 0);
    assert_int_equal(rn_fd_close(fds[1]), 0);
}

static rn_chan *nobodys; /* of the goroutine that is abandoned */

static int in_abandoned(void *arg)
{
    int *fds = arg;

    nobodys = rn_chan_new(sizeof(int), 1, NULL);
    make_pipe(fds);
    start_wait(fds[0], 0, nobodys);
    wait_until(rn__fd_waiting(fds[0]) == 1);
    return 0;
}

static int in_after_abandoned(void *arg)
{
    int *fds = arg;
    char byte;

    rn_chan_unref(nobodys);
    check_equal(rn__fd_waiting(fds[0]), 0);
    check_equal(rn_write(fds[1], "x", 1, NULL, RN_FOREVER), 0);
    check_equal(rn_read(fds[0], &byte, 1, RN_FOREVER), 1);
    check_equal(rn_read(fds[0], &byte, 1, rn_after(SOON)), RN_ETIMEDOUT);
    close_both(fds);
    return 0;
}

static void descriptor_of_an_abandoned_waiter_works_in_the_next_run(void **state)
{
    int fds[2];

    (void)state;
    for (int i = 0; i < 3; i++) {
        run_inside(in_abandoned, fds);
        run_inside(in_after_abandoned, fds);
    }
}

/* ---- storms ------------------------------------------------------------------------------ */

enum { PAIRS = 20, ROUNDS = 300, CLOSES = 1000 };

struct party {
    int fd;
    unsigned seed;
    bool first;
    rn_chan *done;
};

/* Reads one byte, with deadlines that pass at about the time it comes. */
static char read_impatiently(int fd, unsigned *seed)
{
    ssize_t n;
    char byte;

    do
        n = rn_read(fd, &byte, 1, rn_after((int64_t)(rand_r(seed) % 40) * RN_US));
    while (n == RN_ETIMEDOUT);
    check_equal(n, 1);
    return byte;
}

static void party_fn(void *arg)
{
    struct party *p = arg;
    int rc = 0;

    for (int i = 0; i < ROUNDS; i++) {
        char byte = (char)i;

        if (p->first)
            check_equal(rn_write(p->fd, &byte, 1, NULL, RN_FOREVER), 0);
        check_equal(read_impatiently(p->fd, &p->seed), byte);
        if (!p->first)
            check_equal(rn_write(p->fd, &byte, 1, NULL, RN_FOREVER), 0);
    }
    check_equal(rn_fd_close(p->fd), 0);
    check_equal(rn_chan_send(p->done, &rc, RN_FOREVER), 0);
}

static int in_storm(void *arg)
{
    rn_chan *done = rn_chan_new(sizeof(int), 0, NULL);

    (void)arg;
    for (unsigned i = 0; i < PAIRS; i++) {
        struct party p = { .done = done };
        int fds[2];

        make_pair(fds);
        for (unsigned side = 0; side < 2; side++) {
            p.fd = fds[side];
            p.first = side == 0;
            p.seed = 2 * i + side + 1;
            check_equal(rn_go_copy(party_fn, &p, sizeof p), 0);
        }
    }
    for (int i = 0; i < 2 * PAIRS; i++)
        check_equal(result(done), 0);
    rn_chan_unref(done);
    return 0;
}

static void deadlines_that_race_readiness_lose_no_byte(void **state)
{
    (void)state;
    run_inside(in_storm, NULL);
}

static void writer_fn(void *arg)
{
    struct wait *w = arg;
    int rc = rn_write(w->fd, "x", 1, NULL, RN_FOREVER);

    check(rc == 0 || rc == -EPIPE);
    check_equal(rn_fd_close(w->fd), 0);
    check_equal(rn_chan_send(w->done, &rc, RN_FOREVER), 0);
}

/* The number is given to the next pipe as soon as it is free; nobody may get a byte of that. */
static int in_close_storm(void *arg)
{
    rn_chan *done = rn_chan_new(sizeof(int), 3, NULL);

    (void)arg;
    for (int i = 0; i < CLOSES; i++) {
        struct wait writer = { .done = done };
        int fds[2], rc;

        make_pipe(fds);
        writer.fd = fds[1];
        start_wait(fds[0], 0, done);
        start_wait(fds[0], 0, done);
        check_equal(rn_go_copy(writer_fn, &writer, sizeof writer), 0);
        if (i % 3)
            rn_yield();
        check_equal(rn_fd_close(fds[0]), 0);
        for (int j = 0; j < 3; j++) {
            rc = result(done);
            check(rc == 1 || rc == 0 || rc == -EBADF || rc == -EPIPE);
        }
    }
    rn_chan_unref(done);
    return 0;
}

static void close_that_races_readers_leaves_nobody_behind(void **state)
{
    (void)state;
    run_inside(in_close_storm, NULL);
}

/* ---- an older kernel ------------------------------------------------------------------------ */

static int without_pwait2(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0 /* the number of the call is the first word */),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof code / sizeof *code, .filter = code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static void kernel_without_pwait2_will_do(void **state)
{
    pid_t child;
    int status;

    (void)state;
    child = fork();
    if (child == 0) {
        if (without_pwait2() < 0)
            _exit(77);
        _exit(rn_main(inside_workers(), in_nowait, NULL) ||
              rn_main(inside_workers(), in_read_waits, NULL));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* no seccomp here */
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_waits_for_bytes_and_for_the_end),
        cmocka_unit_test(short_reads_miss_nothing_that_came_since),
        cmocka_unit_test(simulation_waits_for_real_descriptors),
        cmocka_unit_test(write_that_times_out_says_how_much_it_wrote),
        cmocka_unit_test(passed_deadline_tries_once),
        cmocka_unit_test(cancelled_group_ends_waits),
        cmocka_unit_test(cancelled_group_fails_calls_before_they_try),
        cmocka_unit_test(close_gives_waiters_ebadf),
        cmocka_unit_test(number_closed_behind_our_back_can_be_waited_for_again),
        cmocka_unit_test(every_reader_of_one_descriptor_is_served),
        cmocka_unit_test(directions_wake_separately),
        cmocka_unit_test(regular_file_is_read_directly),
        cmocka_unit_test(writing_to_nobody_is_epipe_and_no_signal),
        cmocka_unit_test(dialled_reaches_accepted),
        cmocka_unit_test(refused_wrong_and_late_dials_say_so),
        cmocka_unit_test(hanging_dial_can_time_out_and_be_cancelled),
        cmocka_unit_test(plain_thread_reads_and_is_evicted),
        cmocka_unit_test(stop_evicts_plain_threads_and_later_calls_are_shut_down),
        cmocka_unit_test(descriptor_of_an_abandoned_waiter_works_in_the_next_run),
        cmocka_unit_test(deadlines_that_race_readiness_lose_no_byte),
        cmocka_unit_test(close_that_races_readers_leaves_nobody_behind),
        cmocka_unit_test(kernel_without_pwait2_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
