/* dial.c - listening and dialling: names, addresses and new sockets.   SPDX-License-Identifier: MIT
 *
 * An address in figures is read at once; a name goes to the resolver on a spare thread.  The resolver cannot
 * be interrupted, so whoever runs out of time leaves his look-up behind and it frees itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/block.h"
#include "runtime/rn.h"
#include "runtime/wait.h"

#define SYSCALL \
    static __attribute__((noinline)) /* errno is read on the thread that made the call */
#define PORT_MAX 65535

/* ---- system calls that give -errno --------------------------------------------- */

SYSCALL int sys_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

SYSCALL int sys_connect(int fd, const struct addrinfo *addr)
{
    return connect(fd, addr->ai_addr, addr->ai_addrlen) < 0 ? -errno : 0;
}

/* What became of a connect that was under way. */
SYSCALL int sys_connected(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

/* Two ends of the same socket: a dial to an unused port of this machine that was given that very port for its own. */
static bool met_itself(int fd)
{
    struct sockaddr_storage here, there;
    socklen_t here_len = sizeof here, there_len = sizeof there;

    return getsockname(fd, (struct sockaddr *)&here, &here_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&there, &there_len) == 0 && here_len == there_len &&
           memcmp(&here, &there, here_len) == 0;
}

SYSCALL int sys_listen(int fd, const struct addrinfo *addr)
{
    if (bind(fd, addr->ai_addr, addr->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
        return -errno;
    return 0;
}

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

/* ---- names ------------------------------------------------------------------------ */

struct lookup {
    struct rn__job job;
    pthread_mutex_t lock;
    bool done; /* guarded by lock, as all below while both owners are there */
    bool left; /* the asker has given up */
    struct rn__wait *asker;
    int rc;
    struct addrinfo *found;
    int flags; /* constant, as all below */
    char port[sizeof "65535"];
    char host[]; /* empty: any or this machine, as the flags say */
};

static void port_print(char *out, int port)
{
    char digits[sizeof "65535"];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + port % 10);
    while ((port /= 10) != 0);
    while (n > 0)
        *out++ = digits[--n];
    *out = '\0';
}

static int resolve_error(int eai)
{
    switch (eai) {
    case 0:
        return 0;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_FAMILY:
    case EAI_BADFLAGS:
    case EAI_SERVICE:
    case EAI_SOCKTYPE:
        return -EINVAL;
    default: /* no such name, or nobody who could say */
        return -EHOSTUNREACH;
    }
}

static void lookup_free(struct lookup *l)
{
    if (l->found)
        freeaddrinfo(l->found);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void resolve(struct lookup *l)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = l->flags | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    int rc = resolve_error(getaddrinfo(l->host[0] ? l->host : NULL, l->port, &hints, &found));

    l->rc = rc;
    l->found = rc == 0 ? found : NULL;
}

/* The asker cannot leave while the lock is held, so *asker is there to be woken unless its scheduler has ended. */
static void lookup_run(struct rn__job *job)
{
    struct lookup *l = (struct lookup *)job;
    bool alone;

    resolve(l);
    pthread_mutex_lock(&l->lock);
    l->done = true;
    alone = l->left || !rn__job_wake(job, l->asker);
    pthread_mutex_unlock(&l->lock);
    if (alone)
        lookup_free(l);
}

static void lookup_drop(struct rn__job *job)
{
    lookup_free((struct lookup *)job);
}

static struct lookup *lookup_new(const char *host, int port, int flags)
{
    size_t size = host ? strlen(host) + 1 : 1;
    struct lookup *l = calloc(1, sizeof *l + size);

    if (!l)
        return NULL;
    l->job.run = lookup_run;
    l->job.drop = lookup_drop;
    l->flags = flags;
    port_print(l->port, port);
    memcpy(l->host, host ? host : "", size);
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

/* Gives the addresses of a name; the caller owns *found. */
static int lookup(const char *host, int port, int flags, struct lookup **out, rn_time deadline)
{
    struct rn__wait wait;
    struct lookup *l;
    bool mine;
    int rc;

    if (deadline != RN_FOREVER && deadline <= rn_now())
        return RN_ETIMEDOUT; /* without waiting, no name has an address */
    l = lookup_new(host, port, flags);
    if (!l)
        return -ENOMEM;
    rn__wait_init(&wait);
    l->asker = &wait;
    rc = rn__block_submit(&l->job);
    if (rc < 0) {
        lookup_free(l);
        return rc;
    }
    rc = rn__wait_park(&wait, RN__WHY_BLOCK, l, deadline);
    pthread_mutex_lock(&l->lock);
    mine = l->done;
    l->left = !mine;
    pthread_mutex_unlock(&l->lock);
    if (!mine)
        return rc;
    if (rc == 0)
        rc = l->rc;
    if (rc < 0)
        lookup_free(l);
    else
        *out = l;
    return rc;
}

/* ---- addresses ---------------------------------------------------------------------- */

/* Where to try, in order: addresses in figures are kept here, those of a name in the look-up. */
struct places {
    const struct addrinfo *first;
    struct lookup *lookup; /* NULL: figures */
    struct addrinfo info[2];
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static const struct addrinfo *places_v4(struct places *p, struct in_addr addr, int port)
{
    p->v4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = addr };
    p->info[0].ai_family = AF_INET;
    p->info[0].ai_addr = (struct sockaddr *)&p->v4;
    p->info[0].ai_addrlen = sizeof p->v4;
    return &p->info[0];
}

static const struct addrinfo *places_v6(struct places *p, struct in6_addr addr, int port)
{
    p->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
                                   .sin6_port = htons((uint16_t)port),
                                   .sin6_addr = addr };
    p->info[1].ai_family = AF_INET6;
    p->info[1].ai_addr = (struct sockaddr *)&p->v6;
    p->info[1].ai_addrlen = sizeof p->v6;
    return &p->info[1];
}

/* No host: for a listener every address, both families at once where there is IPv6; else this machine. */
static void places_default(struct places *p, int port, int flags)
{
    bool passive = (flags & AI_PASSIVE) != 0;
    struct in_addr v4 = { .s_addr = htonl(passive ? INADDR_ANY : INADDR_LOOPBACK) };

    places_v6(p, passive ? in6addr_any : in6addr_loopback, port);
    places_v4(p, v4, port);
    p->first = passive ? &p->info[1] : &p->info[0];
    p->info[passive ? 1 : 0].ai_next = &p->info[passive ? 0 : 1];
}

static int places_find(struct places *p, const char *host, int port, int flags, rn_time deadline)
{
    struct in_addr v4;
    struct in6_addr v6;
    int rc = 0;

    *p = (struct places){ .first = NULL };
    if (!host || !host[0])
        places_default(p, port, flags);
    else if (inet_pton(AF_INET, host, &v4) == 1)
        p->first = places_v4(p, v4, port);
    else if (inet_pton(AF_INET6, host, &v6) == 1)
        p->first = places_v6(p, v6, port);
    else {
        rc = lookup(host, port, flags, &p->lookup, deadline);
        if (rc == 0)
            p->first = p->lookup->found;
    }
    return rc;
}

static void places_done(struct places *p)
{
    if (p->lookup)
        lookup_free(p->lookup);
}

/* ---- listening ------------------------------------------------------------------------ */

static int listen_at(const struct addrinfo *addr, bool any)
{
    int fd = sys_socket(addr->ai_family);
    int rc;

    if (fd < 0)
        return fd;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (addr->ai_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !any);
    rc = sys_listen(fd, addr);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int rn_listen(const char *host, int port)
{
    struct places places;
    int rc;

    if (port < 0 || port > PORT_MAX)
        return -EINVAL;
    rc = places_find(&places, host, port, AI_PASSIVE, RN_FOREVER);
    if (rc < 0)
        return rc;
    rc = -EADDRNOTAVAIL;
    for (const struct addrinfo *a = places.first; a && rc < 0; a = a->ai_next) {
        rc = listen_at(a, !host || !host[0]);
        if (rc == -EADDRINUSE)
            break; /* a listener for half of the addresses would be a surprise */
    }
    places_done(&places);
    return rc;
}

/* ---- dialling --------------------------------------------------------------------------- */

static int connect_to(int fd, const struct addrinfo *addr, rn_time deadline)
{
    int rc = sys_connect(fd, addr);

    /* Interrupted, it goes on by itself just so. */
    if (rc != -EINPROGRESS && rc != -EINTR)
        return rc;
    rc = rn_wait_fd(fd, POLLOUT, deadline);
    return rc < 0 ? rc : sys_connected(fd);
}

static int dial_to(const struct addrinfo *addr, rn_time deadline)
{
    int fd = sys_socket(addr->ai_family);
    int rc;

    if (fd < 0)
        return fd;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    rc = connect_to(fd, addr, deadline);
    if (rc == 0 && met_itself(fd))
        rc = -ECONNREFUSED;
    if (rc == 0)
        return fd;
    rn_fd_close(fd);
    return rc;
}

/* Each address gets its share of the time, so that a dead first one leaves some for the next. */
static rn_time share(rn_time deadline, const struct addrinfo *rest)
{
    rn_time now = rn_now();
    int n = 0;

    for (; rest; rest = rest->ai_next)
        n++;
    if (deadline == RN_FOREVER || deadline <= now)
        return deadline;
    return now + (deadline - now) / n;
}

int rn_dial(const char *host, int port, rn_time deadline)
{
    struct places places;
    int rc;

    if (port < 0 || port > PORT_MAX)
        return -EINVAL;
    rc = rn__check();
    if (rc == 0)
        rc = places_find(&places, host, port, AI_ADDRCONFIG, deadline);
    if (rc < 0)
        return rc;
    rc = -EADDRNOTAVAIL;
    for (const struct addrinfo *a = places.first;
         a && rc < 0 && rc != RN_ECANCELED && rc != -ESHUTDOWN; a = a->ai_next)
        rc = dial_to(a, share(deadline, a));
    places_done(&places);
    return rc;
}
