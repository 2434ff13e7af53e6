/* test_fair.c - who gets how much when there is not enough for all.   SPDX-License-Identifier: MIT
 *
 * The figures are printed: how many elements each kind of sender and receiver had, and how long the longest wait was, in
 * virtual time. */
#include "tests/node/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS(ns) ((double)(ns) / (double)RN_MS)

/* What happened to those of a kind. */
struct kind {
    const char *name;
    uint64_t parties, fewest, most, sum;
    int64_t longest_ns;
};

struct party {
    rn_chan *chan;
    int64_t pause_ns; /* after each element */
    uint64_t elements;
    int64_t longest_ns;
    int result;
};

static bool stopping;

static void kind_add(struct kind *k, const struct party *p)
{
    k->fewest = k->parties == 0 || p->elements < k->fewest ? p->elements : k->fewest;
    k->most = p->elements > k->most ? p->elements : k->most;
    k->longest_ns = p->longest_ns > k->longest_ns ? p->longest_ns : k->longest_ns;
    k->sum += p->elements;
    k->parties++;
}

static void kind_print(const struct kind *k)
{
    printf("  %3llu %-24s %6llu elements in all, %5llu to %5llu each, longest wait %.1f ms\n",
           (unsigned long long)k->parties, k->name, (unsigned long long)k->sum,
           (unsigned long long)k->fewest, (unsigned long long)k->most, MS(k->longest_ns));
}

static void party_waited(struct party *p, rn_time since)
{
    p->longest_ns = rn_now() - since > p->longest_ns ? rn_now() - since : p->longest_ns;
    p->elements++;
    if (p->pause_ns > 0)
        rn_sleep(rn_after(p->pause_ns));
}

static void sender(void *arg)
{
    struct party *p = *(struct party **)arg;
    while (!stopping) {
        rn_time since = rn_now();
        check_rc(send_thing(p->chan, SOON), 0);
        party_waited(p, since);
    }
}

static void receiver(void *arg)
{
    struct party *p = *(struct party **)arg;
    for (;;) {
        rn_time since = rn_now();
        p->result = receive_thing(p->chan, SOON);
        if (p->result < 0)
            return;
        party_waited(p, since);
    }
}

static void start(rn_group *g, rn_fn *fn, struct party *p)
{
    check_rc(rn_group_go(g, fn, &p, sizeof p), 0);
}

/* ---- many senders, many receivers, one channel ---- */

#define MODEST  64
#define GREEDY  16 /* goroutines of the greedy one */
#define FAST    7
#define RUNS_NS (2 * RN_SEC)

static int nobody_starves_beside_a_greedy_sender_and_a_slow_receiver(void *arg)
{
    (void)arg;
    static struct party modest[MODEST], greedy[GREEDY], fast[FAST], slow;
    struct kind kinds[] = { { .name = "modest senders" },
                            { .name = "goroutines of one greedy" },
                            { .name = "fast receivers" },
                            { .name = "slow receiver" } };
    rn_bind_opts opts = { .capacity = round_now == 0 ? 64 : 1000 };
    rn_group *senders = rn_group_new(), *receivers = rn_group_new();
    rn_node *nodes[8], *greedy_node, *receiving[FAST + 1];
    char name[32];

    cluster_open(100 * RN_US, 500 * RN_US);
    stopping = false;
    for (int i = 0; i <= FAST; i++) {
        struct party *p = i < FAST ? &fast[i] : &slow;
        snprintf(name, sizeof name, "receiver%d", i);
        receiving[i] = node_open(name);
        *p = (struct party){ .chan = bound(receiving[i], "fair", RN_IN, &opts),
                             .pause_ns = i < FAST ? 200 * RN_US : 20 * RN_MS };
        start(receivers, receiver, p);
    }
    greedy_node = node_open("greedy");
    rn_chan *greedy_chan = bound(greedy_node, "fair", RN_OUT, &opts);
    for (int i = 0; i < GREEDY; i++) {
        greedy[i] = (struct party){ .chan = greedy_chan };
        start(senders, sender, &greedy[i]);
    }
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "modest%d", i);
        nodes[i] = node_open(name);
    }
    for (int i = 0; i < MODEST; i++) {
        modest[i] = (struct party){ .chan = bound(nodes[i % 8], "fair", RN_OUT, &opts),
                                    .pause_ns = 10 * RN_MS };
        start(senders, sender, &modest[i]);
    }
    rn_sleep(rn_after(RUNS_NS));
    stopping = true;
    check_rc(rn_group_wait(senders, SOON), 0);
    rn_chan_close(greedy_chan);
    check_rc(rn_group_wait(receivers, rn_after(600 * RN_SEC)), 0);

    for (int i = 0; i < MODEST; i++)
        kind_add(&kinds[0], &modest[i]);
    for (int i = 0; i < GREEDY; i++)
        kind_add(&kinds[1], &greedy[i]);
    for (int i = 0; i < FAST; i++)
        kind_add(&kinds[2], &fast[i]);
    kind_add(&kinds[3], &slow);
    printf("capacity %lld, %.0f virtual seconds:\n", (long long)opts.capacity,
           (double)RUNS_NS / (double)RN_SEC);
    for (int i = 0; i < RN_LEN(kinds); i++)
        kind_print(&kinds[i]);

    /* A modest one waits for a round of all who were in line before it, and no more. */
    check(kinds[0].longest_ns < 20 * RN_MS);
    check(kinds[0].fewest * 10 >= kinds[0].most * 9);
    check(kinds[2].fewest * 10 >= kinds[2].most * 9);
    check(kinds[3].longest_ns < 20 * RN_MS); /* what the slow one wants it gets at once */
    for (uint32_t id = 1; id <= things_made(); id++)
        check(thing_fate(id)->came == 1);
    for (int i = 0; i < MODEST; i++)
        rn_chan_unref(modest[i].chan);
    rn_chan_unref(greedy_chan);
    for (int i = 0; i <= FAST; i++) {
        struct party *p = i < FAST ? &fast[i] : &slow;
        check_rc(p->result, RN_ECLOSED);
        rn_chan_unref(p->chan);
        node_close(receiving[i]);
    }
    for (int i = 0; i < 8; i++)
        node_close(nodes[i]);
    node_close(greedy_node);
    rn_group_free(senders);
    rn_group_free(receivers);
    cluster_close();
    return 0;
}

/* ---- elements of very different sizes ---- */

#define LARGE  (UINT32_C(60) << 20)
#define LARGES 4
#define SMALLS 4 /* senders of small ones */

struct bytes_party {
    rn_chan *chan;
    uint32_t size;
    int elements;
    int64_t longest_ns;
};

static int smalls_left;

static rn_chan *bound_bytes(rn_node *node, enum rn_dir dir, const rn_bind_opts *opts)
{
    rn_chan *c = rn_chan_new(sizeof(rn_bytes), 0, NULL);
    check_rc(rn_bind(node, "sizes", dir, c, &rn_codec_bytes, opts, SOON), 0);
    return c;
}

static void bytes_sender(void *arg)
{
    struct bytes_party *p = *(struct bytes_party **)arg;
    for (int i = 0; i < p->elements; i++) {
        rn_bytes b;
        check_rc(rn_bytes_new(&b, NULL, p->size), 0);
        memset(b.data, (int)(p->size & 0x7f), p->size);
        rn_time since = rn_now();
        check_rc(rn_chan_send(p->chan, &b, SOON), 0);
        p->longest_ns = rn_now() - since > p->longest_ns ? rn_now() - since : p->longest_ns;
    }
    smalls_left -= p->size == 1;
}

/* The channel holds one large element and little besides.  The small senders never pause, so bytes are lent to them all
 * the time; still each large element gets the bytes of the whole, and the small ones go on in between. */
static int elements_of_1_byte_and_of_60_MiB_share_a_channel(void *arg)
{
    (void)arg;
    static struct bytes_party parties[SMALLS + 1];
    rn_bind_opts opts = { .capacity = 100, .capacity_bytes = LARGE + 10 };
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b");
    rn_group *g = rn_group_new();
    rn_chan *in = bound_bytes(b, RN_IN, NULL);
    int left = 0;
    smalls_left = SMALLS;
    for (int i = 0; i <= SMALLS; i++) {
        struct bytes_party *p = &parties[i];
        *p = (struct bytes_party){ .chan = bound_bytes(a, RN_OUT, &opts),
                                   .size = i < SMALLS ? 1 : LARGE,
                                   .elements = i < SMALLS ? 3000 : LARGES };
        left += p->elements;
        check_rc(rn_group_go(g, bytes_sender, &p, sizeof p), 0);
    }
    int larges = 0;
    for (; left > 0; left--) {
        rn_bytes got;
        check_rc(rn_chan_recv(in, &got, SOON), 0);
        check(got.data[got.len - 1] == (got.len & 0x7f));
        if (got.len == LARGE && ++larges == LARGES)
            check(smalls_left == SMALLS); /* none had to wait until the small ones were through */
        rn_bytes_free(&got);
    }
    check(larges == LARGES);
    check_rc(rn_group_wait(g, SOON), 0);
    int64_t small_ns = 0;
    for (int i = 0; i < SMALLS; i++)
        small_ns = parties[i].longest_ns > small_ns ? parties[i].longest_ns : small_ns;
    printf("  longest wait: %.1f ms for 60 MiB, %.1f ms for 1 byte\n",
           MS(parties[SMALLS].longest_ns), MS(small_ns));
    check(parties[SMALLS].longest_ns < RN_SEC);
    check(small_ns < RN_SEC);
    for (int i = 0; i <= SMALLS; i++)
        rn_chan_unref(parties[i].chan);
    rn_chan_unref(in);
    node_close(a);
    node_close(b);
    rn_group_free(g);
    cluster_close();
    return 0;
}

static int too_large_is_told_where_it_belongs(void *arg)
{
    (void)arg;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a");
    rn_bytes fits, large, huge;
    rn_chan *out = bound_bytes(a, RN_OUT, &(rn_bind_opts){ .capacity = 2, .capacity_bytes = 1000 });
    check_rc(rn_bytes_new(&fits, NULL, 1000), 0);
    check_rc(rn_bytes_new(&large, NULL, 1001), 0);
    check_rc(rn_bytes_new(&huge, NULL, (64u << 20) + 1), 0);
    memset(fits.data, 0, fits.len);
    memset(large.data, 0, large.len);
    memset(huge.data, 0, huge.len);
    /* At once, whether it would wait or not, also while the channel is full; the handle goes on. */
    for (int full = 0; full < 2; full++) {
        rn_case one[] = { { out, &large, RN_SEND, 0 } };
        check_rc(rn_chan_send(out, &large, RN_NOWAIT), -EMSGSIZE);
        check_rc(rn_chan_send(out, &large, SOON), -EMSGSIZE);
        check_rc(rn_chan_send(out, &huge, SOON), -EMSGSIZE);
        check(rn_select(one, 1, SOON) == 0);
        check_rc(one[0].rc, -EMSGSIZE);
        if (full == 0)
            check_rc(rn_chan_send(out, &fits, SOON), 0);
    }
    check_rc(rn_flush(out, SOON), 0);
    rn_bytes_free(&large);
    rn_bytes_free(&huge);
    rn_chan_unref(out);
    node_close(a);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "nobody_starves_beside_a_greedy_sender_and_a_slow_receiver",
          nobody_starves_beside_a_greedy_sender_and_a_slow_receiver, 2, 1 },
        { "elements_of_1_byte_and_of_60_MiB_share_a_channel",
          elements_of_1_byte_and_of_60_MiB_share_a_channel, 1, 1 },
        { "too_large_is_told_where_it_belongs", too_large_is_told_where_it_belongs, 1, 4 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
