/* histogram.c - see histogram.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/histogram.h"

#include <math.h>

#define HALF_BITS 10
#define HALF      (1 << HALF_BITS) /* counts of one doubling */

/* The count of a value: itself below 2 * HALF, else the HALF counts of its doubling follow those before. */
static unsigned index_of(uint64_t value)
{
    if (value < 2 * HALF)
        return (unsigned)value;
    unsigned shift = (unsigned)(63 - __builtin_clzll(value)) - HALF_BITS;
    return shift * HALF + (unsigned)(value >> shift);
}

/* The largest value that has this count. */
static int64_t value_of(unsigned index)
{
    if (index < 2 * HALF)
        return index;
    unsigned shift = index / HALF - 1;
    return (int64_t)(((uint64_t)(index - shift * HALF) + 1) << shift) - 1;
}

void histogram_record(struct histogram *h, int64_t ns)
{
    int64_t value = ns < 0 ? 0 : ns > HISTOGRAM_MAX_NS ? HISTOGRAM_MAX_NS : ns;

    /* Relaxed: they are read when all that record have ended. */
    atomic_fetch_add_explicit(&h->count[index_of((uint64_t)value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->total, 1, memory_order_relaxed);
}

void histogram_record_corrected(struct histogram *h, int64_t ns, int64_t interval_ns)
{
    histogram_record(h, ns);
    if (interval_ns <= 0)
        return;
    for (int64_t missed = ns - interval_ns; missed >= interval_ns; missed -= interval_ns)
        histogram_record(h, missed);
}

int64_t histogram_percentile(const struct histogram *h, double percent)
{
    double total = (double)atomic_load(&h->total);
    uint64_t rank = (uint64_t)ceil(total * percent / 100), seen = 0;

    if (total < 1)
        return 0;
    rank = rank < 1 ? 1 : rank;
    for (unsigned i = 0; i < HISTOGRAM_COUNTS; i++) {
        seen += atomic_load_explicit(&h->count[i], memory_order_relaxed);
        if (seen >= rank)
            return value_of(i);
    }
    return HISTOGRAM_MAX_NS;
}
