/* random.h - reproducible choices for tests.   SPDX-License-Identifier: MIT
 *
 * A test that fails prints the seed of its round; RN_SEED=that runs the one round again. */
#ifndef TESTS_PROTO_RANDOM_H
#define TESTS_PROTO_RANDOM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state;
static uint64_t random_round; /* the seed of this round */

/* splitmix64 */
static inline uint64_t random_next(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 .. n - 1 */
static inline uint64_t random_below(uint64_t n)
{
    return random_next() % n;
}

static inline bool random_chance(unsigned percent)
{
    return random_below(100) < percent;
}

/* A number of any magnitude: as often small as large. */
static inline uint64_t random_number(void)
{
    return random_next() >> random_below(64);
}

/* Says which round it was when the process is ended by a failure. */
static inline void random_report(void)
{
    if (random_round != 0)
        fprintf(stderr, "replay this round with RN_SEED=%llu\n", (unsigned long long)random_round);
}

/* for (random_begin(n); random_more(); ) { one round } */
static uint64_t random_rounds_left;

static inline void random_begin(uint64_t rounds)
{
    static bool registered;
    const char *seed = getenv("RN_SEED");

    random_report(); /* of a test before this one, which has failed */
    if (!registered)
        atexit(random_report);
    registered = true;
    random_rounds_left = seed == NULL ? rounds : 1;
    random_round = seed == NULL ? 0 : strtoull(seed, NULL, 0) - 1;
}

static inline bool random_more(void)
{
    if (random_rounds_left-- == 0) {
        random_round = 0;
        return false;
    }
    random_state = ++random_round * UINT64_C(0x2545f4914f6cdd1d);
    return true;
}

#endif
