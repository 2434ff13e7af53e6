/* serve_http.c - an HTTP server that says hello, a goroutine a connection.   SPDX-License-Identifier: MIT
 *
 *   serve_http [WORKERS]     prints "port N"; serves until it is killed.  bench/load asks it.
 *
 * It is as much of HTTP as a GET needs: requests that come in pieces or several at once, Connection: close, the date. */
#include "bench/serve.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

struct connection {
    int fd;
    size_t n; /* bytes in request */
    char request[4096];
};

/* How long the first request is: 0, not all of it is there. */
static size_t request_size(const struct connection *c)
{
    const char *end = memmem(c->request, c->n, "\r\n\r\n", 4);

    return end != NULL ? (size_t)(end - c->request) + 4 : 0;
}

static int respond(int fd, bool ok, bool last)
{
    const char *body = ok ? "Hello, World!" : "only GET\n";
    char date[64], response[512];
    time_t now = time(NULL);
    struct tm utc;
    int n;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    n = snprintf(
        response, sizeof response,
        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nDate: %s\r\nContent-Length: %zu\r\n%s\r\n%s",
        ok ? "200 OK" : "405 Method Not Allowed", date, strlen(body),
        last ? "Connection: close\r\n" : "", body);
    return rn_write(fd, response, (size_t)n, NULL, RN_FOREVER);
}

/* false: the connection ends. */
static bool serve_one(struct connection *c)
{
    size_t size;
    bool last;

    while ((size = request_size(c)) == 0) {
        ssize_t n = rn_read(c->fd, c->request + c->n, sizeof c->request - c->n, RN_FOREVER);

        if (n <= 0)
            return false;
        c->n += (size_t)n;
    }
    c->request[size - 1] = '\0';
    last = strcasestr(c->request, "\r\nConnection: close\r") != NULL;
    if (respond(c->fd, strncmp(c->request, "GET ", 4) == 0, last) < 0)
        return false;
    c->n -= size;
    memmove(c->request, c->request + size, c->n);
    return !last;
}

static void connection_fn(void *arg)
{
    struct connection c = { .fd = *(int *)arg };

    while (serve_one(&c)) {}
    rn_fd_close(c.fd);
}

static void serve_http(void)
{
    serve(connection_fn);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, serve_http);
}
