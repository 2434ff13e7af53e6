/* load.c - asks a server over so many connections, one request at a time on each.   SPDX-License-Identifier: MIT
 *
 *   load echo|http CONNECTIONS REQUESTS COMMAND [ARGUMENT...]
 *
 * COMMAND is the server: it prints "port N", and is killed at the end.  Prints "name value unit".  It is a plain epoll loop
 * and knows nothing of the runtime, so that all servers meet the same; a tenth of the requests go first, unmeasured. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ECHO_BYTES 128
#define EVENTS     128

static const char http_request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                  hello[] = "Hello, World!";
static pid_t server;
static int epoll;
static struct connection {
    int fd;
    size_t n; /* bytes of the response that have come */
    char request[ECHO_BYTES], response[1024];
} * connections;
static bool http;
static size_t request_size;

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "load: %s\n", what);
    if (server > 0)
        kill(server, SIGKILL);
    exit(1);
}

static int server_start(char **command)
{
    posix_spawn_file_actions_t actions;
    int ends[2], port = 0;

    check(pipe(ends) == 0, "no pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    check(posix_spawnp(&server, command[0], &actions, NULL, command, environ) == 0, "no server");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    check(dup2(ends[0], 0) == 0 && scanf("port %d", &port) == 1, "the server said no port");
    return port;
}

static void request(struct connection *c)
{
    c->n = 0;
    check(write(c->fd, c->request, request_size) == (ssize_t)request_size,
          "a request was not sent");
}

static void connection_open(struct connection *c, int i, int port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(c->fd, (struct sockaddr *)&addr, sizeof addr) == 0, "no connection");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) == 0, "no epoll");
    if (http)
        memcpy(c->request, http_request, sizeof http_request);
    else
        snprintf(c->request, sizeof c->request, "%0*d", ECHO_BYTES - 1, i);
}

/* Reads; true: the response is complete. */
static bool response(struct connection *c)
{
    const size_t tail = sizeof hello - 1;
    ssize_t n = read(c->fd, c->response + c->n, sizeof c->response - c->n);

    check(n > 0, "the server closed a connection");
    c->n += (size_t)n;
    if (!http) {
        check(c->n <= request_size && memcmp(c->response, c->request, c->n) == 0,
              "other bytes came back");
        return c->n == request_size;
    }
    if (c->n < tail || memcmp(c->response + c->n - tail, hello, tail) != 0)
        return false;
    check(memcmp(c->response, "HTTP/1.1 200 ", 13) == 0, "that is no HTTP");
    return true;
}

/* So many requests, on all connections. */
static void ask(int connections_n, long requests)
{
    struct epoll_event events[EVENTS];
    long sent = 0, done = 0;

    for (int i = 0; i < connections_n && sent < requests; i++, sent++)
        request(&connections[i]);
    while (done < requests) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (!response(events[i].data.ptr))
                continue;
            done++;
            if (sent < requests) {
                sent++;
                request(events[i].data.ptr);
            }
        }
    }
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    int n = argc > 4 ? atoi(argv[2]) : 0, port;
    long requests = argc > 4 ? atol(argv[3]) : 0;
    double start;

    check(n > 0 && requests > 0,
          "usage: load echo|http CONNECTIONS REQUESTS COMMAND [ARGUMENT...]");
    http = strcmp(argv[1], "http") == 0;
    request_size = http ? sizeof http_request - 1 : ECHO_BYTES;
    connections = calloc((size_t)n, sizeof *connections);
    epoll = epoll_create1(0);
    port = server_start(argv + 4);
    for (int i = 0; i < n; i++)
        connection_open(&connections[i], i, port);
    ask(n, requests / 10 + 1);
    start = seconds();
    ask(n, requests);
    printf("%s_%d %.0f requests/s\n", http ? "http_hello" : "tcp_echo", n,
           (double)requests / (seconds() - start));
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    free(connections);
    return 0;
}
