/* rand.c - see rand.h.   SPDX-License-Identifier: MIT */
#include "runtime/rand.h"

#include "runtime/assert.h"
#include "runtime/sched.h"
#include "runtime/sim.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* splitmix64 */
uint64_t rn__rand_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static __attribute__((noinline)) void system_entropy(void *out, size_t size)
{
    char *at = out;

    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);

        rn_assert(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
}

uint64_t rn__rand64(void)
{
    struct rn__worker *w = rn__worker();
    uint64_t n;

    if (rn__sim_active())
        return rn__sim_random();
    if (w != NULL)
        return rn__rand_next(&w->rng);
    system_entropy(&n, sizeof n);
    return n;
}

void rn__entropy(void *out, size_t size)
{
    char *at = out;

    if (!rn__sim_active()) {
        system_entropy(out, size);
        return;
    }
    while (size > 0) {
        uint64_t n = rn__sim_random();
        size_t part = size < sizeof n ? size : sizeof n;

        memcpy(at, &n, part);
        at += part;
        size -= part;
    }
}
