/* histogram.c - see histogram.h.   SPDX-License-Identifier: MIT
 *
 * Bucket 0 to 3 are 0 to 3 ns; from there on the bits behind the highest one choose among the four of a doubling. */
#include "runtime/histogram.h"

unsigned rn__histogram_bucket(int64_t ns)
{
    unsigned doubling, i;

    if (ns < 4)
        return ns > 0 ? (unsigned)ns : 0;
    doubling = 63u - (unsigned)__builtin_clzll((unsigned long long)ns);
    i = (doubling - 1) * 4 + (unsigned)(ns >> (doubling - 2) & 3);
    return i < RN_LATENCIES ? i : RN_LATENCIES - 1;
}

int64_t rn__histogram_from(unsigned i)
{
    if (i < 4)
        return i;
    return i < RN_LATENCIES ? (INT64_C(4) + i % 4) << (i / 4 - 1) : INT64_MAX;
}

void rn__histogram_add(struct rn__histogram *h, int64_t ns, uint64_t times)
{
    _Atomic uint64_t *count = &h->count[rn__histogram_bucket(ns)];

    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + times,
                          memory_order_relaxed);
}

void rn__histogram_sum(const struct rn__histogram *h, uint64_t *sum)
{
    for (unsigned i = 0; i < RN_LATENCIES; i++)
        sum[i] += atomic_load_explicit(&h->count[i], memory_order_relaxed);
}

int64_t rn__histogram_part(const uint64_t *count, double part)
{
    uint64_t all = 0, seen = 0;
    unsigned i;

    for (i = 0; i < RN_LATENCIES; i++)
        all += count[i];
    if (all == 0)
        return 0;
    for (i = 0; i < RN_LATENCIES - 1; i++) {
        seen += count[i];
        if (seen > 0 && (double)seen >= part * (double)all)
            break;
    }
    return rn__histogram_from(i + 1);
}
