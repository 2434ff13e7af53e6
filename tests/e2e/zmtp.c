/* zmtp.c - see zmtp.h.   SPDX-License-Identifier: MIT */
#include "tests/e2e/zmtp.h"

#include <stdlib.h>
#include <string.h>

#define MORE    1
#define LONG    2
#define COMMAND 4

void bytes_add(struct bytes *b, const void *data, size_t n)
{
    if (n == 0)
        return;
    if (n > b->cap - b->n) {
        b->cap = 2 * b->cap + n;
        b->at = realloc(b->at, b->cap);
        if (b->at == NULL)
            abort();
    }
    memcpy(b->at + b->n, data, n);
    b->n += n;
}

void bytes_fini(struct bytes *b)
{
    free(b->at);
    *b = (struct bytes){ 0 };
}

/* ---- what is said -------------------------------------------------------------------------------------------------- */

static void add_byte(struct bytes *b, uint8_t byte)
{
    bytes_add(b, &byte, 1);
}

/* The n low bytes of a number, the highest first. */
static void add_number(struct bytes *b, uint64_t number, unsigned n)
{
    while (n-- > 0)
        add_byte(b, (uint8_t)(number >> (8 * n)));
}

static void add_frame(struct bytes *b, uint8_t flags, const void *data, size_t len)
{
    add_byte(b, len > 255 ? flags | LONG : flags);
    add_number(b, len, len > 255 ? 8 : 1);
    bytes_add(b, data, len);
}

void zmtp_greeting(struct bytes *b)
{
    uint8_t greeting[ZMTP_GREETING] = { [0] = 0xff, [8] = 1, [9] = 0x7f, [10] = 3 };

    memcpy(greeting + 12, "NULL", 4);
    bytes_add(b, greeting, sizeof greeting);
}

static void add_property(struct bytes *b, const char *name, const char *value)
{
    add_byte(b, (uint8_t)strlen(name));
    bytes_add(b, name, strlen(name));
    add_number(b, strlen(value), 4);
    bytes_add(b, value, strlen(value));
}

void zmtp_ready(struct bytes *b, const char *identity)
{
    struct bytes body = { 0 };

    bytes_add(&body, "\5READY", 6);
    add_property(&body, "Socket-Type", "DEALER");
    add_property(&body, "Identity", identity);
    add_frame(b, COMMAND, body.at, body.n);
    bytes_fini(&body);
}

void zmtp_ping(struct bytes *b, const uint8_t *context, size_t len)
{
    struct bytes body = { 0 };

    bytes_add(&body, "\4PING\0\1", 7);
    bytes_add(&body, context, len);
    add_frame(b, COMMAND, body.at, body.n);
    bytes_fini(&body);
}

void zmtp_part(struct bytes *b, const uint8_t *data, size_t len, bool more)
{
    add_frame(b, more ? MORE : 0, data, len);
}

size_t zmtp_read(const uint8_t *data, size_t size, const uint8_t **body, size_t *len,
                 bool *is_command)
{
    size_t head = size > 0 && data[0] & LONG ? 9 : 2;
    uint64_t n = 0;

    if (size < head)
        return 0;
    for (size_t i = 1; i < head; i++)
        n = n << 8 | data[i];
    if (n > size - head)
        return 0;
    *body = data + head;
    *len = (size_t)n;
    *is_command = data[0] & COMMAND;
    return head + (size_t)n;
}

/* ---- what spoils it -------------------------------------------------------------------------------------------------- */

uint64_t chance(uint64_t *state, uint64_t below)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z >> 16) % below;
}

/* Changes the length of the frame that begins the piece, so that it promises less or more than there is. */
static void spoil_length(struct bytes *b, uint64_t *state)
{
    static const uint8_t promises[] = { 0, 1, 0x7f, 0x80, 0xff };
    size_t at = b->at[0] & LONG && b->n > 8 ? 1 + chance(state, 8) : 1;

    if (b->n > at)
        b->at[at] = promises[chance(state, sizeof promises)];
    if (chance(state, 4) == 0)
        b->at[0] ^= LONG;
}

static void spoil_bits(struct bytes *b, uint64_t *state)
{
    for (uint64_t n = 1 + chance(state, 8); n > 0; n--)
        b->at[chance(state, b->n)] ^= (uint8_t)(1u << chance(state, 8));
}

static void cut_out(struct bytes *b, uint64_t *state)
{
    size_t at = chance(state, b->n), n = 1 + chance(state, b->n - at);

    memmove(b->at + at, b->at + at + n, b->n - at - n);
    b->n -= n;
}

static void say_twice(struct bytes *b, uint64_t *state)
{
    struct bytes copy = { 0 };
    size_t at = chance(state, 2) == 0 ? 0 : chance(state, b->n);

    bytes_add(&copy, b->at + at, b->n - at);
    bytes_add(b, copy.at, copy.n);
    bytes_fini(&copy);
}

static void add_noise(struct bytes *b, uint64_t *state)
{
    for (uint64_t n = 1 + chance(state, 64); n > 0; n--)
        add_byte(b, (uint8_t)chance(state, 256));
}

void zmtp_spoil(struct bytes *b, uint64_t *state)
{
    if (b->n == 0)
        return;
    switch (chance(state, 8)) {
    case 0:
    case 1:
    case 2:
        spoil_bits(b, state);
        break;
    case 3:
        spoil_length(b, state);
        break;
    case 4:
        cut_out(b, state);
        break;
    case 5:
        say_twice(b, state);
        break;
    case 6:
        add_noise(b, state);
        break;
    default:
        b->n = chance(state, b->n + 1);
    }
}
