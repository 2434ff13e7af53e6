/* ls.c - `runnel ls`: the channels of the broker, as a table.   SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/ctl/channels.h"
#include "node/ctl/verbs.h"
#include "node/ctl/when.h"

enum { STATE = 10, COLUMNS = 12, CELL = 24 };

static const char *const headings[COLUMNS] = { "NAME",     "CAPACITY", "SENDERS", "RECEIVERS",
                                               "BUFFERED", "ACCEPTED", "TAKEN",   "DELAYED",
                                               "EXPIRED",  "TTL",      "STATE",   "KIND" };

static void kind_of(char cell[CELL], const struct wire_channel_info *info)
{
    const struct wire_attributes *a = &info->attributes;

    if (!channel_is_fanout(info))
        snprintf(cell, CELL, "%s", a->kind == WIRE_QUEUE ? "queue" : "-");
    else if (a->slow > WIRE_SLOW_BLOCK)
        snprintf(cell, CELL, "fanout,%s", ctl_slow_name((enum rn_slow)a->slow));
    else
        snprintf(cell, CELL, "fanout");
}

/* The cells of a row but the first; the name is as long as it likes. */
static void row_fill(char cell[COLUMNS][CELL], const struct wire_channel_info *info)
{
    if (info->attributes.capacity == 0)
        snprintf(cell[1], CELL, "-"); /* not fixed before the first sender */
    else if (info->attributes.capacity == WIRE_RENDEZVOUS)
        snprintf(cell[1], CELL, "0");
    else
        snprintf(cell[1], CELL, "%" PRId64, info->attributes.capacity);
    snprintf(cell[2], CELL, "%" PRIu32, info->senders);
    snprintf(cell[3], CELL, "%" PRIu32, info->receivers);
    snprintf(cell[4], CELL, "%" PRIu64, info->buffered);
    snprintf(cell[5], CELL, "%" PRIu64, info->accepted);
    snprintf(cell[6], CELL, "%" PRIu64, info->taken);
    snprintf(cell[7], CELL, "%" PRIu64, info->delayed);
    snprintf(cell[8], CELL, "%" PRIu64, info->expired);
    if (info->attributes.ttl_ms > 0)
        when_show_ms(cell[9], CELL, (uint64_t)info->attributes.ttl_ms);
    else
        snprintf(cell[9], CELL, "-");
    snprintf(cell[STATE], CELL, "%s", channel_state(info));
    kind_of(cell[STATE + 1], info);
}

static void widen(int *width, const char *text)
{
    int len = (int)strlen(text);
    if (*width < len)
        *width = len;
}

static void print_table(const struct channels *cs)
{
    char cell[COLUMNS][CELL];
    int width[COLUMNS] = { 0 };

    for (int c = 0; c < COLUMNS; c++)
        widen(&width[c], headings[c]);
    for (size_t i = 0; i < cs->n; i++) {
        row_fill(cell, &cs->info[i]);
        widen(&width[0], cs->info[i].name);
        for (int c = 1; c < COLUMNS; c++)
            widen(&width[c], cell[c]);
    }
    printf("%-*s", width[0], headings[0]);
    for (int c = 1; c < STATE; c++)
        printf("  %*s", width[c], headings[c]);
    printf("  %-*s  %s\n", width[STATE], headings[STATE], headings[STATE + 1]);
    for (size_t i = 0; i < cs->n; i++) {
        row_fill(cell, &cs->info[i]);
        printf("%-*s", width[0], cs->info[i].name);
        for (int c = 1; c < STATE; c++)
            printf("  %*s", width[c], cell[c]);
        printf("  %-*s  %s\n", width[STATE], cell[STATE], cell[STATE + 1]);
    }
}

static int ls_run(struct ctl_run *run, void *arg)
{
    struct ctl_opts *opts = arg;
    struct channels cs;
    int status;

    (void)run;
    status = channels_query(&cs, NULL, opts);
    if (status == CTL_OK) {
        print_table(&cs);
        status = ctl_flush();
    }
    channels_free(&cs);
    return status;
}

static error_t parse_ls(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "it lists all channels and takes no argument, not '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char ls_doc[] =
    "Lists the channels of the broker: how many elements each may hold, who is bound to it, how many elements wait in it and how "
    "many it has accepted and handed out since it was made (in a fanout those that wait and were handed out are counted once for "
    "each receiver); how many wait for their time, or were too old to be handed out, and how old its elements may become; and its "
    "kind: of a fanout also what is done with receivers that are slow, if senders do not wait for them.\v"
    "States: open; closing: closed, and its receivers still have elements to take; closed.";

int ls_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { NULL, parse_ls, NULL, ls_doc, children, NULL, NULL };

    argp_parse(&argp, argc, argv, 0, NULL, opts);
    return ctl_main(CTL_WORKERS, ls_run, opts);
}
