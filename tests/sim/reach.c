/* reach.c - see reach.h.   SPDX-License-Identifier: MIT */
#include "tests/sim/reach.h"

#include "runtime/reach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef RN_REACH

/* Made by the linker; weak, in case nothing is marked. */
extern struct rn__reach *const __start_rn_reach[] __attribute__((weak));
extern struct rn__reach *const __stop_rn_reach[] __attribute__((weak));

static unsigned long count(const struct rn__reach *r)
{
    return atomic_load((atomic_ulong *)&r->count);
}

static int by_count(const void *a, const void *b)
{
    const struct rn__reach *x = *(struct rn__reach *const *)a, *y = *(struct rn__reach *const *)b;
    unsigned long n = count(x), m = count(y);

    return n != m ? (n < m) - (n > m) : strcmp(x->phrase, y->phrase);
}

void reach_report(const char *program)
{
    size_t n = (size_t)(__stop_rn_reach - __start_rn_reach);
    struct rn__reach **sorted = calloc(n + 1, sizeof(struct rn__reach *));

    if (sorted == NULL)
        abort();
    memcpy(sorted, __start_rn_reach, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_count);
    printf("%s: %zu rare branches:\n", program, n);
    for (size_t i = 0; i < n; i++)
        printf("%12lu  %s\n", count(sorted[i]), sorted[i]->phrase);
    free(sorted);
}

#else

void reach_report(const char *program)
{
    printf("%s: this build does not count rare branches (it needs RUNNEL_TESTS=ON)\n", program);
}

#endif
