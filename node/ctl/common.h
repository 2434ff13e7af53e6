/* common.h - what the verbs of `runnel` and runnel-node share.   SPDX-License-Identifier: MIT
 *
 * Exit statuses: 0 done, 1 the world would not (one sentence on standard error says what), 2 the
 * command line was wrong, 128 + n ended by signal n. */
#ifndef NODE_CTL_COMMON_H
#define NODE_CTL_COMMON_H

#include <argp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/runnel.h"

#define CTL_GRACE_NS (5 * RN_SEC) /* how long an orderly end may take after a signal */

#define CTL_WORKERS 2 /* of a verb: one for the lines, one for the link */

enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

/* First of all in main(): a standard descriptor that was closed gets one that fails with EBADF; else a
 * socket would take its number, and what is printed would go into the socket. */
void ctl_descriptors(void);

/* ---- options that every program has ---- */
struct ctl_opts {
    const char *broker; /* --broker, $RUNNEL_URL or the default; never NULL after ctl_opts_init */
    int64_t wait_ns;    /* --wait: how long to wait for a broker */
    const char *keyfile, *broker_key; /* as in rn_node_opts */
};

/* A child for the parsers of the verbs; its input: struct ctl_opts. */
extern const struct argp ctl_argp;
void ctl_opts_init(struct ctl_opts *opts);

/* A positive number that an option takes; else ends the program with status 2. */
int64_t ctl_number(const char *text, const char *what, const struct argp_state *state);

/* ---- saying what is wrong ---- */
/* Prints "PROGRAM: sentence" and a newline on standard error, in one write.  Gives CTL_FAILED. */
int ctl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes control characters '?': what others have named must not move our cursor.  Gives text. */
char *ctl_clean(char *text);

/* Writes out what was printed.  CTL_OK; CTL_FAILED and it has said why; 128 + SIGPIPE when nobody reads
 * it any more, which is no news to anybody. */
int ctl_flush(void);

/* ---- running ---- */
struct ctl_run;
/* Runs fn(run, arg) as a goroutine on so many workers (0: one per CPU); the first SIGINT or SIGTERM
 * cancels it, the second ends the program.  Gives the exit status: fn's, or 128 + the signal. */
int ctl_main(int workers, int (*fn)(struct ctl_run *run, void *arg), void *arg);
/* The signal that ended it, or 0. */
int ctl_signal(const struct ctl_run *run);

/* Opens a node.  CTL_OK, or CTL_FAILED and it has said why (nothing when a signal cancelled it). */
int ctl_open(rn_node **node, const struct ctl_opts *opts, const char *name, rn_time deadline);

/* Closes a node, also after a signal; for who does not ask what it could not send any more. */
void ctl_close(rn_node *node);

/* What this goroutine sends carries this trace context; NULL: none.  CTL_OK, or CTL_FAILED and it has said why. */
int ctl_trace(const char *traceparent);

/* CTL_OK when name is one that may be bound, else CTL_FAILED and it has said what is wrong with
 * it. */
int ctl_check_name(const char *name);

/* The same for who receives, or only looks: dead letters may be named, too. */
int ctl_check_name_in(const char *name);

/* Binds a new channel of elemsize bytes to name.  0 or the error of rn_bind, said already. */
int ctl_bind(rn_chan **chan, rn_node *node, const char *name, enum rn_dir dir,
             const rn_codec *codec, const rn_bind_opts *bind, const struct ctl_opts *opts);

/* true for the errors after which a handle is over and a fresh one may go on. */
bool ctl_session_over(int rc);

/* As the option --slow has it; "-": not fixed. */
const char *ctl_slow_name(enum rn_slow slow);

/* Says why an operation on a bound channel failed; `verb`: "send to", "receive from".  Gives
 * CTL_FAILED. */
int ctl_say_failed(const char *verb, const char *name, int rc);

#endif
