/* block.c - threads for calls that block a thread.   SPDX-License-Identifier: MIT
 *
 * A job finds an idle thread or makes a new one: jobs may wait for one another, so they are never queued
 * behind a limit of ours; only when the system refuses a thread do they wait for one that we have.  A thread
 * that finds nothing to do for rn__block_idle_ns ends.
 *
 * Invariants, under the lock: a job is queued only while at least one thread is there to take it; idle threads are
 * counted until they have woken up, so queued <= idle or a thread was made or refused since.
 *
 * The pool outlives the scheduler while calls run on: it is counted, the threads hold a reference each. */
#include "runtime/block.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/assert.h"
#include "runtime/race.h"
#include "runtime/rn.h"
#include "runtime/sched.h"
#include "runtime/wait.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;           /* queued grew, or closed; CLOCK_MONOTONIC */
    pthread_cond_t left;           /* threads or idle shrank while closed */
    struct rn__job *first, **tail; /* guarded by lock, as all below */
    unsigned queued;
    unsigned threads;
    unsigned idle;
    bool closed;
    unsigned refs; /* the scheduler's and each thread's */
};

int64_t rn__block_idle_ns = 10 * RN_SEC;

/* The scheduler's pool; guarded by current_lock, since a plain thread may ask while the scheduler ends. */
static struct pool *current;
static pthread_mutex_t current_lock = PTHREAD_MUTEX_INITIALIZER;

static struct pool *pool_get(void)
{
    struct pool *p;

    pthread_mutex_lock(&current_lock);
    p = current;
    if (p) {
        pthread_mutex_lock(&p->lock);
        p->refs++;
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&current_lock);
    return p;
}

/* Gives back a reference; p->lock is held and is not any more. */
static void pool_put_unlock(struct pool *p)
{
    bool last = --p->refs == 0;

    pthread_mutex_unlock(&p->lock);
    if (!last)
        return;
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->left);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- a thread ----------------------------------------------------------------- */

static struct rn__job *take(struct pool *p)
{
    struct rn__job *job = p->first;

    if (!job)
        return NULL;
    p->first = job->next;
    if (!p->first)
        p->tail = &p->first;
    p->queued--;
    return job;
}

/* Waits for work; false when this thread is to end. */
static bool idle(struct pool *p)
{
    struct timespec until;
    int64_t ns;
    int rc = 0;

    if (p->closed)
        return false; /* not even a look at the clock: the program may be setting rn__block_idle_ns for the next one */
    clock_gettime(CLOCK_MONOTONIC, &until);
    ns = until.tv_nsec + rn__block_idle_ns;
    until.tv_sec += ns / RN_SEC;
    until.tv_nsec = ns % RN_SEC;
    p->idle++;
    while (!p->first && !p->closed && rc == 0)
        rc = pthread_cond_timedwait(&p->work, &p->lock, &until);
    p->idle--;
    return p->first != NULL;
}

/* What a job has of its thread's stack for itself, to a race detector; to forget all of it would take milliseconds. */
#define STACK_BYTES ((size_t)256 << 10)

/* Its fiber comes after who asked for it, and after nobody else: not after the thread, nor after the jobs before it, whose
 * stack it has from here on.  *job is gone afterwards. */
static void run(struct rn__job *job)
{
    char *low = (char *)__builtin_frame_address(0) - STACK_BYTES;
    void *fiber = job->race_fiber, *self = rn__race_as(fiber);

    rn__race_memory_new(low, STACK_BYTES);
    job->run(job);
    rn__race_memory_old(low, STACK_BYTES);
    (void)rn__race_as(self);
    rn__race_fiber_free(fiber);
}

static void *thread_main(void *arg)
{
    struct pool *p = arg;
    struct rn__job *job;

    rn__race_hide(); /* but the calls, which are in no order: see run() */
    pthread_mutex_lock(&p->lock);
    do {
        while ((job = take(p)) != NULL) {
            pthread_mutex_unlock(&p->lock);
            run(job);
            pthread_mutex_lock(&p->lock);
        }
    } while (idle(p));
    p->threads--;
    pthread_cond_broadcast(&p->left);
    pool_put_unlock(p);
    rn__race_show();
    return NULL;
}

/* The lock is held, also while the thread is made: so "refused and no thread" can mean only the caller's job. */
static bool thread_new(struct pool *p)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &attr, thread_main, p);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        return false;
    p->threads++;
    p->refs++;
    return true;
}

/* ---- the pool ------------------------------------------------------------------- */

int rn__block_init(void)
{
    struct pool *p = calloc(1, sizeof *p);
    pthread_condattr_t attr;

    if (!p)
        return -ENOMEM;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, &attr);
    pthread_cond_init(&p->left, NULL);
    pthread_condattr_destroy(&attr);
    p->tail = &p->first;
    p->refs = 1;
    pthread_mutex_lock(&current_lock);
    rn_assert(!current);
    current = p;
    pthread_mutex_unlock(&current_lock);
    return 0;
}

void rn__block_fini(void)
{
    struct rn__job *job;
    struct pool *p;

    pthread_mutex_lock(&current_lock);
    p = current;
    current = NULL;
    pthread_mutex_unlock(&current_lock);
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    while ((job = take(p)) != NULL) {
        pthread_mutex_unlock(&p->lock);
        rn__race_fiber_free(job->race_fiber);
        job->drop(job);
        pthread_mutex_lock(&p->lock);
    }
    pthread_cond_broadcast(&p->work);
    while (p->idle > 0)
        pthread_cond_wait(&p->left, &p->lock);
    pool_put_unlock(p);
}

/* The pool is locked. */
static int submit(struct pool *p, struct rn__job *job)
{
    if (p->closed)
        return -ESHUTDOWN;
    if (p->queued < p->idle)
        pthread_cond_signal(&p->work);
    else if (!thread_new(p) && p->threads == 0)
        return -ENOMEM;
    job->next = NULL;
    job->pool = p;
    *p->tail = job;
    p->tail = &job->next;
    p->queued++;
    return 0;
}

int rn__block_submit(struct rn__job *job)
{
    struct pool *p;
    int rc = -ESHUTDOWN;

    job->race_fiber = rn__race_fiber_new();
    rn__race_hide();
    p = pool_get();
    if (p) {
        pthread_mutex_lock(&p->lock);
        rc = submit(p, job);
        pool_put_unlock(p);
    }
    rn__race_show();
    if (rc < 0)
        rn__race_fiber_free(job->race_fiber);
    return rc;
}

unsigned rn__block_threads(void)
{
    struct pool *p = pool_get();
    unsigned n;

    if (!p)
        return 0;
    pthread_mutex_lock(&p->lock);
    n = p->threads;
    pool_put_unlock(p);
    return n;
}

/* ---- rn_block ---------------------------------------------------------------------- */

/* The lock keeps the scheduler from ending between the look and the wake.  A pool with a running job is not
 * freed, so the address of this one cannot be that of a later one. */
bool rn__job_wake(struct rn__job *job, struct rn__wait *w)
{
    bool alive;

    rn__race_release(w);
    rn__race_hide();
    pthread_mutex_lock(&current_lock);
    alive = current == job->pool;
    if (alive && rn__claim(w, 0))
        rn__wake(w);
    pthread_mutex_unlock(&current_lock);
    rn__race_show();
    return alive;
}

struct call {
    struct rn__job job;
    void (*fn)(void *arg);
    void *arg;
    struct rn__wait wait;
};

static void call_run(struct rn__job *job)
{
    struct call *call = (struct call *)job;

    call->fn(call->arg);
    (void)rn__job_wake(job, &call->wait);
}

/* The goroutine was abandoned before its turn: nobody is left to be told. */
static void call_drop(struct rn__job *job)
{
    (void)job;
}

int rn_block(void (*fn)(void *arg), void *arg)
{
    struct call call = { .job = { .run = call_run, .drop = call_drop }, .fn = fn, .arg = arg };
    int rc;

    if (!rn__self()) {
        fn(arg);
        return 0;
    }
    rn__wait_init(&call.wait);
    rc = rn__block_submit(&call.job);
    if (rc == 0)
        rc = rn__wait_park_shielded(&call.wait, RN__WHY_BLOCK, (void *)fn, RN_FOREVER);
    return rc;
}
