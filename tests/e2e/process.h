/* process.h - programs that a test starts, stops, lets go on and kills.   SPDX-License-Identifier: MIT */
#ifndef TESTS_E2E_PROCESS_H
#define TESTS_E2E_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Starts argv[0], which ends with us whatever happens.  Standard output goes to out_fd (< 0: to /dev/null), standard
 * error to the end of the file err_path.  The pid, or -errno. */
pid_t process_start(const char *const argv[], int out_fd, const char *err_path);

/* SIGSTOP, and waits until it is stopped. */
void process_stop(pid_t pid);
void process_continue(pid_t pid);

/* kill -9, and waits until it is gone. */
void process_kill(pid_t pid);

/* Waits until it ends, at most for so long.  Its exit status, 128 + the signal that ended it, or -1: not in time. */
int process_wait(pid_t pid, double seconds);

/* Is it still there?  Does not wait. */
bool process_alive(pid_t pid);

/* Runs a command line of the shell.  Its exit status; what it prints, as far as it fits, is in out. */
int process_output(const char *command, char *out, size_t size);

#endif
