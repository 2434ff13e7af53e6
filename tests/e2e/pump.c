/* pump.c - one sender or one receiver of a round: a user's program that writes down what it is told.
 *   SPDX-License-Identifier: MIT
 *
 *   pump send|recv LEDGER NUMBER CHANNEL CAPACITY [confirm|slow]
 *
 * It sends numbered elements, or receives them, without an end: a sender until SIGTERM, a receiver until the channel is
 * closed.  When its session is over it binds a fresh channel and goes on, as a user's program would.  It sees the two
 * public headers only.  Exit status 3: something that must not happen did. */
#include "tests/e2e/ledger.h"

#include <inttypes.h>
#include <runnel/runnel.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS      2
#define PATIENCE     (60 * RN_SEC) /* for what must succeed in the end */
#define CONFIRM_LOOK 64            /* sends between two looks at what is confirmed */
#define SLOW_EVERY   256           /* a slow receiver sleeps so often ... */
#define SLOW_NS      (2 * RN_MS)   /* ... for so long */
#define STOPPED      1             /* beside the results of sends and receives: SIGTERM came */

struct element {
    uint64_t sender, seq;
};

struct pump {
    struct ledger *ledger;
    uint32_t number;
    const char *channel;
    enum rn_dir direction;
    rn_bind_opts opts;
    bool slow;
    rn_node *node;
    rn_chan *chan, *stop;
    uint64_t chance; /* a state of random numbers */
    bool missed;     /* the last try ended at its deadline: the next one waits */

    /* Of the present handle of a sender: */
    uint64_t first;     /* its first entry */
    uint64_t sent;      /* how many gave 0 */
    uint64_t confirmed; /* how many of them are known to be accepted */
};

static void die(const struct pump *p, const char *what, int rc) __attribute__((noreturn));
static void die(const struct pump *p, const char *what, int rc)
{
    char why[1100] = "";

    if (p->node != NULL)
        rn_node_last_error(p->node, why, sizeof why);
    fprintf(stderr, "pump %" PRIu32 ": %s: %s %s\n", p->number, what, rn_strerror(rc), why);
    _Exit(3);
}

static uint64_t roll(struct pump *p)
{
    uint64_t z = p->chance += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb) >> 16;
}

/* ---- elements <-> bytes: both numbers and a filling that only they explain ------------------------- */

static uint32_t filling(const struct element *e)
{
    uint64_t h = (e->seq + e->sender) * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    if (h % 2000 == 0)
        return 100000; /* larger than the frames in which small ones travel */
    return h % 50 == 0 ? 3000 : h % 64;
}

static void fill(uint8_t *out, const struct element *e, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = (uint8_t)(e->seq * 31 + e->sender * 17 + (from + i) * 7);
}

static int element_encode(const void *ctx, const void *elem, rn_buf *out)
{
    const struct element *e = elem;
    uint32_t len = filling(e);
    uint8_t some[512];
    int rc = rn_buf_append(out, e, sizeof *e);

    (void)ctx;
    for (uint32_t at = 0; rc == 0 && at < len; at += sizeof some) {
        uint32_t n = len - at < sizeof some ? len - at : (uint32_t)sizeof some;

        fill(some, e, at, n);
        rc = rn_buf_append(out, some, n);
    }
    return rc;
}

static int element_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    struct element *e = elem;
    uint8_t some[512];

    (void)ctx;
    if (len < sizeof *e)
        return -EBADMSG;
    memcpy(e, bytes, sizeof *e);
    if (len != sizeof *e + filling(e))
        return -EBADMSG;
    bytes += sizeof *e;
    len -= sizeof *e;
    for (uint32_t at = 0; at < len; at += sizeof some) {
        uint32_t n = (uint32_t)(len - at < sizeof some ? len - at : sizeof some);

        fill(some, e, at, n);
        if (memcmp(some, bytes + at, n) != 0)
            return -EBADMSG;
    }
    return 0;
}

static const rn_codec codec = {
    .type = "e2e.Element",
    .elemsize = sizeof(struct element),
    .encode = element_encode,
    .decode = element_decode,
};

/* ---- handles ---------------------------------------------------------------------------------------- */

static bool session_over(int rc)
{
    return rc == RN_ESESSION || rc == RN_EHOMELOST;
}

static void bind_fresh(struct pump *p)
{
    rn_time deadline = rn_after(PATIENCE);
    int rc;

    do {
        rn_chan_unref(p->chan);
        p->chan = rn_chan_new(sizeof(struct element), 0, NULL);
        rc = rn_bind(p->node, p->channel, p->direction, p->chan, &codec, &p->opts, deadline);
    } while (session_over(rc));
    if (rc < 0)
        die(p, "cannot bind", rc);
    p->first = atomic_load(&p->ledger->entries);
    p->sent = p->confirmed = 0;
    atomic_fetch_add(&p->ledger->handle, 1);
}

/* Of the sends that gave 0 the last `unsent` are in doubt, the others are confirmed. */
static void settle(struct pump *p)
{
    uint64_t unsent = rn_chan_unsent(p->chan), i = atomic_load(&p->ledger->entries);

    if (unsent > p->sent)
        die(p, "more sends are in doubt than were made", 0);
    for (; unsent > 0; i--) {
        struct entry *e = &p->ledger->entry[i - 1];

        if (atomic_load(&e->state) == ENTRY_SENT) {
            atomic_store(&e->state, ENTRY_IN_DOUBT);
            unsent--;
        }
    }
    atomic_store(&p->ledger->confirmed, atomic_load(&p->ledger->entries));
}

static void handle_over(struct pump *p, int rc)
{
    if (p->direction == RN_OUT)
        settle(p);
    atomic_fetch_add(&p->ledger->homes_lost, rc == RN_EHOMELOST);
    rc = rn_unbind(p->chan, rn_after(PATIENCE));
    if (rc < 0 && !session_over(rc))
        die(p, "cannot unbind a handle that is over", rc);
}

/* ---- sending ------------------------------------------------------------------------------------------ */

/* Moves ledger->confirmed to where the home is known to be. */
static void look_at_confirmed(struct pump *p)
{
    uint64_t unsent = rn_chan_unsent(p->chan), i = atomic_load(&p->ledger->confirmed);

    if (unsent > p->sent)
        die(p, "more sends are unconfirmed than were made", 0);
    if (i < p->first)
        i = p->first;
    for (; p->confirmed < p->sent - unsent; i++)
        p->confirmed += atomic_load(&p->ledger->entry[i].state) == ENTRY_SENT;
    atomic_store(&p->ledger->confirmed, i);
}

/* Sends in one of the ways there are.  0, STOPPED or an error. */
static int send_somehow(struct pump *p, struct element *e)
{
    rn_case cases[] = {
        { p->chan, e, RN_SEND, 0 },
        { p->stop, NULL, RN_RECV, 0 },
    };
    unsigned way = p->missed ? 2 : roll(p) % 4;
    int chosen;

    if (way < 2)
        return rn_chan_send(p->chan, e, way == 0 ? RN_NOWAIT : rn_after(2 * RN_MS));
    chosen = rn_select(cases, RN_LEN(cases), RN_FOREVER);
    return chosen != 0 ? STOPPED : cases[0].rc;
}

/* 0, STOPPED, or what ended the handle. */
static int send_one(struct pump *p)
{
    uint64_t i = atomic_load(&p->ledger->entries);
    struct entry *entry = &p->ledger->entry[i];
    struct element e = { .sender = p->number, .seq = i + 1 };
    int rc;

    if (i == LEDGER_ENTRIES)
        die(p, "the ledger is full", -ENOSPC);
    entry->handle = atomic_load(&p->ledger->handle);
    entry->sender = p->number;
    entry->seq = e.seq;
    atomic_store(&entry->state, ENTRY_CALLED);
    atomic_store(&p->ledger->entries, i + 1);
    rc = send_somehow(p, &e);
    p->missed = rc == RN_ETIMEDOUT;
    atomic_store(&entry->state, rc == 0             ? ENTRY_SENT
                                : rc == RN_EUNKNOWN ? ENTRY_IN_DOUBT
                                                    : ENTRY_NOT_SENT);
    if (rc == 0) {
        p->sent++;
        atomic_fetch_add(&p->ledger->moved, 1);
    }
    if (i % CONFIRM_LOOK == 0)
        look_at_confirmed(p);
    return rc == RN_ETIMEDOUT || rc == RN_EUNKNOWN ? 0 : rc;
}

static void send_all(struct pump *p)
{
    int rc = 0;

    while (rc != STOPPED) {
        rc = send_one(p);
        if (session_over(rc)) {
            handle_over(p, rc);
            bind_fresh(p);
        } else if (rc < 0) {
            die(p, "cannot send", rc);
        }
    }
    rc = rn_flush(p->chan, rn_after(PATIENCE));
    if (rc < 0 && !session_over(rc))
        die(p, "cannot flush", rc);
    settle(p);
    if (rc == 0 && rn_chan_unsent(p->chan) != 0)
        die(p, "sends are in doubt after a flush", 0);
}

/* ---- receiving ------------------------------------------------------------------------------------------ */

static int receive_somehow(struct pump *p, struct element *e)
{
    rn_case cases[] = {
        { p->chan, e, RN_RECV, 0 },
        { p->stop, NULL, RN_RECV, 0 },
    };
    unsigned way = p->missed ? 2 : roll(p) % 4;
    int chosen;

    if (way < 2)
        return rn_chan_recv(p->chan, e, way == 0 ? RN_NOWAIT : rn_after(2 * RN_MS));
    chosen = rn_select(cases, RN_LEN(cases), RN_FOREVER);
    return chosen != 0 ? STOPPED : cases[0].rc;
}

static void note_taken(struct pump *p, const struct element *e, int64_t called_ns)
{
    uint64_t i = atomic_load(&p->ledger->entries);
    struct entry *entry = &p->ledger->entry[i];

    if (i == LEDGER_ENTRIES)
        die(p, "the ledger is full", -ENOSPC);
    entry->handle = atomic_load(&p->ledger->handle);
    entry->sender = (uint32_t)e->sender;
    entry->seq = e->seq;
    entry->called_ns = called_ns;
    entry->at_ns = ledger_now_ns();
    atomic_store(&entry->state, ENTRY_TAKEN);
    atomic_store(&p->ledger->entries, i + 1);
    atomic_fetch_add(&p->ledger->moved, 1);
    if (p->slow && i % SLOW_EVERY == 0)
        rn_sleep(rn_after(SLOW_NS));
}

static void receive_all(struct pump *p)
{
    struct element e;
    int rc = 0;

    while (rc != RN_ECLOSED && rc != STOPPED) {
        int64_t called_ns = ledger_now_ns();

        rc = receive_somehow(p, &e);
        p->missed = rc == RN_ETIMEDOUT;
        if (rc == 0) {
            note_taken(p, &e, called_ns);
        } else if (session_over(rc)) {
            handle_over(p, rc);
            bind_fresh(p);
        } else if (rc < 0 && rc != RN_ETIMEDOUT && rc != RN_ECLOSED) {
            die(p, "cannot receive", rc);
        }
    }
    if (rn_chan_err(p->chan) != 0)
        die(p, "what looked like a close was none", rn_chan_err(p->chan));
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static int run(void *arg)
{
    struct pump *p = arg;
    int rc;

    p->stop = rn_signal_chan(SIGTERM);
    rc = rn_node_open(&p->node, NULL, rn_after(PATIENCE));
    if (rc < 0)
        die(p, "cannot open a node", rc);
    bind_fresh(p);
    if (p->direction == RN_OUT)
        send_all(p);
    else
        receive_all(p);
    rc = rn_unbind(p->chan, rn_after(PATIENCE));
    if (rc < 0 && !session_over(rc))
        die(p, "cannot unbind", rc);
    atomic_store(&p->ledger->orderly, rc == 0);
    rn_chan_unref(p->chan);
    rn_chan_unref(p->stop);
    rc = rn_node_close(p->node, rn_after(PATIENCE), NULL);
    p->node = NULL;
    if (rc < 0)
        die(p, "cannot close the node", rc);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct pump p = { .chan = NULL };

    if (argc < 6) {
        fprintf(stderr, "usage: pump send|recv LEDGER NUMBER CHANNEL CAPACITY [confirm|slow]\n");
        return 2;
    }
    p.direction = strcmp(argv[1], "send") == 0 ? RN_OUT : RN_IN;
    p.ledger = ledger_open(argv[2]);
    if (p.ledger == NULL) {
        perror(argv[2]);
        return 2;
    }
    p.number = (uint32_t)strtoul(argv[3], NULL, 10);
    p.chance = p.number;
    p.channel = argv[4];
    p.opts.capacity = strtol(argv[5], NULL, 10);
    p.opts.confirm = argc > 6 && strcmp(argv[6], "confirm") == 0;
    p.slow = argc > 6 && strcmp(argv[6], "slow") == 0;
    return rn_main(WORKERS, run, &p);
}
