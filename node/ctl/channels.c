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

    *out = *in;
    out->n_bindings = 0;
    out->name = copy(in->name);
    out->attributes.type = copy(in->attributes.type ? in->attributes.type : "");
    bindings = calloc(in->n_bindings + 1, sizeof *bindings);
    out->bindings = bindings;
    if (!out->name || !out->attributes.type || !bindings)
        goto fail;
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

static void keep(void *arg, const struct wire_channel_info *info)
{
    struct channels *cs = arg;
    struct wire_channel_info *grown;

    if (cs->error < 0)
        return;
    if ((cs->n & (cs->n - 1)) == 0) { /* a power of two is full: double it */
        grown = realloc(cs->info, (cs->n ? cs->n * 2 : 1) * sizeof *grown);
        if (!grown) {
            cs->error = -ENOMEM;
            return;
        }
        cs->info = grown;
    }
    cs->error = info_copy(&cs->info[cs->n], info);
    if (cs->error == 0)
        cs->n++;
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
