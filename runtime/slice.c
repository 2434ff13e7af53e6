/* slice.c - see slice.h.   SPDX-License-Identifier: MIT */
#include "runtime/slice.h"

#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000 /* the least that Linux knows */

/* The first version of the kernel's struct sched_attr, for which glibc has no name before 2.41. */
struct attr {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime; /* of an ordinary thread: its slice */
    uint64_t deadline;
    uint64_t period;
};

static bool attr_get(struct attr *a)
{
    return syscall(SYS_sched_getattr, 0, a, sizeof *a, 0) == 0;
}

/* Before Linux 6.12 it is not heeded. */
static bool attr_set(struct attr *a, uint64_t slice_ns)
{
    a->size = sizeof *a;
    a->runtime = slice_ns;
    return syscall(SYS_sched_setattr, 0, a, 0) == 0;
}

uint64_t rn__slice_shorten(void)
{
    struct attr a = { 0 };

    /* Who has real-time or batch scheduling knows why; who has said a slice of its own, too, but we cannot see that. */
    if (!attr_get(&a) || a.policy != SCHED_OTHER || a.runtime <= SLICE_NS)
        return 0;
    uint64_t was = a.runtime;
    return attr_set(&a, SLICE_NS) ? was : 0;
}

void rn__slice_restore(uint64_t was)
{
    struct attr a = { 0 };

    if (was != 0 && attr_get(&a))
        (void)attr_set(&a, was);
}
