/* fields.c - a small protobuf message before an element, read field by field.   SPDX-License-Identifier: MIT */
#include "proto/fields.h"
#include "proto/varint.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define FIELD_MAX 1000 /* no message of ours will ever have that many */

static bool take_varint(struct bytes *b, uint64_t *v)
{
    const uint8_t *at = b->at;

    if (!varint_read(&at, b->at + b->left, v))
        return false;
    b->left -= (size_t)(at - b->at);
    b->at = at;
    return true;
}

static bool take_bytes(struct bytes *b, size_t n, struct bytes *taken)
{
    if (n > b->left)
        return false;
    *taken = (struct bytes){ b->at, n };
    b->at += n;
    b->left -= n;
    return true;
}

/* A value of any wire type that a reader may meet: a number, or bytes. */
static bool take_value(struct bytes *b, unsigned type, uint64_t *number, struct bytes *text)
{
    switch (type) {
    case 0:
        return take_varint(b, number);
    case 1:
        if (!take_bytes(b, 8, text))
            return false;
        memcpy(number, text->at, 8);
        *number = le64toh(*number);
        return true;
    case 2:
        return take_varint(b, number) && *number <= b->left && take_bytes(b, (size_t)*number, text);
    case 5:
        return take_bytes(b, 4, text);
    default:
        return false;
    }
}

bool fields_text(char *to, size_t max, struct bytes text)
{
    if (text.left > max || memchr(text.at, '\0', text.left) != NULL)
        return false;
    memcpy(to, text.at, text.left);
    to[text.left] = '\0';
    return true;
}

int fields_head(const uint8_t *data, size_t size, size_t max, fields_fn *fn, void *to,
                const uint8_t **rest, size_t *rest_len)
{
    struct bytes all = { data, size }, head, text = { NULL, 0 };
    uint64_t head_len, key, number = 0;

    if (!take_varint(&all, &head_len) || head_len > max ||
        !take_bytes(&all, (size_t)head_len, &head))
        return -EPROTO;
    while (head.left > 0) {
        if (!take_varint(&head, &key) || !take_value(&head, key & 7, &number, &text))
            return -EPROTO;
        if (key >> 3 == 0 || key >> 3 > FIELD_MAX ||
            !fn(to, (unsigned)(key >> 3), key & 7, number, text))
            return -EPROTO;
    }
    *rest = all.at;
    *rest_len = all.left;
    return 0;
}
