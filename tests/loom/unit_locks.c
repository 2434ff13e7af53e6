/* unit_locks.c - the locks of sync.h, between goroutines and plain threads.   SPDX-License-Identifier: MIT
 *
 * Two at once where one may be would be seen; and what one has done must be ordered before what the next does, see races.c. */
#include "tests/loom/crew.h"

#include "runtime/line.h"
#include "runtime/lock.h"
#include "runtime/sched.h"
#include "runtime/sync.h"

#include <string.h>

#define WORKERS 2

static struct {
    struct rn__lock lock;
    rn_mutex mutex;
    rn_rwmutex rwmutex;
    rn_cond cond;
    rn_waitgroup waitgroup;
    rn_sem sem;
    rn_once once;
    rn_time begin;
    int inside, readers; /* who has it */
    int count, permits, done, given;
    char guarded[3]; /* its addresses are for races.c */
} s;

static void set_up(void)
{
    memset(&s, 0, sizeof s);
    s.begin = loom_now();
    rn__mutexes_init(); /* also where there is no scheduler */
}

static void alone(void)
{
    loom_check(s.inside++ == 0 && s.readers == 0);
    loom_writes(&s.guarded[0]);
    loom_point("alone");
    loom_point("still alone");
    loom_check(--s.inside == 0 && s.readers == 0);
    s.count++;
}

/* ---- the runtime's own ---- */

static void locks_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        rn__lock(&s.lock);
        alone();
        rn__unlock(&s.lock);
    }
}

LOOM_UNIT(lock, "the lock of the runtime: three threads, one at a time, and none sleeps on")
{
    set_up();
    loom_spawn(locks_twice, NULL);
    loom_spawn(locks_twice, NULL);
    loom_begin();
    locks_twice(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.count == 6 && s.lock.word == 0);
}

/* ---- mutex ---- */

static void mutex_once(void *arg)
{
    (void)arg;
    rn_mutex_lock(&s.mutex);
    alone();
    rn_mutex_unlock(&s.mutex);
}

static void mutex_twice(void *arg)
{
    mutex_once(arg);
    mutex_once(arg);
}

LOOM_UNIT(mutex_threads, "a mutex between three plain threads, without a scheduler")
{
    set_up();
    loom_spawn(mutex_twice, NULL);
    loom_spawn(mutex_once, NULL);
    loom_begin();
    mutex_twice(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.count == 5);
}

LOOM_UNIT(mutex, "a mutex between three goroutines")
{
    static rn_fn *const crew[] = { mutex_twice, mutex_once, mutex_once, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.count == 4);
}

static void mutex_thrice(void *arg)
{
    mutex_twice(arg);
    mutex_once(arg);
}

LOOM_UNIT(
    mutex_asked,
    "a mutex of one worker's goroutine that a plain thread asks for while it is unlocked plainly")
{
    static rn_fn *const crew[] = { mutex_twice, NULL };

    set_up();
    loom_spawn(mutex_once, NULL);
    crew_run(1, crew);
    loom_check(s.count == 3);
}

LOOM_UNIT(
    mutex_calm,
    "a mutex for which nobody has waited for a while is unlocked plainly again, and asked for again")
{
    set_up();
    s.mutex.opaque[0] = 32 | 64; /* ASKED and CAREFUL: somebody has waited for it before */
    loom_spawn(mutex_once, NULL);
    loom_begin();
    mutex_thrice(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.count == 4);
}

LOOM_UNIT(mutex_wiped,
          "a plain unlock wipes away that somebody asks, and the next is under way when he goes on")
{
    set_up();
    loom_spawn(mutex_once, NULL);
    loom_begin();
    mutex_twice(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.count == 3);
}

static void mutex_keeps(void *arg)
{
    mutex_once(arg);
    rn_mutex_lock(&s.mutex);
    rn_yield();
    rn_mutex_unlock(&s.mutex);
    s.count++;
}

LOOM_UNIT(mutex_kept,
          "who has a mutex gives way, and is not taken for one who is just unlocking it")
{
    static rn_fn *const crew[] = { mutex_once, mutex_keeps, NULL };

    set_up();
    crew_run(1, crew);
    loom_check(s.count == 3);
}

static void mutex_until(void *arg)
{
    int rc = rn_mutex_lock_until(&s.mutex, s.begin + RN_MS);

    (void)arg;
    loom_check(rc == 0 || (rc == RN_ETIMEDOUT && loom_now() >= s.begin + RN_MS));
    if (rc < 0)
        return;
    alone();
    rn_mutex_unlock(&s.mutex);
}

static void time_goes_on(void *arg)
{
    (void)arg;
    loom_point("the clock");
    loom_advance(RN_MS);
    loom_point("the clock");
    loom_advance(2 * RN_MS); /* and now they starve who have waited since the beginning */
}

LOOM_UNIT(mutex_starved, "a mutex that is given to who starves, or whose deadline comes just then")
{
    static rn_fn *const crew[] = { mutex_once, mutex_until, mutex_once, NULL };

    set_up();
    loom_may_sleep(s.begin + 4 * RN_MS);
    loom_spawn(time_goes_on, NULL);
    crew_run(WORKERS, crew);
    loom_check(s.count == 2 || s.count == 3);
    loom_check(rn_mutex_trylock(&s.mutex) == 1);
}

/* ---- rwmutex ---- */

static void reads(void *arg)
{
    (void)arg;
    rn_rwmutex_rlock(&s.rwmutex);
    s.readers++;
    loom_check(s.inside == 0);
    loom_reads(&s.guarded[0]);
    loom_point("reading");
    loom_check(s.inside == 0);
    s.readers--;
    s.done++;
    rn_rwmutex_runlock(&s.rwmutex);
}

static void writes(void *arg)
{
    (void)arg;
    rn_rwmutex_lock(&s.rwmutex);
    alone();
    rn_rwmutex_unlock(&s.rwmutex);
}

LOOM_UNIT(rwmutex_threads, "readers and writers that are plain threads")
{
    set_up();
    loom_spawn(reads, NULL);
    loom_spawn(writes, NULL);
    loom_spawn(reads, NULL);
    loom_begin();
    writes(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.count == 2 && s.done == 2);
}

LOOM_UNIT(rwmutex, "two readers and two writers that are goroutines")
{
    static rn_fn *const crew[] = { reads, writes, reads, writes, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.count == 2 && s.done == 2);
}

/* ---- cond ---- */

static void cond_takes(void *arg)
{
    (void)arg;
    rn_mutex_lock(&s.mutex);
    while (s.given == 0)
        loom_check(rn_cond_wait(&s.cond, &s.mutex, RN_FOREVER) == 0);
    s.given--;
    s.done++;
    rn_mutex_unlock(&s.mutex);
}

static void cond_gives(void *arg)
{
    (void)arg;
    rn_mutex_lock(&s.mutex);
    s.given++;
    rn_mutex_unlock(&s.mutex);
    rn_cond_signal(&s.cond);
}

LOOM_UNIT(cond, "each signal wakes one who waits, and none is missed")
{
    static rn_fn *const crew[] = { cond_takes, cond_gives, cond_takes, cond_gives, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.done == 2 && s.given == 0);
}

static void cond_gives_all(void *arg)
{
    (void)arg;
    rn_mutex_lock(&s.mutex);
    s.given += 2;
    rn_cond_broadcast(&s.cond);
    rn_mutex_unlock(&s.mutex);
}

LOOM_UNIT(cond_broadcast, "a broadcast wakes all who wait")
{
    static rn_fn *const crew[] = { cond_takes, cond_takes, cond_gives_all, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.done == 2 && s.given == 0);
}

static void cond_until(void *arg)
{
    int rc;

    (void)arg;
    rn_mutex_lock(&s.mutex);
    rc = s.given > 0 ? 0 : rn_cond_wait(&s.cond, &s.mutex, s.begin + RN_MS);
    loom_check(rc == 0 || (rc == RN_ETIMEDOUT && loom_now() >= s.begin + RN_MS));
    rn_mutex_unlock(&s.mutex);
    if (rc == 0)
        rn_cond_signal(&s.cond); /* it was another's */
}

LOOM_UNIT(cond_timeout, "a signal does not go to one whose deadline has ended his wait")
{
    static rn_fn *const crew[] = { cond_until, cond_takes, cond_gives, NULL };

    set_up();
    loom_may_sleep(s.begin + 4 * RN_MS);
    loom_spawn(time_goes_on, NULL);
    crew_run(WORKERS, crew);
    loom_check(s.done == 1 && s.given == 0);
}

/* ---- waitgroup ---- */

static void group_done(void *arg)
{
    (void)arg;
    loom_writes(&s.guarded[s.done]);
    s.done++;
    rn_waitgroup_done(&s.waitgroup);
}

static void group_waits(void *arg)
{
    (void)arg;
    loom_check(rn_waitgroup_wait(&s.waitgroup, RN_FOREVER) == 0);
    loom_check(s.done == 2);
    loom_reads(&s.guarded[0]);
    loom_reads(&s.guarded[1]);
    s.count++;
}

LOOM_UNIT(waitgroup, "two wait until two are done")
{
    static rn_fn *const crew[] = { group_waits, group_done, group_done, group_waits, NULL };

    set_up();
    rn_waitgroup_add(&s.waitgroup, 2);
    crew_run(WORKERS, crew);
    loom_check(s.count == 2);
}

/* ---- sem ---- */

static void sem_use(unsigned n)
{
    loom_check(rn_sem_acquire(&s.sem, n, RN_FOREVER) == 0);
    s.permits -= (int)n;
    loom_check(s.permits >= 0);
    if (n == 2)
        loom_writes(&s.guarded[0]);
    else
        loom_reads(&s.guarded[0]);
    loom_point("permitted");
    s.permits += (int)n;
    s.done++;
    rn_sem_release(&s.sem, n);
}

static void sem_one(void *arg)
{
    (void)arg;
    sem_use(1);
}

static void sem_two(void *arg)
{
    (void)arg;
    sem_use(2);
}

LOOM_UNIT(sem, "one who wants both permits beside two who want one each")
{
    static rn_fn *const crew[] = { sem_one, sem_two, sem_one, NULL };

    set_up();
    rn_sem_release(&s.sem, 2);
    s.permits = 2;
    crew_run(WORKERS, crew);
    loom_check(s.done == 3);
}

static void sem_keep(void *arg)
{
    (void)arg;
    loom_check(rn_sem_acquire(&s.sem, 1, RN_FOREVER) == 0);
    s.done++;
}

static void sem_give(void *arg)
{
    (void)arg;
    rn_sem_release(&s.sem, 2);
}

LOOM_UNIT(sem_give, "two permits that are given at once serve two who wait")
{
    static rn_fn *const crew[] = { sem_keep, sem_give, sem_keep, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.done == 2);
}

static void sem_until(void *arg)
{
    int rc = rn_sem_acquire(&s.sem, 2, s.begin + RN_MS);

    (void)arg;
    loom_check(rc == 0 || rc == RN_ETIMEDOUT);
    if (rc == 0)
        rn_sem_release(&s.sem, 2);
}

LOOM_UNIT(sem_timeout, "one who wants more than there is and gives up lets those behind him pass")
{
    static rn_fn *const crew[] = { sem_one, sem_until, sem_one, NULL };

    set_up();
    loom_may_sleep(s.begin + 4 * RN_MS);
    rn_sem_release(&s.sem, 1);
    s.permits = 1;
    crew_run(WORKERS, crew);
    loom_check(s.done == 2);
}

/* ---- once ---- */

static void the_thing(void *arg)
{
    (void)arg;
    loom_check(s.count == 0);
    loom_writes(&s.guarded[0]);
    loom_point("the thing");
    s.count++;
}

static void once(void *arg)
{
    (void)arg;
    rn_once_do(&s.once, the_thing, NULL);
    loom_check(s.count == 1);
    loom_reads(&s.guarded[0]);
    s.done++;
}

LOOM_UNIT(once_threads, "plain threads do a thing once, and wait for it")
{
    set_up();
    loom_spawn(once, NULL);
    loom_spawn(once, NULL);
    loom_begin();
    once(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.done == 3);
}

LOOM_UNIT(once_goroutines, "goroutines do a thing once, and wait for it")
{
    static rn_fn *const crew[] = { once, once, once, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.done == 3);
}
