/* main.c - the `runnel` command: a table of verbs.   SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/ctl/common.h"
#include "node/ctl/verbs.h"

struct verb {
    const char *name;
    int (*main)(int argc, char **argv, struct ctl_opts *opts);
};

/* In the order of the help. */
static const struct verb verbs[] = {
    { "send", send_main },   { "recv", recv_main }, { "call", call_main },
    { "serve", serve_main }, { "ls", ls_main },     { "info", info_main },
    { "peek", peek_main },   { "tap", tap_main },   { "purge", purge_main },
    { "rm", rm_main },       { "dead", dead_main }, { "audit", audit_main },
    { "why", why_main },     { "dump", dump_main }, { "keygen", keygen_main },
    { "bench", bench_main },
};

/* No line is longer than 79 columns: argp would break it in the middle. */
static const char doc[] =
    "Send and receive through named channels, and look at them.\n\n"
    "  send NAME [FILE...]     send lines, or files; waits while it is full\n"
    "  recv NAME [-n N]        print what comes out, until it is closed\n"
    "  call NAME [TEXT]        send a request, and print the reply\n"
    "  serve NAME -- COMMAND   run it for each request; what it prints is the reply\n"
    "  ls                      list the channels of the broker\n"
    "  info NAME               one channel: what it is, who is bound, what it holds\n"
    "  peek NAME               show what is in a channel, and take nothing\n"
    "  tap NAME                print a copy of what a channel accepts from now on\n"
    "  purge NAME              drop what is in a channel and with no receiver\n"
    "  rm NAME                 remove a channel, with what is in it\n"
    "  dead ls                 which channels have dead letters\n"
    "  dead show NAME          those of a channel; also replay and purge\n"
    "  audit [NAME]            check that every element is accounted for\n"
    "  why NAME                who waits in a channel, for whom, and what those do\n"
    "  dump [NODE]             every goroutine of every node, and where it is\n"
    "  keygen FILE             make a pair of keys, with which links are encrypted\n"
    "  bench KIND              how fast channels are on this machine\n\n"
    "A first try, with a broker on this machine (runnel-broker):\n\n"
    "  $ runnel recv greetings &\n"
    "  $ echo hello | runnel send greetings --close\n"
    "\v"
    "`runnel VERB --help' tells more about a verb.\n\n"
    "Exit status: 0 done; 1 it could not be done, and one sentence says why; 2 wrong command line; "
    "128 + N ended by signal N.";

/* "send, recv, ... dump WORD bench" */
static const char *verb_names(char *to, size_t size, const char *word)
{
    const size_t n = sizeof verbs / sizeof *verbs;
    size_t len = 0;

    for (size_t i = 0; i < n && len < size; i++)
        len += (size_t)snprintf(to + len, size - len, "%s%s%s", verbs[i].name,
                                i + 2 < n ? ", " : "", i + 2 == n ? word : "");
    return to;
}

struct top {
    struct ctl_opts opts;
    int verb_at; /* index of the verb in argv; 0: none was given */
};

static error_t parse_top(int key, char *arg, struct argp_state *state)
{
    struct top *top = state->input;
    char names[256];
    (void)arg;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &top->opts;
        return 0;
    case ARGP_KEY_ARG:
        top->verb_at = state->next - 1;
        state->next = state->argc; /* the rest belongs to the verb */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which verb? %s", verb_names(names, sizeof names, " or "));
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run_verb(struct top *top, int argc, char **argv)
{
    char name[64], names[256];

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[0], verbs[i].name) == 0) {
            snprintf(name, sizeof name, "runnel %s", verbs[i].name);
            argv[0] = name;
            return verbs[i].main(argc, argv, &top->opts);
        }
    }
    fprintf(stderr,
            "%s: there is no verb '%.64s', only %s\n"
            "Try `%s --help' for more information.\n",
            program_invocation_short_name, argv[0], verb_names(names, sizeof names, " and "),
            program_invocation_short_name);
    return CTL_USAGE;
}

/* `runnel help` and `runnel help VERB` are `runnel --help` and `runnel VERB --help`. */
static int run_help(struct top *top, const struct argp *argp, int argc, char **argv)
{
    char *help[] = { argc > 1 ? argv[1] : argv[0], (char[]){ "--help" }, NULL };

    if (argc > 1 && strcmp(argv[1], "help") != 0)
        return run_verb(top, 2, help);
    argp_help(argp, stdout, ARGP_HELP_STD_HELP, program_invocation_short_name);
    return CTL_OK;
}

int main(int argc, char **argv)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        .parser = parse_top, .args_doc = "VERB [ARG...]", .doc = doc, .children = children
    };
    struct top top = { .verb_at = 0 };

    ctl_descriptors();
    argp_err_exit_status = CTL_USAGE;
    ctl_opts_init(&top.opts);
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &top);
    if (strcmp(argv[top.verb_at], "help") == 0)
        return run_help(&top, &argp, argc - top.verb_at, argv + top.verb_at);
    return run_verb(&top, argc - top.verb_at, argv + top.verb_at);
}
