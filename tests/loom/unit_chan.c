/* unit_chan.c - channels: send, receive, close, between goroutines on two workers.   SPDX-License-Identifier: MIT */
#include "tests/loom/crew.h"

#include "runtime/sched.h"

#include <string.h>

#define WORKERS 2
#define CROWD   8 /* more than fit into a ring here */

static struct {
    rn_chan *c;
    int sent, received, refused;
    int last[3];   /* received of each sender */
    unsigned seen; /* the elements, as bits */
    bool crowd;    /* several receive: then nobody sees the order */
    int turns;
    _Atomic int parked; /* and woken, so often */
} s;

static void made(size_t cap)
{
    memset(&s, 0, sizeof s);
    s.c = rn_chan_new(sizeof(int), cap, NULL);
    s.last[1] = 10;
}

static void unmade(void)
{
    loom_check(rn_chan_len(s.c) == 0);
    rn_chan_unref(s.c);
}

static void send(int v)
{
    int rc = rn_chan_send(s.c, &v, RN_FOREVER);

    loom_check(rc == 0 || rc == RN_ECLOSED);
    s.sent += rc == 0;
    s.refused += rc != 0;
}

/* Each once, and those of one sender in order. */
static bool recv(void)
{
    int v = -1, rc = rn_chan_recv(s.c, &v, RN_FOREVER);

    loom_check(rc == 0 || rc == RN_ECLOSED);
    if (rc != 0)
        return false;
    loom_check(v >= 0 && v < 32 && !(s.seen & 1u << v));
    s.seen |= 1u << v;
    loom_check(s.crowd || v == s.last[v / 10] + 1);
    s.last[v / 10] = v;
    s.received++;
    return true;
}

/* ---- the two doors ---- */

static struct rn__g *ping_g, *pong_g;

static void pong(void *arg)
{
    (void)arg;
    pong_g = rn__self();
    for (int i = 0; i < 3; i++) {
        rn__ready(ping_g);
        rn__park();
        s.turns++;
    }
}

static void ping(void *arg)
{
    (void)arg;
    ping_g = rn__self();
    crew_go(pong);
    for (int i = 0; i < 3; i++) {
        rn__park();
        s.turns++;
        rn__ready(pong_g);
    }
}

LOOM_UNIT(park, "a goroutine that parks is readied once, before or after")
{
    static rn_fn *const crew[] = { ping, NULL };

    memset(&s, 0, sizeof s);
    ping_g = pong_g = NULL;
    crew_run(WORKERS, crew);
    loom_check(s.turns == 6);
}

static void yielder(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        rn_yield();
        s.turns++;
    }
}

static void readies(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 2; i++) {
        rn__ready(ping_g);
        /* Acquire: it is to be seen how it was woken. */
        while (atomic_load_explicit(&s.parked, memory_order_acquire) < i)
            loom_pause();
    }
}

static void parks_twice(void *arg)
{
    (void)arg;
    ping_g = rn__self();
    loom_spawn(readies, NULL);
    for (int i = 1; i <= 2; i++) {
        rn__park();
        atomic_store_explicit(&s.parked, i, memory_order_release);
    }
}

LOOM_UNIT(park_thread, "the same by a plain thread, while the goroutine leaves its stack")
{
    static rn_fn *const crew[] = { parks_twice, NULL };

    memset(&s, 0, sizeof s);
    rn_hold();
    crew_run(WORKERS, crew);
    rn_release();
    loom_check(s.parked == 2);
}

LOOM_UNIT(yield, "three that give way are each run, and by one worker at a time")
{
    static rn_fn *const crew[] = { yielder, yielder, yielder, NULL };

    memset(&s, 0, sizeof s);
    crew_run(WORKERS, crew);
    loom_check(s.turns == 6);
}

/* ---- channels ---- */

static void send_1_2(void *arg)
{
    (void)arg;
    send(1);
    send(2);
}

static void send_11(void *arg)
{
    (void)arg;
    send(11);
}

static void recv_3(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        loom_check(recv());
}

static void recv_1(void *arg)
{
    (void)arg;
    loom_check(recv());
}

static void recv_2(void *arg)
{
    (void)arg;
    loom_check(recv());
    loom_check(recv());
}

LOOM_UNIT(chan_meet,
          "a rendezvous of two senders and a receiver: none lost, none doubled, in order")
{
    static rn_fn *const crew[] = { recv_3, send_1_2, send_11, NULL };

    made(0);
    crew_run(WORKERS, crew);
    loom_check(s.received == 3 && s.sent == 3);
    unmade();
}

LOOM_UNIT(chan_buffer, "a buffer of one between two senders and two receivers: the same")
{
    static rn_fn *const crew[] = { send_1_2, send_11, recv_1, recv_2, NULL };

    made(1);
    s.crowd = true;
    crew_run(WORKERS, crew);
    loom_check(s.received == 3 && s.sent == 3);
    unmade();
}

static void recv_all(void *arg)
{
    (void)arg;
    while (recv())
        ;
}

static void send_2_close(void *arg)
{
    (void)arg;
    send(1);
    send(2);
    rn_chan_close(s.c);
}

LOOM_UNIT(chan_drain, "two receivers get all that was sent before the close, then hear of it")
{
    static rn_fn *const crew[] = { recv_all, send_2_close, recv_all, NULL };

    made(1);
    s.crowd = true;
    crew_run(WORKERS, crew);
    loom_check(s.received == 2 && s.sent == 2);
    unmade();
}

static void closer(void *arg)
{
    (void)arg;
    rn_chan_close(s.c);
}

LOOM_UNIT(chan_close, "a close beside a send and a receive: both end, and agree")
{
    static rn_fn *const crew[] = { send_1_2, recv_all, closer, NULL };

    made(0);
    crew_run(WORKERS, crew);
    loom_check(s.received == s.sent && s.sent + s.refused == 2);
    unmade();
}

LOOM_UNIT(chan_refuse, "a close sends away all who wait to send")
{
    static rn_fn *const crew[] = { send_1_2, closer, send_11, NULL };

    made(1);
    crew_run(WORKERS, crew);
    loom_check(s.sent <= 1 && s.sent + s.refused == 3);
    loom_check((int)rn_chan_len(s.c) == s.sent);
    rn_chan_unref(s.c);
}

/* Refused, it looks whether anybody who is still to be refused has left something. */
static void send_and_look(void *arg)
{
    int v = 5;

    (void)arg;
    loom_check(rn_chan_send(s.c, &v, RN_FOREVER) == RN_ECLOSED);
    loom_check(rn_chan_recv(s.c, &v, RN_FOREVER) == RN_ECLOSED);
    atomic_fetch_add(&s.parked, 1);
}

LOOM_UNIT(chan_close_late, "whom a close has not told yet sends nothing any more")
{
    static rn_fn *const crew[] = { closer, send_and_look, send_and_look, send_and_look, NULL };

    made(0);
    crew_run(WORKERS, crew);
    loom_check(s.parked == 3);
    rn_chan_unref(s.c);
}

static void recv_last(void *arg)
{
    (void)arg;
    loom_check(!recv());
    rn_chan_unref(s.c);
    atomic_fetch_add(&s.parked, 1);
}

LOOM_UNIT(chan_close_crowd,
          "a close wakes more than fit into a ring, who drop all references to the channel")
{
    static rn_fn *const crew[] = { closer,    recv_last, recv_last, recv_last, recv_last,
                                   recv_last, recv_last, recv_last, recv_last, NULL };

    made(0);
    for (int i = 1; i < CROWD; i++)
        rn_chan_ref(s.c);
    crew_run(WORKERS, crew);
    loom_check(s.parked == CROWD);
}

/* ---- plain threads beside goroutines ---- */

static void thread_recv(void *arg)
{
    (void)arg;
    loom_check(recv());
}

LOOM_UNIT(chan_thread, "a plain thread receives what a goroutine sends, and the other way around")
{
    static rn_fn *const crew[] = { send_11, recv_1, send_1_2, NULL };

    made(0);
    s.crowd = true;
    rn_hold();
    loom_spawn(thread_recv, NULL);
    loom_spawn(thread_recv, NULL);
    crew_run(WORKERS, crew);
    rn_release();
    loom_check(s.received == 3 && s.sent == 3);
    unmade();
}
