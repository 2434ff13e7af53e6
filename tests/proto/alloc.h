/* alloc.h - malloc under observation: fails when told to, and remembers the largest request.
 *   SPDX-License-Identifier: MIT
 *
 * Included by one file of a test program; it replaces malloc, calloc and realloc of the whole process.  Where that
 * cannot be (thread sanitizer) ALLOC_HOOKED is 0 and the tests that need it say that they were skipped. */
#ifndef TESTS_PROTO_ALLOC_H
#define TESTS_PROTO_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ALLOC_ASAN 1
#endif
#if __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ALLOC_HOOKED 0
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ALLOC_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define ALLOC_HOOKED 0
#endif
#ifndef ALLOC_HOOKED
#define ALLOC_HOOKED 1
#endif

/* Where it is not hooked, a test may use none of them. */
#define ALLOC_UNUSED __attribute__((unused))
static ALLOC_UNUSED long alloc_fail_in =
    -1;                                   /* so many requests succeed, then one fails; < 0: none */
static ALLOC_UNUSED size_t alloc_largest; /* bytes of the largest request */
static ALLOC_UNUSED size_t alloc_total;   /* bytes of all requests */

#if ALLOC_HOOKED
#ifdef ALLOC_ASAN
#define ALLOC_REAL(f) __interceptor_##f
#else
#define ALLOC_REAL(f) __libc_##f
#endif

extern void *ALLOC_REAL(malloc)(size_t size);
extern void *ALLOC_REAL(calloc)(size_t n, size_t size);
extern void *ALLOC_REAL(realloc)(void *p, size_t size);
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);

static int alloc_refuses(size_t size)
{
    if (size > alloc_largest)
        alloc_largest = size;
    alloc_total += size;
    if (alloc_fail_in < 0)
        return 0;
    return alloc_fail_in-- == 0;
}

void *malloc(size_t size)
{
    return alloc_refuses(size) ? NULL : ALLOC_REAL(malloc)(size);
}

void *calloc(size_t n, size_t size)
{
    return alloc_refuses(n * size) ? NULL : ALLOC_REAL(calloc)(n, size);
}

void *realloc(void *p, size_t size)
{
    return alloc_refuses(size) ? NULL : ALLOC_REAL(realloc)(p, size);
}
#endif

#endif
