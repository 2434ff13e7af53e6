/* mutex.c - one at a time; see sync.h.   SPDX-License-Identifier: MIT
 *
 * To lock is to set LOCKED, whoever is first.  Who waits stays in the line until he has the lock: an unlock wakes the first
 * (WOKEN), who tries again and, if another was faster, waits on in his place.  Meanwhile unlocks wake nobody else, so a
 * goroutine that locks often goes on at the speed of an uncontended lock.
 *
 * Nobody starves: who has waited for STARVED_NS is given the lock, LOCKED as it is, by the next unlock that looks at the line.
 * That is each while nobody is WOKEN, and else every BARGES_MAXth, for who was woken may not run before others give way.
 *
 * Spinning (SPINNING: somebody does, so nobody need be woken) is short, and only where the owner can run meanwhile.
 *
 * Of a lock and an unlock that nobody is in the way of, half would be the atomic change that the unlock is.  So one who has it
 * unlocks plainly: he says that he is `leaving`, looks whether the word is LOCKED and nothing else, and stores 0.  Who is going
 * to wait has to change this first: he says so in the word (ASKED), makes all others pass a fence, and awaits him who is at it
 * just then.  Whoever looks later sees that he was asked; and if one who looked before has wiped that away, it is said again.
 * From then on the lock is CAREFUL, all change its word atomically, and only so may there be a line.  When it has been unlocked
 * CALM_MAX times with nobody in the line, it is as before. */
#include "runtime/line.h"

#include "runtime/assert.h"
#include "runtime/group.h"
#include "runtime/owner.h"
#include "runtime/race.h"
#include "runtime/sched.h"
#include "runtime/watch.h"

#include <sched.h>
#include <time.h>

#define LOCKED     UINT64_C(4)
#define SPINNING   UINT64_C(8)
#define WOKEN      UINT64_C(16)
#define ASKED      UINT64_C(32)
#define CAREFUL    UINT64_C(64)
#define BARGE      UINT64_C(256) /* counts, if CAREFUL, unlocks since the line was last looked at */
#define BARGES_MAX UINT64_C(64)
#define BARGES     (~(BARGE - 1))
#define WAITERS    RN__LINE_WAITERS
#define OF_LINE    (WOKEN | BARGES)

#define CALM_MAX    UINT64_C(16384) /* in the time of so many, what it costs to ask is little */
#define SPIN_ROUNDS 4
#define YIELDS_MAX  200u
#define STARVED_NS  RN_MS

enum { BY_TRY, BY_GIFT }; /* outcomes of the claim */

_Static_assert(sizeof(struct rn__line) == sizeof(rn_mutex), "the size is the contract's");
_Static_assert(LOCKED == 4 && offsetof(struct rn__line, leaving) == 5 * sizeof(uint32_t),
               "as rn_mutex_unlock_inline() in sync.h has it");

static struct rn__line *line_of(rn_mutex *m)
{
    return (struct rn__line *)(void *)m;
}

/* Only who has it changes that.  Release, as for who awaits it the word is what it was when this was said. */
static void stays(struct rn__line *m)
{
    atomic_store_explicit(&m->leaving, 0, memory_order_release);
}

static bool try_lock(struct rn__line *m)
{
    /* Acquire: what was written before the last unlock is seen. */
    if (atomic_fetch_or_explicit(&m->word, LOCKED, memory_order_acquire) & LOCKED)
        return false;
    stays(m);
    return true;
}

/* ---- asking to be careful ---------------------------------------------------------------------- */

static struct rn__lock asking; /* held by who does: what is seen of ASKED afterwards is his */

/* Not 0: nobody unlocks plainly, for owners are written down, races are looked for, or rn__fence_others() cannot.  Changes while no
 * goroutine runs.  Programs look at it, see sync.h. */
_Atomic int rn_mutex_careful = 1;

void rn__mutexes_init(void)
{
    atomic_store(&rn_mutex_careful, RN__RACE || rn__owners_watch() || !rn__fence_others());
}

/* He who is awaited has a store to make and may wait for a CPU; to give way does not help him to ours if we have the priority. */
static void let_go_on(unsigned *n)
{
    if (++*n < YIELDS_MAX)
        sched_yield();
    else
        nanosleep(&(struct timespec){ .tv_nsec = 50 * RN_US }, NULL);
}

/* That it is ASKED, which the word says, is seen by all who begin to unlock it; and none who began before is still at it, or
 * he has wiped it away. */
static void leaver_await(const struct rn__line *m)
{
    uint64_t seen;
    unsigned n = 0;

    if (!rn__fence_others() && !atomic_load(&rn_mutex_careful))
        rn_panic("rn_mutex: the system allows no membarrier any more");
    /* Acquire pairs with stays(). */
    while (atomic_load_explicit(&m->leaving, memory_order_acquire) != 0) {
        seen = atomic_load_explicit(&m->word, memory_order_relaxed);
        if (!(seen & ASKED) || !(seen & LOCKED)) /* who locked it after that has seen it */
            break;
        let_go_on(&n);
    }
}

static __attribute__((noinline)) void ask(struct rn__line *m)
{
    rn__lock(&asking);
    while (!(atomic_fetch_or(&m->word, ASKED) & CAREFUL)) {
        leaver_await(m);
        /* Relaxed: the line's lock orders. */
        if (atomic_load_explicit(&m->word, memory_order_relaxed) & ASKED)
            atomic_fetch_or_explicit(&m->word, CAREFUL, memory_order_relaxed);
    }
    rn__unlock(&asking);
}

static uint64_t line_lock(struct rn__line *m)
{
    uint64_t word;

    while ((word = rn__line_lock_if(m, CAREFUL, OF_LINE)) == 0)
        ask(m);
    return word;
}

/* ---- locking ------------------------------------------------------------------------------------ */

/* true: locked.  Else *said: we have announced ourselves. */
static bool spin(struct rn__line *m, bool *said)
{
    *said = false;
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        uint64_t seen = atomic_load_explicit(&m->word, memory_order_relaxed);

        if (!(seen & LOCKED)) {
            /* Acquire as in try_lock(). */
            if (atomic_compare_exchange_strong_explicit(
                    &m->word, &seen, (seen | LOCKED) & ~(*said ? SPINNING : 0),
                    memory_order_acquire, memory_order_relaxed)) {
                stays(m);
                return true;
            }
            continue;
        }
        if (!rn__line_spin())
            break;
        /* Relaxed: it only saves waking another. */
        if (!*said && (seen & WAITERS) && !(seen & (WOKEN | SPINNING)))
            *said = atomic_compare_exchange_strong_explicit(
                &m->word, &seen, seen | SPINNING, memory_order_relaxed, memory_order_relaxed);
    }
    return false;
}

static void line_unlock(struct rn__line *m, uint64_t clear, uint64_t add)
{
    rn__line_unlock(m, clear | (m->first == NULL ? OF_LINE : 0), add);
}

/* The line is locked, and is not any more.  true: the lock is ours and we are not in the line; false: we are to wait in it.
 * mine: bits that speak of us. */
static bool take_or_stay(struct rn__line *m, struct rn__waiter *w, uint64_t mine)
{
    w->woken = false;
    while (!try_lock(m)) {
        uint64_t seen = w->queued ? atomic_load_explicit(&m->word, memory_order_relaxed)
                                  : rn__line_append(m, w);

        /* Only while it is locked: then whoever unlocks sees us.  Release as in rn__line_unlock(). */
        while (seen & LOCKED)
            if (atomic_compare_exchange_weak_explicit(&m->word, &seen,
                                                      seen & ~(RN__LINE_LOCKED | mine),
                                                      memory_order_release, memory_order_relaxed))
                return false;
    }
    if (w->queued)
        rn__line_remove(m, w);
    line_unlock(m, mine, 0);
    return true;
}

/* We were told to try: true, the lock is ours; false, we wait on. */
static bool try_again(struct rn__line *m, struct rn__waiter *w)
{
    line_lock(m);
    if (!w->queued) { /* it was given to us meanwhile */
        line_unlock(m, 0, 0);
        return true;
    }
    rn_assert(w->woken);
    rn__wait_init(&w->wait);
    return take_or_stay(m, w, WOKEN);
}

static void give_up(struct rn__line *m, struct rn__waiter *w)
{
    line_lock(m);
    if (w->queued)
        rn__line_remove(m, w);
    line_unlock(m, 0, 0);
}

/* For how the wait is told to the dump, and ended. */
struct manner {
    enum rn__why why;
    const void *object;
    rn_time deadline;
    bool cancellable;
};

/* Only the lock itself can end the wait. */
static bool is_for_good(const struct manner *how)
{
    const struct rn__g *g = rn__self();

    return how->deadline == RN_FOREVER &&
           (!how->cancellable || (g != NULL && (g->shield > 0 || !rn__g_cancellable(g))));
}

static int lock_waiting(struct rn__line *m, const struct manner *how)
{
    struct rn__want want = { .in = false };
    struct rn__waiter w;
    bool said, locked;
    int rc;

    if (spin(m, &said))
        return 0;
    rn__waiter_init(&w);
    w.since = rn_now();
    line_lock(m);
    locked = take_or_stay(m, &w, said ? SPINNING : 0);
    if (locked)
        return 0;
    do {
        if (is_for_good(how))
            rn__want_begin(&want, &w.wait, how->object, RN__HOLDS_ALONE, how->why);
        rc = how->cancellable
                 ? rn__wait_park(&w.wait, how->why, how->object, how->deadline)
                 : rn__wait_park_shielded(&w.wait, how->why, how->object, how->deadline);
        rn__want_end(&want);
        if (rc < 0) {
            give_up(m, &w);
            break;
        }
        locked = rc == BY_GIFT || try_again(m, &w);
    } while (!locked);
    rn__watch_lock_wait(w.since);
    return rc < 0 ? rc : 0;
}

static __attribute__((noinline)) void lock_slow(struct rn__line *m, enum rn__why why,
                                                const void *object)
{
    struct manner how = { why, object, RN_FOREVER, false };
    int rc;

    /* Again after -ESHUTDOWN: the scheduler has ended, and a plain thread waits on without one. */
    do {
        rn__line_enter();
        rc = lock_waiting(m, &how);
        rn__line_leave();
    } while (rc < 0);
}

void rn__mutex_lock_for(rn_mutex *m, enum rn__why why, const void *object)
{
    if (!try_lock(line_of(m)))
        lock_slow(line_of(m), why, object);
}

static __attribute__((noinline)) void lock_with_care(rn_mutex *m, const void *pc)
{
    rn__wait_plain_mark();
    rn__mutex_lock_for(m, RN__WHY_MUTEX, m);
    rn__race_acquire(m);
    rn__owner_takes(m, RN__HOLDS_ALONE, pc);
}

/* Whatever else there is to do is a jump to another function, so that this one has no frame. */
void rn_mutex_lock(rn_mutex *m)
{
    if (rn__worker() == NULL || rn__owners_watch() || !try_lock(line_of(m)))
        lock_with_care(m, __builtin_return_address(0));
    else
        rn__race_acquire(m);
}

int rn_mutex_trylock(rn_mutex *m)
{
    rn__wait_plain_mark();
    if (!try_lock(line_of(m)))
        return 0;
    rn__race_acquire(m);
    rn__owner_takes(m, RN__HOLDS_ALONE, __builtin_return_address(0));
    return 1;
}

int rn_mutex_lock_until(rn_mutex *m, rn_time deadline)
{
    struct manner how = { RN__WHY_MUTEX, m, deadline, true };
    int rc = rn__line_enter_checked();

    if (rc < 0)
        return rc;
    if (!try_lock(line_of(m)))
        rc = rn__deadline_passed(deadline) ? RN_ETIMEDOUT : lock_waiting(line_of(m), &how);
    rn__line_leave();
    if (rc < 0)
        return rc;
    rn__race_acquire(m);
    rn__owner_takes(m, RN__HOLDS_ALONE, __builtin_return_address(0));
    return 0;
}

/* ---- unlocking ------------------------------------------------------------------------------------ */

/* Has somebody in the line to be woken, or to be looked after? */
static bool line_matters(uint64_t word)
{
    if (!(word & WAITERS))
        return false;
    return !(word & (WOKEN | SPINNING)) || word / BARGE >= BARGES_MAX;
}

/* The line is locked: who is to have the lock next, claimed if he was not woken before; NULL: nobody. */
static struct rn__waiter *next_of(struct rn__line *m, uint64_t word, bool *starved)
{
    rn_time now = rn_now();
    struct rn__waiter *w = m->first;

    for (; w != NULL; w = rn__line_after(m, w)) {
        *starved = now - w->since > STARVED_NS;
        if ((word & WOKEN) ? w->woken : rn__claim(&w->wait, *starved ? BY_GIFT : BY_TRY))
            return w;
    }
    return NULL;
}

/* Unlocks, or gives the lock on. */
static void pass_on(struct rn__line *m)
{
    uint64_t clear = LOCKED | BARGES, set = 0, word;
    struct rn__waiter *w;
    bool starved = false, wake;

    rn__line_enter();
    word = line_lock(m);
    w = next_of(m, word, &starved);
    wake = w != NULL && !w->woken;
    if (w != NULL && starved) {
        rn__line_remove(m, w);
        clear = BARGES | WOKEN; /* but not LOCKED */
    } else if (wake) {
        w->woken = true;
        set = WOKEN;
    }
    line_unlock(m, clear | set, set);
    if (wake)
        rn__wake(&w->wait);
    rn__line_leave();
}

/* The word after an unlock that wakes nobody. */
static uint64_t unlocked(uint64_t word)
{
    word &= ~LOCKED;
    if (!(word & CAREFUL))
        return word;
    if (word / BARGE >= CALM_MAX && (word & ~BARGES) == (ASKED | CAREFUL))
        return 0;
    return word + BARGE;
}

static __attribute__((noinline)) void unlock_slow(struct rn__line *m)
{
    uint64_t seen = atomic_load_explicit(&m->word, memory_order_relaxed);

    while (!line_matters(seen)) {
        uint64_t next = unlocked(seen);

        if (!(seen & LOCKED))
            rn_panic("rn_mutex_unlock: unlock of unlocked mutex");
        /* Release pairs with the acquire of the next who locks it. */
        if (atomic_compare_exchange_weak_explicit(&m->word, &seen, next, memory_order_release,
                                                  memory_order_relaxed))
            return;
    }
    if (!(seen & LOCKED))
        rn_panic("rn_mutex_unlock: unlock of unlocked mutex");
    pass_on(m);
}

/* false: it is to be done atomically. */
static inline bool unlock_plainly(struct rn__line *m)
{
    if (atomic_load_explicit(&rn_mutex_careful, memory_order_relaxed))
        return false;
    /* Relaxed, and a fence for the compiler: who asks makes up for that by rn__fence_others(). */
    atomic_store_explicit(&m->leaving, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&m->word, memory_order_relaxed) == LOCKED) {
        /* Release as in unlock_slow().  From here on it may be gone. */
        atomic_store_explicit(&m->word, 0, memory_order_release);
        return true;
    }
    stays(m);
    return false;
}

static __attribute__((noinline)) void unlock_with_care(rn_mutex *m)
{
    if (rn__owners_watch())
        rn__owner_give(m, RN__HOLDS_ALONE);
    unlock_slow(line_of(m));
}

/* Where owners are written down, nobody unlocks plainly. */
void rn_mutex_unlock(rn_mutex *m)
{
    rn__race_release(m);
    if (!unlock_plainly(line_of(m)))
        unlock_with_care(m);
}

void rn__mutex_unlock(rn_mutex *m)
{
    if (!unlock_plainly(line_of(m)))
        unlock_slow(line_of(m));
}
