/* sim.c - the simulator: many small runs of a whole cluster, each from one seed.   SPDX-License-Identifier: MIT
 *
 *   sim --seeds N [--from S] [--seconds T] [--floor N]
 *                                      runs seeds S, S+1, ... (at most N, at most T seconds); fails when fewer than the
 *                                      floor were run
 *   sim --seed S                       replays one, told what it is like
 *   sim --stuck T ...                  a seed that takes T seconds of the processor will never end
 *   sim --local ...                    the same programs on local channels, without a broker: the oracle must agree there
 *
 * The broker's shard and core, the sessions, the nodes and their bindings are the real ones; the network is
 * memlink, time and interleaving are rn_sim's.  What must hold is in oracle.c. */
#include "tests/sim/reach.h"
#include "tests/sim/watch.h"
#include "tests/sim/world.h"

#include "runtime/heirloom.h"
#include "runtime/rn.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct sim_config config; /* of the run that is going on */
static struct world world;
static struct {
    uint64_t runs, calls, faults[FAULT_KINDS];
    struct oracle_counts counts;
} total;

void sim_fail(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    sim_describe(&config);
    fprintf(stderr, "sim: FAILED: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nsim: replay with: sim %s--seed %" PRIu64 "\n",
            config.local ? "--local " : "", config.seed);
    exit(1);
}

static void add_counts(const struct world *w)
{
    struct oracle_counts c;

    oracle_counts(w->oracle, &c);
    total.runs++;
    total.calls += w->calls_answered;
    total.counts.sent += c.sent;
    total.counts.doubt += c.doubt;
    total.counts.not_sent += c.not_sent;
    total.counts.received += c.received;
    total.counts.doubled += c.doubled;
    total.counts.ended += c.ended;
    total.counts.gone += c.gone;
    total.counts.dropped += c.dropped;
    total.counts.expired += c.expired;
    total.counts.purged += c.purged;
    for (int i = 0; i < FAULT_KINDS; i++)
        total.faults[i] += w->faults[i];
}

static int run(void *arg)
{
    (void)arg;
    world_open(&world, &config);
    program_run(&world);
    world_close(&world);
    listeners_finish(world.listeners, world.oracle);
    oracle_finish(world.oracle);
    listeners_free(world.listeners);
    add_counts(&world);
    oracle_free(world.oracle);
    return 0;
}

static void run_seed(uint64_t seed, bool local, bool describe)
{
    int rc;

    sim_configure(&config, seed, local);
    if (describe)
        sim_describe(&config);
    atomic_store(&rn__heirlooms, false); /* as in a process of its own */
    rc = rn_sim(seed, run, NULL);
    if (rc != 0)
        sim_fail("rn_sim gave %d", rc);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(double seconds)
{
    const struct oracle_counts *c = &total.counts;

    printf("sim: %" PRIu64 " seeds in %.1f s: %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64
           " in doubt, %" PRIu64 " not sent, %" PRIu64 " came again after a session's end, %" PRIu64
           " gone with their broker, %" PRIu64 " dropped by a cancellation, %" PRIu64
           " expired, %" PRIu64 " calls answered, %" PRIu64 " purged\n",
           total.runs, seconds, c->sent, c->received, c->doubt, c->not_sent, c->doubled, c->gone,
           c->dropped, c->expired, total.calls, c->purged);
    printf("sim: faults: ");
    for (int i = 0; i < FAULT_KINDS; i++)
        printf("%" PRIu64 " %s, ", total.faults[i], sim_fault_names[i]);
    printf("%" PRIu64 " handles lost their session\n", c->ended);
}

static _Noreturn void usage(void)
{
    fprintf(stderr,
            "usage: sim --seeds N [--from S] [--seconds T] [--floor N] [--stuck T] [--local] | "
            "sim --seed S [--stuck T] [--local]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seeds", required_argument, NULL, 'n' },   { "from", required_argument, NULL, 'f' },
        { "seconds", required_argument, NULL, 't' }, { "floor", required_argument, NULL, 'l' },
        { "seed", required_argument, NULL, 's' },    { "local", no_argument, NULL, 'L' },
        { "stuck", required_argument, NULL, 'k' },   { NULL, 0, NULL, 0 },
    };
    uint64_t seeds = 0, from = 1, floor = 0, stuck = WATCH_SECONDS;
    double seconds = 1e9, started = now();
    bool one = false, local = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n')
            seeds = strtoull(optarg, NULL, 10);
        else if (option == 'f' || option == 's')
            from = strtoull(optarg, NULL, 10);
        else if (option == 't')
            seconds = strtod(optarg, NULL);
        else if (option == 'l')
            floor = strtoull(optarg, NULL, 10);
        else if (option == 'k')
            stuck = strtoull(optarg, NULL, 10);
        else if (option == 'L')
            local = true;
        else
            usage();
        if (option == 's')
            one = true;
    }
    if (optind != argc || (!one && seeds == 0))
        usage();
    if (one)
        seeds = 1;
    watch_begin("sim", local ? "sim --local " : "sim ");
    for (uint64_t i = 0; i < seeds && now() - started < seconds; i++) {
        watch_seed(from + i, (unsigned)stuck);
        run_seed(from + i, local, one);
    }
    report(now() - started);
    if (!one && !local)
        reach_report("sim");
    if (total.runs < floor) {
        fprintf(stderr, "sim: only %" PRIu64 " seeds were run, the floor is %" PRIu64 "\n",
                total.runs, floor);
        return 1;
    }
    return 0;
}
