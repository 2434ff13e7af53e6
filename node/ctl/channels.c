/* channels.c - what a broker says about its channels, kept.   SPDX-License-Identifier: MIT
 *
 * The answers are borrowed while the query runs, so each is copied with all that it points to. */
#include "node/ctl/channels.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/node.h"

static void info_free(struct wire_channel_info *info)
{
    for (uint32_t i = 0; i < info->n_bindings; i++)
        free((void *)(uintptr_t)info->bindings[i].node);
    free((void *)(uintptr_t)info->bindings);
    for (uint32_t i = 0; i < info->n_taps; i++)
        free((void *)(uintptr_t)info->taps[i].node);
    free((void *)(uintptr_t)info->taps);
    free((void *)(uintptr_t)info->attributes.type);
    free((void *)(uintptr_t)info->name);
}

/* What is printed of it cannot look like a line of ours. */
static char *copy(const char *text)
{
    char *own = strdup(text);
    return own ? ctl_clean(own) : NULL;
}

static int info_copy(struct wire_channel_info *out, const struct wire_channel_info *in)
{
    struct wire_binding_info *bindings;
    struct wire_tap_info *taps;

    *out = *in;
    out->n_bindings = out->n_taps = 0;
    out->name = copy(in->name);
    out->attributes.type = copy(in->attributes.type ? in->attributes.type : "");
    bindings = calloc(in->n_bindings + 1, sizeof *bindings);
    out->bindings = bindings;
    taps = calloc(in->n_taps + 1, sizeof *taps);
    out->taps = taps;
    if (!out->name || !out->attributes.type || !bindings || !taps)
        goto fail;
    for (uint32_t i = 0; i < in->n_taps; i++) {
        taps[i] = in->taps[i];
        taps[i].node = copy(in->taps[i].node);
        if (!taps[i].node)
            goto fail;
        out->n_taps++;
    }
    for (uint32_t i = 0; i < in->n_bindings; i++) {
        bindings[i] = in->bindings[i];
        bindings[i].node = copy(in->bindings[i].node);
        if (!bindings[i].node)
            goto fail;
        out->n_bindings++;
    }
    return 0;
fail:
    info_free(out);
    return -ENOMEM;
}

/* A channel with more bindings than one answer holds is told again with more of them, and of the same moment. */
static int add_bindings(struct wire_channel_info *to, const struct wire_channel_info *in)
{
    struct wire_binding_info *grown = (struct wire_binding_info *)(uintptr_t)to->bindings;

    grown = realloc(grown, ((size_t)to->n_bindings + in->n_bindings) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    to->bindings = grown;
    for (uint32_t i = 0; i < in->n_bindings; i++) {
        struct wire_binding_info *b = &grown[to->n_bindings];

        *b = in->bindings[i];
        b->node = copy(in->bindings[i].node);
        if (!b->node)
            return -ENOMEM;
        to->n_bindings++;
    }
    return 0;
}

static int add_channel(struct channels *cs, const struct wire_channel_info *info)
{
    struct wire_channel_info *grown;

    if ((cs->n & (cs->n - 1)) == 0) { /* a power of two is full: double it */
        grown = realloc(cs->info, (cs->n ? cs->n * 2 : 1) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        cs->info = grown;
    }
    int rc = info_copy(&cs->info[cs->n], info);
    if (rc == 0)
        cs->n++;
    return rc;
}

static void keep(void *arg, const struct wire_channel_info *info)
{
    struct channels *cs = arg;
    struct wire_channel_info *last = cs->n > 0 ? &cs->info[cs->n - 1] : NULL;

    if (cs->error < 0)
        return;
    if (last && last->incarnation == info->incarnation && strcmp(last->name, info->name) == 0)
        cs->error = info->n_bindings > 0 ? add_bindings(last, info) : 0;
    else
        cs->error = add_channel(cs, info);
}

static int by_name(const void *a, const void *b)
{
    const struct wire_channel_info *left = a, *right = b;
    return strcmp(left->name, right->name);
}

int channels_ask(struct channels *cs, rn_node *node, const char *name, const struct ctl_opts *opts)
{
    int rc;

    *cs = (struct channels){ 0 };
    rc = rn__node_query(node, name, keep, cs, rn_after(opts->wait_ns));
    if (rc >= 0)
        rc = cs->error;
    if (rc == RN_ECANCELED)
        return CTL_FAILED;
    if (rc == RN_ETIMEDOUT)
        return ctl_say("the broker at %s did not answer (waited %.3g s)", opts->broker,
                       (double)opts->wait_ns / (double)RN_SEC);
    if (rc < 0)
        return ctl_say("cannot ask the broker at %s about its channels: %s", opts->broker,
                       rn_strerror(rc));
    if (cs->n > 1)
        qsort(cs->info, cs->n, sizeof *cs->info, by_name);
    return CTL_OK;
}

int channels_query(struct channels *cs, const char *name, const struct ctl_opts *opts)
{
    rn_node *node;
    int status;

    *cs = (struct channels){ 0 };
    if (ctl_open(&node, opts, NULL, rn_after(opts->wait_ns)) != CTL_OK)
        return CTL_FAILED;
    status = channels_ask(cs, node, name, opts);
    ctl_close(node);
    return status;
}

void channels_free(struct channels *cs)
{
    for (size_t i = 0; i < cs->n; i++)
        info_free(&cs->info[i]);
    free(cs->info);
    *cs = (struct channels){ 0 };
}

const struct wire_channel_info *channels_only(const struct channels *cs, const char *name,
                                              const struct ctl_opts *opts)
{
    if (cs->n > 0)
        return &cs->info[0];
    ctl_say("the broker at %s has no channel \"%s\"", opts->broker, name);
    return NULL;
}

bool channel_is_fanout(const struct wire_channel_info *info)
{
    return info->attributes.kind == WIRE_FANOUT;
}

const char *channel_state(const struct wire_channel_info *info)
{
    if (!info->closed)
        return "open";
    return info->buffered + info->delivered + info->delayed + info->lent + info->parked > 0
               ? "closing"
               : "closed";
}
