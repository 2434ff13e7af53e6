/* serve.c - `runnel serve NAME -- COMMAND [ARG...]`: the command answers each request.   SPDX-License-Identifier: MIT
 *
 * A request is its standard input, what it prints is the reply.  One at a time, and acknowledged when the reply is sent: so
 * a request is served again if this program is killed, and again, by whoever comes, when the command fails - until it is
 * a dead letter. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/ctl/common.h"
#include "node/ctl/verbs.h"

#define AGAIN_NS (100 * RN_MS) /* a command that has failed is not run again before */

struct server {
    struct ctl_opts *opts;
    struct ctl_run *run;
    const char *name;
    char **command;
    rn_node *node;
    rn_chan *chan;
};

/* One run of the command, on a thread of its own: its input and output are files in memory, so that none waits for the
 * other. */
struct work {
    char **command;
    const rn_bytes *input;
    rn_bytes output;
    int status; /* of waitpid; or < 0: it was not run, or its output could not be read */
};

static int write_all(int fd, const uint8_t *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, data + done, len - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static int read_all(int fd, rn_bytes *out)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    int rc = rn_bytes_new(out, NULL, (size_t)st.st_size);
    if (rc < 0)
        return rc;
    for (size_t at = 0; at < out->len;) {
        ssize_t n = pread(fd, out->data + at, out->len - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rc = n < 0 ? -errno : -EIO;
            rn_bytes_free(out);
            return rc;
        }
        at += (size_t)n;
    }
    return 0;
}

/* ---- the command ---- */

static int check_file(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Where posix_spawnp() will look.  0: there is something to be run; else what that will say. */
static int check_command(const char *command)
{
    const char *at = getenv("PATH"), *end;
    char file[PATH_MAX];
    int rc = -ENOENT;

    if (command[0] == '\0')
        return -ENOENT;
    if (strchr(command, '/') != NULL)
        return check_file(command);
    for (at = at != NULL ? at : "/bin:/usr/bin"; rc != 0; at = end + 1) {
        end = strchrnul(at, ':');
        int n = snprintf(file, sizeof file, "%.*s%s%s", (int)(end - at), at, end > at ? "/" : "",
                         command);
        int found = n < (int)sizeof file ? check_file(file) : -ENAMETOOLONG;
        if (found == 0 || found == -EACCES)
            rc = found;
        if (*end == '\0')
            break;
    }
    return rc;
}

static int spawn_and_wait(char **command, int in, int out)
{
    posix_spawn_file_actions_t files;
    int status = 0, rc;
    pid_t pid;

    if (posix_spawn_file_actions_init(&files) != 0)
        return -ENOMEM;
    rc = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawnp(&pid, command[0], &files, NULL, command, environ);
    posix_spawn_file_actions_destroy(&files);
    if (rc != 0)
        return -rc;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return status;
}

static void work(void *arg)
{
    struct work *w = arg;
    int in = memfd_create("request", MFD_CLOEXEC), out = memfd_create("reply", MFD_CLOEXEC);

    w->status = in < 0 || out < 0 ? -errno : write_all(in, w->input->data, w->input->len);
    if (w->status == 0)
        w->status = spawn_and_wait(w->command, in, out);
    if (w->status == 0)
        w->status = read_all(out, &w->output);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
}

/* CTL_OK: served, or to be served again.  Takes msg. */
static int serve_one(struct server *s, rn_msg *msg)
{
    struct work w = { .command = s->command, .input = &msg->bytes };
    int rc = rn_block(work, &w);

    if (rc == 0 && w.status < 0)
        rc = w.status;
    if (rc < 0) {
        (void)rn_msg_nack(msg, 0);
        return ctl_say("cannot run %s: %s", s->command[0], rn_strerror(rc));
    }
    if (w.status != 0) {
        if (WIFEXITED(w.status))
            ctl_say("%s ended with status %d; the request comes again", s->command[0],
                    WEXITSTATUS(w.status));
        else
            ctl_say("%s was ended by a signal; the request comes again", s->command[0]);
        (void)rn_msg_nack(msg, AGAIN_NS);
        return CTL_OK;
    }
    rn_shield(1); /* what is served is replied to, also after a signal */
    rc = rn_reply(s->node, msg, w.output.data, w.output.len, rn_after(CTL_GRACE_NS));
    rn_shield(0);
    rn_bytes_free(&w.output);
    if (rc < 0 && rc != -ENOENT && rc != -EINVAL) /* it has gone; or it wanted no reply */
        ctl_say("a reply was not sent: %s", rn_strerror(rc));
    (void)rn_msg_ack(msg);
    return CTL_OK;
}

static int server_bind(struct server *s)
{
    const rn_bind_opts bind = { .manual_ack = true, .prefetch = 1 };

    return ctl_bind(&s->chan, s->node, s->name, RN_IN, &rn_codec_msg, &bind, s->opts);
}

static int serve_all(struct server *s)
{
    int status = CTL_OK;

    while (status == CTL_OK) {
        rn_msg msg;
        int rc = rn_chan_recv(s->chan, &msg, RN_FOREVER);
        if (rc == 0) {
            status = serve_one(s, &msg);
        } else if (ctl_session_over(rc)) {
            ctl_say("the session with the broker ended; going on");
            rn_chan_unref(s->chan);
            s->chan = NULL;
            if (server_bind(s) < 0)
                return CTL_FAILED;
        } else if (rc == RN_ECLOSED) {
            return CTL_OK;
        } else {
            return ctl_signal(s->run) ? CTL_FAILED : ctl_say_failed("receive from", s->name, rc);
        }
    }
    return status;
}

static int serve_run(struct ctl_run *run, void *arg)
{
    struct server *s = arg;
    int status = CTL_FAILED;

    s->run = run;
    if (ctl_open(&s->node, s->opts, NULL, rn_after(s->opts->wait_ns)) != CTL_OK)
        return CTL_FAILED;
    if (server_bind(s) == 0)
        status = serve_all(s);
    rn_chan_unref(s->chan);
    ctl_close(s->node);
    return status;
}

/* ---- the command line ---- */
static error_t parse_serve(int key, char *arg, struct argp_state *state)
{
    struct server *s = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = s->opts;
        return 0;
    case ARGP_KEY_ARG:
        if (s->name != NULL)
            return ARGP_ERR_UNKNOWN; /* the command: all of it comes together */
        s->name = arg;
        return 0;
    case ARGP_KEY_ARGS:
        s->command = state->argv + state->next;
        return 0;
    case ARGP_KEY_END:
        if (s->name == NULL)
            argp_error(state, "which channel? NAME is missing");
        if (s->command == NULL || s->command[0] == NULL)
            argp_error(state, "what is to serve it? COMMAND is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char serve_doc[] =
    "Serves the channel NAME: for each request COMMAND is run, with the request as its standard input; what it prints is the "
    "reply. One at a time; run it several times to serve several.\v"
    "A request is acknowledged when its reply is sent. When COMMAND fails the request comes again, here or to another, until it "
    "is a dead letter (`runnel dead').\n\n"
    "  $ runnel serve shout -- tr a-z A-Z &\n"
    "  $ runnel call shout hello";

int serve_main(int argc, char **argv, struct ctl_opts *opts)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { NULL,      parse_serve, "NAME -- COMMAND [ARG...]",
                                      serve_doc, children,    NULL,
                                      NULL };
    struct server s = { .opts = opts };
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &s);
    status = ctl_check_name(s.name);
    if (status != CTL_OK)
        return status;
    int rc = check_command(s.command[0]);
    if (rc < 0)
        return ctl_say("cannot run %s: %s", s.command[0], rn_strerror(rc));
    return ctl_main(CTL_WORKERS, serve_run, &s);
}
