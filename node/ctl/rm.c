/* rm.c - `runnel rm NAME`: removes a channel, with what is in it.   SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "node/ctl/ask.h"
#include "node/ctl/verbs.h"

struct removal {
    struct ctl_opts *opts;
    const char *name;
    bool force;
    uint64_t dropped, bytes;
};

static void done(void *arg, const struct wire_control *answer)
{
    struct removal *r = arg;

    r->dropped = answer->answer.dropped;
    r->bytes = answer->answer.dropped_bytes;
}

static int rm_run(struct ctl_run *run, void *arg)
{
    struct removal *r = arg;
    struct wire_control question = { .what = WIRE_REMOVE,
                                     .peek = { .name = r->name, .force = r->force } };
    rn_node *node;
    int status;

    (void)run;
    if (ctl_open(&node, r->opts, NULL, rn_after(r->opts->wait_ns)) != CTL_OK)
        return CTL_FAILED;
    status = ctl_ask(node, &question, done, r, "remove", r->name, r->opts,
                     rn_after(r->opts->wait_ns));
    ctl_close(node);
    if (status != CTL_OK || r->dropped == 0)
        return status;
    printf("%" PRIu64 " element%s dropped, %" PRIu64 " byte%s\n", r->dropped,
           r->dropped == 1 ? "" : "s", r->bytes, r->bytes == 1 ? "" : "s");
    return ctl_flush();
}

static error_t parse_rm(int key, char *arg, struct argp_state *state)
{
    struct removal *r = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = r->opts;
        return 0;
    case 'f':
        r->force = true;
        return 0;
    case ARGP_KEY_ARG:
        if (r->name)
            argp_error(state, "one channel at a time, not also '%s'", arg);
        r->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!r->name)
            argp_error(state, "which channel? NAME is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option rm_options[] = {
    { "force", 'f', NULL, 0, "Also while it is in use: those who are bound to it get an error", 0 },
    { 0 },
};

static const char rm_doc[] =
    "Removes the channel NAME: the broker forgets it, with what is in it, and the next that is bound to the name makes a new one, "
    "with other attributes if need be. Prints how much was dropped.\v"
    "A channel that somebody has bound is only removed with --force. Its senders and receivers then get RN_EHOMELOST, and what "
    "receivers had and had not taken or acknowledged is dropped, too; `runnel send', `runnel recv' and runnel-node say so and "
    "go on with a new one. Its dead letters are a channel of their own, NAME.dead, and stay.\n\n"
    "Exit status 1 if there is no such channel, or it is in use.";

int rm_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { rm_options, parse_rm, "NAME", rm_doc, children, NULL, NULL };
    struct removal r = { .opts = opts };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &r);
    status = ctl_check_name_in(r.name);
    return status == CTL_OK ? ctl_main(CTL_WORKERS, rm_run, &r) : status;
}
