/* test_inspect.c - what nodes tell about their goroutines, through a broker and back.   SPDX-License-Identifier: MIT
 *
 * A broker and three nodes - who sends, who receives, who asks - in one process, over a network in memory, each test under
 * SEEDS orders.  As all share the process, each node tells of the goroutines of all; which have used a channel each
 * knows of itself. */
#include "broker/core/core.h"
#include "broker/shard.h"
#include "node/node.h"
#include "node/runnel.h"
#include "proto/limits.h"
#include "proto/link/memlink.h"
#include "runtime/chan.h"
#include "runtime/sched.h"
#include "runtime/sync.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS 5
#define SOON  rn_after(3 * RN_SEC)

static uint64_t seed_now;

#define check(condition)                                                  \
    do {                                                                  \
        if (!(condition)) {                                               \
            fprintf(stderr, "%s:%d: seed %llu: %s\n", __FILE__, __LINE__, \
                    (unsigned long long)seed_now, #condition);            \
            abort();                                                      \
        }                                                                 \
    } while (0)

/* ---- a broker and three nodes ---- */

static struct memnet *net;
static struct shard *shard;
static rn_chan *shard_done;
static rn_node *sends, *receives, *asks;

static void serve(void *arg)
{
    (void)arg;
    int rc = shard_run(shard);
    rn_chan_send(shard_done, &rc, RN_FOREVER);
}

static rn_node *node_named(const char *name)
{
    rn_node *node = NULL;
    rn_node_opts opts = { .name = name, .lease_ns = 10 * RN_SEC };
    check(rn__node_open_on(&node, &opts, memnet_endpoint(net, name), "mem://broker", SOON) == 0);
    return node;
}

static void world_open(void)
{
    struct memnet_opts opts = { .seed = seed_now,
                                .delay_min_ns = 10 * RN_US,
                                .delay_max_ns = 500 * RN_US };
    net = memnet_new(&opts);
    shard = shard_new(memnet_endpoint(net, "broker"), NULL);
    check(shard != NULL);
    shard_done = rn_chan_new(sizeof(int), 1, NULL);
    check(rn_go(serve, NULL) == 0);
    sends = node_named("sends");
    receives = node_named("receives");
    asks = node_named("asks");
}

static void node_end(rn_node *node)
{
    uint64_t unsent = 0;
    if (node != NULL)
        rn_node_close(node, SOON, &unsent);
}

static void world_close(void)
{
    int rc = -1;
    node_end(sends);
    node_end(receives);
    node_end(asks);
    shard_stop(shard);
    check(rn_chan_recv(shard_done, &rc, SOON) == 0 && rc == 0);
    shard_free(shard);
    memnet_free(net);
    rn_chan_unref(shard_done);
}

static rn_chan *bound(rn_node *node, const char *name, enum rn_dir dir, int64_t capacity)
{
    rn_chan *c = rn_chan_new(sizeof(int64_t), 0, NULL);
    rn_bind_opts opts = { .capacity = capacity };
    check(rn_bind(node, name, dir, c, &rn_codec_int64, &opts, SOON) == 0);
    return c;
}

static void start(rn_fn *fn, void *arg, const char *name)
{
    check(rn_go_with(&(rn_go_opts){ .name = name }, fn, &arg, sizeof arg) == 0);
}

/* ---- what was told ---- */

#define TOLD_MAX 2000

static struct told {
    char node[32];
    enum wire_voice voice;
    struct wire_goroutine g; /* but its texts, which are: */
    char name[32], why[64], stack[WIRE_STACK_MAX + 1];
    char waits[256]; /* "<in" or ">out", with spaces between */
    bool is_node;    /* not a goroutine: what was said of the node */
} told[TOLD_MAX];
static size_t n_told, n_pieces;

static void keep_waits(struct told *t)
{
    for (uint32_t i = 0; i < t->g.n_waits; i++) {
        size_t at = strlen(t->waits);
        snprintf(t->waits + at, sizeof t->waits - at, "%s%s%s", i > 0 ? " " : "",
                 t->g.waits[i].direction == WIRE_OUT ? ">" : "<", t->g.waits[i].channel);
    }
}

static void keep(void *arg, const struct wire_node_info *info)
{
    (void)arg;
    n_pieces++;
    check(n_told < TOLD_MAX);
    struct told *node = &told[n_told++];
    *node = (struct told){ .voice = info->voice, .is_node = true };
    snprintf(node->node, sizeof node->node, "%s", info->name);
    for (uint32_t i = 0; i < info->n_goroutines; i++) {
        check(n_told < TOLD_MAX);
        struct told *t = &told[n_told++];
        *t = (struct told){ .voice = info->voice, .g = info->goroutines[i] };
        snprintf(t->node, sizeof t->node, "%s", info->name);
        snprintf(t->name, sizeof t->name, "%s", t->g.name);
        snprintf(t->why, sizeof t->why, "%s", t->g.why);
        snprintf(t->stack, sizeof t->stack, "%s", t->g.stack);
        keep_waits(t);
    }
}

static int ask(enum wire_want want, const char *name)
{
    n_told = n_pieces = 0;
    return rn__node_inspect(asks, want, name, keep, NULL, 2 * RN_SEC);
}

static const struct told *told_of(const char *node, const char *name)
{
    for (size_t i = 0; i < n_told; i++)
        if (!told[i].is_node && strcmp(told[i].node, node) == 0 && strcmp(told[i].name, name) == 0)
            return &told[i];
    return NULL;
}

static const struct told *node_told(const char *node)
{
    for (size_t i = 0; i < n_told; i++)
        if (told[i].is_node && strcmp(told[i].node, node) == 0)
            return &told[i];
    return NULL;
}

static bool is_waiting(rn_chan *c, enum rn_op kind)
{
    rn__chan_lock(c);
    bool waits = rn__chan_waiting(c, kind) > 0;
    rn__chan_unlock(c);
    return waits;
}

/* Virtual time, until it is so. */
#define eventually(cond)                     \
    do {                                     \
        rn_time end_ = SOON;                 \
        while (!(cond)) {                    \
            check(rn_now() < end_);          \
            rn_sleep(rn_after(100 * RN_US)); \
        }                                    \
    } while (0)

static void under_seeds(int (*fn)(void *arg))
{
    for (seed_now = 1; seed_now <= SEEDS; seed_now++)
        assert_int_equal(rn_sim(seed_now, fn, NULL), 0);
}

#define FACT(name)                       \
    static int name##_in_sim(void *arg); \
    static void name(void **state)       \
    {                                    \
        (void)state;                     \
        under_seeds(name##_in_sim);      \
    }                                    \
    static int name##_in_sim(void *arg)

/* ---- facts ---- */

static void send_for_ever(void *arg)
{
    int64_t v = 0;
    while (rn_chan_send(*(rn_chan **)arg, &v, RN_FOREVER) == 0)
        v++;
}

static rn_chan *lines, *counts;

/* As the worker in the middle of a pipe does. */
static __attribute__((noinline)) int pass_on(void)
{
    int64_t v = 0;
    int rc = rn_chan_recv(lines, &v, RN_FOREVER);
    if (rc == 0)
        rc = rn_chan_send(counts, &v, RN_FOREVER);
    return rc;
}

static void worker(void *arg)
{
    (void)arg;
    while (pass_on() == 0)
        ;
}

static rn_mutex door;

static void send_then_knock(void *arg)
{
    check(rn_chan_send(*(rn_chan **)arg, &(int64_t){ 0 }, RN_FOREVER) == 0);
    rn_mutex_lock(&door);
    rn_mutex_unlock(&door);
}

FACT(why_tells_which_lock_somebody_waits_for)
{
    char expected[64];

    (void)arg;
    world_open();
    rn_chan *out = bound(sends, "lines", RN_OUT, 10);
    rn_mutex_lock(&door);
    start(send_then_knock, out, "knocker");
    rn_sleep(rn_after(100 * RN_MS));
    check(ask(WIRE_WHY, "lines") == 0);
    const struct told *t = told_of("sends", "knocker");
    check(t != NULL);
    snprintf(expected, sizeof expected, "mutex %p", (void *)&door);
    check(strcmp(t->why, expected) == 0);
    rn_mutex_unlock(&door);
    rn_chan_unref(out);
    world_close();
    return 0;
}

FACT(why_names_who_waits_and_what_the_other_side_does_instead)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(sends, "lines", RN_OUT, 10);
    lines = bound(receives, "lines", RN_IN, 0);
    counts = bound(receives, "counts", RN_OUT, 1);
    start(send_for_ever, out, "reader");
    start(worker, NULL, "worker");
    eventually(is_waiting(out, RN_SEND) && is_waiting(counts, RN_SEND));
    rn_sleep(rn_after(1500 * RN_MS));
    check(ask(WIRE_WHY, "lines") == 0);

    const struct told *t = told_of("sends", "reader");
    check(t != NULL);
    check(t->g.doing == WIRE_WAITING && t->g.sends && !t->g.receives);
    check(strcmp(t->waits, ">lines") == 0);
    check(strcmp(t->why, "chan send") == 0);
    check(t->g.waited_ms >= 1400 &&
          t->g.waited_ms < 1700); /* it may have sent one more meanwhile */
    check(strstr(t->stack, "send_for_ever") != NULL);
    check(told_of("sends", "worker") == NULL); /* it has nothing to do with that node's handle */

    t = told_of("receives", "worker");
    check(t != NULL);
    check(t->g.doing == WIRE_WAITING && t->g.receives && !t->g.sends);
    check(strcmp(t->waits, ">counts") == 0);
    check(strstr(t->stack, "pass_on") != NULL);
    check(told_of("receives", "reader") == NULL);
    check(node_told("asks") == NULL);

    check(ask(WIRE_WHY, "nothing") == -ENOENT);
    rn_chan_unref(out);
    rn_chan_unref(lines);
    rn_chan_unref(counts);
    world_close();
    return 0;
}

static void select_both(void *arg)
{
    rn_chan **c = *(rn_chan ***)arg;
    int64_t v = 1, w = 0;
    rn_case cases[] = {
        { c[0], &v, RN_SEND, 0 },
        { c[1], &w, RN_RECV, 0 },
        { c[2], &w, RN_RECV, 0 },
    };
    rn_select(cases, RN_LEN(cases), RN_FOREVER);
}

FACT(a_select_waits_in_each_of_its_channels)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(sends, "full", RN_OUT, 1);
    rn_chan *in = bound(sends, "empty", RN_IN, 0);
    rn_chan *local = rn_chan_new(sizeof(int64_t), 0, NULL);
    rn_chan *c[] = { out, in, local };
    int64_t v = 0;
    check(rn_chan_send(out, &v, SOON) == 0);
    start(select_both, c, "chooser");
    eventually(is_waiting(out, RN_SEND));
    for (int i = 0; i < 2; i++) {
        check(ask(WIRE_WHY, i == 0 ? "full" : "empty") == 0);
        const struct told *t = told_of("sends", "chooser");
        check(t != NULL);
        check(strcmp(t->waits, ">full <empty") == 0);
        check(strcmp(t->why, "select") == 0);
    }
    rn_chan_close(local);
    eventually(!is_waiting(out, RN_SEND));
    rn_chan_unref(local);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

static void send_one(void *arg)
{
    int64_t v = 1;
    check(rn_chan_send(*(rn_chan **)arg, &v, SOON) == 0);
}

FACT(who_has_used_the_channel_and_is_gone_is_told)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(sends, "jobs", RN_OUT, 10);
    rn_group *group = rn_group_new();
    check(rn_group_go(group, send_one, &out, sizeof out) == 0);
    check(rn_group_wait(group, SOON) == 0);
    rn_group_free(group);
    check(ask(WIRE_WHY, "jobs") == 0);
    size_t ended = 0;
    for (size_t i = 0; i < n_told; i++) {
        if (told[i].is_node)
            continue;
        check(told[i].g.doing == WIRE_ENDED && told[i].g.id > 0 && told[i].g.sends);
        ended++;
    }
    check(ended == 1);
    rn_chan_unref(out);
    world_close();
    return 0;
}

static atomic_bool thread_done;

static void *receive_outside(void *arg)
{
    int64_t v = 0;
    check(rn_chan_recv(arg, &v, RN_FOREVER) == 0);
    atomic_store(&thread_done, true);
    return NULL;
}

FACT(a_thread_that_is_no_goroutine_is_told_as_such)
{
    (void)arg;
    pthread_t thread;
    int64_t v = 1;
    world_open();
    atomic_store(&thread_done, false);
    rn_chan *in = bound(receives, "jobs", RN_IN, 0);
    rn_chan *out = bound(sends, "jobs", RN_OUT, 10);
    check(pthread_create(&thread, NULL, receive_outside, in) == 0);
    while (!is_waiting(in, RN_RECV)) /* real time, for a real thread */
        rn_yield();
    check(ask(WIRE_WHY, "jobs") == 0);
    size_t outside = 0;
    for (size_t i = 0; i < n_told; i++) {
        if (told[i].is_node || told[i].g.doing != WIRE_OUTSIDE)
            continue;
        check(told[i].g.id == 0 && strcmp(told[i].waits, "<jobs") == 0);
        check(strcmp(told[i].node, "receives") == 0);
        outside++;
    }
    check(outside == 1);
    check(rn_chan_send(out, &v, SOON) == 0);
    while (!atomic_load(&thread_done))
        rn_yield();
    check(pthread_join(thread, NULL) == 0);
    rn_chan_unref(in);
    rn_chan_unref(out);
    world_close();
    return 0;
}

#define MANY 600

static void wait_deep(void *arg)
{
    check(rn_chan_recv(*(rn_chan **)arg, NULL, RN_FOREVER) == RN_ECLOSED);
}

FACT(however_many_there_are_all_are_told)
{
    (void)arg;
    world_open();
    rn_chan *end = rn_chan_new(0, 0, NULL);
    rn_group *group = rn_group_new();
    for (int i = 0; i < MANY; i++)
        check(rn_group_go(group, wait_deep, &end, sizeof end) == 0);
    rn_sleep(rn_after(10 * RN_MS));
    check(ask(WIRE_DUMP, "receives") == 0);
    check(n_pieces > 2);
    size_t found = 0;
    for (size_t i = 0; i < n_told; i++) {
        check(strcmp(told[i].node, "receives") == 0);
        found += !told[i].is_node && strstr(told[i].stack, "wait_deep") != NULL;
    }
    check(found == MANY);
    check(told_of("receives", "runnel inspection") ==
          NULL); /* who looks is not what is looked at */
    check(ask(WIRE_DUMP, "") == 0);
    check(node_told("sends") != NULL && node_told("receives") != NULL);
    check(node_told("asks") == NULL);
    rn_chan_close(end);
    check(rn_group_wait(group, SOON) == 0);
    rn_group_free(group);
    rn_chan_unref(end);
    world_close();
    return 0;
}

FACT(a_frozen_node_is_told_as_silent_and_goes_on_when_it_is_thawed)
{
    (void)arg;
    world_open();
    rn_chan *out = bound(sends, "jobs", RN_OUT, 10);
    rn_chan *in = bound(receives, "jobs", RN_IN, 0);
    int64_t v = 7;
    memnet_freeze(net, "receives", true);
    rn_time before = rn_now();
    check(ask(WIRE_WHY, "jobs") == 0);
    check(rn_now() - before < 1100 * RN_MS);
    check(node_told("receives")->voice == WIRE_SILENT);
    check(node_told("sends")->voice == WIRE_ANSWERED);
    memnet_freeze(net, "receives", false);
    check(rn_chan_send(out, &v, SOON) == 0);
    check(rn_chan_recv(in, &v, SOON) == 0 && v == 7);
    check(ask(WIRE_WHY, "jobs") == 0);
    check(node_told("receives")->voice == WIRE_ANSWERED);
    rn_chan_unref(out);
    rn_chan_unref(in);
    world_close();
    return 0;
}

static void ask_and_ask(void *arg)
{
    rn_node *node = *(rn_node **)arg;
    while (rn__node_inspect(node, WIRE_DUMP, "", keep, NULL, 2 * RN_SEC) == 0)
        n_told = 0;
}

FACT(nodes_may_close_while_they_are_asked)
{
    (void)arg;
    world_open();
    rn_group *group = rn_group_new();
    check(rn_group_go(group, ask_and_ask, &asks, sizeof asks) == 0);
    rn_sleep(rn_after(5 * RN_MS + (int64_t)seed_now * 100 * RN_US));
    node_end(receives);
    rn__node_crash(sends);
    rn_sleep(rn_after(RN_MS));
    node_end(asks);
    check(rn_group_wait(group, SOON) == 0);
    rn_group_free(group);
    sends = receives = asks = NULL;
    world_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(why_tells_which_lock_somebody_waits_for),
        cmocka_unit_test(why_names_who_waits_and_what_the_other_side_does_instead),
        cmocka_unit_test(a_select_waits_in_each_of_its_channels),
        cmocka_unit_test(who_has_used_the_channel_and_is_gone_is_told),
        cmocka_unit_test(a_thread_that_is_no_goroutine_is_told_as_such),
        cmocka_unit_test(however_many_there_are_all_are_told),
        cmocka_unit_test(a_frozen_node_is_told_as_silent_and_goes_on_when_it_is_thawed),
        cmocka_unit_test(nodes_may_close_while_they_are_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
