/* error.c - results as words.   SPDX-License-Identifier: MIT
 *
 * Ours are numbered from -4097 down; those of named channels (runnel.h) are told here too, so that there is one place. */
#include "runtime/rn.h"

#include <string.h>

static const struct {
    int rc;
    const char *text;
} ours[] = {
    { RN_ECLOSED, "channel closed" },
    { RN_ETIMEDOUT, "deadline passed" },
    { RN_ECANCELED, "cancelled" },
    { -4110, "in doubt: perhaps sent" },
    { -4111, "denied by the broker's access rules" },
    { -4112, "differs from how the channel is" },
    { -4113, "the broker that held the channel is gone, and the channel with it" },
    { -4114, "the delivery went to another receiver" },
    { -4115, "cut off for being slow" },
    { -4116, "the session is over" },
};

const char *rn_strerror(int rc)
{
    const char *text;

    if (rc >= 0)
        return "success";
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (ours[i].rc == rc)
            return ours[i].text;
    text = strerrordesc_np(-rc);
    return text != NULL ? text : "unknown error";
}
