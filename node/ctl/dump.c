/* dump.c - `runnel dump [NODE]`: every goroutine of every node, and where it is.
 *   SPDX-License-Identifier: MIT
 *
 * Goroutines that are alike - the same name, the same wait, the same stack - are told together: of ten thousand that wait in
 * one place, a reader wants to see the place once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/ctl/nodes.h"
#include "node/ctl/verbs.h"

#define LINE 100 /* columns that the numbers of alike goroutines may fill */

struct dump {
    struct ctl_opts *opts;
    const char *node; /* NULL: all */
    bool all;         /* of every stack */
};

/* ---- alike ---- */

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int waits_order(const struct wire_goroutine *a, const struct wire_goroutine *b)
{
    int by = order(a->n_waits, b->n_waits);

    for (uint32_t i = 0; by == 0 && i < a->n_waits; i++) {
        by = order(a->waits[i].direction, b->waits[i].direction);
        if (by == 0)
            by = strcmp(a->waits[i].channel, b->waits[i].channel);
    }
    return by;
}

/* 0: alike. */
static int likeness(const struct wire_goroutine *a, const struct wire_goroutine *b)
{
    int by = order(a->system, b->system);

    if (by == 0)
        by = strcmp(a->name, b->name);
    if (by == 0)
        by = order(a->doing, b->doing);
    if (by == 0)
        by = strcmp(a->why, b->why);
    if (by == 0)
        by = waits_order(a, b);
    return by == 0 ? strcmp(a->stack, b->stack) : by;
}

static int by_likeness(const void *a, const void *b)
{
    const struct wire_goroutine *left = a, *right = b;
    int by = likeness(left, right);

    return by == 0 ? (left->id > right->id) - (left->id < right->id) : by;
}

/* ---- printing ---- */

/* Their numbers; of three or more in a row the first and the last. */
static void print_ids(const struct wire_goroutine *g, size_t n)
{
    int column = printf("  goroutine%s", n == 1 ? "" : "s");

    for (size_t i = 0, row; i < n; i += row) {
        for (row = 1; i + row < n && g[i + row].id == g[i].id + row;)
            row++;
        if (column > LINE)
            column = printf("\n    ") - 1;
        if (row < 3)
            row = 1;
        if (row > 1)
            column += printf(" %" PRIu64 "-%" PRIu64, g[i].id, g[i + row - 1].id);
        else
            column += printf(" %" PRIu64, g[i].id);
        if (i + row < n)
            column += printf(",");
    }
}

static void print_alike(const struct dump *d, const struct wire_goroutine *g, size_t n)
{
    uint64_t least = g->waited_ms, most = g->waited_ms;

    for (size_t i = 1; i < n; i++) {
        least = g[i].waited_ms < least ? g[i].waited_ms : least;
        most = g[i].waited_ms > most ? g[i].waited_ms : most;
    }
    print_ids(g, n);
    if (g->name[0])
        printf(" \"%s\"", g->name);
    if (g->system)
        printf(" (of the library)");
    printf("  ");
    if (n == 1) {
        print_doing(g);
    } else {
        struct wire_goroutine shortest = *g;

        shortest.waited_ms = least;
        printf("(%zu) each ", n);
        print_doing(&shortest);
        if (g->doing == WIRE_WAITING && most > least) {
            printf(" to ");
            print_duration(most);
        }
    }
    putchar('\n');
    print_stack(g, "    ", d->all);
}

/* Is it busy: what they do, in numbers. */
static void print_numbers(const struct told *t)
{
    size_t doing[WIRE_OUTSIDE + 1] = { 0 };
    size_t waiting;

    for (size_t i = 0; i < t->n; i++)
        doing[t->goroutine[i].doing]++;
    waiting = t->n - doing[WIRE_RUNNING] - doing[WIRE_RUNNABLE];
    printf(": %zu goroutine%s: %zu running, %zu runnable, %zu waiting\n", t->n,
           t->n == 1 ? "" : "s", doing[WIRE_RUNNING], doing[WIRE_RUNNABLE], waiting);
}

static void print_told(const struct dump *d, const struct told *t)
{
    print_node(&t->info);
    if (t->info.voice != WIRE_ANSWERED) {
        printf(" ");
        print_silence(&t->info);
        printf(t->n ? "; until then:\n" : "\n");
    } else {
        print_numbers(t);
    }
    if (t->n > 0)
        qsort(t->goroutine, t->n, sizeof *t->goroutine, by_likeness);
    for (size_t i = 0, n; i < t->n; i += n) {
        for (n = 1; i + n < t->n && likeness(&t->goroutine[i], &t->goroutine[i + n]) == 0;)
            n++;
        print_alike(d, &t->goroutine[i], n);
    }
}

static int dump_run(struct ctl_run *run, void *arg)
{
    struct dump *d = arg;
    struct nodes nodes;
    rn_node *node;
    int status;

    (void)run;
    if (ctl_open(&node, d->opts, NULL, rn_after(d->opts->wait_ns)) != CTL_OK)
        return CTL_FAILED;
    status = nodes_ask(&nodes, node, WIRE_DUMP, d->node, d->opts);
    if (status == CTL_OK) {
        if (nodes.n == 0)
            printf("the broker has no nodes but this one\n");
        for (size_t i = 0; i < nodes.n; i++) {
            if (i > 0)
                putchar('\n');
            print_told(d, &nodes.told[i]);
        }
        status = ctl_flush();
    }
    nodes_free(&nodes);
    ctl_close(node);
    return status;
}

/* ---- the command line ---- */

static error_t parse_dump(int key, char *arg, struct argp_state *state)
{
    struct dump *d = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = d->opts;
        return 0;
    case 'a':
        d->all = true;
        return 0;
    case ARGP_KEY_ARG:
        if (d->node)
            argp_error(state, "one node or all, not also '%s'", arg);
        d->node = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option dump_options[] = {
    { "all-frames", 'a', NULL, 0, "Show stacks whole, with what the library does in them", 0 },
    { 0 },
};

static const char dump_doc[] =
    "Lists every goroutine of the nodes called NODE, or of all nodes of the broker, with what it "
    "waits for, how long, and where it is. No goroutine is stopped for it.\v"
    "Each goroutine is shown as it was at one moment, but not all at the same. Those that are alike "
    "are told together. Where a goroutine is that runs at this moment cannot be seen. A node that "
    "gives no answer for a second is named with how long the broker has not heard of it.";

int dump_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { dump_options, parse_dump, "[NODE]", dump_doc,
                                      children,     NULL,       NULL };
    struct dump d = { .opts = opts };

    argp_parse(&argp, argc, argv, 0, NULL, &d);
    return ctl_main(CTL_WORKERS, dump_run, &d);
}
