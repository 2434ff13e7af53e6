/* shard.c - see shard.h.   SPDX-License-Identifier: MIT
 *
 * A turn: take what has come, up to a bound; let time pass in the core and for leases; let every session that has
 * something to say say it; and, when nothing is left to do, wait.  Batches form by themselves: while one turn is
 * under way the input of the next collects below.
 *
 * A peer is a connection; it has at most one session, and a session has at most one peer: the newest that resumed
 * it.  Peers without a session (not said Hello yet, or refused) are forgotten after hello_ns.  Frames of peers
 * without a session are ignored and not refused: they may be stragglers of a session that has moved on, and a
 * refusal would end it.
 *
 * A session's number begins with the boot number, which is random at each start of a broker and never 0, and ends with a
 * count.  So the broker tells a session of its own, which is over, from one of another boot, whose channels in memory
 * are gone.  The number is no secret; who may resume a session is decided by the instance. */
#include "broker/shard.h"

#include "broker/acks.h"
#include "broker/inquiry.h"
#include "broker/session.h"
#include "proto/large.h"
#include "proto/limits.h"
#include "runtime/assert.h"
#include "runtime/rand.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define FRAMES_PER_TURN 64
#define HELLO_NS        (10 * RN_SEC)
#define SEARCH_NS       (100 * RN_MS) /* a session ends only after its frames were looked for so long */
#define ASLEEP_NS       (1 * RN_SEC) /* a search that took so much longer did not take place */

struct peer {
    link_peer number;
    struct broker_session *session; /* or NULL, then: */
    int64_t until_ns;               /* when it is forgotten */
    struct peer *prev, *next;       /* in shard.strangers */
    bool unhashed;
    UT_hash_handle hh; /* by number */
};

/* Owned by the goroutine that runs it, but for `stopping`. */
struct shard {
    struct link *link;
    struct core *core;
    struct shard_opts opts;
    struct broker_session *sessions; /* by id */
    struct broker_session *dirty;
    struct inquiries inquiries;
    struct acks acks;
    struct peer *peers;     /* by number */
    struct peer *strangers; /* those without a session, in the order of until_ns */
    int64_t lease_scan_ns;  /* no lease ends before this */
    uint32_t boot;
    uint32_t counted; /* the end of the newest session's number */
    atomic_bool stopping;
};

static const char no_memory[] = "the broker has no memory left for this session";

static int64_t min_ns(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- peers ----------------------------------------------------------------------------------------- */

static void stranger_add(struct shard *shard, struct peer *p, int64_t now_ns)
{
    p->until_ns = now_ns + shard->opts.hello_ns;
    DL_APPEND(shard->strangers, p);
}

/* Gives the peer of that number, a new one if need be, or NULL without memory. */
static struct peer *peer_find(struct shard *shard, link_peer number, int64_t now_ns)
{
    struct peer *p;

    HASH_FIND(hh, shard->peers, &number, sizeof number, p);
    if (p != NULL)
        return p;
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->number = number;
    HASH_ADD(hh, shard->peers, number, sizeof p->number, p);
    if (p->unhashed) {
        free(p);
        return NULL;
    }
    stranger_add(shard, p, now_ns);
    return p;
}

/* The connection is of no more use; its session, if it has one, waits for another. */
static void peer_forget(struct shard *shard, struct peer *p)
{
    if (p->session != NULL)
        broker_session_detach(p->session);
    else
        DL_DELETE(shard->strangers, p);
    HASH_DEL(shard->peers, p);
    free(p);
}

static void peer_drop(struct shard *shard, struct peer *p)
{
    link_drop(shard->link, p->number);
    peer_forget(shard, p);
}

static void peer_drop_number(struct shard *shard, link_peer number)
{
    struct peer *p;

    HASH_FIND(hh, shard->peers, &number, sizeof number, p);
    if (p != NULL)
        peer_drop(shard, p);
}

static void strangers_expire(struct shard *shard, int64_t now_ns)
{
    while (shard->strangers != NULL && shard->strangers->until_ns <= now_ns)
        peer_drop(shard, shard->strangers);
}

static void refuse(struct shard *shard, link_peer peer, uint64_t session, enum wire_code code,
                   const char *sentence)
{
    struct wire_refusal refusal = { .code = code, .sentence = sentence };
    struct frame *f = frame_of_refusal(session, &refusal);

    if (f == NULL)
        return;
    link_send(shard->link, peer, f); /* whoever is not there any more needs no refusal */
    frame_unref(f);
}

/* ---- sessions ---------------------------------------------------------------------------------------- */

static void session_end(struct shard *shard, struct broker_session *s, int64_t now_ns)
{
    struct peer *p = NULL;

    if (s->peer != 0)
        HASH_FIND(hh, shard->peers, &s->peer, sizeof s->peer, p);
    if (p != NULL) {
        p->session = NULL;
        stranger_add(shard, p, now_ns);
    }
    inquiries_leave(&shard->inquiries, s, now_ns);
    HASH_DEL(shard->sessions, s);
    broker_session_free(s, now_ns);
}

/* Ends the session and tells its node why, when there is a way to. */
static void session_refuse(struct shard *shard, struct broker_session *s, enum wire_code code,
                           const char *sentence, int64_t now_ns)
{
    if (s->peer != 0)
        refuse(shard, s->peer, s->id, code, sentence);
    session_end(shard, s, now_ns);
}

static void session_fail(struct shard *shard, struct broker_session *s, int rc, const char *why,
                         int64_t now_ns)
{
    if (rc == -EPROTO)
        session_refuse(shard, s, WIRE_PROTOCOL, why, now_ns);
    else
        session_refuse(shard, s, WIRE_NO_MEMORY, no_memory, now_ns);
}

static struct broker_session *session_find(struct shard *shard, uint64_t id)
{
    struct broker_session *s;

    HASH_FIND(hh, shard->sessions, &id, sizeof id, s);
    return s;
}

static void lease_note(struct shard *shard, const struct broker_session *s)
{
    shard->lease_scan_ns = min_ns(shard->lease_scan_ns, s->heard_ns + s->lease_ns - SEARCH_NS);
}

/* Has the session been silent for its lease, and is that the node's doing?  A broker that was itself asleep for a while
 * may have its frames before it, or still below its sockets, where draining the input does not find them: so before the
 * lease is over it has looked for them for a while, awake.  To end later than the lease is always safe: the node ends it in
 * time by itself. */
static bool lease_over(struct shard *shard, struct broker_session *s, int64_t now_ns)
{
    int64_t end_ns = s->heard_ns + s->lease_ns;

    if (now_ns < end_ns - SEARCH_NS) {
        lease_note(shard, s);
        return false;
    }
    if (s->search_ns < end_ns - SEARCH_NS || now_ns - s->search_ns > SEARCH_NS + ASLEEP_NS)
        s->search_ns = now_ns;
    if (now_ns >= end_ns && now_ns - s->search_ns >= SEARCH_NS)
        return true;
    rn_reached_if(now_ns >= end_ns, "shard: a lease is over, its frames are looked for");
    shard->lease_scan_ns = min_ns(shard->lease_scan_ns, s->search_ns + SEARCH_NS);
    return false;
}

/* Ends the sessions that were silent for a lease.  Leases only ever move on, so the earliest end that one walk
 * finds is when the next one is due: about two walks in each shortest lease. */
static void leases_expire(struct shard *shard, int64_t now_ns)
{
    struct broker_session *s, *following;

    if (now_ns < shard->lease_scan_ns)
        return;
    shard->lease_scan_ns = INT64_MAX;
    HASH_ITER(hh, shard->sessions, s, following) {
        if (!lease_over(shard, s, now_ns))
            continue;
        rn_reached("shard: a lease ends");
        session_refuse(shard, s, WIRE_SESSION_OVER,
                       "nothing was heard from this node for its whole lease", now_ns);
    }
}

/* ---- hello --------------------------------------------------------------------------------------------- */

static uint32_t boot_new(void)
{
    uint32_t boot = 0;

    while (boot == 0)
        rn__entropy(&boot, sizeof boot);
    return boot;
}

static uint32_t session_boot(uint64_t id)
{
    return (uint32_t)(id >> 32);
}

static uint64_t session_id_new(struct shard *shard)
{
    uint64_t id;

    do
        id = (uint64_t)shard->boot << 32 | ++shard->counted;
    while (session_find(shard, id) != NULL);
    return id;
}

static int64_t lease_ms(const struct shard *shard, uint64_t asked_ms)
{
    uint64_t ms = asked_ms != 0 ? asked_ms : shard->opts.lease_default_ms;

    if (ms < WIRE_LEASE_MIN_MS)
        ms = WIRE_LEASE_MIN_MS;
    return ms < shard->opts.lease_max_ms ? (int64_t)ms : shard->opts.lease_max_ms;
}

/* The session goes on over p, and over p only. */
static int session_connect(struct shard *shard, struct broker_session *s, struct peer *p,
                           const struct wire_hello *hello, int64_t now_ns, const char **why)
{
    struct wire_welcome welcome = {
        .version = WIRE_VERSION,
        .lease_ms = (uint64_t)(s->lease_ns / RN_MS),
        .received = session_received(s->stream),
        .resumed = hello->resume,
        .clock_ms = (uint64_t)(now_ns / RN_MS),
    };
    struct frame *f;
    int rc;

    if (s->peer != 0) {
        rn_reached("shard: a node resumes while its old connection seems to be up");
        peer_drop_number(shard, s->peer);
    }
    f = frame_of_welcome(s->id, &welcome);
    if (f == NULL)
        return -ENOMEM;
    rc = broker_session_attach(s, p->number, hello->resume ? hello->received : 0, why);
    if (rc == 0) {
        DL_DELETE(shard->strangers, p);
        p->session = s;
        s->heard_ns = now_ns;
        core_heard(shard->core, s->party, now_ns);
        lease_note(shard, s);
        /* If this cannot be sent, neither can what follows, and the next flush finds out. */
        link_send(shard->link, p->number, f);
    }
    frame_unref(f);
    return rc;
}

/* It could not be connected: p is told why, and it ends. */
static void session_reject(struct shard *shard, struct broker_session *s, struct peer *p, int rc,
                           const char *why, int64_t now_ns)
{
    if (rc == -EPROTO)
        refuse(shard, p->number, s->id, WIRE_PROTOCOL, why);
    else
        refuse(shard, p->number, s->id, WIRE_NO_MEMORY, no_memory);
    session_end(shard, s, now_ns);
}

static void hello_new(struct shard *shard, struct peer *p, const struct wire_hello *hello,
                      int64_t now_ns)
{
    struct broker_session *s = broker_session_new(session_id_new(shard), hello, shard->core,
                                                  &shard->dirty);
    const char *why = "";
    int rc;

    if (s == NULL) {
        refuse(shard, p->number, 0, WIRE_NO_MEMORY, no_memory);
        return;
    }
    s->inquiries = &shard->inquiries;
    s->acks = &shard->acks;
    s->lease_ns = lease_ms(shard, hello->lease_ms) * RN_MS;
    HASH_ADD(hh, shard->sessions, id, sizeof s->id, s);
    if (s->unhashed) {
        refuse(shard, p->number, 0, WIRE_NO_MEMORY, no_memory);
        broker_session_free(s, now_ns);
        return;
    }
    rc = session_connect(shard, s, p, hello, now_ns, &why);
    if (rc < 0)
        session_reject(shard, s, p, rc, why, now_ns);
}

/* There is no such session of that process. */
static void resume_refuse(struct shard *shard, struct peer *p, uint64_t id)
{
    if (session_boot(id) == shard->boot)
        refuse(shard, p->number, id, WIRE_SESSION_OVER,
               "this broker knows no such session: its lease has ended");
    else
        refuse(shard, p->number, id, WIRE_HOME_LOST,
               "this broker was started after that session; the channels that it had in memory are "
               "gone");
}

static void hello_resume(struct shard *shard, struct peer *p, uint64_t id,
                         const struct wire_hello *hello, int64_t now_ns)
{
    struct broker_session *s = session_find(shard, id);
    const char *why = "";
    int rc;

    if (s == NULL || memcmp(s->instance, hello->instance, sizeof s->instance) != 0) {
        rn_reached("shard: a node resumes what is over");
        resume_refuse(shard, p, id);
        return;
    }
    /* Of a connection that broke before this came, and its node has resumed by another one since: a process does not forget. */
    if (session_has_moved_on(s->stream, hello->received)) {
        peer_drop(shard, p);
        return;
    }
    rc = session_connect(shard, s, p, hello, now_ns, &why);
    if (rc < 0)
        session_reject(shard, s, p, rc, why, now_ns);
}

static void hello_input(struct shard *shard, struct peer *p, const struct frame_view *view,
                        int64_t now_ns)
{
    char sentence[WIRE_TEXT_MAX];

    if (p->session != NULL) {
        session_refuse(shard, p->session, WIRE_PROTOCOL, "a second Hello came on one connection",
                       now_ns);
    } else if (view->hello->version != WIRE_VERSION) {
        snprintf(sentence, sizeof sentence,
                 "this broker speaks version %d of the protocol, the node version %u", WIRE_VERSION,
                 (unsigned)view->hello->version);
        refuse(shard, p->number, 0, WIRE_VERSION_UNKNOWN, sentence);
    } else if (view->hello->resume) {
        hello_resume(shard, p, view->session, view->hello, now_ns);
    } else {
        hello_new(shard, p, view->hello, now_ns);
    }
}

/* ---- input ----------------------------------------------------------------------------------------------- */

static void session_input_view(struct shard *shard, struct peer *p, const struct frame_view *view,
                               struct frame *frame, int64_t now_ns)
{
    struct broker_session *s = p->session;
    const char *why = "";
    int rc;

    if (view->welcome != NULL || view->refusal != NULL) {
        session_refuse(shard, s, WIRE_PROTOCOL, "a node sent what only a broker may", now_ns);
        return;
    }
    rc = broker_session_input(s, view, frame, now_ns, &why);
    if (rc < 0)
        session_fail(shard, s, rc, why, now_ns);
    else if (rc == BROKER_SESSION_BROKEN)
        peer_drop(shard, p);
    else if (rc == BROKER_SESSION_LEFT)
        session_end(shard, s, now_ns);
}

static void frame_input(struct shard *shard, link_peer number, struct frame *frame, int64_t now_ns)
{
    struct peer *p = peer_find(shard, number, now_ns);
    struct frame_view view;
    const char *why = "";
    int rc;

    if (p == NULL) {
        link_drop(shard->link, number);
        return;
    }
    rc = frame_read(&view, frame->data, frame->len, &why);
    if (rc == -EPROTO) {
        if (p->session != NULL)
            session_refuse(shard, p->session, WIRE_PROTOCOL, why, now_ns);
        else
            refuse(shard, number, 0, WIRE_PROTOCOL, why);
        return;
    }
    if (rc < 0)
        return; /* no memory: the stream has a gap now and is resumed */
    if (view.hello != NULL)
        hello_input(shard, p, &view, now_ns);
    else if (p->session != NULL && p->session->id == view.session)
        session_input_view(shard, p, &view, frame, now_ns);
    frame_view_fini(&view);
}

static void event_input(struct shard *shard, const struct link_event *event, int64_t now_ns)
{
    switch (event->what) {
    case LINK_FRAME:
        frame_input(shard, event->peer, event->frame, now_ns);
        frame_unref(event->frame);
        break;
    case LINK_DOWN:
        peer_drop_number(shard, event->peer);
        break;
    case LINK_WOKEN:
        break;
    }
}

/* ---- turns ----------------------------------------------------------------------------------------------- */

/* Every session says what it has to say.  true: once more, because one ended over that, and what it held goes to others, or
 * what was pulled has freed slots. */
static bool flush(struct shard *shard, bool drained, int64_t now_ns)
{
    struct broker_session *s;
    bool ended = false;

    inquiries_step(&shard->inquiries, now_ns);
    core_flush(shard->core);
    while ((s = shard->dirty) != NULL) {
        link_peer peer = s->peer;
        int rc = broker_session_flush(s, shard->link, drained, now_ns);

        if (rc == -EHOSTUNREACH) {
            peer_drop_number(shard, peer);
        } else if (rc < 0) {
            session_fail(shard, s, rc, "", now_ns);
            ended = true;
        }
    }
    return ended || core_unsettled(shard->core);
}

/* Takes up to a turn's frames.  RN_ETIMEDOUT: nothing more is there; 0: there may be; or the link's error. */
static int take(struct shard *shard)
{
    struct link_event event;

    for (int i = 0; i < FRAMES_PER_TURN; i++) {
        int rc = link_recv(shard->link, &event, RN_NOWAIT);

        if (rc < 0)
            return rc;
        event_input(shard, &event, rn__boottime());
    }
    return 0;
}

/* When there is something to do even if nothing comes: on the rn_now() clock. */
static rn_time deadline(const struct shard *shard)
{
    int64_t at_ns = min_ns(core_deadline(shard->core), shard->lease_scan_ns), left_ns;

    at_ns = min_ns(at_ns, inquiries_deadline(&shard->inquiries));
    at_ns = min_ns(at_ns, shard->acks.due_ns);
    if (shard->strangers != NULL)
        at_ns = min_ns(at_ns, shard->strangers->until_ns);
    if (at_ns == INT64_MAX)
        return RN_FOREVER;
    left_ns = at_ns - rn__boottime();
    return left_ns > 0 ? rn_after(left_ns) : RN_NOWAIT;
}

/* 0, or the link's error. */
static int turn(struct shard *shard)
{
    struct link_event event;
    int rc = take(shard);
    bool drained = rc == RN_ETIMEDOUT;
    int64_t now_ns = rn__boottime();

    if (rc < 0 && !drained)
        return rc;
    if (core_deadline(shard->core) <= now_ns)
        core_tick(shard->core, now_ns);
    leases_expire(shard, now_ns);
    strangers_expire(shard, now_ns);
    acks_step(&shard->acks, now_ns);
    while (flush(shard, drained, now_ns))
        continue;
#ifdef RN_SLOW_CHECKS
    core_check(shard->core);
#endif
    bool more = large_give_back();
    rn_yield(); /* input may never cease, and others want the worker too */
    if (!drained)
        return 0;
    rc = link_recv(shard->link, &event, more ? RN_NOWAIT : deadline(shard));
    if (rc == 0)
        event_input(shard, &event, rn__boottime());
    return rc == RN_ETIMEDOUT ? 0 : rc;
}

static void say_goodbye(struct shard *shard)
{
    struct broker_session *s, *following;

    HASH_ITER(hh, shard->sessions, s, following)
        session_refuse(shard, s, WIRE_SHUTDOWN, "the broker is being stopped", rn__boottime());
}

int shard_run(struct shard *shard)
{
    int rc = 0;

    large_wait(true);
    while (rc == 0 && !atomic_load(&shard->stopping))
        rc = turn(shard);
    large_wait(false);
    say_goodbye(shard);
    return rc;
}

void shard_stop(struct shard *shard)
{
    atomic_store(&shard->stopping, true);
    link_wake(shard->link);
}

/* ---- life -------------------------------------------------------------------------------------------------- */

static uint64_t random_number(void *arg)
{
    (void)arg;
    return rn__rand64();
}

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct shard *shard_new(struct link *link, const struct shard_opts *opts)
{
    struct shard *shard = calloc(1, sizeof *shard);
    struct core_opts core_opts = { .out = broker_session_out,
                                   .random = random_number,
                                   .wall_ms = wall_ms };

    if (shard == NULL)
        return NULL;
    if (opts != NULL)
        shard->opts = *opts;
    if (shard->opts.lease_default_ms == 0)
        shard->opts.lease_default_ms = WIRE_LEASE_DEFAULT_MS;
    if (shard->opts.lease_max_ms == 0)
        shard->opts.lease_max_ms = WIRE_LEASE_MAX_MS;
    if (shard->opts.hello_ns == 0)
        shard->opts.hello_ns = HELLO_NS;
    core_opts.idle_ns = shard->opts.idle_ns;
    core_opts.fold_ns = shard->opts.fold_ns;
    core_opts.piece_bytes = shard->opts.piece_bytes;
    shard->core = core_new(&core_opts);
    if (shard->core == NULL) {
        free(shard);
        return NULL;
    }
    shard->acks.due_ns = INT64_MAX;
    shard->inquiries.core = shard->core;
    shard->inquiries.sessions = &shard->sessions;
    shard->link = link;
    shard->lease_scan_ns = INT64_MAX;
    shard->boot = boot_new();
    atomic_init(&shard->stopping, false);
    return shard;
}

void shard_free(struct shard *shard)
{
    struct peer *p, *following;

    if (shard == NULL)
        return;
    HASH_ITER(hh, shard->peers, p, following)
        peer_forget(shard, p);
    inquiries_fini(&shard->inquiries);
    core_free(shard->core);
    link_close(shard->link);
    free(shard);
    while (large_give_back())
        continue;
}

struct core *shard_core(struct shard *shard)
{
    return shard->core;
}

size_t shard_sessions(const struct shard *shard)
{
    return HASH_COUNT(shard->sessions);
}

size_t shard_peers(const struct shard *shard)
{
    return HASH_COUNT(shard->peers);
}
