/* tally.h - were all elements received, once, and in order?   SPDX-License-Identifier: MIT
 *
 * An element says of which stream it is (what one producer sends into one channel) and its number there, from 0 on.
 * Each consumer keeps for each stream the run of consecutive numbers that it is in; a run that ends goes into a log
 * that all share.  So the usual element costs a comparison, and at the end the runs tell exactly what is missing and
 * what came twice, whoever of the consumers it went to. */
#ifndef NODE_CTL_MEASURE_TALLY_H
#define NODE_CTL_MEASURE_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally_run {
    uint64_t stream, first, end; /* the numbers first ... end - 1 */
};

/* In memory that the consumers share. */
struct tally_log {
    atomic_ullong runs; /* that were to be kept; more than TALLY_RUNS: not all of them were */
    atomic_ullong disordered;
    atomic_ullong alien; /* elements that say a stream which is none of the consumer's */
    struct tally_run run[];
};
#define TALLY_RUNS (UINT64_C(1) << 24)

struct tally {
    struct tally_log *log;
    uint64_t base, n; /* the streams that this consumer may get: base ... base + n - 1 */
    struct tally_run *open;
};

/* 0 or -ENOMEM. */
int tally_init(struct tally *t, struct tally_log *log, uint64_t base, uint64_t n);
/* The runs that are open go into the log. */
void tally_fini(struct tally *t);

void tally_break(struct tally *t, uint64_t stream, uint64_t number);

static inline void tally_take(struct tally *t, uint64_t stream, uint64_t number)
{
    uint64_t i = stream - t->base;

    if (i < t->n && t->open[i].end == number)
        t->open[i].end++;
    else
        tally_break(t, stream, number);
}

struct tally_verdict {
    uint64_t received; /* different elements */
    uint64_t lost, doubled;
    uint64_t disordered; /* came to a consumer after a later one of its stream */
    uint64_t alien;      /* was never sent */
    bool complete; /* false: there were more runs than could be kept, and the rest means nothing */
};

/* sent[s]: how many elements of stream s were sent.  Sorts the log.  Call it when all consumers have ended. */
struct tally_verdict tally_judge(struct tally_log *log, const uint64_t *sent, uint64_t streams);

#endif
