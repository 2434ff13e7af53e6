/* rate_limiter.c - a request per tick, and a few at once after a rest.
 *   SPDX-License-Identifier: MIT
 *
 * Permits lie in a buffered channel: full at first, so a burst may pass; each tick adds one. */
#include <runnel/rn.h>
#include <stdio.h>

enum { BURST = 3, REQUESTS = 6 };

static const int64_t interval = 20 * RN_MS;

/* Element size 0: permits are signals, they carry nothing. */
static void refill(void *arg)
{
    rn_chan *permits = *(rn_chan **)arg;
    rn_chan *ticker = rn_ticker(interval);

    while (rn_chan_recv(ticker, NULL, RN_FOREVER) == 0)
        rn_chan_send(permits, NULL,
                     RN_NOWAIT); /* nobody asks and all are there: this one is lost */
    rn_chan_unref(ticker);
}

static int run(void *arg)
{
    rn_chan *permits = rn_chan_new(0, BURST, NULL);
    rn_group *limiter = rn_group_new();
    rn_time begin = rn_now();

    (void)arg;
    for (int i = 0; i < BURST; i++)
        rn_chan_send(permits, NULL, RN_FOREVER);
    rn_group_go(limiter, refill, &permits, sizeof permits);

    for (int i = 1; i <= REQUESTS; i++) {
        rn_chan_recv(permits, NULL, RN_FOREVER);
        printf("request %d after %d ms\n", i, (int)((rn_now() - begin) / RN_MS));
    }
    rn_group_free(limiter); /* cancels: the receive from the ticker fails, and refill returns */
    rn_chan_unref(permits);
    return 0;
}

int main(void)
{
    return rn_main(0, run, NULL);
}
