/* counter.c - a hundred goroutines and one counter: a mutex guards it, a wait group waits for them.
 *   SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <runnel/sync.h>
#include <stdio.h>

struct counter {
    rn_mutex lock;
    int64_t value;    /* guarded by lock */
    rn_waitgroup all; /* those that still count */
};

static void count(void *arg)
{
    struct counter *counter = arg;

    for (int i = 0; i < 1000; i++) {
        rn_mutex_lock(&counter->lock);
        counter->value++;
        rn_mutex_unlock(&counter->lock);
    }
    rn_waitgroup_done(&counter->all);
}

/* The counter may live on this stack: when the wait is over, nobody touches it any more. */
static int run(void *arg)
{
    struct counter counter = { 0 };

    (void)arg;
    rn_waitgroup_add(&counter.all, 100);
    for (int i = 0; i < 100; i++)
        rn_go(count, &counter);
    rn_waitgroup_wait(&counter.all, RN_FOREVER);
    printf("counted to %" PRId64 "\n", counter.value);
    return 0;
}

int main(void)
{
    return rn_main(0, run, NULL);
}
