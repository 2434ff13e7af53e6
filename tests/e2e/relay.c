/* relay.c - a wire that can be read: passes connections on, and keeps every byte.   SPDX-License-Identifier: MIT
 *
 *   relay FILE TO [PORT]     listens on PORT of the loopback device (any free one, which it prints), connects each client
 *                            to port TO, and appends what passes, both ways, to FILE
 *
 * Runs until it is killed, which cuts all that goes through it. */
#include <fcntl.h>
#include <netinet/in.h>
#include <runnel/rn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK "127.0.0.1"

static int file, to;

struct way {
    int from, into;
};

static void pass(void *arg)
{
    struct way w = *(struct way *)arg;
    char bytes[16384];
    ssize_t n;

    while ((n = rn_read(w.from, bytes, sizeof bytes, RN_FOREVER)) > 0) {
        if (write(file, bytes, (size_t)n) != n)
            rn_panic("relay: cannot write");
        if (rn_write(w.into, bytes, (size_t)n, NULL, RN_FOREVER) < 0)
            break;
    }
    shutdown(w.from, SHUT_RDWR); /* the other way ends, too; the descriptors are few, and stay */
    shutdown(w.into, SHUT_RDWR);
}

static int port_of(int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;

    return getsockname(fd, (struct sockaddr *)&a, &len) == 0 ? ntohs(a.sin_port) : -1;
}

static int relay(void *arg)
{
    int fd = rn_listen(LOOPBACK, *(int *)arg);

    if (fd < 0)
        rn_panic("relay: cannot listen: %s", rn_strerror(fd));
    printf("%d\n", port_of(fd));
    fflush(stdout);
    for (;;) {
        int client = rn_accept(fd, RN_FOREVER);
        int server = client >= 0 ? rn_dial(LOOPBACK, to, rn_after(10 * RN_SEC)) : -1;

        if (server < 0) {
            rn_fd_close(client);
            continue;
        }
        struct way there = { client, server }, back = { server, client };
        if (rn_go_copy(pass, &there, sizeof there) < 0 || rn_go_copy(pass, &back, sizeof back) < 0)
            rn_panic("relay: out of memory");
    }
}

int main(int argc, char **argv)
{
    int port = argc > 3 ? atoi(argv[3]) : 0;

    if (argc < 3) {
        fprintf(stderr, "usage: relay FILE TO [PORT]\n");
        return 2;
    }
    file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    to = atoi(argv[2]);
    if (file < 0) {
        perror(argv[1]);
        return 1;
    }
    return rn_main(1, relay, &port);
}
