/* test_lease.c - what is told when a session ends: nothing is hidden, nothing is doubted that is known.
 *   SPDX-License-Identifier: MIT
 *
 * Method: at each frame boundary of a stream the link goes away for longer than the lease.  Then all that was sent is
 * received elsewhere, and what each operation had said is held against what has come. */
#include "tests/node/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 64
#define THINGS     40

/* ---- the fault ---- */

enum fault { CABLE_OUT, NODE_STOPPED, FAULTS };
static const char *victim;
static enum fault fault_now;
static bool happened, healing;

static void heal(void *arg)
{
    (void)arg;
    if (fault_now == CABLE_OUT)
        cable(victim, false);
    else
        memnet_freeze(net, victim, false);
    healing = false;
}

static void spring(void *arg)
{
    (void)arg;
    happened = healing = true;
    if (fault_now == CABLE_OUT)
        cable(victim, true);
    else
        memnet_freeze(net, victim, true);
    check_rc(rn_later(3 * LEASE, heal, NULL), 0);
}

/* A round is a fault, a direction and a frame. */
#define ROUNDS ((uint64_t)FAULTS * 2 * FRAMES_MAX)

/* false: there were no more frames in the round before. */
static bool round_begin(const char *node)
{
    uint64_t kind = round_now / FRAMES_MAX, frame = round_now % FRAMES_MAX + 1;
    bool up = kind % 2 == 0, nothing_more = frame > 1 && !happened;
    if (nothing_more)
        return false;
    victim = node;
    fault_now = (enum fault)(kind / 2);
    happened = healing = false;
    cluster_open(100 * RN_US, 100 * RN_US);
    memnet_trap(net, up ? victim : "broker", up ? "broker" : victim, frame, spring, NULL);
    return true;
}

static void round_end(void)
{
    memnet_trap(net, "", "", 0, NULL, NULL);
    while (healing)
        rn_sleep(rn_after(RN_MS));
    cluster_close();
}

static uint64_t in_doubt, unknown, told, twice; /* of all rounds: for the reader */

/* ---- senders ---- */

struct sender {
    rn_chan *chan;
    rn_time patience;      /* of each send */
    uint32_t n_sent;       /* sends that gave 0 ... */
    uint32_t sent[THINGS]; /* ... in this order */
};

/* Sends until all are sent or the handle has failed. */
static void send_all(void *arg)
{
    struct sender *s = *(struct sender **)arg;
    for (int i = 0; i < THINGS; i++) {
        uint32_t id = things_made() + 1;
        int rc = send_thing(s->chan, rn_after(s->patience));
        if (rc == 0) {
            s->sent[s->n_sent++] = id;
        } else if (rc == RN_EUNKNOWN) {
            thing_fate(id)->handed_over = 2; /* perhaps: nothing more is said of it */
            unknown++;
        } else if (rc == RN_ESESSION) {
            return;
        } else {
            check_rc(rc, RN_ETIMEDOUT);
        }
    }
}

/* All that is in the channel, until nothing has come for longer than anybody's lease. */
static void receive_all(void *arg)
{
    rn_chan *in = *(rn_chan **)arg;
    int id;
    while ((id = receive_thing(in, rn_after(4 * LEASE))) > 0)
        continue;
    check_rc(id, RN_ETIMEDOUT);
}

/* All but the last `unsent` have come; nobody can tell of those. */
static void account_of_sender(const struct sender *s, uint64_t unsent)
{
    check(unsent <= s->n_sent);
    in_doubt += unsent;
    told += s->n_sent;
    for (uint32_t i = 0; i < s->n_sent; i++) {
        int came = thing_fate(s->sent[i])->came;
        check(came <= 1);
        check(came == 1 || i >= s->n_sent - unsent);
    }
}

static void sender_round(void)
{
    rn_group *g = rn_group_new(), *receivers = rn_group_new();
    rn_node *b = node_open("b"), *a = node_open("a");
    struct sender plain = {
        bound(a, "plain", RN_OUT, &(rn_bind_opts){ .capacity = 6 }), 60 * RN_SEC, 0, { 0 }
    };
    struct sender sure = {
        bound(a, "sure", RN_OUT, &(rn_bind_opts){ .confirm = true }), LEASE / 10, 0, { 0 }
    };
    struct sender *senders[] = { &plain, &sure };
    rn_chan *ins[] = { bound(b, "plain", RN_IN, NULL), bound(b, "sure", RN_IN, NULL) };
    for (int i = 0; i < 2; i++) {
        check_rc(rn_group_go(receivers, receive_all, &ins[i], sizeof ins[i]), 0);
        check_rc(rn_group_go(g, send_all, &senders[i], sizeof senders[i]), 0);
    }
    check_rc(rn_group_wait(g, SOON), 0);
    int rc = rn_flush(plain.chan, SOON);
    check(rc == 0 || rc == RN_ESESSION);
    uint64_t unsent = rn_chan_unsent(plain.chan);
    check(rc != 0 || unsent == 0);
    check_rc(rn_group_wait(receivers, SOON), 0);
    account_of_sender(&plain, unsent);
    account_of_sender(&sure, 0); /* a confirmed send that gave 0 is never in doubt */
    check(rn_chan_unsent(sure.chan) == 0);
    for (uint32_t id = 1; id <= things_made(); id++)
        check(thing_fate(id)->handed_over > 0 || thing_fate(id)->came == 0);
    /* The handles of a session that is over have failed for good, and have done nothing. */
    if (rn_chan_err(plain.chan) == RN_ESESSION) {
        check_rc(send_thing(plain.chan, SOON), RN_ESESSION);
        check_rc(rn_unbind(plain.chan, SOON), unsent > 0 ? RN_ESESSION : 0);
        check_rc(rn_unbind(plain.chan, SOON), -EBADF);
    }
    for (int i = 0; i < 2; i++) {
        rn_chan_unref(senders[i]->chan);
        rn_chan_unref(ins[i]);
    }
    while (healing)
        rn_sleep(rn_after(RN_MS));
    node_close(a);
    node_close(b);
    rn_group_free(g);
    rn_group_free(receivers);
}

static int sender_knows_exactly_what_is_in_doubt(void *arg)
{
    (void)arg;
    if (round_begin("a")) {
        sender_round();
        round_end();
    }
    if (round_now + 1 == ROUNDS) {
        printf("%llu sends gave 0, %llu of them were in doubt in the end; %llu gave RN_EUNKNOWN\n",
               (unsigned long long)told, (unsigned long long)in_doubt, (unsigned long long)unknown);
        check(in_doubt > 0);
        check(unknown > 0);
    }
    return 0;
}

/* ---- receivers ---- */

struct receiver {
    rn_chan *chan;
    uint32_t n_got, got[THINGS];
};

static void receive_until_over(void *arg)
{
    struct receiver *r = *(struct receiver **)arg;
    int id = 0;
    while (r->n_got < THINGS && (id = receive_thing(r->chan, rn_after(4 * LEASE))) > 0)
        r->got[r->n_got++] = (uint32_t)id;
    check(r->n_got == THINGS || id == RN_ESESSION);
}

static void receiver_round(void)
{
    rn_group *g = rn_group_new();
    rn_node *a = node_open("a"), *b = node_open("b"), *c = node_open("c");
    struct sender sender = {
        bound(a, "plain", RN_OUT, &(rn_bind_opts){ .capacity = 6 }), 60 * RN_SEC, 0, { 0 }
    };
    struct sender *s = &sender;
    struct receiver lost = { bound(b, "plain", RN_IN, NULL), 0, { 0 } };
    struct receiver *r = &lost;
    check_rc(rn_group_go(g, receive_until_over, &r, sizeof r), 0);
    check_rc(rn_group_go(g, send_all, &s, sizeof s), 0);
    /* The sender is through when somebody has taken all but 6. */
    rn_chan *heir = NULL;
    if (rn_group_wait(g, rn_after(2 * LEASE)) != 0 || lost.n_got < THINGS) {
        heir = bound(c, "plain", RN_IN, NULL);
        receive_all(&heir);
        check_rc(rn_group_wait(g, SOON), 0);
    }
    check(sender.n_sent == THINGS);
    uint32_t again = 0;
    for (uint32_t i = 0; i < lost.n_got; i++) {
        int came = thing_fate(lost.got[i])->came;
        again += came == 2;
        check(came == 2 ? heir != NULL : came == 1);
        check(came == 2 || again == 0); /* only the last that it took may come again */
    }
    for (uint32_t i = 0; i < THINGS; i++)
        check(thing_fate(sender.sent[i])->came >= 1);
    struct wire_channel_info info = channel_info(a, "plain");
    check(info.accepted == THINGS);
    check(info.taken + info.buffered + info.delivered == THINGS);
    check(info.redelivered >= again);
    twice += again;
    rn_chan_unref(sender.chan);
    rn_chan_unref(lost.chan);
    rn_chan_unref(heir);
    while (healing)
        rn_sleep(rn_after(RN_MS));
    node_close(a);
    node_close(b);
    node_close(c);
    rn_group_free(g);
}

static int what_a_lost_receiver_had_not_reported_comes_again(void *arg)
{
    (void)arg;
    if (round_begin("b")) {
        receiver_round();
        round_end();
    }
    if (round_now + 1 == ROUNDS) {
        printf("%llu things came again\n", (unsigned long long)twice);
        check(twice > 0);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "sender_knows_exactly_what_is_in_doubt", sender_knows_exactly_what_is_in_doubt, ROUNDS,
          1 },
        { "what_a_lost_receiver_had_not_reported_comes_again",
          what_a_lost_receiver_had_not_reported_comes_again, ROUNDS, 1 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
