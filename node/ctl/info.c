/* info.c - `runnel info NAME`: all that the broker knows of one channel.   SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/ctl/channels.h"
#include "node/ctl/json.h"
#include "node/ctl/ledger.h"
#include "node/ctl/nodes.h"
#include "node/ctl/verbs.h"

struct info {
    struct ctl_opts *opts;
    const char *name;
    bool json;
};

static const char *kind_of(const struct wire_channel_info *c)
{
    return channel_is_fanout(c) ? "fanout" : "queue";
}

static const char *keep_of(const struct wire_channel_info *c)
{
    return c->attributes.keep == WIRE_DISK     ? "disk"
           : c->attributes.keep == WIRE_QUORUM ? "quorum"
                                               : "memory";
}

static const char *slow_of(const struct wire_channel_info *c)
{
    return c->attributes.slow == WIRE_SLOW_DROP_OLDEST ? "drop_oldest"
           : c->attributes.slow == WIRE_SLOW_CUT       ? "cut"
                                                       : "block";
}

/* ---- for people ---- */

static void print_attributes(const struct wire_channel_info *c)
{
    printf("%s: %s, %s in %s", c->name, channel_state(c), kind_of(c), keep_of(c));
    if (channel_is_fanout(c))
        printf(" (slow: %s)", slow_of(c));
    printf(", incarnation %016" PRIx64 " (epoch %" PRIu32 "), made ", c->incarnation, c->epoch);
    print_duration(c->age_ms);
    printf(" ago\n  capacity: ");
    if (c->attributes.capacity == 0)
        printf("not fixed before the first sender is bound");
    else if (c->attributes.capacity == WIRE_RENDEZVOUS)
        printf("0, each send waits for a receive");
    else
        printf("%" PRId64 " elements", c->attributes.capacity);
    if (c->attributes.capacity_bytes)
        printf(", %" PRIu64 " bytes", c->attributes.capacity_bytes);
    printf("\n  type: %s\n", c->attributes.type[0] ? c->attributes.type : "raw");
    if (c->attributes.ttl_ms > 0) {
        printf("  time to live: ");
        print_duration((uint64_t)c->attributes.ttl_ms);
        printf("\n");
    }
    if (c->attributes.max_deliveries)
        printf("  delivered by hand: at most %" PRIu32 " times\n", c->attributes.max_deliveries);
}

static void print_contents(const struct wire_channel_info *c)
{
    uint64_t used = c->lent + c->buffered + c->delivered + c->delayed, sum;

    printf("  ");
    sum = ledger_print(c);
    printf("%s\n", sum == c->accepted + c->copied ? "" : ": DOES NOT BALANCE");
    if (c->parked)
        printf("  parked: %" PRIu64 ", to be accepted when there is a receiver\n", c->parked);
    if (c->redelivered)
        printf("  redelivered: %" PRIu64 "\n", c->redelivered);
    if (c->attributes.capacity > 0 && !channel_is_fanout(c))
        printf("  slots: %" PRIu64 " of %" PRId64 " in use, %" PRIu64 " of them lent to senders\n",
               used, c->attributes.capacity, c->lent);
    printf("  holds: %" PRIu64 " bytes\n", c->bytes);
}

static void print_sender(const struct wire_binding_info *b)
{
    printf("    %s: %" PRIu64 " accepted; sent %" PRIu64 " = confirmed %" PRIu64
           " + queued %" PRIu64 " + unknown %" PRIu64 "; %" PRIu64 " slots lent; %" PRIu32
           " waiting\n",
           b->node, b->accepted, b->counts.sent, b->counts.confirmed, b->counts.queued,
           b->counts.unknown, b->lent, b->waiting);
}

static void print_receiver(const struct wire_binding_info *b)
{
    printf("    %s: %" PRIu64 " taken; %" PRIu64 " delivered and not taken; %" PRIu32 " waiting\n",
           b->node, b->taken, b->delivered, b->waiting);
}

static void print_side(const struct wire_channel_info *c, enum wire_direction direction)
{
    bool out = direction == WIRE_OUT;

    printf("  %s: %" PRIu32 "\n", out ? "senders" : "receivers", out ? c->senders : c->receivers);
    for (uint32_t i = 0; i < c->n_bindings; i++) {
        if (c->bindings[i].direction != direction)
            continue;
        if (out)
            print_sender(&c->bindings[i]);
        else
            print_receiver(&c->bindings[i]);
    }
}

static void print_taps(const struct wire_channel_info *c)
{
    for (uint32_t i = 0; i < c->n_taps; i++)
        printf("  tapped by %s: %" PRIu64 " elements, %" PRIu64 " skipped; at most %" PRIu32
               " a second\n",
               c->taps[i].node, c->taps[i].tapped, c->taps[i].skipped, c->taps[i].rate);
}

static void print_info(const struct wire_channel_info *c)
{
    print_attributes(c);
    print_contents(c);
    print_side(c, WIRE_OUT);
    print_side(c, WIRE_IN);
    print_taps(c);
}

/* ---- for programs ---- */

static void json_number(const char *key, uint64_t n)
{
    printf("\"%s\": %" PRIu64 ", ", key, n);
}

static void json_text(const char *key, const char *text)
{
    printf("\"%s\": ", key);
    json_string(text);
    printf(", ");
}

static void json_attributes(const struct wire_channel_info *c)
{
    json_text("name", c->name);
    json_text("state", channel_state(c));
    printf("\"incarnation\": \"%016" PRIx64 "\", ", c->incarnation); /* no double holds it */
    json_number("epoch", c->epoch);
    json_number("age_ms", c->age_ms);
    json_text("kind", kind_of(c));
    json_text("keep", keep_of(c));
    json_text("slow", slow_of(c));
    if (c->attributes.capacity == 0)
        printf("\"capacity\": null, ");
    else
        json_number("capacity", c->attributes.capacity < 0 ? 0 : (uint64_t)c->attributes.capacity);
    json_number("capacity_bytes", c->attributes.capacity_bytes);
    json_number("max_deliveries", c->attributes.max_deliveries);
    if (c->attributes.ttl_ms > 0)
        json_number("ttl_ms", (uint64_t)c->attributes.ttl_ms);
    else
        printf("\"ttl_ms\": null, ");
    json_text("type", c->attributes.type);
}

static void json_contents(const struct wire_channel_info *c)
{
    struct ledger_class classes[LEDGER_CLASSES];

    printf("\"ledger\": {\"accepted\": %" PRIu64, c->accepted);
    ledger_classes(classes, c);
    for (int i = 0; i < LEDGER_CLASSES; i++)
        printf(", \"%s\": %" PRIu64, classes[i].key, classes[i].n);
    printf("}, ");
    json_number("copied", c->copied);
    json_number("parked", c->parked);
    json_number("redelivered", c->redelivered);
    json_number("lent", c->lent);
    json_number("bytes", c->bytes);
}

static void json_binding(const struct wire_binding_info *b)
{
    printf("{");
    json_text("node", b->node);
    if (b->direction == WIRE_OUT) {
        json_number("accepted", b->accepted);
        json_number("sent", b->counts.sent);
        json_number("confirmed", b->counts.confirmed);
        json_number("queued", b->counts.queued);
        json_number("unknown", b->counts.unknown);
        json_number("lent", b->lent);
    } else {
        json_number("taken", b->taken);
        json_number("delivered", b->delivered);
    }
    printf("\"waiting\": %" PRIu32 "}", b->waiting);
}

static void json_side(const struct wire_channel_info *c, enum wire_direction direction)
{
    const char *joint = "";

    printf("\"%s\": [", direction == WIRE_OUT ? "senders" : "receivers");
    for (uint32_t i = 0; i < c->n_bindings; i++) {
        if (c->bindings[i].direction != direction)
            continue;
        printf("%s", joint);
        json_binding(&c->bindings[i]);
        joint = ", ";
    }
    printf("]");
}

static void json_taps(const struct wire_channel_info *c)
{
    printf("\"taps\": [");
    for (uint32_t i = 0; i < c->n_taps; i++) {
        printf("%s{", i > 0 ? ", " : "");
        json_text("node", c->taps[i].node);
        json_number("tapped", c->taps[i].tapped);
        json_number("skipped", c->taps[i].skipped);
        printf("\"rate\": %" PRIu32 "}", c->taps[i].rate);
    }
    printf("]");
}

static void json_info(const struct wire_channel_info *c)
{
    printf("{");
    json_attributes(c);
    json_contents(c);
    json_side(c, WIRE_OUT);
    printf(", ");
    json_side(c, WIRE_IN);
    printf(", ");
    json_taps(c);
    printf("}\n");
}

/* ---- the verb ---- */

static int info_run(struct ctl_run *run, void *arg)
{
    struct info *i = arg;
    struct channels cs;
    int status;

    (void)run;
    status = channels_query(&cs, i->name, i->opts);
    if (status == CTL_OK) {
        const struct wire_channel_info *c = channels_only(&cs, i->name, i->opts);

        if (c && i->json)
            json_info(c);
        else if (c)
            print_info(c);
        status = c ? ctl_flush() : CTL_FAILED;
    }
    channels_free(&cs);
    return status;
}

static error_t parse_info(int key, char *arg, struct argp_state *state)
{
    struct info *i = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = i->opts;
        return 0;
    case 'j':
        i->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (i->name)
            argp_error(state, "one channel at a time, not also '%s'", arg);
        i->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!i->name)
            argp_error(state, "which channel? NAME is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option info_options[] = {
    { "json", 'j', NULL, 0, "Print it as JSON, one line, for programs", 0 },
    { 0 },
};

static const char info_doc[] =
    "Tells all that the broker knows of the channel NAME: its attributes, what has become of its elements, how much of it "
    "is in use, and for each sender and receiver its node, what it has sent or taken, what it holds, and how many of its "
    "operations wait.\v"
    "The counts of a sender are as its node last reported them, every second or so; `accepted' is the broker's own.\n\n"
    "Exit status 1 if there is no such channel.";

int info_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { info_options, parse_info, "NAME", info_doc,
                                      children,     NULL,       NULL };
    struct info i = { .opts = opts };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &i);
    status = ctl_check_name_in(i.name);
    return status == CTL_OK ? ctl_main(CTL_WORKERS, info_run, &i) : status;
}
