/* test_inquiry.c - asking nodes about their goroutines, told by scripted nodes over a network in memory.
 *   SPDX-License-Identifier: MIT
 *
 * All runs under rn_sim: time is virtual, so a second of silence passes at once. */
#include "broker/core/core.h"
#include "broker/inquiry.h"
#include "broker/shard.h"
#include "proto/limits.h"
#include "proto/link/memlink.h"
#include "runtime/sched.h"
#include "runtime/sim.h"
#include "tests/broker/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define OUT_BIND 1
#define IN_BIND  2
#define QUERY_ID 77

static struct memnet *net;
static struct shard *shard;
static rn_group *group;
static struct script *asker, *sender, *receiver, *stranger;

static void serve(void *arg)
{
    (void)arg;
    check(shard_run(shard) == 0);
}

static struct script *node(const char *name, uint8_t instance)
{
    struct script *n = script_new(memnet_endpoint(net, name), "mem://broker", instance);

    n->lease_ms = 5000;
    n->name = name;
    script_open(n);
    return n;
}

/* A broker; a sender and a receiver of "jobs", somebody who has nothing to do with it, and who asks. */
static void world_open(void)
{
    const struct memnet_opts opts = { .seed = rn__sim_seed(),
                                      .delay_min_ns = 1000,
                                      .delay_max_ns = 100000 };

    net = memnet_new(&opts);
    check(net != NULL);
    shard = shard_new(memnet_endpoint(net, "broker"), NULL);
    group = rn_group_new();
    check(shard != NULL && group != NULL);
    check(rn_group_go(group, serve, NULL, 0) == 0);
    asker = node("asker", 1);
    sender = node("sender", 2);
    receiver = node("receiver", 3);
    stranger = node("stranger", 4);
    script_bind(sender, OUT_BIND, "jobs", WIRE_OUT, 10);
    script_bind(receiver, IN_BIND, "jobs", WIRE_IN, 0);
    script_bind(stranger, IN_BIND, "else", WIRE_IN, 0);
}

static void world_close(void)
{
    script_free(asker);
    script_free(sender);
    script_free(receiver);
    script_free(stranger);
    shard_stop(shard);
    check(rn_group_wait(group, rn_after(10 * RN_SEC)) == 0);
    rn_group_free(group);
    shard_free(shard);
    memnet_free(net);
}

/* ---- words ------------------------------------------------------------------------------------- */

static void ask(uint32_t id, enum wire_want want, const char *name)
{
    struct wire_control c = { .what = WIRE_QUERY, .bind = id, .query_want = want };

    if (want == WIRE_DUMP)
        c.query_node = name;
    else
        c.query_name = name;
    script_say(asker, &c);
}

/* Reports n goroutines with a stack of len bytes each. */
static void report(struct script *from, uint32_t id, uint32_t n, size_t len, bool last)
{
    static char stack[WIRE_STACK_MAX + 1];
    struct wire_goroutine all[64] = { { 0 } };
    struct wire_control c = { .what = WIRE_REPORT,
                              .bind = id,
                              .report = { "host", 7, all, n, last } };

    check(n <= 64 && len < sizeof stack);
    memset(stack, 's', len);
    stack[len] = '\0';
    for (uint32_t i = 0; i < n; i++)
        all[i] = (struct wire_goroutine){ .id = i + 1, .name = "worker", .stack = stack };
    script_say(from, &c);
}

/* The next Inspect that came to n; it must be for more (or not), and about that channel. */
static uint32_t expect_inspect(struct script *n, const char *channel, bool end)
{
    const struct wire_control *c = script_expect(n, WIRE_INSPECT);

    check(c->inspect.end == end);
    check(end || strcmp(c->inspect.channel, channel) == 0);
    return c->bind;
}

static const struct wire_node_info *expect_node(uint32_t query)
{
    const struct wire_control *c = script_expect(asker, WIRE_ANSWER);

    check(c->bind == query);
    check(!c->answer.last && c->answer.n_channels == 0);
    check(c->answer.n_nodes == 1);
    return &c->answer.nodes[0];
}

static const char *expect_last(uint32_t query, enum wire_code code)
{
    const struct wire_control *c = script_expect(asker, WIRE_ANSWER);

    check(c->bind == query && c->answer.last);
    check(c->answer.n_nodes == 0);
    check(c->answer.code == code);
    return c->answer.sentence;
}

static unsigned count_inspects(const struct script *n)
{
    unsigned count = 0;

    for (size_t i = 0; i < n->n_controls; i++)
        count += n->controls[i].what == WIRE_INSPECT;
    return count;
}

/* ---- facts --------------------------------------------------------------------------------------- */

static int why(void *arg)
{
    const struct wire_node_info *info;
    uint32_t id;

    (void)arg;
    world_open();
    ask(QUERY_ID, WIRE_WHY, "jobs");
    id = expect_inspect(sender, "jobs", false);
    report(sender, id, 2, 100, true);
    info = expect_node(QUERY_ID); /* at once, while the receiver still thinks about it */
    check(info->session == sender->id);
    check(info->sends && !info->receives);
    check(info->voice == WIRE_ANSWERED && info->connected && info->last);
    check(strcmp(info->host, "host") == 0 && info->pid == 7);
    check(info->n_goroutines == 2);
    check(info->goroutines[1].id == 2);
    check(strcmp(info->goroutines[1].name, "worker") == 0);
    check(strlen(info->goroutines[1].stack) == 100);
    check(expect_inspect(receiver, "jobs", false) == id);
    report(receiver, id, 1, 0, false);
    info = expect_node(QUERY_ID);
    check(info->session == receiver->id);
    check(info->receives && !info->sends && !info->last);
    check(expect_inspect(receiver, "jobs", false) == id); /* the rest */
    report(receiver, id, 0, 0, true);
    check(expect_node(QUERY_ID)->last);
    check(expect_last(QUERY_ID, WIRE_OK)[0] == '\0');
    script_run(stranger, rn_after(RN_SEC));
    check(count_inspects(stranger) == 0);
    world_close();
    return 0;
}

static int dump(void *arg)
{
    struct script *asked[] = { NULL, NULL, NULL };
    uint32_t id;

    (void)arg;
    world_open();
    asked[0] = sender;
    asked[1] = receiver;
    asked[2] = stranger;
    ask(QUERY_ID, WIRE_DUMP, "");
    for (int i = 0; i < 3; i++) {
        id = expect_inspect(asked[i], "", false);
        report(asked[i], id, 3, 10, true);
        check(expect_node(QUERY_ID)->session == asked[i]->id);
    }
    expect_last(QUERY_ID, WIRE_OK);
    check(count_inspects(asker) == 0);
    ask(QUERY_ID + 1, WIRE_DUMP, "stranger"); /* one of that name */
    report(stranger, expect_inspect(stranger, "", false), 3, 10, true);
    check(strcmp(expect_node(QUERY_ID + 1)->name, "stranger") == 0);
    expect_last(QUERY_ID + 1, WIRE_OK);
    check(count_inspects(sender) == 1);
    world_close();
    return 0;
}

static int unknown(void *arg)
{
    (void)arg;
    world_open();
    ask(1, WIRE_WHY, "nothing");
    check(strstr(expect_last(1, WIRE_NOT_FOUND), "\"nothing\"") != NULL);
    ask(2, WIRE_DUMP, "nobody");
    check(strstr(expect_last(2, WIRE_NOT_FOUND), "\"nobody\"") != NULL);
    ask(3, WIRE_WHY, "");
    expect_last(3, WIRE_NOT_FOUND);
    world_close();
    return 0;
}

static int silent(void *arg)
{
    const struct wire_node_info *info;
    rn_time asked_ns;
    uint32_t id;

    (void)arg;
    world_open();
    asked_ns = rn_now();
    ask(QUERY_ID, WIRE_WHY, "jobs");
    report(sender, id = expect_inspect(sender, "jobs", false), 1, 10, true);
    check(expect_node(QUERY_ID)->voice == WIRE_ANSWERED);
    info = expect_node(QUERY_ID);
    check(info->session == receiver->id);
    check(info->voice == WIRE_SILENT && info->last);
    check(info->connected && info->receives);
    check(info->heard_ms >= 900 && info->heard_ms < 1200);
    expect_last(QUERY_ID, WIRE_OK);
    check(rn_now() - asked_ns >= RN_SEC && rn_now() - asked_ns < RN_SEC + 10 * RN_MS);
    /* It comes back: it is told that nobody waits any more, and what it says then is no fault. */
    check(expect_inspect(receiver, "jobs", false) == id);
    check(expect_inspect(receiver, "", true) == id);
    report(receiver, id, 1, 10, true);
    script_run(receiver, rn_after(100 * RN_MS));
    check(receiver->refusal.code == WIRE_OK);
    script_run(asker, rn_after(100 * RN_MS));
    check(asker->controls_at == asker->n_controls);
    world_close();
    return 0;
}

static int cut_off(void *arg)
{
    const struct wire_node_info *info;

    (void)arg;
    world_open();
    memnet_sever(net, "receiver", "broker", /* lossy= */ true);
    script_run(receiver, rn_after(300 * RN_MS));
    ask(QUERY_ID, WIRE_WHY, "jobs");
    report(sender, expect_inspect(sender, "jobs", false), 1, 10, true);
    expect_node(QUERY_ID);
    info = expect_node(QUERY_ID);
    check(info->session == receiver->id);
    check(info->voice == WIRE_SILENT && !info->connected);
    check(info->heard_ms >= 1300);
    expect_last(QUERY_ID, WIRE_OK);
    world_close();
    return 0;
}

static int leaver(void *arg)
{
    struct wire_control goodbye = { .what = WIRE_GOODBYE };
    const struct wire_node_info *info;

    (void)arg;
    world_open();
    ask(QUERY_ID, WIRE_WHY, "jobs");
    report(sender, expect_inspect(sender, "jobs", false), 1, 10, true);
    expect_node(QUERY_ID);
    script_say(receiver, &goodbye);
    info = expect_node(QUERY_ID);
    check(info->session == receiver->id);
    check(info->voice == WIRE_LEFT && info->last);
    expect_last(QUERY_ID, WIRE_OK);
    world_close();
    return 0;
}

static int asker_leaves(void *arg)
{
    struct wire_control goodbye = { .what = WIRE_GOODBYE };
    uint32_t id;

    (void)arg;
    world_open();
    ask(QUERY_ID, WIRE_WHY, "jobs");
    id = expect_inspect(sender, "jobs", false);
    script_say(asker, &goodbye);
    check(expect_inspect(sender, "", true) == id);
    report(sender, id, 1, 10, true); /* it had begun before it heard */
    script_run(sender, rn_after(100 * RN_MS));
    check(sender->refusal.code == WIRE_OK);
    world_close();
    return 0;
}

static int unasked(void *arg)
{
    uint32_t id;

    (void)arg;
    world_open();
    report(stranger, 1, 1, 10, true);
    script_expect_refusal(stranger, WIRE_PROTOCOL);
    check(strstr(stranger->sentence, "not asked for") != NULL);
    ask(QUERY_ID, WIRE_WHY, "jobs");
    id = expect_inspect(sender, "jobs", false);
    for (int i = 0; i < 200; i++) /* one for each Inspect, not as many as it likes */
        report(sender, id, 1, 10, false);
    script_expect_refusal(sender, WIRE_PROTOCOL);
    world_close();
    return 0;
}

static int too_many(void *arg)
{
    struct script *others[INQUIRIES_MAX / WIRE_INQUIRIES_MAX];
    struct script *first;

    (void)arg;
    world_open();
    first = asker;
    for (uint32_t i = 0; i < INQUIRIES_MAX / WIRE_INQUIRIES_MAX; i++) {
        others[i] = asker = node((char[]){ 'o', (char)('0' + i), '\0' }, (uint8_t)(10 + i));
        for (uint32_t k = 0; k < WIRE_INQUIRIES_MAX; k++)
            ask(k, WIRE_WHY, "jobs");
        script_run(asker, rn_after(RN_MS));
    }
    asker = first;
    ask(QUERY_ID, WIRE_WHY, "jobs");
    check(strstr(expect_last(QUERY_ID, WIRE_NO_MEMORY), "ask again") != NULL);
    asker = others[0];
    ask(QUERY_ID, WIRE_WHY, "jobs");
    script_expect_refusal(asker, WIRE_PROTOCOL);
    asker = first;
    ask(QUERY_ID, WIRE_DUMP, "nobody"); /* there is room again */
    expect_last(QUERY_ID, WIRE_NOT_FOUND);
    for (uint32_t i = 0; i < INQUIRIES_MAX / WIRE_INQUIRIES_MAX; i++)
        script_free(others[i]);
    world_close();
    return 0;
}

/* A node that has no end of goroutines, and an asker that takes none of the answers: what the broker holds is
 * bounded, because it stops asking. */
static int slow_asker(void *arg)
{
    const size_t len = 4000, n = 10;
    unsigned inspects = 0;

    (void)arg;
    world_open();
    ask(QUERY_ID, WIRE_DUMP, "sender");
    for (;;) {
        script_run(sender, rn_after(20 * RN_MS));
        if (count_inspects(sender) == inspects)
            break;
        check(count_inspects(sender) == ++inspects);
        report(sender, sender->controls[sender->n_controls - 1].bind, (uint32_t)n, len, false);
    }
    check(inspects * n * len > (1 << 20));
    check((inspects - 1) * n * len < (1 << 20) + 2 * WIRE_REPORT_MAX);
    script_run(asker, rn_after(20 * RN_MS)); /* now it takes them */
    script_run(sender, rn_after(20 * RN_MS));
    check(count_inspects(sender) == inspects + 1);
    world_close();
    return 0;
}

/* More nodes than are asked at once, half of them silent, are all told. */
static int crowd(void *arg)
{
    enum { CROWD = 2 * INQUIRY_WINDOW + 10 };
    struct script *all[CROWD];
    uint64_t silent_ones = 0, spoke = 0;
    unsigned answers = 0;

    (void)arg;
    world_open();
    for (int i = 0; i < CROWD; i++) {
        char name[16];

        snprintf(name, sizeof name, "n%d", i);
        all[i] = node(name, (uint8_t)(i + 20));
        script_bind(all[i], IN_BIND, "crowd", WIRE_IN, 0);
    }
    ask(QUERY_ID, WIRE_WHY, "crowd");
    for (rn_time end = rn_after(4 * RN_SEC); rn_now() < end;) {
        script_run(asker, rn_after(RN_MS));
        for (int i = 0; i < CROWD; i += 2) {
            script_run(all[i], rn_after(RN_MS / 10));
            if (all[i]->controls_at == all[i]->n_controls)
                continue;
            if (count_inspects(all[i]) > 0)
                report(all[i], all[i]->controls[all[i]->n_controls - 1].bind, 1, 10, true);
            all[i]->controls_at = all[i]->n_controls;
        }
    }
    for (size_t i = 0; i < asker->n_controls; i++) {
        const struct wire_control *c = &asker->controls[i];

        if (c->what != WIRE_ANSWER)
            continue;
        answers++;
        for (uint32_t k = 0; k < c->answer.n_nodes; k++) {
            spoke += c->answer.nodes[k].voice == WIRE_ANSWERED;
            silent_ones += c->answer.nodes[k].voice == WIRE_SILENT;
        }
    }
    check(spoke == CROWD / 2);
    check(silent_ones == CROWD / 2);
    check(answers == CROWD + 1);
    for (int i = 0; i < CROWD; i++)
        script_free(all[i]);
    world_close();
    return 0;
}

static void run(void **state)
{
    script_simulate((int (*)(void *)) * state);
}

static void run_once(void **state)
{
    assert_int_equal(rn_sim(1, (int (*)(void *)) * state, NULL), 0);
}

#define FACT(name, fn)                      \
    {                                       \
        name, run, NULL, NULL, (void *)(fn) \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT("why_asks_who_is_bound_and_hands_on_what_comes_as_it_comes", why),
        FACT("dump_asks_everybody_but_the_asker", dump),
        FACT("unknown_channels_and_nodes_are_named", unknown),
        FACT("a_silent_node_is_given_up_after_a_second_and_told_so", silent),
        FACT("a_node_that_is_cut_off_is_told_from_a_silent_one", cut_off),
        FACT("a_node_that_leaves_is_not_waited_for", leaver),
        FACT("an_inquiry_ends_with_the_session_of_its_asker", asker_leaves),
        FACT("a_report_that_was_not_asked_for_ends_the_session", unasked),
        FACT("inquiries_at_once_are_bounded", too_many),
        FACT("an_asker_that_takes_nothing_is_told_no_more", slow_asker),
        { "more_nodes_than_are_asked_at_once_are_all_told", run_once, NULL, NULL, (void *)crowd },
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
