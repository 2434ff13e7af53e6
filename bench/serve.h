/* serve.h - a server on a free port of 127.0.0.1, a goroutine a connection.   SPDX-License-Identifier: MIT */
#ifndef BENCH_SERVE_H
#define BENCH_SERVE_H

#include "bench/bench.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* Prints "port N", and starts connection_fn with each connection's fd, until the process is killed. */
static inline void serve(rn_fn *connection_fn)
{
    struct sockaddr_in addr;
    socklen_t size = sizeof addr;
    int fd = rn_listen("127.0.0.1", 0), connection;

    bench_check(fd >= 0, rn_strerror(fd));
    getsockname(fd, (struct sockaddr *)&addr, &size);
    printf("port %d\n", ntohs(addr.sin_port));
    fflush(stdout);
    while ((connection = rn_accept(fd, RN_FOREVER)) >= 0)
        bench_go(connection_fn, &connection, sizeof connection);
    bench_check(0, rn_strerror(connection));
}

#endif /* BENCH_SERVE_H */
