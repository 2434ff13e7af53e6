/* keyfile.c - see keyfile.h.   SPDX-License-Identifier: MIT
 *
 * What held a secret is wiped before it is given back. */
#include "proto/link/keyfile.h"

#include "runtime/rn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX  (64 << 10)
#define LIST_FILE_MAX (64 << 20)
#define OTHERS        (S_IRWXG | S_IRWXO)

struct text {
    char *data;
    size_t len, size;
};

static void text_free(struct text *t)
{
    if (t->data != NULL)
        explicit_bzero(t->data, t->size);
    free(t->data);
}

static int text_grow(struct text *t)
{
    size_t size = t->size > 0 ? t->size * 2 : 4096;
    char *data = malloc(size);

    if (data == NULL)
        return -ENOMEM;
    if (t->len > 0)
        memcpy(data, t->data, t->len);
    text_free(t);
    t->data = data;
    t->size = size;
    return 0;
}

/* All that fd has.  -EFBIG: that is more than max. */
static int text_read(struct text *t, int fd, size_t max)
{
    for (;;) {
        ssize_t n;

        if (t->len > max)
            return -EFBIG;
        if (t->len == t->size && text_grow(t) < 0)
            return -ENOMEM;
        n = read(fd, t->data + t->len, t->size - t->len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return 0;
        t->len += n > 0 ? (size_t)n : 0;
    }
}

/* A kind of files. */
struct kind {
    const char *what; /* begins the sentences */
    mode_t forbidden; /* who must have no rights to it */
    size_t max;
    /* What the text says, to *out; or what is wrong with it, without the file's name. */
    int (*parse)(const struct text *t, void *out, char *why, size_t size);
};

static int file_read(const struct kind *k, const char *path, struct text *t, char *why, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : 0;
    struct stat st;

    if (rc == 0 && fstat(fd, &st) < 0)
        rc = -errno;
    if (rc == 0 && (st.st_mode & k->forbidden) != 0) {
        snprintf(why, size, "others than its owner may use it (its mode is %04o): chmod 600",
                 (unsigned)(st.st_mode & 07777));
        close(fd);
        return -EINVAL;
    }
    if (rc == 0)
        rc = text_read(t, fd, k->max);
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        snprintf(why, size, "%s", rn_strerror(rc));
    return rc;
}

static int file_parse(const struct kind *k, const char *path, void *out, char *why, size_t size)
{
    char fault[KEYFILE_WHY] = "";
    struct text t = { 0 };
    int rc = file_read(k, path, &t, fault, sizeof fault);

    if (rc == 0)
        rc = k->parse(&t, out, fault, sizeof fault);
    if (rc < 0)
        snprintf(why, size, "%s \"%s\": %s", k->what, path, fault);
    text_free(&t);
    return rc;
}

static int secret_parse(const struct text *t, void *out, char *why, size_t size)
{
    return key_of_file(t->data, t->len, out, why, size);
}

static int list_parse(const struct text *t, void *out, char *why, size_t size)
{
    return key_list_new(t->data, t->len, out, why, size);
}

int keyfile_read(const char *path, struct key *secret, char *why, size_t size)
{
    static const struct kind kind = { "key file", OTHERS, KEY_FILE_MAX, secret_parse };

    return file_parse(&kind, path, secret, why, size);
}

int keyfile_read_list(const char *path, struct key_list **out, char *why, size_t size)
{
    static const struct kind kind = { "list of clients", 0, LIST_FILE_MAX, list_parse };

    return file_parse(&kind, path, out, why, size);
}

/* ---- writing ---- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno != EINTR)
            return -errno;
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int file_write(const char *path, mode_t mode, const char *text, char *why, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    int rc = fd < 0 ? -errno : 0;

    if (rc == 0) {
        rc = write_all(fd, text, strlen(text));
        if (rc == 0 && fsync(fd) < 0)
            rc = -errno;
        if (close(fd) < 0 && rc == 0)
            rc = -errno;
        if (rc < 0)
            unlink(path);
    }
    if (rc == -EEXIST)
        snprintf(why, size, "\"%s\" is there already, and a key is not overwritten", path);
    else if (rc < 0)
        snprintf(why, size, "cannot write \"%s\": %s", path, rn_strerror(rc));
    return rc;
}

int keyfile_write(const char *path, const struct key *public, const struct key *secret, char *why,
                  size_t size)
{
    char public_text[KEY_TEXT + 1], secret_text[KEY_TEXT + 1], text[512];
    char *beside = NULL;
    int rc = asprintf(&beside, "%s.pub", path) < 0 ? -ENOMEM : 0;

    if (rc < 0) {
        snprintf(why, size, "there is no memory for it");
        return rc;
    }
    key_text(public, public_text);
    key_text(secret, secret_text);
    snprintf(
        text, sizeof text,
        "# The secret key of a node or broker (CURVE): who has it can pass for that. Its public key is\n"
        "# %s\n"
        "secret %s\n",
        public_text, secret_text);
    rc = file_write(path, 0600, text, why, size);
    explicit_bzero(secret_text, sizeof secret_text);
    explicit_bzero(text, sizeof text);
    if (rc == 0) {
        snprintf(text, sizeof text, "%s\n", public_text);
        rc = file_write(beside, 0644, text, why, size);
        if (rc < 0)
            unlink(path);
    }
    free(beside);
    return rc;
}
