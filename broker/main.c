/* main.c - runnel-broker: one shard that listens on one URL.   SPDX-License-Identifier: MIT */
#include "broker/admission.h"
#include "broker/options.h"
#include "broker/shard.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* One shard is one goroutine; a second worker would only make it move about. */
#define WORKERS 1

#define DESCRIPTORS_FEW 1024 /* fewer are worth a word */

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
    if (limit.rlim_max < DESCRIPTORS_FEW)
        fprintf(
            stderr,
            "runnel-broker: it may have %llu descriptors (ulimit -Hn), of which each node takes one; "
            "those beyond find no broker here\n",
            (unsigned long long)limit.rlim_max);
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

static int serve(struct link *link, struct admission *admission,
                 const struct broker_options *options)
{
    struct shard_opts opts = { .lease_max_ms = options->lease_max_ms };
    struct shard *shard = shard_new(link, &opts);
    int rc = -ENOMEM;

    if (shard == NULL) {
        link_close(link);
        return rc;
    }
    rc = rn_go_copy(stop_on_signal, &shard, sizeof shard);
    if (rc == 0)
        rc = admission_start(admission, link);
    if (rc == 0)
        rc = shard_run(shard);
    admission_stop(admission);
    shard_free(shard);
    return rc;
}

static int broker_main(void *arg)
{
    const struct broker_options *options = arg;
    char url[LINK_URL_MAX];
    struct link *link = NULL;
    struct admission admission;
    int rc;

    if (admission_init(&admission, options->keyfile, options->clients) < 0)
        return EXIT_FAILURE;
    rc = admission_listen(&admission, options->listen, url, &link);
    if (rc < 0) {
        fprintf(stderr, "runnel-broker: cannot listen on \"%s\": %s\n", options->listen,
                listen_reason(rc));
        return EXIT_FAILURE;
    }
    announce(url);
    rc = serve(link, &admission, options);
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
