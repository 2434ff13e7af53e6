/* tap.c - `runnel tap NAME`: prints a copy of what a channel accepts from now on.   SPDX-License-Identifier: MIT
 *
 * Each page is asked for when the one before it is written.  So who does not read what is printed here makes the
 * broker skip, and nobody wait. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/ctl/ask.h"
#include "node/ctl/elements.h"
#include "node/ctl/verbs.h"
#include "node/node.h"
#include "proto/limits.h"

struct tap {
    struct ctl_opts *opts;
    struct ctl_run *run;
    const char *name;
    uint32_t rate;
    int64_t limit; /* -n; 0: none */
    rn_node *node;
    struct elements es;
    uint32_t number;
    int status; /* of what was written of a page */
    enum wire_code code;
    char why[WIRE_TEXT_MAX + 1];
};

/* ---- what is skipped -------------------------------------------------------------------------------------------------- */

/* 1234567 as 1,234,567 */
static void grouped(char *to, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
}

/* What was written before it is out before it is said. */
static void say_skipped(struct tap *t, uint64_t n)
{
    char number[32];

    if (n == 0 || t->status != CTL_OK)
        return;
    t->status = elements_flush(&t->es);
    grouped(number, n);
    if (t->status == CTL_OK)
        fprintf(stderr, "... %s skipped\n", number);
}

/* ---- pages ------------------------------------------------------------------------------------------------------------ */

static bool enough(const struct tap *t)
{
    return t->limit > 0 && t->es.n >= (uint64_t)t->limit;
}

static void page(void *arg, const struct wire_control *answer)
{
    struct tap *t = arg;

    t->number = answer->answer.tap;
    t->code = answer->answer.code;
    snprintf(t->why, sizeof t->why, "%s", answer->answer.sentence);
    for (uint32_t i = 0; i < answer->answer.n_elements && t->status == CTL_OK && !enough(t); i++) {
        const struct wire_element *e = &answer->answer.elements[i];

        if (e->offset == 0)
            say_skipped(t, e->skipped);
        elements_add(&t->es, e);
    }
    if (!enough(t))
        say_skipped(t, answer->answer.skipped);
    if (t->status == CTL_OK)
        t->status = elements_flush(&t->es);
}

/* How the channel came to its end. */
static int over(const struct tap *t)
{
    return t->code == WIRE_CLOSED ? CTL_OK : ctl_say("%s", t->why);
}

static int begin(struct tap *t)
{
    struct wire_control question = { .what = WIRE_TAP,
                                     .peek = { .name = t->name, .rate = t->rate } };

    return ctl_ask(t->node, &question, page, t, "tap", t->name, t->opts,
                   rn_after(t->opts->wait_ns));
}

static int watch(struct tap *t)
{
    while (!enough(t)) {
        struct wire_control question = { .what = WIRE_TAP,
                                         .peek = { .name = "", .tap = t->number } };
        uint32_t number = t->number;
        int rc = rn__node_ask(t->node, &question, page, t, RN_FOREVER);

        if (t->status != CTL_OK)
            return t->status;
        if (rc == 0)
            continue;
        if (t->code != WIRE_OK && t->number == number)
            return over(t);
        if (rc == RN_ECANCELED && ctl_signal(t->run))
            return CTL_FAILED;
        if (!ctl_session_over(rc) && rc != -ENOENT) /* it is another session's */
            return ctl_say("cannot tap channel \"%s\": %s", t->name, rn_strerror(rc));
        ctl_say(
            "the session with the broker ended; what was sent meanwhile was not seen; going on");
        if (begin(t) != CTL_OK)
            return CTL_FAILED;
    }
    return CTL_OK;
}

/* ---- the verb --------------------------------------------------------------------------------------------------------- */

static int tap_run(struct ctl_run *run, void *arg)
{
    struct tap *t = arg;
    int status;

    t->run = run;
    if (ctl_open(&t->node, t->opts, NULL, rn_after(t->opts->wait_ns)) != CTL_OK)
        return CTL_FAILED;
    elements_init(&t->es, /* details= */ false);
    status = begin(t);
    if (status == CTL_OK)
        status = watch(t);
    elements_fini(&t->es);
    ctl_close(t->node);
    return status;
}

/* "100" or "100/s" */
static uint32_t rate(const char *text, const struct argp_state *state)
{
    char digits[16];
    size_t len = strlen(text);

    if (len > 2 && len < sizeof digits && strcmp(text + len - 2, "/s") == 0)
        len -= 2;
    snprintf(digits, sizeof digits, "%.*s", (int)len, text);
    int64_t n = ctl_number(len < sizeof digits ? digits : text, "--rate", state);
    if (n > WIRE_TAP_RATE_MAX)
        argp_error(state, "--rate takes at most %d elements a second, not %s", WIRE_TAP_RATE_MAX,
                   text);
    return (uint32_t)n;
}

static error_t parse_tap(int key, char *arg, struct argp_state *state)
{
    struct tap *t = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = t->opts;
        return 0;
    case 'n':
        t->limit = ctl_number(arg, "-n", state);
        return 0;
    case 'r':
        t->rate = rate(arg, state);
        return 0;
    case ARGP_KEY_ARG:
        if (t->name)
            argp_error(state, "one channel at a time, not also '%s'", arg);
        t->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!t->name)
            argp_error(state, "which channel? NAME is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option tap_options[] = {
    { "count", 'n', "N", 0, "End after N elements", 0 },
    { "rate", 'r', "N/s", 0, "At most N elements a second (1000)", 0 },
    { 0 },
};

static const char tap_doc[] =
    "Prints a copy of each element that the channel NAME accepts from now on, as `runnel recv' would print it, and takes none. "
    "It never slows the channel down: what comes faster than --rate, or than this program prints it, is skipped, and how much that was is said "
    "on standard error.\v"
    "A tap is no receiver: it does not keep a channel that nobody has bound, and is listed apart by `runnel info'. It ends when the "
    "channel is closed and drained.\n\n"
    "  $ runnel tap orders --rate 10/s\n\n"
    "Exit status 1 if there is no such channel, or it came to its end otherwise than by a close.";

int tap_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        tap_options, parse_tap, "NAME", tap_doc, children, NULL, NULL
    };
    struct tap t = { .opts = opts };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &t);
    status = ctl_check_name_in(t.name);
    return status == CTL_OK ? ctl_main(CTL_WORKERS, tap_run, &t) : status;
}
