/* crew.c - see crew.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* 0 in the child; in the parent the pid, of which the crew has taken note; -errno. */
static pid_t crew_add(struct crew *c, enum crew_side side)
{
    pid_t parent = getpid(), pid;

    if (c->n == CREW_MAX)
        return -E2BIG;
    fflush(NULL); /* else the child would have what is not written yet, too */
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid > 0) {
        c->member[c->n++] = (struct crew_member){ .pid = pid, .side = side };
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it ended before we had asked to end with it */
    return 0;
}

int crew_fork(struct crew *c, enum crew_side side, int (*fn)(void *arg), void *arg)
{
    pid_t pid = crew_add(c, side);

    if (pid != 0)
        return pid < 0 ? (int)pid : 0;
    int status = fn(arg);
    fflush(NULL);
    _exit(status);
}

int crew_exec(struct crew *c, enum crew_side side, char *const argv[], int out_fd)
{
    pid_t pid = crew_add(c, side);
    int null;

    if (pid != 0)
        return pid < 0 ? (int)pid : 0;
    null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(out_fd < 0 ? null : out_fd, STDOUT_FILENO);
    execvp(argv[0], argv);
    _exit(127);
}

/* One call instead of one for each: it is asked hundreds of times a second. */
static bool somebody_has_ended(void)
{
    siginfo_t info = { 0 };

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0;
}

const struct crew_member *crew_look(struct crew *c)
{
    bool ended = somebody_has_ended();

    for (int i = 0; i < c->n; i++) {
        struct crew_member *m = &c->member[i];

        if (ended && m->pid != 0 && waitpid(m->pid, &m->status, WNOHANG) == m->pid)
            m->pid = 0;
        if (m->pid == 0 && m->status != 0)
            return m;
    }
    return NULL;
}

bool crew_runs(const struct crew *c, enum crew_side side)
{
    for (int i = 0; i < c->n; i++)
        if (c->member[i].side == side && c->member[i].pid != 0)
            return true;
    return false;
}

int64_t crew_cpu_ns(const struct crew *c, enum crew_side side)
{
    int64_t sum = 0;

    for (int i = 0; i < c->n; i++) {
        const struct crew_member *m = &c->member[i];
        struct timespec ts;
        clockid_t clock;

        if (m->side == side && m->pid != 0 && clock_getcpuclockid(m->pid, &clock) == 0 &&
            clock_gettime(clock, &ts) == 0)
            sum += (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    }
    return sum;
}

static uint64_t memory_kib(pid_t pid, const char *line)
{
    char path[64], text[256];
    size_t len = strlen(line);
    unsigned long long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    while (fgets(text, sizeof text, f) != NULL)
        if (strncmp(text, line, len) == 0 && text[len] == ':')
            kib = strtoull(text + len + 1, NULL, 10);
    fclose(f);
    return kib;
}

uint64_t crew_memory_kib(const struct crew *c, enum crew_side side, const char *line)
{
    uint64_t sum = 0;

    for (int i = 0; i < c->n; i++)
        if (c->member[i].side == side && c->member[i].pid != 0)
            sum += memory_kib(c->member[i].pid, line);
    return sum;
}

void crew_end(struct crew *c)
{
    for (int i = 0; i < c->n; i++)
        if (c->member[i].pid != 0)
            kill(c->member[i].pid, SIGKILL);
    for (int i = 0; i < c->n; i++) {
        if (c->member[i].pid != 0)
            waitpid(c->member[i].pid, &c->member[i].status, 0);
        c->member[i].pid = 0;
    }
}

void crew_how_ended(const struct crew_member *m, char *text, size_t size)
{
    if (WIFSIGNALED(m->status))
        snprintf(text, size, "signal %d (%s)", WTERMSIG(m->status), strsignal(WTERMSIG(m->status)));
    else
        snprintf(text, size, "exit status %d", WEXITSTATUS(m->status));
}
