/* admission.h - who may connect to the broker: its key, the list of clients, and SIGHUP.   SPDX-License-Identifier: MIT */
#ifndef BROKER_ADMISSION_H
#define BROKER_ADMISSION_H

#include "proto/link/zlink.h"

/* Owned by the goroutine that runs the broker. */
struct admission {
    struct zlink_listening how;
    struct key secret;   /* until admission_listen() */
    const char *clients; /* the file of the list, borrowed; NULL: everybody may */
    struct link *link;
    rn_chan *hangups;
    rn_group *group; /* of who reads the list again */
};

/* Reads the files; keyfile NULL: links are not encrypted.  0; or -1 and it has said why on standard error. */
int admission_init(struct admission *a, const char *keyfile, const char *clients);

/* zlink_listener() for those who may connect.  Once, whatever comes of it. */
int admission_listen(struct admission *a, const char *url, char bound[LINK_URL_MAX],
                     struct link **out);

/* From now on SIGHUP has the list read again.  0 or -ENOMEM; in either case admission_stop() comes before the link is
 * closed. */
int admission_start(struct admission *a, struct link *link);
void admission_stop(struct admission *a);

#endif
