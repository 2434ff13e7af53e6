/* elements.c - see elements.h.   SPDX-License-Identifier: MIT
 *
 * A dead letter is printed without its header, as `runnel recv` does. */
#include "node/ctl/elements.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/node.h"

#define LINE_MAX_BYTES 1400 /* of what is said about an element */

void elements_init(struct elements *es, bool details)
{
    *es = (struct elements){ .details = details };
    stream_share(&es->to, STDOUT_FILENO, /* writing= */ true);
}

void elements_fini(struct elements *es)
{
    stream_close(&es->to);
    free(es->out);
}

static bool room(struct elements *es, size_t len)
{
    size_t size = es->size > 0 ? es->size : 4096;
    char *grown;

    if (es->size - es->len >= len)
        return true;
    while (size - es->len < len)
        size *= 2;
    grown = realloc(es->out, size);
    if (!grown) {
        es->error = -ENOMEM;
        return false;
    }
    es->out = grown;
    es->size = size;
    return true;
}

static void duration(char *to, size_t size, uint64_t ms)
{
    if (ms < 10000)
        snprintf(to, size, "%" PRIu64 " ms", ms);
    else if (ms < 600 * 1000)
        snprintf(to, size, "%" PRIu64 " s", ms / 1000);
    else
        snprintf(to, size, "%" PRIu64 " min", ms / 60000);
}

/* "delivered to worker-1" */
static void place(char *to, size_t size, const struct wire_element *e)
{
    char due[32];

    switch (e->place) {
    case WIRE_BUFFERED:
        snprintf(to, size, "buffered");
        break;
    case WIRE_DELAYED:
        duration(due, sizeof due, e->due_ms);
        snprintf(to, size, "delayed for another %s", due);
        break;
    case WIRE_DELIVERED:
        snprintf(to, size, "delivered to %s and not taken", e->node);
        break;
    case WIRE_IN_HAND:
        snprintf(to, size, "taken by %s and not acknowledged", e->node);
        break;
    case WIRE_DYING:
        snprintf(to, size, "waits for room among the dead letters");
        break;
    }
    ctl_clean(to);
}

static void add_details(struct elements *es, const struct wire_element *e)
{
    char where[1200], age[32];

    if (!es->details || !room(es, LINE_MAX_BYTES))
        return;
    place(where, sizeof where, e);
    duration(age, sizeof age, e->age_ms);
    es->len += (size_t)snprintf(es->out + es->len, LINE_MAX_BYTES,
                                "%" PRIu64 ": %s, delivered %" PRIu32 " time%s, %" PRIu64
                                " byte%s, accepted %s ago\n  ",
                                e->position, where, e->deliveries, e->deliveries == 1 ? "" : "s",
                                e->size, e->size == 1 ? "" : "s", age);
}

/* What was begun has gone before all of it was shown. */
static void drop_rest(struct elements *es)
{
    if (es->missing == 0)
        return;
    es->len = es->begun;
    es->missing = 0;
}

/* The last element is whole: what is printed of it is what a receiver would get. */
static void end_line(struct elements *es, uint32_t flags)
{
    uint8_t *at = (uint8_t *)es->out + es->len - es->whole;
    const uint8_t *element = at;
    size_t len = es->whole;

    if (rn__node_element(flags, at, es->whole, &element, &len) == 0 && len < es->whole) {
        memmove(at, element, len);
        es->len -= es->whole - len;
    }
    es->out[es->len++] = '\n';
    es->n++;
}

void elements_add(struct elements *es, const struct wire_element *e)
{
    bool goes_on = es->missing > 0 && e->position == es->next && e->offset == es->offset;

    if (es->error < 0)
        return;
    if (!goes_on) {
        drop_rest(es);
        if (e->offset > 0)
            return; /* nothing that was asked for */
        es->begun = es->len;
        es->whole = es->missing = e->position > 0 ? e->size : e->len; /* see below */
        add_details(es, e);
    }
    if (!room(es, e->len + 1))
        return;
    if (e->len > 0)
        memcpy(es->out + es->len, e->bytes, e->len);
    es->len += e->len;
    es->missing -= e->len < es->missing ? e->len : es->missing;
    if (es->missing > 0) {
        es->next = e->position;
        es->offset = e->offset + e->len;
        return;
    }
    end_line(es, e->flags);
    if (e->position >
        0) /* what has no position yet cannot be asked for: it comes last, perhaps cut */
        es->next = e->position + 1;
    es->offset = 0;
}

int elements_flush(struct elements *es)
{
    size_t len = es->missing > 0 ? es->begun : es->len, done = 0;
    int rc;

    if (es->error < 0)
        return ctl_say("out of memory for what is shown");
    rc = len > 0 ? stream_write(&es->to, es->out, len, &done, RN_FOREVER) : 0;
    memmove(es->out, es->out + len, es->len - len);
    es->len -= len;
    es->begun = 0;
    if (rc == -EPIPE)
        return 128 + SIGPIPE;
    if (rc == RN_ECANCELED)
        return CTL_FAILED;
    return rc < 0 ? ctl_say("cannot write to standard output: %s", rn_strerror(rc)) : CTL_OK;
}
