/* mpmc_buf128.c - eight producers, eight consumers, a buffer of 128.   SPDX-License-Identifier: MIT */
#include "bench/flow.h"

static void mpmc_buf128(void)
{
    flow_run("chan_mpmc_8x8_buf128", 8000000, 8, 8, 128);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, mpmc_buf128);
}
