/* fiber.h - telling the sanitizers which stack we are on; nothing without them.   SPDX-License-Identifier: MIT */
#ifndef RN__FIBER_H
#define RN__FIBER_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define RN__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RN__ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__) || defined(RN_RACE)
#define RN__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RN__TSAN 1
#endif
#endif

#ifdef RN__ASAN
#include <sanitizer/common_interface_defs.h>
#define rn__asan_leave(save, low, size)  __sanitizer_start_switch_fiber((save), (low), (size))
#define rn__asan_arrive(fake, low, size) __sanitizer_finish_switch_fiber((fake), (low), (size))
#else
#define rn__asan_leave(save, low, size)  ((void)(save), (void)(low), (void)(size))
#define rn__asan_arrive(fake, low, size) ((void)(fake), (void)(low), (void)(size))
#endif

/* Instrumented, the runtime needs that one goroutine after another on a worker is in order.  See race.h. */
#ifdef RN_RACE
#define RN__SWITCH_ORDERS __tsan_switch_to_fiber_no_sync
#else
#define RN__SWITCH_ORDERS 0
#endif

#ifdef RN__TSAN
#include <sanitizer/tsan_interface.h>
#define rn__tsan_new()         __tsan_create_fiber(0)
#define rn__tsan_self()        __tsan_get_current_fiber()
#define rn__tsan_free(fiber)   __tsan_destroy_fiber(fiber)
#define rn__tsan_switch(fiber) __tsan_switch_to_fiber((fiber), RN__SWITCH_ORDERS)
#define rn__tsan_acquire(addr) __tsan_acquire(addr)
#define rn__tsan_release(addr) __tsan_release(addr)
#define RN__SWITCHES           static __attribute__((no_sanitize("thread"), noinline))
#else
#define rn__tsan_new()         NULL
#define rn__tsan_self()        NULL
#define rn__tsan_free(fiber)   ((void)(fiber))
#define rn__tsan_switch(fiber) ((void)(fiber))
#define rn__tsan_acquire(addr) ((void)(addr))
#define rn__tsan_release(addr) ((void)(addr))
#define RN__SWITCHES           static inline
#endif

#endif
