/* prime_sieve.c - a chain of filters, one for each prime that was found: a goroutine costs little.
 *   SPDX-License-Identifier: MIT
 *
 *   prime_sieve [N]     the first N primes (25) */
#include <runnel/rn.h>
#include <stdio.h>
#include <stdlib.h>

typedef rn_chan_of(int) numbers_chan;

struct filter {
    numbers_chan in, out;
    int prime;
};

/* Sends 2, 3, 4 ... until it is cancelled. */
static void generate(void *arg)
{
    numbers_chan out = *(numbers_chan *)arg;

    for (int i = 2; rn_send(out, i) == 0; i++)
        ;
    rn_chan_unref(out.chan);
}

/* Lets pass what the prime does not divide.  It has a reference to each of its two channels. */
static void filter(void *arg)
{
    struct filter *f = arg;
    int i;

    while (rn_recv(f->in, &i) == 0)
        if (i % f->prime != 0)
            rn_send(f->out, i);
    rn_chan_unref(f->in.chan);
    rn_chan_unref(f->out.chan);
}

static int run(void *arg)
{
    const int *n = arg;
    rn_group *sieve = rn_group_new();
    struct filter f;

    rn_make(&f.in, 0);
    rn_group_go(sieve, generate, &(numbers_chan){ rn_chan_ref(f.in.chan) }, sizeof f.in);
    for (int i = 0; i < *n; i++) {
        rn_recv(f.in, &f.prime); /* nothing before it divides it */
        printf("%d ", f.prime);
        rn_make(&f.out, 0);
        rn_chan_ref(f.out.chan); /* two references: the filter's, and ours to read from it */
        rn_group_go(sieve, filter, &f, sizeof f);
        f.in = f.out;
    }
    puts("");
    rn_group_free(sieve); /* cancels all, and waits until they have returned */
    rn_chan_unref(f.in.chan);
    return 0;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 25;

    return rn_main(0, run, &n);
}
