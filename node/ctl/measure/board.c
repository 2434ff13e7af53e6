/* board.c - see board.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/board.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* One mapping, of which only what is used takes memory: the log is as large as it could ever get. */
struct layout {
    size_t lines, sent, histogram, log, size;
};

static size_t place(struct layout *l, size_t bytes)
{
    size_t at = (l->size + 63) / 64 * 64;

    l->size = at + bytes;
    return at;
}

static struct layout layout_of(size_t lines, uint64_t streams)
{
    struct layout l = { .size = sizeof(struct board) };

    l.lines = place(&l, lines * sizeof(struct board_line));
    l.sent = place(&l, streams * sizeof(uint64_t));
    l.histogram = place(&l, sizeof(struct histogram));
    l.log = place(&l, sizeof(struct tally_log) + TALLY_RUNS * sizeof(struct tally_run));
    return l;
}

static size_t board_lines(const struct board *b)
{
    return (size_t)(b->producers + b->consumers + b->others);
}

struct board *board_new(int producers, int consumers, int others, uint64_t streams)
{
    struct layout l = layout_of((size_t)(producers + consumers + others), streams);
    char *at = mmap(NULL, l.size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct board *b = (struct board *)at;

    if (at == MAP_FAILED)
        return NULL;
    b->producers = producers;
    b->consumers = consumers;
    b->others = others;
    b->streams = streams;
    b->lines = (struct board_line *)(at + l.lines);
    b->sent = (uint64_t *)(at + l.sent);
    b->histogram = (struct histogram *)(at + l.histogram);
    b->log = (struct tally_log *)(at + l.log);
    return b;
}

void board_free(struct board *b)
{
    if (b != NULL)
        munmap(b, layout_of(board_lines(b), b->streams).size);
}

uint64_t board_received(const struct board *b)
{
    uint64_t total = 0;

    for (int i = 0; i < b->consumers; i++)
        total += atomic_load_explicit(&b->lines[b->producers + i].count, memory_order_relaxed);
    return total;
}

/* ---- words that only grow, in shared memory ---- */

_Static_assert(sizeof(atomic_int) == sizeof(int), "the kernel looks at the word");

static void word_set(atomic_int *word, int value)
{
    atomic_store(word, value);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void word_await(atomic_int *word, int value)
{
    int now;

    while ((now = atomic_load(word)) < value)
        syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}

void board_set_stage(struct board *b, enum board_stage stage)
{
    word_set(&b->stage, (int)stage);
}

void board_await(struct board *b, enum board_stage stage)
{
    word_await(&b->stage, (int)stage);
}

void line_set_state(struct board_line *line, enum line_state state)
{
    word_set(&line->state, (int)state);
}

void line_await(struct board_line *line, enum line_state state)
{
    word_await(&line->state, (int)state);
}

bool board_may_say(struct board *b)
{
    return !atomic_exchange(&b->said, true);
}

int64_t measure_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}
