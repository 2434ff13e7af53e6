/* seeds.c - a simulation under many seeds, to find one that fails.   SPDX-License-Identifier: MIT
 *
 * Each seed runs in a process of its own, so that nothing that goes wrong in one can stop the search: no crash, no exit and
 * no loop without end; and all begin with the same memory.  What they print is kept, and shown only of the one that fails. */
#include "runtime/rn.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_DEFAULT 60   /* of real time for one seed */
#define LAST_WORDS_MS   1000 /* from SIGQUIT, which has it say where it is, to SIGKILL */

struct search {
    int (*fn)(void *arg);
    void *arg;
    int output; /* a file that the seeds write to */
    uint64_t seconds;
};

/* The number that a variable of the environment says. */
static bool asked(const char *name, uint64_t *value)
{
    const char *text = getenv(name);
    uint64_t number;
    char *end;

    if (text == NULL || *text == '\0')
        return false;
    number = strtoull(text, &end, 0);
    if (*end != '\0')
        return false;
    *value = number;
    return true;
}

/* What failed does so also where only eight bits of it are told. */
static int exit_status(int rc)
{
    return rc != 0 && (rc & 255) == 0 ? 1 : rc & 255;
}

/* ---- one seed ----------------------------------------------------------------------------------------- */

/* Whoever catches these to go on elsewhere (a test framework) would do so in the wrong process. */
static void default_signals(void)
{
    static const int fatal[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP };

    for (int i = 0; i < RN_LEN(fatal); i++)
        signal(fatal[i], SIG_DFL);
}

static _Noreturn void child(const struct search *s, uint64_t seed)
{
    int rc;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    default_signals();
    dup2(s->output, STDOUT_FILENO);
    dup2(s->output, STDERR_FILENO);
    setvbuf(stdout, NULL, _IOLBF, 0); /* a crash loses nothing that was printed */
    rc = rn_sim(seed, s->fn, s->arg);
    fflush(NULL);
    _exit(exit_status(rc));
}

/* Until the other end is closed, which the end of the process does at the latest.  false: not in that time. */
static bool ends_within(int fd, uint64_t ms)
{
    rn_time now = rn_now(), until = now + (rn_time)ms * RN_MS;
    struct pollfd p = { .fd = fd };

    for (; now < until; now = rn_now())
        if (poll(&p, 1, (int)((until - now) / RN_MS) + 1) > 0)
            return true;
    return false;
}

/* Its end, as waitpid says it; *late: it had to be ended. */
static int end_of(pid_t pid, int alive, uint64_t seconds, bool *late)
{
    int status = 0;

    *late = !ends_within(alive, seconds * 1000);
    if (*late) {
        kill(pid, SIGQUIT);
        if (!ends_within(alive, LAST_WORDS_MS))
            kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int run(const struct search *s, uint64_t seed, int *status, bool *late)
{
    int alive[2], rc;
    pid_t pid;

    if (ftruncate(s->output, 0) < 0 || lseek(s->output, 0, SEEK_SET) < 0 ||
        pipe2(alive, O_CLOEXEC) < 0)
        return -errno;
    fflush(NULL); /* else it would be written twice */
    pid = fork();
    if (pid == 0) {
        close(alive[0]);
        child(s, seed);
    }
    rc = pid < 0 ? -errno : 0;
    close(alive[1]);
    if (rc == 0)
        *status = end_of(pid, alive[0], s->seconds, late);
    close(alive[0]);
    return rc;
}

/* ---- what is said ----------------------------------------------------------------------------------------- */

static void show_output(int fd)
{
    char part[4096];
    ssize_t n;

    lseek(fd, 0, SEEK_SET);
    while ((n = read(fd, part, sizeof part)) > 0)
        fwrite(part, 1, (size_t)n, stderr);
}

/* The command that began this program. */
static void print_command(void)
{
    char text[1024];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : 0;

    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < n - 1; i++)
        fputc(text[i] != '\0' ? text[i] : ' ', stderr);
    fputc('\n', stderr);
}

static void tell(const struct search *s, uint64_t seed, int status, bool late)
{
    show_output(s->output);
    fprintf(stderr, "seed %" PRIu64 " failed: ", seed);
    if (late)
        fprintf(stderr, "no end within %" PRIu64 " s", s->seconds);
    else if (WIFSIGNALED(status))
        fprintf(stderr, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "exit status %d", WEXITSTATUS(status));
    fprintf(stderr, "; replay with RN_SEED=%" PRIu64 " ", seed);
    print_command();
}

/* ---- the search --------------------------------------------------------------------------------------------- */

static int search(const struct search *s, uint64_t first, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        int status = 0, rc;
        bool late = false;

        rc = run(s, first + i, &status, &late);
        if (rc < 0)
            return rc;
        if (status != 0 || late) {
            tell(s, first + i, status, late);
            return 1;
        }
    }
    return 0;
}

/* Here, so that a debugger has it and all is printed at once. */
static int replay(uint64_t seed, int (*fn)(void *arg), void *arg)
{
    int rc = rn_sim(seed, fn, arg);

    if (rc == 0 || rc == -EBUSY)
        return rc;
    fprintf(stderr, "seed %" PRIu64 " failed: exit status %d\n", seed, exit_status(rc));
    return 1;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

int rn_sim_seeds(uint64_t first, uint64_t n, int (*fn)(void *arg), void *arg)
{
    struct search s = { .fn = fn, .arg = arg, .seconds = SECONDS_DEFAULT };
    uint64_t seed;
    int rc;

    if (asked("RN_SEED", &seed))
        return replay(seed, fn, arg);
    (void)asked("RN_SEEDS", &n);
    (void)asked("RN_SEED_SECONDS", &s.seconds);
    rc = rn_sim(first, nothing, NULL); /* -EBUSY: not while a scheduler runs */
    if (rc < 0)
        return rc;
    s.output = memfd_create("rn_sim_seeds", MFD_CLOEXEC);
    if (s.output < 0)
        return -errno;
    rc = search(&s, first, n);
    close(s.output);
    return rc;
}
