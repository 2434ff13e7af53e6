/* dead.c - `runnel dead ls|show|replay|purge`: dead letters, looked at, sent again, dropped.
 *   SPDX-License-Identifier: MIT
 *
 * All but ls receive the dead letters by hand.  Show acknowledges none, so that they are as before when it has ended;
 * replay acknowledges each when the broker has it in its channel again: killed in between, it may be there twice. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/ctl/channels.h"
#include "node/ctl/verbs.h"

#define SUFFIX   ".dead"
#define BATCH    256          /* letters that are sent before they are flushed and acknowledged */
#define PATIENCE (2 * RN_SEC) /* for a letter that is there, and perhaps with another reader */

enum action { LS, SHOW, REPLAY, PURGE, ACTIONS };
static const char *const actions[ACTIONS] = { "ls", "show", "replay", "purge" };

struct mortuary {
    struct ctl_opts *opts;
    struct ctl_run *run;
    enum action action;
    bool chosen;
    const char *name;       /* of the channel */
    char dead[RN_NAME_MAX]; /* its dead letters' */
    int64_t limit;          /* -n; 0: none */
    rn_node *node;
    rn_chan *in, *out;
    rn_msg held[BATCH];
    size_t n_held;
    rn_msg *left; /* what is not to be acknowledged; without its bytes */
    size_t n_left, left_size;
    uint64_t n;
};

/* ---- ls ---- */

static uint64_t letters(const struct wire_channel_info *c)
{
    return c->buffered + c->delivered + c->delayed;
}

/* The length of the name without the suffix, or 0: it has none. */
static int origin(const char *name)
{
    size_t len = strlen(name), suffix = strlen(SUFFIX);

    return len > suffix && strcmp(name + len - suffix, SUFFIX) == 0 ? (int)(len - suffix) : 0;
}

static int list(struct mortuary *m)
{
    struct channels cs;
    int width = (int)strlen("CHANNEL"), status = channels_query(&cs, NULL, m->opts);

    for (size_t i = 0; status == CTL_OK && i < cs.n; i++)
        width = origin(cs.info[i].name) > width ? origin(cs.info[i].name) : width;
    if (status == CTL_OK)
        printf("%-*s  %10s  %12s\n", width, "CHANNEL", "LETTERS", "BYTES");
    for (size_t i = 0; status == CTL_OK && i < cs.n; i++) {
        const struct wire_channel_info *c = &cs.info[i];
        if (origin(c->name) > 0 && letters(c) > 0)
            printf("%-*.*s  %10" PRIu64 "  %12" PRIu64 "\n", width, origin(c->name), c->name,
                   letters(c), c->bytes);
    }
    channels_free(&cs);
    return status == CTL_OK ? ctl_flush() : status;
}

/* ---- the letters ---- */

static void print_letter(const rn_msg *msg)
{
    rn_dead d = { 0 };
    char when[32] = "?", why[RN_WHY_MAX];
    struct tm tm;

    if (rn_msg_dead(msg, &d) == 0) {
        time_t seconds = (time_t)(d.died_ns / RN_SEC);
        if (gmtime_r(&seconds, &tm) != NULL)
            strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    snprintf(why, sizeof why, "%s", d.why);
    printf("%" PRIu64 ": position %" PRIu64 ", delivered %" PRIu32 " time%s, died %s, ", msg->seq,
           d.seq, d.deliveries, d.deliveries == 1 ? "" : "s", when);
    if (d.cause == RN_DEAD_DELIVERIES)
        printf("delivered too often\n");
    else if (d.cause == RN_DEAD_REFUSED)
        printf("refused by its receiver's codec: %s\n", ctl_clean(why));
    else
        printf("rejected%s%s\n", why[0] != '\0' ? ": " : "", ctl_clean(why));
    printf("  ");
    fwrite(msg->bytes.data, 1, msg->bytes.len, stdout);
    putchar('\n');
}

/* It stays among the dead letters, once the handle is unbound. */
static int leave(struct mortuary *m, rn_msg *msg)
{
    size_t size = m->left_size > 0 ? 2 * m->left_size : BATCH;

    if (m->n_left == m->left_size) {
        rn_msg *grown = realloc(m->left, size * sizeof *grown);
        if (!grown)
            return ctl_say("out of memory");
        m->left = grown;
        m->left_size = size;
    }
    rn_bytes_free(&msg->bytes);
    m->left[m->n_left++] = *msg;
    return CTL_OK;
}

/* All that was sent is with the broker: so it may be acknowledged. */
static int settle_batch(struct mortuary *m)
{
    int rc = m->out != NULL && m->n_held > 0 ? rn_flush(m->out, RN_FOREVER) : 0;

    for (size_t i = 0; i < m->n_held; i++) {
        if (rc == 0)
            m->n += rn_msg_ack(&m->held[i]) == 0;
        else
            (void)leave(m, &m->held[i]);
    }
    m->n_held = 0;
    return rc < 0 ? ctl_say_failed("send to", m->name, rc) : CTL_OK;
}

/* Takes msg. */
static int handle(struct mortuary *m, rn_msg *msg)
{
    int rc = 0;

    if (m->action == SHOW) {
        print_letter(msg);
        m->n++;
        return leave(m, msg);
    }
    if (m->action == REPLAY)
        rc = rn_msg_forward(m->out, msg, RN_FOREVER);
    if (rc < 0) {
        (void)leave(m, msg);
        return ctl_say_failed("send to", m->name, rc);
    }
    m->held[m->n_held++] = *msg;
    return m->n_held == BATCH ? settle_batch(m) : CTL_OK;
}

/* Those that are there now; what dies meanwhile is for the next time. */
static int read_letters(struct mortuary *m, uint64_t most)
{
    int status = CTL_OK, rc = 0;
    rn_msg msg;

    for (uint64_t i = 0; i < most && status == CTL_OK; i++) {
        rc = rn_chan_recv(m->in, &msg, rn_after(PATIENCE));
        if (rc < 0)
            break;
        status = handle(m, &msg);
    }
    if (status == CTL_OK && rc < 0 && rc != RN_ETIMEDOUT && rc != RN_ECLOSED &&
        !(rc == RN_ECANCELED && ctl_signal(m->run)))
        status = ctl_say_failed("receive from", m->dead, rc);
    rn_shield(1);
    if (settle_batch(m) != CTL_OK)
        status = CTL_FAILED;
    rn_shield(0);
    return status;
}

static int bind_ends(struct mortuary *m)
{
    const rn_bind_opts in = { .manual_ack = true, .must_exist = true };
    const rn_bind_opts out = { .must_exist = true };

    if (m->action == REPLAY &&
        ctl_bind(&m->out, m->node, m->name, RN_OUT, &rn_codec_msg, &out, m->opts) < 0)
        return CTL_FAILED;
    return ctl_bind(&m->in, m->node, m->dead, RN_IN, &rn_codec_msg, &in, m->opts) < 0 ? CTL_FAILED
                                                                                      : CTL_OK;
}

/* How many letters there are now.  A channel of which nothing has died yet has none; one that is not there is another matter. */
static int count_letters(const struct mortuary *m, uint64_t *n)
{
    struct channels cs;
    int status = channels_ask(&cs, m->node, m->dead, m->opts);

    *n = status == CTL_OK && cs.n > 0 ? letters(&cs.info[0]) : 0;
    if (status == CTL_OK && cs.n == 0) {
        channels_free(&cs);
        status = channels_ask(&cs, m->node, m->name, m->opts);
        if (status == CTL_OK && channels_only(&cs, m->name, m->opts) == NULL)
            status = CTL_FAILED;
    }
    channels_free(&cs);
    return status;
}

static int read_all(struct mortuary *m)
{
    uint64_t most;
    int status = count_letters(m, &most);

    if (status != CTL_OK)
        return status;
    if (m->limit > 0 && most > (uint64_t)m->limit)
        most = (uint64_t)m->limit;
    if (most > 0)
        status = bind_ends(m);
    if (status == CTL_OK && most > 0)
        status = read_letters(m, most);
    rn_shield(1);
    if (m->in != NULL)
        rn_unbind(m->in, rn_after(CTL_GRACE_NS)); /* what is not acknowledged stays where it was */
    for (size_t i = 0; i < m->n_left; i++)
        (void)rn_msg_nack(&m->left[i], 0); /* too late, as it is meant to be */
    rn_chan_unref(m->in);
    rn_chan_unref(m->out);
    rn_shield(0);
    if (m->action == REPLAY || m->action == PURGE)
        printf("%" PRIu64 " dead letter%s %s\n", m->n, m->n == 1 ? "" : "s",
               m->action == REPLAY ? "sent again" : "dropped");
    int flushed = ctl_flush();
    return status == CTL_OK ? flushed : status;
}

static int dead_run(struct ctl_run *run, void *arg)
{
    struct mortuary *m = arg;
    int status;

    m->run = run;
    if (m->action == LS)
        return list(m);
    status = ctl_open(&m->node, m->opts, NULL, rn_after(m->opts->wait_ns));
    if (status != CTL_OK)
        return status;
    status = read_all(m);
    ctl_close(m->node);
    return status;
}

/* ---- the command line ---- */

static error_t parse_action(struct mortuary *m, const char *arg, struct argp_state *state)
{
    for (m->action = 0; m->action < ACTIONS; m->action++) {
        m->chosen = strcmp(arg, actions[m->action]) == 0;
        if (m->chosen)
            return 0;
    }
    argp_error(state, "ls, show, replay or purge, not '%s'", arg);
    return 0;
}

static error_t parse_dead(int key, char *arg, struct argp_state *state)
{
    struct mortuary *m = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = m->opts;
        return 0;
    case 'n':
        m->limit = ctl_number(arg, "-n", state);
        return 0;
    case ARGP_KEY_ARG:
        if (!m->chosen)
            return parse_action(m, arg, state);
        if (m->action == LS)
            argp_error(state, "ls lists all channels that have dead letters, not '%s'", arg);
        if (m->name)
            argp_error(state, "one channel at a time, not also '%s'", arg);
        m->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!m->chosen)
            argp_error(state,
                       "what is to be done with the dead letters? ls, show, replay or purge");
        if (m->action != LS && !m->name)
            argp_error(state, "whose dead letters? NAME is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option dead_options[] = {
    { "count", 'n', "N", 0, "At most the first N of them", 0 },
    { 0 },
};

static const char dead_doc[] =
    "Dead letters: elements of a channel that its receivers have rejected, or that have been delivered by hand too "
    "often. They are in the channel NAME.dead until somebody takes them out.\n\n"
    "  ls      which channels have how many\n"
    "  show    print each with its history; they stay\n"
    "  replay  send them to NAME again, which must be there; waits while it is full\n"
    "  purge   drop them\v"
    "NAME is that of the channel, without .dead. Only those are meant that are there when it begins.\n\n"
    "A replay that is killed may have sent its last ones without having taken them out: they are sent once more by the next.\n\n"
    "Exit status 1 if there is no such channel.\n\n"
    "  $ runnel dead show orders -n 3\n"
    "  $ runnel dead replay orders";

int dead_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        dead_options, parse_dead, "ls\nshow NAME\nreplay NAME\npurge NAME", dead_doc, children,
        NULL,         NULL
    };
    struct mortuary m = { .opts = opts };
    int status = CTL_OK;

    argp_parse(&argp, argc, argv, 0, NULL, &m);
    if (m.name != NULL)
        status = ctl_check_name(m.name);
    if (status == CTL_OK && m.name != NULL)
        snprintf(m.dead, sizeof m.dead, "%.250s" SUFFIX, m.name);
    if (status == CTL_OK)
        status = ctl_main(CTL_WORKERS, dead_run, &m);
    free(m.left);
    return status;
}
