/* why.c - `runnel why NAME`: who waits in a channel, for whom, and what those do.
 *   SPDX-License-Identifier: MIT
 *
 * What the broker counts and what the nodes see are asked for one after the other, so they may differ by what happened
 * in between; what could not be seen is said. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/ctl/channels.h"
#include "node/ctl/nodes.h"
#include "node/ctl/verbs.h"

struct why {
    struct ctl_opts *opts;
    const char *name;
    bool all; /* of every stack */
    const struct wire_channel_info *channel;
    struct nodes nodes;
};

/* ---- the channel ---- */

static void print_capacity(const struct wire_channel_info *c)
{
    uint64_t used = c->lent + c->buffered + c->delivered + c->delayed;

    if (c->attributes.capacity == WIRE_RENDEZVOUS)
        printf("unbuffered: each send waits for a receive");
    else if (c->attributes.capacity == 0)
        printf("no capacity yet: no sender has been bound");
    else if (used >= (uint64_t)c->attributes.capacity)
        printf("full, capacity %" PRId64, c->attributes.capacity);
    else if (used == 0)
        printf("empty, capacity %" PRId64, c->attributes.capacity);
    else
        printf("%" PRIu64 " of %" PRId64 " slots in use", used, c->attributes.capacity);
}

static void print_channel(const struct wire_channel_info *c)
{
    printf("%s: %s", c->name, c->closed ? "closed, " : "");
    print_capacity(c);
    printf("; %" PRIu32 " sender%s, %" PRIu32 " receiver%s\n", c->senders,
           c->senders == 1 ? "" : "s", c->receivers, c->receivers == 1 ? "" : "s");
    if (c->buffered)
        printf("  %" PRIu64 " elements wait at the broker\n", c->buffered);
    if (c->delivered)
        printf("  %" PRIu64 " are with receivers, and not taken\n", c->delivered);
    if (c->delayed)
        printf("  %" PRIu64 " are delayed: nobody gets them before their time\n", c->delayed);
    if (c->expired)
        printf("  %" PRIu64 " have expired: nobody received them in their time\n", c->expired);
    if (c->lent)
        printf("  %" PRIu64 " slots are lent to senders, and not used\n", c->lent);
    if (c->attributes.capacity_bytes && c->bytes >= c->attributes.capacity_bytes)
        printf("  its %" PRIu64 " bytes are full\n", c->attributes.capacity_bytes);
}

/* What the broker knows of a node's binding; NULL when it cannot tell which, because several nodes have that name. */
static const struct wire_binding_info *binding_of(const struct why *y,
                                                  const struct wire_node_info *node,
                                                  enum wire_direction direction)
{
    const struct wire_binding_info *found = NULL;

    for (uint32_t i = 0; i < y->channel->n_bindings; i++) {
        const struct wire_binding_info *b = &y->channel->bindings[i];

        if (b->direction != direction || strcmp(b->node, node->name) != 0)
            continue;
        if (found)
            return NULL;
        found = b;
    }
    return found;
}

/* ---- who waits, and who does not ---- */

static bool waits_here(const struct why *y, const struct wire_goroutine *g,
                       enum wire_direction direction)
{
    for (uint32_t i = 0; i < g->n_waits; i++)
        if (g->waits[i].direction == direction && strcmp(g->waits[i].channel, y->name) == 0)
            return true;
    return false;
}

static bool has_used(const struct wire_goroutine *g, enum wire_direction direction)
{
    return direction == WIRE_OUT ? g->sends : g->receives;
}

static bool is_bound(const struct wire_node_info *info, enum wire_direction direction)
{
    return direction == WIRE_OUT ? info->sends : info->receives;
}

static void print_goroutine(const struct why *y, const struct wire_goroutine *g)
{
    if (g->doing == WIRE_OUTSIDE)
        printf("    a thread that is no goroutine");
    else
        printf("    goroutine %" PRIu64, g->id);
    if (g->name[0])
        printf(" \"%s\"", g->name);
    printf("  ");
    print_doing(g);
    putchar('\n');
    print_stack(g, "      ", y->all);
}

static unsigned count_waiting(const struct why *y, enum wire_direction direction)
{
    unsigned n = 0;

    for (size_t i = 0; i < y->nodes.n; i++)
        for (size_t k = 0; k < y->nodes.told[i].n; k++)
            n += waits_here(y, &y->nodes.told[i].goroutine[k], direction);
    return n;
}

/* What holds up those who wait. */
static const char *for_what(const struct why *y, enum wire_direction direction)
{
    const struct wire_channel_info *c = y->channel;
    bool rendezvous = c->attributes.capacity == WIRE_RENDEZVOUS;

    if (direction == WIRE_IN)
        return c->senders ? "for an element" : "for an element, and nobody is bound to send one";
    if (!c->receivers)
        return rendezvous ? "for a receive, and nobody is bound to receive"
                          : "for a slot, and nobody is bound to receive";
    return rendezvous ? "for a receive" : "for a slot, which comes free when an element is taken";
}

static void print_waiting(const struct why *y, enum wire_direction direction)
{
    unsigned n = count_waiting(y, direction);

    if (n == 0) {
        printf("\nwaiting to %s: nobody that could be seen\n",
               direction == WIRE_OUT ? "send" : "receive");
        return;
    }
    printf("\nwaiting to %s (%u), %s:\n", direction == WIRE_OUT ? "send" : "receive", n,
           for_what(y, direction));
    for (size_t i = 0; i < y->nodes.n; i++) {
        const struct told *t = &y->nodes.told[i];
        bool named = false;

        for (size_t k = 0; k < t->n; k++) {
            if (!waits_here(y, &t->goroutine[k], direction))
                continue;
            if (!named) {
                printf("  ");
                print_node(&t->info);
                putchar('\n');
            }
            named = true;
            print_goroutine(y, &t->goroutine[k]);
        }
    }
}

static void print_holding(const struct why *y, const struct wire_node_info *info,
                          enum wire_direction direction)
{
    const struct wire_binding_info *b = binding_of(y, info, direction);

    if (!b)
        return;
    if (b->delivered)
        printf(", has %" PRIu64 " elements that it has not taken", b->delivered);
    if (b->lent)
        printf(", has %" PRIu64 " slots that it has not used", b->lent);
    if (b->waiting && info->voice != WIRE_ANSWERED)
        printf(", %" PRIu32 " of its operations wait", b->waiting);
}

/* A node of one side: what its goroutines do that have used the channel and do not wait in it. */
static void print_party(const struct why *y, const struct told *t, enum wire_direction direction)
{
    unsigned shown = 0, waiting = 0;

    printf("  ");
    print_node(&t->info);
    print_holding(y, &t->info, direction);
    if (t->info.voice != WIRE_ANSWERED) {
        printf("; ");
        print_silence(&t->info);
    }
    putchar('\n');
    for (size_t k = 0; k < t->n; k++) {
        const struct wire_goroutine *g = &t->goroutine[k];

        if (waits_here(y, g, direction)) {
            waiting++;
        } else if (has_used(g, direction)) {
            print_goroutine(y, g);
            shown++;
        }
    }
    if (waiting)
        printf("    %u %s: see above\n", waiting, waiting == 1 ? "waits in it" : "wait in it");
    else if (!shown && t->info.voice == WIRE_ANSWERED)
        printf("    none of its goroutines has %s it yet\n",
               direction == WIRE_OUT ? "sent to" : "received from");
}

static void print_side(const struct why *y, enum wire_direction direction)
{
    bool any = false;

    for (size_t i = 0; i < y->nodes.n; i++) {
        const struct told *t = &y->nodes.told[i];

        if (!is_bound(&t->info, direction))
            continue;
        if (!any)
            printf("\n%s, and what they do:\n", direction == WIRE_OUT ? "senders" : "receivers");
        any = true;
        print_party(y, t, direction);
    }
    if (!any)
        printf("\nnobody is bound to %s\n", direction == WIRE_OUT ? "send" : "receive");
}

static void print_why(const struct why *y)
{
    print_channel(y->channel);
    print_waiting(y, WIRE_OUT);
    print_waiting(y, WIRE_IN);
    print_side(y, WIRE_IN);
    print_side(y, WIRE_OUT);
}

/* ---- asking ---- */

static int why_ask(struct why *y, rn_node *node)
{
    struct channels cs;
    int status = channels_ask(&cs, node, y->name, y->opts);

    if (status == CTL_OK && cs.n == 0)
        status = ctl_say("the broker at %s has no channel \"%s\"", y->opts->broker, y->name);
    if (status == CTL_OK) {
        status = nodes_ask(&y->nodes, node, WIRE_WHY, y->name, y->opts);
        if (status == CTL_OK) {
            y->channel = &cs.info[0];
            print_why(y);
            status = ctl_flush();
        }
        nodes_free(&y->nodes);
    }
    channels_free(&cs);
    return status;
}

static int why_run(struct ctl_run *run, void *arg)
{
    struct why *y = arg;
    rn_node *node;
    int status;

    (void)run;
    if (ctl_open(&node, y->opts, NULL, rn_after(y->opts->wait_ns)) != CTL_OK)
        return CTL_FAILED;
    status = why_ask(y, node);
    ctl_close(node);
    return status;
}

static error_t parse_why(int key, char *arg, struct argp_state *state)
{
    struct why *y = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = y->opts;
        return 0;
    case 'a':
        y->all = true;
        return 0;
    case ARGP_KEY_ARG:
        if (y->name)
            argp_error(state, "one channel at a time, not also '%s'", arg);
        y->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!y->name)
            argp_error(state, "which channel? NAME is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option why_options[] = {
    { "all-frames", 'a', NULL, 0, "Show stacks whole, with what the library does in them", 0 },
    { 0 },
};

static const char why_doc[] =
    "Says why operations on the channel NAME wait: which goroutine on which node waits to send or to "
    "receive, for how long, and what the goroutines of the other side do instead, with their stacks. "
    "No goroutine is stopped for it.\v"
    "A node that gives no answer for a second is named with how long the broker has not heard of it. "
    "Which goroutines are of a side is known from who has used the channel: the last 16 or so in each "
    "process. Where a goroutine is that runs at this moment cannot be seen, nor what threads do that "
    "are no goroutines.\n\n"
    "Exit status 1 if there is no such channel.";

int why_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        why_options, parse_why, "NAME", why_doc, children, NULL, NULL
    };
    struct why y = { .opts = opts };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &y);
    status = ctl_check_name(y.name);
    return status == CTL_OK ? ctl_main(CTL_WORKERS, why_run, &y) : status;
}
