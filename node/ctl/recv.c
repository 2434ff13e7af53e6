/* recv.c - `runnel recv NAME`: prints each element as a line.   SPDX-License-Identifier: MIT
 *
 * Invariants: what is taken from the channel is decoded straight into `out` and leaves it only
 * for standard output; it is flushed before the receiver waits for more.  An element that was
 * taken and could not be written is counted and told; elements that were not taken go back to
 * the broker with the unbind.  With --ack what was taken is acknowledged when every byte of it
 * is written, and goes back with the rest if that does not come to pass. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/ctl/common.h"
#include "node/ctl/stream.h"
#include "node/ctl/verbs.h"

#define FLUSH_AT     ((size_t)64 << 10) /* bytes kept back while more is ready */
#define PREFETCH_MAX 4096               /* of -n N: held here at most */

struct receiver {
    struct ctl_opts *opts;
    struct ctl_run *run;
    const char *name;
    const char *type;
    int64_t limit; /* -n; 0: none */
    rn_bind_opts bind;
    rn_node *node;
    rn_chan *chan;
    rn_chan *gone; /* closed when nobody reads our standard output any more */
    struct stream stdout_stream;
    char *out; /* taken and not written yet: len of size bytes, in `pending` lines */
    size_t len, size;
    uint64_t pending;
    uint64_t taken;
    bool ack, headers;
    bool raw; /* no newline behind an element */
    union {
        size_t len;
        rn_msg msg; /* with --ack or --headers */
    } elem;
    struct held {
        rn_msg msg; /* its bytes are in `out`, ... */
        size_t end; /* ... up to here */
    } * held;
    size_t n_held, held_size;
    bool hole; /* something was lost with the broker: never exit status 0 */
};

/* ---- the codec: an element is its bytes, put at the end of `out` ---- */
static int out_room(struct receiver *r, size_t len)
{
    size_t size = r->size ? r->size : 2 * FLUSH_AT;
    char *grown;

    if (r->size - r->len >= len)
        return 0;
    while (size - r->len < len)
        size *= 2;
    grown = realloc(r->out, size);
    if (!grown)
        return -ENOMEM;
    r->out = grown;
    r->size = size;
    return 0;
}

/* Refusing an element would send it to the dead letters; as a crash it goes to another receiver. */
static _Noreturn void no_room(size_t len)
{
    ctl_say("out of memory for an element of %zu bytes", len);
    _exit(CTL_FAILED);
}

static void add_line(struct receiver *r, const uint8_t *bytes, size_t len)
{
    if (out_room(r, len + 1) < 0)
        no_room(len);
    memcpy(r->out + r->len, bytes, len);
    r->len += len;
    if (!r->raw)
        r->out[r->len++] = '\n';
    r->pending++;
}

static int line_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    add_line((struct receiver *)(uintptr_t)ctx, bytes, len);
    *(size_t *)elem = len;
    return 0;
}

static int line_encode(const void *ctx, const void *elem, rn_buf *out)
{
    (void)ctx;
    (void)elem;
    (void)out;
    return -EBADF; /* bound IN only */
}

static void line_drop(const void *ctx, void *elem)
{
    (void)ctx;
    (void)elem;
}

static int receiver_bind(struct receiver *r)
{
    const rn_codec codec = {
        .type = r->type,
        .elemsize = sizeof(size_t),
        .ctx = r,
        .encode = line_encode,
        .decode = line_decode,
        .drop = line_drop,
    };
    rn_codec by_hand = rn_codec_msg;

    by_hand.type = r->type;
    r->bind.manual_ack = r->ack;
    return ctl_bind(&r->chan, r->node, r->name, RN_IN, r->ack || r->headers ? &by_hand : &codec,
                    &r->bind, r->opts);
}

/* A message becomes a line, behind what it came with. */
static void add_message(struct receiver *r)
{
    const char *trace = rn_msg_traceparent(&r->elem.msg);
    size_t len;

    trace = trace != NULL ? trace : "-";
    len = strlen(trace);
    if (r->headers) {
        if (out_room(r, len + 1) < 0)
            no_room(len);
        memcpy(r->out + r->len, trace, len);
        r->out[r->len + len] = '\t';
        r->len += len + 1;
    }
    add_line(r, r->elem.msg.bytes.data, r->elem.msg.bytes.len);
    rn_bytes_free(&r->elem.msg.bytes);
}

/* ---- --ack: elements that are taken and not written yet ---- */
static void hold(struct receiver *r)
{
    size_t size = r->held_size > 0 ? 2 * r->held_size : 256;

    if (r->n_held == r->held_size) {
        struct held *grown = realloc(r->held, size * sizeof *grown);
        if (!grown)
            no_room(r->elem.msg.bytes.len);
        r->held = grown;
        r->held_size = size;
    }
    r->held[r->n_held++] = (struct held){ r->elem.msg, r->len };
}

/* So many bytes of `out` are written.  An acknowledgement that comes too late is no matter: the element has gone to
 * another, as was said when the session ended. */
static void acknowledge(struct receiver *r, size_t written)
{
    size_t n = 0;

    for (; n < r->n_held && r->held[n].end <= written; n++)
        (void)rn_msg_ack(&r->held[n].msg);
    r->n_held -= n;
    memmove(r->held, r->held + n, r->n_held * sizeof *r->held);
    for (size_t i = 0; i < r->n_held; i++)
        r->held[i].end -= written;
}

/* Nothing is lost in silence: of a fanout that does not wait for its receivers. */
static void say_lost(const struct receiver *r)
{
    uint64_t lost = r->chan != NULL ? rn_chan_lost(r->chan) : 0;

    if (lost > 0)
        ctl_say("%" PRIu64
                " element%s of channel \"%s\" %s lost here, because this receiver was too slow",
                lost, lost == 1 ? "" : "s", r->name, lost == 1 ? "was" : "were");
}

static int receiver_rebind(struct receiver *r, int why)
{
    if (why == RN_EHOMELOST) {
        r->hole = true;
        ctl_say("the broker has lost channel \"%s\" and what it held; going on with a new one",
                r->name);
    } else {
        ctl_say("the session with the broker ended after %" PRIu64
                " lines; the last of them may come again; going on",
                r->taken);
    }
    say_lost(r);
    rn_chan_unref(r->chan);
    r->chan = NULL;
    return receiver_bind(r);
}

/* ---- standard output ---- */
/* Counts the lines of which not every byte was written. */
static uint64_t lines_after(const char *out, size_t from, size_t len)
{
    uint64_t lines = 0;
    const char *at = out + from, *end = out + len;

    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        lines++;
        at++;
    }
    return lines;
}

static int flush_out(struct receiver *r, rn_time deadline)
{
    size_t done = 0;
    uint64_t lines;
    int rc;

    if (r->len == 0)
        return CTL_OK;
    rc = stream_write(&r->stdout_stream, r->out, r->len, &done, deadline);
    if (rc == 0)
        done = r->len;
    if (r->n_held > 0)
        acknowledge(r, done);
    if (rc < 0 && done < r->len) {
        memmove(r->out, r->out + done, r->len - done);
        r->len -= done;
        if (rc == RN_ECANCELED)
            return CTL_FAILED; /* the last flush tries once more */
        lines = lines_after(r->out, 0, r->len);
        lines = lines < r->pending ? lines : r->pending;
        r->len = 0;
        if (r->ack)
            return ctl_say("cannot write to standard output: %s; what was not printed goes back "
                           "to channel \"%s\"",
                           rn_strerror(rc), r->name);
        return ctl_say("cannot write to standard output: %s; %" PRIu64
                       " line%s taken from channel \"%s\" and not printed",
                       rn_strerror(rc), lines, lines == 1 ? " was" : "s were", r->name);
    }
    r->len = 0;
    r->pending = 0;
    return CTL_OK;
}

/* A pipe that nobody reads any more becomes readable (POLLERR): end before taking an element
 * for it. */
static void watch_stdout(void *arg)
{
    struct receiver *r = *(struct receiver **)arg;

    rn_set_name("standard output");
    if (rn_wait_fd(r->stdout_stream.fd, POLLIN, RN_FOREVER) >= 0)
        rn_chan_close(r->gone);
}

/* ---- receiving ---- */
/* Beside results, which are <= 0. */
enum { STDOUT_GONE = 1, STDOUT_FAILED };

/* Takes one element: at once if one is ready, else everything is printed first. */
static int take(struct receiver *r)
{
    rn_case cases[] = {
        { r->chan, &r->elem, RN_RECV, 0 },
        { r->gone, NULL, RN_RECV, 0 },
    };
    int rc = rn_chan_recv(r->chan, &r->elem, RN_NOWAIT);

    if (rc != RN_ETIMEDOUT)
        return rc;
    if (flush_out(r, RN_FOREVER) != CTL_OK)
        return STDOUT_FAILED;
    rc = rn_select(cases, RN_LEN(cases), RN_FOREVER);
    if (rc == 1)
        return STDOUT_GONE;
    return rc < 0 ? rc : cases[0].rc;
}

/* A channel that was failed gives its last element and then this, too: it must not look like a
 * close. */
static int receive_closed(const struct receiver *r)
{
    int reason = rn_chan_err(r->chan);

    if (reason >= 0 || reason == RN_ECLOSED)
        return CTL_OK;
    if (reason == RN_ESESSION)
        return ctl_say(
            "a sender of channel \"%s\" has died; all that was accepted of it came, what "
            "it had still to send did not",
            r->name);
    return ctl_say("channel \"%s\" was ended by a failure: %s", r->name, rn_strerror(reason));
}

static int receive_all(struct receiver *r)
{
    int rc;

    while (r->limit == 0 || r->taken < (uint64_t)r->limit) {
        rc = take(r);
        if (rc == STDOUT_GONE)
            return 128 + SIGPIPE; /* as other filters end; nothing was lost, so nothing is said */
        if (rc == STDOUT_FAILED)
            return CTL_FAILED;
        if (rc == RN_ECLOSED)
            return receive_closed(r);
        if (rc < 0 && ctl_session_over(rc)) {
            if (flush_out(r, RN_FOREVER) != CTL_OK || receiver_rebind(r, rc) < 0)
                return CTL_FAILED;
            continue;
        }
        if (rc == RN_ESLOW)
            return ctl_say(
                "channel \"%s\" has cut this receiver off, because it was too slow; lines that came: %" PRIu64,
                r->name, r->taken);
        if (rc < 0)
            return ctl_signal(r->run) ? CTL_FAILED : ctl_say_failed("receive from", r->name, rc);
        r->taken++;
        if (r->ack || r->headers)
            add_message(r);
        if (r->ack)
            hold(r);
        if ((r->stdout_stream.tty || r->len >= FLUSH_AT) && flush_out(r, RN_FOREVER) != CTL_OK)
            return CTL_FAILED;
    }
    return CTL_OK;
}

static int receiver_work(struct receiver *r)
{
    rn_group *watch = rn_group_new();
    int status, rc;

    if (!watch ||
        (r->stdout_stream.fifo && rn_group_go(watch, watch_stdout, &r, sizeof r) == -ENOMEM))
        return ctl_say("out of memory");
    status = receive_all(r);
    rn_shield(1);
    say_lost(r);
    rn_group_free(watch);
    rc = flush_out(r, rn_after(CTL_GRACE_NS));
    if (status == CTL_OK)
        status = rc;
    if (r->chan)
        rn_unbind(r->chan, rn_after(CTL_GRACE_NS)); /* too late: the lease gives the rest back */
    for (size_t i = 0; i < r->n_held; i++)
        (void)rn_msg_nack(&r->held[i].msg, 0); /* the unbind has given it back */
    rn_chan_unref(r->chan);
    rn_shield(0);
    return r->hole ? CTL_FAILED : status;
}

/* Told before an element is taken for it. */
static bool stdout_open(void)
{
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

static int recv_run(struct ctl_run *run, void *arg)
{
    struct receiver *r = arg;
    int status = CTL_FAILED;

    r->run = run;
    if (!stdout_open())
        return ctl_say("cannot write to standard output: it is closed");
    stream_share(&r->stdout_stream, STDOUT_FILENO, /* writing= */ true);
    r->gone = rn_chan_new(0, 0, NULL);
    if (!r->gone)
        return ctl_say("out of memory");
    if (ctl_open(&r->node, r->opts, NULL, rn_after(r->opts->wait_ns)) != CTL_OK)
        goto done;
    if (receiver_bind(r) == 0)
        status = receiver_work(r);
    ctl_close(r->node);
done:
    rn_chan_unref(r->gone);
    stream_close(&r->stdout_stream);
    return status;
}

/* ---- the command line ---- */
enum { OPT_TYPE = 256, OPT_ACK, OPT_HEADERS };

static error_t parse_recv(int key, char *arg, struct argp_state *state)
{
    struct receiver *r = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = r->opts;
        return 0;
    case 'n':
        r->limit = ctl_number(arg, "-n", state);
        r->bind.prefetch = (uint32_t)(r->limit < PREFETCH_MAX ? r->limit : PREFETCH_MAX);
        return 0;
    case OPT_TYPE:
        r->type = arg;
        return 0;
    case 'r':
        r->raw = true;
        return 0;
    case OPT_ACK:
        r->ack = true;
        return 0;
    case OPT_HEADERS:
        r->headers = true;
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

static const struct argp_option recv_options[] = {
    { "count", 'n', "N", 0, "End after N elements; the others stay in the channel", 0 },
    { "type", OPT_TYPE, "TYPE", 0,
      "State the name of the elements' type; without: agrees with every type", 0 },
    { "raw", 'r', NULL, 0, "Print elements as they are, without a newline behind each", 0 },
    { "ack", OPT_ACK, NULL, 0,
      "Acknowledge an element only when its line is written: killed at any moment, it loses nothing, and "
      "its last lines may come again to another",
      0 },
    { "headers", OPT_HEADERS, NULL, 0,
      "Put before each line, and a tab, the trace context that it came with; '-': none", 0 },
    { 0 },
};

static const char recv_doc[] =
    "Prints each element of the channel NAME as a line, until the channel is closed and drained. "
    "Several receivers of a channel share its elements; of a fanout each gets all that are sent while it is there.\v"
    "Elements are printed as they are: those of a program that sends other things than text are "
    "not readable.\n\n"
    "  $ runnel recv jobs | while read -r job; do ./work \"$job\"; done\n\n"
    "Without --ack an element counts as received as soon as it was taken, so what is not written yet is lost when "
    "this program is killed.  A line that is written to a pipe is written, even if nobody has read it.";

int recv_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { recv_options, parse_recv, "NAME", recv_doc,
                                      children,     NULL,       NULL };
    struct receiver r = { .opts = opts };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &r);
    status = ctl_check_name_in(r.name);
    if (status == CTL_OK)
        status = ctl_main(CTL_WORKERS, recv_run, &r);
    free(r.out);
    free(r.held);
    return status;
}
