/* send.c - `runnel send NAME [FILE...]`: each line is an element, or each file.
 *   SPDX-License-Identifier: MIT
 *
 * Invariants: exit status 0 only when the broker has accepted every line and none is in doubt; with --autoclose only then
 * is the channel unbound in order, else this sender has died to it.
 * Every line is sent once: a line whose send failed with its session is sent again on the next
 * one, because that failure means that nothing was sent; lines whose send succeeded and was
 * never confirmed are counted in `doubtful`, told, and never sent again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/ctl/common.h"
#include "node/ctl/stream.h"
#include "node/ctl/verbs.h"
#include "node/ctl/when.h"
#include "proto/limits.h"

#define CHUNK      ((size_t)128 << 10) /* bytes read at once */
#define PLACE_SIZE 512

struct line {
    const char *data;
    size_t len;
};

struct sender {
    struct ctl_opts *opts;
    struct ctl_run *run;
    const char *name;
    const char *type;
    const char *traceparent; /* NULL: none */
    char **files;            /* n_files paths, "-" is standard input */
    int n_files;
    bool close;
    bool whole; /* a file is one element */
    rn_bind_opts bind;
    rn_send_opts times; /* of each line */
    rn_node *node;
    rn_chan *chan;
    uint64_t sent;     /* lines whose send gave 0 */
    uint64_t doubtful; /* of them, those whose session ended before they were confirmed */
    bool hole;         /* accepted lines were lost with the broker: never exit status 0 */
    bool dies;         /* the node is not closed */
    char *buf;         /* read and not sent yet: [at, end) of size bytes */
    size_t at, end, size;
    size_t searched; /* so many bytes from `at` on hold no newline */
};

/* ---- the codec: a line is its bytes, borrowed from the buffer ---- */
static int line_encode(const void *ctx, const void *elem, rn_buf *out)
{
    const struct line *line = elem;
    (void)ctx;
    return rn_buf_append(out, line->data, line->len);
}

static void line_drop(const void *ctx, void *elem)
{
    (void)ctx;
    (void)elem;
}

static int line_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    (void)ctx;
    (void)bytes;
    (void)len;
    (void)elem;
    return -EBADF; /* bound OUT only */
}

/* ---- what is sent, in words ---- */
static const char *things(const struct sender *s)
{
    return s->whole ? "files" : "lines";
}

/* "line 3 of FILE", or "FILE" if that is one element. */
static const char *place(const struct sender *s, const char *file, uint64_t number,
                         char to[PLACE_SIZE])
{
    if (s->whole)
        snprintf(to, PLACE_SIZE, "%s", file);
    else
        snprintf(to, PLACE_SIZE, "line %" PRIu64 " of %s", number, file);
    return to;
}

static int sender_bind(struct sender *s)
{
    const rn_codec codec = {
        .type = s->type,
        .elemsize = sizeof(struct line),
        .encode = line_encode,
        .decode = line_decode,
        .drop = line_drop,
    };
    return ctl_bind(&s->chan, s->node, s->name, RN_OUT, &codec, &s->bind, s->opts);
}

/* The session is over: says what that means for the lines, and goes on with a fresh handle. */
static int sender_rebind(struct sender *s, int why)
{
    uint64_t unsent = rn_chan_unsent(s->chan);

    s->doubtful += unsent;
    if (why == RN_EHOMELOST)
        ctl_say("the broker has lost channel \"%s\" and what it held; %" PRIu64 " of the %" PRIu64
                " %s sent were not even confirmed; going on with a new one",
                s->name, unsent, s->sent, things(s));
    else
        ctl_say("the session with the broker ended; %" PRIu64 " of the %" PRIu64
                " %s sent are in doubt: nobody can tell whether they were accepted; going on",
                unsent, s->sent, things(s));
    s->hole |= why == RN_EHOMELOST;
    rn_chan_unref(s->chan);
    s->chan = NULL;
    return sender_bind(s);
}

/* ---- sending ---- */
static bool is_timed(const struct sender *s)
{
    return s->times.ttl_ns > 0 || s->times.delay_ns > 0 || s->times.at > 0;
}

static int send_one(struct sender *s, const struct line *line)
{
    return is_timed(s) ? rn_send_with(s->chan, line, &s->times, RN_FOREVER)
                       : rn_chan_send(s->chan, line, RN_FOREVER);
}

static int send_line(struct sender *s, const struct line *line, const char *file, uint64_t number)
{
    char at[PLACE_SIZE];
    int rc;

    while ((rc = send_one(s, line)) < 0 && ctl_session_over(rc))
        if (sender_rebind(s, rc) < 0)
            return CTL_FAILED;
    if (rc >= 0) {
        s->sent++;
        return CTL_OK;
    }
    if (ctl_signal(s->run)) {
        s->sent += rc == RN_EUNKNOWN;
        s->doubtful += rc == RN_EUNKNOWN;
        return CTL_FAILED;
    }
    if (rc == -EMSGSIZE)
        return ctl_say("%s has %zu bytes, more than channel \"%s\" takes; it and what follows were "
                       "not sent",
                       place(s, file, number, at), line->len, s->name);
    if (rc == -EINVAL && is_timed(s))
        return ctl_say("channel \"%s\" is a rendezvous, which holds nothing: its elements have "
                       "neither --ttl nor --delay nor --at",
                       s->name);
    if (rc == RN_ECLOSED)
        return ctl_say("channel \"%s\" is closed; %s and what follows were not sent", s->name,
                       place(s, file, number, at));
    return ctl_say_failed("send to", s->name, rc);
}

/* Makes room for a chunk behind [at, end). */
static int buffer_room(struct sender *s)
{
    char *grown;
    size_t size;

    if (s->at > 0) {
        memmove(s->buf, s->buf + s->at, s->end - s->at);
        s->end -= s->at;
        s->at = 0;
    }
    if (s->end > (size_t)WIRE_ELEMENT_MAX)
        return -EMSGSIZE;
    if (s->size - s->end >= CHUNK)
        return 0;
    size = s->size ? s->size * 2 : 2 * CHUNK;
    grown = realloc(s->buf, size);
    if (!grown)
        return -ENOMEM;
    s->buf = grown;
    s->size = size;
    return 0;
}

/* Sends the whole lines in the buffer; at the end of the file also what has no newline.  A file that is an element is one when it
 * is empty, too. */
static int send_buffered(struct sender *s, const char *file, uint64_t *number, bool last)
{
    const char *newline;
    struct line line;
    size_t scanned;
    int status;

    for (; s->at < s->end; s->at += scanned) {
        line.data = s->buf + s->at;
        newline = s->whole ? NULL
                           : memchr(line.data + s->searched, '\n', s->end - s->at - s->searched);
        if (!newline && !last) {
            s->searched = s->end - s->at;
            return CTL_OK;
        }
        s->searched = 0;
        line.len = newline ? (size_t)(newline - line.data) : s->end - s->at;
        scanned = line.len + (newline ? 1 : 0);
        status = send_line(s, &line, file, ++*number);
        if (status != CTL_OK)
            return status;
    }
    if (!s->whole || !last || *number > 0)
        return CTL_OK;
    line = (struct line){ .data = s->buf, .len = 0 };
    return send_line(s, &line, file, ++*number);
}

static int send_stream(struct sender *s, struct stream *in, const char *file)
{
    char at[PLACE_SIZE];
    uint64_t number = 0;
    ssize_t n;
    int status;

    s->at = s->end = s->searched = 0;
    for (;;) {
        int rc = buffer_room(s);
        if (rc == -EMSGSIZE)
            return ctl_say("%s is longer than %u bytes; it and what follows were not sent",
                           place(s, file, number + 1, at), WIRE_ELEMENT_MAX);
        if (rc < 0)
            return ctl_say("%s: %s", file, rn_strerror(rc));
        n = stream_read(in, s->buf + s->end, CHUNK, RN_FOREVER);
        if (n == RN_ECANCELED)
            return CTL_FAILED;
        if (n < 0)
            return ctl_say("cannot read %s: %s", file, rn_strerror((int)n));
        s->end += (size_t)n;
        status = send_buffered(s, file, &number, n == 0);
        if (status != CTL_OK || n == 0)
            return status;
    }
}

static int send_file(struct sender *s, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    struct stream in;
    int rc, status;

    if (standard) {
        stream_share(&in, STDIN_FILENO, /* writing= */ false);
    } else {
        rc = stream_open(&in, path);
        if (rc < 0)
            return ctl_say("cannot read %s: %s", path, rn_strerror(rc));
    }
    status = send_stream(s, &in, standard ? "standard input" : path);
    stream_close(&in);
    return status;
}

/* A missing file is told before the first line is sent. */
static int check_files(const struct sender *s)
{
    for (int i = 0; i < s->n_files; i++)
        if (strcmp(s->files[i], "-") != 0 && access(s->files[i], R_OK) < 0)
            return ctl_say("cannot read %s: %s", s->files[i], rn_strerror(-errno));
    return CTL_OK;
}

/* ---- the end ---- */
/* Waits until every line is accepted; with --close, closes after that, on a fresh handle if
 * need be. */
static int sender_settle(struct sender *s, rn_time deadline)
{
    int rc = rn_flush(s->chan, deadline);

    if (ctl_session_over(rc) && !ctl_signal(s->run)) {
        if (sender_rebind(s, rc) < 0)
            return CTL_FAILED;
        rc = 0;
    }
    if (rc == RN_ECANCELED || rc == RN_ETIMEDOUT || ctl_session_over(rc)) {
        s->doubtful += rn_chan_unsent(s->chan);
        return CTL_FAILED;
    }
    if (rc < 0 && rc != RN_ECLOSED)
        return ctl_say_failed("send to", s->name, rc);
    return CTL_OK;
}

static int sender_unbind(struct sender *s)
{
    int rc = rn_unbind(s->chan, rn_after(s->opts->wait_ns + CTL_GRACE_NS));

    rn_chan_unref(s->chan);
    s->chan = NULL;
    if (rc < 0 && s->close && !ctl_signal(s->run))
        return ctl_say("cannot tell whether channel \"%s\" was closed: %s", s->name,
                       rn_strerror(rc));
    return CTL_OK;
}

static int sender_work(struct sender *s)
{
    int status = CTL_OK, settled;

    for (int i = 0; i < s->n_files && status == CTL_OK; i++)
        status = send_file(s, s->files[i]);
    if (!s->chan)
        return status;
    rn_shield(1); /* what a signal has interrupted still ends in order */
    settled = sender_settle(s, status == CTL_OK && !ctl_signal(s->run) ? RN_FOREVER
                                                                       : rn_after(CTL_GRACE_NS));
    if (status == CTL_OK)
        status = settled;
    if (status == CTL_OK && s->close && !ctl_signal(s->run))
        rn_chan_close(s->chan);
    s->dies = s->bind.autoclose &&
              (status != CTL_OK || ctl_signal(s->run) || s->doubtful || s->hole);
    if (s->chan && !s->dies) {
        settled = sender_unbind(s);
        if (status == CTL_OK)
            status = settled;
    }
    rn_chan_unref(s->chan);
    rn_shield(0);
    if (ctl_signal(s->run))
        ctl_say("interrupted: %" PRIu64 " %s were accepted by \"%s\", %" PRIu64 " are in doubt",
                s->sent - s->doubtful, things(s), s->name, s->doubtful);
    else if (s->doubtful)
        status = ctl_say("%" PRIu64 " of %" PRIu64 " %s are in doubt", s->doubtful, s->sent,
                         things(s));
    return s->hole && status == CTL_OK ? CTL_FAILED : status;
}

static int send_run(struct ctl_run *run, void *arg)
{
    struct sender *s = arg;
    int status = CTL_FAILED;

    s->run = run;
    if (ctl_trace(s->traceparent) != CTL_OK)
        return CTL_FAILED;
    if (ctl_open(&s->node, s->opts, NULL, rn_after(s->opts->wait_ns)) != CTL_OK)
        return CTL_FAILED;
    if (sender_bind(s) == 0)
        status = sender_work(s);
    if (s->dies)
        return status; /* leaving the program without it is a crash to the broker */
    ctl_close(s->node);
    return status;
}

/* ---- the command line ---- */
enum {
    OPT_CAPACITY = 256,
    OPT_CAPACITY_BYTES,
    OPT_TYPE,
    OPT_SENDERS_MIN,
    OPT_MAX_DELIVERIES,
    OPT_TRACEPARENT,
    OPT_TTL,
    OPT_CHANNEL_TTL,
    OPT_DELAY,
    OPT_AT,
    OPT_FANOUT,
    OPT_SLOW,
    OPT_WHOLE
};

static uint32_t small_number(const char *text, const char *what, const struct argp_state *state)
{
    int64_t n = ctl_number(text, what, state);

    if (n > UINT32_MAX)
        argp_error(state, "%s %s is too large", what, text);
    return (uint32_t)n;
}

static enum rn_slow slow_named(const char *text, const struct argp_state *state)
{
    for (int slow = RN_SLOW_BLOCK; slow <= RN_SLOW_CUT; slow++)
        if (strcmp(text, ctl_slow_name((enum rn_slow)slow)) == 0)
            return (enum rn_slow)slow;
    argp_error(state, "--slow %s: it is block, drop-oldest or cut", text);
    return RN_SLOW_ANY;
}

static error_t parse_send(int key, char *arg, struct argp_state *state)
{
    struct sender *s = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = s->opts;
        return 0;
    case 'c':
        s->close = true;
        return 0;
    case 'a':
        s->bind.autoclose = true;
        return 0;
    case OPT_SENDERS_MIN:
        s->bind.senders_min = small_number(arg, "--senders-min", state);
        return 0;
    case OPT_MAX_DELIVERIES:
        s->bind.max_deliveries = small_number(arg, "--max-deliveries", state);
        return 0;
    case OPT_FANOUT:
        s->bind.kind = RN_FANOUT;
        return 0;
    case OPT_SLOW:
        s->bind.slow = slow_named(arg, state);
        return 0;
    case OPT_CAPACITY:
        s->bind.capacity = strcmp(arg, "0") == 0 ? RN_RENDEZVOUS
                                                 : ctl_number(arg, "--capacity", state);
        return 0;
    case OPT_CAPACITY_BYTES:
        s->bind.capacity_bytes = (uint64_t)ctl_number(arg, "--capacity-bytes", state);
        return 0;
    case OPT_WHOLE:
        s->whole = true;
        return 0;
    case OPT_TYPE:
        s->type = arg;
        return 0;
    case OPT_TRACEPARENT:
        s->traceparent = arg;
        return 0;
    case OPT_TTL:
        s->times.ttl_ns = when_duration(arg, "--ttl", state);
        return 0;
    case OPT_CHANNEL_TTL:
        s->bind.ttl_ns = when_duration(arg, "--channel-ttl", state);
        return 0;
    case OPT_DELAY:
        s->times.delay_ns = when_duration(arg, "--delay", state);
        return 0;
    case OPT_AT:
        s->times.at = when_time(arg, "--at", state);
        return 0;
    case ARGP_KEY_ARG:
        if (s->name)
            return ARGP_ERR_UNKNOWN; /* a FILE: all of them come together */
        s->name = arg;
        return 0;
    case ARGP_KEY_ARGS:
        s->files = state->argv + state->next;
        s->n_files = state->argc - state->next;
        return 0;
    case ARGP_KEY_END:
        if (!s->name)
            argp_error(state, "which channel? NAME is missing");
        if (s->bind.senders_min && !s->bind.autoclose)
            argp_error(state, "--senders-min needs --autoclose");
        if (s->times.delay_ns && s->times.at)
            argp_error(state, "--delay or --at, not both");
        if (s->bind.slow && s->bind.kind != RN_FANOUT)
            argp_error(state, "--slow needs --fanout");
        if (s->bind.kind == RN_FANOUT && s->bind.capacity == RN_RENDEZVOUS)
            argp_error(state, "--fanout needs a --capacity of at least 1");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option send_options[] = {
    { "close", 'c', NULL, 0, "Close the channel at the end: its receivers end after the last line",
      0 },
    { "autoclose", 'a', NULL, 0,
      "Close the channel when its last sender with --autoclose has gone; if one of them died, its "
      "receivers end with a failure",
      0 },
    { "senders-min", OPT_SENDERS_MIN, "N", 0,
      "With --autoclose: not before N of them have gone in order; those that died do not count",
      0 },
    { "capacity", OPT_CAPACITY, "N", 0,
      "The channel holds N elements between send and receive (16384 by itself); 0: none, a rendezvous",
      0 },
    { "capacity-bytes", OPT_CAPACITY_BYTES, "N", 0,
      "... and N bytes (64 MiB by itself); no element may be larger", 0 },
    { "whole", OPT_WHOLE, NULL, 0,
      "Each FILE (or all of standard input) is one element as it is, of up to 1 GiB; more than 64 MiB need --capacity-bytes",
      0 },
    { "fanout", OPT_FANOUT, NULL, 0,
      "Each line goes to every receiver that is there when it is sent, not to one of them", 0 },
    { "slow", OPT_SLOW, "WHAT", 0,
      "With --fanout, what a receiver that is slow does: block, senders wait for it (the default); drop-oldest, it "
      "loses what it has not taken, the oldest first; cut, it ends with a failure",
      0 },
    { "max-deliveries", OPT_MAX_DELIVERIES, "N", 0,
      "An element that comes back from N receivers by hand goes to the dead letters", 0 },
    { "type", OPT_TYPE, "TYPE", 0,
      "State the name of the elements' type; without: agrees with every type", 0 },
    { "traceparent", OPT_TRACEPARENT, "CONTEXT", 0,
      "Each line carries this trace context (00-<32 hex digits>-<16>-<2>, as in W3C Trace Context)",
      0 },
    { "ttl", OPT_TTL, "TIME", 0,
      "A line that nobody has received for so long, from when it is to be had, is dropped (500ms, 5s, 10m, 2h, 1d)",
      0 },
    { "delay", OPT_DELAY, "TIME", 0,
      "Nobody gets a line before so long; the end of the channel ends that", 0 },
    { "at", OPT_AT, "TIME", 0, "Nobody gets a line before then (2027-01-31T08:00:00Z)", 0 },
    { "channel-ttl", OPT_CHANNEL_TTL, "TIME", 0,
      "The channel drops what nobody has received for so long", 0 },
    { 0 },
};

static const char send_doc[] =
    "Sends each line of the FILEs (of standard input, if there are none), without its newline, "
    "into the channel NAME. A channel that is full makes it wait until somebody receives; so does a "
    "fanout that blocks while nobody is there.\v"
    "Exit status 0 means that the broker has accepted every line, however late it is to be had; to --autoclose a sender that ends with another one has "
    "died.\n\n"
    "  $ runnel send jobs --close < jobs.txt\n"
    "  $ for f in part1 part2; do runnel send jobs -a --senders-min 2 $f & done";

int send_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { send_options, parse_send, "NAME [FILE...]",
                                      send_doc,     children,   NULL,
                                      NULL };
    char *standard_input[] = { (char[]){ "-" } };
    struct sender s = { .opts = opts };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &s);
    if (s.n_files == 0) {
        s.files = standard_input;
        s.n_files = 1;
    }
    status = ctl_check_name(s.name);
    if (status == CTL_OK)
        status = check_files(&s);
    if (status == CTL_OK)
        status = ctl_main(CTL_WORKERS, send_run, &s);
    free(s.buf);
    return status;
}
