/* frames.c - where a goroutine is: the return addresses on its stack.   SPDX-License-Identifier: MIT
 *
 * Everything is compiled with frame pointers; what a library compiled without them does is skip a few callers, or end the
 * walk.  A word that looks like a frame is at worst a wrong line in a report. */
#include "runtime/frames.h"

#include <stdbool.h>
#include <ucontext.h>

#include "runtime/symbol.h"

/* ARM compilers may sign return addresses (-mbranch-protection), which sets their upper bits. */
static const void *unsigned_address(uintptr_t pc)
{
#if defined(__aarch64__)
    register uintptr_t lr __asm__("x30") = pc;

    __asm__("hint #7" : "+r"(lr)); /* xpaclri; nothing on processors that do not sign */
    pc = lr;
#endif
    return (const void *)pc;
}

/* The stack may belong to a goroutine that runs meanwhile, and contains what ASan has fenced off: both is known here. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static bool frame_read(
    uintptr_t fp, uintptr_t lo, uintptr_t hi, uintptr_t *next, const void **pc)
{
    const uintptr_t *frame = (const uintptr_t *)fp;

    if (fp % sizeof *frame != 0 || fp < lo || hi - lo < 2 * sizeof *frame ||
        fp > hi - 2 * sizeof *frame)
        return false;
    *next = ((const volatile uintptr_t *)frame)[0];
    *pc = unsigned_address(((const volatile uintptr_t *)frame)[1]);
    return *pc != NULL;
}

void rn__frames_walk(struct rn__frames *f, const void *pc, uintptr_t fp, uintptr_t lo, uintptr_t hi)
{
    uintptr_t next = 0;

    f->n = 0;
    if (pc)
        f->pc[f->n++] = pc;
    while (f->n < RN__FRAMES && frame_read(fp, lo, hi, &next, &f->pc[f->n])) {
        f->n++;
        if (next <= fp)
            break;
        fp = next;
    }
}

struct rn__where rn__frames_where(const void *ucontext)
{
    const ucontext_t *context = ucontext;
#if defined(__x86_64__)
    const greg_t *r = context->uc_mcontext.gregs;

    return (struct rn__where){ (const void *)r[REG_RIP], (uintptr_t)r[REG_RBP],
                               (uintptr_t)r[REG_RSP], NULL };
#elif defined(__aarch64__)
    const mcontext_t *m = &context->uc_mcontext;

    return (struct rn__where){ (const void *)m->pc, m->regs[29], m->sp,
                               unsigned_address(m->regs[30]) };
#else
    (void)context;
    return (struct rn__where){ NULL, 0, 0, NULL };
#endif
}

void rn__frames_print(const struct rn__frames *f, struct rn__print *p)
{
    char name[160];

    for (unsigned i = 0; i < f->n; i++) {
        /* A return address may be the first one of the next function, when the call never returns. */
        rn__symbol_name((const char *)f->pc[i] - 1, name, sizeof name);
        rn__print_text(p, "    ");
        rn__print_text(p, name);
        rn__print_text(p, "\n");
    }
    if (f->n == RN__FRAMES)
        rn__print_text(p, "    ...\n");
}
