/* histogram.h - how often which length of time: four buckets to each doubling.   SPDX-License-Identifier: MIT
 *
 * So a bucket is at most a quarter wider than where it begins, from nanoseconds to seconds.  One writer; others may read it
 * meanwhile. */
#ifndef RN__HISTOGRAM_H
#define RN__HISTOGRAM_H

#include "runtime/rn.h"

#include <stdatomic.h>

struct rn__histogram {
    _Atomic uint64_t count[RN_LATENCIES]; /* relaxed: a statistic */
};

/* The bucket of ns; what is too long for all is in the last. */
unsigned rn__histogram_bucket(int64_t ns);
/* The least that is in bucket i; INT64_MAX for the one behind the last. */
int64_t rn__histogram_from(unsigned i);

void rn__histogram_add(struct rn__histogram *h, int64_t ns, uint64_t times);
/* Adds it to sum, which has RN_LATENCIES buckets. */
void rn__histogram_sum(const struct rn__histogram *h, uint64_t *sum);
/* So long, or shorter, are `part` (0 to 1) of those in it; 0: it is empty. */
int64_t rn__histogram_part(const uint64_t *count, double part);

#endif
