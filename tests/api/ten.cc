/* ten.cc - the same in C++.   SPDX-License-Identifier: MIT */
#include <runnel/runnel.h>
typedef rn_chan_of(int64_t) ints;
static void producer(void *arg)
{
    ints c = *static_cast<ints *>(arg);
    for (int i = 0; i < 10; i++)
        rn_send(c, i); /* an int becomes an element, as in C */
    rn_close(c);
}
static int run(void *)
{
    ints c;
    int64_t v, sum = 0;
    rn_make(&c, 0), rn_spawn(producer, c);
    rn_recv(c, nullptr); /* 0 */
    while (rn_recv(c, &v) == 0)
        sum += v;
    return sum == 45 ? 0 : 1;
}
int main()
{
    return rn_main(0, run, nullptr);
}
