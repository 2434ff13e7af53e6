/* g.h - the record of a goroutine.   SPDX-License-Identifier: MIT
 *
 * It lies at the high end of its stack.  Whoever runs it owns it; what others may read says so. */
#ifndef RN__G_H
#define RN__G_H

#include "runtime/ctx.h"
#include "runtime/lock.h"
#include "runtime/wait.h"

#define RN__NAME_MAX 32 /* bytes of a goroutine's name, with its zero */

struct rn_group;
struct rn__heirloom;
struct rn__stack;

enum rn__g_state { RN__G_RUNNABLE, RN__G_RUNNING, RN__G_WAITING };

/* In the order of the CPU's cache lines: what everyone needs who begins, runs and ends; what those need who wait; the rest. */
struct rn__g {
    struct rn__ctx ctx;        /* valid while it does not run */
    struct rn__g *queue_next;  /* in the queue that holds it */
    struct rn__g *queue_ahead; /* who was behind it there, or NULL: only to be fetched */
    _Atomic uint32_t
        token; /* 0; 1: woken before it parked; 2: parked.  See rn__park() in sched.c */
    _Atomic uint32_t state; /* enum rn__g_state; for the dump, relaxed */
    rn_time ready_ns;       /* of a sample: since when it is runnable; else 0.  Handed on with it */
    struct rn__stack *stack;
    struct rn_group *group;        /* NULL: the root group.  Set at birth */
    const _Atomic bool *cancelled; /* the flag of its group, or of the root; set at birth */

    rn_fn *fn;
    void *arg;
    int shield;            /* depth of rn_shield; its own */
    bool system;           /* a service: not in groups, not in the rule of deadlocks */
    bool canary;           /* its stack has no guard page */
    uint16_t ready_weight; /* how many it stands for as a sample; handed on with it */

    uint64_t id;
    struct rn__wait *waiting;      /* what it is parked in, or NULL; its own */
    struct rn__heirloom *heirloom; /* or NULL; its own */
    struct rn__lock lock;          /* guards: */
    struct rn__wait *cancellable;  /* the wait that a cancellation may claim, or NULL */

    /* For the dump; written by the goroutine before it parks: a hint. */
    _Atomic int why; /* enum rn__why */
    const void *_Atomic object;
    _Atomic int64_t since_ns;
    char name[RN__NAME_MAX]; /* guarded by lock */
    uint64_t
        trace_chan; /* while tracing: the number of the channel it is going to wait in, or 0; its own */

    struct rn__g *member_next, *member_prev; /* guarded by the group's tree lock */

    void *asan_fake_stack; /* saved while it does not run */
    void *tsan_fiber;
};

#endif
