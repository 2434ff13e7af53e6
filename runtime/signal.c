/* signal.c - signals become elements of channels, and SIGQUIT a look inside.   SPDX-License-Identifier: MIT
 *
 * A handler only notes the signal and wakes a thread of ours, which hands it on.  That thread is no worker: it
 * prints the dump while all workers are busy or asleep.  Handlers run on the alternate stack of a worker,
 * never on a goroutine's.  Signals are not blocked in workers: raise() in a goroutine would then wait for ever,
 * and the children of the program would inherit it.
 *
 * As in Go, equal signals that come before the first was handed on are one, and a channel that is full misses
 * them.  The registry's reference keeps a channel alive; when it is the last one nobody can receive any more, and the
 * subscription ends.  A signal without subscribers gets what the program had set for it before. */
#include "runtime/signal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "runtime/chan.h"
#include "runtime/dump.h"
#include "runtime/fiber.h"
#include "runtime/rn.h"
#include "runtime/sched.h"
#include "runtime/trace.h"

#define SIGNALS  64 /* as many as the kernel has */
#define BUFFERED 16 /* of one signal; who is so far behind is not told how often */

/* TSan puts a handler off until a call that it knows: a worker that sleeps must not just go on sleeping (lock.c). */
#ifdef RN__TSAN
#define RESTART 0
#else
#define RESTART SA_RESTART
#endif

struct subscription {
    int signo;
    rn_chan *chan; /* counted */
    struct subscription *next;
};

static struct {
    _Atomic uint64_t
        pending;         /* bit signo - 1: came and was not handed on; also written by handlers */
    _Atomic int wake_fd; /* blocking eventfd; -1: not running */
    _Atomic bool stop;   /* set before the last wake */
    pthread_t thread;
    pthread_mutex_t lock;         /* guards all below */
    bool ignores_pipe;            /* SIGPIPE is ignored ... */
    struct sigaction pipe_before; /* ... and was this */
    struct subscription *first;
    uint64_t caught;                      /* bit signo - 1: our handler is installed ... */
    struct sigaction before[SIGNALS + 1]; /* ... in place of this */
} signals = { .wake_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t bit(int signo)
{
    return UINT64_C(1) << (signo - 1);
}

/* Async-signal-safe: a lock-free atomic and write(2). */
static void on_signal(int signo)
{
    static const uint64_t one = 1;
    int saved = errno, fd = atomic_load(&signals.wake_fd);

    atomic_fetch_or(&signals.pending, bit(signo));
    if (fd >= 0)
        (void)!write(fd, &one, sizeof one);
    errno = saved;
}

/* ---- what the program had set; the lock is held -------------------------------- */

static int intercept(int signo)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = RESTART | SA_ONSTACK };

    if (signals.caught & bit(signo))
        return 0;
    sigfillset(&action.sa_mask);
    if (sigaction(signo, &action, &signals.before[signo]) < 0)
        return -errno;
    signals.caught |= bit(signo);
    return 0;
}

static void put_back(int signo)
{
    if (!(signals.caught & bit(signo)))
        return;
    sigaction(signo, &signals.before[signo], NULL);
    signals.caught &= ~bit(signo);
}

/* Nobody in this program has said what is to happen. */
static bool is_unhandled(int signo)
{
    struct sigaction action;

    return sigaction(signo, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN);
}

/* ---- handing on; the lock is held ------------------------------------------------ */

/* Ends subscriptions that only we still refer to. */
static void sweep(int signo)
{
    struct subscription **at = &signals.first, *s;

    while ((s = *at) != NULL) {
        if (s->signo != signo || !rn__chan_is_last_ref(s->chan)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        rn_chan_unref(s->chan);
        free(s);
    }
}

static int hand_on(int signo)
{
    int n = 0;

    sweep(signo);
    for (struct subscription *s = signals.first; s; s = s->next) {
        if (s->signo == signo) {
            (void)rn__chan_offer(s->chan, &signo); /* full: it misses this one */
            n++;
        }
    }
    return n;
}

static void handle(int signo)
{
    bool dump = false, again = false;

    pthread_mutex_lock(&signals.lock);
    if (hand_on(signo) == 0 && (signals.caught & bit(signo))) {
        dump = signo == SIGQUIT;
        again = !dump;
        if (again)
            put_back(signo);
    }
    pthread_mutex_unlock(&signals.lock);
    if (dump)
        rn_dump(STDERR_FILENO);
    if (dump)
        rn__trace_write(/* calm= */ true);
    if (again)
        raise(signo); /* its subscribers are gone: it acts as if they had never been */
}

static void *thread_main(void *arg)
{
    uint64_t count, bits;

    (void)arg;
    while (!atomic_load(&signals.stop)) {
        /* EINTR: a handler ran here and has written what the next read gets. */
        (void)!read(atomic_load(&signals.wake_fd), &count, sizeof count);
        for (bits = atomic_exchange(&signals.pending, 0); bits; bits &= bits - 1)
            handle(__builtin_ctzll(bits) + 1);
    }
    return NULL;
}

/* A signal that the program blocks where it starts the scheduler is still to reach somebody: this thread. */
static void *thread_start(void *arg)
{
    sigset_t none;

    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    return thread_main(arg);
}

/* ---- start and end ------------------------------------------------------------------ */

int rn__signal_init(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    int rc;

    if (atomic_load(&signals.wake_fd) < 0) {
        /* Kept for good: a handler may be on its way to it when the scheduler ends. */
        int fd = eventfd(0, EFD_CLOEXEC);

        if (fd < 0)
            return -errno;
        atomic_store(&signals.wake_fd, fd);
    }
    atomic_store(&signals.stop, false);
    rc = pthread_create(&signals.thread, NULL, thread_start, NULL);
    if (rc != 0)
        return -rc;
    pthread_mutex_lock(&signals.lock);
    if (is_unhandled(SIGPIPE))
        signals.ignores_pipe = sigaction(SIGPIPE, &ignore, &signals.pipe_before) == 0;
    /* Also where it is ignored: a shell does that to what it starts in the background. */
    if (is_unhandled(SIGQUIT))
        rc = intercept(SIGQUIT);
    pthread_mutex_unlock(&signals.lock);
    return rc;
}

void rn__signal_fini(void)
{
    static const uint64_t one = 1;
    struct subscription *s;

    pthread_mutex_lock(&signals.lock);
    while ((s = signals.first) != NULL) {
        signals.first = s->next;
        rn_chan_unref(s->chan);
        free(s);
    }
    for (int signo = 1; signo <= SIGNALS; signo++)
        put_back(signo);
    if (signals.ignores_pipe)
        sigaction(SIGPIPE, &signals.pipe_before, NULL);
    pthread_mutex_unlock(&signals.lock);
    atomic_store(&signals.stop, true);
    (void)!write(atomic_load(&signals.wake_fd), &one, sizeof one);
    pthread_join(signals.thread, NULL);
    atomic_store(&signals.pending, 0);
}

/* ---- the contract's -------------------------------------------------------------------- */

static bool can_be_caught(int signo)
{
    switch (signo) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV: /* these happen to an instruction, not to a program */
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
        return false;
    default:
        return signo >= 1 && signo <= SIGNALS;
    }
}

rn_chan *rn_signal_chan(int signo)
{
    struct subscription *s;
    rn_chan *chan;
    int rc;

    if (!can_be_caught(signo) || !rn__running())
        return NULL;
    s = malloc(sizeof *s);
    chan = rn_chan_new(sizeof(int), BUFFERED, NULL);
    if (!s || !chan)
        goto fail;
    rn__chan_set_external(chan);
    *s = (struct subscription){ .signo = signo, .chan = rn_chan_ref(chan) };
    pthread_mutex_lock(&signals.lock);
    rc = intercept(signo);
    if (rc == 0) {
        s->next = signals.first;
        signals.first = s;
    }
    pthread_mutex_unlock(&signals.lock);
    if (rc == 0)
        return chan;
    rn_chan_unref(chan);
fail:
    rn_chan_unref(chan);
    free(s);
    return NULL;
}
