/* note.h - an event with one waiter, who may wait for a descriptor at the same time.   SPDX-License-Identifier: MIT
 *
 * What a service goroutine sits on: others set the note when there is something to do.  Setting it twice
 * before it was waited for is as setting it once. */
#ifndef RN__NOTE_H
#define RN__NOTE_H

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/rn.h"
#include "runtime/wait.h"

#define RN__NOTE_SET 1
#define RN__NOTE_FD  2

struct rn__note {
    _Atomic int set; /* 1: set and not taken */
    pthread_mutex_t lock;
    struct rn__wait *waiter; /* guarded by lock */
};

void rn__note_init(struct rn__note *n);

/* Nobody waits or sets any more. */
void rn__note_fini(struct rn__note *n);

/* What the caller wrote before is seen by the waiter after its wait.  Any thread; cheap when it is set already. */
void rn__note_set(struct rn__note *n);

/* Waits until the note is set or fd (-1: none) is ready for one of poll_events (POLLIN | POLLOUT): RN__NOTE_SET, which
 * also clears it, or RN__NOTE_FD, or both.  (What was ready may have been read by somebody else since.)  RN_ETIMEDOUT; -EBADF
 * and the like when fd cannot be waited for.  It may park and is not cancelled.  One caller at a time. */
int rn__note_wait(struct rn__note *n, int fd, int poll_events, rn_time deadline);

#endif
