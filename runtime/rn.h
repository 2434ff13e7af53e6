/* rn.h - goroutines, channels, select and cancellation for C.   SPDX-License-Identifier: MIT
 *
 * Installed as <runnel/rn.h>; locks are in <runnel/sync.h>, channels that reach other processes in <runnel/runnel.h>.
 *
 * Conventions, which hold wherever nothing else is said:
 *
 * Results.  An int >= 0 is success.  < 0 is an error: an RN_E* of ours, or -errno of the system.  On error the call
 * has done nothing and its outputs are untouched.  errno means nothing after a call here: a goroutine that was
 * parked may go on on another thread.
 *
 * Time.  rn_time and int64_t ns are nanoseconds.  A deadline is a point on the rn_now() clock; one that has passed
 * acts as RN_NOWAIT.
 *
 * Waiting.  A function with a deadline may block its goroutine, never its thread, and is a point of cancellation.
 * rn_group_free and rn_block may park too and are never cancelled.  Everything else returns at once.
 *
 * Who may call.  Any goroutine, and any thread of the program while the scheduler runs; a thread that is no
 * goroutine blocks itself where a goroutine would park.  Without a scheduler a call that would need it gives
 * -ESHUTDOWN (or NULL, where it gives a pointer); so do those that rn_stop finds blocked in plain threads.
 *
 * Ownership.  Arguments are borrowed until the call returns unless they are said to be copied, kept or taken.
 * NULL is fine wherever something is freed, closed, stopped or unreferenced. */
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

#define RN_ECLOSED   (-4097)        /* the channel is closed (receive: and drained) */
#define RN_ETIMEDOUT (-4098)        /* the deadline has passed; nothing happened */
#define RN_ECANCELED (-4099)        /* this goroutine's group is cancelled; nothing happened */

/* The result as words, for any result, ours or the system's.  The string is static.  Needs no scheduler. */
const char *rn_strerror(int rc);

/* ---- time ------------------------------------------------------------- */
typedef int64_t rn_time;            /* ns; monotonic; virtual under rn_sim */
#define RN_US      INT64_C(1000)
#define RN_MS      INT64_C(1000000)
#define RN_SEC     INT64_C(1000000000)
#define RN_NOWAIT  INT64_C(0)       /* try once, do not wait */
#define RN_FOREVER INT64_MAX        /* no deadline */

rn_time rn_now(void);
rn_time rn_after(int64_t ns);       /* rn_now() + ns; at most RN_FOREVER */
int     rn_sleep(rn_time until);    /* parks until then: 0, or RN_ECANCELED */

/* ---- goroutines ------------------------------------------------------- */
typedef void rn_fn(void *arg);

/* Starts the scheduler with the calling thread as one of so many workers (<= 0: one per CPU that the process may
 * use), runs fn(arg) as the first goroutine, and blocks until fn has returned.  Gives what fn returned, which
 * should be an exit status; or < 0 if it could not start (-EBUSY: a scheduler runs already, -ENOMEM ...).
 *
 * When fn returns, the root group is cancelled; each other goroutine runs at most to its next scheduling point and
 * is then abandoned, not unwound.  It may be called again afterwards.
 *
 * When all goroutines are asleep and nothing can wake one, it prints what each waits for and exits with status 2,
 * as Go does.  That is the case when no goroutine is runnable, sleeps, waits with a deadline, is in rn_block, or
 * waits for an fd, a signal or a bound channel; no rn_timer, rn_ticker, rn_after_func, rn_later or group deadline is
 * pending; nobody holds rn_hold; and no plain thread but rn_main's caller is, or since rn_main began has been, in a
 * call here that can block.
 *
 * A goroutine that does not give way - it computes, or is in a call that blocks its thread - does not stop the others:
 * within some ten milliseconds another thread stands in for its worker.  After RN_MONITOR milliseconds, an environment
 * variable (1000 if it is not set; 0: never), it is reported on standard error, once, by name and stack; for that its
 * thread is sent a SIGURG, unless the program handles that. */
int rn_main(int workers, int (*fn)(void *arg), void *arg);

/* Starts the same scheduler in background threads and returns: for programs that keep their own main().  There is
 * no deadlock report.  0, -EBUSY if one runs already, or why the threads could not be made. */
int rn_start(int workers);

/* Ends what rn_start began: cancels the root group, waits for every goroutine to return, stops the workers.  0;
 * RN_ETIMEDOUT: some have not returned, and the scheduler goes on, cancelled; repeat it.  -EDEADLK from a goroutine;
 * -ESHUTDOWN if there is nothing to stop.  Plain threads only. */
int rn_stop(rn_time deadline);

/* Somebody outside will wake a goroutine: no deadlock is reported until each hold has been released.  They count;
 * any thread, with or without a scheduler. */
void rn_hold(void);
void rn_release(void);

/* Starts fn(arg) as a goroutine of the caller's group (from a plain thread or a timer: of the root group); in a
 * group that is cancelled, too, where it finds itself cancelled.  What arg points to must live until fn is done
 * with it.  0, -ENOMEM, -EINVAL (fn NULL), -ESHUTDOWN. */
int rn_go(rn_fn *fn, void *arg);

/* The same with a copy of size bytes at arg (<= 4096, else -EINVAL), which lies on the new goroutine's own stack,
 * aligned for any type; fn gets its address.  size 0: fn gets arg itself. */
int rn_go_copy(rn_fn *fn, const void *arg, size_t size);

typedef struct rn_go_opts {
    const char *name;               /* copied, at most 31 bytes of it; shown by rn_dump */
    size_t      stack_bytes;        /* 0: the default, 64 KiB; never less than 16 KiB */
} rn_go_opts;
int rn_go_with_v(const rn_go_opts *opts, size_t opts_size, rn_fn *fn, const void *arg, size_t size);
/* rn_go_copy with options; opts NULL: the defaults. */
static inline int rn_go_with(const rn_go_opts *opts, rn_fn *fn, const void *arg, size_t size)
{
    return rn_go_with_v(opts, sizeof *opts, fn, arg, size);
}

/* Lets others run first.  In a plain thread: sched_yield. */
void rn_yield(void);

/* Ends the program with abort(), after this message and the stack of the goroutine on standard error.  For what
 * must not happen; never returns. */
void rn_panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- groups: wait for many, cancel many (Go's context and errgroup in one) ----
 * A group has goroutines and child groups.  Cancellation is a level, not an edge: once a group is cancelled, every
 * call with a deadline made in it fails with RN_ECANCELED before it tries, RN_NOWAIT included, again and again;
 * calls that wait are woken with it.  rn_shield is the exception. */
typedef struct rn_group rn_group;

/* Gives a child of the caller's group (free it with rn_group_free, before its parent is freed), already cancelled
 * if that is; NULL: no memory. */
rn_group *rn_group_new(void);
rn_group *rn_group_new_deadline(rn_time deadline);   /* cancels itself then; RN_NOWAIT: it begins cancelled */

/* rn_go_copy into g.  RN_ECANCELED when g is cancelled: nothing was started. */
int  rn_group_go(rn_group *g, rn_fn *fn, const void *arg, size_t size);

/* Cancels g and its child groups and wakes whoever waits in them; once more is fine.  Does not wait for them. */
void rn_group_cancel(rn_group *g);

/* Waits until all members have returned, those that they started and those of child groups included.  0,
 * RN_ETIMEDOUT, RN_ECANCELED (the caller's own group), -EDEADLK from a member of g or of a group below it. */
int  rn_group_wait(rn_group *g, rn_time deadline);

/* Cancels, waits as long as it takes, frees.  Takes g.  Panics when called from inside g, or while a child group
 * has not been freed. */
void rn_group_free(rn_group *g);

int  rn_cancelled(void);            /* 0, or RN_ECANCELED when the caller's group is: for loops that never block */
void rn_shield(int on);             /* 1: cancellation does not reach this goroutine's calls, until as many 0 */

/* ---- channels --------------------------------------------------------- */
typedef struct rn_chan rn_chan;

/* Makes a channel that buffers cap elements of elemsize bytes.  cap 0 is a rendezvous: a send completes with its
 * receive.  elemsize 0: the elements are signals, and elem is ignored everywhere.  In the buffer elements are
 * aligned for any type.  drop (NULL: none) is called for each element that is still buffered at the last unref.
 * Gives one reference; NULL when out of memory or elemsize > 65536.  Needs no scheduler. */
rn_chan *rn_chan_new(size_t elemsize, size_t cap, void (*drop)(void *elem));
rn_chan *rn_chan_ref(rn_chan *c);   /* gives one more reference; returns c */
void     rn_chan_unref(rn_chan *c); /* takes one; the last frees the channel */

/* Sends a copy of *elem.  Waits while the buffer is full (cap 0: until a receiver has it); those who wait are served
 * in order.  0, RN_ECLOSED, RN_ETIMEDOUT or RN_ECANCELED; on error nothing was sent, and what *elem refers to is
 * still the caller's.  A NULL channel is never ready, as Go's nil.  A bound channel (runnel.h) has more results; of
 * those only RN_EUNKNOWN means: perhaps sent, taken from you. */
int  rn_chan_send(rn_chan *c, const void *elem, rn_time deadline);

/* Receives into *elem (NULL: throws the element away), which is untouched on error.  Waits while there is nothing;
 * those who wait are served in order.  After a close it first gives what is buffered.  0, RN_ECLOSED, RN_ETIMEDOUT
 * or RN_ECANCELED.  A NULL channel is never ready. */
int  rn_chan_recv(rn_chan *c, void *elem, rn_time deadline);

/* No more sends: senders get RN_ECLOSED at once, also those that wait; receivers when all is received.  Once more
 * is fine.  rn_chan_fail closes with a reason < 0 (any other: a plain close), so that a crash never looks like the
 * end; rn_chan_err tells it: 0 while the channel is open and after a plain close.  The first of close and fail
 * decides. */
void rn_chan_close(rn_chan *c);
void rn_chan_fail(rn_chan *c, int reason);
int  rn_chan_err(const rn_chan *c);

size_t rn_chan_len(const rn_chan *c);        /* elements buffered: a hint, true a moment ago */
size_t rn_chan_cap(const rn_chan *c);        /* elements that it buffers */

/* ---- select ----------------------------------------------------------- */
enum rn_op { RN_OFF, RN_SEND, RN_RECV };     /* RN_OFF: this case is never ready */

typedef struct rn_case {
    rn_chan    *chan;               /* NULL: this case is never ready */
    void       *elem;               /* sent from, or received into (NULL: thrown away) */
    enum rn_op  op;
    int         rc;                 /* out, of the chosen case only: 0, RN_ECLOSED, or a bound channel's error */
} rn_case;

/* Waits until a case is ready and performs exactly one of those that are, chosen fairly.  Gives its index; the
 * case's own outcome is in its rc.  RN_ETIMEDOUT (with RN_NOWAIT this is Go's default) or RN_ECANCELED: it has
 * performed none.  -EINVAL: n is not in 0..64.  A channel may be in several cases, local and bound ones mixed.
 * Without a case that can ever be ready it waits for its deadline, as Go's select {} for ever. */
int rn_select(rn_case *cases, int n, rn_time deadline);

#define RN_LEN(a) ((int)(sizeof(a) / sizeof *(a)))   /* of an array of cases */

/* ---- timers ------------------------------------------------------------ */
/* A channel, buffering one, that gets one rn_time (when it fired) after ns.  The last unref stops it.  NULL: no
 * memory, or no scheduler. */
rn_chan *rn_timer(int64_t ns);
/* The same every ns; ticks that nobody has taken in time are dropped.  NULL also when ns <= 0. */
rn_chan *rn_ticker(int64_t ns);

/* Runs fn(arg) after ns, once, in a goroutine of its own in the root group; arg must live until then.  Gives a timer
 * that must be stopped exactly once, fired or not; NULL: no memory, or no scheduler. */
typedef struct rn_timer_fn rn_timer_fn;
rn_timer_fn *rn_after_func(int64_t ns, rn_fn *fn, void *arg);
int          rn_timer_stop(rn_timer_fn *t);  /* takes t: 1 stopped in time, 0 too late (fn has run, runs or will) */
int          rn_timer_reset(rn_timer_fn *t, int64_t ns);   /* fires ns from now; 1 it was pending, 0 it was not,
                                                or < 0: it cannot be set and is not pending */
int          rn_later(int64_t ns, rn_fn *fn, void *arg);   /* rn_after_func that nobody can stop: 0, -ENOMEM */

/* ---- files, sockets, signals (an fd must be non-blocking) ----------------
 * Each waits only when the system would block.  Beside the system's errors they give RN_ETIMEDOUT,
 * RN_ECANCELED, and -EBADF when rn_fd_close ends the wait.  An fd that is given is the caller's, non-blocking and
 * close-on-exec. */
ssize_t rn_read (int fd, void *buf, size_t len, rn_time deadline);    /* bytes read, perhaps fewer; 0 at the end */
/* Writes all of it: 0, or an error with the bytes that were written in *done (done may be NULL).  No SIGPIPE from
 * sockets. */
int rn_write(int fd, const void *buf, size_t len, size_t *done, rn_time deadline);
int rn_wait_fd(int fd, int poll_events, rn_time deadline);            /* those of POLLIN | POLLOUT that are ready */
/* TCP.  host: a name or an address; to listen, NULL and "" are all addresses.  port 0 listens on any free one.  Names
 * go to the resolver on a spare thread: -EHOSTUNREACH if it has none; rn_listen waits for it without a deadline. */
int rn_listen(const char *host, int port);                            /* an fd */
int rn_accept(int fd, rn_time deadline);                              /* an fd */
int rn_dial(const char *host, int port, rn_time deadline);            /* an fd */
int rn_fd_close(int fd);                                              /* closes it; who waits on it gets -EBADF */

/* Gives a channel of int that gets signo each time the signal comes; it buffers 16, and when it is full the signal is
 * missed.  Several channels of one signal get it each.  When the last is unreferenced the signal acts as before.
 * NULL: no memory, no scheduler, or a signal that cannot be caught so (SIGKILL, SIGSTOP, SIGSEGV ...). */
rn_chan *rn_signal_chan(int signo);

/* Runs fn(arg) on a spare thread and waits until it returns: for calls that block a thread (fsync, the resolver).
 * fn is in a plain thread there, so what it calls here blocks that thread.  0; or -ENOMEM: it was not run. */
int rn_block(void (*fn)(void *arg), void *arg);

/* ---- looking inside ---------------------------------------------------- */
void rn_set_name(const char *name); /* of this goroutine; copied, at most 31 bytes of it; shown by rn_dump */
void rn_dump(int fd);               /* writes for every goroutine where, why and how long it waits.  SIGQUIT does
                                       that on standard error, unless the program handles it */
typedef struct rn_stats {
    uint64_t goroutines, timers, stack_bytes;            /* now */
    uint64_t created, parks, steals, sends, recvs, selects, run_ns, idle_ns;   /* since the start; exact */

    uint64_t running, runnable, waiting;                 /* now: the goroutines by what they do; hints */
    uint64_t waiting_outside;                            /* of those, for descriptors, signals and threads */
    uint64_t queued_common, workers, workers_idle;       /* now: runnable in the common queue; see rn_stats_worker */
    uint64_t stack_bytes_used;                           /* now: of stack_bytes; the rest is kept for the next */
    uint64_t block_threads;                              /* now: threads of rn_block, the idle ones too */
    uint64_t lock_waits, lock_wait_ns;                   /* since the start: for mutexes and rwmutexes, by all together */
    uint64_t polls, polled;                              /* looks at descriptors; goroutines that were woken by them */
    /* Since the start: how long goroutines were runnable before they ran.  A sample, of which each stands for as many as
     * were not looked at: about 1 in 1,024, all at first.  Bucket i begins at rn_latency_from(i) ns. */
#define RN_LATENCIES 128
    uint64_t latency[RN_LATENCIES];
} rn_stats;
void rn_stats_read_v(rn_stats *out, size_t size);
static inline void rn_stats_read(rn_stats *out) { rn_stats_read_v(out, sizeof *out); }

int64_t rn_latency_from(unsigned i);
/* The time in ns within which `part` of them ran (0.99: of 100 all but one), rounded up to a bucket's end; 0: none was seen. */
int64_t rn_latency_part(const rn_stats *s, double part);

/* The same of the n-th worker.  0, or -ENOENT after the last. */
typedef struct rn_worker_stats {
    uint64_t queued;                                     /* now: runnable in its queue; a hint */
    uint64_t created, parks, steals, run_ns, idle_ns;    /* since the start */
} rn_worker_stats;
int rn_stats_worker_v(unsigned n, rn_worker_stats *out, size_t size);
static inline int rn_stats_worker(unsigned n, rn_worker_stats *out) { return rn_stats_worker_v(n, out, sizeof *out); }

/* The goroutines that wait, by what they wait for, in the words of rn_dump; the most frequent first.  Gives how many
 * reasons there are, of which at most n are written.  Looks at each goroutine, a few at a time, so it is not for every
 * millisecond of a program with a million. */
typedef struct rn_reason {
    const char *why;
    uint64_t goroutines;
    int64_t longest_ns;
} rn_reason;
int rn_stats_reasons(rn_reason *out, int n);

/* With RN_TRACE=file in the environment a scheduler leaves a trace there of what each goroutine did when, and who woke whom,
 * for ui.perfetto.dev or chrome://tracing: see docs/OBSERVING.md. */

/* rn_main, but deterministic: one worker, a random but seeded next goroutine, a virtual clock that advances 1 us per
 * scheduling step and jumps when all sleep.  The same seed gives the same interleaving.  May be called again and
 * again in a process; a panic or deadlock (status 2) prints the seed.  -EBUSY while a scheduler runs.  Real fds,
 * signals, rn_block and plain threads work but are not deterministic. */
int rn_sim(uint64_t seed, int (*fn)(void *arg), void *arg);

/* Looks for a seed under which fn fails: rn_sim with n seeds, from `first` on, each in a child process, until one does not
 * end with 0.  It may also crash, panic, exit, be deadlocked, or not end within a minute (then it is told SIGQUIT: a
 * dump, and killed).  What that child printed, what became of it and the command that replays it go to standard error;
 * the output of all others is thrown away.  0: none failed, 1: one did; -EBUSY: a scheduler runs; or the system's error.
 * From the environment: RN_SEED=N runs that one alone, in this process, for a debugger; RN_SEEDS=N is instead of n;
 * RN_SEED_SECONDS=N instead of the minute. */
int rn_sim_seeds(uint64_t first, uint64_t n, int (*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

/* ---- typed channels: the compiler checks the element type ---------------
 * Once per type:  typedef rn_chan_of(struct job) job_chan;   The member elem is never read, it carries the type.
 * rn_make(&c, cap) makes the channel (NULL: no memory); rn_send(c, value), rn_recv(c, &value) and rn_close(c) are
 * rn_chan_send and rn_chan_recv without a deadline, and rn_chan_close; rn_on_recv(c, &value) and rn_on_send(c, &value)
 * are cases for rn_select; rn_spawn(fn, value) is rn_go_copy of the value.  c.chan is the channel for all else. */
#ifndef __cplusplus
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
/* (Type is not deduced from the second argument, so that it is converted as in C: an int for an int64_t, NULL for a T *.) */
template <class T> union rn_typed { typedef T type; rn_chan *chan; T *elem; };
#define rn_chan_of(T)      rn_typed<T>
template <class T> rn_chan *rn_make(rn_typed<T> *c, size_t cap) { return c->chan = rn_chan_new(sizeof(T), cap, nullptr); }
template <class T> int rn_send(rn_typed<T> c, typename rn_typed<T>::type v) { return rn_chan_send(c.chan, &v, RN_FOREVER); }
template <class T> int rn_recv(rn_typed<T> c, typename rn_typed<T>::type *out) { return rn_chan_recv(c.chan, out, RN_FOREVER); }
template <class T> rn_case rn_on_recv(rn_typed<T> c, typename rn_typed<T>::type *out) { return rn_case{ c.chan, out, RN_RECV, 0 }; }
template <class T> rn_case rn_on_send(rn_typed<T> c, const typename rn_typed<T>::type *in) { return rn_case{ c.chan, (void *)in, RN_SEND, 0 }; }
template <class T> void rn_close(rn_typed<T> c) { rn_chan_close(c.chan); }
template <class T> int rn_spawn(rn_fn *fn, const T &arg) { return rn_go_copy(fn, &arg, sizeof(T)); }
#endif

#endif /* RN_H */
