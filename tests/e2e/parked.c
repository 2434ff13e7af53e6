/* parked.c - goroutines that wait, each in a function of its own, to be looked at by a debugger.   SPDX-License-Identifier: MIT
 *
 * When all of them wait it comes to everybody_waits(), where the debugger stops it; afterwards it ends as it should. */
#include <runnel/rn.h>
#include <runnel/sync.h>

#include <stdio.h>

static rn_chan *chan;
static rn_mutex mutex;

/* What a debugger is to find in the frame: still needed after the wait. */
static __attribute__((noinline)) int receives(int marker)
{
    int rc = rn_chan_recv(chan, NULL, RN_FOREVER);

    return rc == RN_ECLOSED ? marker : -1;
}

static void alpha_fn(void *arg)
{
    volatile int found;

    (void)arg;
    rn_set_name("alpha");
    found = receives(4242);
    (void)found;
}

static __attribute__((noinline)) void locks(void)
{
    rn_mutex_lock(&mutex);
    rn_mutex_unlock(&mutex);
}

static void beta_fn(void *arg)
{
    (void)arg;
    rn_set_name("beta");
    locks();
}

static void sleeps_fn(void *arg)
{
    (void)arg;
    rn_sleep(rn_after(3600 * RN_SEC));
}

static __attribute__((noinline)) void everybody_waits(void)
{
    puts("everybody waits");
    fflush(stdout);
}

static int run(void *arg)
{
    rn_reason why[4];

    (void)arg;
    chan = rn_chan_new(0, 0, NULL);
    rn_mutex_lock(&mutex);
    if (rn_go(alpha_fn, NULL) < 0 || rn_go(beta_fn, NULL) < 0 || rn_go(sleeps_fn, NULL) < 0)
        return 1;
    while (rn_stats_reasons(why, RN_LEN(why)) < 3)
        rn_yield();
    everybody_waits();
    rn_mutex_unlock(&mutex);
    rn_chan_close(chan);
    return 0;
}

int main(void)
{
    return rn_main(2, run, NULL);
}
