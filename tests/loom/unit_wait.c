/* unit_wait.c - the claim word: who ends a wait, also while a case of it is negotiated.   SPDX-License-Identifier: MIT */
#include "tests/loom/loom.h"

#include "runtime/chan.h"
#include "runtime/wait.h"

#include <string.h>

static struct {
    struct rn__wait wait;
    struct rn__op op;
    int won;               /* claims */
    int hurried;           /* the negotiated case was told of knocks */
    bool fired, cancelled; /* what the negotiator was told */
    bool timeout_knocked, cancel_knocked;
} s;

static void hurry(rn_chan *c, struct rn__op *op)
{
    (void)c;
    loom_check(op == &s.op);
    s.hurried++;
}

static const struct rn__chan_ops table = { .hurry = hurry };

static void set_up(void)
{
    memset(&s, 0, sizeof s);
    rn__wait_init(&s.wait);
    s.op.ops = &table;
    s.op.wait = &s.wait;
    s.wait.ops = &s.op;
    s.wait.n_ops = 1;
}

static void claim(uint32_t outcome)
{
    if (!rn__claim(&s.wait, outcome))
        return;
    loom_check(s.won++ == 0);
    loom_check(rn__outcome(&s.wait) == outcome);
}

static void peer(void *arg)
{
    (void)arg;
    claim(0);
}

static void timeout(void *arg)
{
    (void)arg;
    claim(RN__BY_TIMEOUT);
}

static void cancel(void *arg)
{
    (void)arg;
    claim(RN__BY_CANCEL);
}

LOOM_UNIT(claim, "of all who claim a wait one wins")
{
    set_up();
    loom_spawn(peer, NULL);
    loom_spawn(timeout, NULL);
    loom_begin();
    cancel(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.won == 1);
}

/* The negotiation fails.  Whoever knocked meanwhile is not forgotten. */
static void negotiate_in_vain(void *arg)
{
    bool woken;

    (void)arg;
    if (!rn__tentative(&s.wait, 0))
        return;
    loom_point("negotiating");
    if (rn__tentative_release(&s.wait, &woken))
        return;
    loom_check(!woken);
    loom_check(s.won++ == 0);
    s.cancelled = true;
}

LOOM_UNIT(claim_knock,
          "who knocks on a wait that is negotiated in vain is heard, first who cannot come again")
{
    uint32_t outcome;

    set_up();
    loom_spawn(negotiate_in_vain, NULL);
    loom_spawn(timeout, NULL);
    loom_begin();
    cancel(NULL);
    loom_join_all();
    loom_end();
    outcome = rn__outcome(&s.wait);
    loom_check(s.won == 1);
    loom_check(outcome == RN__BY_TIMEOUT || outcome == RN__BY_CANCEL);
    loom_check((s.wait.claim & RN__STATE) == RN__FIRED);
    loom_check(!s.cancelled || s.hurried > 0);
}

LOOM_UNIT(claim_timeout, "the only one who knocks in vain is not forgotten")
{
    set_up();
    loom_spawn(negotiate_in_vain, NULL);
    loom_begin();
    timeout(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.won == 1 && rn__outcome(&s.wait) == RN__BY_TIMEOUT);
}

static void negotiate(void *arg)
{
    (void)arg;
    if (!rn__tentative(&s.wait, 0))
        return;
    loom_point("negotiating");
    if (!rn__tentative_fire(&s.wait))
        return;
    loom_check(s.won++ == 0);
    s.fired = true;
}

static void shutdown(void *arg)
{
    (void)arg;
    claim(RN__BY_SHUTDOWN);
}

LOOM_UNIT(claim_fire, "a negotiated case fires whatever knocks, but not after the scheduler's end")
{
    set_up();
    loom_spawn(negotiate, NULL);
    loom_spawn(peer, NULL);
    loom_spawn(shutdown, NULL);
    loom_begin();
    timeout(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.won == 1);
    loom_check((s.wait.claim & RN__STATE) == RN__FIRED);
    loom_check(!s.fired || rn__outcome(&s.wait) == 0);
}

/* Two cases: only one is negotiated at a time; the other is told when the wait opens again. */
static void negotiate_again(void *arg)
{
    bool woken = false;
    uint32_t knocks;

    (void)arg;
    if (!rn__tentative(&s.wait, 0)) {
        loom_check(s.hurried > 0 ||
                   s.won > 0); /* who negotiates was told, or it was decided before */
        return;
    }
    loom_point("negotiating");
    knocks = rn__knocks(&s.wait);
    if (rn__tentative_release(&s.wait, &woken))
        loom_check((knocks & ~RN__KNOCK_TALKS) == 0);
    else if (!woken)
        loom_check(s.won++ == 0);
}

LOOM_UNIT(claim_talks, "of two who want to negotiate one does, and a peer is told to come again")
{
    set_up();
    loom_spawn(negotiate_again, NULL);
    loom_spawn(peer, NULL);
    loom_begin();
    negotiate_again(NULL);
    loom_join_all();
    loom_end();
    loom_check(s.won == 1);
    loom_check(rn__outcome(&s.wait) == 0 || rn__outcome(&s.wait) == RN__BY_AGAIN);
}
