/* poll.h - file descriptors that goroutines wait for.   SPDX-License-Identifier: MIT
 *
 * Two halves: the scheduler's (rn__poll_*), which turns readiness of the kernel's into woken goroutines,
 * and the operator's (rn__fd_*), which puts one blocked operation into a descriptor's queue.  Who may be
 * woken is decided by the operation's claim word alone (wait.h): readiness, rn_fd_close, deadline and
 * cancellation may all try, one of them wins. */
#ifndef RN__POLL_H
#define RN__POLL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wait.h"

/* ---- the scheduler's half ---------------------------------------------- */

/* Opens the poller before the workers start: 0 or -errno. */
int rn__poll_init(void);

/* Closes it, after the last worker and the last plain thread have left: whoever still waits is forgotten. */
void rn__poll_fini(void);

/* Wakes whoever waits for what has become ready and returns how many that were.  Waits for the first one
 * up to timeout_ns; 0 only looks, < 0 waits for ever.  Called by one worker at a time. */
int rn__poll_wait(int64_t timeout_ns);

/* Makes a concurrent or the next rn__poll_wait return.  Any thread; cheap when that is under way already. */
void rn__poll_break(void);

/* ---- the operator's half ------------------------------------------------ */

struct rn__fd; /* all we know about one descriptor number */

/* One blocked operation in a descriptor's queue; lives on the operator's stack. */
struct rn__fd_wait {
    struct rn__fd *fd;
    struct rn__wait *wait; /* its claim decides */
    uint32_t outcome;      /* what the claim word is given when the descriptor is ready or closed */
    int events;            /* POLLIN | POLLOUT: any of these */
    int result; /* ready events or -EBADF; written by the winner of the claim, read after the park */
    bool queued; /* guarded by the descriptor's lock, as the links */
    struct rn__fd_wait *next, *prev;
};

/* Begins an operation on fd: until the matching leave its number is not given to another file, even if
 * rn_fd_close is called meanwhile.  0 and *out, -EBADF when fd is being closed or < 0, or -ENOMEM. */
int rn__fd_enter(int fd, struct rn__fd **out);
void rn__fd_leave(struct rn__fd *f);

/* Queues the operation w, which is going to wait for events: 0.  Results < 0 are -errno and nothing was queued; > 0 is
 * events, for files that the kernel cannot poll because they are always ready.  The descriptor was entered. */
int rn__fd_queue(struct rn__fd_wait *q, struct rn__fd *f, int events, struct rn__wait *w,
                 uint32_t outcome);

/* Takes it out again, woken by the descriptor or not.  After it nobody refers to q. */
void rn__fd_unqueue(struct rn__fd_wait *q);

/* Closes the descriptor: 0 or -errno; waiters get -EBADF.  The number is free again as soon as the last operation
 * that is under way on it has left. */
int rn__fd_close(int fd);

/* A read that got less than it asked for has left nothing: the next one waits at once instead of finding that out from the
 * kernel, which looks at the file anyway when it is armed; and looks once more if that wait comes to nothing.  So what is said
 * here costs time when it is wrong, nothing else. */
bool rn__fd_drained(const struct rn__fd *f);
void rn__fd_say_drained(struct rn__fd *f, bool drained);

/* How many operations wait for this number: a hint, true a moment ago. */
unsigned rn__fd_waiting(int fd);

#endif
