/* purge.c - `runnel purge NAME`: drops what is in a channel and with nobody.   SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/ctl/ask.h"
#include "node/ctl/channels.h"
#include "node/ctl/stream.h"
#include "node/ctl/verbs.h"

struct purge {
    struct ctl_opts *opts;
    const char *name;
    bool yes;
    uint64_t dropped, bytes;
};

static void done(void *arg, const struct wire_control *answer)
{
    struct purge *p = arg;

    p->dropped = answer->answer.dropped;
    p->bytes = answer->answer.dropped_bytes;
}

static int drop(struct purge *p, rn_node *node)
{
    struct wire_control question = { .what = WIRE_PURGE, .peek = { .name = p->name } };
    int status = ctl_ask(node, &question, done, p, "purge", p->name, p->opts,
                         rn_after(p->opts->wait_ns));

    if (status != CTL_OK)
        return status;
    printf("%" PRIu64 " element%s dropped, %" PRIu64 " byte%s\n", p->dropped,
           p->dropped == 1 ? "" : "s", p->bytes, p->bytes == 1 ? "" : "s");
    return ctl_flush();
}

/* ---- asking first ---- */

static int check_asking(const struct purge *p)
{
    if (p->yes || isatty(STDIN_FILENO))
        return CTL_OK;
    ctl_say("it asks before it drops anything, and nobody is there to answer: say --yes");
    return CTL_USAGE;
}

/* A line of standard input that begins with y; cancelled by a signal. */
static bool confirmed(void)
{
    struct stream in;
    char line[64] = "";
    ssize_t n;

    stream_share(&in, STDIN_FILENO, /* writing= */ false);
    n = stream_read(&in, line, sizeof line, RN_FOREVER);
    stream_close(&in);
    return n > 0 && (line[0] == 'y' || line[0] == 'Y');
}

/* CTL_OK: it is to be done. */
static int ask_first(struct purge *p, rn_node *node)
{
    struct channels cs;
    const struct wire_channel_info *c;
    int status = channels_ask(&cs, node, p->name, p->opts);

    c = status == CTL_OK ? channels_only(&cs, p->name, p->opts) : NULL;
    if (!c) {
        channels_free(&cs);
        return CTL_FAILED;
    }
    printf("Drop what is in channel \"%s\" and with no receiver, %" PRIu64 " elements now? [y/N] ",
           p->name, c->buffered + c->delayed);
    channels_free(&cs);
    status = ctl_flush();
    if (status != CTL_OK || confirmed())
        return status;
    return ctl_say("nothing was dropped");
}

/* ---- the verb ---- */

static int purge_run(struct ctl_run *run, void *arg)
{
    struct purge *p = arg;
    rn_node *node;
    int status;

    (void)run;
    if (ctl_open(&node, p->opts, NULL, rn_after(p->opts->wait_ns)) != CTL_OK)
        return CTL_FAILED;
    status = p->yes ? CTL_OK : ask_first(p, node);
    if (status == CTL_OK)
        status = drop(p, node);
    ctl_close(node);
    return status;
}

static error_t parse_purge(int key, char *arg, struct argp_state *state)
{
    struct purge *p = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = p->opts;
        return 0;
    case 'y':
        p->yes = true;
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

static const struct argp_option purge_options[] = {
    { "yes", 'y', NULL, 0, "Do not ask first", 0 },
    { 0 },
};

static const char purge_doc[] =
    "Drops what is in the channel NAME and with no receiver: what is buffered, and what waits to be delivered again. What receivers "
    "have stays theirs, and what is sent from now on is not touched; senders that waited go on. Prints how much it was.\v"
    "The broker counts it: `runnel audit' shows it as dropped(purged). It cannot be undone; `runnel peek' shows what would go.\n\n"
    "Exit status 1 if there is no such channel, or the answer was no.";

int purge_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { purge_options, parse_purge, "NAME", purge_doc,
                                      children,      NULL,        NULL };
    struct purge p = { .opts = opts };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &p);
    status = ctl_check_name_in(p.name);
    if (status == CTL_OK)
        status = check_asking(&p);
    return status == CTL_OK ? ctl_main(CTL_WORKERS, purge_run, &p) : status;
}
