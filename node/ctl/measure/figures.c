/* figures.c - see figures.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/figures.h"

#include "node/ctl/measure/spread.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum over_runs { MEDIAN, SUM };

static const struct figure_print {
    const char *json, *text, *unit;
    int decimals;
    enum over_runs how; /* one element that is lost in one run is lost, whatever the median says */
} prints[FIGURES] = {
    [FIGURE_RATE] = { "elements_per_s", "elements", "1/s", 0, MEDIAN },
    [FIGURE_MB] = { "mb_per_s", "bytes", "MB/s", 2, MEDIAN },
    [FIGURE_CPU] = { "cpu_s_per_million", "CPU, all processes", "s/million", 4, MEDIAN },
    [FIGURE_CPU_PRODUCERS] = { "cpu_s_per_million_producers", "  producers", "s/million", 4,
                               MEDIAN },
    [FIGURE_CPU_BROKER] = { "cpu_s_per_million_broker", "  broker", "s/million", 4, MEDIAN },
    [FIGURE_CPU_CONSUMERS] = { "cpu_s_per_million_consumers", "  consumers", "s/million", 4,
                               MEDIAN },
    [FIGURE_RSS] = { "broker_rss_mb", "broker, peak memory", "MB", 2, MEDIAN },
    [FIGURE_GROWTH] = { "broker_growth_mb", "  of it while measured", "MB", 2, MEDIAN },
    [FIGURE_PER_CHANNEL] = { "broker_bytes_per_channel", "broker, a channel", "bytes", 0, MEDIAN },
    [FIGURE_PER_CONNECTION] = { "broker_kib_per_connection", "broker, a connection", "KiB", 1,
                                MEDIAN },
    [FIGURE_IDLE] = { "broker_idle_percent", "broker, CPU when idle", "%", 3, MEDIAN },
    [FIGURE_LOST] = { "lost", "lost, all runs", "elements", 0, SUM },
    [FIGURE_DOUBLED] = { "doubled", "doubled, all runs", "elements", 0, SUM },
    [FIGURE_DISORDERED] = { "disordered", "out of order, all runs", "elements", 0, SUM },
    [FIGURE_P50] = { "p50_us", "latency p50", "us", 1, MEDIAN },
    [FIGURE_P90] = { "p90_us", "  p90", "us", 1, MEDIAN },
    [FIGURE_P99] = { "p99_us", "  p99", "us", 1, MEDIAN },
    [FIGURE_P999] = { "p999_us", "  p99.9", "us", 1, MEDIAN },
    [FIGURE_P9999] = { "p9999_us", "  p99.99", "us", 1, MEDIAN },
};

static double sum_of(const double *values, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += values[i];
    return sum;
}

/* Keeps the values that there are, and tells how many. */
static int known(struct figures *f, enum figure which)
{
    double *v = f->value[which];
    int n = 0;

    for (int run = 0; run < f->runs; run++)
        if (!isnan(v[run]))
            v[n++] = v[run];
    return n;
}

static void print_capacity(const struct figures_title *t)
{
    if (t->capacity > 0)
        printf(", capacity %" PRId64, t->capacity);
    else if (t->capacity == 0)
        printf(", rendezvous");
}

void figures_print(struct figures *f, const struct figures_title *t)
{
    printf("%s %s: elements of %" PRId64 " bytes, %d -> %d", t->system, t->kind, t->size,
           t->producers, t->consumers);
    if (t->channels > 1)
        printf(", %d channels", t->channels);
    if (t->connections > 0)
        printf(", %d idle connections", t->connections);
    print_capacity(t);
    printf("%s%s%s%s, %d run%s of %g s\n", t->confirm ? ", confirmed" : "",
           t->manual_ack ? ", acknowledged by hand" : "", t->curve ? ", encrypted" : "",
           t->load ? ", beside a saturating stream" : "", f->runs, f->runs == 1 ? "" : "s",
           t->seconds);
    for (int i = 0; i < FIGURES; i++) {
        const struct figure_print *p = &prints[i];

        int n = known(f, (enum figure)i);

        if (n == 0)
            continue;
        if (p->how == SUM) {
            printf("  %-24s %14.0f %s\n", p->text, sum_of(f->value[i], n), p->unit);
            continue;
        }
        struct spread s = spread_of(f->value[i], n);
        printf("  %-24s %14.*f %-9s (%.*f .. %.*f)\n", p->text, p->decimals, s.median, p->unit,
               p->decimals, s.min, p->decimals, s.max);
    }
}

static void print_json_figure(const struct figure_print *p, double *values, int runs)
{
    if (p->how == SUM) {
        printf(",\"%s\":%.0f", p->json, sum_of(values, runs));
        return;
    }
    struct spread s = spread_of(values, runs);
    printf(",\"%s\":%.*f,\"%s_min\":%.*f,\"%s_max\":%.*f", p->json, p->decimals, s.median, p->json,
           p->decimals, s.min, p->json, p->decimals, s.max);
}

void figures_print_json(struct figures *f, const struct figures_title *t)
{
    printf("{\"system\":\"%s\",\"kind\":\"%s\",\"size\":%" PRId64
           ",\"producers\":%d,\"consumers\":%d,"
           "\"channels\":%d,\"connections\":%d",
           t->system, t->kind, t->size, t->producers, t->consumers, t->channels, t->connections);
    if (t->capacity >= 0)
        printf(",\"capacity\":%" PRId64, t->capacity);
    else
        printf(",\"capacity\":null");
    printf(",\"confirm\":%s,\"manual_ack\":%s,\"load\":%s,\"curve\":%s,\"seconds\":%g,\"runs\":%d",
           t->confirm ? "true" : "false", t->manual_ack ? "true" : "false",
           t->load ? "true" : "false", t->curve ? "true" : "false", t->seconds, f->runs);
    for (int i = 0; i < FIGURES; i++) {
        int n = known(f, (enum figure)i);

        if (n > 0)
            print_json_figure(&prints[i], f->value[i], n);
        else
            printf(",\"%s\":null", prints[i].json);
    }
    printf("}\n");
}
