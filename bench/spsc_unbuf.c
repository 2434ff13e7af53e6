/* spsc_unbuf.c - one producer, one consumer, no buffer.   SPDX-License-Identifier: MIT */
#include "bench/flow.h"

static void spsc_unbuf(void)
{
    flow_run("chan_spsc_unbuffered", 4000000, 1, 1, 0);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, spsc_unbuf);
}
