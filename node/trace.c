/* trace.c - trace contexts: which story an element, and a goroutine, is part of.   SPDX-License-Identifier: MIT */
#include "node/trace.h"

#include "node/handle.h"
#include "node/node.h"
#include "node/op.h"
#include "proto/limits.h"

#include <string.h>

_Static_assert(RN_TRACE_MAX == WIRE_TRACEPARENT_MAX + 1, "as runnel.h has it");

static bool hex_at(const char *text, size_t n, bool may_be_zero)
{
    bool zero = true;
    for (size_t i = 0; i < n; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (!digit && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
        zero &= text[i] == '0';
    }
    return !zero || may_be_zero;
}

/*                   01 2                               33               5
 * Where they stand: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 */
bool trace_is_valid(const char *t)
{
    return strnlen(t, RN_TRACE_MAX) == RN_TRACE_MAX - 1 && memcmp(t, "00-", 3) == 0 &&
           hex_at(t + 3, 32, false) && t[35] == '-' && hex_at(t + 36, 16, false) && t[52] == '-' &&
           hex_at(t + 53, 2, true);
}

int rn_send_with_v(rn_chan *bound, const void *elem, const rn_send_opts *opts, size_t opts_size,
                   rn_time deadline)
{
    rn_send_opts o = { 0 };
    if (opts != NULL)
        memcpy(&o, opts, opts_size < sizeof o ? opts_size : sizeof o);
    if (bound == NULL || !rn__chan_is_bound(bound))
        return -EBADF;
    if (o.traceparent != NULL && o.traceparent[0] != '\0' && !trace_is_valid(o.traceparent))
        return -EINVAL;
    const struct op_with with = { .traceparent = o.traceparent };
    return rn__chan_send_with(bound, elem, &with, deadline);
}
