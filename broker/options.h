/* options.h - the command line of runnel-broker.   SPDX-License-Identifier: MIT */
#ifndef BROKER_OPTIONS_H
#define BROKER_OPTIONS_H

#include <stdint.h>

struct broker_options {
    const char *listen; /* a URL */
    uint32_t lease_max_ms;
    const char *keyfile; /* NULL: links are not encrypted */
    const char *clients; /* with keyfile: the list of those that may connect; NULL: all */
};

/* Reads the command line and $RUNNEL_URL; the strings are borrowed from them.  --help and --version exit with 0, what
 * cannot be understood exits with 2 after a sentence. */
void broker_options_parse(struct broker_options *out, int argc, char **argv);

#endif
