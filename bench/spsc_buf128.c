/* spsc_buf128.c - one producer, one consumer, a buffer of 128.   SPDX-License-Identifier: MIT */
#include "bench/flow.h"

static void spsc_buf128(void)
{
    flow_run("chan_spsc_buf128", 16000000, 1, 1, 128);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, spsc_buf128);
}
