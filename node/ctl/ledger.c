/* ledger.c - see ledger.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/ledger.h"

#include <inttypes.h>
#include <stdio.h>

void ledger_classes(struct ledger_class out[LEDGER_CLASSES], const struct wire_channel_info *c)
{
    const struct ledger_class classes[LEDGER_CLASSES] = {
        { "taken", "taken", c->taken },
        { "buffered", "buffered", c->buffered },
        { "delivered", "delivered", c->delivered },
        { "delayed", "delayed", c->delayed },
        { "expired", "expired", c->expired },
        { "dropped(cancelled)", "dropped_cancelled", c->dropped_cancelled },
        { "dropped(purged)", "dropped_purged", c->dropped_purged },
        { "dropped(slow)", "dropped_slow", c->dropped_slow },
        { "dropped(nobody)", "dropped_nobody", c->dropped_nobody },
        { "dropped(left)", "dropped_left", c->dropped_left },
        { "dead letters", "dead", c->dead },
    };

    for (int i = 0; i < LEDGER_CLASSES; i++)
        out[i] = classes[i];
}

uint64_t ledger_print(const struct wire_channel_info *c)
{
    struct ledger_class classes[LEDGER_CLASSES];
    const char *joint = " = ";
    uint64_t sum = 0;

    ledger_classes(classes, c);
    printf("accepted %" PRIu64, c->accepted);
    if (c->copied > 0)
        printf(" + copied %" PRIu64, c->copied);
    for (int i = 0; i < LEDGER_CLASSES; i++) {
        sum += classes[i].n;
        if (classes[i].n == 0 && i > 0) /* what was taken is always said */
            continue;
        printf("%s%s %" PRIu64, joint, classes[i].name, classes[i].n);
        joint = " + ";
    }
    return sum;
}
