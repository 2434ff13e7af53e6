/* cluster.c - see cluster.h.   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include "runtime/fiber.h"
#include "runtime/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FACTS_MAX 32

uint64_t seed_now, round_now;
struct memnet *net;
struct shard *shard;

static const char *program, *fact_now;
static bool last_round;
static rn_chan *shard_done;

/* ---- facts ---- */

void fact_failed(const char *file, int line, const char *what, const char *got)
{
    fprintf(stderr, "%s:%d: %s: %s\nreplay: %s %s %llu %llu\n", file, line, what, got, program,
            fact_now, (unsigned long long)seed_now, (unsigned long long)round_now);
    abort();
}

void cluster_last_round(void)
{
    last_round = true;
}

static void fact_round(const struct fact *fact)
{
    things_forget();
    int rc = rn_sim(seed_now, fact->in_sim, NULL);
    if (rc != 0)
        fact_failed(__FILE__, __LINE__, "rn_sim", rn_strerror(rc));
}

/* A simulation has one thread: what ThreadSanitizer, in which it takes ten times as long, would see it sees soon. */
#ifdef RN__TSAN
#define SEEDS_OF(fact) (((uint64_t)(fact)->seeds + 2) / 3)
#else
#define SEEDS_OF(fact) ((uint64_t)(fact)->seeds)
#endif

/* All rounds of these seeds. */
static void fact_seeds(const struct fact *fact, uint64_t from, uint64_t to)
{
    uint64_t runs = 0;
    fact_now = fact->name;
    for (seed_now = from; seed_now <= to; seed_now++) {
        last_round = false;
        for (round_now = 0; !last_round; round_now++) {
            fact_round(fact);
            runs++;
            last_round |= round_now + 1 == fact->rounds;
        }
    }
    printf("%s: %llu runs\n", fact->name, (unsigned long long)runs);
}

static void fact_test(void **state)
{
    const struct fact *fact = *state;
    fact_seeds(fact, 1, SEEDS_OF(fact));
}

/* SEED [ROUND], or FROM..TO. */
static void fact_again(const struct fact *fact, char **argv, int argc)
{
    char *end;
    fact_now = fact->name;
    seed_now = strtoull(argv[2], &end, 0);
    if (strncmp(end, "..", 2) == 0) {
        fact_seeds(fact, seed_now, strtoull(end + 2, NULL, 0));
        return;
    }
    round_now = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
    fact_round(fact);
}

static int facts_again(const struct fact *facts, int n, char **argv, int argc)
{
    bool all = strcmp(argv[1], "all") == 0, found = all;
    for (int i = 0; i < n; i++) {
        if (!all && strcmp(argv[1], facts[i].name) != 0)
            continue;
        found = true;
        fact_again(&facts[i], argv, argc);
    }
    if (found)
        return 0;
    fprintf(stderr, "%s: there is no fact %s\n", argv[0], argv[1]);
    return 2;
}

int facts_main(int argc, char **argv, const struct fact *facts, int n)
{
    struct CMUnitTest tests[FACTS_MAX];
    program = argv[0];
    setvbuf(stdout, NULL, _IOLBF, 0); /* figures stand before what failed */
    if (argc > 2)
        return facts_again(facts, n, argv, argc);
    check(n <= FACTS_MAX);
    for (int i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){ .name = facts[i].name,
                                        .test_func = fact_test,
                                        .initial_state = (void *)&facts[i] };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    for (int i = 0; argc > 1 && strcmp(facts[i].name, argv[1]) != 0; i++) {
        if (i + 1 < n)
            continue;
        fprintf(stderr, "%s: there is no fact '%s'\n", program, argv[1]);
        return 2;
    }
    return _cmocka_run_group_tests(program, tests, (size_t)n, NULL, NULL);
}

/* ---- the world ---- */

static void serve(void *arg)
{
    (void)arg;
    int rc = shard_run(shard);
    rn_chan_send(shard_done, &rc, RN_FOREVER);
}

void cluster_net(int64_t delay_min_ns, int64_t delay_max_ns)
{
    struct memnet_opts opts = { .seed = seed_now,
                                .delay_min_ns = delay_min_ns,
                                .delay_max_ns = delay_max_ns };
    net = memnet_new(&opts);
    check(net != NULL);
}

void cluster_open(int64_t delay_min_ns, int64_t delay_max_ns)
{
    cluster_net(delay_min_ns, delay_max_ns);
    shard = shard_new(memnet_endpoint(net, "broker"), NULL);
    check(shard != NULL);
    shard_done = rn_chan_new(sizeof(int), 1, NULL);
    check_rc(rn__go_system(serve, NULL, "shard"), 0);
}

void cluster_close(void)
{
    int rc = 0;
    core_check(shard_core(shard));
    shard_stop(shard);
    check_rc(rn_chan_recv(shard_done, &rc, SOON), 0);
    check_rc(rc, 0);
    shard_free(shard);
    memnet_free(net);
    rn_chan_unref(shard_done);
}

rn_node *node_open(const char *name)
{
    rn_node *node = NULL;
    rn_node_opts opts = { .name = name, .lease_ns = LEASE };
    check_rc(rn__node_open_on(&node, &opts, memnet_endpoint(net, name), "mem://broker", SOON), 0);
    return node;
}

void node_close(rn_node *node)
{
    uint64_t unsent = 1;
    check_rc(rn_node_close(node, SOON, &unsent), 0);
    check(unsent == 0);
}

void cluster_open_two(rn_node **a, rn_node **b)
{
    cluster_open(20 * RN_US, 500 * RN_US);
    *a = node_open("a");
    *b = node_open("b");
}

void cluster_close_two(rn_node *a, rn_node *b)
{
    node_close(a);
    node_close(b);
    cluster_close();
}

void cable(const char *name, bool out)
{
    memnet_partition(net, name, "broker", out, true);
    memnet_partition(net, "broker", name, out, true);
}

static void note_info(void *arg, const struct wire_channel_info *info)
{
    *(struct wire_channel_info *)arg = *info;
}

struct wire_channel_info channel_info(rn_node *by, const char *name)
{
    struct wire_channel_info info = { 0 };
    check_rc(rn__node_query(by, name, note_info, &info, SOON), 0);
    info.name = NULL; /* borrowed, and gone */
    info.bindings = NULL;
    return info;
}

/* ---- things ---- */

static struct fate *fates;
static uint32_t n_things, cap_things;

void things_forget(void)
{
    n_things = 0;
}

struct fate *thing_fate(uint32_t id)
{
    check(id >= 1);
    check(id <= n_things);
    return &fates[id - 1];
}

uint32_t things_made(void)
{
    return n_things;
}

struct thing thing_new(uint32_t size)
{
    if (n_things == cap_things) {
        cap_things = cap_things * 2 + 64;
        fates = realloc(fates, cap_things * sizeof *fates);
        check(fates != NULL);
    }
    fates[n_things] = (struct fate){ 0 };
    return (struct thing){ .id = ++n_things, .size = size };
}

static int thing_encode(const void *ctx, const void *elem, rn_buf *out)
{
    (void)ctx;
    const struct thing *t = elem;
    uint8_t *bytes = calloc(1, t->size);
    if (bytes == NULL)
        return -ENOMEM;
    memcpy(bytes, &t->id, sizeof t->id);
    int rc = rn_buf_append(out, bytes, t->size);
    free(bytes);
    return rc;
}

static int thing_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    (void)ctx;
    struct thing *t = elem;
    check(len >= sizeof t->id);
    memcpy(&t->id, bytes, sizeof t->id);
    t->size = (uint32_t)len;
    thing_fate(t->id)->came++;
    return 0;
}

static void thing_dropped(const void *ctx, void *elem)
{
    (void)ctx;
    const struct thing *t = elem;
    struct fate *fate = thing_fate(t->id);
    /* A sender lets go of it at most once; what is dropped after it came is a receive's. */
    if (fate->handed_over == 0)
        fate->handed_over++;
    else
        fate->discarded++;
}

const rn_codec thing_codec = {
    .type = "thing",
    .elemsize = sizeof(struct thing),
    .encode = thing_encode,
    .decode = thing_decode,
    .drop = thing_dropped,
};

rn_chan *bound(rn_node *node, const char *name, enum rn_dir dir, const rn_bind_opts *opts)
{
    rn_chan *c = rn_chan_new(sizeof(struct thing), 0, NULL);
    check_rc(rn_bind(node, name, dir, c, &thing_codec, opts, SOON), 0);
    return c;
}

int send_thing(rn_chan *c, rn_time deadline)
{
    struct thing t = thing_new(8);
    int rc = rn_chan_send(c, &t, deadline);
    check(thing_fate(t.id)->handed_over == (rc == 0 || rc == RN_EUNKNOWN));
    return rc;
}

int receive_thing(rn_chan *c, rn_time deadline)
{
    struct thing t = { 0 };
    int rc = rn_chan_recv(c, &t, deadline);
    return rc < 0 ? rc : (int)t.id;
}
