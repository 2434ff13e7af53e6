/* print.c - text for a descriptor when nothing else may be used.   SPDX-License-Identifier: MIT */
#include "runtime/print.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

void rn__print_init(struct rn__print *p, int fd)
{
    p->fd = fd;
    p->used = 0;
}

/* Writes on after a signal and, since a report may go to a non-blocking descriptor, while it is full. */
static bool write_some(int fd, const char **text, size_t *len)
{
    struct pollfd full = { .fd = fd, .events = POLLOUT };
    ssize_t n = write(fd, *text, *len);

    if (n >= 0) {
        *text += n;
        *len -= (size_t)n;
        return true;
    }
    if (errno == EAGAIN)
        return poll(&full, 1, 1000) >
               0; /* nobody reads: better without the rest than for ever here */
    return errno == EINTR;
}

void rn__print_flush(struct rn__print *p)
{
    const char *text = p->text;
    int saved = errno;

    while (p->used > 0 && write_some(p->fd, &text, &p->used))
        ;
    p->used = 0;
    errno = saved;
}

void rn__print_bytes(struct rn__print *p, const char *text, size_t len)
{
    while (len-- > 0) {
        if (p->used == sizeof p->text)
            rn__print_flush(p);
        p->text[p->used++] = *text++;
    }
}

void rn__print_text(struct rn__print *p, const char *text)
{
    rn__print_bytes(p, text, strlen(text));
}

static void print_digits(struct rn__print *p, uint64_t n, unsigned base, unsigned at_least)
{
    char digits[64], *end = digits + sizeof digits, *at = end;

    do
        *--at = "0123456789abcdef"[n % base];
    while ((n /= base) != 0 || (unsigned)(end - at) < at_least);
    rn__print_bytes(p, at, (size_t)(end - at));
}

void rn__print_number(struct rn__print *p, int64_t n)
{
    if (n < 0)
        rn__print_text(p, "-");
    print_digits(p, n < 0 ? -(uint64_t)n : (uint64_t)n, 10, 1);
}

void rn__print_pointer(struct rn__print *p, const void *pointer)
{
    rn__print_text(p, "0x");
    print_digits(p, (uintptr_t)pointer, 16, 1);
}

void rn__print_time(struct rn__print *p, int64_t ns)
{
    int64_t ms = ns / 1000000;

    if (ms >= 1000) {
        rn__print_number(p, ms / 1000);
        rn__print_text(p, ".");
        print_digits(p, (uint64_t)(ms % 1000), 10, 3);
        rn__print_text(p, " s");
    } else {
        rn__print_number(p, ms < 0 ? 0 : ms);
        rn__print_text(p, " ms");
    }
}
