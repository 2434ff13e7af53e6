/* error.c - what a broker's refusal is to a program.   SPDX-License-Identifier: MIT */
#include "node/inside.h"

#include "proto/limits.h"

#include <stdio.h>

_Static_assert(WIRE_REASON_SESSION == RN_ESESSION, "limits.h and runnel.h agree");

int node_error(enum wire_code code, int reason)
{
    switch (code) {
    case WIRE_OK:
        return 0;
    case WIRE_CLOSED:
        return RN_ECLOSED;
    case WIRE_SESSION_OVER:
        return RN_ESESSION;
    case WIRE_MISMATCH:
        return RN_EMISMATCH;
    case WIRE_NOT_FOUND:
        return -ENOENT;
    case WIRE_BAD_NAME:
    case WIRE_BAD_ATTRIBUTE:
        return -EINVAL;
    case WIRE_UNSUPPORTED:
        return -ENOTSUP;
    case WIRE_DENIED:
        return RN_EDENIED;
    case WIRE_HOME_LOST:
    case WIRE_REMOVED: /* the channel is gone, and what it held, as with its broker */
        return RN_EHOMELOST;
    case WIRE_NO_MEMORY:
        return -ENOMEM;
    case WIRE_TOO_LARGE:
        return -EMSGSIZE;
    case WIRE_SLOW:
        return RN_ESLOW;
    case WIRE_SHUTDOWN:
        return -ESHUTDOWN;
    case WIRE_BUSY:
        return -EBUSY;
    case WIRE_CANCELLED:
    case WIRE_FAILED:
        return reason < 0 ? reason : RN_ECLOSED;
    case WIRE_PROTOCOL:
    case WIRE_VERSION_UNKNOWN:
        break;
    }
    return -EPROTO;
}

static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static char process_why[WIRE_TEXT_MAX + 1]; /* guarded by process_lock */

void node_note_error(struct rn_node *n, const char *sentence)
{
    pthread_mutex_t *lock = n != NULL ? &n->lock : &process_lock;
    char *why = n != NULL ? n->why : process_why;
    pthread_mutex_lock(lock);
    snprintf(why, WIRE_TEXT_MAX + 1, "%s", sentence);
    pthread_mutex_unlock(lock);
}

int rn_node_last_error(rn_node *node, char *buf, size_t size)
{
    pthread_mutex_t *lock = node != NULL ? &node->lock : &process_lock;
    const char *why = node != NULL ? node->why : process_why;
    pthread_mutex_lock(lock);
    int n = snprintf(buf, size, "%s", why);
    pthread_mutex_unlock(lock);
    return n;
}

void rn__node_why(rn_node *node, char *buf, size_t size)
{
    rn_node_last_error(node, buf, size);
}
