/* main.c - runnel-node: runs a user's module on a node of its own.
 *   SPDX-License-Identifier: MIT
 *
 * A module is a shared object that defines runnel_module().  It is loaded before the scheduler
 * starts, runs as a goroutine, and what it returns is the exit status.  A signal cancels its
 * group; the node is closed when the module has returned, so that what it sent is accepted. */
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/ctl/common.h"

#define MODULE_STACK ((size_t)256 << 10)
#define DRAIN_NS     (30 * RN_SEC)

typedef int module_fn(rn_node *node, int argc, char **argv);

struct module {
    struct ctl_opts opts;
    const char *name; /* --name */
    const char *path; /* --module */
    module_fn *fn;
    int argc; /* for the module: argv[0] is its path, then what follows -- */
    char **argv;
    rn_node *node;
    int status;    /* what fn returned; read when the group has ended */
    rn_chan *done; /* closed when fn has returned */
};

/* ---- loading ---- */
static int module_load(struct module *m)
{
    char path[4096];
    void *object, *symbol;

    /* Without a slash dlopen would search the system's library path, not this directory. */
    if (snprintf(path, sizeof path, "%s%s", strchr(m->path, '/') ? "" : "./", m->path) >=
        (int)sizeof path)
        return ctl_say("module %.64s...: the path is too long", m->path);
    if (access(path, R_OK) < 0)
        return ctl_say("module %s: %s", m->path, rn_strerror(-errno));
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        return ctl_say("cannot load the module: %s", dlerror());
    symbol = dlsym(object, "runnel_module");
    if (!symbol)
        return ctl_say("module %s does not define runnel_module()", m->path);
    memcpy(&m->fn, &symbol,
           sizeof m->fn); /* ISO C has no conversion from object to function pointer */
    return CTL_OK;
}

/* ---- running ---- */
/* A module whose session is over is run again under the next one, with fresh handles. */
static void run_module(void *arg)
{
    struct module *m = *(struct module **)arg;

    for (;;) {
        m->status = m->fn(m->node, m->argc, m->argv);
        if (!ctl_session_over(m->status) || rn_cancelled() < 0)
            break;
        ctl_say("module %s: %s; running it again", m->path, rn_strerror(m->status));
    }
    rn_chan_close(m->done);
}

static int module_status(const struct module *m)
{
    if (m->status < 0)
        return ctl_say("module %s: %s", m->path, rn_strerror(m->status));
    if (m->status > 255)
        return ctl_say("module %s returned %d, which is no exit status", m->path, m->status);
    return m->status;
}

static int module_close(struct module *m, int status, bool signalled)
{
    uint64_t unsent = 0;
    int rc;

    rc = rn_node_close(m->node, rn_after(signalled ? CTL_GRACE_NS : DRAIN_NS), &unsent);
    if (rc < 0 || unsent)
        return ctl_say("%" PRIu64
                       " elements that module %s sent were never confirmed by the broker",
                       unsent, m->path);
    return status;
}

static int node_run(struct ctl_run *run, void *arg)
{
    struct module *m = arg;
    const rn_go_opts go = { .name = "runnel_module", .stack_bytes = MODULE_STACK };
    int status;

    m->done = rn_chan_new(0, 0, NULL);
    if (!m->done)
        return ctl_say("out of memory");
    if (ctl_open(&m->node, &m->opts, m->name, rn_after(m->opts.wait_ns)) != CTL_OK) {
        rn_chan_unref(m->done);
        return CTL_FAILED;
    }
    if (rn_go_with(&go, run_module, &m, sizeof m) < 0)
        return ctl_say("cannot start the module: out of memory");
    rn_shield(1); /* a signal reaches the module; we wait for it and then drain */
    rn_chan_recv(m->done, NULL, RN_FOREVER);
    rn_chan_unref(m->done);
    status = ctl_signal(run) && m->status == RN_ECANCELED ? CTL_FAILED : module_status(m);
    status = module_close(m, status, ctl_signal(run) != 0);
    rn_shield(0);
    return status;
}

/* ---- the command line ---- */
enum { OPT_NAME = 'n', OPT_MODULE = 'm' };

static error_t parse_node(int key, char *arg, struct argp_state *state)
{
    struct module *m = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &m->opts;
        return 0;
    case OPT_NAME:
        m->name = arg;
        return 0;
    case OPT_MODULE:
        m->path = arg;
        return 0;
    case ARGP_KEY_ARGS:
        m->argv = state->argv + state->next;
        m->argc = state->argc - state->next;
        return 0;
    case ARGP_KEY_END:
        if (!m->name || !*m->name)
            argp_error(state, "--name is missing");
        if (!m->path || !*m->path)
            argp_error(state, "--module is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option node_options[] = {
    { "name", OPT_NAME, "NAME", 0, "What operators see as the name of this node", 0 },
    { "module", OPT_MODULE, "FILE.so", 0, "The shared object that defines runnel_module()", 0 },
    { 0 },
};

static const char node_doc[] =
    "Runs the function runnel_module() of a shared object on a node that is connected to the "
    "broker.\v"
    "ARGS are handed to the module: argv[0] is FILE.so, then the ARGS. What the module returns is "
    "the exit status. SIGTERM and SIGINT cancel the module's goroutines; what it has sent is still "
    "delivered.\n\n"
    "  $ runnel-node --name worker-1 --module ./worker.so -- --verbose";

/* argv for the module: its path, what followed --, NULL. */
static char **module_argv(const struct module *m)
{
    char **argv = calloc((size_t)m->argc + 2, sizeof *argv);

    if (!argv)
        return NULL;
    argv[0] = strdup(m->path);
    if (m->argc)
        memcpy(argv + 1, m->argv, (size_t)m->argc * sizeof *argv);
    return argv;
}

int main(int argc, char **argv)
{
    static const struct argp_child children[] = { { &ctl_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = { node_options, parse_node, "-- [ARGS...]", node_doc, children,
                                      NULL,         NULL };
    struct module m = { .argc = 0 };
    int status;

    ctl_descriptors();
    argp_err_exit_status = CTL_USAGE;
    ctl_opts_init(&m.opts);
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &m);
    m.argv = module_argv(&m);
    if (!m.argv || !m.argv[0])
        return ctl_say("out of memory");
    m.argc++;
    status = module_load(&m);
    if (status == CTL_OK)
        status = ctl_main(/* workers= */ 0, node_run, &m);
    free(m.argv[0]);
    free(m.argv);
    return status;
}
