/* spread.h - the median of a few runs, and how far they lie apart.   SPDX-License-Identifier: MIT */
#ifndef NODE_CTL_MEASURE_SPREAD_H
#define NODE_CTL_MEASURE_SPREAD_H

struct spread {
    double median, min, max;
};

/* Of n >= 1 values, which it leaves sorted; of an even number the median is the mean of the two in the middle. */
struct spread spread_of(double *values, int n);

#endif
