/* ctx.c - the first frame of a stack, laid out as rn__ctx_switch() expects it.   SPDX-License-Identifier: MIT */
#include "runtime/ctx.h"

#include "runtime/assert.h"

#include <stdint.h>
#include <string.h>

void rn__ctx_entry(void);

#if defined(__x86_64__)
/* From the stack pointer up: control words, r15, r14, r13, r12, rbx, rbp, return address. */
struct frame {
    uint32_t mxcsr;
    uint16_t x87, unused;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    void (*ret)(void);
};

static void frame_init(struct frame *f, void (*entry)(void *arg), void *arg)
{
    __asm__ volatile("stmxcsr %0" : "=m"(f->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(f->x87));
    f->rbx = (uint64_t)(uintptr_t)entry;
    f->r12 = (uint64_t)(uintptr_t)arg;
    f->ret = rn__ctx_entry;
}
#elif defined(__aarch64__)
struct frame {
    uint64_t x29;
    void (*x30)(void);
    uint64_t x19, x20, x21_28[8];
    uint64_t d8_15[8];
    uint64_t fpcr, unused;
};
_Static_assert(sizeof(struct frame) == 176 && offsetof(struct frame, d8_15) == 96,
               "as ctx_aarch64.S has it");

static void frame_init(struct frame *f, void (*entry)(void *arg), void *arg)
{
    __asm__ volatile("mrs %0, fpcr" : "=r"(f->fpcr));
    f->x19 = (uint64_t)(uintptr_t)entry;
    f->x20 = (uint64_t)(uintptr_t)arg;
    f->x30 = rn__ctx_entry;
}
#else
#error "no context switch for this architecture"
#endif

void rn__ctx_init(struct rn__ctx *c, void *stack_top, void (*entry)(void *arg), void *arg)
{
    struct frame *f;

    rn_assert(((uintptr_t)stack_top & 15) == 0);
    /* At the first instruction of rn__ctx_entry the stack pointer is stack_top: aligned for its call. */
    f = (struct frame *)stack_top - 1;
    memset(f, 0, sizeof *f);
    frame_init(f, entry, arg);
    c->sp = f;
}
