/* row.h - a growing row of things.   SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_ROW_H
#define TESTS_CORE_ROW_H

#include "runtime/assert.h"

#include <stdlib.h>
#include <string.h>

#define ROW(type)      \
    struct {           \
        type *at;      \
        size_t n, cap; \
    }
#define row_add(row, ...)                                                       \
    ((row)->at = row_grow((row)->at, &(row)->cap, (row)->n, sizeof *(row)->at), \
     (row)->at[(row)->n++] = __VA_ARGS__)
#define row_shift(row) (memmove((row)->at, (row)->at + 1, --(row)->n * sizeof *(row)->at))

static inline void *row_grow(void *at, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap * 2 + 8;
    at = realloc(at, *cap * size);
    rn_assert(at != NULL);
    return at;
}

#endif
