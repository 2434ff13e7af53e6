/* serve_echo.c - a TCP server that sends back what comes, a goroutine a connection.   SPDX-License-Identifier: MIT
 *
 *   serve_echo [WORKERS]     prints "port N"; serves until it is killed.  bench/load asks it. */
#include "bench/serve.h"

static void echo_fn(void *arg)
{
    int fd = *(int *)arg;
    char buffer[4096];
    ssize_t n;

    while ((n = rn_read(fd, buffer, sizeof buffer, RN_FOREVER)) > 0) {
        if (rn_write(fd, buffer, (size_t)n, NULL, RN_FOREVER) < 0)
            break;
    }
    rn_fd_close(fd);
}

static void serve_echo(void)
{
    serve(echo_fn);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, serve_echo);
}
