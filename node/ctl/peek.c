/* peek.c - `runnel peek NAME`: shows what is in a channel, and takes nothing.   SPDX-License-Identifier: MIT
 *
 * It asks page by page, from where the last one ended.  Between two pages elements may come and go, as they like. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/ctl/ask.h"
#include "node/ctl/elements.h"
#include "node/ctl/verbs.h"

#define COUNT_DEFAULT 10

struct peek {
    struct ctl_opts *opts;
    const char *name;
    int64_t count;
    uint64_t from;
    bool details;
    struct elements es;
    uint64_t incarnation; /* of the page before; 0: there was none */
    bool more, other;     /* there are others; the channel is another one now */
};

static void page(void *arg, const struct wire_control *answer)
{
    struct peek *p = arg;

    p->other = p->incarnation != 0 && p->incarnation != answer->answer.incarnation;
    p->incarnation = answer->answer.incarnation;
    p->more = answer->answer.more && answer->answer.n_elements > 0;
    for (uint32_t i = 0; !p->other && i < answer->answer.n_elements; i++)
        elements_add(&p->es, &answer->answer.elements[i]);
}

static bool ask_page(struct peek *p, rn_node *node, int *status)
{
    uint64_t left = (uint64_t)p->count - p->es.n;
    struct wire_control question = {
        .what = WIRE_PEEK,
        .peek = { .name = p->name,
                  .from = p->es.next,
                  .offset = p->es.offset,
                  .count = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX },
    };

    *status = ctl_ask(node, &question, page, p, "peek into", p->name, p->opts,
                      rn_after(p->opts->wait_ns));
    if (*status == CTL_OK)
        *status = elements_flush(&p->es);
    return *status == CTL_OK && !p->other && p->es.n < (uint64_t)p->count &&
           (p->more || p->es.missing > 0);
}

static int peek_run(struct ctl_run *run, void *arg)
{
    struct peek *p = arg;
    rn_node *node;
    int status;

    (void)run;
    if (ctl_open(&node, p->opts, NULL, rn_after(p->opts->wait_ns)) != CTL_OK)
        return CTL_FAILED;
    elements_init(&p->es, p->details);
    p->es.next = p->from;
    while (ask_page(p, node, &status))
        continue;
    elements_fini(&p->es);
    ctl_close(node);
    return status;
}

enum { OPT_FROM = 256 };

static error_t parse_peek(int key, char *arg, struct argp_state *state)
{
    struct peek *p = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = p->opts;
        return 0;
    case 'n':
        p->count = ctl_number(arg, "-n", state);
        return 0;
    case 'd':
        p->details = true;
        return 0;
    case OPT_FROM:
        p->from = (uint64_t)ctl_number(arg, "--from", state);
        return 0;
    case ARGP_KEY_ARG:
        if (p->name)
            argp_error(state, "one channel at a time, not also '%s'", arg);
        p->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!p->name)
            argp_error(state, "which channel? NAME is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option peek_options[] = {
    { "count", 'n', "N", 0, "The first N of them (10)", 0 },
    { "from", OPT_FROM, "POSITION", 0, "Only those from this position on", 0 },
    { "details", 'd', NULL, 0,
      "Say before each its position, where it is, how often it was delivered, its size and its age",
      0 },
    { 0 },
};

static const char peek_doc[] =
    "Shows the oldest elements of the channel NAME, each as a line, as `runnel recv' prints them. They stay where they "
    "are: nothing is taken, and no receiver notices.\v"
    "In the channel is what was accepted and has not come to its end: what is buffered, what waits to be delivered again, and "
    "what receivers have and have not taken or acknowledged; --details tells which.\n\n"
    "  $ runnel peek orders -n 3 --details\n\n"
    "Exit status 1 if there is no such channel.";

int peek_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { peek_options, parse_peek, "NAME", peek_doc,
                                      children,     NULL,       NULL };
    struct peek p = { .opts = opts, .count = COUNT_DEFAULT };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &p);
    status = ctl_check_name_in(p.name);
    return status == CTL_OK ? ctl_main(CTL_WORKERS, peek_run, &p) : status;
}
