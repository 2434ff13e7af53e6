/* admission.c - see admission.h.   SPDX-License-Identifier: MIT */
#include "broker/admission.h"

#include "proto/link/keyfile.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What nobody reads is not said: waiting for somebody would keep others from connecting. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
    char text[800];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
        fprintf(stderr, "runnel-broker: %s\n", text);
}

static void tell(void *arg, const char *sentence)
{
    (void)arg;
    say("%s", sentence);
}

/* ---- the files ---- */

static int keys_read(struct admission *a, const char *keyfile, char *why, size_t size)
{
    struct key public;
    int rc = keyfile_read(keyfile, &a->secret, why, size);

    if (rc < 0)
        return rc;
    rc = zlink_curve_public(&a->secret, &public);
    if (rc < 0)
        snprintf(why, size, "%s", zlink_curve_missing);
    else if (a->clients != NULL)
        rc = keyfile_read_list(a->clients, &a->how.clients, why, size);
    a->how.secret = &a->secret;
    return rc;
}

int admission_init(struct admission *a, const char *keyfile, const char *clients)
{
    char why[KEYFILE_WHY];

    *a = (struct admission){ .how.tell = tell, .clients = clients };
    if (keyfile == NULL || keys_read(a, keyfile, why, sizeof why) == 0)
        return 0;
    fprintf(stderr, "runnel-broker: %s\n", why);
    return -1;
}

int admission_listen(struct admission *a, const char *url, char bound[LINK_URL_MAX],
                     struct link **out)
{
    int rc = zlink_listener(url, &a->how, bound, out);

    explicit_bzero(&a->secret, sizeof a->secret);
    return rc;
}

/* ---- SIGHUP ---- */

/* A list that cannot be read changes nothing. */
static void list_read(struct admission *a)
{
    struct key_list *list;
    char why[KEYFILE_WHY];
    size_t count;

    if (keyfile_read_list(a->clients, &list, why, sizeof why) < 0) {
        say("%s; the former list goes on", why);
        return;
    }
    count = key_list_count(list);
    zlink_listener_admit(a->link, list);
    say("read \"%s\": %zu client%s", a->clients, count, count == 1 ? "" : "s");
}

static void list_on_hangup(void *arg)
{
    struct admission *a = *(struct admission **)arg;
    int signo;

    while (rn_chan_recv(a->hangups, &signo, RN_FOREVER) == 0)
        list_read(a);
}

int admission_start(struct admission *a, struct link *link)
{
    a->link = link;
    if (a->clients == NULL)
        return 0;
    a->hangups = rn_signal_chan(SIGHUP);
    a->group = rn_group_new();
    if (a->hangups == NULL || a->group == NULL)
        return -ENOMEM;
    return rn_group_go(a->group, list_on_hangup, &a, sizeof a);
}

void admission_stop(struct admission *a)
{
    rn_group_free(a->group);
    rn_chan_unref(a->hangups);
}
