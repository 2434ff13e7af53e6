/* tutorial.c - Go's first channel program: a producer, a selecting consumer, and a close.
 *   SPDX-License-Identifier: MIT
 *
 *   tutorial            both in this process, over an unbuffered channel
 *   tutorial NAME       the same two functions over the channel NAME of a broker, unbuffered too */
#include <inttypes.h>
#include <runnel/runnel.h>
#include <stdio.h>
#include <stdlib.h>

typedef rn_chan_of(int64_t) numbers_chan;

static void producer(void *arg)
{
    numbers_chan numbers = *(numbers_chan *)arg;

    for (int64_t i = 0; i < 10; i++)
        rn_send(numbers, i);
    rn_close(numbers);
}

static void consumer(void *arg)
{
    numbers_chan numbers = *(numbers_chan *)arg;
    rn_chan *timer = rn_timer(10 * RN_SEC);
    int64_t number, now;
    rn_case cases[] = { rn_on_recv(numbers, &number), { timer, &now, RN_RECV, 0 } };

    while (rn_select(cases, RN_LEN(cases), RN_FOREVER) == 0 && cases[0].rc == 0)
        printf("%" PRId64 " ", number);
    puts(cases[0].rc == RN_ECLOSED ? "closed" : "too slow");
    rn_chan_unref(timer);
}

static void run_both(numbers_chan out, numbers_chan in)
{
    rn_group *both = rn_group_new();

    rn_group_go(both, producer, &out, sizeof out);
    rn_group_go(both, consumer, &in, sizeof in);
    rn_group_wait(both, RN_FOREVER);
    rn_group_free(both);
}

/* The node has the broker's sentence, if the broker has said one. */
static int failed(rn_node *node, const char *what, int rc)
{
    char why[256];

    rn_node_last_error(node, why, sizeof why);
    fprintf(stderr, "tutorial: %s: %s\n", what, *why ? why : rn_strerror(rc));
    return EXIT_FAILURE;
}

static int over_broker(const char *name)
{
    const rn_bind_opts unbuffered = { .capacity = RN_RENDEZVOUS };
    rn_time deadline = rn_after(5 * RN_SEC);
    numbers_chan out = { rn_chan_new(sizeof *out.elem, 0, NULL) };
    numbers_chan in = { rn_chan_new(sizeof *in.elem, 0, NULL) };
    const char *url = getenv("RUNNEL_URL");
    rn_node *node;
    int rc = rn_node_open(&node, NULL, deadline);

    if (rc < 0)
        return failed(NULL, url ? url : "tcp://127.0.0.1:7400", rc);
    rc = rn_bind(node, name, RN_OUT, out.chan, &rn_codec_int64, &unbuffered, deadline);
    if (rc == 0)
        rc = rn_bind(node, name, RN_IN, in.chan, &rn_codec_int64, NULL, deadline);
    if (rc == 0)
        run_both(out, in);
    else
        failed(node, name, rc);
    rn_chan_unref(out.chan);
    rn_chan_unref(in.chan);
    return rn_node_close(node, rn_after(5 * RN_SEC), NULL) < 0 || rc < 0;
}

static int run(void *name)
{
    numbers_chan numbers = { rn_chan_new(sizeof *numbers.elem, 0, NULL) };

    if (name == NULL)
        run_both(numbers, numbers);
    rn_chan_unref(numbers.chan);
    return name != NULL ? over_broker(name) : 0;
}

int main(int argc, char **argv)
{
    return rn_main(0, run, argc > 1 ? argv[1] : NULL);
}
