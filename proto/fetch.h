/* fetch.h - memory that will be needed soon is asked for.   SPDX-License-Identifier: MIT */
#ifndef PROTO_FETCH_H
#define PROTO_FETCH_H

#include <stddef.h>
#include <stdint.h>

/* The lines of 64 bytes of `size` bytes at p, which may be NULL, or gone: no address is looked at, nor counted on from one that is
 * none. */
static inline void fetch_lines(const void *p, size_t size)
{
    for (size_t at = 0; at < size; at += 64)
        __builtin_prefetch((const void *)((uintptr_t)p + at));
}

#endif
