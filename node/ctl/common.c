/* common.c - what the verbs of `runnel` and runnel-node share.   SPDX-License-Identifier: MIT
 *
 * Invariant: whoever returns CTL_FAILED from here has said one sentence about it, and nobody says a
 * second one; a cancellation by a signal is not an error and is not said. */
#include "node/ctl/common.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/node.h"
#include "proto/name.h"

#ifndef RUNNEL_VERSION
#define RUNNEL_VERSION "0.1.0"
#endif

#define BROKER_DEFAULT  "tcp://127.0.0.1:7400"
#define WAIT_DEFAULT_NS (5 * RN_SEC)
#define WAIT_MAX_S      86400.0

static void print_version(FILE *out, struct argp_state *state);
void (*argp_program_version_hook)(FILE *, struct argp_state *) = print_version;

static void print_version(FILE *out, struct argp_state *state)
{
    fprintf(out, "%s %s\n", state ? program_invocation_short_name : "runnel", RUNNEL_VERSION);
}

void ctl_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY); /* the lowest free is fd */
}

/* ---- options ---- */
void ctl_opts_init(struct ctl_opts *opts)
{
    const char *url = getenv("RUNNEL_URL");
    opts->broker = url && *url ? url : BROKER_DEFAULT;
    opts->wait_ns = WAIT_DEFAULT_NS;
    opts->keyfile = opts->broker_key = NULL;
}

int64_t ctl_number(const char *text, const char *what, const struct argp_state *state)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n <= 0)
        argp_error(state, "%s must be a positive whole number, not '%s'", what, text);
    return n;
}

static int64_t parse_wait(const char *text, const struct argp_state *state)
{
    char *end;
    double s;

    s = strtod(text, &end);
    if (end == text || *end || !isfinite(s) || s < 0 || s > WAIT_MAX_S)
        argp_error(state, "--wait takes seconds from 0 to %.0f, not '%s'", WAIT_MAX_S, text);
    return (int64_t)(s * (double)RN_SEC);
}

enum { OPT_KEYFILE = 0x1000, OPT_BROKER_KEY };

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    struct ctl_opts *opts = state->input;

    switch (key) {
    case 'b':
        opts->broker = arg;
        return 0;
    case 'w':
        opts->wait_ns = parse_wait(arg, state);
        return 0;
    case OPT_KEYFILE:
        opts->keyfile = arg;
        return 0;
    case OPT_BROKER_KEY:
        opts->broker_key = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option common_options[] = {
    { "broker", 'b', "URL", 0,
      "The broker ($RUNNEL_URL, else " BROKER_DEFAULT "); several: URL,URL", 10 },
    { "wait", 'w', "SECONDS", 0, "Wait so long for a broker that is not there (5)", 10 },
    { "broker-key", OPT_BROKER_KEY, "KEY", 0,
      "Encrypt, for the broker that has this public key ($RUNNEL_BROKER_KEY)", 10 },
    { "keyfile", OPT_KEYFILE, "FILE", 0,
      "This node's own pair of keys ($RUNNEL_KEY, else a fresh one); see `runnel keygen'", 10 },
    { 0 },
};

const struct argp ctl_argp = { .options = common_options, .parser = parse_common };

/* ---- saying what is wrong ---- */
char *ctl_clean(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return text;
}

int ctl_say(const char *format, ...)
{
    char line[1600];
    size_t len;
    va_list ap;

    len = (size_t)snprintf(line, sizeof line, "%s: ", program_invocation_short_name);
    va_start(ap, format);
    vsnprintf(line + len, sizeof line - len - 1, format, ap);
    va_end(ap);
    ctl_clean(line);
    len = strlen(line);
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        return CTL_FAILED; /* nobody listens */
    return CTL_FAILED;
}

int ctl_flush(void)
{
    int error = 0;

    if (fflush(stdout) != 0)
        error = errno;
    else if (ferror(stdout))
        error = EIO;
    if (error == EPIPE)
        return 128 + SIGPIPE;
    return error ? ctl_say("cannot write to standard output: %s", rn_strerror(-error)) : CTL_OK;
}

/* ---- running ---- */
struct ctl_run {
    int (*fn)(struct ctl_run *, void *);
    void *arg;
    rn_group *group; /* of the work; fixed before anything runs in it */
    /* The signals; fixed likewise; NULL: is ignored and never comes. */
    rn_chan *interrupted, *terminated;
    _Atomic int signo; /* the first signal that came */
    int status;        /* written by the work, read when the group has ended */
};

int ctl_signal(const struct ctl_run *run)
{
    return atomic_load(&run->signo);
}

static void watch_signals(void *arg)
{
    struct ctl_run *run = *(struct ctl_run **)arg;
    int signo = 0;
    rn_case cases[] = {
        { run->interrupted, &signo, RN_RECV, 0 },
        { run->terminated, &signo, RN_RECV, 0 },
    };
    int chosen;

    rn_set_name("signals");
    chosen = rn_select(cases, RN_LEN(cases), RN_FOREVER);
    if (chosen < 0 || cases[chosen].rc < 0)
        return;
    atomic_store(&run->signo, chosen == 0 ? SIGINT : SIGTERM);
    rn_group_cancel(run->group);
    chosen = rn_select(cases, RN_LEN(cases), RN_FOREVER);
    if (chosen >= 0)
        _exit(128 + ctl_signal(run));
}

/* What we were started to ignore (a background job, nohup) stays ignored. */
static int watch_signal(int signo, rn_chan **chan)
{
    struct sigaction now;

    if (sigaction(signo, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
        return 0;
    *chan = rn_signal_chan(signo);
    return *chan ? 0 : -ENOMEM;
}

static void run_work(void *arg)
{
    struct ctl_run *run = *(struct ctl_run **)arg;
    run->status = run->fn(run, run->arg);
}

static int run_main(void *arg)
{
    struct ctl_run *run = arg;
    rn_group *watch = rn_group_new();
    int rc = -ENOMEM;

    run->group = rn_group_new();
    if (!watch || !run->group || watch_signal(SIGINT, &run->interrupted) < 0 ||
        watch_signal(SIGTERM, &run->terminated) < 0)
        goto done;
    rc = rn_group_go(watch, watch_signals, &run, sizeof run);
    if (rc == 0)
        rc = rn_group_go(run->group, run_work, &run, sizeof run);
    if (rc == 0)
        rc = rn_group_wait(run->group, RN_FOREVER);
done:
    rn_group_free(watch);
    rn_group_free(run->group);
    rn_chan_unref(run->interrupted);
    rn_chan_unref(run->terminated);
    if (rc < 0)
        return ctl_say("cannot start: %s", rn_strerror(rc));
    return ctl_signal(run) ? 128 + ctl_signal(run) : run->status;
}

int ctl_main(int workers, int (*fn)(struct ctl_run *, void *), void *arg)
{
    struct ctl_run run = { .fn = fn, .arg = arg };
    int status;

    signal(SIGPIPE,
           SIG_IGN); /* a reader that has gone is -EPIPE, and what it did not get is told */
    status = rn_main(workers, run_main, &run);
    return status < 0 ? ctl_say("cannot start: %s", rn_strerror(status)) : status;
}

static int check_name(const char *name, const char *fault)
{
    if (!fault)
        return CTL_OK;
    return ctl_say("the channel name \"%.64s\"%s %s", name, strlen(name) > 64 ? "..." : "", fault);
}

int ctl_check_name(const char *name)
{
    return check_name(name, name_fault(name));
}

int ctl_check_name_in(const char *name)
{
    return check_name(name, name_fault_in(name));
}

int ctl_open(rn_node **node, const struct ctl_opts *opts, const char *name, rn_time deadline)
{
    rn_node_opts node_opts = { .brokers = opts->broker,
                               .name = name,
                               .keyfile = opts->keyfile,
                               .broker_key = opts->broker_key };
    char why[1100] = "";
    int rc;

    if (!*opts->broker) /* for rn_node_open that would be the default */
        return ctl_say("\"\" is not the URL of a broker, such as " BROKER_DEFAULT);
    rc = rn_node_open(node, &node_opts, deadline);
    if (rc >= 0)
        return CTL_OK;
    if (rc == RN_ECANCELED)
        return CTL_FAILED;
    rn__node_why(NULL, why, sizeof why);
    if (rc == RN_ETIMEDOUT && !*why)
        return ctl_say("no broker answers at %s (waited %.3g s)", opts->broker,
                       (double)opts->wait_ns / (double)RN_SEC);
    if (rc == -EINVAL && !*why)
        return ctl_say("\"%s\" is not the URL of a broker, such as " BROKER_DEFAULT, opts->broker);
    return ctl_say("cannot use the broker at %s: %s", opts->broker, *why ? why : rn_strerror(rc));
}

void ctl_close(rn_node *node)
{
    rn_shield(1);
    rn_node_close(node, rn_after(CTL_GRACE_NS), NULL);
    rn_shield(0);
}

int ctl_trace(const char *traceparent)
{
    if (rn_trace_set(traceparent) == 0)
        return CTL_OK;
    return ctl_say("'%s' is no trace context (00-<32 hex digits>-<16>-<2>, in small letters)",
                   traceparent);
}

int ctl_bind(rn_chan **chan, rn_node *node, const char *name, enum rn_dir dir,
             const rn_codec *codec, const rn_bind_opts *bind, const struct ctl_opts *opts)
{
    char why[1100] = "";
    rn_chan *c;
    int rc;

    c = rn_chan_new(codec->elemsize, 0, NULL);
    if (!c) {
        ctl_say("out of memory");
        return -ENOMEM;
    }
    rc = rn_bind(node, name, dir, c, codec, bind, rn_after(opts->wait_ns));
    if (rc >= 0) {
        *chan = c;
        return 0;
    }
    rn_chan_unref(c);
    rn__node_why(node, why, sizeof why);
    if (rc == RN_ETIMEDOUT)
        ctl_say("the broker at %s did not answer about channel \"%s\" (waited %.3g s)",
                opts->broker, name, (double)opts->wait_ns / (double)RN_SEC);
    else if (rc != RN_ECANCELED && strstr(why, name))
        ctl_say("%s", why);
    else if (rc != RN_ECANCELED)
        ctl_say("channel \"%s\": %s", name, *why ? why : rn_strerror(rc));
    return rc;
}

bool ctl_session_over(int rc)
{
    return rc == RN_ESESSION || rc == RN_EHOMELOST;
}

const char *ctl_slow_name(enum rn_slow slow)
{
    static const char *const names[] = { "-", "block", "drop-oldest", "cut" };

    return (unsigned)slow < RN_LEN(names) ? names[slow] : "?";
}

int ctl_say_failed(const char *verb, const char *name, int rc)
{
    if (rc == RN_ECANCELED)
        return ctl_say("cannot %s channel \"%s\": a receiver has cancelled it", verb, name);
    return ctl_say("cannot %s channel \"%s\": %s", verb, name, rn_strerror(rc));
}
