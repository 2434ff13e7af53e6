/* inquiry.c - see inquiry.h.   SPDX-License-Identifier: MIT */
#include "tests/core/inquiry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct wire_channel_info info(struct world *w, const char *name)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 1, .query_name = name });
    world_pump(w);
    return n->answer->info;
}

struct handle *holds(struct world *w, uint32_t n, size_t size)
{
    struct handle *out = bind_out(node_new(w, "s"), "x", 1000);

    sends(out, n, size);
    world_pump(w);
    return out;
}

const struct wire_control *peeks(struct world *w, const char *name, uint64_t from, uint32_t count,
                                 uint64_t offset)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){
               .what = WIRE_PEEK,
               .bind = 7,
               .peek = { .name = name, .from = from, .count = count, .offset = offset } });
    world_pump(w);
    assert_int_equal(n->answer->bind, 7);
    assert_true(n->answer->control.answer.last);
    return &n->answer->control;
}

const char *seen(const struct wire_control *c)
{
    static const char *const places[] = { "buffered", "delayed", "delivered", "in hand", "dying" };
    static char text[2000];
    size_t len = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < c->answer.n_elements; i++) {
        const struct wire_element *e = &c->answer.elements[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%llu %s", i > 0 ? "; " : "",
                                (unsigned long long)e->position, places[e->place]);
        if (e->node[0] != '\0')
            len += (size_t)snprintf(text + len, sizeof text - len, " %s", e->node);
        if (e->deliveries > 0)
            len += (size_t)snprintf(text + len, sizeof text - len, " x%u", e->deliveries);
    }
    if (c->answer.more)
        snprintf(text + len, sizeof text - len, " +");
    return text;
}

const struct wire_control *asks_purge(struct world *w, const char *name)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){ .what = WIRE_PURGE, .bind = 8, .peek = { .name = name } });
    world_pump(w);
    assert_int_equal(n->answer->bind, 8);
    assert_true(n->answer->control.answer.last);
    return &n->answer->control;
}

const struct wire_control *asks_removal(struct world *w, const char *name, bool force)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){
               .what = WIRE_REMOVE, .bind = 9, .peek = { .name = name, .force = force } });
    world_pump(w);
    assert_int_equal(n->answer->bind, 9);
    assert_true(n->answer->control.answer.last);
    return &n->answer->control;
}
