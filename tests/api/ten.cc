/* ten.cc - the same in C++.   SPDX-License-Identifier: MIT */
#include <runnel/runnel.h>
typedef rn_chan_of(int) ints;
static void producer(void *arg)
{
    ints c = *static_cast<ints *>(arg);
    for (int i = 0; i < 10; i++)
        rn_send(c, i);
    rn_close(c);
}
static int run(void *)
{
    ints c;
    int v, sum = 0;
    rn_make(&c, 0), rn_spawn(producer, c);
    while (rn_recv(c, &v) == 0)
        sum += v;
    return sum == 45 ? 0 : 1;
}
int main()
{
    return rn_main(0, run, nullptr);
}
