/* block.h - threads for calls that block a thread.   SPDX-License-Identifier: MIT */
#ifndef RN__BLOCK_H
#define RN__BLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct rn__wait;

/* Opens the pool (no thread yet): 0 or -ENOMEM.  Before the workers start. */
int rn__block_init(void);

/* Closes it, after the workers have ended.  Idle threads have gone when it returns.  What is running runs on,
 * its goroutine was abandoned: its stack must stay, but it is woken no more. */
void rn__block_fini(void);

/* One call for a spare thread, for those who do not simply wait for it as rn_block does.  The job is the pool's from submit until
 * run or drop is called, exactly one of them, once. */
struct rn__job {
    void (*run)(struct rn__job *job);  /* on a spare thread, which holds no lock */
    void (*drop)(struct rn__job *job); /* instead: the pool closed first */
    struct rn__job *next;
    void *pool;       /* which has it, for rn__job_wake */
    void *race_fiber; /* see race.h */
};

/* 0; -ENOMEM when there is no thread and none can be made; -ESHUTDOWN without a scheduler: then nothing is called. */
int rn__block_submit(struct rn__job *job);

/* From run: claims *w and wakes it.  False when it must not be touched, because the scheduler of the one who submitted
 * the job has ended meanwhile; then no more, no less was done. */
bool rn__job_wake(struct rn__job *job, struct rn__wait *w);

/* How many threads the pool has now, and for how long one may be idle before it ends (may be set before init). */
unsigned rn__block_threads(void);
extern int64_t rn__block_idle_ns;

#endif
