/* board.h - memory that the processes of a measurement share.   SPDX-License-Identifier: MIT
 *
 * The coordinator makes it, forks the others, and moves the stage on; each worker (a goroutine, or a process of another
 * system) has a line, on which only it writes. */
#ifndef NODE_CTL_MEASURE_BOARD_H
#define NODE_CTL_MEASURE_BOARD_H

#include "node/ctl/measure/histogram.h"
#include "node/ctl/measure/tally.h"

enum board_stage {
    BOARD_OPENING,     /* connect */
    BOARD_BINDING_IN,  /* consumers bind the channels, */
    BOARD_BINDING_OUT, /* then producers, */
    BOARD_CONNECTING,  /* and others do what they are for */
    BOARD_IDLE,        /* everybody is there, nobody does anything */
    BOARD_WARMING,     /* work, but nothing counts */
    BOARD_COUNTING,    /* work */
    BOARD_ENDING,      /* producers stop, consumers take what is left */
};

enum line_state { LINE_STARTED, LINE_OPEN, LINE_BOUND };

struct board_line {
    _Alignas(64) atomic_ullong count; /* elements sent or received */
    atomic_int state;
};

struct board {
    atomic_int stage;
    atomic_bool said;         /* somebody has said what went wrong */
    _Atomic int64_t capacity; /* of the channels, as their broker says; 0 for a rendezvous */
    int producers, consumers, others; /* how many lines there are of each */
    struct board_line *lines;         /* those of the producers first */
    uint64_t streams, *sent; /* how many elements of each stream were sent; its producer's */
    struct histogram *histogram;
    struct tally_log *log;
};

/* NULL: no memory.  It stays until the process ends, or board_free(). */
struct board *board_new(int producers, int consumers, int others, uint64_t streams);
void board_free(struct board *b);

static inline enum board_stage board_stage(const struct board *b)
{
    /* Relaxed: it says when, not what. */
    return (enum board_stage)atomic_load_explicit(&b->stage, memory_order_relaxed);
}

static inline struct board_line *board_producer(struct board *b, int i)
{
    return &b->lines[i];
}

static inline struct board_line *board_consumer(struct board *b, int i)
{
    return &b->lines[b->producers + i];
}

static inline struct board_line *board_other(struct board *b, int i)
{
    return &b->lines[b->producers + b->consumers + i];
}

/* Moves the stage on. */
void board_set_stage(struct board *b, enum board_stage stage);
/* Waits for that stage, asleep: for those of whom there are so many that their looks alone would fill a processor.  Blocks
 * the thread. */
void board_await(struct board *b, enum board_stage stage);
/* The same of a line. */
void line_set_state(struct board_line *line, enum line_state state);
void line_await(struct board_line *line, enum line_state state);

/* One more element.  Only the line's owner writes, so a store is enough. */
static inline void board_count(struct board_line *line)
{
    atomic_store_explicit(&line->count,
                          atomic_load_explicit(&line->count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* All consumers' elements so far. */
uint64_t board_received(const struct board *b);

/* true once: the caller is to say what went wrong. */
bool board_may_say(struct board *b);

/* ---- what an element carries in its first 16 bytes ---- */
#define ELEMENT_MIN 16
#define STREAM_MAX  (UINT64_C(1) << 24)
#define STAMP_ONE_IN \
    64 /* so many elements, one carries the time; else reading the clock would be what is measured */
#define STAMP_EACH \
    4096 /* but of elements of so many bytes each does: of these there are not so many */

struct element_head {
    uint64_t where;  /* the stream in the upper 24 bits, the number in the others */
    int64_t sent_ns; /* CLOCK_MONOTONIC; 0: not told */
};

int64_t measure_now_ns(void);

static inline struct element_head element_next(uint64_t stream, uint64_t number, int64_t size)
{
    bool stamped = (stream + number) % STAMP_ONE_IN == 0 || size >= STAMP_EACH;

    return (struct element_head){
        .where = stream << 40 | number,
        .sent_ns = stamped ? measure_now_ns() : 0,
    };
}

/* Takes note of an element that was received. */
static inline void element_taken(struct board *b, struct tally *t, const struct element_head *head)
{
    tally_take(t, head->where >> 40, head->where & ((UINT64_C(1) << 40) - 1));
    if (head->sent_ns != 0 && board_stage(b) == BOARD_COUNTING)
        histogram_record(b->histogram, measure_now_ns() - head->sent_ns);
}

#endif
