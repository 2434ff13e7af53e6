/* call.c - `runnel call NAME [TEXT]`: a request, and the reply on standard output.   SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/ctl/common.h"
#include "node/ctl/stream.h"
#include "node/ctl/verbs.h"
#include "proto/limits.h"

#define CHUNK ((size_t)64 << 10) /* bytes read at once */

struct caller {
    struct ctl_opts *opts;
    struct ctl_run *run;
    const char *name;
    const char *text; /* NULL: standard input */
    const char *traceparent;
    char *read; /* of it: len of size bytes */
    size_t len, size;
};

/* All of standard input. */
static int read_input(struct caller *c)
{
    struct stream in;
    ssize_t n = 1;

    stream_share(&in, STDIN_FILENO, /* writing= */ false);
    while (n > 0) {
        if (c->size - c->len < CHUNK) {
            char *grown = realloc(c->read, c->size * 2 + CHUNK);
            if (grown == NULL)
                return ctl_say("out of memory");
            c->read = grown;
            c->size = c->size * 2 + CHUNK;
        }
        n = stream_read(&in, c->read + c->len, CHUNK, RN_FOREVER);
        c->len += n > 0 ? (size_t)n : 0;
        if (c->len > WIRE_ELEMENT_MAX)
            return ctl_say("standard input is longer than %u bytes", WIRE_ELEMENT_MAX);
    }
    if (n < 0 && n != RN_ECANCELED)
        return ctl_say("cannot read standard input: %s", rn_strerror((int)n));
    return n < 0 ? CTL_FAILED : CTL_OK;
}

static int say_failed(struct caller *c, int rc)
{
    if (ctl_signal(c->run))
        return CTL_FAILED;
    if (rc == RN_ETIMEDOUT)
        return ctl_say(
            "no reply from \"%s\" (waited %.3g s); the request may be served all the same", c->name,
            (double)c->opts->wait_ns / (double)RN_SEC);
    if (ctl_session_over(rc))
        return ctl_say(
            "the session with the broker ended: nobody can tell whether \"%s\" has served "
            "the request",
            c->name);
    if (rc == RN_ECLOSED)
        return ctl_say("channel \"%s\" is closed; the request was not sent", c->name);
    return ctl_say_failed("call", c->name, rc);
}

static int print_reply(const rn_bytes *reply)
{
    bool whole = fwrite(reply->data, 1, reply->len, stdout) == reply->len;

    if (whole && (reply->len == 0 || reply->data[reply->len - 1] != '\n'))
        putchar('\n');
    return ctl_flush();
}

static int call_run(struct ctl_run *run, void *arg)
{
    struct caller *c = arg;
    rn_node *node;
    rn_bytes reply;
    int status = CTL_OK, rc;

    c->run = run;
    if (ctl_trace(c->traceparent) != CTL_OK)
        return CTL_FAILED;
    if (c->text == NULL)
        status = read_input(c);
    if (status == CTL_OK)
        status = ctl_open(&node, c->opts, NULL, rn_after(c->opts->wait_ns));
    if (status != CTL_OK)
        return status;
    rc = rn_call(node, c->name, c->text != NULL ? c->text : c->read,
                 c->text != NULL ? strlen(c->text) : c->len, &reply, rn_after(c->opts->wait_ns));
    status = rc == 0 ? print_reply(&reply) : say_failed(c, rc);
    if (rc == 0)
        rn_bytes_free(&reply);
    ctl_close(node);
    return status;
}

/* ---- the command line ---- */
enum { OPT_TRACEPARENT = 256 };

static error_t parse_call(int key, char *arg, struct argp_state *state)
{
    struct caller *c = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = c->opts;
        return 0;
    case OPT_TRACEPARENT:
        c->traceparent = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (c->text != NULL)
            argp_error(state, "one request at a time, not also '%s'", arg);
        if (c->name != NULL)
            c->text = arg;
        else
            c->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (c->name == NULL)
            argp_error(state, "whom? NAME is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option call_options[] = {
    { "traceparent", OPT_TRACEPARENT, "CONTEXT", 0,
      "The request carries this trace context (00-<32 hex digits>-<16>-<2>, as in W3C Trace Context)",
      0 },
    { 0 },
};

static const char call_doc[] =
    "Sends TEXT (or all of standard input) as a request to whoever serves the channel NAME, and prints the one "
    "reply.\v"
    "It waits as long as --wait says, for the broker and then for the reply. Exit status 1 means that there was none: "
    "when nobody serves NAME in time, the request expires.\n\n"
    "  $ runnel call squares 12";

int call_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { call_options, parse_call, "NAME [TEXT]", call_doc,
                                      children,     NULL,       NULL };
    struct caller c = { .opts = opts };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &c);
    status = ctl_check_name(c.name);
    if (status == CTL_OK)
        status = ctl_main(CTL_WORKERS, call_run, &c);
    free(c.read);
    return status;
}
