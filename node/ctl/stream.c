/* stream.c - a file that goroutines read or write without blocking their worker.
 *   SPDX-License-Identifier: MIT
 *
 * Invariant: a worker thread never enters a read or write here that can block; what can block
 * is entered by rn_block's spare thread. */
#include "node/ctl/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct stream_job {
    int fd;
    void *buf;
    size_t len;
    ssize_t result; /* bytes or -errno */
};

static void job_read(void *arg)
{
    struct stream_job *job = arg;
    do {
        job->result = read(job->fd, job->buf, job->len);
        if (job->result < 0)
            job->result = -errno;
    } while (job->result == -EINTR);
}

static void job_write(void *arg)
{
    struct stream_job *job = arg;
    do {
        job->result = write(job->fd, job->buf, job->len);
        if (job->result < 0)
            job->result = -errno;
    } while (job->result == -EINTR);
}

static void stream_init(struct stream *s, int fd)
{
    struct stat st;
    *s = (struct stream){ .fd = fd, .way = STREAM_BLOCKING };
    if (fstat(fd, &st) < 0)
        return; /* the first read or write says what is wrong */
    s->fifo = S_ISFIFO(st.st_mode);
    s->tty = S_ISCHR(st.st_mode) && isatty(fd);
    if (s->fifo || s->tty || S_ISSOCK(st.st_mode))
        s->way = STREAM_BORROWED;
}

int stream_open(struct stream *s, const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    stream_init(s, fd);
    s->opened = true;
    s->silent = s->fifo;
    if (s->way == STREAM_BORROWED)
        s->way = STREAM_POLLED;
    return 0;
}

void stream_share(struct stream *s, int fd, bool writing)
{
    char path[32];
    int own;

    stream_init(s, fd);
    if (s->way != STREAM_BORROWED)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    own = open(path, (writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return; /* a socket, a terminal of another user, a pipe without its other end */
    s->fd = own;
    s->opened = true;
    s->way = STREAM_POLLED;
}

ssize_t stream_read(struct stream *s, void *buf, size_t len, rn_time deadline)
{
    struct stream_job job = { s->fd, buf, len, 0 };
    int rc;

    if (s->way == STREAM_POLLED && !s->silent)
        return rn_read(s->fd, buf, len, deadline);
    if (s->way != STREAM_BLOCKING) {
        rc = rn_wait_fd(s->fd, POLLIN, deadline);
        if (rc < 0)
            return rc;
        s->silent = false;
    }
    if (s->way == STREAM_POLLED)
        return rn_read(s->fd, buf, len, deadline);
    rc = rn_block(job_read, &job);
    return rc < 0 ? rc : job.result;
}

int stream_write(struct stream *s, const void *buf, size_t len, size_t *done, rn_time deadline)
{
    const char *at = buf;
    int rc;

    *done = 0;
    if (s->way == STREAM_POLLED)
        return rn_write(s->fd, buf, len, done, deadline);
    while (*done < len) {
        struct stream_job job = { s->fd, (void *)(uintptr_t)(at + *done), len - *done, 0 };
        if (s->way == STREAM_BORROWED) {
            rc = rn_wait_fd(s->fd, POLLOUT, deadline);
            if (rc < 0)
                return rc;
        }
        rc = rn_block(job_write, &job);
        if (rc < 0 || job.result < 0)
            return rc < 0 ? rc : (int)job.result;
        *done += (size_t)job.result;
    }
    return 0;
}

void stream_close(struct stream *s)
{
    if (s->opened && s->way == STREAM_POLLED)
        rn_fd_close(s->fd);
    else if (s->opened)
        close(s->fd);
    s->opened = false;
    s->fd = -1;
}
