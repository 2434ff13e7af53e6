/* zlink_curve.c - ZeroMQ's CURVE: pairs of keys, and sockets that encrypt.   SPDX-License-Identifier: MIT */
#include "proto/link/zlink_inside.h"

#include "proto/limits.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

const char zlink_curve_missing[] =
    "links cannot be encrypted here: this libzmq was built without CURVE";

int zlink_curve_pair(struct key *public, struct key *secret)
{
    char public_text[KEY_TEXT + 1], secret_text[KEY_TEXT + 1];
    int rc = zlink_result(zmq_curve_keypair(public_text, secret_text));

    if (rc == 0)
        rc = key_of_text(public_text, KEY_TEXT, public);
    if (rc == 0)
        rc = key_of_text(secret_text, KEY_TEXT, secret);
    explicit_bzero(secret_text, sizeof secret_text);
    return rc;
}

int zlink_curve_public(const struct key *secret, struct key *public)
{
    char public_text[KEY_TEXT + 1], secret_text[KEY_TEXT + 1];
    int rc;

    key_text(secret, secret_text);
    rc = zlink_result(zmq_curve_public(public_text, secret_text));
    explicit_bzero(secret_text, sizeof secret_text);
    return rc < 0 ? rc : key_of_text(public_text, KEY_TEXT, public);
}

/* What ZeroMQ adds to a message: its name, the rest of a nonce, what proves that it is whole, flags. */
#define ADDED (8 + 8 + 16 + 1)

static int allow_added(void *socket)
{
    int64_t largest = WIRE_FRAME_MAX + ADDED;

    return zlink_result(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest));
}

static int key_option(void *socket, int name, const struct key *k)
{
    return zlink_result(zmq_setsockopt(socket, name, k->bytes, KEY_BYTES));
}

int zlink_curve_dials(void *socket, const struct zlink_curve *curve)
{
    struct key public;
    int rc = zlink_curve_public(&curve->secret, &public);

    if (rc == 0)
        rc = key_option(socket, ZMQ_CURVE_SERVERKEY, &curve->broker);
    if (rc == 0)
        rc = key_option(socket, ZMQ_CURVE_PUBLICKEY, &public);
    if (rc == 0)
        rc = key_option(socket, ZMQ_CURVE_SECRETKEY, &curve->secret);
    return rc < 0 ? rc : allow_added(socket);
}

int zlink_curve_listens(void *socket, const struct key *secret)
{
    int rc = zlink_option(socket, ZMQ_CURVE_SERVER, 1);

    if (rc == 0)
        rc = key_option(socket, ZMQ_CURVE_SECRETKEY, secret);
    return rc < 0 ? rc : allow_added(socket);
}
