/* counting.h - how often processes take memory, and how many frames they move.   SPDX-License-Identifier: MIT
 *
 * counting.c is preloaded (LD_PRELOAD) into programs as they are, and stands before the allocator and ZeroMQ. */
#ifndef TESTS_E2E_PRELOAD_COUNTING_H
#define TESTS_E2E_PRELOAD_COUNTING_H

#include <stdatomic.h>

#define COUNTING_FILE "COUNTING_FILE" /* in the environment: an array of struct counting, ... */
#define COUNTING_SLOT "COUNTING_SLOT" /* ... and which of them is that of the process */

struct counting {
    _Alignas(64) atomic_ullong allocations; /* calls that give memory; realloc, too */
    atomic_ullong frames; /* ZeroMQ messages sent and received, whatever parts they have */
};

#endif
