/* assert.h - asserts of our own invariants, kept in release builds.   SPDX-License-Identifier: MIT */
#ifndef RN__ASSERT_H
#define RN__ASSERT_H

/* Prints what was expected, where, and the goroutine's stack; aborts. */
void rn__assert_failed(const char *file, int line, const char *condition)
    __attribute__((noreturn, cold));

#define rn_assert(condition)                                   \
    do {                                                       \
        if (__builtin_expect(!(condition), 0))                 \
            rn__assert_failed(__FILE__, __LINE__, #condition); \
    } while (0)

/* For checks that walk: only in test builds. */
#ifdef RN_SLOW_CHECKS
#define rn_assert_slow(condition) rn_assert(condition)
#else
#define rn_assert_slow(condition) ((void)0)
#endif

#endif
