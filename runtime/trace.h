/* trace.h - what happened when: an execution trace, if the environment asks for one (RN_TRACE=file).
 *   SPDX-License-Identifier: MIT
 *
 * Each worker writes records of one size into a ring of its own, plain threads into one that they share; the newest are kept.
 * timeline.c makes the file of them.  While there is no trace it costs a look at one word where goroutines are switched
 * (watch.h) and where elements enter and leave a buffer. */
#ifndef RN__TRACE_H
#define RN__TRACE_H

#include "runtime/rn.h"

#include <stdatomic.h>
#include <stdbool.h>

struct rn__g;
struct rn__op;
struct rn__worker;

enum rn__trace_what {
    RN__TRACE_READY, /* who is runnable; a: who made it so, or 0; b: its function if it has just begun, else 0 */
    RN__TRACE_RUN,   /* a: since when it is runnable */
    RN__TRACE_LEAVE, /* a: how, why (enum rn__why) and in which channel, see trace.c; b: what it waits for, or its function */
    RN__TRACE_HANDED, /* who was woken before it had parked; a: by whom */
    RN__TRACE_PUSH,   /* an element of who enters a buffer; a: the channel's number, b: the slot */
    RN__TRACE_PUSHED, /* the same, while who waits: another does it */
    RN__TRACE_POP,    /* and leaves it */
    RN__TRACE_NAME,   /* a, b: the first sixteen bytes of who's name */
    RN__TRACE_NAME_ON /* the others */
};

struct rn__record {
    int64_t ns;   /* rn_now() clock */
    uint64_t who; /* id of a goroutine, 0: none; its upper byte: enum rn__trace_what */
    uint64_t a, b;
};

#define RN__TRACE_HOW(a)  ((unsigned)((a)&0xff)) /* enum rn__left_how */
#define RN__TRACE_WHY(a)  ((unsigned)((a) >> 8 & 0xff))
#define RN__TRACE_CHAN(a) ((a) >> 16) /* number of a channel, or 0 */

/* Relaxed: it changes while no worker runs. */
extern _Atomic bool rn__trace_on;

static inline bool rn__tracing(void)
{
    return __builtin_expect(atomic_load_explicit(&rn__trace_on, memory_order_relaxed), 0);
}

/* Before the workers start, and when nobody is inside any more.  Whoever asks for a file that cannot be made is told on
 * standard error, and nothing else happens. */
void rn__trace_begin(unsigned n_workers); /* at most */
void rn__trace_end(void);

/* Makes the file of what there is so far; nothing without a trace.  Any thread, at any time; takes no memory from the heap.
 * calm: false from who is about to abort, and may hold what would be waited for: the lock of a ring, or those that are taken to
 * look at all goroutines, for their names. */
void rn__trace_write(bool calm);

/* ---- only while tracing; on the worker that is named ---- */
void rn__trace_ready(struct rn__worker *w, struct rn__g *g,
                     bool woken); /* w NULL: a plain thread */
void rn__trace_run(struct rn__worker *w, struct rn__g *g, rn_time now);
void rn__trace_leave(struct rn__worker *w, rn_time now);
void rn__trace_handed(struct rn__g *g);
void rn__trace_name(struct rn__g *g);
void rn__trace_element(rn_chan *c, enum rn__trace_what what, const struct rn__op *sender);
void rn__trace_wait(rn_chan *c);

/* ---- the channel is locked ---- */

/* The last element of the buffer has just been put there, by the caller, or by him on behalf of a sender who waits. */
static inline void rn__trace_push(rn_chan *c, const struct rn__op *sender)
{
    if (rn__tracing()) /* it may be left of a scheduler that was traced */
        rn__trace_element(c, RN__TRACE_PUSH, sender);
}

/* The first element is being taken. */
static inline void rn__trace_pop(rn_chan *c)
{
    if (rn__tracing())
        rn__trace_element(c, RN__TRACE_POP, NULL);
}

/* The caller is going to wait in it. */
static inline void rn__trace_waits(rn_chan *c)
{
    if (rn__tracing())
        rn__trace_wait(c);
}

#endif
