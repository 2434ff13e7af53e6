/* test_shard.c - sessions and leases of the broker, told by scripted nodes over a network in memory.
 *   SPDX-License-Identifier: MIT
 *
 * All runs under rn_sim: time is virtual, so leases end at once. */
#include "broker/core/core.h"
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

#define URL      "mem://broker"
#define OUT_BIND 1
#define IN_BIND  2

static struct memnet *net;
static struct shard *shard;
static rn_group *group;

static void serve(void *arg)
{
    (void)arg;
    check(shard_run(shard) == 0);
}

static void broker_start(const struct shard_opts *opts)
{
    shard = shard_new(memnet_endpoint(net, "broker"), opts);
    group = rn_group_new();
    check(shard != NULL && group != NULL);
    check(rn_group_go(group, serve, NULL, 0) == 0);
}

static void broker_stop(void)
{
    shard_stop(shard);
    check(rn_group_wait(group, rn_after(10 * RN_SEC)) == 0);
    rn_group_free(group);
    core_check(shard_core(shard));
    shard_free(shard);
}

static void world_open(void)
{
    const struct memnet_opts opts = { .seed = rn__sim_seed(),
                                      .delay_min_ns = 1000,
                                      .delay_max_ns = 100000 };
    static const struct shard_opts shard_opts = { .lease_max_ms = 5000, .hello_ns = 3 * RN_SEC };

    net = memnet_new(&opts);
    check(net != NULL);
    broker_start(&shard_opts);
}

static void world_close(void)
{
    broker_stop();
    memnet_free(net);
}

static struct script *node(const char *name, uint8_t instance)
{
    return script_new(memnet_endpoint(net, name), URL, instance);
}

static void say_nothing_of(struct script *n, enum wire_what what, uint32_t bind)
{
    struct wire_control c = { .what = what, .bind = bind };

    script_say(n, &c);
}

#define FRAME_BYTES ((size_t)250 << 10) /* of one frame, at most */

/* Sends elements first .. first + count - 1, each under credit, and waits until all are accepted. */
static void send_elements(struct script *n, uint64_t first, uint32_t count, size_t len)
{
    while (count > 0) {
        uint32_t some;

        script_ask(n, OUT_BIND, count, count * len);
        some = script_credit(n, OUT_BIND, len);
        if (some > count)
            some = count;
        count -= some;
        for (uint32_t part; some > 0; some -= part, first += part) {
            part = some * len > FRAME_BYTES ? (uint32_t)(FRAME_BYTES / len) : some;
            script_elements(n, OUT_BIND, first, part, len);
        }
    }
    script_ask(n, OUT_BIND, 0, 0);
    while (script_expect(n, WIRE_ACCEPTED)->number < first - 1)
        continue;
}

/* Receives until `count` elements have come and gives the deliveries of the last section; takes them when told so. */
static uint32_t receive_elements(struct script *n, uint32_t count, bool take)
{
    const struct wire_section *s = NULL;
    uint32_t got = 0;

    script_ask(n, IN_BIND, count, 0);
    while (got < count) {
        s = script_expect_section(n);
        check(s->bind == IN_BIND);
        got += s->count;
        if (take)
            script_taken(n, IN_BIND, s->number + s->count - 1);
    }
    check(got == count);
    return s->deliveries;
}

/* The refusal is on its way before the session has ended. */
static void sessions_become(struct script *n, size_t count)
{
    rn_time deadline = rn_after(RN_SEC);

    while (shard_sessions(shard) != count) {
        check(rn_now() < deadline);
        script_run(n, rn_after(RN_MS));
    }
}

/* ---- opening a session -------------------------------------------------------------------------- */

static int hello(void *arg)
{
    struct script *a, *b;

    (void)arg;
    world_open();
    a = node("a", 1);
    b = node("b", 2);
    script_open(a);
    check(a->welcome.version == WIRE_VERSION && a->id != 0);
    check(a->welcome.lease_ms == 5000); /* the default of 10 s is above this broker's most */
    b->lease_ms = 700;
    script_open(b);
    check(b->welcome.lease_ms == 700);
    check(a->id != b->id);
    sessions_become(a, 2);
    script_free(a);
    script_free(b);
    world_close();
    return 0;
}

static int unknown_version(void *arg)
{
    struct wire_hello h = { .version = 77, .name = "" };
    struct script *n;

    (void)arg;
    world_open();
    n = node("a", 1);
    check(link_dial(n->link, URL, &n->peer) == 0);
    script_send(n, frame_of_hello(0, &h));
    script_expect_refusal(n, WIRE_VERSION_UNKNOWN);
    check(strstr(n->sentence, "77") != NULL);
    script_free(n);
    world_close();
    return 0;
}

static int strangers(void *arg)
{
    struct script *silent, *talker;

    (void)arg;
    world_open();
    silent = node("a", 1);
    talker = node("b", 2);
    check(link_dial(silent->link, URL, &silent->peer) == 0);
    check(link_dial(talker->link, URL, &talker->peer) == 0);
    script_send(talker, frame_of_controls(4711, 1, 0, NULL, 0)); /* of no session that is known */
    script_run(talker, rn_after(RN_SEC));
    check(shard_peers(shard) == 1 && shard_sessions(shard) == 0);
    check(talker->refusal.code == WIRE_OK);
    script_run(talker, rn_after(3 * RN_SEC));
    check(shard_peers(shard) == 0);
    script_free(silent);
    script_free(talker);
    world_close();
    return 0;
}

static int second_hello(void *arg)
{
    struct wire_hello h = { .version = WIRE_VERSION, .name = "" };
    struct script *n;

    (void)arg;
    world_open();
    n = node("a", 1);
    script_open(n);
    script_send(n, frame_of_hello(0, &h));
    script_expect_refusal(n, WIRE_PROTOCOL);
    sessions_become(n, 0);
    script_free(n);
    world_close();
    return 0;
}

/* ---- elements -------------------------------------------------------------------------------------- */

static int elements(void *arg)
{
    struct script *a, *b;

    (void)arg;
    world_open();
    a = node("a", 1);
    b = node("b", 2);
    script_open(a);
    script_open(b);
    check(script_bind(a, OUT_BIND, "jobs", WIRE_OUT, 100) ==
          script_bind(b, IN_BIND, "jobs", WIRE_IN, 0));
    send_elements(a, 1, 50, 10);
    check(receive_elements(b, 50, /* take= */ true) == 1);
    for (uint64_t i = 0; i < 9; i++)
        send_elements(a, 51 + i, 1, 250 << 10); /* together larger than the link window */
    receive_elements(b, 9, /* take= */ true);
    say_nothing_of(a, WIRE_CLOSE, OUT_BIND);
    check(script_expect(a, WIRE_RECALL)->recall.closing);
    check(script_expect(b, WIRE_CLOSED_)->recall.code == WIRE_CLOSED);
    script_free(a);
    script_free(b);
    world_close();
    return 0;
}

/* More than a link window: what does not fit waits in the core and follows the acknowledgements. */
static int stream(void *arg)
{
    struct script *a, *b;
    uint32_t total = 0;

    (void)arg;
    world_open();
    a = node("a", 1);
    b = node("b", 2);
    script_open(a);
    script_open(b);
    script_bind(a, OUT_BIND, "jobs", WIRE_OUT, 4000);
    send_elements(a, 1, 3000, 1000);
    script_bind(b, IN_BIND, "jobs", WIRE_IN, 0);
    script_ask(b, IN_BIND, 3000, 0);
    while (total < 3000) {
        const struct wire_section *s = script_expect_section(b);
        size_t at = 0, len;

        check(s->number == total + 1 && s->position == b->sections[0].position + total);
        for (uint32_t i = 0; i < s->count; i++) {
            const uint8_t *element = section_element(s, &at, &len);

            check(len == 1000 && element[0] == (uint8_t)(total + i + 1));
        }
        total += s->count;
        script_taken(b, IN_BIND, total);
    }
    script_free(a);
    script_free(b);
    world_close();
    return 0;
}

/* ---- connections --------------------------------------------------------------------------------------- */

static int resume(void *arg)
{
    struct script *a, *b;

    (void)arg;
    world_open();
    a = node("a", 1);
    b = node("b", 2);
    script_open(a);
    script_open(b);
    script_bind(a, OUT_BIND, "jobs", WIRE_OUT, 100);
    script_bind(b, IN_BIND, "jobs", WIRE_IN, 0);
    for (uint64_t i = 1; i <= 60; i += 2) {
        script_ask(a, OUT_BIND, 2, 20);
        while (script_credit(a, OUT_BIND, 10) < 2)
            script_run(a, rn_after(RN_MS));
        /* Cut while elements are under way, so that some get lost; not all cuts are told. */
        script_elements(a, OUT_BIND, i, 1, 10);
        memnet_break(net, "a", "broker");
        memnet_break(net, "b", "broker");
        script_resume(a);
        script_resume(b);
        script_elements(a, OUT_BIND, i + 1, 1, 10);
        check(receive_elements(b, 2, /* take= */ true) == 1);
    }
    sessions_become(a, 2);
    script_free(a);
    script_free(b);
    world_close();
    return 0;
}

/* A second endpoint goes on with the session of the first, which is still connected. */
static int superseded(void *arg)
{
    struct script *old, *new;

    (void)arg;
    world_open();
    old = node("old", 1);
    new = node("new", 1);
    script_open(old);
    script_bind(old, OUT_BIND, "jobs", WIRE_OUT, 10);
    new->session = old->session;
    new->id = old->id;
    script_resume(new);
    check(new->welcome.resumed);
    /* What comes over the old connection now does not count: here the next number, with a bad control in it. */
    script_send(old, frame_of_controls(new->id, 1000, 0, NULL, 0));
    script_run(new, rn_after(RN_SEC));
    check(new->refusal.code == WIRE_OK && !new->down);
    script_ask(new, OUT_BIND, 1, 10);
    check(script_credit(new, OUT_BIND, 10) >= 1);
    old->session = NULL;
    script_free(old);
    script_free(new);
    world_close();
    return 0;
}

static int foreign_resume(void *arg)
{
    struct script *a, *thief;

    (void)arg;
    world_open();
    a = node("a", 1);
    thief = node("b", 2);
    script_open(a);
    thief->session = session_new(a->id);
    thief->id = a->id;
    script_hello(thief, /* resume= */ true);
    script_expect_refusal(thief, WIRE_SESSION_OVER);
    script_bind(a, OUT_BIND, "jobs", WIRE_OUT, 10); /* whose session it is goes on */
    script_free(thief);
    script_free(a);
    world_close();
    return 0;
}

/* A Hello of a connection that had broken comes when its node has long gone on by another one. */
static int overtaken(void *arg)
{
    struct wire_hello h = { .version = WIRE_VERSION, .name = "", .resume = true };
    struct script *n, *late;

    (void)arg;
    world_open();
    n = node("a", 1);
    late = node("late", 1);
    script_open(n);
    script_bind(n, OUT_BIND, "jobs", WIRE_OUT, 10);
    script_ask(n, OUT_BIND, 1, 10); /* acknowledges what has come so far */
    while (script_credit(n, OUT_BIND, 10) < 1)
        script_run(n, rn_after(RN_MS));
    memcpy(h.instance, n->instance, sizeof h.instance);
    check(link_dial(late->link, URL, &late->peer) == 0);
    script_send(late, frame_of_hello(n->id, &h));
    script_run(late, rn_after(RN_SEC)); /* whose connection is closed; it is told so, or not */
    check(late->refusal.code == WIRE_OK && late->session == NULL);
    script_bind(n, IN_BIND, "jobs", WIRE_IN, 0); /* the session goes on */
    sessions_become(n, 1);
    script_free(late);
    script_free(n);
    world_close();
    return 0;
}

static int impossible_resume(void *arg)
{
    struct wire_hello h = { .version = WIRE_VERSION, .name = "", .resume = true, .received = 1000 };
    struct script *n;

    (void)arg;
    world_open();
    n = node("a", 1);
    script_open(n);
    memcpy(h.instance, n->instance, sizeof h.instance);
    check(link_dial(n->link, URL, &n->peer) == 0);
    script_send(n, frame_of_hello(n->id, &h));
    script_expect_refusal(n, WIRE_PROTOCOL);
    sessions_become(n, 0);
    script_free(n);
    world_close();
    return 0;
}

/* Numbers are missing: the broker drops the connection, and all is well after a resume. */
static int gap(void *arg)
{
    struct script *n;

    (void)arg;
    world_open();
    n = node("a", 1);
    script_open(n);
    script_send(n, frame_of_controls(n->id, 5, 0, NULL, 0));
    script_run(n, rn_after(RN_SEC));
    check(n->refusal.code == WIRE_OK && shard_sessions(shard) == 1);
    script_resume(n);
    script_bind(n, OUT_BIND, "jobs", WIRE_OUT, 10);
    script_free(n);
    world_close();
    return 0;
}

/* ---- ends -------------------------------------------------------------------------------------------------- */

/* Sets up a with five elements delivered and not taken, and b, which waits for them. */
static void hold_elements(struct script *a, struct script *b)
{
    script_open(a);
    script_open(b);
    script_bind(b, OUT_BIND, "jobs", WIRE_OUT, 100);
    script_bind(a, IN_BIND, "jobs", WIRE_IN, 0);
    send_elements(b, 1, 5, 10);
    check(receive_elements(a, 5, /* take= */ false) == 1);
    script_ask(a, IN_BIND, 0, 0);
    script_bind(b, IN_BIND, "jobs", WIRE_IN, 0);
}

static int lease(void *arg)
{
    struct script *a, *b;
    rn_time silent_since;

    (void)arg;
    world_open();
    a = node("a", 1);
    b = node("b", 2);
    a->lease_ms = 1000;
    hold_elements(a, b);
    silent_since = rn_now();
    check(receive_elements(b, 5, /* take= */ true) == 2);
    check(rn_now() - silent_since >= 900 * RN_MS); /* a's last frame was a little earlier */
    sessions_become(a, 1);
    script_hello(a, /* resume= */ true);
    script_expect_refusal(a, WIRE_SESSION_OVER);
    script_open(a);
    check(a->welcome.lease_ms == 1000);
    script_free(a);
    script_free(b);
    world_close();
    return 0;
}

static int signs_of_life(void *arg)
{
    struct script *n;

    (void)arg;
    world_open();
    n = node("a", 1);
    n->lease_ms = 1000;
    script_open(n);
    for (int i = 0; i < 20; i++) {
        check(session_probe(n->session) == 0);
        script_run(n, rn_after(500 * RN_MS));
        check(session_unacked_ns(n->session) == 0); /* the broker has acknowledged it */
    }
    check(shard_sessions(shard) == 1 && n->refusal.code == WIRE_OK);
    script_run(n, rn_after(2 * RN_SEC));
    check(shard_sessions(shard) == 0 && n->refusal.code == WIRE_SESSION_OVER);
    script_free(n);
    world_close();
    return 0;
}

/* A sign of life, and its acknowledgement: true if that came within so long. */
static bool acknowledged_within(struct script *n, int64_t ns)
{
    check(session_probe(n->session) == 0);
    script_run(n, rn_after(ns));
    return session_unacked_ns(n->session) == 0;
}

/* A node whose lease is 3.2 s rests after 400 ms, and is answered at multiples of 100 ms: not before. */
static void rest_for(struct script *n, int64_t ns)
{
    int64_t to_go_ns;

    script_run(n, rn_after(ns));
    to_go_ns = 100 * RN_MS - rn__boottime() % (100 * RN_MS);
    if (to_go_ns > 2 * RN_MS)
        check(!acknowledged_within(n, to_go_ns - RN_MS));
    script_run(n, rn_after(2 * RN_MS));
    check(session_unacked_ns(n->session) == 0);
}

static int rest(void *arg)
{
    struct script *n;

    (void)arg;
    world_open();
    n = node("a", 1);
    n->lease_ms = 3200;
    script_open(n);
    for (int i = 0; i < 10; i++) {
        rest_for(n, 410 * RN_MS + i * 10 * RN_MS);
        check(acknowledged_within(n, RN_MS)); /* it is in a hurry, or would not say that so soon */
        script_run(n, rn_after(405 * RN_MS));
        script_bind(n, 1 + (uint32_t)i, "jobs", WIRE_OUT, 10); /* neither does this wait */
        check(session_unacked_ns(n->session) == 0);
    }
    script_free(n);
    world_close();
    return 0;
}

/* What it has not acknowledged until then only says that its elements were accepted. */
static int rest_after_work(void *arg)
{
    struct script *n;

    (void)arg;
    world_open();
    n = node("a", 1);
    n->lease_ms = 3200;
    script_open(n);
    script_bind(n, 1, "jobs", WIRE_OUT, 100);
    script_ask(n, 1, 10, 100);
    check(script_credit(n, 1, 10) >= 10);
    for (uint32_t i = 1; i <= 10; i++) {
        script_elements(n, 1, i, 1, 10);
        check(script_expect(n, WIRE_ACCEPTED)->number == i);
        rest_for(n, 410 * RN_MS + i * 10 * RN_MS);
    }
    script_free(n);
    world_close();
    return 0;
}

/* More has come than one turn takes, and when all is taken nothing is new of who came first. */
static int forgotten(void *arg)
{
    struct script *a, *b;

    (void)arg;
    world_open();
    a = node("a", 1);
    b = node("b", 2);
    a->lease_ms = 3200;
    script_open(a);
    script_open(b);
    memnet_freeze(net, "broker", true);
    check(!acknowledged_within(a, RN_MS));
    for (int i = 0; i < 150; i++)
        script_send(b, frame_of_controls(b->id + 1, 1, 0, NULL, 0));
    script_run(b, rn_after(RN_MS));
    memnet_freeze(net, "broker", false);
    script_run(a, rn_after(101 * RN_MS));
    check(session_unacked_ns(a->session) == 0);
    script_free(a);
    script_free(b);
    world_close();
    return 0;
}

/* What came while the broker did not run is more than one turn takes, and the sign of life comes last. */
static int asleep(void *arg)
{
    struct script *a, *b;

    (void)arg;
    world_open();
    a = node("a", 1);
    b = node("b", 2);
    a->lease_ms = 1000;
    script_open(a);
    script_open(b);
    memnet_freeze(net, "broker", true);
    for (int i = 0; i < 150; i++) /* of no session of its connection: they are ignored */
        script_send(b, frame_of_controls(b->id + 1, 1, 0, NULL, 0));
    script_run(b, rn_after(1500 * RN_MS));
    check(session_probe(a->session) == 0);
    script_run(a, rn_after(RN_MS));
    memnet_freeze(net, "broker", false);
    script_run(a, rn_after(500 * RN_MS));
    check(shard_sessions(shard) == 2 && a->refusal.code == WIRE_OK);
    script_free(a);
    script_free(b);
    world_close();
    return 0;
}

static int goodbye(void *arg)
{
    struct script *a, *b;
    rn_time before;

    (void)arg;
    world_open();
    a = node("a", 1);
    b = node("b", 2);
    hold_elements(a, b);
    before = rn_now();
    say_nothing_of(a, WIRE_GOODBYE, 0);
    check(receive_elements(b, 5, /* take= */ true) == 2);
    check(rn_now() - before < 100 * RN_MS); /* not a matter of leases */
    sessions_become(a, 1);
    script_free(a);
    script_free(b);
    world_close();
    return 0;
}

static int broken_rule(void *arg)
{
    struct script *n;

    (void)arg;
    world_open();
    n = node("a", 1);
    script_open(n);
    script_elements(n, 99, 1, 1, 10); /* of a binding that is not there */
    script_expect_refusal(n, WIRE_PROTOCOL);
    sessions_become(n, 0);
    script_run(n, rn_after(5 * RN_SEC));
    check(shard_peers(shard) == 0);
    script_free(n);
    world_close();
    return 0;
}

static int garbage(void *arg)
{
    struct script *n;
    struct frame *f;

    (void)arg;
    world_open();
    n = node("a", 1);
    script_open(n);
    f = frame_new(1000);
    check(f != NULL);
    memset(f->data, 0xa5, f->len);
    script_send(n, f);
    script_expect_refusal(n, WIRE_PROTOCOL);
    sessions_become(n, 0);
    script_free(n);
    world_close();
    return 0;
}

static int stopping(void *arg)
{
    struct script *a;

    (void)arg;
    world_open();
    a = node("a", 1);
    script_open(a);
    broker_stop();
    script_expect_refusal(a, WIRE_SHUTDOWN);
    broker_start(NULL);
    script_free(a);
    world_close();
    return 0;
}

/* The broker dies, and another begins at its address. */
static int reborn(void *arg)
{
    struct script *a, *b;
    uint64_t before;

    (void)arg;
    world_open();
    a = node("a", 1);
    b = node("b", 2);
    script_open(a);
    before = script_bind(a, OUT_BIND, "jobs", WIRE_OUT, 10);
    broker_stop();
    broker_start(NULL);
    script_open(b); /* whose session has the number that a's would have, were it not for the boot */
    script_hello(a, /* resume= */ true);
    script_expect_refusal(a, WIRE_HOME_LOST);
    check(strstr(a->sentence, "started after that session") != NULL);
    script_open(a);
    check(script_bind(a, OUT_BIND, "jobs", WIRE_OUT, 10) != before);
    check(a->id >> 32 == b->id >> 32 && a->id != b->id);
    script_free(a);
    script_free(b);
    world_close();
    return 0;
}

static void run(void **state)
{
    script_simulate((int (*)(void *)) * state);
}

#define FACT(name, fn)                      \
    {                                       \
        name, run, NULL, NULL, (void *)(fn) \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT("hello_opens_a_session_with_a_lease_of_at_most_the_brokers_most", hello),
        FACT("unknown_version_is_refused_by_a_sentence_that_names_it", unknown_version),
        FACT("connection_without_hello_is_ignored_and_then_forgotten", strangers),
        FACT("second_hello_on_a_connection_ends_the_session", second_hello),
        FACT("elements_go_from_node_to_node_and_close_follows_the_last", elements),
        FACT("stream_larger_than_the_link_window_arrives_in_order", stream),
        FACT("sessions_resume_over_broken_connections_without_loss_or_doubles", resume),
        FACT("frames_of_a_superseded_connection_do_not_count", superseded),
        FACT("session_is_not_resumed_by_another_process", foreign_resume),
        FACT("a_hello_that_was_overtaken_ends_nothing_but_its_connection", overtaken),
        FACT("impossible_resume_ends_the_session", impossible_resume),
        FACT("missing_frames_are_sent_again_after_a_resume", gap),
        FACT("elements_of_a_silent_node_go_to_others_when_its_lease_ends", lease),
        FACT("probes_are_acknowledged_and_keep_a_session_alive", signs_of_life),
        FACT("node_at_rest_is_answered_together_with_others_and_one_in_a_hurry_at_once", rest),
        FACT("node_at_rest_is_so_although_it_has_not_acknowledged_what_was_accepted",
             rest_after_work),
        FACT("acknowledgement_is_not_forgotten_over_what_others_say", forgotten),
        FACT("session_that_spoke_while_the_broker_slept_goes_on", asleep),
        FACT("goodbye_ends_the_session_at_once", goodbye),
        FACT("broken_rule_ends_the_session_with_a_sentence", broken_rule),
        FACT("bytes_that_are_no_frame_end_the_session", garbage),
        FACT("stopped_broker_says_so_to_its_sessions", stopping),
        FACT("session_of_a_broker_that_died_is_refused_as_home_lost", reborn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
