/* net.c - reading, writing and accepting.   SPDX-License-Identifier: MIT
 *
 * Every operation tries its system call first and waits only when that would block, so a descriptor that is
 * always ready (a regular file) hardly meets the poller.  But for a read after one that got less than it asked for: who has
 * answered a request would nearly always find that the next one has not come.  It waits first, and looks whatever ends that.  A
 * plain thread waits in the same way.
 *
 * Between rn__fd_enter and rn__fd_leave the number cannot be given to another file; what an operation
 * does after a wait it does to the file it began with, or it gives -EBADF.
 *
 * errno is read only in the small functions that make the system call, and those are not inlined: the
 * compiler takes its address for constant, but after a park it may be another thread's. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/poll.h"
#include "runtime/rn.h"
#include "runtime/wait.h"

#define SYSCALL static __attribute__((noinline))

/* ---- system calls that give -errno ------------------------------------------ */

SYSCALL ssize_t sys_read(int fd, void *buf, size_t len)
{
    ssize_t n;

    do
        n = read(fd, buf, len);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* A socket must not raise SIGPIPE, whatever the program has made of that signal. */
SYSCALL ssize_t sys_write(int fd, const void *buf, size_t len)
{
    ssize_t n;

    do {
        n = send(fd, buf, len, MSG_NOSIGNAL);
        if (n < 0 && errno == ENOTSOCK)
            n = write(fd, buf, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* A connection that was gone before it was accepted is nobody's error. */
SYSCALL int sys_accept(int fd)
{
    int conn;

    do
        conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (conn < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO));
    return conn < 0 ? -errno : conn;
}

SYSCALL int sys_poll(int fd, int events)
{
    struct pollfd p = { .fd = fd, .events = (short)events };
    int n;

    do
        n = poll(&p, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (p.revents & POLLNVAL)
        return -EBADF;
    return p.revents & (POLLERR | POLLHUP) ? events : p.revents & events;
}

/* Fails on what is not TCP, and then does not matter. */
static void set_nodelay(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- waiting ----------------------------------------------------------------- */

/* Waits for events on the entered descriptor: those that are ready, or an error. */
static int wait_ready(struct rn__fd *f, int fd, int events, rn_time deadline)
{
    struct rn__fd_wait q;
    struct rn__wait w;
    int rc;

    if (rn__deadline_passed(deadline))
        return RN_ETIMEDOUT;
    rn__wait_init(&w);
    rc = rn__fd_queue(&q, f, events, &w, 0);
    if (rc != 0)
        return rc;
    rc = rn__wait_park(&w, RN__WHY_FD, (void *)(intptr_t)fd, deadline);
    rn__fd_unqueue(&q);
    return rc < 0 ? rc : q.result;
}

/* Enters the descriptor for an operation with a deadline. */
static int begin(int fd, struct rn__fd **out)
{
    int rc = rn__check();

    return rc < 0 ? rc : rn__fd_enter(fd, out);
}

int rn_wait_fd(int fd, int poll_events, rn_time deadline)
{
    struct rn__fd *f;
    int rc;

    if (poll_events == 0 || (poll_events & ~(POLLIN | POLLOUT)) != 0)
        return -EINVAL;
    rc = begin(fd, &f);
    if (rc < 0)
        return rc;
    rc = sys_poll(fd, poll_events);
    if (rc == 0)
        rc = wait_ready(f, fd, poll_events, deadline);
    rn__fd_leave(f);
    return rc;
}

/* Nothing is there, or that is likely. */
static ssize_t read_waiting(struct rn__fd *f, int fd, void *buf, size_t len, rn_time deadline)
{
    ssize_t n;
    int rc;

    do {
        rc = wait_ready(f, fd, POLLIN, deadline);
        if (rc == RN_ECANCELED || rc == -ESHUTDOWN || rc == -EBADF)
            return rc;
        /* What came in time is not missed, by whatever the wait was ended. */
        n = sys_read(fd, buf, len);
    } while (n == -EAGAIN && rc >= 0);
    return n == -EAGAIN ? rc : n;
}

ssize_t rn_read(int fd, void *buf, size_t len, rn_time deadline)
{
    struct rn__fd *f;
    ssize_t rc = begin(fd, &f);

    if (rc < 0)
        return rc;
    rc = len > 0 && rn__fd_drained(f) ? -EAGAIN : sys_read(fd, buf, len);
    if (rc == -EAGAIN)
        rc = read_waiting(f, fd, buf, len, deadline);
    rn__fd_say_drained(f, rc > 0 && (size_t)rc < len);
    rn__fd_leave(f);
    return rc;
}

static int write_all(struct rn__fd *f, int fd, const char *buf, size_t len, size_t *done,
                     rn_time deadline)
{
    while (*done < len) {
        ssize_t n = sys_write(fd, buf + *done, len - *done);

        if (n == -EAGAIN)
            n = wait_ready(f, fd, POLLOUT, deadline);
        else if (n > 0)
            *done += (size_t)n;
        if (n < 0)
            return (int)n;
    }
    return 0;
}

int rn_write(int fd, const void *buf, size_t len, size_t *done, rn_time deadline)
{
    struct rn__fd *f;
    size_t written = 0;
    int rc = begin(fd, &f);

    if (rc == 0) {
        rc = write_all(f, fd, buf, len, &written, deadline);
        rn__fd_leave(f);
    }
    if (done)
        *done = written;
    return rc;
}

int rn_accept(int fd, rn_time deadline)
{
    struct rn__fd *f;
    int rc = begin(fd, &f);

    if (rc < 0)
        return rc;
    while ((rc = sys_accept(fd)) == -EAGAIN) {
        rc = wait_ready(f, fd, POLLIN, deadline);
        if (rc < 0)
            break;
    }
    rn__fd_leave(f);
    if (rc >= 0)
        set_nodelay(rc);
    return rc;
}

int rn_fd_close(int fd)
{
    return rn__fd_close(fd);
}
