/* figures.h - what a run gives, the same for every system that is measured; and how it is printed.
 *   SPDX-License-Identifier: MIT */
#ifndef NODE_CTL_MEASURE_FIGURES_H
#define NODE_CTL_MEASURE_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

enum figure {
    FIGURE_RATE, /* elements received per second */
    FIGURE_MB,   /* 1,000,000 bytes of them per second */
    FIGURE_CPU,  /* seconds of CPU for a million of them: all processes, ... */
    FIGURE_CPU_PRODUCERS,
    FIGURE_CPU_BROKER,
    FIGURE_CPU_CONSUMERS,
    FIGURE_RSS,    /* the most memory that the broker ever had, 1,000,000 bytes */
    FIGURE_GROWTH, /* how much of it came while it was measured */
    FIGURE_PER_CHANNEL,
    FIGURE_PER_CONNECTION,
    FIGURE_IDLE, /* percent of a CPU that the broker takes while nothing happens */
    FIGURE_LOST,
    FIGURE_DOUBLED,
    FIGURE_DISORDERED,
    FIGURE_P50,
    FIGURE_P90,
    FIGURE_P99,
    FIGURE_P999,
    FIGURE_P9999,
    FIGURES,
};

#define RUNS_MAX 99

/* Values of all runs; NAN: has none. */
struct figures {
    double value[FIGURES][RUNS_MAX];
    int runs;
};

/* What was measured; for the heading. */
struct figures_title {
    const char *system, *kind;
    int64_t size,
        capacity; /* bytes of an element; elements in a channel, 0: a rendezvous, < 0: there is no such bound */
    int producers, consumers, channels, connections;
    double seconds;
    bool confirm, manual_ack, load, curve;
};

/* Standard output: a table of medians, or a JSON object in one line.  Sorts the values. */
void figures_print(struct figures *f, const struct figures_title *title);
void figures_print_json(struct figures *f, const struct figures_title *title);

#endif
