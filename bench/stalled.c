/* stalled.c - what one stalled receiver costs the users of other channels.   SPDX-License-Identifier: MIT
 *
 *   stalled [CHANNELS [ROUNDS [MILLISECONDS]]]     100, 31 and 200; needs a broker at $RUNNEL_URL
 *
 * All channels carry elements as fast as they can.  In each round the receiver of the first one takes elements for a while,
 * and for as long none (or the other way round), and the elements of the others are counted: so what the machine does besides
 * meets both halves alike, and the median of the rounds' ratios is worth something on a busy one, too.  Prints
 * "name value unit", one a line. */
#include <runnel/runnel.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE           1024
#define CAPACITY       256
#define CAPACITY_BYTES (UINT64_C(256) * SIZE)

static struct line {
    rn_chan *out, *in;
    atomic_ullong sent, received;
} * lines;
static int channels = 100, rounds = 31, half_ms = 200;
static atomic_bool stalled, stopping;

static int check(int rc, const char *what)
{
    if (rc >= 0)
        return rc;
    fprintf(stderr, "stalled: %s: %s\n", what, rn_strerror(rc));
    exit(1);
}

static void line_send(void *arg)
{
    struct line *l = *(struct line **)arg;
    rn_bytes b;

    check(rn_bytes_new(&b, NULL, SIZE), "memory");
    memset(b.data, 'x', SIZE);
    while (!stopping) {
        int rc = rn_chan_send(l->out, &b, rn_after(100 * RN_MS));

        if (rc != RN_ETIMEDOUT)
            check(rc, "send");
        if (rc == RN_ETIMEDOUT)
            continue;
        l->sent++;
        check(rn_bytes_new(&b, NULL, SIZE), "memory");
        memset(b.data, 'x', SIZE);
    }
    rn_bytes_free(&b);
}

static void line_receive(void *arg)
{
    struct line *l = *(struct line **)arg;

    while (!stopping) {
        rn_bytes b;
        int rc = RN_ETIMEDOUT;

        if (l == lines && stalled)
            rn_sleep(rn_after(RN_MS));
        else
            rc = rn_chan_recv(l->in, &b, rn_after(100 * RN_MS));
        if (rc == RN_ETIMEDOUT)
            continue;
        check(rc, "recv");
        l->received++;
        rn_bytes_free(&b);
    }
}

static rn_chan *bind_line(rn_node *node, int i, enum rn_dir dir)
{
    rn_bind_opts opts = { .capacity = CAPACITY, .capacity_bytes = CAPACITY_BYTES };
    rn_chan *c = rn_chan_new(sizeof(rn_bytes), 0, NULL);
    char name[32];

    snprintf(name, sizeof name, "stalled.%d", i);
    check(rn_bind(node, name, dir, c, &rn_codec_bytes, &opts, rn_after(10 * RN_SEC)), "bind");
    return c;
}

static uint64_t others(void)
{
    uint64_t n = 0;

    for (int i = 1; i < channels; i++)
        n += lines[i].received;
    return n;
}

/* What the others receive in half a round. */
static uint64_t half(bool stall)
{
    stalled = stall;
    rn_sleep(rn_after(50 * RN_MS)); /* until what is in between has settled */
    uint64_t before = others();
    rn_sleep(rn_after(half_ms * RN_MS));
    return others() - before;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(void)
{
    double flowing = 0, beside = 0, *kept = calloc((size_t)rounds, sizeof *kept);
    uint64_t held = 0;

    rn_sleep(rn_after(200 * RN_MS));
    for (int i = 0; i < rounds; i++) {
        double n[2]; /* flowing, stalled */

        for (int k = 0; k < 2; k++) {
            bool stall = (i + k) % 2 == 1;

            n[stall] = (double)half(stall);
            uint64_t now = lines[0].sent - lines[0].received;
            held = stall && now > held ? now : held;
        }
        flowing += n[0];
        beside += n[1];
        kept[i] = n[1] / n[0];
    }
    qsort(kept, (size_t)rounds, sizeof *kept, compare);
    double seconds = (double)rounds * half_ms / 1000;
    printf("others_while_all_flow %.0f elements/s\n", flowing / seconds);
    printf("others_beside_a_stalled %.0f elements/s\n", beside / seconds);
    printf("others_keep %.1f percent\n", 100.0 * kept[rounds / 2]);
    printf("sent_to_the_stalled %llu elements\n", (unsigned long long)held);
    free(kept);
}

static int run(void *arg)
{
    rn_node *nodes[2];
    rn_group *g = rn_group_new();

    (void)arg;
    lines = calloc((size_t)channels, sizeof *lines);
    for (int i = 0; i < 2; i++)
        check(rn_node_open(&nodes[i], &(rn_node_opts){ 0 }, rn_after(10 * RN_SEC)), "open");
    for (int i = 0; i < channels; i++) {
        struct line *l = &lines[i];

        l->out = bind_line(nodes[0], i, RN_OUT);
        l->in = bind_line(nodes[1], i, RN_IN);
        check(rn_group_go(g, line_send, &l, sizeof l), "go");
        check(rn_group_go(g, line_receive, &l, sizeof l), "go");
    }
    measure();
    stopping = true;
    rn_group_wait(g, RN_FOREVER);
    rn_group_free(g);
    for (int i = 0; i < 2; i++)
        check(rn_node_close(nodes[i], rn_after(10 * RN_SEC), NULL), "close");
    return 0;
}

int main(int argc, char **argv)
{
    channels = argc > 1 ? atoi(argv[1]) : channels;
    rounds = argc > 2 ? atoi(argv[2]) : rounds;
    half_ms = argc > 3 ? atoi(argv[3]) : half_ms;
    if (channels < 2 || rounds < 1 || half_ms < 1) {
        fprintf(stderr, "usage: stalled [CHANNELS [ROUNDS [MILLISECONDS]]]\n");
        return 2;
    }
    return rn_main(0, run, NULL);
}
