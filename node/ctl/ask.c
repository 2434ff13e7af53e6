/* ask.c - see ask.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/ask.h"

#include <errno.h>
#include <string.h>

#include "node/node.h"

int ctl_ask(rn_node *node, const struct wire_control *question,
            void (*answer)(void *arg, const struct wire_control *answer), void *arg,
            const char *verb, const char *name, const struct ctl_opts *opts, rn_time deadline)
{
    char why[1100] = "";
    int rc = rn__node_ask(node, question, answer, arg, deadline);

    if (rc == 0)
        return CTL_OK;
    if (rc == RN_ECANCELED)
        return CTL_FAILED;
    if (rc == -ENOENT)
        return ctl_say("the broker at %s has no channel \"%s\"", opts->broker, name);
    if (rc == RN_ETIMEDOUT)
        return ctl_say("the broker at %s did not answer (waited %.3g s)", opts->broker,
                       (double)opts->wait_ns / (double)RN_SEC);
    rn__node_why(NULL, why, sizeof why);
    if (rc == -EBUSY)
        return ctl_say("%s; --force would %s it all the same", why, verb);
    if (rc == RN_ESESSION)
        return ctl_say(
            "the session with the broker at %s ended before it had answered; perhaps it did %s channel \"%s\"",
            opts->broker, verb, name);
    if (strstr(why, name))
        return ctl_say("%s", why);
    return ctl_say("cannot %s channel \"%s\": %s", verb, name, rn_strerror(rc));
}
