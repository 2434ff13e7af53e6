/* inside.h - what tests of the runtime need inside goroutines.   SPDX-License-Identifier: MIT
 *
 * cmocka reports a failure by longjmp, which must not leave a goroutine: inside, check() ends the program with
 * the place and the goroutine's stack.  RN_TEST_WORKERS says with how many workers a test runs (2 by default). */
#ifndef TESTS_RUNTIME_INSIDE_H
#define TESTS_RUNTIME_INSIDE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/fiber.h" /* RN__TSAN */
#include "runtime/rn.h"

#define SIM_SEEDS 50

#ifdef RN__TSAN
#define SLOWER 10 /* so much less is done */
#else
#define SLOWER 1
#endif

#define check(cond)                                                   \
    do {                                                              \
        if (!(cond))                                                  \
            rn_panic("%s:%d: not so: %s", __FILE__, __LINE__, #cond); \
    } while (0)

#define check_equal(a, b)                                                                     \
    do {                                                                                      \
        long long a_ = (long long)(a), b_ = (long long)(b);                                   \
        if (a_ != b_)                                                                         \
            rn_panic("%s:%d: %s is %lld, not %s = %lld", __FILE__, __LINE__, #a, a_, #b, b_); \
    } while (0)

/* Lets others run until cond is so; on a plain thread too. */
#define wait_until(cond) \
    do {                 \
        while (!(cond))  \
            rn_yield();  \
    } while (0)

static inline int inside_workers(void)
{
    const char *n = getenv("RN_TEST_WORKERS");

    return n ? atoi(n) : 2;
}

/* Runs fn as the first goroutine; fails the test unless it returns 0. */
static inline void run_inside(int (*fn)(void *arg), void *arg)
{
    assert_int_equal(rn_main(inside_workers(), fn, arg), 0);
}

static inline void sim_with_seeds(int (*fn)(void *), void *arg)
{
    for (uint64_t seed = 0; seed < SIM_SEEDS; seed++)
        assert_int_equal(rn_sim(seed, fn, arg), 0); /* what fails prints the seed */
}

/* With 1, 2 and 8 workers, and what RN_TEST_WORKERS says; in simulations. */
static inline void run_everywhere(int (*fn)(void *), void *arg)
{
    static const int workers[] = { 1, 2, 8 };

    run_inside(fn, arg);
    for (int i = 0; i < RN_LEN(workers); i++)
        assert_int_equal(rn_main(workers[i], fn, arg), 0);
    sim_with_seeds(fn, arg);
}

#endif
