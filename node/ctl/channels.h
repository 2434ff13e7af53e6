/* channels.h - what a broker says about its channels, kept.   SPDX-License-Identifier: MIT */
#ifndef NODE_CTL_CHANNELS_H
#define NODE_CTL_CHANNELS_H

#include <stddef.h>

#include "node/ctl/common.h"
#include "proto/wire.h"

/* Copies of the answers, in the order of their names. */
struct channels {
    struct wire_channel_info *info;
    size_t n;
    int error; /* < 0: could not be kept */
};

/* Opens a node, asks about the channel of that name (NULL: all) and closes the node.  CTL_OK, or
 * CTL_FAILED and it has said why. */
int channels_query(struct channels *cs, const char *name, const struct ctl_opts *opts);
/* The same through a node that is open. */
int channels_ask(struct channels *cs, rn_node *node, const char *name, const struct ctl_opts *opts);
void channels_free(struct channels *cs);

/* The one that was asked for by its name, or NULL, and it has said that there is none. */
const struct wire_channel_info *channels_only(const struct channels *cs, const char *name,
                                              const struct ctl_opts *opts);

bool channel_is_fanout(const struct wire_channel_info *info);

/* "open", "closing": closed, and not drained; or "closed". */
const char *channel_state(const struct wire_channel_info *info);

#endif
