/* options.c - see options.h.   SPDX-License-Identifier: MIT */
#include "broker/options.h"

#include "proto/limits.h"

#include <argp.h>
#include <math.h>
#include <stdlib.h>

#ifndef RUNNEL_VERSION
#define RUNNEL_VERSION "of an unknown version"
#endif

#define LISTEN_DEFAULT "tcp://127.0.0.1:7400"
#define USAGE_STATUS   2

static const char doc[] =
    "Holds the named channels through which programs on several machines exchange elements, and serves the nodes "
    "that bind them."
    "\v"
    "It prints the URL on which it listens and then runs in the foreground until SIGINT or SIGTERM. Nodes are told "
    "that URL as $RUNNEL_URL, or by their own option --broker.\n"
    "\n"
    "Without --keyfile links are not encrypted, and whoever reaches the port may use every channel: listen on an address "
    "that only those reach whom you trust. With --keyfile (`runnel keygen') only encrypted links are accepted, and with "
    "--clients only those of nodes whose public key is in that list: a line each, the key, and then, in any words, whose it is. "
    "SIGHUP has the list read again; who is connected stays. Inside, every client may use every channel.\n"
    "\n"
    "Exit status: 0 stopped by a signal; 1 it could not listen, or could not go on; 2 the command line is wrong.\n"
    "\n"
    "Examples:\n"
    "  runnel-broker\n"
    "  runnel-broker --listen 'tcp://*:7400'      on all addresses of this machine\n"
    "  runnel-broker --listen tcp://127.0.0.1:0   on any free port, which it prints\n"
    "  runnel-broker --listen ipc:///run/runnel   on this machine only\n"
    "  runnel-broker --keyfile broker.key --clients nodes   encrypted, for these nodes";

static const struct argp_option table[] = {
    { "listen", 'l', "URL", 0,
      "Where to listen: tcp://ADDRESS:PORT or ipc://PATH. ADDRESS * means all, PORT 0 any. "
      "(default: $RUNNEL_URL, else " LISTEN_DEFAULT ")",
      0 },
    { "lease-max", 'm', "SECONDS", 0,
      "No node may be silent for longer than this before its session ends and what it held goes to others, whatever "
      "lease it asks for: 0.2 to 30. (default: 30)",
      0 },
    { "keyfile", 'k', "FILE", 0,
      "Encrypt: the broker's pair of keys, which `runnel keygen' has made", 0 },
    { "clients", 'c', "FILE", 0,
      "With --keyfile: let in only the nodes whose public keys are in this list", 0 },
    { 0 },
};

static error_t parse_lease(struct broker_options *o, const char *text, struct argp_state *state)
{
    char *end = NULL;
    double ms = strtod(text, &end) * 1000;

    if (end == text || *end != '\0' || !(ms >= WIRE_LEASE_MIN_MS && ms <= WIRE_LEASE_MAX_MS))
        argp_error(state, "--lease-max takes a number of seconds from %g to %g, not '%s'",
                   WIRE_LEASE_MIN_MS / 1000.0, WIRE_LEASE_MAX_MS / 1000.0, text);
    o->lease_max_ms = (uint32_t)lround(ms);
    return 0;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct broker_options *o = state->input;

    switch (key) {
    case 'l':
        o->listen = text;
        return 0;
    case 'm':
        return parse_lease(o, text, state);
    case 'k':
        o->keyfile = text;
        return 0;
    case 'c':
        o->clients = text;
        return 0;
    case ARGP_KEY_END:
        if (o->clients != NULL && o->keyfile == NULL)
            argp_error(state, "--clients needs --keyfile: who is not encrypted has no key");
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "there is nothing to be done with '%s'", text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void broker_options_parse(struct broker_options *out, int argc, char **argv)
{
    static const struct argp argp = { .options = table, .parser = parse, .doc = doc };
    const char *url = getenv("RUNNEL_URL");

    argp_program_version = "runnel-broker " RUNNEL_VERSION;
    argp_err_exit_status = USAGE_STATUS;
    *out = (struct broker_options){
        .listen = url != NULL && *url != '\0' ? url : LISTEN_DEFAULT,
        .lease_max_ms = WIRE_LEASE_MAX_MS,
    };
    argp_parse(&argp, argc, argv, 0, NULL, out);
}
