/* tls.h - which worker this thread is.   SPDX-License-Identifier: MIT */
#ifndef RN__TLS_H
#define RN__TLS_H

struct rn__worker;

/* NULL on a plain thread.  Never keep it across a call that may park. */
#if defined(__x86_64__) && defined(__LP64__)
extern __thread struct rn__worker *rn__worker_here __attribute__((visibility("hidden")));

/* The compiler does not see that a thread-local variable is read, so it cannot keep its address. */
static inline struct rn__worker *rn__worker(void)
{
    struct rn__worker *w;

    __asm__ volatile("movq rn__worker_here@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(w)
                     :
                     : "memory");
    return w;
}
#else
struct rn__worker *rn__worker(void);
#endif
void rn__worker_set(struct rn__worker *w);

/* Of a plain thread: how deep it is between rn__outside_enter and leave.  Threads do not park, so it may be kept. */
unsigned *rn__visits(void);

#endif
