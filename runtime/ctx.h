/* ctx.h - the machine's part of a goroutine: a stack pointer, with everything else saved on the stack.
 *   SPDX-License-Identifier: MIT */
#ifndef RN__CTX_H
#define RN__CTX_H

#include <stddef.h>

struct rn__ctx {
    void *sp;
};

/* Saves the callee-saved registers and the floating-point control words, stores the stack pointer in from->sp and goes
 * on where `to` was saved. */
void rn__ctx_switch(struct rn__ctx *from, const struct rn__ctx *to);

/* Prepares a stack whose first switch calls entry(arg) with the alignment that the ABI asks for; entry never returns. */
void rn__ctx_init(struct rn__ctx *c, void *stack_top, void (*entry)(void *arg), void *arg);

#endif
