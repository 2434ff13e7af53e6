/* test_zlink.c - the link over ZeroMQ, on real sockets of the loopback device.   SPDX-License-Identifier: MIT
 *
 * Where a peer must die without a word this program starts itself as another process and kills that. */
#include "proto/link/zlink.h"
#include "proto/limits.h"
#include "runtime/rn.h"
#include "tests/check.h"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define LOOPBACK "tcp://127.0.0.1:0"
#define SOON     rn_after(60 * RN_SEC) /* only ever reached by a failure */

extern char **environ;
static const char *self;

/* ---- frames ---------------------------------------------------------------------------------- */

/* Bytes 0-3 are its number, the rest follows from it. */
static struct frame *frame_make(uint32_t number, size_t len)
{
    struct frame *f = frame_new(len);

    check(f != NULL && len >= sizeof number);
    memcpy(f->data, &number, sizeof number);
    for (size_t i = sizeof number; i < len; i++)
        f->data[i] = (uint8_t)(i * 31 + number);
    return f;
}

static uint32_t frame_check(const struct frame *f)
{
    uint32_t number;

    check(f->len >= sizeof number);
    memcpy(&number, f->data, sizeof number);
    for (size_t i = sizeof number; i < f->len; i++)
        check(f->data[i] == (uint8_t)(i * 31 + number));
    return number;
}

static void send_frame(struct link *l, link_peer peer, uint32_t number, size_t len)
{
    struct frame *f = frame_make(number, len);

    check(link_send(l, peer, f) == 0);
    frame_unref(f);
}

/* Receives the frame of that number and gives who sent it. */
static link_peer expect_frame(struct link *l, uint32_t number, size_t len)
{
    struct link_event event;

    check(link_recv(l, &event, SOON) == 0);
    check(event.what == LINK_FRAME);
    check(event.frame->len == len);
    check(frame_check(event.frame) == number);
    frame_unref(event.frame);
    return event.peer;
}

struct pair {
    struct link *listener, *dialer;
    link_peer to_listener, to_dialer;
    char url[LINK_URL_MAX];
};

static void pair_open(struct pair *p)
{
    check(zlink_listener(LOOPBACK, NULL, p->url, &p->listener) == 0);
    p->dialer = zlink_dialer(NULL);
    check(p->dialer != NULL);
    check(link_dial(p->dialer, p->url, &p->to_listener) == 0);
    send_frame(p->dialer, p->to_listener, 0, 4);
    p->to_dialer = expect_frame(p->listener, 0, 4);
}

static void pair_close(struct pair *p)
{
    link_close(p->dialer);
    link_close(p->listener);
}

/* ---- what is carried ---------------------------------------------------------------------------- */

static size_t length_of(uint32_t number)
{
    static const size_t lengths[] = { 4, 33, 34, 2047, 2048, 4096, 4097, 8192, 70000 };

    return lengths[number % (sizeof lengths / sizeof *lengths)];
}

static int both_ways_in_order(void *arg)
{
    struct pair p;

    (void)arg;
    pair_open(&p);
    for (uint32_t i = 1; i <= 5000; i++)
        send_frame(p.dialer, p.to_listener, i, length_of(i));
    for (uint32_t i = 1; i <= 5000; i++)
        send_frame(p.listener, p.to_dialer, i, length_of(i));
    for (uint32_t i = 1; i <= 5000; i++)
        check(expect_frame(p.listener, i, length_of(i)) == p.to_dialer);
    for (uint32_t i = 1; i <= 5000; i++)
        check(expect_frame(p.dialer, i, length_of(i)) == p.to_listener);
    pair_close(&p);
    return 0;
}

static int large_frames(void *arg)
{
    struct pair p;

    (void)arg;
    pair_open(&p);
    send_frame(p.dialer, p.to_listener, 1, WIRE_FRAME_MAX);
    send_frame(p.listener, p.to_dialer, 2, 300 << 10);
    expect_frame(p.listener, 1, WIRE_FRAME_MAX);
    expect_frame(p.dialer, 2, 300 << 10);
    pair_close(&p);
    return 0;
}

/* The frame outlives the endpoint that it came by. */
static int received_frame_is_kept(void *arg)
{
    struct pair p;
    struct link_event event;

    (void)arg;
    pair_open(&p);
    send_frame(p.dialer, p.to_listener, 7, 50000);
    check(link_recv(p.listener, &event, SOON) == 0 && event.what == LINK_FRAME);
    pair_close(&p);
    check(frame_check(event.frame) == 7);
    frame_unref(event.frame);
    return 0;
}

static int frame_of_several_parts(void *arg)
{
    struct pair p;
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    uint32_t number = 9;

    (void)arg;
    pair_open(&p);
    check(zmq_connect(socket, p.url) == 0);
    for (int i = 0; i < 3; i++)
        check(zmq_send(socket, "part", 4, i < 2 ? ZMQ_SNDMORE : 0) == 4);
    check(zmq_send(socket, &number, sizeof number, 0) == sizeof number);
    check(expect_frame(p.listener, number, sizeof number) != p.to_dialer);
    zmq_close(socket);
    zmq_ctx_term(context);
    pair_close(&p);
    return 0;
}

/* A client that is none of ours: it speaks ZMTP 2.0, where an identity may have any length, claims one of 300 bytes, sends a
 * frame, and waits until it is hung up on. */
static void claim_long_identity(const char *url)
{
    static const uint8_t greeting[12] = { 0xff, [8] = 1, [9] = 0x7f, 1, 5 /* DEALER */ },
                         head[9] = { 2 /* long */, [7] = 300 >> 8, 300 & 0xff },
                         frame[6] = { 0, 4, 8, 0, 0, 0 };
    uint8_t all[sizeof greeting + sizeof head + 300 + sizeof frame];
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
    memset(all, 'i', sizeof all);
    memcpy(all, greeting, sizeof greeting);
    memcpy(all + sizeof greeting, head, sizeof head);
    memcpy(all + sizeof all - sizeof frame, frame, sizeof frame);
    check(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    check(write(fd, all, sizeof all) == sizeof all);
    check(shutdown(fd, SHUT_WR) == 0);
    while (read(fd, all, sizeof all) > 0)
        continue;
    close(fd);
}

static int long_identity(void *arg)
{
    struct pair p;

    (void)arg;
    pair_open(&p);
    claim_long_identity(p.url);
    for (uint32_t i = 1; i <= 3; i++) {
        send_frame(p.dialer, p.to_listener, i, 4);
        check(expect_frame(p.listener, i, 4) == p.to_dialer);
    }
    pair_close(&p);
    return 0;
}

static int oversize(void *arg)
{
    struct pair p;
    struct link_event event;

    (void)arg;
    pair_open(&p);
    send_frame(p.dialer, p.to_listener, 1, WIRE_FRAME_MAX + 1);
    check(link_recv(p.dialer, &event, SOON) == 0);
    check(event.what == LINK_DOWN && event.peer == p.to_listener);
    check(link_recv(p.listener, &event, RN_NOWAIT) == RN_ETIMEDOUT);
    pair_close(&p);
    return 0;
}

/* ---- connections ---------------------------------------------------------------------------------- */

static int dial_before_listen(void *arg)
{
    struct link *listener, *dialer = zlink_dialer(NULL);
    char url[LINK_URL_MAX], again[LINK_URL_MAX];
    link_peer peer;
    struct link_event event;

    (void)arg;
    check(zlink_listener(LOOPBACK, NULL, url, &listener) == 0);
    link_close(listener);
    check(link_dial(dialer, url, &peer) == 0);
    for (uint32_t i = 1; i <= 100; i++)
        send_frame(dialer, peer, i, 3000);
    check(link_recv(dialer, &event, RN_NOWAIT) == RN_ETIMEDOUT);
    check(zlink_listener(url, NULL, again, &listener) == 0);
    check(strcmp(url, again) == 0);
    for (uint32_t i = 1; i <= 100; i++)
        expect_frame(listener, i, 3000);
    link_close(dialer);
    link_close(listener);
    return 0;
}

static int listener_goes(void *arg)
{
    struct pair p;
    struct link_event event;
    struct frame *f = frame_make(2, 100);

    (void)arg;
    pair_open(&p);
    send_frame(p.listener, p.to_dialer, 1, 100);
    link_close(p.listener);
    expect_frame(p.dialer, 1, 100);
    check(link_recv(p.dialer, &event, SOON) == 0);
    check(event.what == LINK_DOWN && event.peer == p.to_listener);
    check(link_send(p.dialer, p.to_listener, f) == -EHOSTUNREACH);
    frame_unref(f);
    link_close(p.dialer);
    return 0;
}

/* Sends until that fails, and says how. */
static int send_until_error(struct link *l, link_peer peer)
{
    struct frame *f = frame_make(1, 10);
    struct link_event event;
    int rc;

    while ((rc = link_send(l, peer, f)) == 0)
        check(link_recv(l, &event, rn_after(RN_MS)) == RN_ETIMEDOUT);
    frame_unref(f);
    return rc;
}

static int dialer_goes(void *arg)
{
    struct pair p;

    (void)arg;
    pair_open(&p);
    link_close(p.dialer);
    check(send_until_error(p.listener, p.to_dialer) == -EHOSTUNREACH);
    check(send_until_error(p.listener, p.to_dialer) == -EHOSTUNREACH);
    link_close(p.listener);
    return 0;
}

static int redial(void *arg)
{
    struct pair p;
    link_peer second, from;
    struct frame *f = frame_make(1, 10);

    (void)arg;
    pair_open(&p);
    check(link_dial(p.dialer, p.url, &second) == 0);
    check(second != p.to_listener);
    check(link_send(p.dialer, p.to_listener, f) == -EHOSTUNREACH);
    link_drop(p.dialer, p.to_listener); /* the former's number is dead */
    send_frame(p.dialer, second, 2, 10);
    from = expect_frame(p.listener, 2, 10);
    check(from != p.to_dialer);
    send_frame(p.listener, from, 3, 10);
    check(expect_frame(p.dialer, 3, 10) == second);
    link_drop(p.dialer, second);
    check(link_send(p.dialer, second, f) == -EHOSTUNREACH);
    link_drop(p.listener, from);
    check(link_send(p.listener, from, f) == -EHOSTUNREACH);
    frame_unref(f);
    pair_close(&p);
    return 0;
}

static int close_while_nobody_is_there(void *arg)
{
    struct link *dialer = zlink_dialer(NULL);
    link_peer peer;

    (void)arg;
    check(link_dial(dialer, "tcp://127.0.0.1:1", &peer) == 0);
    send_frame(dialer, peer, 1, 100000);
    link_close(dialer);
    return 0;
}

/* What was sent just before is flushed by the close. */
static int close_flushes(void *arg)
{
    struct pair p;

    (void)arg;
    pair_open(&p);
    for (uint32_t i = 1; i <= 50; i++)
        send_frame(p.dialer, p.to_listener, i, 20000);
    link_close(p.dialer);
    for (uint32_t i = 1; i <= 50; i++)
        expect_frame(p.listener, i, 20000);
    link_close(p.listener);
    return 0;
}

static int urls(void *arg)
{
    static const char *const bad_listen[] = { "",
                                              "tcp://",
                                              "foo",
                                              "127.0.0.1:7400",
                                              "tcp://127.0.0.1",
                                              "tcp://:7400",
                                              "tcp://127.0.0.1:99999",
                                              "tcp://127.0.0.1:x",
                                              "mem://x",
                                              "ipc://",
                                              "inproc://x",
                                              "tcp://127.0.0.1:7400/" };
    static const char *const bad_dial[] = { "tcp://127.0.0.1:0", "tcp://127.0.0.1:*",
                                            "tcp://127.0.0.1:65536", "http://127.0.0.1:80", "" };
    struct link *l = NULL, *second = NULL, *dialer = zlink_dialer(NULL);
    char url[LINK_URL_MAX], bound[LINK_URL_MAX];
    link_peer peer;

    (void)arg;
    for (size_t i = 0; i < sizeof bad_listen / sizeof *bad_listen; i++)
        check(zlink_listener(bad_listen[i], NULL, url, &l) == -EINVAL);
    for (size_t i = 0; i < sizeof bad_dial / sizeof *bad_dial; i++)
        check(link_dial(dialer, bad_dial[i], &peer) == -EINVAL);
    check(zlink_listener("tcp://192.0.2.1:7400", NULL, url, &l) == -EADDRNOTAVAIL);
    check(zlink_listener("ipc:///no/such/folder/socket", NULL, url, &l) == -ENOENT);
    check(zlink_listener("tcp://localhost:*", NULL, url, &l) == 0);
    check(zlink_listener(url, NULL, bound, &second) == -EADDRINUSE);
    link_close(l);
    link_close(dialer);
    return 0;
}

/* ---- another process that is killed ------------------------------------------------------------------- */

static int child_main(void *arg)
{
    const char *url = arg;
    struct link_event event;
    struct link *l = NULL;
    link_peer peer;

    if (strcmp(url, "listen") == 0) {
        char bound[LINK_URL_MAX];

        check(zlink_listener(LOOPBACK, NULL, bound, &l) == 0);
        check(write(STDOUT_FILENO, bound, strlen(bound)) == (ssize_t)strlen(bound));
    } else {
        l = zlink_dialer(NULL);
        check(link_dial(l, url, &peer) == 0);
        send_frame(l, peer, 1, 10);
    }
    while (link_recv(l, &event, RN_FOREVER) == 0) {
        check(event.what == LINK_FRAME && link_send(l, event.peer, event.frame) == 0);
        frame_unref(event.frame);
    }
    return 1;
}

static pid_t child_start(const char *url, int *out)
{
    /* A program for another machine is started by what runs it there. */
    char emulator[256], *words, *argv[16];
    posix_spawn_file_actions_t actions;
    int fds[2], argc = 0;
    pid_t pid;

    snprintf(emulator, sizeof emulator, "%s", getenv("EMULATOR") ? getenv("EMULATOR") : "");
    for (char *word = strtok_r(emulator, " ", &words); word && argc < 12;
         word = strtok_r(NULL, " ", &words))
        argv[argc++] = word;
    argv[argc++] = (char *)self;
    argv[argc++] = "child";
    argv[argc++] = (char *)url;
    argv[argc] = NULL;

    check(pipe(fds) == 0);
    check(posix_spawn_file_actions_init(&actions) == 0);
    check(posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO) == 0);
    check(posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    *out = fds[0];
    return pid;
}

static void child_kill(pid_t pid, int out)
{
    int status;

    check(kill(pid, SIGKILL) == 0);
    check(waitpid(pid, &status, 0) == pid);
    check(WIFSIGNALED(status));
    close(out);
}

static int killed_dialer(void *arg)
{
    struct link *l;
    char url[LINK_URL_MAX];
    link_peer peer;
    pid_t child;
    int out;

    (void)arg;
    check(zlink_listener(LOOPBACK, NULL, url, &l) == 0);
    child = child_start(url, &out);
    peer = expect_frame(l, 1, 10);
    child_kill(child, out);
    check(send_until_error(l, peer) == -EHOSTUNREACH);
    link_close(l);
    return 0;
}

static int killed_listener(void *arg)
{
    struct link *l = zlink_dialer(NULL);
    struct link_event event;
    char url[LINK_URL_MAX] = "";
    link_peer peer;
    pid_t child;
    int out;

    (void)arg;
    child = child_start("listen", &out);
    check(read(out, url, sizeof url - 1) > 0);
    check(link_dial(l, url, &peer) == 0);
    send_frame(l, peer, 1, 10);
    expect_frame(l, 1, 10); /* only what has been up can break */
    child_kill(child, out);
    check(link_recv(l, &event, SOON) == 0);
    check(event.what == LINK_DOWN && event.peer == peer);
    link_close(l);
    return 0;
}

/* ---- waking ---------------------------------------------------------------------------------------------- */

#define WAKERS 3
#define WAKES  20000

struct waking {
    struct link *link;
    atomic_uint done;
};

static void *waker(void *arg)
{
    struct waking *w = arg;

    for (int i = 0; i < WAKES; i++) {
        atomic_fetch_add(&w->done, 1);
        link_wake(w->link);
    }
    return NULL;
}

/* After the last wake the owner has seen all that was done before it; a lost one would leave it waiting. */
static int wakes(void *arg)
{
    struct waking w = { .link = zlink_dialer(NULL) };
    pthread_t threads[WAKERS];
    struct link_event event;

    (void)arg;
    for (int i = 0; i < WAKERS; i++)
        check(pthread_create(&threads[i], NULL, waker, &w) == 0);
    while (atomic_load(&w.done) < WAKERS * WAKES) {
        check(link_recv(w.link, &event, SOON) == 0);
        check(event.what == LINK_WOKEN);
    }
    for (int i = 0; i < WAKERS; i++)
        check(pthread_join(threads[i], NULL) == 0);
    link_close(w.link);
    return 0;
}

#define ROUNDS 20000

static void echo(void *arg)
{
    struct link *l = *(struct link **)arg;
    struct link_event event;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        check(link_recv(l, &event, SOON) == 0 && event.what == LINK_FRAME);
        /* A send between an arrival and the wait swallows the wake-up of a descriptor that is not asked again. */
        check(link_send(l, event.peer, event.frame) == 0);
        check(link_send(l, event.peer, event.frame) == 0);
        frame_unref(event.frame);
    }
}

static int ping_pong(void *arg)
{
    struct pair p;
    rn_group *group = rn_group_new();

    (void)arg;
    pair_open(&p);
    check(group != NULL && rn_group_go(group, echo, &p.listener, sizeof p.listener) == 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        send_frame(p.dialer, p.to_listener, i, 100);
        expect_frame(p.dialer, i, 100);
        expect_frame(p.dialer, i, 100);
    }
    check(rn_group_wait(group, SOON) == 0);
    rn_group_free(group);
    pair_close(&p);
    return 0;
}

/* ---- the list ---------------------------------------------------------------------------------------------- */

static void run(void **state)
{
    int (*fn)(void *) = (int (*)(void *)) * state;

    assert_int_equal(rn_main(2, fn, NULL), 0);
}

#define FACT(name, fn)                      \
    {                                       \
        name, run, NULL, NULL, (void *)(fn) \
    }

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FACT("zlink_carries_frames_of_all_sizes_in_order_both_ways", both_ways_in_order),
        FACT("zlink_carries_the_largest_frame", large_frames),
        FACT("received_frame_outlives_its_endpoint", received_frame_is_kept),
        FACT("message_of_several_parts_is_ignored", frame_of_several_parts),
        FACT("frame_of_a_peer_with_an_identity_of_300_bytes_is_ignored", long_identity),
        FACT("frame_above_the_limit_breaks_the_connection", oversize),
        FACT("frames_sent_before_the_broker_is_there_arrive", dial_before_listen),
        FACT("dialer_is_told_when_the_listener_closes_after_its_last_frame", listener_goes),
        FACT("send_to_a_closed_dialer_says_unreachable", dialer_goes),
        FACT("dialling_again_drops_the_former_connection", redial),
        FACT("close_does_not_wait_for_a_broker_that_is_not_there", close_while_nobody_is_there),
        FACT("close_sends_what_was_queued", close_flushes),
        FACT("wrong_urls_and_taken_ports_are_refused", urls),
        FACT("send_to_a_killed_process_says_unreachable", killed_dialer),
        FACT("dialer_is_told_when_the_listening_process_is_killed", killed_listener),
        FACT("no_wake_from_other_threads_is_lost", wakes),
        FACT("no_wake_up_is_lost_in_many_round_trips", ping_pong),
    };

    self = argv[0];
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return rn_main(1, child_main, argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
