/* fault.c - a stack overflow is said by name.   SPDX-License-Identifier: MIT
 *
 * A goroutine that overflows its stack touches the guard below it, or spoils the pattern that it has instead (guard.h).  The
 * handler runs on an alternate stack of its worker's, since there is no other left.  A fault anywhere else is somebody else's: it
 * goes to whoever handled it before us, as if we were not here. */
#include "runtime/dump.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/frames.h"
#include "runtime/print.h"
#include "runtime/region.h"
#include "runtime/sched.h"
#include "runtime/trace.h"

#define ALTERNATE_STACK \
    (128 * 1024) /* of address space; the symbol lookup and a sanitizer need some of it */

static struct sigaction before_segv, before_bus; /* written by init, when nothing else runs */

static _Thread_local struct {
    bool ours;
    stack_t before;
    void *stack;
} alternate; /* only used by the thread that it belongs to, which does not park meanwhile */

/* It touched its guard; or it has none, and went through its neighbours to where their region ends. */
static bool is_overflow(const struct rn__g *g, const siginfo_t *info, const ucontext_t *context)
{
    uintptr_t low, sp = rn__frames_where(context).sp, address = (uintptr_t)info->si_addr;

    if (!g)
        return false;
    low = (uintptr_t)g->stack->low;
    if (address < low && address >= low - rn__page_size())
        return true;
    return g->canary && sp < low && sp >= (uintptr_t)rn__region_base(g->stack);
}

static void report(const struct rn__g *g, struct rn__where at)
{
    uintptr_t low = (uintptr_t)g->stack->low, high = low + g->stack->size;
    struct rn__frames frames;
    struct rn__print p;

    rn__frames_walk(&frames, at.pc, at.fp, at.fp < low && g->canary ? at.fp : low, high);
    rn__print_init(&p, STDERR_FILENO);
    rn__print_text(&p, "fatal error: goroutine ");
    if (g->name[0])
        rn__print_text(&p, g->name);
    else
        rn__print_number(&p, (int64_t)g->id);
    rn__print_text(&p, " overflowed its ");
    rn__print_number(&p, (int64_t)((g->stack->size + 1023) / 1024));
    rn__print_text(&p, " KiB stack\n");
    rn__frames_print(&frames, &p);
    rn__print_flush(&p);
}

/* Calls the handler that was there before, or lets the fault happen again under the default action. */
static void pass_on(int signo, siginfo_t *info, void *context)
{
    const struct sigaction *before = signo == SIGSEGV ? &before_segv : &before_bus;

    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(signo, info, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(signo);
    else {
        signal(signo, SIG_DFL);
        if (info->si_code <= 0)
            raise(signo); /* somebody sent it: nothing would happen again by itself */
    }
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    const struct rn__g *g = rn__self();

    if (info->si_code > 0 && is_overflow(g, info, context)) {
        report(g, rn__frames_where(context));
        rn__trace_write(/* calm= */ false);
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    pass_on(signo, info, context);
}

void rn__fault_canary(const struct rn__g *g)
{
    void *here = __builtin_frame_address(0);

    if (!rn__stack_overflowed(g->stack, here))
        return;
    report(g, (struct rn__where){ .fp = (uintptr_t)here });
    abort();
}

int rn__fault_init(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, &before_segv) < 0 ||
        sigaction(SIGBUS, &action, &before_bus) < 0)
        return -errno;
    return 0;
}

void rn__fault_fini(void)
{
    sigaction(SIGSEGV, &before_segv, NULL);
    sigaction(SIGBUS, &before_bus, NULL);
}

int rn__fault_thread_init(void)
{
    stack_t mine = { .ss_size = ALTERNATE_STACK };

    mine.ss_sp = mmap(NULL, ALTERNATE_STACK, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (mine.ss_sp == MAP_FAILED)
        return -ENOMEM;
    if (sigaltstack(&mine, &alternate.before) < 0) {
        munmap(mine.ss_sp, ALTERNATE_STACK);
        return -errno;
    }
    alternate.stack = mine.ss_sp;
    alternate.ours = true;
    return 0;
}

void rn__fault_thread_fini(void)
{
    if (!alternate.ours)
        return;
    sigaltstack(&alternate.before, NULL);
    munmap(alternate.stack, ALTERNATE_STACK);
    alternate.ours = false;
}
