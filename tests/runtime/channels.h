/* channels.h - what the tests of channels share.   SPDX-License-Identifier: MIT */
#ifndef TESTS_RUNTIME_CHANNELS_H
#define TESTS_RUNTIME_CHANNELS_H

#include "runtime/chan.h"
#include "tests/runtime/inside.h"

/* How many operations of that kind wait in c: of those whose goroutines sleep there or are about to. */
static inline size_t waiting(rn_chan *c, enum rn_op kind)
{
    size_t n;

    rn__chan_lock(c);
    n = rn__chan_waiting(c, kind);
    rn__chan_unlock(c);
    return n;
}

static inline void await_waiting(rn_chan *c, enum rn_op kind, size_t n)
{
    wait_until(waiting(c, kind) == n);
}

#endif
