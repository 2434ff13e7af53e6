/* uplink.c - a node's connection to its broker: when to dial, to probe, to give up.   SPDX-License-Identifier: MIT
 *
 * Invariants: the lease is counted from the *sending* of the newest frame that the broker is known to have (the
 * Hello that a Welcome answers is one), so it ends here before it ends there.  A connection that is up is given up
 * when something has waited for an acknowledgement through a whole silence; silences end because of the probes.
 * Only a session's own broker can resume it, so the URL changes only without one. */
#include "node/uplink.h"

#include "proto/limits.h"
#include "runtime/assert.h"
#include "runtime/reach.h"
#include "runtime/rn.h"

#include <string.h>

#define ATTEMPT_MAX (1 * RN_SEC) /* how long a Hello may be unanswered ... */
#define ATTEMPT_MIN (100 * RN_MS)
#define PAUSE_MIN   (20 * RN_MS)  /* between attempts, doubling ... */
#define PAUSE_MAX   (200 * RN_MS) /* ... up to this, less a random part of up to a half */
#define SILENCE_MAX (2 * RN_SEC)
#define DOUBT_PROBE (250 * RN_MS) /* signs of life while an operation is in doubt */
#define EARLIER_PART \
    16 /* a sign of life is so much of the time between acknowledgements before one */

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void uplink_init(struct uplink *u, const struct uplink_opts *opts, int64_t now_ns)
{
    rn_assert(opts->urls > 0);
    *u = (struct uplink){
        .opts = *opts,
        .state = UPLINK_RESTING,
        .lease_ns = opts->lease_ns,
        .next_ns = now_ns,
        .pause_ns = PAUSE_MIN,
    };
}

static int64_t attempt_ns(const struct uplink *u)
{
    return clamp(u->lease_ns / 8, ATTEMPT_MIN, ATTEMPT_MAX);
}

static int64_t silence_ns(const struct uplink *u)
{
    return earlier(u->lease_ns / 4, SILENCE_MAX);
}

/* Between signs of life, of which each may wait for its acknowledgement as long as the last of these 32nds.  With it, a
 * silence and a Hello it makes three quarters of the lease: so a connection that has broken without a word has been replaced
 * before the fence. */
static int64_t rest_ns(const struct uplink *u)
{
    return u->lease_ns / WIRE_ACK_PART * 11;
}

/* When the next one is due. */
static int64_t probe_at(const struct uplink *u, const struct uplink_facts *facts)
{
    int64_t hurried = u->probed_ns + earlier(u->lease_ns / 8, DOUBT_PROBE);
    return facts->doubt ? earlier(u->due_ns, hurried) : u->due_ns;
}

int64_t uplink_lease_end(const struct uplink *u)
{
    return u->confirmed_ns + u->lease_ns;
}

int64_t uplink_fence(const struct uplink *u)
{
    return u->confirmed_ns + u->lease_ns / 4 * 3;
}

/* No connection; the next attempt comes after a pause. */
static void uplink_rest(struct uplink *u, int64_t now_ns)
{
    uint64_t cut = u->opts.random(u->opts.random_arg) % (uint64_t)(u->pause_ns / 2 + 1);
    u->next_ns = now_ns + u->pause_ns - (int64_t)cut;
    u->pause_ns = earlier(u->pause_ns * 2, PAUSE_MAX);
    if (u->state == UPLINK_GREETING && !u->in_session)
        u->url = (u->url + 1) % u->opts.urls;
    u->state = UPLINK_RESTING;
}

void uplink_broken(struct uplink *u, int64_t now_ns)
{
    if (u->state != UPLINK_RESTING)
        uplink_rest(u, now_ns);
}

void uplink_forget(struct uplink *u, int64_t now_ns)
{
    u->in_session = false;
    uplink_broken(u, now_ns);
}

void uplink_welcomed(struct uplink *u, uint64_t lease_ms, int64_t now_ns)
{
    u->state = UPLINK_UP;
    u->in_session = true;
    if (lease_ms > 0)
        u->lease_ns = (int64_t)lease_ms * RN_MS;
    u->pause_ns = PAUSE_MIN;
    u->up_ns = now_ns;
    u->probed_ns = now_ns;
    /* Those that came together do not come together again. */
    u->due_ns = now_ns + rest_ns(u) -
                (int64_t)(u->opts.random(u->opts.random_arg) % (uint64_t)rest_ns(u));
    u->asked = false;
    u->confirmed_ns = later(u->confirmed_ns, u->dialed_ns);
}

bool uplink_refused(struct uplink *u, enum wire_code code, int64_t now_ns)
{
    (void)code; /* every refusal ends the session or, without one, the attempt */
    bool over = u->in_session;
    u->in_session = false;
    uplink_broken(u, now_ns);
    return over;
}

/* When a connection that is up has been silent for too long; INT64_MAX: nothing is waited for. */
static int64_t silence_end(const struct uplink *u, const struct uplink_facts *facts)
{
    if (facts->unacked_ns == 0)
        return INT64_MAX;
    return later(later(facts->heard_ns, facts->unacked_ns), u->up_ns) + silence_ns(u);
}

/* A sign of life has been acknowledged.  The broker does that for all nodes at rest at certain times (broker/acks.h): the next
 * comes a little before such a time. */
static void uplink_answered(struct uplink *u, int64_t now_ns)
{
    int64_t part_ns = u->lease_ns / WIRE_ACK_PART;
    u->asked = false;
    u->due_ns = earlier(now_ns, u->probed_ns + part_ns) + rest_ns(u) - part_ns / EARLIER_PART;
}

static enum uplink_action uplink_step_up(struct uplink *u, const struct uplink_facts *facts,
                                         int64_t now_ns)
{
    if (now_ns >= silence_end(u, facts)) {
        rn_reached("uplink: a silent connection is given up");
        uplink_rest(u, now_ns);
        return UPLINK_DROP;
    }
    if (u->asked && facts->confirmed_ns >= u->probed_ns)
        uplink_answered(u, now_ns);
    if (now_ns >= probe_at(u, facts)) {
        u->probed_ns = now_ns;
        u->due_ns = now_ns + rest_ns(u);
        u->asked = true;
        return UPLINK_PROBE;
    }
    return UPLINK_NOTHING;
}

enum uplink_action uplink_step(struct uplink *u, const struct uplink_facts *facts, int64_t now_ns)
{
    u->confirmed_ns = later(u->confirmed_ns, facts->confirmed_ns);
    if (u->in_session && now_ns >= uplink_lease_end(u)) {
        rn_reached("uplink: the lease ends before the connection comes back");
        uplink_forget(u, now_ns);
        return UPLINK_OVER;
    }
    if (u->state == UPLINK_UP)
        return uplink_step_up(u, facts, now_ns);
    if (now_ns < u->next_ns)
        return UPLINK_NOTHING;
    if (u->state == UPLINK_GREETING) {
        uplink_rest(u, now_ns);
        return UPLINK_DROP;
    }
    u->state = UPLINK_GREETING;
    u->dialed_ns = now_ns;
    u->next_ns = now_ns + attempt_ns(u);
    return UPLINK_DIAL;
}

int64_t uplink_deadline(const struct uplink *u, const struct uplink_facts *facts)
{
    int64_t at = u->next_ns;
    if (u->state == UPLINK_UP)
        at = earlier(probe_at(u, facts), silence_end(u, facts));
    return u->in_session ? earlier(at, uplink_lease_end(u)) : at;
}
