/* bench.c - `runnel bench`: how fast channels are here.   SPDX-License-Identifier: MIT */
#include "node/ctl/bench.h"
#include "node/ctl/verbs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CAPACITY_MAX (INT64_C(1) << 31) /* rn_bind takes no more */
#define BYTES_MAX    (64 << 20)         /* in a channel, unless rn_bind is told otherwise */

/* What each kind is unless options say otherwise. */
static const struct {
    const char *name;
    int producers, consumers, channels, connections;
} kinds[BENCH_KINDS] = {
    [BENCH_THROUGHPUT] = { "throughput", 1, 1, 1, 0 },
    [BENCH_LATENCY] = { "latency", 1, 1, 1, 0 },
    [BENCH_FANIN] = { "fanin", 8, 1, 1, 0 },
    [BENCH_CHANNELS] = { "channels", 1, 1, 10000, 0 },
    [BENCH_CONNECTIONS] = { "connections", 1, 1, 1, 1000 },
    [BENCH_SLOW] = { "slow", 1, 1, 1, 0 },
};

enum {
    OPT_SIZE = 256,
    OPT_PRODUCERS,
    OPT_CONSUMERS,
    OPT_CHANNELS,
    OPT_CONNECTIONS,
    OPT_CAPACITY,
    OPT_SECONDS,
    OPT_RUNS,
    OPT_RATE,
    OPT_LOAD,
    OPT_CONFIRM,
    OPT_MANUAL_ACK,
    OPT_KEEP,
    OPT_CURVE,
    OPT_JSON,
};

static const struct argp_option bench_options[] = {
    { "size", OPT_SIZE, "BYTES", 0, "Of an element (128; at least 16)", 0 },
    { "producers", OPT_PRODUCERS, "N", 0, "Goroutines that send (1; fanin: 8)", 0 },
    { "consumers", OPT_CONSUMERS, "N", 0, "Goroutines that receive from each channel (1)", 0 },
    { "channels", OPT_CHANNELS, "N", 0,
      "Each producer sends into so many in turn (1; channels: 10000)", 0 },
    { "connections", OPT_CONNECTIONS, "N", 0,
      "Besides, so many nodes that do nothing (connections: 1000)", 0 },
    { "capacity", OPT_CAPACITY, "N", 0,
      "Of a channel; 0: a rendezvous (what rn_bind takes by itself)", 0 },
    { "seconds", OPT_SECONDS, "S", 0,
      "That are measured in each run, after as much as a quarter of it (3)", 0 },
    { "runs", OPT_RUNS, "N", 0, "Of which the median is given (5)", 0 },
    { "rate", OPT_RATE, "N", 0, "Pings per second (1000)", 0 },
    { "load", OPT_LOAD, NULL, 0, "Pings: beside producers and consumers of another channel", 0 },
    { "confirm", OPT_CONFIRM, NULL, 0, "Each send returns when the broker has accepted it", 0 },
    { "manual-ack", OPT_MANUAL_ACK, NULL, 0, "Each element is acknowledged by hand", 0 },
    { "keep", OPT_KEEP, "memory|disk", 0, "Where elements are kept (memory; disk is not there yet)",
      0 },
    { "curve", OPT_CURVE, NULL, 0, "Encrypted links, with keys of the run's own", 0 },
    { "json", OPT_JSON, NULL, 0, "One object instead of a table", 0 },
    { 0 },
};

static int count(const char *text, const char *what, int64_t max, const struct argp_state *state)
{
    int64_t n = ctl_number(text, what, state);

    if (n > max)
        argp_error(state, "%s can be at most %lld, not '%s'", what, (long long)max, text);
    return (int)n;
}

static int64_t parse_size(const char *text, const struct argp_state *state)
{
    int64_t n = ctl_number(text, "--size", state);

    if (n < ELEMENT_MIN)
        argp_error(state, "--size must be at least %d: an element carries its number and the time",
                   ELEMENT_MIN);
    if (n > BYTES_MAX)
        argp_error(state, "--size can be at most %d, the bytes that a channel holds, not '%s'",
                   BYTES_MAX, text);
    return n;
}

static int64_t parse_capacity(const char *text, const struct argp_state *state)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    if (end == text || *end || n < 0 || n > CAPACITY_MAX)
        argp_error(state, "--capacity takes 0 (a rendezvous) to %lld elements, not '%s'",
                   (long long)CAPACITY_MAX, text);
    return n == 0 ? RN_RENDEZVOUS : n;
}

static double parse_seconds(const char *text, const struct argp_state *state)
{
    char *end;
    double s = strtod(text, &end);

    if (end == text || *end || !(s >= 0.05 && s <= 86400))
        argp_error(state, "--seconds takes seconds from 0.05 to 86400, not '%s'", text);
    return s;
}

static void parse_kind(struct bench_opts *o, const char *text, const struct argp_state *state)
{
    for (int k = 0; k < BENCH_KINDS; k++)
        if (strcmp(text, kinds[k].name) == 0) {
            o->kind = (enum bench_kind)k;
            return;
        }
    argp_error(state,
               "it measures throughput, latency, fanin, channels, connections or slow, not '%s'",
               text);
}

/* What was not stated is as usual for the kind. */
static void fill_in(struct bench_opts *o)
{
    o->producers = o->producers ? o->producers : kinds[o->kind].producers;
    o->consumers = o->consumers ? o->consumers : kinds[o->kind].consumers;
    o->channels = o->channels ? o->channels : kinds[o->kind].channels;
    o->connections = o->connections ? o->connections : kinds[o->kind].connections;
    o->rate = o->rate ? o->rate : 1000;
}

/* Options that each may be, but not beside the others. */
static void check_together(const struct bench_opts *o, const struct argp_state *state)
{
    bool pings = bench_pings(o);

    if (o->manual_ack && o->capacity == RN_RENDEZVOUS)
        argp_error(state, "--manual-ack needs a buffer: a rendezvous (--capacity 0) is over when "
                          "its element is taken");
    if (!pings && o->load)
        argp_error(state, "--load is for latency and connections");
    if (!pings && o->rate)
        argp_error(state, "--rate is for latency and connections");
    if (pings && o->channels)
        argp_error(state, "--channels is not for latency and connections");
    if (pings && !o->load && (o->producers || o->consumers))
        argp_error(state, "--producers and --consumers are not for %s, but for its --load",
                   kinds[o->kind].name);
}

static void check_sizes(const struct bench_opts *o, const struct argp_state *state)
{
    if ((uint64_t)o->producers * (uint64_t)o->channels >= STREAM_MAX)
        argp_error(state, "--producers times --channels must be below %llu",
                   (unsigned long long)STREAM_MAX);
    if ((uint64_t)o->consumers * (uint64_t)o->channels >= STREAM_MAX)
        argp_error(state, "--consumers times --channels must be below %llu",
                   (unsigned long long)STREAM_MAX);
}

/* It waits for what the broker cannot do yet, and becomes a field of struct bench_opts that load_bind() (bench_load.c)
 * passes on. */
static error_t parse_keep(const char *arg, struct argp_state *state)
{
    if (strcmp(arg, "memory") == 0)
        return 0;
    if (strcmp(arg, "disk") != 0)
        argp_error(state, "--keep takes memory or disk, not '%s'", arg);
    ctl_say("this version cannot keep elements on disk (--keep disk)");
    exit(CTL_FAILED);
}

static error_t parse_bench(int key, char *arg, struct argp_state *state)
{
    struct bench_opts *o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = (void *)o->ctl;
        return 0;
    case ARGP_KEY_ARG:
        if (o->kind != BENCH_KINDS)
            argp_error(state, "it measures one thing at a time, not also '%s'", arg);
        parse_kind(o, arg, state);
        return 0;
    case ARGP_KEY_END:
        if (o->kind == BENCH_KINDS)
            argp_error(state, "what is to be measured? throughput, latency, fanin, channels, "
                              "connections or slow");
        check_together(o, state);
        fill_in(o);
        check_sizes(o, state);
        return 0;
    case OPT_SIZE:
        o->size = parse_size(arg, state);
        return 0;
    case OPT_PRODUCERS:
        o->producers = count(arg, "--producers", 10000, state);
        return 0;
    case OPT_CONSUMERS:
        o->consumers = count(arg, "--consumers", 10000, state);
        return 0;
    case OPT_CHANNELS:
        o->channels = count(arg, "--channels", 1000000, state);
        return 0;
    case OPT_CONNECTIONS:
        o->connections = count(arg, "--connections", 12000, state);
        return 0;
    case OPT_CAPACITY:
        o->capacity = parse_capacity(arg, state);
        return 0;
    case OPT_SECONDS:
        o->seconds = parse_seconds(arg, state);
        return 0;
    case OPT_RUNS:
        o->runs = count(arg, "--runs", RUNS_MAX, state);
        return 0;
    case OPT_RATE:
        o->rate = count(arg, "--rate", 1000000, state);
        return 0;
    case OPT_LOAD:
        o->load = true;
        return 0;
    case OPT_CONFIRM:
        o->confirm = true;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case OPT_MANUAL_ACK:
        o->manual_ack = true;
        return 0;
    case OPT_CURVE:
        o->curve = true;
        return 0;
    case OPT_KEEP:
        return parse_keep(arg, state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char bench_doc[] =
    "Measures channels on this machine: producers, broker and consumers are processes of their own, and each element is "
    "one rn_send and one rn_recv in a goroutine, checked to come once and in order.\n\n"
    "  throughput   as fast as they go, through one channel\n"
    "  latency      a ping and its answer, through two channels\n"
    "  fanin        many producers, a connection each, into one channel\n"
    "  channels     through many channels in turn; what a channel costs\n"
    "  connections  pings beside many idle nodes; what a connection costs\n"
    "  slow         a consumer that rests nine tenths of the time: nothing grows\n"
    "\v"
    "Each run starts a broker of its own on the loopback interface (the runnel-broker beside this program, else that "
    "in the PATH), unless --broker tells a running one, whose CPU time and memory are then not known; $RUNNEL_URL is not "
    "heeded, nor are $RUNNEL_KEY and $RUNNEL_BROKER_KEY then. All figures are medians of the runs, with the least and the most; lost, doubled and "
    "out of order are sums, and unless they are 0 the exit status is 1 (but several consumers of one channel may get "
    "something out of order: what was recalled from a slow one).\n\n"
    "Latency: of a stream, from the send's begin to its receive, of each 64th element, which is how long it waits in a full "
    "channel. Of pings, there and back; one that waits longer than until the next is due counts for those that were not sent "
    "meanwhile, too (coordinated omission).\n\n"
    "One figure says little on a machine that does something else; a ratio of two that were taken in turn does.";

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static struct figures_title title_of(const struct bench_opts *o, int64_t capacity)
{
    bool pings = bench_pings(o);

    return (struct figures_title){
        .system = "runnel",
        .kind = kinds[o->kind].name,
        .size = o->size,
        .capacity = capacity,
        .producers = pings ? 1 : o->producers,
        .consumers = pings ? 1 : o->consumers,
        .channels = o->channels,
        .connections = o->connections,
        .seconds = o->seconds,
        .confirm = o->confirm,
        .manual_ack = o->manual_ack,
        .load = o->load,
        .curve = o->curve,
    };
}

/* Several receivers of one channel may each see something out of order: what is recalled from one and handed to another. */
static bool all_well(const struct bench_opts *o, const struct figures *f)
{
    bool ordered = bench_pings(o) || o->consumers == 1;

    for (int run = 0; run < f->runs; run++)
        if (f->value[FIGURE_LOST][run] > 0 || f->value[FIGURE_DOUBLED][run] > 0 ||
            (ordered && f->value[FIGURE_DISORDERED][run] > 0))
            return false;
    return true;
}

int bench_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { bench_options, parse_bench, "KIND", bench_doc,
                                      children,      NULL,        NULL };
    static struct figures figures; /* too large for a stack */
    struct bench_opts o = {
        .ctl = opts, .kind = BENCH_KINDS, .size = 128, .runs = 5, .seconds = 3
    };
    struct ctl_opts defaults;
    struct figures_title title;
    int64_t capacity = 0;
    int status = CTL_OK;

    ctl_opts_init(&defaults);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    o.own_broker = opts->broker == defaults.broker; /* the same pointer: no option has set it */
    if (o.curve && !o.own_broker)
        return ctl_say(
            "--curve is for a broker of the run's own; for another there are --broker-key and --keyfile");
    raise_descriptors();
    for (int run = 0; run < o.runs && status == CTL_OK; run++)
        status = bench_run(&o, run, &figures, &capacity);
    if (status != CTL_OK)
        return status;
    title = title_of(&o, capacity);
    (o.json ? figures_print_json : figures_print)(&figures, &title);
    status = ctl_flush();
    if (status == CTL_OK && !all_well(&o, &figures))
        status = ctl_say("elements were lost, doubled or out of order");
    return status;
}
