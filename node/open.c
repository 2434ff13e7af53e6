/* open.c - rn_node_open: options, environment, and the socket.   SPDX-License-Identifier: MIT */
#include "node/keys.h"
#include "node/node.h"
#include "proto/link/url.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define URL_DEFAULT     "tcp://127.0.0.1:7400"
#define LEASE_ASKED_MAX (3600 * RN_SEC)

const char *node_setting(const char *given, const char *variable)
{
    const char *value = given != NULL ? given : getenv(variable);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* "2s", "500ms", "2" (seconds).  0, or -EINVAL. */
static int lease_parse(const char *text, int64_t *ns)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    int64_t unit = strcmp(end, "ms") == 0 ? RN_MS : RN_SEC;
    bool known = *end == '\0' || strcmp(end, "s") == 0 || unit == RN_MS;
    if (end == text || !known || n <= 0 || n > LEASE_ASKED_MAX / unit)
        return -EINVAL;
    *ns = n * unit;
    return 0;
}

static void own_name(char *name, size_t size)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) < 0)
        strcpy(host, "node");
    snprintf(name, size, "%s:%ld", host, (long)getpid());
}

/* Is every one of them an address to connect to?  Says so at once, because waiting would not make it one. */
static bool urls_valid(const char *list)
{
    for (const char *at = list; at != NULL;
         at = strchr(at, ',') != NULL ? strchr(at, ',') + 1 : NULL) {
        char url[LINK_URL_MAX];
        size_t len = strcspn(at, ",");
        if (len >= sizeof url)
            return false;
        memcpy(url, at, len);
        url[len] = '\0';
        if (!link_url_valid(url, LINK_URL_DIAL))
            return false;
    }
    return true;
}

int rn_node_open_v(rn_node **node, const rn_node_opts *opts, size_t opts_size, rn_time deadline)
{
    rn_node_opts o = { 0 };
    if (opts != NULL)
        memcpy(&o, opts, opts_size < sizeof o ? opts_size : sizeof o);
    if (node_forked())
        return -ESHUTDOWN;
    const char *lease = getenv("RUNNEL_LEASE");
    if (o.lease_ns == 0 && lease != NULL && lease[0] != '\0' &&
        lease_parse(lease, &o.lease_ns) < 0) {
        node_note_error(NULL, "RUNNEL_LEASE is not a time like 500ms, 2s or 2");
        return -EINVAL;
    }
    const char *url = node_setting(o.brokers, "RUNNEL_URL");
    if (url == NULL)
        url = URL_DEFAULT;
    if (!urls_valid(url)) {
        node_note_error(NULL, "the broker's address is not like tcp://HOST:PORT or ipc://PATH");
        return -EINVAL;
    }
    char name[300];
    own_name(name, sizeof name);
    if (o.name == NULL)
        o.name = name;
    struct zlink_curve curve;
    int encrypts = keys_of_opts(o.keyfile, o.broker_key, &curve);
    if (encrypts < 0)
        return encrypts;
    struct link *link = zlink_dialer(encrypts ? &curve : NULL);
    explicit_bzero(&curve, sizeof curve);
    if (link == NULL)
        return -ENOMEM;
    return rn__node_open_on(node, &o, link, url, deadline);
}
