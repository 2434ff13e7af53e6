/* audit.c - `runnel audit [NAME]`: is every element accounted for?
 *   SPDX-License-Identifier: MIT
 *
 * Two ledgers: the home's, in which each accepted element of a channel is in exactly one class,
 * and the node's, in which each send that returned success is confirmed, queued or unknown.
 * What is unknown is said and never balanced away. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/ctl/channels.h"
#include "node/ctl/ledger.h"
#include "node/ctl/verbs.h"
#include "node/ctl/when.h"

struct audit {
    struct ctl_opts *opts;
    const char *name; /* NULL: all channels */
    unsigned wrong;   /* lines that do not balance */
    uint64_t unknown;
};

/* One class of a ledger: printed if it holds something; adds to the sum. */
static void print_class(const char *name, uint64_t n, uint64_t *sum, const char **joint)
{
    *sum += n;
    if (n == 0 && strcmp(name, "taken") != 0)
        return;
    printf("%s%s %" PRIu64, *joint, name, n);
    *joint = " + ";
}

static void print_verdict(struct audit *a, bool balanced, uint64_t off_by)
{
    if (balanced) {
        printf(": balanced\n");
        return;
    }
    a->wrong++;
    printf(": DOES NOT BALANCE, off by %" PRId64 "\n", (int64_t)off_by);
}

static void fault(struct audit *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct audit *a, const char *format, ...)
{
    va_list ap;

    a->wrong++;
    printf("  DOES NOT BALANCE: ");
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    putchar('\n');
}

static void audit_home(struct audit *a, const struct wire_channel_info *c)
{
    printf("  ");
    uint64_t sum = ledger_print(c);
    print_verdict(a, sum == c->accepted + c->copied, c->accepted + c->copied - sum);
}

static void audit_slots(struct audit *a, const struct wire_channel_info *c)
{
    uint64_t used = c->lent + c->buffered + c->delivered + c->delayed;

    if (c->parked > 0)
        printf("  %" PRIu64 " wait for the first receiver, not accepted yet\n", c->parked);
    if (c->attributes.capacity > 0 && !channel_is_fanout(c)) {
        printf("  slots: %" PRIu64 " of %" PRId64 " in use (%" PRIu64 " lent to senders)\n", used,
               c->attributes.capacity, c->lent);
        if (used > (uint64_t)c->attributes.capacity)
            fault(a, "more slots in use than the channel has");
    }
    if (c->redelivered)
        printf("  redelivered: %" PRIu64
               ", after sessions of receivers ended, or because they wanted it again\n",
               c->redelivered);
}

static void audit_sender(struct audit *a, const struct wire_binding_info *b)
{
    const struct wire_counts *n = &b->counts;
    uint64_t sum = n->confirmed + n->queued + n->unknown;

    /* It reports with its signs of life, so what the home counts may be ahead. */
    printf("  sender   %s%s: sent %" PRIu64 " = confirmed %" PRIu64 " + queued %" PRIu64
           " + unknown %" PRIu64,
           b->node, n->sent < b->accepted ? " (a moment ago)" : "", n->sent, n->confirmed,
           n->queued, n->unknown);
    print_verdict(a, sum == n->sent, n->sent - sum);
    if (n->confirmed > b->accepted)
        fault(a, "%s: %" PRIu64 " sends confirmed, but only %" PRIu64 " accepted", b->node,
              n->confirmed, b->accepted);
    a->unknown += n->unknown;
}

/* A receiver of a fanout has a ledger of its own. */
static void audit_window(struct audit *a, const struct wire_channel_info *c,
                         const struct wire_binding_info *b)
{
    const char *joint = " = ";
    uint64_t sum = 0;

    printf("  window   %s: %" PRIu64 " came while it was there", b->node, b->accepted);
    print_class("taken", b->taken, &sum, &joint);
    print_class("buffered", b->buffered, &sum, &joint);
    print_class("delivered", b->delivered, &sum, &joint);
    print_class("delayed", b->delayed, &sum, &joint);
    print_class("lost(slow)", b->lost, &sum, &joint);
    print_class("expired", b->expired, &sum, &joint);
    print_class("dead letters", b->dead, &sum, &joint);
    if (b->accepted > sum && b->accepted - sum <= c->dropped_cancelled + c->dropped_purged)
        print_class(c->dropped_purged == 0      ? "dropped(cancelled)"
                    : c->dropped_cancelled == 0 ? "dropped(purged)"
                                                : "dropped(cancelled, purged)",
                    b->accepted - sum, &sum, &joint);
    print_verdict(a, sum == b->accepted, b->accepted - sum);
}

static void audit_receiver(const struct wire_binding_info *b)
{
    printf("  receiver %s: taken %" PRIu64 ", delivered and not taken %" PRIu64 "\n", b->node,
           b->taken, b->delivered);
}

/* What the bindings hold is part of what the channel counts; the difference belonged to those
 * that have gone. */
static void audit_bindings(struct audit *a, const struct wire_channel_info *c)
{
    uint64_t accepted = 0, taken = 0, delivered = 0, lent = 0, lost = 0;

    for (uint32_t i = 0; i < c->n_bindings; i++) {
        const struct wire_binding_info *b = &c->bindings[i];
        if (b->direction == WIRE_OUT)
            audit_sender(a, b);
        else if (channel_is_fanout(c))
            audit_window(a, c, b);
        else
            audit_receiver(b);
        accepted += b->direction == WIRE_OUT ? b->accepted : 0;
        lost += b->lost;
        lent += b->lent;
        taken += b->taken;
        delivered += b->delivered;
    }
    if (accepted > c->accepted)
        fault(a, "its senders account for %" PRIu64 " accepted elements", accepted);
    if (taken > c->taken)
        fault(a, "its receivers account for %" PRIu64 " taken elements", taken);
    if (lost > c->dropped_slow)
        fault(a, "its receivers account for %" PRIu64 " elements lost", lost);
    if (delivered != c->delivered)
        fault(a, "its receivers hold %" PRIu64 " elements that were delivered", delivered);
    if (lent != c->lent)
        fault(a, "its senders hold %" PRIu64 " lent slots", lent);
}

static void audit_channel(struct audit *a, const struct wire_channel_info *c)
{
    printf("%s (", c->name);
    if (channel_is_fanout(c))
        printf("fanout, slow: %s, ", ctl_slow_name((enum rn_slow)c->attributes.slow));
    printf("%s, incarnation %016" PRIx64 ")\n", c->closed ? "closed" : "open", c->incarnation);
    if (c->attributes.ttl_ms > 0)
        printf("  time to live: %s\n",
               when_show_ms((char[24]){ 0 }, 24, (uint64_t)c->attributes.ttl_ms));
    audit_home(a, c);
    audit_slots(a, c);
    audit_bindings(a, c);
}

static int audit_result(const struct audit *a, size_t channels)
{
    if (a->wrong) {
        printf("%u of the ledgers of %zu channel%s do not balance\n", a->wrong, channels,
               channels == 1 ? "" : "s");
        fflush(stdout);
        return ctl_say("the ledgers of the broker at %s do not balance", a->opts->broker);
    }
    printf("balanced: %zu channel%s", channels, channels == 1 ? "" : "s");
    if (a->unknown)
        printf(", %" PRIu64 " sends unknown", a->unknown);
    putchar('\n');
    return ctl_flush();
}

static int audit_run(struct ctl_run *run, void *arg)
{
    struct audit *a = arg;
    struct channels cs;
    int status;

    (void)run;
    status = channels_query(&cs, a->name, a->opts);
    if (status == CTL_OK && a->name && cs.n == 0)
        status = ctl_say("the broker at %s has no channel \"%s\"", a->opts->broker, a->name);
    if (status == CTL_OK) {
        for (size_t i = 0; i < cs.n; i++)
            audit_channel(a, &cs.info[i]);
        status = audit_result(a, cs.n);
    }
    channels_free(&cs);
    return status;
}

static error_t parse_audit(int key, char *arg, struct argp_state *state)
{
    struct audit *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = a->opts;
        return 0;
    case ARGP_KEY_ARG:
        if (a->name)
            argp_error(state, "one channel or all, not also '%s'", arg);
        a->name = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char audit_doc[] =
    "Checks that every element is accounted for, in the channel NAME or in all of them: at the "
    "broker each accepted element is taken, buffered, delivered and not taken (or acknowledged, where that is done by hand) yet, waits for its time (to be delivered, or delivered again), has expired, is a dead "
    "letter, or was dropped as it was declared (of a fanout once for each receiver, and each receiver for itself); at each sender each element sent is confirmed, queued or unknown.\v"
    "A sender reports what it has sent every second or so; \"a moment ago\" means that the broker has "
    "accepted more since then.\n\n"
    "Exit status 1 if something does not balance.";

int audit_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        NULL, parse_audit, "[NAME]", audit_doc, children, NULL, NULL
    };
    struct audit a = { .opts = opts };
    int status = CTL_OK;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (a.name)
        status = ctl_check_name_in(a.name);
    return status == CTL_OK ? ctl_main(CTL_WORKERS, audit_run, &a) : status;
}
