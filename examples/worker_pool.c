/* worker_pool.c - three workers take jobs from one channel and put results into another.
 *   SPDX-License-Identifier: MIT
 *
 * Who is free takes the next job; closing the channel of jobs sends everybody home. */
#include <runnel/rn.h>
#include <stdio.h>

enum { JOBS = 10, WORKERS = 3 };

struct result {
    int job, answer;
};

typedef rn_chan_of(int) jobs_chan;
typedef rn_chan_of(struct result) results_chan;

struct work {
    jobs_chan jobs;
    results_chan results;
};

static void worker(void *arg)
{
    struct work *work = arg; /* a copy of our own, on this goroutine's stack */
    int job;

    while (rn_recv(work->jobs, &job) == 0)
        rn_send(work->results, (struct result){ job, job * job });
}

static int run(void *arg)
{
    rn_group *workers = rn_group_new();
    struct work work;
    struct result result;
    int answers[JOBS];

    (void)arg;
    rn_make(&work.jobs, JOBS);
    rn_make(&work.results, 0);
    for (int i = 0; i < WORKERS; i++)
        rn_group_go(workers, worker, &work, sizeof work);

    for (int job = 0; job < JOBS; job++)
        rn_send(work.jobs, job);
    rn_close(work.jobs);
    for (int i = 0; i < JOBS; i++) { /* in whatever order they are ready */
        rn_recv(work.results, &result);
        answers[result.job] = result.answer;
    }

    rn_group_wait(workers, RN_FOREVER);
    rn_group_free(workers);
    rn_chan_unref(work.jobs.chan);
    rn_chan_unref(work.results.chan);
    for (int job = 0; job < JOBS; job++)
        printf("job %d: %d\n", job, answers[job]);
    return 0;
}

int main(void)
{
    return rn_main(0, run, NULL);
}
