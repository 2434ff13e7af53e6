/* reply.c - channels under names that nobody else has.   SPDX-License-Identifier: MIT */
#include "node/node.h"
#include "proto/name.h"
#include "runtime/rand.h"

#include <stdio.h>
#include <string.h>

#define RANDOM_BYTES 16

/* Nobody can guess it, nor will it ever be drawn twice. */
void reply_name(char name[RN_NAME_MAX])
{
    uint8_t drawn[RANDOM_BYTES];
    rn__entropy(drawn, sizeof drawn);
    char *to = stpcpy(name, NAME_REPLY);
    for (size_t i = 0; i < sizeof drawn; i++)
        to += sprintf(to, "%02x", drawn[i]);
}

int rn_reply_channel(rn_node *node, enum rn_dir dir, rn_chan *local, const rn_codec *codec,
                     char name[RN_NAME_MAX])
{
    char drawn[RN_NAME_MAX];
    if (node == NULL || local == NULL || codec == NULL || name == NULL ||
        (dir != RN_IN && dir != RN_OUT))
        return -EINVAL;
    if (node_forked())
        return -ESHUTDOWN;
    int rc = bind_reply(node, drawn, dir, local, codec, RN_FOREVER);
    if (rc == 0)
        strcpy(name, drawn);
    return rc;
}
