/* process.c - see process.h.   SPDX-License-Identifier: MIT */
#include "tests/e2e/process.h"

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

static void child(const char *const argv[], int out_fd, const char *err_path)
{
    int err_fd = open(err_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (out_fd < 0)
        out_fd = open("/dev/null", O_WRONLY);
    dup2(out_fd, STDOUT_FILENO);
    dup2(err_fd, STDERR_FILENO);
    close(err_fd);
    execv(argv[0], (char *const *)argv);
    perror(argv[0]);
    _exit(127);
}

pid_t process_start(const char *const argv[], int out_fd, const char *err_path)
{
    pid_t pid = fork();

    if (pid == 0)
        child(argv, out_fd, err_path);
    return pid < 0 ? -errno : pid;
}

void process_stop(pid_t pid)
{
    int status;

    if (kill(pid, SIGSTOP) == 0)
        waitpid(pid, &status, WUNTRACED);
}

void process_continue(pid_t pid)
{
    kill(pid, SIGCONT);
}

void process_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int process_wait(pid_t pid, double seconds)
{
    const struct timespec look = { .tv_nsec = 2000000 };
    int status = 0;

    for (double waited = 0; waitpid(pid, &status, WNOHANG) != pid; waited += 0.002) {
        if (waited > seconds)
            return -1;
        nanosleep(&look, NULL);
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool process_alive(pid_t pid)
{
    siginfo_t info = { .si_pid = 0 };

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

int process_output(const char *command, char *out, size_t size)
{
    FILE *f = popen(command, "r");
    size_t n;
    int status;

    if (f == NULL)
        return 127;
    n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    while (fgetc(f) != EOF) /* or it would end with SIGPIPE */
        continue;
    status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
