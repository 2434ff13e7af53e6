/* sync.h - locks for goroutines, as Go's package sync.   SPDX-License-Identifier: MIT
 *
 * Installed as <runnel/sync.h>.  The conventions of rn.h hold; of locks in particular:
 *
 * Life.  Each is made by zero-initialisation ({0}) and needs no destruction.  It is the caller's memory, is not copied or
 * moved while in use, and may go as soon as no call on it waits and none will be made: an unlock, release, done or signal
 * does not touch it any more once its effect can be seen.
 *
 * Waiting parks the goroutine and blocks a plain thread, never a worker.  Only the calls with a deadline are points of
 * cancellation: cancelled before they try, they give RN_ECANCELED.  The others wait as long as it takes, also in a cancelled
 * group; with nobody to wait for they return at once and are no scheduling point.
 *
 * Who may call.  Any goroutine and any thread; a lock may be unlocked by another than its owner.  Without a scheduler the
 * calls with a deadline give -ESHUTDOWN, as do those that its end finds blocked in plain threads; all others work, between
 * threads.  A goroutine that is abandoned at the scheduler's end waits no more, but what it had locked stays locked.
 *
 * Deadlocks.  For the rule at rn_main, locking a mutex or rwmutex from a plain thread is a call that can block, even if it
 * did not; the calls without an int that give (add, done, release, signal, broadcast) are none: rn_hold is for those.
 * Under rn_sim, and in builds of Runnel with its slow checks, a cycle of goroutines that wait for one another's mutex, rwmutex or
 * once ends the program when it closes, though others go on: it is reported, then exit status 2 (after rn_start: abort).  Waits
 * that a deadline or a cancellation can end, and locks that others than their owner have unlocked, are left out; RN_CYCLES=0 in
 * the environment turns it off, for who locks a mutex twice to be let go by another.
 *
 * Memory.  What was written before an unlock, release, done or signal is seen after the lock, acquire or wait that it lets
 * through; what rn_once_do ran, after every rn_once_do of it. */
/* clang-format off */
#ifndef RN_SYNC_H
#define RN_SYNC_H

#include <runnel/rn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- mutex: one at a time ------------------------------------------------ */
typedef struct rn_mutex { uintptr_t opaque[3]; } rn_mutex;

/* Locks.  Waits while it is locked.  Whoever comes when it is free may be faster than those who wait, which is what makes
 * it fast; but who has waited for longer than 1 ms gets it handed over, in order, so nobody starves. */
void rn_mutex_lock(rn_mutex *m);

/* Locks if that needs no waiting: 1 locked, 0 not. */
int  rn_mutex_trylock(rn_mutex *m);

/* rn_mutex_lock with a deadline: 0, RN_ETIMEDOUT or RN_ECANCELED; on error it is not locked by this. */
int  rn_mutex_lock_until(rn_mutex *m, rn_time deadline);

/* Unlocks.  Never waits.  Panics if it is not locked. */
void rn_mutex_unlock(rn_mutex *m);

/* The same inline, while nobody waits: a call into a shared library takes longer than all of it.  Why it is right is said in
 * mutex.c, whose word this is.  RN_NO_INLINE, defined before: it is a call. */
#ifndef RN_NO_INLINE
extern int rn_mutex_careful;
static inline void rn_mutex_unlock_inline(rn_mutex *m)
{
    typedef uint32_t __attribute__((may_alias)) half;

    if (__builtin_expect(__atomic_load_n(&rn_mutex_careful, __ATOMIC_RELAXED) == 0, 1)) {
        __atomic_store_n((half *)m + 5, 1, __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        if (__builtin_expect(__atomic_load_n(&m->opaque[0], __ATOMIC_RELAXED) == 4, 1)) {
            __atomic_store_n(&m->opaque[0], 0, __ATOMIC_RELEASE);
            return;
        }
    }
    rn_mutex_unlock(m);
}
#define rn_mutex_unlock(m) rn_mutex_unlock_inline(m)
#endif

/* ---- rwmutex: many readers or one writer --------------------------------- */
typedef struct rn_rwmutex { uintptr_t opaque[6]; } rn_rwmutex;

/* Locks for reading, beside other readers.  Waits while a writer has it or waits for it: so writers are not starved, and a
 * reader must not lock it once more, for a writer may come between. */
void rn_rwmutex_rlock(rn_rwmutex *m);

/* Ends one read lock.  Never waits.  Panics if there is none. */
void rn_rwmutex_runlock(rn_rwmutex *m);

/* Locks for writing: alone.  Waits for those who have it, and with other writers as in rn_mutex_lock. */
void rn_rwmutex_lock(rn_rwmutex *m);

/* Ends the write lock; all readers that wait go next, before another writer.  Never waits.  Panics if it is not locked for
 * writing. */
void rn_rwmutex_unlock(rn_rwmutex *m);

/* ---- condition: wait for a change of what a mutex guards ------------------ */
typedef struct rn_cond { uintptr_t opaque[3]; } rn_cond;

/* Unlocks m, which is locked, and waits, in one step: no signal in between is missed.  Locks m again before it returns, in
 * every case, however long that takes; with RN_NOWAIT, and if cancelled before, it was never unlocked.  0: signalled, and by
 * nothing else, yet others may have had m since, so test what you wait for in a loop.  RN_ETIMEDOUT, RN_ECANCELED,
 * -ESHUTDOWN: not signalled; no signal was used up. */
int  rn_cond_wait(rn_cond *c, rn_mutex *m, rn_time deadline);

/* Wakes the one that has waited longest, if one waits; all.  With m locked or not.  Never wait. */
void rn_cond_signal(rn_cond *c);
void rn_cond_broadcast(rn_cond *c);

/* ---- wait group: wait until all are done ---------------------------------- */
typedef struct rn_waitgroup { uintptr_t opaque[4]; } rn_waitgroup;

/* Adds n, which may be negative, to the counter; at zero all that wait go on.  Adding to a counter of zero must come before
 * the wait that is to see it: add, then start.  Never waits.  Panics when the counter becomes negative or passes INT_MAX. */
void rn_waitgroup_add(rn_waitgroup *w, int n);

/* rn_waitgroup_add(w, -1). */
void rn_waitgroup_done(rn_waitgroup *w);

/* Waits until the counter is zero: 0, RN_ETIMEDOUT or RN_ECANCELED.  The counter may be raised again at once. */
int  rn_waitgroup_wait(rn_waitgroup *w, rn_time deadline);

/* ---- semaphore: so many permits ------------------------------------------- */
typedef struct rn_sem { uintptr_t opaque[4]; } rn_sem;     /* {0} has no permits: release some first */

/* Takes n permits, all at once.  Those who wait are served in order: while one who wants many waits, nobody passes, so n
 * larger than there can ever be holds up all who come after.  0, RN_ETIMEDOUT or RN_ECANCELED: none were taken. */
int  rn_sem_acquire(rn_sem *s, unsigned n, rn_time deadline);

/* Adds n permits and serves those who wait.  Never waits.  Panics when there would be more than UINT_MAX. */
void rn_sem_release(rn_sem *s, unsigned n);

/* ---- once ------------------------------------------------------------------ */
typedef struct rn_once { uintptr_t opaque[3]; } rn_once;

/* The first call runs fn(arg), in its caller; all others wait until that has returned, and return.  fn must not call it on
 * the same o: that waits for itself.  A panic in fn is a panic. */
void rn_once_do(rn_once *o, rn_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif /* RN_SYNC_H */
