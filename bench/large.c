/* large.c - what one large element under way costs the users of other channels.   SPDX-License-Identifier: MIT
 *
 *   large [MIB [ROUNDS [together]]]     1024 and 5; needs a broker at $RUNNEL_URL
 *
 * A ping and its answer cross through two channels, 1,000 times a second.  In each round nothing else happens for a while,
 * and then one element of MIB MiB is sent and received, and how long the pings take is told apart: so what the machine does
 * besides meets both alike.  Sender, receiver, ping and echo are a process each; "together": the sender is in the process of the
 * ping, the receiver in that of the echo, and they share their connections.  Prints "name value unit", one a line. */
#include <runnel/runnel.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_NS RN_MS
#define QUIET_NS    (2 * RN_SEC)
#define SAMPLES_MAX (1 << 20)

struct samples {
    uint32_t n, us10[SAMPLES_MAX]; /* tenths of a microsecond */
};

/* What the processes share. */
static struct board {
    atomic_int wanted, received; /* large elements */
    atomic_bool under_way, stopping;
    _Atomic int64_t begun_ns, took_ns; /* of the last; of all together */
    struct samples quiet, loaded;
} * board;

static size_t size = (size_t)1024 << 20;
static int rounds = 5;

static int check(int rc, const char *what)
{
    if (rc >= 0)
        return rc;
    fprintf(stderr, "large: %s: %s\n", what, rn_strerror(rc));
    exit(1);
}

static rn_chan *bound(rn_node *node, const char *name, enum rn_dir dir)
{
    bool large = strcmp(name, "large") == 0;
    rn_bind_opts opts = { .capacity = large ? 1 : 100, .capacity_bytes = large ? size : 0 };
    rn_chan *c = rn_chan_new(sizeof(rn_bytes), 0, NULL);

    check(rn_bind(node, name, dir, c, &rn_codec_bytes, &opts, rn_after(10 * RN_SEC)), "bind");
    return c;
}

static rn_node *node_of(const char *name)
{
    rn_node *node;

    check(rn_node_open(&node, &(rn_node_opts){ .name = name }, rn_after(10 * RN_SEC)), "open");
    return node;
}

/* ---- the large element ---- */

static uint64_t word(size_t i)
{
    return (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
}

static void send_large(void *arg)
{
    rn_chan *out = bound(*(rn_node **)arg, "large", RN_OUT);

    for (int sent = 0; sent < rounds; sent++) {
        rn_bytes b;

        check(rn_bytes_new(&b, NULL, size), "memory");
        for (size_t i = 0; i < size / 8; i++)
            memcpy(b.data + 8 * i, &(uint64_t){ word(i) }, 8);
        while (board->wanted <= sent)
            rn_sleep(rn_after(RN_MS));
        board->begun_ns = rn_now();
        board->under_way = true;
        check(rn_chan_send(out, &b, RN_FOREVER), "send");
    }
    check(rn_unbind(out, RN_FOREVER), "unbind");
}

static void receive_large(void *arg)
{
    rn_chan *in = bound(*(rn_node **)arg, "large", RN_IN);

    while (board->received < rounds) {
        rn_bytes b;
        size_t i = 0;

        check(rn_chan_recv(in, &b, RN_FOREVER), "recv");
        board->under_way = false;
        board->took_ns += rn_now() - board->begun_ns;
        while (i < size / 8 && memcmp(b.data + 8 * i, &(uint64_t){ word(i) }, 8) == 0)
            i++;
        if (b.len != size || i < size / 8) {
            fprintf(stderr, "large: it was changed on its way\n");
            exit(1);
        }
        rn_bytes_free(&b);
        board->received++;
    }
}

/* ---- pings ---- */

static void note(struct samples *s, int64_t ns)
{
    if (s->n < SAMPLES_MAX)
        s->us10[s->n++] = (uint32_t)(ns / 100);
}

/* One that takes longer than until the next is due counts for those that were not sent meanwhile, too. */
static void note_all(struct samples *s, int64_t ns)
{
    for (; ns > 0; ns -= INTERVAL_NS)
        note(s, ns);
}

static void ping(void *arg)
{
    rn_node *node = *(rn_node **)arg;
    rn_chan *out = bound(node, "ping", RN_OUT), *in = bound(node, "pong", RN_IN);

    for (rn_time due = rn_now(); !board->stopping; due += INTERVAL_NS) {
        rn_bytes b;
        bool before = board->under_way;
        int64_t begun = rn_now();

        check(rn_bytes_new(&b, "0123456789abcdef", 16), "memory");
        check(rn_chan_send(out, &b, RN_FOREVER), "send");
        check(rn_chan_recv(in, &b, RN_FOREVER), "recv");
        rn_bytes_free(&b);
        int64_t now = rn_now();
        note_all(before || board->under_way ? &board->loaded : &board->quiet, now - begun);
        due = due < now - INTERVAL_NS ? now : due;
        rn_sleep(due + INTERVAL_NS);
    }
    rn_chan_close(out);
}

static void echo(void *arg)
{
    rn_node *node = *(rn_node **)arg;
    rn_chan *in = bound(node, "ping", RN_IN), *out = bound(node, "pong", RN_OUT);
    rn_bytes b;

    while (rn_chan_recv(in, &b, RN_FOREVER) == 0)
        check(rn_chan_send(out, &b, RN_FOREVER), "send");
}

/* ---- processes ---- */

struct role {
    const char *name;
    rn_fn *fn[2];
};

static int work(void *arg)
{
    const struct role *r = arg;
    rn_node *node = node_of(r->name);
    rn_group *g = rn_group_new();

    for (int i = 0; i < 2 && r->fn[i] != NULL; i++)
        check(rn_group_go(g, r->fn[i], &node, sizeof node), "go");
    check(rn_group_wait(g, RN_FOREVER), "wait");
    rn_group_free(g);
    return check(rn_node_close(node, rn_after(10 * RN_SEC), NULL), "close");
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double percentile(struct samples *s, double percent)
{
    qsort(s->us10, s->n, sizeof *s->us10, compare);
    return s->n == 0 ? 0 : s->us10[(size_t)((s->n - 1) * percent / 100)] / 10.0;
}

static void print(const char *name, struct samples *s)
{
    printf("%s_p50 %.1f us\n", name, percentile(s, 50));
    printf("%s_p99 %.1f us\n", name, percentile(s, 99));
    printf("%s_p99.9 %.1f us\n", name, percentile(s, 99.9));
    printf("%s_pings %u\n", name, s->n);
}

/* The phases; a process of its own, without a scheduler. */
static void conduct(void)
{
    const struct timespec moment = { .tv_nsec = 1000000 };

    for (int i = 0; i < rounds; i++) {
        for (uint32_t n = board->quiet.n; board->quiet.n < n + QUIET_NS / INTERVAL_NS;)
            nanosleep(&moment, NULL);
        board->wanted++;
        while (board->received <= i)
            nanosleep(&moment, NULL);
    }
    board->stopping = true;
}

int main(int argc, char **argv)
{
    static const struct role apart[] = {
        { "ping", { ping } },
        { "echo", { echo } },
        { "sender", { send_large } },
        { "receiver", { receive_large } },
    };
    static const struct role together[] = {
        { "ping and sender", { ping, send_large } },
        { "echo and receiver", { echo, receive_large } },
    };
    bool shared = argc > 3 && strcmp(argv[3], "together") == 0;
    const struct role *roles = shared ? together : apart;
    int n = shared ? 2 : 4, failed = 0;
    pid_t pids[5];

    if (argc > 1)
        size = (size_t)atoi(argv[1]) << 20;
    if (argc > 2)
        rounds = atoi(argv[2]);
    if (size == 0 || size > (size_t)1 << 30 || rounds < 1) {
        fprintf(stderr, "usage: large [MIB [ROUNDS [together]]]\n");
        return 2;
    }
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return 1;
    for (int i = 0; i <= n; i++) {
        pids[i] = fork();
        if (pids[i] == 0 && i < n)
            return rn_main(0, work, (void *)&roles[i]) < 0;
        if (pids[i] == 0) {
            conduct();
            return 0;
        }
    }
    for (int i = 0, status; i <= n; i++) {
        pid_t pid = wait(&status);

        for (int k = 0; k <= n; k++) {
            if (pids[k] == pid)
                pids[k] = 0;
            else if (status != 0 && pids[k] > 0) /* who fails ends all */
                kill(pids[k], SIGTERM);
        }
        failed |= status;
    }
    if (failed)
        return 1;
    print("ping_alone", &board->quiet);
    print("ping_beside", &board->loaded);
    printf("p99_grows %.2f times\n",
           percentile(&board->loaded, 99) / percentile(&board->quiet, 99));
    printf("large %.0f MiB/s\n", (double)(size >> 20) * rounds / ((double)board->took_ns / RN_SEC));
    return 0;
}
