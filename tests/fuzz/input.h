/* input.h - what fuzz targets share: an input that is taken byte by byte, and checks that end the process.
 *   SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Not an assert of the product's: what is said here must hold in every build. */
#define must(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

struct input {
    const uint8_t *data;
    size_t left;
};

/* The next byte; 0 when there is no more. */
static inline uint8_t take(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->data++;
}

static inline uint16_t take16(struct input *in)
{
    uint16_t low = take(in);

    return (uint16_t)(low | take(in) << 8);
}

/* A number of any size: near 0, near a power of two, near the largest. */
static inline uint64_t take_any(struct input *in)
{
    uint8_t how = take(in);
    uint64_t n = UINT64_C(1) << (how & 63);

    return how < 64 ? n : how < 128 ? n - 1 : how < 192 ? how - 128u : UINT64_MAX - (how - 192u);
}

#endif
