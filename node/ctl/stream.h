/* stream.h - a file that goroutines read or write without blocking their worker.
 *   SPDX-License-Identifier: MIT
 *
 * Standard input and output are shared with the programs around us, so they are never made
 * non-blocking in place: a stream opens them once more where the system allows it, and else
 * leaves the waiting to a spare thread. */
#ifndef NODE_CTL_STREAM_H
#define NODE_CTL_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/rn.h"

enum stream_way {
    STREAM_POLLED,   /* our own non-blocking description */
    STREAM_BORROWED, /* can be polled, but the description is shared: poll, then a spare thread */
    STREAM_BLOCKING, /* a regular file or the like: a spare thread */
};

struct stream {
    int fd;
    enum stream_way way;
    bool opened; /* fd is ours to close */
    bool fifo;
    bool tty;
    bool silent; /* a FIFO that has not had a writer yet: its end of file means nothing */
};

/* Opens the file at path for reading.  A FIFO is opened at once and waits for its writer in the
 * first read.  0 or -errno. */
int stream_open(struct stream *s, const char *path);

/* Reads from (or writes to) a descriptor that others share.  Borrows fd. */
void stream_share(struct stream *s, int fd, bool writing);

/* Bytes read, 0 at the end, or -errno, RN_ETIMEDOUT, RN_ECANCELED.  Parks the goroutine. */
ssize_t stream_read(struct stream *s, void *buf, size_t len, rn_time deadline);

/* Writes all of it.  0 or an error with the bytes that were written in *done.  Parks the
 * goroutine. */
int stream_write(struct stream *s, const void *buf, size_t len, size_t *done, rn_time deadline);

void stream_close(struct stream *s);

#endif
