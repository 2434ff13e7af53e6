/* tls.c - which worker this thread is: the thread-local variables of the scheduler.   SPDX-License-Identifier: MIT
 *
 * A goroutine may go on on another thread after a park, but compilers keep the address of a thread-local variable
 * across calls.  So it is read only here, in functions that are not inlined and that the compiler takes for impure; or by
 * instructions that the compiler does not look into (tls.h). */
#include "runtime/tls.h"

#if defined(__x86_64__) && defined(__LP64__)
__thread struct rn__worker *rn__worker_here;
#else
static __thread struct rn__worker *rn__worker_here;

__attribute__((noinline)) struct rn__worker *rn__worker(void)
{
    __asm__ volatile("" ::: "memory");
    return rn__worker_here;
}
#endif

static __thread unsigned visits;

__attribute__((noinline)) void rn__worker_set(struct rn__worker *w)
{
    __asm__ volatile("" ::: "memory");
    rn__worker_here = w;
}

__attribute__((noinline)) unsigned *rn__visits(void)
{
    __asm__ volatile("" ::: "memory");
    return &visits;
}
