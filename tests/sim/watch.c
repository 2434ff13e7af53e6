/* watch.c - see watch.h.   SPDX-License-Identifier: MIT
 *
 * The handlers only write; what they write is made beforehand. */
#include "tests/sim/watch.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define ASLEEP 10 /* who waits for a lock that nobody holds uses no processor */

static struct {
    const char *program, *replay;
    char crashed[200], stuck[200];
} watch;

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));

    (void)n; /* there is nobody else to tell */
}

static void on_crash(int signo)
{
    say(watch.crashed);
    signal(signo, SIG_DFL);
    raise(signo);
}

static void on_stuck(int signo)
{
    (void)signo;
    say(watch.stuck);
    _exit(1);
}

void watch_begin(const char *program, const char *replay)
{
    static const int crashes[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

    watch.program = program;
    watch.replay = replay;
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
        struct sigaction before, action = { .sa_handler = on_crash, .sa_flags = SA_NODEFER };

        /* A sanitizer that has a handler of its own reports better. */
        if (sigaction(crashes[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(crashes[i], &action, NULL);
    }
    signal(SIGVTALRM, on_stuck);
    signal(SIGALRM, on_stuck);
}

void watch_seed(uint64_t seed, unsigned seconds)
{
    struct itimerval timer = { .it_value = { .tv_sec = seconds } };

    snprintf(watch.crashed, sizeof watch.crashed,
             "%s: FAILED: it died in seed %" PRIu64 "\n%s: replay with: %s--seed %" PRIu64 "\n",
             watch.program, seed, watch.program, watch.replay, seed);
    snprintf(watch.stuck, sizeof watch.stuck,
             "%s: FAILED: seed %" PRIu64 " does not end in %u s of the processor\n"
             "%s: replay with: %s--seed %" PRIu64 "\n",
             watch.program, seed, seconds, watch.program, watch.replay, seed);
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
    alarm(ASLEEP * seconds);
}
