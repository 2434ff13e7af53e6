/* url.c - see url.h.   SPDX-License-Identifier: MIT
 *
 * ZeroMQ looks at URLs too, but takes any port modulo 65536 and schemes that we do not mean. */
#include "proto/link/url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TCP "tcp://"
#define IPC "ipc://"

static bool port_valid(const char *text, enum link_url_use use)
{
    char *end = NULL;
    unsigned long port;

    if (use == LINK_URL_LISTEN && strcmp(text, "*") == 0)
        return true;
    if (*text < '0' || *text > '9')
        return false;
    port = strtoul(text, &end, 10);
    return *end == '\0' && port <= UINT16_MAX && (port > 0 || use == LINK_URL_LISTEN);
}

bool link_url_valid(const char *url, enum link_url_use use)
{
    const char *colon = strrchr(url, ':');

    if (strlen(url) >= LINK_URL_MAX)
        return false;
    if (strncmp(url, IPC, strlen(IPC)) == 0)
        return url[strlen(IPC)] != '\0';
    if (strncmp(url, TCP, strlen(TCP)) != 0 || colon <= url + strlen(TCP))
        return false;
    return port_valid(colon + 1, use);
}
