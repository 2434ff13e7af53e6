/* histogram.h - how long things took, with a relative error of a thousandth.   SPDX-License-Identifier: MIT
 *
 * The layout of an HDR histogram: values below 2,048 ns have a count each, and every doubling above has 1,024.  It is
 * plain memory of one size, without pointers, so it may lie in memory that processes share, and any number of them may
 * record at once.  Zeroed memory is an empty histogram. */
#ifndef NODE_CTL_MEASURE_HISTOGRAM_H
#define NODE_CTL_MEASURE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_MAX_NS ((INT64_C(1) << 42) - 1) /* 73 minutes; what took longer counts as that */
#define HISTOGRAM_COUNTS ((42 - 10 + 1) * 1024)

struct histogram {
    atomic_ullong total;
    atomic_ullong count[HISTOGRAM_COUNTS];
};

/* Anything below 0 counts as 0. */
void histogram_record(struct histogram *h, int64_t ns);

/* The same for one that does a thing every interval_ns and waits for its end before it begins the next: as long as it
 * waited it did not begin those that were due, and they would have taken the rest of the wait.  Without them the
 * histogram would leave out just what happened while it was slow (coordinated omission). */
void histogram_record_corrected(struct histogram *h, int64_t ns, int64_t interval_ns);

/* The least value that so many percent of the values do not exceed, rounded up by at most a thousandth; 0 if empty. */
int64_t histogram_percentile(const struct histogram *h, double percent);

#endif
