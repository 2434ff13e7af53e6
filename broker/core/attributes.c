/* attributes.c - stating, fixing and comparing attributes.   SPDX-License-Identifier: MIT
 *
 * Zero means "not stated" in what a bind says and "not fixed" in what a channel is. */
#include "broker/core/attributes.h"

#include "proto/limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_DELIVERIES_DEFAULT 16
#define CAPACITY_BYTES_MAX     (UINT64_C(1) << 60) /* so that sums of byte counts never overflow */

static const char *const kinds[] = { "any", "queue", "fanout" };
static const char *const keeps[] = { "any", "memory", "disk", "quorum" };
static const char *const slows[] = { "any", "block", "drop-oldest", "cut" };

const char *attributes_fault(const struct wire_attributes *a)
{
    if ((unsigned)a->kind > WIRE_FANOUT)
        return "its kind is none that exists";
    if ((unsigned)a->keep > WIRE_QUORUM)
        return "its keep is none that exists";
    if ((unsigned)a->slow > WIRE_SLOW_CUT)
        return "its slow is none that exists";
    if (a->capacity < WIRE_RENDEZVOUS || a->capacity > WIRE_CAPACITY_MAX)
        return "its capacity is out of range";
    if (a->capacity_bytes > CAPACITY_BYTES_MAX)
        return "its capacity in bytes is out of range";
    if (strnlen(a->type, WIRE_TYPE_MAX + 1) > WIRE_TYPE_MAX)
        return "its type's name is longer than 250 bytes";
    if (a->ttl_ms < WIRE_NO_TTL)
        return "its ttl_ms is out of range";
    if (a->ttl_ms > 0 && a->capacity == WIRE_RENDEZVOUS)
        return "a rendezvous holds nothing that could expire: it has no ttl_ms";
    if (a->kind == WIRE_QUEUE && a->slow > WIRE_SLOW_BLOCK)
        return "a queue cannot drop or cut, only block";
    if (a->kind == WIRE_FANOUT && a->capacity == WIRE_RENDEZVOUS)
        return "a rendezvous brings two together, it cannot be a fanout";
    return NULL;
}

const char *attributes_unsupported(const struct wire_attributes *a)
{
    if (a->keep == WIRE_DISK)
        return "this broker keeps no channels on disk yet";
    if (a->keep == WIRE_QUORUM)
        return "this broker keeps no channels by quorum yet";
    return NULL;
}

struct text {
    char *to;
    size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(t->to + t->len, t->size - t->len, format, args);
    va_end(args);
    t->len += (size_t)n < t->size - t->len ? (size_t)n : t->size - t->len - 1;
}

static const char *comma(const struct text *t)
{
    return t->len > 0 ? ", " : "";
}

static void differ_word(struct text *t, const char *what, const char *const *words, unsigned is,
                        unsigned stated)
{
    if (is != 0 && stated != 0 && is != stated)
        say(t, "%s%s is %s, not %s", comma(t), what, words[is], words[stated]);
}

static void differ_number(struct text *t, const char *what, int64_t is, int64_t stated)
{
    if (is != 0 && stated != 0 && is != stated)
        say(t, "%s%s is %" PRId64 ", not %" PRId64, comma(t), what, is, stated);
}

static void differ_capacity(struct text *t, int64_t is, int64_t stated)
{
    if (stated == WIRE_RENDEZVOUS && is > 0)
        say(t, "%scapacity is %" PRId64 ", not rendezvous", comma(t), is);
    else if (is == WIRE_RENDEZVOUS && stated > 0)
        say(t, "%scapacity is rendezvous, not %" PRId64, comma(t), stated);
    else
        differ_number(t, "capacity", is, stated);
}

static void differ_ttl(struct text *t, const struct wire_attributes *is,
                       const struct wire_attributes *stated)
{
    if (is->ttl_ms > 0 && stated->ttl_ms < 0)
        say(t, "%sttl_ms is %" PRId64 ", not none", comma(t), is->ttl_ms);
    else if (is->ttl_ms < 0 && stated->ttl_ms > 0)
        say(t, "%sttl_ms is none, not %" PRId64, comma(t), stated->ttl_ms);
    else
        differ_number(t, "ttl_ms", is->ttl_ms, stated->ttl_ms);
    if (is->capacity == 0 && is->ttl_ms > 0 && stated->capacity == WIRE_RENDEZVOUS)
        say(t, "%scapacity is at least 1, for its ttl_ms, not rendezvous", comma(t));
    if (is->ttl_ms == 0 && is->capacity == WIRE_RENDEZVOUS && stated->ttl_ms > 0)
        say(t, "%scapacity is rendezvous, not at least 1, as a ttl_ms needs it", comma(t));
}

bool attributes_differ(const struct wire_attributes *fixed, const struct wire_attributes *stated,
                       char *text, size_t size)
{
    struct text t = { text, size, 0 };

    text[0] = '\0';
    differ_word(&t, "kind", kinds, fixed->kind, stated->kind);
    differ_word(&t, "keep", keeps, fixed->keep, stated->keep);
    differ_word(&t, "slow", slows, fixed->slow, stated->slow);
    differ_capacity(&t, fixed->capacity, stated->capacity);
    if (fixed->kind == WIRE_FANOUT && stated->capacity == WIRE_RENDEZVOUS && fixed->capacity == 0)
        say(&t, "%skind is fanout, which cannot be a rendezvous", comma(&t));
    if (fixed->capacity == WIRE_RENDEZVOUS && stated->kind == WIRE_FANOUT &&
        fixed->kind == WIRE_KIND_ANY)
        say(&t, "%scapacity is rendezvous, which cannot be a fanout", comma(&t));
    differ_number(&t, "capacity_bytes", (int64_t)fixed->capacity_bytes,
                  (int64_t)stated->capacity_bytes);
    differ_number(&t, "max_deliveries", fixed->max_deliveries, stated->max_deliveries);
    differ_ttl(&t, fixed, stated);
    if (fixed->type[0] != '\0' && stated->type[0] != '\0' && strcmp(fixed->type, stated->type) != 0)
        say(&t, "%stype is '%s', not '%s'", comma(&t), fixed->type, stated->type);
    return t.len > 0;
}

void attributes_imply(struct wire_attributes *stated)
{
    if (stated->slow > WIRE_SLOW_BLOCK && stated->kind == WIRE_KIND_ANY)
        stated->kind = WIRE_FANOUT;
}

void attributes_fix(struct wire_attributes *fixed, const struct wire_attributes *stated)
{
    if (fixed->kind == WIRE_KIND_ANY)
        fixed->kind = stated->kind;
    if (fixed->keep == WIRE_KEEP_ANY)
        fixed->keep = stated->keep;
    if (fixed->slow == WIRE_SLOW_ANY)
        fixed->slow = stated->slow;
    if (fixed->capacity == 0)
        fixed->capacity = stated->capacity;
    if (fixed->capacity_bytes == 0)
        fixed->capacity_bytes = stated->capacity_bytes;
    if (fixed->max_deliveries == 0)
        fixed->max_deliveries = stated->max_deliveries;
    if (fixed->ttl_ms == 0)
        fixed->ttl_ms = stated->ttl_ms;
}

void attributes_fix_rest(struct wire_attributes *fixed)
{
    const struct wire_attributes defaults = {
        .kind = WIRE_QUEUE,
        .keep = WIRE_MEMORY,
        .slow = WIRE_SLOW_BLOCK,
        .capacity = WIRE_CAPACITY_DEFAULT,
        .capacity_bytes = WIRE_BYTES_DEFAULT,
        .max_deliveries = MAX_DELIVERIES_DEFAULT,
        .ttl_ms = WIRE_NO_TTL,
        .type = "",
    };

    attributes_fix(fixed, &defaults);
}

bool attributes_complete(const struct wire_attributes *fixed)
{
    return fixed->kind != WIRE_KIND_ANY && fixed->keep != WIRE_KEEP_ANY &&
           fixed->slow != WIRE_SLOW_ANY && fixed->capacity != 0 && fixed->capacity_bytes != 0 &&
           fixed->max_deliveries != 0 && fixed->ttl_ms != 0;
}
