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

size_t reach_report(void)
{
    size_t n = (size_t)(__stop_rn_reach - __start_rn_reach), never = 0;
    struct rn__reach **sorted = calloc(n + 1, sizeof(struct rn__reach *));

    if (sorted == NULL)
        abort();
    memcpy(sorted, __start_rn_reach, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_count);
    printf("sim: %zu rare branches:\n", n);
    for (size_t i = 0; i < n; i++) {
        printf("%12lu  %s\n", count(sorted[i]), sorted[i]->phrase);
        never += count(sorted[i]) == 0;
    }
    free(sorted);
    return never;
}

#else

size_t reach_report(void)
{
    printf("sim: this build does not count rare branches (it needs RUNNEL_TESTS=ON)\n");
    return 0;
}

#endif
