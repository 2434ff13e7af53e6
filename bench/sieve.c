/* sieve.c - a chain of filters, one per prime, over unbuffered channels.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define PRIMES 2000

struct filter {
    int_chan in, out;
    int64_t prime;
};

static void count_fn(void *arg)
{
    int_chan *out = arg;

    for (int64_t i = 2; rn_send(*out, i) == 0; i++) {}
}

static void filter_fn(void *arg)
{
    struct filter *f = arg;
    int64_t v;

    while (rn_recv(f->in, &v) == 0) {
        if (v % f->prime != 0)
            rn_send(f->out, v);
    }
}

static int64_t nth_prime(int64_t n)
{
    int64_t v = 1, divisor;

    while (n > 0) {
        v++;
        for (divisor = 2; divisor * divisor <= v && v % divisor != 0; divisor++) {}
        n -= divisor * divisor > v;
    }
    return v;
}

static void sieve(void)
{
    int64_t n = bench_count(PRIMES), prime = 0;
    rn_time start = rn_now();
    int_chan c = bench_chan(0);

    bench_go(count_fn, &c, sizeof c);
    for (int64_t i = 0; i < n; i++) {
        rn_recv(c, &prime);
        struct filter f = { c, bench_chan(0), prime };
        bench_go(filter_fn, &f, sizeof f);
        c = f.out;
    }
    bench_report("sieve_2000", (double)(rn_now() - start) / 1e6, "ms");
    bench_check(prime == nth_prime(n), "sieve: that is not the prime");
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, sieve);
}
