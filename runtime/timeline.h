/* timeline.h - the records of a trace, made into a file for Perfetto or chrome://tracing.   SPDX-License-Identifier: MIT
 *
 * The file is JSON in Chrome's trace event format.  A track for each goroutine has a slice for each time that it ran, was
 * runnable or waited (called by the reason); a track for each worker has what it ran.  Arrows go from who woke or started a
 * goroutine to where that goes on, and from where an element was put into a buffer to where it was taken: each has both its
 * ends, or is left out because one end is too old to be there. */
#ifndef RN__TIMELINE_H
#define RN__TIMELINE_H

#include "runtime/trace.h"

struct rn__ring {
    const struct rn__record *at; /* the oldest first */
    size_t n;
};

struct rn__timeline {
    const struct rn__ring *rings; /* of each worker, then of the plain threads */
    unsigned n_rings;
    int64_t begin_ns, end_ns;
    uint64_t dropped; /* records that are not there any more */
    bool names;       /* those of living goroutines may be looked up */
    bool addresses;   /* may be shown: of what is waited for */
};

/* Writes it to fd: 0, -ENOMEM, or what write(2) said.  Takes no memory from the heap. */
int rn__timeline_write(const struct rn__timeline *t, int fd);

#endif
