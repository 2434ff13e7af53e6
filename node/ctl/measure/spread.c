/* spread.c - see spread.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/spread.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct spread spread_of(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare);
    return (struct spread){
        .median = (values[(n - 1) / 2] + values[n / 2]) / 2,
        .min = values[0],
        .max = values[n - 1],
    };
}
