/* keygen.c - `runnel keygen FILE`: a pair of keys for a node or a broker.   SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "node/ctl/verbs.h"
#include "node/node.h"

static error_t parse_keygen(int key, char *arg, struct argp_state *state)
{
    const char **file = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (*file)
            argp_error(state, "one file at a time, not also '%s'", arg);
        *file = arg;
        return 0;
    case ARGP_KEY_END:
        if (!*file || !**file)
            argp_error(state, "where to? FILE is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char keygen_doc[] =
    "Makes a pair of keys for a node or a broker, with which links are encrypted (CURVE). The secret key is written to FILE, which "
    "only its owner may read, the public key to FILE.pub, and printed. Files that are there already are not overwritten.\v"
    "  $ runnel keygen broker.key\n"
    "  $ runnel-broker --keyfile broker.key &\n"
    "  $ export RUNNEL_BROKER_KEY=$(cat broker.key.pub)    so nodes know the broker\n"
    "  $ runnel ls\n\n"
    "A node with a key of its own, for a broker that has a list of its clients:\n\n"
    "  $ runnel keygen my.key\n"
    "  $ export RUNNEL_KEY=$PWD/my.key\n\n"
    "and a line of that list is what my.key.pub has.";

int keygen_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp argp = { .parser = parse_keygen,
                                      .args_doc = "FILE",
                                      .doc = keygen_doc };
    char public_text[RN__KEY_TEXT + 1], why[1024];
    const char *file = NULL;

    (void)opts;
    argp_parse(&argp, argc, argv, 0, NULL, &file);
    if (rn__keys_make(file, public_text, why, sizeof why) < 0)
        return ctl_say("%s", why);
    puts(public_text);
    return ctl_flush();
}
