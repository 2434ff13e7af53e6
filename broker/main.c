/* main.c - runnel-broker: one shard that listens on one URL.   SPDX-License-Identifier: MIT */
#include "broker/options.h"
#include "broker/shard.h"
#include "proto/link/keyfile.h"
#include "proto/link/zlink.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* One shard is one goroutine; a second worker would only make it move about. */
#define WORKERS 1

/* Without these glibc gives the memory of each 64 KiB frame back to the kernel and faults it in again. */
#define MMAP_THRESHOLD (32 << 20)
#define TRIM_THRESHOLD (256 << 20)
#define TOP_PAD        (4 << 20)

static void tune_malloc(void)
{
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
    mallopt(M_TOP_PAD, TOP_PAD);
}

/* Each node takes a descriptor, and ZeroMQ spins when it has none left to accept one with. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Else a socket would take the number of a standard descriptor that was closed, and what we print would go into it. */
static void hold_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY); /* the lowest free is fd */
}

/* Whoever cannot read it on standard output has the other one; a full disk is no reason not to serve. */
static void announce(const char *url)
{
    printf("runnel-broker: listening on %s\n", url);
    if (fflush(stdout) != 0)
        fprintf(stderr, "runnel-broker: listening on %s (cannot write to standard output: %s)\n",
                url, rn_strerror(-errno));
}

static const char *listen_reason(int rc)
{
    switch (rc) {
    case -EINVAL:
        return "that is not a URL like tcp://ADDRESS:PORT or ipc://PATH";
    case -EADDRINUSE:
        return "another program listens there already";
    case -EADDRNOTAVAIL:
    case -ENODEV:
        return "this machine has no such address or network interface (names of hosts are not looked up)";
    case -EACCES:
        return "permission denied (ports below 1024 are for root)";
    default:
        return rn_strerror(rc);
    }
}

/* ---- who may connect ---- */

/* What nobody reads is not said: waiting for somebody would keep others from connecting. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
    char text[800];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
        fprintf(stderr, "runnel-broker: %s\n", text);
}

static void tell(void *arg, const char *sentence)
{
    (void)arg;
    say("%s", sentence);
}

/* 0, or -1 and it has been said why. */
static int keys_read(const struct broker_options *options, struct key *secret,
                     struct zlink_listening *how)
{
    char why[KEYFILE_WHY];
    struct key public;
    int rc = keyfile_read(options->keyfile, secret, why, sizeof why);

    if (rc == 0 && zlink_curve_public(secret, &public) < 0) {
        snprintf(why, sizeof why,
                 "links cannot be encrypted here: this libzmq was built without CURVE");
        rc = -ENOTSUP;
    }
    if (rc == 0 && options->clients != NULL)
        rc = keyfile_read_list(options->clients, &how->clients, why, sizeof why);
    if (rc < 0) {
        fprintf(stderr, "runnel-broker: %s\n", why);
        return -1;
    }
    how->secret = secret;
    return 0;
}

struct clients {
    struct link *link;
    const char *path; /* of the list, or NULL */
    rn_chan *hangups;
    rn_group *group; /* of who waits for them; it ends before the link is closed */
};

/* A list that cannot be read changes nothing. */
static void clients_read(const struct clients *c)
{
    struct key_list *list;
    char why[KEYFILE_WHY];
    size_t count;

    if (keyfile_read_list(c->path, &list, why, sizeof why) < 0) {
        say("%s; the former list goes on", why);
        return;
    }
    count = key_list_count(list);
    zlink_listener_admit(c->link, list);
    say("read \"%s\": %zu client%s", c->path, count, count == 1 ? "" : "s");
}

static void clients_on_hangup(void *arg)
{
    struct clients *c = *(struct clients **)arg;
    int signo;

    while (rn_chan_recv(c->hangups, &signo, RN_FOREVER) == 0)
        clients_read(c);
}

static int clients_watch(struct clients *c)
{
    if (c->path == NULL)
        return 0;
    c->hangups = rn_signal_chan(SIGHUP);
    c->group = rn_group_new();
    if (c->hangups == NULL || c->group == NULL)
        return -ENOMEM;
    return rn_group_go(c->group, clients_on_hangup, &c, sizeof c);
}

static void clients_unwatch(struct clients *c)
{
    rn_group_free(c->group);
    rn_chan_unref(c->hangups);
}

static void stop_on_signal(void *arg)
{
    struct shard *shard = *(struct shard **)arg;
    int signo = 0;
    rn_case cases[] = {
        { rn_signal_chan(SIGTERM), &signo, RN_RECV, 0 },
        { rn_signal_chan(SIGINT), &signo, RN_RECV, 0 },
    };

    if (rn_select(cases, RN_LEN(cases), RN_FOREVER) >= 0)
        shard_stop(shard);
}

static int serve(struct link *link, const struct broker_options *options)
{
    struct shard_opts opts = { .lease_max_ms = options->lease_max_ms };
    struct shard *shard = shard_new(link, &opts);
    struct clients clients = { .link = link, .path = options->clients };
    int rc = -ENOMEM;

    if (shard == NULL) {
        link_close(link);
        return rc;
    }
    rc = rn_go_copy(stop_on_signal, &shard, sizeof shard);
    if (rc == 0)
        rc = clients_watch(&clients);
    if (rc == 0)
        rc = shard_run(shard);
    clients_unwatch(&clients);
    shard_free(shard);
    return rc;
}

static int broker_main(void *arg)
{
    const struct broker_options *options = arg;
    char url[LINK_URL_MAX];
    struct link *link = NULL;
    struct zlink_listening how = { .tell = tell };
    struct key secret;
    int rc;

    if (options->keyfile != NULL && keys_read(options, &secret, &how) < 0)
        return EXIT_FAILURE;
    rc = zlink_listener(options->listen, &how, url, &link);
    explicit_bzero(&secret, sizeof secret);
    if (rc < 0) {
        fprintf(stderr, "runnel-broker: cannot listen on \"%s\": %s\n", options->listen,
                listen_reason(rc));
        return EXIT_FAILURE;
    }
    announce(url);
    rc = serve(link, options);
    if (rc < 0) {
        fprintf(stderr, "runnel-broker: stopped serving %s: %s\n", url, rn_strerror(rc));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct broker_options options;
    int rc;

    hold_descriptors();
    broker_options_parse(&options, argc, argv);
    tune_malloc();
    raise_descriptors();
    rc = rn_main(WORKERS, broker_main, &options);
    if (rc < 0) {
        fprintf(stderr, "runnel-broker: cannot start: %s\n", rn_strerror(rc));
        return EXIT_FAILURE;
    }
    return rc;
}
