/* ten.c - a small program against the installed library.   SPDX-License-Identifier: MIT
 * What main() returns says whether it works. */
#include <runnel/runnel.h>
typedef rn_chan_of(int) ints;
static void producer(void *arg)
{
    for (int i = 0; i < 10; i++)
        rn_send(*(ints *)arg, i);
    rn_close(*(ints *)arg);
}
static int run(void *arg)
{
    ints c;
    int v, sum = 0;
    (void)arg;
    rn_make(&c, 0), rn_spawn(producer, c);
    while (rn_recv(c, &v) == 0)
        sum += v;
    return sum == 45 ? 0 : 1;
}
int main(void)
{
    return rn_main(0, run, NULL);
}
