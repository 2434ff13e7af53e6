/* url.h - where a link leads.   SPDX-License-Identifier: MIT */
#ifndef PROTO_LINK_URL_H
#define PROTO_LINK_URL_H

#include <stdbool.h>

#define LINK_URL_MAX 300 /* bytes, with the NUL */

enum link_url_use { LINK_URL_DIAL, LINK_URL_LISTEN };

/* Is url "tcp://HOST:PORT" or "ipc://PATH"?  To listen, PORT may be 0 or *: any. */
bool link_url_valid(const char *url, enum link_url_use use);

#endif
