/* keys.c - see keys.h.   SPDX-License-Identifier: MIT */
#include "node/keys.h"

#include "node/node.h"
#include "proto/link/keyfile.h"

#include <stdio.h>
#include <string.h>

_Static_assert(RN__KEY_TEXT == KEY_TEXT, "node.h and key.h agree");

static int broker_key_read(const char *text, struct key *out)
{
    char why[KEYFILE_WHY];
    size_t len = strlen(text);
    int rc = key_of_text(text, len, out);
    if (rc == 0)
        return 0;
    if (rc == -EMSGSIZE)
        snprintf(why, sizeof why, "the broker's public key has %zu characters, and a key %d", len,
                 KEY_TEXT);
    else
        snprintf(why, sizeof why, "the broker's public key \"%s\" is no key: some of it is not Z85",
                 text);
    node_note_error(NULL, why);
    return -EINVAL;
}

static int own_key(const char *keyfile, struct key *secret)
{
    char why[KEYFILE_WHY] = "";
    struct key public;
    if (keyfile == NULL)
        return zlink_curve_pair(&public, secret);
    if (keyfile_read(keyfile, secret, why, sizeof why) < 0) {
        node_note_error(NULL, why);
        return -EINVAL;
    }
    return zlink_curve_public(secret, &public); /* fails without CURVE */
}

int keys_of_opts(const char *keyfile, const char *broker_key, struct zlink_curve *curve)
{
    keyfile = node_setting(keyfile, "RUNNEL_KEY");
    broker_key = node_setting(broker_key, "RUNNEL_BROKER_KEY");
    if (broker_key == NULL && keyfile == NULL)
        return 0;
    if (broker_key == NULL) {
        node_note_error(NULL, "there is a key file, but no public key of the broker "
                              "(--broker-key, $RUNNEL_BROKER_KEY): it could be anybody");
        return -EINVAL;
    }
    int rc = broker_key_read(broker_key, &curve->broker);
    if (rc == 0)
        rc = own_key(keyfile, &curve->secret);
    if (rc == -ENOTSUP)
        node_note_error(NULL, zlink_curve_missing);
    return rc < 0 ? rc : 1;
}

int rn__keys_make(const char *path, char public_text[RN__KEY_TEXT + 1], char *why, size_t size)
{
    struct key public, secret;
    int rc = zlink_curve_pair(&public, &secret);
    if (rc < 0) {
        snprintf(why, size, "%s", zlink_curve_missing);
        return rc;
    }
    rc = keyfile_write(path, &public, &secret, why, size);
    explicit_bzero(&secret, sizeof secret);
    if (rc == 0)
        key_text(&public, public_text);
    return rc;
}
