/* stdatomic.h - the atomics of a build whose threads are virtual: each is a scheduling point.   SPDX-License-Identifier: MIT
 *
 * Found before the compiler's own in the build of the systematic scheduler test (see ../loom.h).  There everything runs on
 * one thread of the system, so that the words need not be atomic; what the orders mean is up to ../machine.c. */
#ifndef TESTS_LOOM_STDATOMIC_H
#define TESTS_LOOM_STDATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#define _Atomic

typedef enum memory_order {
    memory_order_relaxed,
    memory_order_consume,
    memory_order_acquire,
    memory_order_release,
    memory_order_acq_rel,
    memory_order_seq_cst
} memory_order;

typedef bool atomic_bool;
typedef int atomic_int;
typedef unsigned atomic_uint;
typedef long atomic_long;
typedef unsigned long atomic_ulong;
typedef long long atomic_llong;
typedef unsigned long long atomic_ullong;

enum loom_change { LOOM_SET, LOOM_ADD, LOOM_SUB, LOOM_AND, LOOM_OR, LOOM_XOR };

uint64_t loom_load(const volatile void *at, unsigned size, memory_order order, const char *where);
void loom_store(volatile void *at, unsigned size, uint64_t value, memory_order order,
                const char *where);
uint64_t loom_change(volatile void *at, unsigned size, enum loom_change change, uint64_t value,
                     memory_order order, const char *where);
bool loom_cas(volatile void *at, unsigned size, void *expected, uint64_t value,
              memory_order success, memory_order failure, const char *where);
void loom_fence(memory_order order, const char *where);
void loom_pause(void);

/* A word that is read as if it were no atomic: shrink.sed puts this there. */
uint64_t loom_glance(const volatile void *at, unsigned size);
#define LOOM_GLANCE(v) ((__typeof__(v))loom_glance(&(v), sizeof(v)))

/* What spins says so by this instruction. */
#define __builtin_ia32_pause() loom_pause()

#define LOOM_LINE_(line) #line
#define LOOM_LINE(line)  LOOM_LINE_(line)
#define LOOM_HERE        __FILE__ ":" LOOM_LINE(__LINE__)
#define LOOM_TYPE(at)    __typeof__(*(at))
#define LOOM_BITS(at, v) ((uint64_t)(LOOM_TYPE(at))(v))

#define LOOM_CHANGE(at, change, v, order)                                                 \
    ({                                                                                    \
        (LOOM_TYPE(at))                                                                   \
            loom_change((at), sizeof *(at), (change), (uint64_t)(v), (order), LOOM_HERE); \
    })

#define atomic_init(at, v) ((void)(*(at) = (v)))

#define atomic_load_explicit(at, order) \
    ((LOOM_TYPE(at))loom_load((at), sizeof *(at), (order), LOOM_HERE))
#define atomic_store_explicit(at, v, order) \
    loom_store((at), sizeof *(at), LOOM_BITS(at, v), (order), LOOM_HERE)
#define atomic_exchange_explicit(at, v, order)  LOOM_CHANGE(at, LOOM_SET, LOOM_BITS(at, v), order)
#define atomic_fetch_add_explicit(at, v, order) LOOM_CHANGE(at, LOOM_ADD, v, order)
#define atomic_fetch_sub_explicit(at, v, order) LOOM_CHANGE(at, LOOM_SUB, v, order)
#define atomic_fetch_and_explicit(at, v, order) LOOM_CHANGE(at, LOOM_AND, v, order)
#define atomic_fetch_or_explicit(at, v, order)  LOOM_CHANGE(at, LOOM_OR, v, order)
#define atomic_fetch_xor_explicit(at, v, order) LOOM_CHANGE(at, LOOM_XOR, v, order)
#define atomic_compare_exchange_strong_explicit(at, expected, v, success, failure) \
    loom_cas((at), sizeof *(at), (expected), LOOM_BITS(at, v), (success), (failure), LOOM_HERE)
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit

#define atomic_load(at)         atomic_load_explicit(at, memory_order_seq_cst)
#define atomic_store(at, v)     atomic_store_explicit(at, v, memory_order_seq_cst)
#define atomic_exchange(at, v)  atomic_exchange_explicit(at, v, memory_order_seq_cst)
#define atomic_fetch_add(at, v) atomic_fetch_add_explicit(at, v, memory_order_seq_cst)
#define atomic_fetch_sub(at, v) atomic_fetch_sub_explicit(at, v, memory_order_seq_cst)
#define atomic_fetch_and(at, v) atomic_fetch_and_explicit(at, v, memory_order_seq_cst)
#define atomic_fetch_or(at, v)  atomic_fetch_or_explicit(at, v, memory_order_seq_cst)
#define atomic_fetch_xor(at, v) atomic_fetch_xor_explicit(at, v, memory_order_seq_cst)
#define atomic_compare_exchange_strong(at, expected, v)                            \
    atomic_compare_exchange_strong_explicit(at, expected, v, memory_order_seq_cst, \
                                            memory_order_seq_cst)
#define atomic_compare_exchange_weak atomic_compare_exchange_strong
#define atomic_thread_fence(order)   loom_fence((order), LOOM_HERE)
#define atomic_signal_fence(order)   ((void)(order))

#endif
