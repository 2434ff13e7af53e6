/* json.c - see json.h.   SPDX-License-Identifier: MIT */
#include "runtime/json.h"

#include <errno.h>
#include <unistd.h>

void rn__json_init(struct rn__json *j, int fd)
{
    j->fd = fd;
    j->rc = 0;
    j->used = 0;
}

/* Not inlined, so that errno is looked up on the thread that made the call. */
static __attribute__((noinline)) ssize_t write_some(int fd, const char *text, size_t len)
{
    ssize_t n;

    do
        n = write(fd, text, len);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void flush(struct rn__json *j)
{
    size_t done = 0;

    while (j->rc == 0 && done < j->used) {
        ssize_t n = write_some(j->fd, j->text + done, j->used - done);

        if (n < 0)
            j->rc = (int)n;
        else
            done += (size_t)n;
    }
    j->used = 0;
}

static void put(struct rn__json *j, char c)
{
    if (j->used == sizeof j->text)
        flush(j);
    j->text[j->used++] = c;
}

void rn__json_raw(struct rn__json *j, const char *text)
{
    while (*text != '\0')
        put(j, *text++);
}

static void digits(struct rn__json *j, uint64_t n, unsigned base, unsigned at_least)
{
    char text[24];
    unsigned len = 0;

    for (; n > 0 || len < at_least; n /= base)
        text[len++] = "0123456789abcdef"[n % base];
    while (len > 0)
        put(j, text[--len]);
}

void rn__json_number(struct rn__json *j, int64_t n)
{
    if (n < 0)
        put(j, '-');
    digits(j, n < 0 ? -(uint64_t)n : (uint64_t)n, 10, 1);
}

void rn__json_us(struct rn__json *j, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    digits(j, (uint64_t)ns / 1000, 10, 1);
    put(j, '.');
    digits(j, (uint64_t)ns % 1000, 10, 3);
}

void rn__json_hex(struct rn__json *j, uint64_t n)
{
    rn__json_raw(j, "0x");
    digits(j, n, 16, 1);
}

/* The bytes of the character that begins here; 0: it is none.  Overlong ones and surrogates are none. */
static unsigned utf8(const unsigned char *s)
{
    unsigned n = s[0] < 0x80   ? 1
                 : s[0] < 0xc2 ? 0
                 : s[0] < 0xe0 ? 2
                 : s[0] < 0xf0 ? 3
                 : s[0] < 0xf5 ? 4
                               : 0;

    for (unsigned i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

void rn__json_text(struct rn__json *j, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at != '\0') {
        unsigned n = *at >= 0x20 ? utf8(at) : 0;

        if (*at == '"' || *at == '\\')
            put(j, '\\');
        if (n == 0) {
            put(j, '?');
            at++;
        }
        for (; n > 0; n--)
            put(j, (char)*at++);
    }
}

int rn__json_end(struct rn__json *j)
{
    flush(j);
    return j->rc;
}
