/* frames.h - where a goroutine is: the return addresses on its stack.   SPDX-License-Identifier: MIT */
#ifndef RN__FRAMES_H
#define RN__FRAMES_H

#include <stdint.h>

#include "runtime/print.h"

#define RN__FRAMES 24

struct rn__frames {
    unsigned n;
    const void *pc[RN__FRAMES];
};

/* Follows the frame pointers from fp, while they stay on the stack [lo, hi) and go up; pc, if not NULL, comes
 * first.  Nothing outside the stack is read.  Async-signal-safe. */
void rn__frames_walk(struct rn__frames *f, const void *pc, uintptr_t fp, uintptr_t lo,
                     uintptr_t hi);

/* Where a signal has interrupted its thread; the handler's third argument. */
struct rn__where {
    const void *pc;
    uintptr_t fp, sp;
    const void *link; /* the register in which calls leave the return address; NULL: none */
};
struct rn__where rn__frames_where(const void *ucontext);

/* One line for each. */
void rn__frames_print(const struct rn__frames *f, struct rn__print *p);

#endif
