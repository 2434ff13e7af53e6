/* rn.h - goroutines, channels, select and cancellation for C.   SPDX-License-Identifier: MIT
 *
 * Installed as <runnel/rn.h>: the public contract of the runtime.  The network is in <runnel/runnel.h>.
 *
 * Conventions.  int results: >= 0 is success, < 0 is an error: RN_E* are ours, the system's are -errno.
 * Time is int64_t nanoseconds; deadlines are absolute on the rn_now() clock.
 * A function with a deadline may block its goroutine, never its thread, and is a cancellation point; a
 * deadline that has passed is RN_NOWAIT.  Locks, rn_once_do, rn_group_free and rn_block may park too and
 * are never cancelled; everything else returns at once.  Called from a plain thread, a blocking call
 * blocks that thread instead: any C program may use channels while the scheduler runs; without it calls
 * give -ESHUTDOWN, also those that rn_stop finds blocked.  NULL is fine wherever something is freed,
 * closed or unreferenced.  errno means nothing after a call here. */
/* clang-format off */
#ifndef RN_H
#define RN_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_ECLOSED   (-4097)        /* channel closed (receive: and drained) */
#define RN_ETIMEDOUT (-4098)        /* deadline passed; nothing happened */
#define RN_ECANCELED (-4099)        /* this goroutine's group was cancelled; nothing happened */

const char *rn_strerror(int rc);    /* a static string for any result, ours or the system's */

/* ---- time ------------------------------------------------------------- */
typedef int64_t rn_time;            /* ns; monotonic; virtual under rn_sim */
#define RN_US      INT64_C(1000)
#define RN_MS      INT64_C(1000000)
#define RN_SEC     INT64_C(1000000000)
#define RN_NOWAIT  INT64_C(0)       /* try once, do not wait */
#define RN_FOREVER INT64_MAX

rn_time rn_now(void);
rn_time rn_after(int64_t ns);       /* rn_now() + ns, saturating */
int     rn_sleep(rn_time until);    /* 0 or RN_ECANCELED */

/* ---- goroutines ------------------------------------------------------- */
typedef void rn_fn(void *arg);

/* Starts the scheduler on the calling thread (workers <= 0: one per CPU the process may use), runs
 * fn(arg) as the first goroutine, and returns what it returned (an exit status), or < 0 if it could not
 * start.  When fn returns, the root group is cancelled; every other goroutine runs at most to its next
 * scheduling point and is then abandoned, not unwound.  May be called again afterwards.
 * When all goroutines are asleep and nothing can wake one, it prints what each waits for and exits with
 * status 2, as Go does.  That is: no goroutine is runnable, sleeping, waiting with a deadline, in rn_block,
 * waiting for an fd or a signal or on a bound channel; no rn_timer, rn_ticker, rn_after_func or group
 * deadline is pending; nobody holds rn_hold; and no plain thread but rn_main's caller is, or since
 * rn_main began has been, in a call here that can block. */
int rn_main(int workers, int (*fn)(void *arg), void *arg);

/* The same scheduler in background threads, for programs that keep their own main(); no deadlock report. */
int rn_start(int workers);
int rn_stop(rn_time deadline);      /* cancels the root group and waits; RN_ETIMEDOUT leaves it running */

void rn_hold(void);                 /* somebody outside will wake a goroutine: no deadlock is reported ... */
void rn_release(void);              /* ... until as many of these; any thread */

/* A goroutine belongs to its starter's group; from a plain thread or a timer, to the root group. */
int rn_go(rn_fn *fn, void *arg);    /* borrows arg until fn is done with it; 0 or -ENOMEM */

/* Starts fn with a private copy of size bytes (<= 4096, else -EINVAL) on its own stack, aligned for any type. */
int rn_go_copy(rn_fn *fn, const void *arg, size_t size);

typedef struct rn_go_opts {
    const char *name;               /* copied; shown by rn_dump */
    size_t      stack_bytes;        /* 0: the default, 64 KiB */
} rn_go_opts;
int rn_go_with_v(const rn_go_opts *opts, size_t opts_size, rn_fn *fn, const void *arg, size_t size);
static inline int rn_go_with(const rn_go_opts *opts, rn_fn *fn, const void *arg, size_t size)
{
    return rn_go_with_v(opts, sizeof *opts, fn, arg, size);
}

void rn_yield(void);

/* Ends the program (abort) with this message and the goroutine's stack - or the actor, inside one. */
void rn_panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- groups: wait for many, cancel many (Go's context and errgroup in one) ----
 * Cancellation is level-triggered: once a group is cancelled, every call with a deadline made in it fails
 * with RN_ECANCELED before trying, RN_NOWAIT included, again and again - except under rn_shield. */
typedef struct rn_group rn_group;

rn_group *rn_group_new(void);       /* child of the caller's group; NULL: no memory */
rn_group *rn_group_new_deadline(rn_time deadline);   /* cancelled by itself at deadline; RN_NOWAIT: already */
int  rn_group_go(rn_group *g, rn_fn *fn, const void *arg, size_t size);   /* as rn_go_copy; cancelled:
                                       starts nothing, RN_ECANCELED */
void rn_group_cancel(rn_group *g);  /* idempotent; child groups too */
/* 0 when all members have returned, those they started and child groups included; -EDEADLK from inside. */
int  rn_group_wait(rn_group *g, rn_time deadline);
void rn_group_free(rn_group *g);    /* cancels, waits, frees; panics while a child group is not freed */
int  rn_cancelled(void);            /* 0 or RN_ECANCELED, for loops that never block */
void rn_shield(int on);             /* 1: cancellation does not reach this goroutine's calls until 0; nests */

/* ---- channels --------------------------------------------------------- */
typedef struct rn_chan rn_chan;

/* A channel of cap buffered elements of elemsize bytes (cap 0: rendezvous; elemsize 0: signals, elem is
 * ignored).  Elements are aligned for any type.  drop, if not NULL, is called for each element still
 * buffered at the last unref.  Gives one reference; NULL when out of memory or elemsize > 65536. */
rn_chan *rn_chan_new(size_t elemsize, size_t cap, void (*drop)(void *elem));
rn_chan *rn_chan_ref(rn_chan *c);
void     rn_chan_unref(rn_chan *c);

/* Sends a copy of *elem.  0, RN_ECLOSED, RN_ETIMEDOUT or RN_ECANCELED; on error nothing was sent and what
 * *elem refers to is still the caller's.  A NULL channel blocks for ever, as Go's nil does.
 * A bound channel (runnel.h) has more results; of those only RN_EUNKNOWN means: perhaps sent, taken from you. */
int  rn_chan_send(rn_chan *c, const void *elem, rn_time deadline);

/* Receives into *elem (NULL: discards), which is untouched on error.  After close, what is buffered is
 * received first, then RN_ECLOSED. */
int  rn_chan_recv(rn_chan *c, void *elem, rn_time deadline);

void rn_chan_close(rn_chan *c);     /* no more sends; wakes all; idempotent */
void rn_chan_fail(rn_chan *c, int reason);   /* close with a reason < 0 (else it is a close) ... */
int  rn_chan_err(const rn_chan *c);          /* ... so a crash never looks like a close; 0: open or closed;
                                                the first of close and fail decides */
size_t rn_chan_len(const rn_chan *c);        /* a hint, true a moment ago */
size_t rn_chan_cap(const rn_chan *c);

/* ---- select ----------------------------------------------------------- */
enum rn_op { RN_OFF, RN_SEND, RN_RECV };

typedef struct rn_case {
    rn_chan    *chan;               /* NULL: this case is never ready */
    void       *elem;               /* borrowed until rn_select returns */
    enum rn_op  op;
    int         rc;                 /* out, chosen case only: 0, RN_ECLOSED, or a bound channel's error */
} rn_case;

/* Performs exactly one ready case, chosen fairly, and returns its index; or RN_ETIMEDOUT (with RN_NOWAIT:
 * Go's default) or RN_ECANCELED, having performed none.  n <= 64, else -EINVAL.  A channel may be in
 * several cases.  No case that can ever be ready and RN_FOREVER: blocks for ever, as Go's select {} does. */
int rn_select(rn_case *cases, int n, rn_time deadline);

#define RN_LEN(a) ((int)(sizeof(a) / sizeof *(a)))

/* ---- timers ------------------------------------------------------------ */
rn_chan *rn_timer(int64_t ns);      /* delivers one rn_time after ns; unref stops it */
rn_chan *rn_ticker(int64_t ns);     /* one rn_time every ns, dropping ticks nobody took; NULL if ns <= 0 */
typedef struct rn_timer_fn rn_timer_fn;
/* Runs fn(arg) in a goroutine of its own after ns, once.  Stop it exactly once, fired or not ... */
rn_timer_fn *rn_after_func(int64_t ns, rn_fn *fn, void *arg);
int          rn_timer_stop(rn_timer_fn *t);  /* 1 stopped in time, 0 too late; frees t */
int          rn_timer_reset(rn_timer_fn *t, int64_t ns);   /* fires ns from now; 1 it was pending, 0 not */
int          rn_later(int64_t ns, rn_fn *fn, void *arg);   /* ... or let this one go: 0 or -ENOMEM */

/* ---- files, sockets, signals (fd must be non-blocking) ------------------ */
ssize_t rn_read (int fd, void *buf, size_t len, rn_time deadline);    /* bytes; 0 at end */
/* 0 when all is written, or an error with the bytes that were in *done (done may be NULL). */
int rn_write(int fd, const void *buf, size_t len, size_t *done, rn_time deadline);
int rn_wait_fd(int fd, int poll_events, rn_time deadline);            /* the ready POLLIN | POLLOUT */
int rn_listen(const char *host, int port);                            /* an fd; port 0: any */
int rn_accept(int fd, rn_time deadline);                              /* an fd */
int rn_dial(const char *host, int port, rn_time deadline);            /* an fd */
int rn_fd_close(int fd);                                              /* waiters get -EBADF */
rn_chan *rn_signal_chan(int signo);                                   /* delivers int; buffered */

/* Runs fn(arg) on a spare thread and waits; for calls that block the thread (fsync, resolver).  0 or -ENOMEM. */
int rn_block(void (*fn)(void *arg), void *arg);

/* ---- looking inside ---------------------------------------------------- */
void rn_set_name(const char *name); /* copied; shown by rn_dump */
void rn_dump(int fd);               /* every goroutine: where, why and how long it waits; on SIGQUIT too */
typedef struct rn_stats {
    uint64_t goroutines, timers, stack_bytes;            /* now */
    uint64_t created, parks, steals, sends, recvs, selects, run_ns, idle_ns;   /* since the start; exact */
} rn_stats;
void rn_stats_read_v(rn_stats *out, size_t size);
static inline void rn_stats_read(rn_stats *out) { rn_stats_read_v(out, sizeof *out); }

/* rn_main, deterministic: one worker, a random but seeded next goroutine, a virtual clock that advances 1 us
 * per scheduling step and jumps when all sleep.  The same seed gives the same interleaving.  May be called
 * again and again in a process; a panic or deadlock (status 2) prints the seed.  Real fds, signals, rn_block
 * and plain threads work but are not deterministic. */
int rn_sim(uint64_t seed, int (*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

/* ---- typed channels: the compiler checks the element type --------------- */
#ifndef __cplusplus
/* Once per type:  typedef rn_chan_of(struct job) job_chan;   elem is never read, it carries the type. */
#define rn_chan_of(T)      union { rn_chan *chan; T *elem; }
#define rn_make(ch, cap)   ((ch)->chan = rn_chan_new(sizeof *(ch)->elem, (cap), NULL))
#define rn_send(ch, ...) \
    rn_chan_send((ch).chan, (__typeof__(*(ch).elem)[1]){ __VA_ARGS__ }, RN_FOREVER)
#define rn_recv(ch, out) \
    rn_chan_recv((ch).chan, (__typeof__((ch).elem)){ (out) }, RN_FOREVER)
#define rn_on_recv(ch, out) { (ch).chan, (__typeof__((ch).elem)){ (out) }, RN_RECV, 0 }
#define rn_on_send(ch, in) \
    { (ch).chan, (void *)(const __typeof__(*(ch).elem) *[1]){ (in) }[0], RN_SEND, 0 }
#define rn_close(ch)       rn_chan_close((ch).chan)
#define rn_spawn(fn, ...)  rn_go_copy((fn), &(__VA_ARGS__), sizeof(__VA_ARGS__))
#else
template <class T> union rn_typed { rn_chan *chan; T *elem; };
#define rn_chan_of(T)      rn_typed<T>
template <class T> rn_chan *rn_make(rn_typed<T> *c, size_t cap) { return c->chan = rn_chan_new(sizeof(T), cap, nullptr); }
template <class T> int rn_send(rn_typed<T> c, T v) { return rn_chan_send(c.chan, &v, RN_FOREVER); }
template <class T> int rn_recv(rn_typed<T> c, T *out) { return rn_chan_recv(c.chan, out, RN_FOREVER); }
template <class T> rn_case rn_on_recv(rn_typed<T> c, T *out) { return rn_case{ c.chan, out, RN_RECV, 0 }; }
template <class T> rn_case rn_on_send(rn_typed<T> c, const T *in) { return rn_case{ c.chan, (void *)in, RN_SEND, 0 }; }
template <class T> void rn_close(rn_typed<T> c) { rn_chan_close(c.chan); }
template <class T> int rn_spawn(rn_fn *fn, const T &arg) { return rn_go_copy(fn, &arg, sizeof(T)); }
#endif

#endif /* RN_H */
