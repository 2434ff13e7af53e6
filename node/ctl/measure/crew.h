/* crew.h - the processes of a measurement: started, looked after, ended.   SPDX-License-Identifier: MIT
 *
 * Each ends with the process that started it, whatever ends that.  No goroutine may run in the coordinator: it forks. */
#ifndef NODE_CTL_MEASURE_CREW_H
#define NODE_CTL_MEASURE_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum crew_side { CREW_PRODUCER, CREW_SERVER, CREW_CONSUMER, CREW_OTHER };
#define CREW_SIDES 4

#define CREW_MAX 256

struct crew_member {
    pid_t pid; /* 0: it has ended and was waited for */
    enum crew_side side;
    int status; /* as waitpid() gives it, when it has ended */
};

struct crew {
    struct crew_member member[CREW_MAX];
    int n;
};

/* Forks a process that runs fn(arg) and exits with what that gives.  0 or -errno. */
int crew_fork(struct crew *c, enum crew_side side, int (*fn)(void *arg), void *arg);

/* Starts a program, found as the shell would; it gets nothing to read, and out_fd (< 0: nothing) as standard output.  0 or
 * -errno (127 as its exit status: there is no such program). */
int crew_exec(struct crew *c, enum crew_side side, char *const argv[], int out_fd);

/* Takes note of who has ended.  The first that did so other than with status 0; NULL: none. */
const struct crew_member *crew_look(struct crew *c);

/* Do any of that side still run? */
bool crew_runs(const struct crew *c, enum crew_side side);

/* What all of that side that run have used of the CPUs so far, in ns. */
int64_t crew_cpu_ns(const struct crew *c, enum crew_side side);

/* A line of /proc/PID/status of all of that side that run, in KiB: "VmRSS", or "VmHWM", the most that it ever was. */
uint64_t crew_memory_kib(const struct crew *c, enum crew_side side, const char *line);

/* Kills all that run, and waits until they are gone. */
void crew_end(struct crew *c);

/* "exit status 1", "signal 9 (Killed)". */
void crew_how_ended(const struct crew_member *m, char *text, size_t size);

#endif
