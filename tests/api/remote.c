/* remote.c - a program of a user: counts to ten over the broker at $RUNNEL_URL.  Plain main(), rn_start, no goroutine;
 * as C and as C++.   SPDX-License-Identifier: MIT */
#include <runnel/runnel.h>
#include <stdio.h>

int main(void)
{
    rn_time soon;
    rn_node *node;
    rn_chan *out, *in;
    int64_t v, sum = 0;

    if (rn_start(2) < 0)
        return puts("no scheduler"), 1;
    soon = rn_after(10 * RN_SEC);
    out = rn_chan_new(sizeof v, 0, NULL);
    in = rn_chan_new(sizeof v, 0, NULL);
    if (rn_node_open(&node, NULL, soon) < 0 ||
        rn_bind(node, "ten", RN_OUT, out, &rn_codec_int64, NULL, soon) < 0 ||
        rn_bind(node, "ten", RN_IN, in, &rn_codec_int64, NULL, soon) < 0)
        return puts("no broker"), 1;
    for (v = 1; v <= 10; v++)
        if (rn_chan_send(out, &v, soon) < 0)
            return puts("not sent"), 1;
    rn_chan_close(out);
    while (rn_chan_recv(in, &v, soon) == 0)
        sum += v;
    printf("%d %s\n", (int)sum, rn_strerror(rn_node_close(node, soon, NULL)));
    return sum == 55 && rn_stop(soon) == 0 ? 0 : 1;
}
