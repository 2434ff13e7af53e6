/* owner.h - who holds which lock, and who waits for it: a cycle of those is a deadlock of some.
 *   SPDX-License-Identifier: MIT
 *
 * For mutex.c, rwmutex.c and once.c, whose words do not say who has locked them.  It is written down here, in builds with
 * RN_SLOW_CHECKS and in simulations; elsewhere it costs a look at a flag.  (Not under ThreadSanitizer but in simulations: what
 * is written down under a lock would order what it is to find unordered.)  RN_CYCLES=0 turns it off.
 *
 * Reported is only what cannot end: waits with a deadline, or that a cancellation can end, are left out, and so is for ever a
 * lock that was once unlocked by another than had locked it, which sync.h allows.  So who uses a mutex as a signal that way is
 * not bothered once it has been seen; before, who waits for his own lock to be unlocked by another looks like one who has
 * locked it twice. */
#ifndef RN__OWNER_H
#define RN__OWNER_H

#include "runtime/wait.h"

enum rn__holds {
    RN__HOLDS_ALONE,   /* as a writer does */
    RN__HOLDS_READING, /* beside others who do */
    RN__HOLDS_PENDING, /* a writer before he has it, for whom others wait already */
};

struct rn__hold {
    struct rn__hold *next;
    const void *lock;
    enum rn__holds as;
    uint64_t id;    /* whose */
    unsigned count; /* of one who reads: so often */
    rn_time since;
    const void *pc; /* where the call that locked it returns to */
};

/* A wait for a lock, on the stack of who waits. */
struct rn__want {
    struct rn__wait *wait;
    const void *lock;
    enum rn__holds as; /* alone or reading */
    enum rn__why why;
    uint64_t id;
    struct rn__g *g;
    struct rn__want *next;       /* guarded by the lock in owner.c, as all below */
    struct rn__want *from;       /* during a search: whose lock's holder it is ... */
    const struct rn__hold *hold; /* ... by what */
    struct rn__want
        *found; /* the next to be looked at; in a cycle, who holds what this one waits for */
    uint64_t search;
    bool in;
};

extern _Atomic bool rn__owners_on __attribute__((visibility("hidden")));

/* Relaxed: it changes while no goroutine runs, and what plain threads hold is of no account. */
static inline bool rn__owners_watch(void)
{
    return __builtin_expect(atomic_load_explicit(&rn__owners_on, memory_order_relaxed), 0);
}

void rn__owner_take(const void *lock, enum rn__holds as, const void *pc);
void rn__owner_give(const void *lock, enum rn__holds as);

/* The lock is the caller's.  It is said after it has become so, and taken back before it is no more: so what is said is true
 * all the time. */
static inline void rn__owner_takes(const void *lock, enum rn__holds as, const void *pc)
{
    if (rn__owners_watch())
        rn__owner_take(lock, as, pc);
}

static inline void rn__owner_gives(const void *lock, enum rn__holds as)
{
    if (rn__owners_watch())
        rn__owner_give(lock, as);
}

/* Around a park: the caller cannot go on without the lock, and is in its line.  Reports the cycle that this closes. */
void rn__want_begin(struct rn__want *want, struct rn__wait *wait, const void *lock,
                    enum rn__holds as, enum rn__why why);
void rn__want_end(struct rn__want *want);

/* A scheduler begins; nobody holds anything. */
void rn__owners_begin(bool simulates);
void rn__owners_end(void);

/* What is done about a cycle that `last` has closed: it is reported, and ends the program, unless a test has put something
 * else here.  From each of the cycle, rn__want_next leads to the one that holds what it waits for. */
extern void (*rn__owners_found)(struct rn__want *last);
struct rn__want *rn__want_next(const struct rn__want *want);

#endif
