/* race.h - telling a race detector what comes before what; nothing without it.   SPDX-License-Identifier: MIT
 *
 * In the preset `race` (RN_RACE) programs are instrumented by TSan and the runtime is not, as Go's: what it does with queues,
 * records and stacks would order goroutines that nothing orders for the user.  Switching orders nothing either.  So what does
 * is said here, and nowhere else:
 *
 *  - go: what came before the statement comes before the goroutine's first step (a fiber of TSan's does that by itself);
 *  - a channel's element passes through its place in the buffer, which sender and receiver acquire and release in turn;
 *    without a buffer both acquire from one another; a close is released by who closes, acquired by who sees it;
 *  - locks, groups, timers: at the user's object;
 *  - whoever wakes a wait releases there, who has waited acquires.
 *
 * Libc's functions are intercepted wherever they are called.  So a worker that looks for work, fires timers or polls does
 * that as the fiber of its thread, which is *blind*: nothing it does counts.  So is a goroutine between rn__race_hide() and
 * rn__race_show(). */
#ifndef RN__RACE_H
#define RN__RACE_H

#include "runtime/fiber.h"

#include <stdint.h>

#ifdef RN_RACE

/* What TSan exports beside its headers. */
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
void AnnotateIgnoreSyncBegin(const char *file, int line);
void AnnotateIgnoreSyncEnd(const char *file, int line);
void __tsan_read_range(void *addr, unsigned long size);
void __tsan_write_range(void *addr, unsigned long size);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_java_alloc(uintptr_t addr, uintptr_t size);
void __tsan_java_free(uintptr_t addr, uintptr_t size);

#define RN__RACE 1

static inline void rn__race_acquire(const volatile void *addr)
{
    __tsan_acquire((void *)addr);
}

static inline void rn__race_release(const volatile void *addr)
{
    __tsan_release((void *)addr);
}

/* The caller reads, or writes, what is the user's. */
static inline void rn__race_reads(const void *addr, size_t size)
{
    if (addr != NULL && size > 0)
        __tsan_read_range((void *)addr, size);
}

static inline void rn__race_writes(void *addr, size_t size)
{
    if (addr != NULL && size > 0)
        __tsan_write_range(addr, size);
}

/* Around a function of the contract, so that a report names the line that calls it. */
#define rn__race_call()   __tsan_func_entry(__builtin_return_address(0))
#define rn__race_return() __tsan_func_exit()

/* Nests.  `hide` and `show` are in balance when a fiber ends. */
static inline void rn__race_hide(void)
{
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__); /* reads too */
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
}

static inline void rn__race_show(void)
{
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}

/* Acts as another fiber, which does not run anywhere; gives the one to come back to. */
static inline void *rn__race_as(void *fiber)
{
    void *self = __tsan_get_current_fiber();

    if (fiber != self)
        rn__tsan_switch(fiber);
    return self;
}

#define rn__race_fiber_new()       __tsan_create_fiber(0)
#define rn__race_fiber_free(fiber) __tsan_destroy_fiber(fiber)

/* Memory that has had another life: what was done with it then is forgotten. */
static inline void rn__race_memory_new(const void *addr, size_t size)
{
    __tsan_java_alloc((uintptr_t)addr, size);
}

static inline void rn__race_memory_old(const void *addr, size_t size)
{
    __tsan_java_free((uintptr_t)addr, size);
}

#else

#define RN__RACE                        0
#define rn__race_acquire(addr)          ((void)(addr))
#define rn__race_release(addr)          ((void)(addr))
#define rn__race_reads(addr, size)      ((void)(addr), (void)(size))
#define rn__race_writes(addr, size)     ((void)(addr), (void)(size))
#define rn__race_call()                 ((void)0)
#define rn__race_return()               ((void)0)
#define rn__race_hide()                 ((void)0)
#define rn__race_show()                 ((void)0)
#define rn__race_as(fiber)              ((void)(fiber), (void *)NULL)
#define rn__race_fiber_new()            NULL
#define rn__race_fiber_free(fiber)      ((void)(fiber))
#define rn__race_memory_new(addr, size) ((void)(addr), (void)(size))
#define rn__race_memory_old(addr, size) ((void)(addr), (void)(size))

#endif

#endif
